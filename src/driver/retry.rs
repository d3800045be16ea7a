//! Coming back after a failure: when, how often, and what becomes of messages meanwhile.

use super::client::Plan;
use super::core::Core;
use super::log::DIAL;
use super::marks::Mark;
use super::parts;
use super::report::Report;
use super::send::{Overflow, Parcel, Taken, Terms};
use super::session::{Details, Phase, Session};
use super::setup::Agreed;
use crate::error::{Code, Error, Result};
use crate::proto::conn::{Body, Dropped, SendOptions};
use crate::proto::event::{Closed, Initiator};
use crate::proto::http::retry::retry_after;
use crate::util::backoff::Backoff;
use crate::util::id::Id;
use crate::util::journal::INFO;
use crate::util::table::{GIVEN_UP, POISONED, QUEUES};
use crate::util::time::Time;

/// How a client comes back.
#[derive(Clone, Debug)]
pub struct RetrySettings {
    /// Attempts in a row; 0 none, below 0 for ever.
    pub attempts: i64,
    /// The first wait is at most this long, each further one twice that.
    pub first_ms: u64,
    /// No wait is longer.
    pub max_ms: u64,
    /// A connection that was open for so long ends the row.
    pub stable_ms: u64,
    /// Bytes of messages to keep while there is no connection.
    pub queue: usize,
}

impl Default for RetrySettings {
    fn default() -> Self {
        RetrySettings { attempts: 0, first_ms: 1_000, max_ms: 30_000, stable_ms: 10_000, queue: 0 }
    }
}

/// Where a client that comes back stands.
#[derive(Default)]
pub struct Retry {
    /// When the connection of this attempt was open.
    pub opened_at: Option<Time>,
    /// Attempts in this row.
    attempt: u32,
    /// Messages that wait for a connection.
    waiting: Vec<Message>,
    waiting_bytes: usize,
    /// Of those, the ones that were dropped for want of room.
    pub dropped: Dropped,
    /// Accepted from other threads for a connection that was gone when they arrived.
    missed: usize,
    /// What the application has not been told yet.
    news: Option<Box<News>>,
}

struct Message {
    parcel: Parcel,
    options: SendOptions,
}

impl Message {
    fn len(&self) -> usize {
        self.parcel.body().bytes().len()
    }
}

/// Before an attempt.
#[derive(Clone)]
pub struct News {
    /// Which attempt in a row it will be, from 1.
    pub attempt: u32,
    /// When it begins.
    pub delay_ms: u64,
    /// How the last one ended.
    pub report: Report,
}

impl Retry {
    /// Bytes of messages that wait for a connection.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    fn keep(
        &mut self,
        body: &Body,
        Terms { options, overflow }: Terms,
        promised: usize,
        limit: usize,
    ) -> Result<Taken> {
        let len = body.bytes().len();
        let same_key = |it: &Message| options.key != 0 && it.options.key == options.key;
        let spared = self.waiting.iter().find(|it| same_key(it)).map(Message::len);
        let bytes = self.waiting_bytes - spared.unwrap_or(0) + len + promised;
        let message = Message { parcel: Parcel::of(body)?, options };
        let mut dropped = Dropped::default();
        // Empty ones take room, too.
        if bytes > limit || spared.is_none() && self.waiting.len() >= limit {
            dropped = match overflow {
                Overflow::DropOldest => self.drop_oldest(bytes.saturating_sub(limit)),
                Overflow::DropNewest => dropped,
                Overflow::Refuse | Overflow::Close => {
                    return Err(queue_full(self.waiting_bytes + promised, len));
                }
            };
            if dropped == Dropped::default() {
                dropped = Dropped { messages: 1, bytes: len as u64 };
                self.dropped += dropped;
                return Ok(Taken { buffered: self.waiting_bytes, dropped });
            }
        }
        self.waiting_bytes += len;
        match self.waiting.iter_mut().find(|it| same_key(it)) {
            Some(older) => {
                let older = std::mem::replace(older, message).len();
                self.waiting_bytes -= older;
                dropped += Dropped { messages: 1, bytes: older as u64 };
            }
            None => self.waiting.push(message),
        }
        self.dropped += dropped;
        Ok(Taken { buffered: self.waiting_bytes, dropped })
    }

    /// As that of a connection.
    fn drop_oldest(&mut self, bytes: usize) -> Dropped {
        let droppable = self.waiting.iter().filter(|it| it.options.droppable);
        let mut dropped = Dropped::default();
        if droppable.map(Message::len).sum::<usize>() >= bytes {
            self.waiting.retain(|it| {
                let goes = it.options.droppable && dropped.bytes < bytes as u64;
                if goes {
                    dropped += Dropped { messages: 1, bytes: it.len() as u64 };
                }
                !goes
            });
            self.waiting_bytes -= dropped.bytes as usize;
        }
        dropped
    }
}

impl Core {
    /// Whether the session comes back after an end like that. Then it waits from here on.
    pub fn comes_back(&mut self, id: Id, closed: &Closed) -> bool {
        let (now, leaving) = (self.now, self.leaving);
        let random = u64::from_le_bytes(self.cx.entropy.bytes());
        let Ok(cell) = self.table().get(id) else { return false };
        let Some(session) = self.session(id) else { return false };
        if leaving || cell.has(POISONED) || is_final(closed) {
            return false;
        }
        let settings = session.setup.shared.settings.retry.clone();
        let asked = session.details.as_ref().and_then(|details| details.headers.as_ref());
        let asked = asked.and_then(retry_after).unwrap_or(0);
        let rtt_us = session.last_stats().map_or(0, |stats| stats.rtt_us);
        let Some(retry) = session.retry() else { return false };
        let opened = retry.opened_at.take();
        if opened.is_some_and(|at| now.ms_after(at) >= settings.stable_ms) {
            retry.attempt = 0;
        }
        if settings.attempts >= 0 && i64::from(retry.attempt) >= settings.attempts {
            return false;
        }
        if !cell.return_to_connecting(id, settings.queue) {
            return false;
        }
        let mut backoff = Backoff {
            first_ms: settings.first_ms,
            cap_ms: settings.max_ms,
            attempt: retry.attempt,
        };
        let asked_ms = asked.saturating_mul(1000).min(settings.max_ms);
        let delay_ms = backoff.next(random).max(asked_ms);
        retry.attempt += 1;
        let unsent = (closed.unsent + std::mem::take(&mut retry.missed)) as u64;
        let (attempt, report) = (retry.attempt, Report { closed: closed.clone(), unsent, rtt_us });
        retry.news = Some(Box::new(News { attempt, delay_ms, report }));
        parts::cut_off(id);
        session.phase = Phase::Waiting;
        session.mark(Mark::Paused, false);
        // The wait begins when the application has been told, so that it is told before the attempt.
        session.details().deadline = None;
        self.give_back(id);
        self.retries.push_back(id);
        self.note(id, INFO, DIAL, |_| format!("attempt {attempt} follows in {delay_ms} ms"));
        self.publish(id);
        true
    }

    /// The wait is over.
    pub fn try_again(&mut self, id: Id) {
        let Some(session) = self.session(id) else { return };
        if let Err(error) = session.prepare_attempt() {
            return self.fail(id, error);
        }
        self.figures.retries += 1;
        self.open_queue(id);
        self.set_out(id);
    }

    /// Tells every thread how much may wait for a connection.
    pub fn open_queue(&mut self, id: Id) {
        let table = self.table();
        let Some(session) = self.session(id) else { return };
        let queue = session.setup.shared.settings.retry.queue;
        let overflow = session.setup.shared.settings.overflow;
        let cell = table.get(id).ok().filter(|_| session.retry().is_some());
        let Some(cell) = cell else { return };
        cell.set_limits(queue, queue);
        cell.set_overflow(overflow as u8);
        match queue {
            0 => cell.clear(id, QUEUES),
            _ => cell.set(id, QUEUES),
        }
    }

    /// The application knows of the next attempt, which is so far away from now on.
    pub fn wait_for_retry(&mut self, id: Id, delay_ms: u64) {
        let now = self.now;
        if let Some(session) = self.session(id)
            && matches!(session.phase, Phase::Waiting)
        {
            session.details().deadline = Some(now.plus_ms(delay_ms));
            if let Some(retry) = session.retry() {
                retry.news = None;
            }
            self.arm(id);
        }
    }

    /// What the application is to be told of the next attempt.
    pub fn next_retry(&mut self) -> Option<(Id, News)> {
        let id = self.retries.pop_front()?;
        let given_up = self.table().get(id).is_ok_and(|cell| cell.has(GIVEN_UP));
        let session = self.session(id)?;
        if given_up || !matches!(session.phase, Phase::Waiting) {
            return None;
        }
        let news = session.retry()?.news.as_deref()?;
        Some((id, news.clone()))
    }

    /// Whether a message of this thread goes behind those that wait for on_open to return. That of whoever is
    /// being told of the opening goes before them.
    pub fn goes_behind(&mut self, id: Id) -> bool {
        // At once, nobody comes in between.
        if self.worker == 0 || self.is_corked() || self.place.helper().is_visited() {
            return false;
        }
        self.session(id).is_some_and(|session| session.has_waiting())
    }

    /// What comes piece by piece cannot wait with the others: they go now, before on_open returns.
    pub fn send_before(&mut self, id: Id) {
        if self.goes_behind(id) {
            self.send_waiting(id);
        }
    }

    /// Sends what has waited for the connection.
    pub fn send_waiting(&mut self, id: Id) {
        let waiting = match self.session(id) {
            Some(session) if matches!(session.phase, Phase::Open(_)) => {
                session.retry().map(|retry| {
                    retry.waiting_bytes = 0;
                    std::mem::take(&mut retry.waiting)
                })
            }
            _ => None,
        };
        for Message { parcel, options } in waiting.into_iter().flatten() {
            let body = parcel.body();
            // Closed by its own on_open: then they are lost, and counted.
            let sent = self.contain(id, |session, cx, now| match session.conn() {
                Some(conn) => conn.send_message(cx, now, &body, options),
                None => Err(Error::new(Code::State, "not open")),
            });
            if sent.is_err()
                && let Some(retry) = self.session(id).and_then(Session::retry)
            {
                retry.missed += body.bytes().len();
            }
        }
        self.dirty(id);
    }
}

/// Why a message cannot wait for a connection.
pub fn queue_full(waiting: usize, more: usize) -> Error {
    Error::new(
        Code::Limit,
        format!(
            "{waiting} bytes wait for a connection, {more} more would exceed WSOCK_OPT_RECONNECT_QUEUE"
        ),
    )
}

/// Nothing is gained by trying the same again, or it is not wanted.
fn is_final(closed: &Closed) -> bool {
    let hopeless = |code: Code| {
        matches!(
            code,
            Code::Aborted
                | Code::Panic
                | Code::Poisoned
                | Code::Unsupported
                | Code::InvalidArgument
        )
    };
    match &closed.error {
        Some(error) => hopeless(error.code),
        // The server has said that it is done.
        None => closed.clean && closed.initiator == Initiator::Peer && closed.code == 1000,
    }
}

impl Session {
    /// Where a client that comes back stands.
    pub fn retry(&mut self) -> Option<&mut Retry> {
        self.client_mut()?.retry.as_deref_mut()
    }

    /// Keeps a message until there is a connection, if that is wanted and there is room beside what other
    /// threads have been promised.
    pub fn keep(&mut self, body: &Body, terms: Terms, promised: usize) -> Result<Taken> {
        let limit = self.setup.shared.settings.retry.queue;
        let Some(retry) = self.retry() else {
            return Err(Error::new(
                Code::State,
                "the connection is not open yet: wait for on_open",
            ));
        };
        body.check()?;
        retry.keep(body, terms, promised, limit)
    }

    /// Whether messages wait for the connection, or for on_open to return.
    pub fn has_waiting(&mut self) -> bool {
        self.retry().is_some_and(|retry| !retry.waiting.is_empty())
    }

    /// A message of another thread has come too late for its connection.
    pub fn missed(&mut self, bytes: usize) -> bool {
        let retry = self.retry();
        let comes_back = retry.is_some();
        if let Some(retry) = retry {
            retry.missed += bytes;
        }
        comes_back
    }

    /// Bytes of messages that wait for a connection or never found theirs, and of those that were lost
    /// with the last one while nobody has been told of that.
    pub fn stranded(&mut self) -> usize {
        let Some(retry) = self.retry() else { return 0 };
        let untold = retry.news.as_ref().map_or(0, |news| news.report.unsent as usize);
        retry.waiting_bytes + retry.missed + untold
    }

    fn prepare_attempt(&mut self) -> Result<()> {
        let Some(client) = self.details().client.as_mut() else { return Ok(()) };
        let (url, shared) = match client.next.take() {
            Some((url, shared)) => (url, Some(shared)),
            None => (client.home.clone(), None),
        };
        let agreed = Agreed::new(&url.href(), "", "");
        let last = self.set_up(|setup| {
            setup.agreed = agreed;
            setup.shared = shared.unwrap_or_else(|| setup.shared.clone());
        });
        // The handler stays, so that nothing is released.
        drop(last);
        let plan = Plan::new(url, &self.setup.shared)?;
        let details = self.details();
        // What was handed to C of the last connection ends here, or it would pile up.
        let mut next = Details { stats: details.stats.take(), ..Details::default() };
        if let Some(mut client) = details.client.take() {
            client.start_again(plan);
            next.client = Some(client);
        }
        *details = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
