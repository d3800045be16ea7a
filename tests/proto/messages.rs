//! Messages: whole, in fragments, in pieces; their limits and what they cost.

use crate::frames::assert_failed;
use crate::support::Seen;
use crate::support::raw::*;
use wsock::error::Code;
use wsock::proto::config::{Config, Role};
use wsock::proto::event::{Event, Kind, Payload};

#[test]
fn every_length_class_arrives_whole_and_in_any_pieces() {
    for role in [Role::Client, Role::Server] {
        for len in [0, 1, 125, 126, 127, 128, 65_535, 65_536, 65_537, 200_000] {
            let data: Vec<u8> = (0..len).map(|i| (i * 7) as u8).collect();
            let bytes = frame_to(role, FIN | BINARY, &data);
            for piece in [bytes.len(), 1, 2, 997, 1460] {
                if bytes.len() / piece > 2000 {
                    continue;
                }
                let mut solo = Solo::new(role, Config::default());
                bytes.chunks(piece).for_each(|piece| solo.feed(piece));
                assert!(solo.seen == [Seen::Binary(data.clone())], "{len} in {piece}");
                let stats = solo.conn.stats();
                assert_eq!((stats.messages_received, stats.payload_received), (1, len as u64));
                assert_eq!(stats.bytes_received, bytes.len() as u64);
            }
        }
    }
}

#[test]
fn a_whole_frame_is_delivered_where_it_lies() {
    let mut solo = Solo::server();
    let mut input = frame_to(Role::Server, FIN | TEXT, b"Hello");
    let end = input.len();
    input.extend(frame_to(Role::Server, FIN | PING, b"you?"));
    let step = solo.conn.recv(&mut solo.cx, solo.now, &mut input);
    assert_eq!(step.consumed, end);
    let payload = Payload::Input(6..11);
    assert_eq!(payload.bytes(&input), b"Hello");
    assert_eq!(step.event, Some(Event::Message { kind: Kind::Text, payload }));
    let step = solo.conn.recv(&mut solo.cx, solo.now, &mut input[end..]);
    assert_eq!((step.consumed, step.event), (10, Some(Event::Ping(Payload::Input(6..10)))));
    let step = solo.conn.recv(&mut solo.cx, solo.now, &mut []);
    assert_eq!((step.consumed, step.event), (0, None));
}

#[test]
fn fragments_with_control_frames_between() {
    for role in [Role::Client, Role::Server] {
        for piece in [usize::MAX, 1, 5] {
            let mut solo = Solo::new(role, Config::default());
            let bytes = [
                frame_to(role, TEXT, b"frag"),
                frame_to(role, FIN | PING, b"one"),
                frame_to(role, CONT, b""),
                frame_to(role, FIN | PONG, b"two"),
                frame_to(role, FIN | PING, b""),
                frame_to(role, FIN | CONT, b"ments"),
                frame_to(role, FIN | BINARY, b"next"),
            ]
            .concat();
            bytes.chunks(piece.min(bytes.len())).for_each(|piece| solo.feed(piece));
            let expected = [
                Seen::Ping(b"one".to_vec()),
                Seen::Pong(b"two".to_vec()),
                Seen::Ping(b"".to_vec()),
                Seen::Text("fragments".into()),
                Seen::Binary(b"next".to_vec()),
            ];
            assert_eq!(solo.seen, expected);
            let pongs: Vec<_> = solo.sent().into_iter().map(|frame| frame.payload).collect();
            assert_eq!(pongs, [&b"one"[..], b""]);
        }
    }
}

#[test]
fn a_message_in_empty_fragments_is_empty() {
    let mut solo = Solo::server();
    solo.frame(TEXT, b"");
    solo.frame(CONT, b"");
    solo.frame(FIN | CONT, b"");
    assert_eq!(solo.seen, [Seen::Text(String::new())]);
}

#[test]
fn too_big_is_refused_by_the_announced_length_alone() {
    let config = || Config { max_message: 1000, ..Config::default() };
    let mut solo = Solo::new(Role::Client, config());
    solo.frame(FIN | BINARY, &[0; 1000]);
    assert_eq!(solo.seen.len(), 1);
    solo.feed(&[FIN | BINARY, 126, 0x03, 0xE9]);
    assert_failed(&mut solo, 1009, Code::TooBig);

    let mut solo = Solo::new(Role::Server, config());
    solo.frame(FIN | BINARY, &[0; 1001]);
    assert!(solo.seen.is_empty());
    assert_failed(&mut solo, 1009, Code::TooBig);

    let mut solo = Solo::new(Role::Client, config());
    solo.frame(BINARY, &[0; 600]);
    solo.feed(&[CONT, 126, 0x01, 0x91]);
    assert_failed(&mut solo, 1009, Code::TooBig);
}

#[test]
fn frames_have_a_limit_of_their_own() {
    let config = Config { max_frame: 200, ..Config::default() };
    let mut solo = Solo::new(Role::Server, config);
    solo.frame(BINARY, &[1; 200]);
    solo.frame(FIN | CONT, &[2; 200]);
    assert_eq!(solo.seen.len(), 1);
    solo.frame(FIN | BINARY, &[1; 201]);
    assert_failed(&mut solo, 1009, Code::TooBig);
}

#[test]
fn fragments_are_counted() {
    let config = Config { max_fragments: 3, ..Config::default() };
    let mut solo = Solo::new(Role::Server, config);
    solo.frame(BINARY, b"1");
    solo.frame(CONT, b"2");
    solo.frame(FIN | CONT, b"3");
    assert_eq!(solo.seen, [Seen::Binary(b"123".to_vec())]);
    solo.frame(BINARY, b"1");
    solo.frame(CONT, b"2");
    solo.frame(CONT, b"3");
    solo.frame(CONT, b"");
    assert_failed(&mut solo, 1008, Code::Policy);
}

/// The capacity of the delivered buffer is bounded by what came in, not by what was announced.
#[test]
fn a_length_of_2_to_62_allocates_nothing() {
    let config = Config { max_message: u64::MAX, ..Config::default() };
    let mut solo = Solo::new(Role::Client, config);
    solo.feed(&[FIN | BINARY, 127, 0x40, 0, 0, 0, 0, 0, 0, 0]);
    for _ in 0..100 {
        solo.feed(&[7; 1000]);
    }
    assert!(solo.conn.closed().is_none() && solo.seen.is_empty());
}
