//! What went over a connection.

use super::queue::Dropped;

/// Counters of one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Whole messages delivered.
    pub messages_received: u64,
    /// Messages accepted for sending.
    pub messages_sent: u64,
    /// Bytes from the transport, frame headers included.
    pub bytes_received: u64,
    /// Bytes that the transport took.
    pub bytes_sent: u64,
    /// Bytes of messages, after inflating.
    pub payload_received: u64,
    /// Bytes of messages, before compressing.
    pub payload_sent: u64,
    /// Pings of the peer.
    pub pings_received: u64,
    /// Pongs of the peer, asked for or not.
    pub pongs_received: u64,
    /// Round-trip time of the last answered ping in microseconds; 0 when there is none.
    pub rtt_us: u64,
    /// Messages that were dropped, by a policy or for a newer one, and their bytes.
    pub dropped: Dropped,
    /// The peer sent more control frames in a second than it may, which ends the connection.
    pub control_flood: bool,
}

/// What is counted with every message.
#[derive(Clone, Copy)]
pub(super) enum Figure {
    MessagesReceived,
    MessagesSent,
    BytesReceived,
    BytesSent,
    PayloadReceived,
    PayloadSent,
}

/// The same, as a connection keeps them. Few ever count to 2^32; what runs over is carried on elsewhere.
#[derive(Default)]
pub(super) struct Counters {
    low: [u32; 6],
    pub pings_received: u32,
    pub pongs_received: u32,
    pub rtt_us: u32,
}

/// The upper halves of what is in `Counters`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Carried([u32; 6]);

impl Counters {
    /// Answers what has to be carried on.
    #[inline]
    pub(super) fn add(&mut self, figure: Figure, n: usize) -> Option<u32> {
        let low = &mut self.low[figure as usize];
        let sum = u64::from(*low) + n as u64;
        *low = sum as u32;
        let carry = (sum >> 32) as u32;
        (carry > 0).then_some(carry)
    }

    /// Undoes `add`. True when that takes one of what was carried on.
    pub(super) fn take_back(&mut self, figure: Figure, n: usize) -> bool {
        // Of a run, which is shorter than 2^32.
        let (low, borrows) = self.low[figure as usize].overflowing_sub(n as u32);
        self.low[figure as usize] = low;
        borrows
    }

    pub(super) fn with(&self, carried: &Carried, control_flood: bool, dropped: Dropped) -> Stats {
        let of = |figure: Figure| {
            let at = figure as usize;
            u64::from(carried.0[at]) << 32 | u64::from(self.low[at])
        };
        Stats {
            messages_received: of(Figure::MessagesReceived),
            messages_sent: of(Figure::MessagesSent),
            bytes_received: of(Figure::BytesReceived),
            bytes_sent: of(Figure::BytesSent),
            payload_received: of(Figure::PayloadReceived),
            payload_sent: of(Figure::PayloadSent),
            pings_received: self.pings_received.into(),
            pongs_received: self.pongs_received.into(),
            rtt_us: self.rtt_us.into(),
            dropped,
            control_flood,
        }
    }
}

impl Carried {
    #[cold]
    pub(super) fn add(&mut self, figure: Figure, carry: u32) {
        self.0[figure as usize] += carry;
    }

    #[cold]
    pub(super) fn take_back(&mut self, figure: Figure) {
        self.0[figure as usize] -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_over_is_not_lost() {
        let (mut counters, mut carried) = (Counters::default(), Carried::default());
        let mut expected = 0;
        for n in [1, u32::MAX as usize, 5 << 32, 0, (3 << 32) - 7] {
            expected += n as u64;
            if let Some(carry) = counters.add(Figure::BytesSent, n) {
                carried.add(Figure::BytesSent, carry);
            }
            counters.add(Figure::MessagesSent, 1);
        }
        let stats = counters.with(&carried, false, Dropped::default());
        assert_eq!((stats.bytes_sent, stats.messages_sent), (expected, 5));
        assert_eq!(stats.bytes_received, 0);
        assert!(counters.take_back(Figure::BytesSent, u32::MAX as usize));
        carried.take_back(Figure::BytesSent);
        let stats = counters.with(&carried, false, Dropped::default());
        assert_eq!(stats.bytes_sent, expected - u64::from(u32::MAX));
    }
}
