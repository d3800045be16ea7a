//! Large messages that are sent from where the application has them. The transport is offered the frame
//! behind what waits, at once, and only what it does not take is copied.

use super::queue::{Dropped, Line};
use super::send::{Queued, not_utf8};
use super::{Connection, Context};
use crate::error::Result;
use crate::proto::config::Role;
use crate::proto::event::Kind;
use crate::proto::frame::{self, MAX_HEADER, Opcode};
use crate::proto::utf8;
use crate::util::memory;
use crate::util::time::Time;
use std::io::IoSlice;

/// How many pieces of what waits go before the message; with more it is queued behind them.
const WAITING: usize = 30;

/// What a transport has taken of what it was offered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taken {
    /// So many bytes.
    pub count: usize,
    /// Of all that it ever took it still holds so many back.
    pub held: usize,
}

impl Connection {
    /// Whether a message can be sent with `send_from`: it needs neither be masked nor compressed, and nothing
    /// is in its way.
    pub fn sends_directly(&self, compress: bool) -> bool {
        self.role == Role::Server
            && !self.blocked
            && !(compress && self.deflate.is_some())
            && self.line().is_none_or(Line::is_empty)
    }

    /// As `send`, of a message for which `sends_directly` holds. `offer` is called once, with all that
    /// waits and the message, and sends as much of it as it can.
    pub fn send_from(
        &mut self,
        cx: &mut Context,
        now: Time,
        kind: Kind,
        data: &[u8],
        offer: impl FnOnce(&[IoSlice<'_>]) -> Taken,
    ) -> Result<Queued> {
        self.check_open()?;
        if kind == Kind::Text && !utf8::is_valid(data) {
            return Err(not_utf8());
        }
        let mut slices = [IoSlice::new(&[]); WAITING + 3];
        let waiting = self.transmit(&mut slices[..=WAITING]);
        if waiting > WAITING {
            self.encode_apart(cx, now, kind, data, false)
                .ok_or_else(|| memory::none(data.len()))?;
            return Ok(self.accepted(now, data.len(), Dropped::default()));
        }
        let opcode = if kind == Kind::Text { Opcode::Text } else { Opcode::Binary };
        let mut header = Vec::with_capacity(MAX_HEADER);
        frame::write(&mut header, opcode, false, None, data.len());
        let before: usize = slices[..waiting].iter().map(|slice| slice.len()).sum();
        slices[waiting] = IoSlice::new(&header);
        slices[waiting + 1] = IoSlice::new(data);
        let Taken { count, held } = offer(&slices[..waiting + 2]);
        let of_frame = count.saturating_sub(before);
        if of_frame > 0 {
            if before > 0 {
                cx.output(&mut self.output).sent(&mut cx.pool, before);
            }
            let of_header = of_frame.min(header.len());
            let rest = [&header[of_header..], &data[of_frame - of_header..]];
            if rest.iter().any(|part| !part.is_empty()) {
                let output = cx.output(&mut self.output);
                if let Err(error) = output.resume(&mut cx.pool, rest, rest[1].len()) {
                    // The peer waits for the rest of a frame that can never be sent.
                    self.transport_lost(error);
                    return Ok(self.accepted(now, data.len(), Dropped::default()));
                }
            }
            self.trace_sent(now, opcode, true, false, data.len());
            self.note_sent(cx, now, count, held);
        } else {
            let queued = self.encode_apart(cx, now, kind, data, false);
            self.sent(cx, now, count, held);
            queued.ok_or_else(|| memory::none(data.len()))?;
        }
        Ok(self.accepted(now, data.len(), Dropped::default()))
    }
}
