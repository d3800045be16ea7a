//! permessage-deflate on a connection.

use crate::frames::assert_failed;
use crate::support::raw::*;
use crate::support::{Seen, waiting};
use std::sync::Arc;
use wsock::error::Code;
use wsock::proto::config::{Config, Role};
use wsock::proto::conn::{Body, Filled, SendOptions};
use wsock::proto::deflate::{self, Params};
use wsock::proto::event::{Event, Kind, Payload};

const RSV1: u8 = 0x40;
const TAKEOVER: Params = Params {
    server_no_takeover: false,
    client_no_takeover: false,
    server_bits: 15,
    client_bits: 15,
};
const NO_TAKEOVER: Params =
    Params { server_no_takeover: true, client_no_takeover: true, ..TAKEOVER };

/// "Hello" as in RFC 7692 section 7.2.3.1.
const HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

fn config() -> Config {
    let wanted = deflate::Config {
        server_takeover: true,
        client_takeover: true,
        ..deflate::Config::default()
    };
    Config { deflate: Some(wanted), ..Config::default() }
}

fn solo(role: Role, params: Params) -> Solo {
    Solo::with_deflate(role, config(), Some(params))
}

#[test]
fn compressed_messages_whole_and_in_fragments() {
    for params in [TAKEOVER, NO_TAKEOVER] {
        for piece in [usize::MAX, 1] {
            let mut solo = solo(Role::Server, params);
            let bytes = [
                frame_to(Role::Server, FIN | RSV1 | TEXT, HELLO),
                frame_to(Role::Server, RSV1 | TEXT, &HELLO[..3]),
                frame_to(Role::Server, FIN | PING, b"between"),
                frame_to(Role::Server, CONT, b""),
                frame_to(Role::Server, FIN | CONT, &HELLO[3..]),
                frame_to(Role::Server, FIN | TEXT, b"plain"),
                frame_to(Role::Server, FIN | RSV1 | BINARY, &[0]),
            ]
            .concat();
            bytes.chunks(piece.min(bytes.len())).for_each(|piece| solo.feed(piece));
            let expected = [
                Seen::Text("Hello".into()),
                Seen::Ping(b"between".to_vec()),
                Seen::Text("Hello".into()),
                Seen::Text("plain".into()),
                Seen::Binary(Vec::new()),
            ];
            assert_eq!(solo.seen, expected);
            assert_eq!(solo.conn.stats().payload_received, 15);
        }
    }
}

#[test]
fn rsv1_only_where_it_is_allowed() {
    for first in [FIN | RSV1 | PING, FIN | RSV1 | PONG, FIN | RSV1 | CLOSE] {
        let mut solo = solo(Role::Server, TAKEOVER);
        solo.frame(first, b"");
        assert_failed(&mut solo, 1002, Code::Protocol);
    }
    let mut solo = solo(Role::Server, TAKEOVER);
    solo.frame(RSV1 | TEXT, &HELLO[..2]);
    solo.frame(FIN | RSV1 | CONT, &HELLO[2..]);
    assert_failed(&mut solo, 1002, Code::Protocol);
}

#[test]
fn bad_data_and_bad_text() {
    for payload in [&[0x07][..], &[0xff; 9], &HELLO[..4], b""] {
        let mut solo = solo(Role::Server, TAKEOVER);
        solo.frame(FIN | RSV1 | BINARY, payload);
        assert!(solo.seen.is_empty());
        assert_failed(&mut solo, 1007, Code::InvalidData);
    }
    // A stored block with a byte that no text has; the message is not even complete.
    let mut solo = solo(Role::Server, TAKEOVER);
    solo.frame(RSV1 | TEXT, &[0x00, 0x02, 0x00, 0xfd, 0xff, b'a', 0xff]);
    assert_failed(&mut solo, 1007, Code::InvalidData);
}

/// What one connection compresses, its peer reads: sizes around the limits, both directions.
#[test]
fn both_roles_read_each_other() {
    for params in [TAKEOVER, NO_TAKEOVER] {
        for from in [Role::Client, Role::Server] {
            let (mut a, mut b) = (solo(from, params), solo(from.peer(), params));
            for round in 0..3 {
                for len in [0, 1, 63, 64, 65, 1000, 70_000] {
                    let text = "all work and no play ".repeat(len / 21 + 1)[..len].to_owned();
                    let kind = Kind::Text;
                    a.conn.send(&mut a.cx, a.now, kind, text.as_bytes(), round != 1).unwrap();
                    let bytes = a.take_all();
                    let compressed = bytes[0] & RSV1 != 0;
                    assert_eq!(compressed, len >= 64 && round != 1, "{len}");
                    b.feed(&bytes);
                    assert_eq!(b.seen.pop(), Some(Seen::Text(text)));
                }
            }
            assert_eq!(a.conn.stats().payload_sent, b.conn.stats().payload_received);
            assert_eq!(a.conn.stats().bytes_sent, b.conn.stats().bytes_received);
        }
    }
}

#[test]
fn what_does_not_shrink_is_sent_as_it_is_where_that_is_possible() {
    let noise = wsock::util::rng::Entropy::from_seed(9).bytes::<500>().to_vec();
    let mut solo = solo(Role::Client, NO_TAKEOVER);
    solo.conn.send(&mut solo.cx, solo.now, Kind::Binary, &noise, true).unwrap();
    let sent = solo.sent();
    assert_eq!((sent[0].first, &sent[0].payload), (FIN | BINARY, &noise));
}

#[test]
fn buffered_counts_compressed_bytes() {
    let mut solo = solo(Role::Server, NO_TAKEOVER);
    let queued = solo.conn.send(&mut solo.cx, solo.now, Kind::Binary, &[0; 100_000], true).unwrap();
    assert!(queued.buffered < 1000);
    solo.take_all();
    assert_eq!(solo.conn.stats().payload_sent, 100_000);
    assert!(solo.conn.stats().bytes_sent < 1000);
}

#[test]
fn without_negotiation_nothing_is_compressed() {
    let mut solo = Solo::new(Role::Server, config());
    solo.conn.send(&mut solo.cx, solo.now, Kind::Binary, &[0; 1000], true).unwrap();
    assert_eq!(solo.sent()[0].first, FIN | BINARY);
    solo.frame(FIN | RSV1 | TEXT, HELLO);
    assert_failed(&mut solo, 1002, Code::Protocol);
}

/// A hundred times what it seems: the end comes at the limit, in whatever pieces.
#[test]
fn a_bomb() {
    let mut attacker = solo(Role::Client, NO_TAKEOVER);
    let bomb = vec![0; 16 << 20];
    attacker.conn.send(&mut attacker.cx, attacker.now, Kind::Binary, &bomb, true).unwrap();
    let bytes = attacker.take_all();
    assert!(bytes.len() < bomb.len() / 100);
    for piece in [bytes.len(), 1000] {
        let config = Config { max_message: 1 << 20, ..config() };
        let mut victim = Solo::with_deflate(Role::Server, config, Some(NO_TAKEOVER));
        bytes.chunks(piece).for_each(|piece| victim.feed(piece));
        assert!(victim.seen.is_empty());
        assert_failed(&mut victim, 1009, Code::TooBig);
    }
}

#[test]
fn a_message_at_the_limit_has_a_buffer_at_the_limit() {
    let mut sender = solo(Role::Client, NO_TAKEOVER);
    sender.conn.send(&mut sender.cx, sender.now, Kind::Binary, &[7; 300_000], true).unwrap();
    let mut bytes = sender.take_all();
    let config = Config { max_message: 300_000, ..config() };
    let mut solo = Solo::with_deflate(Role::Server, config, Some(NO_TAKEOVER));
    let step = solo.conn.recv(&mut solo.cx, solo.now, &mut bytes);
    let Some(Event::Message { payload: Payload::Owned(message), .. }) = step.event else {
        panic!("{step:?}");
    };
    assert_eq!(message.len(), 300_000);
    assert!(message.capacity() <= 300_001, "{}", message.capacity());
}

#[test]
fn an_idle_compressor_goes_by_timer_and_the_next_message_is_readable() {
    let mut config = config();
    config.ping_interval_ms = 0;
    let mut a = Solo::with_deflate(Role::Client, config, Some(TAKEOVER));
    let mut b = solo(Role::Server, TAKEOVER);
    for _ in 0..3 {
        let text = "the same text each time, long enough to be compressed, and compressed it is";
        a.conn.send(&mut a.cx, a.now, Kind::Text, text.as_bytes(), true).unwrap();
        assert_eq!(a.conn.next_timeout(), Some(a.now.plus_ms(10_000)));
        b.feed(&a.take_all());
        assert_eq!(b.seen.pop(), Some(Seen::Text(text.into())));
        a.wait_ms(10_000);
        assert_eq!(a.conn.next_timeout(), None);
    }
}

#[test]
fn connections_of_one_loop_share_without_mixing() {
    let mut cx = wsock::proto::context::Context::new(wsock::util::rng::Entropy::from_seed(3));
    let config = Arc::new(config());
    let now = wsock::util::time::Time(0);
    let new =
        |role| wsock::proto::conn::Connection::new(role, config.clone(), Some(NO_TAKEOVER), now);
    let mut pairs: Vec<_> = (0..10).map(|_| (new(Role::Client), new(Role::Server))).collect();
    let text = |i: usize| format!("connection {i} says {i} times {i}: ").repeat(10);
    // The first halves of ten messages, then the second halves.
    let mut wires = Vec::new();
    for (i, (client, _)) in pairs.iter_mut().enumerate() {
        client.send(&mut cx, now, Kind::Text, text(i).as_bytes(), true).unwrap();
        wires.push(waiting::<4>(client, usize::MAX));
    }
    for ((_, server), wire) in pairs.iter_mut().zip(&mut wires) {
        let mut half: Vec<u8> = wire.drain(..wire.len() / 2).collect();
        assert_eq!(server.recv(&mut cx, now, &mut half).event, None);
    }
    for (i, ((_, server), wire)) in pairs.iter_mut().zip(&mut wires).enumerate() {
        let event = server.recv(&mut cx, now, wire).event;
        let payload = Payload::Owned(text(i).into_bytes());
        assert_eq!(event, Some(Event::Message { kind: Kind::Text, payload }));
    }
}

#[test]
fn a_bomb_is_inflated_a_little_at_a_time() {
    const SIZE: usize = 4 << 20;
    let (mut from, mut to) = (solo(Role::Client, NO_TAKEOVER), solo(Role::Server, NO_TAKEOVER));
    from.conn.send(&mut from.cx, from.now, Kind::Binary, &vec![0; SIZE], true).unwrap();
    let mut bomb = from.take_all();
    assert!(bomb.len() < SIZE / 500, "{} bytes", bomb.len());
    to.cx.enough = 64 * 1024;
    let (mut at, mut turns) = (0, 0);
    let message = loop {
        to.cx.work = 0;
        let step = to.conn.recv(&mut to.cx, to.now, &mut bomb[at..]);
        assert!(to.cx.work < 700 * 1024, "{} bytes at once", to.cx.work);
        (at, turns) = (at + step.consumed, turns + 1);
        if let Some(event) = step.event {
            break event;
        }
    };
    assert_eq!(at, bomb.len());
    assert!(turns >= SIZE / (700 * 1024), "{turns} turns");
    let Event::Message { payload: Payload::Owned(bytes), .. } = message else {
        panic!("{message:?}")
    };
    assert!(bytes.len() == SIZE && bytes.iter().all(|byte| *byte == 0));
}

/// Transmits until the next message is out; how often `fill` had not finished, and the frames.
fn in_steps(solo: &mut Solo, mut between: impl FnMut(&mut Solo, usize)) -> (usize, Vec<Frame>) {
    let (mut steps, mut bytes) = (0, Vec::new());
    loop {
        let filled = solo.conn.fill(&mut solo.cx, solo.now).unwrap();
        let sent = waiting::<64>(&solo.conn, usize::MAX);
        solo.conn.sent(&mut solo.cx, solo.now, sent.len(), 0);
        bytes.extend(sent);
        if filled == Filled::Enough && !solo.conn.has_output() {
            return (steps, frames(&bytes));
        }
        steps += usize::from(filled == Filled::Unfinished);
        between(solo, steps);
    }
}

#[test]
fn a_large_message_is_compressed_in_steps_and_sent_as_one_frame() {
    let words = (0..300_000).map(|n: usize| n.wrapping_mul(n).to_string()).collect::<Vec<_>>();
    let text = words.join(" ");
    let steps_of = |len: usize| len.div_ceil(128 * 1024) - 1;
    for role in [Role::Server, Role::Client] {
        for (params, level) in [(TAKEOVER, 1), (NO_TAKEOVER, 1), (NO_TAKEOVER, 6)] {
            let wanted = deflate::Config { level, ..config().deflate.unwrap() };
            let with = Config { deflate: Some(wanted), ..Config::default() };
            let mut solo = Solo::with_deflate(role, with, Some(params));
            let mut peer = Solo::with_deflate(role.peer(), config(), Some(params));
            let Solo { conn, cx, now, .. } = &mut solo;
            let shared = Body::Owned(Kind::Text, Arc::new(text.clone().into_bytes()));
            conn.send_message(cx, *now, &shared, SendOptions::default()).unwrap();
            conn.send(cx, *now, Kind::Text, text.as_bytes(), true).unwrap();
            conn.send(cx, *now, Kind::Text, b"behind them", true).unwrap();
            assert_eq!(conn.buffered(), 2 * text.len() + 11);
            let (steps, frames) = in_steps(&mut solo, |solo, steps| {
                if steps == 3 {
                    solo.conn.ping(&mut solo.cx, solo.now, b"at once").unwrap();
                }
            });
            assert_eq!(steps, 2 * steps_of(text.len()));
            let firsts: Vec<_> = frames.iter().map(|frame| frame.first).collect();
            let behind = frames.last().unwrap().first;
            assert_eq!(firsts, [FIN | PING, FIN | RSV1 | TEXT, FIN | RSV1 | TEXT, behind]);
            assert!(frames[1].payload.len() < text.len() * 2 / 3);
            frames.iter().for_each(|frame| peer.frame(frame.first, &frame.payload));
            let whole = Seen::Text(text.clone());
            let seen = [
                Seen::Ping(b"at once".to_vec()),
                whole.clone(),
                whole,
                Seen::Text("behind them".into()),
            ];
            assert!(peer.seen == seen, "{role:?} {params:?} {level}");
        }
    }
}

#[test]
fn a_large_message_that_does_not_get_smaller_is_sent_as_it_is() {
    let mut dice = 1_u32;
    let mut noise = || {
        dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (dice >> 24) as u8
    };
    let data: Vec<u8> = (0..300_000).map(|_| noise()).collect();
    let mut solo = solo(Role::Server, NO_TAKEOVER);
    solo.conn.send(&mut solo.cx, solo.now, Kind::Binary, &data, true).unwrap();
    let (steps, frames) = in_steps(&mut solo, |_, _| {});
    assert_eq!(steps, 2);
    assert_eq!(frames.iter().map(|frame| frame.first).collect::<Vec<_>>(), [FIN | BINARY]);
    assert!(frames[0].payload == data);
    // Most of it may be noise: what is not makes it smaller.
    let mixed = [&data[..], &[0; 300_000]].concat();
    solo.conn.send(&mut solo.cx, solo.now, Kind::Binary, &mixed, true).unwrap();
    let (_, frames) = in_steps(&mut solo, |_, _| {});
    assert!(frames[0].first == FIN | RSV1 | BINARY && frames[0].payload.len() < 310_000);
    let mut peer = Solo::with_deflate(Role::Client, config(), Some(NO_TAKEOVER));
    peer.frame(frames[0].first, &frames[0].payload);
    assert!(peer.seen == [Seen::Binary(mixed)]);
}

#[test]
fn what_the_compressor_has_begun_with_is_neither_dropped_nor_replaced() {
    let mut solo = solo(Role::Server, TAKEOVER);
    let Solo { conn, cx, now, .. } = &mut solo;
    let (first, last) = (vec![b'a'; 400_000], vec![b'b'; 400_000]);
    let options = SendOptions { key: 7, droppable: true, ..SendOptions::default() };
    conn.send_message(cx, *now, &Body::Copy(Kind::Text, &first), options).unwrap();
    assert_eq!(conn.replaceable(7), Some(400_000));
    assert_eq!(conn.fill(cx, *now).unwrap(), Filled::Unfinished);
    assert_eq!((conn.replaceable(7), conn.drop_oldest(1).messages), (None, 0));
    let queued = conn.send_message(cx, *now, &Body::Copy(Kind::Text, &last), options).unwrap();
    assert_eq!(queued.dropped.messages, 0);
    let (_, frames) = in_steps(&mut solo, |_, _| {});
    let mut peer = Solo::with_deflate(Role::Client, config(), Some(TAKEOVER));
    frames.iter().for_each(|frame| peer.frame(frame.first, &frame.payload));
    assert!(peer.seen == [first, last].map(|it| Seen::Text(String::from_utf8(it).unwrap())));
}

#[test]
fn closing_waits_for_a_message_that_takes_long_to_compress() {
    let mut solo = solo(Role::Server, NO_TAKEOVER);
    solo.conn.send(&mut solo.cx, solo.now, Kind::Text, &[b'a'; 1 << 20], true).unwrap();
    solo.conn.close(&mut solo.cx, solo.now, Some(1000), "").unwrap();
    let (steps, frames) = in_steps(&mut solo, |solo, steps| {
        if steps < 8 {
            solo.wait_ms(4_000);
        }
    });
    let firsts: Vec<_> = frames.iter().map(|frame| frame.first).collect();
    assert_eq!((steps, firsts), (7, vec![FIN | RSV1 | TEXT, FIN | CLOSE]));
    solo.peer_closes(1000, "");
    let closed = solo.closed();
    assert!(closed.clean && closed.error.is_none(), "{closed:?}");
}

#[test]
fn who_is_full_right_after_a_message_was_compressed_is_not_taken_for_dead() {
    let mut solo = solo(Role::Server, NO_TAKEOVER);
    solo.conn.send(&mut solo.cx, solo.now, Kind::Text, b"waits for a moment", false).unwrap();
    solo.conn.sent(&mut solo.cx, solo.now, 0, 0);
    solo.take_all();
    solo.now = solo.now.plus_ms(100_000);
    solo.frame(FIN | PONG, b"it is there");
    for _ in 0..2 {
        solo.conn.send(&mut solo.cx, solo.now, Kind::Text, &[b'a'; 200_000], true).unwrap();
    }
    for _ in 0..2 {
        assert_eq!(solo.conn.fill(&mut solo.cx, solo.now).unwrap(), Filled::Unfinished);
    }
    let first = waiting::<4>(&solo.conn, usize::MAX);
    assert_eq!(frames(&first).len(), 1);
    solo.conn.sent(&mut solo.cx, solo.now, first.len(), 0);
    assert_eq!(solo.conn.fill(&mut solo.cx, solo.now).unwrap(), Filled::Enough);
    solo.conn.sent(&mut solo.cx, solo.now, 0, 0);
    solo.wait_ms(1);
    assert!(solo.conn.closed().is_none());
    solo.wait_ms(45_000);
    assert_eq!(solo.closed().error.as_ref().unwrap().code, Code::PingTimeout);
}

#[test]
fn what_is_shorter_than_the_option_says_is_not_compressed_however_long_it_is() {
    let wanted = deflate::Config { min_size: 1 << 20, ..config().deflate.unwrap() };
    let with = Config { deflate: Some(wanted), ..Config::default() };
    let mut solo = Solo::with_deflate(Role::Server, with, Some(NO_TAKEOVER));
    for len in [200_000, 1 << 20] {
        solo.conn.send(&mut solo.cx, solo.now, Kind::Text, &vec![b'a'; len], true).unwrap();
    }
    let firsts: Vec<_> = in_steps(&mut solo, |_, _| {}).1.iter().map(|frame| frame.first).collect();
    assert_eq!(firsts, [FIN | TEXT, FIN | RSV1 | TEXT]);
}
