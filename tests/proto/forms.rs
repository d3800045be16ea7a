//! Messages of every form, those that may be dropped or replaced, and those in parts, all mixed: what
//! is not dropped arrives once, in order, and as it was.

use crate::support::Seen;
use crate::support::pair::{Chunks, Pair};
use crate::support::raw::*;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use wsock::error::Code;
use wsock::proto::config::{Config, Role};
use wsock::proto::conn::{Body, Dropped, SendOptions};
use wsock::proto::deflate::{self, Params};
use wsock::proto::event::Kind;
use wsock::proto::prepared::Prepared;
use wsock::util::bytes::Bytes;
use wsock::util::bytes::Share;

/// A message that is `len` bytes long and tells which one it is.
fn content(number: usize, len: usize, noisy: bool) -> Vec<u8> {
    let mut state = number as u32 | 1;
    let noise = std::iter::from_fn(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some(if noisy { (state >> 24) as u8 & 0x7F } else { b'a' })
    });
    format!("{number:08} ").into_bytes().into_iter().chain(noise).take(len.max(8)).collect()
}

#[derive(Clone, Debug)]
enum Form {
    Fast,
    Copy,
    Owned,
    Prepared,
    /// Cut into parts of that many bytes, each of which comes with one of the next acts.
    Parts(usize),
}

#[derive(Clone, Debug)]
struct Act {
    form: Form,
    text: bool,
    len: usize,
    noisy: bool,
    options: SendOptions,
    /// What happens afterwards: 0 nothing, 1 bytes leave, 2 everything arrives, 3 room is made.
    then: u8,
}

fn act() -> impl Strategy<Value = Act> {
    let form = prop_oneof![
        Just(Form::Fast),
        Just(Form::Copy),
        Just(Form::Owned),
        Just(Form::Prepared),
        (1usize..40_000).prop_map(Form::Parts),
    ];
    let options = (any::<bool>(), prop_oneof![Just(0u64), 1u64..4], any::<bool>())
        .prop_map(|it| SendOptions { compress: it.0, key: it.1, droppable: it.2 });
    let len = prop_oneof![8usize..300, 2_000usize..10_000, 10_000usize..200_000];
    (form, any::<bool>(), len, any::<bool>(), options, 0u8..4).prop_map(
        |(form, text, len, noisy, options, then)| Act { form, text, len, noisy, options, then },
    )
}

fn chunks() -> impl Strategy<Value = Chunks> {
    prop::collection::vec(prop_oneof![1usize..100, 1000usize..30_000], 1..8)
        .prop_map(|sizes| Chunks::new(&sizes))
}

fn params() -> impl Strategy<Value = Option<Params>> {
    if cfg!(not(feature = "deflate")) {
        return Just(None).boxed();
    }
    let some = (any::<bool>(), any::<bool>(), 9u8..=15, 8u8..=15).prop_map(|it| Params {
        server_no_takeover: it.0,
        client_no_takeover: it.1,
        server_bits: it.2,
        client_bits: it.3,
    });
    prop::option::of(some).boxed()
}

fn config() -> Config {
    let wanted = deflate::Config {
        server_takeover: true,
        client_takeover: true,
        ..deflate::Config::default()
    };
    Config { deflate: Some(wanted), max_control_rate: 0, ..Config::default() }
}

/// A message that was accepted.
struct Sent {
    seen: Seen,
    key: u64,
    droppable: bool,
    bytes: u64,
}

fn seen(kind: Kind, data: Vec<u8>) -> Seen {
    match kind {
        Kind::Text => Seen::Text(String::from_utf8(data).expect("made of ASCII")),
        Kind::Binary => Seen::Binary(data),
    }
}

/// Messages in parts that are not finished: number, what is left, size of a part.
type Open = Vec<(u32, Vec<u8>, usize)>;

fn next_part(pair: &mut Pair, from: Role, open: &mut Open, at: usize) {
    let now = pair.now;
    let side = pair.side(from);
    let (id, rest, size) = &mut open[at];
    let part: Vec<u8> = rest.drain(..(*size).min(rest.len())).collect();
    let last = rest.is_empty();
    side.conn.stream_part(&mut side.cx, now, *id, &part, last).unwrap();
    if last {
        let error = side.conn.stream_part(&mut side.cx, now, *id, b"more", true).unwrap_err();
        assert_eq!(error.code, Code::State);
        open.remove(at);
    }
}

/// Sends one; how it was, and what it has replaced.
fn send(pair: &mut Pair, from: Role, number: usize, act: &Act, open: &mut Open) -> (Sent, Dropped) {
    let now = pair.now;
    let side = pair.side(from);
    let data = content(number, act.len, act.noisy);
    let kind = if act.text { Kind::Text } else { Kind::Binary };
    let shared: Bytes = Arc::new(data.clone());
    let mut options = act.options;
    let queued = match act.form {
        Form::Fast => {
            options = SendOptions::default();
            side.conn.send(&mut side.cx, now, kind, &data, act.options.compress)
        }
        Form::Copy => side.conn.send_message(&mut side.cx, now, &Body::Copy(kind, &data), options),
        Form::Owned => {
            side.conn.send_message(&mut side.cx, now, &Body::Owned(kind, shared), options)
        }
        Form::Prepared => {
            let message = Arc::new(Prepared::new(kind, shared).unwrap());
            side.conn.send_message(&mut side.cx, now, &Body::Prepared(&message), options)
        }
        Form::Parts(size) => {
            let id = side.conn.begin_stream(kind, options.compress).unwrap();
            open.push((id, data.clone(), size));
            options = SendOptions::default();
            Ok(wsock::proto::conn::Queued {
                buffered: side.conn.buffered(),
                dropped: Dropped::default(),
            })
        }
    };
    let queued = queued.unwrap();
    assert_eq!(queued.buffered, side.conn.buffered());
    let SendOptions { key, droppable, .. } = options;
    let bytes = data.len() as u64;
    (Sent { seen: seen(kind, data), key, droppable, bytes }, queued.dropped)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_not_dropped_arrives(
        acts in prop::collection::vec(act(), 1..30),
        from in prop_oneof![Just(Role::Client), Just(Role::Server)],
        (reads, writes) in (chunks(), chunks()),
        params in params(),
        pings in any::<bool>(),
    ) {
        let mut pair = Pair::new(config(), config(), params).chunked(reads, writes);
        let (mut sent, mut open) = (Vec::<Sent>::new(), Open::new());
        let mut dropped = Dropped::default();
        for (number, act) in acts.iter().enumerate() {
            let (message, replaced) = send(&mut pair, from, number, act, &mut open);
            if replaced.messages == 0 {
                sent.push(message);
            } else {
                let older = sent.iter_mut().rev().find(|it| it.key == message.key).unwrap();
                prop_assert_eq!(replaced, Dropped { messages: 1, bytes: older.bytes });
                *older = message;
            }
            if !open.is_empty() {
                let at = number % open.len();
                next_part(&mut pair, from, &mut open, at);
            }
            if pings {
                let now = pair.now;
                let side = pair.side(from.peer());
                side.conn.ping(&mut side.cx, now, b"?").unwrap();
            }
            match act.then {
                1 => drop((pair.transmit(from), pair.transmit(from.peer()))),
                2 => pair.settle(),
                3 => {
                    let more = pair.side(from).conn.drop_oldest(act.len / 2);
                    prop_assert!(more.messages == 0 || more.bytes >= act.len as u64 / 2);
                    dropped += more;
                }
                _ => {}
            }
        }
        while !open.is_empty() {
            let at = open.len() - 1;
            next_part(&mut pair, from, &mut open, at);
        }
        pair.settle();
        prop_assert_eq!(pair.side(from).conn.buffered(), 0);
        pair.close(from, Some(1000), "");
        pair.settle();
        let side = pair.side(from);
        prop_assert!(side.conn.closed().unwrap().clean && side.conn.closed().unwrap().unsent == 0);
        let arrived = std::mem::take(&mut pair.side(from.peer()).seen);
        let mut arrived = arrived.into_iter().filter(|it| !matches!(it, Seen::Pong(_))).peekable();
        let mut missing = Dropped::default();
        for message in sent {
            if arrived.peek() == Some(&message.seen) {
                arrived.next();
            } else {
                prop_assert!(message.droppable, "lost, or out of order");
                missing.messages += 1;
                missing.bytes += message.bytes;
            }
        }
        prop_assert!(arrived.next().is_none());
        prop_assert!(missing == dropped);
    }
}

/// Tells when it is dropped.
struct Watched(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Share for Watched {}

impl Drop for Watched {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }
}

fn send_watched(solo: &mut Solo, len: usize, gone: &Arc<AtomicUsize>) {
    let body = Body::Owned(Kind::Binary, Arc::new(Watched(vec![7; len], Arc::clone(gone))));
    let options = SendOptions { compress: false, ..SendOptions::default() };
    solo.conn.send_message(&mut solo.cx, solo.now, &body, options).unwrap();
}

#[test]
fn a_payload_is_let_go_with_its_last_byte() {
    let gone = Arc::new(AtomicUsize::new(0));
    let mut solo = Solo::server();
    for _ in 0..3 {
        send_watched(&mut solo, 50_000, &gone);
    }
    assert_eq!(gone.load(Ordering::SeqCst), 0, "referred to, not copied");
    for sent in 1..=3 {
        solo.take(50_003);
        assert_eq!(gone.load(Ordering::SeqCst), sent - 1);
        solo.take(1);
        assert_eq!(gone.load(Ordering::SeqCst), sent);
    }
    assert!(!solo.conn.has_output());
    send_watched(&mut solo, 100, &gone);
    assert_eq!(gone.load(Ordering::SeqCst), 4, "few bytes are copied");
    send_watched(&mut solo, 50_000, &gone);
    solo.conn.abort(wsock::error::Error::new(Code::Aborted, "enough"));
    assert_eq!(gone.load(Ordering::SeqCst), 5);
}

#[test]
fn what_a_client_owns_is_masked_in_pieces() {
    let gone = Arc::new(AtomicUsize::new(0));
    let mut solo = Solo::client();
    send_watched(&mut solo, 1_000_000, &gone);
    solo.conn.send(&mut solo.cx, solo.now, Kind::Text, b"behind", false).unwrap();
    assert_eq!(solo.conn.buffered(), 1_000_006);
    let mut bytes = solo.take(1);
    let mut slices = [std::io::IoSlice::new(&[]); 16];
    let filled = solo.conn.transmit(&mut slices);
    assert!(slices[..filled].iter().map(|slice| slice.len()).sum::<usize>() < 150_000);
    bytes.extend(solo.take_all());
    assert_eq!(gone.load(Ordering::SeqCst), 1);
    let frames = frames(&bytes);
    let (last, pieces) = frames.split_last().unwrap();
    assert_eq!((last.first, &last.payload[..]), (FIN | TEXT, &b"behind"[..]));
    assert!(pieces.iter().all(|piece| piece.masked && piece.payload.iter().all(|it| *it == 7)));
    assert_eq!(pieces.iter().map(|piece| piece.payload.len()).sum::<usize>(), 1_000_000);
    assert_eq!((pieces[0].first, pieces[1].first), (BINARY, CONT));
    assert_eq!(pieces.last().unwrap().first, FIN | CONT);
}

/// A pong never goes into a frame, wherever the payload of that is.
#[test]
fn a_pong_overtakes_at_the_end_of_a_frame() {
    for begun in [0, 1, 5, 20_000, 50_003] {
        let gone = Arc::new(AtomicUsize::new(0));
        let mut solo = Solo::server();
        solo.conn.send(&mut solo.cx, solo.now, Kind::Binary, b"small", false).unwrap();
        for _ in 0..3 {
            send_watched(&mut solo, 50_000, &gone);
        }
        let mut bytes = solo.take(7 + begun);
        solo.conn.sent(&mut solo.cx, solo.now, 0, 0);
        solo.frame(FIN | PING, b"now");
        while solo.conn.has_output() {
            bytes.extend(solo.take(777));
        }
        let frames = frames(&bytes);
        let opcodes: Vec<u8> = frames.iter().map(|frame| frame.first & 0x0F).collect();
        let expected = if begun == 0 {
            [BINARY, PONG, BINARY, BINARY, BINARY]
        } else {
            [BINARY, BINARY, PONG, BINARY, BINARY]
        };
        assert_eq!(opcodes, expected, "{begun}");
        assert_eq!(gone.load(Ordering::SeqCst), 3);
    }
}

#[test]
fn a_waiting_message_can_be_replaced_and_dropped() {
    let mut solo = Solo::server();
    let mut send = |data: &[u8], key, droppable| {
        let options = SendOptions { compress: false, key, droppable };
        let body = Body::Copy(Kind::Binary, data);
        solo.conn.send_message(&mut solo.cx, solo.now, &body, options).unwrap().dropped
    };
    let none = Dropped::default();
    assert_eq!(send(b"first", 0, true), none, "nothing waits, so it goes at once");
    assert_eq!(send(b"price 1", 9, false), none);
    assert_eq!(send(b"news", 0, true), none);
    assert_eq!(send(b"price 22", 9, false), Dropped { messages: 1, bytes: 7 });
    assert_eq!(solo.conn.replaceable(9), Some(8));
    assert_eq!(solo.conn.drop_oldest(5), none, "there are only four");
    assert_eq!(solo.conn.drop_oldest(4), Dropped { messages: 1, bytes: 4 });
    solo.conn.count_dropped(Dropped { messages: 1, bytes: 3 });
    let sent: Vec<Vec<u8>> = solo.sent().into_iter().map(|frame| frame.payload).collect();
    assert_eq!(sent, [&b"first"[..], b"price 22"]);
    assert_eq!(solo.conn.stats().dropped, Dropped { messages: 3, bytes: 14 });
    assert_eq!(solo.conn.replaceable(9), None);
}

#[test]
fn a_close_waits_for_what_waits() {
    let mut solo = Solo::server();
    let options = SendOptions { droppable: true, ..SendOptions::default() };
    for text in [&b"one"[..], b"two"] {
        let body = Body::Copy(Kind::Binary, text);
        solo.conn.send_message(&mut solo.cx, solo.now, &body, options).unwrap();
    }
    solo.conn.close(&mut solo.cx, solo.now, Some(1000), "").unwrap();
    let opcodes: Vec<u8> = solo.sent().iter().map(|frame| frame.first & 0x0F).collect();
    assert_eq!(opcodes, [BINARY, BINARY, CLOSE]);
    assert_eq!(solo.closed().sent_code, Some(1000));
    assert_eq!(solo.closed().unsent, 0);
}

#[cfg(feature = "deflate")]
#[test]
fn a_prepared_message_is_compressed_once_for_many() {
    let message =
        Arc::new(Prepared::new(Kind::Text, Arc::new("many ".repeat(10_000).into_bytes())).unwrap());
    let all = Params {
        server_no_takeover: false,
        client_no_takeover: false,
        server_bits: 15,
        client_bits: 15,
    };
    let mut forms = Vec::new();
    for role in [Role::Server, Role::Client, Role::Server] {
        let mut solo = Solo::with_deflate(role, config(), Some(all));
        solo.conn
            .send(&mut solo.cx, solo.now, Kind::Text, "many ".repeat(100).as_bytes(), true)
            .unwrap();
        let body = Body::Prepared(&message);
        solo.conn.send_message(&mut solo.cx, solo.now, &body, SendOptions::default()).unwrap();
        let sent = solo.sent();
        assert_eq!(sent[1].first, FIN | 0x40 | TEXT);
        forms.push(sent[1].payload.clone());
    }
    assert!(forms[0] == forms[1] && forms[1] == forms[2]);
    assert!(message.compressed(1, 15, |_| unreachable!("it has been made")).is_some());
}
