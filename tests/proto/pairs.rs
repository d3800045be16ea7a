//! Two connections, and one connection against itself: however the bytes are cut, the same happens.

use crate::support::Seen;
use crate::support::pair::{Chunks, Pair};
use crate::support::raw::*;
use proptest::prelude::*;
use wsock::proto::config::{Config, Role};
use wsock::proto::deflate::{self, Params};
use wsock::proto::event::{Initiator, Kind, Transport};

/// What an application does.
#[derive(Clone, Debug)]
enum Act {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        "[a-zé€😀 ]{0,200}".prop_map(Act::Text),
        prop::collection::vec(any::<u8>(), 0..400).prop_map(Act::Binary),
        (0usize..90_000).prop_map(|len| Act::Binary(vec![len as u8; len])),
        prop::collection::vec(any::<u8>(), 0..=125).prop_map(Act::Ping),
    ]
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Client), Just(Role::Server)]
}

fn chunks() -> impl Strategy<Value = Chunks> {
    prop::collection::vec(prop_oneof![1usize..4, 4usize..100, 1000usize..70_000], 0..12)
        .prop_map(|sizes| Chunks::new(&sizes))
}

fn params() -> impl Strategy<Value = Option<Params>> {
    if cfg!(not(feature = "deflate")) {
        return Just(None).boxed();
    }
    let some = (any::<bool>(), any::<bool>(), 9u8..=15, 8u8..=15).prop_map(|it| Params {
        server_no_takeover: it.0,
        client_no_takeover: it.1,
        server_bits: it.2,
        client_bits: it.3,
    });
    prop::option::of(some).boxed()
}

fn config(takeover: bool) -> Config {
    let wanted = deflate::Config {
        min_size: 10,
        server_takeover: takeover,
        client_takeover: takeover,
        ..deflate::Config::default()
    };
    Config { deflate: Some(wanted), ..Config::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Messages arrive whole and in order, then the connection ends cleanly on both sides.
    #[test]
    fn what_is_sent_arrives(
        acts in prop::collection::vec((role(), act()), 0..30),
        (reads, writes) in (chunks(), chunks()),
        (params, takeover) in (params(), any::<bool>()),
        closer in role(),
    ) {
        let mut pair =
            Pair::new(config(takeover), config(takeover), params).chunked(reads, writes);
        let mut expected = [Vec::new(), Vec::new()];
        for (i, (from, act)) in acts.into_iter().enumerate() {
            let (kind, data) = match &act {
                Act::Text(text) => (Kind::Text, text.as_bytes()),
                Act::Binary(bytes) => (Kind::Binary, &bytes[..]),
                Act::Ping(bytes) => {
                    let now = pair.now;
                    let side = pair.side(from);
                    side.conn.ping(&mut side.cx, now, bytes).unwrap();
                    continue;
                }
            };
            pair.send(from, kind, data);
            expected[from.peer() as usize].push(match act {
                Act::Text(text) => Seen::Text(text),
                Act::Binary(bytes) | Act::Ping(bytes) => Seen::Binary(bytes),
            });
            if i % 7 == 6 {
                pair.settle();
            }
        }
        // Whoever closes hears nothing more, so let everything arrive.
        pair.settle();
        pair.close(closer, Some(1000), "that is all");
        pair.settle();
        for role in [Role::Client, Role::Server] {
            let side = pair.side(role);
            side.seen.retain(|seen| matches!(seen, Seen::Text(_) | Seen::Binary(_)));
            prop_assert_eq!(&side.seen, &expected[role as usize]);
            prop_assert!(!side.conn.has_output());
            prop_assert_eq!(side.conn.transport(), Transport::Drop);
            let closed = side.conn.closed().unwrap();
            prop_assert_eq!((closed.code, closed.sent_code), (1000, Some(1000)));
            prop_assert!(closed.clean && closed.error.is_none());
            let local = if role == closer { Initiator::Local } else { Initiator::Peer };
            prop_assert_eq!(closed.initiator, local);
        }
        let (client, server) = (pair.client.conn.stats(), pair.server.conn.stats());
        prop_assert_eq!(client.messages_sent, server.messages_received);
        prop_assert_eq!(server.payload_sent, client.payload_received);
        prop_assert_eq!(client.bytes_sent, server.bytes_received);
        prop_assert_eq!(server.bytes_sent, client.bytes_received);
    }

    /// Fragmented by the peer, with control frames between, perhaps followed by garbage: the events,
    /// the answers and the end do not depend on how the stream is cut.
    #[test]
    fn any_chunking_gives_the_same(
        messages in prop::collection::vec(
            (act(), prop::collection::vec(0usize..500, 0..4), any::<bool>()), 1..8),
        tail in prop::collection::vec(any::<u8>(), 0..40),
        to in role(),
        sizes in chunks(),
    ) {
        let mut stream = Vec::new();
        for (act, cuts, ping) in &messages {
            let (opcode, mut rest) = match act {
                Act::Text(text) => (TEXT, text.as_bytes()),
                Act::Binary(bytes) => (BINARY, &bytes[..]),
                Act::Ping(bytes) => {
                    stream.extend(frame_to(to, FIN | PONG, bytes));
                    continue;
                }
            };
            let mut first = opcode;
            for cut in cuts {
                let (head, more) = rest.split_at((*cut).min(rest.len()));
                stream.extend(frame_to(to, first, head));
                if *ping {
                    stream.extend(frame_to(to, FIN | PING, head.get(..5).unwrap_or(b"?")));
                }
                (first, rest) = (CONT, more);
            }
            stream.extend(frame_to(to, FIN | first, rest));
        }
        stream.extend(tail);
        let mut whole = Solo::new(to, Config::default());
        whole.feed(&stream);
        let (mut cut, mut sizes, mut rest) = (Solo::new(to, Config::default()), sizes, &stream[..]);
        while !rest.is_empty() {
            let (piece, more) = rest.split_at(sizes.next().min(rest.len()));
            cut.feed(piece);
            rest = more;
        }
        prop_assert!(whole.seen == cut.seen);
        prop_assert_eq!(whole.conn.closed(), cut.conn.closed());
        prop_assert_eq!(whole.conn.stats(), cut.conn.stats());
        prop_assert_eq!(whole.sent(), cut.sent());
    }

    /// A compressed stream, cut anyhow.
    #[test]
    fn any_chunking_of_compressed_messages_gives_the_same(
        acts in prop::collection::vec(act(), 1..10),
        params in params(),
        sizes in chunks(),
    ) {
        let mut sender = Solo::with_deflate(Role::Client, config(true), params);
        for act in &acts {
            let (kind, data) = match act {
                Act::Text(text) => (Kind::Text, text.as_bytes()),
                Act::Binary(bytes) | Act::Ping(bytes) => (Kind::Binary, &bytes[..]),
            };
            sender.conn.send(&mut sender.cx, sender.now, kind, data, true).unwrap();
        }
        let stream = sender.take_all();
        let mut whole = Solo::with_deflate(Role::Server, config(true), params);
        whole.feed(&stream);
        prop_assert_eq!(whole.seen.len(), acts.len());
        let mut cut = Solo::with_deflate(Role::Server, config(true), params);
        let (mut sizes, mut rest) = (sizes, &stream[..]);
        while !rest.is_empty() {
            let (piece, more) = rest.split_at(sizes.next().min(rest.len()));
            cut.feed(piece);
            rest = more;
        }
        prop_assert!(whole.seen == cut.seen);
        prop_assert_eq!(whole.conn.stats(), cut.conn.stats());
    }

    /// Nothing that a peer sends does more than end the connection.
    #[test]
    fn garbage_is_survived(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        to in role(),
        (params, sizes) in (params(), chunks()),
    ) {
        let mut solo = Solo::with_deflate(to, config(true), params);
        let (mut sizes, mut rest) = (sizes, &bytes[..]);
        while !rest.is_empty() {
            let (piece, more) = rest.split_at(sizes.next().min(rest.len()));
            solo.feed(piece);
            rest = more;
        }
        solo.conn.recv_eof(solo.now);
        solo.take_all();
        prop_assert_eq!(solo.conn.transport(), Transport::Drop);
        prop_assert!(solo.conn.closed().is_some());
    }
}

#[test]
fn both_ends_close_at_once() {
    let mut pair = Pair::new(Config::default(), Config::default(), None);
    pair.close(Role::Client, Some(3001), "client");
    pair.close(Role::Server, Some(3002), "server");
    pair.settle();
    let (client, server) = (pair.client.conn.closed().unwrap(), pair.server.conn.closed().unwrap());
    assert_eq!((client.code, &*client.reason, client.clean), (3002, "server", true));
    assert_eq!((server.code, &*server.reason, server.clean), (3001, "client", true));
    assert_eq!((client.initiator, server.initiator), (Initiator::Local, Initiator::Local));
}

#[test]
fn a_failed_connection_is_seen_by_the_peer_as_closed_with_the_code() {
    let strict = Config { max_message: 10, ..Config::default() };
    let mut pair = Pair::new(Config::default(), strict, None);
    pair.send(Role::Client, Kind::Binary, &[0; 11]);
    pair.settle();
    let (client, server) = (pair.client.conn.closed().unwrap(), pair.server.conn.closed().unwrap());
    assert_eq!((server.code, server.sent_code, server.clean), (1006, Some(1009), false));
    assert_eq!((client.code, &*client.reason), (1009, "message of more than 10 bytes"));
    assert!(client.clean);
    assert_eq!(pair.server.conn.transport(), Transport::Drop);
    assert_eq!(pair.client.conn.transport(), Transport::Drop);
}
