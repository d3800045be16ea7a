//! A client and a server joined by memory pipes that cut as they like, under a clock that only moves
//! when told to.

use super::{Seen, feed, fill, waiting};
use std::collections::VecDeque;
use std::sync::Arc;
use wsock::proto::config::{Config, Role};
use wsock::proto::conn::Connection;
use wsock::proto::context::Context;
use wsock::proto::deflate::Params;
use wsock::proto::event::{Kind, Transport};
use wsock::util::rng::Entropy;
use wsock::util::time::Time;

/// Sizes of the pieces in which bytes travel: a list that starts again at its end.
#[derive(Clone, Debug)]
pub struct Chunks {
    sizes: Vec<usize>,
    at: usize,
}

impl Chunks {
    /// Every size must be at least 1; an empty list cuts nothing.
    pub fn new(sizes: &[usize]) -> Chunks {
        Chunks { sizes: sizes.to_vec(), at: 0 }
    }

    pub fn next(&mut self) -> usize {
        if self.sizes.is_empty() {
            return usize::MAX;
        }
        self.at += 1;
        self.sizes[(self.at - 1) % self.sizes.len()]
    }
}

/// One end.
pub struct Side {
    pub conn: Connection,
    pub cx: Context,
    pub seen: Vec<Seen>,
    /// Bytes on their way to this end.
    pub inbound: VecDeque<u8>,
    /// The other end will send no more after those.
    pub eof: bool,
    eof_seen: bool,
}

impl Side {
    fn new(role: Role, config: Config, params: Option<Params>, now: Time) -> Side {
        Side {
            conn: Connection::new(role, Arc::new(config), params, now),
            cx: Context::new(Entropy::from_seed(role as u64)),
            seen: Vec::new(),
            inbound: VecDeque::new(),
            eof: false,
            eof_seen: false,
        }
    }

    fn gone(&self) -> bool {
        !self.conn.has_output() && self.conn.transport() == Transport::Drop
    }
}

/// Both ends.
pub struct Pair {
    pub client: Side,
    pub server: Side,
    pub now: Time,
    reads: Chunks,
    writes: Chunks,
    /// Keeps what the ends send from arriving.
    pub cut_off: bool,
}

impl Pair {
    pub fn new(client: Config, server: Config, params: Option<Params>) -> Pair {
        let now = Time(1_000_000);
        Pair {
            client: Side::new(Role::Client, client, params, now),
            server: Side::new(Role::Server, server, params, now),
            now,
            reads: Chunks::new(&[]),
            writes: Chunks::new(&[]),
            cut_off: false,
        }
    }

    /// Pieces for reading and for writing.
    pub fn chunked(mut self, reads: Chunks, writes: Chunks) -> Pair {
        (self.reads, self.writes) = (reads, writes);
        self
    }

    pub fn side(&mut self, role: Role) -> &mut Side {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    pub fn send(&mut self, from: Role, kind: Kind, data: &[u8]) {
        let now = self.now;
        let side = self.side(from);
        side.conn.send(&mut side.cx, now, kind, data, true).expect("the connection is open");
    }

    pub fn close(&mut self, from: Role, code: Option<u16>, reason: &str) {
        let now = self.now;
        let side = self.side(from);
        side.conn.close(&mut side.cx, now, code, reason).expect("valid arguments");
    }

    /// Moves bytes both ways until nothing moves any more.
    pub fn settle(&mut self) {
        while self.transmit(Role::Client)
            | self.transmit(Role::Server)
            | self.receive(Role::Client)
            | self.receive(Role::Server)
        {}
    }

    /// Lets time pass; every timer fires when it is due.
    pub fn wait_ms(&mut self, ms: u64) {
        let end = self.now.plus_ms(ms);
        loop {
            self.settle();
            let due = [&self.client, &self.server].map(|side| side.conn.next_timeout());
            match due.into_iter().flatten().min() {
                Some(due) if due <= end => self.now = self.now.max(due),
                _ => break,
            }
            for role in [Role::Client, Role::Server] {
                let now = self.now;
                let side = self.side(role);
                side.conn.handle_timeout(&mut side.cx, now);
            }
        }
        self.now = end;
    }

    /// One write of one end.
    pub fn transmit(&mut self, from: Role) -> bool {
        let (now, limit, cut_off) = (self.now, self.writes.next(), self.cut_off);
        let side = self.side(from);
        fill(&mut side.conn, &mut side.cx, now);
        let bytes = waiting::<4>(&side.conn, limit);
        if !bytes.is_empty() {
            side.conn.sent(&mut side.cx, now, bytes.len(), 0);
        }
        let ends = !side.conn.has_output() && side.conn.transport() != Transport::Keep;
        let other = self.side(from.peer());
        let moved = !bytes.is_empty() || (ends && !other.eof);
        if !cut_off {
            other.inbound.extend(&bytes);
            other.eof |= ends;
        }
        moved && !(cut_off && bytes.is_empty())
    }

    /// One read of one end.
    fn receive(&mut self, to: Role) -> bool {
        let (now, limit) = (self.now, self.reads.next());
        let side = self.side(to);
        if side.gone() {
            side.inbound.clear();
            return false;
        }
        if side.inbound.is_empty() {
            let ends = side.eof && !side.eof_seen;
            if ends {
                side.eof_seen = true;
                side.conn.recv_eof(now);
            }
            return ends;
        }
        let len = limit.min(side.inbound.len());
        let mut piece: Vec<u8> = side.inbound.drain(..len).collect();
        feed(&mut side.conn, &mut side.cx, now, &mut piece, &mut side.seen);
        true
    }
}
