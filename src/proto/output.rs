//! What waits to be sent: whole frames in order, and one pong that may overtake them.
//!
//! Small frames share a buffer and so leave in one system call; large ones have a buffer each, so
//! that nothing is copied twice, or refer to memory that somebody else keeps. An empty queue owns no
//! memory, and a connection with nothing to send has no queue: `Context` lends it one.

use super::frame::{self, MAX_CONTROL, MAX_HEADER};
use crate::error::Result;
use crate::util::bytes::Bytes;
use crate::util::pool::BufferPool;
use crate::util::time::Time;
use std::collections::VecDeque;
use std::io::IoSlice;

/// Frames from this size on are not copied behind others.
const LARGE: usize = 16 * 1024;
/// Until a buffer has that much others are copied behind it: with one more it is still one that is used again.
const FULL: usize = 47 * 1024;
/// A larger buffer is not kept for the next that has something to send.
const KEPT: usize = 64 * 1024;
/// A queue of which so little is kept may wait among many.
const SMALL: usize = 512;
/// So much room is left in a buffer of frames, for the pong that may overtake those that have not begun.
const PONG: usize = MAX_HEADER + MAX_CONTROL;
/// Smaller buffers before a payload that is referred to were made for its header, and are of no further use.
const HEADERS: usize = 1024;

/// The send queue.
#[derive(Default)]
pub struct Output {
    /// Whole frames, but for a payload in `Backlog::tail`. The first `gone` bytes of both together have
    /// been sent. Empty only if all is.
    front: Vec<u8>,
    gone: usize,
    /// Message bytes among what waits; see `buffered`.
    data: usize,
    /// Pings among what waits, an upper bound.
    pub pings: u16,
    /// When the transport last took something, or was full for the first time; 0 before that.
    pub moved: Time,
    more: Option<Box<Backlog>>,
}

/// The part that only a busy connection has.
#[derive(Default)]
struct Backlog {
    /// The payload of the last frame in `front`.
    tail: Option<Bytes>,
    chunks: VecDeque<Chunk>,
    /// Bytes of all chunks but the last, which may still grow.
    settled: usize,
    /// A pong that goes out at the next frame boundary.
    pong: Option<Vec<u8>>,
    /// Bytes that the transport has taken and not sent.
    held: usize,
    /// So many bytes in front end a frame whose beginning was sent from elsewhere.
    rest: usize,
}

/// Whole frames. The payload of the last may be somewhere else.
#[derive(Default)]
struct Chunk {
    frames: Vec<u8>,
    tail: Option<Bytes>,
}

impl Chunk {
    fn len(&self) -> usize {
        self.frames.len() + bytes(&self.tail).len()
    }
}

impl Backlog {
    fn is_idle(&self) -> bool {
        let waits = self.tail.is_some() || !self.chunks.is_empty() || self.pong.is_some();
        !waits && self.held == 0 && self.rest == 0
    }

    fn push(&mut self, chunk: Chunk) -> &mut Chunk {
        self.settled += self.chunks.back().map_or(0, Chunk::len);
        self.chunks.push_back(chunk);
        self.chunks.back_mut().expect("there is one now")
    }

    /// What comes after `front`.
    fn pop(&mut self) -> Option<Chunk> {
        match self.chunks.pop_front() {
            Some(chunk) => {
                if !self.chunks.is_empty() {
                    self.settled -= chunk.len();
                }
                Some(chunk)
            }
            None => self.pong.take().map(|frames| Chunk { frames, tail: None }),
        }
    }
}

impl Output {
    /// Nothing waits here.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.front.is_empty()
    }

    /// Nothing waits here or in the transport, so that the queue can be given back.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.is_empty() && self.more.is_none()
    }

    /// It has next to no memory of its own.
    #[inline]
    pub fn is_small(&self) -> bool {
        self.front.capacity() <= SMALL
    }

    /// Message bytes that wait, as an upper bound: exact without headers until the first part of
    /// the queue is sent, 0 when all is.
    #[inline]
    pub fn buffered(&self) -> usize {
        self.data + self.held()
    }

    /// Bytes that the transport has taken and not sent.
    #[inline]
    pub fn held(&self) -> usize {
        self.more.as_ref().map_or(0, |more| more.held)
    }

    /// See `held`.
    pub fn hold(&mut self, n: usize) {
        if n > 0 || self.more.is_some() {
            self.more.get_or_insert_default().held = n;
            self.tidy();
        }
    }

    /// The buffer to which a frame of at most `size` bytes is to be appended: there is room for it. `data` of
    /// them belong to a message. `None` without memory for a large one, and nothing is changed.
    #[inline]
    pub fn room(
        &mut self,
        pool: &mut BufferPool,
        size: usize,
        data: usize,
    ) -> Option<&mut Vec<u8>> {
        if self.more.is_none()
            && !self.front.is_empty()
            && joins(&self.front, size)
            && self.front.try_reserve(size + PONG).is_ok()
        {
            self.data += data;
            return Some(&mut self.front);
        }
        self.other_room(pool, size, data)
    }

    fn other_room(
        &mut self,
        pool: &mut BufferPool,
        size: usize,
        data: usize,
    ) -> Option<&mut Vec<u8>> {
        if self.front.is_empty() {
            if self.front.capacity() < size + PONG {
                pool.put(std::mem::take(&mut self.front));
                self.front = pool.take_for(size + PONG).ok()?;
            }
            self.data += data;
            return Some(&mut self.front);
        }
        let only =
            self.more.as_ref().is_none_or(|more| more.chunks.is_empty() && more.tail.is_none());
        if only && joins(&self.front, size) && self.front.try_reserve(size + PONG).is_ok() {
            self.data += data;
            return Some(&mut self.front);
        }
        let more = self.more.get_or_insert_default();
        let joins = |back: &mut Chunk| {
            back.tail.is_none()
                && joins(&back.frames, size)
                && back.frames.try_reserve(size + PONG).is_ok()
        };
        if !more.chunks.back_mut().is_some_and(joins) {
            let frames = pool.take_for(size + PONG).ok()?;
            more.push(Chunk { frames, tail: None });
        }
        self.data += data;
        Some(&mut more.chunks.back_mut().expect("there is one now").frames)
    }

    /// Queues a payload that is referred to, and gives the buffer to which its header is to be appended.
    /// The reference is dropped when the last byte has been sent.
    pub fn share(&mut self, payload: Bytes) -> &mut Vec<u8> {
        self.data += (*payload).as_ref().len();
        let more = self.more.get_or_insert_default();
        if self.front.is_empty() {
            self.front.reserve(MAX_HEADER);
            more.tail = Some(payload);
            return &mut self.front;
        }
        let takes = |frames: &mut Vec<u8>| {
            joins(frames, MAX_HEADER) && frames.try_reserve(MAX_HEADER).is_ok()
        };
        if more.chunks.is_empty() && more.tail.is_none() && takes(&mut self.front) {
            more.tail = Some(payload);
            return &mut self.front;
        }
        let joins = |back: &mut Chunk| back.tail.is_none() && takes(&mut back.frames);
        let last = match more.chunks.back_mut().is_some_and(joins) {
            true => more.chunks.back_mut().expect("it joins"),
            false => more.push(Chunk { frames: Vec::with_capacity(MAX_HEADER), tail: None }),
        };
        last.tail = Some(payload);
        &mut last.frames
    }

    /// Queues the end of a frame whose beginning has been sent, when nothing else waits. `data` of its bytes
    /// belong to a message. Without memory for it the frame can never be ended.
    pub fn resume(&mut self, pool: &mut BufferPool, parts: [&[u8]; 2], data: usize) -> Result<()> {
        debug_assert!(self.is_empty());
        let size = parts[0].len() + parts[1].len();
        self.front = pool.take_for(size + PONG)?;
        parts.into_iter().for_each(|part| self.front.extend_from_slice(part));
        self.data = data;
        self.more.get_or_insert_default().rest = size;
        Ok(())
    }

    /// Keeps a pong for the next frame boundary, in place of the one that waited there before. Where another
    /// has taken the room for it and there is no memory for more, the peer has to ask again.
    pub fn overtake(&mut self, pong: Vec<u8>) {
        debug_assert!(!self.is_empty() && pong.len() <= PONG);
        if self.front.try_reserve(pong.len()).is_ok() {
            self.more.get_or_insert_default().pong = Some(pong);
        }
    }

    /// What waits, if it is in one piece and nothing else is to be thought of.
    #[inline]
    pub fn plain(&self) -> Option<&[u8]> {
        match self.more {
            None => Some(&self.front[self.gone..]),
            Some(_) => None,
        }
    }

    /// The transport has taken all that is plain.
    #[inline]
    pub fn plain_sent(&mut self) {
        match self.front.capacity() {
            // It goes back together with the queue.
            ..=KEPT => self.front.clear(),
            _ => self.front = Vec::new(),
        }
        self.gone = 0;
        self.data = 0;
    }

    /// Fills `slices` with what waits, in order, and returns how many it filled.
    pub fn transmit<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut first = [self.head(), &[], &[], &[]];
        let mut chunks = None;
        if let Some(more) = &self.more {
            let [head, ..] = first;
            let tail = &bytes(&more.tail)[self.gone.saturating_sub(self.front.len())..];
            first = match &more.pong {
                None => [head, tail, &[], &[]],
                Some(pong) => match self.boundary() {
                    at if at > self.front.len() => [head, tail, pong, &[]],
                    at => {
                        let (begun, rest) = head.split_at(at - self.gone);
                        [begun, pong, rest, tail]
                    }
                },
            };
            chunks = Some(more.chunks.iter());
        }
        let chunks = chunks.into_iter().flatten();
        let behind = chunks.flat_map(|chunk| [chunk.frames.as_slice(), bytes(&chunk.tail)]);
        let first = first.into_iter();
        let mut filled = 0;
        let waiting = first.chain(behind).filter(|part| !part.is_empty());
        for (slice, part) in slices.iter_mut().zip(waiting) {
            *slice = IoSlice::new(part);
            filled += 1;
        }
        filled
    }

    /// Forgets the first `n` bytes of what `transmit` shows.
    pub fn sent(&mut self, pool: &mut BufferPool, mut n: usize) {
        if self.more.is_some() {
            self.place_pong(n);
        }
        loop {
            let left = self.chunk_len() - self.gone;
            if n < left {
                self.gone += n;
                break;
            }
            n -= left;
            self.gone = 0;
            let mut next = Vec::new();
            let mut shared = None;
            if let Some(more) = &mut self.more {
                let chunk = more.pop().unwrap_or_default();
                more.rest = 0;
                next = chunk.frames;
                shared = std::mem::replace(&mut more.tail, chunk.tail);
            }
            let spent = std::mem::replace(&mut self.front, next);
            if shared.is_none() || spent.capacity() >= HEADERS {
                pool.put(spent);
            }
            if let Some(bytes) = shared {
                pool.take_back(bytes);
            }
            if self.front.is_empty() {
                debug_assert_eq!(n, 0);
                break;
            }
        }
        self.tidy();
        if self.data > 0 {
            self.data = self.data.min(self.total());
        }
    }

    fn tidy(&mut self) {
        if self.more.as_ref().is_some_and(|more| more.is_idle()) {
            self.more = None;
        }
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        *self = Output::default();
    }

    /// Once the first byte of the waiting pong is among `n` sent ones, it has its place for good.
    fn place_pong(&mut self, n: usize) {
        let boundary = self.boundary();
        let end = self.chunk_len();
        let Some(more) = &mut self.more else { return };
        if n <= boundary - self.gone {
            return;
        }
        let Some(pong) = more.pong.take() else { return };
        if boundary == end {
            if !more.chunks.is_empty() {
                more.settled += pong.len();
            }
            more.chunks.push_front(Chunk { frames: pong, tail: None });
        } else {
            self.front.splice(boundary..boundary, pong);
        }
    }

    /// Where in `front` the next frame begins that has not begun to be sent. A payload that is referred
    /// to counts as if it stood there.
    fn boundary(&self) -> usize {
        let mut at = self.more.as_ref().map_or(0, |more| more.rest);
        while at < self.gone {
            at += frame::span(&self.front[at..]);
        }
        at
    }

    /// What is left of the frames in `front`.
    fn head(&self) -> &[u8] {
        &self.front[self.gone.min(self.front.len())..]
    }

    /// Bytes of the first chunk, those that are gone among them.
    fn chunk_len(&self) -> usize {
        self.front.len() + self.more.as_ref().map_or(0, |more| bytes(&more.tail).len())
    }

    fn total(&self) -> usize {
        let more = self.more.as_ref().map_or(0, |more| {
            let pong = more.pong.as_ref().map_or(0, Vec::len);
            more.settled + more.chunks.back().map_or(0, Chunk::len) + pong
        });
        self.chunk_len() - self.gone + more
    }
}

fn bytes(shared: &Option<Bytes>) -> &[u8] {
    shared.as_ref().map_or(&[], |shared| (**shared).as_ref())
}

/// Whether a frame of `size` bytes is to be copied behind what is in `buffer`.
fn joins(buffer: &Vec<u8>, size: usize) -> bool {
    size < LARGE && (buffer.len() < FULL || buffer.capacity() - buffer.len() >= size + PONG)
}
