//! ws and wss URLs (RFC 6455 section 3, RFC 3986, and the WHATWG URL standard where they differ), and
//! those of Unix domain sockets.

pub mod parts;
mod unix;

use super::http::auth::Credentials;
use crate::error::{Code, Error, Result};
use parts::Fault;

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
        parse(text).map_err(refusal)
    }

    /// The `Host` header: brackets around IPv6, the port when it is not the default.
    pub fn host_header(&self) -> String {
        let host = parts::bracketed(&self.host);
        if self.port == default_port(self.secure) {
            return host.into_owned();
        }
        format!("{host}:{}", self.port)
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
        check_characters(resource).map_err(refusal)?;
        Ok(Url { resource: normalise(resource), ..self.clone() })
    }
}

fn refusal(fault: Fault) -> Error {
    Error::new(Code::InvalidArgument, format!("the URL {fault}"))
}

fn check_characters(text: &str) -> std::result::Result<(), Fault> {
    parts::check_characters(text)?;
    if text.contains('#') {
        let what = "has a fragment, which WebSocket does not allow: remove it, or write %23";
        return Err(what.into());
    }
    Ok(())
}

fn parse(text: &str) -> std::result::Result<Url, Fault> {
    check_characters(text)?;
    if let Some((secure, rest)) = unix::scheme(text) {
        return unix::parse(secure, rest);
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err("must be absolute, like \"ws://example.com/path\"".into());
    };
    let secure = match scheme.to_ascii_lowercase().as_str() {
        "ws" | "http" => false,
        "wss" | "https" => true,
        _ => {
            // Somebody's password may have "://" in it.
            let shown = if scheme.contains(['@', ':']) { "..." } else { scheme };
            return Err(format!("has the scheme {shown:?}, which must be ws or wss").into());
        }
    };
    let (authority, resource) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (userinfo, host_port) = parts::split_userinfo(authority);
    let (host, port) = parts::split_port(host_port)?;
    let port = parts::parse_port(port).map_err(|fault| match resource.contains('@') {
        // What looks like a port may be the beginning of a password: it is not shown.
        true => "has a / or ? in its user name or password, where it must be %2F or %3F".into(),
        false => fault,
    })?;
    Ok(Url {
        secure,
        unix: None,
        host: parts::parse_host(host)?,
        port: port.unwrap_or(default_port(secure)),
        resource: normalise(resource),
        credentials: userinfo.map(credentials).transpose()?.flatten(),
    })
}

/// Basic must be able to carry them, because that is sent unasked.
fn credentials(userinfo: &str) -> std::result::Result<Option<Credentials>, Fault> {
    let credentials = parts::credentials(userinfo)?;
    if let Some(credentials) = &credentials {
        parts::check_basic_user(&credentials.user)?;
    }
    Ok(credentials)
}

fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
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
            out.push_str(&parts::encoded(c));
        }
    }
}

#[cfg(test)]
mod tests;
