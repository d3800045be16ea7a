//! The connections of one loop that have subscribed to hubs. Only the loop's thread looks at this.

use std::collections::HashMap;
use std::sync::Arc;

use super::core::Core;
use super::hub::{Deliveries, Errand, Hub, Order, Publication};
use super::marks::Mark;
use crate::error::Code;
use crate::util::id::Id;
use crate::util::topics::{Pattern, Topics};

/// See the module.
pub struct Subscribers {
    /// The loop.
    at: Id,
    hubs: HashMap<Id, Members>,
    /// The hubs of each connection.
    of: HashMap<Id, Vec<Id>>,
    /// Room for those that a message is for.
    found: Vec<Id>,
}

struct Members {
    hub: Arc<Hub>,
    topics: Topics<Id>,
}

impl Subscribers {
    /// Nobody in that loop.
    pub fn new(at: Id) -> Subscribers {
        Subscribers { at, hubs: HashMap::new(), of: HashMap::new(), found: Vec::new() }
    }

    /// Which of these messages are news to a connection that now subscribes to this; `None` when it has
    /// done so before.
    fn add(
        &mut self,
        hub: &Arc<Hub>,
        conn: Id,
        pattern: &Pattern,
        kept: Vec<Arc<Publication>>,
    ) -> Option<Vec<Arc<Publication>>> {
        let members = self
            .hubs
            .entry(hub.id())
            .or_insert_with(|| Members { hub: hub.clone(), topics: Topics::default() });
        let topics = &mut members.topics;
        if topics.has(pattern, conn) {
            return None;
        }
        let is_news = |kept: &Arc<Publication>| !topics.reaches(conn, &kept.topic);
        let news = kept.into_iter().filter(is_news).collect();
        let hubs = self.of.entry(conn).or_default();
        if !hubs.contains(&hub.id()) {
            hubs.push(hub.id());
        }
        topics.add(pattern, conn);
        Some(news)
    }

    fn remove(&mut self, hub: &Arc<Hub>, conn: Id, pattern: Option<Pattern>) {
        let Some(members) = self.hubs.get_mut(&hub.id()) else { return };
        match pattern {
            None => hub.lose(self.at, members.topics.remove_all(conn)),
            Some(pattern) if members.topics.remove(&pattern, conn) => hub.lose(self.at, [pattern]),
            Some(_) => return,
        }
        if !members.topics.knows(conn)
            && let Some(hubs) = self.of.get_mut(&conn)
        {
            hubs.retain(|id| *id != hub.id());
            if hubs.is_empty() {
                self.of.remove(&conn);
            }
        }
        if members.topics.is_empty() {
            self.hubs.remove(&hub.id());
        }
    }

    /// How many subscriptions to a hub there are.
    #[cfg(test)]
    pub fn held(&self, hub: &Hub) -> usize {
        self.hubs.get(&hub.id()).map_or(0, |members| members.topics.len())
    }

    fn remove_hub(&mut self, hub: &Arc<Hub>) {
        let conns: Vec<Id> = match self.hubs.get(&hub.id()) {
            Some(members) => members.topics.subscribers().collect(),
            None => return,
        };
        for conn in conns {
            self.remove(hub, conn, None);
        }
    }

    /// A connection has ended, and its subscriptions with it.
    pub fn remove_conn(&mut self, conn: Id) {
        for id in self.of.remove(&conn).unwrap_or_default() {
            if let Some(hub) = self.hubs.get(&id).map(|members| members.hub.clone()) {
                self.remove(&hub, conn, None);
            }
        }
    }
}

/// The loop has ended.
impl Drop for Subscribers {
    fn drop(&mut self) {
        let hubs: Vec<Arc<Hub>> = self.hubs.values().map(|members| members.hub.clone()).collect();
        hubs.iter().for_each(|hub| self.remove_hub(hub));
    }
}

impl Core {
    /// Does what a hub has asked for, in turn.
    pub fn run_order(&mut self, mut order: Order) {
        if let Some((hub, errand)) = order.take() {
            self.run_errand(&hub, errand);
        }
    }

    /// The same for one that needed no inbox.
    pub fn run_errand(&mut self, hub: &Arc<Hub>, errand: Errand) {
        match errand {
            Errand::Subscribe(conn, pattern, kept) => self.subscribe(hub, conn, pattern, kept),
            Errand::Unsubscribe(conn, pattern) => self.subscribers.remove(hub, conn, pattern),
            Errand::Publish(publication) => self.deliver(hub, &publication),
            Errand::Leave => self.subscribers.remove_hub(hub),
        }
    }

    fn subscribe(
        &mut self,
        hub: &Arc<Hub>,
        conn: Id,
        pattern: Pattern,
        kept: Vec<Arc<Publication>>,
    ) {
        let lives = self.session(conn).is_some_and(|session| !session.is(Mark::Ended));
        let news = if lives { self.subscribers.add(hub, conn, &pattern, kept) } else { None };
        match news {
            // The hub has counted one too many.
            None => hub.lose(self.place.id(), [pattern]),
            Some(news) => self.deliver_to(hub, news.iter().map(|kept| (conn, &**kept))),
        }
    }

    /// Sends a message to everybody in this loop who has subscribed to its topic.
    pub fn deliver(&mut self, hub: &Arc<Hub>, publication: &Publication) {
        let mut found = std::mem::take(&mut self.subscribers.found);
        if let Some(members) = self.subscribers.hubs.get(&hub.id()) {
            members.topics.find(&publication.topic, &mut found);
        }
        let others = found.drain(..).filter(|conn| Some(*conn) != publication.except);
        self.deliver_to(hub, others.map(|conn| (conn, publication)));
        self.subscribers.found = found;
    }

    /// What one cannot take is no other's business, so it is only counted.
    fn deliver_to<'a>(&mut self, hub: &Hub, messages: impl Iterator<Item = (Id, &'a Publication)>) {
        let mut done = Deliveries::default();
        for (conn, publication) in messages {
            match self.send_prepared(conn, &publication.message, publication.manner) {
                Ok(dropped) => {
                    done.accepted += 1;
                    done.dropped += dropped.messages;
                }
                Err(error) => done.refused += (error.code == Code::Limit) as u64,
            }
        }
        hub.count(done);
    }
}
