//! Figures of a loop, and the trace of a connection.

use std::ffi::{CStr, c_char};

use super::args::{self, Versioned, id, out};
use super::boundary;
use super::status::wsock_status;
use super::types::{wsock_conn, wsock_loop};
use crate::driver::figures::LoopStats;
use crate::driver::{conn, figures, loops, measure};
use crate::error::Result;
use crate::util::histogram;

/// Buckets of a histogram. Bucket n counts times of at most 2^n microseconds that the bucket before does
/// not count; the last counts all that are longer than 2^24 microseconds, which is almost 17 seconds.
pub const WSOCK_HISTOGRAM_BUCKETS: usize = 26;
const _: () = assert!(WSOCK_HISTOGRAM_BUCKETS == histogram::BUCKETS);

/// Figures of one loop. What ended connections contributed stays in all sums.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct wsock_loop_stats {
    /// Set this to sizeof(wsock_loop_stats) before the call.
    pub struct_size: usize,
    /// Connections that are open or closing now, of clients and of servers.
    pub connections: u64,
    /// Clients that are connecting now, or waiting for their next attempt.
    pub connecting: u64,
    /// Servers that have not ended.
    pub servers: u64,
    /// Connections that were open at some time.
    pub opened: u64,
    /// Of these, those that have ended.
    pub closed: u64,
    /// Attempts of clients that ended without a connection.
    pub connect_failures: u64,
    /// Attempts of clients after the first (WSOCK_OPT_RECONNECT).
    pub connect_retries: u64,
    /// Turns: each wait and what was done after it.
    pub turns: u64,
    /// Events that the operating system reported.
    pub events: u64,
    /// Calls to your functions, those of wsock_loop_set_log not counted, and events of wsock_loop_events.
    pub callbacks: u64,
    /// Sends, closes and posts of other threads.
    pub requests: u64,
    /// Times that another thread woke the loop; many requests may come with one.
    pub wakeups: u64,
    /// Deadlines that came.
    pub timers: u64,
    /// Messages received.
    pub messages_received: u64,
    /// Messages sent.
    pub messages_sent: u64,
    /// Bytes received on the wire, frame headers included, handshakes and TLS not.
    pub bytes_received: u64,
    /// Bytes handed to the operating system, frame headers included, handshakes and TLS not.
    pub bytes_sent: u64,
    /// Bytes of messages received, after inflating.
    pub payload_received: u64,
    /// Bytes of messages sent, before deflating.
    pub payload_sent: u64,
    /// Pings received.
    pub pings_received: u64,
    /// Pongs received.
    pub pongs_received: u64,
    /// Messages to send that were dropped: by a policy for full queues, or for a newer one.
    pub messages_dropped: u64,
    /// Bytes of these messages.
    pub bytes_dropped: u64,
    /// Log records that were dropped because the log did not keep up.
    pub log_dropped: u64,
    /// Loop lag: from the end of each wait to the end of the turn that follows, so how long a socket that
    /// became ready meanwhile had to wait. Long times mean callbacks that take long, or a machine that is
    /// too small. With wsock_loop_start it is that of the library's thread, which your callbacks do not hold
    /// up.
    pub lag_count: u64,
    /// All of them together, in microseconds.
    pub lag_sum_us: u64,
    /// The longest.
    pub lag_max_us: u64,
    /// See WSOCK_HISTOGRAM_BUCKETS.
    pub lag_buckets: [u64; WSOCK_HISTOGRAM_BUCKETS],
    /// Time in each of your callbacks, while wsock_loop_measure is on.
    pub callback_count: u64,
    /// All of them together, in microseconds.
    pub callback_sum_us: u64,
    /// The longest.
    pub callback_max_us: u64,
    /// See WSOCK_HISTOGRAM_BUCKETS.
    pub callback_buckets: [u64; WSOCK_HISTOGRAM_BUCKETS],
    /// Round-trip times of answered pings, yours and those of the library's keepalive.
    pub rtt_count: u64,
    /// All of them together, in microseconds.
    pub rtt_sum_us: u64,
    /// The longest.
    pub rtt_max_us: u64,
    /// See WSOCK_HISTOGRAM_BUCKETS.
    pub rtt_buckets: [u64; WSOCK_HISTOGRAM_BUCKETS],
}

// SAFETY: `repr(C)`, a `usize` in front, and integers and arrays of them behind it, for which zero is
// valid.
unsafe impl Versioned for wsock_loop_stats {}

impl From<LoopStats> for wsock_loop_stats {
    fn from(stats: LoopStats) -> wsock_loop_stats {
        let LoopStats { figures, traffic, callback, rtt, .. } = stats;
        wsock_loop_stats {
            struct_size: size_of::<wsock_loop_stats>(),
            connections: stats.connections,
            connecting: stats.connecting,
            servers: stats.servers,
            opened: figures.opened,
            closed: figures.closed,
            connect_failures: figures.failed,
            connect_retries: figures.retries,
            turns: figures.turns,
            events: figures.events,
            callbacks: figures.callbacks,
            requests: stats.requests,
            wakeups: stats.wake_ups,
            timers: figures.timers,
            messages_received: traffic.messages_received,
            messages_sent: traffic.messages_sent,
            bytes_received: traffic.bytes_received,
            bytes_sent: traffic.bytes_sent,
            payload_received: traffic.payload_received,
            payload_sent: traffic.payload_sent,
            pings_received: traffic.pings_received,
            pongs_received: traffic.pongs_received,
            messages_dropped: traffic.messages_dropped,
            bytes_dropped: traffic.bytes_dropped,
            log_dropped: stats.log_dropped,
            lag_count: figures.lag.count,
            lag_sum_us: figures.lag.sum_us,
            lag_max_us: figures.lag.max_us,
            lag_buckets: figures.lag.buckets,
            callback_count: callback.count,
            callback_sum_us: callback.sum_us,
            callback_max_us: callback.max_us,
            callback_buckets: callback.buckets,
            rtt_count: rtt.count,
            rtt_sum_us: rtt.sum_us,
            rtt_max_us: rtt.max_us,
            rtt_buckets: rtt.buckets,
        }
    }
}

/// Copies the loop's figures to out_stats. Set out_stats->struct_size first.
///
/// Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT, POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_loop_get_stats(
    r#loop: *mut wsock_loop,
    out_stats: *mut wsock_loop_stats,
) -> wsock_status {
    boundary::status(|| {
        let stats = figures::stats(loops::find(id(r#loop)?)?)?;
        // SAFETY: NULL or a struct with its size in front.
        unsafe { args::sized_out(out_stats, stats.into()) }
    })
}

/// All figures of the loop and of its servers as Prometheus reads them (text exposition format 0.0.4):
/// answer a request for /metrics with it, as `text/plain; version=0.0.4`. NUL-terminated; its length
/// goes to out_len, which may be NULL. docs/monitoring.md says what each figure means.
///
/// Ownership: the library's; valid until the next call for this loop. Thread: loop.
/// Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT (out_text is NULL), POISONED.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_loop_metrics(
    r#loop: *mut wsock_loop,
    out_text: *mut *const c_char,
    out_len: *mut usize,
) -> wsock_status {
    boundary::status(|| {
        let place = loops::find(id(r#loop)?)?;
        // SAFETY: NULL or writable, both.
        unsafe { hand_out(out_text, out_len, |give| place.with(|core| Ok(give(core.metrics())))) }
    })
}

/// Begins (on 1) or ends (0) measuring how long each callback takes, for wsock_loop_stats and
/// wsock_loop_metrics. It costs two looks at the clock for each callback, so it is off at first. What was
/// measured stays.
///
/// Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_loop_measure(r#loop: *mut wsock_loop, on: i32) -> wsock_status {
    boundary::status(|| measure::set(loops::find(id(r#loop)?)?, on != 0))
}

/// The last frames that went over a connection, as many as WSOCK_OPT_TRACE_FRAMES says, a line for each,
/// the oldest first:
///
/// `+0.001234 > TEXT fin len=5`
/// `+0.001999 < CLOSE fin masked len=2 code=1000`
///
/// The time is in seconds from the end of the handshake on; `>` was queued by this side, `<` was received;
/// then come fin, rsv1 (compressed) and masked when they are set, and the length of the payload on the
/// wire. What was in it is not kept, but for the code of close frames. In on_error and on_close, and while a
/// client waits for its next attempt, these are the frames of the connection that has ended. The text is
/// NUL-terminated; its length goes to out_len, which may be NULL.
///
/// Ownership: the library's; valid until the next call for this connection, or until on_close returns.
/// Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, STATE (WSOCK_OPT_TRACE_FRAMES is 0),
/// INVALID_ARGUMENT (out_text is NULL), POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_conn_trace(
    conn: *mut wsock_conn,
    out_text: *mut *const c_char,
    out_len: *mut usize,
) -> wsock_status {
    boundary::status(|| {
        let id = id(conn)?;
        // SAFETY: NULL or writable, both.
        unsafe {
            hand_out(out_text, out_len, |give| {
                conn::with(id, |session| session.trace_text().map(give))
            })
        }
    })
}

/// Hands out where a text lies and how long it is; neither when `find` fails.
///
/// # Safety
/// Both pointers are NULL or writable.
unsafe fn hand_out(
    out_text: *mut *const c_char,
    out_len: *mut usize,
    find: impl FnOnce(fn(&CStr) -> (*const c_char, usize)) -> Result<(*const c_char, usize)>,
) -> Result<()> {
    // SAFETY: as promised by the caller.
    let (out_text, out_len) = unsafe { (out(out_text, "out_text")?, out_len.as_mut()) };
    let (text, len) = find(|text| (text.as_ptr(), text.to_bytes().len()))?;
    out_text.write(text);
    if let Some(out_len) = out_len {
        *out_len = len;
    }
    Ok(())
}
