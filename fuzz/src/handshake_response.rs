//! A client and whatever a server answers.

use super::Seed;
use super::handshake_request::limits;
use super::input::{Input, pieces};
use wsock::error::Code;
use wsock::proto::deflate::Config;
use wsock::proto::handshake::client::{ClientHandshake, ClientOutcome, ClientSettings, Response};
use wsock::proto::http::{cookie, retry::retry_after};
use wsock::proto::redirect;
use wsock::proto::url::Url;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let settings = ClientSettings {
        protocols: if flags & 1 != 0 { vec!["a".into(), "b".into()] } else { Vec::new() },
        deflate: (flags & 2 != 0).then(Config::default),
        limits: limits(&mut input),
        ..ClientSettings::default()
    };
    let sizes = input.bytes(4);
    let bytes = input.rest();
    let whole = connect(&settings, &[bytes]);
    assert_eq!(connect(&settings, &pieces(sizes, bytes)), whole);
    let (used, outcome, at_end) = whole;
    assert!(used <= bytes.len());
    judged(&settings, outcome.as_ref().unwrap_or(&at_end), bytes);
}

/// What was taken, what came of it, and what the end of the stream makes of the rest.
fn connect(
    settings: &ClientSettings,
    pieces: &[&[u8]],
) -> (usize, Option<ClientOutcome>, ClientOutcome) {
    let url = Url::parse("ws://h/").expect("a URL");
    let mut handshake =
        ClientHandshake::new(&url, settings, *b"the sample nonce").expect("valid settings");
    let mut total = 0;
    for piece in pieces {
        let (used, outcome) = handshake.recv(piece);
        total += used;
        if outcome.is_some() {
            assert_eq!(handshake.recv(b"more"), (0, None));
            return (total, outcome, handshake.recv_eof());
        }
        assert_eq!(used, piece.len());
    }
    (total, None, handshake.recv_eof())
}

fn judged(settings: &ClientSettings, outcome: &ClientOutcome, bytes: &[u8]) {
    match outcome {
        ClientOutcome::Open(opened) => {
            let accept: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
            assert!(bytes.windows(accept.len()).any(|window| window == accept));
            assert!(opened.protocol.iter().all(|name| settings.protocols.contains(name)));
            assert!(settings.deflate.is_some() || opened.deflate.is_none());
            assert_eq!(opened.deflate.is_some(), !opened.extensions.is_empty());
        }
        ClientOutcome::Refused(response) => {
            assert!((200..1000).contains(&response.status) && response.body.len() <= 4096);
            assert!(response.headers.len() <= settings.limits.max_headers);
            redirected(response);
        }
        ClientOutcome::Failed(error) => {
            assert_eq!((error.code, error.http_status), (Code::Handshake, 0));
            assert!(!error.message.chars().any(char::is_control), "{error}");
        }
    }
}

/// Wherever a server sends a client: it is still a URL that can be asked for, and no less secure.
fn redirected(response: &Response) {
    let headers = &response.headers;
    retry_after(headers);
    let cookie = cookie::value(headers.get_all("Set-Cookie"), "a");
    assert!(cookie.is_none_or(|value| !value.contains(';')));
    for from in ["ws://u:p@h/a/b?c", "wss://u:p@h", "ws+unix:/a:/b/c"] {
        let from = Url::parse(from).expect("a URL");
        match redirect::next(&from, response.status, headers.get("Location")) {
            Ok(next) => {
                assert!(redirect::is_redirect(response.status) && (next.secure || !from.secure));
                assert!(next.unix.is_none() || next.unix == from.unix);
                let again = Url::parse(&next.href()).expect("a normal URL is a URL");
                assert_eq!(again, Url { credentials: None, ..next });
            }
            Err(error) => {
                assert_eq!(error.code, Code::Redirect);
                assert!(!error.message.chars().any(char::is_control), "{error}");
            }
        }
    }
}

pub fn seeds() -> Vec<Seed> {
    let open = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    let more = "Sec-WebSocket-Protocol: b\r\nSec-WebSocket-Extensions: permessage-deflate; \
        server_no_context_takeover; client_max_window_bits=12\r\n";
    let chunked = "HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n\
        5;x\r\nhello\r\na\r\n0123456789\r\n0\r\n\r\n";
    [
        ("open", [0, 0, 0, 0, 0, 0], format!("{open}\r\n\u{1}\u{5}hello")),
        ("all", [3, 0, 1, 9, 30, 0], format!("{open}{more}\r\n")),
        ("unasked", [0, 0, 1, 9, 30, 0], format!("{open}{more}\r\n")),
        ("early", [3, 0, 3, 0, 0, 0], format!("HTTP/1.1 103 Early\r\nA: b\r\n\r\n{open}\r\n")),
        ("tight", [3, 12, 3, 0, 0, 0], format!("{open}{more}\r\n")),
        (
            "length",
            [0, 0, 9, 0, 0, 0],
            "HTTP/1.1 503 Busy\r\nContent-Length: 5\r\n\r\nhelloX".into(),
        ),
        ("chunked", [0, 0, 2, 5, 0, 0], chunked.into()),
        (
            "redirect",
            [0, 0, 0, 0, 0, 0],
            "HTTP/1.1 302 Found\r\nLocation: ../x?y#z\r\nSet-Cookie: a=b; Max-Age=0\r\n\
                Retry-After: 120\r\nContent-Length: 0\r\n\r\n"
                .into(),
        ),
        (
            "redirect_away",
            [0, 0, 0, 0, 0, 0],
            "HTTP/1.1 308 Moved\r\nLocation: https://u:p@other:8443/\u{e9}\r\n\
                Content-Length: 0\r\n\r\n"
                .into(),
        ),
        (
            "redirect_down",
            [0, 0, 0, 0, 0, 0],
            "HTTP/1.1 307 Down\r\nLocation: http://h/\r\nContent-Length: 0\r\n\r\n".into(),
        ),
        (
            "redirect_to_socket",
            [0, 0, 0, 0, 0, 0],
            "HTTP/1.1 301 In\r\nLocation: ws+unix:/b:/x\r\nContent-Length: 0\r\n\r\n".into(),
        ),
        ("until_end", [0, 0, 0, 0, 0, 0], "HTTP/1.0 200 OK\r\n\r\nhello".into()),
    ]
    .map(|(name, settings, text)| (name, [&settings, text.as_bytes()].concat()))
    .to_vec()
}
