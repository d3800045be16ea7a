//! A server and whatever is sent to it before it has agreed to anything.

use super::Seed;
use super::input::{Input, pieces};
use wsock::proto::config::HeadLimits;
use wsock::proto::deflate::Config;
use wsock::proto::handshake::server::{
    Answer, OriginPolicy, Refusal, Request, ServerHandshake, ServerSettings, Upgrade,
};

type Outcome = (usize, Option<Result<Request, Refusal>>);

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let limits = limits(&mut input);
    let sizes = input.bytes(4);
    let bytes = input.rest();
    let whole = serve(&limits, &[bytes]);
    assert_eq!(serve(&limits, &pieces(sizes, bytes)), whole);
    let (used, outcome) = whole;
    match outcome {
        None => assert!(used == bytes.len() && used <= limits.max_bytes),
        Some(Err(refusal)) => {
            assert!(used <= limits.max_bytes + 1);
            refused(&refusal);
        }
        Some(Ok(request)) => {
            assert!(used <= limits.max_bytes && request.headers.len() <= limits.max_headers);
            understood(&request);
        }
    }
}

/// From the first byte: usual limits, or tight ones.
pub fn limits(input: &mut Input) -> HeadLimits {
    match input.byte() {
        0 => HeadLimits::default(),
        tight => HeadLimits {
            max_bytes: 16 * (tight as usize),
            max_headers: tight as usize % 16,
            max_line: 8 + tight as usize / 2,
        },
    }
}

fn serve(limits: &HeadLimits, pieces: &[&[u8]]) -> Outcome {
    let (mut handshake, mut total) = (ServerHandshake::new(limits), 0);
    for piece in pieces {
        let (used, outcome) = handshake.recv(piece);
        total += used;
        if outcome.is_some() {
            assert_eq!(handshake.recv(b"more"), (0, None));
            return (total, outcome);
        }
        assert_eq!(used, piece.len());
    }
    (total, None)
}

fn refused(refusal: &Refusal) {
    assert!((400..600).contains(&refusal.status));
    assert!(!refusal.message.chars().any(char::is_control), "{:?}", refusal.message);
    let (with_body, head) = (refusal.bytes(false), refusal.bytes(true));
    assert_eq!(end_of_head(&with_body), Some(head.len()));
    assert_eq!(with_body[..head.len()], head);
    assert_eq!(with_body[head.len()..], *format!("{}\n", refusal.message).as_bytes());
}

fn understood(request: &Request) {
    let resource = request.query().len() + request.path().len();
    assert!(resource <= request.target.len() + 1);
    for (name, value) in request.headers.iter() {
        assert!(!name.is_empty() && !value.chars().any(|c| matches!(c, '\r' | '\n' | '\0')));
        assert!(request.headers.get(name).is_some());
    }
    let Some(upgrade) = &request.upgrade else { return };
    assert_eq!(request.method, "GET");
    assert!(!request.host().is_empty());
    let policy = OriginPolicy::Required;
    assert_eq!(upgrade.check_origin(&policy).is_ok(), !request.origin().is_empty());
    assert!(upgrade.check_origin(&OriginPolicy::Any).is_ok());
    answered(upgrade);
}

fn answered(upgrade: &Upgrade) {
    let settings = ServerSettings {
        protocols: vec!["chat".into(), "b".into()],
        headers: vec![("X-Own".into(), "1".into())],
        deflate: Some(Config::default()),
        ..ServerSettings::default()
    };
    let protocol = upgrade.default_protocol(&settings).map(str::to_owned);
    assert!(protocol.iter().all(|name| upgrade.protocols.contains(name)));
    let answer = Answer { protocol: protocol.clone(), headers: Vec::new() };
    let accepted = upgrade.accept(&settings, &answer);
    assert_eq!(end_of_head(&accepted.response), Some(accepted.response.len()));
    assert!(accepted.response.starts_with(b"HTTP/1.1 101 "));
    assert_eq!(accepted.protocol, protocol);
    assert_eq!(accepted.deflate.is_some(), !accepted.extensions.is_empty());
    let declined = upgrade.accept(&ServerSettings::default(), &Answer::default());
    assert_eq!((declined.protocol, declined.deflate), (None, None));
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

pub fn seeds() -> Vec<Seed> {
    let upgrade = "GET /chat?x HTTP/1.1\r\nHost: h:80\r\nUpgrade: websocket\r\n\
        Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\n";
    let more = "Origin: https://o\r\nSec-WebSocket-Protocol: a, b\r\n\
        Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nCookie: a=b\r\n";
    [
        ("upgrade", [0, 0, 0, 0, 0], format!("{upgrade}\r\n\u{1}")),
        ("all", [0, 1, 7, 40, 0], format!("{upgrade}{more}\r\n")),
        ("tight", [20, 3, 3, 3, 3], format!("{upgrade}{more}\r\n")),
        ("old_version", [0, 0, 0, 0, 0], format!("{upgrade}\r\n").replace("13", "8")),
        ("plain", [0, 5, 0, 0, 0], "GET http://h/a?b HTTP/1.1\r\nHost: h\r\n\r\n".into()),
        ("options", [0, 0, 0, 0, 0], "OPTIONS * HTTP/1.0\r\n\r\n".into()),
        ("folded", [0, 2, 0, 0, 0], "GET / HTTP/1.1\r\nHost: h\r\n x\r\n\r\n".into()),
        ("tls", [0, 0, 0, 0, 0], "\u{16}\u{3}\u{1}".into()),
    ]
    .map(|(name, settings, text)| (name, [&settings, text.as_bytes()].concat()))
    .to_vec()
}
