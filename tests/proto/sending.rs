//! What goes out: frames, order, limits, the amount that waits.

use crate::support::raw::*;
use crate::support::waiting;
use std::collections::HashSet;
use std::sync::Arc;
use wsock::error::Code;
use wsock::proto::config::{Config, Role};
use wsock::proto::event::Kind;
use wsock::proto::prepared::Prepared;

fn send(solo: &mut Solo, data: &[u8]) -> wsock::error::Result<usize> {
    let queued = solo.conn.send(&mut solo.cx, solo.now, Kind::Binary, data, true)?;
    Ok(queued.buffered)
}

#[test]
fn one_frame_per_message_at_every_length() {
    for role in [Role::Client, Role::Server] {
        let mut solo = Solo::new(role, Config::default());
        let lengths = [0, 1, 125, 126, 65_535, 65_536, 1_000_000, 3];
        for len in lengths {
            send(&mut solo, &vec![0xA5; len]).unwrap();
        }
        let total: usize = lengths.iter().sum();
        assert_eq!(solo.conn.buffered(), total);
        let sent = solo.sent();
        assert_eq!(sent.len(), lengths.len());
        for (frame, len) in sent.iter().zip(lengths) {
            assert_eq!((frame.first, frame.masked), (FIN | BINARY, role == Role::Client));
            assert!(frame.payload.len() == len && frame.payload.iter().all(|byte| *byte == 0xA5));
        }
        let stats = solo.conn.stats();
        assert_eq!((stats.messages_sent, stats.payload_sent), (8, total as u64));
        assert!(stats.bytes_sent > total as u64);
    }
}

#[test]
fn a_short_message_for_many_is_taken_as_it_is_or_not_at_all() {
    let message = |len| Prepared::new(Kind::Binary, Arc::new(vec![7; len])).unwrap();
    for role in [Role::Client, Role::Server] {
        let mut solo = Solo::new(role, Config::default());
        let mut take =
            |len, max| solo.conn.send_plain_prepared(&mut solo.cx, solo.now, &message(len), max);
        assert_eq!(take(100_000, usize::MAX), None, "a reference is cheaper");
        assert_eq!(take(20, 10), Some(20), "the only one may be longer than the limit");
        assert_eq!(take(20, 39), None);
        assert_eq!(take(20, 40), Some(40));
        let sent = solo.sent();
        assert_eq!(sent.len(), 2);
        for frame in sent {
            assert_eq!((frame.first, frame.masked), (FIN | BINARY, role == Role::Client));
            assert_eq!(frame.payload, [7; 20]);
        }
        let stats = solo.conn.stats();
        assert_eq!((stats.messages_sent, stats.payload_sent), (2, 40));
        solo.conn.close(&mut solo.cx, solo.now, Some(1000), "").unwrap();
        let late = solo.conn.send_plain_prepared(&mut solo.cx, solo.now, &message(1), 99);
        assert_eq!(late, None, "it is closing");
    }
}

#[test]
fn every_frame_of_a_client_has_a_key_of_its_own() {
    let mut solo = Solo::client();
    let mut keys = HashSet::new();
    for _ in 0..1000 {
        send(&mut solo, b"").unwrap();
        assert!(keys.insert(solo.take_all()[2..6].to_vec()));
    }
}

#[test]
fn small_messages_leave_together() {
    let mut solo = Solo::server();
    for _ in 0..15 {
        send(&mut solo, &[1; 1000]).unwrap();
    }
    let mut slices = [std::io::IoSlice::new(&[]); 16];
    assert_eq!(solo.conn.transmit(&mut slices), 1);
}

#[test]
fn text_is_checked() {
    let mut solo = Solo::server();
    let error = solo.conn.send(&mut solo.cx, solo.now, Kind::Text, b"\xff", false).unwrap_err();
    assert_eq!(error.code, Code::InvalidArgument);
    assert!(!solo.conn.has_output());
}

#[test]
fn pings_are_checked() {
    let mut solo = Solo::client();
    let error = solo.conn.ping(&mut solo.cx, solo.now, &[0; 126]).unwrap_err();
    assert_eq!(error.code, Code::InvalidArgument);
    solo.conn.ping(&mut solo.cx, solo.now, &[7; 125]).unwrap();
    assert_eq!(solo.conn.buffered(), 0, "control frames are no messages");
    let sent = solo.sent();
    assert_eq!((sent[0].first, &sent[0].payload[..]), (FIN | PING, &[7; 125][..]));
}

#[test]
fn what_waits_never_grows_by_sending_and_ends_at_zero() {
    let mut solo = Solo::client();
    for len in [10, 20_000, 5, 70_000, 0, 1] {
        send(&mut solo, &vec![1; len]).unwrap();
    }
    let mut last = solo.conn.buffered();
    assert_eq!(last, 90_016);
    while solo.conn.has_output() {
        solo.take(777);
        assert!(solo.conn.buffered() <= last);
        last = solo.conn.buffered();
    }
    assert_eq!(last, 0);
}

/// Everything in order whatever the transport takes at a time.
#[test]
fn any_short_writes_give_the_same_bytes() {
    let fill = |solo: &mut Solo| {
        for (i, len) in [3, 15_000, 2_000, 16_384, 1, 100_000, 30_000, 7, 0].into_iter().enumerate()
        {
            send(solo, &vec![i as u8; len]).unwrap();
        }
    };
    let mut whole = Solo::server();
    fill(&mut whole);
    let expected = whole.take_all();
    for step in [1, 7, 1000, 16_384, 65_537] {
        let mut solo = Solo::server();
        fill(&mut solo);
        let mut bytes = Vec::new();
        while solo.conn.has_output() {
            let taken = waiting::<2>(&solo.conn, step);
            solo.conn.sent(&mut solo.cx, solo.now, taken.len(), 0);
            bytes.extend(taken);
        }
        assert!(bytes == expected, "{step}");
    }
}
