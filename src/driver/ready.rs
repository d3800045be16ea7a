//! Who has input to be looked at, and who comes before whom. Open connections that have had less than their
//! share go first, all of them in each turn. Those that want more than their share, or ping all the time, and strangers
//! at the door, come after that, in two lines of their own: of each line a turn takes as much as one share, so that
//! nobody waits for a crowd.

use std::collections::VecDeque;

use crate::util::id::Id;

/// What one connection may cost before the others have their turn, in bytes of large messages: the unit of all
/// costs here. Some hundred microseconds.
pub const SHARE: usize = 256 * 1024;
/// The same for many small messages of those that are served first, since all of them are served in one turn.
const MODEST: usize = SHARE / 8;
/// What it costs to look at a connection that is not open, or to accept one.
pub const VISIT: usize = SHARE / 16;

/// Where somebody waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Open, and modest.
    Open,
    /// Open, and there is more than a share of it; or it is about to end, or pings all the time.
    Busy,
    /// Listeners, and whoever has not finished the handshake.
    Strangers,
}

impl Line {
    /// How much work each that waits there may make.
    pub fn share(self) -> usize {
        match self {
            Line::Open => MODEST,
            Line::Busy | Line::Strangers => SHARE,
        }
    }
}

/// The lines. Nobody stands in two of them.
#[derive(Default)]
pub struct Ready {
    lines: [VecDeque<Id>; 3],
}

impl Ready {
    /// In the order in which a turn serves them.
    pub const LINES: [Line; 3] = [Line::Open, Line::Busy, Line::Strangers];

    /// Nobody waits.
    pub fn is_empty(&self) -> bool {
        self.lines.iter().all(VecDeque::is_empty)
    }

    /// How many wait in each.
    pub fn counts(&self) -> [usize; 3] {
        self.lines.each_ref().map(VecDeque::len)
    }

    /// To the end of that line.
    pub fn push(&mut self, line: Line, id: Id) {
        self.lines[line as usize].push_back(id);
    }

    /// The next of it.
    pub fn pop(&mut self, line: Line) -> Option<Id> {
        self.lines[line as usize].pop_front()
    }
}
