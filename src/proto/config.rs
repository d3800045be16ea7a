//! Limits and times of one connection, with the defaults and the reason for each.

use super::deflate;

/// Which side of the connection we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Masks what it sends, expects unmasked frames, waits for the server to close TCP.
    Client,
    /// Sends unmasked, requires masked frames, closes TCP first.
    Server,
}

impl Role {
    /// The other side.
    pub fn peer(self) -> Role {
        match self {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        }
    }
}

/// Bounds on an HTTP head, so that a stranger cannot make us keep much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the whole head. Browsers with large cookies stay below 16 KiB.
    pub max_bytes: usize,
    /// Number of header lines.
    pub max_headers: usize,
    /// Bytes of the request or status line.
    pub max_line: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        HeadLimits { max_bytes: 16 * 1024, max_headers: 100, max_line: 8 * 1024 }
    }
}

/// Settings of an open connection. Shared by all connections of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Largest message accepted, after inflating. A peer that announces more gets 1009.
    pub max_message: u64,
    /// Largest frame accepted; 0 means as large as a message.
    pub max_frame: u64,
    /// Frames one message may be cut into; more gets 1008. Not counted with `parts`, where nothing is
    /// collected and a sender may not know how long the message will be.
    pub max_fragments: u32,
    /// Tell messages by `Event::Part` as their bytes arrive, instead of whole by `Event::Message`.
    pub parts: bool,
    /// Control frames a peer may send each second before it gets 1008; 0 means any number.
    pub max_control_rate: u32,
    /// Time for the close handshake and for the peer to close TCP after it.
    pub close_timeout_ms: u64,
    /// Time without a message either way after which the connection is closed with 1001; 0: never.
    pub idle_timeout_ms: u64,
    /// Silence of the peer after which a ping asks whether it lives; 0: never.
    pub ping_interval_ms: u64,
    /// Silence after that ping which means it does not.
    pub pong_timeout_ms: u64,
    /// permessage-deflate settings; `None` neither offers nor accepts it.
    pub deflate: Option<deflate::Config>,
    /// How many of its last frames a connection remembers for its trace; 0 means none.
    pub trace_frames: u32,
}

impl Config {
    /// The largest frame that can be a whole message.
    #[inline]
    pub fn longest_frame(&self) -> u64 {
        match self.max_frame {
            0 => self.max_message,
            most => most.min(self.max_message),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            max_message: 16 * 1024 * 1024,
            max_frame: 0,
            max_fragments: 128 * 1024,
            parts: false,
            max_control_rate: 1000,
            close_timeout_ms: 5_000,
            idle_timeout_ms: 0,
            // Below the 30 to 60 seconds after which NAT boxes and proxies forget a silent connection.
            ping_interval_ms: 25_000,
            pong_timeout_ms: 20_000,
            deflate: None,
            trace_frames: 0,
        }
    }
}
