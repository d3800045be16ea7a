//! All loops of the process: where they are, and what any thread may know and ask of one.

mod entering;

use std::cell::RefCell;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use once_cell::sync::{Lazy, OnceCell};

pub use self::entering::Entered;
use super::core::Core;
use super::helper::Helper;
use super::inbox::{Command, Inbox};
use super::measure::Measure;
use crate::error::{Code, Error, Result};
use crate::util::forks::{Lock, Mark};
use crate::util::id::{Id, Kind, MAX_OWNERS};
use crate::util::owner::{Me, Owned, this_thread};
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
}
