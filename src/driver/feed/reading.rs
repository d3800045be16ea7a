//! How much is read of whom, and where to.

use std::ops::Range;

use crate::driver::core::{Core, RECEIVE_BUFFER};
use crate::driver::marks::Mark;
use crate::driver::ready::SHARE;
use crate::driver::session::{Phase, Session};
use crate::error::{Code, Result};
use crate::proto::context::Context;
use crate::transport::Received;
use crate::util::id::Id;

/// The most that goes straight into a message at once: it is unmasked while it is in the nearest cache.
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
pub(super) enum Read {
    /// These bytes are in the buffer; before them, so many have gone straight into the message to which
    /// they belong.
    Bytes(Range<usize>, usize),
    /// Nothing for now.
    Nothing,
    /// End of the stream, or an error of the socket, has been told to the session.
    End,
}

impl Core {
    /// What the session has to be given now. When that is nothing, what was done to it is settled.
    pub(super) fn next_input(&mut self, id: Id) -> Read {
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
    pub(super) fn go_on_reading(&mut self, id: Id, cost: usize) -> Read {
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
        let session = entries.session(id)?;
        let held_back =
            session.is(Mark::Paused) || session.is(Mark::Stalled) || session.undelivered > 0;
        if !session.is(Mark::Readable) || held_back || session.has_held() {
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
            super::provoke(text, "panic in the loop");
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
                    Code::Tls | Code::Certificate => session.details().lost = Some(error),
                    _ => drop(session.details().lost.get_or_insert(error)),
                }
                Read::End
            }
        }
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
