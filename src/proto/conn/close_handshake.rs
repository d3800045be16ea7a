//! The end of a connection, RFC 6455 section 7: close frames sent, answered and waited for, and the
//! ends without one. What may stand in a close frame is `proto/close.rs`.
//!
//! ```text
//!            close()                    peer's close frame
//!   Open ------------------> CloseSent ------------------------> CloseDone
//!    |  \                        |                                   |
//!    |   peer's close frame, answered at once -----------------------+
//!    |  violation, too big ...   |                                   |
//!    +------------------------> Failed (half-closed)                 |
//!    |                           |                                   |
//!    +-- EOF, lost, abort, dead --+-- EOF or close timeout --> Gone <-+
//! ```

use std::borrow::Cow;

use super::{Connection, Context};
use crate::error::{Code, Error, Result};
use crate::proto::close;
use crate::proto::event::{Closed, Initiator};
use crate::proto::frame::Opcode;
use crate::proto::trace::Direction;
use crate::util::time::Time;

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not at all.
    Open,
    /// Our close frame is queued, the peer's has not come.
    CloseSent,
    /// Both are queued or came. The server drops TCP once all is sent, the client waits for that.
    CloseDone,
    /// We gave up and said why, if a close frame was still possible. TCP is half-closed.
    Failed,
    /// TCP has ended or is to be dropped.
    Gone,
}

/// What is known about the end.
pub(super) struct Ending {
    pub closed: Closed,
    /// Code and reason of the close frame that waits in the send queue.
    queued: Option<(u16, String)>,
    /// The peer's close frame came.
    answered: bool,
    /// When waiting ends.
    pub deadline: Time,
}

impl Connection {
    /// Begins the close handshake: the close frame goes after all accepted messages. A message that has
    /// still to get parts is lost, and if one of its frames is out, so is all that waits behind it: no
    /// other message may follow before its end. `Closed::unsent` counts them. Closing twice is fine, the
    /// first wins.
    pub fn close(
        &mut self,
        cx: &mut Context,
        now: Time,
        code: Option<u16>,
        reason: &str,
    ) -> Result<()> {
        close::check_local(self.role, code, reason)?;
        self.begin_close(cx, now, code, reason, None);
        Ok(())
    }

    /// Ends an open connection because of `error`, and says so in a close frame. Messages that wait go
    /// before it, as far as the peer takes them within the close timeout.
    pub fn give_up(&mut self, cx: &mut Context, now: Time, error: Error) {
        if self.phase == Phase::Open {
            self.fail(cx, now, error);
        }
    }

    /// Gives up without a close frame and without what waits to be sent.
    pub fn abort(&mut self, error: Error) {
        self.transport_gone(Initiator::Local, error);
    }

    /// The transport failed: reset by the peer, write error.
    pub fn transport_lost(&mut self, error: Error) {
        self.transport_gone(Initiator::Nobody, error);
    }

    /// The peer will send no more.
    pub fn recv_eof(&mut self, now: Time) {
        match self.phase {
            Phase::Open | Phase::CloseSent => {
                let message = "the peer closed TCP without a close frame";
                self.transport_lost(Error::new(Code::ConnectionLost, message));
            }
            // What is queued may still reach a peer that closed only one direction.
            Phase::CloseDone | Phase::Failed if self.has_output() => {
                self.ending(now).deadline = now.plus_ms(self.config.close_timeout_ms);
                self.phase = Phase::Gone;
            }
            Phase::CloseDone | Phase::Failed => self.phase = Phase::Gone,
            Phase::Gone => {}
        }
    }

    /// `close`, and our own reasons to close.
    pub(super) fn begin_close(
        &mut self,
        cx: &mut Context,
        now: Time,
        code: Option<u16>,
        reason: &str,
        error: Option<Error>,
    ) {
        if self.phase != Phase::Open {
            return;
        }
        self.phase = Phase::CloseSent;
        self.queue_close_frame(cx, now, code, reason);
        let closed = &mut self.ending(now).closed;
        closed.initiator = Initiator::Local;
        closed.error = error;
    }

    /// The peer's close frame: answered with its code, unless ours went first.
    pub(super) fn receive_close(
        &mut self,
        cx: &mut Context,
        now: Time,
        payload: &[u8],
    ) -> Result<()> {
        let (code, reason) = close::parse(payload)?;
        self.trace_close_code(Direction::Received, code);
        if self.phase == Phase::Open {
            let echo = (code != close::NO_STATUS).then_some(code);
            self.queue_close_frame(cx, now, echo, "");
            self.ending(now).closed.initiator = Initiator::Peer;
        }
        self.abandon_unfinished(now);
        self.phase = Phase::CloseDone;
        self.inbox = None;
        let timeout = self.config.close_timeout_ms;
        let ending = self.ending(now);
        ending.answered = true;
        ending.deadline = now.plus_ms(timeout);
        ending.closed.code = code;
        ending.closed.reason = reason.to_owned().into();
        self.close_progress(now, false);
        Ok(())
    }

    /// The peer broke a rule, or is not worth waiting for: say so in a close frame, read no more.
    #[cold]
    pub(super) fn fail(&mut self, cx: &mut Context, now: Time, mut error: Error) {
        // A large message that is refused takes no time for its memory.
        if let Some(message) = self.inbox.take().and_then(|inbox| inbox.message) {
            cx.pool.put(message.into_buffer());
        }
        if self.phase == Phase::Open {
            self.queue_close_frame(cx, now, Some(error.close_code), &error.message);
        } else {
            // Our close frame went before; there is only one.
            error.close_code = 0;
            self.abandon_unfinished(now);
        }
        self.phase = Phase::Failed;
        let timeout = self.config.close_timeout_ms;
        let ending = self.ending(now);
        ending.deadline = now.plus_ms(timeout);
        ending.closed.initiator = Initiator::Local;
        ending.closed.reason = error.message.clone();
        ending.closed.error = Some(error);
    }

    /// Bytes were sent, or tried to be, after the connection stopped being open.
    pub(super) fn close_progress(&mut self, now: Time, progress: bool) {
        let waits = self.line().is_some_and(|line| line.close.is_some());
        let (flushed, phase) = (!self.has_output() && !waits, self.phase);
        let timeout = self.config.close_timeout_ms;
        let Some(ending) = self.rare.as_mut().and_then(|rare| rare.ending.as_mut()) else { return };
        if ending.queued.is_some() && progress && phase != Phase::Failed {
            // Accepted messages come first, however slow the peer is, as long as it takes them.
            ending.deadline = now.plus_ms(timeout);
        }
        if flushed {
            if let Some((code, reason)) = ending.queued.take() {
                ending.closed.sent_code = Some(code);
                ending.closed.sent_reason = reason;
            }
            ending.closed.clean = ending.answered;
        }
    }

    /// Waiting for the peer has ended.
    pub(super) fn close_timeout(&mut self) {
        let error = match self.phase {
            Phase::Open => return,
            Phase::CloseSent => "the peer did not answer the close frame in time",
            Phase::CloseDone | Phase::Failed | Phase::Gone => {
                "the peer did not take the last bytes in time"
            }
        };
        self.transport_gone(Initiator::Local, Error::new(Code::CloseTimeout, error));
    }

    /// TCP is of no use any more. Changes how it ended only if something was still to be done.
    pub(super) fn transport_gone(&mut self, initiator: Initiator, error: Error) {
        let finished = match self.phase {
            Phase::Open | Phase::CloseSent => false,
            Phase::CloseDone | Phase::Failed | Phase::Gone => !self.has_output(),
        };
        let first = self.phase == Phase::Open;
        self.phase = Phase::Gone;
        self.inbox = None;
        let unsent = self.buffered();
        self.output = None;
        if let Some(line) = self.line_mut() {
            line.clear();
        }
        if finished {
            return;
        }
        let closed = &mut self.ending(Time(0)).closed;
        closed.unsent += unsent;
        if first {
            closed.initiator = initiator;
        }
        if closed.code == close::ABNORMAL && closed.reason.is_empty() {
            closed.reason = error.message.clone();
        }
        closed.error.get_or_insert(error);
    }

    fn queue_close_frame(&mut self, cx: &mut Context, now: Time, code: Option<u16>, reason: &str) {
        let payload = close::payload(code, reason);
        // What outlives our close does so only in CloseSent.
        let keep = self.phase == Phase::CloseSent;
        let lost = self.line_mut().map_or(0, |line| line.abandon_unfinished(keep));
        match self.line_mut().filter(|line| !line.is_empty()) {
            Some(line) => line.close = Some(payload),
            None => self.queue_control(cx, now, Opcode::Close, &payload),
        }
        code.inspect(|code| self.trace_close_code(Direction::Sent, *code));
        self.ending(now).closed.unsent += lost;
        let sent = (code.unwrap_or(close::NO_STATUS), reason.to_owned());
        self.ending(now).queued = Some(sent);
    }

    /// How it will have ended, once that has begun.
    pub(super) fn closing(&mut self) -> Option<&mut Closed> {
        self.rare.as_mut()?.ending.as_mut().map(|ending| &mut ending.closed)
    }

    /// No message that is not whole goes on.
    pub(super) fn abandon_unfinished(&mut self, now: Time) {
        let lost = self.line_mut().map_or(0, |line| line.abandon_unfinished(false));
        if lost > 0 {
            self.ending(now).closed.unsent += lost;
        }
    }

    fn ending(&mut self, now: Time) -> &mut Ending {
        let timeout = self.config.close_timeout_ms;
        let rare = self.rare.get_or_insert_default();
        rare.ending.get_or_insert_with(|| {
            let closed = Closed {
                code: close::ABNORMAL,
                reason: Cow::Borrowed(""),
                sent_code: None,
                sent_reason: String::new(),
                clean: false,
                initiator: Initiator::Nobody,
                unsent: 0,
                error: None,
            };
            let deadline = now.plus_ms(timeout);
            Ending { closed, queued: None, answered: false, deadline }
        })
    }
}
