//! Messages that are handed over as they arrive (`Config::parts`): what is not compressed where it lies
//! in the input, what is compressed in pieces of at most 64 KiB. Nothing is collected, so a message
//! may be longer than memory.

use super::receive::Partial;
use super::{Connection, Context};
use crate::error::Result;
use crate::proto::event::{Event, Payload};
use crate::proto::frame::Header;
use crate::proto::mask;
use crate::proto::message::Assembly;
use crate::util::time::Time;

impl Connection {
    /// Takes of the payload of a data frame, of which `left` bytes are missing, what makes one part.
    #[allow(clippy::too_many_arguments)] // as `resume_payload`
    pub(super) fn take_part(
        &mut self,
        cx: &mut Context,
        now: Time,
        input: &mut [u8],
        at: &mut usize,
        mut header: Header,
        mut left: u64,
        mut message: Assembly,
    ) -> Result<Option<Event>> {
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(input.len() - *at);
        let piece = *at..*at + here;
        let (kind, first, compressed) =
            (message.kind(), message.is_fresh(), message.is_compressed());
        let taken = if compressed {
            message.inflate(&mut cx.pool, &mut input[piece.clone()], header.key, &self.config)?
        } else {
            mask::apply(&mut input[piece.clone()], header.key);
            message.pass(&input[piece.clone()])?;
            here
        };
        *at += taken;
        left -= taken as u64;
        header.key = mask::rotate(header.key, taken);
        let last = header.fin && left == 0;
        let bytes = if last {
            self.end_message(cx, message)?.1
        } else {
            let bytes = message.hand_over();
            let inbox = self.inbox();
            inbox.message = Some(message);
            if left > 0 {
                inbox.partial = Partial::Payload { header, left, control: Vec::new() };
            }
            bytes
        };
        let payload = if compressed { Payload::Owned(bytes) } else { Payload::Input(piece) };
        let len = payload.bytes(input).len();
        if (len > 0 || last) && self.count(now, len, last) {
            return Ok(Some(Event::Part { kind, payload, first, last }));
        }
        if let Payload::Owned(buffer) = payload {
            cx.pool.put(buffer);
        }
        Ok(None)
    }
}
