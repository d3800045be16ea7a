//! A loop in a child of the process that made it: the child has the same descriptors, and nothing it does
//! with them may reach the parent or its peers.
//!
//! An epoll set is shared by both processes, and so is what is taken out of it: the child closes its
//! descriptors and makes others. Closing a descriptor that the parent has open, too, tells nobody.

use super::core::Core;
use super::deliver::Delivery;
use super::held::HeldInput;
use super::inbox::Command;
use super::loops::Loop;
use super::readiness::{Poller, WAKE, cannot_watch};
use super::session::Phase;
use crate::error::{Code, Error, Result};
use crate::proto::context::Context;
use crate::transport::Listener;
use crate::util::rng::Entropy;

/// Brings a loop over into this process, which was forked from the one it belongs to. Servers go on
/// listening, in both; connections stay behind, and have ended here.
pub fn after_fork(place: Loop) -> Result<()> {
    if place.check_process().is_ok() {
        return Ok(());
    }
    place.helper().forget();
    let entered = place.enter_to_poll().map_err(|e| match e.code {
        Code::WrongThread => busy(),
        _ => e,
    })?;
    let left_behind = entered.with_of_any_process(Core::bring_over)?;
    // With these go the release functions of tasks, which may call anything.
    drop(left_behind);
    Ok(())
}

fn cannot_make(error: &std::io::Error) -> Error {
    Error::os(Code::System, "cannot make an event loop", error)
}

fn busy() -> Error {
    Error::new(
        Code::State,
        "another thread was inside this loop when the process forked: it stays unusable here, make another",
    )
}

impl Core {
    fn bring_over(&mut self) -> Result<(Vec<Command>, Vec<Delivery>)> {
        if self.leaving {
            return Err(Error::new(Code::State, "the loop is being freed"));
        }
        let poller = Poller::new().map_err(|e| cannot_make(&e))?;
        let registry = poller.poll.registry().try_clone().map_err(|e| cannot_make(&e))?;
        let waker = mio::Waker::new(&registry, WAKE).map_err(|e| cannot_make(&e))?;
        self.place.helper().renew().map_err(|e| cannot_make(&e))?;
        // If that fails it is still the parent's, and can only be freed or tried again.
        self.registry = registry;
        self.poller = Some(poller);
        self.watch_anew()?;
        let commands = self.place.inbox.reopen(waker).ok_or_else(busy)?;
        self.place.take_over();
        // The fork may have come out of a callback: then its turn ends with an error, half done.
        self.dispatching = false;
        self.forget_run();
        (self.queueing, self.worker, self.announced) = (false, 0, false);
        self.drains.clear();
        self.batch_is_over();
        // What the parent has received is for the parent.
        self.keep_endings();
        let unheard = std::mem::take(&mut self.drained);
        self.journal.clear();
        self.cx = Context::new(Entropy::from_os());
        self.tick();
        self.leave_connections();
        self.settle_all();
        self.update_beacon();
        Ok((commands, unheard))
    }

    /// Watches all listeners, and lets the descriptor for foreign loops tell of the new poller.
    fn watch_anew(&mut self) -> Result<()> {
        for id in self.servers() {
            let Some(server) = self.server(id) else { continue };
            let listeners = std::mem::take(server.listeners()).into_iter();
            let mut listeners: Vec<_> = listeners.map(Listener::unwatched).collect();
            let mut each = listeners.iter_mut();
            let watched = each.try_for_each(|listener| self.register_listener(id, listener));
            if let Some(server) = self.server(id) {
                *server.listeners() = listeners;
            }
            watched.map_err(|e| cannot_watch(&e))?;
        }
        #[cfg(target_os = "linux")]
        if let Some(beacon) = &mut self.beacon {
            let poller = std::os::fd::AsRawFd::as_raw_fd(&self.registry);
            beacon.renew(poller).map_err(|e| cannot_make(&e))?;
        }
        Ok(())
    }

    /// Every connection ends, without a byte to its peer.
    fn leave_connections(&mut self) {
        for id in self.sessions_where(|session| !matches!(session.phase, Phase::Over(_))) {
            if let Some(session) = self.session(id) {
                // Dropped, not finished: nothing is written, nothing shut down.
                session.stream = None;
                if let Some(details) = &mut session.details {
                    details.held = HeldInput::default();
                }
            }
            let message = "the process has forked: the connection goes on in the parent";
            self.fail(id, Error::new(Code::Aborted, message));
        }
    }
}
