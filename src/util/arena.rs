//! The buffer that sockets are read into, of which pieces can be kept without a copy.
//!
//! A piece that is kept holds the whole buffer, and is never written to again: the arena goes on behind
//! it, or in another buffer when there is no room.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::memory;
use super::pages::Pages;
use super::time::Time;
use crate::error::Result;

/// Bytes that somebody may hold on to.
struct Buffer {
    bytes: Pages,
    /// Below this nothing is written any more while a piece is kept or something is shown.
    fixed: AtomicUsize,
    /// How many windows look at it, and how many of them show something right now. Both change on the
    /// arena's thread alone.
    windows: AtomicUsize,
    showing: AtomicUsize,
}

// SAFETY: bytes are written by the one `Arena` that made the buffer, only from `fixed` on, and read by
// others only below it. `fixed` goes back only when there is no piece and no window shows anything.
unsafe impl Sync for Buffer {}
// SAFETY: plain bytes.
unsafe impl Send for Buffer {}

impl Buffer {
    fn new(size: usize) -> Result<Arc<Buffer>> {
        let bytes = Pages::new(size).map_err(|_| memory::none(size))?;
        let (fixed, windows, showing) = Default::default();
        Ok(Arc::new(Buffer { bytes, fixed, windows, showing }))
    }

    /// Whether nobody reads what is fixed, now or later.
    fn is_free(buffer: &Arc<Buffer>) -> bool {
        let known = 1 + buffer.windows.load(Ordering::Relaxed);
        let free =
            Arc::strong_count(buffer) == known && buffer.showing.load(Ordering::Relaxed) == 0;
        // With the release of the last piece, on whatever thread that was.
        #[cfg(not(tsan))]
        std::sync::atomic::fence(Ordering::Acquire);
        // ThreadSanitizer knows no fences; this is dearer, and acquires the same.
        #[cfg(tsan)]
        drop(Arc::downgrade(buffer).upgrade());
        free
    }

    fn read(&self, range: Range<usize>) -> &[u8] {
        assert!(range.end <= self.fixed.load(Ordering::Relaxed), "only what is fixed is shown");
        let cells = &self.bytes[range];
        // SAFETY: `UnsafeCell<u8>` is as a byte, and below `fixed` nothing is written while `self` is
        // borrowed from somebody who holds the buffer.
        unsafe { std::slice::from_raw_parts(cells.as_ptr().cast::<u8>(), cells.len()) }
    }
}

/// See the module. Without memory until its first use.
#[derive(Default)]
pub struct Arena {
    buffer: Option<Arc<Buffer>>,
    /// Those before, the oldest first. Their pieces are most likely gone when this one is full, and new
    /// memory costs more than what is read into it.
    full: VecDeque<Arc<Buffer>>,
    /// Whether one of them was needed since the last look, and when the next is.
    changed: bool,
    look_at: Option<Time>,
}

/// So many are kept: as much as may be told in one batch of large messages.
const KEPT: usize = 8;
/// What was not needed for so long is not kept any longer.
const UNUSED_MS: u64 = 1_000;

/// A look at what is fixed in one buffer. It holds nothing but while it shows it. Not `Send`: it counts
/// without locks.
pub struct Window(Arc<Buffer>, PhantomData<*const ()>);

/// Something is shown.
struct Showing<'a>(&'a Buffer);

/// Bytes of an arena that stay as they are for as long as this lives.
#[derive(Clone)]
pub struct Piece {
    buffer: Arc<Buffer>,
    range: Range<usize>,
}

impl std::fmt::Debug for Piece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Piece({:?})", self.range)
    }
}

/// One more or one less of what only this thread counts.
#[inline]
fn step(count: &AtomicUsize, by: isize) {
    count.store(count.load(Ordering::Relaxed).wrapping_add_signed(by), Ordering::Relaxed);
}

impl Window {
    /// Shows bytes that have been fixed; they stay as they are meanwhile.
    #[inline]
    pub fn show<R>(&self, range: Range<usize>, look: impl FnOnce(&[u8]) -> R) -> R {
        step(&self.0.showing, 1);
        let _showing = Showing(&self.0);
        look(self.0.read(range))
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        step(&self.0.windows, -1);
    }
}

impl Drop for Showing<'_> {
    #[inline]
    fn drop(&mut self) {
        step(&self.0.showing, -1);
    }
}

impl Piece {
    /// A part of it, which is kept for itself.
    pub fn part(&self, part: Range<usize>) -> Piece {
        self.clone().only(part)
    }

    /// That part of it and no more.
    pub fn only(mut self, part: Range<usize>) -> Piece {
        let Range { start, end } = self.range;
        self.range = start + part.start..start + part.end;
        assert!(part.start <= part.end && self.range.end <= end, "a part lies inside");
        self
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        self.buffer.read(self.range.clone())
    }
}

impl Arena {
    /// Memory is taken in buffers of this size.
    pub const SIZE: usize = 1 << 20;

    /// A range of `size` bytes to write to. Where there is no memory for it everything stays as it was.
    pub fn room(&mut self, size: usize) -> Result<Range<usize>> {
        debug_assert!(size <= Arena::SIZE);
        if let Some(buffer) = &self.buffer {
            let mut start = buffer.fixed.load(Ordering::Relaxed);
            if start > 0 && Buffer::is_free(buffer) {
                buffer.fixed.store(0, Ordering::Relaxed);
                start = 0;
            }
            if Arena::SIZE - start >= size {
                return Ok(start..start + size);
            }
        }
        let free = self.full.iter().position(Buffer::is_free);
        let next = free.and_then(|index| self.full.remove(index));
        let next = next.map_or_else(|| Buffer::new(Arena::SIZE), Ok)?;
        next.fixed.store(0, Ordering::Relaxed);
        self.full.extend(self.buffer.replace(next));
        if self.full.len() > KEPT {
            self.full.pop_front();
        }
        self.changed = true;
        Ok(0..size)
    }

    /// When to call `tidy`, once it was called.
    pub fn next_timeout(&self) -> Option<Time> {
        self.look_at
    }

    /// Lets go of memory that nobody has needed lately. To be called at the end of whatever may have read, and
    /// when `next_timeout` says.
    #[inline]
    pub fn tidy(&mut self, now: Time) {
        if !self.full.is_empty() && self.look_at.is_none_or(|at| now >= at) {
            self.forget_unused(now);
        }
    }

    #[cold]
    fn forget_unused(&mut self, now: Time) {
        if self.look_at.is_some() && !self.changed {
            self.full.clear();
        }
        self.changed = false;
        self.look_at = (!self.full.is_empty()).then(|| now.plus_ms(UNUSED_MS));
    }

    /// The bytes of a range that is not fixed.
    pub fn write(&mut self, range: Range<usize>) -> &mut [u8] {
        let buffer = self.buffer();
        let fixed = buffer.fixed.load(Ordering::Relaxed);
        assert!(range.start >= fixed, "what is fixed is not written to");
        let cells = &buffer.bytes[range];
        // SAFETY: whoever else has the buffer reads only below `fixed`, and `&mut self` keeps
        // everybody from `fix`, `room` and `write` of this arena.
        unsafe { std::slice::from_raw_parts_mut(cells.as_ptr() as *mut u8, cells.len()) }
    }

    /// What lies before `end` is not written to until every window and piece is gone.
    #[inline]
    pub fn fix(&mut self, end: usize) {
        // Only this arena writes it, so that nothing is lost between the load and the store.
        let fixed = &self.buffer().fixed;
        fixed.store(fixed.load(Ordering::Relaxed).max(end), Ordering::Relaxed);
    }

    /// For whoever reads while the arena may be written to: a look at the buffer of now, unless `window` is
    /// that already.
    #[inline]
    pub fn look(&self, window: &mut Option<Window>) {
        let buffer = self.buffer();
        if !window.as_ref().is_some_and(|known| Arc::ptr_eq(&known.0, buffer)) {
            step(&buffer.windows, 1);
            *window = Some(Window(buffer.clone(), PhantomData));
        }
    }

    /// Holds on to a range, which becomes fixed.
    pub fn keep(&mut self, range: Range<usize>) -> Piece {
        self.fix(range.end);
        Piece { buffer: self.buffer().clone(), range }
    }

    fn buffer(&self) -> &Arc<Buffer> {
        self.buffer.as_ref().expect("there was room before")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = Arena::SIZE;

    #[test]
    fn pieces_stay_and_room_comes_back_when_they_go() {
        let mut arena = Arena::default();
        let first = arena.room(SIZE / 2 + 1).unwrap();
        assert_eq!(first.start, 0);
        arena.write(first).fill(1);
        let piece = arena.keep(0..SIZE / 4);
        let second = arena.room(SIZE / 2).unwrap();
        assert_eq!(second.start, SIZE / 4, "it goes on behind the piece");
        arena.write(second).fill(2);
        assert!(piece.as_ref().iter().all(|&byte| byte == 1));
        let other = arena.keep(SIZE / 4..SIZE / 2 + 1);
        let third = arena.room(SIZE / 2).unwrap();
        assert_eq!(third.start, 0, "in another buffer");
        arena.write(third).fill(3);
        assert_eq!((piece.as_ref()[0], other.as_ref()[SIZE / 4]), (1, 2));
        let last = arena.keep(0..1);
        assert_eq!(arena.room(10).unwrap(), 1..11);
        drop(last);
        assert_eq!(arena.room(10).unwrap(), 0..10, "nobody holds a piece any more");
    }

    #[test]
    fn a_few_buffers_are_kept_while_pieces_are_held_in_many_and_go_when_they_are_not_needed() {
        let mut arena = Arena::default();
        let address = |piece: &Piece| piece.as_ref().as_ptr();
        let batch = |arena: &mut Arena| {
            let pieces = (0..KEPT).map(|_| {
                let room = arena.room(SIZE).unwrap();
                arena.keep(room)
            });
            pieces.collect::<Vec<_>>()
        };
        let known: Vec<_> = batch(&mut arena).iter().map(address).collect();
        for _ in 0..3 {
            assert!(batch(&mut arena).iter().all(|piece| known.contains(&address(piece))));
        }
        assert_eq!(arena.next_timeout(), None);
        arena.tidy(Time(1));
        let at = arena.next_timeout().unwrap();
        drop(batch(&mut arena));
        arena.tidy(Time(at.0 - 1));
        assert_eq!((arena.next_timeout(), arena.full.len()), (Some(at), KEPT - 1));
        arena.tidy(at);
        assert_eq!(arena.full.len(), KEPT - 1, "they were needed");
        arena.tidy(arena.next_timeout().unwrap());
        assert_eq!((arena.next_timeout(), arena.full.len()), (None, 0));
        let held = batch(&mut arena);
        batch(&mut arena);
        assert_eq!(arena.full.len(), KEPT);
        assert!(held.iter().all(|piece| piece.as_ref().len() == SIZE));
    }

    #[test]
    fn two_buffers_take_turns_while_pieces_are_short_lived() {
        let mut arena = Arena::default();
        let mut fill = |value| {
            let room = arena.room(SIZE).unwrap();
            arena.write(room.clone()).fill(value);
            arena.keep(room)
        };
        let address = |piece: &Piece| piece.as_ref().as_ptr();
        let (first, second) = (fill(1), fill(2));
        let known = [address(&first), address(&second)];
        drop(first);
        let third = fill(3);
        assert_eq!(address(&third), known[0]);
        assert!(second.as_ref().iter().all(|&byte| byte == 2));
        let fourth = fill(4);
        assert!(!known.contains(&address(&fourth)), "both are held");
        assert_eq!((second.as_ref()[0], third.as_ref()[0]), (2, 3));
    }

    #[test]
    fn a_window_shows_what_is_fixed_while_more_is_written() {
        let mut arena = Arena::default();
        let room = arena.room(100).unwrap();
        let mut window = None;
        arena.look(&mut window);
        let window = window.unwrap();
        arena.write(room).fill(7);
        arena.fix(10);
        window.show(0..10, |shown| {
            arena.write(10..100).fill(8);
            assert_eq!(shown, [7; 10]);
            assert_eq!(arena.room(50).unwrap(), 10..60, "it is shown");
        });
        assert_eq!(arena.room(50).unwrap(), 0..50, "a window alone holds nothing");
        let kept = arena.keep(0..5);
        assert_eq!(arena.room(50).unwrap(), 5..55);
        drop(kept);
        assert_eq!(arena.room(50).unwrap(), 0..50);
    }

    #[test]
    fn a_window_follows_the_arena_to_another_buffer() {
        let mut arena = Arena::default();
        let mut window = None;
        let first = arena.room(SIZE).unwrap();
        arena.look(&mut window);
        let _kept = arena.keep(first);
        let next = arena.room(10).unwrap();
        arena.write(next.clone()).fill(3);
        arena.fix(next.end);
        arena.look(&mut window);
        window.unwrap().show(next, |shown| assert_eq!(shown, [3; 10]));
        assert_eq!(arena.room(10).unwrap(), 0..10);
    }

    #[test]
    fn a_piece_may_be_read_elsewhere_while_the_arena_goes_on() {
        let mut arena = Arena::default();
        let room = arena.room(10).unwrap();
        arena.write(room.clone()).fill(7);
        let piece = arena.keep(room);
        let reader = std::thread::spawn(move || piece.as_ref().iter().all(|&byte| byte == 7));
        for _ in 0..50 {
            let room = arena.room(5000).unwrap();
            arena.write(room).fill(9);
        }
        assert!(reader.join().unwrap());
    }

    #[test]
    #[should_panic(expected = "not written to")]
    fn what_is_fixed_cannot_be_written_to() {
        let mut arena = Arena::default();
        let room = arena.room(100).unwrap();
        arena.fix(50);
        arena.write(room);
    }

    #[test]
    #[should_panic(expected = "only what is fixed")]
    fn what_is_not_fixed_is_not_shown() {
        let mut arena = Arena::default();
        arena.room(100).unwrap();
        let mut window = None;
        arena.look(&mut window);
        window.unwrap().show(0..1, |_| ());
    }
}
