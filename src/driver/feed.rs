//! From bytes to events: reads a socket, feeds the handshake or the connection, and has the application
//! told of each event.

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use super::core::{Core, RECEIVE_BUFFER};
use super::deliver::{self, Delivery, Held, Input, What};
use super::handler::Handler;
use super::loops::Entered;
use super::marks::Mark;
use super::ready::{Line, SHARE, VISIT};
use super::retain::{Current, Source};
use super::run::{self, Teller};
use super::session::{Phase, Session};
use crate::error::{Code, Error, Result};
use crate::proto::context::{Context, FRAME};
use crate::proto::event::{Event, Payload};
use crate::proto::handshake::client::ClientOutcome;
use crate::proto::handshake::server::{Refusal, Request};
use crate::transport::{Received, Stream};
use crate::util::id::Id;
use crate::util::memory;

/// Bytes that go straight into a message count this much less. They need no callbacks, and a message that
/// is received at one go is still in the processor's cache when it is whole.
const DIRECT_COUNTS: usize = 4;
/// The most that goes there at once: it is unmasked while it is in the nearest cache.
const DIRECT_MOST: usize = 512 * 1024;
/// For less it is not worth it.
const DIRECT_LEAST: usize = 16 * 1024;
/// Where another large message is to be expected so much of it is read to find out; the rest goes straight
/// to where it stays.
const FIRST_OF_LARGE: usize = 64 * 1024;

/// What is read at once of a connection that says many small things: what it has of them beyond its share has
/// to be kept until its next turn. In KiB, as the next one.
const READ_OF_CHATTY: u16 = 16;
/// The same of one that has said nothing yet; each time it is more. A crowd that comes with all that its sockets
/// hold is served in one turn, and nobody knows yet what it wants.
pub const FIRST_READ: u16 = 1;
/// So many times more.
const GROWTH: u16 = 4;

/// What reading came to.
enum Read {
    /// These bytes are in the buffer; before them, so many have gone straight into the message to which
    /// they belong.
    Bytes(Range<usize>, usize),
    /// Nothing for now.
    Nothing,
    /// End of the stream, or an error of the socket, has been told to the session.
    End,
}

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
        let cost = if line == Line::Open { 0 } else { core.visit_cost(id) };
        Ok((core.next_input(id), cost))
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

    /// What the session has to be given now. When that is nothing, what was done to it is settled.
    fn next_input(&mut self, id: Id) -> Read {
        let read = match self.read_plain(id) {
            Some(read) => read,
            None => self.take_held(id).unwrap_or_else(|| self.read(id)),
        };
        if !matches!(read, Read::Bytes(..)) {
            if let Read::End = read {
                self.stream_ended(id);
            }
            self.served(id);
        }
        read
    }

    /// The same after it was given something, which has cost so much beside what the protocol did.
    fn go_on_reading(&mut self, id: Id, cost: usize) -> Read {
        let (tired, work) = (self.cx.is_tired(), self.cx.work);
        let Some(session) = self.session(id) else {
            self.served(id);
            return Read::Nothing;
        };
        let more = session.is(Mark::Readable) || session.has_held();
        session.mark(Mark::Busy, more && (tired || cost + work >= SHARE));
        let most = if more && tired { READ_OF_CHATTY } else { (RECEIVE_BUFFER / 1024) as u16 };
        session.mouthful = most.min(session.mouthful * GROWTH);
        if !more {
            self.served(id);
            return Read::Nothing;
        }
        if !session.is(Mark::Busy) {
            return self.next_input(id);
        }
        // The edge will not come again.
        self.make_ready(id);
        self.served(id);
        Read::Nothing
    }

    /// Input that was held back, once it no longer is.
    fn take_held(&mut self, id: Id) -> Option<Read> {
        if self.has_enough(id) {
            return Some(Read::Nothing);
        }
        let holds = |session: &mut Session| !session.pauses() && session.has_held();
        if !self.session(id).is_some_and(holds) {
            return None;
        }
        let room = match self.arena.room(RECEIVE_BUFFER) {
            Ok(room) => room,
            Err(error) => return Some(self.was_read(id, 0..0, 0, Err(error))),
        };
        let mut held = std::mem::take(&mut self.session(id)?.details().held);
        let most = self.session(id)?.mouthful();
        let count = held.take(self.arena.write(room.start..room.start + most));
        self.session(id)?.details().held = held;
        Some(Read::Bytes(room.start..room.start + count, 0))
    }

    /// Reads the socket of an open connection about which nothing is special, between two messages: most.
    fn read_plain(&mut self, id: Id) -> Option<Read> {
        let Core { entries, arena, .. } = self;
        let session = entries.get_mut(id.slot() as usize)?.session(id)?;
        let held_back =
            session.is(Mark::Paused) || session.is(Mark::Stalled) || session.undelivered > 0;
        if !session.is(Mark::Readable) || held_back || session.details.is_some() {
            return None;
        }
        let mouthful = session.mouthful();
        let (Phase::Open(conn), Some(stream)) = (&session.phase, &mut session.stream) else {
            return None;
        };
        if !conn.is_between_messages() || !stream.is_direct() {
            return None;
        }
        let room = match arena.room(RECEIVE_BUFFER) {
            Ok(room) => room,
            Err(error) => return Some(self.was_read(id, 0..0, 0, Err(error))),
        };
        let room = room.start..room.start + mouthful;
        let read = stream.read(arena.write(room.clone()));
        Some(self.was_read(id, room, 0, read))
    }

    fn read(&mut self, id: Id) -> Read {
        let Some(session) = self.session(id) else { return Read::Nothing };
        if session.is_asking() && session.is(Mark::Gone) {
            // Who has only closed its side still wants the answer.
            return Read::End;
        }
        if !session.is(Mark::Readable) || session.pauses() {
            return Read::Nothing;
        }
        let room = match self.arena.room(RECEIVE_BUFFER) {
            Ok(room) => room,
            Err(error) => return self.was_read(id, 0..0, 0, Err(error)),
        };
        let mut arena = std::mem::take(&mut self.arena);
        let mut direct = 0;
        let read = self
            .contain(id, |session, cx, _| session.read(cx, arena.write(room.clone()), &mut direct));
        self.arena = arena;
        self.was_read(id, room, direct, read)
    }

    /// What reading into that room came to, beside so many bytes that have gone straight into a message.
    #[inline]
    fn was_read(
        &mut self,
        id: Id,
        room: Range<usize>,
        direct: usize,
        read: Result<Received>,
    ) -> Read {
        #[cfg(feature = "test-panic")]
        if let Ok(Received::Bytes { count, .. }) = read {
            let text = &self.arena.write(room.clone())[..count];
            provoke(text, "panic in the loop");
        }
        let Some(session) = self.session(id) else { return Read::Nothing };
        match read {
            Ok(Received::End) => Read::End,
            Ok(Received::Bytes { count, more }) => {
                // When nothing more is there now, the end of the stream may be what comes next.
                session.mark(Mark::Readable, more || session.is(Mark::HungUp));
                Read::Bytes(room.start..room.start + count, direct)
            }
            Ok(Received::Nothing) => {
                session.mark(Mark::Readable, false);
                // Sending failed and nothing is left to read: that was the end.
                if session.is_lost() { Read::End } else { Read::Nothing }
            }
            Err(error) => {
                // What the peer complained of before it went says more than that sending failed.
                match error.code {
                    Code::Tls | Code::Certificate => session.details().lost = Some(Box::new(error)),
                    _ => drop(session.details().lost.get_or_insert_with(|| Box::new(error))),
                }
                Read::End
            }
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
        let mut lost = details.and_then(|details| details.lost.take()).map(|error| *error);
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

impl Session {
    /// Reads into `buffer`, but what belongs to a large message goes straight there: `direct` bytes, which
    /// do not count as read.
    fn read(
        &mut self,
        cx: &mut Context,
        buffer: &mut [u8],
        direct: &mut usize,
    ) -> Result<Received> {
        let mouthful = buffer.len().min(self.mouthful());
        let Some(stream) = &mut self.stream else { return Ok(Received::Nothing) };
        if let Phase::Open(conn) = &mut self.phase
            && stream.is_direct()
            && let Some(inlet) = conn.inlet(cx, DIRECT_LEAST)
        {
            let most = inlet.len().min(DIRECT_MOST);
            let behind = if most < inlet.len() { 0 } else { buffer.len() };
            let received = stream.read_both(&mut inlet[..most], &mut buffer[..behind])?;
            if let Received::Bytes { count, more } = received {
                *direct = count.min(most);
                conn.arrived(*direct);
                return Ok(Received::Bytes { count: count - *direct, more });
            }
            return Ok(received);
        }
        let bulky = match &mut self.phase {
            Phase::Open(conn) => conn.take_bulky(),
            _ => false,
        };
        let room = match (stream.is_direct(), bulky) {
            (true, true) => mouthful.min(FIRST_OF_LARGE),
            (true, false) => mouthful,
            (false, _) => buffer.len(),
        };
        stream.read(&mut buffer[..room])
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
    let message = format!("the proxy went away: {}", error.message).into();
    Error { code: Code::Proxy, message, ..error }
}

/// Lets a test prove how far a panic goes: inside `contain` it ends one connection, outside one loop.
#[cfg(feature = "test-panic")]
pub(super) fn provoke(input: &[u8], word: &str) {
    if input.windows(word.len()).any(|window| window == word.as_bytes()) {
        panic!("asked for by a test");
    }
}
