//! What an application does to a connection. Sending, closing and asking for the state work from any
//! thread: directly on the loop's own, through its inbox from others.

use std::sync::Arc;

use super::core::Core;
use super::handler::Handler;
use super::inbox::Command;
use super::loops::{self, Loop};
use super::marks::Mark;
use super::retain;
use super::retry;
use super::send::{self, Manner, Overflow, Sent, Terms};
use super::session::{Phase, Session, state};
use super::told::{self, Told};
use crate::error::{Code, Error, Result};
use crate::proto::close;
use crate::proto::config::Role;
use crate::proto::conn::{Body, Stats};
use crate::proto::event::Kind as MessageKind;
use crate::proto::utf8;
use crate::util::id::Id;
use crate::util::memory;
use crate::util::owner::Me;
use crate::util::table::{ACCEPTED, Cell, GIVEN_UP, POISONED, QUEUES};

/// RFC 6455 section 5.5: control frames carry at most this.
const MAX_PING: usize = 125;

/// From that size on a message is sent from where it lies instead of being queued, unless others follow at once.
pub(super) const LARGE: usize = 16 * 1024;

/// For whoever wants to do something with it. Looking is still allowed after a panic.
pub(super) fn find(id: Id) -> Result<(Loop, &'static Cell)> {
    let (owner, cell) = loops::find_object(id)?;
    if cell.has(POISONED) {
        return Err(Error::new(
            Code::Poisoned,
            "a panic inside the library ended this connection; on_close follows",
        ));
    }
    Ok((owner, cell))
}

pub(super) fn gone() -> Error {
    Error::new(Code::InvalidHandle, "the connection has ended")
}

pub(super) fn check_open(cell: &Cell) -> Result<()> {
    let told = match cell.state() {
        state::OPEN => return Ok(()),
        state::CONNECTING => "the connection is not open yet: wait for on_open",
        state::CLOSING => "the connection is closing: nothing more can be sent",
        _ => "the connection is closed",
    };
    Err(Error::new(Code::State, told))
}

/// The same for messages, which may wait for a connection.
pub(super) fn check_takes(cell: &Cell) -> Result<()> {
    match cell.state() {
        state::CONNECTING if cell.has(QUEUES) && cell.limit() > 0 => Ok(()),
        _ => check_open(cell),
    }
}

pub(super) fn limit_reached(cell: &Cell, length: usize) -> Error {
    cell.refuse();
    if cell.state() == state::CONNECTING {
        return retry::queue_full(cell.buffered(), length);
    }
    Error::new(
        Code::Limit,
        format!(
            "{} bytes wait to be sent, {length} more would exceed WSOCK_OPT_MAX_BUFFERED; wait for on_drain",
            cell.buffered()
        ),
    )
}

/// Queues one message of which a copy is sent and nothing more is said.
pub fn send(id: Id, kind: MessageKind, data: &[u8], compress: bool) -> Result<Sent> {
    let (owner, cell) = find(id)?;
    let manner = Manner { compress, ..Manner::default() };
    let body = retain::body(id, kind, data);
    if cell.overflow() != Overflow::Refuse as u8 || !matches!(body, Body::Copy(..)) {
        return send::send(id, &body, manner);
    }
    check_takes(cell)?;
    let now = |core: &mut Core| {
        core.make_room(id, data.len());
        let (behind, amid) = (core.goes_behind(id), core.is_amid(id));
        let failed = core.contain(id, |session, cx, now| {
            let max = session.setup.shared.settings.max_buffered;
            let waiting = session.buffered();
            if behind || !matches!(session.phase, Phase::Open(_)) {
                let body = Body::Copy(kind, data);
                let terms = Terms::plain(compress);
                cell.set_buffered(
                    session.take_message(cx, now, &body, terms, Some(cell), behind)?.buffered,
                );
                return Ok(None);
            }
            if waiting > 0 && waiting.saturating_add(data.len()) > max {
                return Err(limit_reached(cell, data.len()));
            }
            if data.len() >= LARGE
                && !amid
                && let Some((queued, failed)) =
                    session.send_directly(cx, now, (kind, data), compress)?
            {
                cell.set_buffered(queued.buffered + session.waiting());
                return Ok(failed);
            }
            let Phase::Open(conn) = &mut session.phase else { return Err(gone()) };
            let queued = conn.send(cx, now, kind, data, compress)?;
            cell.set_buffered(queued.buffered + session.waiting());
            Ok(None)
        })?;
        if let Some(error) = failed {
            core.sending_failed(id, error);
        }
        // A large one may leave here and now, and then nobody has to wait.
        core.dirty(id);
        Ok(Sent::of(cell))
    };
    let direct = if cell.has_parts() { None } else { owner.try_with(now) };
    if let Some(sent) = direct {
        return sent;
    }
    if kind == MessageKind::Text && !utf8::is_valid(data) {
        return Err(Error::new(Code::InvalidArgument, "text message is not valid UTF-8"));
    }
    if cell.state() == state::CONNECTING && data.len() > cell.limit() {
        return Err(limit_reached(cell, data.len()));
    }
    let copy = memory::copy(data)?;
    reserve(owner, cell, id, data.len(), 1, check_takes)?;
    let sent = Sent::of(cell);
    owner.push(Command::Send { conn: id, kind, data: copy, compress })?;
    Ok(sent)
}

/// How a message is sent when nothing is special.
type QuickSend = fn(&mut Core, Id, &Cell, MessageKind, &[u8]) -> Option<Sent>;

/// The same from within a callback of the connection's own loop, or while a batch of its events is worked on,
/// while it is open and nothing is special: most. Where anything is, nothing is done. Does not panic.
#[inline]
pub fn send_quickly(id: Id, kind: MessageKind, data: &[u8]) -> Option<Sent> {
    quickly(id, |core, cell, send| send(core, id, cell, kind, data))
}

/// The same for several, which lie one behind the other: up to the first that cannot be sent so. Answers how many
/// were, and the greatest of their answers.
pub fn send_many_quickly(
    id: Id,
    kind: MessageKind,
    data: &[u8],
    lens: &[usize],
) -> Option<(usize, Sent)> {
    quickly(id, |core, cell, send| {
        let (mut rest, mut greatest) = (data, Sent::Queued);
        for (taken, &len) in lens.iter().enumerate() {
            let message = rest.split_off(..len)?;
            match send(core, id, cell, kind, message) {
                Some(sent) => greatest = greatest.max(sent),
                None => return Some((taken, greatest)),
            }
        }
        Some((lens.len(), greatest))
    })
}

/// Does that with the way of sending that suits where this thread is, if there is one.
#[inline(always)] // in the way of each message
fn quickly<R>(id: Id, f: impl Fn(&mut Core, &'static Cell, QuickSend) -> Option<R>) -> Option<R> {
    let Told { owner, cell, me, .. } = match told::to(id) {
        Some(told) if told.owner.is_sound() && told.cell.is_sound(id, state::OPEN) => told,
        Some(_) => return None,
        None => {
            let (owner, cell) = loops::find_sound(id, state::OPEN)?;
            Told { id, owner, cell, me: Me::here() }
        }
    };
    if cell.overflow() != Overflow::Refuse as u8 || cell.has_parts() {
        return None;
    }
    match owner.from_within(me, id, |core| f(core, cell, Core::send_in_turn)) {
        Some(sent) => sent,
        None => owner.from_batch(me, id, |core| f(core, cell, Core::send_in_batch))?,
    }
}

/// Room in the queue for another thread's request, within so many `times` the limit.
pub(super) fn reserve(
    owner: Loop,
    cell: &Cell,
    id: Id,
    bytes: usize,
    times: usize,
    check: fn(&Cell) -> Result<()>,
) -> Result<()> {
    let reserved = cell.reserve(id, bytes, times);
    // The connection may have ended between the first look and the reservation, and its slot be another's;
    // if not, whoever ends it from here on sees the reservation and reports it as unsent.
    let open = owner.table().get(id).map_err(|_| gone()).and_then(check);
    match (reserved, &open) {
        // Unless its end was told in between, with these as unsent: then they were accepted.
        (true, Err(_)) if !cell.unreserve(id, bytes) => return Ok(()),
        (false, Ok(())) => {
            if cell.refuse() {
                owner.push(Command::Refused(id))?;
            }
            return Err(limit_reached(cell, bytes));
        }
        _ => {}
    }
    open
}

/// Sends a ping.
pub fn ping(id: Id, data: &[u8]) -> Result<()> {
    let (owner, cell) = find(id)?;
    if data.len() > MAX_PING {
        return Err(Error::new(
            Code::InvalidArgument,
            format!("a ping carries at most {MAX_PING} bytes, not {}", data.len()),
        ));
    }
    check_open(cell)?;
    let direct = owner.try_with(|core| {
        core.contain(id, |session, cx, now| session.conn().ok_or_else(gone)?.ping(cx, now, data))?;
        core.dirty(id);
        Ok(())
    });
    direct.unwrap_or_else(|| {
        // What is reserved and never taken up is told as bytes of messages.
        reserve(owner, cell, id, 0, 1, check_open)?;
        owner.push(Command::Ping(id, data.to_vec()))
    })
}

/// Begins the close handshake. Closing again does nothing.
pub fn close(id: Id, code: Option<u16>, reason: &str) -> Result<()> {
    let (owner, cell) = find(id)?;
    let role = if cell.has(ACCEPTED) { Role::Server } else { Role::Client };
    close::check_local(role, code, reason)?;
    cell.set(id, GIVEN_UP);
    if !cell.advance_state(id, state::CLOSING) {
        return Ok(());
    }
    let direct = owner.try_with(|core| {
        core.close(id, code, reason);
        Ok(())
    });
    direct.unwrap_or_else(|| owner.push(Command::Close(id, code, reason.to_owned())))
}

/// Gives up at once: no close frame, what is queued is lost, TCP is reset.
pub fn abort(id: Id) -> Result<()> {
    let (owner, cell) = find(id)?;
    cell.set(id, GIVEN_UP);
    cell.advance_state(id, state::CLOSING);
    let direct = owner.try_with(|core| {
        core.abort(id);
        Ok(())
    });
    direct.unwrap_or_else(|| owner.push(Command::Abort(id)))
}

/// `readyState`.
pub fn ready_state(id: Id) -> Result<u8> {
    loops::find_object(id).map(|(_, cell)| cell.state())
}

/// `bufferedAmount`.
pub fn buffered_amount(id: Id) -> Result<usize> {
    loops::find_object(id).map(|(_, cell)| cell.buffered())
}

/// Does something with a session on the loop's thread.
pub fn with<R>(id: Id, f: impl FnOnce(&mut Session) -> Result<R>) -> Result<R> {
    let (owner, _) = loops::find_object(id)?;
    owner.with(|core| f(core.session(id).ok_or_else(gone)?))
}

/// Stops or resumes giving input to the application. While stopped nothing is read from the socket,
/// so TCP stops the peer.
pub fn pause(id: Id, paused: bool) -> Result<()> {
    let (owner, _) = find(id)?;
    owner.with(|core| {
        let session = core.session(id).ok_or_else(gone)?;
        session.mark(Mark::Paused, paused);
        if paused && session.is_lost() {
            core.dirty(id);
        }
        if !paused {
            core.give_back(id);
            core.make_ready(id);
        }
        Ok(())
    })
}

/// Lets another handler hear of the connection from now on.
pub fn set_handler(id: Id, make: impl FnOnce(&dyn Handler) -> Arc<dyn Handler>) -> Result<()> {
    let (owner, _) = find(id)?;
    owner.with(|core| {
        let session = core.session(id).ok_or_else(gone)?;
        let next = make(&*session.setup.handler);
        let last = session.set_up(|setup| setup.handler = next);
        if !core.drained.is_empty() {
            // A record of the batch may show its user data.
            core.lent.push(last.handler.clone());
        }
        core.trash.push(last);
        Ok(())
    })
}

/// Figures up to now.
pub fn stats(id: Id) -> Result<Stats> {
    let (owner, _) = loops::find_object(id)?;
    owner.with(|core| {
        core.return_run();
        let session = core.session(id).ok_or_else(gone)?;
        let mut stats = match &session.phase {
            Phase::Open(conn) => conn.stats(),
            _ => session.last_stats().unwrap_or_default(),
        };
        if let Some(retry) = session.retry() {
            stats.dropped += retry.dropped;
        }
        Ok(stats)
    })
}
