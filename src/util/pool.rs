//! Buffers that are given back, so that an idle connection owns none and a busy loop allocates none.
//!
//! Small ones are all alike. A large one is looked for by its size, because new memory costs more than
//! what is read into it; together they are bounded, and what nobody has needed for a while is freed.

use super::bytes::Bytes;
use super::memory;
use super::time::Time;
use crate::error::Result;
use std::ops::RangeInclusive;

/// How many small buffers of a loop wait for their next use.
const KEPT: usize = 32;
/// A buffer with more is a large one.
const SMALL: usize = 64 * 1024;
/// How many large ones there are at most: they are looked through each time.
const LARGE_ONES: usize = 64;
/// How much they may have together.
const KEPT_LARGE: usize = 64 << 20;
/// What is in a buffer is not copied into a larger one if it is more; and who has so much may well become large.
const MUCH: usize = 512 * 1024;
/// A buffer so many times as large as what is in it is too large.
const ROOMY: usize = 4;
/// So much is freed at once: more takes the system a millisecond.
const FREED: usize = 2 << 20;
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
    /// So much was not needed lately.
    expired: usize,
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
        memory::reserve_exact(&mut buffer, size)?;
        Ok(buffer)
    }

    /// A large vector with room for `size` bytes, if one is here, with whatever was in it: so much of it
    /// needs not be written before it is read into. The tightest is taken, but none of more than four times
    /// the size: somebody may hold on to it for long.
    pub fn take_large(&mut self, size: usize) -> Option<Vec<u8>> {
        let range = size..=size.saturating_mul(ROOMY);
        let large = self.large.iter().enumerate().rev();
        let fits = large.filter(|(_, it)| range.contains(&it.capacity()));
        let (index, _) = fits.min_by_key(|(_, it)| it.capacity())?;
        Some(self.remove(index))
    }

    /// Makes a vector one for `size` bytes, with what it has, when nobody knows how much is still to come, but that it
    /// makes no more than `most`: the largest that is here takes its place, as long as there is not much to copy. See `fit`.
    pub fn enlarge(&mut self, buffer: &mut Vec<u8>, size: usize, most: usize) -> Result<()> {
        let most = if size > MUCH { most } else { most.min(size.saturating_mul(ROOMY)) };
        let copied = SMALL < size && buffer.len() <= MUCH;
        let index = if copied { self.largest(size..=most) } else { None };
        let Some(index) = index else {
            return memory::reserve_exact(buffer, size.saturating_sub(buffer.len()));
        };
        let mut larger = self.remove(index);
        larger.clear();
        larger.extend_from_slice(buffer);
        self.put(std::mem::replace(buffer, larger));
        Ok(())
    }

    /// Puts what is in a vector that is far too large for it into one that fits: somebody may hold on to it for long.
    pub fn fit(&mut self, buffer: &mut Vec<u8>) {
        let size = buffer.len().max(SMALL);
        if buffer.capacity() / ROOMY > size
            && let Ok(fitting) = self.take_for(size)
        {
            let roomy = std::mem::replace(buffer, fitting);
            buffer.extend_from_slice(&roomy);
            self.put(roomy);
        }
    }

    fn largest(&self, range: RangeInclusive<usize>) -> Option<usize> {
        let sizes = self.large.iter().map(Vec::capacity).enumerate();
        let fits = sizes.filter(|(_, size)| range.contains(size));
        fits.max_by_key(|(_, size)| *size).map(|(index, _)| index)
    }

    fn remove(&mut self, index: usize) -> Vec<u8> {
        let buffer = self.large.remove(index);
        self.kept -= buffer.capacity();
        self.unused = self.unused.min(self.kept);
        self.expired = self.expired.min(self.kept);
        buffer
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

    /// The same for bytes that were shared, once nobody else has them.
    pub fn take_back(&mut self, bytes: Bytes) {
        if let Some(buffer) = bytes.into_buffer() {
            self.put(buffer);
        }
    }

    fn put_large(&mut self, buffer: Vec<u8>) {
        if self.large.len() == LARGE_ONES {
            drop(self.remove(0));
        }
        self.kept += buffer.capacity();
        self.large.push(buffer);
    }

    /// So much of what is kept is to go.
    fn surplus(&self) -> usize {
        self.kept.saturating_sub(KEPT_LARGE).max(self.expired)
    }

    /// When to call `tidy`, once it was called.
    pub fn next_timeout(&self) -> Option<Time> {
        if self.surplus() > 0 { Some(Time(0)) } else { self.look_at }
    }

    /// Frees some of what is too much, or what nobody has needed lately. To be called at the end of whatever may have
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
            Some(at) if now < at => {}
            None if self.expired > 0 => {}
            before => {
                self.expired = if before.is_some() { self.unused } else { 0 };
                self.unused = self.kept - self.expired;
                self.look_at = (self.unused > 0).then(|| now.plus_ms(UNUSED_MS));
            }
        }
        if self.surplus() > 0 {
            self.free_some();
        }
    }

    /// Of the one that has waited longest.
    fn free_some(&mut self) {
        let Some(buffer) = self.large.first_mut() else { return };
        let before = buffer.capacity();
        // What is left of one is not moved by that.
        if before > 4 * FREED {
            buffer.clear();
            buffer.shrink_to(before - FREED);
        } else {
            *buffer = Vec::new();
        }
        let freed = before - buffer.capacity();
        if buffer.capacity() == 0 {
            self.large.remove(0);
        }
        self.kept -= freed;
        self.expired = self.expired.saturating_sub(freed);
        self.unused = self.unused.min(self.kept);
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
            pool.put(Vec::with_capacity(2 * MIB));
        }
        assert_eq!((pool.large.len(), pool.kept), (LARGE_ONES, 2 * LARGE_ONES * MIB));
        while pool.next_timeout() == Some(Time(0)) {
            pool.tidy(Time(1));
        }
        assert_eq!((pool.large.len(), pool.kept), (KEPT_LARGE / 2 / MIB, KEPT_LARGE));
    }

    #[test]
    fn what_grows_takes_the_largest_that_may_suit_it_while_there_is_little_to_copy() {
        let mut pool = BufferPool::default();
        for size in [200 << 10, 400 << 10, 600 << 10, 3 * MIB, 20 * MIB, 21 * MIB] {
            pool.put(Vec::with_capacity(size));
        }
        let mut buffer = vec![1; 100];
        pool.enlarge(&mut buffer, 150 << 10, usize::MAX).unwrap();
        assert_eq!(
            (&buffer[..], buffer.capacity()),
            (&[1; 100][..], 600 << 10),
            "more is more than four times"
        );
        buffer.resize(MUCH, 2);
        pool.enlarge(&mut buffer, 2 * MUCH, 20 * MIB).unwrap();
        assert_eq!((buffer.len(), buffer.capacity(), buffer[MUCH - 1]), (MUCH, 20 * MIB, 2));
        // Too much to copy.
        let mut own = vec![3; MIB];
        pool.enlarge(&mut own, 2 * MIB, 2 * MIB).unwrap();
        assert_eq!((own.len(), own.capacity()), (MIB, 2 * MIB));
        assert!(pool.enlarge(&mut own, isize::MAX as usize, usize::MAX).is_err());

        buffer.truncate(300 << 10);
        pool.fit(&mut buffer);
        assert_eq!((buffer.len(), buffer.capacity(), buffer[0]), (300 << 10, 400 << 10, 1));
        pool.fit(&mut buffer);
        assert_eq!(buffer.capacity(), 400 << 10, "that fits");
        assert!(pool.take_large(20 * MIB).is_some(), "it came back");
    }

    #[test]
    fn large_buffers_are_freed_bit_by_bit() {
        let mut pool = BufferPool::default();
        pool.put(vec![0; KEPT_LARGE + FREED]);
        let mut left = KEPT_LARGE + FREED;
        while pool.next_timeout() == Some(Time(0)) {
            pool.tidy(Time(1));
            let freed = left - pool.kept;
            assert!((1..=FREED).contains(&freed), "{freed}");
            assert_eq!(pool.kept, pool.large.iter().map(Vec::capacity).sum::<usize>());
            left = pool.kept;
        }
        assert_eq!(left, KEPT_LARGE);
        // And so is what nobody needs, unless somebody does after all.
        pool.tidy(Time(2_000_000));
        assert_eq!((pool.kept, pool.next_timeout()), (KEPT_LARGE - FREED, Some(Time(0))));
        pool.tidy(Time(2_000_001));
        assert_eq!((pool.kept, pool.next_timeout()), (KEPT_LARGE - 2 * FREED, Some(Time(0))));
        let taken = pool.take_large(KEPT_LARGE / 2).unwrap();
        assert_eq!((pool.kept, pool.next_timeout()), (0, None));
        pool.put(taken);
        assert_eq!(pool.next_timeout(), None, "it has just been needed");
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
        assert_eq!((pool.kept, pool.large.len()), (2 * MIB, 1));
        pool.tidy(Time(at.0 - 1));
        assert_eq!(pool.kept, 2 * MIB, "too early");
        pool.tidy(at);
        assert_eq!((pool.kept, pool.large.len(), pool.next_timeout()), (0, 0, None));
    }
}
