//! Events in batches: the application gives room for so many records, and fetches what has happened. In
//! place of callbacks, in the same order, with the same promises.

use std::time::Duration;

use super::core::Core;
use super::deliver::{self, Delivery, Way, What};
use super::handler::Handler;
use super::loops::Loop;
use super::{turn, visit};
use crate::error::{Code, Error, Result};
use crate::util::id::Id;
use crate::util::owner::Me;

/// Where a batch is written to.
pub trait Batch: Send {
    /// A new batch begins; nobody looks at the last one any more.
    fn begin(&mut self);
    /// Records in this batch.
    fn count(&self) -> u32;
    /// How many more fit.
    fn room(&self) -> u32;
    /// Writes a record for each event. What the delivery refers to stays where it is until the next batch
    /// begins.
    fn add(&mut self, delivery: &Delivery, handler: Option<&dyn Handler>);
}

/// From now on batches go there. The last one is over.
pub fn use_batch(place: Loop, batch: Option<Box<dyn Batch>>) -> Result<()> {
    let_go(&Way::Visiting(place))?;
    place.with(|core| {
        core.batch = batch;
        Ok(())
    })
}

/// Fetches a batch, after waiting for it at most `limit`. Answers how many records it has.
pub fn fetch(place: Loop, limit: Option<Duration>) -> Result<u32> {
    if place.has_thread() {
        return visit::fetch(place, limit);
    }
    let entered = place.enter_to_poll()?;
    let way = Way::Inside(&entered);
    let_go(&way)?;
    let waiting = fill(&way)?;
    if waiting > 0 {
        return Ok(waiting);
    }
    let queueing = |on| {
        entered.with(|core| {
            core.queueing = on;
            Ok(())
        })
    };
    queueing(true)?;
    let turned = turn::turn(place, &entered, limit);
    queueing(false)?;
    if turned.is_err() {
        // What was queued before it failed is still there.
        entered.with(|core| {
            core.update_beacon();
            Ok(())
        })?;
    }
    turned?;
    fill(&way)
}

/// Sends what was queued while a batch was worked on.
pub fn flush(place: Loop) -> Result<()> {
    place.with(|core| {
        if core.flushes {
            core.batch_is_over();
        }
        core.settle_all();
        Ok(())
    })
}

/// Whether the application calls `flush` whenever it is done with a batch, or with what it sends at other times.
pub fn promise_flush(place: Loop, promised: bool) -> Result<()> {
    place.with(|core| {
        core.flushes = promised;
        match promised {
            true => core.place.cork(),
            false => core.place.uncork(),
        }
        Ok(())
    })
}

/// The application is done with the last batch, and what it has sent meanwhile leaves.
pub fn let_go(way: &Way<'_>) -> Result<()> {
    way.with(|core| {
        core.batch_is_over();
        if core.place.is_corked() {
            core.place.uncork();
            if !core.dirty.is_empty() {
                core.tick();
            }
            core.settle_all();
        }
        Ok(())
    })
}

/// For whoever fetches without having said where to.
pub fn no_room() -> Error {
    let message = "there is no room for events: call wsock_loop_use_events first";
    Error::new(Code::State, message)
}

/// Fills the application's records with what is queued. Tasks run in between, where they stand in line.
pub fn fill(way: &Way<'_>) -> Result<u32> {
    let mut begun = false;
    loop {
        let task = way.with(|core| {
            let mut batch = core.batch.take().ok_or_else(no_room)?;
            if !begun {
                batch.begin();
            }
            let task = core.fill(&mut *batch);
            let count = batch.count();
            match count {
                0 if !core.flushes => core.place.uncork(),
                _ => core.place.cork(),
            }
            core.batch = Some(batch);
            core.update_beacon();
            Ok((task, count))
        })?;
        begun = true;
        match task {
            (Some(mut task), _) => {
                deliver::call(None, &mut task);
            }
            (None, count) => return Ok(count),
        }
    }
}

impl Core {
    /// What the records of the last batch led to is not needed any more.
    pub fn batch_is_over(&mut self) {
        for delivery in std::mem::take(&mut self.drained) {
            self.settle_told(delivery, None);
        }
        self.trash.extend(self.lent.drain(..).map(|handler| handler as _));
    }

    /// A task comes back when it is first in line.
    fn fill(&mut self, batch: &mut dyn Batch) -> Option<Delivery> {
        self.current = None;
        while batch.room() > 0 {
            let mut delivery = self.next_delivery()?;
            if let What::Series(series) = &mut delivery.what
                && let Some(rest) = series.split_off(batch.room() as usize)
            {
                self.put_back(Delivery { id: delivery.id, what: What::Series(rest) });
            }
            if let What::Task(_) = delivery.what {
                if batch.count() == 0 {
                    self.note_told(&delivery);
                    return Some(delivery);
                }
                self.put_back(delivery);
                return None;
            }
            if matches!(delivery.what, What::Request(..)) && !self.is_asked(delivery.id) {
                self.settle_told(delivery, Some(0));
                continue;
            }
            self.note_told(&delivery);
            let handler = self.session(delivery.id).map(|session| &*session.setup.handler);
            batch.add(&delivery, handler);
            self.drained.push(delivery);
        }
        None
    }

    /// Whether the application wants to decide on the requests of this connection's server.
    fn is_asked(&mut self, id: Id) -> bool {
        self.session(id).is_some_and(|session| session.setup.shared.settings.ask)
    }

    /// Whether the calling thread works on a batch, so that what it sends waits for the end of that.
    pub fn is_corked(&self) -> bool {
        self.place.is_corked_for(Me::here())
    }
}
