//! What the application has not heard of yet, in the order in which it will: what turns that queue have
//! come to, and what callbacks have opened.

use std::collections::VecDeque;

use super::core::Core;
use super::deliver::{Delivery, WEIGHT, What};
use super::marks::Mark;
use super::session::{Phase, Session};
use crate::proto::conn::State;
use crate::util::id::Id;
use crate::util::table::GIVEN_UP;

/// Input of one connection that may wait for an application that works on something else. Beyond that TCP
/// makes the peer wait.
const MAX_UNDELIVERED: u32 = (1 << 20) / WEIGHT as u32;
/// The same for all connections together. Those that have nothing there may still add to it.
const MAX_QUEUED: usize = (64 << 20) / WEIGHT;

/// See the module.
#[derive(Default)]
pub struct Outbox {
    pub(super) events: VecDeque<Delivery>,
    /// What they weigh, together with those that were put aside because their connection is paused.
    pub(super) weight: usize,
}

impl Outbox {
    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// How many events wait, of series each message.
    pub fn count(&self) -> usize {
        self.events.iter().map(Delivery::events).sum()
    }

    /// Puts an event at the end. With it comes the session whose it is, unless that is gone.
    #[inline]
    pub fn push(&mut self, delivery: Delivery, session: Option<&mut Session>) {
        self.weigh(&delivery, session);
        self.events.push_back(delivery);
    }

    fn weigh(&mut self, delivery: &Delivery, session: Option<&mut Session>) {
        let weight = delivery.weight();
        self.weight += weight as usize;
        if let Some(session) = session {
            session.undelivered += weight;
        }
    }

    /// Whether as much of the session's input waits for the application as may.
    #[inline]
    pub fn has_enough_of(&self, session: &mut Session) -> bool {
        let undelivered = session.undelivered;
        let enough = undelivered > MAX_UNDELIVERED || self.weight > MAX_QUEUED && undelivered > 0;
        // What comes while it closes is not for the application, and its end must be seen.
        let open = matches!(&session.phase, Phase::Open(conn) if conn.state() == State::Open);
        session.mark(Mark::Stalled, open && (enough || session.is(Mark::Stalled)));
        session.is(Mark::Stalled)
    }
}

impl Core {
    /// Puts an event at the end of the queue.
    pub fn queue(&mut self, delivery: Delivery) {
        let session = self.entries.session(delivery.id);
        self.outbox.push(delivery, session);
    }

    /// Whether callbacks have opened something of which this turn has to tell before anything that came through it.
    pub fn has_opened(&self) -> bool {
        !self.queueing && !self.outbox.is_empty()
    }

    /// Whether as much of the session's input waits for the application as may.
    pub fn has_enough(&mut self, id: Id) -> bool {
        let Core { entries, outbox, .. } = self;
        entries.session(id).is_some_and(|session| outbox.has_enough_of(session))
    }

    /// The next of the queue. What nobody wants to hear any more is left out. Input of a connection that is paused
    /// is put aside until that is resumed; its end resumes it.
    pub fn next_delivery(&mut self) -> Option<Delivery> {
        loop {
            let delivery = self.outbox.events.pop_front()?;
            let id = delivery.id;
            let weight = delivery.weight();
            if let Some(session) = self.entries.session(id) {
                if session.is(Mark::Paused) {
                    match delivery.what {
                        What::Input(..) | What::Series(_) => {
                            session.details().withheld.push(delivery);
                            continue;
                        }
                        What::Error(_) | What::Retry(_) | What::Close(_) => {
                            session.mark(Mark::Paused, false);
                            self.outbox.events.push_front(delivery);
                            self.give_back(id);
                            continue;
                        }
                        _ => {}
                    }
                }
                session.undelivered -= weight;
                if session.is(Mark::Stalled) && session.undelivered <= MAX_UNDELIVERED / 2 {
                    session.mark(Mark::Stalled, false);
                    self.make_ready(id);
                }
            }
            self.outbox.weight -= weight as usize;
            if self.is_void(&delivery) {
                // Nobody was told of a retry, so what is lost goes into the report of the end.
                if !matches!(delivery.what, What::Retry(_)) {
                    self.settle_told(delivery, None);
                }
                continue;
            }
            return Some(delivery);
        }
    }

    /// The connection is not paused any more: what was put aside is the next.
    pub fn give_back(&mut self, id: Id) {
        let details = self.entries.session(id).and_then(|session| session.details.as_mut());
        let Some(details) = details else { return };
        for delivery in std::mem::take(&mut details.withheld).into_iter().rev() {
            self.outbox.events.push_front(delivery);
        }
    }

    /// Not now: it stays the next.
    pub fn put_back(&mut self, delivery: Delivery) {
        self.outbox.weigh(&delivery, self.entries.session(delivery.id));
        self.outbox.events.push_front(delivery);
    }

    /// Whether nobody wants to hear of it: who has closed a connection may have freed what a message of
    /// it would need, and a request may be gone with who asked.
    fn is_void(&mut self, delivery: &Delivery) -> bool {
        match delivery.what {
            What::Input(..) | What::Series(_) | What::Drain | What::Retry(_) => {
                self.table().get(delivery.id).is_ok_and(|cell| cell.has(GIVEN_UP))
            }
            What::Request(request, _) => {
                let void = !self.awaits_answer(request);
                if void && self.request(request).is_some() {
                    self.remove(request);
                }
                void
            }
            _ => false,
        }
    }

    /// What is left of the queue when the loop ends: only how connections ended still matters. The rest
    /// goes when the loop does, since dropping a task may call the application.
    pub fn keep_endings(&mut self) {
        for delivery in std::mem::take(&mut self.outbox.events) {
            let weight = delivery.weight() as usize;
            let session = self.entries.session(delivery.id);
            let known = session.is_some_and(|session| session.is(Mark::Announced));
            match delivery.what {
                What::Error(_) | What::Close(_) if known => {
                    self.outbox.events.push_back(delivery);
                    continue;
                }
                What::Close(_) => self.bury(delivery.id),
                What::Open => self.never_heard_of(delivery.id),
                _ => self.drained.push(delivery),
            }
            // What was put aside of paused connections still counts: it comes back before their end.
            self.outbox.weight -= weight;
        }
    }

    /// The application has no handle to an accepted connection before it hears of its opening, so it does
    /// not hear of its end either.
    fn never_heard_of(&mut self, id: Id) {
        if let Some(session) = self.session(id).filter(|session| session.setup.server.is_some()) {
            session.mark(Mark::Announced, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::driver::deliver::{Held, Input};
    use crate::driver::fixtures::{Log, new_loop};
    use crate::driver::settings::Settings;
    use crate::driver::{client, turn};
    use crate::proto::event::Kind;

    #[test]
    fn what_nobody_will_be_told_weighs_nothing() {
        let owner = new_loop();
        let queued = |core: &mut Core| {
            let held = Held::Whole(Arc::new(vec![0; 1 << 20]));
            let what = What::Input(Input::Message(Kind::Binary), held);
            core.queue(Delivery { id: core.place.id(), what });
            assert!(core.outbox.weight > 0);
            core.keep_endings();
            assert_eq!((core.outbox.weight, core.outbox.events.len()), (0, 0));
            Ok(())
        };
        owner.with(queued).unwrap();
        turn::free(owner).unwrap();
    }

    #[test]
    fn what_was_put_aside_counts_until_it_is_told() {
        let (log, owner) = (Log::new(), new_loop());
        let settings = Settings::default();
        let id = client::connect(owner, "ws://127.0.0.1:1/", &settings, log.clone()).unwrap();
        let put_aside = |core: &mut Core| {
            let held = Held::Whole(Arc::new(vec![0; 1000]));
            core.session(id).unwrap().mark(Mark::Paused, true);
            core.queue(Delivery { id, what: What::Input(Input::Message(Kind::Binary), held) });
            assert!(core.next_delivery().is_none() && core.outbox.is_empty());
            core.keep_endings();
            assert!(core.outbox.weight > 0, "it comes back");
            core.session(id).unwrap().mark(Mark::Paused, false);
            core.give_back(id);
            assert!(core.next_delivery().is_some());
            assert_eq!(core.outbox.weight, 0);
            Ok(())
        };
        owner.with(put_aside).unwrap();
        turn::free(owner).unwrap();
    }
}
