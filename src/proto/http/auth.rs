//! The client's side of HTTP authorization (RFC 9110 section 11): Basic (RFC 7617) and Digest (RFC 7616).

pub mod challenge;
mod digest;

use self::challenge::Challenges;
use self::digest::Digest;
use crate::error::{Code, Error, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

/// Who one is, to a server that wants to know.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// May be empty.
    pub user: String,
    /// May be empty.
    pub password: String,
}

/// The password is not for logs.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Credentials {
    /// RFC 7617 section 2 and RFC 7616 section 3.4 know no way to write a control character.
    fn check(&self) -> Result<()> {
        if self.user.chars().chain(self.password.chars()).any(char::is_control) {
            return refuse("the user name or password has a control character");
        }
        Ok(())
    }
}

/// The value of an `Authorization` header for Basic, which needs no challenge.
pub fn basic(credentials: &Credentials) -> Result<String> {
    let Credentials { user, password } = credentials;
    credentials.check()?;
    if user.contains(':') {
        return refuse("the user name has a colon, which Basic authorization cannot carry");
    }
    Ok(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}

/// The value of an `Authorization` header that answers a 401: Digest with the strongest algorithm on
/// offer, else Basic. `uri` is the target as it stands in the request line, `cnonce` fresh random bytes.
///
/// Whoever gets a second 401 had the wrong password, unless the nonce was [stale](Challenges::stale).
pub fn answer(
    challenges: &Challenges,
    credentials: &Credentials,
    method: &str,
    uri: &str,
    cnonce: [u8; 16],
) -> Result<String> {
    credentials.check()?;
    if let Some(digest) = Digest::strongest(challenges) {
        return Ok(digest.answer(credentials, method, uri, &digest::hex(&cnonce)));
    }
    if challenges.iter().any(|challenge| challenge.is("Basic")) {
        return basic(credentials);
    }
    Err(unknown(challenges))
}

fn unknown(challenges: &Challenges) -> Error {
    let names: Vec<String> = challenges.iter().map(ToString::to_string).collect();
    let message = match names.join(" or ") {
        wanted if wanted.is_empty() => {
            "the server answered 401 without saying which authorization it wants".to_owned()
        }
        wanted => format!("the server wants {wanted} authorization, which is not known here"),
    };
    Error::new(Code::HttpStatus, message).with(|it| it.http_status = 401)
}

fn refuse<T>(message: &'static str) -> Result<T> {
    Err(Error::new(Code::InvalidArgument, message))
}

#[cfg(test)]
mod tests;
