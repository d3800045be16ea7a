//! Where a proxy is, as people write it: `http://user:password@proxy.example:8080`.

use crate::error::{Code, Error, Result};
use crate::proto::http::auth::Credentials;
use crate::proto::url::parts::{self, Fault};
use std::fmt;

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyScheme {
    /// HTTP CONNECT.
    Http,
    /// HTTP CONNECT inside of TLS.
    Https,
    /// SOCKS5, with host names looked up here.
    Socks5,
    /// SOCKS5, with host names looked up by the proxy.
    Socks5h,
}

impl ProxyScheme {
    const ALL: [ProxyScheme; 4] =
        [ProxyScheme::Http, ProxyScheme::Https, ProxyScheme::Socks5, ProxyScheme::Socks5h];

    /// As in a URL.
    pub fn name(self) -> &'static str {
        match self {
            ProxyScheme::Http => "http",
            ProxyScheme::Https => "https",
            ProxyScheme::Socks5 => "socks5",
            ProxyScheme::Socks5h => "socks5h",
        }
    }

    /// Whether it is one of the two that speak SOCKS.
    pub fn is_socks(self) -> bool {
        matches!(self, ProxyScheme::Socks5 | ProxyScheme::Socks5h)
    }

    fn default_port(self) -> u16 {
        match self {
            ProxyScheme::Http => 80,
            ProxyScheme::Https => 443,
            ProxyScheme::Socks5 | ProxyScheme::Socks5h => 1080,
        }
    }
}

/// Bytes of a user name, and of a password, that SOCKS5 can carry (RFC 1929 section 2).
const MAX_SOCKS: usize = 255;

/// Whether SOCKS5 can carry them.
pub fn fit_socks(credentials: &Credentials) -> bool {
    credentials.user.len().max(credentials.password.len()) <= MAX_SOCKS
}

/// One proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyUrl {
    /// What it speaks.
    pub scheme: ProxyScheme,
    /// A name or an address in lower case; IPv6 without brackets.
    pub host: String,
    /// The default of the scheme when the URL has none.
    pub port: u16,
    /// The user and password of the URL.
    pub credentials: Option<Credentials>,
}

impl ProxyUrl {
    /// Parses a URL. Without a scheme it is http, as for curl.
    pub fn parse(text: &str) -> Result<ProxyUrl> {
        let refuse = |fault| Error::new(Code::InvalidArgument, format!("the proxy URL {fault}"));
        parse(text).map_err(refuse)
    }
}

/// Without user and password, for errors and logs.
impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme.name(), parts::bracketed(&self.host), self.port)
    }
}

fn parse(text: &str) -> std::result::Result<ProxyUrl, Fault> {
    parts::check_characters(text)?;
    let (scheme, rest) = match text.split_once("://") {
        Some((name, rest)) => (parse_scheme(name)?, rest),
        None => (ProxyScheme::Http, text),
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    // Looked at first, so that no part of a password is taken for a port and quoted.
    if path.contains('@') {
        return Err("has a /, ? or # in its user name or password: write %2F, %3F or %23".into());
    }
    if !matches!(path, "" | "/") {
        return Err("has a path, query or fragment: end it after the port".into());
    }
    let (userinfo, host_port) = parts::split_userinfo(authority);
    let (host, port) = parts::split_port(host_port)?;
    Ok(ProxyUrl {
        scheme,
        host: parts::parse_host(host)?,
        port: parts::parse_port(port)?.unwrap_or(scheme.default_port()),
        credentials: match userinfo {
            Some(userinfo) => parse_credentials(scheme, userinfo)?,
            None => None,
        },
    })
}

fn parse_scheme(name: &str) -> std::result::Result<ProxyScheme, Fault> {
    let known =
        ProxyScheme::ALL.into_iter().find(|scheme| name.eq_ignore_ascii_case(scheme.name()));
    known.ok_or_else(|| {
        // Somebody's password may have "://" in it.
        let shown = if name.contains('@') || name.contains(':') { "..." } else { name };
        format!("has the scheme {shown:?}, which must be http, https, socks5 or socks5h").into()
    })
}

fn parse_credentials(
    scheme: ProxyScheme,
    userinfo: &str,
) -> std::result::Result<Option<Credentials>, Fault> {
    let Some(credentials) = parts::credentials(userinfo)? else { return Ok(None) };
    if !scheme.is_socks() {
        parts::check_basic_user(&credentials.user)?;
    } else if !fit_socks(&credentials) {
        return Err("has a user name or password longer than the 255 bytes of SOCKS5".into());
    }
    Ok(Some(credentials))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn url(text: &str) -> ProxyUrl {
        ProxyUrl::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
    }

    fn refusal(text: &str) -> String {
        let error = ProxyUrl::parse(text).expect_err(text);
        assert_eq!(error.code, Code::InvalidArgument);
        assert!(error.message.starts_with("the proxy URL "), "{error}");
        assert!(!error.message.contains(char::is_control) && !error.message.ends_with('.'));
        error.message.to_string()
    }

    fn credentials(text: &str) -> Option<(String, String)> {
        url(text).credentials.map(|credentials| (credentials.user, credentials.password))
    }

    #[test]
    fn schemes_hosts_and_ports() {
        for (text, scheme, host, port, shown) in [
            ("http://p", ProxyScheme::Http, "p", 80, "http://p:80"),
            ("HTTPS://P.Example/", ProxyScheme::Https, "p.example", 443, "https://p.example:443"),
            ("socks5://p", ProxyScheme::Socks5, "p", 1080, "socks5://p:1080"),
            ("Socks5h://p:9050", ProxyScheme::Socks5h, "p", 9050, "socks5h://p:9050"),
            ("p:3128", ProxyScheme::Http, "p", 3128, "http://p:3128"),
            ("p", ProxyScheme::Http, "p", 80, "http://p:80"),
            ("p:", ProxyScheme::Http, "p", 80, "http://p:80"),
            ("10.0.0.1:8080/", ProxyScheme::Http, "10.0.0.1", 8080, "http://10.0.0.1:8080"),
            (
                "[2001:DB8::1]:8080",
                ProxyScheme::Http,
                "2001:db8::1",
                8080,
                "http://[2001:db8::1]:8080",
            ),
            ("socks5://u:p@[::1]", ProxyScheme::Socks5, "::1", 1080, "socks5://[::1]:1080"),
        ] {
            let url = url(text);
            assert_eq!((url.scheme, url.host.as_str(), url.port), (scheme, host, port), "{text}");
            assert_eq!(url.to_string(), shown);
            assert_eq!(ProxyUrl::parse(shown).unwrap(), ProxyUrl { credentials: None, ..url });
        }
    }

    #[test]
    fn users_and_passwords() {
        for (userinfo, user, password) in [
            ("u:p", "u", "p"),
            ("u", "u", ""),
            ("u:", "u", ""),
            (":p", "", "p"),
            ("a%40b:c%3Ad%2F%25", "a@b", "c:d/%"),
            ("a@b:c:d", "a@b", "c:d"),
            ("%C3%A9:é", "é", "é"),
            ("100%:50%zz", "100%", "50%zz"),
        ] {
            let expected = Some((user.to_owned(), password.to_owned()));
            for text in [
                format!("http://{userinfo}@p"),
                format!("https://{userinfo}@p:1/"),
                format!("{userinfo}@p:1"),
                format!("socks5h://{userinfo}@[::1]:1"),
            ] {
                assert_eq!(credentials(&text), expected, "{text}");
            }
        }
        assert_eq!(credentials("http://@p"), None);
        assert_eq!(credentials("http://p"), None);
        assert_eq!(credentials("socks5://a%3Ab:c@p"), Some(("a:b".into(), "c".into())));
    }

    #[test]
    fn users_and_passwords_that_cannot_be_sent() {
        assert!(refusal("http://a%3Ab:c@p").contains("with a colon"));
        for text in ["http://u%0d%0a@p", "socks5://u:%00@p", "u:%7f@p"] {
            assert!(refusal(text).contains("control character"), "{text}");
        }
        assert!(refusal("http://u:%ff@p").contains("not UTF-8"));
        let (fits, long) = ("x".repeat(255), "%41".repeat(256));
        assert!(ProxyUrl::parse(&format!("socks5://{fits}:{fits}@p")).is_ok());
        assert!(refusal(&format!("socks5://{long}@p")).contains("255 bytes"));
        assert!(refusal(&format!("socks5h://u:{long}@p")).contains("255 bytes"));
        assert!(ProxyUrl::parse(&format!("http://{long}:{long}@p")).is_ok());
    }

    #[test]
    fn every_typo_has_its_sentence() {
        for (text, part) in [
            ("", "is empty"),
            (" \t", "is empty"),
            ("socks4://p", "the scheme \"socks4\", which must be http, https, socks5 or socks5h"),
            ("socks://p", "the scheme \"socks\""),
            ("://p", "the scheme \"\""),
            ("http://", "no host"),
            ("http://:8080", "no host"),
            ("http://u:p@", "no host"),
            ("/", "no host"),
            ("http:///p", "a path"),
            ("p:8080/path", "a path"),
            ("http://p/?q", "a path"),
            ("http://p?q", "query"),
            ("http://p#f", "fragment"),
            ("http://p//", "a path"),
            ("p:http", "the port \"http\""),
            ("p:65536", "the port \"65536\""),
            ("p:-1", "the port \"-1\""),
            ("p:80:81", "the port \"80:81\""),
            ("socks5:p:1080", "the port \"p:1080\""),
            ("::1", "no host"),
            ("[::1", "does not end with"),
            ("[::1]8080", "does not end with"),
            ("[p]:80", "no IPv6 address"),
            ("http://pröxy", "punycode"),
            ("http://a b", "%20"),
            ("http://p\n", "control character"),
            ("http://p\\", "backslash"),
        ] {
            let message = refusal(text);
            assert!(message.contains(part), "{text:?}: {message}");
        }
    }

    #[test]
    fn no_part_of_a_password_is_shown() {
        for text in [
            "http://user:sec/ret@p:80",
            "http://user:sec?ret@p",
            "user:sec#ret@p",
            "user:sec://ret@p",
            "user@corp:sec://ret@p",
        ] {
            let message = refusal(text);
            assert!(!message.contains("sec") && !message.contains("ret"), "{message}");
        }
        let url = url("http://user:secret@p");
        assert!(!format!("{url} {url:?}").contains("secret"));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(
            text in "\\PC*|(http|socks5)://.{0,40}|[\\[\\]:@%/?.#a-f0-9\\\\ é-]{0,30}"
        ) {
            if let Ok(url) = ProxyUrl::parse(&text) {
                prop_assert!(url.host.bytes().all(|byte| byte.is_ascii_graphic()));
                let again = ProxyUrl::parse(&url.to_string());
                prop_assert_eq!(again, Ok(ProxyUrl { credentials: None, ..url }));
            }
        }
    }
}
