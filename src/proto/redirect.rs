//! Where a server sends a client that should ask elsewhere (RFC 9110 section 15.4).

use super::http::token::trim;
use super::url::Url;
use crate::error::{Code, Error, Result};

/// Whether a client that follows redirects follows this one.
pub fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Same scheme, host and port, or same socket: credentials for one are for the other too.
pub fn same_origin(a: &Url, b: &Url) -> bool {
    (a.secure, &a.unix, &a.host, a.port) == (b.secure, &b.unix, &b.host, b.port)
}

/// The URL to ask next. Credentials are those in `location`; those of `from` go along only within its
/// origin.
pub fn next(from: &Url, status: u16, location: Option<&str>) -> Result<Url> {
    if !is_redirect(status) {
        return refuse(format!("the status {status} is no redirect that can be followed"));
    }
    let Some(location) = location.map(trim).filter(|location| !location.is_empty()) else {
        return refuse(format!("the server answered {status} without saying where to go"));
    };
    let mut next = resolve(from, location).map_err(|error| {
        let message = format!("the server redirects to where one cannot go: {}", error.message);
        Error::new(Code::Redirect, message)
    })?;
    if from.secure && !next.secure {
        return refuse("the server redirects from wss:// to ws://, which is refused".to_owned());
    }
    if next.credentials.is_none() && same_origin(from, &next) {
        next.credentials.clone_from(&from.credentials);
    }
    Ok(next)
}

fn refuse<T>(message: String) -> Result<T> {
    Err(Error::new(Code::Redirect, message))
}

/// RFC 3986 section 5.2, without the fragment.
fn resolve(from: &Url, location: &str) -> Result<Url> {
    let location = location.split_once('#').map_or(location, |(location, _)| location);
    let path = from.resource.split_once('?').map_or(&*from.resource, |(path, _)| path);
    if let Some(scheme) = scheme(location) {
        // A stranger has no business with the sockets of this machine.
        if scheme.contains('+') {
            let message = format!("the URL scheme {scheme:?} must be ws or wss");
            return Err(Error::new(Code::Redirect, message));
        }
        return Url::parse(location);
    }
    if location.starts_with("//") {
        return Url::parse(&format!("{}:{location}", if from.secure { "wss" } else { "ws" }));
    }
    if location.is_empty() {
        return Ok(from.clone());
    }
    if location.starts_with('/') {
        return from.with_resource(location);
    }
    if location.starts_with('?') {
        return from.with_resource(&format!("{path}{location}"));
    }
    let (folder, _) = path.rsplit_once('/').unwrap_or_default();
    from.with_resource(&format!("{folder}/{location}"))
}

/// RFC 3986 section 3.1.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let valid = scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.bytes().all(inner);
    valid.then_some(scheme)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::http::auth::Credentials;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn to(from: &str, location: &str) -> Url {
        next(&url(from), 302, Some(location)).unwrap_or_else(|error| panic!("{location}: {error}"))
    }

    fn refusal(from: &str, location: Option<&str>) -> String {
        let error = next(&url(from), 307, location).expect_err(from);
        assert_eq!(error.code, Code::Redirect);
        assert!(!error.message.chars().any(char::is_control), "{}", error.message);
        error.message.to_string()
    }

    #[test]
    fn references_are_resolved() {
        for (location, href) in [
            ("ws://other/x?y", "ws://other/x?y"),
            ("WSS://other", "wss://other/"),
            ("http://other:80/", "ws://other/"),
            ("https://h:8080/", "wss://h:8080/"),
            ("//other:81/x", "ws://other:81/x"),
            ("/x?y=z:1", "ws://h:8080/x?y=z:1"),
            ("/x/../y", "ws://h:8080/y"),
            ("x", "ws://h:8080/a/x"),
            ("./x", "ws://h:8080/a/x"),
            ("../x", "ws://h:8080/x"),
            ("../../../x", "ws://h:8080/x"),
            ("x/y:z", "ws://h:8080/a/x/y:z"),
            ("./y:z", "ws://h:8080/a/y:z"),
            ("1:2", "ws://h:8080/a/1:2"),
            ("?z", "ws://h:8080/a/b?z"),
            ("?", "ws://h:8080/a/b?"),
            ("#f", "ws://h:8080/a/b?c=/d"),
            ("/x#f", "ws://h:8080/x"),
            ("ws://other/x#f", "ws://other/x"),
            (" \t/x ", "ws://h:8080/x"),
            ("/\u{e9}\"", "ws://h:8080/%C3%A9%22"),
        ] {
            assert_eq!(to("ws://h:8080/a/b?c=/d", location).href(), href, "{location}");
        }
        assert_eq!(to("wss://h/", "//other").href(), "wss://other/");
        assert_eq!(to("ws://h", "x").href(), "ws://h/x");
    }

    #[test]
    fn a_socket_stays_the_same_until_another_server_is_named() {
        let from = "ws+unix:/run/a.sock:/a/b";
        assert_eq!(to(from, "c").href(), "ws+unix:/run/a.sock:/a/c");
        assert_eq!(to(from, "/c").href(), "ws+unix:/run/a.sock:/c");
        assert_eq!(to(from, "//other/c").href(), "ws://other/c");
        for socket in ["ws+unix:/run/b.sock:/", "WS+UNIX:/run/a.sock:/", "wss+unix:@b"] {
            assert!(refusal(from, Some(socket)).contains("must be ws or wss"));
            assert!(refusal("ws://h/", Some(socket)).contains("must be ws or wss"));
        }
        assert!(!same_origin(&url(from), &url("ws://localhost/")));
        assert!(!same_origin(&url(from), &url("ws+unix:/run/b.sock")));
        assert!(same_origin(&url(from), &url("ws+unix:/run/a.sock:/x")));
    }

    #[test]
    fn what_cannot_be_followed() {
        for downgrade in ["ws://h/", "http://h:443/"] {
            assert_eq!(
                refusal("wss://h/", Some(downgrade)),
                "the server redirects from wss:// to ws://, which is refused"
            );
        }
        for nowhere in [None, Some(""), Some(" \t")] {
            assert!(refusal("ws://h/", nowhere).contains("without saying where"));
        }
        for bad in [
            "ftp://h/",
            "mailto:a@h",
            "ws:",
            "ws:/x",
            "wss://",
            "//",
            "//h:x/",
            "a b",
            "/a\\b",
            "/a\r\nb",
            "ws://h\u{1}/",
            "javascript:0",
            "//u%0a@h/",
        ] {
            assert!(refusal("ws://h/", Some(bad)).contains("where one cannot go"), "{bad}");
        }
    }

    #[test]
    fn statuses() {
        let followed: Vec<u16> = (0..1000).filter(|&status| is_redirect(status)).collect();
        assert_eq!(followed, [301, 302, 303, 307, 308]);
        for status in [200, 300, 304, 305, 306, 309] {
            let error = next(&url("ws://h/"), status, Some("/x")).unwrap_err();
            assert_eq!(error.code, Code::Redirect);
        }
    }

    #[test]
    fn origins() {
        let origin = url("ws://h:80/a");
        for (other, same) in [
            ("ws://H/b?c", true),
            ("http://u:p@h/", true),
            ("ws://h:81/", false),
            ("wss://h:80/", false),
            ("ws://h.example/", false),
        ] {
            assert_eq!(same_origin(&origin, &url(other)), same, "{other}");
        }
    }

    #[test]
    fn credentials_stay_with_their_origin() {
        let user = |url: Url| url.credentials.map(|Credentials { user, .. }| user);
        let from = "ws://me:secret@h/a";
        for (location, expected) in [
            ("/b", Some("me")),
            ("", Some("me")),
            ("ws://h:80/b", Some("me")),
            ("//h/b", Some("me")),
            ("ws://you@h/b", Some("you")),
            ("ws://you:x@other/", Some("you")),
            ("ws://other/", None),
            ("//other/", None),
            ("ws://h:81/", None),
            ("wss://h/", None),
        ] {
            let location = format!("{location}#");
            assert_eq!(user(to(from, &location)).as_deref(), expected, "{location}");
        }
    }
}
