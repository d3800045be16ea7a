//! The specification's rules one by one; each header cut at every byte.

use super::*;
use crate::proto::cuts::at_every_cut;

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

fn received(bytes: &[u8]) -> (usize, Option<Result<Option<Addresses>>>) {
    at_every_cut(bytes, ProxyHeader::default, ProxyHeader::recv)
}

/// What a header says; it must be taken whole, and nothing of what follows.
fn accepted(header: &[u8]) -> Option<Addresses> {
    let (used, outcome) = received(&[header, b"GET / HTTP/1.1\r\n"].concat());
    assert_eq!(used, header.len(), "{}", header.escape_ascii());
    assert_eq!(received(&header[..header.len() - 1]), (header.len() - 1, None));
    let addresses = outcome.expect("an outcome");
    addresses.unwrap_or_else(|error| panic!("{}: {error}", header.escape_ascii()))
}

/// How many bytes it took to refuse, and the reason.
fn refused(bytes: &[u8]) -> (usize, String) {
    let (used, outcome) = received(bytes);
    let error = outcome.expect("an outcome").expect_err("a refusal");
    assert_eq!(error.code, Code::Handshake);
    assert!(!error.message.contains(char::is_control) && !error.message.ends_with('.'), "{error}");
    (used, error.message.to_string())
}

fn both(source: &str, destination: &str) -> Option<Addresses> {
    let parse = |text: &str| text.parse().expect("an address");
    Some(Addresses { source: parse(source), destination: parse(destination) })
}

fn v2(command: u8, kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&START_V2[..], &[command, kind], &length, body].concat()
}

const TCP4: &[u8] = &[192, 168, 0, 1, 192, 168, 0, 11, 0xdc, 0x04, 0x01, 0xbb];

fn tcp6() -> Vec<u8> {
    let ip = |text: &str| text.parse::<Ipv6Addr>().unwrap().octets();
    [&ip("2001:db8::1")[..], &ip("2001:db8::2"), &[0xdc, 0x04, 0x01, 0xbb]].concat()
}

#[test]
fn lines() {
    for (line, addresses) in [
        (
            "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443",
            both("192.168.0.1:56324", "192.168.0.11:443"),
        ),
        ("PROXY TCP4 255.255.255.255 0.0.0.0 65535 0", both("255.255.255.255:65535", "0.0.0.0:0")),
        ("PROXY TCP6 2001:DB8::1 ::1 1 2", both("[2001:db8::1]:1", "[::1]:2")),
        (
            "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535",
            both(
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
            ),
        ),
        ("PROXY UNKNOWN", None),
        ("PROXY UNKNOWN ", None),
        ("PROXY UNKNOWN ffff::1 ffff::1 65535 65535", None),
        ("PROXY UNKNOWN what\0ever \u{e9}", None),
    ] {
        assert_eq!(accepted(format!("{line}\r\n").as_bytes()), addresses, "{line}");
    }
}

#[test]
fn malformed_lines() {
    for line in [
        "PROXY ",
        "PROXY TCP4",
        "PROXY TCP5 1.2.3.4 1.2.3.4 1 2",
        "PROXY tcp4 1.2.3.4 1.2.3.4 1 2",
        "PROXY UNKNOWNS",
        "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2",
        "PROXY TCP4 1.2.3.4  1.2.3.4 1 2",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 ",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1",
        "PROXY TCP4 1.2.3.4 1.2.3.04 1 2",
        "PROXY TCP4 1.2.3.4 1.2.3.256 1 2",
        "PROXY TCP4 1.2.3.4 ::1 1 2",
        "PROXY TCP4 ::1 ::1 1 2",
        "PROXY TCP6 1.2.3.4 1.2.3.4 1 2",
        "PROXY TCP6 [::1] ::1 1 2",
        "PROXY TCP6 ::g ::1 1 2",
        "PROXY TCP4 1.2.3.4 1.2.3.4 01 2",
        "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 -2",
        "PROXY TCP4\t1.2.3.4 1.2.3.4 1 2",
        "PROXY \u{e9}",
    ] {
        let (used, message) = refused(format!("{line}\r\nGET").as_bytes());
        assert_eq!(used, line.len() + 2);
        assert!(message.contains("malformed"), "{line}: {message}");
    }
    assert!(refused(b"PROXY \xff\r\n").1.contains("\"PROXY \\xff\""));
}

#[test]
fn a_line_ends_with_cr_lf() {
    for (line, wrong) in [
        (&b"PROXY UNKNOWN\n"[..], 14),
        (b"PROXY UNKNOWN\rx", 15),
        (b"PROXY UNKNOWN\r\r\n", 15),
        (b"PROXY \nTCP4", 7),
        (b"PROXY \r TCP4", 8),
    ] {
        let (used, message) = refused(line);
        assert_eq!(used, wrong, "{}", line.escape_ascii());
        assert!(message.contains("CR LF"), "{message}");
    }
}

#[test]
fn a_line_has_at_most_107_bytes() {
    let line = |size: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(size - 16)).into_bytes();
    assert_eq!(line(107).len(), 107);
    assert_eq!(accepted(&line(107)), None);
    let (used, message) = refused(&line(108));
    assert_eq!(used, 107);
    assert!(message.contains("longer than 107 bytes"));
}

#[test]
fn binary_addresses() {
    let v4 = both("192.168.0.1:56324", "192.168.0.11:443");
    let v6 = both("[2001:db8::1]:56324", "[2001:db8::2]:443");
    assert_eq!(accepted(&v2(PROXY, 0x11, TCP4)), v4);
    assert_eq!(accepted(&v2(PROXY, 0x21, &tcp6())), v6);
    let extension = b"\x04\x00\x05hello";
    assert_eq!(accepted(&v2(PROXY, 0x11, &[TCP4, extension].concat())), v4);
    assert_eq!(accepted(&v2(PROXY, 0x21, &[&tcp6(), &extension[..]].concat())), v6);
}

#[test]
fn connections_without_addresses_that_we_know() {
    for (kind, body) in [
        (0x00, &b""[..]),
        (0x00, b"anything"),
        (0x10, b""),
        (0x01, b""),
        (0x12, TCP4),
        (0x22, &tcp6()),
        (0x31, &[b'/'; 216]),
        (0x32, &[b'/'; 216]),
    ] {
        assert_eq!(accepted(&v2(PROXY, kind, body)), None, "{kind:#04x}");
    }
    // For LOCAL nothing behind the command counts but the length.
    for (kind, body) in [(0x00, &b""[..]), (0x11, TCP4), (0x21, b"short"), (0xff, b"odd")] {
        assert_eq!(accepted(&v2(LOCAL, kind, body)), None, "{kind:#04x}");
    }
}

#[test]
fn extensions_are_bounded() {
    let most = vec![7; TCP4.len() + MAX_EXTENSIONS];
    for (kind, addresses) in [(0x00, 0), (0x11, 12), (0x21, 36), (0x31, 216)] {
        let mut header = v2(PROXY, kind, &vec![7; addresses + MAX_EXTENSIONS]);
        let (used, outcome) = ProxyHeader::default().recv(&header);
        assert_eq!((used, outcome.map(|outcome| outcome.is_ok())), (header.len(), Some(true)));
        let length = (addresses + MAX_EXTENSIONS + 1) as u16;
        header[14..16].copy_from_slice(&length.to_be_bytes());
        let (used, outcome) = ProxyHeader::default().recv(&header);
        assert_eq!(used, 16, "refused before they come");
        let error = outcome.expect("an outcome").expect_err("a refusal");
        assert!(error.message.contains("4096 bytes of extensions"), "{error}");
    }
    let mut header = ProxyHeader::default();
    let bytes = v2(PROXY, 0x11, &most);
    for piece in bytes[..bytes.len() - 1].chunks(7) {
        assert_eq!(header.recv(piece), (piece.len(), None));
    }
    assert!(matches!(header.recv(&bytes[bytes.len() - 1..]), (1, Some(Ok(Some(_))))));
}

#[test]
fn malformed_binary_headers_fail_at_the_first_wrong_byte() {
    for (command, kind, body, wrong, part) in [
        (0x11, 0x11, TCP4, 13, "the version 1"),
        (0x01, 0x11, TCP4, 13, "the version 0"),
        (0x31, 0x11, TCP4, 13, "the version 3"),
        (0x22, 0x11, TCP4, 13, "the command 2"),
        (0x2f, 0x11, TCP4, 13, "the command 15"),
        (PROXY, 0x41, TCP4, 14, "the address family 0x41"),
        (PROXY, 0xf0, TCP4, 14, "the address family 0xf0"),
        (PROXY, 0x13, TCP4, 14, "the address family 0x13"),
        (PROXY, 0x03, TCP4, 14, "the address family 0x03"),
        (PROXY, 0x11, &TCP4[..11], 16, "has 11 bytes for addresses that need 12"),
        (PROXY, 0x12, b"", 16, "has 0 bytes for addresses that need 12"),
        (PROXY, 0x21, &tcp6()[..35], 16, "has 35 bytes for addresses that need 36"),
        (PROXY, 0x31, &[0; 215], 16, "has 215 bytes for addresses that need 216"),
    ] {
        let (used, message) = refused(&v2(command, kind, body));
        assert_eq!(used, wrong, "{message}");
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn other_protocols_fail_at_the_first_wrong_byte() {
    for (bytes, wrong) in [
        (&b"GET / HTTP/1.1\r\n"[..], 1),
        (b"\x16\x03\x01", 1),
        (b"\x00", 1),
        (b"proxy TCP4", 1),
        (b"POST / HTTP/1.1", 2),
        (b"PRI * HTTP/2.0", 3),
        (b"PROXY\tTCP4", 6),
        (b"PROXYTCP4", 6),
        (b"\r\nGET /", 3),
        (b"\r\n\r\n\x01", 5),
        (b"\r\n\r\n\0\r\nQUIT\r", 12),
    ] {
        let (used, message) = refused(bytes);
        assert_eq!(used, wrong, "{}", bytes.escape_ascii());
        assert!(message.contains("does not begin with a PROXY protocol header"), "{message}");
    }
}

#[test]
fn nothing_is_allocated_before_the_first_byte() {
    assert_eq!(ProxyHeader::default().bytes.capacity(), 0);
}
