//! How long to wait before the next attempt, so that many who failed together do not return together.

/// Exponential back-off with full jitter: each attempt waits a random time from nothing to a bound that
/// doubles until it reaches the cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The bound of the first wait.
    pub first_ms: u64,
    /// No bound is above this.
    pub cap_ms: u64,
    /// Waits since the last success.
    pub attempt: u32,
}

impl Backoff {
    /// Before the first attempt.
    pub fn new(first_ms: u64, cap_ms: u64) -> Backoff {
        Backoff { first_ms, cap_ms, attempt: 0 }
    }

    /// Milliseconds to wait now. `random` is uniform over all 64 bits, and so is what comes out, from 0
    /// to the bound of this attempt and including both.
    pub fn next(&mut self, random: u64) -> u64 {
        let factor = 1u64.checked_shl(self.attempt).unwrap_or(u64::MAX);
        let bound = self.first_ms.saturating_mul(factor).min(self.cap_ms);
        self.attempt = self.attempt.saturating_add(1);
        ((u128::from(random) * (u128::from(bound) + 1)) >> 64) as u64
    }

    /// It worked: the next wait is short again.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_the_cap() {
        let mut backoff = Backoff::new(100, 1000);
        let bounds: Vec<_> = (0..6).map(|_| backoff.next(u64::MAX)).collect();
        assert_eq!(bounds, [100, 200, 400, 800, 1000, 1000]);
        backoff.reset();
        assert_eq!(backoff.next(u64::MAX), 100);
    }

    #[test]
    fn waits_are_spread_from_nothing_to_the_bound() {
        let wait = |random| Backoff::new(3, 10).next(random);
        let quarter = 1 << 62;
        let waits = [0, quarter - 1, quarter, 2 * quarter, 3 * quarter, u64::MAX].map(wait);
        assert_eq!(waits, [0, 0, 1, 2, 3, 3]);
    }

    #[test]
    fn nothing_overflows() {
        let mut backoff = Backoff::new(u64::MAX, u64::MAX);
        assert_eq!(backoff.next(u64::MAX), u64::MAX);
        assert_eq!(backoff.next(u64::MAX), u64::MAX);
        let mut small = Backoff { attempt: u32::MAX - 1, ..Backoff::new(1, 5000) };
        assert_eq!([small.next(u64::MAX), small.next(u64::MAX), small.next(0)], [5000, 5000, 0]);
        assert_eq!(small.attempt, u32::MAX);
        for attempt in 60..70 {
            let mut backoff = Backoff { attempt, ..Backoff::new(3, 7000) };
            assert_eq!(backoff.next(u64::MAX), 7000, "{attempt}");
        }
        let mut never = Backoff::new(0, 1000);
        assert_eq!([never.next(u64::MAX), never.next(u64::MAX)], [0, 0]);
    }
}
