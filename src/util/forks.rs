//! Forks: a child knows that it is one, and finds no registry in the hands of a thread that it does not have.
//!
//! Only what `pthread_atfork` is told of counts: `fork`, and with it `daemon` and `forkpty`. `vfork` and
//! `posix_spawn` are for programs that are exec'd at once, and so are bare system calls.

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Twice the forks in the line that leads to this process; odd while one is under way.
static COUNT: AtomicU32 = AtomicU32::new(0);
/// The process that forks, while one is under way.
static FORKING: AtomicU32 = AtomicU32::new(0);

/// Held by whoever is inside a [`Lock`]; a fork waits until nobody is. That cannot be for long: who is inside
/// waits for nothing.
static GATE: RwLock<()> = RwLock::new(());

// A fork begins and ends on the same thread. No destructor: a thread may end after the library was unloaded.
thread_local!(static CLOSED: Cell<Option<ManuallyDrop<RwLockWriteGuard<'static, ()>>>> = const { Cell::new(None) });

extern "C" fn before() {
    let closed = GATE.write().unwrap_or_else(PoisonError::into_inner);
    CLOSED.set(Some(ManuallyDrop::new(closed)));
    FORKING.store(process::id(), Ordering::Relaxed);
    COUNT.fetch_add(1, Ordering::Release);
}

extern "C" fn after_in_parent() {
    COUNT.fetch_sub(1, Ordering::Relaxed);
    open_gate();
}

extern "C" fn after_in_child() {
    COUNT.fetch_add(1, Ordering::Relaxed);
    open_gate();
}

fn open_gate() {
    drop(CLOSED.take().map(ManuallyDrop::into_inner));
}

/// `COUNT` as it is without the fork that is under way. Functions that others have given to `pthread_atfork`
/// may call us in the middle of it, in the child too, before ours have run.
fn count() -> u32 {
    let count = COUNT.load(Ordering::Acquire);
    match count & 1 {
        0 => count,
        _ if FORKING.load(Ordering::Relaxed) == process::id() => count.wrapping_sub(1),
        _ => count.wrapping_add(1),
    }
}

/// Keeps forks out. Such a function finds the gate closed by its own thread, and nobody else inside.
fn enter() -> Option<RwLockReadGuard<'static, ()>> {
    watch();
    if COUNT.load(Ordering::Relaxed) & 1 == 1 {
        let closed = CLOSED.take();
        let by_us = closed.is_some();
        CLOSED.set(closed);
        if by_us {
            return None;
        }
    }
    Some(GATE.read().unwrap_or_else(PoisonError::into_inner))
}

/// From now on forks are noticed.
fn watch() {
    // Miri knows no forks.
    if cfg!(miri) {
        return;
    }
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        // SAFETY: three functions without arguments that stay: the library is never unloaded.
        let failed = unsafe {
            libc::pthread_atfork(Some(before), Some(after_in_parent), Some(after_in_child))
        };
        assert_eq!(failed, 0, "no memory to watch for forks");
    });
}

/// Belongs to the process that made it.
#[derive(Debug)]
pub struct Mark(AtomicU32);

impl Mark {
    /// This process's.
    pub fn now() -> Mark {
        watch();
        Mark(AtomicU32::new(count()))
    }

    /// Whether this is that process, and not a child of it.
    #[inline]
    pub fn is_ours(&self) -> bool {
        let of = self.0.load(Ordering::Relaxed);
        of == COUNT.load(Ordering::Relaxed) || of == count()
    }

    /// From now on it is this process's.
    pub fn take_over(&self) {
        self.0.store(count(), Ordering::Relaxed);
    }
}

/// Runs `f`, in the middle of which no fork comes. It must be short, ask for no [`Lock`], and not call the
/// application: a fork waits for it.
pub fn undivided<R>(f: impl FnOnce() -> R) -> R {
    let _inside = enter();
    f()
}

/// A mutex that no fork finds locked, so that a child can use what is in it. Whoever holds one must not ask
/// for another, nor call the application: a fork waits for it.
#[derive(Debug, Default)]
pub struct Lock<T>(Mutex<T>);

/// What a [`Lock`] guards.
pub struct Locked<'a, T> {
    // Dropped in this order.
    value: MutexGuard<'a, T>,
    _inside: Option<RwLockReadGuard<'static, ()>>,
}

impl<T> Lock<T> {
    /// Nobody is inside yet.
    pub const fn new(value: T) -> Lock<T> {
        Lock(Mutex::new(value))
    }

    /// Waits for its turn. After a panic inside, the value is as that left it.
    pub fn lock(&self) -> Locked<'_, T> {
        let inside = enter();
        let value = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Locked { value, _inside: inside }
    }
}

impl<T> Deref for Locked<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Locked<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

/// What `child` answers in a process of its own.
#[cfg(test)]
pub fn in_child(child: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child calls nothing but `child` and ends; `status` lives across the call.
    unsafe {
        let pid = libc::fork();
        if pid == 0 {
            libc::_exit(!child() as i32);
        }
        let mut status = 0;
        libc::waitpid(pid, &mut status, 0) == pid && status == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn a_child_knows_that_it_is_one() {
        let mark = Mark::now();
        assert!(mark.is_ours());
        assert!(in_child(|| {
            let theirs = !mark.is_ours();
            mark.take_over();
            theirs && mark.is_ours() && in_child(|| !mark.is_ours())
        }));
        assert!(mark.is_ours(), "the parent is no child");
    }

    #[test]
    fn no_fork_finds_a_lock_taken() {
        static TAKEN: Lock<u32> = Lock::new(0);
        static OVER: AtomicBool = AtomicBool::new(false);
        let busy = std::thread::spawn(|| {
            while !OVER.load(Ordering::Relaxed) {
                *TAKEN.lock() += 1;
            }
        });
        let usable =
            (0..50).all(|_| in_child(|| TAKEN.0.try_lock().is_ok() && GATE.try_write().is_ok()));
        OVER.store(true, Ordering::Relaxed);
        busy.join().unwrap();
        assert!(usable);
    }
}
