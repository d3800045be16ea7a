//! Parts of the library one by one, in memory, for `count.py`. Valgrind counts what runs in `counted`, and writes down
//! the sum whenever `row_done` returns; the names of the rows go to standard output, in the same order.
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::io::IoSlice;
use std::sync::Arc;
use wsock::proto::config::{Config, HeadLimits, Role};
use wsock::proto::conn::Connection;
use wsock::proto::context::Context;
use wsock::proto::deflate::{self, Params};
use wsock::proto::event::{Event, Kind, Payload};
use wsock::proto::frame::{self, Opcode};
use wsock::proto::handshake::server::{Answer, ServerHandshake, ServerSettings};
use wsock::proto::mask;
use wsock::proto::utf8::{self, Validator};
use wsock::util::rng::Entropy;
use wsock::util::time::Time;

const NOW: Time = Time(1_000_000);
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const REQUEST: &str = "GET /chat?room=1 HTTP/1.1\r\nHost: server.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n\
    Accept: */*\r\nAccept-Language: en-US,en;q=0.5\r\nSec-WebSocket-Version: 13\r\nOrigin: https://example.com\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Connection: keep-alive, Upgrade\r\nCookie: session=0123456789abcdef\r\nUpgrade: websocket\r\n\r\n";

#[unsafe(no_mangle)]
#[inline(never)]
fn counted(work: &mut dyn FnMut()) {
    work();
}

#[unsafe(no_mangle)]
#[inline(never)]
fn row_done() {
    black_box(());
}

/// Counts what `work` does with what `prepare` makes. The first time goes uncounted: it fills pools and finds out what
/// the processor can do.
fn row<T>(
    name: &str,
    times: u32,
    each: u32,
    mut prepare: impl FnMut() -> T,
    mut work: impl FnMut(&mut T),
) {
    work(&mut prepare());
    for _ in 0..times {
        let mut input = prepare();
        counted(&mut || work(black_box(&mut input)));
    }
    println!("{}\t{name}", times * each);
    row_done();
}

/// Text as programs send it, of exactly `size` bytes.
fn json(size: usize) -> String {
    let mut text = String::from("{\"quotes\":[");
    let mut state = 1u32;
    while text.len() < size {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        let (symbol, bid, size) = (state >> 16 & 511, state >> 8 & 1023, (state >> 12 & 15) * 100);
        text += &format!("{{\"symbol\":\"S{symbol:03}\",\"bid\":{bid},\"size\":{size}}},");
    }
    text.truncate(size);
    text
}

/// Letters of one to four bytes.
fn mixed(size: usize) -> String {
    let mut text: String = "Grüße, κόσμε! 世界 \u{1F30D} ".chars().cycle().take(size).collect();
    while text.len() > size {
        text.pop();
    }
    text
}

fn frames(kind: Opcode, rsv1: bool, payload: &[u8], count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..count {
        frame::write(&mut bytes, kind, rsv1, Some(KEY), payload.len());
        let at = bytes.len();
        bytes.extend_from_slice(payload);
        mask::apply(&mut bytes[at..], KEY);
    }
    bytes
}

struct Side {
    conn: Connection,
    cx: Context,
}

impl Side {
    fn new(role: Role, params: Option<Params>) -> Side {
        // Takeover is up to `params` alone.
        let wanted = deflate::Config {
            server_takeover: true,
            client_takeover: true,
            ..deflate::Config::default()
        };
        let config = Config { deflate: params.map(|_| wanted), ..Config::default() };
        let conn = Connection::new(role, Arc::new(config), params, NOW);
        Side { conn, cx: Context::new(Entropy::from_seed(1)) }
    }

    fn receive(&mut self, mut input: &mut [u8]) {
        while !input.is_empty() {
            let step = self.conn.recv(&mut self.cx, NOW, input);
            assert!(step.consumed > 0, "a call must take something");
            if let Some(Event::Message { payload: Payload::Owned(buffer), .. }) =
                black_box(step.event)
            {
                self.cx.pool.put(buffer);
            }
            input = &mut input[step.consumed..];
        }
    }

    fn send(&mut self, kind: Kind, data: &[u8]) {
        self.conn.send(&mut self.cx, NOW, kind, data, true).expect("the connection is open");
    }

    /// Gives all that waits to a transport that takes everything.
    fn flush(&mut self, mut transport: impl FnMut(&[u8])) {
        self.conn.fill(&mut self.cx, NOW).expect("memory");
        let mut slices = [IoSlice::new(&[]); 16];
        let count = self.conn.transmit(&mut slices);
        let mut bytes = 0;
        for slice in &slices[..count] {
            transport(slice);
            bytes += slice.len();
        }
        self.conn.sent(&mut self.cx, NOW, bytes, 0);
        assert!(!self.conn.has_output());
    }
}

fn masking() {
    for (name, size, times) in
        [("mask 16 B", 16, 100), ("mask 1 KiB", 1024, 20), ("mask 64 KiB", 65536, 2)]
    {
        row(name, times, 1, || vec![7u8; size], |data| mask::apply(data, black_box(KEY)));
    }
}

fn text() {
    for (name, text) in [("utf8 ascii 1 KiB", json(1024)), ("utf8 mixed 1 KiB", mixed(1024))] {
        row(name, 20, 1, || text.clone().into_bytes(), |bytes| assert!(utf8::is_valid(bytes)));
    }
    let cut = |bytes: &mut Vec<u8>| {
        let mut validator = Validator::default();
        let ok = bytes.chunks(100).all(|piece| validator.push(piece).is_ok());
        assert!(ok && validator.finish().is_ok());
    };
    row("utf8 mixed 1 KiB in pieces of 100 B", 20, 1, || mixed(1024).into_bytes(), cut);
}

fn receiving() {
    let mut server = Side::new(Role::Server, None);
    let rows = [
        ("receive binary 16 B", Opcode::Binary, vec![7; 16]),
        ("receive binary 125 B", Opcode::Binary, vec![7; 125]),
        ("receive text 125 B", Opcode::Text, json(125).into_bytes()),
        ("receive binary 1 KiB", Opcode::Binary, vec![7; 1024]),
    ];
    for (name, opcode, payload) in rows {
        let batch = frames(opcode, false, &payload, 100);
        row(name, 10, 100, || batch.clone(), |input| server.receive(input));
    }
    let fragments = [
        frames(Opcode::Text, false, json(512).as_bytes(), 1),
        frames(Opcode::Continuation, false, json(512).as_bytes(), 1),
    ];
    let mut batch = fragments.concat();
    batch[0] &= 0x7F; // no FIN: another fragment follows
    row(
        "receive text 1 KiB in two frames",
        100,
        1,
        || batch.clone(),
        |input| server.receive(input),
    );
}

fn sending() {
    for (role, who) in [(Role::Server, "server"), (Role::Client, "client")] {
        for (what, kind, size) in [
            ("binary 125 B", Kind::Binary, 125),
            ("text 125 B", Kind::Text, 125),
            ("binary 1 KiB", Kind::Binary, 1024),
        ] {
            let mut side = Side::new(role, None);
            let data = json(size).into_bytes();
            let work = |(): &mut ()| {
                side.send(kind, &data);
                side.flush(|bytes| _ = black_box(bytes));
            };
            row(&format!("{who} sends {what}"), 100, 1, || (), work);
        }
    }
}

fn compressing() {
    let kept = Params {
        server_no_takeover: false,
        client_no_takeover: false,
        server_bits: 15,
        client_bits: 15,
    };
    let params = Params { server_no_takeover: true, client_no_takeover: true, ..kept };
    let text = json(1024);
    for (how, params) in [("", params), (", with takeover", kept)] {
        let mut server = Side::new(Role::Server, Some(params));
        let work = |(): &mut ()| {
            server.send(Kind::Text, text.as_bytes());
            server.flush(|bytes| _ = black_box(bytes));
        };
        row(&format!("compress 1 KiB of JSON{how}"), 20, 1, || (), work);
        let mut client = Side::new(Role::Client, Some(params));
        let next = || {
            client.send(Kind::Text, text.as_bytes());
            let mut bytes = Vec::new();
            client.flush(|more| bytes.extend_from_slice(more));
            bytes
        };
        row(&format!("inflate 1 KiB of JSON{how}"), 20, 1, next, |input| server.receive(input));
    }
}

fn handshake() {
    let settings =
        ServerSettings { deflate: Some(deflate::Config::default()), ..ServerSettings::default() };
    let limits = HeadLimits::default();
    let serve = |input: &mut Vec<u8>| {
        let (used, outcome) = ServerHandshake::new(&limits).recv(input);
        let request = outcome.expect("it is whole").expect("it is right");
        let upgrade = request.upgrade.expect("it asks for WebSocket");
        let accepted = upgrade.accept(&settings, &Answer::default());
        assert!(used == REQUEST.len() && accepted.deflate.is_some());
        black_box(accepted);
    };
    row("handshake of a server", 20, 1, || REQUEST.as_bytes().to_vec(), serve);
}

fn main() {
    masking();
    text();
    receiving();
    sending();
    compressing();
    handshake();
}
