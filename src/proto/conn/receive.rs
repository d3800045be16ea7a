//! From bytes to events. A message that lies whole in the input is unmasked and delivered in place;
//! everything else is collected in an `Inbox` that exists only as long as it is needed. Messages that
//! are wanted in parts go through `parts.rs`.

use super::close_handshake::Phase;
use super::stats::Figure;
use super::{Connection, Context};
use crate::error::Result;
use crate::proto::config::Role;
use crate::proto::context::FRAME;
use crate::proto::event::{Event, Kind, Payload, Step};
use crate::proto::frame::{self, Expect, Header, MAX_HEADER, Opcode};
use crate::proto::message::{self, Assembly};
use crate::proto::{close, mask, utf8};
use crate::util::time::Time;
use std::ops::Range;

/// Compressed bytes that are inflated at once: they may become a thousand times as many.
const DEFLATED: usize = 512;
/// A frame that no receive buffer has room for.
const BULKY: u64 = 256 * 1024;

/// What came in but is not a whole message yet.
#[derive(Default)]
pub(super) struct Inbox {
    pub(super) message: Option<Assembly>,
    pub(super) partial: Partial,
    /// Bytes of the payload that the transport has put into the message.
    arrived: usize,
}

/// The frame that the input ended in.
#[derive(Default)]
pub(super) enum Partial {
    /// It ended between two frames.
    #[default]
    Nothing,
    /// In its header.
    Header { bytes: [u8; MAX_HEADER], len: usize },
    /// In its payload. `header.key` is rotated to fit the next byte; control frames collect theirs
    /// here, data goes to the message.
    Payload { header: Header, left: u64, control: Vec<u8> },
}

/// Control frames in a second from which on a peer is noisy. Who measures its way ten times a second is not.
const NOISY: u32 = 30;

/// Counts control frames by the second.
#[derive(Default)]
pub(super) struct ControlRate {
    second: u32,
    count: u32,
    noisy: bool,
}

impl ControlRate {
    fn exceeds(&mut self, now: Time, limit: u32) -> bool {
        let second = ControlRate::second(now);
        if self.second != second {
            // Whoever was noisy is so in the next one from the beginning.
            let noisy = self.count > NOISY && second.wrapping_sub(self.second) == 1;
            *self = ControlRate { second, count: 0, noisy };
        }
        self.count = self.count.saturating_add(1);
        self.noisy |= self.count > NOISY;
        self.is_exceeded(limit)
    }

    fn second(now: Time) -> u32 {
        (now.0 / 1_000_000) as u32
    }

    fn is_noisy(&self, now: Time) -> bool {
        self.noisy && ControlRate::second(now).wrapping_sub(self.second) <= 1
    }

    pub(super) fn is_exceeded(&self, limit: u32) -> bool {
        limit != 0 && self.count > limit
    }
}

impl Connection {
    /// Takes bytes of the peer, in any pieces, and returns at most one event; none when it has done enough for
    /// one turn. What `Step::consumed` leaves over is to be passed again. Unmasks in place. After the end it swallows everything.
    pub fn recv(&mut self, cx: &mut Context, now: Time, input: &mut [u8]) -> Step {
        let mut step = Step::default();
        if self.inbox.is_some() {
            step.event = self.recv_arrived(cx, now);
        }
        if input.is_empty() {
            return step;
        }
        self.keepalive.heard(now);
        while step.event.is_none() && step.consumed < input.len() {
            if !matches!(self.phase, Phase::Open | Phase::CloseSent) {
                step.consumed = input.len();
                break;
            }
            match self.advance(cx, now, input, &mut step.consumed) {
                Ok(Some(event)) => {
                    step.event = Some(event);
                    break;
                }
                Ok(None) => {}
                Err(error) => self.fail(cx, now, error),
            }
            cx.work += FRAME;
            if cx.is_tired() {
                break;
            }
        }
        self.add(Figure::BytesReceived, step.consumed);
        step
    }

    /// Where the transport may put the next bytes of the peer, instead of giving them to `recv`: into the
    /// large message that they belong to. `None` when there is none, or room for less than `least` bytes:
    /// it is offered no more than has arrived of the message, and nothing beyond its frame.
    pub fn inlet(&mut self, cx: &mut Context, least: usize) -> Option<&mut [u8]> {
        let Inbox { message, partial, arrived } = &mut **self.inbox.as_mut()?;
        match partial {
            Partial::Payload { header, left, .. }
                if *arrived == 0 && !header.opcode.is_control() && !self.config.parts =>
            {
                message.as_mut()?.room(&mut cx.pool, *left, least.max(1))
            }
            _ => None,
        }
    }

    /// The transport has put so many bytes there: what `recv` takes next follows them, and it is to be
    /// called even if that is nothing.
    pub fn arrived(&mut self, count: usize) {
        if let Some(inbox) = &mut self.inbox {
            inbox.arrived += count;
        }
    }

    /// Whether nothing of a message is here yet, nor is the next to be expected large.
    #[inline]
    pub fn is_between_messages(&self) -> bool {
        self.inbox.is_none() && !self.bulky
    }

    /// Whether it sends pings or pongs all the time, of late: what they ask for can wait until the others have been served.
    #[inline]
    pub fn is_noisy(&self, now: Time) -> bool {
        self.control_rate.is_noisy(now)
    }

    /// Whether the last message was so large that the next may best be met with a small buffer, so that
    /// most of it goes into the inlet. Says so once.
    #[inline]
    pub fn take_bulky(&mut self) -> bool {
        std::mem::take(&mut self.bulky)
    }

    /// Takes what has arrived in the message itself.
    fn recv_arrived(&mut self, cx: &mut Context, now: Time) -> Option<Event> {
        let inbox = self.inbox.as_mut()?;
        let count = std::mem::take(&mut inbox.arrived);
        if count == 0 {
            return None;
        }
        self.keepalive.heard(now);
        self.add(Figure::BytesReceived, count);
        self.resume_arrived(cx, now, count).unwrap_or_else(|error| {
            self.fail(cx, now, error);
            None
        })
    }

    fn resume_arrived(
        &mut self,
        cx: &mut Context,
        now: Time,
        count: usize,
    ) -> Result<Option<Event>> {
        let Some(inbox) = &mut self.inbox else { return Ok(None) };
        let Partial::Payload { header, left, .. } = &mut inbox.partial else { return Ok(None) };
        let Some(message) = &mut inbox.message else { return Ok(None) };
        message.arrived(count, header.key)?;
        *left -= count as u64;
        header.key = mask::rotate(header.key, count);
        let (fin, done) = (header.fin, *left == 0);
        self.bulky |= done && header.len >= BULKY;
        match inbox.message.take_if(|_| done) {
            Some(message) => {
                inbox.partial = Partial::Nothing;
                self.end_frame(cx, now, fin, message)
            }
            None => Ok(None),
        }
    }

    /// Goes on from `at` by one frame, or to the end of the input.
    #[inline]
    fn advance(
        &mut self,
        cx: &mut Context,
        now: Time,
        input: &mut [u8],
        at: &mut usize,
    ) -> Result<Option<Event>> {
        if let Some(inbox) = &mut self.inbox {
            match std::mem::take(&mut inbox.partial) {
                Partial::Nothing => {}
                Partial::Header { bytes, len } => {
                    return self.resume_header(cx, now, input, at, bytes, len);
                }
                Partial::Payload { header, left, control } => {
                    return self.resume_payload(cx, now, input, at, header, left, control);
                }
            }
        }
        let Some(header) = frame::parse(&input[*at..], self.expect())? else {
            let mut bytes = [0; MAX_HEADER];
            let len = input.len() - *at;
            bytes[..len].copy_from_slice(&input[*at..]);
            self.inbox().partial = Partial::Header { bytes, len };
            *at = input.len();
            return Ok(None);
        };
        *at += header.size;
        self.trace_received(now, &header);
        let in_pieces = header.len > DEFLATED as u64 && self.inflates(header);
        if header.len > (input.len() - *at) as u64 || self.takes_parts(header) || in_pieces {
            return self.begin_partial(cx, now, input, at, header);
        }
        let payload = *at..*at + header.len as usize;
        *at = payload.end;
        if header.opcode.is_control() {
            mask::apply(&mut input[payload.clone()], header.key);
            let bytes = &input[payload.clone()];
            return self.control(cx, now, header.opcode, bytes, Payload::Input(payload));
        }
        self.whole_data_frame(cx, now, header, input, payload)
    }

    /// A data frame whose payload lies in the input.
    #[inline]
    fn whole_data_frame(
        &mut self,
        cx: &mut Context,
        now: Time,
        header: Header,
        input: &mut [u8],
        payload: Range<usize>,
    ) -> Result<Option<Event>> {
        let alone = header.fin && !header.rsv1 && self.inbox.is_none();
        let kind = match header.opcode {
            Opcode::Text if alone => Kind::Text,
            Opcode::Binary if alone => Kind::Binary,
            _ => {
                let mut message = self.message_for(cx, header)?;
                message.push(cx, &mut input[payload], header.key, 0, &self.config)?;
                return self.end_frame(cx, now, header.fin, message);
            }
        };
        message::check_size(false, 0, header.len, &self.config)?;
        mask::apply(&mut input[payload.clone()], header.key);
        if kind == Kind::Text && !utf8::is_valid(&input[payload.clone()]) {
            return Err(message::not_utf8());
        }
        Ok(self.deliver(now, kind, payload.len(), Payload::Input(payload)))
    }

    /// The input ends within the payload of this frame, or need not have all of it.
    fn begin_partial(
        &mut self,
        cx: &mut Context,
        now: Time,
        input: &mut [u8],
        at: &mut usize,
        header: Header,
    ) -> Result<Option<Event>> {
        if !header.opcode.is_control() {
            let message = self.message_for(cx, header)?;
            if self.config.parts {
                return self.take_part(cx, now, input, at, header, header.len, message);
            }
            self.inbox().message = Some(message);
        }
        self.resume_payload(cx, now, input, at, header, header.len, Vec::new())
    }

    fn resume_header(
        &mut self,
        cx: &mut Context,
        now: Time,
        input: &mut [u8],
        at: &mut usize,
        mut bytes: [u8; MAX_HEADER],
        len: usize,
    ) -> Result<Option<Event>> {
        let more = (MAX_HEADER - len).min(input.len() - *at);
        bytes[len..len + more].copy_from_slice(&input[*at..*at + more]);
        match frame::parse(&bytes[..len + more], self.expect())? {
            Some(header) => {
                *at += header.size - len;
                self.trace_received(now, &header);
                self.begin_partial(cx, now, input, at, header)
            }
            None => {
                *at += more;
                self.inbox().partial = Partial::Header { bytes, len: len + more };
                Ok(None)
            }
        }
    }

    /// Takes what the input has of a payload of which `left` bytes are missing.
    #[allow(clippy::too_many_arguments)] // the pieces of `Partial::Payload`
    fn resume_payload(
        &mut self,
        cx: &mut Context,
        now: Time,
        input: &mut [u8],
        at: &mut usize,
        mut header: Header,
        mut left: u64,
        mut control: Vec<u8>,
    ) -> Result<Option<Event>> {
        if self.takes_parts(header) {
            let message = self.inbox().message.take().expect("a message is being received");
            return self.take_part(cx, now, input, at, header, left, message);
        }
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(input.len() - *at);
        let here = if self.inflates(header) { here.min(DEFLATED) } else { here };
        let piece = &mut input[*at..*at + here];
        let key = header.key;
        *at += here;
        left -= here as u64;
        header.key = mask::rotate(key, here);
        if header.opcode.is_control() {
            mask::apply(piece, key);
            control.extend_from_slice(piece);
            if left == 0 {
                self.tidy_inbox();
                let payload = Payload::Owned(control.clone());
                return self.control(cx, now, header.opcode, &control, payload);
            }
        } else {
            let inbox = self.inbox.as_mut().expect("a message is being received");
            let message = inbox.message.as_mut().expect("a message is being received");
            message.push(cx, piece, key, left, &self.config)?;
            if left == 0 {
                let message = inbox.message.take().expect("a message is being received");
                return self.end_frame(cx, now, header.fin, message);
            }
        }
        self.inbox().partial = Partial::Payload { header, left, control };
        Ok(None)
    }

    /// The message that a data frame begins or continues.
    fn message_for(&mut self, cx: &mut Context, header: Header) -> Result<Assembly> {
        let begun = self.inbox.as_mut().and_then(|inbox| inbox.message.take());
        let mut message = match (header.opcode, begun) {
            (Opcode::Continuation, Some(message)) => message,
            (Opcode::Continuation, None) => {
                return Err(close::violation("continuation of no message"));
            }
            (_, Some(_)) => {
                return Err(close::violation("new message before the last one was complete"));
            }
            (opcode, None) => {
                let kind = if opcode == Opcode::Text { Kind::Text } else { Kind::Binary };
                let deflate = self.deflate.as_mut().filter(|_| header.rsv1);
                let inflater = deflate.map(|deflate| deflate.inflater(&mut cx.codecs));
                let buffer = if self.config.parts { Vec::new() } else { cx.pool.take() };
                Assembly::new(kind, buffer, inflater)
            }
        };
        message.begin_frame(header.len, &self.config)?;
        Ok(message)
    }

    /// All of a data frame has arrived.
    fn end_frame(
        &mut self,
        cx: &mut Context,
        now: Time,
        fin: bool,
        message: Assembly,
    ) -> Result<Option<Event>> {
        if !fin {
            self.inbox().message = Some(message);
            return Ok(None);
        }
        let (kind, bytes) = self.end_message(cx, message)?;
        Ok(self.deliver(now, kind, bytes.len(), Payload::Owned(bytes)))
    }

    /// All of a message has arrived: what of it has not been handed over.
    pub(super) fn end_message(
        &mut self,
        cx: &mut Context,
        message: Assembly,
    ) -> Result<(Kind, Vec<u8>)> {
        self.inbox = None;
        let (kind, bytes, inflater) = message.finish(&mut cx.pool, &self.config)?;
        if let (Some(deflate), Some(inflater)) = (&mut self.deflate, inflater) {
            deflate.give_back(&mut cx.codecs, inflater);
        }
        Ok((kind, bytes))
    }

    /// Once our close frame is queued messages are still checked but not delivered, as in browsers
    /// (WHATWG WebSockets, "when a WebSocket message has been received").
    #[inline]
    fn deliver(&mut self, now: Time, kind: Kind, len: usize, payload: Payload) -> Option<Event> {
        self.count(now, len, true).then_some(Event::Message { kind, payload })
    }

    /// Whether messages are still delivered. If so, these bytes of one are.
    #[inline]
    pub(super) fn count(&mut self, now: Time, len: usize, last: bool) -> bool {
        if !self.tells() {
            return false;
        }
        self.last_message = now;
        self.add(Figure::MessagesReceived, last.into());
        self.add(Figure::PayloadReceived, len);
        true
    }

    /// Whether the payload of that frame, which begins or goes on, has to be inflated.
    fn inflates(&self, header: Header) -> bool {
        let message = self.inbox.as_ref().and_then(|inbox| inbox.message.as_ref());
        let compressed = header.rsv1 || message.is_some_and(Assembly::is_compressed);
        compressed && !header.opcode.is_control()
    }

    /// Whether the payload of that frame is handed over as it arrives.
    #[inline]
    fn takes_parts(&self, header: Header) -> bool {
        self.config.parts && !header.opcode.is_control()
    }

    /// A whole control frame. `payload` tells an event where its bytes are.
    fn control(
        &mut self,
        cx: &mut Context,
        now: Time,
        opcode: Opcode,
        bytes: &[u8],
        payload: Payload,
    ) -> Result<Option<Event>> {
        if opcode == Opcode::Close {
            self.receive_close(cx, now, bytes)?;
            return Ok(None);
        }
        let limit = self.config.max_control_rate;
        if self.control_rate.exceeds(now, limit) {
            let message = format!("more than {limit} control frames in a second");
            return Err(close::policy(message));
        }
        if opcode == Opcode::Ping {
            self.counters.pings_received = self.counters.pings_received.saturating_add(1);
            self.pong(cx, now, bytes);
            return Ok(self.tells().then_some(Event::Ping(payload)));
        }
        self.counters.pongs_received = self.counters.pongs_received.saturating_add(1);
        if let Some(rtt) = self.keepalive.ponged(now, bytes) {
            self.counters.rtt_us = u32::try_from(rtt).unwrap_or(u32::MAX);
            cx.rtts.add(rtt);
        }
        Ok(self.tells().then_some(Event::Pong(payload)))
    }

    fn expect(&self) -> Expect {
        Expect { masked: self.role == Role::Server, compression: self.deflate.is_some() }
    }

    pub(super) fn inbox(&mut self) -> &mut Inbox {
        self.inbox.get_or_insert_default()
    }

    /// Lets the inbox go when nothing is left in it.
    fn tidy_inbox(&mut self) {
        if self.inbox.as_ref().is_some_and(|inbox| inbox.message.is_none()) {
            self.inbox = None;
        }
    }
}
