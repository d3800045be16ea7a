//! The server's side of the opening handshake: from bytes to a request (RFC 6455 section 4.2).

pub use super::request::{Accepted, Answer, Refusal, Request, Upgrade};
use crate::proto::config::HeadLimits;
use crate::proto::deflate;
use crate::proto::http::head::{Fault, HeadReader, Kind};
pub use crate::proto::http::http_response;
use crate::proto::http::parse::parse_request;
use crate::util::time::Time;

/// Which pages may connect. Programs that are no browsers can send any origin they like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OriginPolicy {
    /// All, and clients without an origin.
    #[default]
    Any,
    /// Those whose origin is in the list, compared without regard to ASCII case.
    Listed(Vec<String>),
    /// Any origin, but there must be one.
    Required,
}

/// What a listener answers with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerSettings {
    /// Subprotocols that it knows.
    pub protocols: Vec<String>,
    /// For each response that accepts.
    pub headers: Vec<(String, String)>,
    /// Which pages may connect.
    pub origins: OriginPolicy,
    /// Whether and how to accept permessage-deflate.
    pub deflate: Option<deflate::Config>,
    /// Bounds on the request.
    pub limits: HeadLimits,
}

/// Receives one request.
#[derive(Debug)]
pub struct ServerHandshake {
    head: HeadReader,
    done: bool,
    /// When it is too slow, unless more comes; 0 before the first byte.
    slow: Time,
}

/// What every client may take from its first byte on, however little it sends.
pub const SLOW_MS: u64 = 2_000;

impl ServerHandshake {
    /// Allocates nothing before the first byte: thousands of these wait at once.
    pub fn new(limits: &HeadLimits) -> ServerHandshake {
        ServerHandshake { head: HeadReader::new(Kind::Request, limits), done: false, slow: Time(0) }
    }

    /// Takes bytes; says how many, and what came of it when the request is complete or wrong. Bytes after
    /// the head are not taken: they are the first frames.
    pub fn recv(&mut self, input: &[u8]) -> (usize, Option<Result<Request, Refusal>>) {
        if self.done {
            return (0, None);
        }
        let (used, end) = self.head.push(input);
        self.done = end.is_some();
        let outcome = end.map(|head| {
            let head = head.and_then(|()| parse_request(self.head.take()));
            head.map_err(refuse).and_then(Request::new)
        });
        (used, outcome)
    }

    /// Bytes have arrived that `recv` is given next. From the first on a client has two seconds, and as
    /// much more as so many bytes take at `rate` bytes per second.
    pub fn keep_pace(&mut self, now: Time, bytes: usize, rate: u32) {
        if self.slow == Time(0) {
            self.slow = now.plus_ms(SLOW_MS);
        }
        self.slow.0 += bytes as u64 * 1_000_000 / u64::from(rate);
    }

    /// When it is too slow, unless more comes. `None` before the first byte, and once all is there.
    pub fn slow_at(&self) -> Option<Time> {
        (self.slow != Time(0) && !self.done).then_some(self.slow)
    }

    /// Whether `recv` has told what came of it.
    pub fn is_done(&self) -> bool {
        self.done
    }
}

fn refuse(fault: Fault) -> Refusal {
    let status = match fault {
        Fault::LongLine(_) => 414,
        Fault::ManyHeaders(_) | Fault::Large(_) => 431,
        Fault::Version => 505,
        _ => 400,
    };
    let message = match fault {
        Fault::Tls => "this port does not speak TLS: connect with ws:// or http://".to_owned(),
        Fault::Version => "this server speaks HTTP/1.1 only".to_owned(),
        fault => format!("cannot read the request: {fault}"),
    };
    Refusal::new(status, message)
}

#[cfg(test)]
mod tests;
