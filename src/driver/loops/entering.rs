//! The ways into a loop, and out of it.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::MutexGuard;
use std::sync::atomic::Ordering;

use super::{Core, Loop, Measure, Place, VACANT, stale};
use crate::driver::helper;
use crate::error::{Code, Error, Result};
use crate::util::id::{Id, Kind, LAST_GENERATION};
use crate::util::outside::{self, Within};
use crate::util::owner::{Inside, Me, this_thread};

impl Loop {
    fn is_living(self) -> bool {
        self.living() == self.generation
    }

    /// Goes inside, if nobody else is and the loop still lives.
    fn enter(self) -> Result<Entered> {
        self.enter_by(None)
    }

    /// The way in from within a callback, which is that of most messages: nothing to wait for, and nothing
    /// that has to be done on the way out.
    #[inline]
    fn enter_again(self) -> Option<Entered> {
        let inside = self.place.core.enter_again(Me::here())?;
        let alive = self.is_living();
        let unwinding = std::thread::panicking();
        alive.then_some(Entered { inside, place: self.place, unwinding, door: None, _within: None })
    }

    fn enter_by(self, door: Option<MutexGuard<'static, ()>>) -> Result<Entered> {
        // The thread may have ended while we waited at the door: then that leads nowhere.
        let open = || door.is_none() || self.has_thread();
        let try_enter = || self.place.core.try_enter(self.generation);
        let mut inside = open().then(try_enter).flatten();
        while inside.is_none() && door.is_some() && open() && self.is_living() {
            // Who came in before there was a door is out in a moment. Without a thread it may be somebody
            // who polls, and stays.
            std::thread::yield_now();
            inside = try_enter();
        }
        if !self.is_living() {
            return Err(stale(Kind::Loop));
        }
        let inside = inside.ok_or_else(|| {
            Error::new(Code::WrongThread, "another thread is inside this loop right now")
        })?;
        let _within = inside.is_outermost().then(outside::enter);
        let unwinding = std::thread::panicking();
        Ok(Entered { inside, place: self.place, unwinding, door, _within })
    }

    /// Goes inside a loop that has a thread of the library's own, as soon as that has finished its turn.
    pub fn enter_at_door(self) -> Result<Entered> {
        if self.core.is_inside() {
            return self.enter();
        }
        // In the child of a fork, whoever is behind the door never comes out.
        self.check_process()?;
        self.enter_by(Some(self.place.helper.door()))
    }

    /// Takes the loop over for polling on this thread.
    pub fn enter_to_poll(self) -> Result<Entered> {
        let was_home = self.is_home();
        let entered = self.enter_to_free()?;
        self.check_poison()?;
        if !was_home && self.check_process().is_ok() {
            entered.with(|core| {
                core.take_requests();
                Ok(())
            })?;
        }
        Ok(entered)
    }

    /// The same for a loop that a panic may have broken.
    pub fn enter_to_free(self) -> Result<Entered> {
        if self.core.is_inside() || self.helper.is_visited() {
            return Err(helper::reentrant());
        }
        if self.has_thread() {
            return Err(Error::new(Code::State, "this loop has a thread of its own"));
        }
        let entered = self.enter()?;
        if self.has_thread() {
            return Err(Error::new(Code::State, "this loop has just got a thread of its own"));
        }
        self.home.store(this_thread(), Ordering::SeqCst);
        Ok(entered)
    }

    /// Does something with the loop on its own thread; elsewhere that is an error.
    pub fn with<R>(self, f: impl FnOnce(&mut Core) -> Result<R>) -> Result<R> {
        if self.has_thread() {
            match self.enter_at_door() {
                // It has ended while we waited.
                Err(e) if e.code == Code::WrongThread => {}
                Err(e) => return Err(e),
                Ok(entered) => {
                    return self.act(&entered, |core| {
                        // This thread may have queued something when the door was shut.
                        core.take_requests();
                        f(core)
                    });
                }
            }
        }
        self.try_with(f).unwrap_or_else(|| {
            Err(Error::new(
                Code::WrongThread,
                "only the thread that polls the loop may call this; use wsock_loop_post",
            ))
        })
    }

    /// Does something with the session of the loop from within one of its callbacks, after which nothing has
    /// to follow; `None` from elsewhere.
    #[inline]
    pub fn from_within<R>(self, me: Me, id: Id, f: impl FnOnce(&mut Core) -> R) -> Option<R> {
        act_quickly(self.place.core.enter_again(me)?, id, f)
    }

    /// The same while this thread works on a batch of the loop's events, and is at home: elsewhere something of
    /// its own may wait in the inbox, which comes first.
    #[inline]
    pub fn from_batch<R>(self, me: Me, id: Id, f: impl FnOnce(&mut Core) -> R) -> Option<R> {
        let at_home = me.is(self.home.load(Ordering::Relaxed));
        if !self.is_corked_for(me) || !at_home || self.has_thread() {
            return None;
        }
        act_quickly(self.place.core.try_enter(self.generation)?, id, f)
    }

    /// Does something with the loop if this is its own thread, then what has to follow: sending what
    /// was queued, unless a turn is running that will do it, and dropping what may call the
    /// application. `None` when it is another's, or has become another's a moment ago.
    #[inline]
    pub fn try_with<R>(self, f: impl FnOnce(&mut Core) -> Result<R>) -> Option<Result<R>> {
        match self.enter_again() {
            Some(entered) => Some(self.act(&entered, f)),
            None => self.try_with_from_outside(f),
        }
    }

    fn try_with_from_outside<R>(self, f: impl FnOnce(&mut Core) -> Result<R>) -> Option<Result<R>> {
        if !self.is_home() {
            return None;
        }
        let by_door = self.has_thread();
        if by_door && self.inbox.has_work() {
            // Behind what this thread may have queued when the door was shut.
            return None;
        }
        let entered = match by_door {
            true => {
                let door = self.place.helper.try_door()?;
                if !self.has_thread() {
                    return None;
                }
                self.enter_by(Some(door))
            }
            false => self.enter(),
        };
        match entered {
            Err(e) if e.code == Code::WrongThread => None,
            Err(e) => Some(Err(e)),
            Ok(entered) => Some(self.act(&entered, f)),
        }
    }

    /// Does something, then what has to follow.
    #[inline(always)] // else each message pays for moving the result
    pub fn act<R>(self, entered: &Entered, f: impl FnOnce(&mut Core) -> Result<R>) -> Result<R> {
        self.check_poison()?;
        entered.with(|core| {
            core.run.disturbed = true;
            // A batch that somebody is working on is soon over, so the time at which its first message was
            // sent will do.
            if !(core.dispatching || !core.dirty.is_empty() && core.is_corked()) {
                core.tick();
            }
            let result = f(core);
            if !core.dispatching && !core.is_corked() {
                core.settle_all();
            }
            if !core.dispatching {
                core.update_beacon();
                core.rouse();
            }
            result
        })
    }

    /// Ends the loop for good: its id and all ids in it are stale from here on.
    pub fn vacate(self, entered: Entered) {
        let core = entered.inside.borrow_mut().take();
        self.living.store(0, Ordering::SeqCst);
        let never_run = self.inbox.close();
        if let Some(mut core) = core {
            core.forget_all();
        }
        drop(never_run);
        entered.inside.set_key(0);
        drop(entered);
        if self.generation < LAST_GENERATION {
            let mut vacant = VACANT.lock();
            vacant.push((self.number, self.generation));
        }
    }
}

/// Does something of which nothing has to follow. A panic in it is that of this session.
#[inline]
fn act_quickly<R>(
    inside: Inside<'static, RefCell<Option<Core>>>,
    id: Id,
    f: impl FnOnce(&mut Core) -> R,
) -> Option<R> {
    let mut core = inside.try_borrow_mut().ok()?;
    let core = core.as_mut()?;
    match catch_unwind(AssertUnwindSafe(|| f(core))) {
        Ok(result) => Some(result),
        Err(_) => {
            core.break_off(id);
            None
        }
    }
}

/// Being inside a loop, possibly within a callback.
pub struct Entered {
    inside: Inside<'static, RefCell<Option<Core>>>,
    place: &'static Place,
    /// A panic was under way already when we entered: it is not the loop's.
    unwinding: bool,
    /// Held as long as we are inside a loop with a thread of the library's own.
    door: Option<MutexGuard<'static, ()>>,
    /// Of the way in, not of those from within. Last, so that what has waited for its end finds the loop
    /// free.
    _within: Option<Within>,
}

/// A panic that leaves the loop may have left anything half done.
impl Drop for Entered {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.unwinding {
            self.place.poisoned.store(true, Ordering::SeqCst);
        }
    }
}

impl Entered {
    /// The thread that is inside.
    #[inline]
    pub fn me(&self) -> Me {
        self.inside.me()
    }

    /// How long callbacks of the loop take.
    #[inline]
    pub fn measure(&self) -> &'static Measure {
        &self.place.measure
    }

    /// Borrows the core for a moment in which nothing begins or ends. `None` when that cannot be: `with`
    /// says why.
    #[inline(always)]
    pub fn glance<R>(&self, look: impl FnOnce(&mut Core) -> Option<R>) -> Option<R> {
        // A callback of this turn may have forked.
        if !self.place.process.is_ours() {
            return None;
        }
        let mut core = self.inside.try_borrow_mut().ok()?;
        look(core.as_mut()?)
    }

    /// Borrows the core for the length of `f`, which must not call the application.
    #[inline]
    pub fn with<R>(&self, f: impl FnOnce(&mut Core) -> Result<R>) -> Result<R> {
        // A callback of this turn may have forked.
        self.place.check_process()?;
        self.with_of_any_process(f)
    }

    /// The same with a loop of the process which this one is forked from.
    #[inline]
    pub fn with_of_any_process<R>(&self, f: impl FnOnce(&mut Core) -> Result<R>) -> Result<R> {
        let (result, litter) = {
            let mut core = self.inside.try_borrow_mut().map_err(|_| busy())?;
            let core = core.as_mut().ok_or_else(|| stale(Kind::Loop))?;
            (f(core), !(core.trash.is_empty() && core.leftovers.is_empty()))
        };
        if litter {
            self.tidy();
        }
        result
    }

    /// Handlers end here, unborrowed: their release functions may call anything, and wait for somebody who
    /// waits at the door.
    #[cold]
    fn tidy(&self) {
        let Ok(mut borrowed) = self.inside.try_borrow_mut() else { return };
        let Some(core) = borrowed.as_mut() else { return };
        if !core.leftovers.is_empty() && self.place.hears() {
            let mut leftovers = std::mem::take(&mut core.leftovers);
            core.trash.append(&mut leftovers);
        }
        // A thread of ours must not call the application.
        if core.worker != 0 && core.worker == this_thread() {
            return;
        }
        let trash = std::mem::take(&mut core.trash);
        drop(borrowed);
        match self.door {
            Some(_) => outside::run(move || drop(trash)),
            None => drop(trash),
        }
    }
}

#[cold]
fn busy() -> Error {
    Error::new(Code::Reentrant, "the loop is busy: this call came from inside itself")
}
