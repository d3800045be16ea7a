//! Keepalive and the idle timeout.

use crate::support::Seen;
use crate::support::pair::Pair;
use crate::support::raw::*;
use wsock::error::Code;
use wsock::proto::config::{Config, Role};
use wsock::proto::conn::State;
use wsock::proto::event::{Initiator, Kind, Transport};

#[test]
fn silence_is_answered_with_a_ping() {
    let mut solo = Solo::server();
    assert_eq!(solo.conn.next_timeout(), Some(solo.now.plus_ms(25_000)));
    solo.wait_ms(24_999);
    assert!(!solo.conn.has_output());
    solo.wait_ms(1);
    let ping = solo.sent().remove(0);
    assert_eq!(ping.first, FIN | PING);
    solo.now = solo.now.plus_ms(30);
    solo.frame(FIN | PONG, &ping.payload);
    assert_eq!(solo.conn.stats().rtt_us, 30_000);
    assert_eq!(solo.conn.next_timeout(), Some(solo.now.plus_ms(25_000)));
}

#[test]
fn a_dead_peer() {
    for role in [Role::Client, Role::Server] {
        let mut solo = Solo::new(role, Config::default());
        solo.wait_ms(25_000);
        assert_eq!(solo.take_all().len(), if role == Role::Client { 10 } else { 6 });
        solo.wait_ms(19_999);
        assert_eq!(solo.conn.state(), State::Open);
        solo.wait_ms(1);
        assert_eq!(solo.conn.transport(), Transport::Drop);
        assert!(!solo.conn.has_output());
        let closed = solo.closed();
        assert_eq!((closed.code, closed.sent_code, closed.clean), (1006, None, false));
        assert_eq!(closed.reason, "no answer to a ping within 20 s");
        assert_eq!(closed.error.as_ref().unwrap().code, Code::PingTimeout);
        assert_eq!(closed.initiator, Initiator::Local);
    }
}

#[test]
fn any_byte_is_life() {
    let mut solo = Solo::server();
    solo.wait_ms(25_000);
    solo.take_all();
    solo.wait_ms(19_999);
    solo.feed(&frame_to(Role::Server, FIN | BINARY, &[0; 10])[..1]);
    solo.wait_ms(1);
    assert_eq!(solo.conn.state(), State::Open);
    assert_eq!(solo.conn.next_timeout(), Some(solo.now.plus_ms(24_999)));
}

#[test]
fn silence_while_nobody_listens_is_no_death() {
    let mut solo = Solo::server();
    solo.wait_ms(25_000);
    solo.take_all();
    solo.now = solo.now.plus_ms(20_000);
    solo.conn.not_listening(solo.now);
    solo.wait_ms(0);
    assert_eq!(solo.conn.state(), State::Open);
    assert_eq!(solo.conn.next_timeout(), Some(solo.now.plus_ms(25_000)));
}

#[test]
fn a_ping_behind_data_that_flows_slowly_is_not_overdue() {
    let mut solo = Solo::server();
    solo.conn.send(&mut solo.cx, solo.now, Kind::Binary, &[0; 100_000], false).unwrap();
    for _ in 0..20 {
        solo.take(100);
        solo.wait_ms(10_000);
        assert_eq!(solo.conn.state(), State::Open);
    }
    solo.wait_ms(10_000);
    assert_eq!(solo.closed().error.as_ref().unwrap().code, Code::PingTimeout);
}

#[test]
fn a_peer_that_takes_nothing_is_dead_whatever_it_says_and_although_nobody_listens() {
    let mut solo = Solo::server();
    solo.conn.send(&mut solo.cx, solo.now, Kind::Binary, &[0; 100_000], false).unwrap();
    solo.take(100);
    for _ in 0..4 {
        solo.wait_ms(10_000);
        solo.feed(&frame_to(Role::Server, FIN | BINARY, &[0; 10]));
        solo.conn.not_listening(solo.now);
    }
    solo.take(100);
    solo.wait_ms(25_000 + 19_999);
    assert_eq!(solo.conn.state(), State::Open, "it has taken something meanwhile");
    solo.feed(&frame_to(Role::Server, FIN | BINARY, &[0; 10]));
    solo.wait_ms(1);
    assert_eq!(solo.conn.transport(), Transport::Drop);
    let closed = solo.closed();
    assert_eq!(closed.error.as_ref().unwrap().code, Code::PingTimeout);
    assert_eq!(closed.reason, "nothing of what waits to be sent was taken within 45 s");
}

#[test]
fn a_ping_that_leaves_late_is_not_overdue_sooner() {
    let mut solo = Solo::server();
    solo.wait_ms(25_000);
    solo.now = solo.now.plus_ms(19_999);
    solo.take_all();
    solo.wait_ms(19_999);
    assert_eq!(solo.conn.state(), State::Open);
    // What leaves later does not put off the end.
    solo.conn.ping(&mut solo.cx, solo.now, b"mine").unwrap();
    solo.take_all();
    solo.wait_ms(1);
    assert_eq!(solo.closed().error.as_ref().unwrap().code, Code::PingTimeout);
}

#[test]
fn the_round_trip_of_an_application_ping() {
    let mut solo = Solo::client();
    solo.conn.ping(&mut solo.cx, solo.now, b"mark").unwrap();
    solo.take_all();
    solo.now = solo.now.plus_ms(7);
    solo.frame(FIN | PONG, b"other");
    assert_eq!(solo.conn.stats().rtt_us, 0);
    solo.frame(FIN | PONG, b"mark");
    assert_eq!(solo.conn.stats().rtt_us, 7_000);
    assert_eq!(solo.seen, [Seen::Pong(b"other".to_vec()), Seen::Pong(b"mark".to_vec())]);
}

#[test]
fn no_message_either_way_for_too_long() {
    let config = Config { idle_timeout_ms: 60_000, ..Config::default() };
    let mut pair = Pair::new(Config::default(), config, None);
    pair.wait_ms(50_000);
    pair.send(Role::Client, Kind::Text, b"hello");
    pair.wait_ms(50_000);
    pair.send(Role::Server, Kind::Text, b"hello yourself");
    pair.wait_ms(59_999);
    assert_eq!(pair.server.conn.state(), State::Open, "pings kept it alive, messages count");
    pair.wait_ms(1);
    pair.settle();
    let server = pair.server.conn.closed().unwrap();
    assert_eq!((server.code, server.sent_code, server.clean), (1001, Some(1001), true));
    let error = server.error.as_ref().unwrap();
    assert_eq!((error.code, error.close_code), (Code::IdleTimeout, 1001));
    let client = pair.client.conn.closed().unwrap();
    assert_eq!((client.code, &*client.reason, client.clean), (1001, "idle timeout", true));
    assert_eq!(client.initiator, Initiator::Peer);
}

#[test]
fn an_idle_peer_that_does_not_answer() {
    let config = Config { idle_timeout_ms: 1_000, ..Config::default() };
    let mut solo = Solo::new(Role::Server, config);
    solo.wait_ms(1_000);
    assert_eq!(solo.sent()[0].payload, close_payload(1001, "idle timeout"));
    solo.wait_ms(5_000);
    let closed = solo.closed();
    assert_eq!((closed.code, closed.clean), (1006, false));
    assert_eq!(closed.error.as_ref().unwrap().code, Code::IdleTimeout);
    assert!(!closed.reason.is_empty());
}

#[test]
fn spurious_timeouts_are_harmless_and_zero_turns_everything_off() {
    let mut solo = Solo::server();
    for _ in 0..100 {
        solo.wait_ms(1);
    }
    assert!(!solo.conn.has_output());
    let config = Config { ping_interval_ms: 0, ..Config::default() };
    let mut solo = Solo::new(Role::Server, config);
    assert_eq!(solo.conn.next_timeout(), None);
    solo.wait_ms(u32::MAX.into());
    assert!(!solo.conn.has_output() && solo.conn.state() == State::Open);
}

#[test]
fn two_quiet_ends_keep_each_other_alive() {
    let mut pair = Pair::new(Config::default(), Config::default(), None);
    pair.wait_ms(24 * 3600 * 1000);
    assert_eq!(pair.client.conn.state(), State::Open);
    assert_eq!(pair.server.conn.state(), State::Open);
    pair.cut_off = true;
    pair.wait_ms(45_001);
    for side in [&pair.client, &pair.server] {
        assert_eq!(side.conn.closed().unwrap().error.as_ref().unwrap().code, Code::PingTimeout);
    }
}
