//! What other threads ask of a loop, and how they wake it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

use crate::error::Error;
use crate::proto::event::Kind;
use crate::util::id::Id;

/// Work that runs once on the loop's thread, or is dropped with the loop.
pub type Task = Box<dyn FnOnce() + Send>;

/// One request to the loop, in the order it was made.
pub enum Command {
    /// Send a message that was accepted already.
    Send {
        /// To whom.
        conn: Id,
        /// Text has been checked.
        kind: Kind,
        /// A copy.
        data: Vec<u8>,
        /// Whether it may be compressed.
        compress: bool,
    },
    /// Send a ping.
    Ping(Id, Vec<u8>),
    /// Begin the close handshake; code and reason have been checked.
    Close(Id, Option<u16>, String),
    /// Give up.
    Abort(Id),
    /// A name look-up is done.
    Resolved(Id, Result<Vec<SocketAddr>, Error>),
    /// Run this.
    Task(Task),
}

/// The queue of one loop.
#[derive(Default)]
pub struct Inbox {
    queue: Mutex<Vec<Command>>,
    /// A wake-up is on its way, so that a burst costs one.
    woken: AtomicBool,
    stop: AtomicBool,
    /// Behind a lock that signal handlers only try: it is written when the loop begins and ends.
    waker: RwLock<Option<mio::Waker>>,
}

impl Inbox {
    /// A loop begins or ends to listen.
    pub fn set_waker(&self, waker: Option<mio::Waker>) {
        *self.waker.write().unwrap_or_else(PoisonError::into_inner) = waker;
        self.stop.store(false, Ordering::SeqCst);
        self.woken.store(false, Ordering::SeqCst);
    }

    /// Queues and wakes, from any thread.
    pub fn push(&self, command: Command) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push(command);
        if !self.woken.swap(true, Ordering::SeqCst) {
            self.wake();
        }
    }

    /// Makes a waiting poll return, from any thread and from signal handlers: no lock is waited
    /// for, nothing is allocated.
    pub fn wake(&self) {
        if let Ok(waker) = self.waker.try_read()
            && let Some(waker) = &*waker
        {
            // Fails only when the counter is full, and then the loop is awake.
            let _ = waker.wake();
        }
    }

    /// Makes `run` return, from any thread and from signal handlers.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// Whether `stop` was called since the last time this said yes.
    pub fn take_stop(&self) -> bool {
        self.stop.swap(false, Ordering::SeqCst)
    }

    /// Everything queued so far.
    pub fn take(&self) -> Vec<Command> {
        self.woken.store(false, Ordering::SeqCst);
        std::mem::take(&mut *self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether there is something to take.
    pub fn has_work(&self) -> bool {
        self.woken.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_in_order_and_stop_is_told_once() {
        let inbox = Inbox::default();
        let (sender, receiver) = std::sync::mpsc::channel();
        for n in 0..3 {
            let sender = sender.clone();
            inbox.push(Command::Task(Box::new(move || sender.send(n).unwrap())));
        }
        assert!(inbox.has_work());
        for command in inbox.take() {
            match command {
                Command::Task(task) => task(),
                _ => unreachable!(),
            }
        }
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [0, 1, 2]);
        assert!(!inbox.has_work() && inbox.take().is_empty());
        inbox.stop();
        assert!(inbox.take_stop() && !inbox.take_stop());
    }
}
