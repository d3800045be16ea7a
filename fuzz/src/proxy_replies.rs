//! A client and whatever a proxy answers, in HTTP or SOCKS5.

use super::Seed;
use super::handshake_request::limits;
use super::input::{Input, pieces};
use wsock::error::{Code, Error, Result};
use wsock::proto::http::auth::Credentials;
use wsock::proto::proxy::{Connect, Socks5, Target};

/// What was taken, what came of it, and what was sent meanwhile.
type Outcome = (usize, Option<Result<()>>, Vec<u8>);

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let user = Credentials { user: "user".into(), password: "secret".into() };
    let credentials = (flags & 1 != 0).then_some(&user);
    let limits = limits(&mut input);
    let sizes = input.bytes(4);
    let bytes = input.rest();
    let http = |pieces: &[&[u8]]| {
        let mut connect = Connect::new("::1", 80, credentials, &limits).expect("Basic carries it");
        let sent = connect.request().to_vec();
        let (used, outcome) = feed(pieces, |piece| connect.recv(piece));
        failed(&connect.recv_eof());
        (used, outcome, sent)
    };
    let socks = |pieces: &[&[u8]]| {
        let mut socks = Socks5::new(Target::new("host"), 80, credentials).expect("it fits");
        let mut sent = socks.output();
        let (used, outcome) = feed(pieces, |piece| {
            let progress = socks.recv(piece);
            sent.extend(socks.output());
            progress
        });
        failed(&socks.recv_eof());
        (used, outcome, sent)
    };
    let run: &dyn Fn(&[&[u8]]) -> Outcome = if flags & 2 != 0 { &socks } else { &http };
    let whole = run(&[bytes]);
    assert_eq!(run(&pieces(sizes, bytes)), whole);
    let (used, outcome, sent) = whole;
    match outcome {
        None => assert_eq!(used, bytes.len()),
        Some(Err(error)) => failed(&error),
        Some(Ok(())) if flags & 2 != 0 => {
            assert!((9..=4 + 262).contains(&used) && bytes[0] == 5);
            assert!(sent.ends_with(b"\x05\x01\x00\x03\x04host\x00\x50"));
            assert_eq!(sent.windows(6).any(|window| window == b"secret"), bytes[1] == 2);
        }
        Some(Ok(())) => assert!(used <= limits.max_bytes && bytes[..used].ends_with(b"\r\n\r\n")),
    }
}

fn feed(
    pieces: &[&[u8]],
    mut recv: impl FnMut(&[u8]) -> (usize, Option<Result<()>>),
) -> (usize, Option<Result<()>>) {
    let mut total = 0;
    for piece in pieces {
        let (used, outcome) = recv(piece);
        total += used;
        if outcome.is_some() {
            assert_eq!(recv(b"more"), (0, None));
            return (total, outcome);
        }
        assert_eq!(used, piece.len());
    }
    (total, None)
}

fn failed(error: &Error) {
    assert_eq!(error.code, Code::Proxy);
    assert!(error.http_status == 0 || !(200..300).contains(&error.http_status));
    assert!(!error.message.chars().any(char::is_control), "{error}");
    assert!(error.message.len() < 1000, "{error}");
}

pub fn seeds() -> Vec<Seed> {
    let seed = |settings: [u8; 6], bytes: &[u8]| [&settings[..], bytes].concat();
    let unauthorized =
        b"HTTP/1.1 407 Auth\r\nProxy-Authenticate: Digest realm=\"a\", Basic\r\n\r\n";
    vec![
        ("open", seed([0, 0, 0, 0, 0, 0], b"HTTP/1.1 200 Connection established\r\n\r\nHTTP")),
        ("early", seed([0, 0, 9, 0, 0, 0], b"HTTP/1.1 100 x\r\n\r\nHTTP/1.0 200 OK\r\n\r\n")),
        ("unauthorized", seed([0, 0, 1, 0, 0, 0], unauthorized)),
        ("rejected", seed([1, 0, 20, 0, 0, 0], unauthorized)),
        ("tight", seed([1, 3, 20, 1, 0, 0], unauthorized)),
        (
            "other_scheme",
            seed([0, 0, 0, 0, 0, 0], b"HTTP/1.1 407\r\nProxy-Authenticate: NTLM\r\n\r\n"),
        ),
        ("socks_name", seed([2, 0, 0, 0, 0, 0], b"\x05\0\x05\0\0\x03\x05bound\0\x01HTTP")),
        (
            "socks_ipv4",
            seed([3, 0, 1, 0, 0, 0], b"\x05\x02\x01\0\x05\0\0\x01\x0a\0\0\x01\0\x01HTTP"),
        ),
        ("socks_ipv6", seed([2, 0, 3, 9, 0, 0], b"\x05\0\x05\0\0\x04abcdefghijklmnop\0\x01HTTP")),
        ("socks_refused", seed([2, 0, 0, 0, 0, 0], b"\x05\0\x05\x04\0\x01\0\0\0\0\0\0")),
        ("socks_unauthorized", seed([2, 0, 0, 0, 0, 0], b"\x05\xff")),
        ("socks_rejected", seed([3, 0, 0, 0, 0, 0], b"\x05\x02\x01\x01")),
    ]
}
