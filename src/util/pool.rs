//! Buffers that are given back, so that an idle connection owns none and a busy loop allocates none.

/// How many buffers of a loop wait for their next use.
const KEPT: usize = 32;
/// A buffer that grew past this is freed instead of kept.
const KEPT_CAPACITY: usize = 64 * 1024;

/// Empty byte vectors with some capacity, last in first out: the warmest is taken next.
#[derive(Default)]
pub struct BufferPool {
    free: Vec<Vec<u8>>,
}

impl BufferPool {
    /// An empty vector, with capacity from an earlier use when there is one.
    pub fn take(&mut self) -> Vec<u8> {
        self.free.pop().unwrap_or_default()
    }

    /// Gives a vector back; its contents are dropped.
    pub fn put(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() > 0 && buffer.capacity() <= KEPT_CAPACITY && self.free.len() < KEPT {
            buffer.clear();
            self.free.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_empty_and_giants_do_not() {
        let mut pool = BufferPool::default();
        pool.put(vec![1, 2, 3]);
        let again = pool.take();
        assert!(again.is_empty() && again.capacity() >= 3);
        pool.put(Vec::with_capacity(KEPT_CAPACITY + 1));
        assert_eq!(pool.take().capacity(), 0);
    }
}
