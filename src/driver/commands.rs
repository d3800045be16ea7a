//! What other threads asked for, done on the loop's own; and how connections are closed and given up.

use super::core::Core;
use super::inbox::Command;
use super::session::Phase;
use crate::error::{Code, Error};
use crate::util::id::Id;

impl Core {
    /// Does what another thread has asked for.
    pub fn obey(&mut self, command: Command) {
        match command {
            Command::Send { conn, kind, data, compress } => {
                let length = data.len();
                // The queueing thread was told "accepted", so no limit may refuse it now; when the
                // connection has ended meanwhile, on_close counts it as unsent.
                let sent = self.contain(conn, |session, cx, now| match session.conn() {
                    Some(open) => open.send(cx, now, kind, &data, compress),
                    None => Err(Error::new(Code::State, "not open")),
                });
                if sent.is_ok()
                    && let Ok(cell) = self.table().get(conn)
                {
                    cell.unreserve(length);
                }
                self.dirty(conn);
            }
            Command::Ping(id, data) => {
                // A ping that comes too late has nobody to reach and nobody to tell.
                let _ = self.contain(id, |session, cx, now| match session.conn() {
                    Some(conn) => conn.ping(cx, now, &data),
                    None => Ok(()),
                });
                self.dirty(id);
            }
            Command::Close(id, code, reason) => self.close(id, code, &reason),
            Command::Abort(id) => self.abort(id),
            Command::Resolved(id, result) => self.resolved(id, result),
            Command::Task(task) => task(),
        }
    }

    /// Begins the close handshake, or gives up a connection that is not open yet.
    pub fn close(&mut self, id: Id, code: Option<u16>, reason: &str) {
        // The peer's close frame has to be read. Code and reason were checked where an error could
        // still be told.
        if let Some(session) = self.session(id) {
            session.paused = false;
        }
        self.make_ready(id);
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
            if let Some(stream) = &session.stream {
                stream.reset_on_close();
            }
            session.fail(Error::new(Code::Aborted, "the application aborted the connection"));
        }
        self.dirty(id);
    }
}
