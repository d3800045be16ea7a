//! The hosts that are reached without the proxy: the list that curl and many others read from
//! `no_proxy`, with their extensions.

use crate::error::{Code, Error, Result};
use crate::proto::cidr::Cidr;
use crate::proto::url::parts;
use std::net::IpAddr;

/// Hosts that are connected to directly. The default has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoProxy(Vec<Item>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Item {
    hosts: Hosts,
    /// `None` is every port.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    /// A name in lower case, and all names below it.
    Domain(String),
    Network(Cidr),
}

impl NoProxy {
    /// Parses items separated by commas or spaces: `*`, `example.com`, which stands for the names below
    /// it too, `10.0.0.1`, `10.0.0.0/8`, each alone or with a port, as in `example.com:8080` and
    /// `[::1]:80`. As for curl, `.example.com` is the same as `example.com`; and so is `*.example.com`.
    pub fn parse(text: &str) -> Result<NoProxy> {
        let separator = |c: char| c == ',' || c.is_ascii_whitespace();
        let items = text.split(separator).filter(|item| !item.is_empty());
        Ok(NoProxy(items.map(parse_item).collect::<Result<_>>()?))
    }

    /// Whether the host, as in a URL and without brackets, is one of them.
    pub fn matches(&self, host: &str, port: u16) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let address = host.parse::<IpAddr>().ok();
        self.0.iter().filter(|item| item.port.is_none_or(|only| only == port)).any(|item| {
            match (&item.hosts, address) {
                (Hosts::All, _) => true,
                (Hosts::Network(network), Some(address)) => network.contains(address),
                (Hosts::Domain(domain), None) => is_below(&host, domain),
                (Hosts::Network(_), None) | (Hosts::Domain(_), Some(_)) => false,
            }
        })
    }
}

/// Whether a name is that of the domain, or ends with a dot and that.
fn is_below(name: &str, domain: &str) -> bool {
    let rest = name.strip_suffix(domain);
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn parse_item(item: &str) -> Result<Item> {
    let (host, port) = split(item);
    let port = match port.map(parts::parse_port) {
        None => None,
        Some(Ok(Some(port))) => Some(port),
        Some(Ok(None)) => return refuse(item, "has a colon and no port"),
        Some(Err(fault)) => return refuse(item, &fault),
    };
    Ok(Item { hosts: parse_hosts(item, host)?, port })
}

/// Hosts, and what follows their colon. The colons of IPv6 end at a bracket or a slash, or with the item.
fn split(item: &str) -> (&str, Option<&str>) {
    let bracketed = item.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    if let Some((address, rest)) = bracketed {
        match (rest, rest.strip_prefix(':')) {
            ("", _) => return (address, None),
            (_, Some(port)) => return (address, Some(port)),
            _ => {}
        }
    }
    let from = item.find('/').unwrap_or(0);
    match item[from..].find(':') {
        Some(at) if item.parse::<IpAddr>().is_err() => {
            (&item[..from + at], Some(&item[from + at + 1..]))
        }
        _ => (item, None),
    }
}

fn parse_hosts(item: &str, text: &str) -> Result<Hosts> {
    if text == "*" {
        return Ok(Hosts::All);
    }
    let numeric = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if text.contains(['/', ':']) || (!text.is_empty() && numeric(text)) {
        return Cidr::parse(text)
            .map(Hosts::Network)
            .map_err(|error| error.with(|it| it.message = in_list(&it.message).into()));
    }
    let domain = text.strip_prefix("*.").or(text.strip_prefix('.')).unwrap_or(text);
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if domain.contains('*') {
        return refuse(
            item,
            "has a * inside: write the domain, which stands for all names below it",
        );
    }
    if domain.split('.').any(|label| label.is_empty() || !label.bytes().all(allowed)) {
        return refuse(item, "is no host name, address or network");
    }
    Ok(Hosts::Domain(domain.to_ascii_lowercase()))
}

fn refuse<T>(item: &str, what: &str) -> Result<T> {
    Err(Error::new(Code::InvalidArgument, in_list(&format!("{item:?} {what}"))))
}

fn in_list(what: &str) -> String {
    format!("in the list of hosts without a proxy, {what}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(text: &str) -> NoProxy {
        NoProxy::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
    }

    fn matches(text: &str, host: &str) -> bool {
        list(text).matches(host, 443)
    }

    fn refusal(text: &str) -> String {
        let error = NoProxy::parse(text).expect_err(text);
        assert_eq!(error.code, Code::InvalidArgument);
        assert!(error.message.starts_with("in the list of hosts without a proxy, "), "{error}");
        assert!(!error.message.contains(char::is_control), "{error}");
        error.message.to_string()
    }

    #[test]
    fn a_domain_is_itself_and_what_is_below() {
        for text in
            ["example.com", ".example.com", "*.example.com", "Example.COM.", ".example.com."]
        {
            for host in ["example.com", "www.example.com", "a.b.EXAMPLE.com", "example.com."] {
                assert!(matches(text, host), "{text} {host}");
            }
            for host in ["notexample.com", "example.org", "com", "example.com.evil", "", "."] {
                assert!(!matches(text, host), "{text} {host}");
            }
        }
        assert!(matches("localhost", "localhost") && !matches("localhost", "127.0.0.1"));
        assert!(matches("a_b-c.example", "a_b-c.example"));
    }

    #[test]
    fn a_star_is_everything() {
        for host in ["example.com", "10.0.0.1", "::1"] {
            assert!(matches("*", host) && matches("other, *", host));
            assert!(!matches("", host) && !NoProxy::default().matches(host, 443));
        }
        assert_eq!(list(""), NoProxy::default());
        assert_eq!(list(" ,\t, "), NoProxy::default());
    }

    #[test]
    fn addresses_are_compared_as_numbers() {
        for (text, host) in [
            ("127.0.0.1", "127.0.0.1"),
            ("127.0.0.1", "127.0.0.1."),
            ("127.0.0.1", "::ffff:127.0.0.1"),
            ("::ffff:7f00:1", "127.0.0.1"),
            ("::1", "0:0:0:0:0:0:0:1"),
            ("[2001:DB8:0::1]", "2001:db8::1"),
            ("10.0.0.0/8", "10.255.0.1"),
            ("10.0.0.0/8", "::ffff:10.255.0.1"),
            ("fd00::/8", "fdab::1"),
            ("[fd00::/8]", "fdab::1"),
            ("0.0.0.0/0", "8.8.8.8"),
        ] {
            assert!(matches(text, host), "{text} {host}");
        }
        for (text, host) in [
            ("127.0.0.1", "127.0.0.10"),
            ("0.0.1", "127.0.0.1"),
            ("10.0.0.0/8", "11.0.0.1"),
            ("10.0.0.0/8", "10.example.com"),
            ("fd00::/8", "fe80::1"),
            ("0.0.0.0/0", "::1"),
            ("1.example", "0.0.0.1"),
        ] {
            assert!(
                !NoProxy::parse(text).is_ok_and(|list| list.matches(host, 443)),
                "{text} {host}"
            );
        }
    }

    #[test]
    fn a_port_narrows_an_item() {
        for (text, host) in [
            ("example.com:8080", "www.example.com"),
            ("*:8080", "example.com"),
            ("10.0.0.1:8080", "10.0.0.1"),
            ("[::1]:8080", "::1"),
            ("10.0.0.0/8:8080", "10.1.2.3"),
            ("fd00::/8:8080", "fd00::1"),
            ("[fd00::/8]:8080", "fd00::1"),
        ] {
            assert!(list(text).matches(host, 8080), "{text}");
            assert!(!list(text).matches(host, 8081), "{text}");
        }
        assert!(list("a:1, a:2").matches("a", 2));
        assert!(list("a:1, a").matches("a", 3));
    }

    #[test]
    fn items_are_separated_by_commas_and_spaces() {
        for text in
            ["a,b,10.0.0.0/8", " a  b\t10.0.0.0/8 ", ",a, ,b,,10.0.0.0/8,", "a\nb\r\n10.0.0.0/8"]
        {
            for host in ["a", "b", "10.1.1.1"] {
                assert!(matches(text, host), "{text:?} {host}");
            }
            assert!(!matches(text, "c"));
        }
    }

    #[test]
    fn a_bad_item_is_named() {
        for (text, part) in [
            ("10.0.0.1/8", "\"10.0.0.1/8\" has bits set behind the prefix: write 10.0.0.0/8"),
            ("a, 10.0.0.0/33, b", "\"10.0.0.0/33\" has no prefix from 0 to 32"),
            ("10.0.0/8", "\"10.0.0/8\" is no IP address"),
            ("192.168.", "\"192.168.\" is no IP address"),
            ("256.1.1.1", "\"256.1.1.1\" is no IP address"),
            ("example.com/8", "\"example.com/8\" is no IP address"),
            ("a:", "\"a:\" has a colon and no port"),
            ("a:x", "\"a:x\" has the port \"x\""),
            ("a:65536", "has the port \"65536\""),
            ("[::1]:x", "\"[::1]:x\" has the port \"x\""),
            ("10.0.0.0/8:x", "has the port \"x\""),
            ("[::1", "\"[::1\" has the port"),
            ("[::1]x", "\"[::1]x\" has the port"),
            ("[]", "\"[]\" is no host name"),
            ("::g", "\"::g\" has the port \":g\""),
            ("http://a", "\"http://a\" is no IP address"),
            ("a*b", "\"a*b\" has a * inside"),
            ("*.*.a", "\"*.*.a\" has a * inside"),
            ("**", "has a * inside"),
            (".", "\".\" is no"),
            ("a..b", "\"a..b\" is no host name"),
            ("..a", "\"..a\" is no host name"),
            (":80", "\":80\" is no host name"),
            ("pröxy", "\"pröxy\" is no host name"),
            ("a;b", "\"a;b\" is no host name"),
            ("a\u{7f}b", "\"a\\u{7f}b\" is no host name"),
        ] {
            let message = refusal(text);
            assert!(message.contains(part), "{text:?}: {message}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "\\PC*|[\\[\\]:*/., a-f0-9]{0,30}", host in ".{0,20}") {
            if let Ok(list) = NoProxy::parse(&text) {
                list.matches(&host, 80);
            }
        }
    }
}
