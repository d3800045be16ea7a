//! The trace of a connection's frames, for the application to read.

use std::ffi::{CStr, CString};

use super::session::{Phase, Session};
use crate::error::{Code, Error, Result};
use crate::proto::trace::Trace;

/// The trace of a connection that has ended, and what was handed to C.
#[derive(Default)]
pub struct Traced {
    last: Option<Trace>,
    text: CString,
}

impl Session {
    /// The frames of the connection there is, else of the last one.
    pub fn trace(&self) -> Option<&Trace> {
        match &self.phase {
            Phase::Open(conn) => conn.trace(),
            _ => self.details.as_ref()?.traced.as_ref()?.last.as_ref(),
        }
    }

    /// Its connection is about to go: what was traced stays.
    pub fn keep_trace(&mut self) {
        if let Phase::Open(conn) = &mut self.phase
            && let Some(trace) = conn.take_trace()
        {
            self.details().traced.get_or_insert_default().last = Some(trace);
        }
    }

    /// The trace as text, a line for each frame, until the next call.
    pub fn trace_text(&mut self) -> Result<&CStr> {
        if self.setup.shared.conn.trace_frames == 0 {
            return Err(Error::new(
                Code::State,
                "no frames are traced: set WSOCK_OPT_TRACE_FRAMES before connecting or listening",
            ));
        }
        let text = self.trace().map(Trace::to_string).unwrap_or_default();
        let traced = self.details().traced.get_or_insert_default();
        traced.text = CString::new(text).unwrap_or_default();
        Ok(&traced.text)
    }
}
