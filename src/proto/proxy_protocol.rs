//! The PROXY protocol of HAProxy, versions 1 and 2: what a load balancer says about a connection before
//! it passes on the client's bytes. Section numbers are those of its specification.

use crate::error::{Code, Error, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Section 2.1.
const START_V1: &[u8; 6] = b"PROXY ";
/// Section 2.1, the worst case, with CR LF.
const MAX_V1: usize = 107;
/// Section 2.2.
const START_V2: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes of a version 2 header before the addresses.
const FIXED_V2: usize = 16;
/// Extensions (section 2.2) are skipped up to this; the largest known is a client's certificate name.
const MAX_EXTENSIONS: usize = 4096;

/// Both ends of the connection that the load balancer accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The client.
    pub source: SocketAddr,
    /// What the client connected to.
    pub destination: SocketAddr,
}

/// Receives the header of one connection.
#[derive(Debug, Default)]
pub struct ProxyHeader {
    bytes: Vec<u8>,
    done: bool,
}

impl ProxyHeader {
    /// Takes bytes; says how many, and the end when there is one. `None` stands for a connection of the
    /// load balancer's own, such as a health check, or for one that did not come by TCP.
    pub fn recv(&mut self, input: &[u8]) -> (usize, Option<Result<Option<Addresses>>>) {
        for (index, &byte) in input.iter().enumerate() {
            if self.done {
                return (index, None);
            }
            self.bytes.push(byte);
            if let Some(outcome) = judge(&self.bytes).transpose() {
                self.done = true;
                return (index + 1, Some(outcome));
            }
        }
        (input.len(), None)
    }
}

/// Looks at the header after each of its bytes; `None` when more is to come.
fn judge(bytes: &[u8]) -> Result<Option<Option<Addresses>>> {
    if START_V1.starts_with(bytes) || START_V2.starts_with(bytes) {
        return Ok(None);
    }
    if bytes.starts_with(START_V1) {
        return judge_v1(bytes);
    }
    if bytes.starts_with(START_V2) {
        return judge_v2(bytes);
    }
    Err(failed(
        "the connection does not begin with a PROXY protocol header: it does not come from the load balancer, or that is not set up to send one",
    ))
}

/// Section 2.1.
fn judge_v1(bytes: &[u8]) -> Result<Option<Option<Addresses>>> {
    match bytes {
        [.., b'\r', b'\n'] => parse_v1(&bytes[..bytes.len() - 2]).map(Some),
        [.., b'\n'] | [.., b'\r', _] => {
            Err(failed("the line of the PROXY protocol header does not end with CR LF"))
        }
        _ if bytes.len() >= MAX_V1 => Err(failed(format!(
            "the line of the PROXY protocol header is longer than {MAX_V1} bytes"
        ))),
        _ => Ok(None),
    }
}

fn parse_v1(line: &[u8]) -> Result<Option<Addresses>> {
    if line == b"PROXY UNKNOWN" || line.starts_with(b"PROXY UNKNOWN ") {
        return Ok(None);
    }
    let addresses = std::str::from_utf8(line).ok().and_then(addresses_v1);
    let shown = line.escape_ascii();
    addresses.map(Some).ok_or_else(|| {
        failed(format!("the line of the PROXY protocol header is malformed: \"{shown}\""))
    })
}

fn addresses_v1(line: &str) -> Option<Addresses> {
    let words: Vec<&str> = line.split(' ').collect();
    let &["PROXY", family, source, destination, from, to] = &words[..] else { return None };
    let address = |text: &str| -> Option<IpAddr> {
        match family {
            "TCP4" => text.parse().ok().map(IpAddr::V4),
            "TCP6" => text.parse().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    Some(Addresses {
        source: (address(source)?, port_v1(from)?).into(),
        destination: (address(destination)?, port_v1(to)?).into(),
    })
}

/// A number in the one way in which it may be written.
fn port_v1(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port: &u16| port.to_string() == text)
}

/// Section 2.2.
fn judge_v2(bytes: &[u8]) -> Result<Option<Option<Addresses>>> {
    let (_, rest) = bytes.split_at(START_V2.len());
    let refuse = |what: String| Err(failed(format!("the PROXY protocol header {what}")));
    match *rest {
        [command] if command >> 4 != 2 => refuse(format!("has the version {}", command >> 4)),
        [command] if command & 15 > 1 => {
            refuse(format!("has the command {}, which is none", command & 15))
        }
        [0x21, kind] if kind >> 4 > 3 || kind & 15 > 2 => {
            refuse(format!("has the address family {kind:#04x}, which is none"))
        }
        [command, kind, high, low, ref body @ ..] => {
            let kind = if command == 0x20 { 0 } else { kind };
            let length = usize::from(u16::from_be_bytes([high, low]));
            let addresses = size_v2(kind);
            if length < addresses {
                return refuse(format!("has {length} bytes for addresses that need {addresses}"));
            }
            if length - addresses > MAX_EXTENSIONS {
                return refuse(format!("has more than {MAX_EXTENSIONS} bytes of extensions"));
            }
            Ok((bytes.len() == FIXED_V2 + length).then(|| addresses_v2(kind, body)))
        }
        _ => Ok(None),
    }
}

/// Bytes of the addresses; 0 where what there is has no form that we must know.
fn size_v2(kind: u8) -> usize {
    match (kind >> 4, kind & 15) {
        (_, 0) | (0, _) => 0,
        (1, _) => 2 * (4 + 2),
        (2, _) => 2 * (16 + 2),
        _ => 2 * 108,
    }
}

fn addresses_v2(kind: u8, body: &[u8]) -> Option<Addresses> {
    const TCP4: u8 = 0x11;
    const TCP6: u8 = 0x21;
    let width = match kind {
        TCP4 => 4,
        TCP6 => 16,
        _ => return None,
    };
    let (ips, ports) = body.split_at_checked(2 * width)?;
    let (source, destination) = ips.split_at(width);
    let &[a, b, c, d, ..] = ports else { return None };
    Some(Addresses {
        source: (ip(source)?, u16::from_be_bytes([a, b])).into(),
        destination: (ip(destination)?, u16::from_be_bytes([c, d])).into(),
    })
}

fn ip(octets: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(octets).ok().map(|octets| Ipv4Addr::from(octets).into());
    let v6 = || <[u8; 16]>::try_from(octets).ok().map(|octets| Ipv6Addr::from(octets).into());
    v4().or_else(v6)
}

fn failed(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Code::Handshake, message)
}

#[cfg(test)]
mod tests;
