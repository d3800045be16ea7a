//! The classes and the plain structs.

use std::ffi::{c_char, c_void};

/// An event loop. It owns connections and servers, and calls your functions while it is polled.
pub struct wsock_loop {
    _id: (),
}

/// One WebSocket connection, made by wsock_connect or accepted by a server. The handle is valid until
/// on_close has returned.
pub struct wsock_conn {
    _id: (),
}

/// A listener and the connections it has accepted.
pub struct wsock_server {
    _id: (),
}

/// An HTTP request that has reached a server. The handle is valid until on_request has returned.
pub struct wsock_request {
    _id: (),
}

/// A set of options for connecting or listening. You make and free it; it is copied when used.
pub struct wsock_options {
    _id: (),
}

/// wsock_conn_state: not open yet.
pub const WSOCK_CONNECTING: i32 = 0;
/// wsock_conn_state: messages flow.
pub const WSOCK_OPEN: i32 = 1;
/// wsock_conn_state: the close handshake has begun.
pub const WSOCK_CLOSING: i32 = 2;
/// wsock_conn_state: it is over, or never was.
pub const WSOCK_CLOSED: i32 = 3;

/// Message type: UTF-8 text.
pub const WSOCK_TEXT: i32 = 1;
/// Message type: any bytes.
pub const WSOCK_BINARY: i32 = 2;

/// wsock_close_info.initiator: nobody, the network failed or the connection never was open.
pub const WSOCK_BY_NOBODY: i32 = 0;
/// wsock_close_info.initiator: this side.
pub const WSOCK_BY_LOCAL: i32 = 1;
/// wsock_close_info.initiator: the other side.
pub const WSOCK_BY_PEER: i32 = 2;

/// What went wrong, in detail.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct wsock_error_info {
    /// Set this to sizeof(wsock_error_info) before wsock_last_error.
    pub struct_size: usize,
    /// WSOCK_ERR_*, or 0 when nothing has failed yet.
    pub code: i32,
    /// errno of the operating system, or 0.
    pub os_error: i32,
    /// The status of the server's answer with WSOCK_ERR_HTTP_STATUS, or 0.
    pub http_status: i32,
    /// The close code that was sent to the peer because of this, or 0.
    pub close_code: i32,
    /// One line for a person to read, NUL-terminated.
    pub message: [c_char; 232],
}

/// How a connection ended.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct wsock_close_info {
    /// Bytes of this struct that the library has filled.
    pub struct_size: usize,
    /// As the browser's CloseEvent.code: the code that was received, 1005 when the peer's close frame
    /// had none, 1006 when there was no close frame.
    pub code: i32,
    /// The code in the close frame that was sent; 1005 when it had none, 0 when none was sent.
    pub sent_code: i32,
    /// 1 when close frames went both ways, else 0.
    pub was_clean: i32,
    /// WSOCK_BY_*: who began.
    pub initiator: i32,
    /// WSOCK_OK, or the WSOCK_ERR_* that on_error was told.
    pub status: i32,
    /// 0.
    pub reserved: i32,
    /// The reason that was received, or one line of the library's when the end was abnormal. Never
    /// NULL, NUL-terminated UTF-8, valid until on_close returns.
    pub reason: *const c_char,
    /// Its length.
    pub reason_len: usize,
    /// Bytes of messages that were accepted and never reached the network.
    pub unsent_bytes: u64,
}

/// Your functions. Each may be NULL. Set struct_size to sizeof(wsock_handlers) and the rest to zero
/// before filling it in: `wsock_handlers h = { sizeof h };` The struct is copied by the call it is
/// given to.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct wsock_handlers {
    /// sizeof(wsock_handlers) of the header your program was compiled with.
    pub struct_size: usize,
    /// The handshake is done, messages may flow.
    pub on_open: Option<unsafe extern "C-unwind" fn(conn: *mut wsock_conn, user_data: *mut c_void)>,
    /// A whole message; type is WSOCK_TEXT (then data is valid UTF-8, without a NUL at its end) or
    /// WSOCK_BINARY. data is valid until the callback returns.
    pub on_message: Option<
        unsafe extern "C-unwind" fn(
            conn: *mut wsock_conn,
            r#type: i32,
            data: *const u8,
            len: usize,
            user_data: *mut c_void,
        ),
    >,
    /// The connection failed. on_close follows.
    pub on_error: Option<
        unsafe extern "C-unwind" fn(
            conn: *mut wsock_conn,
            error: *const wsock_error_info,
            user_data: *mut c_void,
        ),
    >,
    /// The end. The handle is not valid any more once this has returned.
    pub on_close: Option<
        unsafe extern "C-unwind" fn(
            conn: *mut wsock_conn,
            info: *const wsock_close_info,
            user_data: *mut c_void,
        ),
    >,
    /// A ping arrived; the library has answered it.
    pub on_ping: Option<
        unsafe extern "C-unwind" fn(
            conn: *mut wsock_conn,
            data: *const u8,
            len: usize,
            user_data: *mut c_void,
        ),
    >,
    /// A pong arrived, for a ping of yours, of the library's keepalive, or for none.
    pub on_pong: Option<
        unsafe extern "C-unwind" fn(
            conn: *mut wsock_conn,
            data: *const u8,
            len: usize,
            user_data: *mut c_void,
        ),
    >,
    /// After a send that answered WSOCK_BUFFERED: the queue has fallen to the low-water mark.
    pub on_drain:
        Option<unsafe extern "C-unwind" fn(conn: *mut wsock_conn, user_data: *mut c_void)>,
    /// Server: a request has arrived, for a WebSocket (wsock_request_is_upgrade) or for plain HTTP.
    /// Return 0 to go on: a WebSocket is accepted, a plain request is answered 426. Return 200 to 599
    /// to answer with that status and what wsock_request_add_header and wsock_request_set_body have
    /// prepared. Anything else becomes 500. The request handle is valid until you return.
    pub on_request: Option<
        unsafe extern "C-unwind" fn(
            server: *mut wsock_server,
            request: *mut wsock_request,
            user_data: *mut c_void,
        ) -> i32,
    >,
    /// Called exactly once, last: no callback will be given this user data again. Not called when the
    /// function that was given the handlers was refused.
    pub release: Option<unsafe extern "C-unwind" fn(user_data: *mut c_void)>,
}

/// Figures of one connection.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct wsock_conn_stats {
    /// Set this to sizeof(wsock_conn_stats) before the call.
    pub struct_size: usize,
    /// Whole messages received.
    pub messages_received: u64,
    /// Messages sent.
    pub messages_sent: u64,
    /// Bytes received on the wire, frame headers included, the handshake not.
    pub bytes_received: u64,
    /// Bytes handed to the operating system, frame headers included, the handshake not.
    pub bytes_sent: u64,
    /// Bytes of messages received, after inflating.
    pub payload_received: u64,
    /// Bytes of messages sent, before deflating.
    pub payload_sent: u64,
    /// Pings received.
    pub pings_received: u64,
    /// Pongs received.
    pub pongs_received: u64,
    /// As wsock_conn_buffered_amount.
    pub buffered_amount: u64,
    /// Round-trip time of the last answered ping in microseconds; 0 when there was none yet.
    pub rtt_us: u64,
}

/// Figures of one server.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct wsock_server_stats {
    /// Set this to sizeof(wsock_server_stats) before the call.
    pub struct_size: usize,
    /// Connections that are open or closing now.
    pub connections: u64,
    /// Handshakes in progress now.
    pub handshakes: u64,
    /// TCP connections ever accepted.
    pub accepted: u64,
    /// Handshakes that ended in on_open.
    pub opened: u64,
    /// Requests for a WebSocket answered with an HTTP error, and requests that were not valid.
    pub refused: u64,
    /// Plain HTTP requests answered.
    pub http_responses: u64,
    /// Handshakes that took too long.
    pub handshake_timeouts: u64,
    /// Peers that hung up before the handshake was done.
    pub handshake_errors: u64,
    /// Times that accepting failed for lack of file descriptors or memory and was put off.
    pub accept_errors: u64,
    /// Messages received by all its connections, ended ones included; so for the next three.
    pub messages_received: u64,
    /// Messages sent.
    pub messages_sent: u64,
    /// Bytes received on the wire.
    pub bytes_received: u64,
    /// Bytes handed to the operating system.
    pub bytes_sent: u64,
}
