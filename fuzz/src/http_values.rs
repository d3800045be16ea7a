//! The values of headers: cookies, extensions, subprotocols, how long to wait, and headers themselves. What
//! is written is read as it was meant, and what was read can be written.

use super::Seed;
use super::input::Input;
use wsock::error::Code;
use wsock::proto::extension;
use wsock::proto::handshake::subprotocol;
use wsock::proto::http::headers::write_header;
use wsock::proto::http::parse::parse_request;
use wsock::proto::http::retry::retry_after;
use wsock::proto::http::{Headers, check_application_header, check_header, cookie, token};

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let what = input.below(5);
    let Ok(text) = std::str::from_utf8(input.rest()) else { return };
    let lines: Vec<&str> = text.split('\n').collect();
    match what {
        0 => cookies(&lines),
        1 => extensions(&lines),
        2 => subprotocols(&lines),
        3 => wait(&lines),
        _ => headers(&lines),
    }
}

fn cookies(lines: &[&str]) {
    let pairs: Vec<(&str, &str)> = lines.iter().filter_map(|line| line.split_once('=')).collect();
    let allowed = |pair: &&(&str, &str)| match cookie::check(pair.0, pair.1) {
        Ok(()) => true,
        Err(error) => {
            assert_eq!(error.code, Code::InvalidArgument);
            assert!(!error.message.chars().any(char::is_control), "{error}");
            false
        }
    };
    let good: Vec<(&str, &str)> = pairs.iter().filter(allowed).copied().collect();
    let header = cookie::join(good.iter().copied());
    assert!(good.is_empty() || check_header("Cookie", &header).is_ok());
    for (name, value) in &good {
        let first = good.iter().find(|(other, _)| other == name).expect("it is there");
        assert_eq!(cookie::request_value(&header, name), Some(first.1));
        let set = format!("{name}={value}; Path=/; Max-Age=1");
        assert_eq!(cookie::value([&*set].into_iter(), name), Some(*value));
        let deleted = format!("{name}=; Max-Age=0");
        assert_eq!(cookie::value([&*set, &*deleted].into_iter(), name), None);
    }
    for (name, _) in &pairs {
        let found = cookie::value(lines.iter().copied(), name);
        assert!(found.is_none_or(|value| lines.iter().any(|line| line.contains(value))));
        let asked = lines.iter().find_map(|line| cookie::request_value(line, name));
        assert!(asked.is_none_or(|value| !value.contains(';') && token::trim(value) == value));
    }
}

fn extensions(lines: &[&str]) {
    match extension::parse(lines.iter().copied()) {
        Ok(all) => {
            let written: Vec<String> = all.iter().map(ToString::to_string).collect();
            assert_eq!(extension::parse([&*written.join(", ")].into_iter()), Ok(all.clone()));
            assert_eq!(extension::parse(written.iter().map(String::as_str)), Ok(all));
        }
        Err(message) => assert!(!message.chars().any(char::is_control), "{message}"),
    }
}

fn subprotocols(lines: &[&str]) {
    let (known, offers) = lines.split_first().expect("there is a line");
    let known: Vec<String> = known.split(' ').map(str::to_owned).collect();
    match subprotocol::parse(offers.iter().copied()) {
        Ok(offered) => {
            subprotocol::check(&offered).expect("what is offered can be");
            assert_eq!(subprotocol::parse([&*offered.join(",")].into_iter()), Ok(offered.clone()));
            let selected = subprotocol::select(&offered, &known);
            let at = selected.and_then(|name| offered.iter().position(|it| it == name));
            let none_before = &offered[..at.unwrap_or(offered.len())];
            assert!(none_before.iter().all(|name| !known.contains(name)));
            assert!(selected.is_none_or(|name| known.iter().any(|it| it == name)));
        }
        Err(message) => assert!(!message.chars().any(char::is_control), "{message}"),
    }
}

fn wait(lines: &[&str]) {
    let mut headers = Headers::default();
    lines.iter().for_each(|line| headers.push("retry-after", line));
    let text = token::trim(lines[0]);
    let digits = text.trim_start_matches('0');
    match retry_after(&headers) {
        None => assert!(text.is_empty() || text.bytes().any(|byte| !byte.is_ascii_digit())),
        Some(u64::MAX) => assert!(digits.len() >= 20 && digits.bytes().all(|b| b.is_ascii_digit())),
        Some(seconds) => {
            assert_eq!(seconds.to_string(), if digits.is_empty() { "0" } else { digits })
        }
    }
}

/// Those that may be sent come back as they were.
fn headers(lines: &[&str]) {
    let (mut sent, mut head) = (Headers::default(), b"GET / HTTP/1.1\r\n".to_vec());
    for line in lines {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let allowed = check_header(name, value).is_ok();
        assert!(allowed || check_application_header(name, value).is_err());
        if allowed {
            sent.push(name, value);
            write_header(&mut head, name, value);
        }
    }
    head.extend_from_slice(b"\r\n");
    let read = parse_request(head).expect("headers that are allowed").headers;
    assert!(read.iter().eq(sent.iter()));
    assert_eq!((read.len(), read.is_empty()), (sent.len(), sent.iter().next().is_none()));
    for name in ["Host", "Upgrade", "x"] {
        let all: Vec<&str> = read.get_all(name).collect();
        assert_eq!(read.get(name), all.first().copied());
        assert_eq!(read.single(name).ok(), (all.len() < 2).then(|| all.first().copied()));
        let mut elements = token::list(all.iter().copied());
        assert_eq!(read.lists(name, "ab"), elements.any(|it| it.eq_ignore_ascii_case("AB")));
    }
}

pub fn seeds() -> Vec<Seed> {
    [
        ("cookies", 0, "a=b\nc=\"d\"\na=e; Max-Age=-1; max-age=x\n =x\nn=\u{e9}"),
        ("extensions", 1, "permessage-deflate; client_max_window_bits; x=\"10\", b\n,, c;z = 2"),
        ("extension_quotes", 1, "a; x=\"b\\\"c\"; y=\"\\c\"\na;"),
        ("subprotocols", 2, "chat b\nx, chat\nb"),
        ("twice", 2, "a\na, a"),
        ("wait", 3, "0120"),
        ("wait_long", 3, "99999999999999999999999"),
        ("wait_date", 3, "Fri, 31 Dec 1999 23:59:59 GMT"),
        ("headers", 4, "Host: h\nX: a,Ab ,\nx:\t\u{e9}\nUpgrade: x\nupgrade:AB\nbad name: x"),
    ]
    .map(|(name, what, text)| (name, [&[what], text.as_bytes()].concat()))
    .to_vec()
}
