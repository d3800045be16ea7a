//! The status codes of the C interface: the one table from kinds of failure to numbers.
//!
//! Numbers are never reused; a code that is retired stays listed here as a comment.

use std::borrow::Cow;
use std::ops::{Deref, DerefMut};

/// What went wrong, as the C interface names it. The discriminant is the `WSOCK_ERR_*` number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
#[allow(missing_docs)] // the names say it; the header documents each
pub enum Code {
    InvalidArgument = -1,
    InvalidHandle = -2,
    WrongKind = -3,
    WrongThread = -4,
    Reentrant = -5,
    State = -6,
    Unsupported = -7,
    Limit = -8,
    Interrupted = -9,
    System = -20,
    Resolve = -21,
    Connect = -22,
    ConnectTimeout = -23,
    ConnectionLost = -24,
    Proxy = -25,
    NoMemory = -26,
    Handshake = -40,
    HttpStatus = -41,
    HandshakeTimeout = -42,
    Redirect = -43,
    Protocol = -60,
    InvalidData = -61,
    TooBig = -62,
    Policy = -63,
    PingTimeout = -64,
    CloseTimeout = -65,
    IdleTimeout = -66,
    Aborted = -67,
    Tls = -80,
    Certificate = -81,
    TlsTruncated = -82,
    Panic = -100,
    Poisoned = -101,
}

impl Code {
    /// Its name in C.
    pub fn symbol(self) -> String {
        let mut name = "WSOCK_ERR".to_owned();
        for letter in format!("{self:?}").chars() {
            if letter.is_ascii_uppercase() {
                name.push('_');
            }
            name.push(letter.to_ascii_uppercase());
        }
        name
    }
}

/// A failure. A pointer, so that results are small: nearly all of them say that all is well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.message)]
pub struct Error(Box<Failure>);

/// Everything the application may want to know about a failure.
///
/// `message` is one line without a full stop at its end, says the fact and, where it helps, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind of failure.
    pub code: Code,
    /// `errno`, or 0.
    pub os_error: i32,
    /// The HTTP status that refused a handshake, or with which a proxy refused to connect, or 0.
    pub http_status: u16,
    /// The close code that was sent to the peer because of this failure, or 0.
    pub close_code: u16,
    /// The TLS alert that was sent or received, or 0.
    pub tls_alert: u8,
    /// For a person to read.
    pub message: Cow<'static, str>,
}

impl Error {
    /// A failure that needs no more than its kind and a sentence.
    #[cold]
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Error {
        Error(Box::new(Failure {
            code,
            os_error: 0,
            http_status: 0,
            close_code: 0,
            tls_alert: 0,
            message: message.into(),
        }))
    }

    /// A failed system call; `doing` says what was attempted.
    pub fn os(code: Code, doing: impl std::fmt::Display, cause: &std::io::Error) -> Error {
        let number = cause.raw_os_error().unwrap_or(0);
        Error::new(code, format!("{doing}: {cause}")).with(|it| it.os_error = number)
    }

    /// The same, with something about it that is not as it was.
    pub fn with(mut self, change: impl FnOnce(&mut Failure)) -> Error {
        change(&mut self.0);
        self
    }
}

impl Deref for Error {
    type Target = Failure;

    fn deref(&self) -> &Failure {
        &self.0
    }
}

impl DerefMut for Error {
    fn deref_mut(&mut self) -> &mut Failure {
        &mut self.0
    }
}

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;
