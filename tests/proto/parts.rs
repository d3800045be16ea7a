//! Messages in parts: the same bytes, the same ends as whole ones, and nothing collected.

use crate::frames::assert_failed;
use crate::support::Seen;
use crate::support::pair::Chunks;
use crate::support::raw::*;
use proptest::prelude::*;
use wsock::error::Code;
use wsock::proto::config::{Config, Role};
#[cfg(feature = "deflate")]
use wsock::proto::deflate::{self, Params};
use wsock::proto::event::{Event, Kind, Payload};

fn parts(config: Config) -> Config {
    Config { parts: true, ..config }
}

fn part(data: &[u8], first: bool, last: bool) -> Seen {
    Seen::Part(Kind::Binary, data.to_vec(), first, last)
}

/// Parts joined to messages; what is left of one that did not end comes behind them.
fn joined(seen: &[Seen]) -> (Vec<Seen>, Vec<u8>) {
    let (mut whole, mut rest, mut inside) = (Vec::new(), Vec::new(), false);
    for seen in seen {
        let Seen::Part(kind, data, first, last) = seen else {
            whole.push(seen.clone());
            continue;
        };
        assert_eq!(*first, !inside, "a message begins when none is open");
        assert!(*last || !data.is_empty(), "only the last part may be empty");
        rest.extend_from_slice(data);
        inside = !last;
        if *last {
            let data = std::mem::take(&mut rest);
            whole.push(match kind {
                Kind::Text => Seen::Text(String::from_utf8(data).expect("text is UTF-8")),
                Kind::Binary => Seen::Binary(data),
            });
        }
    }
    (whole, rest)
}

#[test]
fn a_whole_message_is_one_part_where_it_lies() {
    let mut solo = Solo::new(Role::Server, parts(Config::default()));
    let mut input = frame_to(Role::Server, FIN | TEXT, b"Hello");
    let step = solo.conn.recv(&mut solo.cx, solo.now, &mut input);
    let payload = Payload::Input(6..11);
    assert_eq!(payload.bytes(&input), b"Hello");
    let event = Event::Part { kind: Kind::Text, payload, first: true, last: true };
    assert_eq!((step.consumed, step.event), (11, Some(event)));
    assert_eq!(solo.conn.stats().messages_received, 1);
}

#[test]
fn parts_are_what_arrives() {
    for role in [Role::Client, Role::Server] {
        let mut solo = Solo::new(role, parts(Config::default()));
        let first = frame_to(role, BINARY, b"abcdef");
        solo.feed(&first[..first.len() - 2]);
        solo.feed(&first[first.len() - 2..]);
        solo.frame(FIN | PING, b"");
        solo.frame(CONT, b"");
        solo.frame(CONT, b"gh");
        solo.frame(FIN | CONT, b"");
        solo.frame(FIN | BINARY, b"");
        let expected = [
            part(b"abcd", true, false),
            part(b"ef", false, false),
            Seen::Ping(Vec::new()),
            part(b"gh", false, false),
            part(b"", false, true),
            part(b"", true, true),
        ];
        assert_eq!(solo.seen, expected);
        let stats = solo.conn.stats();
        assert_eq!((stats.messages_received, stats.payload_received), (2, 8));
    }
}

#[test]
fn text_is_checked_over_all_parts() {
    let mut solo = Solo::new(Role::Server, parts(Config::default()));
    solo.frame(TEXT, b"\xe2\x82");
    solo.frame(FIN | CONT, b"\xac");
    assert_eq!(joined(&solo.seen), (vec![Seen::Text("€".into())], Vec::new()));
    solo.seen.clear();
    solo.frame(TEXT, b"good\xe2");
    solo.frame(CONT, b"\x82\xff");
    assert_eq!(solo.seen, [Seen::Part(Kind::Text, b"good\xe2".to_vec(), true, false)]);
    assert_failed(&mut solo, 1007, Code::InvalidData);

    let mut solo = Solo::new(Role::Server, parts(Config::default()));
    solo.frame(FIN | TEXT, b"cut off\xe2\x82");
    assert!(solo.seen.is_empty());
    assert_failed(&mut solo, 1007, Code::InvalidData);
}

#[test]
fn the_limits_bound_the_whole_message_and_each_frame() {
    let config = || parts(Config { max_message: 1000, max_fragments: 2, ..Config::default() });
    let mut solo = Solo::new(Role::Server, config());
    for first in [BINARY, CONT, CONT, CONT] {
        solo.frame(first, &[0; 250]);
    }
    assert_eq!(solo.seen.len(), 4, "fragments are not counted");
    solo.feed(&[CONT, 0x81, 0, 0, 0, 0]);
    assert_failed(&mut solo, 1009, Code::TooBig);

    let mut solo = Solo::new(Role::Server, Config { max_frame: 200, ..config() });
    solo.frame(BINARY, &[1; 200]);
    solo.frame(CONT, &[1; 201]);
    assert_eq!(solo.seen.len(), 1);
    assert_failed(&mut solo, 1009, Code::TooBig);
}

#[test]
fn rules_about_fragments_hold() {
    for (frames, code) in [([CONT, CONT], 1002), ([BINARY, BINARY], 1002), ([TEXT, CLOSE], 1002)] {
        let mut solo = Solo::new(Role::Client, parts(Config::default()));
        frames.iter().for_each(|first| solo.frame(*first, b"xy"));
        assert_failed(&mut solo, code, Code::Protocol);
    }
}

#[test]
fn after_our_close_no_part_is_delivered() {
    let mut solo = Solo::new(Role::Server, parts(Config::default()));
    solo.frame(BINARY, b"before");
    solo.conn.close(&mut solo.cx, solo.now, Some(1000), "").unwrap();
    solo.frame(CONT, b"after");
    solo.frame(FIN | CONT, b"end");
    solo.frame(FIN | BINARY, b"more");
    assert_eq!(solo.seen, [part(b"before", true, false)]);
    assert_eq!(solo.conn.stats().messages_received, 0);
    solo.peer_closes(1000, "");
    assert_eq!(solo.closed().code, 1000);
}

/// Bytes past any memory, in a buffer that is always the same.
#[test]
fn a_message_of_a_tebibyte_begins_like_any_other() {
    let config = parts(Config { max_message: u64::MAX, ..Config::default() });
    let mut solo = Solo::new(Role::Client, config);
    solo.feed(&[FIN | BINARY, 127, 0, 0, 1, 0, 0, 0, 0, 0]);
    for _ in 0..1000 {
        solo.feed(&[7; 10_000]);
        assert_eq!(solo.seen.pop().map(|seen| matches!(seen, Seen::Part(..))), Some(true));
    }
    assert_eq!(solo.conn.stats().payload_received, 10_000_000);
}

#[cfg(feature = "deflate")]
mod compressed {
    use super::*;

    const RSV1: u8 = 0x40;

    fn params(takeover: bool) -> Option<Params> {
        Some(Params {
            server_no_takeover: !takeover,
            client_no_takeover: !takeover,
            server_bits: 15,
            client_bits: 15,
        })
    }

    fn config() -> Config {
        let wanted = deflate::Config {
            min_size: 0,
            server_takeover: true,
            client_takeover: true,
            ..deflate::Config::default()
        };
        Config { deflate: Some(wanted), max_message: 1 << 30, ..Config::default() }
    }

    fn compress(data: &[&[u8]], takeover: bool) -> Vec<u8> {
        let mut sender = Solo::with_deflate(Role::Client, config(), params(takeover));
        for data in data {
            let sent = sender.conn.send(&mut sender.cx, sender.now, Kind::Binary, data, true);
            sent.expect("it is open");
        }
        sender.take_all()
    }

    /// A small input that inflates to much: every part stays small, and no input waits without need.
    #[test]
    fn what_inflates_is_bounded_and_leaves_nothing_behind() {
        for takeover in [false, true] {
            let data = vec![b'z'; 20 << 20];
            let stream = compress(&[&data, b"next", &data], takeover);
            assert!(stream.len() < 2 * data.len() / 100);
            for piece in [usize::MAX, 1, 333] {
                let mut solo = Solo::with_deflate(Role::Server, parts(config()), params(takeover));
                let mut total = 0;
                for piece in stream.chunks(piece.min(stream.len())) {
                    solo.feed(piece);
                    for seen in solo.seen.drain(..) {
                        let Seen::Part(_, data, ..) = seen else { panic!("only parts") };
                        assert!(data.len() <= 64 * 1024, "{} bytes", data.len());
                        total += data.len();
                    }
                }
                assert_eq!(total, 2 * data.len() + 4);
                assert_eq!(solo.conn.stats().messages_received, 3);
            }
        }
    }

    /// RFC 7692 section 7.2.3.4: a final block within a message; what follows refers to what came in
    /// parts before.
    #[test]
    fn blocks_after_a_final_one_know_the_parts_before() {
        use flate2::{Compress, Compression, FlushCompress};
        let noise: Vec<u8> =
            (0u64..200_000).map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect();
        let mut stream = Vec::with_capacity(300_000);
        let mut first = Compress::new(Compression::new(6), false);
        first.compress_vec(&noise, &mut stream, FlushCompress::Finish).unwrap();
        let mut second = Compress::new(Compression::new(6), false);
        second.set_dictionary(&noise[noise.len() - 32_768..]).unwrap();
        let again = &noise[noise.len() - 20_000..];
        let mut tail = Vec::with_capacity(30_000);
        second.compress_vec(again, &mut tail, FlushCompress::Sync).unwrap();
        assert!(tail.len() < 1000, "it refers to what came before");
        stream.extend_from_slice(&tail[..tail.len() - 4]);
        let frame = frame_to(Role::Server, FIN | RSV1 | BINARY, &stream);
        let expected = [&noise[..], again].concat();
        for piece in [frame.len(), 1, 4096, 70_000] {
            let mut solo = Solo::with_deflate(Role::Server, parts(config()), params(true));
            frame.chunks(piece).for_each(|piece| solo.feed(piece));
            assert!(joined(&solo.seen).0 == [Seen::Binary(expected.clone())], "in {piece}");
        }
    }

    /// A stored block of text; what follows it in the frame is given.
    fn stored(text: &[u8], rest: &[u8]) -> Vec<u8> {
        let len = text.len() as u16;
        let head = [&[0][..], &len.to_le_bytes(), &(!len).to_le_bytes()].concat();
        frame_to(Role::Server, FIN | RSV1 | TEXT, &[&head, text, rest].concat())
    }

    #[test]
    fn the_first_fault_is_told_however_it_was_cut() {
        // A block of the type that does not exist.
        let corrupt = [0b111, 0, 0, 0];
        let cases = [
            (stored(b"good", &corrupt), "compressed message that is corrupt"),
            (stored(b"bad\xff", &corrupt), "text message that is not UTF-8"),
            (stored(b"bad\xff too long", &[0]), "text message that is not UTF-8"),
            (stored(b"good, too long\xff", &[0]), "message of more than 8 bytes"),
            (stored(b"bad\xff", &[0b010]), "text message that is not UTF-8"),
        ];
        for (frame, reason) in cases {
            for (piece, in_parts) in
                [(frame.len(), false), (1, false), (frame.len(), true), (1, true)]
            {
                let config = Config { max_message: 8, parts: in_parts, ..config() };
                let mut solo = Solo::with_deflate(Role::Server, config, params(false));
                frame.chunks(piece).for_each(|piece| solo.feed(piece));
                assert_eq!(solo.closed().reason, reason, "in {piece}, parts: {in_parts}");
            }
        }
    }

    #[test]
    fn the_limit_is_for_what_comes_out() {
        let stream = compress(&[&[0; 300_001]], true);
        for (limit, whole) in [(300_001, true), (300_000, false)] {
            let config = parts(Config { max_message: limit, ..config() });
            let mut solo = Solo::with_deflate(Role::Server, config, params(true));
            solo.feed(&stream);
            assert_eq!(solo.conn.closed().is_none(), whole);
            let bytes: usize = solo
                .seen
                .iter()
                .map(|seen| if let Seen::Part(_, data, ..) = seen { data.len() } else { 0 })
                .sum();
            assert!(bytes as u64 <= limit);
            if !whole {
                assert_failed(&mut solo, 1009, Code::TooBig);
            }
        }
    }
}

/// A message as the peer cuts it: opcode, data, where its frames end, and a ping between them.
type Sent = (bool, Vec<u8>, Vec<usize>, bool);

fn sent() -> impl Strategy<Value = Sent> {
    let data = prop_oneof![
        "[a-zé€😀 ]{0,200}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..300),
        (0usize..200_000).prop_map(|len| vec![b'x'; len]),
    ];
    (any::<bool>(), data, prop::collection::vec(0usize..700, 0..4), any::<bool>())
}

fn stream_of(messages: &[Sent], to: Role, compressed: bool) -> Vec<u8> {
    let mut stream = Vec::new();
    for (text, data, cuts, ping) in messages {
        let opcode = if *text { TEXT } else { BINARY };
        let (packed, rsv1) = if compressed { (packed(data), 0x40) } else { (data.clone(), 0) };
        let (mut first, mut rest) = (opcode | rsv1, &packed[..]);
        for cut in cuts {
            let (head, more) = rest.split_at((*cut).min(rest.len()));
            stream.extend(frame_to(to, first, head));
            if *ping {
                stream.extend(frame_to(to, FIN | PING, b"?"));
            }
            (first, rest) = (CONT, more);
        }
        stream.extend(frame_to(to, FIN | first, rest));
    }
    stream
}

#[cfg(feature = "deflate")]
fn packed(data: &[u8]) -> Vec<u8> {
    use flate2::{Compress, Compression, FlushCompress};
    let mut out = Vec::with_capacity(data.len() + 100);
    let mut stream = Compress::new(Compression::new(3), false);
    stream.compress_vec(data, &mut out, FlushCompress::Sync).unwrap();
    out.truncate(out.len() - 4);
    out
}

#[cfg(not(feature = "deflate"))]
fn packed(data: &[u8]) -> Vec<u8> {
    data.to_vec()
}

fn negotiated(compressed: bool) -> Option<wsock::proto::deflate::Params> {
    compressed.then_some(wsock::proto::deflate::Params {
        server_no_takeover: true,
        client_no_takeover: true,
        server_bits: 15,
        client_bits: 15,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// However the stream is cut, by frames or by the network, and whether it is valid to its end or
    /// not: in parts come the bytes that come whole, then the same end.
    #[test]
    fn parts_are_the_messages(
        messages in prop::collection::vec(sent(), 1..6),
        tail in prop::collection::vec(any::<u8>(), 0..30),
        damage in prop::option::of((any::<prop::sample::Index>(), 1u8..)),
        to in prop_oneof![Just(Role::Client), Just(Role::Server)],
        sizes in prop::collection::vec(prop_oneof![1usize..4, 4usize..100, 1000usize..70_000], 0..12),
        max_message in prop_oneof![Just(1u64 << 20), 100u64..100_000],
        compressed in any::<bool>(),
    ) {
        let compressed = compressed && cfg!(feature = "deflate");
        let mut stream = stream_of(&messages, to, compressed);
        stream.extend(tail);
        if let Some((at, bits)) = damage {
            let at = at.index(stream.len());
            stream[at] ^= bits;
        }
        let config = Config { max_message, ..Config::default() };
        let mut whole = Solo::with_deflate(to, config.clone(), negotiated(compressed));
        whole.feed(&stream);
        let mut cut = Solo::with_deflate(to, parts(config), negotiated(compressed));
        let (mut sizes, mut rest) = (Chunks::new(&sizes), &stream[..]);
        while !rest.is_empty() {
            let (piece, more) = rest.split_at(sizes.next().min(rest.len()));
            cut.feed(piece);
            rest = more;
        }
        let (seen, rest) = joined(&cut.seen);
        prop_assert!(seen == whole.seen);
        prop_assert!(rest.len() as u64 <= max_message);
        prop_assert_eq!(whole.conn.closed(), cut.conn.closed());
        let (a, b) = (whole.conn.stats(), cut.conn.stats());
        prop_assert_eq!(a.messages_received, b.messages_received);
        prop_assert_eq!(a.payload_received + rest.len() as u64, b.payload_received);
        prop_assert_eq!(a.bytes_received, b.bytes_received);
        prop_assert_eq!(whole.sent(), cut.sent());
    }
}
