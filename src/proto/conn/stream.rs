//! Messages that are sent in parts, of which nobody knows the length before. They have their place in
//! line like all others: what is sent after one began waits until its last part is out (RFC 6455
//! section 5.4), and parts that come before its turn wait with it.

use super::close_handshake::Phase;
use super::encode::ROOM;
use super::queue::{Data, Dropped, Entry, Line, Parts};
use super::send::{Queued, not_utf8};
use super::stats::Figure;
use super::{Connection, Context};
use crate::error::{Code, Error, Result};
use crate::proto::deflate::codec::PartCompressor;
use crate::proto::event::Kind;
use crate::proto::utf8::Validator;
use crate::util::memory;
use crate::util::time::Time;

impl Connection {
    /// Begins a message in parts, behind all that was sent before. The number is for `stream_part`. What
    /// was begun and not finished when the connection closes is lost, and with one of which a part has
    /// left all that waits behind it.
    pub fn begin_stream(&mut self, kind: Kind, compress: bool) -> Result<u32> {
        self.check_open()?;
        let compress = compress && self.deflate.as_ref().is_some_and(|it| it.can_compress());
        let line = self.line_or_new();
        let id = line.next_id();
        let parts = Parts {
            id,
            outlives_close: false,
            text: Validator::default(),
            compressor: PartCompressor::default(),
        };
        line.push(Entry {
            kind,
            data: Data::Copied(Vec::new()),
            at: 0,
            compress,
            key: 0,
            droppable: false,
            begun: false,
            whole: false,
            parts: Some(Box::new(parts)),
            squeezed: None,
        });
        Ok(id)
    }

    /// The next part of a message, however many wait; only the last may be empty and mean something.
    /// Text may be cut anywhere but must be UTF-8 as a whole: a part that cannot be is refused, and the
    /// message goes on as if it had not come.
    pub fn stream_part(
        &mut self,
        cx: &mut Context,
        now: Time,
        id: u32,
        data: &[u8],
        last: bool,
    ) -> Result<Queued> {
        // After our close only those are in line that outlive it.
        if self.phase != Phase::CloseSent {
            self.check_open()?;
        }
        self.with_line(|conn, line| conn.add_part(cx, now, line, id, (data, last)))?;
        self.last_message = now;
        self.add(Figure::MessagesSent, last.into());
        self.add(Figure::PayloadSent, data.len());
        Ok(Queued { buffered: self.buffered(), dropped: Dropped::default() })
    }

    /// The message in parts whose turn it is, when all that it has is encoded and there is room for more.
    pub fn stream_wants(&self) -> Option<u32> {
        let first = self.line()?.first()?;
        let parts = first.parts.as_ref()?;
        (!first.is_ready() && self.queued() < ROOM).then_some(parts.id)
    }

    /// Takes a message in parts back. False when its first part is on its way or it was finished: then
    /// only closing the connection is left, or to finish it.
    pub fn abandon_stream(&mut self, id: u32) -> bool {
        let Some((at, entry, _)) = self.line_mut().and_then(|line| line.take_parts(id)) else {
            return false;
        };
        let abandoned = !entry.begun && !entry.whole;
        if !abandoned {
            self.line_or_new().put(at, entry);
        }
        abandoned
    }

    fn add_part(
        &mut self,
        cx: &mut Context,
        now: Time,
        line: &mut Line,
        id: u32,
        (data, last): (&[u8], bool),
    ) -> Result<()> {
        let Some((at, mut entry, its_turn)) = line.take_parts(id) else {
            return Err(finished());
        };
        let added = match its_turn && !entry.is_ready() {
            true => self.encode_next(cx, now, &mut entry, data, last),
            false => entry.append(data, last),
        };
        if !(its_turn && entry.whole && entry.rest().is_empty() && entry.begun) {
            line.put(at, entry);
        }
        added
    }

    /// A part of the message whose turn it is goes on its way without waiting.
    fn encode_next(
        &mut self,
        cx: &mut Context,
        now: Time,
        entry: &mut Entry,
        data: &[u8],
        last: bool,
    ) -> Result<()> {
        let text = entry.check(data, last)?;
        let encoded = if last && !entry.begun {
            let encoded = self.encode_apart(cx, now, entry.kind, data, entry.compress);
            entry.begun = encoded.is_some();
            encoded
        } else {
            let Entry { kind, compress, begun, parts, .. } = entry;
            let parts = parts.as_deref_mut();
            self.encode_part(cx, now, *kind, *compress, begun, parts, (data, last))
        };
        encoded.ok_or_else(|| memory::none(data.len()))?;
        entry.take(text, last);
        Ok(())
    }
}

impl Entry {
    /// A part waits with the others for its turn.
    fn append(&mut self, data: &[u8], last: bool) -> Result<()> {
        let text = self.check(data, last)?;
        if let Data::Copied(bytes) = &mut self.data {
            memory::reserve(bytes, data.len())?;
            bytes.extend_from_slice(data);
        }
        self.take(text, last);
        Ok(())
    }

    /// Whether this part may come next, and what is known of the text with it.
    fn check(&self, data: &[u8], last: bool) -> Result<Validator> {
        let Some(parts) = self.parts.as_ref().filter(|_| !self.whole) else {
            return Err(finished());
        };
        let mut text = parts.text.clone();
        if self.kind == Kind::Text {
            let valid = text.push(data).and_then(|()| if last { text.finish() } else { Ok(()) });
            valid.map_err(|_| not_utf8())?;
        }
        Ok(text)
    }

    /// It has come.
    fn take(&mut self, text: Validator, last: bool) {
        self.whole = last;
        if let Some(parts) = &mut self.parts {
            parts.text = text;
        }
    }
}

fn finished() -> Error {
    Error::new(Code::State, "this message has had its last part")
}
