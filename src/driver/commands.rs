//! What other threads asked for, done on the loop's own; and how connections are closed and given up.

use super::core::Core;
use super::deliver::{Delivery, What};
use super::inbox::{Command, Task};
use super::send::Terms;
use super::session::{Phase, Session, state};
use crate::error::{Code, Error};
use crate::proto::conn::Body;
use crate::util::id::Id;

impl Core {
    /// For a thread that from now on acts directly: what it has asked for while another did the work comes
    /// before. What is to be called is queued.
    pub fn take_requests(&mut self) {
        if !self.place.inbox.has_work() {
            return;
        }
        self.tick();
        for command in self.place.inbox.take() {
            if let Some(task) = self.obey(command) {
                self.queue(Delivery { id: self.place.id(), what: What::Task(Some(task)) });
            }
        }
    }

    /// Does what another thread has asked for. A task is given back, to be run while nothing is borrowed.
    pub fn obey(&mut self, command: Command) -> Option<Task> {
        match command {
            Command::Send { conn, kind, data, compress } => {
                self.take_up(conn, &Body::Copy(kind, &data), Terms::plain(compress));
            }
            Command::Message { conn, parcel, terms } => self.take_up(conn, &parcel.body(), terms),
            Command::Part { conn, kind, data, place } => {
                self.take_up_part(conn, kind, &data, place);
            }
            Command::Lost(conn) => self.note_lost(conn),
            // Who was refused after the queue had drained hears of that now.
            Command::Refused(conn) => self.dirty(conn),
            Command::TooSlow(conn) => self.too_slow(conn),
            Command::Ping(conn, data) => {
                // A ping that comes too late has nobody to reach and nobody to tell.
                let _ = self.contain(conn, |session, cx, now| match session.conn() {
                    Some(conn) => conn.ping(cx, now, &data),
                    None => Ok(()),
                });
                self.taken_up(conn, 0);
                self.dirty(conn);
            }
            Command::Close(id, code, reason) => self.close_now(id, code, &reason),
            Command::Abort(id) => self.abort(id),
            Command::Resolved(id, way, result) => self.resolved(id, way, result),
            // Whoever asked may have gone, with nobody to tell.
            Command::Answer(id, decision) => drop(self.answer_request(id, decision)),
            Command::Task(task) => return Some(task),
            Command::Hub(order) => self.run_order(order),
            Command::Broadcast { server, message, except } => {
                self.take_broadcast(server, &message, except);
            }
            Command::PullAgain(id) => self.pull_again(id),
        }
        None
    }

    /// So much of what other threads have queued is no longer on its way.
    pub fn taken_up(&mut self, conn: Id, bytes: usize) {
        let Ok(cell) = self.table().get(conn) else { return };
        if let Some(session) = self.session(conn) {
            // First, so that they count all the time.
            cell.set_buffered(session.buffered());
        }
        cell.unreserve(conn, bytes);
    }

    /// Begins the close handshake, or gives up a connection that is not open yet.
    pub fn close(&mut self, id: Id, code: Option<u16>, reason: &str) {
        let Ok(cell) = self.table().get(id) else { return };
        cell.advance_state(id, state::CLOSING);
        if cell.has_incoming() {
            // Messages of other threads were accepted before and go before.
            if let Some(conn) = self.session(id).and_then(Session::conn) {
                conn.tell_no_more();
            }
            let queued = self.place.push(Command::Close(id, code, reason.to_owned()));
            debug_assert!(queued.is_ok(), "we are inside the loop, so it lives");
            return;
        }
        self.close_now(id, code, reason);
    }

    fn close_now(&mut self, id: Id, code: Option<u16>, reason: &str) {
        // Code and reason were checked where an error could still be told.
        let _ = self.contain(id, |session, cx, now| {
            match &mut session.phase {
                Phase::Open(conn) => return conn.close(cx, now, code, reason),
                Phase::Over(_) => {}
                _ => session.fail(Error::new(
                    Code::Aborted,
                    "closed before the connection was established",
                )),
            }
            Ok(())
        });
        self.dirty(id);
    }

    /// Ends a connection without a close handshake.
    pub fn abort(&mut self, id: Id) {
        if let Some(session) = self.session(id) {
            if let Some(stream) = &mut session.stream {
                stream.abandon();
            }
            session.fail(Error::new(Code::Aborted, "the application aborted the connection"));
        }
        self.dirty(id);
    }
}
