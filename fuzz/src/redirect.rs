//! A client, where it is, and where a server sends it: never out of TLS, never to a socket of this machine,
//! never with credentials that are not for there.

use super::Seed;
use super::input::Input;
use wsock::error::Code;
use wsock::proto::redirect::{is_redirect, next, same_origin};
use wsock::proto::url::Url;

const STATUSES: [u16; 8] = [301, 302, 303, 307, 308, 300, 304, 200];

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let status = STATUSES[input.below(8)];
    let Ok(text) = std::str::from_utf8(input.rest()) else { return };
    let (from, location) = match text.split_once('\n') {
        Some((from, location)) => (from, Some(location)),
        None => (text, None),
    };
    let Ok(from) = Url::parse(from) else { return };
    match next(&from, status, location) {
        Ok(to) => followed(&from, status, location.expect("nowhere to go without one"), &to),
        Err(error) => {
            assert_eq!(error.code, Code::Redirect);
            assert!(!error.message.chars().any(char::is_control), "{error}");
        }
    }
}

fn followed(from: &Url, status: u16, location: &str, to: &Url) {
    assert!(is_redirect(status));
    assert!(to.secure || !from.secure);
    assert!(to.unix.is_none() || to.unix == from.unix);
    let same = same_origin(from, to);
    assert_eq!(same, same_origin(to, from));
    let named = location.contains('@');
    assert!(same || named || to.credentials.is_none());
    assert!(!same || named || to.credentials == from.credentials);
    assert_eq!(Url::parse(&to.href()), Ok(Url { credentials: None, ..to.clone() }));
    // Said in full it is the same place, but that nobody may name a socket.
    let again = next(from, status, Some(&to.href()));
    match to.unix {
        None => assert_eq!(again.expect("it was a place before").href(), to.href()),
        Some(_) => assert!(again.is_err()),
    }
}

pub fn seeds() -> Vec<Seed> {
    [
        ("absolute", 0, "ws://h/a\nwss://other:81/x?y#z"),
        ("relative", 1, "ws://u:p@h:8080/a/b?c=/d\n../x"),
        ("query", 2, "wss://h/a?b\n?c"),
        ("authority", 3, "wss://u@h/\n//you:x@h/"),
        ("down", 4, "wss://h/\nhttp://h:443/"),
        ("to_socket", 0, "ws://h/\nws+unix:/run/b.sock:/x"),
        ("from_socket", 0, "ws+unix:/run/a.sock:/a/b\nc"),
        ("nowhere", 1, "ws://h/\n \t"),
        ("no_location", 1, "ws://h/"),
        ("no_redirect", 5, "ws://h/\n/x"),
        ("colon", 0, "ws://[::1]/a\n./y:z"),
    ]
    .map(|(name, status, text)| (name, [&[status], text.as_bytes()].concat()))
    .to_vec()
}
