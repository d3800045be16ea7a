//! The last frames of a connection, for whoever wonders what went over it. Headers only: what people write
//! to each other is not kept.

use std::collections::VecDeque;
use std::fmt;

use super::frame::Opcode;
use crate::util::time::Time;

/// Which way a frame went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the peer.
    Received,
    /// Queued for the peer.
    Sent,
}

/// What is kept of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Which way it went.
    pub direction: Direction,
    /// Its type.
    pub opcode: Opcode,
    /// The last frame of its message.
    pub fin: bool,
    /// It begins a compressed message.
    pub rsv1: bool,
    /// It has a masking key.
    pub masked: bool,
    /// Bytes of its payload, as it is on the wire.
    pub len: u64,
}

/// The newest frames of one connection.
#[derive(Clone, Debug)]
pub struct Trace {
    most: usize,
    begun: Time,
    frames: VecDeque<(Time, Frame)>,
    /// The code of the close frame received, and of ours.
    codes: [Option<u16>; 2],
    seen: u64,
}

impl Trace {
    /// For the newest `most` frames of a connection that begins now.
    pub fn new(most: usize, begun: Time) -> Trace {
        Trace { most, begun, frames: VecDeque::new(), codes: [None; 2], seen: 0 }
    }

    /// One more frame; the oldest makes room.
    pub fn add(&mut self, now: Time, frame: Frame) {
        if self.frames.len() >= self.most {
            self.frames.pop_front();
        }
        self.frames.push_back((now, frame));
        self.seen += 1;
    }

    /// The code in the close frame that went this way.
    pub fn close_code(&mut self, direction: Direction, code: u16) {
        self.codes[direction as usize] = Some(code);
    }

    /// A line for each of the newest `most` frames, the oldest first; before them, when there were more,
    /// how many.
    pub fn lines(&self, most: usize) -> impl Iterator<Item = String> {
        let shown = self.frames.len().min(most);
        let earlier = self.seen - shown as u64;
        let missing = (earlier > 0).then(|| format!("{earlier} earlier frames are not shown"));
        let frames = self.frames.iter().skip(self.frames.len() - shown);
        missing.into_iter().chain(frames.map(|(at, frame)| self.line(*at, frame)))
    }

    fn line(&self, at: Time, frame: &Frame) -> String {
        let us = at.micros_since(self.begun);
        let code = self.codes[frame.direction as usize].filter(|_| frame.opcode == Opcode::Close);
        let code = code.map_or(String::new(), |code| format!(" code={code}"));
        format!("+{}.{:06} {frame}{code}", us / 1_000_000, us % 1_000_000)
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines(usize::MAX).try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.opcode {
            Opcode::Continuation => "CONTINUATION",
            Opcode::Text => "TEXT",
            Opcode::Binary => "BINARY",
            Opcode::Close => "CLOSE",
            Opcode::Ping => "PING",
            Opcode::Pong => "PONG",
        };
        let arrow = match self.direction {
            Direction::Received => '<',
            Direction::Sent => '>',
        };
        write!(f, "{arrow} {name}")?;
        let flags = [(self.fin, "fin"), (self.rsv1, "rsv1"), (self.masked, "masked")];
        flags.iter().filter(|(set, _)| *set).try_for_each(|(_, flag)| write!(f, " {flag}"))?;
        write!(f, " len={}", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(direction: Direction, opcode: Opcode, len: u64) -> Frame {
        Frame { direction, opcode, fin: true, rsv1: false, masked: false, len }
    }

    #[test]
    fn a_line_tells_when_which_way_and_what() {
        let mut trace = Trace::new(10, Time(5_000_000));
        trace.add(Time(5_001_234), frame(Direction::Sent, Opcode::Text, 5));
        let first = Frame {
            fin: false,
            rsv1: true,
            masked: true,
            ..frame(Direction::Received, Opcode::Binary, 70_000)
        };
        trace.add(Time(7_000_000), first);
        trace.add(Time(7_000_001), frame(Direction::Received, Opcode::Continuation, 0));
        trace.add(Time(8_000_000), frame(Direction::Received, Opcode::Close, 2));
        trace.close_code(Direction::Received, 1001);
        trace.add(Time(8_000_000), frame(Direction::Sent, Opcode::Close, 0));
        let expected = "+0.001234 > TEXT fin len=5\n+2.000000 < BINARY rsv1 masked len=70000\n\
            +2.000001 < CONTINUATION fin len=0\n+3.000000 < CLOSE fin len=2 code=1001\n\
            +3.000000 > CLOSE fin len=0\n";
        assert_eq!(trace.to_string(), expected);
    }

    #[test]
    fn only_the_newest_are_kept() {
        let mut trace = Trace::new(3, Time(0));
        (0..5).for_each(|len| trace.add(Time(len), frame(Direction::Sent, Opcode::Ping, len)));
        let lines: Vec<String> = trace.lines(usize::MAX).collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[0], "2 earlier frames are not shown");
        assert_eq!(lines[1], "+0.000002 > PING fin len=2");
        let lines: Vec<String> = trace.lines(1).collect();
        assert_eq!(lines, ["4 earlier frames are not shown", "+0.000004 > PING fin len=4"]);
    }
}
