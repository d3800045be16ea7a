//! Points in time as plain numbers, so that the protocol never asks a clock and tests invent theirs.

/// Microseconds since an origin of the caller's choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// The point `ms` milliseconds later.
    pub fn plus_ms(self, ms: u64) -> Time {
        Time(self.0.saturating_add(ms.saturating_mul(1000)))
    }

    /// Microseconds from `earlier` to here; 0 when `earlier` is in fact later.
    pub fn micros_since(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whole milliseconds until `self`, rounded up so that a sleep of that length never ends early.
    pub fn ms_after(self, now: Time) -> u64 {
        self.0.saturating_sub(now.0).div_ceil(1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_round_up() {
        assert_eq!(Time(1_001).ms_after(Time(0)), 2);
        assert_eq!(Time(1_000).ms_after(Time(0)), 1);
        assert_eq!(Time(5).ms_after(Time(10)), 0);
    }
}
