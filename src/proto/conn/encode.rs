//! From messages to frames in the send queue: compressed, masked, whole or in pieces.

use super::queue::{Data, Entry, Line, Parts};
use super::send::Body;
use super::squeeze::Step;
use super::{Connection, Context};
use crate::error::Result;
use crate::proto::config::Role;
use crate::proto::deflate::codec::PartCompressor;
use crate::proto::event::Kind;
use crate::proto::frame::{self, MAX_HEADER, Opcode};
use crate::proto::mask;
use crate::util::bytes::Bytes;
use crate::util::memory;
use crate::util::time::Time;
use std::sync::Arc;

/// With that much encoded what waits in line goes on waiting.
pub(super) const ROOM: usize = 64 * 1024;
/// The same for what may be dropped or replaced: enough for one write, and the rest stays fresh.
const FRESH: usize = 16 * 1024;
/// What has to be masked and need not be copied before is masked in pieces of that size.
const PIECE: usize = 64 * 1024;
/// What compressing to half the size may need beyond that.
pub(super) const FLUSH: usize = 64;
/// From that size on it pays to refer to a payload that others keep. A reference costs two slices of a
/// write and the memory of a queue entry and a header; the bytes of less are copied sooner, into a
/// buffer that many messages share.
pub(super) const SHARED: usize = 4 * 1024;

/// What became of a message that might be encoded at once.
pub(super) enum Encoded {
    /// It is.
    Whole,
    /// It is so large that it waits in line, and is encoded bit by bit, compressed or not.
    Later { compress: bool },
}

/// What `fill` has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// There is enough to transmit, or no more.
    Enough,
    /// It has done enough for one turn, and there may be nothing to transmit yet: more comes of the next call.
    Unfinished,
}

impl Connection {
    /// Encodes what waits in line as far as the queue has room. To be called before `transmit`, each
    /// time, and again after that when it was not finished. An error when there is no memory for it: what waits has
    /// been accepted, so that is the end.
    #[inline]
    pub fn fill(&mut self, cx: &mut Context, now: Time) -> Result<Filled> {
        if !self.line().is_some_and(Line::is_ready) {
            return Ok(Filled::Enough);
        }
        let filled = self.with_line(|conn, line| conn.encode_line(cx, now, line));
        if filled == Some(Filled::Unfinished) {
            // It is not the peer that keeps us waiting.
            self.close_progress(now, true);
        }
        filled.ok_or_else(|| memory::none(ROOM))
    }

    #[cold]
    fn encode_line(&mut self, cx: &mut Context, now: Time, line: &mut Line) -> Option<Filled> {
        while let Some(first) = line.first() {
            let fixed = first.key == 0 && !first.droppable;
            let full = self.queued() >= if fixed { ROOM } else { FRESH };
            if full || !first.is_ready() {
                return Some(Filled::Enough);
            }
            let Some((at, mut entry)) = line.take_first() else { break };
            let encoded = self.encode_entry(cx, now, &mut entry);
            if encoded != Some(true) {
                let squeezes = entry.squeezed.is_some();
                line.put(at, entry);
                encoded?;
                if squeezes {
                    return Some(Filled::Unfinished);
                }
            }
        }
        if let Some(payload) = line.close.take() {
            self.queue_control(cx, now, Opcode::Close, &payload);
        }
        Some(Filled::Enough)
    }

    /// Encodes it, or a piece of it. True when nothing more will come of it.
    fn encode_entry(&mut self, cx: &mut Context, now: Time, entry: &mut Entry) -> Option<bool> {
        if self.is_to_be_squeezed(entry) {
            match self.squeeze(cx, now, entry)? {
                Step::Unfinished => return Some(false),
                Step::Queued => return Some(true),
                Step::NoSmaller => entry.compress = false,
            }
        }
        if entry.whole && !entry.begun {
            let encoded = match &mut entry.data {
                Data::Copied(bytes) if self.role == Role::Client => {
                    self.encode_body(cx, now, &Body::Copy(entry.kind, bytes), entry.compress)
                }
                // It has been copied once, which is enough.
                Data::Copied(bytes) => {
                    let bytes: Bytes = Arc::new(std::mem::take(bytes));
                    self.encode_body(cx, now, &Body::Checked(entry.kind, bytes), entry.compress)
                }
                Data::Shared(bytes) => {
                    let body = Body::Checked(entry.kind, bytes.clone());
                    self.encode_body(cx, now, &body, entry.compress)
                }
                Data::Prepared(message) => {
                    self.encode_body(cx, now, &Body::Prepared(message), entry.compress)
                }
            };
            if let Encoded::Whole = encoded? {
                return Some(true);
            }
            entry.compress = false;
        }
        let rest = entry.data.bytes().len() - entry.at;
        let piece = entry.at..entry.at + rest.min(PIECE);
        let last = entry.whole && piece.len() == rest;
        let Entry { kind, data, at, compress, begun, parts, .. } = entry;
        let parts = parts.as_deref_mut();
        let bytes = &data.bytes()[piece.clone()];
        self.encode_part(cx, now, *kind, *compress, begun, parts, (bytes, last))?;
        *at = piece.end;
        if !last && *at == data.bytes().len() {
            (*at, *data) = (0, Data::Copied(Vec::new()));
        }
        Some(last)
    }

    /// Encodes a whole message into one frame, if that is to be done at once. `None`, here and below, when there is
    /// no memory for it.
    pub(super) fn encode_body(
        &mut self,
        cx: &mut Context,
        now: Time,
        body: &Body,
        compress: bool,
    ) -> Option<Encoded> {
        let (kind, shared) = match body {
            Body::Copy(..) | Body::Owned(..) | Body::Checked(..)
                if self.squeezes_in_steps(body.bytes().len(), compress) =>
            {
                return Some(Encoded::Later { compress });
            }
            Body::Copy(kind, data) => {
                return self.encode_apart(cx, now, *kind, data, compress).map(|()| Encoded::Whole);
            }
            Body::Owned(kind, bytes) | Body::Checked(kind, bytes) => (*kind, bytes),
            Body::Prepared(message) => {
                let large = self.compresses(message.data().len(), compress);
                let deflate = self.deflate.as_mut().filter(|_| large);
                if let Some(form) = deflate.and_then(|it| it.prepared(&mut cx.codecs, message)) {
                    let opcode = opcode(message.kind());
                    return self
                        .queue_shared(cx, now, opcode, true, &form)
                        .map(|()| Encoded::Whole);
                }
                (message.kind(), message.bytes())
            }
        };
        let data = body.bytes();
        let own_form = !matches!(body, Body::Prepared(_)) && self.compresses(data.len(), compress);
        if own_form && self.encode_compressed(cx, now, opcode(kind), data)? {
            return Some(Encoded::Whole);
        }
        if self.role == Role::Client && data.len() > PIECE {
            return Some(Encoded::Later { compress: false });
        }
        self.queue_shared(cx, now, opcode(kind), false, shared).map(|()| Encoded::Whole)
    }

    /// Encodes a whole message of which nothing is kept.
    #[inline(always)] // into the way of most messages; for others there is `encode_apart`
    pub(super) fn encode(
        &mut self,
        cx: &mut Context,
        now: Time,
        kind: Kind,
        data: &[u8],
        compress: bool,
    ) -> Option<()> {
        let opcode = opcode(kind);
        if self.compresses(data.len(), compress) && self.encode_compressed(cx, now, opcode, data)? {
            return Some(());
        }
        self.queue(cx, now, opcode, false, data)
    }

    /// Whether a message of that length is to be compressed, if that makes it any smaller.
    #[inline]
    pub(super) fn compresses(&self, len: usize, compress: bool) -> bool {
        let least = || self.config.deflate.as_ref().map_or(0, |wanted| wanted.min_size);
        compress && self.deflate.is_some() && len >= least()
    }

    #[inline(never)]
    pub(super) fn encode_apart(
        &mut self,
        cx: &mut Context,
        now: Time,
        kind: Kind,
        data: &[u8],
        compress: bool,
    ) -> Option<()> {
        self.encode(cx, now, kind, data, compress)
    }

    #[cold]
    fn encode_compressed(
        &mut self,
        cx: &mut Context,
        now: Time,
        opcode: Opcode,
        data: &[u8],
    ) -> Option<bool> {
        let Some(deflate) = &mut self.deflate else { return Some(false) };
        let mut scratch = cx.pool.take_for(data.len() / 2 + FLUSH).unwrap_or_default();
        let smaller = deflate.compress(&mut cx.codecs, now, data, &mut scratch);
        let queued = if smaller { self.queue(cx, now, opcode, true, &scratch) } else { Some(()) };
        cx.pool.put(scratch);
        if let (None, Some(deflate)) = (queued, &mut self.deflate) {
            deflate.forget();
        }
        queued.map(|()| smaller)
    }

    /// Encodes one part of a message into a frame. Without memory for it nothing has happened.
    #[allow(clippy::too_many_arguments)] // the pieces of `Entry`
    pub(super) fn encode_part(
        &mut self,
        cx: &mut Context,
        now: Time,
        kind: Kind,
        compress: bool,
        begun: &mut bool,
        parts: Option<&mut Parts>,
        (data, last): (&[u8], bool),
    ) -> Option<()> {
        if data.is_empty() && !last {
            return Some(());
        }
        let opcode = if *begun { Opcode::Continuation } else { opcode(kind) };
        let first = !*begun;
        match (&mut self.deflate, parts) {
            (Some(deflate), Some(parts)) if compress => {
                let mut scratch = cx.pool.take_for(data.len() / 2 + FLUSH).unwrap_or_default();
                let kept = &mut parts.compressor;
                let part = (data, last);
                let queued = deflate
                    .compress_part(&mut cx.codecs, now, kept, part, &mut scratch)
                    .ok()
                    .and_then(|()| self.queue_part(cx, now, last, opcode, first, &scratch));
                cx.pool.put(scratch);
                if let (None, Some(deflate)) = (queued, &mut self.deflate) {
                    deflate.forget();
                    *kept = PartCompressor::default();
                }
                queued?;
            }
            _ => self.queue_part(cx, now, last, opcode, false, data)?,
        }
        *begun = true;
        Some(())
    }

    /// Queues a whole message as it is, if there is memory for it. Nobody watches the frames.
    #[inline]
    pub(super) fn queue_plain(&mut self, cx: &mut Context, kind: Kind, data: &[u8]) -> Option<()> {
        let output = cx.output(&mut self.output);
        let out = output.room(&mut cx.pool, MAX_HEADER + data.len(), data.len())?;
        match self.role {
            Role::Server => append(out, true, opcode(kind), false, None, data),
            Role::Client => append_masked(out, cx.entropy.bytes(), kind, data),
        }
        Some(())
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
    ) -> Option<()> {
        self.queue_part(cx, now, true, opcode, rsv1, data)
    }

    /// Queues a control frame, for which there always is memory: without any for so little the process ends.
    pub(super) fn queue_control(
        &mut self,
        cx: &mut Context,
        now: Time,
        opcode: Opcode,
        data: &[u8],
    ) {
        let queued = self.queue(cx, now, opcode, false, data);
        debug_assert!(queued.is_some());
    }

    #[inline(always)]
    fn queue_part(
        &mut self,
        cx: &mut Context,
        now: Time,
        fin: bool,
        opcode: Opcode,
        rsv1: bool,
        data: &[u8],
    ) -> Option<()> {
        let key = self.masking_key(cx);
        let message = if opcode.is_control() { 0 } else { data.len() };
        let output = cx.output(&mut self.output);
        let out = output.room(&mut cx.pool, MAX_HEADER + data.len(), message)?;
        append(out, fin, opcode, rsv1, key, data);
        self.trace_sent(now, opcode, fin, rsv1, data.len());
        Some(())
    }

    /// Queues one frame that refers to its payload, if that pays.
    pub(super) fn queue_shared(
        &mut self,
        cx: &mut Context,
        now: Time,
        opcode: Opcode,
        rsv1: bool,
        payload: &Bytes,
    ) -> Option<()> {
        let data = (**payload).as_ref();
        if self.role == Role::Client || data.len() < SHARED {
            return self.queue(cx, now, opcode, rsv1, data);
        }
        let out = cx.output(&mut self.output).share(payload.clone());
        frame::write(out, opcode, rsv1, None, data.len());
        self.trace_sent(now, opcode, true, rsv1, data.len());
        Some(())
    }

    /// A control frame that does not go to the end of the queue.
    pub(super) fn control_frame(&self, cx: &mut Context, opcode: Opcode, data: &[u8]) -> Vec<u8> {
        let mut frame = Vec::with_capacity(MAX_HEADER + data.len());
        append(&mut frame, true, opcode, false, self.masking_key(cx), data);
        frame
    }

    /// A fresh key for each frame of a client (RFC 6455 section 5.3); servers do not mask.
    #[inline]
    fn masking_key(&self, cx: &mut Context) -> Option<[u8; 4]> {
        match self.role {
            Role::Client => Some(cx.entropy.bytes()),
            Role::Server => None,
        }
    }
}

#[inline]
pub(super) fn opcode(kind: Kind) -> Opcode {
    match kind {
        Kind::Text => Opcode::Text,
        Kind::Binary => Opcode::Binary,
    }
}

#[inline(never)] // out of the way of those that are not masked
fn append_masked(out: &mut Vec<u8>, key: [u8; 4], kind: Kind, data: &[u8]) {
    append(out, true, opcode(kind), false, Some(key), data);
}

/// Appends to a buffer that has room for it.
#[inline(always)] // what is known where it is called saves most of it
fn append(
    out: &mut Vec<u8>,
    fin: bool,
    opcode: Opcode,
    rsv1: bool,
    key: Option<[u8; 4]>,
    data: &[u8],
) {
    frame::write_part(out, fin, opcode, rsv1, key, data.len());
    match key {
        Some(key) => mask::append(out, data, key),
        None => out.extend_from_slice(data),
    }
}
