//! The options that every build has.

use super::draft::Draft;
use super::table::{DAY_MS, GIB, IntOption, int_option};
use crate::driver::send::Overflow;
use crate::error::{Code, Error, Result};
use crate::ffi::send::{WSOCK_OVERFLOW_CLOSE, WSOCK_OVERFLOW_REFUSE};
use crate::proto::http::check_header;

/// Client: milliseconds for the name look-up and TCP together. 0: as long as the system tries.
/// Default 30000.
pub const WSOCK_OPT_CONNECT_TIMEOUT_MS: i32 = 1;
/// Milliseconds for the opening handshake, both roles. 0: no limit. Default 10000.
pub const WSOCK_OPT_HANDSHAKE_TIMEOUT_MS: i32 = 2;
/// Milliseconds for the close handshake and the end of TCP after it. At least 1. Default 5000.
pub const WSOCK_OPT_CLOSE_TIMEOUT_MS: i32 = 3;
/// Milliseconds without a message either way, pings and pongs not counted, after which the connection
/// is closed with 1001 "idle timeout". 0: never. Default 0.
pub const WSOCK_OPT_IDLE_TIMEOUT_MS: i32 = 4;
/// Milliseconds of silence of the peer after which a ping asks whether it lives. 0: never. Default 25000.
pub const WSOCK_OPT_PING_INTERVAL_MS: i32 = 5;
/// Milliseconds of silence after that ping which mean it does not. A peer that takes nothing of what
/// waits to be sent for as long as both together counts as dead, too, whatever it says meanwhile.
/// Default 20000.
pub const WSOCK_OPT_PONG_TIMEOUT_MS: i32 = 6;
/// What becomes of messages for which WSOCK_OPT_MAX_BUFFERED has no room, WSOCK_OVERFLOW_*;
/// wsock_conn_send_with may say otherwise for each. Default 1, WSOCK_OVERFLOW_REFUSE.
pub const WSOCK_OPT_OVERFLOW: i32 = 7;
/// Largest message to receive, in bytes after inflating. A peer that sends more gets 1009. 0: any size,
/// which is for on_part; what on_message gets has to fit into memory. Default 16 MiB.
pub const WSOCK_OPT_MAX_MESSAGE_SIZE: i32 = 10;
/// Largest frame to receive, in bytes. 0: as large as a message. Default 0.
pub const WSOCK_OPT_MAX_FRAME_SIZE: i32 = 11;
/// Frames that one message may be cut into. A peer that sends more gets 1008. Not counted with on_part.
/// Default 131072.
pub const WSOCK_OPT_MAX_FRAGMENTS: i32 = 12;
/// Control frames a peer may send in a second before it gets 1008. 0: any number. Default 1000.
pub const WSOCK_OPT_MAX_CONTROL_RATE: i32 = 13;
/// Bytes in the send queue above which sending answers WSOCK_BUFFERED; lowered to below
/// WSOCK_OPT_MAX_BUFFERED when it is not. Default 1 MiB.
pub const WSOCK_OPT_HIGH_WATER: i32 = 14;
/// Bytes in the send queue at which on_drain comes; lowered to WSOCK_OPT_HIGH_WATER and to half of
/// WSOCK_OPT_MAX_BUFFERED when above. Default 256 KiB.
pub const WSOCK_OPT_LOW_WATER: i32 = 15;
/// Bytes in the send queue above which sending answers WSOCK_ERR_LIMIT, or what WSOCK_OPT_OVERFLOW says
/// is done. An empty queue takes one message of any size. Default 64 MiB.
pub const WSOCK_OPT_MAX_BUFFERED: i32 = 16;
/// Largest head of a request or response to receive, in bytes. Default 16384.
pub const WSOCK_OPT_MAX_HEAD_BYTES: i32 = 17;
/// Most header lines in it. Default 100.
pub const WSOCK_OPT_MAX_HEADERS: i32 = 18;
/// Longest request line or status line to receive, in bytes. Default 8192.
pub const WSOCK_OPT_MAX_REQUEST_LINE: i32 = 19;
/// Server: connections the system keeps until they are accepted. It has a limit of its own, on Linux
/// net.core.somaxconn. Default 65535.
pub const WSOCK_OPT_BACKLOG: i32 = 40;
/// Server: which web pages it lets in, WSOCK_ORIGIN_*. Default 0, WSOCK_ORIGIN_ANY.
pub const WSOCK_OPT_ORIGIN_POLICY: i32 = 50;
/// Server: 1: with wsock_loop_events, requests come as WSOCK_EVENT_REQUEST and wait for
/// wsock_request_answer. 0: they go on, as without on_request. Default 0.
pub const WSOCK_OPT_ASK: i32 = 45;
/// How many of its last frames a connection remembers, for wsock_conn_trace and the log: 24 bytes each
/// once they have come. 0: none. Default 0.
pub const WSOCK_OPT_TRACE_FRAMES: i32 = 90;
/// Client: the Origin header it sends, a text (wsock_options_set_str). Default none.
pub const WSOCK_OPT_ORIGIN: i32 = 100;

/// Any Origin, or none.
pub const WSOCK_ORIGIN_ANY: i64 = 0;
/// Only origins given with wsock_options_add_origin, which sets this; others get 403.
pub const WSOCK_ORIGIN_LISTED: i64 = 1;
/// Any, but there must be one; others get 403.
pub const WSOCK_ORIGIN_REQUIRED: i64 = 2;

/// Their rows.
pub(super) const INT_OPTIONS: &[IntOption] = &[
    int_option!(WSOCK_OPT_CONNECT_TIMEOUT_MS, 0, DAY_MS, settings.connect_timeout_ms as u64),
    int_option!(WSOCK_OPT_HANDSHAKE_TIMEOUT_MS, 0, DAY_MS, settings.handshake_timeout_ms as u64),
    int_option!(WSOCK_OPT_CLOSE_TIMEOUT_MS, 1, DAY_MS, settings.conn.close_timeout_ms as u64),
    int_option!(WSOCK_OPT_IDLE_TIMEOUT_MS, 0, 365 * DAY_MS, settings.conn.idle_timeout_ms as u64),
    int_option!(WSOCK_OPT_PING_INTERVAL_MS, 0, DAY_MS, settings.conn.ping_interval_ms as u64),
    int_option!(WSOCK_OPT_PONG_TIMEOUT_MS, 1, DAY_MS, settings.conn.pong_timeout_ms as u64),
    IntOption {
        key: WSOCK_OPT_OVERFLOW,
        min: WSOCK_OVERFLOW_REFUSE as i64,
        max: WSOCK_OVERFLOW_CLOSE as i64,
        get: |draft| draft.settings.overflow as i64 + 1,
        set: |draft, value| draft.settings.overflow = Overflow::from_number(value as u8 - 1),
    },
    int_option!(WSOCK_OPT_MAX_MESSAGE_SIZE, 0, 1024 * GIB, settings.conn.max_message as u64),
    int_option!(WSOCK_OPT_MAX_FRAME_SIZE, 0, 1024 * GIB, settings.conn.max_frame as u64),
    int_option!(WSOCK_OPT_MAX_FRAGMENTS, 1, GIB, settings.conn.max_fragments as u32),
    int_option!(WSOCK_OPT_MAX_CONTROL_RATE, 0, GIB, settings.conn.max_control_rate as u32),
    int_option!(WSOCK_OPT_HIGH_WATER, 0, 1024 * GIB, settings.high_water as usize),
    int_option!(WSOCK_OPT_LOW_WATER, 0, 1024 * GIB, settings.low_water as usize),
    int_option!(WSOCK_OPT_MAX_BUFFERED, 1, 1024 * GIB, settings.max_buffered as usize),
    int_option!(WSOCK_OPT_MAX_HEAD_BYTES, 256, GIB, settings.head.max_bytes as usize),
    int_option!(WSOCK_OPT_MAX_HEADERS, 8, 100_000, settings.head.max_headers as usize),
    int_option!(WSOCK_OPT_MAX_REQUEST_LINE, 64, GIB, settings.head.max_line as usize),
    int_option!(WSOCK_OPT_BACKLOG, 1, 65_535, settings.backlog as i32),
    int_option!(WSOCK_OPT_TRACE_FRAMES, 0, 65_536, settings.conn.trace_frames as u32),
    int_option!(WSOCK_OPT_ORIGIN_POLICY, 0, 2, origin_policy as i64),
    int_option!(WSOCK_OPT_ASK, settings.ask as bool),
];

/// See `table::set_text`.
pub(super) fn set_text(draft: &mut Draft, key: i32, value: &str) -> Option<Result<()>> {
    (key == WSOCK_OPT_ORIGIN).then(|| {
        if !value.is_empty() {
            check_origin(value)?;
        }
        draft.settings.origin = (!value.is_empty()).then(|| value.to_owned());
        Ok(())
    })
}

/// What an Origin header may be.
pub(super) fn check_origin(origin: &str) -> Result<()> {
    if origin.is_empty() {
        return Err(Error::new(Code::InvalidArgument, "an origin must not be empty"));
    }
    check_header("Origin", origin)
}
