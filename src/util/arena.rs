//! The buffer that sockets are read into, of which pieces can be kept without a copy.
//!
//! A piece that is kept holds the whole buffer, and is never written to again: the arena goes on behind
//! it, or in another buffer when there is no room.

use std::cell::UnsafeCell;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that somebody may hold on to.
struct Buffer {
    bytes: Box<[UnsafeCell<u8>]>,
    /// Below this nothing is written any more while anybody but the arena has the buffer.
    fixed: AtomicUsize,
}

// SAFETY: bytes are written by the one `Arena` that made the buffer, only from `fixed` on, and read by
// others only below it. `fixed` goes back only when the arena alone has the buffer.
unsafe impl Sync for Buffer {}
// SAFETY: plain bytes.
unsafe impl Send for Buffer {}

impl Buffer {
    fn new(size: usize) -> Arc<Buffer> {
        // Zeroed by the system and touched only as far as it is used.
        let zeros = Box::into_raw(vec![0u8; size].into_boxed_slice());
        // SAFETY: `UnsafeCell<u8>` has the layout of `u8`, so it is the same allocation.
        let bytes = unsafe { Box::from_raw(zeros as *mut [UnsafeCell<u8>]) };
        Arc::new(Buffer { bytes, fixed: AtomicUsize::new(0) })
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
    /// The one before. Its pieces are most likely gone when this one is full, and new memory costs more
    /// than what is read into it.
    last: Option<Arc<Buffer>>,
}

/// A look at what is fixed in the buffer of now.
pub struct Window(Arc<Buffer>);

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

impl Window {
    /// Bytes that have been fixed.
    pub fn read(&self, range: Range<usize>) -> &[u8] {
        self.0.read(range)
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

    /// A range of `size` bytes to write to.
    pub fn room(&mut self, size: usize) -> Range<usize> {
        debug_assert!(size <= Arena::SIZE);
        if let Some(buffer) = &mut self.buffer {
            let mut start = buffer.fixed.load(Ordering::Relaxed);
            if start > 0
                && let Some(buffer) = Arc::get_mut(buffer)
            {
                *buffer.fixed.get_mut() = 0;
                start = 0;
            }
            if Arena::SIZE - start >= size {
                return start..start + size;
            }
        }
        let mut next = self.last.take();
        match next.as_mut().and_then(Arc::get_mut) {
            Some(free) => *free.fixed.get_mut() = 0,
            None => next = Some(Buffer::new(Arena::SIZE)),
        }
        self.last = std::mem::replace(&mut self.buffer, next);
        0..size
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

    /// For whoever reads while the arena may be written to.
    pub fn window(&self) -> Window {
        Window(self.buffer().clone())
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
        let first = arena.room(SIZE / 2 + 1);
        assert_eq!(first.start, 0);
        arena.write(first).fill(1);
        let piece = arena.keep(0..SIZE / 4);
        let second = arena.room(SIZE / 2);
        assert_eq!(second.start, SIZE / 4, "it goes on behind the piece");
        arena.write(second).fill(2);
        assert!(piece.as_ref().iter().all(|&byte| byte == 1));
        let other = arena.keep(SIZE / 4..SIZE / 2 + 1);
        let third = arena.room(SIZE / 2);
        assert_eq!(third.start, 0, "in another buffer");
        arena.write(third).fill(3);
        assert_eq!((piece.as_ref()[0], other.as_ref()[SIZE / 4]), (1, 2));
        let last = arena.keep(0..1);
        assert_eq!(arena.room(10), 1..11);
        drop(last);
        assert_eq!(arena.room(10), 0..10, "nobody holds a piece any more");
    }

    #[test]
    fn two_buffers_take_turns_while_pieces_are_short_lived() {
        let mut arena = Arena::default();
        let mut fill = |value| {
            let room = arena.room(SIZE);
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
        let room = arena.room(100);
        let window = arena.window();
        arena.write(room).fill(7);
        arena.fix(10);
        let shown = window.read(0..10);
        arena.write(10..100).fill(8);
        assert_eq!(shown, [7; 10]);
        assert_eq!(arena.room(50), 10..60, "the window holds it");
        drop(window);
        assert_eq!(arena.room(50), 0..50);
    }

    #[test]
    fn a_piece_may_be_read_elsewhere_while_the_arena_goes_on() {
        let mut arena = Arena::default();
        let room = arena.room(10);
        arena.write(room.clone()).fill(7);
        let piece = arena.keep(room);
        let reader = std::thread::spawn(move || piece.as_ref().iter().all(|&byte| byte == 7));
        for _ in 0..50 {
            let room = arena.room(5000);
            arena.write(room).fill(9);
        }
        assert!(reader.join().unwrap());
    }

    #[test]
    #[should_panic(expected = "not written to")]
    fn what_is_fixed_cannot_be_written_to() {
        let mut arena = Arena::default();
        let room = arena.room(100);
        arena.fix(50);
        arena.write(room);
    }

    #[test]
    #[should_panic(expected = "only what is fixed")]
    fn what_is_not_fixed_is_not_shown() {
        let mut arena = Arena::default();
        arena.room(100);
        arena.window().read(0..1);
    }
}
