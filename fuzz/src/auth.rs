//! Whatever a server wants to know: the answer is one header that says nothing else than it should.

use super::Seed;
use super::input::Input;
use wsock::error::Code;
use wsock::proto::http::auth::challenge::{Challenge, Challenges};
use wsock::proto::http::auth::{Credentials, answer};

const TARGET: &str = "/chat?x=\"y\\";

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let lengths = [input.below(32), input.below(32)];
    let [user, password] =
        lengths.map(|length| String::from_utf8_lossy(input.bytes(length)).into_owned());
    let who = Credentials { user, password };
    let Ok(text) = std::str::from_utf8(input.rest()) else { return };
    let challenges = Challenges::parse(text.split('\n'));
    match answer(&challenges, &who, "GET", TARGET, [7; 16]) {
        Ok(value) => answered(&challenges, &who, &value),
        Err(error) => {
            assert!(!error.message.chars().any(char::is_control), "{error}");
            let known = challenges.iter().any(|challenge| challenge.is("Basic"));
            assert!(error.code == Code::InvalidArgument || !known && !challenges.stale());
        }
    }
}

fn answered(challenges: &Challenges, who: &Credentials, value: &str) {
    assert!(!value.chars().any(|c| c.is_control() && c != '\t'), "{value}");
    // An answer is written as a challenge is, so it can be read as one.
    let read = Challenges::parse([value].into_iter());
    let mut read = read.iter();
    let answer = read.next().expect("a scheme");
    assert!(read.next().is_none(), "{value}");
    let mut asked = challenges.iter().filter(|challenge| challenge.is(&answer.scheme));
    if answer.is("Basic") {
        assert!(asked.next().is_some() && answer.params.is_empty(), "{value}");
        return;
    }
    let same = |asked: &Challenge| {
        ["realm", "nonce", "opaque", "algorithm"]
            .iter()
            .all(|name| asked.get(name) == answer.get(name))
    };
    assert!(answer.is("Digest") && asked.any(same), "{value}");
    assert_eq!(answer.get("uri"), Some(TARGET));
    if answer.get("userhash").is_none() && answer.get("username*").is_none() {
        assert_eq!(answer.get("username"), Some(&*who.user));
    }
    assert_eq!(answer.get("qop").is_some(), answer.get("cnonce").is_some());
}

pub fn seeds() -> Vec<Seed> {
    [
        ("basic", "u:", "p", "Basic realm=\"x\", charset=\"UTF-8\"\nNegotiate oYG2/+A=="),
        (
            "several",
            "Mufasa",
            "Circle of Life",
            "Digest realm=\"r\", qop=\"auth, auth-int\", algorithm=SHA-256, nonce=\"a+b/=\", \
                opaque=\"o\"\nDigest realm=\"r\", qop=\"auth\", algorithm=MD5, nonce=\"c\", \
                Basic realm=\"r\"",
        ),
        (
            "session",
            "J\u{e4}s\u{f8}n",
            "",
            "Digest realm=r, nonce=n, qop=auth, algorithm=MD5-sess, charset=UTF-8, stale=true",
        ),
        ("userhash", "u", "p", "Digest realm=r, nonce=n, userhash=true, algorithm=SHA-256"),
        ("quotes", "u\"\\", "p", "Digest realm=\"a\\\"\\\\\", nonce=\"\\n\", opaque=\"\""),
        ("old", "", "", "Digest realm=\"\", nonce=\"\""),
        ("unknown", "u", "p", "Bearer realm=x, Digest realm=r, nonce=n, algorithm=SHA-512-256"),
        ("cut_off", "u", "p", "Digest realm=r, nonce=\"n\\"),
    ]
    .map(|(name, user, password, text)| {
        let lengths = [user.len() as u8, password.len() as u8];
        (name, [&lengths[..], user.as_bytes(), password.as_bytes(), text.as_bytes()].concat())
    })
    .to_vec()
}
