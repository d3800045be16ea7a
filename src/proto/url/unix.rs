//! `ws+unix:/path/of.sock:/resource?query`: a server behind a Unix domain socket. No standard has such
//! URLs; these are those of the ws package for Node.js.

use super::parts::{Fault, percent_decode};
use super::{Url, default_port, encode_into, normalise};

/// `sun_path` has 108 bytes on Linux, and C wants a NUL at the end.
const MAX_PATH: usize = 107;

/// Whether this is such a URL: whether it is secure, and what follows the scheme.
pub(super) fn scheme(text: &str) -> Option<(bool, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    match scheme.to_ascii_lowercase().as_str() {
        "ws+unix" => Some((false, rest)),
        "wss+unix" => Some((true, rest)),
        _ => None,
    }
}

/// What follows the scheme; two slashes before the path are forgiven.
pub(super) fn parse(secure: bool, rest: &str) -> Result<Url, Fault> {
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (path, resource) = rest.split_once(':').unwrap_or((rest, ""));
    if path.contains('?') {
        return Err("has a query in the path of its socket: write :/? before it, or %3F".into());
    }
    if !resource.is_empty() && !resource.starts_with(['/', '?']) {
        return Err(
            "has a colon in the path of its socket: write %3A, or :/ before the resource".into()
        );
    }
    Ok(Url {
        secure,
        unix: Some(decode(path)?),
        host: "localhost".to_owned(),
        port: default_port(secure),
        resource: normalise(resource),
        credentials: None,
    })
}

fn decode(path: &str) -> Result<String, Fault> {
    if !path.starts_with(['/', '@']) || path == "@" {
        return Err(
            "has no absolute path of a socket: write ws+unix:/path/of.sock:/resource".into()
        );
    }
    let Ok(path) = String::from_utf8(percent_decode(path)) else {
        return Err("has a path of a socket that is not UTF-8".into());
    };
    // Two slashes in front would be forgiven and lost when the URL is read again.
    let path = match path.strip_prefix('/') {
        Some(rest) => format!("/{}", rest.trim_start_matches('/')),
        None => path,
    };
    if path.contains('\0') {
        return Err("has a NUL in the path of its socket".into());
    }
    if path.len() > MAX_PATH {
        return Err(format!(
            "has a path of a socket with {} bytes: the system takes {MAX_PATH} at most",
            path.len()
        )
        .into());
    }
    Ok(path)
}

/// So that [`parse`] finds the same path.
pub(super) fn encode(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    encode_into(&mut out, path, "\"#%:<>?\\^`{|}");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    fn refusal(text: &str) -> String {
        let error = Url::parse(text).expect_err(text);
        assert_eq!(error.code, Code::InvalidArgument);
        error.message.to_string()
    }

    #[test]
    fn paths_and_resources() {
        for (text, path, resource, href) in [
            ("ws+unix:/run/a.sock:/chat?x=1:2", "/run/a.sock", "/chat?x=1:2", "="),
            ("ws+unix:/run/a.sock", "/run/a.sock", "/", "ws+unix:/run/a.sock:/"),
            ("WSS+Unix:///run/a.sock:", "/run/a.sock", "/", "wss+unix:/run/a.sock:/"),
            ("ws+unix:////a", "/a", "/", "ws+unix:/a:/"),
            ("ws+unix:/%2F%2fa", "/a", "/", "ws+unix:/a:/"),
            ("ws+unix:@name:/b/../c", "@name", "/c", "ws+unix:@name:/c"),
            ("ws+unix://@name:?q", "@name", "/?q", "ws+unix:@name:/?q"),
            ("ws+unix:@//x:/", "@//x", "/", "="),
            ("ws+unix:/@name:/", "/@name", "/", "="),
            ("ws+unix:/a%3Ab%3f%25%20c:/", "/a:b?% c", "/", "ws+unix:/a%3Ab%3F%25%20c:/"),
            (
                "ws+unix:/\u{e9}%C3%A9:/\u{e9}",
                "/\u{e9}\u{e9}",
                "/%C3%A9",
                "ws+unix:/%C3%A9%C3%A9:/%C3%A9",
            ),
            ("ws+unix:/a/../b:/", "/a/../b", "/", "="),
            ("ws+unix:/a://b", "/a", "//b", "="),
            ("ws+unix:/%0a:/", "/\n", "/", "ws+unix:/%0A:/"),
        ] {
            let url = Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(
                (url.unix.as_deref(), url.resource.as_str()),
                (Some(path), resource),
                "{text}"
            );
            assert_eq!((url.host.as_str(), url.host_header().as_str()), ("localhost", "localhost"));
            assert_eq!(url.secure, text.starts_with("WSS"));
            assert_eq!(url.href(), if href == "=" { text } else { href });
            assert_eq!(Url::parse(&url.href()), Ok(url));
        }
    }

    #[test]
    fn what_is_no_socket() {
        for text in
            ["ws+unix:", "ws+unix://", "ws+unix://h", "ws+unix:a.sock", "ws+unix:@", "ws+unix:%2Fa"]
        {
            assert!(refusal(text).contains("absolute path"), "{text}");
        }
        assert!(refusal("ws+unix:/a?b").contains(":/?"));
        assert!(refusal("ws+unix:/a:b").contains("%3A"));
        assert!(refusal("ws+unix:/a%00b").contains("NUL"));
        assert!(refusal("ws+unix:/a%ff").contains("UTF-8"));
        assert!(refusal("ws+unix:/a b").contains("space"));
        assert!(refusal("ws+unix:/a:/#b").contains("fragment"));
        assert!(refusal("http+unix:/a").contains("absolute"));
    }

    #[test]
    fn as_long_as_the_system_takes() {
        let longest = format!("ws+unix:/{}", "a".repeat(MAX_PATH - 1));
        assert!(Url::parse(&longest).is_ok());
        assert!(refusal(&format!("{longest}a")).contains("108 bytes"));
        let decoded = format!("ws+unix:@{}", "%41".repeat(MAX_PATH - 1));
        assert_eq!(Url::parse(&decoded).unwrap().unix.unwrap().len(), MAX_PATH);
    }
}
