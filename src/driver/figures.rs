//! What a loop counts about itself and its connections.

use std::collections::BTreeMap;

use super::core::Core;
use super::entries::Entry;
use super::log::LOOP;
use super::loops::Loop;
use super::session::Phase;
use crate::error::{Code, Result};
use crate::proto::conn::Stats;
use crate::proto::event::Closed;
use crate::util::histogram::Histogram;
use crate::util::journal::{TRACE, WARN};
use crate::util::time::Time;

/// A turn that takes longer is worth a warning: everybody else waited.
const SLOW_TURN_US: u64 = 1_000_000;

/// What is counted as it happens.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Turns: each wait and what was done after it.
    pub turns: u64,
    /// What the operating system reported.
    pub events: u64,
    /// What the application was told.
    pub callbacks: u64,
    /// Deadlines that came.
    pub timers: u64,
    /// From the end of each wait to the end of its turn.
    pub lag: Histogram,
    /// Connections that were open at some time.
    pub opened: u64,
    /// Of these, those that have ended.
    pub closed: u64,
    /// Attempts of clients that ended without a connection.
    pub failed: u64,
    /// Attempts of clients after the first.
    pub retries: u64,
    /// What the ended connections had carried.
    pub ended: Traffic,
    /// How often a connection or an attempt ended with each failure.
    pub errors: BTreeMap<i32, (Code, u64)>,
}

/// What went over connections, all together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the header documents each
pub struct Traffic {
    pub messages_received: u64,
    pub messages_sent: u64,
    pub bytes_received: u64,
    pub bytes_sent: u64,
    pub payload_received: u64,
    pub payload_sent: u64,
    pub pings_received: u64,
    pub pongs_received: u64,
    pub messages_dropped: u64,
    pub bytes_dropped: u64,
}

impl Traffic {
    /// Adds what went over one more.
    pub fn add(&mut self, stats: &Stats) {
        self.messages_received += stats.messages_received;
        self.messages_sent += stats.messages_sent;
        self.bytes_received += stats.bytes_received;
        self.bytes_sent += stats.bytes_sent;
        self.payload_received += stats.payload_received;
        self.payload_sent += stats.payload_sent;
        self.pings_received += stats.pings_received;
        self.pongs_received += stats.pongs_received;
        self.messages_dropped += stats.dropped.messages;
        self.bytes_dropped += stats.dropped.bytes;
    }
}

impl Figures {
    /// A connection that was open has ended.
    pub fn count_closed(&mut self, stats: &Stats) {
        self.closed += 1;
        self.ended.add(stats);
    }

    /// A connection, or an attempt to make one, has ended like this.
    pub fn count_end(&mut self, closed: &Closed) {
        if let Some(error) = &closed.error {
            self.errors.entry(error.code as i32).or_insert((error.code, 0)).1 += 1;
        }
    }
}

/// Figures of a loop, as `wsock_loop_stats` has them.
#[derive(Clone, Debug, Default)]
pub struct LoopStats {
    /// What was counted.
    pub figures: Figures,
    /// Connections that are open or closing now.
    pub connections: u64,
    /// Clients on their way to a connection, or waiting for the next attempt.
    pub connecting: u64,
    /// Servers that have not ended.
    pub servers: u64,
    /// What went over all connections, ended ones included.
    pub traffic: Traffic,
    /// How long callbacks took, while that was measured.
    pub callback: Histogram,
    /// Answered pings.
    pub rtt: Histogram,
    /// What other threads asked for.
    pub requests: u64,
    /// Times another thread woke the loop.
    pub wake_ups: u64,
    /// Records that the log did not take in time.
    pub log_dropped: u64,
}

/// Figures up to now.
pub fn stats(owner: Loop) -> Result<LoopStats> {
    owner.with(|core| Ok(core.stats()))
}

impl Core {
    /// The application is told something.
    #[inline]
    pub fn count_callback(&mut self) {
        self.count_callbacks(1);
    }

    /// It is told several things.
    #[inline]
    pub fn count_callbacks(&mut self, count: u32) {
        self.callbacks += count;
        self.figures.callbacks += u64::from(count);
    }

    /// A turn is over whose wait ended at `woken`.
    pub fn count_turn(&mut self, woken: Time) {
        self.tick();
        let (took, callbacks) = (self.now.micros_since(woken), self.callbacks);
        self.figures.turns += 1;
        self.figures.lag.add(took);
        let level = if took >= SLOW_TURN_US { WARN } else { TRACE };
        self.journal.note(level, LOOP, || format!("a turn of {took} us, {callbacks} callbacks"));
    }

    /// Figures up to now.
    pub fn stats(&mut self) -> LoopStats {
        self.return_run();
        let mut stats = LoopStats {
            figures: self.figures.clone(),
            traffic: self.figures.ended,
            callback: self.place.measure.times(),
            rtt: self.cx.rtts,
            requests: self.place.inbox.requests(),
            wake_ups: self.place.inbox.wake_ups(),
            log_dropped: self.journal.lost(),
            ..LoopStats::default()
        };
        for entry in self.entries.iter() {
            match entry {
                Entry::Session(session) => match &session.phase {
                    Phase::Open(conn) => {
                        stats.connections += 1;
                        stats.traffic.add(&conn.stats());
                    }
                    Phase::Over(_) => {}
                    _ => stats.connecting += session.client().is_some() as u64,
                },
                Entry::Server(_) => stats.servers += 1,
                Entry::Request(_) | Entry::Vacant => {}
            }
        }
        stats
    }
}
