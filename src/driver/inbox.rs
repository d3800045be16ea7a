//! What other threads ask of a loop, and how they wake it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::hub::Order;
use super::parts::PartPlace;
use super::send::{Parcel, Terms};
use crate::error::Error;
use crate::proto::event::Kind;
use crate::proto::prepared::Prepared;
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
    /// Send a message of another form, or on other terms.
    Message {
        /// To whom.
        conn: Id,
        /// The message; text has been checked.
        parcel: Parcel,
        /// What may be done about it.
        terms: Terms,
    },
    /// Send the next part of a message.
    Part {
        /// To whom.
        conn: Id,
        /// The same for all parts of a message; text has been checked.
        kind: Kind,
        /// A copy.
        data: Vec<u8>,
        /// Where in its message, and whether that may be compressed.
        place: PartPlace,
    },
    /// Messages were dropped before they got here.
    Lost(Id),
    /// One was refused: see whether the queue is full still.
    Refused(Id),
    /// Close it, since its peer is too slow.
    TooSlow(Id),
    /// Send a ping.
    Ping(Id, Vec<u8>),
    /// Begin the close handshake; code and reason have been checked.
    Close(Id, Option<u16>, String),
    /// Give up.
    Abort(Id),
    /// A name look-up is done, for the way of that number.
    Resolved(Id, u32, Result<Vec<SocketAddr>, Error>),
    /// Answer a request.
    Answer(Id, i32),
    /// Run this.
    Task(Task),
    /// Do this for a hub.
    Hub(Order),
    /// Send to all connections of a server.
    Broadcast {
        /// Whose.
        server: Id,
        /// What.
        message: Arc<Prepared>,
        /// To whom not.
        except: Option<Id>,
    },
    /// Ask the application again for what it sends.
    PullAgain(Id),
}

/// The queue of one place for loops. Everything is told apart by the loop's generation, so that what was
/// meant for an earlier loop never reaches the next.
#[derive(Default)]
pub struct Inbox {
    queue: Mutex<Queue>,
    /// A wake-up is on its way, so that a burst costs one.
    woken: AtomicBool,
    /// How often the loop was woken.
    wake_ups: AtomicU64,
    /// Generation of the loop that is to stop; 0 for none.
    stop: AtomicU32,
    /// Behind a lock that signal handlers only try: it is written when the loop begins and ends.
    waker: RwLock<Option<mio::Waker>>,
}

#[derive(Default)]
struct Queue {
    /// Whose it is; 0 when no loop lives here.
    generation: u32,
    commands: Vec<Command>,
    /// How many there were.
    requests: u64,
}

impl Inbox {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A loop begins.
    pub fn open(&self, generation: u32, waker: mio::Waker) {
        *self.waker.write().unwrap_or_else(PoisonError::into_inner) = Some(waker);
        self.woken.store(false, Ordering::SeqCst);
        self.wake_ups.store(0, Ordering::Relaxed);
        let mut queue = self.queue();
        (queue.generation, queue.requests) = (generation, 0);
    }

    /// The loop has ended. What it never came to is for the caller to drop.
    pub fn close(&self) -> Vec<Command> {
        *self.waker.write().unwrap_or_else(PoisonError::into_inner) = None;
        std::mem::take(&mut *self.queue()).commands
    }

    /// The loop goes on in a child of the process that it was in, with another waker. What was queued is for
    /// the caller to drop. `None` when the fork has left something locked by a thread that is not here.
    pub fn reopen(&self, waker: mio::Waker) -> Option<Vec<Command>> {
        let mut slot = self.waker.try_write().ok()?;
        let mut queue = self.queue.try_lock().ok()?;
        *slot = Some(waker);
        self.woken.store(false, Ordering::SeqCst);
        self.stop.store(0, Ordering::SeqCst);
        Some(std::mem::take(&mut queue.commands))
    }

    /// Queues what `make` makes and wakes the loop unless it is `awake`, from any thread. When that loop has
    /// ended nothing is made, and the answer is false.
    pub fn push(&self, generation: u32, awake: bool, make: impl FnOnce() -> Command) -> bool {
        let mut queue = self.queue();
        if queue.generation != generation {
            return false;
        }
        queue.commands.push(make());
        queue.requests += 1;
        drop(queue);
        if !self.woken.swap(true, Ordering::SeqCst) && !awake {
            self.wake();
        }
        true
    }

    /// Makes a waiting poll return, from any thread and from signal handlers: no lock is waited
    /// for, nothing is allocated.
    pub fn wake(&self) {
        if let Ok(waker) = self.waker.try_read()
            && let Some(waker) = &*waker
        {
            self.wake_ups.fetch_add(1, Ordering::Relaxed);
            // Fails only when the counter is full, and then the loop is awake.
            let _ = waker.wake();
        }
    }

    /// Asks that loop to return from `run`.
    pub fn stop(&self, generation: u32) {
        // Somebody who is late, for an earlier loop, does not take this one's request away.
        self.stop.fetch_max(generation, Ordering::SeqCst);
        self.wake();
    }

    /// Whether that loop was asked to stop since the last time this said yes.
    pub fn take_stop(&self, generation: u32) -> bool {
        self.stop.compare_exchange(generation, 0, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Everything queued so far.
    pub fn take(&self) -> Vec<Command> {
        self.woken.store(false, Ordering::SeqCst);
        std::mem::take(&mut self.queue().commands)
    }

    /// How many requests there were since the loop began.
    pub fn requests(&self) -> u64 {
        self.queue().requests
    }

    /// How often it was woken.
    pub fn wake_ups(&self) -> u64 {
        self.wake_ups.load(Ordering::Relaxed)
    }

    /// Whether there is something to take.
    pub fn has_work(&self) -> bool {
        self.woken.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(generation: u32) -> (mio::Poll, Inbox) {
        let poll = mio::Poll::new().unwrap();
        let inbox = Inbox::default();
        inbox.open(generation, mio::Waker::new(poll.registry(), mio::Token(0)).unwrap());
        (poll, inbox)
    }

    #[test]
    fn a_burst_is_taken_in_order() {
        let (_poll, inbox) = open(7);
        let (sender, receiver) = std::sync::mpsc::channel();
        for n in 0..3 {
            let sender = sender.clone();
            let task = Command::Task(Box::new(move || sender.send(n).unwrap()));
            assert!(inbox.push(7, false, || task));
        }
        assert!(inbox.has_work());
        assert_eq!((inbox.requests(), inbox.wake_ups()), (3, 1));
        for command in inbox.take() {
            match command {
                Command::Task(task) => task(),
                _ => unreachable!(),
            }
        }
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [0, 1, 2]);
        assert!(!inbox.has_work() && inbox.take().is_empty());
    }

    #[test]
    fn what_was_meant_for_an_earlier_loop_does_not_reach_the_next() {
        let (_first, inbox) = open(7);
        inbox.stop(7);
        assert!(inbox.push(7, false, || Command::Task(Box::new(|| {}))));
        assert_eq!(inbox.close().len(), 1);
        let second = mio::Poll::new().unwrap();
        inbox.open(8, mio::Waker::new(second.registry(), mio::Token(0)).unwrap());
        assert!(
            !inbox
                .push(7, false, || unreachable!("it would be dropped as if it had been accepted"))
        );
        assert!(!inbox.take_stop(8) && inbox.take().is_empty());
        inbox.stop(8);
        inbox.stop(7);
        assert!(inbox.take_stop(8) && !inbox.take_stop(8));
        assert_eq!((inbox.requests(), inbox.wake_ups()), (0, 2));
    }

    #[test]
    fn a_loop_that_is_brought_over_begins_with_nothing_asked_of_it() {
        let (_poll, inbox) = open(7);
        inbox.stop(7);
        assert!(inbox.push(7, false, || Command::Task(Box::new(|| {}))));
        let polls = [mio::Poll::new().unwrap(), mio::Poll::new().unwrap()];
        let waker = |poll: &mio::Poll| mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
        let held = inbox.queue();
        let refused = inbox.reopen(waker(&polls[0])).is_none();
        assert!(refused, "whoever holds it is not there to let go of it");
        drop(held);
        assert_eq!(inbox.reopen(waker(&polls[1])).map(|left| left.len()), Some(1));
        assert!(!inbox.has_work() && !inbox.take_stop(7));
        assert!(inbox.push(7, false, || Command::Task(Box::new(|| {}))));
    }
}
