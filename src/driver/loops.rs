//! All loops of the process, and the way into one.

use std::cell::RefCell;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use once_cell::sync::{Lazy, OnceCell};

use super::core::Core;
use super::helper::{self, Helper};
use super::inbox::{Command, Inbox};
use super::measure::Measure;
use crate::error::{Code, Error, Result};
use crate::util::forks::{Lock, Mark};
use crate::util::id::{Id, Kind, LAST_GENERATION, MAX_OWNERS};
use crate::util::outside::{self, Within};
use crate::util::owner::{Inside, Me, Owned, this_thread};
use crate::util::rng::Entropy;
use crate::util::table::{Cell, Table, random_start};

/// A place for a loop. Never freed: the next loop in it goes on with its generations.
pub struct Place {
    number: u16,
    /// Generation of the loop that lives here; 0 when none does.
    living: AtomicU32,
    /// The thread that polls: it acts directly, others queue.
    home: AtomicU64,
    poisoned: AtomicBool,
    /// The thread whose sends wait, because it has a batch to work on; 0 for none.
    corked: AtomicU64,
    /// For a loop with a thread of the library's own.
    pub helper: Helper,
    /// The process that may use the loop.
    process: Mark,
    /// The key is the generation; 0 while no loop lives here.
    core: Owned<RefCell<Option<Core>>>,
    /// How long its callbacks take.
    pub measure: Measure,
    /// Ids of everything that lives in the loop.
    pub table: Table,
    /// Requests of other threads.
    pub inbox: Inbox,
}

static PLACES: [OnceCell<Box<Place>>; MAX_OWNERS] = [const { OnceCell::new() }; MAX_OWNERS];

/// Numbers of vacant places, each with the generation that was there last.
static VACANT: Lazy<Lock<Vec<(u16, u32)>>> = Lazy::new(|| {
    let mut entropy = Entropy::from_os();
    let numbers = (0..MAX_OWNERS as u16).rev();
    Lock::new(numbers.map(|number| (number, random_start(&mut entropy))).collect())
});

/// One loop. Not a promise that it still lives: everything checks that once it is inside.
#[derive(Clone, Copy)]
pub struct Loop {
    place: &'static Place,
    generation: u32,
}

impl Deref for Loop {
    type Target = Place;

    fn deref(&self) -> &Place {
        self.place
    }
}

/// The error for a handle whose object does not live. Without an allocation, for signal handlers.
pub fn stale(kind: Kind) -> Error {
    Error::new(
        Code::InvalidHandle,
        match kind {
            Kind::Loop => "the loop handle is not valid: it has been freed, or never was",
            Kind::Conn => "the connection handle is not valid: it has ended, or never was",
            Kind::Server => "the server handle is not valid: it has ended, or never was",
            Kind::Request => "the request handle is not valid: it has been answered, or never was",
            Kind::Options => "the options handle is not valid: it has been freed, or never was",
            Kind::Message => "the message handle is not valid: it has been freed, or never was",
            Kind::Hub => "the hub handle is not valid: it has been freed, or never was",
        },
    )
}

/// Makes a loop that belongs to the calling thread until another polls it.
pub fn create() -> Result<Id> {
    let vacant = VACANT.lock().pop();
    let (number, last) = vacant.ok_or_else(|| {
        Error::new(
            Code::Limit,
            format!("{MAX_OWNERS} loops exist already; free one with wsock_loop_free"),
        )
    })?;
    let place: &'static Place = PLACES[number as usize].get_or_init(|| {
        Box::new(Place {
            number,
            living: AtomicU32::new(0),
            home: AtomicU64::new(0),
            poisoned: AtomicBool::new(false),
            corked: AtomicU64::new(0),
            helper: Helper::default(),
            process: Mark::now(),
            core: Owned::new(RefCell::new(None), 0),
            measure: Measure::default(),
            table: Table::new(number),
            inbox: Inbox::default(),
        })
    });
    let new = Loop { place, generation: last + 1 };
    match Core::new(new) {
        Ok((core, waker)) => {
            let inside = place.core.try_enter(0).expect("no loop has the key of a vacant place");
            inside.set_key(new.generation);
            *inside.borrow_mut() = Some(core);
            place.poisoned.store(false, Ordering::SeqCst);
            place.uncork();
            place.process.take_over();
            place.measure.reset();
            place.home.store(this_thread(), Ordering::SeqCst);
            place.inbox.open(new.generation, waker);
            place.living.store(new.generation, Ordering::SeqCst);
            Ok(new.id())
        }
        Err(e) => {
            VACANT.lock().push((number, last));
            Err(Error::os(Code::System, "cannot make an event loop", &e))
        }
    }
}

#[inline]
fn place(id: Id) -> Option<&'static Place> {
    PLACES[id.owner() as usize].get().map(|place| &**place)
}

/// How long callbacks take in the loop of that id, or in which that object lives.
pub fn measure(id: Id) -> Option<&'static Measure> {
    place(id).map(|place| &place.measure)
}

/// The loop of that id.
pub fn find(id: Id) -> Result<Loop> {
    let found = find_of_any_process(id)?;
    found.check_process()?;
    Ok(found)
}

/// The same, also when it is that of the process which this one is forked from.
pub fn find_of_any_process(id: Id) -> Result<Loop> {
    place(id)
        .filter(|place| place.living() == id.generation() && id.slot() == 0)
        .map(|place| Loop { place, generation: id.generation() })
        .ok_or_else(|| stale(Kind::Loop))
}

/// The loop in which that object lives, and what every thread may know of it.
pub fn find_object(id: Id) -> Result<(Loop, &'static Cell)> {
    let place = place(id).ok_or_else(|| stale(id.kind()))?;
    let generation = place.living();
    let cell = place.table.get(id).ok().filter(|_| generation != 0);
    let cell = cell.ok_or_else(|| stale(id.kind()))?;
    place.check_process()?;
    place.check_poison()?;
    Ok((Loop { place, generation }, cell))
}

/// The same for one in that state with which nothing is wrong: the quick way, which says no more than that.
#[inline]
pub fn find_sound(id: Id, state: u8) -> Option<(Loop, &'static Cell)> {
    let place = place(id)?;
    let cell = place.table.get_sound(id, state)?;
    let generation = place.living();
    (place.is_sound() && generation != 0).then_some((Loop { place, generation }, cell))
}

/// Whether the id names a loop that lives, or something that lives in one.
pub fn is_alive(id: Id) -> bool {
    match id.kind() {
        Kind::Loop => find_of_any_process(id).is_ok(),
        _ => place(id).is_some_and(|place| place.table.get(id).is_ok()),
    }
}

/// What people call the class.
pub fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Loop => "loop",
        Kind::Conn => "connection",
        Kind::Server => "server",
        Kind::Request => "request",
        Kind::Options => "options",
        Kind::Message => "message",
        Kind::Hub => "hub",
    }
}

/// The error for a handle of another class.
pub fn wrong_kind(wanted: Kind, got: Kind) -> Error {
    let (wanted, got) = (name(wanted), name(got));
    Error::new(Code::WrongKind, format!("not a handle of class {wanted} but of class {got}"))
}

impl Place {
    fn living(&self) -> u32 {
        self.living.load(Ordering::SeqCst)
    }

    /// Whether it is this process's, and no panic has gone through it.
    #[inline]
    pub fn is_sound(&self) -> bool {
        self.process.is_ours() && !self.poisoned.load(Ordering::Relaxed)
    }

    /// Whether the calling thread acts directly. With a thread of the library's own every other does.
    pub fn is_home(&self) -> bool {
        self.home.load(Ordering::Relaxed) == this_thread() || self.has_thread()
    }

    /// Whether a thread of the library's own does the work.
    pub fn has_thread(&self) -> bool {
        self.helper.is_running()
    }

    /// What the calling thread sends from now on waits, since it works on a batch.
    pub fn cork(&self) {
        self.corked.store(this_thread(), Ordering::Relaxed);
    }

    /// Nobody's sends wait any more.
    pub fn uncork(&self) {
        self.corked.store(0, Ordering::Relaxed);
    }

    /// Whether somebody's sends wait.
    pub fn is_corked(&self) -> bool {
        self.corked.load(Ordering::Relaxed) != 0
    }

    /// Whether this thread's sends wait.
    #[inline]
    pub fn is_corked_for(&self, me: Me) -> bool {
        me.is(self.corked.load(Ordering::Relaxed))
    }

    /// Whether the calling thread is the one that hears from the loop.
    fn hears(&self) -> bool {
        self.helper.is_visited() || !self.has_thread()
    }

    /// The sockets and the poller of a loop are shared with the process that this one was forked from, so
    /// nothing is done with it here unless it was brought over.
    pub fn check_process(&self) -> Result<()> {
        if !self.process.is_ours() {
            return Err(Error::new(
                Code::State,
                "this loop is the parent's: call wsock_loop_after_fork first",
            ));
        }
        Ok(())
    }

    /// The loop is this process's from here on.
    pub fn take_over(&self) {
        self.process.take_over();
    }

    /// Nothing is done any more with a loop that a panic went through, but freeing it.
    pub fn check_poison(&self) -> Result<()> {
        if self.poisoned.load(Ordering::Relaxed) {
            return Err(Error::new(
                Code::Poisoned,
                "an earlier panic inside the library broke this loop; free it",
            ));
        }
        Ok(())
    }
}

impl Loop {
    /// What it needs for a thread of the library's own.
    pub fn helper(self) -> &'static Helper {
        &self.place.helper
    }

    /// Its number, which tells it from the other loops of the process.
    pub fn number(self) -> u16 {
        self.place.number
    }

    /// The calling thread is its own from now on.
    pub fn come_home(self) {
        self.home.store(this_thread(), Ordering::SeqCst);
    }

    /// Its id.
    pub fn id(self) -> Id {
        Id::new(Kind::Loop, self.number, 0, self.generation)
    }

    /// Ids of everything that lives in it.
    pub fn table(self) -> &'static Table {
        &self.place.table
    }

    /// Queues a request, from any thread.
    pub fn push(self, command: Command) -> Result<()> {
        self.push_with(|| command)
    }

    /// The same for what must not even be made when the loop has ended.
    pub fn push_with(self, make: impl FnOnce() -> Command) -> Result<()> {
        // A loop that its own thread is inside of comes past the inbox before it waits again.
        let awake = self.core.is_inside() && !self.has_thread();
        match self.inbox.push(self.generation, awake, make) {
            true => Ok(()),
            false => Err(stale(Kind::Loop)),
        }
    }

    /// Makes `run` return, from any thread and from signal handlers.
    pub fn stop(self) {
        self.inbox.stop(self.generation);
        self.helper.ring();
    }

    /// Makes whoever waits in a poll return, from any thread and from signal handlers.
    pub fn wake(self) {
        self.inbox.wake();
        self.helper.ring();
    }

    /// Whether `stop` was called since the last time this said yes.
    pub fn take_stop(self) -> bool {
        self.inbox.take_stop(self.generation)
    }

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
        let alive = self.living() == self.generation;
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
