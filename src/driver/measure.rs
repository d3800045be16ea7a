//! How long callbacks take, for who asks: reading the clock twice for each is not free.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::loops::Loop;
use crate::error::Result;
use crate::util::forks::Lock;
use crate::util::histogram::Histogram;

/// The times of one loop's callbacks. Beside the loop's state and not in it, so that whoever calls the
/// application need not borrow that.
#[derive(Default)]
pub struct Measure {
    on: AtomicBool,
    times: Lock<Histogram>,
}

impl Measure {
    /// What was measured so far.
    pub fn times(&self) -> Histogram {
        *self.times.lock()
    }

    /// A new loop begins: off, and nothing measured.
    pub fn reset(&self) {
        self.on.store(false, Ordering::Relaxed);
        *self.times.lock() = Histogram::default();
    }
}

/// Runs a callback of the loop whose measure that is, and notes how long it takes if somebody wants to know.
#[inline(always)] // with most messages
pub fn timed<R>(measure: Option<&Measure>, callback: impl FnOnce() -> R) -> R {
    let begun = measure.filter(|measure| measure.on.load(Ordering::Relaxed)).map(begin);
    let result = callback();
    if let Some((measure, begun)) = begun {
        end(measure, begun);
    }
    result
}

#[cold]
fn begin(measure: &Measure) -> (&Measure, Instant) {
    (measure, Instant::now())
}

#[cold]
fn end(measure: &Measure, begun: Instant) {
    measure.times.lock().add(begun.elapsed().as_micros() as u64);
}

/// Begins or ends measuring. What was measured stays.
pub fn set(owner: Loop, on: bool) -> Result<()> {
    owner.with(|core| {
        core.place.measure.on.store(on, Ordering::Relaxed);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::fixtures::new_loop;
    use crate::driver::turn;
    use std::time::Duration;

    #[test]
    fn callbacks_are_measured_only_when_asked() {
        let owner = new_loop();
        let callback =
            || timed(Some(&owner.measure), || std::thread::sleep(Duration::from_millis(2)));
        callback();
        assert_eq!(owner.measure.times(), Histogram::default());
        set(owner, true).unwrap();
        callback();
        set(owner, false).unwrap();
        callback();
        let times = owner.measure.times();
        assert!(times.count == 1 && times.max_us >= 2_000, "{times:?}");
        turn::free(owner).unwrap();
    }
}
