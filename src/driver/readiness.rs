//! What is watched, and what the operating system reports of it.

use std::io;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Token};

use super::core::Core;
use super::entries::Entry;
use super::marks::Mark;
use super::ready::Line;
use crate::error::{Code, Error};
use crate::transport::{Listener, Socket};
use crate::util::id::Id;

/// Of what wakes the loop.
pub const WAKE: Token = Token(usize::MAX);

/// The operating system's side: waits for sockets.
pub struct Poller {
    /// Of mio.
    pub poll: mio::Poll,
    /// Room for what it reports.
    events: mio::Events,
}

impl Poller {
    /// Watches nothing yet.
    pub fn new() -> io::Result<Poller> {
        Ok(Poller { poll: mio::Poll::new()?, events: mio::Events::with_capacity(1024) })
    }

    /// Waits at most `timeout`.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.poll.poll(&mut self.events, timeout)
    }
}

impl Core {
    /// Watches a socket. `number` 0 is the session's own, others are attempts to connect.
    pub fn register(&self, id: Id, number: u8, socket: &mut Socket) -> io::Result<()> {
        self.registry.register(socket, token(id, number), BOTH)
    }

    /// Makes the socket of a successful attempt the session's own.
    pub fn reregister(&self, id: Id, socket: &mut Socket) -> io::Result<()> {
        self.registry.reregister(socket, token(id, 0), BOTH)
    }

    /// Watches a descriptor from which a session gets what it sends.
    pub fn register_source(&self, id: Id, source: &mut SourceFd) -> io::Result<()> {
        self.registry.register(source, token(id, SOURCE), Interest::READABLE)
    }

    /// Watches a listener.
    pub fn register_listener(&self, id: Id, listener: &mut Listener) -> io::Result<()> {
        self.registry.register(listener, token(id, 0), Interest::READABLE)
    }

    /// Watches it no longer: it goes back to where it came from.
    pub fn deregister(&self, source: &mut impl mio::event::Source) {
        // One that was never watched is as good as one that no longer is.
        let _ = self.registry.deregister(source);
    }

    /// Waits for the operating system, at most `timeout`, and notes what it reports.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let Some(mut poller) = self.poller.take() else {
            return Err(io::Error::other("another thread waits for it"));
        };
        let waited = poller.wait(timeout);
        if waited.is_ok() {
            self.take_events(&poller);
        }
        self.poller = Some(poller);
        waited
    }

    /// Notes what the operating system has reported.
    pub fn take_events(&mut self, poller: &Poller) {
        self.tick();
        for event in &poller.events {
            self.figures.events += 1;
            let Token(bits) = event.token();
            let (slot, generation, number) = parts(event.token());
            match self.entries.get_mut(slot) {
                _ if bits == WAKE.0 => {}
                Some(Entry::Session(session)) if session.id.generation() == generation => {
                    if number != 0 {
                        let id = session.id;
                        match number {
                            SOURCE => self.source_ready(id),
                            attempt => self.dial_event(id, attempt),
                        }
                        continue;
                    }
                    let hung_up = event.is_read_closed() || event.is_error();
                    if hung_up {
                        session.mark(Mark::HungUp, true);
                    }
                    if event.is_error() || event.is_write_closed() {
                        session.mark(Mark::Gone, true);
                    }
                    if event.is_readable() || hung_up {
                        session.mark(Mark::Readable, true);
                    }
                    if event.is_writable() {
                        session.mark(Mark::Writable, true);
                    }
                    if !session.is(Mark::InReady) {
                        session.mark(Mark::InReady, true);
                        self.ready.push(session.line(self.now), session.id);
                    }
                }
                Some(Entry::Server(server))
                    if server.id.generation() == generation && !server.in_ready =>
                {
                    server.in_ready = true;
                    self.ready.push(Line::Strangers, server.id);
                }
                // A socket that was closed after the kernel had reported it.
                _ => {}
            }
        }
    }

    /// Puts a session on the list to be served, because there is more to do than one turn allows.
    pub fn make_ready(&mut self, id: Id) {
        let now = self.now;
        if let Some(session) = self.session(id)
            && !session.is(Mark::InReady)
        {
            session.mark(Mark::InReady, true);
            let line = session.line(now);
            self.ready.push(line, id);
        }
    }
}

/// Why `register` and `reregister` failed.
pub fn cannot_watch(error: &io::Error) -> Error {
    Error::os(Code::System, "cannot watch the socket", error)
}

// Once, for both, for ever: with edge triggering an interest that is not needed costs nothing, and
// back-pressure needs no system call.
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// The number of descriptors that a session reads what it sends from: that of no attempt to connect.
const SOURCE: u8 = 15;

/// `generation 20 | slot 20 | number 4`.
fn token(id: Id, number: u8) -> Token {
    Token((id.generation() as usize) << 24 | (id.slot() as usize) << 4 | number as usize)
}

fn parts(token: Token) -> (usize, u32, u8) {
    (token.0 >> 4 & 0xf_ffff, (token.0 >> 24) as u32, token.0 as u8 & 0xf)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::id::{Kind, LAST_GENERATION, MAX_SLOTS};

    #[test]
    fn tokens_hold_their_parts_and_never_look_like_the_waker() {
        let id = Id::new(Kind::Conn, 5, MAX_SLOTS - 1, LAST_GENERATION);
        let token = token(id, 15);
        assert_ne!(token, WAKE);
        assert_eq!(parts(token), (MAX_SLOTS as usize - 1, LAST_GENERATION, 15));
    }
}
