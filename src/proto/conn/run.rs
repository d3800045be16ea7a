//! Messages that lie whole in the input, one behind the other: most of all. They are taken a run at a time
//! by a way of their own, which knows only what such a frame looks like. Whatever looks different, be it
//! wrong, is left to `receive.rs`.

use super::Connection;
use super::stats::Figure;
use crate::proto::config::Role;
use crate::proto::event::Kind;
use crate::proto::{frame, mask, utf8};
use crate::util::time::Time;
use std::ops::{Deref, Range};

/// A run ends with the message that makes it this long, while all of it is in the nearest cache.
const ENOUGH: usize = 16 * 1024;
/// Or when it has so many.
const MOST: usize = 64;

/// A message in the input.
#[derive(Clone, Copy, Debug)]
pub struct Whole {
    /// Text or binary.
    pub kind: Kind,
    begin: u32,
    end: u32,
}

impl Whole {
    /// Its bytes, unmasked.
    #[inline]
    pub fn payload(&self) -> Range<usize> {
        self.begin as usize..self.end as usize
    }
}

/// Messages of a run, in memory that is used again.
#[derive(Default)]
pub struct Wholes {
    room: Vec<Whole>,
    count: usize,
}

impl Deref for Wholes {
    type Target = [Whole];

    #[inline(always)]
    fn deref(&self) -> &[Whole] {
        &self.room[..self.count]
    }
}

impl Connection {
    /// Takes messages from the start of `input` for as long as they lie there whole, unmasks them in place
    /// and puts them into `run`. Returns how far they go.
    pub fn recv_run(&mut self, now: Time, input: &mut [u8], run: &mut Wholes) -> usize {
        run.count = 0;
        if !self.takes_runs() {
            return 0;
        }
        let longest = self.config.longest_frame();
        let (at, bytes) = match self.role {
            Role::Server => take::<true>(input, longest, run),
            Role::Client => take::<false>(input, longest, run),
        };
        if at > 0 {
            self.keepalive.heard(now);
            self.last_message = now;
            self.add(Figure::MessagesReceived, run.len());
            self.add(Figure::PayloadReceived, bytes);
            self.add(Figure::BytesReceived, at);
        }
        at
    }

    /// Whether messages are delivered as they come. With a trace each frame has to be noted.
    #[inline]
    pub fn takes_runs(&self) -> bool {
        let plain = self.tells() && self.inbox.is_none() && !self.config.parts;
        plain && (self.rare.is_none() || self.trace().is_none())
    }

    /// Undoes the taking of the last messages of a run, so that they can be given again. `input` begins `at`
    /// bytes behind what was given then, where their frames begin.
    pub fn give_back(&mut self, input: &mut [u8], at: usize, rest: &[Whole]) {
        for whole in rest {
            let (frame, payload) = input.split_at_mut(whole.begin as usize - at);
            if self.role == Role::Server {
                let key = frame.last_chunk().expect("a key is in front of the payload");
                mask::apply(&mut payload[..whole.payload().len()], *key);
            }
            self.take_back(Figure::MessagesReceived, 1);
            self.take_back(Figure::PayloadReceived, whole.payload().len());
        }
        let end = rest.last().map_or(at, |last| last.end as usize);
        self.take_back(Figure::BytesReceived, end - at);
    }
}

/// How far the messages go, and how many bytes they are together.
fn take<const MASKED: bool>(input: &mut [u8], longest: u64, run: &mut Wholes) -> (usize, usize) {
    if run.room.is_empty() {
        run.room = vec![Whole { kind: Kind::Binary, begin: 0, end: 0 }; MOST];
    }
    let (mut at, mut bytes, mut rest) = (0, 0, input);
    for slot in &mut run.room {
        let Some(next) = frame::parse_whole(rest, MASKED) else { break };
        if next.len as u64 > longest {
            break;
        }
        let Some((frame, behind)) = rest.split_at_mut_checked(next.size + next.len) else { break };
        let payload = &mut frame[next.size..];
        if MASKED {
            mask::apply(payload, next.key);
        }
        if next.kind == Kind::Text && !utf8::is_valid(payload) {
            if MASKED {
                mask::apply(payload, next.key);
            }
            break;
        }
        let begin = at + next.size;
        at = begin + next.len;
        *slot = Whole { kind: next.kind, begin: begin as u32, end: at as u32 };
        run.count += 1;
        bytes += next.len;
        rest = behind;
        if at >= ENOUGH {
            break;
        }
    }
    (at, bytes)
}
