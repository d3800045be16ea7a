//! Hubs: messages by topic, for connections of any loop, from any thread.
//!
//! A hub knows which loops have subscribers for what, and the loops know whom ([`super::subscribers`]).
//! Everything that is asked of a hub takes effect in one order, that of its lock: behind it a request goes
//! into the inboxes of the loops that it concerns, and is done there in turn. So all subscribers see the
//! messages of a hub in the same order, and a kept message that a new subscriber is given is followed by
//! exactly those that were published later. A loop at home on the calling thread does its part directly,
//! unless something waits in its inbox that was asked before.
//!
//! Under the lock nothing is sent and nobody is called.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::inbox::Command;
use super::loops::{self, Loop};
use super::send::Manner;
use super::session::state;
use crate::error::{Code, Error, Result};
use crate::proto::prepared::Prepared;
use crate::util::forks::{Lock, Locked};
use crate::util::id::{Id, Kind};
use crate::util::topics::{Pattern, Topics, check_topic};

/// A loop that has so many bytes of a hub's messages before it gets no more: its thread does not keep up,
/// and memory must not pay for that.
const MOST_WAITING: usize = 64 * 1024 * 1024;
/// From so many on the publisher is told.
const MANY_WAITING: usize = 16 * 1024 * 1024;
/// What a waiting message costs beside its bytes.
const MESSAGE_COST: usize = 128;

/// What was published.
pub struct Publication {
    /// Where.
    pub topic: Arc<str>,
    /// What.
    pub message: Arc<Prepared>,
    /// Who does not get it.
    pub except: Option<Id>,
    /// How it goes to each.
    pub manner: Manner,
}

/// What became of a message that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Accepted {
    /// Every loop that it concerns has it or will have it soon.
    Whole,
    /// So it is, but one has much before it.
    Behind,
    /// One has too much before it and will not get this.
    Missed,
}

/// Something for a loop to do.
pub enum Errand {
    /// A connection wants to hear of that; this is what it gets at once.
    Subscribe(Id, Pattern, Vec<Arc<Publication>>),
    /// It does not any more, or, without a pattern, of nothing.
    Unsubscribe(Id, Option<Pattern>),
    /// For whoever has subscribed to its topic.
    Publish(Arc<Publication>),
    /// The hub has ended.
    Leave,
}

/// An errand in a loop's inbox. It keeps the hub's books in order, whether it is run or dropped.
pub struct Order {
    hub: Arc<Hub>,
    at: Id,
    cost: usize,
    errand: Option<Errand>,
}

impl Order {
    /// What is to be done, once, and for whom.
    pub fn take(&mut self) -> Option<(Arc<Hub>, Errand)> {
        Some((self.hub.clone(), self.errand.take()?))
    }
}

impl Drop for Order {
    fn drop(&mut self) {
        let mut state = self.hub.state();
        if let Some(Errand::Subscribe(_, pattern, _)) = &self.errand {
            state.interest.remove(pattern, self.at);
        }
        if let Some(waiting) = state.waiting.get_mut(&self.at) {
            waiting.orders -= 1;
            waiting.bytes -= self.cost;
            if waiting.orders == 0 {
                state.waiting.remove(&self.at);
            }
        }
    }
}

/// Figures of a hub, as `wsock_hub_stats` has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the header documents each
pub struct HubStats {
    pub topics: u64,
    pub subscriptions: u64,
    pub kept: u64,
    pub published: u64,
    pub deliveries: u64,
    pub refused: u64,
    pub dropped: u64,
    pub missed: u64,
}

/// What became of messages in the queues of their subscribers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deliveries {
    /// They took so many,
    pub accepted: u64,
    /// not so many,
    pub refused: u64,
    /// and gave up so many for newer ones.
    pub dropped: u64,
}

/// One hub.
pub struct Hub {
    id: Id,
    state: Lock<State>,
    deliveries: Lock<Deliveries>,
}

#[derive(Default)]
struct State {
    /// Which loops have subscribers, each as often as it has subscriptions.
    interest: Topics<Id>,
    /// What is in their inboxes.
    waiting: HashMap<Id, Waiting>,
    /// The newest message of each topic that was to be kept.
    kept: BTreeMap<Arc<str>, Arc<Publication>>,
    published: u64,
    missed: u64,
    ended: bool,
}

#[derive(Default)]
struct Waiting {
    orders: usize,
    bytes: usize,
}

/// Who does an errand.
enum Given {
    /// The caller, now.
    Here(Errand),
    /// The loop, when it comes to it.
    There(Accepted),
    /// Nobody: the loop has too much to do.
    Nobody,
}

impl Hub {
    /// A hub of that id without anybody.
    pub fn new(id: Id) -> Arc<Hub> {
        Arc::new(Hub { id, state: Lock::default(), deliveries: Lock::default() })
    }

    /// Its id.
    pub fn id(&self) -> Id {
        self.id
    }

    fn state(&self) -> Locked<'_, State> {
        self.state.lock()
    }

    /// The same for whoever wants something of it.
    fn open(&self) -> Result<Locked<'_, State>> {
        let state = self.state();
        if state.ended { Err(loops::stale(Kind::Hub)) } else { Ok(state) }
    }

    /// Lets a connection hear of a topic, or of all with a beginning. Once more changes nothing.
    pub fn subscribe(self: &Arc<Hub>, conn: Id, topic: &str) -> Result<()> {
        let pattern = Pattern::parse(topic)?;
        let (owner, cell) = loops::find_object(conn)?;
        if cell.state() >= state::CLOSING {
            return Err(Error::new(Code::State, "the connection is closing: it gets no messages"));
        }
        self.ask(owner, |state| {
            let kept = pattern.range(&state.kept).map(|(_, kept)| kept.clone()).collect();
            state.interest.add(&pattern, owner.id());
            Errand::Subscribe(conn, pattern.clone(), kept)
        })
    }

    /// Takes a subscription back, or all of a connection. What is not there needs no taking back.
    pub fn unsubscribe(self: &Arc<Hub>, conn: Id, topic: Option<&str>) -> Result<()> {
        let pattern = topic.map(Pattern::parse).transpose()?;
        let (owner, _) = loops::find_object(conn)?;
        self.ask(owner, |_| Errand::Unsubscribe(conn, pattern.clone()))
    }

    /// Has a loop do something about one of its connections.
    fn ask(self: &Arc<Hub>, owner: Loop, errand: impl Fn(&mut State) -> Errand) -> Result<()> {
        let give = |here| {
            let mut state = self.open()?;
            let errand = errand(&mut state);
            state.give(self, owner.id(), errand, here)
        };
        let mut done = None;
        owner.try_with(|core| {
            done = Some(give(true).map(|given| {
                if let Given::Here(errand) = given {
                    core.run_errand(self, errand);
                }
            }));
            Ok(())
        });
        done.unwrap_or_else(|| give(false).map(drop))
    }

    /// Publishes, and with `keep` lets everybody have it who subscribes before the next is kept.
    pub fn publish(self: &Arc<Hub>, publication: Publication, keep: bool) -> Result<Accepted> {
        check_topic(&publication.topic)?;
        let publication = Arc::new(publication);
        let home = {
            let state = self.open()?;
            let mut loops = state.interest.subscribers().filter_map(|id| loops::find(id).ok());
            loops.find(|owner| owner.is_home())
        };
        let mut done = None;
        home.and_then(|owner| {
            owner.try_with(|core| {
                let handed_out = self.hand_out(&publication, keep, Some(owner.id()));
                done = Some(handed_out.map(|(accepted, here)| {
                    if here {
                        core.deliver(self, &publication);
                    }
                    accepted
                }));
                Ok(())
            })
        });
        done.unwrap_or_else(|| Ok(self.hand_out(&publication, keep, None)?.0))
    }

    /// Gives a message to all loops that it concerns. True when the one that is `here` is to do its part now.
    fn hand_out(
        self: &Arc<Hub>,
        publication: &Arc<Publication>,
        keep: bool,
        here: Option<Id>,
    ) -> Result<(Accepted, bool)> {
        let mut state = self.open()?;
        state.published += 1;
        let last = keep
            .then(|| state.kept.insert(publication.topic.clone(), publication.clone()))
            .flatten();
        let mut concerned = Vec::new();
        state.interest.find(&publication.topic, &mut concerned);
        let (mut accepted, mut now) = (Accepted::Whole, false);
        for id in concerned {
            let errand = Errand::Publish(publication.clone());
            // Who has just ended has no subscribers left.
            match state.give(self, id, errand, here == Some(id)) {
                Ok(Given::Here(_)) => now = true,
                Ok(Given::There(how)) => accepted = accepted.max(how),
                Ok(Given::Nobody) => {
                    state.missed += 1;
                    accepted = Accepted::Missed;
                }
                Err(_) => {}
            }
        }
        drop(state);
        drop(last);
        Ok((accepted, now))
    }

    /// Keeps nothing any more of the topics that are meant.
    pub fn forget(&self, topic: &str) -> Result<()> {
        let pattern = Pattern::parse(topic)?;
        let mut state = self.open()?;
        let topics: Vec<Arc<str>> =
            pattern.range(&state.kept).map(|(topic, _)| topic.clone()).collect();
        let gone: Vec<_> = topics.iter().map(|topic| state.kept.remove(topic)).collect();
        drop(state);
        drop(gone);
        Ok(())
    }

    /// Ends it. What was published before still arrives.
    pub fn end(self: &Arc<Hub>) {
        let mut state = self.state();
        state.ended = true;
        let kept = std::mem::take(&mut state.kept);
        let concerned: Vec<Id> = state.interest.subscribers().collect();
        for id in concerned {
            // Who has ended has left already.
            let _ = state.give(self, id, Errand::Leave, false);
        }
        drop(state);
        drop(kept);
    }

    /// Subscriptions in that loop have ended.
    pub fn lose(&self, at: Id, patterns: impl IntoIterator<Item = Pattern>) {
        let mut state = self.state();
        for pattern in patterns {
            state.interest.remove(&pattern, at);
        }
    }

    /// Adds what a loop has just done to the figures.
    pub fn count(&self, more: Deliveries) {
        let mut all = self.deliveries.lock();
        all.accepted += more.accepted;
        all.refused += more.refused;
        all.dropped += more.dropped;
    }

    /// Figures up to now.
    pub fn stats(&self) -> HubStats {
        let done = *self.deliveries.lock();
        let state = self.state();
        HubStats {
            topics: state.interest.patterns() as u64,
            subscriptions: state.interest.len() as u64,
            kept: state.kept.len() as u64,
            published: state.published,
            deliveries: done.accepted,
            refused: done.refused,
            dropped: done.dropped,
            missed: state.missed,
        }
    }
}

impl State {
    /// Puts an errand into the inbox of a loop, unless the caller is `here`, inside it, and may do it itself
    /// because nothing waits there that was asked before.
    fn give(&mut self, hub: &Arc<Hub>, at: Id, errand: Errand, here: bool) -> Result<Given> {
        let waiting = self.waiting.get(&at).map_or(0, |waiting| waiting.bytes);
        if here && !self.waiting.contains_key(&at) {
            return Ok(Given::Here(errand));
        }
        let cost = match &errand {
            Errand::Publish(publication) => publication.message.data().len() + MESSAGE_COST,
            _ => 0,
        };
        if waiting > 0 && cost > 0 && waiting.saturating_add(cost) > MOST_WAITING {
            return Ok(Given::Nobody);
        }
        let owner = loops::find(at).and_then(|owner| owner.check_poison().map(|()| owner));
        let order = || Command::Hub(Order { hub: hub.clone(), at, cost, errand: Some(errand) });
        if let Err(error) = owner.and_then(|owner| owner.push_with(order)) {
            self.interest.remove_all(at);
            return Err(error);
        }
        let books = self.waiting.entry(at).or_default();
        books.orders += 1;
        books.bytes += cost;
        let many = books.bytes > MANY_WAITING;
        Ok(Given::There(if many { Accepted::Behind } else { Accepted::Whole }))
    }
}

#[cfg(test)]
mod tests;
