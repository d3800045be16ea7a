//! Digest (RFC 7616), and the older form without a quality of protection (RFC 2069).

use super::Credentials;
use super::challenge::{Challenge, Challenges};
use crate::proto::http::token::list;
use md5::Md5;
use sha2::{Digest as _, Sha256};
use std::fmt::Write;

/// The stronger first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Hash {
    Sha256,
    Md5,
}

impl Hash {
    fn hex(self, text: &str) -> String {
        match self {
            Hash::Sha256 => hex(&Sha256::digest(text)),
            Hash::Md5 => hex(&Md5::digest(text)),
        }
    }
}

/// In lower case, as the hashes of hashes need it.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(out, "{byte:02x}").expect("writing to a String cannot fail");
    }
    out
}

/// A challenge that can be answered.
#[derive(Debug)]
pub(super) struct Digest<'a> {
    challenge: &'a Challenge,
    realm: &'a str,
    nonce: &'a str,
    hash: Hash,
    /// The variants that end with `-sess`.
    session: bool,
    /// With `qop=auth`, as opposed to RFC 2069.
    protected: bool,
    /// The server's last nonce was good, but old.
    pub(super) stale: bool,
}

impl<'a> Digest<'a> {
    /// The first of those with the strongest hash.
    pub(super) fn strongest(challenges: &Challenges) -> Option<Digest<'_>> {
        challenges.iter().filter_map(Digest::read).min_by_key(|digest| digest.hash)
    }

    fn read(challenge: &'a Challenge) -> Option<Digest<'a>> {
        let param = |name| challenge.get(name);
        let algorithm = param("algorithm").unwrap_or("MD5").to_ascii_lowercase();
        let (hash, session) = match algorithm.as_str() {
            "sha-256" => (Hash::Sha256, false),
            "sha-256-sess" => (Hash::Sha256, true),
            "md5" => (Hash::Md5, false),
            "md5-sess" => (Hash::Md5, true),
            _ => return None,
        };
        let mut qops = list(param("qop").into_iter()).peekable();
        let protected = qops.peek().is_some();
        let known = !protected || qops.any(|qop| qop.eq_ignore_ascii_case("auth"));
        // RFC 2617 section 3.2.2: without qop no cnonce is sent, and -sess hashes need it.
        if !challenge.is("Digest") || !known || session && !protected {
            return None;
        }
        let stale = param("stale").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let (realm, nonce) = (param("realm")?, param("nonce")?);
        Some(Digest { challenge, realm, nonce, hash, session, protected, stale })
    }

    /// RFC 7616 section 3.4. Each nonce is answered once, so it is always the first time.
    pub(super) fn answer(
        &self,
        credentials: &Credentials,
        method: &str,
        uri: &str,
        cnonce: &str,
    ) -> String {
        const FIRST: &str = "00000001";
        let Digest { challenge, realm, nonce, .. } = self;
        let Credentials { user, password } = credentials;
        let hash = |text: String| self.hash.hex(&text);
        let mut secret = hash(format!("{user}:{realm}:{password}"));
        if self.session {
            secret = hash(format!("{secret}:{nonce}:{cnonce}"));
        }
        let request = hash(format!("{method}:{uri}"));
        let response = hash(match self.protected {
            true => format!("{secret}:{nonce}:{FIRST}:{cnonce}:auth:{request}"),
            false => format!("{secret}:{nonce}:{request}"),
        });
        let mut out = format!(
            "Digest {}, realm={}, nonce={}, uri={}, response=\"{response}\"",
            self.user_name(user),
            quoted(realm),
            quoted(nonce),
            quoted(uri)
        );
        let mut add = |name: &str, value: &str| {
            write!(out, ", {name}={value}").expect("writing to a String cannot fail");
        };
        if let Some(algorithm) = challenge.get("algorithm") {
            add("algorithm", algorithm);
        }
        if self.protected {
            add("qop", "auth");
            add("nc", FIRST);
            add("cnonce", &quoted(cnonce));
        }
        if let Some(opaque) = challenge.get("opaque") {
            add("opaque", &quoted(opaque));
        }
        if self.flag("userhash") {
            add("userhash", "true");
        }
        out
    }

    /// RFC 7616 sections 3.4.4 and 3.4: hashed, or in one of two spellings. Only a server that has
    /// read the newer RFC says `charset`, and understands the newer spelling.
    fn user_name(&self, user: &str) -> String {
        let utf8 = self.challenge.get("charset").is_some_and(|c| c.eq_ignore_ascii_case("UTF-8"));
        if self.flag("userhash") {
            format!("username=\"{}\"", self.hash.hex(&format!("{user}:{}", self.realm)))
        } else if utf8 && !user.is_ascii() {
            format!("username*=UTF-8''{}", extended(user))
        } else {
            format!("username={}", quoted(user))
        }
    }

    fn flag(&self, name: &str) -> bool {
        self.challenge.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

/// RFC 9110 section 5.6.4.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// RFC 8187 section 3.2.1.
fn extended(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("writing to a String cannot fail");
        }
    }
    out
}

#[cfg(test)]
mod tests;
