//! permessage-deflate, RFC 7692.

#[cfg(feature = "deflate")]
mod block;
#[cfg_attr(not(feature = "deflate"), path = "absent.rs")]
pub mod codec;
#[cfg(feature = "deflate")]
mod huffman;
#[cfg(feature = "deflate")]
mod inflate;
pub mod negotiate;
#[cfg(feature = "deflate")]
mod whole;

/// What we want of the extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// 1 (fast) to 9 (small).
    pub level: u32,
    /// Messages shorter than this are sent as they are.
    pub min_size: usize,
    /// Window of the server's compressor, 9 to 15.
    pub server_window_bits: u8,
    /// Window of the client's compressor, 9 to 15.
    pub client_window_bits: u8,
    /// The server may keep its window from one message to the next.
    pub server_takeover: bool,
    /// The client may keep its window from one message to the next.
    pub client_takeover: bool,
    /// Silence after which a compressor is given back; it starts anew with the next message.
    pub idle_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            level: 1,
            min_size: 64,
            server_window_bits: 15,
            client_window_bits: 15,
            // Without takeover one compressor serves every connection of a loop.
            server_takeover: false,
            // What a client keeps in its compressor a server keeps, too, to read it.
            client_takeover: false,
            idle_ms: 10_000,
        }
    }
}

/// What both sides agreed on in the handshake (RFC 7692 section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// The server starts each message with an empty window.
    pub server_no_takeover: bool,
    /// The client starts each message with an empty window.
    pub client_no_takeover: bool,
    /// Base-2 logarithm of the server's window, 9 to 15.
    pub server_bits: u8,
    /// Base-2 logarithm of the client's window, 8 to 15.
    pub client_bits: u8,
}
