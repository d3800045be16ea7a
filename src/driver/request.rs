//! A request that the application is looking at, and what becomes of its answer.

use super::core::Core;
use super::deliver::{Delivery, What};
use super::entries::Entry;
use super::inbox::Command;
use super::log::HANDSHAKE;
use super::loops::{self, Loop};
use super::marks::Mark;
use super::session::{Head, Phase, state};
use super::setup::Agreed;
use crate::error::{Code, Error, Result};
use crate::proto::config::Role;
use crate::proto::conn::Connection;
use crate::proto::handshake::server::{Answer, Refusal, Request, http_response};
use crate::proto::http::check_application_header;
use crate::transport::tls::TlsInfo;
use crate::transport::{Address, Stream};
use crate::util::id::{Id, Kind};
use crate::util::journal::{DEBUG, INFO};
use crate::util::memory;
use crate::util::text::TextCache;

/// How long a peer may take to fetch the answer to a plain request.
const ANSWER_MS: u64 = 30_000;

/// What `on_request` returns when the answer will come with `answer`.
pub const LATER: i32 = -1;

/// Lives from the arrival of the request until it is answered.
pub struct Pending {
    /// Its handle.
    pub id: Id,
    /// Who asks.
    pub session: Id,
    /// What is asked.
    pub request: Request,
    /// Address of who asks.
    pub peer: Address,
    /// The encryption it came through.
    pub tls: Option<TlsInfo>,
    /// The subprotocol chosen so far.
    protocol: Option<String>,
    headers: Vec<(String, String)>,
    content_type: Option<String>,
    body: Vec<u8>,
    /// What was handed to C.
    pub texts: TextCache,
}

/// Reads or changes a request, inside its `on_request`.
pub fn with<R>(owner: Loop, id: Id, f: impl FnOnce(&mut Pending) -> Result<R>) -> Result<R> {
    owner.with(|core| {
        core.request(id).map(f).unwrap_or_else(|| {
            Err(Error::new(Code::InvalidHandle, "the request has been answered already"))
        })
    })
}

/// Answers a request after its `on_request` has returned, or when there is none. From any thread.
pub fn answer(id: Id, decision: i32) -> Result<()> {
    let (owner, cell) = loops::find_object(id)?;
    if decision != 0 && !(200..=599).contains(&decision) {
        return Err(Error::new(
            Code::InvalidArgument,
            format!("{decision} is no answer: use 0 to go on, or an HTTP status from 200 to 599"),
        ));
    }
    // Whoever comes second is told so, also while the first answer is on its way.
    if !cell.advance_state(id, state::CLOSED) {
        return Err(loops::stale(Kind::Request));
    }
    let direct = owner.try_with(|core| core.answer_request(id, decision));
    direct.unwrap_or_else(|| owner.push(Command::Answer(id, decision)))
}

impl Pending {
    /// Answers with this subprotocol, which the client must have offered.
    pub fn select_protocol(&mut self, protocol: Option<&str>) -> Result<()> {
        let Some(upgrade) = &self.request.upgrade else {
            return Err(Error::new(Code::State, "a plain HTTP request has no subprotocol"));
        };
        if let Some(protocol) = protocol.filter(|p| !upgrade.protocols.iter().any(|o| o == p)) {
            return Err(Error::new(
                Code::InvalidArgument,
                format!("the client did not offer the subprotocol \"{protocol}\""),
            ));
        }
        self.protocol = protocol.map(str::to_owned);
        Ok(())
    }

    /// Adds a header to the answer, whatever it will be.
    pub fn add_header(&mut self, name: &str, value: &str) -> Result<()> {
        check_application_header(name, value)?;
        self.headers.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    /// Sets the body of an answer other than an upgrade.
    pub fn set_body(&mut self, content_type: Option<&str>, body: &[u8]) -> Result<()> {
        if let Some(content_type) = content_type {
            check_application_header("Content-Type", content_type)?;
        }
        // It is copied again into the answer, behind its head.
        memory::must_have(2 * body.len())?;
        self.body = memory::copy(body)?;
        self.content_type = content_type.map(str::to_owned);
        Ok(())
    }
}

/// What a plain request gets from a server that speaks only WebSocket (RFC 9110 section 15.5.22).
fn upgrade_required() -> Refusal {
    let headers = vec![("Sec-WebSocket-Version".to_owned(), "13".to_owned())];
    Refusal { headers, ..Refusal::new(426, "this address speaks WebSocket") }
}

/// What a browser would have been given to get here. The target may also name the host (RFC 9112
/// section 3.2.2), so it is taken apart.
fn url(request: &Request, secure: bool) -> String {
    let scheme = if secure { "wss://" } else { "ws://" };
    let (host, path, query) = (request.host(), request.path(), request.query());
    let mark = if query.is_empty() { "" } else { "?" };
    [scheme, host, path, mark, query].concat()
}

impl Core {
    /// A request has arrived: refuses it, or gives it a handle for the application to look at, beside that
    /// of the server.
    pub fn receive_request(&mut self, session_id: Id, request: Request) -> Option<(Id, Id)> {
        if self.refuse_while_draining(session_id, &request) {
            return None;
        }
        let session = self.session(session_id)?;
        let (server_id, peer) = (session.setup.server?, session.peer.clone());
        let tls = session.stream.as_ref().and_then(Stream::tls);
        let server = self.server(server_id)?;
        let settings = server.handshake.clone();
        let mut protocol = None;
        if let Some(upgrade) = &request.upgrade {
            if let Err(refusal) = upgrade.check_origin(&settings.origins) {
                self.refuse(session_id, &refusal);
                return None;
            }
            protocol = upgrade.default_protocol(&settings).map(str::to_owned);
        }
        let Ok(id) = self.allocate(Kind::Request, state::OPEN) else {
            let refusal = Refusal::new(503, "the server is full");
            self.refuse(session_id, &refusal);
            return None;
        };
        let pending = Pending {
            id,
            session: session_id,
            request,
            peer,
            tls,
            protocol,
            headers: Vec::new(),
            content_type: None,
            body: Vec::new(),
            texts: TextCache::default(),
        };
        self.insert(id, Entry::Request(Box::new(pending)));
        Some((id, server_id))
    }

    /// Sends a refusal of the library's own and ends the exchange.
    pub fn refuse(&mut self, session_id: Id, refusal: &Refusal) {
        self.refuse_request(session_id, refusal, false);
    }

    /// The same; `head_only` when the method was HEAD.
    pub fn refuse_request(&mut self, session_id: Id, refusal: &Refusal, head_only: bool) {
        self.count(session_id, |stats| {
            stats.refused += 1;
            stats.refused_head += matches!(refusal.status, 414 | 431) as u64;
            stats.refused_slow += (refusal.status == 408) as u64;
            stats.refused_origin += (refusal.status == 403) as u64;
            stats.refused_version += (refusal.status == 426) as u64;
            stats.refused_draining += (refusal.status == 503) as u64;
        });
        self.note(session_id, INFO, HANDSHAKE, |_| {
            format!("refused with {}: {}", refusal.status, refusal.message)
        });
        self.answer(session_id, refusal.bytes(head_only));
    }

    fn answer(&mut self, session_id: Id, response: Vec<u8>) {
        let now = self.now;
        let server = self.session(session_id).and_then(|session| session.setup.server);
        let over = server.and_then(|id| self.server(id)?.drain.as_ref()).is_some_and(|d| d.over);
        if let Some(session) = self.session(session_id) {
            let limit =
                if over { session.setup.shared.settings.conn.close_timeout_ms } else { ANSWER_MS };
            let details = session.details();
            details.head = Head::new(response);
            details.deadline = Some(now.plus_ms(limit.min(ANSWER_MS)));
            session.mark(Mark::Writable, true);
            session.phase = Phase::Answered;
        }
        self.dirty(session_id);
    }

    /// The application has decided. True when the connection is open now.
    pub fn decide(&mut self, request_id: Id, decision: i32) -> bool {
        // It may have been answered by a call before on_request returned.
        if self.request(request_id).is_none() {
            return false;
        }
        let Entry::Request(pending) = self.remove(request_id) else { return false };
        let session_id = pending.session;
        let is_upgrade = pending.request.upgrade.is_some();
        // The session may have ended meanwhile.
        if !self.session(session_id).is_some_and(|session| session.is_asking()) {
            return false;
        }
        if is_upgrade && decision == 0 {
            // The application may also have begun to drain it.
            if self.refuse_while_draining(session_id, &pending.request) {
                return false;
            }
            self.open_accepted(*pending);
            return true;
        }
        let head_only = pending.request.method == "HEAD";
        self.count(session_id, |stats| match is_upgrade {
            true => {
                stats.refused += 1;
                stats.refused_application += 1;
            }
            false => stats.http_responses += 1,
        });
        let level = if is_upgrade { INFO } else { DEBUG };
        self.note(session_id, level, HANDSHAKE, |_| match decision {
            0 => "a plain request, answered 426".to_owned(),
            decision => format!("the application answered {decision}"),
        });
        let response = match decision {
            0 => upgrade_required().bytes(head_only),
            200..=599 => http_response(
                decision as u16,
                &pending.headers,
                pending.content_type.as_deref(),
                &pending.body,
                head_only,
            ),
            _ => Refusal::new(500, "the application gave no valid answer").bytes(head_only),
        };
        self.answer(session_id, response);
        false
    }

    /// What the application is told of a request: itself when somebody may decide on it, and else, when it
    /// is for a WebSocket, that this is open now. So a busy application keeps nobody waiting for nothing.
    pub fn unless_decided(&mut self, session: Id, request: Id, server: Id) -> Option<What> {
        let asker = self.session(session)?;
        if asker.setup.handler.decides() || asker.setup.shared.settings.ask {
            return Some(What::Request(request, server));
        }
        self.decide(request, 0).then_some(What::Open)
    }

    /// Whether whoever asked is still there.
    pub fn awaits_answer(&mut self, request_id: Id) -> bool {
        let asker = self.request(request_id).map(|pending| pending.session);
        asker.and_then(|id| self.session(id)).is_some_and(|session| session.is_asking())
    }

    /// See `answer`. Nothing is opened or told inside the call that leads to it.
    pub fn answer_request(&mut self, request_id: Id, decision: i32) -> Result<()> {
        let waits = self.awaits_answer(request_id);
        let Some(session) = self.request(request_id).map(|pending| pending.session) else {
            return Err(loops::stale(Kind::Request));
        };
        if self.decide(request_id, decision) {
            self.queue(Delivery { id: session, what: What::Open });
        }
        match waits {
            true => Ok(()),
            false => Err(Error::new(Code::State, "who asked has gone")),
        }
    }

    fn open_accepted(&mut self, pending: Pending) {
        let now = self.now;
        self.count(pending.session, |stats| {
            stats.opened += 1;
            stats.connections += 1;
        });
        let Some(session) = self.session(pending.session) else { return };
        let Some(server_id) = session.setup.server else { return };
        let Some(server) = self.server(server_id) else { return };
        let settings = server.handshake.clone();
        let Pending { request, protocol, headers, session: session_id, .. } = pending;
        let Some(upgrade) = &request.upgrade else { return };
        let accepted = upgrade.accept(&settings, &Answer { protocol, headers });
        let Some(session) = self.session(session_id) else { return };
        let details = session.details();
        details.head = Head::new(accepted.response);
        let secure = session.stream.as_ref().is_some_and(Stream::is_secure);
        let url = url(&request, secure);
        let protocol = accepted.protocol.unwrap_or_default();
        let agreed = Agreed::new(&url, &protocol, &accepted.extensions);
        session.details().headers = Some(request.headers);
        let setup = session.setup.clone();
        let Some(server) = self.server(server_id) else { return };
        let setup = server.setup_for(&setup, agreed);
        let Some(session) = self.session(session_id) else { return };
        session.setup = setup;
        let conn =
            Connection::new(Role::Server, session.setup.shared.conn.clone(), accepted.deflate, now);
        session.open(conn);
        self.opened(session_id);
        // The first messages may have come while the answer was waited for.
        self.make_ready(session_id);
    }
}

#[cfg(all(test, feature = "tls"))]
mod tests {
    use std::any::Any;
    use std::io::IoSlice;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::driver::handler::Handler;
    use crate::driver::settings::Settings;
    use crate::driver::{listen, loops, turn};
    use crate::transport::tls::{TlsSettings, fixtures};
    use crate::transport::{Received, Socket};

    /// Answers with so many bytes.
    struct Answers(Loop, AtomicUsize);

    impl Handler for Answers {
        fn on_request(&self, _: Id, request: Id) -> i32 {
            let body = vec![b'x'; self.1.load(Ordering::Relaxed)];
            with(self.0, request, |pending| pending.set_body(None, &body)).unwrap();
            200
        }
        fn as_any(&self) -> &dyn Any {
            self
        }
    }

    #[test]
    fn an_answer_that_tls_still_holds_outlives_the_end_of_the_request() {
        let place = loops::find(loops::create().unwrap()).unwrap();
        let answers = Arc::new(Answers(place, AtomicUsize::new(0)));
        let own = fixtures::ca().issue(&["a.example"]);
        let mut settings = Settings::default();
        settings.tls.add_identity_pem(&own.pem, &own.key_pem).unwrap();
        let path = std::env::temp_dir().join(format!("wsock-answer-{}", std::process::id()));
        let host = format!("unix:{}", path.display());
        listen::listen(place, &host, 0, &settings, answers.clone()).unwrap();
        let mut any = TlsSettings::default();
        any.set_accept_any_certificate(true);
        let poll = || {
            turn::poll(place, Some(Duration::ZERO)).unwrap();
        };
        let mut buffer = vec![0; Stream::LEAST_BUFFER];

        // Longer and longer, until the last of it is what the socket does not take.
        let stuck = (1..100).any(|n| {
            let length = n * 16 * 1024;
            answers.1.store(length, Ordering::Relaxed);
            let socket = UnixStream::connect(&path).unwrap();
            socket.set_nonblocking(true).unwrap();
            let socket = Socket::Unix(mio::net::UnixStream::from_std(socket));
            let mut client = Stream::plain(socket);
            client.start_tls_client(&any.client().unwrap(), "a.example").unwrap();
            while !client.takes_bytes() || client.has_output() {
                client.write(&[]).unwrap();
                poll();
                client.read(&mut buffer).unwrap();
            }
            client.write(&[IoSlice::new(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")]).unwrap();
            (0..5).for_each(|_| poll());
            let held = place.with(|core| {
                let answered = core.sessions_where(|session| {
                    let held = session.stream.as_ref().is_some_and(Stream::has_output);
                    matches!(session.phase, Phase::Answered) && session.head().is_none() && held
                });
                Ok(!answered.is_empty())
            });
            client.end_writing();
            (0..5).for_each(|_| poll());
            let mut came = 0;
            loop {
                match client.read(&mut buffer).unwrap() {
                    Received::Bytes { count, .. } => came += count,
                    Received::Nothing => poll(),
                    Received::End => break,
                }
            }
            assert!(came > length, "{came} of {length}");
            held.unwrap()
        });
        assert!(stuck, "the socket took everything");
        turn::free(place).unwrap();
    }
}
