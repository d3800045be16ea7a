//! Messages that lie whole in the input are taken many at a time, and given back when the application has had
//! enough; or all are told in parts. The application hears the same as one by one.

use super::Seed;
use super::input::{Input, pieces};
use super::solo;
use super::support::raw::Solo;
use super::support::{Seen, see};
use wsock::proto::config::{Config, Role};
use wsock::proto::conn::Wholes;
use wsock::proto::deflate::Params;
use wsock::proto::event::{Kind, Transport};

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let role = if flags & 1 == 0 { Role::Server } else { Role::Client };
    let params = (flags & 2 != 0).then_some(Params {
        server_no_takeover: true,
        client_no_takeover: true,
        server_bits: 15,
        client_bits: 15,
    });
    let config = Config {
        max_message: 100_000,
        max_control_rate: 0,
        ping_interval_ms: 0,
        deflate: Some(Default::default()),
        ..Config::default()
    };
    let (sizes, enough) = (input.bytes(4), input.bytes(4));
    let stream = input.rest();
    let mut plain = Solo::with_deflate(role, config.clone(), params);
    let mut runs = Solo::with_deflate(role, config.clone(), params);
    let mut parts = Solo::with_deflate(role, Config { parts: true, ..config }, params);
    let mut enough = enough.iter().copied().cycle();
    for piece in pieces(sizes, stream) {
        plain.feed(piece);
        feed_runs(&mut runs, piece, &mut enough);
        parts.feed(piece);
    }
    assert!(runs.seen == plain.seen, "{:?}\n{:?}", runs.seen, plain.seen);
    assert_eq!(runs.conn.stats(), plain.conn.stats());
    assert_eq!(runs.conn.closed(), plain.conn.closed());
    assert_eq!(runs.take_all(), plain.take_all());
    let (told, unfinished) = joined(&parts.seen);
    match plain.conn.closed() {
        // What is wrong at the end of a message, or compressed, may show before it would have been told.
        Some(closed) if closed.error.is_some() => {
            assert!(told.starts_with(&plain.seen) || plain.seen.starts_with(&told));
        }
        _ => {
            assert_eq!(told, plain.seen);
            assert!(!unfinished || parts.conn.transport() == Transport::Keep || flags & 2 != 0);
        }
    }
}

/// As a driver does it whose application has had enough after so many messages, again and again.
fn feed_runs(solo: &mut Solo, piece: &[u8], enough: &mut impl Iterator<Item = u8>) {
    let mut input = piece.to_vec();
    let (mut wholes, mut at) = (Wholes::default(), 0);
    while at < input.len() {
        let rest = &mut input[at..];
        let end = solo.conn.recv_run(solo.now, rest, &mut wholes);
        let told = match enough.next() {
            None | Some(0) => wholes.len(),
            Some(n) => usize::from(n).min(wholes.len()),
        };
        for whole in &wholes[..told] {
            let data = rest[whole.payload()].to_vec();
            solo.seen.push(match whole.kind {
                Kind::Text => Seen::Text(String::from_utf8(data).expect("text is UTF-8")),
                Kind::Binary => Seen::Binary(data),
            });
        }
        if told < wholes.len() {
            let from = told.checked_sub(1).map_or(0, |last| wholes[last].payload().end);
            solo.conn.give_back(&mut rest[from..], from, &wholes[told..]);
            at += from;
            continue;
        }
        at += end;
        if end == 0 {
            let step = solo.conn.recv(&mut solo.cx, solo.now, rest);
            assert!(step.consumed > 0, "a call must take something");
            at += step.consumed;
            if let Some(event) = step.event {
                see(&mut solo.cx, rest, event, &mut solo.seen);
            }
        }
    }
}

/// Messages of which all parts have come, and whether one is not whole.
fn joined(seen: &[Seen]) -> (Vec<Seen>, bool) {
    let (mut whole, mut partial) = (Vec::new(), None::<Vec<u8>>);
    for seen in seen {
        let Seen::Part(kind, data, first, last) = seen else {
            whole.push(seen.clone());
            continue;
        };
        assert_eq!(*first, partial.is_none());
        assert!(!data.is_empty() || *last);
        partial.get_or_insert_default().extend(data);
        if *last && let Some(data) = partial.take() {
            whole.push(match kind {
                Kind::Text => Seen::Text(String::from_utf8(data).expect("text is UTF-8")),
                Kind::Binary => Seen::Binary(data),
            });
        }
    }
    (whole, partial.is_some())
}

pub fn seeds() -> Vec<Seed> {
    let names = [("server", 0, Role::Server), ("client", 1, Role::Client)];
    let mut seeds = Vec::new();
    for (name, flags, role) in names {
        let streams: Vec<Vec<u8>> =
            solo::seeds(role).into_iter().map(|(_, data)| data[10..].to_vec()).collect();
        let with = |settings: [u8; 8], stream: &[u8]| [&[flags][..], &settings, stream].concat();
        seeds.push((name, with([0, 0, 0, 0, 0, 0, 0, 0], &streams.concat())));
        if role == Role::Server {
            seeds.push(("given_back", with([200, 0, 0, 0, 1, 2, 0, 1], &streams[0].repeat(3))));
            let compressed = [&[flags | 2][..], &[9; 8], &streams[4]].concat();
            seeds.push(("compressed", compressed));
        }
    }
    seeds
}
