//! Status codes and their names.

/// What most functions return: 0 done, above 0 done with information, below 0 refused and nothing
/// happened. Numbers are never reused.
pub type wsock_status = i32;

/// Done.
pub const WSOCK_OK: i32 = 0;
/// The message was accepted, and the queue is now above the high-water mark: on_drain will come.
pub const WSOCK_BUFFERED: i32 = 1;
/// There was no room, and a message was dropped as WSOCK_OVERFLOW_* says: this one, or older ones for it.
/// Or it has taken the place of one with its key.
pub const WSOCK_DROPPED: i32 = 2;
/// An argument is not what the function's description asks for.
pub const WSOCK_ERR_INVALID_ARGUMENT: i32 = -1;
/// The handle is NULL, or its object has ended, or it never was one.
pub const WSOCK_ERR_INVALID_HANDLE: i32 = -2;
/// The handle is alive but of another class.
pub const WSOCK_ERR_WRONG_KIND: i32 = -3;
/// Only the thread of the loop may call this.
pub const WSOCK_ERR_WRONG_THREAD: i32 = -4;
/// run, poll or loop_free was called from inside a callback of the same loop.
pub const WSOCK_ERR_REENTRANT: i32 = -5;
/// Not now: the connection is not open yet, or is closing; the request is no WebSocket's; or this is the
/// child of a fork and the loop is the parent's.
pub const WSOCK_ERR_STATE: i32 = -6;
/// This library, or this build of it, does not know that.
pub const WSOCK_ERR_UNSUPPORTED: i32 = -7;
/// A limit is reached: the send queue is full, or there are too many objects.
pub const WSOCK_ERR_LIMIT: i32 = -8;
/// A signal arrived while waiting. Look at what your handler did, then call again.
pub const WSOCK_ERR_INTERRUPTED: i32 = -9;
/// The operating system refused; os_error has its number.
pub const WSOCK_ERR_SYSTEM: i32 = -20;
/// The host name could not be looked up.
pub const WSOCK_ERR_RESOLVE: i32 = -21;
/// No address of the host could be connected to.
pub const WSOCK_ERR_CONNECT: i32 = -22;
/// Looking up and connecting took longer than WSOCK_OPT_CONNECT_TIMEOUT_MS.
pub const WSOCK_ERR_CONNECT_TIMEOUT: i32 = -23;
/// TCP was reset, or ended without a close handshake.
pub const WSOCK_ERR_CONNECTION_LOST: i32 = -24;
/// A proxy could not be reached or refused; http_status has its answer, if it gave one.
pub const WSOCK_ERR_PROXY: i32 = -25;
/// There is no memory for that much. A call was refused; a connection has ended, close code 1011 if that could
/// still be said.
pub const WSOCK_ERR_NO_MEMORY: i32 = -26;
/// What the peer sent is not a valid WebSocket handshake.
pub const WSOCK_ERR_HANDSHAKE: i32 = -40;
/// The server answered with another status than 101; http_status has it.
pub const WSOCK_ERR_HTTP_STATUS: i32 = -41;
/// The handshake took longer than WSOCK_OPT_HANDSHAKE_TIMEOUT_MS.
pub const WSOCK_ERR_HANDSHAKE_TIMEOUT: i32 = -42;
/// A redirect that cannot be followed: too many, from wss:// to ws://, or nowhere.
pub const WSOCK_ERR_REDIRECT: i32 = -43;
/// The peer broke the protocol (close code 1002).
pub const WSOCK_ERR_PROTOCOL: i32 = -60;
/// The peer sent text that is not UTF-8, or compressed data that is corrupt (1007).
pub const WSOCK_ERR_INVALID_DATA: i32 = -61;
/// The peer sent a message or frame above the limit (1009).
pub const WSOCK_ERR_TOO_BIG: i32 = -62;
/// The peer sent too many fragments or control frames, or reads too slowly for
/// WSOCK_OVERFLOW_CLOSE (1008).
pub const WSOCK_ERR_POLICY: i32 = -63;
/// The peer was silent and did not answer a ping.
pub const WSOCK_ERR_PING_TIMEOUT: i32 = -64;
/// The peer did not finish the close handshake in time.
pub const WSOCK_ERR_CLOSE_TIMEOUT: i32 = -65;
/// No message went either way for longer than WSOCK_OPT_IDLE_TIMEOUT_MS.
pub const WSOCK_ERR_IDLE_TIMEOUT: i32 = -66;
/// The application ended it: wsock_conn_abort, wsock_loop_free, or a close before it was open.
pub const WSOCK_ERR_ABORTED: i32 = -67;
/// TLS failed, or the peer refused it; tls_alert may say more. Most often: the other side does not speak
/// TLS, or wants a client certificate.
pub const WSOCK_ERR_TLS: i32 = -80;
/// The peer's certificate is not accepted; the message says why and what to do.
pub const WSOCK_ERR_CERTIFICATE: i32 = -81;
/// TCP ended without the end of TLS, so that something may be missing.
pub const WSOCK_ERR_TLS_TRUNCATED: i32 = -82;
/// A bug in this library was stopped at its boundary; please report it. In on_error: it has ended that
/// connection and nothing else. As the answer of a call: it has broken that loop.
pub const WSOCK_ERR_PANIC: i32 = -100;
/// An earlier WSOCK_ERR_PANIC has made this unusable: a connection, whose on_close follows, or a loop
/// with all that is in it, which can only be freed.
pub const WSOCK_ERR_POISONED: i32 = -101;

const TABLE: &[(i32, &std::ffi::CStr, &std::ffi::CStr)] = &[
    (WSOCK_OK, c"WSOCK_OK", c"done"),
    (WSOCK_BUFFERED, c"WSOCK_BUFFERED", c"accepted, above the high-water mark"),
    (WSOCK_DROPPED, c"WSOCK_DROPPED", c"accepted, and a message was dropped"),
    (WSOCK_ERR_INVALID_ARGUMENT, c"WSOCK_ERR_INVALID_ARGUMENT", c"invalid argument"),
    (WSOCK_ERR_INVALID_HANDLE, c"WSOCK_ERR_INVALID_HANDLE", c"invalid handle"),
    (WSOCK_ERR_WRONG_KIND, c"WSOCK_ERR_WRONG_KIND", c"handle of another class"),
    (WSOCK_ERR_WRONG_THREAD, c"WSOCK_ERR_WRONG_THREAD", c"called from the wrong thread"),
    (WSOCK_ERR_REENTRANT, c"WSOCK_ERR_REENTRANT", c"called from inside a callback"),
    (WSOCK_ERR_STATE, c"WSOCK_ERR_STATE", c"not possible in this state"),
    (WSOCK_ERR_UNSUPPORTED, c"WSOCK_ERR_UNSUPPORTED", c"not supported"),
    (WSOCK_ERR_LIMIT, c"WSOCK_ERR_LIMIT", c"limit reached"),
    (WSOCK_ERR_INTERRUPTED, c"WSOCK_ERR_INTERRUPTED", c"interrupted by a signal"),
    (WSOCK_ERR_SYSTEM, c"WSOCK_ERR_SYSTEM", c"system error"),
    (WSOCK_ERR_RESOLVE, c"WSOCK_ERR_RESOLVE", c"host name look-up failed"),
    (WSOCK_ERR_CONNECT, c"WSOCK_ERR_CONNECT", c"cannot connect"),
    (WSOCK_ERR_CONNECT_TIMEOUT, c"WSOCK_ERR_CONNECT_TIMEOUT", c"connecting took too long"),
    (WSOCK_ERR_CONNECTION_LOST, c"WSOCK_ERR_CONNECTION_LOST", c"connection lost"),
    (WSOCK_ERR_PROXY, c"WSOCK_ERR_PROXY", c"cannot connect through the proxy"),
    (WSOCK_ERR_NO_MEMORY, c"WSOCK_ERR_NO_MEMORY", c"out of memory"),
    (WSOCK_ERR_HANDSHAKE, c"WSOCK_ERR_HANDSHAKE", c"not a valid WebSocket handshake"),
    (WSOCK_ERR_HTTP_STATUS, c"WSOCK_ERR_HTTP_STATUS", c"refused with an HTTP status"),
    (WSOCK_ERR_HANDSHAKE_TIMEOUT, c"WSOCK_ERR_HANDSHAKE_TIMEOUT", c"handshake took too long"),
    (WSOCK_ERR_REDIRECT, c"WSOCK_ERR_REDIRECT", c"redirect that cannot be followed"),
    (WSOCK_ERR_PROTOCOL, c"WSOCK_ERR_PROTOCOL", c"protocol violation by the peer"),
    (WSOCK_ERR_INVALID_DATA, c"WSOCK_ERR_INVALID_DATA", c"invalid data from the peer"),
    (WSOCK_ERR_TOO_BIG, c"WSOCK_ERR_TOO_BIG", c"message too big"),
    (WSOCK_ERR_POLICY, c"WSOCK_ERR_POLICY", c"peer exceeded a limit"),
    (WSOCK_ERR_PING_TIMEOUT, c"WSOCK_ERR_PING_TIMEOUT", c"no answer to a ping"),
    (WSOCK_ERR_CLOSE_TIMEOUT, c"WSOCK_ERR_CLOSE_TIMEOUT", c"close handshake took too long"),
    (WSOCK_ERR_IDLE_TIMEOUT, c"WSOCK_ERR_IDLE_TIMEOUT", c"idle for too long"),
    (WSOCK_ERR_ABORTED, c"WSOCK_ERR_ABORTED", c"aborted"),
    (WSOCK_ERR_TLS, c"WSOCK_ERR_TLS", c"TLS failed"),
    (WSOCK_ERR_CERTIFICATE, c"WSOCK_ERR_CERTIFICATE", c"the peer's certificate is not accepted"),
    (WSOCK_ERR_TLS_TRUNCATED, c"WSOCK_ERR_TLS_TRUNCATED", c"TLS was cut off"),
    (WSOCK_ERR_PANIC, c"WSOCK_ERR_PANIC", c"internal error"),
    (WSOCK_ERR_POISONED, c"WSOCK_ERR_POISONED", c"unusable after an internal error"),
];

fn entry(code: i32) -> Option<&'static (i32, &'static std::ffi::CStr, &'static std::ffi::CStr)> {
    TABLE.iter().find(|(have, _, _)| *have == code)
}

/// A few words for a status code. Never NULL, also for numbers that are none.
///
/// Thread: any. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_strerror(code: i32) -> *const std::ffi::c_char {
    entry(code).map_or(c"unknown status code", |(_, _, words)| words).as_ptr()
}

/// The name of a status code, such as "WSOCK_ERR_LIMIT". Never NULL, also for numbers that are none.
///
/// Thread: any. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_error_name(code: i32) -> *const std::ffi::c_char {
    entry(code).map_or(c"WSOCK_UNKNOWN", |(_, name, _)| name).as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[test]
    fn the_constants_are_the_codes() {
        let pairs = [
            (Code::InvalidArgument, WSOCK_ERR_INVALID_ARGUMENT),
            (Code::InvalidHandle, WSOCK_ERR_INVALID_HANDLE),
            (Code::WrongKind, WSOCK_ERR_WRONG_KIND),
            (Code::WrongThread, WSOCK_ERR_WRONG_THREAD),
            (Code::Reentrant, WSOCK_ERR_REENTRANT),
            (Code::State, WSOCK_ERR_STATE),
            (Code::Unsupported, WSOCK_ERR_UNSUPPORTED),
            (Code::Limit, WSOCK_ERR_LIMIT),
            (Code::Interrupted, WSOCK_ERR_INTERRUPTED),
            (Code::System, WSOCK_ERR_SYSTEM),
            (Code::Resolve, WSOCK_ERR_RESOLVE),
            (Code::Connect, WSOCK_ERR_CONNECT),
            (Code::ConnectTimeout, WSOCK_ERR_CONNECT_TIMEOUT),
            (Code::ConnectionLost, WSOCK_ERR_CONNECTION_LOST),
            (Code::Proxy, WSOCK_ERR_PROXY),
            (Code::NoMemory, WSOCK_ERR_NO_MEMORY),
            (Code::Handshake, WSOCK_ERR_HANDSHAKE),
            (Code::HttpStatus, WSOCK_ERR_HTTP_STATUS),
            (Code::HandshakeTimeout, WSOCK_ERR_HANDSHAKE_TIMEOUT),
            (Code::Redirect, WSOCK_ERR_REDIRECT),
            (Code::Protocol, WSOCK_ERR_PROTOCOL),
            (Code::InvalidData, WSOCK_ERR_INVALID_DATA),
            (Code::TooBig, WSOCK_ERR_TOO_BIG),
            (Code::Policy, WSOCK_ERR_POLICY),
            (Code::PingTimeout, WSOCK_ERR_PING_TIMEOUT),
            (Code::CloseTimeout, WSOCK_ERR_CLOSE_TIMEOUT),
            (Code::IdleTimeout, WSOCK_ERR_IDLE_TIMEOUT),
            (Code::Aborted, WSOCK_ERR_ABORTED),
            (Code::Tls, WSOCK_ERR_TLS),
            (Code::Certificate, WSOCK_ERR_CERTIFICATE),
            (Code::TlsTruncated, WSOCK_ERR_TLS_TRUNCATED),
            (Code::Panic, WSOCK_ERR_PANIC),
            (Code::Poisoned, WSOCK_ERR_POISONED),
        ];
        assert_eq!(pairs.len(), TABLE.len() - 3, "a code is missing here or in the table");
        for (code, constant) in pairs {
            assert_eq!(code as i32, constant);
            let (_, name, _) = entry(constant).unwrap_or_else(|| panic!("{code:?}"));
            assert_eq!(name.to_str(), Ok(&*code.symbol()));
        }
    }

    #[test]
    fn names_and_texts_are_distinct() {
        for (n, (code, name, words)) in TABLE.iter().enumerate() {
            for (other, other_name, other_words) in &TABLE[..n] {
                assert!(code != other && name != other_name && words != other_words);
            }
        }
    }
}
