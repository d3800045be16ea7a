//! One message for many connections of a loop.

use std::sync::Arc;

use super::core::Core;
use super::inbox::Command;
use super::loops;
use super::send::Manner;
use super::session::Phase;
use crate::error::{Code, Error, Result};
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
    if !cell.reserve(server, message.data().len(), 1) {
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
            session.setup.server == Some(server) && matches!(session.phase, Phase::Open(_))
        });
        for conn in open.into_iter().filter(|conn| Some(*conn) != except) {
            // Each has its own queue: what one refuses is no other's business.
            let _ = self.send_prepared(conn, message, Manner::default());
        }
    }
}
