//! What a connection has to send, to its socket.

use std::io::IoSlice;

use super::{Head, Phase, Session};
use crate::driver::marks::Mark;
use crate::driver::ready::SHARE;
use crate::driver::timers::Timers;
use crate::error::Error;
use crate::proto::conn::{Filled, Queued, Taken};
use crate::proto::context::Context;
use crate::proto::event::Kind;
use crate::util::time::Time;

/// How many pieces one write gathers.
const MAX_SLICES: usize = 16;

impl Session {
    /// Whether writing would get anything under way.
    fn can_write(&self) -> bool {
        let stream = self.stream.as_ref();
        stream.is_some_and(|s| s.has_output() || s.takes_bytes() && self.has_output())
    }

    /// Whether it is open, has nothing to send, and its timer is armed; and nothing about it is special.
    #[inline]
    pub fn is_at_rest(&self) -> bool {
        let (Phase::Open(conn), Some(stream)) = (&self.phase, &self.stream) else { return false };
        stream.is_direct()
            && conn.plain_output().is_some_and(<[u8]>::is_empty)
            && self.head().is_none()
            && !self.is(Mark::Owes)
            && self.needs_nothing_else()
    }

    /// Whether there is nothing to do beside writing: its timer is armed, nothing waits until it is open, and it is
    /// not paused.
    #[inline]
    fn needs_nothing_else(&self) -> bool {
        let armed = self.next_timeout().is_none_or(|due| Timers::is_armed(due, self.scheduled));
        armed && !self.is(Mark::Paused) && self.waiting() == 0
    }

    /// Writes what waits if it is nothing but messages in one piece. True when all of it has left.
    #[inline]
    fn write_plain(&mut self, cx: &mut Context, now: Time, most: usize) -> Result<bool, Error> {
        let (Phase::Open(conn), Some(stream)) = (&mut self.phase, &mut self.stream) else {
            return Ok(false);
        };
        let Some(bytes) = conn.plain_output() else { return Ok(false) };
        let plain = self.marks.has(Mark::Writable)
            && self.details.as_ref().is_none_or(|details| details.head.is_empty())
            && stream.is_plain();
        if !plain || bytes.is_empty() {
            return Ok(plain);
        }
        if bytes.len() > most {
            return Ok(false);
        }
        let sent = stream
            .write(&[IoSlice::new(bytes)])
            .inspect_err(|_| self.marks.set(Mark::Writable, false))?;
        if sent.full {
            self.marks.set(Mark::Writable, false);
            conn.sent(cx, now, sent.count, 0);
            return Ok(false);
        }
        conn.plain_sent(cx, now, sent.count);
        Ok(true)
    }

    /// Writes what waits if that is about so much at `most`, and otherwise a share of it; compresses no more than one
    /// step. `usize::MAX`: all of it. True when it is gone and nothing else has changed.
    pub fn write(&mut self, cx: &mut Context, now: Time, most: usize) -> Result<bool, Error> {
        self.mark(Mark::Owes, false);
        if self.write_plain(cx, now, most)? {
            return Ok(self.needs_nothing_else());
        }
        self.write_all_kinds(cx, now, most)
    }

    /// The same for whatever waits.
    #[inline(never)] // what most messages do not need is not in their way
    fn write_all_kinds(&mut self, cx: &mut Context, now: Time, most: usize) -> Result<bool, Error> {
        let mut left = if self.buffered() > most { most.min(SHARE) } else { most };
        while self.is(Mark::Writable) && self.can_write() {
            if left == 0 {
                self.mark(Mark::Owes, true);
                cx.work += most.min(SHARE);
                break;
            }
            let Some(stream) = &mut self.stream else { return Ok(false) };
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let mut used = 0;
            let mut unfinished = false;
            let mut head = self.details.as_mut().map(|details| &mut details.head);
            if let Some(head) = head.as_ref().filter(|head| !head.is_empty())
                && stream.takes_bytes()
            {
                slices[0] = IoSlice::new(head.rest());
                used = 1;
            }
            if stream.takes_bytes()
                && let Phase::Open(conn) = &mut self.phase
            {
                unfinished = conn.fill(cx, now)? == Filled::Unfinished;
                used += conn.transmit(&mut slices[used..]);
            }
            // Who wants all of it to go gets that.
            unfinished &= most != usize::MAX;
            if unfinished && used == 0 && !stream.has_output() {
                left = 0;
                continue;
            }
            let sent = match beginning(&slices[..used], left) {
                Some(fewer) => stream.write(&fewer),
                None => stream.write(&slices[..used]),
            };
            let sent = sent.inspect_err(|_| self.marks.set(Mark::Writable, false))?;
            left = if unfinished { 0 } else { left - sent.count };
            self.marks.set(Mark::Writable, !sent.full);
            let of_head = head.as_mut().map_or(0, |head| head.sent(sent.count));
            if head.is_none_or(|head| head.is_empty())
                && let Phase::Open(conn) = &mut self.phase
            {
                conn.sent(cx, now, sent.count - of_head, stream.held());
            }
        }
        Ok(false)
    }

    /// Sends a message of the open connection from where it lies, behind all that waits, if that can be done
    /// now; what the socket does not take is queued. With what was queued comes the error if sending failed:
    /// the message was accepted all the same.
    pub fn send_directly(
        &mut self,
        cx: &mut Context,
        now: Time,
        (kind, data): (Kind, &[u8]),
        compress: bool,
    ) -> Result<Option<(Queued, Option<Error>)>, Error> {
        let possible = self.is(Mark::Writable) && self.head().is_none_or(Head::is_empty);
        let (Phase::Open(conn), Some(stream)) = (&mut self.phase, &mut self.stream) else {
            return Ok(None);
        };
        let possible = possible && stream.is_plain();
        if !possible || !conn.sends_directly(compress) {
            return Ok(None);
        }
        let mut failed = None;
        let queued = conn.send_from(cx, now, kind, data, |slices| match stream.write(slices) {
            Ok(sent) => {
                self.marks.set(Mark::Writable, !sent.full);
                Taken { count: sent.count, held: 0 }
            }
            Err(error) => {
                self.marks.set(Mark::Writable, false);
                failed = Some(error);
                Taken::default()
            }
        })?;
        Ok(Some((queued, failed)))
    }
}

/// The first so many bytes of the pieces, if they are more.
fn beginning<'b>(slices: &'b [IoSlice<'b>], most: usize) -> Option<Vec<IoSlice<'b>>> {
    if slices.iter().map(|slice| slice.len()).sum::<usize>() <= most {
        return None;
    }
    let mut left = most;
    let cut = |slice: &'b IoSlice<'b>| {
        let taken = slice.len().min(left);
        left -= taken;
        IoSlice::new(&slice[..taken])
    };
    Some(slices.iter().map(cut).collect())
}
