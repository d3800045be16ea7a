//! Two connections and a network that cuts and stalls as the input says: every message that was
//! accepted arrives, in order, or the end says that something went wrong.

use super::Seed;
use super::input::{Input, length};
use super::support::{Seen, feed, fill, waiting};
use std::collections::VecDeque;
use std::sync::Arc;
use wsock::error::{Code, Error};
use wsock::proto::config::{Config, Role};
use wsock::proto::conn::{Connection, State};
use wsock::proto::context::Context;
use wsock::proto::deflate::{self, Params};
use wsock::proto::event::{Initiator, Kind, Transport};
use wsock::util::rng::Entropy;
use wsock::util::time::Time;

/// More than any input that teaches something needs.
const MAX_STEPS: usize = 500;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut net = Network::new(&mut input);
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        net.step(&mut input);
    }
    net.settle();
    net.finish();
    net.check();
}

struct Side {
    conn: Connection,
    cx: Context,
    seen: Vec<Seen>,
    /// Messages and pings that were accepted for sending.
    sent: Vec<Seen>,
    pinged: Vec<Vec<u8>>,
    /// Bytes on their way here, and whether the end of the stream comes after them.
    inbound: VecDeque<u8>,
    eof: bool,
    eof_seen: bool,
}

struct Network {
    /// Client, server.
    sides: [Side; 2],
    now: Time,
    broken: bool,
}

impl Network {
    fn new(input: &mut Input) -> Network {
        let (flags, bits, takeover) = (input.byte(), input.byte(), input.byte());
        let params = (flags & 1 != 0).then_some(Params {
            server_no_takeover: takeover & 1 != 0,
            client_no_takeover: takeover & 2 != 0,
            server_bits: 9 + bits % 7,
            client_bits: 8 + bits / 7 % 8,
        });
        let now = Time(1_000_000);
        let side = |role: Role| Side {
            conn: Connection::new(role, Arc::new(config(flags, takeover)), params, now),
            cx: Context::new(Entropy::from_seed(role as u64)),
            seen: Vec::new(),
            sent: Vec::new(),
            pinged: Vec::new(),
            inbound: VecDeque::new(),
            eof: false,
            eof_seen: false,
        };
        Network { sides: [side(Role::Client), side(Role::Server)], now, broken: false }
    }

    fn step(&mut self, input: &mut Input) {
        let (what, argument) = (input.byte(), input.byte());
        let who = usize::from(what >> 7);
        match what % 12 {
            0 | 1 => self.send(who, argument, input),
            2 => self.ping(who, input.bytes(argument as usize % 126)),
            3 | 4 => drop(self.transmit(who, length(argument))),
            5 | 6 => drop(self.receive(who, length(argument).max(1))),
            7 => self.pass(u64::from(argument) * 10),
            8 => self.close(who, argument),
            9 => self.settle(),
            10 if argument == 77 => self.lose(who),
            _ => self.full(who),
        }
    }

    fn send(&mut self, who: usize, argument: u8, input: &mut Input) {
        let side = &mut self.sides[who];
        let (open, before) = (side.conn.state() == State::Open, side.conn.buffered());
        let (kind, data) = match argument & 1 {
            0 => (Kind::Text, "é€😀a".repeat(length(argument) / 10).into_bytes()),
            _ => (Kind::Binary, input.bytes(8).repeat(length(argument) / 8)),
        };
        let compress = argument & 2 == 0;
        match side.conn.send(&mut side.cx, self.now, kind, &data, compress) {
            Ok(queued) => {
                assert!(open && queued.buffered == side.conn.buffered());
                side.sent.push(match kind {
                    Kind::Text => Seen::Text(String::from_utf8(data).expect("made of text")),
                    Kind::Binary => Seen::Binary(data),
                });
            }
            Err(error) => {
                assert_eq!(error.code, if open { Code::Limit } else { Code::State });
                assert_eq!(side.conn.buffered(), before);
            }
        }
    }

    fn ping(&mut self, who: usize, data: &[u8]) {
        let side = &mut self.sides[who];
        let open = side.conn.state() == State::Open;
        assert_eq!(side.conn.ping(&mut side.cx, self.now, data).is_ok(), open);
        if open {
            side.pinged.push(data.to_vec());
        }
    }

    fn close(&mut self, who: usize, argument: u8) {
        let code = if argument & 1 == 0 { None } else { Some(3000 + u16::from(argument)) };
        let side = &mut self.sides[who];
        let reason = if code.is_some() { "reason €" } else { "" };
        side.conn.close(&mut side.cx, self.now, code, reason).expect("valid arguments");
        assert_ne!(side.conn.state(), State::Open);
    }

    /// The network breaks.
    fn lose(&mut self, who: usize) {
        self.broken = true;
        self.sides[who].conn.transport_lost(Error::new(Code::ConnectionLost, "cable cut"));
    }

    /// The transport takes nothing.
    fn full(&mut self, who: usize) {
        let side = &mut self.sides[who];
        side.conn.sent(&mut side.cx, self.now, 0, 0);
    }

    /// One write of at most `limit` bytes; whether anything moved.
    fn transmit(&mut self, who: usize, limit: usize) -> bool {
        let side = &mut self.sides[who];
        fill(&mut side.conn, &mut side.cx, self.now);
        let bytes = waiting::<3>(&side.conn, limit);
        side.conn.sent(&mut side.cx, self.now, bytes.len(), 0);
        let ends = !side.conn.has_output() && side.conn.transport() != Transport::Keep;
        let other = &mut self.sides[1 - who];
        let moved = !bytes.is_empty() || (ends && !other.eof);
        other.inbound.extend(&bytes);
        other.eof |= ends;
        moved
    }

    /// One read of at most `limit` bytes; whether anything moved.
    fn receive(&mut self, who: usize, limit: usize) -> bool {
        let side = &mut self.sides[who];
        if !side.conn.has_output() && side.conn.transport() == Transport::Drop {
            side.inbound.clear();
            return false;
        }
        if side.inbound.is_empty() {
            let ends = side.eof && !side.eof_seen;
            if ends {
                side.eof_seen = true;
                side.conn.recv_eof(self.now);
            }
            return ends;
        }
        let len = limit.min(side.inbound.len());
        let mut piece: Vec<u8> = side.inbound.drain(..len).collect();
        feed(&mut side.conn, &mut side.cx, self.now, &mut piece, &mut side.seen);
        true
    }

    /// Everything moves until nothing does.
    fn settle(&mut self) {
        let all = usize::MAX;
        while self.transmit(0, all)
            | self.transmit(1, all)
            | self.receive(0, all)
            | self.receive(1, all)
        {}
    }

    fn pass(&mut self, ms: u64) {
        let end = self.now.plus_ms(ms);
        loop {
            let due = self.sides.iter().filter_map(|side| side.conn.next_timeout()).min();
            let Some(due) = due.filter(|&due| due <= end) else { break };
            self.now = self.now.max(due);
            for side in &mut self.sides {
                side.conn.handle_timeout(&mut side.cx, self.now);
                assert!(side.conn.next_timeout().is_none_or(|due| due > self.now));
            }
        }
        self.now = end;
    }

    /// Somebody closes, if nobody has, and both come to an end.
    fn finish(&mut self) {
        if self.sides.iter().all(|side| side.conn.state() == State::Open) {
            self.close(0, 1);
        }
        for _ in 0..20 {
            self.settle();
            self.pass(100);
        }
    }

    fn check(&mut self) {
        for who in 0..2 {
            let (to, from) = (&self.sides[who], &self.sides[1 - who]);
            assert_eq!(to.conn.transport(), Transport::Drop);
            assert!(!to.conn.has_output() && to.conn.buffered() == 0);
            let (closed, other) =
                (to.conn.closed().expect("an end"), from.conn.closed().expect("an end"));
            let messages: Vec<&Seen> =
                to.seen.iter().filter(|it| matches!(it, Seen::Text(_) | Seen::Binary(_))).collect();
            assert!(messages.len() <= from.sent.len());
            assert!(messages.iter().zip(&from.sent).all(|(seen, sent)| *seen == sent));
            // Whoever closes hears nothing more, as in browsers.
            let hung_up = closed.initiator == Initiator::Local;
            let complete = messages.len() == from.sent.len() || hung_up;
            assert!(complete || !closed.clean, "{closed:?}");
            assert!(complete || !other.clean || closed.error.is_some(), "{closed:?} {other:?}");
            // Nobody breaks the rules here, and the network only at our word.
            let blamed = |error: &Error| matches!(error.code, Code::Protocol | Code::InvalidData);
            assert!(!closed.error.as_ref().is_some_and(blamed), "{closed:?}");
            assert!(self.broken || closed.error.is_some() || closed.clean, "{closed:?}");
            if closed.clean && other.clean {
                assert_eq!(closed.code, other.sent_code.expect("clean, so there was a frame"));
            }
            for seen in &to.seen {
                if let Seen::Ping(data) = seen {
                    assert!(from.pinged.contains(data) || data.len() == 4);
                }
                if let Seen::Pong(data) = seen {
                    assert!(to.pinged.contains(data) || data.len() == 4);
                }
            }
        }
    }
}

fn config(flags: u8, takeover: u8) -> Config {
    let (tight, timers) = (flags & 2 != 0, flags & 4 != 0);
    let deflate = deflate::Config {
        min_size: 10,
        level: 1 + u32::from(takeover >> 5),
        server_takeover: takeover & 4 != 0,
        client_takeover: takeover & 8 != 0,
        idle_ms: 300,
        ..deflate::Config::default()
    };
    Config {
        max_message: if tight { 5000 } else { 1 << 20 },
        max_control_rate: if tight { 10 } else { 0 },
        ping_interval_ms: if timers { 200 } else { 0 },
        pong_timeout_ms: 100,
        idle_timeout_ms: if timers { 900 } else { 0 },
        close_timeout_ms: 500,
        deflate: Some(deflate),
        ..Config::default()
    }
}

pub fn seeds() -> Vec<Seed> {
    let talk = b"\x00\x50\x81\xf1abcdefgh\x03\x09\x85\x05\x83\xff\x05\x30\x02\x02hi\x80\xe0\x09\x00\x0c\xfa\x08\x01";
    let stall = b"\x01\xf5aaaaaaaa\x03\xc8\x0b\x00\x82\x03abc\x83\xff\x05\x01\x05\xff\x02\x01x\x82\x01y\x83\xff\x05\xff\x03\x20\x09\x00\x01\xfdbbbbbbbb\x88\x05\x09\x00";
    let crossing = b"\x00\x60\x08\x03\x80\x70\x88\x00\x03\xff\x83\x10\x05\x07\x85\xff";
    let with = |settings: [u8; 3], steps: &[u8]| [&settings, steps].concat();
    vec![
        ("talk", with([0, 0, 0], talk)),
        ("compressed", with([1, 55, 12], talk)),
        ("no_takeover", with([1, 6, 3], &[talk, &stall[..]].concat())),
        ("stall", with([0, 0, 0], stall)),
        ("timers", with([5, 55, 12], &[&talk[..20], b"\x07\x30", stall, b"\x07\xff"].concat())),
        ("tight", with([2, 0, 0], &[stall, &talk[..]].concat())),
        ("crossing", with([0, 0, 0], crossing)),
        ("lost", with([0, 0, 0], &[&talk[..16], b"\x0a\x4d"].concat())),
    ]
}
