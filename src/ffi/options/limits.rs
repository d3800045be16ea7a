//! The options that keep strangers from using up a server.

use super::table::{GIB, IntOption, int_option};

/// Server: connections at a time, handshakes included. Whoever comes beyond is answered 503 and
/// closed, a TLS client just closed; wsock_server_stats counts them. 0: any number. Default 100000.
pub const WSOCK_OPT_MAX_CONNECTIONS: i32 = 51;
/// Server: the same for one address, IPv6 by its first 64 bits. Connections from this machine itself
/// (127.0.0.0/8, ::1, Unix sockets) are not counted, since a proxy speaks for many clients; when yours runs
/// on another machine, set this to 0. 0: any number. Default 4096.
pub const WSOCK_OPT_MAX_CONNECTIONS_PER_ADDRESS: i32 = 52;
/// Server: the same for handshakes that are not done yet. When the one that began first has taken two
/// seconds and more, it makes way instead: so whoever only occupies the places keeps nobody out. 0: any
/// number. Default 16384.
pub const WSOCK_OPT_MAX_HANDSHAKES: i32 = 53;
/// Server: bytes per second that a request must come with. From its first byte on it has two seconds,
/// and one more for each time so many bytes have come; then it is answered 408 and closed. 0: as
/// slowly as WSOCK_OPT_HANDSHAKE_TIMEOUT_MS lets it. Default 64.
pub const WSOCK_OPT_MIN_HANDSHAKE_RATE: i32 = 54;

/// Their rows.
pub(super) const INT_OPTIONS: &[IntOption] = &[
    int_option!(WSOCK_OPT_MAX_CONNECTIONS, 0, GIB, settings.limits.max_connections as u64),
    int_option!(
        WSOCK_OPT_MAX_CONNECTIONS_PER_ADDRESS,
        0,
        GIB,
        settings.limits.max_per_address as u32
    ),
    int_option!(WSOCK_OPT_MAX_HANDSHAKES, 0, GIB, settings.limits.max_handshakes as u64),
    int_option!(WSOCK_OPT_MIN_HANDSHAKE_RATE, 0, GIB, settings.limits.min_handshake_rate as u32),
];
