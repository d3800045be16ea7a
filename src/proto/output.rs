//! What waits to be sent: whole frames in order, and one pong that may overtake them.
//!
//! Small frames share a buffer and so leave in one system call; large ones have a buffer each, so
//! that nothing is copied twice. An empty queue owns no memory.

use super::frame;
use crate::util::pool::BufferPool;
use std::collections::VecDeque;
use std::io::IoSlice;

/// Frames from this size on are not copied behind others.
const LARGE: usize = 16 * 1024;

/// The send queue.
#[derive(Default)]
pub struct Output {
    /// Whole frames, of which the first `gone` bytes have been sent. Empty only if all is.
    front: Vec<u8>,
    gone: usize,
    /// Message bytes among what waits; see `buffered`.
    data: usize,
    more: Option<Box<Backlog>>,
}

/// The part that only a busy connection has.
#[derive(Default)]
struct Backlog {
    /// Whole frames each.
    chunks: VecDeque<Vec<u8>>,
    /// A pong that goes out at the next frame boundary.
    pong: Option<Vec<u8>>,
    /// Bytes that the transport has taken and not sent.
    held: usize,
}

impl Backlog {
    fn is_idle(&self) -> bool {
        self.chunks.is_empty() && self.pong.is_none() && self.held == 0
    }
}

impl Output {
    /// Nothing waits here.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.front.is_empty()
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

    /// The buffer to which a frame of about `size` bytes is to be appended. `data` of them belong to
    /// a message.
    #[inline]
    pub fn room(&mut self, pool: &mut BufferPool, size: usize, data: usize) -> &mut Vec<u8> {
        self.data += data;
        if self.front.is_empty() {
            self.front = buffer(pool, size);
            return &mut self.front;
        }
        let only = self.more.as_ref().is_none_or(|more| more.chunks.is_empty());
        if only && joins(&self.front, size) {
            return &mut self.front;
        }
        let chunks = &mut self.more.get_or_insert_default().chunks;
        if !chunks.back().is_some_and(|back| joins(back, size)) {
            chunks.push_back(buffer(pool, size));
        }
        chunks.back_mut().expect("there is one now")
    }

    /// Keeps a pong for the next frame boundary, in place of the one that waited there before.
    pub fn overtake(&mut self, pong: Vec<u8>) {
        debug_assert!(!self.is_empty());
        self.more.get_or_insert_default().pong = Some(pong);
    }

    /// Fills `slices` with what waits, in order, and returns how many it filled.
    pub fn transmit<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let (mut head, mut tail, mut pong) = (&self.front[self.gone..], &[][..], &[][..]);
        let mut chunks = None;
        if let Some(more) = &self.more {
            chunks = Some(more.chunks.iter());
            if let Some(waiting) = &more.pong {
                (head, tail) = head.split_at(self.boundary() - self.gone);
                pong = waiting;
            }
        }
        let rest = chunks.into_iter().flatten().map(Vec::as_slice);
        let waiting = [head, pong, tail].into_iter().chain(rest).filter(|part| !part.is_empty());
        let mut filled = 0;
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
            let left = self.front.len() - self.gone;
            if n < left {
                self.gone += n;
                break;
            }
            n -= left;
            self.gone = 0;
            let next = self
                .more
                .as_mut()
                .and_then(|more| more.chunks.pop_front().or_else(|| more.pong.take()));
            pool.put(std::mem::replace(&mut self.front, next.unwrap_or_default()));
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
        let Some(more) = &mut self.more else { return };
        if n <= boundary - self.gone {
            return;
        }
        let Some(pong) = more.pong.take() else { return };
        if boundary == self.front.len() {
            more.chunks.push_front(pong);
        } else {
            self.front.splice(boundary..boundary, pong);
        }
    }

    /// Where in `front` the next frame begins that has not begun to be sent.
    fn boundary(&self) -> usize {
        let mut at = 0;
        while at < self.gone {
            at += frame::span(&self.front[at..]);
        }
        at
    }

    fn total(&self) -> usize {
        let more = self.more.as_ref().map_or(0, |more| {
            let pong = more.pong.as_ref().map_or(0, Vec::len);
            more.chunks.iter().map(Vec::len).sum::<usize>() + pong
        });
        self.front.len() - self.gone + more
    }
}

/// Whether a frame of `size` bytes is to be copied behind what is in `buffer`.
fn joins(buffer: &Vec<u8>, size: usize) -> bool {
    size < LARGE && (buffer.len() < LARGE || buffer.capacity() - buffer.len() >= size)
}

fn buffer(pool: &mut BufferPool, size: usize) -> Vec<u8> {
    let mut buffer = pool.take();
    buffer.reserve(size);
    buffer
}
