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

/// The same, as a connection keeps them.
#[derive(Default)]
pub(super) struct Counters {
    pub messages_received: u64,
    pub messages_sent: u64,
    pub bytes_received: u64,
    pub bytes_sent: u64,
    pub payload_received: u64,
    pub payload_sent: u64,
    pub pings_received: u32,
    pub pongs_received: u32,
}

impl Counters {
    pub(super) fn with(&self, rtt_us: u32, control_flood: bool, dropped: Dropped) -> Stats {
        Stats {
            messages_received: self.messages_received,
            messages_sent: self.messages_sent,
            bytes_received: self.bytes_received,
            bytes_sent: self.bytes_sent,
            payload_received: self.payload_received,
            payload_sent: self.payload_sent,
            pings_received: self.pings_received.into(),
            pongs_received: self.pongs_received.into(),
            rtt_us: rtt_us.into(),
            dropped,
            control_flood,
        }
    }
}
