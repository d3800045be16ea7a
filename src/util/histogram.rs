//! How often something took how long, in fixed buckets: adding is a few instructions and never allocates.

/// One for each power of two of microseconds from 1 us to 2^24 us (almost 17 s), and one for all above.
pub const BUCKETS: usize = 26;

/// Times in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// How many there were.
    pub count: u64,
    /// All of them together.
    pub sum_us: u64,
    /// The longest.
    pub max_us: u64,
    /// How many were at most [`bound_us`] of the bucket and above that of the one before.
    pub buckets: [u64; BUCKETS],
}

/// The longest time that a bucket counts; `None` for the last, which has no end.
pub fn bound_us(bucket: usize) -> Option<u64> {
    (bucket + 1 < BUCKETS).then(|| 1 << bucket)
}

impl Histogram {
    /// One more.
    #[inline]
    pub fn add(&mut self, us: u64) {
        self.count += 1;
        self.sum_us = self.sum_us.saturating_add(us);
        self.max_us = self.max_us.max(us);
        self.buckets[bucket(us)] += 1;
    }

    /// A time that this share of all did not exceed, from 0.0 to 1.0: the bound of the bucket in which it
    /// lies, so at most twice too long, and never more than the longest. 0 when there was none.
    pub fn quantile_us(&self, share: f64) -> u64 {
        let wanted = ((self.count as f64 * share).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return bound_us(bucket).unwrap_or(self.max_us).min(self.max_us);
            }
        }
        0
    }
}

#[inline]
fn bucket(us: u64) -> usize {
    let above = us.saturating_sub(1);
    ((u64::BITS - above.leading_zeros()) as usize).min(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_in_the_first_bucket_that_holds_it() {
        let mut times = vec![0, u64::MAX];
        (0..64).for_each(|bit| times.extend([(1 << bit) - 1, 1 << bit, (1 << bit) + 1]));
        for us in times {
            let first = (0..BUCKETS).find(|&n| bound_us(n).is_none_or(|bound| us <= bound));
            assert_eq!(Some(bucket(us)), first, "{us}");
        }
    }

    #[test]
    fn the_figures_add_up() {
        let mut times = Histogram::default();
        for us in [0, 1, 2, 3, 1_000_000, 60_000_000] {
            times.add(us);
        }
        assert_eq!((times.count, times.sum_us, times.max_us), (6, 61_000_006, 60_000_000));
        assert_eq!(times.buckets.iter().sum::<u64>(), times.count);
        assert_eq!(times.buckets[..3], [2, 1, 1]);
        assert_eq!((times.buckets[20], times.buckets[BUCKETS - 1]), (1, 1));
        times.add(u64::MAX);
        assert_eq!(times.sum_us, u64::MAX);
    }

    #[test]
    fn a_quantile_is_at_most_twice_too_long() {
        assert_eq!(Histogram::default().quantile_us(0.5), 0);
        let mut times = Histogram::default();
        (1..=1000).for_each(|us| times.add(us));
        for (share, exact) in [(0.0, 1), (0.5, 500), (0.99, 990), (1.0, 1000)] {
            let told = times.quantile_us(share);
            assert!((exact..=2 * exact).contains(&told), "{share}: {told}");
        }
        assert_eq!(times.quantile_us(1.0), 1000, "never more than there was");
        times.add(20_000_000);
        assert_eq!(times.quantile_us(1.0), 20_000_000);
    }
}
