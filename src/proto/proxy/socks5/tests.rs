//! Each message and each answer, cut at every byte.

use super::*;
use crate::proto::cuts::at_every_cut;

const V4: &[u8] = &[5, 0, 0, 1, 10, 0, 0, 1, 0x1f, 0x90];

fn user(user: &str, password: &str) -> Credentials {
    Credentials { user: user.into(), password: password.into() }
}

fn socks(credentials: Option<&Credentials>) -> Socks5 {
    Socks5::new(Target::new("h"), 80, credentials).unwrap()
}

fn answered(credentials: Option<&Credentials>, answer: &[u8]) -> (usize, Option<Result<()>>) {
    at_every_cut(answer, || socks(credentials), Socks5::recv)
}

fn refusal(credentials: Option<&Credentials>, answer: &[u8]) -> (usize, String) {
    let (used, outcome) = answered(credentials, answer);
    let error = outcome.expect("an outcome").expect_err("a refusal");
    assert_eq!((error.code, error.http_status), (Code::Proxy, 0));
    assert!(!error.message.contains(char::is_control) && !error.message.ends_with('.'));
    (used, error.message.to_string())
}

/// What is sent at the beginning and after each of the answers.
fn sent(mut socks: Socks5, answers: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut sent = vec![socks.output()];
    for answer in answers {
        assert_eq!(socks.recv(answer), (answer.len(), None));
        sent.push(socks.output());
        assert_eq!(socks.output(), b"", "each message once");
    }
    sent
}

#[test]
fn messages_without_authorization() {
    for (host, request) in [
        ("h.example", &b"\x05\x01\x00\x03\x09h.example\x01\xbb"[..]),
        ("10.0.0.1", b"\x05\x01\x00\x01\x0a\x00\x00\x01\x01\xbb"),
        ("::1", b"\x05\x01\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x01\xbb"),
    ] {
        let socks = Socks5::new(Target::new(host), 443, None).unwrap();
        assert_eq!(sent(socks, &[b"\x05\x00"]), [b"\x05\x01\x00", request], "{host}");
    }
}

#[test]
fn messages_with_user_and_password() {
    let (alice, greeting) = (user("alice", "p\u{e9}"), &b"\x05\x02\x00\x02"[..]);
    let (login, request) =
        (&b"\x01\x05alice\x03p\xc3\xa9"[..], &b"\x05\x01\x00\x03\x01h\x00\x50"[..]);
    assert_eq!(sent(socks(Some(&alice)), &[b"\x05\x02", b"\x01\x00"]), [greeting, login, request]);
    assert_eq!(sent(socks(Some(&alice)), &[b"\x05\x00"]), [greeting, request]);
    let empty = sent(socks(Some(&user("", ""))), &[b"\x05\x02"]);
    assert_eq!(empty[1], b"\x01\x00\x00");
}

#[test]
fn what_does_not_fit_is_refused() {
    let (fits, long) = ("x".repeat(255), "x".repeat(256));
    let new = |name: &str, credentials: &Credentials| {
        Socks5::new(Target::Name(name.into()), 1, Some(credentials)).map(drop)
    };
    assert_eq!(new(&fits, &user(&fits, &fits)), Ok(()));
    for (name, credentials) in [
        ("", user("", "")),
        (long.as_str(), user("", "")),
        ("h", user(&long, "")),
        ("h", user("", &long)),
    ] {
        let error = new(name, &credentials).unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument);
        assert!(error.message.contains("255 bytes"), "{error}");
    }
}

#[test]
fn success_takes_the_reply_and_nothing_after_it() {
    let v6 = [&b"\x05\x00\x00\x04"[..], &[0; 18]].concat();
    let name = b"\x05\x00\x00\x03\x05bound\x00\x01";
    let no_name = b"\x05\x00\x00\x03\x00\x00\x01";
    let long_name = [&b"\x05\x00\x00\x03\xff"[..], &[b'x'; 257]].concat();
    let mind = user("u", "p");
    for reply in [V4, &v6, name, no_name, &long_name] {
        let plain = [b"\x05\x00", reply].concat();
        let login = [b"\x05\x02\x01\x00", reply].concat();
        let odd_login = [b"\x05\x02\x05\x00", reply].concat();
        for (credentials, all) in [(None, plain), (Some(&mind), login), (Some(&mind), odd_login)] {
            assert_eq!(answered(credentials, &all), (all.len(), Some(Ok(()))));
            let more = [&all[..], b"HTTP/1.1"].concat();
            assert_eq!(answered(credentials, &more), (all.len(), Some(Ok(()))));
            let less = &all[..all.len() - 1];
            assert_eq!(answered(credentials, less), (less.len(), None));
        }
    }
}

#[test]
fn refused_methods() {
    let alice = user("alice", "");
    for (credentials, method, part) in [
        (None, 0xff, "give user and password in the proxy URL"),
        (None, 2, "give user and password in the proxy URL"),
        (None, 1, "the authorization 1, which was not offered"),
        (Some(&alice), 0xff, "another authorization than user and password"),
        (Some(&alice), 1, "the authorization 1, which was not offered"),
        (Some(&alice), 3, "the authorization 3, which was not offered"),
    ] {
        let (used, message) = refusal(credentials, &[5, method, 5, 0]);
        assert_eq!(used, 2);
        assert!(message.contains(part), "{message}");
    }
    let (used, message) = refusal(Some(&alice), &[5, 2, 1, 1, 0]);
    assert_eq!((used, &*message), (4, "the SOCKS proxy rejected the user and password"));
}

#[test]
fn each_reply_has_its_words() {
    let mut seen = std::collections::HashSet::new();
    for reply in 1..=255 {
        let (used, message) = refusal(None, &[5, 0, 5, reply, 0, 1]);
        assert_eq!(used, 4, "a refusal is known by its second byte");
        assert!(message.starts_with("the SOCKS proxy could not connect: "), "{message}");
        assert_eq!(message.contains("unknown"), reply > 8, "{message}");
        assert!(seen.insert(message));
    }
    assert!(seen.contains("the SOCKS proxy could not connect: host unreachable"));
}

#[test]
fn malformed_answers_fail_at_the_first_wrong_byte() {
    for (answer, wrong, part) in [
        (&b"HTTP/1.1 400"[..], 1, "speaks HTTP on this port"),
        (b"\x04\x00", 1, "does not speak SOCKS5"),
        (b"\x00\x5a", 1, "does not speak SOCKS5"),
        (b"\x05\x00\x04\x00", 3, "does not speak SOCKS5"),
        (b"\x05\x00\x05\x00\x00\x02", 6, "unknown type 2"),
        (b"\x05\x00\x05\x00\x00\x00", 6, "unknown type 0"),
    ] {
        let (used, message) = refusal(None, answer);
        assert_eq!(used, wrong, "{answer:?}");
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn the_end_of_the_stream() {
    let error = socks(None).recv_eof();
    assert_eq!(error.code, Code::Proxy);
    assert!(error.message.contains("closed the connection"));
}

#[test]
fn no_password_is_printed() {
    assert!(!format!("{:?}", socks(Some(&user("u", "secret")))).contains("secret"));
}
