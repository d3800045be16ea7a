//! The trace of frames: every frame, both ways, in order.

use crate::support::raw::*;
use std::sync::Arc;
use wsock::proto::config::{Config, Role};
use wsock::proto::conn::{Body, SendOptions};
use wsock::proto::event::Kind;
use wsock::util::time::Time;

fn traced(role: Role, frames: u32) -> Solo {
    Solo::new(role, Config { trace_frames: frames, ..Config::default() })
}

fn lines(solo: &Solo) -> Vec<String> {
    let text = solo.conn.trace().expect("it is on").to_string();
    text.lines().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect()
}

#[test]
fn every_frame_is_there_in_order_with_its_time() {
    let mut solo = traced(Role::Server, 100);
    solo.now = solo.now.plus_ms(1);
    solo.frame(TEXT, b"in ");
    solo.now = solo.now.plus_ms(1);
    solo.frame(FIN | PING, b"?");
    // A header in pieces is one frame.
    for byte in frame_to(Role::Server, FIN | CONT, &[b'x'; 200]) {
        solo.feed(&[byte]);
    }
    solo.conn.send(&mut solo.cx, solo.now, Kind::Binary, &[0; 70_000], false).unwrap();
    solo.conn.close(&mut solo.cx, solo.now, Some(1000), "bye").unwrap();
    solo.frame(FIN | CLOSE, &[0x03, 0xe9]);
    assert_eq!(
        lines(&solo),
        [
            "< TEXT masked len=3",
            "< PING fin masked len=1",
            "> PONG fin len=1",
            "< CONTINUATION fin masked len=200",
            "> BINARY fin len=70000",
            "> CLOSE fin len=5 code=1000",
            "< CLOSE fin masked len=2 code=1001",
        ]
    );
    let text = solo.conn.trace().unwrap().to_string();
    assert!(text.starts_with("+0.001000 < TEXT") && text.contains("+0.002000 < PING"), "{text}");
}

#[test]
fn what_waits_is_there_when_it_is_encoded() {
    let mut solo = traced(Role::Server, 100);
    let droppable = SendOptions { droppable: true, ..SendOptions::default() };
    let shared = Body::Owned(Kind::Binary, Arc::new(vec![0; 5000]));
    solo.conn.send_message(&mut solo.cx, solo.now, &shared, SendOptions::default()).unwrap();
    let waits = Body::Copy(Kind::Text, b"waits");
    solo.conn.send_message(&mut solo.cx, solo.now, &waits, droppable).unwrap();
    assert_eq!(lines(&solo), ["> BINARY fin len=5000"]);
    solo.conn.fill(&mut solo.cx, solo.now).unwrap();
    assert_eq!(lines(&solo), ["> BINARY fin len=5000", "> TEXT fin len=5"]);

    let mut solo = traced(Role::Server, 100);
    let id = solo.conn.begin_stream(Kind::Text, false).unwrap();
    solo.conn.stream_part(&mut solo.cx, solo.now, id, b"one", false).unwrap();
    solo.conn.send(&mut solo.cx, solo.now, Kind::Binary, b"behind", false).unwrap();
    solo.conn.close(&mut solo.cx, solo.now, Some(1000), "").unwrap();
    solo.conn.fill(&mut solo.cx, solo.now).unwrap();
    assert_eq!(lines(&solo), ["> TEXT len=3", "> CLOSE fin len=2 code=1000"]);

    let mut solo = traced(Role::Client, 100);
    let id = solo.conn.begin_source(Kind::Text, false).unwrap();
    solo.conn.stream_part(&mut solo.cx, solo.now, id, b"one", false).unwrap();
    solo.conn.send(&mut solo.cx, solo.now, Kind::Binary, b"behind", false).unwrap();
    solo.conn.close(&mut solo.cx, solo.now, Some(1000), "").unwrap();
    solo.conn.stream_part(&mut solo.cx, solo.now, id, b"", true).unwrap();
    solo.conn.fill(&mut solo.cx, solo.now).unwrap();
    assert_eq!(
        lines(&solo),
        [
            "> TEXT masked len=3",
            "> CONTINUATION fin masked len=0",
            "> BINARY fin masked len=6",
            "> CLOSE fin masked len=2 code=1000",
        ]
    );
}

#[test]
fn what_we_complain_of_is_there_too() {
    let mut solo = traced(Role::Client, 2);
    solo.frame(FIN | PONG, b"");
    solo.frame(FIN | CONT, b"of nothing");
    let text = solo.conn.trace().unwrap().to_string();
    assert!(text.starts_with("1 earlier frames are not shown\n"), "{text}");
    let last: Vec<&str> = text.lines().skip(1).map(|line| &line[line.len().min(10)..]).collect();
    assert_eq!(last[0], "< CONTINUATION fin len=10");
    assert!(last[1].starts_with("> CLOSE fin masked len=") && last[1].ends_with(" code=1002"));
}

#[test]
fn without_the_option_there_is_none() {
    let mut solo = traced(Role::Server, 0);
    solo.frame(FIN | TEXT, b"in");
    assert!(solo.conn.trace().is_none());
}

/// Only the answer to a ping is a round trip.
#[test]
fn the_loop_is_told_every_round_trip() {
    let mut solo = Solo::server();
    for us in [300, 5_000] {
        solo.conn.ping(&mut solo.cx, solo.now, b"mark").unwrap();
        solo.now = Time(solo.now.0 + us);
        solo.frame(FIN | PONG, b"mark");
        solo.frame(FIN | PONG, b"mark");
    }
    assert_eq!((solo.cx.rtts.count, solo.cx.rtts.sum_us), (2, 5_300));
}
