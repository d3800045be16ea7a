//! What the application is told when a connection has ended.

use crate::proto::event::Closed;

/// How it ended and what was lost.
#[derive(Clone, Debug)]
pub struct Report {
    /// What the protocol knows.
    pub closed: Closed,
    /// Bytes of messages that were accepted and never left.
    pub unsent: u64,
    /// Round-trip time of the last answered ping; 0 when there is none.
    pub rtt_us: u64,
}
