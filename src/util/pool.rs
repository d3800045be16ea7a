//! Buffers that are given back, so that an idle connection owns none and a busy loop allocates none.
//!
//! Small ones are all alike. A large one is looked for by its size, because new memory costs more than
//! what is read into it; together they are bounded, and what nobody has needed for a while is freed.

use super::memory;
use super::time::Time;
use crate::error::Result;

/// How many small buffers of a loop wait for their next use.
const KEPT: usize = 32;
/// A buffer with more is a large one.
const SMALL: usize = 64 * 1024;
/// How much the large ones may have together.
const KEPT_LARGE: usize = 8 << 20;
/// What was not needed for so long is not kept any longer.
const UNUSED_MS: u64 = 1_000;

/// Byte vectors with some capacity, last in first out: the warmest is taken next.
#[derive(Default)]
pub struct BufferPool {
    free: Vec<Vec<u8>>,
    large: Vec<Vec<u8>>,
    /// Capacity of all large ones.
    kept: usize,
    /// The least of that since the last look.
    unused: usize,
    /// When to look again; there is something to look at if this is set.
    look_at: Option<Time>,
}

impl BufferPool {
    /// An empty vector, with capacity from an earlier use when there is one.
    pub fn take(&mut self) -> Vec<u8> {
        self.free.pop().unwrap_or_default()
    }

    /// An empty vector for so many bytes.
    pub fn take_for(&mut self, size: usize) -> Result<Vec<u8>> {
        let large = if size > SMALL { self.take_large(size) } else { None };
        let mut buffer = large.unwrap_or_else(|| self.take());
        buffer.clear();
        memory::reserve(&mut buffer, size)?;
        Ok(buffer)
    }

    /// A large vector with room for `size` bytes, if one is here, with whatever was in it: so much of it
    /// needs not be written before it is read into. The tightest is taken, but none of more than four times
    /// the size: somebody may hold on to it for long.
    pub fn take_large(&mut self, size: usize) -> Option<Vec<u8>> {
        let range = size..=size.saturating_mul(4);
        let large = self.large.iter().enumerate().rev();
        let fits = large.filter(|(_, it)| range.contains(&it.capacity()));
        let (index, _) = fits.min_by_key(|(_, it)| it.capacity())?;
        let buffer = self.large.remove(index);
        self.kept -= buffer.capacity();
        self.unused = self.unused.min(self.kept);
        Some(buffer)
    }

    /// Gives a vector back; its contents mean nothing any more.
    pub fn put(&mut self, mut buffer: Vec<u8>) {
        let capacity = buffer.capacity();
        if capacity > SMALL {
            self.put_large(buffer);
        } else if capacity > 0 && self.free.len() < KEPT {
            buffer.clear();
            self.free.push(buffer);
        }
    }

    /// Those that have waited longest make way for it.
    fn put_large(&mut self, buffer: Vec<u8>) {
        let capacity = buffer.capacity();
        if capacity > KEPT_LARGE {
            return;
        }
        let mut over = (self.kept + capacity).saturating_sub(KEPT_LARGE);
        while over > 0 {
            over = over.saturating_sub(self.large.remove(0).capacity());
        }
        self.large.push(buffer);
        self.kept = self.large.iter().map(Vec::capacity).sum();
        self.unused = self.unused.min(self.kept);
    }

    /// When to call `tidy`, once it was called.
    pub fn next_timeout(&self) -> Option<Time> {
        self.look_at
    }

    /// Frees the large buffers that nobody has needed lately. To be called at the end of whatever may have
    /// given one back, and when `next_timeout` says.
    #[inline]
    pub fn tidy(&mut self, now: Time) {
        if self.kept > 0 || self.look_at.is_some() {
            self.look(now);
        }
    }

    #[cold]
    fn look(&mut self, now: Time) {
        match self.look_at {
            Some(at) if now < at => return,
            Some(_) => {
                // The coldest are in front.
                let mut free = self.unused;
                self.large.retain(|buffer| {
                    let goes = buffer.capacity() <= free;
                    free -= if goes { buffer.capacity() } else { 0 };
                    !goes
                });
                self.kept = self.large.iter().map(Vec::capacity).sum();
            }
            None => {}
        }
        self.unused = self.kept;
        self.look_at = (self.kept > 0).then(|| now.plus_ms(UNUSED_MS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn small_buffers_come_back_empty() {
        let mut pool = BufferPool::default();
        pool.put(vec![1, 2, 3]);
        let again = pool.take();
        assert!(again.is_empty() && again.capacity() >= 3);
        pool.put(Vec::with_capacity(SMALL + 1));
        assert_eq!(pool.take().capacity(), 0);
    }

    #[test]
    fn a_large_buffer_comes_back_as_it_was_and_the_tightest_is_taken() {
        let mut pool = BufferPool::default();
        for size in [2 * MIB, MIB, 3 * MIB] {
            pool.put(vec![7; size]);
        }
        assert!(pool.take_large(3 * MIB + 1).is_none());
        assert!(pool.take_large(MIB / 5).is_none());
        let tightest = pool.take_large(MIB / 2).unwrap();
        assert_eq!((tightest.len(), tightest.capacity()), (MIB, MIB));
        assert_eq!(pool.take_large(MIB).unwrap().capacity(), 2 * MIB);
        let empty = pool.take_for(2 * MIB).unwrap();
        assert!(empty.is_empty() && empty.capacity() == 3 * MIB);
        assert!(pool.take_for(100).unwrap().capacity() >= 100);
        assert!(pool.take_for(isize::MAX as usize).is_err());
    }

    #[test]
    fn large_buffers_are_bounded_together() {
        let mut pool = BufferPool::default();
        for _ in 0..100 {
            pool.put(Vec::with_capacity(MIB));
        }
        pool.put(Vec::with_capacity(KEPT_LARGE + 1));
        assert_eq!((pool.large.len(), pool.kept), (KEPT_LARGE / MIB, KEPT_LARGE));
    }

    #[test]
    fn what_nobody_needs_is_freed_and_what_is_used_stays() {
        let mut pool = BufferPool::default();
        pool.tidy(Time(1));
        assert_eq!(pool.next_timeout(), None);
        pool.put(vec![0; MIB]);
        pool.put(vec![0; 2 * MIB]);
        pool.tidy(Time(1));
        let mut at = pool.next_timeout().unwrap();
        for _ in 0..3 {
            // Of what is kept this one is in use now and then.
            let used = pool.take_large(2 * MIB).unwrap();
            pool.put(used);
            pool.tidy(at);
            at = pool.next_timeout().unwrap();
        }
        assert_eq!(pool.kept, 2 * MIB);
        pool.tidy(Time(at.0 - 1));
        assert_eq!(pool.kept, 2 * MIB, "too early");
        pool.tidy(at);
        assert_eq!((pool.kept, pool.large.len(), pool.next_timeout()), (0, 0, None));
    }
}
