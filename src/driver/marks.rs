//! What is so or not of a session, a bit each: as fields of their own they would cost every idle connection one more
//! cache line.

/// Something that is so or not.
#[derive(Clone, Copy)]
pub enum Mark {
    /// It is counted in the server's table of addresses.
    Placed,
    /// The socket may have bytes.
    Readable,
    /// The peer has shut down its side or the socket failed: read until that shows.
    HungUp,
    /// Nobody takes any more bytes at the other end.
    Gone,
    /// The socket may take bytes.
    Writable,
    /// In a line of those to serve.
    InReady,
    /// It had more than its share of the last turn.
    Busy,
    /// It has more to send than its share.
    Owes,
    /// On the list of sessions to settle.
    InDirty,
    /// The application does not want input now.
    Paused,
    /// Enough of its input waits for the application: no more is read until that has taken some.
    Stalled,
    /// The application has a handle to it, so `on_close` is owed.
    Announced,
    /// The figures of its server say how its handshake ended.
    Counted,
    /// Its end is on its way to the application.
    Ended,
}

/// Those that are so.
#[derive(Clone, Copy, Default)]
pub struct Marks(u16);

impl Marks {
    /// Whether it is so.
    #[inline]
    pub fn has(self, mark: Mark) -> bool {
        self.0 & 1 << mark as u16 != 0
    }

    /// It is so from now on, or no longer.
    #[inline]
    pub fn set(&mut self, mark: Mark, so: bool) {
        self.0 = self.0 & !(1 << mark as u16) | u16::from(so) << mark as u16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_set_and_taken_back_without_touching_the_others() {
        let mut marks = Marks::default();
        marks.set(Mark::Placed, true);
        marks.set(Mark::Ended, true);
        marks.set(Mark::Ended, true);
        assert!(marks.has(Mark::Placed) && marks.has(Mark::Ended) && !marks.has(Mark::Counted));
        marks.set(Mark::Placed, false);
        assert!(!marks.has(Mark::Placed) && marks.has(Mark::Ended));
        marks.set(Mark::Ended, false);
        assert!(!marks.has(Mark::Ended));
    }
}
