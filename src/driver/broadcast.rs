//! One message for many connections of a loop.

use std::sync::Arc;

use super::core::Core;
use super::inbox::Command;
use super::loops;
use super::session::Phase;
use crate::error::{Code, Error, Result};
use crate::proto::conn::{Body, Dropped, SendOptions};
use crate::proto::prepared::Prepared;
use crate::util::id::Id;

/// Bytes of messages for all connections of a server that may wait for the loop's thread.
pub const MOST_WAITING: usize = 64 * 1024 * 1024;

/// Sends to every open connection of a server, but for one.
pub fn to_all(server: Id, message: &Arc<Prepared>, except: Option<Id>) -> Result<()> {
    let (owner, cell) = loops::find_object(server)?;
    let direct = owner.try_with(|core| {
        // What other threads have asked for before goes before.
        let now = !cell.has_incoming();
        if now {
            core.broadcast(server, message, except);
        }
        Ok(now)
    });
    match direct {
        Some(Ok(true)) => return Ok(()),
        Some(Err(error)) => return Err(error),
        Some(Ok(false)) | None => {}
    }
    if !cell.reserve(server, message.data().len()) {
        loops::find_object(server)?;
        let told = format!("{} bytes wait to be sent to all connections already", cell.incoming());
        return Err(Error::new(Code::Limit, told));
    }
    owner.push(Command::Broadcast { server, message: message.clone(), except })
}

impl Core {
    /// The same when another thread has asked for it.
    pub fn take_broadcast(&mut self, server: Id, message: &Arc<Prepared>, except: Option<Id>) {
        if let Ok(cell) = self.table().get(server) {
            cell.unreserve(server, message.data().len());
        }
        self.broadcast(server, message, except);
    }

    fn broadcast(&mut self, server: Id, message: &Arc<Prepared>, except: Option<Id>) {
        let open = self.sessions_where(|session| {
            session.server == Some(server) && matches!(session.phase, Phase::Open(_))
        });
        for conn in open.into_iter().filter(|conn| Some(*conn) != except) {
            // Each has its own queue: what one refuses is no other's business.
            let _ = self.send_prepared(conn, message, SendOptions::default());
        }
    }

    /// Queues it for one connection, as a send of the application's would be. The answer is what it took the
    /// place of.
    pub fn send_prepared(
        &mut self,
        conn: Id,
        message: &Arc<Prepared>,
        options: SendOptions,
    ) -> Result<Dropped> {
        let dropped = self.contain(conn, |session, cx, now| {
            let max = session.shared.settings.max_buffered;
            let waiting = session.buffered();
            let open = match &mut session.phase {
                Phase::Open(open) => open,
                Phase::Over(_) => return Err(Error::new(Code::State, "the connection is closed")),
                _ => {
                    let (kind, data) = (message.kind(), message.data());
                    return session
                        .keep(kind, data, options.compress, 0)
                        .map(|_| Dropped::default());
                }
            };
            let gain = open.replaceable(options.key).unwrap_or(0);
            if waiting > gain && waiting - gain + message.data().len() > max {
                return Err(Error::new(Code::Limit, "the queue of the connection is full"));
            }
            Ok(open.send_message(cx, now, Body::Prepared(message), options)?.dropped)
        })?;
        self.dirty(conn);
        Ok(dropped)
    }
}
