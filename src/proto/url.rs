//! ws and wss URLs (RFC 6455 section 3, RFC 3986, and the WHATWG URL standard where they differ), and
//! those of Unix domain sockets.

mod unix;

use super::http::auth::{Credentials, basic};
use super::http::token::trim;
use crate::error::{Code, Error, Result};
use std::borrow::Cow;
use std::fmt::Write;
use std::net::Ipv6Addr;

/// Where to connect and what to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// wss.
    pub secure: bool,
    /// The socket of a ws+unix URL: an absolute path, or `@` and a name of Linux's abstract namespace.
    /// Host and port are made up then: `localhost`, and the default.
    pub unix: Option<String>,
    /// A name or an address in lower case; IPv6 without brackets.
    pub host: String,
    /// The default of the scheme when the URL has none.
    pub port: u16,
    /// Path and query, percent-encoded; at least `/`.
    pub resource: String,
    /// The user and password of the URL, which Basic authorization can carry.
    pub credentials: Option<Credentials>,
}

impl Url {
    /// Parses and normalises an absolute URL. http and https stand for ws and wss, as in browsers.
    pub fn parse(text: &str) -> Result<Url> {
        check_characters(text)?;
        if let Some((secure, rest)) = unix::scheme(text) {
            return unix::parse(secure, rest);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return refuse("the URL must be absolute, like \"ws://example.com/path\"");
        };
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "ws" | "http" => false,
            "wss" | "https" => true,
            _ => return refuse(format!("the URL scheme {scheme:?} must be ws or wss")),
        };
        let (authority, resource) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (userinfo, host_port) = match authority.rsplit_once('@') {
            Some((userinfo, host_port)) => (Some(userinfo), host_port),
            None => (None, authority),
        };
        let (host, port) = split_port(host_port)?;
        Ok(Url {
            secure,
            unix: None,
            host: parse_host(host)?,
            port: parse_port(port)?.unwrap_or(default_port(secure)),
            resource: normalise(resource),
            credentials: userinfo.map(credentials).transpose()?.flatten(),
        })
    }

    /// The `Host` header: brackets around IPv6, the port when it is not the default.
    pub fn host_header(&self) -> String {
        let mut text =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port != default_port(self.secure) {
            text.push(':');
            text.push_str(&self.port.to_string());
        }
        text
    }

    /// The normalised URL without user and password.
    pub fn href(&self) -> String {
        let scheme = if self.secure { "wss" } else { "ws" };
        match &self.unix {
            Some(path) => format!("{scheme}+unix:{}:{}", unix::encode(path), self.resource),
            None => format!("{scheme}://{}{}", self.host_header(), self.resource),
        }
    }

    /// The same server and credentials with another path and query.
    pub fn with_resource(&self, resource: &str) -> Result<Url> {
        check_characters(resource)?;
        Ok(Url { resource: normalise(resource), ..self.clone() })
    }
}

fn refuse<T>(message: impl Into<Cow<'static, str>>) -> Result<T> {
    Err(Error::new(Code::InvalidArgument, message))
}

fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

/// Browsers strip or replace these; a program that passes them has a bug that is better told.
fn check_characters(text: &str) -> Result<()> {
    if trim(text).is_empty() {
        return refuse("the URL is empty");
    }
    match text.chars().find(|&c| c.is_control() || matches!(c, ' ' | '\\' | '#')) {
        None => Ok(()),
        Some(' ') => refuse("the URL has a space: write %20"),
        Some('\\') => refuse("the URL has a backslash: write / or %5C"),
        Some('#') => refuse(
            "the URL has a fragment, which WebSocket does not allow: remove it, or write %23",
        ),
        Some(c) => refuse(format!("the URL has a control character: write {}", encoded(c))),
    }
}

/// Host, and what follows its colon.
fn split_port(text: &str) -> Result<(&str, &str)> {
    if !text.starts_with('[') {
        return Ok(text.split_once(':').unwrap_or((text, "")));
    }
    match text.find(']').map(|end| text.split_at(end + 1)) {
        Some((host, "")) => Ok((host, "")),
        Some((host, rest)) if rest.starts_with(':') => Ok((host, &rest[1..])),
        _ => refuse("the URL has an IPv6 address that does not end with \"]\""),
    }
}

fn parse_port(text: &str) -> Result<Option<u16>> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        _ if text.is_empty() => Ok(None),
        Ok(port) if digits => Ok(Some(port)),
        _ => refuse(format!("the URL has the port {text:?}: it must be a number from 0 to 65535")),
    }
}

fn parse_host(text: &str) -> Result<String> {
    if let Some(address) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return match address.parse::<Ipv6Addr>() {
            Ok(address) => Ok(address.to_string()),
            Err(_) => {
                refuse(format!("the URL has {address:?} in brackets, which is no IPv6 address"))
            }
        };
    }
    let decoded = percent_decode(text);
    if decoded.is_empty() {
        return refuse("the URL has no host");
    }
    if !decoded.is_ascii() {
        return refuse("the URL has a host that is not ASCII: write it in punycode (xn--...)");
    }
    let host: String = decoded.iter().map(|&byte| char::from(byte.to_ascii_lowercase())).collect();
    // The forbidden domain code points of the WHATWG URL standard.
    match host.chars().find(|&c| c.is_ascii_control() || " #%/:<>?@[\\]^|".contains(c)) {
        Some(c) => refuse(format!("the URL has the character {c:?} in its host")),
        None => Ok(host),
    }
}

/// What stands before the `@`; Basic must be able to carry it, because that is sent unasked.
fn credentials(userinfo: &str) -> Result<Option<Credentials>> {
    if userinfo.is_empty() {
        return Ok(None);
    }
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let decode = |text| String::from_utf8(percent_decode(text));
    let (Ok(user), Ok(password)) = (decode(user), decode(password)) else {
        return refuse("the URL has a user name or password that is not UTF-8");
    };
    let credentials = Credentials { user, password };
    match basic(&credentials) {
        Ok(_) => Ok(Some(credentials)),
        Err(error) => refuse(format!("the URL cannot be used: {}", error.message)),
    }
}

fn percent_decode(text: &str) -> Vec<u8> {
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

/// Path and query as they go into the request.
fn normalise(resource: &str) -> String {
    let (path, query) = match resource.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (resource, None),
    };
    let mut out = String::with_capacity(resource.len() + 1);
    let segments = remove_dots(path);
    for segment in segments {
        out.push('/');
        encode_into(&mut out, segment, "\"<>^`{}");
    }
    if let Some(query) = query {
        out.push('?');
        encode_into(&mut out, query, "\"<>'");
    }
    out
}

/// RFC 3986 section 5.2.4; an encoded dot is a dot, as in browsers.
fn remove_dots(path: &str) -> Vec<&str> {
    let mut segments = Vec::new();
    let mut ends_open = false;
    for segment in path.strip_prefix('/').unwrap_or(path).split('/') {
        let dots = segment.to_ascii_lowercase().replace("%2e", ".");
        ends_open = matches!(dots.as_str(), "." | "..");
        match dots.as_str() {
            "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    if ends_open {
        segments.push("");
    }
    segments
}

fn encode_into(out: &mut String, text: &str, special: &str) {
    for c in text.chars() {
        if c.is_ascii_graphic() && !special.contains(c) {
            out.push(c);
        } else {
            out.push_str(&encoded(c));
        }
    }
}

fn encoded(c: char) -> String {
    let mut out = String::new();
    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
        write!(out, "%{byte:02X}").expect("writing to a String cannot fail");
    }
    out
}

#[cfg(test)]
mod tests;
