//! The end of a server: at once, or spread over a time of grace in which new clients are told to go elsewhere.

use super::core::Core;
use super::entries::Entry;
use super::session::{Phase, Session};
use crate::error::{Code, Error};
use crate::proto::conn::State;
use crate::proto::handshake::server::{Refusal, Request};
use crate::util::id::Id;
use crate::util::journal::INFO;
use crate::util::time::Time;

/// How far the end of a server has come.
pub struct Drain {
    code: u16,
    reason: String,
    /// Connections in the order in which they are told, and how many of them have had their turn.
    order: Vec<Id>,
    next: usize,
    from: Time,
    /// The end of the grace.
    until: Time,
    /// The grace has ended: nobody listens, everybody has been told.
    pub over: bool,
    /// Connections told so far.
    pub told: u64,
}

impl Drain {
    /// When the `n`th connection is told: evenly from the start on, and none as late as the end.
    fn turn_of(&self, n: usize) -> Time {
        let share = self.until.micros_since(self.from) / self.order.len().max(1) as u64;
        Time(self.from.0 + share * n as u64)
    }

    /// Those whose turn has come.
    fn take_due(&mut self, now: Time) -> Vec<Id> {
        let from = self.next;
        while self.next < self.order.len() && self.turn_of(self.next) <= now {
            self.next += 1;
        }
        self.order[from..self.next].to_vec()
    }

    /// When there is something to do.
    pub fn next_timeout(&self) -> Option<Time> {
        let next = match self.next < self.order.len() {
            true => self.turn_of(self.next),
            false => self.until,
        };
        (!self.over).then_some(next)
    }

    /// How much of the grace is left.
    pub fn remaining_ms(&self, now: Time) -> u64 {
        if self.over { 0 } else { self.until.ms_after(now) }
    }
}

/// What a new client is told (RFC 9110 section 15.6.4).
fn shutting_down() -> Refusal {
    let headers = vec![("Retry-After".to_owned(), "1".to_owned())];
    Refusal { headers, ..Refusal::new(503, "this server is shutting down") }
}

fn is_open(session: &Session) -> bool {
    matches!(&session.phase, Phase::Open(conn) if conn.state() == State::Open)
}

impl Core {
    /// Begins the end of a server, or brings it nearer. See [`super::server::close()`].
    pub fn close_server(&mut self, id: Id, grace_ms: u64, code: u16, reason: &str) {
        let from = self.now;
        let until = from.plus_ms(grace_ms);
        let order =
            self.sessions_where(|session| session.setup.server == Some(id) && is_open(session));
        let Some(server) = self.server(id) else { return };
        if server.drain.as_ref().is_some_and(|drain| drain.until <= until) {
            return;
        }
        let told = server.drain.as_ref().map_or(0, |drain| drain.told);
        let (count, reason) = (order.len(), reason.to_owned());
        server.drain = Some(Drain { code, reason, order, next: 0, from, until, over: false, told });
        self.note_server(id, INFO, || {
            format!("is being closed: {count} connections, within {grace_ms} ms")
        });
        self.drain_step(id);
    }

    /// Tells those whose turn it is, and ends the grace when there is nothing to wait for.
    pub fn drain_step(&mut self, id: Id) {
        let now = self.now;
        let Some(drain) = self.draining(id) else { return };
        let (due, code, reason) = (drain.take_due(now), drain.code, drain.reason.clone());
        for session in due {
            if self.session(session).is_some_and(|session| is_open(session)) {
                self.close(session, Some(code), &reason);
                if let Some(drain) = self.draining(id) {
                    drain.told += 1;
                }
            }
        }
        let Some(server) = self.server(id) else { return };
        let in_vain = server.stats.connections == 0;
        if let Some(drain) = server.drain.as_mut().filter(|drain| in_vain || drain.until <= now) {
            drain.over = true;
            drain.until = now;
            let told = drain.told;
            self.note_server(id, INFO, || {
                format!("does not listen any more, {told} connections were told to go")
            });
            self.end_grace(id);
        }
        self.arm(id);
    }

    /// The drain of a server, while its grace lasts.
    fn draining(&mut self, id: Id) -> Option<&mut Drain> {
        self.server(id)?.drain.as_mut().filter(|drain| !drain.over)
    }

    /// Whoever has no connection by now will not get one.
    fn end_grace(&mut self, id: Id) {
        let now = self.now;
        let Some(server) = self.server(id) else { return };
        server.stop_listening();
        let soon = now.plus_ms(server.shared.settings.conn.close_timeout_ms);
        for session_id in self.sessions_where(|session| session.setup.server == Some(id)) {
            let Some(session) = self.session(session_id) else { continue };
            let can_be_told = session.stream.as_ref().is_some_and(|stream| stream.takes_bytes());
            match &session.phase {
                Phase::Answered => {
                    let details = session.details();
                    details.deadline = details.deadline.map(|at| at.min(soon));
                    self.arm(session_id);
                }
                // The application is looking at its request, and answers.
                Phase::ServerHandshake(handshake) if handshake.is_done() => {}
                Phase::ServerHandshake(_) if can_be_told => {
                    self.refuse(session_id, &shutting_down());
                }
                Phase::Preface(_) | Phase::ServerHandshake(_) => {
                    self.fail(session_id, Error::new(Code::Aborted, "the server was closed"));
                }
                _ => {}
            }
        }
        self.end_server_if_empty(id);
    }

    /// A request of a client that has come too late is answered without asking the application.
    pub fn refuse_while_draining(&mut self, session_id: Id, request: &Request) -> bool {
        let server = self.session(session_id).and_then(|session| session.setup.server);
        let draining = server.and_then(|id| self.server(id)).is_some_and(|s| s.drain.is_some());
        if draining {
            self.refuse_request(session_id, &shutting_down(), request.method == "HEAD");
        }
        draining
    }

    /// Removes a server that is draining and has nobody left.
    pub fn end_server_if_empty(&mut self, id: Id) {
        let ended = |drain: &Drain| drain.over;
        if self.server(id).is_some_and(|s| s.sessions == 0 && s.drain.as_ref().is_some_and(ended))
            && let Entry::Server(server) = self.remove(id)
        {
            self.ended.push(server.handler);
            self.note_server(id, INFO, || "has ended".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::id::Kind;

    fn drain(connections: u32, grace_ms: u64) -> Drain {
        Drain {
            code: 1001,
            reason: String::new(),
            order: (1..=connections).map(|slot| Id::new(Kind::Conn, 0, slot, 1)).collect(),
            next: 0,
            from: Time(1_000),
            until: Time(1_000).plus_ms(grace_ms),
            over: false,
            told: 0,
        }
    }

    #[test]
    fn turns_are_spread_evenly() {
        let mut drain = drain(10, 1_000);
        let mut turns = Vec::new();
        while drain.next < 10 {
            let at = drain.next_timeout().unwrap();
            assert!(drain.take_due(Time(at.0 - 1)).is_empty());
            assert_eq!(drain.take_due(at).len(), 1);
            turns.push(at.0 / 1_000 - 1);
        }
        assert_eq!(turns, [0, 100, 200, 300, 400, 500, 600, 700, 800, 900]);
        assert_eq!(drain.next_timeout(), Some(Time(1_001_000)));
        assert_eq!(drain.remaining_ms(Time(1_000_000)), 1);
    }

    #[test]
    fn a_late_step_makes_up_for_what_was_missed() {
        let mut drain = drain(1_000_000, 30_000);
        assert_eq!(drain.take_due(Time(1_000).plus_ms(15_000)).len(), 500_001);
        assert_eq!(drain.take_due(Time(1_000).plus_ms(30_000)).len(), 499_999);
    }

    #[test]
    fn without_grace_all_are_due_at_once() {
        for connections in [0, 1, 3] {
            let mut drain = drain(connections, 0);
            assert_eq!(drain.next_timeout(), Some(Time(1_000)));
            assert_eq!(drain.take_due(Time(1_000)).len(), connections as usize);
        }
    }

    #[test]
    fn nothing_is_due_once_it_is_over() {
        let over = Drain { over: true, ..drain(2, 1_000) };
        assert_eq!((over.next_timeout(), over.remaining_ms(Time(1_000))), (None, 0));
    }
}
