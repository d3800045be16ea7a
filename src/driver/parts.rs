//! Messages that the application sends in parts, from any thread. What has been checked of a text is
//! known to all threads, so that each part is judged when it is sent, and parts keep their order whoever
//! sends them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::conn::{check_open, find, gone, limit_reached, reserve};
use super::core::Core;
use super::inbox::Command;
use super::send::Sent;
use super::session::Phase;
use crate::error::{Code, Error, Result};
use crate::proto::event::Kind;
use crate::proto::utf8::Validator;
use crate::util::id::Id;
use crate::util::memory;
use crate::util::outside;
use crate::util::table::Cell;

/// Where a part stands in its message.
#[derive(Clone, Copy, Debug)]
pub struct PartPlace {
    /// Whether the message may be compressed.
    pub compress: bool,
    /// No part went before.
    pub first: bool,
    /// None comes after.
    pub last: bool,
}

/// A message of which parts are missing.
struct Open {
    kind: Kind,
    text: Validator,
    /// The connection that took the first parts is gone, and its client has come back.
    cut_off: bool,
}

type Shelf = BTreeMap<u64, Open>;

/// Shelves of messages by connection. One is held while a part goes on its way, so that they leave in the
/// order in which they were checked; neither is the application called meanwhile, nor is a shelf asked
/// for inside a loop.
static OPEN: [Mutex<Shelf>; 64] = [const { Mutex::new(Shelf::new()) }; 64];

/// How many there are on all shelves.
static COUNT: AtomicUsize = AtomicUsize::new(0);

fn shelf(id: Id) -> MutexGuard<'static, Shelf> {
    let number = id.bits().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58;
    OPEN[number as usize].lock().unwrap_or_else(PoisonError::into_inner)
}

fn remove(shelf: &mut Shelf, id: Id) {
    if shelf.remove(&id.bits()).is_some() {
        COUNT.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The connection has ended.
pub fn forget(id: Id) {
    if COUNT.load(Ordering::Relaxed) > 0 {
        outside::run(move || remove(&mut shelf(id), id));
    }
}

/// The connection was lost, and another takes its place, though not before this thread has left the loop.
pub fn cut_off(id: Id) {
    if COUNT.load(Ordering::Relaxed) > 0 {
        outside::run(move || {
            if let Some(message) = shelf(id).get_mut(&id.bits()) {
                message.cut_off = true;
            }
        });
    }
}

/// Sends the next part of a message, or the first of a new one.
pub fn send(id: Id, kind: Kind, data: &[u8], compress: bool, last: bool) -> Result<Sent> {
    let (owner, cell) = find(id)?;
    check_open(cell)?;
    // Until the lock is free again.
    let _within = outside::enter();
    let mut open = shelf(id);
    let first = !open.contains_key(&id.bits());
    let mut text = match open.get(&id.bits()) {
        Some(message) if message.cut_off => {
            remove(&mut open, id);
            return Err(cut());
        }
        Some(message) if message.kind != kind => {
            return Err(Error::new(
                Code::InvalidArgument,
                "a message is either text or binary: use the type of its first part",
            ));
        }
        Some(message) => message.text.clone(),
        None => Validator::default(),
    };
    if kind == Kind::Text {
        let valid = text.push(data).and_then(|()| if last { text.finish() } else { Ok(()) });
        valid.map_err(|_| {
            Error::new(Code::InvalidArgument, "with this part the text is not valid UTF-8")
        })?;
    }
    let place = PartPlace { compress, first, last };
    // The parts that other threads have queued go before.
    let direct = match cell.has_parts() {
        true => None,
        false => owner.try_with(|core| core.send_part(id, kind, data, place, Some(cell))),
    };
    match direct {
        Some(sent) => sent?,
        None => {
            let data = memory::copy(data)?;
            reserve(owner, cell, id, data.len(), 1, check_open)?;
            cell.count_part(id, true);
            owner.push(Command::Part { conn: id, kind, data, place })?;
        }
    }
    if last {
        remove(&mut open, id);
    } else {
        open.insert(id.bits(), Open { kind, text, cut_off: false });
        COUNT.fetch_add(first as usize, Ordering::Relaxed);
    }
    Ok(Sent::of(cell))
}

fn cut() -> Error {
    Error::new(
        Code::State,
        "the connection that took the beginning of this message is gone; send it anew",
    )
}

impl Core {
    /// A part that has been checked goes on its way. `cell` is that of the connection while the part may
    /// still be refused.
    fn send_part(
        &mut self,
        id: Id,
        kind: Kind,
        data: &[u8],
        place: PartPlace,
        cell: Option<&Cell>,
    ) -> Result<()> {
        if place.first {
            match cell {
                Some(_) => self.send_before(id),
                // Whoever takes it up: it was sent after what waits for on_open to return.
                None if self.queueing => self.send_waiting(id),
                None => {}
            }
        }
        if cell.is_some() {
            self.make_room(id, data.len());
        }
        let sent = self.contain(id, |session, cx, now| {
            let (max, waiting) = (session.setup.shared.settings.max_buffered, session.buffered());
            let Phase::Open(conn) = &mut session.phase else { return Err(gone()) };
            if let Some(cell) = cell
                && waiting > 0
                && waiting.saturating_add(data.len()) > max
            {
                return Err(limit_reached(cell, data.len()));
            }
            let stream = match session.details.as_ref().and_then(|details| details.parts) {
                Some(stream) if !place.first => stream,
                None if !place.first => return Err(cut()),
                _ => conn.begin_stream(kind, place.compress)?,
            };
            let queued = conn.stream_part(cx, now, stream, data, place.last);
            if place.first && queued.is_err() {
                // Whoever sends it again begins anew.
                conn.abandon_stream(stream);
                return queued.map(drop);
            }
            let parts = (!place.last || queued.is_err()).then_some(stream);
            if parts.is_some() || session.details.is_some() {
                session.details().parts = parts;
            }
            let queued = queued?;
            if let Some(cell) = cell {
                cell.set_buffered(queued.buffered + session.waiting());
            }
            Ok(())
        });
        self.dirty(id);
        sent
    }

    /// Takes up a part that another thread sent.
    pub fn take_up_part(&mut self, id: Id, kind: Kind, data: &[u8], place: PartPlace) {
        if let Ok(cell) = self.table().get(id) {
            cell.count_part(id, false);
        }
        let sent = self.send_part(id, kind, data, place, None);
        if let Err(error) = &sent
            && error.code == Code::NoMemory
        {
            // It was accepted, so whoever sent it has to hear that it is lost.
            self.fail(id, error.clone());
        }
        let missed = |core: &mut Core| core.session(id).is_some_and(|it| it.missed(data.len()));
        if sent.is_ok() || missed(self) {
            self.taken_up(id, data.len());
        }
    }
}
