//! The rules of RFC 6455 section 4.1 one by one, and what servers may answer instead.

use super::*;

const KEY: [u8; 16] = *b"the sample nonce";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn handshake(url: &str, settings: &ClientSettings) -> ClientHandshake {
    ClientHandshake::new(&Url::parse(url).unwrap(), settings, KEY).unwrap()
}

fn with_protocols() -> ClientSettings {
    ClientSettings {
        protocols: vec!["chat".into(), "superchat".into()],
        ..ClientSettings::default()
    }
}

fn with_deflate() -> ClientSettings {
    let deflate = deflate::Config { server_takeover: true, ..deflate::Config::default() };
    ClientSettings { deflate: Some(deflate), ..ClientSettings::default() }
}

fn field(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// A correct answer, with lines replaced (by header name), added, or removed (`-`).
fn answer_with(line: &str, changes: &[(&str, &str)]) -> Vec<u8> {
    let mut fields =
        vec![("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", ACCEPT)];
    fields.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    fields.extend(changes.iter().filter(|(_, value)| *value != "-"));
    let mut text = format!("{line}\r\n");
    for (name, value) in fields {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    (text + "\r\n").into_bytes()
}

fn outcome(settings: &ClientSettings, input: &[u8]) -> ClientOutcome {
    handshake("ws://h/", settings).recv(input).1.expect("an outcome")
}

fn answered(settings: &ClientSettings, changes: &[(&str, &str)]) -> ClientOutcome {
    outcome(settings, &answer_with("HTTP/1.1 101 Switching Protocols", changes))
}

fn opened(settings: &ClientSettings, changes: &[(&str, &str)]) -> Opened {
    match answered(settings, changes) {
        ClientOutcome::Open(opened) => *opened,
        other => panic!("{other:?}"),
    }
}

fn message(outcome: ClientOutcome) -> String {
    match outcome {
        ClientOutcome::Failed(error) => {
            assert_eq!(error.code, Code::Handshake);
            assert!(!error.message.contains(['\r', '\n']), "one line: {}", error.message);
            error.message.to_string()
        }
        other => panic!("{other:?}"),
    }
}

fn failure(settings: &ClientSettings, changes: &[(&str, &str)]) -> String {
    message(answered(settings, changes))
}

fn refused(outcome: ClientOutcome) -> Response {
    match outcome {
        ClientOutcome::Refused(response) => *response,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_with_everything() {
    let settings = ClientSettings {
        headers: vec![field("Cookie", "a=1"), field("X-A", "b")],
        origin: Some("https://example.com".into()),
        deflate: Some(deflate::Config::default()),
        ..with_protocols()
    };
    let handshake = handshake("ws://user:pw@[::1]:9000/chat?x=y", &settings);
    assert_eq!(
        std::str::from_utf8(handshake.request()).unwrap(),
        "GET /chat?x=y HTTP/1.1\r\n\
         Host: [::1]:9000\r\n\
         Upgrade: websocket\r\n\
         Connection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Version: 13\r\n\
         Origin: https://example.com\r\n\
         Sec-WebSocket-Protocol: chat, superchat\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
         client_max_window_bits\r\n\
         Authorization: Basic dXNlcjpwdw==\r\n\
         Cookie: a=1\r\n\
         X-A: b\r\n\r\n"
    );
}

#[test]
fn a_request_with_nothing() {
    let text =
        String::from_utf8(handshake("wss://h", &ClientSettings::default()).request().to_vec())
            .unwrap();
    assert!(text.starts_with("GET / HTTP/1.1\r\nHost: h\r\n"), "{text}");
    for absent in ["Origin", "Protocol", "Extensions", "Authorization"] {
        assert!(!text.contains(absent), "{text}");
    }
}

#[test]
fn an_added_authorization_goes_before_that_of_the_url() {
    let settings = ClientSettings {
        headers: vec![field("authorization", "Bearer t")],
        ..ClientSettings::default()
    };
    let text =
        String::from_utf8(handshake("ws://user:pw@h/", &settings).request().to_vec()).unwrap();
    assert!(text.contains("authorization: Bearer t\r\n") && !text.contains("Basic"), "{text}");
}

#[test]
fn a_set_authorization_goes_between_the_two() {
    let text = |url: &str, settings: &ClientSettings| {
        String::from_utf8(handshake(url, settings).request().to_vec()).unwrap()
    };
    let digest = ClientSettings {
        authorization: Some("Digest username=\"u\"".into()),
        ..ClientSettings::default()
    };
    for url in ["ws://user:pw@h/", "ws://h/"] {
        let text = text(url, &digest);
        assert!(text.contains("\r\nAuthorization: Digest username=\"u\"\r\n"), "{text}");
        assert!(!text.contains("Basic"), "{text}");
    }
    let added = ClientSettings { headers: vec![field("Authorization", "Bearer t")], ..digest };
    let text = text("ws://user:pw@h/", &added);
    assert!(text.contains("Bearer t") && !text.contains("Digest"), "{text}");
}

#[test]
fn a_unix_domain_socket_is_localhost() {
    let handshake = handshake("ws+unix:/run/a.sock:/chat?x", &ClientSettings::default());
    let text = String::from_utf8(handshake.request().to_vec()).unwrap();
    assert!(text.starts_with("GET /chat?x HTTP/1.1\r\nHost: localhost\r\n"), "{text}");
}

#[test]
fn bad_settings_are_refused() {
    let none = ClientSettings::default;
    let header =
        |name: &str, value: &str| ClientSettings { headers: vec![field(name, value)], ..none() };
    for settings in [
        header("X-A", "b\r\nX-B: c"),
        header("X-A\r\nX-B", "c"),
        header("X-A", "\0"),
        header("Host", "h"),
        header("sec-websocket-key", "k"),
        header("Content-Length", "5"),
        ClientSettings { protocols: vec!["a".into(), "a".into()], ..none() },
        ClientSettings { protocols: vec!["a,b".into()], ..none() },
        ClientSettings { origin: Some("x\r\nEvil: 1".into()), ..none() },
        ClientSettings { origin: Some("x".into()), ..header("Origin", "y") },
        ClientSettings { authorization: Some("x\r\nEvil: 1".into()), ..none() },
    ] {
        let url = Url::parse("ws://h/").unwrap();
        let error = ClientHandshake::new(&url, &settings, KEY).expect_err("refused");
        assert_eq!(error.code, Code::InvalidArgument, "{settings:?}");
    }
    let forged = Url { resource: "/ HTTP/1.1\r\nEvil: 1".into(), ..Url::parse("ws://h/").unwrap() };
    assert!(ClientHandshake::new(&forged, &none(), KEY).is_err());
}

#[test]
fn a_correct_answer_opens() {
    let opened = opened(&ClientSettings::default(), &[("X-A", "b")]);
    assert_eq!((opened.protocol, opened.extensions.as_str(), opened.deflate), (None, "", None));
    assert_eq!(opened.headers.get("x-a"), Some("b"));
    let other = ClientHandshake::new(
        &Url::parse("ws://h/").unwrap(),
        &ClientSettings::default(),
        *b"\xc7\x72\x49\x1c\xc6\xc3\x2f\x51\x33\x2e\x48\x7d\x18\x18\x57\x0f",
    );
    let mut other = other.unwrap();
    assert!(other.request().windows(24).any(|text| text == b"x3JJHMbDL1EzLkh9GBhXDw=="));
    let answer =
        answer_with("HTTP/1.1 101 x", &[("Sec-WebSocket-Accept", "HSmrc0sMlYUkAGmm5OPpG2HaGWk=")]);
    assert!(matches!(other.recv(&answer).1, Some(ClientOutcome::Open(_))));
}

#[test]
fn case_and_lists_where_they_are_allowed() {
    let plain = ClientSettings::default();
    opened(&plain, &[("Upgrade", "WebSocket"), ("Connection", "keep-alive, UPGRADE")]);
    opened(&plain, &[("Connection", "keep-alive"), ("connection", "upgrade")]);
    for bad in ["-", "", "h2c", "websocket, h2c", "websocket/13", "h2c, websocket"] {
        assert!(failure(&plain, &[("Upgrade", bad)]).contains("Upgrade header"), "{bad}");
    }
    assert!(
        failure(&plain, &[("Upgrade", "websocket"), ("upgrade", "websocket")])
            .contains("Upgrade header")
    );
    for bad in ["-", "", "close", "upgraded"] {
        assert!(failure(&plain, &[("Connection", bad)]).contains("Connection header"), "{bad}");
    }
}

#[test]
fn the_accept_key_is_there_once_and_right() {
    let plain = ClientSettings::default();
    let name = "Sec-WebSocket-Accept";
    for bad in ["", "x", "HSmrc0sMlYUkAGmm5OPpG2HaGWk=", "S3PPLMBITXAQ9KYGZZHZRBK+XOO="] {
        assert_eq!(
            failure(&plain, &[(name, bad)]),
            "the server's Sec-WebSocket-Accept does not match"
        );
    }
    assert!(failure(&plain, &[(name, "-")]).contains("no Sec-WebSocket-Accept"));
    assert!(
        failure(&plain, &[(name, ACCEPT), ("sec-websocket-accept", ACCEPT)])
            .contains("more than one")
    );
}

#[test]
fn only_a_requested_subprotocol() {
    let name = "Sec-WebSocket-Protocol";
    assert_eq!(
        opened(&with_protocols(), &[(name, "superchat")]).protocol.as_deref(),
        Some("superchat")
    );
    assert!(failure(&with_protocols(), &[]).contains("selected none"));
    for bad in ["other", "Chat", "chat, superchat", ""] {
        assert!(
            failure(&with_protocols(), &[(name, bad)]).contains("was not requested"),
            "{bad:?}"
        );
    }
    assert_eq!(
        failure(&ClientSettings::default(), &[(name, "x")]),
        "the server selected the subprotocol \"x\", which was not requested"
    );
    assert!(
        failure(&with_protocols(), &[(name, "chat"), (name, "chat")]).contains("more than one")
    );
}

#[test]
fn only_an_offered_extension() {
    let name = "Sec-WebSocket-Extensions";
    let opened = opened(&with_deflate(), &[(name, "permessage-deflate;client_max_window_bits=12")]);
    assert_eq!(opened.extensions, "permessage-deflate; client_max_window_bits=12");
    assert_eq!(opened.deflate.map(|params| params.client_bits), Some(12));
    for (settings, value, word) in [
        (ClientSettings::default(), "permessage-deflate", "was not offered"),
        (with_deflate(), "x-other", "was not offered"),
        (with_deflate(), "permessage-deflate, x-other", "was not offered"),
        (with_deflate(), "permessage-deflate, permessage-deflate", "twice"),
        (with_deflate(), "permessage-deflate; x", "unknown"),
        (with_deflate(), "permessage-deflate; client_max_window_bits", "no value"),
        (with_deflate(), "permessage-deflate;", "malformed"),
    ] {
        let message = failure(&settings, &[(name, value)]);
        assert!(message.contains(word), "{value}: {message}");
    }
    let twice = [(name, "permessage-deflate"), ("sec-websocket-extensions", "permessage-deflate")];
    assert!(failure(&with_deflate(), &twice).contains("twice"));
}

#[test]
fn versions_of_http() {
    let plain = ClientSettings::default();
    assert!(message(outcome(&plain, &answer_with("HTTP/1.0 101 x", &[]))).contains("HTTP/1.0"));
    assert!(matches!(outcome(&plain, &answer_with("HTTP/1.2 101 x", &[])), ClientOutcome::Open(_)));
    assert!(message(outcome(&plain, &answer_with("HTTP/2.0 101 x", &[]))).contains("version"));
}

#[test]
fn frames_behind_the_head_stay_for_the_connection() {
    let head = answer_with("HTTP/1.1 101 Switching Protocols", &[]);
    let input = [&head[..], b"\x81\x05hello"].concat();
    for cut in 0..head.len() {
        let mut handshake = handshake("ws://h/", &ClientSettings::default());
        assert_eq!(handshake.recv(&input[..cut]), (cut, None));
        let (used, outcome) = handshake.recv(&input[cut..]);
        assert_eq!(cut + used, head.len());
        assert!(matches!(outcome, Some(ClientOutcome::Open(_))));
        assert_eq!(handshake.recv(b"\x81\x05hello"), (0, None));
    }
}

#[test]
fn another_status_is_reported_with_headers_and_body() {
    let input = b"HTTP/1.1 403 Go Away\r\nContent-Length: 5\r\nX-A: b\r\n\r\nsorry, more";
    let mut handshake = handshake("ws://h/", &ClientSettings::default());
    let (used, outcome) = handshake.recv(input);
    assert_eq!(used, input.len() - 6);
    let response = refused(outcome.unwrap());
    assert_eq!((response.status, response.reason.as_str()), (403, "Go Away"));
    assert_eq!((response.headers.get("X-A"), response.body.as_slice()), (Some("b"), &b"sorry"[..]));
    assert!(!handshake.in_body());
}

#[test]
fn a_body_may_end_with_the_connection() {
    let mut handshake = handshake("ws://h/", &ClientSettings::default());
    assert!(!handshake.in_body());
    assert_eq!(handshake.recv(b"HTTP/1.0 200 OK\r\n\r\nhel").1, None);
    assert!(handshake.in_body());
    assert_eq!(handshake.recv(b"lo").1, None);
    let response = refused(handshake.recv_eof());
    assert_eq!((response.status, response.body.as_slice()), (200, &b"hello"[..]));
}

#[test]
fn a_long_body_is_cut() {
    let mut input = b"HTTP/1.1 500 x\r\n\r\n".to_vec();
    input.resize(100_000, b'x');
    assert_eq!(refused(outcome(&ClientSettings::default(), &input)).body, [b'x'; 4096]);
    let chunked = b"HTTP/1.1 302 Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    assert_eq!(refused(outcome(&ClientSettings::default(), chunked)).body, b"abc");
    let empty = b"HTTP/1.1 204 No Content\r\n\r\n";
    assert_eq!(refused(outcome(&ClientSettings::default(), empty)).body, b"");
}

#[test]
fn interim_answers_are_skipped() {
    let mut input =
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n".to_vec();
    input.extend(answer_with("HTTP/1.1 101 Switching Protocols", &[]));
    assert!(matches!(outcome(&ClientSettings::default(), &input), ClientOutcome::Open(_)));
    let flood = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1000);
    assert!(
        message(outcome(&ClientSettings::default(), &flood)).contains("larger than 16384 bytes")
    );
}

#[test]
fn an_end_before_the_answer_is_a_failure() {
    for input in [&b""[..], b"HTTP/1.1 101 Switching", b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\n"]
    {
        let mut handshake = handshake("ws://h/", &ClientSettings::default());
        assert_eq!(handshake.recv(input).1, None);
        assert!(message(handshake.recv_eof()).contains("closed the connection"));
    }
}

#[test]
fn other_protocols_get_a_sentence() {
    for (input, word) in [
        (&b"\x15\x03\x01\x00\x02\x02\x46"[..], "use wss://"),
        (b"\x81\x05hello", "WebSocket frame"),
        (b"\x88\x02\x03\xe8", "WebSocket frame"),
        (b"SSH-2.0-OpenSSH\r\n", "does not speak HTTP"),
        (b"\x00\x00\x06\x04\x00\x00\x00\x00\x00", "does not speak HTTP"),
        (b"HTTP/1.1 101 x\n", "CR LF"),
        (b"HTTP/1.1 101 x\r\nA : b\r\n\r\n", "malformed"),
        (b"HTTP/1.1 101 x\r\nA: b\r\n c\r\n\r\n", "folded"),
        (b"HTTP/1.1 101 x\r\nA: b\0", "control character"),
        (b"HTTP/1.1 abc\r\n\r\n", "first line"),
    ] {
        let message = message(outcome(&ClientSettings::default(), input));
        assert!(message.contains(word), "{input:?}: {message}");
    }
}

#[test]
fn limits() {
    let limits = HeadLimits { max_bytes: 300, max_headers: 3, max_line: 40 };
    let settings = ClientSettings { limits, ..ClientSettings::default() };
    opened(&settings, &[]);
    assert!(failure(&settings, &[("A", "b")]).contains("more than 3 headers"));
    let long = format!("HTTP/1.1 101 {}", "x".repeat(40));
    assert!(message(outcome(&settings, long.as_bytes())).contains("longer than 40 bytes"));
    assert!(
        failure(&settings, &[("Connection", &"x".repeat(300))]).contains("larger than 300 bytes")
    );
}
