//! A listener and whatever comes in place of a PROXY protocol header.

use super::Seed;
use super::input::{Input, pieces};
use wsock::error::{Code, Result};
use wsock::proto::proxy_protocol::{Addresses, ProxyHeader};

type Outcome = (usize, Option<Result<Option<Addresses>>>);

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let sizes = input.bytes(4);
    let bytes = input.rest();
    let whole = receive(&[bytes]);
    assert_eq!(receive(&pieces(sizes, bytes)), whole);
    let (used, outcome) = whole;
    // The longest is a UNIX address with all the extensions that are let through.
    assert!(used <= bytes.len().min(16 + 216 + 4096));
    match outcome {
        None => assert_eq!(used, bytes.len()),
        Some(Err(error)) => {
            assert_eq!(error.code, Code::Handshake);
            assert!(!error.message.chars().any(char::is_control), "{error}");
        }
        Some(Ok(addresses)) => accepted(&bytes[..used], addresses),
    }
}

fn receive(pieces: &[&[u8]]) -> Outcome {
    let (mut header, mut total) = (ProxyHeader::default(), 0);
    for piece in pieces {
        let (used, outcome) = header.recv(piece);
        total += used;
        if outcome.is_some() {
            assert_eq!(header.recv(b"more"), (0, None));
            return (total, outcome);
        }
        assert_eq!(used, piece.len());
    }
    (total, None)
}

/// A header ends where it says, and what it said reads the same when it is written as a line.
fn accepted(header: &[u8], addresses: Option<Addresses>) {
    if header.starts_with(b"PROXY ") {
        assert!(header.len() <= 107 && header.ends_with(b"\r\n"));
    } else {
        let length = u16::from_be_bytes([header[14], header[15]]);
        assert_eq!(header.len(), 16 + usize::from(length));
    }
    let Some(Addresses { source, destination }) = addresses else { return };
    assert_eq!(source.is_ipv4(), destination.is_ipv4());
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.port(), destination.port());
    let line = format!("PROXY {family} {} {} {from} {to}\r\n", source.ip(), destination.ip());
    assert_eq!(receive(&[line.as_bytes()]), (line.len(), Some(Ok(addresses))));
}

pub fn seeds() -> Vec<Seed> {
    let binary = |command: u8, kind: u8, body: &[u8]| {
        let length = (body.len() as u16).to_be_bytes();
        [b"\r\n\r\n\0\r\nQUIT\n", &[command, kind][..], &length, body, b"GET /"].concat()
    };
    let line = |text: &str| format!("PROXY {text}\r\nGET /").into_bytes();
    [
        ("tcp4", [0, 0, 0, 0], line("TCP4 192.168.0.1 192.168.0.11 56324 443")),
        ("tcp6", [1, 0, 0, 0], line("TCP6 2001:db8::1 ::ffff:1.2.3.4 1 65535")),
        ("unknown", [7, 3, 0, 0], line("UNKNOWN ffff::1 ffff::1 65535 65535")),
        ("long", [60, 0, 0, 0], line(&format!("UNKNOWN {}", "x".repeat(92)))),
        ("local", [0, 0, 0, 0], binary(0x20, 0, b"")),
        ("binary4", [3, 9, 1, 0], binary(0x21, 0x11, b"\x0a\0\0\x01\x0a\0\0\x02\xdc\x04\x01\xbb")),
        ("binary6", [17, 0, 0, 0], binary(0x21, 0x21, &[0xfd; 36])),
        ("extension", [28, 1, 0, 0], binary(0x21, 0x11, b"abcdefghijkl\x04\0\x05hello")),
        ("unix", [200, 0, 0, 0], binary(0x21, 0x31, &[b'/'; 216])),
    ]
    .map(|(name, sizes, bytes)| (name, [&sizes[..], &bytes].concat()))
    .to_vec()
}
