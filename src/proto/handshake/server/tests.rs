//! The rules of RFC 6455 section 4.2.1 one by one, and what strangers may send.

use super::*;
use crate::proto::http::Headers;

/// A request from RFC 6455 section 1.2, with lines replaced (by header name), added, or removed (empty value).
fn request_with(line: &str, changes: &[(&str, &str)]) -> Vec<u8> {
    let mut fields = vec![
        ("Host", "server.example.com"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ];
    fields.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    fields.extend(changes.iter().filter(|(_, value)| *value != "-"));
    let mut text = format!("{line}\r\n");
    for (name, value) in fields {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    (text + "\r\n").into_bytes()
}

fn outcome(input: &[u8]) -> Result<Request, Refusal> {
    let (used, outcome) = ServerHandshake::new(&HeadLimits::default()).recv(input);
    let outcome = outcome.expect("a verdict");
    assert!(outcome.is_err() || used == input.len());
    outcome
}

fn ask(changes: &[(&str, &str)]) -> Result<Request, Refusal> {
    outcome(&request_with("GET /chat HTTP/1.1", changes))
}

fn upgrade(changes: &[(&str, &str)]) -> Upgrade {
    ask(changes).unwrap().upgrade.expect("an upgrade")
}

fn status(changes: &[(&str, &str)]) -> u16 {
    let refusal = ask(changes).expect_err("a refusal");
    assert!(!refusal.message.is_empty() && !refusal.message.contains(['\r', '\n']), "{refusal:?}");
    refusal.status
}

fn accept(upgrade: &Upgrade, settings: &ServerSettings, answer: &Answer) -> (Headers, Accepted) {
    let accepted = upgrade.accept(settings, answer);
    let text = std::str::from_utf8(&accepted.response).unwrap();
    let lines = text.strip_prefix("HTTP/1.1 101 Switching Protocols\r\n").expect("the status line");
    let mut headers = Headers::default();
    for line in lines.strip_suffix("\r\n\r\n").expect("an empty line at the end").split("\r\n") {
        let (name, value) = line.split_once(": ").expect("a header");
        headers.push(name, value);
    }
    (headers, accepted)
}

#[test]
fn the_published_request_gets_the_published_answer() {
    let (headers, accepted) = accept(&upgrade(&[]), &ServerSettings::default(), &Answer::default());
    let fields: Vec<_> = headers.iter().collect();
    assert_eq!(
        fields,
        [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ]
    );
    assert_eq!(
        (accepted.protocol, accepted.extensions.as_str(), accepted.deflate),
        (None, "", None)
    );
    let other = upgrade(&[("Sec-WebSocket-Key", "x3JJHMbDL1EzLkh9GBhXDw==")]);
    let (headers, _) = accept(&other, &ServerSettings::default(), &Answer::default());
    assert_eq!(headers.get("Sec-WebSocket-Accept"), Some("HSmrc0sMlYUkAGmm5OPpG2HaGWk="));
}

#[test]
fn what_a_request_says_is_readable() {
    let extra = [
        ("Origin", "https://example.com"),
        ("Cookie", "a=1"),
        ("cookie", "b=2"),
        ("Authorization", "Basic eA=="),
    ];
    let request = outcome(&request_with("GET /chat/room?name=x?y HTTP/1.1", &extra)).unwrap();
    assert_eq!((&*request.method, request.target.as_str()), ("GET", "/chat/room?name=x?y"));
    assert_eq!((request.path(), request.query()), ("/chat/room", "name=x?y"));
    assert_eq!((request.host(), request.origin()), ("server.example.com", "https://example.com"));
    assert_eq!(request.headers.get_all("COOKIE").collect::<Vec<_>>(), ["a=1", "b=2"]);
    assert_eq!(request.headers.get("authorization"), Some("Basic eA=="));
    assert_eq!(ask(&[]).unwrap().origin(), "");
}

#[test]
fn tokens_stand_in_lists_in_any_case_and_over_repeated_headers() {
    upgrade(&[("Upgrade", "WebSocket"), ("Connection", "keep-alive, UPGRADE")]);
    upgrade(&[("Upgrade", "h2c,\twebsocket"), ("Connection", ",,upgrade ,")]);
    upgrade(&[("Connection", "keep-alive"), ("connection", "Upgrade")]);
    upgrade(&[("Upgrade", "h2c"), ("UPGRADE", "websocket")]);
    for bad in ["keep-alive", "upgraded", "up grade", "\"upgrade\"", "", "-"] {
        assert_eq!(status(&[("Connection", bad)]), 400, "{bad:?}");
    }
    for bad in ["websockets", "websocket/13", "web socket", "h2c", "", "-"] {
        assert_eq!(status(&[("Upgrade", bad)]), 400, "{bad:?}");
    }
}

#[test]
fn the_key_is_there_once_and_stands_for_16_bytes() {
    for bad in [
        "",
        "-",
        "AAAA",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZSE=",
        "dGhlIHNhbXBsZSBub25jZQ==, x",
    ] {
        assert_eq!(status(&[("Sec-WebSocket-Key", bad)]), 400, "{bad:?}");
    }
    let key = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(status(&[key, ("sec-websocket-key", key.1)]), 400);
}

#[test]
fn another_version_is_told_which_one_we_speak() {
    for version in ["8", "0", "14", "013", "13, 8", "+13", "", "x"] {
        let refusal = ask(&[("Sec-WebSocket-Version", version)]).unwrap_err();
        assert_eq!(refusal.status, 426, "{version:?}");
        assert_eq!(refusal.headers, [("Sec-WebSocket-Version".to_owned(), "13".to_owned())]);
        let bytes = String::from_utf8(refusal.bytes(false)).unwrap();
        assert!(bytes.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{bytes}");
        assert!(bytes.contains("Sec-WebSocket-Version: 13\r\n"), "{bytes}");
    }
    assert_eq!(status(&[("Sec-WebSocket-Version", "-")]), 400);
    assert_eq!(status(&[("Sec-WebSocket-Version", "13"), ("Sec-Websocket-version", "13")]), 400);
}

#[test]
fn host_is_there_once() {
    for bad in ["-", "", "a b", "user@host", "host/path", "a, b", ":80", "h\u{e9}"] {
        assert_eq!(status(&[("Host", bad)]), 400, "{bad:?}");
    }
    assert_eq!(status(&[("Host", "a"), ("host", "a")]), 400);
    for good in ["a", "a:80", "[::1]:9000", "127.0.0.1", "a_b.example."] {
        assert_eq!(ask(&[("Host", good)]).unwrap().host(), good);
    }
}

#[test]
fn only_get_upgrades() {
    for method in ["POST", "HEAD", "OPTIONS", "get", "PUT"] {
        let refusal = outcome(&request_with(&format!("{method} / HTTP/1.1"), &[])).unwrap_err();
        assert_eq!(refusal.status, 405, "{method}");
        assert_eq!(refusal.headers, [("Allow".to_owned(), "GET".to_owned())]);
    }
}

#[test]
fn versions_of_http() {
    assert_eq!(outcome(&request_with("GET / HTTP/1.0", &[])).unwrap_err().status, 505);
    assert!(outcome(&request_with("GET / HTTP/1.2", &[])).unwrap().upgrade.is_some());
    for version in ["HTTP/2.0", "HTTP/3.0", "HTTP/0.9"] {
        assert_eq!(
            outcome(&request_with(&format!("GET / {version}"), &[])).unwrap_err().status,
            505
        );
    }
    let preface =
        ServerHandshake::new(&HeadLimits::default()).recv(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").1;
    let refusal = preface.unwrap().unwrap_err();
    assert_eq!(
        (refusal.status, refusal.message.as_str()),
        (505, "this server speaks HTTP/1.1 only")
    );
}

#[test]
fn other_protocols_get_a_sentence() {
    let hello = outcome(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc").unwrap_err();
    assert_eq!(hello.status, 400);
    assert!(hello.message.contains("does not speak TLS"), "{hello:?}");
    let frame = outcome(b"\x81\x85\x00\x00\x00\x00hello").unwrap_err();
    assert!(frame.message.contains("WebSocket frame"), "{frame:?}");
    assert_eq!(outcome(b"\0\0\0").unwrap_err().status, 400);
}

#[test]
fn absolute_targets() {
    for (target, path, query) in [
        ("http://other.example:81/chat?q", "/chat", "q"),
        ("WS://other.example:81/chat", "/chat", ""),
        ("https://other.example:81", "/", ""),
        ("wss://other.example:81?q", "/", "q"),
    ] {
        let request = outcome(&request_with(&format!("GET {target} HTTP/1.1"), &[])).unwrap();
        assert_eq!(
            (request.host(), request.path(), request.query()),
            ("other.example:81", path, query)
        );
        assert_eq!(request.target, target);
        assert!(request.upgrade.is_some());
    }
    for bad in [
        "chat",
        "*",
        "ftp://h/",
        "http:///x",
        "http://a@b/",
        "http://",
        "/a#b",
        "?q",
        "http:/x",
        "://h/",
    ] {
        let refusal = outcome(&request_with(&format!("GET {bad} HTTP/1.1"), &[])).unwrap_err();
        assert_eq!(refusal.status, 400, "{bad}");
    }
}

#[test]
fn an_upgrade_has_no_body() {
    upgrade(&[("Content-Length", "0")]);
    assert_eq!(status(&[("Content-Length", "5")]), 400);
    assert_eq!(status(&[("Content-Length", "0"), ("content-length", "5")]), 400);
    assert_eq!(status(&[("Transfer-Encoding", "chunked")]), 400);
}

#[test]
fn without_a_try_a_request_is_plain() {
    for (line, fields) in [
        ("GET /health HTTP/1.1", "Host: h\r\n"),
        ("GET /health HTTP/1.0", ""),
        ("HEAD / HTTP/1.0", "Host: h\r\n"),
        ("POST /form HTTP/1.1", "Host: h\r\nContent-Length: 3\r\n"),
        ("GET / HTTP/1.1", "Host: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"),
        ("OPTIONS * HTTP/1.1", "Host: h\r\n"),
        ("CONNECT h:443 HTTP/1.1", "Host: h:443\r\n"),
        ("GET / HTTP/1.1", "Host:\r\n"),
    ] {
        let request = outcome(format!("{line}\r\n{fields}\r\n").as_bytes()).expect(line);
        assert_eq!(request.upgrade, None, "{line}");
        assert_eq!(request.method, line.split(' ').next().unwrap());
    }
    for (line, fields) in [
        ("GET / HTTP/1.1", ""),
        ("GET / HTTP/1.1", "Host: a\r\nHost: a\r\n"),
        ("GET / HTTP/1.0", "Host: a\r\nHost: b\r\n"),
        ("GET / HTTP/1.1", "Host : a\r\n"),
        ("GET / HTTP/1.1", "Host: a\r\nX: y\r\n z\r\n"),
        ("GET / HTTP/1.1", "Host: a\r\nX: y\0\r\n"),
        ("GET / HTTP/1.1", "Host: a\r\nX: y\rZ: 1\r\n"),
        ("GET / HTTP/1.1", "Host: a\nX: y\r\n"),
    ] {
        let refusal = outcome(format!("{line}\r\n{fields}\r\n").as_bytes()).expect_err(fields);
        assert_eq!(refusal.status, 400, "{fields:?}");
    }
}

#[test]
fn each_sign_of_a_try_counts() {
    for field in ["Upgrade: websocket", "Sec-WebSocket-Key: x", "sec-websocket-version: 13"] {
        let input = format!("GET / HTTP/1.1\r\nHost: h\r\n{field}\r\n\r\n");
        assert_eq!(outcome(input.as_bytes()).unwrap_err().status, 400, "{field}");
    }
}

#[test]
fn limits_have_their_own_statuses() {
    let limits = HeadLimits { max_bytes: 200, max_headers: 3, max_line: 30 };
    let run = |input: &str| {
        ServerHandshake::new(&limits).recv(input.as_bytes()).1.map(|end| end.unwrap_err().status)
    };
    assert_eq!(run(&format!("GET /{}", "a".repeat(30))), Some(414));
    assert_eq!(run("GET / HTTP/1.1\r\na: 1\r\nb: 2\r\nc: 3\r\nd"), Some(431));
    assert_eq!(run(&format!("GET / HTTP/1.1\r\na: {}", "x".repeat(200))), Some(431));
    assert_eq!(run(&format!("GET / HTTP/1.1\r\na: {}", "x".repeat(150))), None);
}

#[test]
fn subprotocols() {
    let asked = upgrade(&[("Sec-WebSocket-Protocol", "v2, v1"), ("sec-websocket-protocol", "V1")]);
    assert_eq!(asked.protocols, ["v2", "v1", "V1"]);
    let settings =
        ServerSettings { protocols: vec!["v1".into(), "V1".into()], ..ServerSettings::default() };
    assert_eq!(asked.default_protocol(&settings), Some("v1"));
    assert_eq!(asked.default_protocol(&ServerSettings::default()), None);

    let choose = |name: &str| Answer { protocol: Some(name.into()), ..Answer::default() };
    let (headers, accepted) = accept(&asked, &settings, &choose("v2"));
    assert_eq!(
        (headers.get("Sec-WebSocket-Protocol"), accepted.protocol.as_deref()),
        (Some("v2"), Some("v2"))
    );
    let (headers, accepted) = accept(&asked, &settings, &choose("other"));
    assert_eq!((headers.get("Sec-WebSocket-Protocol"), accepted.protocol), (None, None));

    for bad in ["a, a", "a b", "a;b", "\"a\""] {
        assert_eq!(status(&[("Sec-WebSocket-Protocol", bad)]), 400, "{bad}");
    }
    assert!(upgrade(&[("Sec-WebSocket-Protocol", "")]).protocols.is_empty());
}

#[test]
fn many_subprotocols_keep_their_order() {
    let names: Vec<String> = (0..2000).map(|n| format!("p{n}")).collect();
    let asked = upgrade(&[("Sec-WebSocket-Protocol", &names.join(","))]);
    assert_eq!(asked.protocols, names);
}

#[test]
fn extensions() {
    let offered = [(
        "Sec-WebSocket-Extensions",
        "x-unknown; a=1, permessage-deflate; client_max_window_bits",
    )];
    let asked = upgrade(&offered);
    let (headers, accepted) = accept(&asked, &ServerSettings::default(), &Answer::default());
    assert_eq!((headers.get("Sec-WebSocket-Extensions"), accepted.deflate), (None, None));
    let config = deflate::Config { client_window_bits: 10, ..deflate::Config::default() };
    let settings = ServerSettings { deflate: Some(config), ..ServerSettings::default() };
    let (headers, accepted) = accept(&asked, &settings, &Answer::default());
    assert_eq!(
        accepted.extensions,
        "permessage-deflate; client_no_context_takeover; client_max_window_bits=10"
    );
    assert_eq!(headers.get("Sec-WebSocket-Extensions"), Some(accepted.extensions.as_str()));
    assert_eq!(accepted.deflate.map(|params| params.client_bits), Some(10));
    let (headers, accepted) = accept(&upgrade(&[]), &settings, &Answer::default());
    assert_eq!((headers.get("Sec-WebSocket-Extensions"), accepted.deflate), (None, None));
    assert_eq!(status(&[("Sec-WebSocket-Extensions", "a; b=\"c")]), 400);
}

#[test]
fn headers_of_the_listener_and_of_the_application_are_added() {
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let settings =
        ServerSettings { headers: vec![field("Server", "x")], ..ServerSettings::default() };
    let answer = Answer { headers: vec![field("Set-Cookie", "a\r\nEvil: 1")], ..Answer::default() };
    let (headers, _) = accept(&upgrade(&[]), &settings, &answer);
    assert_eq!((headers.get("Server"), headers.get("Evil")), (Some("x"), None));
    assert_eq!(headers.get("Set-Cookie"), Some("a  Evil: 1"));
}

#[test]
fn origins() {
    let from = |origin: &str, policy: &OriginPolicy| {
        upgrade(&[("Origin", origin)]).check_origin(policy).map_err(|refusal| refusal.status)
    };
    let listed = OriginPolicy::Listed(vec!["https://a.example".into(), "null".into()]);
    for absent in ["-", ""] {
        assert_eq!(from(absent, &OriginPolicy::Any), Ok(()));
        assert_eq!(from(absent, &OriginPolicy::Required), Err(403));
        assert_eq!(from(absent, &listed), Err(403));
    }
    for good in ["https://a.example", "HTTPS://A.example", "null"] {
        assert_eq!(from(good, &listed), Ok(()), "{good}");
    }
    for bad in [
        "https://a.example.evil",
        "http://a.example",
        "https://a.example:443",
        "https://a.example/",
        "a.example",
    ] {
        assert_eq!(from(bad, &listed), Err(403), "{bad}");
        assert_eq!(from(bad, &OriginPolicy::Any), Ok(()));
        assert_eq!(from(bad, &OriginPolicy::Required), Ok(()));
    }
    assert_eq!(from("x", &OriginPolicy::Listed(Vec::new())), Err(403));
    assert_eq!(status(&[("Origin", "https://a.example"), ("origin", "https://evil.example")]), 400);
}

#[test]
fn frames_behind_the_head_stay_for_the_connection() {
    let head = request_with("GET / HTTP/1.1", &[]);
    let input = [&head[..], b"\x81\x80\0\0\0\0\r\n\r\n"].concat();
    let mut handshake = ServerHandshake::new(&HeadLimits::default());
    let (used, outcome) = handshake.recv(&input);
    assert_eq!(used, head.len());
    assert!(outcome.unwrap().unwrap().upgrade.is_some());
    assert!(matches!(handshake.recv(&input[used..]), (0, None)), "the rest is not ours");
}

#[test]
fn waiting_costs_little() {
    assert!(size_of::<ServerHandshake>() <= 96);
}

#[test]
fn a_request_that_has_begun_must_go_on() {
    let at = |ms: u64| Time(7).plus_ms(ms);
    let mut handshake = ServerHandshake::new(&HeadLimits::default());
    assert_eq!(handshake.slow_at(), None);
    handshake.keep_pace(at(0), 1, 100);
    assert_eq!(handshake.slow_at(), Some(at(2_010)));
    handshake.keep_pace(at(1_000), 50, 100);
    assert_eq!(handshake.slow_at(), Some(at(2_510)), "only bytes buy time");
}

#[test]
fn a_refusal_is_a_whole_response() {
    let refusal = Refusal::new(403, "no");
    assert_eq!(
        String::from_utf8(refusal.bytes(false)).unwrap(),
        "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: 3\r\n\r\nno\n"
    );
    assert!(refusal.bytes(true).ends_with(b"Content-Length: 3\r\n\r\n"));
}
