//! The options of permessage-deflate.

use super::table::{DAY_MS, GIB, IntOption, int_option};

/// 1: offer or accept permessage-deflate. Default 0.
pub const WSOCK_OPT_DEFLATE: i32 = 30;
/// How hard to compress: 1 (fast) to 9 (small). Default 1.
pub const WSOCK_OPT_DEFLATE_LEVEL: i32 = 31;
/// Messages shorter than this are sent uncompressed. Default 64.
pub const WSOCK_OPT_DEFLATE_MIN_SIZE: i32 = 32;
/// Window of the server's compressor, 9 to 15 bits. Default 15.
pub const WSOCK_OPT_DEFLATE_SERVER_WINDOW_BITS: i32 = 33;
/// Window of the client's compressor, 9 to 15 bits. Default 15.
pub const WSOCK_OPT_DEFLATE_CLIENT_WINDOW_BITS: i32 = 34;
/// 1: the server may refer to earlier messages: smaller messages, but some 300 KiB of memory for each
/// connection that is sending. Default 0: one compressor serves all connections of a loop.
pub const WSOCK_OPT_DEFLATE_SERVER_TAKEOVER: i32 = 35;
/// 1: so may the client. Then a server keeps some 20 KiB for each connection that has sent it a compressed
/// message. Default 0.
pub const WSOCK_OPT_DEFLATE_CLIENT_TAKEOVER: i32 = 36;
/// Milliseconds after which an unused compressor of a connection is given back. Default 10000.
pub const WSOCK_OPT_DEFLATE_IDLE_MS: i32 = 37;

/// Their rows.
pub(super) const INT_OPTIONS: &[IntOption] = &[
    int_option!(WSOCK_OPT_DEFLATE, deflate_on as bool),
    int_option!(WSOCK_OPT_DEFLATE_LEVEL, 1, 9, deflate.level as u32),
    int_option!(WSOCK_OPT_DEFLATE_MIN_SIZE, 0, GIB, deflate.min_size as usize),
    int_option!(WSOCK_OPT_DEFLATE_SERVER_WINDOW_BITS, 9, 15, deflate.server_window_bits as u8),
    int_option!(WSOCK_OPT_DEFLATE_CLIENT_WINDOW_BITS, 9, 15, deflate.client_window_bits as u8),
    int_option!(WSOCK_OPT_DEFLATE_SERVER_TAKEOVER, deflate.server_takeover as bool),
    int_option!(WSOCK_OPT_DEFLATE_CLIENT_TAKEOVER, deflate.client_takeover as bool),
    int_option!(WSOCK_OPT_DEFLATE_IDLE_MS, 1, DAY_MS, deflate.idle_ms as u64),
];
