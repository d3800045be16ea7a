//! What follows whenever something was done to a session: what it queued is sent, what it has come to
//! is made visible, its timer is set, and if it is over its socket is closed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::core::Core;
use super::entries::Entry;
use super::marks::Mark;
use super::parts;
use super::ready::SHARE;
use super::session::{Head, Phase, Session, never_open, state};
use crate::error::{Code, Error, Result};
use crate::proto::conn;
use crate::proto::context::Context;
use crate::proto::event::{Closed, Transport};
use crate::util::id::Id;
use crate::util::table::POISONED;
use crate::util::time::Time;

/// A queue that has grown to this during a turn or a batch is sent at once instead of at its end: by then the
/// system call is cheap beside the bytes, and they are still in the processor's cache.
pub(super) const SEND_EARLY: usize = 64 * 1024;
/// The same while more input of the connection is at hand, which may well be answered, too: of that size
/// writes have become as cheap for each byte as they will ever be.
const SEND_EARLY_AMID: usize = 256 * 1024;
/// What one connection may write in one go, so that the others have their turn: over loopback, say, the system takes as
/// much as the peer reads meanwhile. A message of 1 MiB leaves at once: it would only wait in line, with the memory
/// that it is in. What is more than this leaves a share at a time.
pub(super) const MOST_SENT: usize = 5 * SHARE;
/// A peer that has closed its side after an HTTP answer is given this long to read it.
const LINGER_MS: u64 = 5_000;

impl Core {
    /// Puts it on the list of sessions to settle.
    pub fn dirty(&mut self, id: Id) {
        let early = self.dispatching || self.is_corked();
        let serving = self.serving == Some(id);
        let enough = if self.is_amid(id) { SEND_EARLY_AMID } else { SEND_EARLY };
        let Some(session) = self.entries.session(id) else { return };
        let large =
            session.buffered() >= enough && session.is(Mark::Writable) && !session.is(Mark::Owes);
        if !serving {
            session.enlist(&mut self.dirty);
        }
        if early && large {
            self.settle(id);
        }
    }

    /// The input of the session has been handled. What it has sent meanwhile leaves now, while its socket is in
    /// the processor's cache.
    pub fn served(&mut self, id: Id) {
        self.serving = None;
        self.more_of = None;
        // Of whom something is queued for a batch has nothing to send yet.
        if self.queueing
            && self.session(id).is_some_and(|session| session.is_at_rest())
            && self.is_published(id)
        {
            return;
        }
        self.settle_in_turn(id);
    }

    /// Whether a message more of the connection is at hand, which may be answered, too.
    pub fn is_amid(&self, id: Id) -> bool {
        self.serving == Some(id) && (self.more_of == Some(id) || self.run.has_more())
    }

    /// Settles every session something was done to.
    pub fn settle_all(&mut self) {
        if let Some(id) = self.serving {
            // Something broke off while it was served.
            self.served(id);
        }
        let mut list = std::mem::take(&mut self.dirty);
        for id in list.drain(..) {
            self.settle_with(id, MOST_SENT, 0, |session| session.mark(Mark::InDirty, false));
        }
        if self.dirty.is_empty() {
            self.dirty = list;
        }
    }

    /// Sends what waits, unless that is more than a share and waits for its turn; follows the connection's state,
    /// arms its timer.
    pub fn settle(&mut self, id: Id) {
        self.settle_sending(id, MOST_SENT, 0);
    }

    /// The same when its turn has come.
    pub fn settle_in_turn(&mut self, id: Id) {
        self.settle_sending(id, MOST_SENT, SHARE);
    }

    /// The same with up to so many bytes sent, or so many if the last share was not all.
    pub fn settle_sending(&mut self, id: Id, most: usize, rest: usize) {
        self.settle_with(id, most, rest, |_| {});
    }

    /// The same after something was done to it.
    #[inline]
    fn settle_with(&mut self, id: Id, most: usize, rest: usize, first: impl FnOnce(&mut Session)) {
        let written = self.contain(id, |session, cx, now| {
            first(session);
            let most = if session.is(Mark::Owes) { rest } else { most };
            session.write(cx, now, most)
        });
        if !(matches!(written, Ok(true)) && self.is_published(id)) {
            self.follow(id, written.err());
        }
    }

    /// What has to follow unless all is as it was before: nobody needs that for most messages.
    #[inline(never)]
    fn follow(&mut self, id: Id, failed: Option<Error>) {
        if let Some(error) = failed {
            self.sending_failed(id, error);
        }
        self.end_if_unread(id);
        self.resume_if_closing(id);
        if self.session(id).is_some_and(|session| session.is(Mark::Owes)) {
            self.make_ready(id);
        }
        let now = self.now;
        let Some(session) = self.session(id) else { return };
        match session.transport() {
            Transport::Keep => {}
            Transport::HalfClose if !session.details().half_closed => {
                session.details().half_closed = true;
                if let Some(stream) = &mut session.stream {
                    stream.end_writing();
                }
                if matches!(session.phase, Phase::Answered) {
                    // Sooner when the server is closing.
                    let linger = now.plus_ms(LINGER_MS);
                    let details = session.details();
                    details.deadline = details.deadline.map(|at| at.min(linger));
                }
                // The end of the stream may have been seen before the answer was out.
                session.mark(Mark::Readable, true);
                self.make_ready(id);
            }
            Transport::HalfClose => {}
            Transport::Drop => return self.end(id),
        }
        self.publish(id);
        self.arm(id);
        self.tend_sources(id);
    }

    /// The socket takes nothing any more.
    pub fn sending_failed(&mut self, id: Id, error: Error) {
        let Some(session) = self.session(id) else { return };
        match &mut session.phase {
            Phase::Open(conn) if session.marks.has(Mark::Paused) => conn.transport_lost(error),
            // What the peer sent before it went away may still be there to read.
            Phase::Open(_) | Phase::ClientHandshake(_) | Phase::Tunnel(_) => {
                session.details().lost.get_or_insert(error);
                session.mark(Mark::Readable, true);
                session.mark(Mark::HungUp, true);
                self.make_ready(id);
            }
            _ => session.fail(error),
        }
    }

    /// Sending has failed, and since reading is paused nobody comes across the end of what is left to read.
    fn end_if_unread(&mut self, id: Id) {
        let Some(session) = self.session(id).filter(|session| session.is(Mark::Paused)) else {
            return;
        };
        let lost = session.details.as_mut().and_then(|details| details.lost.take());
        if let (Phase::Open(conn), Some(error)) = (&mut session.phase, lost) {
            conn.transport_lost(error);
        }
    }

    /// Paused or not, how the connection ends must be seen.
    fn resume_if_closing(&mut self, id: Id) {
        let Some(session) = self.session(id) else { return };
        let closing = match &session.phase {
            Phase::Open(conn) => conn.state() != conn::State::Open,
            _ => false,
        };
        if closing && (session.is(Mark::Paused) || session.is(Mark::Stalled)) {
            session.mark(Mark::Paused, false);
            session.mark(Mark::Stalled, false);
            self.give_back(id);
            self.make_ready(id);
        }
    }

    /// Whether every thread knows already what an open session with an empty queue has come to.
    #[inline]
    fn is_published(&self, id: Id) -> bool {
        self.table().get(id).is_ok_and(|cell| {
            cell.set_buffered(0);
            cell.state() == state::OPEN && !cell.is_drain_wanted()
        })
    }

    /// Makes visible to every thread what the session has come to.
    pub fn publish(&mut self, id: Id) {
        let table = self.table();
        let Some(session) = self.session(id) else { return };
        let low_water = session.setup.shared.settings.low_water;
        session.tidy();
        let buffered = session.buffered();
        let reached = match &session.phase {
            Phase::Open(conn) => match conn.state() {
                conn::State::Open => state::OPEN,
                conn::State::Closing | conn::State::Closed => state::CLOSING,
            },
            Phase::Over(_) => state::CLOSING,
            _ => state::CONNECTING,
        };
        if let Ok(cell) = table.get(id) {
            cell.set_buffered(buffered);
            cell.advance_state(id, reached);
            // Not asked before it is open: who waits for it then still does.
            if reached == state::OPEN && cell.take_drain(low_water) {
                self.drains.push_back(id);
            }
        }
    }

    /// The session is over: its socket closes now, the application hears of it from the loop.
    fn end(&mut self, id: Id) {
        let table = self.table();
        self.return_run();
        self.drop_sources(id);
        let Some(session) = self.session(id) else { return };
        if session.is(Mark::Ended) {
            return;
        }
        if let Some(stream) = session.stream.take() {
            stream.finish();
        }
        if let Some(details) = &mut session.details {
            details.deadline = None;
            details.head = Head::default();
        }
        if let Phase::Open(conn) = &mut session.phase {
            let closed = conn.closed().cloned().unwrap_or_else(lost_without_trace);
            let stats = conn.stats();
            session.details().stats = Some(Box::new(stats));
            session.keep_trace();
            session.phase = Phase::Over(Box::new(closed));
            self.figures.count_closed(&stats);
        } else {
            self.figures.failed += session.client().is_some() as u64;
        }
        let Some(session) = self.session(id) else { return };
        if let Phase::Over(closed) = &session.phase {
            let (closed, is_client) = (closed.clone(), session.client().is_some());
            // Who was answered over HTTP has no more to tell, however the socket ended.
            if session.is(Mark::Announced) || !session.is(Mark::Counted) {
                self.figures.count_end(&closed);
            }
            self.note_end(id, &closed);
            if is_client && self.comes_back(id, &closed) {
                return;
            }
        }
        let Some(session) = self.session(id) else { return };
        session.mark(Mark::Ended, true);
        if let Ok(cell) = table.get(id) {
            // Closed is what it is when on_close says so, as in the browser.
            cell.advance_state(id, state::CLOSING);
        }
        if session.is(Mark::Announced) {
            self.endings.push_back(id);
        } else {
            self.bury(id);
        }
    }

    /// Ends a session because of `error`.
    pub fn fail(&mut self, id: Id, error: Error) {
        if let Some(session) = self.session(id) {
            session.fail(error);
        }
        self.dirty(id);
    }

    /// Removes a session whose last event has been delivered, or that never was announced.
    pub fn bury(&mut self, id: Id) {
        self.subscribers.remove_conn(id);
        if let Entry::Session(session) = self.remove(id) {
            if let Some(server) = session.setup.server {
                self.session_gone(server, &session);
            }
            parts::forget(id);
            self.trash.push(session.setup);
        }
    }

    /// Runs a step of the protocol. A panic in it ends this session and no other.
    pub fn contain<R>(
        &mut self,
        id: Id,
        step: impl FnOnce(&mut Session, &mut Context, Time) -> Result<R>,
    ) -> Result<R> {
        let Some((session, cx, now)) = self.session_and_context(id) else {
            return Err(Error::new(Code::InvalidHandle, "the connection has ended"));
        };
        match catch_unwind(AssertUnwindSafe(|| step(session, cx, now))) {
            Ok(result) => result,
            Err(_) => Err(self.break_off(id)),
        }
    }

    /// A panic was in the session: nothing of it is used any more.
    #[cold]
    pub fn break_off(&mut self, id: Id) -> Error {
        let error = Error::new(
            Code::Panic,
            "a panic inside the library ended this connection; please report it",
        );
        self.run.disturbed = true;
        let Some(session) = self.session(id) else { return error };
        if matches!(session.phase, Phase::Over(_)) {
            return error;
        }
        let unsent = session.conn().map_or(0, |conn| conn.buffered());
        let stats = session.conn().map(|conn| conn.stats());
        session.details().stats = stats.map(Box::new);
        session.keep_trace();
        let closed = Closed { unsent, ..never_open(error.clone()) };
        session.phase = Phase::Over(Box::new(closed));
        if let Some(stream) = &mut session.stream {
            // It may be what panicked.
            stream.silence();
        }
        if let Some(stats) = stats {
            self.figures.count_closed(&stats);
        }
        if let Ok(cell) = self.table().get(id) {
            cell.set(id, POISONED);
        }
        self.dirty(id);
        error
    }
}

impl Session {
    /// Puts it on the list of those to settle, unless it stands there.
    #[inline]
    pub fn enlist(&mut self, dirty: &mut Vec<Id>) {
        if !self.is(Mark::InDirty) {
            self.mark(Mark::InDirty, true);
            dirty.push(self.id);
        }
    }
}

/// A connection cannot end without its protocol knowing why, so this says that one did.
fn lost_without_trace() -> Closed {
    never_open(Error::new(Code::ConnectionLost, "the connection was lost"))
}
