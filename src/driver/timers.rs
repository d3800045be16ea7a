//! Deadlines of all sessions in one heap.
//!
//! A session keeps at most one entry that counts. Pushing a deadline further away costs nothing:
//! the entry fires early, finds nothing due and is put in again for the later time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::util::id::Id;
use crate::util::time::Time;

/// No entry.
pub const NEVER: Time = Time(u64::MAX);

/// See the module.
#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Time, u64)>>,
}

impl Timers {
    /// Asks for a call at `at`, if the entry noted in `scheduled` would come later.
    pub fn arm(&mut self, id: Id, at: Option<Time>, scheduled: &mut Time) {
        let at = at.unwrap_or(NEVER);
        if at < *scheduled {
            *scheduled = at;
            self.heap.push(Reverse((at, id.bits())));
        }
    }

    /// The next entry that is due, with the time it was armed for: an entry that is not the one the
    /// session has noted has been replaced by an earlier one and counts no more.
    pub fn pop_due(&mut self, now: Time) -> Option<(Time, Id)> {
        let &Reverse((at, bits)) = self.heap.peek()?;
        if at > now {
            return None;
        }
        self.heap.pop();
        Some((at, Id::from_bits(bits)?))
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
    pub fn retain(&mut self, mut counts: impl FnMut(Time, Id) -> bool) {
        self.heap
            .retain(|Reverse((at, bits))| Id::from_bits(*bits).is_some_and(|id| counts(*at, id)));
    }

    /// The earliest entry.
    pub fn next(&self) -> Option<(Time, Id)> {
        self.heap.peek().and_then(|Reverse((at, bits))| Some((*at, Id::from_bits(*bits)?)))
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
        timers.arm(id, Some(Time(50)), &mut scheduled);
        timers.arm(id, Some(Time(90)), &mut scheduled);
        timers.arm(id, None, &mut scheduled);
        assert_eq!(scheduled, Time(50));
        timers.arm(id, Some(Time(20)), &mut scheduled);
        assert_eq!(timers.next(), Some((Time(20), id)));
        timers.retain(|at, of| of == id && at != Time(50));
        assert_eq!(timers.len(), 1);
        timers.arm(id, Some(Time(50)), &mut NEVER.clone());
        assert_eq!(timers.pop_due(Time(19)), None);
        assert_eq!(timers.pop_due(Time(50)), Some((Time(20), id)));
        assert_eq!(timers.pop_due(Time(50)), Some((Time(50), id)));
        assert_eq!(timers.next(), None);
    }
}
