//! Messages, pings and pongs on their way out.

use super::close_handshake::Phase;
use super::{Connection, Context};
use crate::error::{Code, Error, Result};
use crate::proto::config::Role;
use crate::proto::event::Kind;
use crate::proto::frame::{self, MAX_CONTROL, MAX_HEADER, Opcode};
use crate::proto::{mask, utf8};
use crate::util::time::Time;

/// Pings are not part of what `buffered` tells, so they have a limit of their own.
const MAX_WAITING_PINGS: u16 = 1000;

/// A message was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queued {
    /// `Connection::buffered` with this message in it.
    pub buffered: usize,
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
        let opcode = match kind {
            Kind::Text if !utf8::is_valid(data) => {
                return Err(Error::new(Code::InvalidArgument, "text message is not valid UTF-8"));
            }
            Kind::Text => Opcode::Text,
            Kind::Binary => Opcode::Binary,
        };
        if !(compress && self.deflate.is_some() && self.send_compressed(cx, now, opcode, data)) {
            self.queue(cx, now, opcode, false, data);
        }
        self.last_message = now;
        self.counters.messages_sent += 1;
        self.counters.payload_sent += data.len() as u64;
        Ok(Queued { buffered: self.buffered() })
    }

    /// Queues a ping with at most 125 bytes.
    pub fn ping(&mut self, cx: &mut Context, now: Time, data: &[u8]) -> Result<()> {
        if data.len() > MAX_CONTROL {
            let message = format!("ping of {} bytes; at most {MAX_CONTROL} fit", data.len());
            return Err(Error::new(Code::InvalidArgument, message));
        }
        self.check_open()?;
        if self.waiting_pings >= MAX_WAITING_PINGS {
            let message = "a thousand pings wait to be sent already";
            return Err(Error::new(Code::Limit, message));
        }
        self.waiting_pings += 1;
        self.keepalive.pinged(now, data);
        self.queue(cx, now, Opcode::Ping, false, data);
        Ok(())
    }

    /// Answers a ping (RFC 6455 section 5.5.3). While the peer does not read, only the newest answer
    /// is kept, and it overtakes the messages that wait.
    pub(super) fn pong(&mut self, cx: &mut Context, now: Time, data: &[u8]) {
        if self.phase != Phase::Open {
            return;
        }
        if self.blocked && !self.output.is_empty() {
            let mut pong = Vec::with_capacity(MAX_HEADER + data.len());
            append(&mut pong, Opcode::Pong, false, self.masking_key(cx), data);
            self.output.overtake(pong);
            self.trace_sent(now, Opcode::Pong, true, false, data.len());
        } else {
            self.queue(cx, now, Opcode::Pong, false, data);
        }
    }

    /// Queues one frame.
    #[inline]
    pub(super) fn queue(
        &mut self,
        cx: &mut Context,
        now: Time,
        opcode: Opcode,
        rsv1: bool,
        data: &[u8],
    ) {
        let key = self.masking_key(cx);
        let message = if opcode.is_control() { 0 } else { data.len() };
        let out = self.output.room(&mut cx.pool, MAX_HEADER + data.len(), message);
        append(out, opcode, rsv1, key, data);
        self.trace_sent(now, opcode, true, rsv1, data.len());
    }

    #[cold]
    fn send_compressed(
        &mut self,
        cx: &mut Context,
        now: Time,
        opcode: Opcode,
        data: &[u8],
    ) -> bool {
        let Some(deflate) = &mut self.deflate else { return false };
        if self.config.deflate.as_ref().is_some_and(|wanted| data.len() < wanted.min_size) {
            return false;
        }
        let mut scratch = cx.pool.take();
        let smaller = deflate.compress(&mut cx.codecs, now, data, &mut scratch);
        if smaller {
            self.queue(cx, now, opcode, true, &scratch);
        }
        cx.pool.put(scratch);
        smaller
    }

    fn check_open(&self) -> Result<()> {
        match self.phase {
            Phase::Open => Ok(()),
            _ => Err(Error::new(Code::State, "the connection is closing or closed")),
        }
    }

    /// A fresh key for each frame of a client (section 5.3); servers do not mask.
    #[inline]
    fn masking_key(&self, cx: &mut Context) -> Option<[u8; 4]> {
        match self.role {
            Role::Client => Some(cx.entropy.bytes()),
            Role::Server => None,
        }
    }
}

#[inline]
fn append(out: &mut Vec<u8>, opcode: Opcode, rsv1: bool, key: Option<[u8; 4]>, data: &[u8]) {
    frame::write(out, opcode, rsv1, key, data.len());
    let start = out.len();
    out.extend_from_slice(data);
    if let Some(key) = key {
        mask::apply(&mut out[start..], key);
    }
}
