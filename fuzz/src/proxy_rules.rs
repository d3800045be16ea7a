//! What names proxies, and hosts without one: an application's list, the environment, and their URLs. No
//! sentence about them has a password in it.

use super::Seed;
use super::input::Input;
use wsock::error::{Code, Error};
use wsock::proto::proxy::{NoProxy, Proxies, ProxyRules, ProxyUrl};
use wsock::proto::url::Url;

const NAMES: [&str; 6] =
    ["ws_proxy", "HTTP_PROXY", "all_proxy", "WSS_PROXY", "no_proxy", "REQUEST_METHOD"];
const SECRET: &str = "s3cr3t-w0rd";

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (flags, port) = (input.byte(), input.u16());
    let Ok(text) = std::str::from_utf8(input.rest()) else { return };
    let lines: Vec<&str> = text.split('\n').collect();
    let line = |n: usize| lines.get(n).copied().unwrap_or_default();
    let (host, list) = (line(0), line(1));
    let no_proxy = match NoProxy::parse(list) {
        Ok(parsed) => {
            matched(&parsed, list, host, port);
            parsed
        }
        Err(error) => {
            refused(&error);
            NoProxy::default()
        }
    };
    let lookup = |name: &str| {
        let position = NAMES.iter().position(|known| *known == name)?;
        lines.get(2 + position).map(|value| (*value).to_owned())
    };
    let direct = no_proxy.matches(host, port);
    let rules = ProxyRules { proxies: Proxies::Environment, no_proxy };
    match rules.choose(lookup, flags & 1 != 0, host, port) {
        Ok(Some(url)) => {
            assert!(!direct);
            named(&url);
        }
        Ok(None) => {}
        Err(error) => refused(&error),
    }
    keeps_secrets(line(2));
}

/// As each of its items says, whatever case or final dot the host has; names below a name are like it.
fn matched(list: &NoProxy, text: &str, host: &str, port: u16) {
    let items = text.split(|c: char| c == ',' || c.is_ascii_whitespace());
    let one = |item: &str| NoProxy::parse(item).expect("an item of a list that is good");
    let matches = list.matches(host, port);
    assert_eq!(matches, items.into_iter().any(|item| one(item).matches(host, port)));
    assert_eq!(matches, list.matches(&host.to_ascii_uppercase(), port));
    if !host.ends_with('.') {
        assert_eq!(matches, list.matches(&format!("{host}."), port));
    }
    let below = format!("below.{host}");
    let is_name = host.trim_end_matches('.').parse::<std::net::IpAddr>().is_err();
    assert!(!(matches && is_name) || list.matches(&below, port));
}

fn named(url: &ProxyUrl) {
    let again = ProxyUrl::parse(&url.to_string()).expect("a proxy's URL is one");
    assert_eq!(again, ProxyUrl { credentials: None, ..url.clone() });
    assert!(!url.host.is_empty() && !url.host.bytes().any(|byte| byte.is_ascii_uppercase()));
}

fn refused(error: &Error) {
    assert_eq!(error.code, Code::InvalidArgument);
    assert!(!error.message.chars().any(char::is_control), "{error}");
}

/// However a URL with a password is wrong.
fn keeps_secrets(odd: &str) {
    // Elsewhere than in a password it is none; hosts are told in lower case.
    if odd.to_ascii_lowercase().contains(SECRET) {
        return;
    }
    for text in [
        format!("http://user:{SECRET}{odd}@host:80/"),
        format!("user:{SECRET}@{odd}"),
        format!("{odd}://user:{SECRET}@host"),
        format!("wss://user:{odd}{SECRET}@host/x"),
    ] {
        let proxy = ProxyUrl::parse(&text);
        let unnamed = proxy.clone().map(|url| ProxyUrl { credentials: None, ..url });
        match (&proxy, unnamed) {
            (Ok(url), Ok(unnamed)) => assert_eq!(url.to_string(), unnamed.to_string()),
            _ => assert!(quiet(&proxy), "{text}"),
        }
        let url = Url::parse(&text);
        assert!(url.is_ok() || quiet(&url), "{text}");
    }
}

fn quiet<T>(result: &Result<T, Error>) -> bool {
    result.as_ref().is_err_and(|error| !error.message.contains(SECRET))
}

pub fn seeds() -> Vec<Seed> {
    let seed = |secure: u8, port: u16, lines: &[&str]| {
        [&[secure][..], &port.to_le_bytes(), lines.join("\n").as_bytes()].concat()
    };
    let proxy = "http://u:p@proxy:3128";
    vec![
        ("direct", seed(0, 80, &["a.Example.com", "example.com, 10.0.0.0/8"])),
        ("network", seed(0, 80, &["10.1.2.3", "10.0.0.0/8:80 [::1]:443", proxy])),
        ("every_host", seed(1, 443, &["h", "*:80 *"])),
        ("environment", seed(0, 8080, &["h", "", "socks5h://[::1]", proxy, proxy, proxy, "x.h"])),
        ("no_proxy", seed(0, 80, &["h", "", proxy, "", "", "", ".h, *.g:8080"])),
        ("forged", seed(0, 80, &["h", "", "", proxy, "", "", "", "GET"])),
        ("secure", seed(1, 443, &["h", "1.2.3.4", "", "", "", "HTTPS://h", "1.2.3.4:"])),
        ("bad_list", seed(0, 80, &["h", "a.*.b, ::1"])),
        ("secret", seed(0, 80, &["h", "", "socks5://u:p/w@h"])),
    ]
}
