//! Messages in parts.

use crate::support::raw::*;
use wsock::error::Code;
use wsock::proto::config::{Config, Role};
use wsock::proto::event::Kind;

fn part(solo: &mut Solo, id: u32, data: &[u8], last: bool) -> Result<(), Code> {
    let done = solo.conn.stream_part(&mut solo.cx, solo.now, id, data, last);
    done.map(drop).map_err(|error| error.code)
}

fn firsts(solo: &mut Solo) -> Vec<u8> {
    solo.sent().iter().map(|frame| frame.first).collect()
}

#[test]
fn every_part_is_a_frame_and_control_frames_go_between() {
    let mut solo = Solo::server();
    let id = solo.conn.begin_stream(Kind::Text, false).unwrap();
    assert_eq!(solo.conn.stream_wants(), Some(id));
    part(&mut solo, id, b"", false).unwrap();
    assert_eq!(firsts(&mut solo), [], "an empty part is nothing");
    part(&mut solo, id, "caf\u{e9}".split_at(3).0.as_bytes(), false).unwrap();
    solo.frame(FIN | PING, b"?");
    part(&mut solo, id, "\u{e9}".as_bytes(), false).unwrap();
    part(&mut solo, id, b"", true).unwrap();
    assert_eq!(firsts(&mut solo), [TEXT, FIN | PONG, CONT, FIN | CONT]);
    assert_eq!(part(&mut solo, id, b"", true), Err(Code::State));
    assert_eq!(solo.conn.stream_wants(), None);
    assert_eq!(solo.conn.stats().messages_sent, 1);
    assert_eq!(solo.conn.stats().payload_sent, 5);
}

#[test]
fn a_message_in_one_part_is_one_frame() {
    let mut solo = Solo::server();
    let id = solo.conn.begin_stream(Kind::Binary, true).unwrap();
    part(&mut solo, id, b"all", true).unwrap();
    assert_eq!(firsts(&mut solo), [FIN | BINARY]);
}

#[test]
fn text_is_checked_over_all_parts_and_goes_on_after_a_bad_one() {
    let mut solo = Solo::server();
    let id = solo.conn.begin_stream(Kind::Text, false).unwrap();
    part(&mut solo, id, b"\xE2\x82", false).unwrap();
    for (bad, last) in [(&b"x"[..], false), (b"\xFF", false), (b"", true)] {
        assert_eq!(part(&mut solo, id, bad, last), Err(Code::InvalidArgument));
    }
    part(&mut solo, id, b"\xAC", true).unwrap();
    let text: Vec<u8> = solo.sent().into_iter().flat_map(|frame| frame.payload).collect();
    assert_eq!(text, "\u{20AC}".as_bytes());
}

#[test]
fn what_comes_later_waits_and_comes_in_order() {
    for role in [Role::Client, Role::Server] {
        let mut solo = Solo::new(role, Config::default());
        let first = solo.conn.begin_stream(Kind::Binary, false).unwrap();
        solo.conn.send(&mut solo.cx, solo.now, Kind::Text, b"between", false).unwrap();
        let second = solo.conn.begin_stream(Kind::Binary, false).unwrap();
        solo.conn.send(&mut solo.cx, solo.now, Kind::Text, b"behind", false).unwrap();
        assert!(!solo.conn.has_output());
        part(&mut solo, second, b"b1", false).unwrap();
        part(&mut solo, second, b"b2", false).unwrap();
        part(&mut solo, first, b"a1", false).unwrap();
        assert_eq!(firsts(&mut solo), [BINARY]);
        assert_eq!((solo.conn.buffered(), solo.conn.stream_wants()), (17, Some(first)));
        part(&mut solo, first, b"a2", true).unwrap();
        assert_eq!(firsts(&mut solo), [FIN | CONT, FIN | TEXT, BINARY]);
        assert_eq!(solo.conn.stream_wants(), Some(second));
        part(&mut solo, second, b"", true).unwrap();
        assert_eq!(firsts(&mut solo), [FIN | CONT, FIN | TEXT]);
        assert_eq!(solo.conn.buffered(), 0);
    }
}

#[test]
fn nobody_is_asked_for_more_while_much_waits() {
    let mut solo = Solo::server();
    let id = solo.conn.begin_stream(Kind::Binary, false).unwrap();
    part(&mut solo, id, &[0; 70_000], false).unwrap();
    assert_eq!(solo.conn.stream_wants(), None);
    solo.take(10_000);
    assert_eq!(solo.conn.stream_wants(), Some(id));
}

#[test]
fn a_close_gives_up_what_cannot_be_finished() {
    for begun in [true, false] {
        let mut solo = Solo::server();
        let id = solo.conn.begin_stream(Kind::Binary, false).unwrap();
        if begun {
            part(&mut solo, id, b"part", false).unwrap();
        }
        solo.conn.send(&mut solo.cx, solo.now, Kind::Text, b"behind", false).unwrap();
        solo.conn.close(&mut solo.cx, solo.now, Some(1000), "").unwrap();
        assert_eq!(part(&mut solo, id, b"more", true), Err(Code::State));
        let (frames, lost) = match begun {
            true => (vec![BINARY, FIN | CLOSE], 6),
            false => (vec![FIN | TEXT, FIN | CLOSE], 0),
        };
        assert_eq!(firsts(&mut solo), frames);
        solo.peer_closes(1000, "");
        assert_eq!((solo.closed().clean, solo.closed().unsent), (true, lost));
    }
}

#[test]
fn what_has_not_begun_can_be_taken_back() {
    let mut solo = Solo::server();
    let first = solo.conn.begin_stream(Kind::Binary, false).unwrap();
    let second = solo.conn.begin_stream(Kind::Binary, false).unwrap();
    part(&mut solo, second, b"waits", false).unwrap();
    solo.conn.send(&mut solo.cx, solo.now, Kind::Text, b"behind", false).unwrap();
    assert!(solo.conn.abandon_stream(second) && !solo.conn.abandon_stream(second));
    part(&mut solo, first, b"a", false).unwrap();
    assert!(!solo.conn.abandon_stream(first));
    part(&mut solo, first, b"b", true).unwrap();
    assert_eq!(firsts(&mut solo), [BINARY, FIN | CONT, FIN | TEXT]);
}

#[cfg(feature = "deflate")]
#[test]
fn compressed_parts_are_one_message_with_and_without_takeover() {
    use crate::support::Seen;
    use crate::support::pair::Pair;
    use wsock::proto::deflate::{self, Params};
    let wanted = deflate::Config {
        server_takeover: true,
        client_takeover: true,
        ..deflate::Config::default()
    };
    let config = Config { deflate: Some(wanted), ..Config::default() };
    for (takeover, from) in
        [(false, Role::Client), (true, Role::Client), (false, Role::Server), (true, Role::Server)]
    {
        let params = Params {
            server_no_takeover: !takeover,
            client_no_takeover: !takeover,
            server_bits: 10,
            client_bits: 12,
        };
        let mut pair = Pair::new(config.clone(), config.clone(), Some(params));
        let now = pair.now;
        let text = "the same again and again, ".repeat(40);
        let mut expected = Vec::new();
        for (round, cuts) in
            [(0, vec![1]), (1, vec![100, 0, 5000]), (2, vec![0]), (3, vec![40, 7, 40, 9])]
        {
            let side = pair.side(from);
            let id = side.conn.begin_stream(Kind::Text, true).unwrap();
            let whole = text.repeat(cuts.len());
            let mut rest = whole.as_bytes();
            for cut in cuts {
                let (head, tail) = rest.split_at(cut.min(rest.len()));
                side.conn.stream_part(&mut side.cx, now, id, head, false).unwrap();
                rest = tail;
            }
            // Now and then the last one is empty.
            if round % 2 == 1 {
                side.conn.stream_part(&mut side.cx, now, id, rest, false).unwrap();
                rest = b"";
            }
            side.conn.stream_part(&mut side.cx, now, id, rest, true).unwrap();
            side.conn.send(&mut side.cx, now, Kind::Text, text.as_bytes(), true).unwrap();
            expected.extend([Seen::Text(whole), Seen::Text(text.clone())]);
        }
        pair.settle();
        assert!(pair.side(from.peer()).seen == expected);
        let stats = pair.side(from).conn.stats();
        assert!(stats.bytes_sent < stats.payload_sent / 4, "{stats:?}");
    }
}
