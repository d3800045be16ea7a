//! Pings and pongs of the peer.

use crate::frames::assert_failed;
use crate::support::Seen;
use crate::support::raw::*;
use wsock::error::Code;
use wsock::proto::config::{Config, Role};
use wsock::proto::event::Kind;

#[test]
fn pings_are_answered_in_order_while_output_flows() {
    for role in [Role::Client, Role::Server] {
        let mut solo = Solo::new(role, Config::default());
        for payload in [&b""[..], b"\x00\xff\xfe", &[0xfe; 125]] {
            solo.frame(FIN | PING, payload);
        }
        assert_eq!(solo.seen.len(), 3);
        let sent = solo.sent();
        assert!(sent.iter().all(|frame| frame.first == FIN | PONG));
        assert!(sent.iter().all(|frame| frame.masked == (role == Role::Client)));
        let payloads: Vec<_> = sent.iter().map(|frame| &frame.payload[..]).collect();
        assert_eq!(payloads, [&b""[..], b"\x00\xff\xfe", &[0xfe; 125]]);
        assert_eq!(solo.conn.stats().pings_received, 3);
    }
}

#[test]
fn a_ping_in_pieces() {
    let mut solo = Solo::server();
    for byte in frame_to(Role::Server, FIN | PING, b"slowly") {
        solo.feed(&[byte]);
    }
    assert_eq!(solo.seen, [Seen::Ping(b"slowly".to_vec())]);
    assert_eq!(solo.sent()[0].payload, b"slowly");
}

#[test]
fn unsolicited_pongs_are_only_events() {
    let mut solo = Solo::server();
    solo.frame(FIN | PONG, b"");
    solo.frame(FIN | PONG, b"nobody asked");
    assert_eq!(solo.seen, [Seen::Pong(b"".to_vec()), Seen::Pong(b"nobody asked".to_vec())]);
    assert!(!solo.conn.has_output());
    assert_eq!((solo.conn.stats().pongs_received, solo.conn.stats().rtt_us), (2, 0));
}

/// The transport stops within the first of three messages; pings pile up.
#[test]
fn while_blocked_only_the_newest_pong_is_kept_and_it_overtakes() {
    for role in [Role::Client, Role::Server] {
        for stop_at in 0..40 {
            let mut solo = Solo::new(role, Config::default());
            for text in ["the first message", "the second", "the third"] {
                solo.conn.send(&mut solo.cx, solo.now, Kind::Text, text.as_bytes(), false).unwrap();
            }
            let mut bytes = solo.take(stop_at);
            for i in 0..100u8 {
                solo.frame(FIN | PING, &[i]);
            }
            bytes.extend(solo.take_all());
            let sent = frames(&bytes);
            assert_eq!(sent.len(), 4);
            let header = if role == Role::Client { 6 } else { 2 };
            let ends = [0, header + 17, 2 * header + 27, 3 * header + 36];
            let place = ends.iter().position(|end| stop_at <= *end).unwrap();
            assert_eq!((sent[place].first, &sent[place].payload[..]), (FIN | PONG, &[99][..]));
            assert_eq!(solo.conn.buffered(), 0);
        }
    }
}

#[test]
fn a_pong_that_has_begun_to_leave_is_finished_and_the_next_waits_for_its_end() {
    for step in 1..10 {
        let mut solo = Solo::server();
        solo.conn.send(&mut solo.cx, solo.now, Kind::Binary, &[1; 50], false).unwrap();
        solo.conn.send(&mut solo.cx, solo.now, Kind::Binary, &[2; 50_000], false).unwrap();
        let mut bytes = solo.take(10);
        let mut pings = 0u8;
        while solo.conn.has_output() {
            solo.frame(FIN | PING, &[pings; 20]);
            pings += 1;
            bytes.extend(solo.take(if pings < 100 { step } else { usize::MAX }));
        }
        let sent = frames(&bytes);
        let data: Vec<_> = sent.iter().filter(|frame| frame.first == FIN | BINARY).collect();
        assert_eq!((data[0].payload.len(), data[1].payload.len()), (50, 50_000));
        let pongs: Vec<_> = sent.iter().filter(|frame| frame.first == FIN | PONG).collect();
        assert_eq!(sent.len(), 2 + pongs.len());
        assert!(pongs.windows(2).all(|two| two[0].payload < two[1].payload));
        assert_eq!(pongs.last().unwrap().payload, [pings - 1; 20]);
    }
}

#[test]
fn too_many_control_frames_in_a_second_are_against_policy() {
    let config = || Config { max_control_rate: 10, ..Config::default() };
    let mut solo = Solo::new(Role::Server, config());
    for i in 0..10 {
        solo.frame(FIN | if i % 2 == 0 { PING } else { PONG }, b"");
    }
    solo.wait_ms(1_000);
    for _ in 0..10 {
        solo.frame(FIN | PING, b"");
    }
    assert!(solo.conn.closed().is_none());
    solo.frame(FIN | PING, b"");
    assert_eq!(solo.seen.len(), 20);
    assert_failed(&mut solo, 1008, Code::Policy);

    let mut solo = Solo::new(Role::Server, Config { max_control_rate: 0, ..config() });
    for _ in 0..5000 {
        solo.frame(FIN | PONG, b"");
    }
    assert!(solo.conn.closed().is_none());
}

#[test]
fn who_sends_many_control_frames_is_noisy_until_a_second_without() {
    let mut solo = Solo::new(Role::Server, Config::default());
    for _ in 0..30 {
        solo.frame(FIN | PING, b"");
    }
    assert!(!solo.conn.is_noisy(solo.now));
    solo.frame(FIN | PONG, b"");
    assert!(solo.conn.is_noisy(solo.now));
    // The next second does not begin with a truce,
    solo.wait_ms(1_000);
    solo.frame(FIN | PING, b"");
    assert!(solo.conn.is_noisy(solo.now));
    // but one in which little came ends it, or nothing at all.
    let mut quiet = Solo::new(Role::Server, Config::default());
    for _ in 0..31 {
        quiet.frame(FIN | PING, b"");
    }
    quiet.wait_ms(2_000);
    assert!(!quiet.conn.is_noisy(quiet.now));
    solo.wait_ms(1_000);
    solo.frame(FIN | PING, b"");
    assert!(!solo.conn.is_noisy(solo.now));
}
