//! From bytes to events: feeds what was read to the handshake or the connection, and has the application
//! told of each event.

mod reading;

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

pub use self::reading::FIRST_READ;
use self::reading::Read;
use super::core::Core;
use super::deliver::{self, Delivery, Held, Input, What};
use super::handler::Handler;
use super::loops::Entered;
use super::marks::Mark;
use super::ready::{Line, SHARE, VISIT};
use super::retain::{Current, Source};
use super::run::{self, Teller};
use super::session::Phase;
use crate::error::{Code, Error, Result};
use crate::proto::context::FRAME;
use crate::proto::event::{Event, Payload};
use crate::proto::handshake::client::ClientOutcome;
use crate::proto::handshake::server::{Refusal, Request};
use crate::transport::Stream;
use crate::util::id::Id;
use crate::util::memory;

/// Bytes that go straight into a message count this much less. They need no callbacks, and a message that
/// is received at one go is still in the processor's cache when it is whole.
const DIRECT_COUNTS: usize = 4;

/// What the protocol made of some bytes.
enum Found {
    /// Nothing for the application yet, or nothing that it is told now.
    Nothing,
    /// A message, a ping or a pong, which the application is told now.
    Input,
    // Once in the life of a connection; boxed so that steps move few bytes.
    Request(Box<Request>),
    Refusal(Box<Refusal>),
    Client(Box<ClientOutcome>),
    /// The proxy has made way.
    Passage,
    /// A load balancer has told who the client is.
    Address(Box<IpAddr>),
}

/// What steps leave for whoever tells the application. Written in place, not returned: moved through
/// several results, with every message, it costs more than the protocol does.
#[derive(Default)]
struct Told {
    /// With [`Found::Input`]: what it is, and where.
    input: Option<(Input, Source)>,
    /// Who hears of it.
    handler: Option<Arc<dyn Handler>>,
}

/// Reads what the socket has and handles it, up to a turn's share. Tells what that has cost.
pub fn serve(entered: &Entered, id: Id, line: Line, teller: &mut Teller) -> Result<usize> {
    let (mut read, mut cost) = entered.with(|core| {
        core.serving = Some(id);
        (core.cx.work, core.cx.enough) = (0, line.share());
        let mut cost = if line == Line::Open { 0 } else { core.visit_cost(id) };
        let mut read = core.next_input(id);
        // Nobody is called in between, so there is no need to let go of the core.
        while core.queueing
            && let Read::Bytes(chunk, 0) = &mut read
        {
            let at = core.queue_runs(id, chunk.clone());
            cost += at - chunk.start;
            chunk.start = at;
            if at < chunk.end {
                break;
            }
            read = core.go_on_reading(id, cost);
        }
        Ok((read, cost))
    })?;
    while let Read::Bytes(chunk, direct) = read {
        cost += chunk.len() + direct / DIRECT_COUNTS;
        feed(entered, id, chunk, direct > 0, teller)?;
        read = entered.with(|core| Ok(core.go_on_reading(id, cost)))?;
    }
    // Of that line all are served, whatever it costs.
    if line == Line::Open { Ok(0) } else { entered.with(|core| Ok(cost + core.cx.work)) }
}

/// Handles a chunk of the arena: whole messages as long as they come, and everything else event by event.
/// Before it comes what has `arrived` in a message already.
fn feed(
    entered: &Entered,
    id: Id,
    chunk: Range<usize>,
    arrived: bool,
    teller: &mut Teller,
) -> Result<()> {
    let mut at = chunk.start;
    if !arrived {
        at = run::tell(entered, id, chunk.clone(), teller)?;
        if at == chunk.end {
            return Ok(());
        }
    }
    feed_steps(entered, id, at..chunk.end, teller)
}

/// The same for what begins with something else than a whole message.
#[inline(never)] // what most messages do not need is not in their way
fn feed_steps(entered: &Entered, id: Id, chunk: Range<usize>, teller: &mut Teller) -> Result<()> {
    let mut at = chunk.start;
    let mut spent: Option<Arc<Vec<u8>>> = None;
    let mut told = Told::default();
    loop {
        let next = entered.with(|core| {
            core.done_with(spent.take());
            core.arena.look(&mut teller.window);
            Ok(core.step(id, at..chunk.end, &mut told))
        })?;
        let Some((consumed, found)) = next else { return Ok(()) };
        at += consumed;
        match found {
            Found::Nothing if consumed == 0 || at == chunk.end => return Ok(()),
            Found::Nothing => {}
            Found::Input => {
                let (Some(handler), Some((input, source))) = (&told.handler, &told.input) else {
                    return Ok(());
                };
                match source {
                    Source::Range(range) => {
                        let Some(window) = &teller.window else { return Ok(()) };
                        window.show(range.clone(), |bytes| {
                            deliver::call_input(&**handler, entered.measure(), id, *input, bytes);
                        });
                        if at == chunk.end {
                            return Ok(());
                        }
                    }
                    Source::Held(held) => {
                        let bytes = held.as_ref();
                        deliver::call_input(&**handler, entered.measure(), id, *input, bytes);
                        if let Some((_, Source::Held(Held::Whole(bytes)))) = told.input.take() {
                            spent = Some(bytes);
                        }
                    }
                }
            }
            Found::Request(request) => {
                let asked = entered.with(|core| {
                    let asked = core.receive_request(id, *request);
                    Ok(asked.and_then(|(request, server)| core.unless_decided(id, request, server)))
                })?;
                if let Some(what) = asked {
                    deliver::tell(entered, id, what)?;
                    // It may have been answered by a call from inside.
                    deliver::tell_opened(entered)?;
                }
            }
            Found::Refusal(refusal) => entered.with(|core| {
                core.refuse(id, &refusal);
                Ok(())
            })?,
            Found::Address(ip) => entered.with(|core| {
                core.meet(id, *ip);
                Ok(())
            })?,
            Found::Passage => {
                return entered.with(|core| {
                    match memory::copy(core.arena.write(at..chunk.end)) {
                        Ok(rest) => core.passed(id, &rest),
                        Err(error) => core.fail(id, error),
                    }
                    Ok(())
                });
            }
            Found::Client(outcome) => {
                if entered.with(|core| Ok(core.client_handshake_over(id, *outcome)))? {
                    deliver::tell(entered, id, What::Open)?;
                }
            }
        }
        if spent.is_none() {
            at = run::tell(entered, id, at..chunk.end, teller)?;
            if at == chunk.end {
                return Ok(());
            }
        }
    }
}

impl Core {
    /// What it costs to look at a session, beside what it says.
    fn visit_cost(&mut self, id: Id) -> usize {
        let Some(session) = self.session(id) else { return 0 };
        match session.phase {
            // The public key operations of a handshake are as dear as a whole share.
            _ if session.stream.as_ref().is_some_and(Stream::is_handshaking) => SHARE,
            Phase::Open(_) => 0,
            _ => VISIT,
        }
    }

    /// Gives the protocol the next bytes. `None` when there is nobody to give them to. Events that are
    /// queued are dealt with in here, all of them in one step.
    fn step(&mut self, id: Id, rest: Range<usize>, told: &mut Told) -> Option<(usize, Found)> {
        let session = self.session(id)?;
        let untouched = !session.is(Mark::InDirty);
        if !told.handler.as_ref().is_some_and(|known| Arc::ptr_eq(known, &session.setup.handler)) {
            let last = told.handler.replace(session.setup.handler.clone());
            // Its release may call anything.
            self.trash.extend(last.map(|handler| handler as _));
        }
        let mut arena = std::mem::take(&mut self.arena);
        let mut at = rest.start;
        self.more_of = None;
        let found = loop {
            let enough = self.cx.is_tired() || self.queueing && self.has_enough(id);
            let Some(session) = self.session(id) else { break None };
            if enough || session.pauses() {
                if let Err(error) = session.details().held.put_back(arena.write(at..rest.end)) {
                    session.fail(error);
                }
                break None;
            }
            let mut event = None;
            let input = arena.write(at..rest.end);
            let Ok((used, found)) = self.protocol(id, input, &mut event) else { break None };
            let start = at;
            at += used;
            let Some(event) = event else { break Some(found) };
            let (input, source) = located(event, start);
            self.cx.work += match &source {
                Source::Held(Held::Whole(bytes)) => FRAME + bytes.len(),
                _ => FRAME,
            };
            if let Source::Range(range) = &source {
                arena.fix(range.end);
            }
            if !self.queueing {
                self.count_callback();
                self.more_of = (at < rest.end).then_some(id);
                self.current = Some(Current { id, input, source: source.clone() });
                told.input = Some((input, source));
                break Some(Found::Input);
            }
            let held = match source {
                Source::Range(range) => Held::Piece(arena.keep(range)),
                Source::Held(held) => held,
            };
            self.queue(Delivery { id, what: What::Input(input, held) });
        };
        self.arena = arena;
        if untouched {
            self.dirty(id);
        }
        Some((at - rest.start, found?))
    }

    /// One step of whatever phase the session is in. An open one leaves its event in `event`.
    #[inline]
    fn protocol(
        &mut self,
        id: Id,
        input: &mut [u8],
        event: &mut Option<Event>,
    ) -> Result<(usize, Found)> {
        self.contain(id, |session, cx, now| {
            #[cfg(feature = "test-panic")]
            provoke(input, "panic in the connection");
            Ok(match &mut session.phase {
                Phase::Open(conn) => {
                    let step = conn.recv(cx, now, input);
                    *event = step.event;
                    (step.consumed, Found::Nothing)
                }
                Phase::Preface(_) => {
                    let (used, client) = session.recv_preface(input);
                    (used, client.map_or(Found::Nothing, |it| Found::Address(Box::new(it))))
                }
                Phase::ServerHandshake(handshake) => {
                    let rate = session.setup.shared.settings.limits.min_handshake_rate;
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
                    let output = tunnel.output();
                    if !output.is_empty() {
                        session.details.get_or_insert_default().head.push(&output);
                    }
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
        })
    }

    /// End of the stream, or its loss.
    fn stream_ended(&mut self, id: Id) {
        let Some((session, _, now)) = self.session_and_context(id) else { return };
        session.mark(Mark::Readable, false);
        let sending = session.is_sending();
        let details = session.details.as_mut();
        let mut lost = details.and_then(|details| details.lost.take());
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
            (Phase::Answered, None) if sending => session.mark(Mark::HungUp, false),
            (_, lost) => session.fail(lost.unwrap_or_else(hung_up)),
        }
        self.dirty(id);
    }
}

/// What an event of a chunk's part that began at `start` is, and where its bytes are.
fn located(event: Event, start: usize) -> (Input, Source) {
    let (input, payload) = match event {
        Event::Message { kind, payload } => (Input::Message(kind), payload),
        Event::Part { kind, payload, first, last } => (Input::Part { kind, first, last }, payload),
        Event::Ping(payload) => (Input::Ping, payload),
        Event::Pong(payload) => (Input::Pong, payload),
    };
    let source = match payload {
        Payload::Input(range) => Source::Range(range.start + start..range.end + start),
        Payload::Owned(bytes) => Source::Held(Held::Whole(Arc::new(bytes))),
    };
    (input, source)
}

fn hung_up() -> Error {
    Error::new(Code::ConnectionLost, "the peer closed the connection during the handshake")
}

fn lost_proxy(error: Error) -> Error {
    error.with(|it| {
        it.code = Code::Proxy;
        it.message = format!("the proxy went away: {}", it.message).into();
    })
}

/// Lets a test prove how far a panic goes: inside `contain` it ends one connection, outside one loop.
#[cfg(feature = "test-panic")]
pub(super) fn provoke(input: &[u8], word: &str) {
    if input.windows(word.len()).any(|window| window == word.as_bytes()) {
        panic!("asked for by a test");
    }
}
