//! What one loop owns, and the bookkeeping that never calls the application.

use std::any::Any;
use std::collections::VecDeque;
use std::ffi::CString;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::batch::Batch;
use super::deliver::Delivery;
use super::entries::{Entries, Entry};
use super::figures::Figures;
use super::handler::Handler;
use super::log::Logger;
use super::loops::Loop;
use super::outbox::Outbox;
use super::readiness::{Poller, WAKE};
use super::ready::Ready;
use super::request::Pending;
use super::retain::Current;
use super::run::Run;
use super::server::Server;
use super::session::Session;
use super::subscribers::Subscribers;
use super::timers::{NEVER, Timers};
use crate::error::{Code, Error, Result};
use crate::proto::context::Context;
use crate::util::arena::Arena;
#[cfg(target_os = "linux")]
use crate::util::beacon::Beacon;
use crate::util::id::{Id, Kind};
use crate::util::journal::Journal;
use crate::util::rng::Entropy;
use crate::util::table::Table;
use crate::util::time::Time;

/// One receive buffer serves every connection of the loop. Larger gains nothing, smaller costs
/// system calls for large messages.
pub const RECEIVE_BUFFER: usize = 256 * 1024;

/// See the module.
pub struct Core {
    /// Where the loop lives: its table and inbox.
    pub place: Loop,
    /// The operating system's side; `None` while a thread of the library's own has it.
    pub poller: Option<Poller>,
    /// For watching sockets, whoever has the poller.
    pub registry: mio::Registry,
    pub(super) entries: Entries,
    /// Sessions and servers alive.
    pub living: usize,
    /// Deadlines.
    pub timers: Timers,
    /// Sessions and servers that have input to look at.
    pub ready: Ready,
    /// Sessions that something was done to.
    pub dirty: Vec<Id>,
    /// The session whose input is being handled: it is settled at the end of that, whatever is done to it.
    pub serving: Option<Id>,
    /// Sessions that are over and owe their last events.
    pub endings: VecDeque<Id>,
    /// Clients that will try again and owe the news of it.
    pub retries: VecDeque<Id>,
    /// Sessions whose queue has drained.
    pub drains: VecDeque<Id>,
    /// Sessions with room for what their sources have.
    pub hungry: VecDeque<Id>,
    /// Handlers, and whatever else may call the application when it is dropped: when nothing is borrowed.
    pub trash: Vec<Arc<dyn Any + Send + Sync>>,
    /// The same of the thread of the library's own, for whoever takes events out.
    pub leftovers: Vec<Arc<dyn Any + Send + Sync>>,
    /// Handlers of ended servers, to be dropped by the next turn: nothing ends inside the call that
    /// ends it.
    pub ended: Vec<Arc<dyn Handler>>,
    /// Buffers, random bytes, shared compressors.
    pub cx: Context,
    /// The shared receive buffer.
    pub arena: Arena,
    /// Messages that are being told.
    pub run: Run,
    /// What the callback that is running was given, unless it is one of those.
    pub current: Option<Current>,
    /// The connection whose input goes on behind that: it will be told more in a moment.
    pub more_of: Option<Id>,
    /// Events that the application has not heard of yet.
    pub(super) outbox: Outbox,
    /// This turn puts its events there instead of telling them.
    pub queueing: bool,
    /// Where batches of events go, once the application has said so.
    pub batch: Option<Box<dyn Batch>>,
    /// The last batch: what it points to stays until the next.
    pub drained: Vec<Delivery>,
    /// The application says when it is done with one, by `flush`.
    pub flushes: bool,
    /// Which of them was retained last.
    pub retained: usize,
    /// Handlers that were replaced while it was worked on: its records show their user data.
    pub lent: Vec<Arc<dyn Handler>>,
    /// The thread of the library's own that does the work; 0 for none.
    pub worker: u64,
    /// Until when it sleeps.
    pub sleeps_until: Time,
    /// Whoever waits for events has been told that there are some.
    pub announced: bool,
    /// The loop is being freed: nothing new begins.
    pub leaving: bool,
    /// A turn is running: what is sent now leaves at its end.
    pub dispatching: bool,
    /// Callbacks run in this turn.
    pub callbacks: u32,
    /// Who has subscribed to hubs.
    pub subscribers: Subscribers,
    origin: Instant,
    /// Time of this turn.
    pub now: Time,
    /// What the loop counts.
    pub figures: Figures,
    /// Records for the application's log.
    pub journal: Journal,
    /// Who is told them.
    pub logger: Option<Arc<dyn Logger>>,
    /// The text of the last [`Core::metrics`].
    pub metrics: CString,
    /// The descriptor for foreign loops, once it was asked for.
    #[cfg(target_os = "linux")]
    pub beacon: Option<Beacon>,
}

impl Core {
    /// An empty loop, and what wakes it.
    pub fn new(place: Loop) -> io::Result<(Core, mio::Waker)> {
        let poller = Poller::new()?;
        let registry = poller.poll.registry().try_clone()?;
        let waker = mio::Waker::new(&registry, WAKE)?;
        let core = Core {
            place,
            poller: Some(poller),
            registry,
            entries: Entries::default(),
            living: 0,
            timers: Timers::default(),
            ready: Ready::default(),
            dirty: Vec::new(),
            endings: VecDeque::new(),
            retries: VecDeque::new(),
            drains: VecDeque::new(),
            hungry: VecDeque::new(),
            trash: Vec::new(),
            leftovers: Vec::new(),
            ended: Vec::new(),
            cx: Context::new(Entropy::from_os()),
            arena: Arena::default(),
            run: Run::default(),
            current: None,
            serving: None,
            more_of: None,
            outbox: Outbox::default(),
            queueing: false,
            batch: None,
            drained: Vec::new(),
            flushes: false,
            retained: 0,
            lent: Vec::new(),
            worker: 0,
            sleeps_until: Time(0),
            announced: false,
            leaving: false,
            dispatching: false,
            callbacks: 0,
            subscribers: Subscribers::new(place.id()),
            origin: Instant::now(),
            now: Time(1),
            figures: Figures::default(),
            journal: Journal::default(),
            logger: None,
            metrics: CString::default(),
            #[cfg(target_os = "linux")]
            beacon: None,
        };
        Ok((core, waker))
    }

    /// Ids of the loop.
    pub fn table(&self) -> &'static Table {
        self.place.table()
    }

    /// Reads the clock.
    pub fn tick(&mut self) {
        self.now = Time(self.origin.elapsed().as_micros() as u64 + 1);
    }

    // Entries

    /// Puts a new object into the slot of its id.
    pub fn insert(&mut self, id: Id, entry: Entry) {
        self.living += !matches!(entry, Entry::Request(_)) as usize;
        self.entries.put(id.slot() as usize, entry);
    }

    /// A new id in this loop's table.
    pub fn allocate(&mut self, kind: Kind, state: u8) -> Result<Id> {
        if self.leaving {
            return Err(Error::new(Code::State, "the loop is being freed"));
        }
        self.table().insert(kind, state).ok_or_else(|| {
            Error::new(Code::Limit, "this loop holds as many objects as it can; use another loop")
        })
    }

    /// Takes an object out; its id is stale from here on.
    pub fn remove(&mut self, id: Id) -> Entry {
        self.table().remove(id);
        let entry = self.entries.take(id.slot() as usize);
        self.living -= matches!(entry, Entry::Session(_) | Entry::Server(_)) as usize;
        entry
    }

    /// The living session of that id.
    #[inline]
    pub fn session(&mut self, id: Id) -> Option<&mut Session> {
        self.entries.session(id)
    }

    /// The same together with what the protocol works with.
    pub fn session_and_context(&mut self, id: Id) -> Option<(&mut Session, &mut Context, Time)> {
        Some((self.entries.session(id)?, &mut self.cx, self.now))
    }

    /// The living server of that id.
    pub fn server(&mut self, id: Id) -> Option<&mut Server> {
        match self.entries.get_mut(id.slot() as usize)? {
            Entry::Server(server) if server.id == id => Some(server),
            _ => None,
        }
    }

    /// The request of that id, if it still waits.
    pub fn request(&mut self, id: Id) -> Option<&mut Pending> {
        match self.entries.get_mut(id.slot() as usize)? {
            Entry::Request(request) if request.id == id => Some(request),
            _ => None,
        }
    }

    /// Ids of all sessions for which `wanted` holds.
    pub fn sessions_where(&self, wanted: impl Fn(&Session) -> bool) -> Vec<Id> {
        self.entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Session(session) if wanted(session) => Some(session.id),
                _ => None,
            })
            .collect()
    }

    /// Ids of all servers.
    pub fn servers(&self) -> Vec<Id> {
        self.entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Server(server) => Some(server.id),
                _ => None,
            })
            .collect()
    }

    /// Ends every id at once; what they named is dropped by the caller together with the core.
    pub fn forget_all(&mut self) {
        for entry in std::mem::take(&mut self.entries).iter() {
            match entry {
                Entry::Session(session) => self.place.table.remove(session.id),
                Entry::Server(server) => self.place.table.remove(server.id),
                Entry::Request(request) => self.place.table.remove(request.id),
                Entry::Vacant => {}
            }
        }
    }

    /// Whether the application has something to hear from whoever comes for it.
    pub fn has_news(&self) -> bool {
        !(self.outbox.is_empty() && self.journal.is_empty())
    }

    /// Whether a poll has something to do or to tell without waiting. Not for the log: it is told before
    /// each wait, and what it causes itself must not keep a loop awake.
    pub fn has_work(&self) -> bool {
        !self.outbox.is_empty() || self.has_batch_to_end() || self.has_turn()
    }

    /// Whether somebody has to come because a batch is out.
    fn has_batch_to_end(&self) -> bool {
        !self.drained.is_empty() && !self.flushes
    }

    /// The same for a loop with a thread of the library's own: whether the application has to come.
    pub fn wants_visit(&self) -> bool {
        let corked = self.place.is_corked() && !self.dirty.is_empty();
        corked || self.has_news() || self.has_batch_to_end() || !self.leftovers.is_empty()
    }

    /// Whether a turn has something to do without waiting.
    pub fn has_turn(&self) -> bool {
        !(self.ready.is_empty()
            && self.dirty.is_empty()
            && self.endings.is_empty()
            && self.drains.is_empty()
            && self.hungry.is_empty()
            && self.retries.is_empty()
            && self.ended.is_empty())
            || self.place.inbox.has_work()
    }

    /// The earliest deadline that still means something.
    pub fn next_deadline(&mut self) -> Option<Time> {
        let memory = [self.cx.pool.next_timeout(), self.arena.next_timeout()];
        memory.into_iter().chain([self.next_timer()]).flatten().min()
    }

    fn next_timer(&mut self) -> Option<Time> {
        while let Some((at, slot)) = self.timers.next() {
            if self.timer_counts(slot, at) {
                return Some(at);
            }
            self.timers.pop_due(at);
        }
        None
    }

    /// Whether anything is left that could ever cause an event.
    pub fn is_idle(&self) -> bool {
        self.living == 0 && !self.has_work()
    }

    /// Sees to it that the session or server is called at its next deadline.
    pub fn arm(&mut self, id: Id) {
        self.prune_timers();
        match self.entries.get_mut(id.slot() as usize) {
            Some(Entry::Session(session)) if session.id == id => {
                self.timers.arm(id, session.next_timeout(), &mut session.scheduled);
            }
            Some(Entry::Server(server)) if server.id == id => {
                self.timers.arm(id, server.next_timeout(), &mut server.scheduled);
            }
            _ => {}
        }
    }

    /// Forgets the entries of sessions that are gone, before they outnumber the living.
    fn prune_timers(&mut self) {
        if self.timers.len() > 2 * self.living + 64 {
            let mut timers = std::mem::take(&mut self.timers);
            timers.retain(|at, slot| self.timer_counts(slot, at));
            self.timers = timers;
        }
    }

    fn timer_counts(&mut self, slot: usize, at: Time) -> bool {
        self.scheduled(slot).is_some_and(|(_, scheduled)| *scheduled == at)
    }

    /// The session or server there, and its timer entry that counts.
    fn scheduled(&mut self, slot: usize) -> Option<(Id, &mut Time)> {
        match self.entries.get_mut(slot)? {
            Entry::Session(session) => Some((session.id, &mut session.scheduled)),
            Entry::Server(server) => Some((server.id, &mut server.scheduled)),
            _ => None,
        }
    }

    /// A timer entry fired: whose is it, if it is one that counts?
    pub fn take_timer(&mut self, slot: usize, at: Time) -> Option<Id> {
        let (id, scheduled) = self.scheduled(slot).filter(|(_, scheduled)| **scheduled == at)?;
        *scheduled = NEVER;
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::handler::Handler;
    use crate::driver::loops;
    use crate::driver::session::Phase;
    use crate::driver::settings::{Settings, Shared};
    use crate::driver::setup::Setup;

    struct Nobody;

    impl Handler for Nobody {
        fn as_any(&self) -> &dyn std::any::Any {
            self
        }
    }

    #[test]
    fn timers_of_the_gone_do_not_pile_up() {
        let place = loops::find(loops::create().unwrap()).unwrap();
        let checked = place.with(|core| {
            let mut add = |deadline| {
                let id = core.allocate(Kind::Conn, 0)?;
                let shared = Shared::new(&Settings::default(), &Nobody);
                let setup = Setup::new(Arc::new(Nobody), shared, None);
                let mut session = Session::new(id, setup, Phase::Answered);
                session.details().deadline = Some(Time(deadline));
                core.insert(id, Entry::Session(session));
                core.arm(id);
                Ok::<Id, Error>(id)
            };
            let stays = add(6_400)?;
            let gone = (0..10_000).map(|n| add(1_000_000 + n)).collect::<Result<Vec<Id>>>()?;
            for id in gone {
                core.remove(id);
                core.arm(stays);
            }
            assert!(core.timers.len() <= 2 * core.living + 65, "{} entries", core.timers.len());
            assert_eq!(core.timers.next(), Some((Time(6_400), stays.slot() as usize)));
            Ok(())
        });
        checked.unwrap();
        crate::driver::turn::free(place).unwrap();
    }
}
