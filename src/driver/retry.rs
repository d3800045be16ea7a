//! Coming back after a failure: when, how often, and what becomes of messages meanwhile.

use super::client::Plan;
use super::core::Core;
use super::report::Report;
use super::session::{Details, Phase, Session};
use crate::error::{Code, Error, Result};
use crate::proto::event::{Closed, Initiator, Kind};
use crate::proto::http::retry::retry_after;
use crate::proto::utf8;
use crate::util::backoff::Backoff;
use crate::util::id::Id;
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
    /// Accepted from other threads for a connection that was gone when they arrived.
    missed: usize,
    /// What the application has not been told yet.
    news: Option<Box<News>>,
}

struct Message {
    kind: Kind,
    data: Vec<u8>,
    compress: bool,
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
        let settings = session.shared.settings.retry.clone();
        let asked = session.details.headers.as_ref().and_then(retry_after).unwrap_or(0);
        let rtt_us = session.details.stats.map_or(0, |stats| stats.rtt_us);
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
        let report = Report { closed: closed.clone(), unsent, rtt_us };
        retry.news = Some(Box::new(News { attempt: retry.attempt, delay_ms, report }));
        session.phase = Phase::Waiting;
        session.paused = false;
        // The wait begins when the application has been told, so that it is told before the attempt.
        session.deadline = None;
        self.give_back(id);
        self.retries.push_back(id);
        self.publish(id);
        true
    }

    /// The wait is over.
    pub fn try_again(&mut self, id: Id) {
        let Some(session) = self.session(id) else { return };
        if let Err(error) = session.prepare_attempt() {
            return self.fail(id, error);
        }
        self.open_queue(id);
        self.set_out(id);
    }

    /// Tells every thread how much may wait for a connection.
    pub fn open_queue(&mut self, id: Id) {
        let table = self.table();
        let Some(session) = self.session(id) else { return };
        let queue = session.shared.settings.retry.queue;
        let cell = table.get(id).ok().filter(|_| session.retry().is_some());
        let Some(cell) = cell else { return };
        cell.set_limits(queue, queue);
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
            session.deadline = Some(now.plus_ms(delay_ms));
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
        for Message { kind, data, compress } in waiting.into_iter().flatten() {
            // Closed by its own on_open: then they are lost, and counted.
            let sent = self.contain(id, |session, cx, now| match session.conn() {
                Some(conn) => conn.send(cx, now, kind, &data, compress),
                None => Err(Error::new(Code::State, "not open")),
            });
            if sent.is_err()
                && let Some(retry) = self.session(id).and_then(Session::retry)
            {
                retry.missed += data.len();
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
        self.client.as_mut()?.retry.as_deref_mut()
    }

    /// Keeps a message until there is a connection, if that is wanted and there is room beside what other
    /// threads have been promised.
    pub fn keep(
        &mut self,
        kind: Kind,
        data: &[u8],
        compress: bool,
        promised: usize,
    ) -> Result<usize> {
        let limit = self.shared.settings.retry.queue;
        let Some(retry) = self.retry() else {
            return Err(Error::new(
                Code::State,
                "the connection is not open yet: wait for on_open",
            ));
        };
        if kind == Kind::Text && !utf8::is_valid(data) {
            return Err(Error::new(Code::InvalidArgument, "text message is not valid UTF-8"));
        }
        let bytes = retry.waiting_bytes + data.len();
        // Empty ones take room, too.
        if bytes + promised > limit || retry.waiting.len() >= limit {
            return Err(queue_full(retry.waiting_bytes + promised, data.len()));
        }
        retry.waiting.push(Message { kind, data: data.to_vec(), compress });
        retry.waiting_bytes = bytes;
        Ok(bytes)
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
        let Some(client) = &mut self.client else { return Ok(()) };
        let url = match client.next.take() {
            Some((url, shared)) => {
                self.shared = shared;
                url
            }
            None => client.home.clone(),
        };
        let plan = Plan::new(url, &self.shared)?;
        client.start_again(plan);
        // What was handed to C of the last connection ends here, or it would pile up.
        *self.details = Details {
            url: client.url.href(),
            peer: std::mem::take(&mut self.details.peer),
            stats: self.details.stats,
            ..Details::default()
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests;
