//! The end of a connection, in every order.

use crate::frames::assert_failed;
use crate::support::raw::*;
use wsock::error::{Code, Error};
use wsock::proto::config::{Config, Role};
use wsock::proto::conn::State;
use wsock::proto::event::{Closed, Initiator, Kind, Transport};

const BOTH: [Role; 2] = [Role::Client, Role::Server];

fn close(solo: &mut Solo, code: Option<u16>, reason: &str) {
    solo.conn.close(&mut solo.cx, solo.now, code, reason).unwrap();
}

fn send(solo: &mut Solo, text: &str) -> wsock::error::Result<()> {
    solo.conn.send(&mut solo.cx, solo.now, Kind::Text, text.as_bytes(), false).map(|_| ())
}

fn lost() -> Error {
    Error::new(Code::ConnectionLost, "connection reset by peer")
}

/// What the transport has to do after a clean close.
fn assert_clean_end(solo: &mut Solo) {
    assert!(!solo.conn.has_output());
    if solo.role == Role::Server {
        assert_eq!(solo.conn.transport(), Transport::Drop);
    } else {
        assert_eq!(solo.conn.transport(), Transport::Keep);
        solo.conn.recv_eof(solo.now);
        assert_eq!(solo.conn.transport(), Transport::Drop);
    }
    assert!(solo.closed().clean);
}

#[test]
fn a_close_frame_is_answered_with_its_code() {
    for role in BOTH {
        let mut solo = Solo::new(role, Default::default());
        solo.peer_closes(3000, "tschüß");
        assert_eq!(solo.conn.state(), State::Closed);
        assert!(!solo.closed().clean, "our answer has not left yet");
        let answer = solo.sent();
        assert_eq!(answer.len(), 1);
        assert_eq!((answer[0].first, &answer[0].payload[..]), (FIN | CLOSE, &[0x0B, 0xB8][..]));
        let expected = Closed {
            code: 3000,
            reason: "tschüß".into(),
            sent_code: Some(3000),
            sent_reason: String::new(),
            clean: true,
            initiator: Initiator::Peer,
            unsent: 0,
            error: None,
        };
        assert_eq!(solo.closed(), &expected);
        assert_clean_end(&mut solo);
        assert_eq!(solo.closed(), &expected);
    }
}

#[test]
fn a_close_frame_without_a_code_is_1005_both_ways() {
    for role in BOTH {
        let mut solo = Solo::new(role, Default::default());
        solo.frame(FIN | CLOSE, b"");
        assert_eq!(solo.sent()[0].payload, b"");
        assert_eq!((solo.closed().code, solo.closed().sent_code), (1005, Some(1005)));
        assert_clean_end(&mut solo);
    }
}

#[test]
fn our_close_waits_for_the_answer() {
    for role in BOTH {
        let mut solo = Solo::new(role, Default::default());
        close(&mut solo, Some(1000), "done");
        assert_eq!(solo.conn.state(), State::Closing);
        assert_eq!((solo.closed().code, solo.closed().sent_code), (1006, None));
        assert_eq!(solo.sent()[0].payload, close_payload(1000, "done"));
        assert_eq!(solo.closed().sent_code, Some(1000));
        assert_eq!(solo.conn.transport(), Transport::Keep);
        solo.peer_closes(1000, "indeed");
        assert_eq!((solo.closed().code, &*solo.closed().reason), (1000, "indeed"));
        assert_eq!((solo.closed().initiator, &solo.closed().error), (Initiator::Local, &None));
        assert_clean_end(&mut solo);
    }
}

#[test]
fn a_close_without_code_is_an_empty_frame() {
    let mut solo = Solo::client();
    close(&mut solo, None, "");
    assert_eq!(solo.sent()[0].payload, b"");
    assert_eq!(solo.closed().sent_code, Some(1005));
}

#[test]
fn codes_of_the_peer_that_mean_nothing_on_the_wire() {
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        for role in BOTH {
            let mut solo = Solo::new(role, Default::default());
            solo.peer_closes(code, "");
            assert_failed(&mut solo, 1002, Code::Protocol);
        }
    }
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1014, 3000, 4999] {
        let mut solo = Solo::server();
        solo.peer_closes(code, &"r".repeat(123));
        assert_eq!((solo.closed().code, solo.closed().reason.len()), (code, 123));
        assert_eq!(solo.sent()[0].payload, code.to_be_bytes());
        assert_clean_end(&mut solo);
    }
}

#[test]
fn close_frames_that_are_malformed() {
    let mut solo = Solo::server();
    solo.frame(FIN | CLOSE, b"\x03");
    assert_failed(&mut solo, 1002, Code::Protocol);
    let mut solo = Solo::server();
    solo.frame(FIN | CLOSE, b"\x03\xe8\xce\xba\xed\xa0\x80");
    assert_failed(&mut solo, 1007, Code::InvalidData);
}

#[test]
fn invalid_arguments_change_nothing() {
    for role in BOTH {
        let mut solo = Solo::new(role, Default::default());
        let long = "x".repeat(124);
        for (code, reason) in [
            (None, "why"),
            (Some(1005), ""),
            (Some(1006), ""),
            (Some(1015), ""),
            (Some(999), ""),
            (Some(5000), ""),
            (Some(1000), &*long),
        ] {
            let error = solo.conn.close(&mut solo.cx, solo.now, code, reason).unwrap_err();
            assert_eq!(error.code, Code::InvalidArgument);
        }
        assert!(solo.conn.state() == State::Open && !solo.conn.has_output());
    }
}

#[test]
fn closing_twice_sends_one_frame() {
    let mut solo = Solo::client();
    close(&mut solo, Some(3001), "first");
    close(&mut solo, Some(3002), "second");
    let sent = solo.sent();
    assert_eq!((sent.len(), &sent[0].payload), (1, &close_payload(3001, "first")));
    solo.peer_closes(3001, "");
    close(&mut solo, None, "");
    assert!(!solo.conn.has_output());
}

#[test]
fn both_close_at_once() {
    for role in BOTH {
        let mut solo = Solo::new(role, Default::default());
        close(&mut solo, Some(3001), "mine");
        solo.peer_closes(3002, "theirs");
        let sent = solo.sent();
        assert_eq!((sent.len(), &sent[0].payload), (1, &close_payload(3001, "mine")));
        let closed = solo.closed();
        assert_eq!((closed.code, closed.sent_code), (3002, Some(3001)));
        assert_eq!((&*closed.reason, closed.initiator), ("theirs", Initiator::Local));
        assert_clean_end(&mut solo);
    }
}

#[test]
fn the_close_frame_goes_after_accepted_messages_and_nothing_after_it() {
    let mut solo = Solo::server();
    send(&mut solo, "one").unwrap();
    send(&mut solo, "two").unwrap();
    close(&mut solo, Some(1001), "");
    assert_eq!(send(&mut solo, "three").unwrap_err().code, Code::State);
    let refused = solo.conn.ping(&mut solo.cx, solo.now, b"").unwrap_err();
    assert_eq!(refused.code, Code::State);
    let sent = solo.sent();
    assert_eq!(sent.iter().map(|frame| frame.first).collect::<Vec<_>>(), [0x81, 0x81, 0x88]);
}

#[test]
fn after_our_close_frame_nothing_is_delivered_or_answered_but_everything_is_checked() {
    let mut solo = Solo::server();
    close(&mut solo, Some(1000), "");
    solo.take_all();
    solo.frame(FIN | TEXT, b"on its way");
    solo.frame(FIN | PING, b"?");
    assert!(!solo.conn.has_output());
    solo.peer_closes(1000, "");
    solo.frame(FIN | TEXT, b"after the close frame");
    solo.feed(&[0xFF; 10]);
    assert!(solo.seen.is_empty());
    assert_eq!(solo.conn.stats().messages_received, 0);
    assert_clean_end(&mut solo);

    let mut solo = Solo::server();
    close(&mut solo, Some(1000), "");
    solo.frame(FIN | TEXT, b"\xff");
    assert_eq!(solo.closed().error.as_ref().unwrap().code, Code::InvalidData);
}

#[test]
fn data_behind_a_close_frame_in_the_same_piece_is_ignored() {
    let mut solo = Solo::server();
    let bytes = [
        frame_to(Role::Server, FIN | CLOSE, &close_payload(1000, "")),
        frame_to(Role::Server, FIN | TEXT, b"no"),
        vec![0xFF; 5],
    ];
    solo.feed(&bytes.concat());
    assert!(solo.seen.is_empty());
    assert_eq!(solo.sent().len(), 1);
    assert_clean_end(&mut solo);
}

#[test]
fn a_close_frame_amid_a_message_wins() {
    let mut solo = Solo::server();
    solo.frame(TEXT, b"never finis");
    solo.peer_closes(1001, "");
    solo.take_all();
    assert!(solo.seen.is_empty());
    assert_clean_end(&mut solo);
}

#[test]
fn a_violation_after_our_close_frame_sends_no_second_one() {
    let mut solo = Solo::server();
    close(&mut solo, Some(1000), "");
    solo.take_all();
    solo.feed(&[0xFF]);
    assert!(!solo.conn.has_output());
    assert_eq!(solo.conn.transport(), Transport::HalfClose);
    let closed = solo.closed();
    let error = closed.error.as_ref().unwrap();
    assert_eq!((closed.code, closed.sent_code, closed.clean), (1006, Some(1000), false));
    assert_eq!((error.code, error.close_code), (Code::Protocol, 0));
}

#[test]
fn the_end_of_tcp_without_a_close_frame() {
    for role in BOTH {
        for closing in [false, true] {
            let mut solo = Solo::new(role, Default::default());
            if closing {
                close(&mut solo, Some(1000), "");
                solo.take_all();
            }
            solo.conn.recv_eof(solo.now);
            let closed = solo.closed();
            let error = closed.error.as_ref().unwrap();
            assert_eq!((closed.code, closed.clean), (1006, false));
            assert_eq!(closed.reason, "the peer closed TCP without a close frame");
            assert_eq!((error.code, &*error.message), (Code::ConnectionLost, &*closed.reason));
            assert_eq!(closed.sent_code, closing.then_some(1000));
            let initiator = if closing { Initiator::Local } else { Initiator::Nobody };
            assert_eq!(closed.initiator, initiator);
            assert_eq!(solo.conn.transport(), Transport::Drop);
        }
    }
}

#[test]
fn a_lost_transport() {
    let mut solo = Solo::client();
    send(&mut solo, "never sent").unwrap();
    solo.conn.transport_lost(lost());
    let closed = solo.closed();
    assert_eq!((closed.code, closed.initiator, closed.clean), (1006, Initiator::Nobody, false));
    assert_eq!((&*closed.reason, closed.error.clone()), ("connection reset by peer", Some(lost())));
    assert!(!solo.conn.has_output() && solo.conn.buffered() == 0);
    assert_eq!(solo.conn.transport(), Transport::Drop);
    solo.conn.abort(Error::new(Code::Aborted, "aborted"));
    assert_eq!(solo.closed().error, Some(lost()), "the first cause stays");
}

#[test]
fn a_clean_end_stays_clean_whatever_tcp_does_then() {
    for role in BOTH {
        let mut solo = Solo::new(role, Default::default());
        solo.peer_closes(1000, "bye");
        solo.take_all();
        solo.conn.transport_lost(lost());
        assert!(solo.closed().clean && solo.closed().error.is_none());
    }
}

#[test]
fn an_answer_that_never_left_is_not_clean() {
    let mut solo = Solo::server();
    send(&mut solo, "neither did this").unwrap();
    solo.peer_closes(1000, "bye");
    solo.take(3);
    solo.conn.transport_lost(lost());
    let closed = solo.closed();
    assert_eq!((closed.code, &*closed.reason, closed.clean), (1000, "bye", false));
    assert_eq!((closed.sent_code, closed.error.clone()), (None, Some(lost())));
}

#[test]
fn an_answer_still_leaves_after_the_peer_stopped_sending() {
    let mut solo = Solo::server();
    solo.peer_closes(1000, "");
    solo.conn.recv_eof(solo.now);
    assert!(solo.conn.has_output());
    assert_eq!(solo.sent().len(), 1);
    assert_eq!(solo.conn.transport(), Transport::Drop);
    assert!(solo.closed().clean);
}

#[test]
fn what_the_transport_holds_back_has_not_left() {
    // It is waited for, although the peer has stopped sending.
    let mut solo = Solo::server();
    solo.peer_closes(1000, "");
    solo.hold(30);
    solo.conn.recv_eof(solo.now);
    assert!(solo.conn.has_output() && solo.conn.next_timeout().is_some());
    assert!(!solo.closed().clean);
    let timeout = Config::default().close_timeout_ms;
    for held in [20, 10] {
        solo.wait_ms(timeout - 1);
        solo.conn.sent(&mut solo.cx, solo.now, 0, held);
    }
    solo.conn.sent(&mut solo.cx, solo.now, 0, 0);
    assert_eq!((solo.conn.transport(), solo.conn.next_timeout()), (Transport::Drop, None));
    assert!(solo.closed().clean && solo.closed().sent_code.is_some());

    // When it never leaves, that is not clean, and it is told as unsent.
    for abort in [false, true] {
        let mut solo = Solo::server();
        send(&mut solo, "0123456789").unwrap();
        if !abort {
            solo.peer_closes(1000, "");
        }
        solo.hold(40);
        assert_eq!(solo.conn.buffered(), 40);
        match abort {
            true => solo.conn.abort(Error::new(Code::Aborted, "aborted")),
            false => solo.wait_ms(timeout),
        }
        assert!(!solo.conn.has_output() && solo.conn.transport() == Transport::Drop);
        assert_eq!((solo.closed().clean, solo.closed().unsent), (false, 40));
        // Whatever it holds now, nobody waits for it.
        solo.conn.sent(&mut solo.cx, solo.now, 0, 40);
        assert!(!solo.conn.has_output());
    }
}

#[test]
fn an_abort_sends_nothing() {
    let mut solo = Solo::server();
    send(&mut solo, "gone").unwrap();
    solo.conn.abort(Error::new(Code::Aborted, "aborted"));
    assert!(!solo.conn.has_output());
    assert_eq!((solo.conn.transport(), solo.conn.state()), (Transport::Drop, State::Closed));
    let closed = solo.closed();
    assert_eq!((closed.code, closed.sent_code), (1006, None));
    assert_eq!((closed.initiator, &*closed.reason), (Initiator::Local, "aborted"));
    solo.frame(FIN | TEXT, b"ignored");
    assert!(solo.seen.is_empty());
}

#[test]
fn no_answer_in_time() {
    let mut solo = Solo::client();
    close(&mut solo, Some(1000), "");
    solo.take_all();
    assert_eq!(solo.conn.next_timeout(), Some(solo.now.plus_ms(5_000)));
    solo.wait_ms(5_000);
    let closed = solo.closed();
    assert_eq!((closed.code, closed.sent_code, closed.clean), (1006, Some(1000), false));
    assert_eq!(closed.error.as_ref().unwrap().code, Code::CloseTimeout);
    assert_eq!(solo.conn.transport(), Transport::Drop);
}

#[test]
fn a_client_waits_for_the_server_to_close_tcp_but_not_forever() {
    let mut solo = Solo::client();
    solo.peer_closes(1000, "");
    solo.take_all();
    solo.wait_ms(4_999);
    assert_eq!(solo.conn.transport(), Transport::Keep);
    solo.wait_ms(1);
    assert_eq!(solo.conn.transport(), Transport::Drop);
    assert!(solo.closed().clean && solo.closed().error.is_none());
}

/// Accepted messages are worth waiting for while the peer takes them, and no longer.
#[test]
fn the_close_timeout_counts_from_the_last_progress() {
    let mut solo = Solo::server();
    solo.conn.send(&mut solo.cx, solo.now, Kind::Binary, &[0; 100_000], false).unwrap();
    close(&mut solo, Some(1000), "");
    for _ in 0..10 {
        solo.wait_ms(4_000);
        assert_eq!(solo.take(1000).len(), 1000);
    }
    solo.wait_ms(4_999);
    assert!(solo.conn.has_output());
    solo.wait_ms(1);
    assert!(!solo.conn.has_output());
    let closed = solo.closed();
    assert_eq!((closed.code, closed.sent_code), (1006, None));
    assert_eq!(closed.error.as_ref().unwrap().code, Code::CloseTimeout);
}

#[test]
fn an_unread_answer_times_out_with_the_code_that_came() {
    let mut solo = Solo::server();
    solo.peer_closes(1000, "bye");
    solo.wait_ms(5_000);
    let closed = solo.closed();
    assert_eq!((closed.code, closed.sent_code, closed.clean), (1000, None, false));
    assert_eq!(closed.error.as_ref().unwrap().code, Code::CloseTimeout);
    assert_eq!(solo.conn.transport(), Transport::Drop);
}
