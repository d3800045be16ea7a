//! A listener: accepting, counting, and ending all at once.

use std::io;
use std::sync::Arc;

use super::core::{Core, Entry};
use super::handler::Handler;
use super::loops::Loop;
use super::preface;
use super::session::{Phase, Session, state};
use super::settings::{Settings, Shared};
use crate::error::{Code, Error, Result};
use crate::proto::close;
use crate::proto::config::Role;
use crate::proto::handshake::server::ServerSettings;
use crate::transport::{Listener, Stream};
use crate::util::id::{Id, Kind};
use crate::util::table::ACCEPTED;

/// Connections accepted in one turn, so that a crowd at the door does not starve those inside.
const ACCEPTS_PER_TURN: usize = 256;
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
}

/// One listener and what its connections share.
pub struct Server {
    /// Its handle.
    pub id: Id,
    /// Who hears of its requests and connections.
    pub handler: Arc<dyn Handler>,
    /// How it was set up.
    pub shared: Arc<Shared>,
    /// The part its handshakes read.
    pub handshake: Arc<ServerSettings>,
    listeners: Vec<Listener>,
    /// Where it listens; 0 for a Unix socket.
    pub port: u16,
    /// Accepts no more and ends with its last connection.
    pub closing: bool,
    /// Figures, but for what is counted when asked.
    pub stats: ServerStats,
    sessions: usize,
    /// Which listener is asked first, so that none starves.
    turn: usize,
    /// On the list of what has input.
    pub in_ready: bool,
    /// Until a timer fires nothing is accepted.
    backed_off: bool,
}

/// The port a server listens on.
pub fn port(owner: Loop, id: Id) -> Result<u16> {
    owner.with(|core| Ok(core.server(id).map_or(0, |server| server.port)))
}

/// Stops listening, closes every open connection with `code` and drops unfinished handshakes.
pub fn close(owner: Loop, id: Id, code: Option<u16>, reason: &str) -> Result<()> {
    close::check_local(Role::Server, code, reason)?;
    owner.with(|core| {
        core.close_server(id, code, reason);
        Ok(())
    })
}

/// Figures up to now.
pub fn stats(owner: Loop, id: Id) -> Result<ServerStats> {
    owner.with(|core| {
        let live = core.sessions_where(|session| session.server == Some(id));
        let mut stats = core.server(id).map(|server| server.stats).unwrap_or_default();
        for session in live {
            let Some(session) = core.session(session) else { continue };
            match &session.phase {
                Phase::Open(_) | Phase::Over(_) => stats.connections += 1,
                Phase::Preface(_) | Phase::ServerHandshake(_) => stats.handshakes += 1,
                _ => {}
            }
            stats.add(session);
        }
        Ok(stats)
    })
}

impl ServerStats {
    fn add(&mut self, session: &Session) {
        let of_session = match &session.phase {
            Phase::Open(conn) => Some(conn.stats()),
            _ => session.details.stats,
        };
        if let Some(s) = of_session {
            self.messages_received += s.messages_received;
            self.messages_sent += s.messages_sent;
            self.bytes_received += s.bytes_received;
            self.bytes_sent += s.bytes_sent;
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
        let port = listeners[0].port().map_err(failed)?;
        let id = self.allocate(Kind::Server, state::OPEN)?;
        let watched = listeners.iter_mut().try_for_each(|listener| {
            self.register_listener(id, listener)?;
            listener.settle_in(&settings.socket)
        });
        if let Err(e) = watched {
            listeners.iter_mut().for_each(|listener| self.deregister(listener));
            self.table().remove(id);
            return Err(failed(e));
        }
        let shared = Shared::new(settings);
        let server = Server {
            id,
            handler,
            handshake: Arc::new(shared.server()),
            shared,
            listeners: std::mem::take(listeners),
            port,
            closing: false,
            stats: ServerStats::default(),
            sessions: 0,
            turn: 0,
            in_ready: false,
            backed_off: false,
        };
        self.insert(id, Entry::Server(Box::new(server)));
        Ok(id)
    }

    /// Accepts what waits. Readiness is told once, so what is left goes to the next turn.
    pub fn accept(&mut self, id: Id) {
        let now = self.now;
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(server) = self.server(id) else { return };
            server.in_ready = false;
            if server.backed_off {
                return;
            }
            match server.accept() {
                Ok(Some(stream)) => self.welcome(id, stream),
                Ok(None) => return,
                Err(e) if of_the_peer(&e) => {}
                Err(_) => {
                    server.stats.accept_errors += 1;
                    server.backed_off = true;
                    let mut unscheduled = super::timers::NEVER;
                    self.timers.arm(id, Some(now.plus_ms(BACK_OFF_MS)), &mut unscheduled);
                    return;
                }
            }
        }
        if let Some(server) = self.server(id) {
            server.in_ready = true;
            self.ready.push_back(id);
        }
    }

    /// The back-off of a server is over.
    pub fn accept_again(&mut self, id: Id) {
        if self.server(id).is_some_and(|server| std::mem::take(&mut server.backed_off)) {
            self.accept(id);
        }
    }

    fn welcome(&mut self, server_id: Id, mut stream: Stream) {
        let Ok(id) = self.allocate(Kind::Conn, state::CONNECTING | ACCEPTED) else { return };
        if self.register(id, 0, stream.socket_mut()).is_err() {
            self.table().remove(id);
            return;
        }
        self.seat(server_id, id, stream);
    }

    /// A stream that is registered under this id becomes a session of the server.
    pub fn seat(&mut self, server_id: Id, id: Id, stream: Stream) {
        let now = self.now;
        let Some(server) = self.server(server_id) else { return };
        server.stats.accepted += 1;
        server.sessions += 1;
        let shared = server.shared.clone();
        let phase = preface::first_phase(&shared.settings, stream.socket());
        let mut session = Session::new(id, server.handler.clone(), shared, phase);
        let limit = session.shared.settings.handshake_timeout_ms;
        session.deadline = (limit > 0).then(|| now.plus_ms(limit));
        session.details.peer = stream.socket().peer_address();
        session.server = Some(server_id);
        session.stream = Some(stream);
        self.insert(id, Entry::Session(Box::new(session)));
        self.arm(id);
    }

    /// Counts something in the figures of the server that accepted the session.
    pub fn count(&mut self, session_id: Id, count: impl FnOnce(&mut ServerStats)) {
        let server_id = self.session(session_id).and_then(|session| {
            session.counted = true;
            session.server
        });
        if let Some(server) = server_id.and_then(|id| self.server(id)) {
            count(&mut server.stats);
        }
    }

    /// A session of this server has been removed.
    pub fn session_gone(&mut self, server_id: Id, session: &Session) {
        if let Some(server) = self.server(server_id) {
            server.stats.add(session);
            server.stats.handshake_errors += !(session.announced || session.counted) as u64;
            server.sessions -= 1;
            self.end_server_if_empty(server_id);
        }
    }

    /// See [`close()`].
    pub fn close_server(&mut self, id: Id, code: Option<u16>, reason: &str) {
        let now = self.now;
        let Some(server) = self.server(id) else { return };
        server.closing = true;
        server.listeners.clear();
        let soon = now.plus_ms(server.shared.settings.conn.close_timeout_ms);
        for session_id in self.sessions_where(|session| session.server == Some(id)) {
            match self.session(session_id) {
                Some(session) if matches!(session.phase, Phase::Answered) => {
                    session.deadline = session.deadline.map(|at| at.min(soon));
                    self.arm(session_id);
                }
                _ => self.close(session_id, code, reason),
            }
        }
        self.end_server_if_empty(id);
    }

    fn end_server_if_empty(&mut self, id: Id) {
        if self.server(id).is_some_and(|server| server.closing && server.sessions == 0)
            && let Entry::Server(server) = self.remove(id)
        {
            self.ended.push(server.handler);
        }
    }
}

impl Server {
    /// The next connection, or `None` when no more wait.
    fn accept(&mut self) -> io::Result<Option<Stream>> {
        for _ in 0..self.listeners.len() {
            self.turn = (self.turn + 1) % self.listeners.len();
            match self.listeners[self.turn].accept() {
                Ok(socket) => return Ok(Some(Stream::plain(socket))),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
        Ok(None)
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
