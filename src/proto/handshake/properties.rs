//! Both handshakes say the same however the bytes are cut, whatever the bytes are; and each
//! understands what the other wrote.

use super::client::{ClientHandshake, ClientOutcome, ClientSettings};
use super::server::{Answer, Refusal, Request, ServerHandshake, ServerSettings};
use crate::proto::config::HeadLimits;
use crate::proto::deflate::Config;
use crate::proto::url::Url;
use proptest::prelude::*;

const REQUEST: &str = "GET /chat?x HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nOrigin: https://o\r\n\
    Sec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
const ANSWERS: [&str; 3] = [
    "HTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: b\r\n\
     Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n\r\n\x01\x05hello",
    "HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\na\r\n0123456789\r\n0\r\n\r\n",
    "HTTP/1.1 503 Busy\r\nContent-Length: 11\r\n\r\nhello worldHTTP",
];

/// Calls `recv` until there is an outcome; says how many bytes were taken by then.
fn feed<T>(
    bytes: &[u8],
    cuts: &[usize],
    mut recv: impl FnMut(&[u8]) -> (usize, Option<T>),
) -> (usize, Option<T>) {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    let mut total = 0;
    for pair in cuts.windows(2) {
        let (used, outcome) = recv(&bytes[pair[0]..pair[1]]);
        total += used;
        if outcome.is_some() {
            return (total, outcome);
        }
        assert_eq!(used, pair[1] - pair[0], "without an outcome everything is taken");
    }
    (total, None)
}

fn serve(
    bytes: &[u8],
    cuts: &[usize],
    limits: &HeadLimits,
) -> (usize, Option<Result<Request, Refusal>>) {
    let mut handshake = ServerHandshake::new(limits);
    feed(bytes, cuts, |piece| handshake.recv(piece))
}

fn settings(limits: &HeadLimits) -> ClientSettings {
    ClientSettings {
        protocols: vec!["a".into(), "b".into()],
        deflate: Some(Config::default()),
        limits: limits.clone(),
        ..ClientSettings::default()
    }
}

fn connect(
    bytes: &[u8],
    cuts: &[usize],
    limits: &HeadLimits,
) -> (usize, Option<ClientOutcome>, ClientOutcome) {
    let url = Url::parse("ws://h/").unwrap();
    let mut handshake =
        ClientHandshake::new(&url, &settings(limits), *b"the sample nonce").unwrap();
    let (used, outcome) = feed(bytes, cuts, |piece| handshake.recv(piece));
    (used, outcome, handshake.recv_eof())
}

/// A text with some bytes replaced, and perhaps cut short.
fn damaged(texts: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let byte =
        prop_oneof![proptest::sample::select(&b"\r\n\t\0 :,;=\"/1\x16\x81\xff"[..]), any::<u8>(),];
    let damage = proptest::collection::vec((any::<proptest::sample::Index>(), byte), 0..4);
    (
        proptest::sample::select(texts),
        damage,
        proptest::option::weighted(0.2, any::<proptest::sample::Index>()),
    )
        .prop_map(|(text, damage, end)| {
            let mut bytes = text.as_bytes().to_vec();
            for (index, byte) in damage {
                *index.get_mut(&mut bytes) = byte;
            }
            bytes.truncate(end.map_or(bytes.len(), |end| end.index(bytes.len())));
            bytes
        })
}

fn limits() -> impl Strategy<Value = HeadLimits> {
    prop_oneof![
        4 => Just(HeadLimits::default()),
        1 => (1..400usize, 0..10usize, 1..40usize)
            .prop_map(|(max_bytes, max_headers, max_line)| HeadLimits { max_bytes, max_headers, max_line }),
    ]
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(any::<usize>(), 0..12)
}

#[test]
fn every_single_cut_gives_the_same() {
    let limits = HeadLimits::default();
    let whole = serve(REQUEST.as_bytes(), &[], &limits);
    assert!(
        matches!(&whole, (used, Some(Ok(request))) if *used == REQUEST.len() && request.upgrade.is_some())
    );
    for cut in 0..=REQUEST.len() {
        assert_eq!(serve(REQUEST.as_bytes(), &[cut], &limits), whole);
    }
    let every: Vec<usize> = (0..1000).collect();
    assert_eq!(serve(REQUEST.as_bytes(), &every[..REQUEST.len()], &limits), whole);
    for answer in ANSWERS {
        let whole = connect(answer.as_bytes(), &[], &limits);
        assert!(
            matches!(&whole.1, Some(ClientOutcome::Open(_) | ClientOutcome::Refused(_))),
            "{whole:?}"
        );
        for cut in 0..=answer.len() {
            assert_eq!(connect(answer.as_bytes(), &[cut], &limits), whole);
        }
        assert_eq!(connect(answer.as_bytes(), &every[..answer.len()], &limits), whole);
    }
}

proptest! {
    #[test]
    fn a_server_does_not_care_about_cuts(bytes in damaged(&[REQUEST]), cuts in cuts(), limits in limits()) {
        prop_assert_eq!(serve(&bytes, &cuts, &limits), serve(&bytes, &[], &limits));
    }

    #[test]
    fn a_client_does_not_care_about_cuts(bytes in damaged(&ANSWERS), cuts in cuts(), limits in limits()) {
        prop_assert_eq!(connect(&bytes, &cuts, &limits), connect(&bytes, &[], &limits));
    }

    #[test]
    fn garbage_ends_in_an_outcome_or_waits(bytes in proptest::collection::vec(any::<u8>(), 0..300), cuts in cuts()) {
        let limits = HeadLimits::default();
        prop_assert_eq!(serve(&bytes, &cuts, &limits), serve(&bytes, &[], &limits));
        prop_assert_eq!(connect(&bytes, &cuts, &limits), connect(&bytes, &[], &limits));
    }

    #[test]
    fn the_two_sides_understand_each_other(
        key: [u8; 16],
        path in "(/[a-z]{0,5}){0,3}(\\?[a-z=&]{0,8})?",
        known in proptest::collection::vec("[a-d]", 0..3),
        extra in "[ -~]{0,20}",
        deflate: (bool, bool),
        cuts in cuts(),
    ) {
        let config = |on: bool| on.then(Config::default);
        let url = Url::parse(&format!("ws://h:8080{path}")).unwrap();
        let client = ClientSettings {
            headers: vec![("X-Extra".into(), extra.clone())],
            deflate: config(deflate.0),
            ..settings(&HeadLimits::default())
        };
        let server = ServerSettings { protocols: known, deflate: config(deflate.1), ..ServerSettings::default() };

        let mut asking = ClientHandshake::new(&url, &client, key).unwrap();
        let request = serve(asking.request(), &cuts, &server.limits).1.unwrap().unwrap();
        prop_assert_eq!((&request.target, request.host()), (&url.resource, "h:8080"));
        prop_assert_eq!(request.headers.get("x-extra"), Some(extra.trim()));

        let upgrade = request.upgrade.unwrap();
        let protocol = upgrade.default_protocol(&server).map(str::to_owned);
        let accepted = upgrade.accept(&server, &Answer { protocol: protocol.clone(), headers: Vec::new() });
        let (used, outcome) = feed(&accepted.response, &cuts, |piece| asking.recv(piece));
        prop_assert_eq!(used, accepted.response.len());
        if protocol.is_none() && !client.protocols.is_empty() {
            prop_assert!(matches!(outcome, Some(ClientOutcome::Failed(_))), "{:?}", outcome);
            return Ok(());
        }
        let Some(ClientOutcome::Open(opened)) = outcome else { panic!("{outcome:?}") };
        prop_assert_eq!(&opened.protocol, &protocol);
        prop_assert_eq!(&opened.extensions, &accepted.extensions);
        prop_assert_eq!(opened.deflate, accepted.deflate);
        prop_assert_eq!(opened.deflate.is_some(), deflate.0 && deflate.1);
    }
}
