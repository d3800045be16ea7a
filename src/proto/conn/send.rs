//! Messages, pings and pongs on their way out: what is accepted, and whether it is encoded at once or
//! waits in line.

use super::close_handshake::Phase;
use super::encode::{Encoded, SHARED};
use super::queue::{Data, Dropped, Entry, Line};
use super::stats::Figure;
use super::{Connection, Context};
use crate::error::{Code, Error, Result};
use crate::proto::event::Kind;
use crate::proto::frame::{MAX_CONTROL, Opcode};
use crate::proto::prepared::Prepared;
use crate::proto::utf8;
use crate::util::bytes::Bytes;
use crate::util::memory;
use crate::util::time::Time;
use std::sync::Arc;

/// Pings are not part of what `buffered` tells, so they have a limit of their own.
const MAX_WAITING_PINGS: u16 = 1000;

/// A message was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queued {
    /// `Connection::buffered` with this message in it.
    pub buffered: usize,
    /// The older message that it has replaced, or nothing.
    pub dropped: Dropped,
}

/// A message to be sent.
#[derive(Clone)]
pub enum Body<'a> {
    /// Its bytes are copied.
    Copy(Kind, &'a [u8]),
    /// Its bytes are referred to until they have left, unless they have to be masked.
    Owned(Kind, Bytes),
    /// The same, if it is text that is known to be UTF-8: it was received, or checked before.
    Checked(Kind, Bytes),
    /// The same for one that goes to many.
    Prepared(&'a Arc<Prepared>),
}

impl Body<'_> {
    /// Text or binary.
    pub fn kind(&self) -> Kind {
        match self {
            Body::Copy(kind, _) | Body::Owned(kind, _) | Body::Checked(kind, _) => *kind,
            Body::Prepared(message) => message.kind(),
        }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Body::Copy(_, bytes) => bytes,
            Body::Owned(_, bytes) | Body::Checked(_, bytes) => (**bytes).as_ref(),
            Body::Prepared(message) => message.data(),
        }
    }

    /// Refuses text that is not UTF-8.
    pub fn check(&self) -> Result<()> {
        match self {
            Body::Copy(Kind::Text, _) | Body::Owned(Kind::Text, _)
                if !utf8::is_valid(self.bytes()) =>
            {
                Err(not_utf8())
            }
            _ => Ok(()),
        }
    }

    fn to_entry(&self, options: SendOptions) -> Result<Entry> {
        Ok(Entry {
            kind: self.kind(),
            data: match self {
                Body::Copy(_, bytes) => Data::Copied(memory::copy(bytes)?),
                Body::Owned(_, bytes) | Body::Checked(_, bytes) => Data::Shared(bytes.clone()),
                Body::Prepared(message) => Data::Prepared(Arc::clone(message)),
            },
            at: 0,
            compress: options.compress,
            key: options.key,
            droppable: options.droppable,
            begun: false,
            whole: true,
            parts: None,
            squeezed: None,
        })
    }
}

/// How a message is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendOptions {
    /// Compress it if that was negotiated and seems worth it.
    pub compress: bool,
    /// While it waits, a newer message with the same number takes its place; 0 for none.
    pub key: u64,
    /// `Connection::drop_oldest` may drop it while it waits.
    pub droppable: bool,
}

impl Default for SendOptions {
    fn default() -> Self {
        SendOptions { compress: true, key: 0, droppable: false }
    }
}

impl Connection {
    /// Queues a message, however many wait; what is too many is the driver's to say, before. With
    /// `compress` it is compressed if that was negotiated and seems worth it.
    pub fn send(
        &mut self,
        cx: &mut Context,
        now: Time,
        kind: Kind,
        data: &[u8],
        compress: bool,
    ) -> Result<Queued> {
        self.check_open()?;
        if kind == Kind::Text && !utf8::is_valid(data) {
            return Err(not_utf8());
        }
        let waits = self.line().is_some_and(|line| !line.is_empty());
        match waits || self.squeezes_in_steps(data.len(), compress) {
            true => {
                let options = SendOptions { compress, ..SendOptions::default() };
                let entry = Body::Copy(kind, data).to_entry(options)?;
                self.line_or_new().push(entry);
            }
            false => self
                .encode(cx, now, kind, data, compress)
                .ok_or_else(|| memory::none(data.len()))?,
        }
        Ok(self.accepted(now, data.len(), Dropped::default()))
    }

    /// The same for a message that is sent as it is behind others that are encoded, if that makes no more than
    /// `max` bytes that wait, or is the only one. Returns how many there are then. `None` when more has to be
    /// thought of, and nothing has been done.
    #[inline]
    pub fn send_plain(
        &mut self,
        cx: &mut Context,
        now: Time,
        kind: Kind,
        data: &[u8],
        max: usize,
    ) -> Option<usize> {
        let buffered = self.plain_room(data.len(), max)?;
        if kind == Kind::Text && !utf8::is_valid(data) {
            return None;
        }
        self.take_plain(cx, now, kind, data)?;
        Some(buffered)
    }

    /// The same for one that goes to many, and is so short that a copy is less than a reference.
    #[inline]
    pub fn send_plain_prepared(
        &mut self,
        cx: &mut Context,
        now: Time,
        message: &Prepared,
        max: usize,
    ) -> Option<usize> {
        let data = message.data();
        if data.len() >= SHARED {
            return None;
        }
        let buffered = self.plain_room(data.len(), max)?;
        self.take_plain(cx, now, message.kind(), data)?;
        Some(buffered)
    }

    #[inline]
    fn plain_room(&self, len: usize, max: usize) -> Option<usize> {
        let waiting = self.queued();
        let buffered = waiting.saturating_add(len);
        (self.is_plain() && (waiting == 0 || buffered <= max)).then_some(buffered)
    }

    #[inline]
    fn take_plain(&mut self, cx: &mut Context, now: Time, kind: Kind, data: &[u8]) -> Option<()> {
        self.queue_plain(cx, kind, data)?;
        self.last_message = now;
        self.add(Figure::MessagesSent, 1);
        self.add(Figure::PayloadSent, data.len());
        Some(())
    }

    /// The same for messages of every form, and for those that may be dropped or replaced while they
    /// wait.
    pub fn send_message(
        &mut self,
        cx: &mut Context,
        now: Time,
        body: &Body,
        options: SendOptions,
    ) -> Result<Queued> {
        self.check_open()?;
        body.check()?;
        let mut entry_options = options;
        let mut dropped = Dropped::default();
        // What may be dropped is encoded only when the transport wants it.
        let fixed = options.key == 0 && !options.droppable;
        if self.line().is_none_or(Line::is_empty) && (fixed || !self.has_output()) {
            let encoded = self.encode_body(cx, now, body, options.compress);
            match encoded.ok_or_else(|| memory::none(body.bytes().len()))? {
                Encoded::Whole => return Ok(self.accepted(now, body.bytes().len(), dropped)),
                Encoded::Later { compress } => entry_options.compress = compress,
            }
        }
        let entry = body.to_entry(entry_options)?;
        let line = self.line_or_new();
        match line.replace(entry) {
            Ok(bytes) => dropped = Dropped::one(bytes),
            Err(entry) => line.push(*entry),
        }
        Ok(self.accepted(now, body.bytes().len(), dropped))
    }

    /// Makes room for `bytes` by dropping the oldest of the messages that may be dropped and still wait.
    /// Drops none if that would not be enough.
    pub fn drop_oldest(&mut self, bytes: usize) -> Dropped {
        self.line_mut().map(|line| line.drop_oldest(bytes)).unwrap_or_default()
    }

    /// Whether a message with that key waits, and how long it is: the room that a newer one gets.
    pub fn replaceable(&self, key: u64) -> Option<usize> {
        self.line()?.len_of(key)
    }

    /// Counts messages that were dropped instead of being accepted.
    pub fn count_dropped(&mut self, dropped: Dropped) {
        self.line_or_new().dropped += dropped;
    }

    /// Queues a ping with at most 125 bytes. It goes before messages that are not encoded yet.
    pub fn ping(&mut self, cx: &mut Context, now: Time, data: &[u8]) -> Result<()> {
        if data.len() > MAX_CONTROL {
            let message = format!("ping of {} bytes; at most {MAX_CONTROL} fit", data.len());
            return Err(Error::new(Code::InvalidArgument, message));
        }
        self.check_open()?;
        if self.output.as_ref().is_some_and(|output| output.pings >= MAX_WAITING_PINGS) {
            let message = "a thousand pings wait to be sent already";
            return Err(Error::new(Code::Limit, message));
        }
        self.keepalive.pinged(now, data);
        self.queue_control(cx, now, Opcode::Ping, data);
        cx.output(&mut self.output).pings += 1;
        Ok(())
    }

    /// Answers a ping (RFC 6455 section 5.5.3). While the peer does not read, only the newest answer
    /// is kept, and it overtakes the messages that wait.
    pub(super) fn pong(&mut self, cx: &mut Context, now: Time, data: &[u8]) {
        // Until our close frame is out, a message may go on for long.
        let close_waits = self.line().is_some_and(|line| line.close.is_some());
        if self.phase != Phase::Open && !close_waits {
            return;
        }
        if self.blocked && self.output.as_ref().is_some_and(|output| !output.is_empty()) {
            let pong = self.control_frame(cx, Opcode::Pong, data);
            cx.output(&mut self.output).overtake(pong);
            self.trace_sent(now, Opcode::Pong, true, false, data.len());
        } else {
            self.queue_control(cx, now, Opcode::Pong, data);
        }
    }

    #[inline]
    pub(super) fn accepted(&mut self, now: Time, len: usize, dropped: Dropped) -> Queued {
        self.last_message = now;
        self.add(Figure::MessagesSent, 1);
        self.add(Figure::PayloadSent, len);
        Queued { buffered: self.buffered(), dropped }
    }

    pub(super) fn check_open(&self) -> Result<()> {
        match self.phase {
            Phase::Open => Ok(()),
            _ => Err(Error::new(Code::State, "the connection is closing or closed")),
        }
    }
}

pub(super) fn not_utf8() -> Error {
    Error::new(Code::InvalidArgument, "text message is not valid UTF-8")
}
