//! The only calls into the application. What happens is told at once, or queued and told from the
//! queue later: to programs that fetch their events in batches, and to those whose loop runs on a thread
//! of the library's own. Either way the order is the same, nothing of the loop is borrowed, and what has
//! to follow an event follows when the application is done with it.

use std::sync::Arc;

use super::core::Core;
use super::handler::Handler;
use super::inbox::Task;
use super::loops::{self, Entered, Loop};
use super::measure::{self, Measure};
use super::report::Report;
use super::request::LATER;
use super::retain::Current;
use super::retry::News;
use super::series::Series;
use super::session::state;
use crate::error::{Error, Result};
use crate::proto::event::Kind;
use crate::util::arena::Piece;
use crate::util::bytes::Share;
use crate::util::id::Id;
use crate::util::outside;

/// Bytes for one of `Delivery::weight`.
pub const WEIGHT: usize = 16;

/// The bytes of a message that outlive the buffer they came in.
#[derive(Clone, Debug)]
pub enum Held {
    /// Where the socket was read to.
    Piece(Piece),
    /// Assembled or inflated.
    Whole(Arc<Vec<u8>>),
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        match self {
            Held::Piece(piece) => piece.as_ref(),
            Held::Whole(bytes) => bytes,
        }
    }
}

impl Share for Held {
    fn into_buffer(self: Arc<Held>) -> Option<Vec<u8>> {
        match Arc::into_inner(self)? {
            Held::Piece(_) => None,
            Held::Whole(bytes) => Arc::into_inner(bytes),
        }
    }
}

/// What the peer sent, beside its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A whole message.
    Message(Kind),
    /// The next part of a message.
    Part {
        /// Of which kind.
        kind: Kind,
        /// The message begins with it.
        first: bool,
        /// The message ends with it.
        last: bool,
    },
    /// A ping, answered already.
    Ping,
    /// A pong.
    Pong,
}

impl Input {
    /// Of which kind it is, when it is a whole message.
    pub fn whole(self) -> Option<Kind> {
        match self {
            Input::Message(kind) | Input::Part { kind, first: true, last: true } => Some(kind),
            _ => None,
        }
    }
}

/// Something the application is told.
pub enum What {
    /// A server was asked for a connection, or for a page: the request, and the server.
    Request(Id, Id),
    /// The handshake is done.
    Open,
    /// Something the peer sent.
    Input(Input, Held),
    /// Whole messages, told one by one.
    Series(Box<Series>),
    /// The send queue fell to the low-water mark.
    Drain,
    /// The connection failed.
    Error(Error),
    /// A client will try again.
    Retry(Box<News>),
    /// The last event of a connection.
    Close(Box<Report>),
    /// Something that was posted.
    Task(Option<Task>),
}

/// One event and whose it is: a connection's, or for a task the loop's.
pub struct Delivery {
    /// A connection, or the loop.
    pub id: Id,
    /// What has happened.
    pub what: What,
}

impl Delivery {
    /// What it counts for in the limit of what may wait for the application, in pieces of 16 bytes: so all
    /// that any memory can hold fits a few bytes of each connection.
    pub fn weight(&self) -> u32 {
        match &self.what {
            What::Series(series) => series.weight(),
            What::Input(_, held) => weight_of(held.as_ref().len()),
            _ => weight_of(0),
        }
    }

    /// How many events it stands for.
    pub fn events(&self) -> usize {
        match &self.what {
            What::Series(series) => series.len(),
            _ => 1,
        }
    }
}

/// What an event with so many bytes counts for.
pub fn weight_of(bytes: usize) -> u32 {
    (size_of::<Delivery>() + bytes).div_ceil(WEIGHT) as u32
}

/// How whoever tells gets at the loop in between.
pub enum Way<'a> {
    /// It is inside anyway.
    Inside(&'a Entered),
    /// It comes in for a moment each time: another thread does the work.
    Visiting(Loop),
}

impl Way<'_> {
    /// Borrows the core for the length of `f`, which must not call the application.
    pub fn with<R>(&self, f: impl FnOnce(&mut Core) -> Result<R>) -> Result<R> {
        match self {
            Way::Inside(entered) => entered.with(f),
            Way::Visiting(place) => place.with(f),
        }
    }
}

/// Tells it now, or queues it when this turn queues.
pub fn tell(entered: &Entered, id: Id, what: What) -> Result<()> {
    let mut now = Some(Delivery { id, what });
    let handler = entered.with(|core| {
        if core.queueing {
            now.take().into_iter().for_each(|delivery| core.queue(delivery));
        }
        Ok(now.as_ref().and_then(|delivery| core.begin(delivery)))
    })?;
    let Some(mut delivery) = now else { return Ok(()) };
    let decision = call(handler, &mut delivery);
    if entered.with(|core| Ok(core.told(delivery, decision)))? {
        tell(entered, id, What::Open)?;
    }
    Ok(())
}

/// Tells of what callbacks have opened, before anything that came through it.
pub fn tell_opened(entered: &Entered) -> Result<()> {
    if entered.with(|core| Ok(core.has_opened()))? {
        tell_queued(&Way::Inside(entered), usize::MAX)?;
    }
    Ok(())
}

/// Tells what is queued, at most `limit` events, and answers how many there were.
pub fn tell_queued(way: &Way<'_>, limit: usize) -> Result<u32> {
    let mut last = None;
    let mut count = 0;
    loop {
        let next = way.with(|core| {
            if let Some((delivery, decision)) = last.take() {
                core.settle_told(delivery, decision);
            }
            Ok(if count < limit { core.next_to_tell() } else { None })
        })?;
        let Some((mut delivery, handler)) = next else { return Ok(count as u32) };
        count += 1;
        let decision = call(handler, &mut delivery);
        last = Some((delivery, decision));
    }
}

/// The call itself. What `on_request` answers is handed back.
pub fn call(handler: Option<Arc<dyn Handler>>, delivery: &mut Delivery) -> Option<i32> {
    // What is lent is given back when the callback has returned, whoever is inside meanwhile.
    let _within = outside::enter();
    measure::timed(loops::measure(delivery.id), || call_unmeasured(handler, delivery))
}

fn call_unmeasured(handler: Option<Arc<dyn Handler>>, delivery: &mut Delivery) -> Option<i32> {
    let id = delivery.id;
    if let What::Task(task) = &mut delivery.what {
        if let Some(task) = task.take() {
            task();
        }
        return None;
    }
    let handler = handler?;
    match &delivery.what {
        What::Request(request, server) => return Some(handler.on_request(*server, *request)),
        What::Open => handler.on_open(id),
        What::Input(input, held) => tell_input(&*handler, id, *input, held.as_ref()),
        What::Drain => handler.on_drain(id),
        What::Error(error) => handler.on_error(id, error),
        What::Retry(news) => handler.on_retry(id, news),
        What::Close(report) => handler.on_close(id, report),
        // The queue takes its messages out before it tells.
        What::Series(_) | What::Task(_) => {}
    }
    None
}

/// The call for what the peer sent, the most frequent of all.
#[inline]
pub fn call_input(handler: &dyn Handler, measure: &Measure, id: Id, input: Input, bytes: &[u8]) {
    measure::timed(Some(measure), || tell_input(handler, id, input, bytes));
}

#[inline]
fn tell_input(handler: &dyn Handler, id: Id, input: Input, bytes: &[u8]) {
    match input {
        Input::Message(kind) => handler.on_message(id, kind, bytes),
        Input::Part { kind, first, last } => handler.on_part(id, kind, bytes, first, last),
        Input::Ping => handler.on_ping(id, bytes),
        Input::Pong => handler.on_pong(id, bytes),
    }
}

impl Core {
    /// Who hears of that session.
    pub fn handler(&mut self, id: Id) -> Option<Arc<dyn Handler>> {
        self.session(id).map(|session| session.setup.handler.clone())
    }

    /// The next event of the queue and who hears of it.
    fn next_to_tell(&mut self) -> Option<(Delivery, Option<Arc<dyn Handler>>)> {
        let mut delivery = self.next_delivery()?;
        if let What::Series(series) = delivery.what {
            let (first, rest) = series.split_first();
            if let Some(rest) = rest {
                self.put_back(Delivery { id: delivery.id, what: What::Series(rest) });
            }
            delivery.what = first;
        }
        let handler = self.begin(&delivery);
        Some((delivery, handler))
    }

    /// The application is about to hear of it: from whom?
    fn begin(&mut self, delivery: &Delivery) -> Option<Arc<dyn Handler>> {
        self.note_told(delivery);
        self.current = Current::of(delivery);
        self.handler(delivery.id)
    }

    /// The application is about to hear of it, or finds it in a batch.
    pub fn note_told(&mut self, delivery: &Delivery) {
        let id = delivery.id;
        if let What::Close(_) = delivery.what
            && let Ok(cell) = self.table().get(id)
        {
            cell.advance_state(id, state::CLOSED);
        }
        self.count_callbacks(delivery.events() as u32);
    }

    /// As `told`, with the opening of a connection put into the queue.
    pub fn settle_told(&mut self, delivery: Delivery, decision: Option<i32>) {
        let id = delivery.id;
        if self.told(delivery, decision) {
            self.queue(Delivery { id, what: What::Open });
        }
    }

    /// The application has heard of it and is done with what it was given. True when that has opened the
    /// connection.
    fn told(&mut self, delivery: Delivery, decision: Option<i32>) -> bool {
        let id = delivery.id;
        self.current = None;
        match delivery.what {
            What::Request(request, _) => match decision {
                Some(LATER) | None => {}
                Some(decision) => return self.decide(request, decision),
            },
            What::Open => {
                self.send_waiting(id);
                if let Some(session) = self.session(id) {
                    if let Some(details) = &mut session.details {
                        details.headers = None;
                    }
                    session.tidy();
                }
            }
            What::Close(_) => self.bury(id),
            What::Input(_, Held::Whole(bytes)) => self.done_with(Some(bytes)),
            What::Input(..) | What::Series(_) => {}
            What::Retry(news) => self.wait_for_retry(id, news.delay_ms),
            What::Drain | What::Error(_) | What::Task(_) => {}
        }
        false
    }

    /// The application has seen what the peer sent; unless it keeps it, the buffer is used again.
    pub fn done_with(&mut self, bytes: Option<Arc<Vec<u8>>>) {
        let Some(bytes) = bytes else { return };
        self.current = None;
        self.cx.pool.take_back(bytes);
    }
}
