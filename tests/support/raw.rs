//! One connection under test and a peer made of raw bytes.

use super::{Seen, feed, fill, waiting};
use std::sync::Arc;
use wsock::proto::config::{Config, Role};
use wsock::proto::conn::Connection;
use wsock::proto::context::Context;
use wsock::proto::deflate::Params;
use wsock::proto::event::Closed;
use wsock::util::rng::Entropy;
use wsock::util::time::Time;

/// Fin bit and opcodes, to be combined.
pub const FIN: u8 = 0x80;
pub const CONT: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame as the peer of `role` sends it: masked when we are the server.
pub fn frame_to(role: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let masked = role == Role::Server;
    let bit = if masked { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(bit | len as u8),
        len @ 126..=0xFFFF => {
            bytes.push(bit | 126);
            bytes.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            bytes.push(bit | 127);
            bytes.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    if masked {
        bytes.extend_from_slice(&KEY);
        bytes.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    } else {
        bytes.extend_from_slice(payload);
    }
    bytes
}

/// The payload of a close frame.
pub fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes()[..], reason.as_bytes()].concat()
}

/// A frame that the connection sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub first: u8,
    pub masked: bool,
    pub payload: Vec<u8>,
}

/// Cuts what the connection sent into frames; the last must be whole.
pub fn frames(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (first, masked) = (bytes[0], bytes[1] & 0x80 != 0);
        let (len, mut at) = match bytes[1] & 0x7F {
            126 => (u16::from_be_bytes([bytes[2], bytes[3]]) as usize, 4),
            127 => (u64::from_be_bytes(bytes[2..10].try_into().unwrap()) as usize, 10),
            short => (short as usize, 2),
        };
        let mut key = [0; 4];
        if masked {
            key.copy_from_slice(&bytes[at..at + 4]);
            at += 4;
        }
        let payload = bytes[at..at + len].iter().zip(key.iter().cycle());
        let payload = payload.map(|(byte, key)| byte ^ key).collect();
        frames.push(Frame { first, masked, payload });
        bytes = &bytes[at + len..];
    }
    frames
}

/// A connection, its context and everything that came out of it.
pub struct Solo {
    pub conn: Connection,
    pub cx: Context,
    pub now: Time,
    pub seen: Vec<Seen>,
    pub role: Role,
}

impl Solo {
    pub fn new(role: Role, config: Config) -> Solo {
        Solo::with_deflate(role, config, None)
    }

    pub fn server() -> Solo {
        Solo::new(Role::Server, Config::default())
    }

    pub fn client() -> Solo {
        Solo::new(Role::Client, Config::default())
    }

    pub fn with_deflate(role: Role, config: Config, params: Option<Params>) -> Solo {
        let now = Time(1_000_000);
        Solo {
            conn: Connection::new(role, Arc::new(config), params, now),
            cx: Context::new(Entropy::from_seed(1)),
            now,
            seen: Vec::new(),
            role,
        }
    }

    /// Raw bytes in one piece.
    pub fn feed(&mut self, bytes: &[u8]) {
        feed(&mut self.conn, &mut self.cx, self.now, &mut bytes.to_vec(), &mut self.seen);
    }

    /// A frame of the peer.
    pub fn frame(&mut self, first: u8, payload: &[u8]) {
        let bytes = frame_to(self.role, first, payload);
        self.feed(&bytes);
    }

    /// A close frame of the peer.
    pub fn peer_closes(&mut self, code: u16, reason: &str) {
        self.frame(FIN | CLOSE, &close_payload(code, reason));
    }

    /// Lets time pass, in one step.
    pub fn wait_ms(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
        self.conn.handle_timeout(&mut self.cx, self.now);
    }

    /// Sends up to `limit` bytes, as a transport does that takes no more.
    pub fn take(&mut self, limit: usize) -> Vec<u8> {
        fill(&mut self.conn, &mut self.cx, self.now);
        let bytes = waiting::<64>(&self.conn, limit);
        self.conn.sent(&mut self.cx, self.now, bytes.len(), 0);
        bytes
    }

    /// Gives everything to a transport that holds `held` bytes of it back.
    pub fn hold(&mut self, held: usize) {
        fill(&mut self.conn, &mut self.cx, self.now);
        let bytes = waiting::<64>(&self.conn, usize::MAX);
        self.conn.sent(&mut self.cx, self.now, bytes.len(), held);
    }

    /// Sends everything.
    pub fn take_all(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while self.conn.has_output() {
            all.extend(self.take(usize::MAX));
        }
        all
    }

    /// Sends everything and reads it.
    pub fn sent(&mut self) -> Vec<Frame> {
        frames(&self.take_all())
    }

    pub fn closed(&self) -> &Closed {
        self.conn.closed().expect("the connection has ended")
    }
}
