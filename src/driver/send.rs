//! Messages of every form on their way to a connection, from any thread, and what becomes of them when
//! more wait than may.

use std::sync::Arc;

use super::conn::{LARGE, check_takes, find, limit_reached, reserve};
use super::core::Core;
use super::inbox::Command;
use super::loops;
use super::marks::Mark;
use super::session::{Phase, Session, state};
use super::settle::SEND_EARLY;
use crate::error::{Code, Result};
use crate::proto::close;
use crate::proto::conn::{Body, Dropped, SendOptions, State};
use crate::proto::context::Context;
use crate::proto::event::Kind;
use crate::proto::prepared::Prepared;
use crate::util::bytes::Bytes;
use crate::util::id::{self, Id};
use crate::util::memory;
use crate::util::table::Cell;
use crate::util::time::Time;

/// What becomes of a message for which there is no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Overflow {
    /// It is refused.
    #[default]
    Refuse = 0,
    /// It is dropped.
    DropNewest,
    /// The oldest that wait and were sent with this are dropped for it; if that is not enough, it is
    /// dropped itself.
    DropOldest,
    /// It is refused, and the connection is closed: its peer is too slow.
    Close,
}

impl Overflow {
    /// From what a cell says.
    pub fn from_number(number: u8) -> Overflow {
        let all = [Overflow::Refuse, Overflow::DropNewest, Overflow::DropOldest, Overflow::Close];
        all.into_iter().find(|overflow| *overflow as u8 == number).unwrap_or_default()
    }

    /// It is for the loop to say what goes, so other threads may queue more than there is room for.
    fn drops(self) -> bool {
        matches!(self, Overflow::DropNewest | Overflow::DropOldest)
    }
}

/// How a message is sent.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Whether it may be compressed.
    pub compress: bool,
    /// What becomes of it when there is no room; `None`: what the connection's options say.
    pub overflow: Option<Overflow>,
    /// While it waits a newer one with the same number takes its place; 0 for none.
    pub key: u64,
}

impl Default for Manner {
    fn default() -> Self {
        Manner { compress: true, overflow: None, key: 0 }
    }
}

impl Manner {
    /// What that means for a connection.
    fn terms(self, cell: &Cell) -> Terms {
        let overflow = self.overflow.unwrap_or_else(|| Overflow::from_number(cell.overflow()));
        let droppable = overflow == Overflow::DropOldest;
        let options = SendOptions { compress: self.compress, key: self.key, droppable };
        Terms { options, overflow }
    }
}

/// The same, with nothing left open.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// What the protocol has to know.
    pub options: SendOptions,
    /// What becomes of it when there is no room.
    pub overflow: Overflow,
}

impl Terms {
    /// Of a message that is neither dropped nor replaced.
    pub fn plain(compress: bool) -> Terms {
        let options = SendOptions { compress, ..SendOptions::default() };
        Terms { options, overflow: Overflow::Refuse }
    }
}

/// What became of a message that was not refused. Of several answers the greatest tells most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sent {
    /// It is on its way.
    Queued,
    /// So it is, and the queue is above the high-water mark.
    Above,
    /// It was dropped, or others for it.
    Dropped,
}

impl Sent {
    /// What a cell says after queueing.
    pub fn of(cell: &Cell) -> Sent {
        if cell.want_drain() { Sent::Above } else { Sent::Queued }
    }
}

/// A message that outlives the call that sends it.
pub enum Parcel {
    /// For one. It has been checked.
    One(Kind, Bytes),
    /// For many.
    Prepared(Arc<Prepared>),
}

impl Parcel {
    /// Copies what is not kept by somebody.
    pub fn of(body: &Body) -> Result<Parcel> {
        Ok(match body {
            Body::Copy(kind, data) => Parcel::One(*kind, Arc::new(memory::copy(data)?)),
            Body::Owned(kind, data) | Body::Checked(kind, data) => Parcel::One(*kind, data.clone()),
            Body::Prepared(message) => Parcel::Prepared(Arc::clone(message)),
        })
    }

    /// The message.
    pub fn body(&self) -> Body<'_> {
        match self {
            Parcel::One(kind, data) => Body::Checked(*kind, data.clone()),
            Parcel::Prepared(message) => Body::Prepared(message),
        }
    }
}

/// A message was taken, or dropped as its terms say.
pub struct Taken {
    /// What waits now.
    pub buffered: usize,
    /// What was dropped, be it the message itself.
    pub dropped: Dropped,
}

/// Sends a message of any form.
pub fn send(id: Id, body: &Body, manner: Manner) -> Result<Sent> {
    let (owner, cell) = find(id)?;
    check_takes(cell)?;
    let terms = manner.terms(cell);
    let overflow = terms.overflow;
    let now = |core: &mut Core| {
        let taken = core.send_now(id, cell, body, terms)?;
        let sent = Sent::of(cell);
        Ok(if taken.dropped == Dropped::default() { sent } else { Sent::Dropped })
    };
    let direct = if cell.has_parts() { None } else { owner.try_with(now) };
    if let Some(sent) = direct {
        return sent;
    }
    body.check()?;
    let (parcel, len) = (Parcel::of(body)?, body.bytes().len());
    let times = if overflow.drops() { 2 } else { 1 };
    match reserve(owner, cell, id, len, times, check_takes) {
        Err(error) if error.code == Code::Limit && overflow.drops() => {
            if cell.lose(id, len) {
                owner.push(Command::Lost(id))?;
            }
            return Ok(Sent::Dropped);
        }
        Err(error) if error.code == Code::Limit && overflow == Overflow::Close => {
            // Nobody is too slow while there is no connection.
            if cell.state() == state::OPEN && cell.tell_slow(id) {
                owner.push(Command::TooSlow(id))?;
            }
            return Err(error);
        }
        reserved => reserved?,
    }
    let sent = Sent::of(cell);
    owner.push(Command::Message { conn: id, parcel, terms })?;
    Ok(sent)
}

impl Core {
    /// Sends a message from within a callback of this turn, which does the rest. `None` when it is not as
    /// simple as that, and nothing has been done.
    #[inline(never)] // among what catches panics it would live on the stack
    pub fn send_in_turn(&mut self, id: Id, cell: &Cell, kind: Kind, data: &[u8]) -> Option<Sent> {
        if !self.dispatching || self.worker != 0 || data.len() >= LARGE {
            return None;
        }
        self.send_plain(id, cell, kind, data)
    }

    /// The same while this thread works on a batch, at whose end what it has sent leaves.
    #[inline(never)]
    pub fn send_in_batch(&mut self, id: Id, cell: &Cell, kind: Kind, data: &[u8]) -> Option<Sent> {
        if self.dispatching || self.worker != 0 || data.len() >= LARGE {
            return None;
        }
        // What has to leave before the end may give lent bytes back, and that is not for here.
        if self.session(id)?.buffered() + data.len() >= SEND_EARLY {
            return None;
        }
        if self.dirty.is_empty() {
            self.tick();
        }
        self.send_plain(id, cell, kind, data)
    }

    #[inline]
    fn send_plain(&mut self, id: Id, cell: &Cell, kind: Kind, data: &[u8]) -> Option<Sent> {
        let Core { entries, cx, now, dirty, serving, .. } = self;
        let session = entries.session(id)?;
        if session.client().is_some_and(|client| client.retry.is_some()) {
            return None;
        }
        let Phase::Open(conn) = &mut session.phase else { return None };
        let max = session.setup.shared.settings.max_buffered;
        let buffered = conn.send_plain(cx, *now, kind, data, max)?;
        cell.set_buffered(buffered);
        if buffered >= SEND_EARLY {
            self.dirty(id);
        } else if *serving != Some(id) {
            session.enlist(dirty);
        }
        Some(Sent::of(cell))
    }

    /// Sends what only waits for the end of the turn, if there is no room for `len` more bytes otherwise.
    pub fn make_room(&mut self, id: Id, len: usize) {
        let Some(session) = self.session(id) else { return };
        let (waiting, max) = (session.buffered(), session.setup.shared.settings.max_buffered);
        if session.is(Mark::Writable) && waiting > 0 && waiting.saturating_add(len) > max {
            self.settle_sending(id, usize::MAX, usize::MAX);
        }
    }

    /// Sends a message of the loop's own thread.
    fn send_now(&mut self, id: Id, cell: &Cell, body: &Body, terms: Terms) -> Result<Taken> {
        self.make_room(id, body.bytes().len());
        let behind = self.goes_behind(id);
        let taken = self.contain(id, |session, cx, now| {
            session.take_message(cx, now, body, terms, Some(cell), behind)
        });
        if terms.overflow == Overflow::Close && matches!(&taken, Err(e) if e.code == Code::Limit) {
            self.too_slow(id);
        }
        let taken = taken?;
        cell.set_buffered(taken.buffered);
        self.dirty(id);
        Ok(taken)
    }

    /// The same for a message that goes to many. The answer is what was dropped, be it the message itself.
    pub fn send_prepared(
        &mut self,
        id: Id,
        message: &Arc<Prepared>,
        manner: Manner,
    ) -> Result<Dropped> {
        let cell = self.table().get(id).map_err(|_| loops::stale(id::Kind::Conn))?;
        check_takes(cell)?;
        let terms = manner.terms(cell);
        let ordinary = terms.overflow == Overflow::Refuse && terms.options.key == 0;
        if ordinary && self.worker == 0 {
            let plain = |session: &mut Session, cx: &mut Context, now| {
                Ok(session.take_plain_prepared(cx, now, message))
            };
            if let Some(buffered) = self.contain(id, plain)? {
                cell.set_buffered(buffered);
                self.dirty(id);
                return Ok(Dropped::default());
            }
        }
        Ok(self.send_now(id, cell, &Body::Prepared(message), terms)?.dropped)
    }

    /// Takes up what another thread sent. It was told "accepted", so only dropping may be done about it. When
    /// the connection has ended meanwhile it stays reserved, and on_close counts it as unsent; a client that
    /// may come back counts it itself.
    pub fn take_up(&mut self, id: Id, body: &Body, terms: Terms) {
        let len = body.bytes().len();
        self.make_room(id, len);
        let behind = self.queueing;
        let taken = self.contain(id, |session, cx, now| {
            // Behind what waits for on_open to return: it was sent before.
            let behind = behind && session.has_waiting();
            let taken = match &session.phase {
                Phase::Over(_) => false,
                _ => match session.take_message(cx, now, body, terms, None, behind) {
                    // It was accepted, so whoever sent it has to hear that it is lost.
                    Err(error) if error.code == Code::NoMemory => {
                        session.fail(error);
                        false
                    }
                    taken => taken.is_ok(),
                },
            };
            Ok(taken || session.missed(len))
        });
        if taken == Ok(true) {
            self.taken_up(id, len);
        }
        self.dirty(id);
    }

    /// Notes what other threads have dropped because not even twice the limit had room for it.
    pub fn note_lost(&mut self, id: Id) {
        let Ok(cell) = self.table().get(id) else { return };
        let (messages, bytes) = cell.take_lost(id);
        if let Some(session) = self.session(id) {
            session.count_dropped(Dropped { messages: messages as u64, bytes: bytes as u64 });
        }
    }

    /// Closes a connection whose peer does not read as fast as is sent.
    pub fn too_slow(&mut self, id: Id) {
        if let Ok(cell) = self.table().get(id) {
            cell.slow_told(id);
        }
        let done = self.contain(id, |session, cx, now| {
            let max = session.setup.shared.settings.max_buffered;
            if let Phase::Open(conn) = &mut session.phase {
                let message = format!("too slow: more than {max} bytes wait to be sent");
                conn.give_up(cx, now, close::policy(message));
            }
            Ok(())
        });
        debug_assert!(done.is_ok() || self.session(id).is_none());
        self.dirty(id);
    }
}

impl Session {
    /// Takes a message that goes to many if there is room and nothing else to be thought of: most. Returns what
    /// waits then; `None` when nothing has been done.
    #[inline]
    fn take_plain_prepared(
        &mut self,
        cx: &mut Context,
        now: Time,
        message: &Prepared,
    ) -> Option<usize> {
        if self.client().is_some_and(|client| client.retry.is_some()) {
            return None;
        }
        let max = self.setup.shared.settings.max_buffered;
        let Phase::Open(conn) = &mut self.phase else { return None };
        conn.send_plain_prepared(cx, now, message, max)
    }

    /// Takes a message if there is room, or makes room for it, as its terms say. `cell` is that of the
    /// connection while it may still be refused. `behind` those that wait for on_open to return.
    pub fn take_message(
        &mut self,
        cx: &mut Context,
        now: Time,
        body: &Body,
        terms: Terms,
        cell: Option<&Cell>,
        behind: bool,
    ) -> Result<Taken> {
        let (len, max, waiting) =
            (body.bytes().len(), self.setup.shared.settings.max_buffered, self.buffered());
        let open = match &mut self.phase {
            Phase::Open(conn) if !behind => Some(conn),
            _ => None,
        };
        let Some(conn) = open else {
            let promised = cell.map_or(0, Cell::incoming);
            return self.keep(body, terms, promised).inspect_err(|error| {
                if let Some(cell) = cell.filter(|_| error.code == Code::Limit) {
                    cell.refuse();
                }
            });
        };
        let stays = waiting - conn.replaceable(terms.options.key).unwrap_or(0).min(waiting);
        let full = stays > 0 && stays.saturating_add(len) > max;
        let mut made_room = Dropped::default();
        if full && conn.state() == State::Open {
            body.check()?;
            match (terms.overflow, cell) {
                (Overflow::Refuse | Overflow::Close, Some(cell)) => {
                    return Err(limit_reached(cell, len));
                }
                // It was accepted when there was room.
                (Overflow::Refuse | Overflow::Close, None) => {}
                (Overflow::DropOldest, _) => {
                    made_room = conn.drop_oldest((waiting.saturating_add(len) - max).min(waiting));
                }
                (Overflow::DropNewest, _) => {}
            }
            if terms.overflow.drops() && made_room == Dropped::default() {
                if let Some(cell) = cell {
                    cell.refuse();
                }
                let dropped = Dropped { messages: 1, bytes: len as u64 };
                conn.count_dropped(dropped);
                return Ok(Taken { buffered: self.buffered(), dropped });
            }
        }
        let queued = conn.send_message(cx, now, body, terms.options)?;
        let dropped = made_room + queued.dropped;
        Ok(Taken { buffered: self.buffered(), dropped })
    }

    /// Counts messages that were dropped instead of being accepted.
    pub fn count_dropped(&mut self, dropped: Dropped) {
        match &mut self.phase {
            Phase::Open(conn) => conn.count_dropped(dropped),
            _ => {
                if let Some(retry) = self.retry() {
                    retry.dropped += dropped;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
