//! Fetching the events of a loop that has a thread of the library's own: waiting for them, telling them
//! from the application's thread.

use std::time::Duration;

use super::batch;
use super::core::Core;
use super::deliver::{self, Way};
use super::log;
use super::loops::Loop;
use crate::error::{Code, Result};
use crate::util::outside;

/// As `turn::run`.
pub fn run(place: Loop) -> Result<()> {
    let _visit = place.helper().visit()?;
    batch::let_go(&Way::Visiting(place))?;
    loop {
        // A callback may have taken the work back to this thread.
        let over = |core: &mut Core| Ok(core.is_idle() && !core.has_news());
        if !place.has_thread() || place.take_stop() || place.with(over)? {
            return Ok(());
        }
        match tell(place, None) {
            Err(e) if e.code == Code::Interrupted && place.take_stop() => return Ok(()),
            told => told?,
        };
    }
}

/// As `turn::poll`.
pub fn poll(place: Loop, limit: Option<Duration>) -> Result<u32> {
    let _visit = place.helper().visit()?;
    batch::let_go(&Way::Visiting(place))?;
    tell(place, limit)
}

/// As `batch::fetch`.
pub fn fetch(place: Loop, limit: Option<Duration>) -> Result<u32> {
    let _visit = place.helper().visit()?;
    let way = Way::Visiting(place);
    batch::let_go(&way)?;
    way.with(|core| core.batch.is_some().then_some(()).ok_or_else(batch::no_room))?;
    wait(place, limit)?;
    let _within = outside::enter();
    let fetched = log::tell(&way).and_then(|()| batch::fill(&way));
    place.with(|core| {
        core.hush();
        Ok(())
    })?;
    fetched
}

fn tell(place: Loop, limit: Option<Duration>) -> Result<u32> {
    let way = Way::Visiting(place);
    let waiting = wait(place, limit)?;
    place.with(|core| {
        core.place.cork();
        Ok(())
    })?;
    // What was lent is not given back inside a callback.
    let _within = outside::enter();
    let told = deliver::tell_queued(&way, waiting);
    let told = told.and_then(|count| log::tell(&way).map(|()| count));
    place.with(|core| {
        core.place.uncork();
        core.hush();
        Ok(())
    })?;
    told
}

/// Waits until there are events or records for the log, or somebody wants to be heard, or the time is
/// over. How many events there are.
fn wait(place: Loop, limit: Option<Duration>) -> Result<usize> {
    if !place.with(|core| Ok(core.has_news()))? {
        place.helper().wait(limit)?;
    }
    place.with(|core| {
        core.hush();
        Ok(core.outbox.count())
    })
}

impl Core {
    /// The bell rings only as long as there is something to hear.
    fn hush(&mut self) {
        if !self.has_news() {
            self.announced = false;
            self.place.helper().quiet();
        }
    }
}
