//! What may stand in a close frame (RFC 6455 sections 5.5.1 and 7.4), and the failures that are
//! answered with one. How close frames are sent, answered and waited for is `conn/close_handshake.rs`.

use super::config::Role;
use super::utf8;
use crate::error::{Code, Error, Result};
use std::borrow::Cow;

/// The purpose was fulfilled.
pub const NORMAL: u16 = 1000;
/// A server goes down, a browser leaves the page; also our idle timeout.
pub const GOING_AWAY: u16 = 1001;
/// Something failed on this side.
pub const INTERNAL_ERROR: u16 = 1011;
/// Stands for a close frame without a code. Never on the wire.
pub const NO_STATUS: u16 = 1005;
/// Stands for the end without a close frame. Never on the wire.
pub const ABNORMAL: u16 = 1006;

/// Bytes of a reason: a control frame less the code.
pub const MAX_REASON: usize = 123;

/// The peer broke the protocol: 1002.
#[cold]
pub fn violation(message: impl Into<Cow<'static, str>>) -> Error {
    failure(Code::Protocol, 1002, message)
}

/// The peer's text is not UTF-8 or its compressed data is corrupt: 1007.
#[cold]
pub fn invalid_data(message: impl Into<Cow<'static, str>>) -> Error {
    failure(Code::InvalidData, 1007, message)
}

/// The peer is within the protocol but beyond what we put up with: 1008.
#[cold]
pub fn policy(message: impl Into<Cow<'static, str>>) -> Error {
    failure(Code::Policy, 1008, message)
}

/// The peer's message is larger than we accept: 1009.
#[cold]
pub fn too_big(message: impl Into<Cow<'static, str>>) -> Error {
    failure(Code::TooBig, 1009, message)
}

/// There is no memory for what the peer sends: 1011.
#[cold]
pub fn no_memory(error: Error) -> Error {
    error.with(|it| it.close_code = INTERNAL_ERROR)
}

fn failure(code: Code, close_code: u16, message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(code, message).with(|it| it.close_code = close_code)
}

/// Codes that a peer may put into a close frame: those registered for the wire, and 3000-4999.
fn is_valid_from_peer(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Reads the payload of a close frame: the code (1005 when there is none) and the reason.
pub fn parse(payload: &[u8]) -> Result<(u16, &str)> {
    let (code, reason) = match payload {
        [] => return Ok((NO_STATUS, "")),
        [_] => return Err(violation("close frame with half a code")),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    if !is_valid_from_peer(code) {
        return Err(violation(format!("close frame with the invalid code {code}")));
    }
    if !utf8::is_valid(reason) {
        return Err(invalid_data("the reason in a close frame is not UTF-8"));
    }
    Ok((code, std::str::from_utf8(reason).unwrap_or_default()))
}

/// The payload of a close frame. A reason that is too long is cut between two characters.
pub fn payload(code: Option<u16>, reason: &str) -> Vec<u8> {
    let mut payload = Vec::new();
    if let Some(code) = code {
        payload.extend_from_slice(&code.to_be_bytes());
        let fits = |end: &usize| reason.is_char_boundary(*end);
        let end = (0..=reason.len().min(MAX_REASON)).rev().find(fits).unwrap_or(0);
        payload.extend_from_slice(&reason.as_bytes()[..end]);
    }
    payload
}

/// Checks what an application wants to close with. A client may use what a browser allows; a server
/// also what RFC 6455 and the registry of codes mean for servers.
pub fn check_local(role: Role, code: Option<u16>, reason: &str) -> Result<()> {
    let invalid = |message| Err(Error::new(Code::InvalidArgument, message));
    match (role, code) {
        (_, None) if !reason.is_empty() => invalid("a close reason needs a close code".to_owned()),
        (_, None | Some(1000 | 3000..=4999)) => check_reason(reason),
        (Role::Server, Some(1001..=1003 | 1007..=1009 | 1011..=1014)) => check_reason(reason),
        (Role::Client, Some(code)) => {
            invalid(format!("close code {code} is not 1000 or in 3000..4999"))
        }
        (Role::Server, Some(code)) => invalid(format!(
            "close code {code} is none of 1000..1003, 1007..1009, 1011..1014, 3000..4999"
        )),
    }
}

fn check_reason(reason: &str) -> Result<()> {
    if reason.len() <= MAX_REASON {
        return Ok(());
    }
    let message = format!("close reason of {} bytes; at most {MAX_REASON} fit", reason.len());
    Err(Error::new(Code::InvalidArgument, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(code: u16, reason: &[u8]) -> Vec<u8> {
        [&code.to_be_bytes()[..], reason].concat()
    }

    #[test]
    fn codes_of_the_peer() {
        let valid = |code| parse(&frame(code, b"")).is_ok();
        for code in 0..=u16::MAX {
            let expected = (1000..=1003).contains(&code)
                || (1007..=1014).contains(&code)
                || (3000..=4999).contains(&code);
            assert_eq!(valid(code), expected, "{code}");
        }
    }

    #[test]
    fn payloads_of_the_peer() {
        assert_eq!(parse(b""), Ok((1005, "")));
        assert_eq!(parse(b"\x03").unwrap_err().close_code, 1002);
        assert_eq!(parse(&frame(1000, "tschüß".as_bytes())), Ok((1000, "tschüß")));
        assert_eq!(parse(&frame(1000, b"\xc0\x80")).unwrap_err().close_code, 1007);
    }

    #[test]
    fn codes_of_the_application() {
        let allowed = |role| move |code: &u16| check_local(role, Some(*code), "bye").is_ok();
        let client: Vec<u16> = (0..=5100).filter(allowed(Role::Client)).collect();
        assert_eq!(client, std::iter::once(1000).chain(3000..=4999).collect::<Vec<_>>());
        let server: Vec<u16> = (0..3000).filter(allowed(Role::Server)).collect();
        let expected = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013, 1014];
        assert_eq!(server, expected);
    }

    #[test]
    fn reasons_of_the_application() {
        assert!(check_local(Role::Client, None, "").is_ok());
        assert!(check_local(Role::Client, None, "why").is_err());
        assert!(check_local(Role::Client, Some(1000), &"x".repeat(123)).is_ok());
        assert!(check_local(Role::Client, Some(1000), &"x".repeat(124)).is_err());
        assert!(check_local(Role::Client, Some(1000), &"ü".repeat(62)).is_err());
    }

    #[test]
    fn long_reasons_of_ours_are_cut_between_characters() {
        let bytes = payload(Some(1002), &"ü".repeat(100));
        assert_eq!(parse(&bytes), Ok((1002, &*"ü".repeat(61))));
        assert_eq!(payload(None, ""), b"");
    }
}
