//! Text is UTF-8 at every prefix: the first impossible byte fails the connection, wherever it stands.

use crate::frames::assert_failed;
use crate::support::Seen;
use crate::support::raw::*;
use wsock::error::Code;
use wsock::proto::config::Role;

/// From the sections 6.5 to 6.21 of the Autobahn suite: byte sequences that are UTF-8.
const VALID: &[&str] = &[
    "\u{0}",
    "\u{7f}",
    "\u{80}",
    "\u{7ff}",
    "\u{800}",
    "\u{fff}",
    "\u{1000}",
    "\u{d7ff}",
    "\u{e000}",
    "\u{fdd0}",
    "\u{fffd}",
    "\u{fffe}",
    "\u{ffff}",
    "\u{10000}",
    "\u{1fffe}",
    "\u{10fffe}",
    "\u{10ffff}",
    "κόσμε",
    "Hello-µ@ßöäüàá-UTF-8!!",
    "",
    "a\u{feff}b",
];

/// Byte sequences that are not, each with the number of bytes that could still have become text.
const INVALID: &[(&[u8], usize)] = &[
    (b"\x80", 0),
    (b"\xbf", 0),
    (b"\x80\xbf\x80\xbf", 0),
    (b"\xc0\xaf", 0),
    (b"\xc1\xbf", 0),
    (b"\xc2 ", 1),
    (b"\xe0\x80\xaf", 1),
    (b"\xe0\x9f\xbf", 1),
    (b"\xe1\x80 ", 2),
    (b"\xed\xa0\x80", 1),
    (b"\xed\xaf\xbf\xed\xb0\x80", 1),
    (b"\xed\xbf\xbf", 1),
    (b"\xf0\x80\x80\xaf", 1),
    (b"\xf0\x8f\xbf\xbf", 1),
    (b"\xf4\x90\x80\x80", 1),
    (b"\xf5\x80\x80\x80", 0),
    (b"\xf8\x88\x80\x80\x80", 0),
    (b"\xfc\x84\x80\x80\x80\x80", 0),
    (b"\xfe", 0),
    (b"\xff\xff", 0),
    (b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited", 12),
    (b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited", 12),
    (b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\x80edited", 11),
];

/// The same text in one frame, and cut into two fragments at every place.
fn in_every_shape(role: Role, text: &[u8]) -> Vec<Vec<u8>> {
    let mut shapes = vec![frame_to(role, FIN | TEXT, text)];
    for cut in 0..=text.len() {
        let (head, tail) = text.split_at(cut);
        shapes.push([frame_to(role, TEXT, head), frame_to(role, FIN | CONT, tail)].concat());
    }
    shapes
}

#[test]
fn valid_text_is_delivered_in_every_shape() {
    for text in VALID {
        for bytes in in_every_shape(Role::Server, text.as_bytes()) {
            for piece in [bytes.len(), 1, 3] {
                let mut solo = Solo::server();
                bytes.chunks(piece).for_each(|piece| solo.feed(piece));
                assert_eq!(solo.seen, [Seen::Text((*text).to_owned())]);
            }
        }
    }
}

#[test]
fn invalid_text_fails_in_every_shape() {
    for (text, _) in INVALID {
        for bytes in in_every_shape(Role::Server, text) {
            for piece in [bytes.len(), 1, 3] {
                let mut solo = Solo::server();
                bytes.chunks(piece).for_each(|piece| solo.feed(piece));
                assert!(solo.seen.is_empty());
                assert_failed(&mut solo, 1007, Code::InvalidData);
            }
        }
    }
}

/// The frame announces more than ever comes, so only the bytes themselves can tell.
#[test]
fn the_first_impossible_byte_fails_within_the_frame() {
    for (text, good) in INVALID {
        let frame = frame_to(Role::Client, FIN | TEXT, &[text, &[b' '; 200][..]].concat());
        let mut solo = Solo::client();
        for byte in &frame[..4 + good] {
            solo.feed(&[*byte]);
            assert!(solo.conn.closed().is_none(), "{text:?}");
        }
        solo.feed(&frame[4 + good..][..1]);
        assert_failed(&mut solo, 1007, Code::InvalidData);
    }
}

#[test]
fn text_may_not_end_within_a_character() {
    for text in [&b"\xc3"[..], b"\xe2\x82", b"\xf0\x9f\x98", b"abc\xe2"] {
        for bytes in in_every_shape(Role::Server, text) {
            for piece in [bytes.len(), 1] {
                let mut solo = Solo::server();
                bytes.chunks(piece).for_each(|piece| solo.feed(piece));
                assert_failed(&mut solo, 1007, Code::InvalidData);
            }
        }
    }
}

#[test]
fn control_frames_between_do_not_disturb_a_cut_character() {
    let mut solo = Solo::server();
    solo.frame(TEXT, b"\xe2\x82");
    solo.frame(FIN | PING, b"\xff");
    solo.frame(FIN | CONT, b"\xac");
    assert_eq!(solo.seen, [Seen::Ping(b"\xff".to_vec()), Seen::Text("€".into())]);
}

#[test]
fn binary_is_any_bytes() {
    for (bytes, _) in INVALID {
        let mut solo = Solo::server();
        solo.frame(FIN | BINARY, bytes);
        assert_eq!(solo.seen, [Seen::Binary(bytes.to_vec())]);
    }
}
