//! A listener: accepting and counting.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::broadcast::MOST_WAITING;
use super::core::Core;
use super::drain::Drain;
use super::entries::Entry;
use super::handler::Handler;
use super::limits::{AddressKey, Addresses, turn_away};
use super::log::{Occasion, SERVER};
use super::loops::Loop;
use super::marks::Mark;
use super::preface::{self, Peer};
use super::ready::{Line, SHARE, VISIT};
use super::session::{Phase, Session, state};
use super::settings::{Settings, Shared};
use super::setup::{Agreed, Setup};
use super::timers::NEVER;
use crate::error::{Code, Error, Result};
use crate::proto::close;
use crate::proto::config::Role;
use crate::proto::handshake::server::ServerSettings;
use crate::transport::tls::ServerTls;
use crate::transport::{Address, Listener, Socket, Stream};
use crate::util::id::{Id, Kind};
use crate::util::journal::{DEBUG, ERROR, INFO};
use crate::util::table::ACCEPTED;
use crate::util::time::Time;

/// Connections accepted in one turn, so that a crowd at the door does not starve those inside.
const ACCEPTS_PER_TURN: usize = SHARE / VISIT;
/// How long to wait when the process has no descriptor left for another connection.
const BACK_OFF_MS: u64 = 50;

/// Figures of a server, as `wsock_server_stats` has them.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)] // the header documents each
pub struct ServerStats {
    pub connections: u64,
    pub handshakes: u64,
    pub accepted: u64,
    pub opened: u64,
    pub refused: u64,
    pub http_responses: u64,
    pub handshake_timeouts: u64,
    pub handshake_errors: u64,
    pub accept_errors: u64,
    pub messages_received: u64,
    pub messages_sent: u64,
    pub bytes_received: u64,
    pub bytes_sent: u64,
    pub refused_connections: u64,
    pub refused_per_address: u64,
    pub refused_handshakes: u64,
    pub refused_head: u64,
    pub refused_slow: u64,
    pub ended_control_rate: u64,
    pub draining: bool,
    pub drain_closed: u64,
    pub drain_remaining_ms: u64,
    pub messages_dropped: u64,
    pub bytes_dropped: u64,
    pub payload_received: u64,
    pub payload_sent: u64,
    pub refused_origin: u64,
    pub refused_version: u64,
    pub refused_draining: u64,
    pub refused_application: u64,
    pub tls_errors: u64,
}

/// One listener and what its connections share.
pub struct Server {
    /// Its handle.
    pub id: Id,
    /// Who hears of its requests and connections.
    pub handler: Arc<dyn Handler>,
    /// How it was set up.
    pub shared: Arc<Shared>,
    /// That of connections whose handshake is still to come.
    setup: Arc<Setup>,
    /// That of the connection which was opened last.
    opened: Option<Arc<Setup>>,
    /// The part its handshakes read.
    pub handshake: Arc<ServerSettings>,
    /// How to speak TLS, when it does.
    tls: Option<ServerTls>,
    listeners: Vec<Listener>,
    /// Where it listens; 0 when it has only Unix sockets.
    pub port: u16,
    /// Set from the beginning of its end on.
    pub drain: Option<Drain>,
    /// Figures, but for what is counted when asked.
    pub stats: ServerStats,
    /// Connections of whatever phase.
    pub sessions: u64,
    /// Where they come from.
    pub addresses: Addresses,
    /// Those whose handshake is not done, and some where it is, in the order in which they came.
    pub newcomers: VecDeque<(Id, Time)>,
    /// Which listener is asked first, so that none starves.
    turn: usize,
    /// On the list of what has input.
    pub in_ready: bool,
    /// Until then nothing is accepted.
    backed_off: Option<Time>,
    /// The timer entry that counts.
    pub scheduled: Time,
    /// The log was told that accepting fails.
    warned_of_errors: Occasion,
    /// And that a limit turns connections away.
    pub warned_of_limit: Occasion,
}

/// The port a server listens on.
pub fn port(owner: Loop, id: Id) -> Result<u16> {
    owner.with(|core| Ok(core.server(id).map_or(0, |server| server.port)))
}

/// Lets handshakes from now on show the certificates of these settings.
pub fn set_tls(owner: Loop, id: Id, settings: &Settings) -> Result<()> {
    owner.with(|core| {
        let Some(server) = core.server(id) else { return Ok(()) };
        let refused = |code, message| Err(Error::new(code, message));
        match (&server.tls, settings.tls.server()?) {
            (None, _) => refused(
                Code::State,
                "the server listens without TLS: give the options of wsock_listen a certificate",
            ),
            (_, None) => refused(
                Code::InvalidArgument,
                "the options have no certificate: add one with wsock_options_add_cert_files",
            ),
            (Some(last), Some(next)) => {
                server.tls = Some(next.succeeding(last));
                Ok(())
            }
        }
    })
}

/// Lets no new client in, and closes the open connections with `code`, spread over `grace_ms`. By the end
/// of that it does not listen any more. Closing again can only bring the end nearer.
pub fn close(owner: Loop, id: Id, grace_ms: u64, code: Option<u16>, reason: &str) -> Result<()> {
    let code = code.unwrap_or(close::GOING_AWAY);
    close::check_local(Role::Server, Some(code), reason)?;
    owner.with(|core| {
        core.close_server(id, grace_ms, code, reason);
        Ok(())
    })
}

/// Figures up to now.
pub fn stats(owner: Loop, id: Id) -> Result<ServerStats> {
    owner.with(|core| Ok(core.server_stats(id)))
}

impl ServerStats {
    fn add(&mut self, session: &Session) {
        let of_session = match &session.phase {
            Phase::Open(conn) => Some(conn.stats()),
            _ => session.last_stats(),
        };
        if let Some(s) = of_session {
            self.messages_received += s.messages_received;
            self.messages_sent += s.messages_sent;
            self.bytes_received += s.bytes_received;
            self.bytes_sent += s.bytes_sent;
            self.payload_received += s.payload_received;
            self.payload_sent += s.payload_sent;
            self.ended_control_rate += s.control_flood as u64;
            self.messages_dropped += s.dropped.messages;
            self.bytes_dropped += s.dropped.bytes;
        }
    }
}

impl Core {
    /// A server for these listeners, which are taken when that succeeds, and watched no longer when not.
    pub fn serve(
        &mut self,
        listeners: &mut Vec<Listener>,
        settings: &Settings,
        handler: Arc<dyn Handler>,
    ) -> Result<Id> {
        let failed =
            |e: io::Error| Error::os(Code::System, "cannot watch the listening socket", &e);
        let ports = listeners.iter().map(Listener::port).collect::<io::Result<Vec<u16>>>();
        let port = ports.map_err(failed)?.into_iter().find(|&port| port != 0).unwrap_or(0);
        let tls = settings.tls.server()?;
        let id = self.allocate(Kind::Server, state::OPEN)?;
        if let Ok(cell) = self.table().get(id) {
            cell.set_limits(MOST_WAITING, MOST_WAITING);
        }
        let watched = listeners.iter_mut().try_for_each(|listener| {
            self.register_listener(id, listener)?;
            listener.settle_in(&settings.socket)
        });
        if let Err(e) = watched {
            listeners.iter_mut().for_each(|listener| self.deregister(listener));
            self.table().remove(id);
            return Err(failed(e));
        }
        let shared = Shared::new(settings, &*handler);
        let server = Server {
            id,
            setup: Setup::new(handler.clone(), shared.clone(), Some(id)),
            handler,
            handshake: Arc::new(shared.server()),
            shared,
            tls,
            listeners: std::mem::take(listeners),
            port,
            drain: None,
            opened: None,
            stats: ServerStats::default(),
            sessions: 0,
            addresses: Addresses::default(),
            newcomers: VecDeque::new(),
            turn: 0,
            in_ready: false,
            backed_off: None,
            scheduled: NEVER,
            warned_of_errors: Occasion::default(),
            warned_of_limit: Occasion::default(),
        };
        self.insert(id, Entry::Server(Box::new(server)));
        self.note_server(id, INFO, || match port {
            0 => "listens".to_owned(),
            port => format!("listens on port {port}"),
        });
        Ok(id)
    }

    /// Figures of a server up to now.
    pub fn server_stats(&mut self, id: Id) -> ServerStats {
        self.return_run();
        let now = self.now;
        let mut stats = self.server(id).map(|server| server.stats).unwrap_or_default();
        if let Some(drain) = self.server(id).and_then(|server| server.drain.as_ref()) {
            stats.draining = true;
            stats.drain_closed = drain.told;
            stats.drain_remaining_ms = drain.remaining_ms(now);
        }
        for entry in self.entries.iter() {
            if let Entry::Session(session) = entry
                && session.setup.server == Some(id)
            {
                stats.add(session);
            }
        }
        stats
    }

    /// Accepts what waits, and tells how many that were. Readiness is told once, so what is left goes to the next
    /// turn.
    pub fn accept(&mut self, id: Id) -> usize {
        let now = self.now;
        for count in 0..ACCEPTS_PER_TURN {
            let Some(server) = self.server(id) else { return count };
            server.in_ready = false;
            if server.backed_off.is_some() {
                return count;
            }
            match server.accept() {
                Ok(Some((socket, address))) => self.welcome(id, socket, address),
                Ok(None) => return count,
                Err(e) if of_the_peer(&e) => {}
                Err(e) => {
                    server.stats.accept_errors += 1;
                    server.backed_off = Some(now.plus_ms(BACK_OFF_MS));
                    if server.warned_of_errors.take(now) {
                        self.note_server(id, ERROR, || {
                            format!("accepting failed and is put off for {BACK_OFF_MS} ms: {e}")
                        });
                    }
                    self.arm(id);
                    return count;
                }
            }
        }
        if let Some(server) = self.server(id) {
            server.in_ready = true;
            self.ready.push(Line::Strangers, id);
        }
        ACCEPTS_PER_TURN
    }

    /// Something of this server may be due.
    pub fn server_timed_out(&mut self, id: Id) {
        let now = self.now;
        let Some(server) = self.server(id) else { return };
        if server.backed_off.take_if(|until| *until <= now).is_some() {
            self.accept(id);
        }
        self.drain_step(id);
        self.arm(id);
    }

    fn welcome(&mut self, server_id: Id, mut socket: Socket, address: Address) {
        self.make_way(server_id);
        let Some(server) = self.server(server_id) else { return };
        let peer = Peer::of(&address);
        if !server.admits(peer.key(&server.shared.settings)) {
            // What cannot be read without a TLS handshake is not said.
            if server.tls.is_none() {
                turn_away(Stream::plain(socket));
            }
            self.note_turned_away(server_id, &peer.to_string());
            return;
        }
        let Ok(id) = self.allocate(Kind::Conn, state::CONNECTING | ACCEPTED) else { return };
        if self.register(id, 0, &mut socket).is_err() {
            self.table().remove(id);
            return;
        }
        self.seat(server_id, id, address, Stream::plain(socket));
    }

    /// A stream that is registered under this id becomes a session of the server.
    pub fn seat(&mut self, server_id: Id, id: Id, address: Address, mut stream: Stream) {
        let now = self.now;
        let Some(server) = self.server(server_id) else { return };
        let peer = Peer::of(&address);
        let key = peer.key(&server.shared.settings);
        server.stats.accepted += 1;
        server.stats.handshakes += 1;
        server.sessions += 1;
        if let Some(key) = key {
            server.addresses.add(key);
        }
        let settings = &server.shared.settings;
        let phase = preface::first_phase(settings, peer, &mut stream, server.tls.clone());
        let limit = settings.handshake_timeout_ms;
        let mut session = Session::new(id, server.setup.clone(), phase);
        session.details().deadline = (limit > 0).then(|| now.plus_ms(limit));
        session.peer = address;
        session.mark(Mark::Placed, key.is_some());
        session.stream = Some(stream);
        server.newcomers.push_back((id, now));
        self.insert(id, Entry::Session(session));
        self.note(id, DEBUG, SERVER, |_| "accepted".to_owned());
        self.dirty(id);
    }

    /// The handshake of an accepted session is over; `count` notes how in the figures of its server.
    pub fn count(&mut self, session_id: Id, count: impl FnOnce(&mut ServerStats)) {
        let Some(session) = self.session(session_id) else { return };
        let (first, server_id) = (!session.is(Mark::Counted), session.setup.server);
        session.mark(Mark::Counted, true);
        if let Some(server) = server_id.and_then(|id| self.server(id)) {
            server.stats.handshakes -= first as u64;
            count(&mut server.stats);
        }
    }

    /// A session of this server has been removed.
    pub fn session_gone(&mut self, server_id: Id, session: &Session) {
        if let Some(server) = self.server(server_id) {
            server.stats.add(session);
            server.stats.handshake_errors += !session.is(Mark::Counted) as u64;
            server.stats.tls_errors += session.failed_in_tls() as u64;
            server.stats.handshakes -= !session.is(Mark::Counted) as u64;
            server.stats.connections -= session.is(Mark::Announced) as u64;
            server.sessions -= 1;
            if let Some(key) = session.address() {
                server.addresses.remove(key);
            }
            // A grace ends with the last connection.
            if session.is(Mark::Announced) {
                self.drain_step(server_id);
            }
            self.end_server_if_empty(server_id);
        }
    }
}

impl Server {
    /// When it wants to be called next.
    pub fn next_timeout(&self) -> Option<Time> {
        let drain = self.drain.as_ref().and_then(|drain| drain.next_timeout());
        self.backed_off.into_iter().chain(drain).min()
    }

    /// The setup of a connection for which that was agreed on: the same as that of the last, if it was asked
    /// for alike.
    pub fn setup_for(&mut self, setup: &Setup, agreed: Agreed) -> Arc<Setup> {
        let alike = |last: &&Arc<Setup>| {
            last.agreed == agreed && Arc::ptr_eq(&last.handler, &setup.handler)
        };
        if let Some(last) = self.opened.as_ref().filter(alike) {
            return last.clone();
        }
        let opened = Arc::new(Setup { agreed, ..setup.clone() });
        // Not for ever: a handler that has been replaced is to be released with its last connection.
        if Arc::ptr_eq(&self.handler, &setup.handler) {
            self.opened = Some(opened.clone());
        }
        opened
    }

    /// Where its connections come from.
    pub fn listeners(&mut self) -> &mut Vec<Listener> {
        &mut self.listeners
    }

    /// Whoever knocks from here on is refused by the system.
    pub fn stop_listening(&mut self) {
        self.listeners.clear();
        self.backed_off = None;
    }

    /// The next connection, or `None` when no more wait.
    fn accept(&mut self) -> io::Result<Option<(Socket, Address)>> {
        for _ in 0..self.listeners.len() {
            self.turn = (self.turn + 1) % self.listeners.len();
            match self.listeners[self.turn].accept() {
                Ok(accepted) => return Ok(Some(accepted)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
        Ok(None)
    }
}

impl Session {
    /// What it is counted under in the server's table of addresses.
    pub fn address(&self) -> Option<AddressKey> {
        self.peer.ip().filter(|_| self.is(Mark::Placed)).and_then(AddressKey::new)
    }

    /// Its handshake ended because TLS did not come about.
    fn failed_in_tls(&self) -> bool {
        let error = match &self.phase {
            Phase::Over(closed) if !self.is(Mark::Counted) => closed.error.as_ref(),
            _ => None,
        };
        error.is_some_and(|error| matches!(error.code, Code::Tls | Code::Certificate))
    }
}

/// The peer gave up while it waited, or the network told of an error that belongs to that connection
/// alone (accept(2)); everything else is ours and would come again at once.
fn of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, HostUnreachable, Interrupted, NetworkDown};
    use io::ErrorKind::{ConnectionReset, NetworkUnreachable};
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionReset
            | HostUnreachable
            | NetworkUnreachable
            | NetworkDown
            | Interrupted
    ) || error.raw_os_error() == Some(libc::EPROTO)
}

#[cfg(test)]
mod tests;
