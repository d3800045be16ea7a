//! One connection: its transport, the phase it is in, and what the loop must know of it.

use std::io::IoSlice;
use std::sync::Arc;

use super::client::Client;
use super::deliver::Delivery;
use super::dial::Dial;
use super::handler::Handler;
use super::limits::AddressKey;
use super::preface::Preface;
use super::route::Tunnel;
use super::settings::Shared;
use super::source::Sources;
use super::timers::NEVER;
use super::tracing::Traced;
use crate::error::Error;
use crate::proto::conn::{Connection, Stats};
use crate::proto::context::Context;
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

/// What is only known after the handshake, or only asked for now and then.
#[derive(Default)]
pub struct Details {
    /// As the browser's `url`; for accepted connections made from Host and target.
    pub url: String,
    /// The subprotocol agreed on.
    pub protocol: String,
    /// The extensions agreed on.
    pub extensions: String,
    /// Address of the peer, kept for when the socket is gone.
    pub peer: Address,
    /// Headers of the peer's handshake, until `on_open` has returned.
    pub headers: Option<Headers>,
    /// Body of a refusal.
    pub body: Vec<u8>,
    /// Input from the loop's queue that waits because reading is paused.
    pub withheld: Vec<Delivery>,
    /// The last figures, once it is over.
    pub stats: Option<Stats>,
    /// What was handed to C.
    pub texts: TextCache,
    /// Messages whose bytes are fetched when there is room for them.
    pub sources: Option<Box<Sources>>,
    /// The last frames, when that was asked for.
    pub traced: Option<Box<Traced>>,
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

/// One connection.
pub struct Session {
    /// Its handle.
    pub id: Id,
    /// Who hears of it.
    pub handler: Arc<dyn Handler>,
    /// How it was set up.
    pub shared: Arc<Shared>,
    /// The server that accepted it.
    pub server: Option<Id>,
    /// Where it goes, when it is a client's.
    pub client: Option<Box<Client>>,
    /// What it is counted under in the server's table of addresses.
    pub address: Option<AddressKey>,
    /// The transport; `None` while dialing and when over.
    pub stream: Option<Stream>,
    /// Where it is in its life.
    pub phase: Phase,
    /// Bytes of the HTTP exchange that go out before any frame.
    pub head: Head,
    /// The message in parts that is being sent.
    pub parts: Option<u32>,
    /// Input that waits because reading is paused.
    pub held: Vec<u8>,
    /// Rarely needed.
    pub details: Box<Details>,
    /// Deadline of the phases before and after `Open`, which has its own.
    pub deadline: Option<Time>,
    /// The timer entry that counts.
    pub scheduled: Time,
    /// The socket may have bytes.
    pub readable: bool,
    /// The peer has shut down its side or the socket failed: read until that shows.
    pub hung_up: bool,
    /// Nobody takes any more bytes at the other end.
    pub gone: bool,
    /// The socket may take bytes.
    pub writable: bool,
    /// On the list of sessions to serve.
    pub in_ready: bool,
    /// On the list of sessions to settle.
    pub in_dirty: bool,
    /// Sending failed with this; what is left to read decides how the connection ended.
    pub lost: Option<Error>,
    /// The application does not want input now.
    pub paused: bool,
    /// How much of its input waits in the loop's queue for the application.
    pub undelivered: usize,
    /// That was enough: no more is read until the application has taken some.
    pub stalled: bool,
    /// Our side of TCP is shut down.
    pub half_closed: bool,
    /// The application has a handle to it, so `on_close` is owed.
    pub announced: bool,
    /// The figures of its server say how its handshake ended.
    pub counted: bool,
    /// Its end is on its way to the application.
    pub ended: bool,
}

impl Session {
    /// A session in its first phase.
    pub fn new(id: Id, handler: Arc<dyn Handler>, shared: Arc<Shared>, phase: Phase) -> Session {
        Session {
            id,
            handler,
            shared,
            server: None,
            client: None,
            address: None,
            stream: None,
            phase,
            head: Head::default(),
            parts: None,
            held: Vec::new(),
            details: Box::default(),
            deadline: None,
            scheduled: NEVER,
            readable: false,
            hung_up: false,
            gone: false,
            writable: false,
            lost: None,
            in_ready: false,
            in_dirty: false,
            paused: false,
            undelivered: 0,
            stalled: false,
            half_closed: false,
            announced: false,
            counted: false,
            ended: false,
        }
    }

    /// Whether the application wants no input now, or has to answer a request first. A handshake does
    /// not wait for `paused`.
    pub fn pauses(&self) -> bool {
        self.paused && matches!(self.phase, Phase::Open(_)) || self.is_asking()
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
        match (inner, self.deadline) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Accepted bytes that have not been given to the kernel, as an upper bound.
    pub fn buffered(&self) -> usize {
        let waiting = self.client.as_ref().and_then(|client| client.retry.as_ref());
        let waiting = waiting.map_or(0, |retry| retry.waiting_bytes());
        match &self.phase {
            Phase::Open(conn) => conn.buffered() + waiting,
            _ => waiting,
        }
    }

    /// Whether there is anything to write.
    fn has_output(&self) -> bool {
        match &self.phase {
            Phase::Open(conn) => !self.head.is_empty() || conn.has_output(),
            Phase::Over(_) => false,
            _ => !self.head.is_empty(),
        }
    }

    /// Whether writing would get anything under way.
    fn can_write(&self) -> bool {
        let stream = self.stream.as_ref();
        stream.is_some_and(|s| s.has_output() || s.takes_bytes() && self.has_output())
    }

    /// Writes what waits if it is nothing but messages in one piece. True when all of it has left.
    #[inline]
    fn write_plain(&mut self, cx: &mut Context, now: Time) -> Result<bool, Error> {
        let (Phase::Open(conn), Some(stream)) = (&mut self.phase, &mut self.stream) else {
            return Ok(false);
        };
        let Some(bytes) = conn.plain_output() else { return Ok(false) };
        let plain = self.writable && self.head.is_empty() && stream.is_plain();
        if !plain || bytes.is_empty() {
            return Ok(plain);
        }
        let sent = stream.write(&[IoSlice::new(bytes)]).inspect_err(|_| self.writable = false)?;
        if sent.full {
            self.writable = false;
            conn.sent(cx, now, sent.count, 0);
            return Ok(false);
        }
        conn.plain_sent(cx, now, sent.count);
        Ok(true)
    }

    /// Writes what waits until it is gone or the socket is full. True when that changed nothing else.
    pub fn write(&mut self, cx: &mut Context, now: Time) -> Result<bool, Error> {
        if self.write_plain(cx, now)? {
            let armed = self.next_timeout().is_none_or(|due| due >= self.scheduled);
            return Ok(armed && !self.paused);
        }
        while self.writable && self.can_write() {
            let Some(stream) = &mut self.stream else { return Ok(false) };
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let mut used = 0;
            if stream.takes_bytes() && !self.head.is_empty() {
                slices[0] = IoSlice::new(self.head.rest());
                used = 1;
            }
            if stream.takes_bytes()
                && let Phase::Open(conn) = &mut self.phase
            {
                conn.fill(cx, now);
                used += conn.transmit(&mut slices[used..]);
            }
            let sent = stream.write(&slices[..used]).inspect_err(|_| self.writable = false)?;
            self.writable = !sent.full;
            let of_head = self.head.sent(sent.count);
            if self.head.is_empty()
                && let Phase::Open(conn) = &mut self.phase
            {
                conn.sent(cx, now, sent.count - of_head, stream.held());
            }
        }
        Ok(false)
    }

    /// Whether something has still to leave before the transport may end.
    pub fn is_sending(&self) -> bool {
        self.has_output() || self.stream.as_ref().is_some_and(|stream| stream.has_output())
    }

    /// What to do with the transport now.
    pub fn transport(&self) -> Transport {
        match &self.phase {
            Phase::Over(_) => Transport::Drop,
            // It waits for nothing, not even for the answer to the handshake or what the stream still has to
            // send.
            Phase::Open(conn) if conn.is_gone() => Transport::Drop,
            _ if self.is_sending() && self.lost.is_none() => Transport::Keep,
            Phase::Open(conn) => conn.transport(),
            Phase::Answered => Transport::HalfClose,
            _ => Transport::Keep,
        }
    }

    /// What TLS with the peer came to. That of a proxy on the way says nothing about the peer.
    pub fn tls(&self) -> Option<TlsInfo> {
        let with_peer = match (&self.phase, &self.client) {
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
        self.parts = None;
        self.deadline = None;
        self.announced = true;
    }
}

/// How many pieces one write gathers.
const MAX_SLICES: usize = 16;

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
