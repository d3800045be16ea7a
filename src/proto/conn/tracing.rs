//! What the trace of frames is told. A connection without one pays a look at an `Option`.

use super::Connection;
use crate::proto::config::Role;
use crate::proto::frame::{Header, Opcode};
use crate::proto::trace::{Direction, Frame, Trace};
use crate::util::time::Time;

impl Connection {
    /// The last frames, when they are kept (`Config::trace_frames`).
    pub fn trace(&self) -> Option<&Trace> {
        self.rare.as_ref()?.trace.as_ref()
    }

    /// The same for when the connection is no longer needed.
    pub fn take_trace(&mut self) -> Option<Trace> {
        self.rare.as_mut()?.trace.take()
    }

    /// The header of a frame has come in.
    #[inline]
    pub(super) fn trace_received(&mut self, now: Time, header: &Header) {
        if let Some(rare) = &mut self.rare
            && let Some(trace) = &mut rare.trace
        {
            let Header { fin, rsv1, opcode, len, .. } = *header;
            let masked = self.role == Role::Server;
            trace
                .add(now, Frame { direction: Direction::Received, opcode, fin, rsv1, masked, len });
        }
    }

    /// A frame has been queued.
    #[inline]
    pub(super) fn trace_sent(
        &mut self,
        now: Time,
        opcode: Opcode,
        fin: bool,
        rsv1: bool,
        len: usize,
    ) {
        if let Some(rare) = &mut self.rare
            && let Some(trace) = &mut rare.trace
        {
            let (masked, len) = (self.role == Role::Client, len as u64);
            trace.add(now, Frame { direction: Direction::Sent, opcode, fin, rsv1, masked, len });
        }
    }

    /// What the close frame said that went this way.
    pub(super) fn trace_close_code(&mut self, direction: Direction, code: u16) {
        if let Some(rare) = &mut self.rare
            && let Some(trace) = &mut rare.trace
        {
            trace.close_code(direction, code);
        }
    }
}
