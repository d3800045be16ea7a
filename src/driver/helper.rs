//! What a loop with a thread of the library's own needs beside its core: a door, so that one thread at
//! a time is inside, and a bell for whoever waits for events.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::Duration;

use once_cell::sync::OnceCell;

use crate::error::{Code, Error, Result};
use crate::util::bell::Bell;
use crate::util::owner::this_thread;

/// See the module. It stays with the place of the loop.
#[derive(Default)]
pub struct Helper {
    running: AtomicBool,
    quit: AtomicBool,
    door: Mutex<()>,
    /// Somebody rang who has put nothing into the queue.
    woken: AtomicBool,
    bell: OnceCell<Bell>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// The thread that takes events out; 0 for none.
    visitor: AtomicU64,
}

/// As long as it lives no other thread takes events out.
pub struct Visit(&'static Helper);

impl Drop for Visit {
    fn drop(&mut self) {
        self.0.visitor.store(0, Ordering::SeqCst);
    }
}

/// The error for what would end or wait in the middle of a callback.
pub fn reentrant() -> Error {
    Error::new(
        Code::Reentrant,
        "run, poll, events and free must not be called from inside a callback of the same loop",
    )
}

impl Helper {
    /// Whether the thread does the work of the loop.
    #[inline]
    pub fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed)
    }

    /// From now on it does; `prepare` before.
    pub fn begin(&self) {
        self.quit.store(false, Ordering::SeqCst);
        self.running.store(true, Ordering::SeqCst);
    }

    /// Makes what waiting takes.
    pub fn prepare(&self) -> Result<()> {
        self.bell
            .get_or_try_init(Bell::new)
            .map(|bell| bell.quiet())
            .map_err(|e| Error::os(Code::System, "cannot make an event descriptor", &e))
    }

    /// The thread to wait for at the end.
    pub fn set_thread(&self, thread: JoinHandle<()>) {
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
    }

    /// Whether the thread is to end.
    pub fn is_quitting(&self) -> bool {
        self.quit.load(Ordering::SeqCst)
    }

    /// Ends the thread, which `wake` makes look, and waits for that. False when there is none.
    pub fn end(&self, wake: impl FnOnce()) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return false };
        self.quit.store(true, Ordering::SeqCst);
        wake();
        // It answers for itself by marking the loop.
        let _ = thread.join();
        true
    }

    /// From now on the loop is as if there never had been a thread.
    pub fn finish(&self) {
        self.running.store(false, Ordering::SeqCst);
    }

    /// In a child of a fork, where there are no other threads.
    pub fn forget(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // To be waited for by the parent only.
        std::mem::forget(thread);
        self.running.store(false, Ordering::SeqCst);
        if !self.is_visited() {
            self.visitor.store(0, Ordering::SeqCst);
        }
    }

    /// In a child of a fork, which must not ring for its parent.
    pub fn renew(&self) -> std::io::Result<()> {
        self.bell.get().map_or(Ok(()), Bell::renew)
    }

    /// Goes in as soon as nobody else is in.
    pub fn door(&'static self) -> MutexGuard<'static, ()> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes in if nobody else is.
    pub fn try_door(&'static self) -> Option<MutexGuard<'static, ()>> {
        match self.door.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Begins to take events out.
    pub fn visit(&'static self) -> Result<Visit> {
        let me = this_thread();
        match self.visitor.compare_exchange(0, me, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => Ok(Visit(self)),
            Err(other) if other == me => Err(reentrant()),
            Err(_) => Err(Error::new(
                Code::WrongThread,
                "another thread is waiting for the events of this loop right now",
            )),
        }
    }

    /// Whether the calling thread is taking events out: it is inside a callback.
    pub fn is_visited(&self) -> bool {
        self.visitor.load(Ordering::Relaxed) == this_thread()
    }

    /// Readable while the bell rings, which there is once the thread was started.
    pub fn bell_fd(&self) -> Option<RawFd> {
        self.bell.get().map(Bell::fd)
    }

    /// The queue is not empty any more.
    pub fn announce(&self) {
        if let Some(bell) = self.bell.get() {
            bell.ring();
        }
    }

    /// Makes whoever waits return, or the next who would. Safe in a signal handler.
    pub fn ring(&self) {
        if self.is_running() {
            self.woken.store(true, Ordering::SeqCst);
            self.announce();
        }
    }

    /// The queue is empty.
    pub fn quiet(&self) {
        if let Some(bell) = self.bell.get() {
            bell.quiet();
        }
    }

    /// Waits for the bell, unless somebody has rung already who has put nothing into the queue.
    pub fn wait(&self, limit: Option<Duration>) -> Result<()> {
        if self.woken.swap(false, Ordering::SeqCst) {
            return Ok(());
        }
        let Some(bell) = self.bell.get() else { return Ok(()) };
        let waited = bell.wait(limit);
        self.woken.store(false, Ordering::SeqCst);
        match waited {
            Ok(_) => Ok(()),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {
                Err(Error::os(Code::Interrupted, "a signal interrupted the wait", &e))
            }
            Err(e) => Err(Error::os(Code::System, "waiting for events failed", &e)),
        }
    }
}
