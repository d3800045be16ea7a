//! Large messages: read straight to where they stay, and sent from where they lie.

use crate::frames::assert_failed;
use crate::support::raw::*;
use crate::support::{Seen, see};
use wsock::error::Code;
use wsock::proto::config::{Config, Role};
use wsock::proto::conn::Taken;
use wsock::proto::event::Kind;

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 251) as u8).collect()
}

/// What the peer sends, of which nothing but the first `first` bytes goes through `recv` while there is an
/// inlet. `most` bytes arrive at once.
fn through_inlet(solo: &mut Solo, sent: &[u8], first: usize, most: usize) {
    let (start, mut rest) = sent.split_at(first);
    solo.feed(start);
    while !rest.is_empty() {
        let Some(inlet) = solo.conn.inlet(&mut solo.cx, 1) else {
            return solo.feed(rest);
        };
        let count = inlet.len().min(rest.len()).min(most);
        inlet[..count].copy_from_slice(&rest[..count]);
        solo.conn.arrived(count);
        let step = solo.conn.recv(&mut solo.cx, solo.now, &mut []);
        assert_eq!(step.consumed, 0);
        if let Some(event) = step.event {
            see(&mut solo.cx, &[], event, &mut solo.seen);
        }
        rest = &rest[count..];
    }
}

#[test]
fn a_message_may_be_read_to_where_it_stays() {
    for role in [Role::Client, Role::Server] {
        for most in [1, 7, 4096, usize::MAX] {
            let data = bytes(if most == 1 { 3_000 } else { 70_000 });
            let (one, other) = data.split_at(1_001);
            let mut solo = Solo::new(role, Config::default());
            for (first, fragments) in [
                (20, vec![(FIN | BINARY, &data[..])]),
                (15, vec![(BINARY, one), (FIN | CONT, other)]),
            ] {
                let frames: Vec<u8> = fragments
                    .iter()
                    .flat_map(|(first, data)| frame_to(role, *first, data))
                    .chain(frame_to(role, FIN | PING, b"behind"))
                    .collect();
                through_inlet(&mut solo, &frames, first, most);
                let expected = [Seen::Binary(data.clone()), Seen::Ping(b"behind".to_vec())];
                assert!(std::mem::take(&mut solo.seen) == expected, "{most}");
            }
            assert_eq!(solo.conn.stats().messages_received, 2);
            assert!(solo.conn.closed().is_none());
        }
    }
}

#[test]
fn only_data_of_a_frame_that_has_begun_goes_there() {
    let mut solo = Solo::server();
    assert!(solo.conn.inlet(&mut solo.cx, 1).is_none());
    let frame = frame_to(Role::Server, FIN | BINARY, &bytes(1000));
    solo.feed(&frame[..7]);
    assert!(solo.conn.inlet(&mut solo.cx, 1).is_none(), "within a header");
    solo.feed(&frame[7..8]);
    assert!(solo.conn.inlet(&mut solo.cx, 1).is_none(), "nothing of it has arrived");
    solo.feed(&frame[8..209]);
    assert!(solo.conn.inlet(&mut solo.cx, 202).is_none());
    assert_eq!(solo.conn.inlet(&mut solo.cx, 201).map(|room| room.len()), Some(201));
    solo.feed(&frame[209..]);
    assert!(solo.conn.inlet(&mut solo.cx, 1).is_none());
    assert!(solo.seen == [Seen::Binary(bytes(1000))], "what is offered need not be used");
    let ping = frame_to(Role::Server, FIN | PING, &[1; 100]);
    solo.feed(&ping[..50]);
    assert!(solo.conn.inlet(&mut solo.cx, 1).is_none());
    let mut parts = Solo::new(Role::Server, Config { parts: true, ..Config::default() });
    parts.feed(&frame[..500]);
    assert!(parts.conn.inlet(&mut parts.cx, 1).is_none());
}

#[test]
fn text_is_refused_with_the_first_byte_that_is_none_there_too() {
    let mut text = vec![b'x'; 1000];
    text[700] = 0xFF;
    let mut solo = Solo::server();
    let frame = frame_to(Role::Server, FIN | TEXT, &text);
    through_inlet(&mut solo, &frame[..8 + 700], 400, 33);
    assert!(solo.conn.closed().is_none());
    through_inlet(&mut solo, &frame[8 + 700..8 + 701], 0, 1);
    assert_failed(&mut solo, 1007, Code::InvalidData);
}

fn offer(solo: &mut Solo, data: &[u8], most: usize, out: &mut Vec<u8>) -> usize {
    let queued = solo.conn.send_from(&mut solo.cx, solo.now, Kind::Binary, data, |slices| {
        let before = out.len();
        slices.iter().for_each(|slice| out.extend_from_slice(slice));
        out.truncate(out.len().min(before + most));
        Taken { count: out.len() - before, held: 0 }
    });
    queued.unwrap().buffered
}

#[test]
fn whatever_the_transport_takes_of_a_message_sent_from_where_it_lies_the_rest_follows() {
    let data = bytes(300);
    for waiting in 0..3 {
        let total = waiting * 5 + 4 + data.len();
        for most in 0..=total {
            for pinged in [false, true] {
                let mut solo = Solo::server();
                for _ in 0..waiting {
                    solo.conn.send(&mut solo.cx, solo.now, Kind::Text, b"abc", true).unwrap();
                }
                assert!(solo.conn.sends_directly(true));
                let mut out = Vec::new();
                let buffered = offer(&mut solo, &data, most, &mut out);
                assert_eq!(out.len(), most);
                assert!(buffered >= (total - most).min(data.len()), "{buffered} of {most}");
                assert_eq!(solo.conn.has_output(), most < total);
                assert_eq!(solo.conn.sends_directly(true), most == total);
                if pinged {
                    solo.frame(FIN | PING, b"?");
                }
                solo.conn.send(&mut solo.cx, solo.now, Kind::Text, b"last", true).unwrap();
                while solo.conn.has_output() {
                    out.extend(solo.take(most % 50 + 1));
                }
                let mut frames = frames(&out);
                let pong = frames.iter().position(|frame| frame.first == FIN | PONG);
                assert_eq!(pong.is_some(), pinged);
                if let Some(at) = pong {
                    frames.remove(at);
                    assert!(most < waiting * 5 || at >= waiting, "not within what was sent");
                }
                let payloads: Vec<&[u8]> = frames.iter().map(|frame| &frame.payload[..]).collect();
                let texts = std::iter::repeat_n(&b"abc"[..], waiting);
                let expected: Vec<&[u8]> = texts.chain([&data[..], b"last"]).collect();
                assert!(payloads == expected, "{waiting} before, {most} taken");
                let stats = solo.conn.stats();
                assert_eq!(stats.messages_sent, waiting as u64 + 2);
                assert_eq!(stats.bytes_sent, out.len() as u64);
                assert_eq!(solo.conn.buffered(), 0);
            }
        }
    }
}

#[test]
fn a_pong_overtakes_what_waits_but_not_the_frame_that_has_begun() {
    let mut solo = Solo::server();
    let mut out = Vec::new();
    offer(&mut solo, &bytes(300), 100, &mut out);
    solo.conn.send(&mut solo.cx, solo.now, Kind::Text, &[b'x'; 20_000], true).unwrap();
    solo.frame(FIN | PING, b"?");
    out.extend(solo.take_all());
    let firsts: Vec<u8> = frames(&out).iter().map(|frame| frame.first).collect();
    assert_eq!(firsts, [FIN | BINARY, FIN | PONG, FIN | TEXT]);
}

#[test]
fn many_pieces_that_wait_are_not_offered() {
    let mut solo = Solo::server();
    for _ in 0..40 {
        solo.conn.send(&mut solo.cx, solo.now, Kind::Binary, &[1; 20_000], true).unwrap();
    }
    let mut out = Vec::new();
    offer(&mut solo, &bytes(300), usize::MAX, &mut out);
    assert!(out.is_empty());
    let frames = solo.sent();
    assert_eq!((frames.len(), &frames[40].payload), (41, &bytes(300)));
}

#[test]
fn what_is_masked_refused_or_has_to_wait_is_not_sent_from_where_it_lies() {
    assert!(!Solo::client().conn.sends_directly(true));
    let mut solo = Solo::server();
    let refused = |solo: &mut Solo, kind, data: &[u8]| {
        let never = |_: &[std::io::IoSlice<'_>]| unreachable!("it is not offered");
        solo.conn.send_from(&mut solo.cx, solo.now, kind, data, never).unwrap_err().code
    };
    assert_eq!(refused(&mut solo, Kind::Text, &[0xFF]), Code::InvalidArgument);
    solo.conn.begin_stream(Kind::Binary, false).unwrap();
    assert!(!solo.conn.sends_directly(true));
    solo.conn.close(&mut solo.cx, solo.now, None, "").unwrap();
    assert_eq!(refused(&mut solo, Kind::Binary, b"x"), Code::State);
}
