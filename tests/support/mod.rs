//! What tests and fuzz targets of the protocol share.

pub mod pair;
pub mod raw;

use std::io::IoSlice;
use wsock::proto::conn::{Connection, Filled};
use wsock::proto::context::Context;
use wsock::proto::event::{Event, Kind, Payload};
use wsock::util::time::Time;

/// An event with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// First, last.
    Part(Kind, Vec<u8>, bool, bool),
}

/// Feeds `input` as one piece and gives owned payloads back, as a driver does. What belongs to a message
/// that is on its way goes straight there, half of the times.
pub fn feed(
    conn: &mut Connection,
    cx: &mut Context,
    now: Time,
    input: &mut [u8],
    seen: &mut Vec<Seen>,
) {
    let mut at = 0;
    while at < input.len() {
        let mut direct = 0;
        if (input.len() - at).is_multiple_of(2)
            && let Some(inlet) = conn.inlet(cx, 1)
        {
            direct = inlet.len().min(input.len() - at);
            inlet[..direct].copy_from_slice(&input[at..at + direct]);
            conn.arrived(direct);
            at += direct;
        }
        let rest = &mut input[at..];
        let step = conn.recv(cx, now, rest);
        at += step.consumed;
        assert!(step.consumed + direct > 0, "a call must take something");
        if let Some(event) = step.event {
            see(cx, rest, event, seen);
        }
    }
}

/// Encodes all there is room for, in as many steps as it takes.
pub fn fill(conn: &mut Connection, cx: &mut Context, now: Time) {
    while conn.fill(cx, now).expect("there is memory") == Filled::Unfinished {}
}

/// Notes an event of that input.
pub fn see(cx: &mut Context, input: &[u8], event: Event, seen: &mut Vec<Seen>) {
    let (make, payload): (fn(Vec<u8>) -> Seen, _) = match event {
        Event::Part { kind, payload, first, last } => {
            seen.push(Seen::Part(kind, payload.bytes(input).to_vec(), first, last));
            return give_back(cx, payload);
        }
        Event::Message { kind: Kind::Text, payload } => (text, payload),
        Event::Message { kind: Kind::Binary, payload } => (Seen::Binary, payload),
        Event::Ping(payload) => (Seen::Ping, payload),
        Event::Pong(payload) => (Seen::Pong, payload),
    };
    seen.push(make(payload.bytes(input).to_vec()));
    give_back(cx, payload);
}

fn give_back(cx: &mut Context, payload: Payload) {
    if let Payload::Owned(buffer) = payload {
        cx.pool.put(buffer);
    }
}

/// The first bytes, at most `limit`, of what a connection has to send, looking at `N` slices.
pub fn waiting<const N: usize>(conn: &Connection, limit: usize) -> Vec<u8> {
    let mut slices = [IoSlice::new(&[]); N];
    let filled = conn.transmit(&mut slices);
    let mut bytes = Vec::new();
    for slice in &slices[..filled] {
        bytes.extend_from_slice(&slice[..slice.len().min(limit - bytes.len())]);
    }
    bytes
}

fn text(bytes: Vec<u8>) -> Seen {
    Seen::Text(String::from_utf8(bytes).expect("text events are UTF-8"))
}
