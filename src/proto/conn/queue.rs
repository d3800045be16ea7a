//! Messages that wait before they are encoded: those that may still be dropped or replaced, those that
//! are sent in parts, and everything behind one of them. Compressing comes after waiting, so that
//! dropping a message never breaks what the peer's inflater remembers.

use super::squeeze::Squeezed;
use crate::proto::deflate::codec::PartCompressor;
use crate::proto::event::Kind;
use crate::proto::prepared::Prepared;
use crate::proto::utf8::Validator;
use crate::util::bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Add, AddAssign};
use std::sync::Arc;

/// Messages that were accepted and will not be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// How many.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Dropped {
    pub(super) fn one(bytes: usize) -> Dropped {
        Dropped { messages: 1, bytes: bytes as u64 }
    }
}

impl Add for Dropped {
    type Output = Dropped;

    fn add(self, more: Dropped) -> Dropped {
        Dropped { messages: self.messages + more.messages, bytes: self.bytes + more.bytes }
    }
}

impl AddAssign for Dropped {
    fn add_assign(&mut self, more: Dropped) {
        *self = *self + more;
    }
}

/// Where the bytes of a message are while it waits.
pub(super) enum Data {
    Copied(Vec<u8>),
    Shared(Bytes),
    Prepared(Arc<Prepared>),
}

impl Data {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Data::Copied(bytes) => bytes,
            Data::Shared(bytes) => (**bytes).as_ref(),
            Data::Prepared(message) => message.data(),
        }
    }

    /// What can be used for something else, unless others still want it.
    pub fn into_buffer(self) -> Option<Vec<u8>> {
        match self {
            Data::Copied(bytes) => Some(bytes),
            Data::Shared(bytes) => bytes.into_buffer(),
            Data::Prepared(_) => None,
        }
    }
}

/// A message that waits, or what has come of one that is sent in parts.
pub(super) struct Entry {
    pub kind: Kind,
    pub data: Data,
    /// So much of it is encoded.
    pub at: usize,
    pub compress: bool,
    /// A newer message with the same one takes its place; 0 for none.
    pub key: u64,
    /// It may be dropped for a newer one.
    pub droppable: bool,
    /// The first of its frames has been encoded: it cannot be taken back.
    pub begun: bool,
    /// No more of it will come.
    pub whole: bool,
    /// The rest of what a message in parts needs; boxed, since most have none.
    pub parts: Option<Box<Parts>>,
    /// What it has come to so far, if it is compressed in steps.
    pub squeezed: Option<Box<Squeezed>>,
}

/// See `Entry::parts`.
pub(super) struct Parts {
    pub id: u32,
    /// It goes on after we have closed.
    pub outlives_close: bool,
    /// How far text has been checked.
    pub text: Validator,
    pub compressor: PartCompressor,
}

impl Entry {
    pub fn rest(&self) -> &[u8] {
        &self.data.bytes()[self.at..]
    }

    /// There is something to encode.
    pub fn is_ready(&self) -> bool {
        self.whole || self.at < self.data.bytes().len()
    }
}

/// The line in which messages wait.
#[derive(Default)]
pub(super) struct Line {
    /// By their place in it.
    entries: BTreeMap<u64, Entry>,
    next: u64,
    keys: BTreeMap<u64, u64>,
    droppable: BTreeSet<u64>,
    parts: BTreeMap<u32, u64>,
    /// Bytes that wait to be encoded, and those of them that may be dropped.
    bytes: usize,
    droppable_bytes: usize,
    /// Messages in parts so far.
    last_id: u32,
    /// What became of messages that did not go out.
    pub dropped: Dropped,
    /// Payload of the close frame that follows when the line is empty.
    pub close: Option<Vec<u8>>,
}

impl Line {
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Nothing in it has to be remembered.
    pub fn is_idle(&self) -> bool {
        self.is_empty()
            && self.close.is_none()
            && self.last_id == 0
            && self.dropped == Dropped::default()
    }

    /// Bytes of messages in it.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// There is something to encode.
    pub fn is_ready(&self) -> bool {
        self.first().map_or(self.close.is_some(), Entry::is_ready)
    }

    pub fn first(&self) -> Option<&Entry> {
        self.entries.first_key_value().map(|(_, entry)| entry)
    }

    /// The last place.
    pub fn push(&mut self, entry: Entry) {
        let at = self.next;
        self.next += 1;
        self.put(at, entry);
    }

    /// The place of the waiting message with that key, if there is one. Gives back the bytes that this
    /// spares, or the entry.
    pub fn replace(&mut self, entry: Entry) -> Result<usize, Box<Entry>> {
        match self.keys.get(&entry.key).copied() {
            Some(at) if entry.key != 0 => {
                let older = self.remove(at);
                let bytes = older.data.bytes().len();
                self.dropped += Dropped::one(bytes);
                self.put(at, entry);
                Ok(bytes)
            }
            _ => Err(Box::new(entry)),
        }
    }

    /// Bytes of the waiting message with that key.
    pub fn len_of(&self, key: u64) -> Option<usize> {
        let at = self.keys.get(&key)?;
        self.entries.get(at).map(|entry| entry.rest().len())
    }

    /// Takes the first out. It keeps its place, to be put back there.
    pub fn take_first(&mut self) -> Option<(u64, Entry)> {
        let at = *self.entries.first_key_value()?.0;
        Some((at, self.remove(at)))
    }

    /// See `take_first`. What has begun can no longer be dropped or replaced; what the compressor knows is
    /// to reach the peer too.
    pub fn put(&mut self, at: u64, mut entry: Entry) {
        if entry.begun || entry.squeezed.is_some() {
            (entry.key, entry.droppable) = (0, false);
        }
        let bytes = entry.rest().len();
        self.bytes += bytes;
        if entry.key != 0 {
            self.keys.insert(entry.key, at);
        }
        if entry.droppable {
            self.droppable.insert(at);
            self.droppable_bytes += bytes;
        }
        if let Some(parts) = &entry.parts {
            self.parts.insert(parts.id, at);
        }
        self.entries.insert(at, entry);
    }

    fn remove(&mut self, at: u64) -> Entry {
        let entry = self.entries.remove(&at).expect("the indices know what is there");
        let bytes = entry.rest().len();
        self.bytes -= bytes;
        if entry.key != 0 {
            self.keys.remove(&entry.key);
        }
        if self.droppable.remove(&at) {
            self.droppable_bytes -= bytes;
        }
        if let Some(parts) = &entry.parts {
            self.parts.remove(&parts.id);
        }
        entry
    }

    /// Frees `bytes` by dropping the oldest of those that may be dropped; drops none if all of them
    /// would not be enough.
    pub fn drop_oldest(&mut self, bytes: usize) -> Dropped {
        let mut dropped = Dropped::default();
        if self.droppable_bytes < bytes {
            return dropped;
        }
        while dropped.bytes < bytes as u64
            && let Some(&at) = self.droppable.first()
        {
            let entry = self.remove(at);
            dropped += Dropped::one(entry.data.bytes().len());
        }
        self.dropped += dropped;
        dropped
    }

    /// A number for the next message in parts.
    pub fn next_id(&mut self) -> u32 {
        self.last_id += 1;
        self.last_id
    }

    /// The message in parts of that number goes on after we have closed.
    pub fn outlive_close(&mut self, id: u32) {
        let entry = self.parts.get(&id).and_then(|at| self.entries.get_mut(at));
        if let Some(parts) = entry.and_then(|entry| entry.parts.as_mut()) {
            parts.outlives_close = true;
        }
    }

    /// The message in parts of that number, until its last part is encoded; and whether it is its turn.
    pub fn take_parts(&mut self, id: u32) -> Option<(u64, Entry, bool)> {
        let at = *self.parts.get(&id)?;
        let first = self.entries.first_key_value().is_some_and(|(first, _)| *first == at);
        Some((at, self.remove(at), first))
    }

    /// Drops everything but the figures.
    pub fn clear(&mut self) {
        *self = Line { dropped: self.dropped, ..Line::default() };
    }

    /// No part will come any more, but of those that outlive the close if they are to be kept: what is
    /// unfinished goes, and with one that has begun all that waits behind it, since nothing but its end
    /// may follow (RFC 6455 section 5.4). Gives the bytes back that are lost by this.
    pub fn abandon_unfinished(&mut self, keep: bool) -> usize {
        let outlives = |entry: &Entry| entry.parts.as_ref().is_some_and(|it| it.outlives_close);
        let lost = |entry: &Entry| !(entry.whole || keep && outlives(entry));
        let before = self.bytes;
        if self.first().is_some_and(|first| first.begun && lost(first)) {
            while self.take_first().is_some() {}
        }
        let unfinished = self.entries.iter().filter(|(_, entry)| lost(entry));
        for at in unfinished.map(|(at, _)| *at).collect::<Vec<_>>() {
            self.remove(at);
        }
        before - self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str, key: u64, droppable: bool) -> Entry {
        Entry {
            kind: Kind::Text,
            data: Data::Copied(text.into()),
            at: 0,
            compress: false,
            key,
            droppable,
            begun: false,
            whole: true,
            parts: None,
            squeezed: None,
        }
    }

    fn line(entries: &[(&str, u64, bool)]) -> Line {
        let mut line = Line::default();
        for (text, key, droppable) in entries {
            line.push(entry(text, *key, *droppable));
        }
        line
    }

    fn texts(mut line: Line) -> Vec<String> {
        let mut texts = Vec::new();
        while let Some((_, entry)) = line.take_first() {
            texts.push(String::from_utf8(entry.rest().to_vec()).unwrap());
        }
        assert_eq!((line.bytes(), line.droppable_bytes), (0, 0));
        texts
    }

    #[test]
    fn a_newer_message_takes_the_place_of_the_one_with_its_key() {
        let mut line = line(&[("a", 0, false), ("bb", 7, false), ("c", 8, true)]);
        assert_eq!(line.replace(entry("new", 7, true)).ok(), Some(2));
        assert!(line.replace(entry("d", 9, false)).is_err());
        assert!(line.replace(entry("d", 0, false)).is_err(), "0 is no key");
        assert_eq!(line.dropped, Dropped { messages: 1, bytes: 2 });
        assert_eq!(line.bytes(), 5);
        assert_eq!(texts(line), ["a", "new", "c"]);
    }

    #[test]
    fn the_oldest_go_first_and_only_when_that_is_enough() {
        let mut line = line(&[
            ("keep", 0, false),
            ("aa", 0, true),
            ("bb", 3, true),
            ("k", 4, false),
            ("cc", 0, true),
        ]);
        assert_eq!(line.drop_oldest(7), Dropped::default());
        assert_eq!(line.drop_oldest(3), Dropped { messages: 2, bytes: 4 });
        assert!(line.replace(entry("b", 3, false)).is_err(), "it has been dropped");
        assert_eq!(texts(line), ["keep", "k", "cc"]);
    }

    #[test]
    fn what_has_begun_is_neither_dropped_nor_replaced() {
        let mut line = line(&[("abcdef", 7, true)]);
        let (at, mut first) = line.take_first().unwrap();
        (first.begun, first.at) = (true, 2);
        line.put(at, first);
        assert_eq!((line.bytes(), line.drop_oldest(1)), (4, Dropped::default()));
        assert!(line.replace(entry("new", 7, true)).is_err());
        assert_eq!(texts(line), ["cdef"]);
    }

    #[test]
    fn nothing_can_follow_a_message_that_has_begun_and_does_not_end() {
        for (begun, left) in [(true, &[][..]), (false, &["x"][..])] {
            let mut line = Line::default();
            line.push(Entry { whole: false, begun, ..entry("part", 0, false) });
            line.push(entry("x", 0, false));
            line.push(Entry { whole: false, ..entry("other", 0, false) });
            assert_eq!(line.abandon_unfinished(true), if begun { 10 } else { 9 });
            assert_eq!(texts(line), left);
        }
    }
}
