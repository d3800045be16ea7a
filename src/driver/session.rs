//! One connection: its transport, the phase it is in, and what the loop must know of it.

mod writing;

use std::sync::Arc;

use super::client::Client;
use super::deliver::Delivery;
use super::dial::Dial;
use super::feed::FIRST_READ;
use super::held::HeldInput;
use super::marks::{Mark, Marks};
use super::preface::Preface;
use super::ready::Line;
use super::route::Tunnel;
use super::setup::Setup;
use super::source::Sources;
use super::timers::NEVER;
use super::tracing::Traced;
use crate::error::Error;
use crate::proto::conn::{Connection, Stats};
use crate::proto::event::{Closed, Initiator, Transport};
use crate::proto::handshake::client::ClientHandshake;
use crate::proto::handshake::server::ServerHandshake;
use crate::proto::http::Headers;
use crate::transport::tls::TlsInfo;
use crate::transport::{Address, Stream};
use crate::util::id::Id;
use crate::util::text::TextCache;
use crate::util::time::Time;

/// `readyState`, in the numbers of the browser.
pub mod state {
    /// Not open yet.
    pub const CONNECTING: u8 = 0;
    /// Messages flow.
    pub const OPEN: u8 = 1;
    /// A close frame went one way.
    pub const CLOSING: u8 = 2;
    /// Over.
    pub const CLOSED: u8 = 3;
}

/// Where a connection is in its life.
pub enum Phase {
    /// Until the next attempt to connect.
    Waiting,
    /// Looking up the name, trying addresses.
    Dialing(Box<Dial>),
    /// Asking a proxy for passage.
    Tunnel(Box<Tunnel>),
    /// The request is out.
    ClientHandshake(Box<ClientHandshake>),
    /// A load balancer has to say whom it speaks for.
    Preface(Box<Preface>),
    /// A stranger may send a request.
    ServerHandshake(Box<ServerHandshake>),
    /// Answered with plain HTTP; what still comes is thrown away until the peer closes.
    Answered,
    /// The handshake is done.
    Open(Connection),
    /// Nothing more to do but to tell the application.
    Over(Box<Closed>),
}

/// What belongs to the beginning and the end of a connection, or is only asked for now and then. An idle
/// one that was accepted has none of it.
#[derive(Default)]
pub struct Details {
    /// Where it goes, when it is a client's.
    pub client: Option<Box<Client>>,
    /// Bytes of the HTTP exchange that go out before any frame.
    pub head: Head,
    /// Deadline of the phases before and after `Open`, which has its own.
    pub deadline: Option<Time>,
    /// The message in parts that is being sent.
    pub parts: Option<u32>,
    /// Input that waits.
    pub held: HeldInput,
    /// Sending failed with this; what is left to read decides how the connection ended.
    pub lost: Option<Error>,
    /// Our side of TCP is shut down.
    pub half_closed: bool,
    /// Headers of the peer's handshake, until `on_open` has returned.
    pub headers: Option<Headers>,
    /// Body of a refusal.
    pub body: Vec<u8>,
    /// Input from the loop's queue that waits because reading is paused.
    pub withheld: Vec<Delivery>,
    /// The last figures, once it is over.
    pub stats: Option<Box<Stats>>,
    /// What was handed to C.
    pub texts: TextCache,
    /// Messages whose bytes are fetched when there is room for them.
    pub sources: Option<Box<Sources>>,
    /// The last frames, when that was asked for.
    pub traced: Option<Box<Traced>>,
}

impl Details {
    /// There might as well be none.
    fn is_idle(&self) -> bool {
        let Details { client, head, deadline, parts, held, lost, half_closed, .. } = self;
        let Details { headers, body, withheld, stats, texts, sources, traced, .. } = self;
        client.is_none()
            && head.is_empty()
            && deadline.is_none()
            && parts.is_none()
            && held.is_empty()
            && lost.is_none()
            && !half_closed
            && headers.is_none()
            && body.is_empty()
            && withheld.is_empty()
            && stats.is_none()
            && texts.is_empty()
            && sources.is_none()
            && traced.is_none()
    }
}

/// Bytes on their way out, and how many have left.
#[derive(Default)]
pub struct Head {
    bytes: Vec<u8>,
    gone: usize,
}

impl Head {
    /// More to send.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// All of it still has to go.
    pub fn new(bytes: Vec<u8>) -> Head {
        Head { bytes, gone: 0 }
    }

    /// Whether all has left.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.gone..]
    }

    /// Of `n` bytes sent, so many were these.
    fn sent(&mut self, n: usize) -> usize {
        let mine = n.min(self.bytes.len() - self.gone);
        self.gone += mine;
        if self.gone == self.bytes.len() {
            *self = Head::default();
        }
        mine
    }
}

/// One connection. With the open connection in it, it fills three cache lines, which is what it costs to be
/// idle.
#[repr(align(64))]
pub struct Session {
    /// Its handle.
    pub id: Id,
    /// What it has in common with others.
    pub setup: Arc<Setup>,
    /// Where it comes from.
    pub peer: Address,
    /// The transport; `None` while dialing and when over.
    pub stream: Option<Stream>,
    /// Where it is in its life.
    pub phase: Phase,
    /// Rarely needed.
    pub details: Option<Box<Details>>,
    /// The timer entry that counts.
    pub scheduled: Time,
    /// How much of it is read at once, between messages, in KiB.
    pub mouthful: u16,
    /// How much of its input waits in the loop's queue for the application, as `Delivery::weight` has it.
    pub undelivered: u32,
    /// What else is so of it.
    pub marks: Marks,
}

impl Session {
    /// A session in its first phase.
    pub fn new(id: Id, setup: Arc<Setup>, phase: Phase) -> Session {
        Session {
            id,
            setup,
            peer: Address::Unknown,
            stream: None,
            phase,
            details: None,
            scheduled: NEVER,
            mouthful: FIRST_READ,
            undelivered: 0,
            marks: Marks::default(),
        }
    }

    /// How many bytes of it are read at once, between messages.
    #[inline]
    pub fn mouthful(&self) -> usize {
        usize::from(self.mouthful) << 10
    }

    /// Whether that is so of it.
    #[inline]
    pub fn is(&self, mark: Mark) -> bool {
        self.marks.has(mark)
    }

    /// Notes that it is so of it, or no longer.
    #[inline]
    pub fn mark(&mut self, mark: Mark, so: bool) {
        self.marks.set(mark, so);
    }

    /// Where it waits to be served.
    pub fn line(&self, now: Time) -> Line {
        match self.phase {
            Phase::Preface(_) | Phase::ServerHandshake(_) | Phase::Answered => Line::Strangers,
            Phase::Open(ref conn) if conn.is_noisy(now) => Line::Busy,
            _ if self.is(Mark::Busy) || self.is(Mark::Owes) || self.is(Mark::HungUp) => Line::Busy,
            _ => Line::Open,
        }
    }

    /// What it rarely needs, for whoever does.
    pub fn details(&mut self) -> &mut Details {
        self.details.get_or_insert_default()
    }

    /// Gives that back when it is not needed any more.
    #[inline]
    pub fn tidy(&mut self) {
        if self.details.is_some() {
            self.details.take_if(|details| details.is_idle());
        }
    }

    /// Where it goes, when it is a client's.
    pub fn client(&self) -> Option<&Client> {
        self.details.as_ref()?.client.as_deref()
    }

    /// The same, to be changed.
    pub fn client_mut(&mut self) -> Option<&mut Client> {
        self.details.as_mut()?.client.as_deref_mut()
    }

    /// Bytes that go out before any frame.
    pub fn head(&self) -> Option<&Head> {
        self.details.as_ref().map(|details| &details.head).filter(|head| !head.is_empty())
    }

    /// Whether input waits.
    #[inline]
    pub fn has_held(&self) -> bool {
        self.details.as_ref().is_some_and(|details| !details.held.is_empty())
    }

    /// The deadline of the phases before and after `Open`.
    pub fn deadline(&self) -> Option<Time> {
        self.details.as_ref()?.deadline
    }

    /// The last figures, once it is over.
    pub fn last_stats(&self) -> Option<Stats> {
        self.details.as_ref()?.stats.as_deref().copied()
    }

    /// Another handler hears of it, or it goes somewhere else. The old setup must not be dropped while
    /// anything is borrowed.
    #[must_use]
    pub fn set_up(&mut self, change: impl FnOnce(&mut Setup)) -> Arc<Setup> {
        let mut next = Setup::clone(&self.setup);
        change(&mut next);
        std::mem::replace(&mut self.setup, Arc::new(next))
    }

    /// Whether the application wants no input now, or has to answer a request first. A handshake does
    /// not wait for `paused`.
    pub fn pauses(&self) -> bool {
        self.is(Mark::Paused) && matches!(self.phase, Phase::Open(_)) || self.is_asking()
    }

    /// Whether its request waits for an answer.
    pub fn is_asking(&self) -> bool {
        matches!(&self.phase, Phase::ServerHandshake(handshake) if handshake.is_done())
    }

    /// The open connection.
    pub fn conn(&mut self) -> Option<&mut Connection> {
        match &mut self.phase {
            Phase::Open(conn) => Some(conn),
            _ => None,
        }
    }

    /// When the session wants to be called next.
    pub fn next_timeout(&self) -> Option<Time> {
        let inner = match &self.phase {
            Phase::Open(conn) => conn.next_timeout(),
            Phase::Dialing(dial) => dial.next_attempt,
            Phase::ServerHandshake(handshake) => handshake.slow_at(),
            _ => None,
        };
        match (inner, self.deadline()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Accepted bytes that have not been given to the kernel, as an upper bound.
    pub fn buffered(&self) -> usize {
        match &self.phase {
            Phase::Open(conn) => conn.buffered() + self.waiting(),
            _ => self.waiting(),
        }
    }

    /// Those of messages that wait for a connection, or for on_open to return.
    #[inline]
    pub fn waiting(&self) -> usize {
        let retry = self.client().and_then(|client| client.retry.as_ref());
        retry.map_or(0, |retry| retry.waiting_bytes())
    }

    /// Whether there is anything to write.
    fn has_output(&self) -> bool {
        match &self.phase {
            Phase::Open(conn) => self.head().is_some() || conn.has_output(),
            Phase::Over(_) => false,
            _ => self.head().is_some(),
        }
    }

    /// Whether something has still to leave before the transport may end.
    pub fn is_sending(&self) -> bool {
        self.has_output() || self.stream.as_ref().is_some_and(|stream| stream.has_output())
    }

    /// Whether sending has failed.
    pub fn is_lost(&self) -> bool {
        self.details.as_ref().is_some_and(|details| details.lost.is_some())
    }

    /// What to do with the transport now.
    pub fn transport(&self) -> Transport {
        match &self.phase {
            Phase::Over(_) => Transport::Drop,
            // It waits for nothing, not even for the answer to the handshake or what the stream still has to
            // send.
            Phase::Open(conn) if conn.is_gone() => Transport::Drop,
            _ if self.is_sending() && !self.is_lost() => Transport::Keep,
            Phase::Open(conn) => conn.transport(),
            Phase::Answered => Transport::HalfClose,
            _ => Transport::Keep,
        }
    }

    /// What TLS with the peer came to. That of a proxy on the way says nothing about the peer.
    pub fn tls(&self) -> Option<TlsInfo> {
        let with_peer = match (&self.phase, self.client()) {
            (Phase::Tunnel(_), _) => false,
            (_, Some(client)) => client.url.secure,
            (_, None) => true,
        };
        self.stream.as_ref().filter(|_| with_peer).and_then(Stream::tls)
    }

    /// Ends it because of `error`, whatever phase it is in.
    pub fn fail(&mut self, error: Error) {
        match &mut self.phase {
            Phase::Open(conn) => conn.abort(error),
            Phase::Over(_) => {}
            _ => self.phase = Phase::Over(Box::new(never_open(error))),
        }
    }

    /// The handshake is done.
    pub fn open(&mut self, conn: Connection) {
        self.phase = Phase::Open(conn);
        if let Some(details) = &mut self.details {
            details.parts = None;
            details.deadline = None;
        }
        self.mark(Mark::Announced, true);
    }
}

/// The end of a connection that never was open.
pub fn never_open(error: Error) -> Closed {
    Closed {
        code: 1006,
        reason: error.message.clone(),
        sent_code: None,
        sent_reason: String::new(),
        clean: false,
        initiator: Initiator::Nobody,
        unsent: 0,
        error: Some(error),
    }
}
