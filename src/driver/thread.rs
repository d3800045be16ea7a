//! A loop on a thread of the library's own: that thread waits, reads, writes, answers pings and keeps
//! deadlines. It never calls the application; what happens is queued, and told to whoever comes for it
//! (`visit.rs`). All other threads may do what otherwise only the loop's own may: they come in by the
//! door, between two turns.

use std::time::Duration;

use super::core::Core;
use super::deliver::{Delivery, What};
use super::loops::Loop;
use super::readiness::Poller;
use super::timers::NEVER;
use super::turn;
use crate::error::{Code, Error, Result};
use crate::util::outside;
use crate::util::owner::this_thread;
use crate::util::signals;
use crate::util::time::Time;

/// Hands the work of the loop to a new thread.
pub fn start(place: Loop) -> Result<()> {
    if place.has_thread() {
        return Err(Error::new(Code::State, "this loop has a thread of its own already"));
    }
    let entered = place.enter_to_poll()?;
    place.helper().prepare()?;
    let poller = entered.with(|core| {
        core.settle_all();
        core.queueing = true;
        core.announced = false;
        core.poller.take().ok_or_else(|| Error::new(Code::State, "the loop is being started"))
    })?;
    place.helper().begin();
    let (sender, receiver) = std::sync::mpsc::channel();
    let begun = signals::blocked(|| {
        let work = move || {
            if let Ok(poller) = receiver.recv() {
                work(place, poller);
            }
        };
        std::thread::Builder::new().name("wsock".into()).spawn(work)
    });
    match begun {
        Ok(thread) => {
            place.helper().set_thread(thread);
            entered.with(|core| core.set_beacon_apart(true))?;
            // Nobody else has the other end, so it arrives.
            let _ = sender.send(poller);
            Ok(())
        }
        Err(e) => {
            place.helper().finish();
            entered.with(|core| {
                core.poller = Some(poller);
                core.queueing = false;
                Ok(())
            })?;
            Err(Error::os(Code::System, "cannot start a thread", &e))
        }
    }
}

/// Takes the work back. What is queued is told by the next poll.
pub fn join(place: Loop) -> Result<()> {
    let helper = place.helper();
    let _visit = match helper.is_visited() {
        true => None,
        false => Some(helper.visit()?),
    };
    take_back(place)
}

fn no_thread() -> Error {
    Error::new(Code::State, "this loop has no thread of its own")
}

/// The same for whoever has seen to it that nobody waits.
pub fn take_back(place: Loop) -> Result<()> {
    let helper = place.helper();
    if !helper.end(|| place.inbox.wake()) {
        return Err(no_thread());
    }
    // Whoever came in by the door goes out first, and nobody comes in that way any more.
    let entered = place.enter_at_door().map_err(|e| match e.code {
        Code::WrongThread => no_thread(),
        _ => e,
    })?;
    helper.finish();
    place.come_home();
    if place.check_poison().is_err() {
        return Ok(());
    }
    place.act(&entered, |core| {
        core.take_requests();
        core.queueing = false;
        core.set_beacon_apart(false)
    })
}

/// Whoever waits for events hears of the thread's end, also when it is a panic.
struct Farewell(Loop);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.helper().ring();
    }
}

fn work(place: Loop, mut poller: Poller) {
    outside::mute();
    let _farewell = Farewell(place);
    loop {
        let Ok(entered) = place.enter_at_door() else { return };
        let begun = entered.with(|core| {
            core.worker = this_thread();
            core.sleeps_until = Time(0);
            core.take_events(&poller);
            Ok(())
        });
        let turned = begun.and_then(|()| turn::work(place, &entered));
        let Ok(wait) = turned.and_then(|_| entered.with(|core| Ok(core.fall_asleep()))) else {
            return;
        };
        if place.helper().is_quitting() {
            let _ = entered.with(|core| {
                core.worker = 0;
                core.poller = Some(poller);
                Ok(())
            });
            return;
        }
        drop(entered);
        // All signals are blocked. What may still fail is tried again with the next turn.
        let _ = poller.wait(wait);
    }
}

impl Core {
    /// The thread's turn is done: how long may it wait?
    fn fall_asleep(&mut self) -> Option<Duration> {
        for work in outside::take_calls() {
            self.queue(Delivery { id: self.place.id(), what: What::Task(Some(work)) });
        }
        // What ends with this calls the application: not from here.
        self.leftovers.append(&mut self.trash);
        self.announce();
        if self.is_idle() {
            // Who runs until nothing is left has to look.
            self.place.helper().ring();
        }
        self.sleeps_until = self.next_deadline().unwrap_or(NEVER);
        self.waiting_time(None)
    }

    /// Rings for whoever waits for events, if there are some. Who takes them out looks for itself.
    fn announce(&mut self) {
        let helper = self.place.helper();
        let some = self.has_news() || !self.leftovers.is_empty();
        if some && !self.announced && !helper.is_visited() {
            self.announced = true;
            helper.announce();
        }
    }

    /// Another thread has done something: the loop's own wakes up if it has to do its part sooner than
    /// it meant to.
    pub fn rouse(&mut self) {
        if self.worker == 0 {
            return;
        }
        self.announce();
        // What this thread has sent waits, but not a connection that it has made room for.
        let turn = if self.is_corked() { !self.ready.is_empty() } else { self.has_turn() };
        let sleeps_until = self.sleeps_until;
        let sooner = turn || self.next_deadline().is_some_and(|at| at < sleeps_until);
        // To wake it once is enough.
        if sooner && sleeps_until != Time(0) {
            self.sleeps_until = Time(0);
            self.place.inbox.wake();
        }
    }
}
