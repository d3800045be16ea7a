//! The parts that all URLs have, whatever their scheme (RFC 3986, and the WHATWG URL standard).

use crate::proto::http::auth::Credentials;
use crate::proto::http::token::trim;
use std::borrow::Cow;
use std::fmt::Write;
use std::net::Ipv6Addr;

/// What is wrong. Reads as the second half of a sentence that begins with the URL.
pub type Fault = Cow<'static, str>;

/// Browsers strip or replace these; a program that passes them has a bug that is better told.
pub fn check_characters(text: &str) -> Result<(), Fault> {
    if trim(text).is_empty() {
        return Err("is empty".into());
    }
    match text.chars().find(|&c| c.is_control() || matches!(c, ' ' | '\\')) {
        None => Ok(()),
        Some(' ') => Err("has a space: write %20".into()),
        Some('\\') => Err("has a backslash: write / or %5C".into()),
        Some(c) => Err(format!("has a control character: write {}", encoded(c)).into()),
    }
}

/// User and password, if there are any, and what follows them.
pub fn split_userinfo(authority: &str) -> (Option<&str>, &str) {
    match authority.rsplit_once('@') {
        Some((userinfo, host_port)) => (Some(userinfo), host_port),
        None => (None, authority),
    }
}

/// Host, and what follows its colon.
pub fn split_port(text: &str) -> Result<(&str, &str), Fault> {
    if !text.starts_with('[') {
        return Ok(text.split_once(':').unwrap_or((text, "")));
    }
    match text.find(']').map(|end| text.split_at(end + 1)) {
        Some((host, "")) => Ok((host, "")),
        Some((host, rest)) if rest.starts_with(':') => Ok((host, &rest[1..])),
        _ => Err("has an IPv6 address that does not end with \"]\"".into()),
    }
}

/// `None` when there is none.
pub fn parse_port(text: &str) -> Result<Option<u16>, Fault> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        _ if text.is_empty() => Ok(None),
        Ok(port) if digits => Ok(Some(port)),
        _ => Err(format!("has the port {text:?}: it must be a number from 0 to 65535").into()),
    }
}

/// A name or an address in lower case; IPv6 without its brackets.
pub fn parse_host(text: &str) -> Result<String, Fault> {
    if let Some(address) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return match address.parse::<Ipv6Addr>() {
            Ok(address) => Ok(address.to_string()),
            Err(_) => Err(format!("has {address:?} in brackets, which is no IPv6 address").into()),
        };
    }
    let decoded = percent_decode(text);
    if decoded.is_empty() {
        return Err("has no host".into());
    }
    if !decoded.is_ascii() {
        return Err("has a host that is not ASCII: write it in punycode (xn--...)".into());
    }
    let host: String = decoded.iter().map(|&byte| char::from(byte.to_ascii_lowercase())).collect();
    // The forbidden domain code points of the WHATWG URL standard.
    match host.chars().find(|&c| c.is_ascii_control() || " #%/:<>?@[\\]^|".contains(c)) {
        Some(c) => Err(format!("has the character {c:?} in its host").into()),
        None => Ok(host),
    }
}

/// A host as it stands before a port: IPv6 in brackets.
pub fn bracketed(host: &str) -> Cow<'_, str> {
    if host.contains(':') { Cow::Owned(format!("[{host}]")) } else { Cow::Borrowed(host) }
}

/// User and password; `None` when both are left out.
pub fn credentials(userinfo: &str) -> Result<Option<Credentials>, Fault> {
    if userinfo.is_empty() {
        return Ok(None);
    }
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let decode = |text| String::from_utf8(percent_decode(text));
    let (Ok(user), Ok(password)) = (decode(user), decode(password)) else {
        return Err("has a user name or password that is not UTF-8".into());
    };
    if user.chars().chain(password.chars()).any(char::is_control) {
        return Err("has a control character in its user name or password".into());
    }
    Ok(Some(Credentials { user, password }))
}

/// RFC 7617 section 2.
pub fn check_basic_user(user: &str) -> Result<(), Fault> {
    if user.contains(':') {
        let what = "has a user name with a colon, which Basic authorization cannot carry";
        return Err(what.into());
    }
    Ok(())
}

/// What is no proper escape stays as it is.
pub fn percent_decode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let escaped = match tail {
            [high, low, ..] if *first == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                out.push(high << 4 | low);
                rest = &tail[2..];
            }
            None => out.push(*first),
        }
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

/// A character as escapes.
pub fn encoded(c: char) -> String {
    let mut out = String::new();
    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
        write!(out, "%{byte:02X}").expect("writing to a String cannot fail");
    }
    out
}
