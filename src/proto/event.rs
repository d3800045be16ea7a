//! What a connection tells its driver.

use std::borrow::Cow;

use crate::error::Error;

/// The two kinds of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Valid UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

/// Where the bytes of an event are. Not a borrow: the driver calls the application while nothing is
/// borrowed, because the application may call back in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// This range of the input slice that was passed to `recv`, unmasked in place.
    Input(std::ops::Range<usize>),
    /// Assembled or inflated elsewhere. Give it back with `Context::pool.put` when done.
    Owned(Vec<u8>),
}

impl Payload {
    /// The bytes, given the slice that the call to `recv` got.
    pub fn bytes<'a>(&'a self, input: &'a [u8]) -> &'a [u8] {
        match self {
            Payload::Input(range) => &input[range.clone()],
            Payload::Owned(bytes) => bytes,
        }
    }
}

/// Something the application may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A whole message.
    Message {
        /// Text has been checked to be UTF-8.
        kind: Kind,
        /// Its bytes.
        payload: Payload,
    },
    /// A piece of a message, with `Config::parts`.
    Part {
        /// Text has been checked so far; it may be cut within a character.
        kind: Kind,
        /// Its bytes; never empty but for the last.
        payload: Payload,
        /// The message begins with it.
        first: bool,
        /// The message ends with it.
        last: bool,
    },
    /// A ping; the pong is on its way.
    Ping(Payload),
    /// A pong, asked for or not.
    Pong(Payload),
}

/// What `recv` did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Bytes of the input that are done with.
    pub consumed: usize,
    /// At most one event; call again with the rest until nothing is consumed and there is none.
    pub event: Option<Event>,
}

/// What the driver should do with the transport once everything queued has been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Go on.
    Keep,
    /// Shut down the sending side, go on reading (and feeding `recv`, which ignores it) until the peer closes.
    HalfClose,
    /// Close it.
    Drop,
}

/// Who began the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initiator {
    /// Nobody: the network, or a connection that never was.
    Nobody,
    /// We sent the first close frame, or gave up.
    Local,
    /// The peer sent the first close frame.
    Peer,
}

/// How a connection ended. Known from the moment the connection is no longer open, final when
/// the transport is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// As the browser's `CloseEvent.code`: the code received, 1005 for a frame without one, 1006 for none.
    pub code: u16,
    /// The reason received, or one sentence of ours when the end was abnormal.
    pub reason: Cow<'static, str>,
    /// The code we sent; `None` when no close frame left, 1005 when it had no code.
    pub sent_code: Option<u16>,
    /// The reason we sent.
    pub sent_reason: String,
    /// Close frames went both ways.
    pub clean: bool,
    /// Who began.
    pub initiator: Initiator,
    /// Bytes of messages that were accepted and never handed to the transport.
    pub unsent: usize,
    /// Why, when it was a failure.
    pub error: Option<Error>,
}
