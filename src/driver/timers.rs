//! Deadlines of all sessions in one heap.
//!
//! A session keeps at most one entry that counts. Pushing a deadline further away costs nothing:
//! the entry fires early, finds nothing due and is put in again for the later time.
//!
//! Entries are numbers: time above slot. An entry is that of a session when it is for the time which the
//! session has noted; should a slot have been used again with the same time noted, the one fires for the other.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::util::id::{Id, MAX_SLOTS};
use crate::util::time::Time;

/// No entry.
pub const NEVER: Time = Time(u64::MAX);

/// Bits of a slot's number.
const SLOT: u32 = MAX_SLOTS.trailing_zeros();
/// Times are kept in steps of so many microseconds, which 35 years have room for.
const STEP: u64 = 64;

/// See the module.
#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<Entry>>,
}

/// `time 44 | slot 20`, the time in steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry(u64);

impl Entry {
    fn at(self) -> Time {
        Time((self.0 >> SLOT) * STEP)
    }

    fn slot(self) -> usize {
        self.0 as usize & (MAX_SLOTS as usize - 1)
    }
}

impl Timers {
    /// Asks for a call at `at` or a moment later, if the entry noted in `scheduled` would come later still.
    #[inline]
    pub fn arm(&mut self, id: Id, at: Option<Time>, scheduled: &mut Time) {
        if let Some(at) = at.filter(|at| !Self::is_armed(*at, *scheduled)) {
            self.push(id, at, scheduled);
        }
    }

    /// Whether the entry noted in `scheduled` is the right one for `at`, or comes before it.
    #[inline]
    pub fn is_armed(at: Time, scheduled: Time) -> bool {
        scheduled.0 < at.0.saturating_add(STEP)
    }

    fn push(&mut self, id: Id, at: Time, scheduled: &mut Time) {
        let steps = at.0.div_ceil(STEP);
        // What is further away than there is room for never comes.
        if steps >> (u64::BITS - SLOT) == 0 {
            let entry = Entry(steps << SLOT | u64::from(id.slot()));
            *scheduled = entry.at();
            self.heap.push(Reverse(entry));
        }
    }

    /// The slot of the next entry that is due, with the time it was armed for: an entry that is not the one
    /// the session has noted has been replaced by an earlier one and counts no more.
    pub fn pop_due(&mut self, now: Time) -> Option<(Time, usize)> {
        let &Reverse(entry) = self.heap.peek()?;
        if entry.at() > now {
            return None;
        }
        self.heap.pop();
        Some((entry.at(), entry.slot()))
    }

    /// Entries, whether they count or not.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Keeps only entries that count.
    pub fn retain(&mut self, mut counts: impl FnMut(Time, usize) -> bool) {
        self.heap.retain(|Reverse(entry)| counts(entry.at(), entry.slot()));
    }

    /// The earliest entry.
    pub fn next(&self) -> Option<(Time, usize)> {
        self.heap.peek().map(|Reverse(entry)| (entry.at(), entry.slot()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::id::Kind;

    #[test]
    fn only_earlier_deadlines_are_pushed() {
        let mut timers = Timers::default();
        let id = Id::new(Kind::Conn, 0, 1, 1);
        let mut scheduled = NEVER;
        timers.arm(id, Some(Time(640)), &mut scheduled);
        timers.arm(id, Some(Time(900)), &mut scheduled);
        timers.arm(id, None, &mut scheduled);
        assert_eq!(scheduled, Time(640));
        timers.arm(id, Some(Time(320)), &mut scheduled);
        assert_eq!(timers.next(), Some((Time(320), 1)));
        timers.retain(|at, of| of == 1 && at != Time(640));
        assert_eq!(timers.len(), 1);
        timers.arm(id, Some(Time(640)), &mut NEVER.clone());
        assert_eq!(timers.pop_due(Time(319)), None);
        assert_eq!(timers.pop_due(Time(640)), Some((Time(320), 1)));
        assert_eq!(timers.pop_due(Time(640)), Some((Time(640), 1)));
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn a_deadline_between_two_steps_is_pushed_once() {
        let mut timers = Timers::default();
        let id = Id::new(Kind::Conn, 0, 1, 1);
        let mut scheduled = NEVER;
        for at in [900, 900, 897, 960, 1_000] {
            timers.arm(id, Some(Time(at)), &mut scheduled);
            assert_eq!((scheduled, timers.len()), (Time(960), 1), "{at}");
        }
        timers.arm(id, Some(Time(896)), &mut scheduled);
        assert_eq!((scheduled, timers.len()), (Time(896), 2));
        assert!(Timers::is_armed(Time(896), scheduled) && !Timers::is_armed(Time(896), NEVER));
    }

    #[test]
    fn an_entry_never_fires_too_early_nor_long_after() {
        let mut timers = Timers::default();
        let last = Id::new(Kind::Conn, 0, MAX_SLOTS - 1, 1);
        for at in [0, 1, 63, 64, 65, 999, 1 << 40, (1 << 50) - 1, 1 << 50, u64::MAX - 1] {
            let mut scheduled = NEVER;
            timers.arm(last, Some(Time(at)), &mut scheduled);
            match timers.next() {
                Some((fires, slot)) => {
                    assert_eq!((slot, fires), (MAX_SLOTS as usize - 1, scheduled));
                    assert!(fires >= Time(at) && fires.0 < at + STEP, "{fires:?} for {at}");
                }
                None => assert!(at >= 1 << 49, "{at} is not that far away"),
            }
            timers.pop_due(NEVER);
        }
    }
}
