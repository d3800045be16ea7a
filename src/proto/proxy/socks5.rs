//! Through a SOCKS5 proxy (RFC 1928), without authorization or with user and password (RFC 1929).

use super::url::fit_socks;
use crate::error::{Code, Error, Result};
use crate::proto::http::auth::Credentials;
use std::borrow::Cow;
use std::net::IpAddr;

const VERSION: u8 = 5;

const NO_AUTHORIZATION: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;

const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Where the proxy is to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To be looked up by the proxy; at most 255 bytes.
    Name(String),
    /// An address.
    Ip(IpAddr),
}

impl Target {
    /// The host of a URL: a name, or an address without brackets.
    pub fn new(host: &str) -> Target {
        match host.parse() {
            Ok(address) => Target::Ip(address),
            Err(_) => Target::Name(host.to_owned()),
        }
    }
}

/// Which message of the proxy comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Method,
    Authorization,
    Reply,
    Done,
}

/// Asks a proxy for a connection and judges its answers.
pub struct Socks5 {
    phase: Phase,
    /// What is to be sent now.
    output: Vec<u8>,
    authorization: Option<Vec<u8>>,
    request: Vec<u8>,
    /// The message that is coming.
    answer: Vec<u8>,
}

/// Without the messages, since there is a password in them.
impl std::fmt::Debug for Socks5 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Socks5").field("phase", &self.phase).finish_non_exhaustive()
    }
}

impl Socks5 {
    /// Refuses what does not fit into the messages.
    pub fn new(target: Target, port: u16, credentials: Option<&Credentials>) -> Result<Socks5> {
        if credentials.is_some_and(|credentials| !fit_socks(credentials)) {
            return Err(Error::new(
                Code::InvalidArgument,
                "a user name or password for a SOCKS proxy must not be longer than 255 bytes",
            ));
        }
        let mut methods = vec![NO_AUTHORIZATION];
        methods.extend(credentials.map(|_| USER_AND_PASSWORD));
        Ok(Socks5 {
            phase: Phase::Method,
            output: [&[VERSION, methods.len() as u8], &methods[..]].concat(),
            authorization: credentials.map(write_authorization),
            request: write_request(&target, port)?,
            answer: Vec::new(),
        })
    }

    /// The bytes to send now: some at the beginning, and after each answer but the last.
    pub fn output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Takes bytes; says how many, and the end when there is one: the connection is there, or
    /// [`Code::Proxy`]. Bytes after the last answer are not taken: they come from the server.
    pub fn recv(&mut self, input: &[u8]) -> (usize, Option<Result<()>>) {
        for (index, &byte) in input.iter().enumerate() {
            if self.phase == Phase::Done {
                return (index, None);
            }
            self.answer.push(byte);
            if let Some(outcome) = self.judge().transpose() {
                self.phase = Phase::Done;
                return (index + 1, Some(outcome));
            }
        }
        (input.len(), None)
    }

    /// The proxy ended the stream.
    pub fn recv_eof(&self) -> Error {
        failed("the SOCKS proxy closed the connection before the end of its answer")
    }

    /// Looks at the answer after each of its bytes; `Some` ends it all well.
    fn judge(&mut self) -> Result<Option<()>> {
        match (self.phase, self.answer.as_slice()) {
            (Phase::Method | Phase::Reply, [version]) if *version != VERSION => {
                Err(failed(match version {
                    b'H' => "the proxy speaks HTTP on this port, not SOCKS: use http://",
                    _ => "the proxy does not speak SOCKS5 on this port",
                }))
            }
            (Phase::Method, &[_, method]) => {
                let next = self.authorize(method)?;
                self.proceed(next);
                Ok(None)
            }
            // Some servers send another version than that of RFC 1929, and nobody minds.
            (Phase::Authorization, &[_, status]) => {
                if status != 0 {
                    return Err(failed("the SOCKS proxy rejected the user and password"));
                }
                self.proceed(Phase::Reply);
                Ok(None)
            }
            (Phase::Reply, &[_, reply]) if reply != 0 => {
                Err(failed(format!("the SOCKS proxy could not connect: {}", describe(reply))))
            }
            (Phase::Reply, [_, _, _, kind, bound @ ..]) => {
                let address = match (*kind, bound) {
                    (IPV4, _) => 4,
                    (IPV6, _) => 16,
                    (NAME, []) => return Ok(None),
                    (NAME, [length, ..]) => 1 + usize::from(*length),
                    _ => {
                        return Err(failed(format!(
                            "the SOCKS proxy answered with an address of unknown type {kind}"
                        )));
                    }
                };
                Ok((bound.len() == address + size_of::<u16>()).then_some(()))
            }
            _ => Ok(None),
        }
    }

    /// The proxy has chosen how it wants to know who we are; what comes next.
    fn authorize(&self, method: u8) -> Result<Phase> {
        match (method, self.authorization.is_some()) {
            (NO_AUTHORIZATION, _) => Ok(Phase::Reply),
            (USER_AND_PASSWORD, true) => Ok(Phase::Authorization),
            (USER_AND_PASSWORD | NO_METHOD, false) => Err(failed(
                "the SOCKS proxy wants authorization: give user and password in the proxy URL",
            )),
            (NO_METHOD, true) => {
                Err(failed("the SOCKS proxy wants another authorization than user and password"))
            }
            _ => Err(failed(format!(
                "the SOCKS proxy chose the authorization {method}, which was not offered"
            ))),
        }
    }

    /// Sends what is answered in that phase.
    fn proceed(&mut self, phase: Phase) {
        self.phase = phase;
        self.answer.clear();
        let message = match phase {
            Phase::Authorization => self.authorization.take().unwrap_or_default(),
            _ => std::mem::take(&mut self.request),
        };
        self.output.extend(message);
    }
}

/// RFC 1929 section 2.
fn write_authorization(credentials: &Credentials) -> Vec<u8> {
    let mut out = vec![1];
    for text in [&credentials.user, &credentials.password] {
        out.push(text.len() as u8);
        out.extend_from_slice(text.as_bytes());
    }
    out
}

/// CONNECT (RFC 1928 section 4).
fn write_request(target: &Target, port: u16) -> Result<Vec<u8>> {
    let mut out = vec![VERSION, 1, 0];
    match target {
        Target::Ip(IpAddr::V4(address)) => {
            out.push(IPV4);
            out.extend(address.octets());
        }
        Target::Ip(IpAddr::V6(address)) => {
            out.push(IPV6);
            out.extend(address.octets());
        }
        Target::Name(name) => match u8::try_from(name.len()) {
            Ok(length) if length > 0 => {
                out.extend([NAME, length]);
                out.extend(name.as_bytes());
            }
            _ => {
                return Err(Error::new(
                    Code::InvalidArgument,
                    "a host name for a SOCKS proxy must have 1 to 255 bytes",
                ));
            }
        },
    }
    out.extend(port.to_be_bytes());
    Ok(out)
}

/// RFC 1928 section 6.
fn describe(reply: u8) -> Cow<'static, str> {
    match reply {
        1 => "general failure".into(),
        2 => "its rules do not allow this connection".into(),
        3 => "network unreachable".into(),
        4 => "host unreachable".into(),
        5 => "connection refused".into(),
        6 => "TTL expired".into(),
        7 => "it does not know the command CONNECT".into(),
        8 => "it does not know this type of address".into(),
        _ => format!("unknown reply {reply}").into(),
    }
}

fn failed(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(Code::Proxy, message)
}

#[cfg(test)]
mod tests;
