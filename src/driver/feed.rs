//! From bytes to callbacks: reads a socket, feeds the handshake or the connection, and calls the
//! application for each event with nothing borrowed.

use std::net::IpAddr;
use std::sync::Arc;

use super::core::{Core, RECEIVE_BUFFER};
use super::handler::Handler;
use super::loops::Entered;
use super::measure;
use super::session::Phase;
use crate::error::{Code, Error, Result};
use crate::proto::event::{Event, Payload};
use crate::proto::handshake::client::ClientOutcome;
use crate::proto::handshake::server::{Refusal, Request};
use crate::transport::Received;
use crate::util::id::Id;

/// Bytes taken from one socket before the others have their turn.
const BYTES_PER_TURN: usize = RECEIVE_BUFFER;

/// What reading came to.
enum Read {
    /// So many bytes are in the buffer.
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// End of the stream, or an error of the socket, has been told to the session.
    End,
}

/// What the protocol made of some bytes.
enum Found {
    /// Nothing for the application yet.
    Nothing,
    Event(Event),
    // Once in the life of a connection; boxed so that events move few bytes.
    Request(Box<Request>),
    Refusal(Box<Refusal>),
    Client(Box<ClientOutcome>),
    /// The proxy has made way.
    Passage,
    /// A load balancer has told who the client is.
    Address(IpAddr),
}

/// One step of a session.
struct Step {
    consumed: usize,
    found: Found,
    /// Who hears of it, if that has changed since the last step.
    handler: Option<Arc<dyn Handler>>,
}

/// Reads what the socket has and handles it, up to a turn's share.
pub fn serve(entered: &Entered, id: Id, buffer: &mut [u8]) -> Result<()> {
    let mut budget = BYTES_PER_TURN;
    loop {
        let (held, read) = entered.with(|core| {
            let held = core.take_held(id);
            let read = if held.is_some() { Read::Nothing } else { core.read(id, buffer) };
            Ok((held, read))
        })?;
        if let Some(mut held) = held {
            feed(entered, id, &mut held)?;
            continue;
        }
        match read {
            Read::Bytes(count) => {
                feed(entered, id, &mut buffer[..count])?;
                budget = budget.saturating_sub(count);
            }
            Read::Nothing => return Ok(()),
            Read::End => return at_end(entered, id),
        }
        if budget == 0 {
            // The edge will not come again.
            return entered.with(|core| {
                if core.session(id).is_some_and(|session| session.readable) {
                    core.make_ready(id);
                }
                Ok(())
            });
        }
    }
}

/// Handles all of `input`, event by event.
fn feed(entered: &Entered, id: Id, input: &mut [u8]) -> Result<()> {
    let mut at = 0;
    let mut spent: Option<Vec<u8>> = None;
    let mut handler: Option<Arc<dyn Handler>> = None;
    loop {
        let next = entered.with(|core| {
            if let Some(spent) = spent.take() {
                core.cx.pool.put(spent);
            }
            Ok(core.step(id, &mut input[at..], handler.as_ref()))
        })?;
        let Some(step) = next else { return Ok(()) };
        if step.handler.is_some() {
            handler = step.handler;
        }
        let Some(handler) = &handler else { return Ok(()) };
        let rest = &input[at..];
        at += step.consumed;
        match step.found {
            Found::Nothing if step.consumed == 0 || at == input.len() => return Ok(()),
            Found::Nothing => {}
            Found::Event(event) => {
                spent = deliver(&**handler, id, event, rest);
                if at == input.len() && spent.is_none() {
                    return Ok(());
                }
            }
            Found::Request(request) => ask(entered, id, *request)?,
            Found::Refusal(refusal) => entered.with(|core| {
                core.refuse(id, &refusal);
                Ok(())
            })?,
            Found::Address(ip) => entered.with(|core| {
                core.meet(id, ip);
                Ok(())
            })?,
            Found::Passage => {
                let rest = &input[at..];
                return entered.with(|core| {
                    core.passed(id, rest);
                    Ok(())
                });
            }
            Found::Client(outcome) => {
                if entered.with(|core| Ok(core.client_handshake_over(id, *outcome)))? {
                    announce(entered, id)?;
                }
            }
        }
    }
}

/// Calls the application for one event. Gives back a buffer that is done with.
fn deliver(handler: &dyn Handler, id: Id, event: Event, input: &[u8]) -> Option<Vec<u8>> {
    let payload = measure::timed(id, || match event {
        Event::Message { kind, payload } => {
            handler.on_message(id, kind, payload.bytes(input));
            payload
        }
        Event::Ping(payload) => {
            handler.on_ping(id, payload.bytes(input));
            payload
        }
        Event::Pong(payload) => {
            handler.on_pong(id, payload.bytes(input));
            payload
        }
    });
    match payload {
        Payload::Owned(buffer) => Some(buffer),
        Payload::Input(_) => None,
    }
}

/// Lets the application decide on a request.
fn ask(entered: &Entered, id: Id, request: Request) -> Result<()> {
    let asked = entered.with(|core| {
        let Some(request_id) = core.receive_request(id, request) else { return Ok(None) };
        core.callbacks += 1;
        Ok(core
            .session(id)
            .and_then(|session| Some((request_id, session.server?, session.handler.clone()))))
    })?;
    let Some((request_id, server_id, handler)) = asked else { return Ok(()) };
    let decision = measure::timed(id, || handler.on_request(server_id, request_id));
    drop(handler);
    if entered.with(|core| Ok(core.decide(request_id, decision)))? {
        announce(entered, id)?;
    }
    Ok(())
}

/// `on_open`, after which the headers of the handshake are let go.
fn announce(entered: &Entered, id: Id) -> Result<()> {
    entered.count_callback()?;
    let Some(handler) = entered.with(|core| Ok(core.handler(id)))? else { return Ok(()) };
    measure::timed(id, || handler.on_open(id));
    drop(handler);
    entered.with(|core| {
        core.send_waiting(id);
        if let Some(session) = core.session(id) {
            session.details.headers = None;
        }
        Ok(())
    })
}

/// The stream has ended; a client's handshake may have an outcome from that.
fn at_end(entered: &Entered, id: Id) -> Result<()> {
    entered.with(|core| {
        core.stream_ended(id);
        Ok(())
    })
}

impl Entered {
    fn count_callback(&self) -> Result<()> {
        self.with(|core| {
            core.callbacks += 1;
            Ok(())
        })
    }
}

impl Core {
    /// Who hears of that session.
    pub fn handler(&mut self, id: Id) -> Option<Arc<dyn Handler>> {
        self.session(id).map(|session| session.handler.clone())
    }

    /// Input that was held back while reading was paused, once it no longer is.
    fn take_held(&mut self, id: Id) -> Option<Vec<u8>> {
        let session = self.session(id)?;
        (!session.pauses() && !session.held.is_empty()).then(|| std::mem::take(&mut session.held))
    }

    fn read(&mut self, id: Id, buffer: &mut [u8]) -> Read {
        let Some(session) = self.session(id) else { return Read::Nothing };
        if !session.readable || session.pauses() {
            return Read::Nothing;
        }
        let read = self.contain(id, |session, _, _| match &mut session.stream {
            Some(stream) => stream.read(buffer),
            None => Ok(Received::Nothing),
        });
        let Some(session) = self.session(id) else { return Read::Nothing };
        match read {
            Ok(Received::End) => Read::End,
            Ok(Received::Bytes { count, more }) => {
                #[cfg(feature = "test-panic")]
                provoke(&buffer[..count], "panic in the loop");
                // When nothing more is there now, the end of the stream may be what comes next.
                session.readable = more || session.hung_up;
                Read::Bytes(count)
            }
            Ok(Received::Nothing) => {
                session.readable = false;
                // Sending failed and nothing is left to read: that was the end.
                if session.lost.is_some() { Read::End } else { Read::Nothing }
            }
            Err(error) => {
                // What the peer complained of before it went says more than that sending failed.
                match error.code {
                    Code::Tls | Code::Certificate => session.lost = Some(error),
                    _ => drop(session.lost.get_or_insert(error)),
                }
                Read::End
            }
        }
    }

    /// Gives the protocol the next bytes. `None` when there is nobody to give them to.
    fn step(&mut self, id: Id, input: &mut [u8], known: Option<&Arc<dyn Handler>>) -> Option<Step> {
        let session = self.session(id)?;
        if session.pauses() {
            session.held.extend_from_slice(input);
            return None;
        }
        let same = known.is_some_and(|known| Arc::ptr_eq(known, &session.handler));
        let handler = (!same).then(|| session.handler.clone());
        let untouched = !session.in_dirty;
        let stepped = self.contain(id, |session, cx, now| {
            #[cfg(feature = "test-panic")]
            provoke(input, "panic in the connection");
            Ok(match &mut session.phase {
                Phase::Open(conn) => {
                    let step = conn.recv(cx, now, input);
                    (step.consumed, step.event.map_or(Found::Nothing, Found::Event))
                }
                Phase::Preface(_) => {
                    let (used, client) = session.recv_preface(input);
                    (used, client.map_or(Found::Nothing, Found::Address))
                }
                Phase::ServerHandshake(handshake) => {
                    let rate = session.shared.settings.limits.min_handshake_rate;
                    if rate > 0 {
                        handshake.keep_pace(now, input.len(), rate);
                    }
                    match handshake.recv(input) {
                        (used, None) => (used, Found::Nothing),
                        (used, Some(Ok(request))) => (used, Found::Request(Box::new(request))),
                        (used, Some(Err(refusal))) => (used, Found::Refusal(Box::new(refusal))),
                    }
                }
                Phase::ClientHandshake(handshake) => match handshake.recv(input) {
                    (used, None) => (used, Found::Nothing),
                    (used, Some(outcome)) => (used, Found::Client(Box::new(outcome))),
                },
                Phase::Tunnel(tunnel) => {
                    let (used, end) = tunnel.recv(input);
                    session.head.push(&tunnel.output());
                    match end {
                        Some(Ok(())) => (used, Found::Passage),
                        Some(Err(error)) => {
                            session.fail(error);
                            (used, Found::Nothing)
                        }
                        None => (used, Found::Nothing),
                    }
                }
                Phase::Waiting | Phase::Answered | Phase::Over(_) | Phase::Dialing(_) => {
                    (input.len(), Found::Nothing)
                }
            })
        });
        if untouched {
            self.dirty(id);
        }
        let (consumed, found) = stepped.ok()?;
        self.callbacks += matches!(found, Found::Event(_)) as u32;
        Some(Step { consumed, found, handler })
    }

    /// End of the stream, or its loss.
    fn stream_ended(&mut self, id: Id) {
        let Some((session, _, now)) = self.session_and_context(id) else { return };
        session.readable = false;
        let sending = session.is_sending();
        let mut lost = session.lost.take();
        if let Phase::ClientHandshake(handshake) = &session.phase
            && handshake.in_body()
        {
            // The server has refused already; how it ends after that adds nothing.
            lost = None;
        }
        match (&mut session.phase, lost) {
            (Phase::Open(conn), Some(error)) => conn.transport_lost(error),
            (Phase::Open(conn), None) => conn.recv_eof(now),
            (Phase::ClientHandshake(handshake), None) => {
                let outcome = handshake.recv_eof();
                self.client_handshake_over(id, outcome);
            }
            (Phase::Tunnel(tunnel), lost) => {
                let error = lost.map_or_else(|| tunnel.recv_eof(), lost_proxy);
                session.fail(error);
            }
            // A client that has closed its side still wants its answer.
            (Phase::Answered, None) if sending => session.hung_up = false,
            (_, lost) => session.fail(lost.unwrap_or_else(hung_up)),
        }
        self.dirty(id);
    }
}

fn hung_up() -> Error {
    Error::new(Code::ConnectionLost, "the peer closed the connection during the handshake")
}

fn lost_proxy(error: Error) -> Error {
    let message = format!("the proxy went away: {}", error.message).into();
    Error { code: Code::Proxy, message, ..error }
}

/// Lets a test prove how far a panic goes: inside `contain` it ends one connection, outside one loop.
#[cfg(feature = "test-panic")]
fn provoke(input: &[u8], word: &str) {
    if input.windows(word.len()).any(|window| window == word.as_bytes()) {
        panic!("asked for by a test");
    }
}
