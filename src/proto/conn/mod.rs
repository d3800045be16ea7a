//! One open WebSocket connection: bytes in, events out, bytes out. No socket, no clock.
//!
//! | file | job |
//! | --- | --- |
//! | `receive.rs` | from bytes to frames, messages and events |
//! | `run.rs` | the same for messages that lie whole in the input, many at a time |
//! | `parts.rs` | messages that are handed over as they arrive |
//! | `send.rs` | messages, pings and pongs that are to be sent |
//! | `direct.rs` | large messages that are sent from where they lie |
//! | `stream.rs` | messages that are sent in parts |
//! | `source.rs` | those of them that the loop goes on with after `close` |
//! | `queue.rs` | messages that wait before they are encoded |
//! | `encode.rs` | from messages to frames in the send queue |
//! | `close_handshake.rs` | how the connection ends: close frames sent, answered, waited for; failures |
//! | `timers.rs` | what happens when nothing happens: keepalive, idle and close timeouts |
//! | `stats.rs` | counting |
//! | `tracing.rs` | what the trace of frames is told |

mod close_handshake;
mod direct;
mod encode;
mod parts;
mod queue;
mod receive;
mod run;
mod send;
mod source;
mod squeeze;
mod stats;
mod stream;
mod timers;
mod tracing;

use super::config::{Config, Role};
use super::context::Context;
use super::deflate::{Params, codec::Deflate};
use super::event::{Closed, Transport};
use super::keepalive::Keepalive;
use super::output::Output;
use super::trace::Trace;
use crate::util::time::Time;
use close_handshake::{Ending, Phase};
use queue::Line;
use receive::{ControlRate, Inbox};
use stats::{Carried, Counters, Figure};
use std::io::IoSlice;
use std::sync::Arc;

pub use direct::Taken;
pub use encode::Filled;
pub use queue::Dropped;
pub use run::{Whole, Wholes};
pub use send::{Body, Queued, SendOptions};
pub use stats::Stats;

/// What an application can do with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Messages go both ways.
    Open,
    /// Our close frame is queued; messages are no longer delivered.
    Closing,
    /// Nothing more will come but the end of TCP.
    Closed,
}

/// What most connections do not have most of the time: how they end, messages that wait, somebody who
/// watches their frames, counters that have run over.
#[derive(Default)]
struct Rare {
    ending: Option<Ending>,
    line: Line,
    trace: Option<Trace>,
    carried: Carried,
}

impl Rare {
    /// There might as well be none.
    fn is_idle(&self) -> bool {
        self.only_counts() && self.carried == Carried::default()
    }

    /// It is there for the counters.
    #[cold]
    fn only_counts(&self) -> bool {
        self.ending.is_none() && self.trace.is_none() && self.line.is_idle()
    }
}

/// A connection after its opening handshake. An idle one owns no memory beyond itself.
pub struct Connection {
    config: Arc<Config>,
    /// What waits to be sent, when something does.
    output: Option<Box<Output>>,
    inbox: Option<Box<Inbox>>,
    keepalive: Keepalive,
    counters: Counters,
    deflate: Option<Box<Deflate>>,
    rare: Option<Box<Rare>>,
    last_message: Time,
    control_rate: ControlRate,
    role: Role,
    phase: Phase,
    /// The transport did not take all we had; nothing has been sent since.
    blocked: bool,
    /// The keepalive's is among them.
    asking: bool,
    /// The last message that was read to where it stays was a very large one.
    bulky: bool,
    /// The application wants to hear no more, although it is open.
    mute: bool,
}

impl Connection {
    /// A connection whose handshake has just been completed. `deflate` is what it agreed on.
    pub fn new(role: Role, config: Arc<Config>, deflate: Option<Params>, now: Time) -> Connection {
        let trace = match config.trace_frames {
            0 => None,
            most => Some(Trace::new(most as usize, now)),
        };
        Connection {
            output: None,
            inbox: None,
            keepalive: Keepalive::new(now),
            counters: Counters::default(),
            deflate: deflate.and_then(|params| Deflate::new(role, &config, params)).map(Box::new),
            rare: trace.map(|trace| Box::new(Rare { trace: Some(trace), ..Rare::default() })),
            last_message: now,
            control_rate: ControlRate::default(),
            role,
            phase: Phase::Open,
            blocked: false,
            asking: false,
            bulky: false,
            mute: false,
            config,
        }
    }

    /// Fills `slices` with bytes to send, in order, and returns how many it filled. Sixteen are
    /// plenty. Call `fill` before.
    pub fn transmit<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.output.as_ref().map_or(0, |output| output.transmit(slices))
    }

    /// The transport took the first `n` bytes of what `transmit` shows; 0 when it is full. Of all that it
    /// took, it still holds so many back.
    pub fn sent(&mut self, cx: &mut Context, now: Time, n: usize, held: usize) {
        // Nothing waits any more when the transport is gone: that was no flush.
        let waited = self.has_output();
        let held = if waited { held } else { 0 };
        if let Some(output) = &mut self.output {
            output.sent(&mut cx.pool, n);
        }
        let progress = self.note_sent(cx, now, n, held);
        if self.phase != Phase::Open && waited {
            self.close_progress(now, progress);
        }
    }

    /// The transport took so many bytes, and holds some of them. Answers whether that brings anything nearer.
    fn note_sent(&mut self, cx: &mut Context, now: Time, n: usize, held: usize) -> bool {
        self.add(Figure::BytesSent, n);
        let progress = n > 0 || held < self.held();
        if self.output.is_some() || held > 0 {
            cx.output(&mut self.output).hold(held);
        }
        cx.tidy(&mut self.output);
        if progress && (self.blocked || self.asking) {
            self.keepalive.progress(now);
        }
        let was_blocked = self.blocked;
        self.blocked = self.has_output();
        if !self.blocked {
            self.asking = false;
        } else if let Some(output) = &mut self.output
            && (progress || !was_blocked || output.moved == Time(0))
        {
            output.moved = now;
        }
        progress
    }

    /// What waits to be sent, if it is in one piece, and if no more will follow when it has left than that.
    #[inline]
    pub fn plain_output(&self) -> Option<&[u8]> {
        if !self.is_plain() || self.blocked {
            return None;
        }
        self.output.as_ref().map_or(Some(&[]), |output| output.plain())
    }

    /// The transport took all of that.
    #[inline]
    pub fn plain_sent(&mut self, cx: &mut Context, now: Time, n: usize) {
        if let Some(output) = &mut self.output {
            output.plain_sent();
        }
        cx.tidy(&mut self.output);
        self.add(Figure::BytesSent, n);
        if std::mem::take(&mut self.asking) {
            self.keepalive.progress(now);
        }
    }

    /// Bytes wait to be sent, here or in the transport. What waits behind a message that has still to get
    /// parts does not count.
    #[inline]
    pub fn has_output(&self) -> bool {
        let own = self.output.as_ref().is_some_and(|output| !output.is_idle());
        own || self.line().is_some_and(Line::is_ready)
    }

    /// Bytes of messages, as they are sent, that wait: an upper bound.
    #[inline]
    pub fn buffered(&self) -> usize {
        self.queued() + self.line().map_or(0, Line::bytes)
    }

    /// What an application can do with it.
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Open => State::Open,
            Phase::CloseSent => State::Closing,
            Phase::CloseDone | Phase::Failed | Phase::Gone => State::Closed,
        }
    }

    /// Nothing more is told: the application has closed, but its close has to wait for what was sent before.
    pub fn tell_no_more(&mut self) {
        self.mute = true;
    }

    /// Whether messages, pings and pongs are told.
    #[inline]
    fn tells(&self) -> bool {
        self.phase == Phase::Open && !self.mute
    }

    /// What to do with the transport. Valid once `has_output` is false.
    pub fn transport(&self) -> Transport {
        match (self.phase, self.role) {
            (Phase::Open | Phase::CloseSent, _) => Transport::Keep,
            // RFC 6455 section 7.1.1: the server closes TCP, the client waits for it.
            (Phase::CloseDone, Role::Server) | (Phase::Gone, _) => Transport::Drop,
            (Phase::CloseDone, Role::Client) => Transport::Keep,
            (Phase::Failed, _) => Transport::HalfClose,
        }
    }

    /// Whether TCP is of no use any more, neither for reading nor for what waited to be sent.
    #[inline]
    pub fn is_gone(&self) -> bool {
        self.phase == Phase::Gone && !self.has_output()
    }

    /// How it ended, from the moment it is no longer open; final when `transport` says `Drop`.
    pub fn closed(&self) -> Option<&Closed> {
        self.ended().map(|ending| &ending.closed)
    }

    /// What went over it so far.
    pub fn stats(&self) -> Stats {
        let flood = self.control_rate.is_exceeded(self.config.max_control_rate);
        let dropped = self.line().map(|line| line.dropped).unwrap_or_default();
        let carried = self.rare.as_ref().map(|rare| rare.carried).unwrap_or_default();
        self.counters.with(&carried, flood, dropped)
    }

    /// Counts so many more.
    #[inline]
    fn add(&mut self, figure: Figure, n: usize) {
        if let Some(carry) = self.counters.add(figure, n) {
            self.rare.get_or_insert_default().carried.add(figure, carry);
        }
    }

    /// Counts so many less, which were counted before.
    fn take_back(&mut self, figure: Figure, n: usize) {
        if self.counters.take_back(figure, n)
            && let Some(rare) = &mut self.rare
        {
            rare.carried.take_back(figure);
        }
    }

    /// Messages go as they are, and nothing has to be thought of beside them.
    #[inline]
    fn is_plain(&self) -> bool {
        let ordinary = self.rare.as_ref().is_none_or(|rare| rare.only_counts());
        ordinary && self.phase == Phase::Open && self.deflate.is_none()
    }

    /// Bytes of encoded messages that wait: an upper bound.
    #[inline]
    fn queued(&self) -> usize {
        self.output.as_ref().map_or(0, |output| output.buffered())
    }

    /// Bytes that the transport has taken and not sent.
    fn held(&self) -> usize {
        self.output.as_ref().map_or(0, |output| output.held())
    }

    fn ended(&self) -> Option<&Ending> {
        self.rare.as_ref()?.ending.as_ref()
    }

    #[inline]
    fn line(&self) -> Option<&Line> {
        self.rare.as_ref().map(|rare| &rare.line)
    }

    #[inline]
    fn line_mut(&mut self) -> Option<&mut Line> {
        self.rare.as_mut().map(|rare| &mut rare.line)
    }

    fn line_or_new(&mut self) -> &mut Line {
        &mut self.rare.get_or_insert_default().line
    }

    /// Takes the line out for the length of `f`. What nothing is left of is given back.
    fn with_line<R>(&mut self, f: impl FnOnce(&mut Connection, &mut Line) -> R) -> R {
        let mut line = self.line_mut().map(std::mem::take).unwrap_or_default();
        let result = f(self, &mut line);
        if self.rare.is_some() || !line.is_idle() {
            *self.line_or_new() = line;
        }
        self.rare.take_if(|rare| rare.is_idle());
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten thousand idle connections are ten thousand of these. Think twice before raising it.
    #[test]
    fn a_connection_is_small() {
        assert!(size_of::<Connection>() <= 120, "{} bytes", size_of::<Connection>());
    }
}
