//! All loops of the process, and the way into one.

use std::cell::RefCell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use once_cell::sync::{Lazy, OnceCell};

use super::core::Core;
use super::inbox::Inbox;
use crate::error::{Code, Error, Result};
use crate::util::id::{Id, Kind, LAST_GENERATION, MAX_OWNERS};
use crate::util::owner::{Inside, Owned, this_thread};
use crate::util::rng::Entropy;
use crate::util::table::{Table, random_start};

/// A place for a loop. Never freed: the next loop in it goes on with its generations.
pub struct Place {
    number: u16,
    generation: AtomicU32,
    /// The thread that polls: it acts directly, others queue.
    home: AtomicU64,
    poisoned: AtomicBool,
    core: Owned<RefCell<Option<Core>>>,
    /// Ids of everything that lives in the loop.
    pub table: Table,
    /// Requests of other threads.
    pub inbox: Inbox,
}

static PLACES: [OnceCell<Box<Place>>; MAX_OWNERS] = [const { OnceCell::new() }; MAX_OWNERS];
/// In place of the number of a thread: no loop is here.
const VACANT: u64 = u64::MAX;
static FREE: Lazy<Mutex<Vec<u16>>> =
    Lazy::new(|| Mutex::new((0..MAX_OWNERS as u16).rev().collect()));

fn stale(what: &str) -> Error {
    Error::new(
        Code::InvalidHandle,
        format!("the {what} handle is not valid: the object has ended, or never was"),
    )
}

/// Makes a loop that belongs to the calling thread until another polls it.
pub fn create() -> Result<Id> {
    let mut free = FREE.lock().unwrap_or_else(|poison| poison.into_inner());
    let number = free.pop().ok_or_else(|| {
        Error::new(
            Code::Limit,
            format!("{MAX_OWNERS} loops exist already; free one with wsock_loop_free"),
        )
    })?;
    let place = PLACES[number as usize].get_or_init(|| {
        Box::new(Place {
            number,
            generation: AtomicU32::new(random_start(&mut Entropy::from_os())),
            home: AtomicU64::new(0),
            poisoned: AtomicBool::new(false),
            core: Owned::new(RefCell::new(None)),
            table: Table::new(number),
            inbox: Inbox::default(),
        })
    });
    match Core::new(place) {
        Ok((core, waker)) => {
            place.inbox.set_waker(Some(waker));
            place.poisoned.store(false, Ordering::SeqCst);
            place.home.store(this_thread(), Ordering::SeqCst);
            let inside = place.core.try_enter().expect("nobody knows this loop yet");
            *inside.borrow_mut() = Some(core);
            let generation = place.generation.load(Ordering::SeqCst) + 1;
            place.generation.store(generation, Ordering::SeqCst);
            Ok(Id::new(Kind::Loop, number, 0, generation))
        }
        Err(e) => {
            free.push(number);
            Err(Error::os(Code::System, "cannot make an event loop", &e))
        }
    }
}

/// The place of a living loop, by the id of the loop itself.
pub fn find(id: Id) -> Result<&'static Place> {
    let place = PLACES[id.owner() as usize].get().ok_or_else(|| stale("loop"))?;
    if place.is(id) { Ok(place) } else { Err(stale("loop")) }
}

/// Whether the id names a loop that lives, or something that lives in one.
pub fn is_alive(id: Id) -> bool {
    let place = PLACES[id.owner() as usize].get();
    place.is_some_and(|place| match id.kind() {
        Kind::Loop => place.is(id),
        _ => place.table.get(id).is_ok(),
    })
}

/// The place of a living object of the given kind.
pub fn find_object(id: Id, kind: Kind) -> Result<&'static Place> {
    let place = PLACES[id.owner() as usize].get().ok_or_else(|| stale(name(kind)))?;
    place.table.get(id).map_err(|_| stale(name(kind)))?;
    place.check_poison()?;
    Ok(place)
}

/// What people call the class.
pub fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Loop => "loop",
        Kind::Conn => "connection",
        Kind::Server => "server",
        Kind::Request => "request",
        Kind::Options => "options",
    }
}

/// The error for a handle of another class.
pub fn wrong_kind(wanted: Kind, got: Kind) -> Error {
    let (wanted, got) = (name(wanted), name(got));
    Error::new(Code::WrongKind, format!("not a handle of class {wanted} but of class {got}"))
}

impl Place {
    fn is(&self, id: Id) -> bool {
        self.generation.load(Ordering::SeqCst) == id.generation()
            && id.slot() == 0
            && self.home.load(Ordering::SeqCst) != VACANT
    }

    /// Id of the loop that is here now.
    pub fn id(&self) -> Id {
        Id::new(Kind::Loop, self.number, 0, self.generation.load(Ordering::SeqCst))
    }

    /// Whether the calling thread is the one that acts directly.
    pub fn is_home(&self) -> bool {
        self.home.load(Ordering::Relaxed) == this_thread()
    }

    /// Whether the calling thread is in a callback of this loop.
    pub fn is_inside(&self) -> bool {
        self.core.is_inside()
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

    /// Takes the loop over for polling on this thread.
    pub fn enter_to_poll(&self) -> Result<Entered<'_>> {
        if self.core.is_inside() {
            return Err(Error::new(
                Code::Reentrant,
                "run, poll and free must not be called from inside a callback of the same loop",
            ));
        }
        let inside = self.core.try_enter().ok_or_else(|| {
            Error::new(Code::WrongThread, "another thread is inside this loop right now")
        })?;
        self.check_poison()?;
        self.home.store(this_thread(), Ordering::SeqCst);
        Ok(self.entered(inside))
    }

    fn entered<'a>(&'a self, inside: Inside<'a, RefCell<Option<Core>>>) -> Entered<'a> {
        Entered { inside, place: self, unwinding: std::thread::panicking() }
    }

    /// Enters a loop that a panic has broken, to drop it.
    pub fn enter_poisoned(&self) -> Result<Entered<'_>> {
        self.core.try_enter().map(|inside| self.entered(inside)).ok_or_else(|| {
            Error::new(Code::WrongThread, "another thread is inside this loop right now")
        })
    }

    /// Does something with the loop on its own thread, then what has to follow: sending what was
    /// queued, unless a turn is running that will do it, and dropping what may call the application.
    pub fn with<R>(&self, f: impl FnOnce(&mut Core) -> Result<R>) -> Result<R> {
        if !self.is_home() {
            return Err(Error::new(
                Code::WrongThread,
                "only the thread that polls the loop may call this; use wsock_loop_post",
            ));
        }
        let inside = self.core.try_enter().ok_or_else(|| {
            Error::new(Code::WrongThread, "another thread is inside this loop right now")
        })?;
        self.check_poison()?;
        self.entered(inside).with(|core| {
            if !core.dispatching {
                core.tick();
            }
            let result = f(core);
            if !core.dispatching {
                core.settle_all();
                core.update_beacon();
            }
            result
        })
    }

    /// Ends the loop for good: its id and all ids in it are stale from here on.
    pub fn vacate(&self, entered: Entered<'_>) {
        let core = entered.inside.borrow_mut().take();
        self.home.store(VACANT, Ordering::SeqCst);
        self.inbox.set_waker(None);
        if let Some(mut core) = core {
            core.forget_all();
        }
        drop(self.inbox.take());
        drop(entered);
        let mut free = FREE.lock().unwrap_or_else(|poison| poison.into_inner());
        if self.generation.load(Ordering::SeqCst) < LAST_GENERATION {
            free.push(self.number);
        }
    }
}

/// Being inside a loop, possibly within a callback.
pub struct Entered<'a> {
    inside: Inside<'a, RefCell<Option<Core>>>,
    place: &'a Place,
    /// A panic was under way already when we entered: it is not the loop's.
    unwinding: bool,
}

/// A panic that leaves the loop may have left anything half done.
impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.unwinding {
            self.place.poisoned.store(true, Ordering::SeqCst);
        }
    }
}

impl Entered<'_> {
    /// Borrows the core for the length of `f`, which must not call the application.
    pub fn with<R>(&self, f: impl FnOnce(&mut Core) -> Result<R>) -> Result<R> {
        let (result, trash) = {
            let mut core = self.inside.try_borrow_mut().map_err(|_| {
                Error::new(Code::Reentrant, "the loop is busy: this call came from inside itself")
            })?;
            let core = core.as_mut().ok_or_else(|| stale("loop"))?;
            (f(core), std::mem::take(&mut core.trash))
        };
        // Handlers end here, unborrowed: their release functions may call anything.
        drop(trash);
        result
    }
}
