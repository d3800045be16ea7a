//! Frames that break a rule end the connection with 1002; what came before them is delivered.

use crate::support::Seen;
use crate::support::raw::*;
use wsock::error::Code;
use wsock::proto::config::{Config, Role};
use wsock::proto::context::FRAME;
use wsock::proto::event::{Initiator, Transport};

/// The connection failed with this close code, said so and is half-closed.
pub fn assert_failed(solo: &mut Solo, close_code: u16, code: Code) {
    let sent = solo.sent();
    let last = sent.last().expect("a close frame");
    assert_eq!(last.first, FIN | CLOSE);
    assert_eq!(last.payload[..2], close_code.to_be_bytes());
    assert_eq!(solo.conn.transport(), Transport::HalfClose);
    let closed = solo.closed();
    let error = closed.error.as_ref().expect("a failure has an error");
    assert_eq!((error.code, error.close_code), (code, close_code));
    assert_eq!((closed.code, closed.sent_code), (1006, Some(close_code)));
    assert_eq!((closed.clean, closed.initiator), (false, Initiator::Local));
    assert_eq!(closed.reason, error.message);
    assert_eq!(&last.payload[2..], error.message.as_bytes());
}

fn violates(role: Role, bytes: &[u8]) {
    // In one piece and byte by byte, each after a good message.
    for piece in [usize::MAX, 1] {
        let mut solo = Solo::new(role, Config::default());
        solo.frame(FIN | TEXT, b"before");
        bytes.chunks(piece.min(bytes.len())).for_each(|piece| solo.feed(piece));
        solo.frame(FIN | TEXT, b"after");
        assert_eq!(solo.seen, [Seen::Text("before".into())], "{bytes:?}");
        assert_failed(&mut solo, 1002, Code::Protocol);
    }
}

#[test]
fn reserved_bits_and_opcodes() {
    for role in [Role::Client, Role::Server] {
        for first in [0x83, 0x87, 0x8B, 0x8F, 0x03, 0xC1, 0xA1, 0x91, 0xF2, 0xC9, 0x98] {
            violates(role, &frame_to(role, first, b""));
            violates(role, &[first]);
        }
    }
}

#[test]
fn wrong_masking() {
    violates(Role::Server, &frame_to(Role::Client, FIN | TEXT, b"hello"));
    violates(Role::Client, &frame_to(Role::Server, FIN | TEXT, b"hello"));
}

#[test]
fn control_frames_fragmented_or_long() {
    for role in [Role::Client, Role::Server] {
        for opcode in [CLOSE, PING, PONG] {
            violates(role, &frame_to(role, opcode, b""));
            violates(role, &frame_to(role, FIN | opcode, &[0; 126]));
            violates(role, &frame_to(role, FIN | opcode, &[0; 70_000]));
        }
    }
}

#[test]
fn lengths_not_minimal_or_too_long() {
    violates(Role::Client, &[FIN | BINARY, 126, 0, 125]);
    violates(Role::Client, &[FIN | BINARY, 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]);
    violates(Role::Client, &[FIN | BINARY, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn fragments_out_of_order() {
    for role in [Role::Client, Role::Server] {
        violates(role, &frame_to(role, FIN | CONT, b"nothing to continue"));
        violates(role, &frame_to(role, CONT, b"nothing to continue"));
        for second in [TEXT, BINARY, FIN | TEXT, FIN | BINARY] {
            let begun = frame_to(role, TEXT, b"begun");
            violates(role, &[begun, frame_to(role, second, b"another")].concat());
        }
    }
}

#[test]
fn a_violation_shows_with_its_first_byte() {
    let mut solo = Solo::server();
    solo.feed(&[0x83]);
    assert_failed(&mut solo, 1002, Code::Protocol);
    let mut solo = Solo::server();
    solo.feed(&[FIN | TEXT]);
    assert!(solo.conn.closed().is_none());
    solo.feed(&[0x05]);
    assert_failed(&mut solo, 1002, Code::Protocol);
}

#[test]
fn after_a_failure_input_is_swallowed_until_the_end_of_tcp() {
    let mut solo = Solo::server();
    solo.feed(&[0x83]);
    solo.frame(FIN | PING, b"?");
    solo.peer_closes(1000, "too late");
    solo.feed(&[0xFF; 1000]);
    assert!(solo.seen.is_empty());
    assert_failed(&mut solo, 1002, Code::Protocol);
    solo.conn.recv_eof(solo.now);
    assert_eq!(solo.conn.transport(), Transport::Drop);
    assert_eq!(solo.closed().code, 1006);
}

#[test]
fn after_a_failure_the_close_timeout_ends_the_wait() {
    let mut solo = Solo::server();
    solo.feed(&[0x83]);
    assert_failed(&mut solo, 1002, Code::Protocol);
    let closed = solo.closed().clone();
    solo.wait_ms(4_999);
    assert_eq!(solo.conn.transport(), Transport::HalfClose);
    solo.wait_ms(1);
    assert_eq!(solo.conn.transport(), Transport::Drop);
    assert_eq!((solo.closed(), solo.conn.next_timeout()), (&closed, None));
}

#[test]
fn frames_that_come_to_nothing_are_taken_a_few_at_a_time() {
    let mut solo = Solo::server();
    let empty = frame_to(Role::Server, CONT, b"");
    let mut frames = [frame_to(Role::Server, TEXT, b""), empty.repeat(999)].concat();
    solo.cx.enough = 10 * FRAME;
    for rest in (0..100).rev() {
        solo.cx.work = 0;
        let at = frames.len() - (rest + 1) * 10 * empty.len();
        let step = solo.conn.recv(&mut solo.cx, solo.now, &mut frames[at..]);
        assert_eq!((step.consumed, step.event.is_none()), (10 * empty.len(), true));
    }
    solo.frame(FIN | CONT, b"end");
    assert_eq!(solo.seen, [Seen::Text("end".into())]);
}
