//! The classes and the plain structs.

use std::ffi::{c_char, c_void};

/// An event loop. It owns connections and servers, and calls your functions while it is polled. You
/// make it and free it.
///
/// - Life: wsock_loop_new, wsock_loop_free.
/// - Let it work: wsock_loop_run until all is done, or wsock_loop_poll turn by turn.
/// - Without callbacks: wsock_loop_use_events, wsock_loop_events, wsock_loop_flush,
///   wsock_loop_promise_flush.
/// - On a thread of its own: wsock_loop_start, wsock_loop_join.
/// - From any thread: wsock_loop_stop, wsock_loop_wakeup, wsock_loop_post.
/// - Inside another event loop: wsock_loop_fd, wsock_loop_timeout_ms.
/// - In the child of a fork: wsock_loop_after_fork.
/// - Watch it: wsock_loop_get_stats, wsock_loop_metrics, wsock_loop_measure, wsock_loop_set_log.
/// - What lives in it is made by wsock_connect and wsock_listen, or on descriptors of yours by
///   wsock_connect_fd and wsock_listen_fd.
pub struct wsock_loop {
    _id: (),
}

/// One WebSocket connection, made by wsock_connect or wsock_connect_fd, or accepted by a server. It
/// ends by itself: the handle is valid until on_close has returned, and there is nothing to free.
///
/// - Send: wsock_conn_send, wsock_conn_send_text, wsock_conn_send_binary, wsock_conn_ping; many at once:
///   wsock_conn_send_many; with a policy, a key or without a copy: wsock_conn_send_with; piece by piece:
///   wsock_conn_send_part, wsock_conn_send_fd, wsock_conn_send_from, wsock_conn_pull_again; made before:
///   wsock_conn_send_message.
/// - End: wsock_conn_close politely, wsock_conn_abort at once.
/// - Hold back: wsock_conn_buffered_amount for what you send, wsock_conn_pause and wsock_conn_resume
///   for what you receive.
/// - Ask: wsock_conn_state, wsock_conn_get_str, wsock_conn_header, wsock_conn_header_at,
///   wsock_conn_cookie, wsock_conn_server, wsock_conn_get_stats, wsock_conn_trace.
/// - Keep what was received: wsock_conn_retain.
/// - Come back: wsock_conn_set_target, for the next attempt.
/// - Your own data: wsock_conn_set_user_data, wsock_conn_user_data.
pub struct wsock_conn {
    _id: (),
}

/// A listener and the connections it has accepted, made by wsock_listen or wsock_listen_fd. The handle
/// is valid until wsock_server_close was called and the last connection has ended; there is nothing to
/// free.
///
/// - Ask: wsock_server_port, wsock_server_get_stats.
/// - Hand it a connection that you have accepted yourself: wsock_server_adopt.
/// - Newer certificates: wsock_server_set_tls.
/// - Send to all: wsock_server_broadcast.
/// - End: wsock_server_close.
pub struct wsock_server {
    _id: (),
}

/// An HTTP request that has reached a server: whoever wants a WebSocket begins with one. The handle is
/// valid until on_request has returned, or wsock_request_answer.
///
/// - Read: wsock_request_is_upgrade, wsock_request_get_str, wsock_request_header,
///   wsock_request_header_at, wsock_request_cookie, wsock_request_protocol_at.
/// - Shape the answer: wsock_request_select_protocol, wsock_request_add_header,
///   wsock_request_set_body; what on_request returns decides, or later wsock_request_answer.
pub struct wsock_request {
    _id: (),
}

/// A set of options for connecting or listening. You make it and free it; it is copied when used, so
/// that one set serves many connections and can be freed right away.
///
/// - Life: wsock_options_new, wsock_options_free.
/// - Fill in: wsock_options_set_int and wsock_options_set_str with a WSOCK_OPT_ key,
///   wsock_options_add_header, wsock_options_add_cookie, wsock_options_add_protocol,
///   wsock_options_add_origin, wsock_options_add_trusted_proxy.
/// - For TLS: wsock_options_add_cert_files, wsock_options_add_cert_pem, wsock_options_add_pin.
/// - Look up: wsock_option_bounds.
pub struct wsock_options {
    _id: (),
}

/// A message that is made once and sent many times: framed once, and compressed once for each way of
/// compressing that the connections have negotiated. You make it and free it; what was sent of it does
/// not need the handle any more.
///
/// - Life: wsock_message_new, or wsock_conn_retain of what was received; wsock_message_free.
/// - Look: wsock_message_data, wsock_message_compressions.
/// - Send: wsock_conn_send_message, wsock_server_broadcast, wsock_hub_publish_message.
pub struct wsock_message {
    _id: (),
}

/// A place where messages are published by topic, and connections subscribe to topics. It belongs to no
/// loop: connections of all loops can be in it, and any thread can use it. You make it and free it.
///
/// - Life: wsock_hub_new, wsock_hub_free.
/// - Who hears what: wsock_hub_subscribe, wsock_hub_unsubscribe.
/// - Say: wsock_hub_publish, wsock_hub_publish_message; wsock_hub_forget for what was kept.
/// - Ask: wsock_hub_get_stats.
pub struct wsock_hub {
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

/// Flag of on_part: a message begins.
pub const WSOCK_PART_FIRST: u32 = 1;
/// Flag of on_part: the message ends.
pub const WSOCK_PART_LAST: u32 = 2;

/// wsock_close_info.initiator: nobody; the network failed, or the connection never was open.
pub const WSOCK_BY_NOBODY: i32 = 0;
/// wsock_close_info.initiator: this side.
pub const WSOCK_BY_LOCAL: i32 = 1;
/// wsock_close_info.initiator: the other side.
pub const WSOCK_BY_PEER: i32 = 2;

/// What went wrong, in detail: for wsock_last_error and on_error.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct wsock_error_info {
    /// Set this to sizeof(wsock_error_info) before wsock_last_error.
    pub struct_size: usize,
    /// WSOCK_ERR_*, or 0 when nothing has failed yet.
    pub code: i32,
    /// The operating system's errno, or 0.
    pub os_error: i32,
    /// The status of the server's answer with WSOCK_ERR_HTTP_STATUS, or 0.
    pub http_status: i32,
    /// The close code that was sent to the peer because of this, or 0.
    pub close_code: i32,
    /// One line for a person to read, NUL-terminated.
    pub message: [c_char; 232],
    /// The TLS alert that was sent or received, by its number (RFC 8446 section 6), or 0.
    pub tls_alert: i32,
    /// Always 0.
    pub reserved: i32,
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
    /// Always 0.
    pub reserved: i32,
    /// The reason that was received, or one line of the library's when the end was abnormal. Never
    /// NULL, NUL-terminated UTF-8, valid until on_close returns.
    pub reason: *const c_char,
    /// Length of reason in bytes.
    pub reason_len: usize,
    /// Bytes of messages that were accepted and never reached the network. Of what was cut off half-way, frame headers
    /// may be counted, too, and over wss what encryption has added.
    pub unsent_bytes: u64,
    /// WSOCK_LAYER_*: where it ended.
    pub layer: i32,
    /// The operating system's errno, or 0.
    pub os_error: i32,
    /// The TLS alert that was sent or received, or 0.
    pub tls_alert: i32,
    /// The HTTP status that refused the handshake, or 0.
    pub http_status: i32,
    /// The reason in the close frame that was sent. Never NULL, valid as reason is.
    pub sent_reason: *const c_char,
    /// Length of sent_reason in bytes.
    pub sent_reason_len: usize,
    /// Round-trip time of the last answered ping in microseconds; 0 when there was none.
    pub rtt_us: u64,
}

/// wsock_close_info.layer: the WebSocket protocol; a close handshake, or a violation of the rules.
pub const WSOCK_LAYER_WEBSOCKET: i32 = 1;
/// wsock_close_info.layer: the HTTP exchange that begins it.
pub const WSOCK_LAYER_HTTP: i32 = 2;
/// wsock_close_info.layer: TLS: certificates, alerts, a stream that was cut off.
pub const WSOCK_LAYER_TLS: i32 = 3;
/// wsock_close_info.layer: TCP, Unix sockets, and looking up names.
pub const WSOCK_LAYER_TCP: i32 = 4;
/// wsock_close_info.layer: a proxy on the way.
pub const WSOCK_LAYER_PROXY: i32 = 5;
/// wsock_close_info.layer: one of the time limits.
pub const WSOCK_LAYER_TIMEOUT: i32 = 6;
/// wsock_close_info.layer: one of the other limits.
pub const WSOCK_LAYER_LIMIT: i32 = 7;
/// wsock_close_info.layer: the application gave it up; or a bug of the library.
pub const WSOCK_LAYER_LOCAL: i32 = 8;

/// What on_retry is told.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct wsock_retry_info {
    /// Bytes of this struct that the library has filled.
    pub struct_size: usize,
    /// Which attempt in a row it will be, from 1.
    pub attempt: i32,
    /// Always 0.
    pub reserved: i32,
    /// Milliseconds until it begins.
    pub delay_ms: u64,
    /// Why: the failure; NULL when the server has closed.
    pub error: *const wsock_error_info,
    /// How the last connection or attempt ended. Its unsent_bytes are lost.
    pub close: *const wsock_close_info,
}

/// Your functions. Each may be NULL. Zero the struct, set struct_size, fill in what you want to hear of:
///
/// `wsock_handlers h = {0}; h.struct_size = sizeof h; h.on_open = on_open;` (in C++ `{}`)
///
/// The struct is copied by the call it is given to. user_data is what you gave to that call, or later
/// to wsock_conn_set_user_data.
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
    /// The connection failed, or was given up. on_close follows. error is what wsock_last_error would
    /// tell; it is valid until the callback returns.
    pub on_error: Option<
        unsafe extern "C-unwind" fn(
            conn: *mut wsock_conn,
            error: *const wsock_error_info,
            user_data: *mut c_void,
        ),
    >,
    /// The end. The handle is not valid any more once this has returned, and neither is info.
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
    /// A pong arrived: for a ping of yours, for one of the library's keepalive, or for none.
    pub on_pong: Option<
        unsafe extern "C-unwind" fn(
            conn: *mut wsock_conn,
            data: *const u8,
            len: usize,
            user_data: *mut c_void,
        ),
    >,
    /// After a send that answered WSOCK_BUFFERED or WSOCK_ERR_LIMIT: the queue has fallen to the
    /// low-water mark.
    pub on_drain:
        Option<unsafe extern "C-unwind" fn(conn: *mut wsock_conn, user_data: *mut c_void)>,
    /// Server: a request has arrived, for a WebSocket (wsock_request_is_upgrade) or for plain HTTP.
    /// Return 0 to go on: a WebSocket is accepted, a plain request is answered 426. Return 200 to 599
    /// to answer with that status and what wsock_request_add_header and wsock_request_set_body have
    /// prepared. Return WSOCK_REQUEST_LATER to answer with wsock_request_answer, when whoever you have to
    /// ask has told you. Anything else becomes 500. The request handle is valid until you return, or
    /// have answered.
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
    /// Client with WSOCK_OPT_RECONNECT: the connection, or the attempt to make one, has failed, and another
    /// attempt will follow. The handle stays valid, wsock_conn_state is WSOCK_CONNECTING; wsock_conn_header
    /// tells the headers of a refusal. wsock_conn_set_target can change URL, headers and proxy for it, such
    /// as a token that has expired; wsock_conn_close gives up. on_open comes again when it has worked.
    /// info is valid until the callback returns.
    pub on_retry: Option<
        unsafe extern "C-unwind" fn(
            conn: *mut wsock_conn,
            info: *const wsock_retry_info,
            user_data: *mut c_void,
        ),
    >,
    /// The next part of a message: when this is set, messages come through it as they arrive and not through
    /// on_message, so that one may be longer than memory. flags has WSOCK_PART_FIRST for the part that begins
    /// a message and WSOCK_PART_LAST for the one that ends it; a message that has arrived whole is one part
    /// with both. Parts come in order and those of two messages do not mix. Where a message is cut means
    /// nothing: text has been checked to be UTF-8 up to here, but a part may end within a character. The last
    /// part may be empty, no other is. data is valid until the callback returns.
    ///
    /// WSOCK_OPT_MAX_MESSAGE_SIZE bounds the whole message; 0 there allows any size. When the connection ends
    /// in the middle of a message, its last part never comes and on_close tells why.
    pub on_part: Option<
        unsafe extern "C-unwind" fn(
            conn: *mut wsock_conn,
            r#type: i32,
            data: *const u8,
            len: usize,
            flags: u32,
            user_data: *mut c_void,
        ),
    >,
}

/// One event of a batch; see wsock_loop_events. 40 bytes on every system.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct wsock_event {
    /// The handle of the connection, as a number; of the request with WSOCK_EVENT_REQUEST.
    pub object: u64,
    /// Its user data, as it was when the event was fetched.
    pub user: u64,
    /// The address of what belongs to the event; 0 when nothing does.
    pub data: u64,
    /// Its length in bytes.
    pub len: u64,
    /// WSOCK_EVENT_*.
    pub r#type: u32,
    /// Depends on the type.
    pub code: u32,
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
    /// 1 when the TLS handshake took up an earlier session again, else 0.
    pub tls_resumed: u64,
    /// Messages to send that WSOCK_OVERFLOW_DROP_NEWEST, WSOCK_OVERFLOW_DROP_OLDEST or a newer one with the
    /// same key has dropped.
    pub messages_dropped: u64,
    /// Their bytes.
    pub bytes_dropped: u64,
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
    /// Connections ever accepted, without those that a limit turned away at once.
    pub accepted: u64,
    /// Handshakes that ended in on_open.
    pub opened: u64,
    /// Requests for a WebSocket answered with an HTTP error, requests that were not valid, and whoever
    /// came while the server was being closed.
    pub refused: u64,
    /// Plain HTTP requests answered.
    pub http_responses: u64,
    /// Handshakes that took too long.
    pub handshake_timeouts: u64,
    /// Peers that hung up before the handshake was done, and load balancers whose PROXY protocol header
    /// was not valid.
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
    /// Connections turned away by WSOCK_OPT_MAX_CONNECTIONS.
    pub refused_connections: u64,
    /// Connections turned away by WSOCK_OPT_MAX_CONNECTIONS_PER_ADDRESS.
    pub refused_per_address: u64,
    /// Connections turned away by WSOCK_OPT_MAX_HANDSHAKES.
    pub refused_handshakes: u64,
    /// Of refused: requests beyond WSOCK_OPT_MAX_HEAD_BYTES, WSOCK_OPT_MAX_HEADERS or
    /// WSOCK_OPT_MAX_REQUEST_LINE, answered 431 or 414.
    pub refused_head: u64,
    /// Of refused: requests slower than WSOCK_OPT_MIN_HANDSHAKE_RATE, answered 408.
    pub refused_slow: u64,
    /// Connections ended by WSOCK_OPT_MAX_CONTROL_RATE.
    pub ended_control_rate: u64,
    /// 1 from wsock_server_close on, before that 0. How many are left is in connections.
    pub draining: u64,
    /// Connections that wsock_server_close has sent a close frame so far.
    pub drain_closed: u64,
    /// Milliseconds until it has sent the last of them and stops listening.
    pub drain_remaining_ms: u64,
    /// Messages to send that were dropped, on all its connections, ended ones included.
    pub messages_dropped: u64,
    /// Their bytes.
    pub bytes_dropped: u64,
    /// Bytes of messages received, after inflating.
    pub payload_received: u64,
    /// Bytes of messages sent, before deflating.
    pub payload_sent: u64,
    /// Of refused: pages from an origin that WSOCK_OPT_ORIGIN_POLICY keeps out, answered 403.
    pub refused_origin: u64,
    /// Of refused: another version of the protocol than 13, answered 426.
    pub refused_version: u64,
    /// Of refused: came while the server was being closed, answered 503.
    pub refused_draining: u64,
    /// Of refused: by what your on_request returned.
    pub refused_application: u64,
    /// Of handshake_errors: TLS did not come about.
    pub tls_errors: u64,
}

/// How wsock_conn_send_with sends. All zero after struct_size: as wsock_conn_send.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct wsock_send_options {
    /// Set this to sizeof(wsock_send_options).
    pub struct_size: usize,
    /// 0 or WSOCK_SEND_NO_COMPRESS.
    pub flags: u32,
    /// What becomes of the message when there is no room for it, WSOCK_OVERFLOW_*; 0: what
    /// WSOCK_OPT_OVERFLOW says.
    pub overflow: i32,
    /// When a message with the same key waits, this one takes its place in the line instead of going to its
    /// end; 0: no key. For values of which only the newest counts.
    pub key: u64,
    /// With this the message is not copied: data stays yours to keep, unchanged, until release is called
    /// with data, len and release_user: exactly once, soon after the last byte has left or was copied,
    /// perhaps before the call returns, from any thread, but never inside a callback. NULL: data is copied.
    pub release:
        Option<unsafe extern "C-unwind" fn(data: *const c_void, len: usize, user: *mut c_void)>,
    /// What release is given last.
    pub release_user: *mut c_void,
}

/// How to publish.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct wsock_publish_options {
    /// Set this to sizeof(wsock_publish_options).
    pub struct_size: usize,
    /// WSOCK_PUBLISH_*, or 0.
    pub flags: u32,
    /// What becomes of the message where there is no room for it, WSOCK_OVERFLOW_*; 0: what
    /// WSOCK_OPT_OVERFLOW of the connection says.
    pub overflow: i32,
    /// While a message waits in the queue of a subscriber, a newer one with the same key takes its place,
    /// so that who is slow gets the newest; 0: no key.
    pub key: u64,
    /// A connection that does not get the message, such as the one it came from; NULL for none. It may
    /// have ended.
    pub except: *const wsock_conn,
}

/// Figures of a hub.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct wsock_hub_stats {
    /// Set this to sizeof(wsock_hub_stats) before the call.
    pub struct_size: usize,
    /// Topics, and beginnings with an asterisk, that somebody has subscribed to now.
    pub topics: u64,
    /// Subscriptions there are now.
    pub subscriptions: u64,
    /// Messages kept now.
    pub kept: u64,
    /// Messages ever published.
    pub published: u64,
    /// Messages sent to a subscriber and not refused, kept ones included.
    pub deliveries: u64,
    /// Messages that were refused because the queue of a subscriber was full.
    pub refused: u64,
    /// Of deliveries: messages dropped, since the queue was full, or a newer one with their key came.
    pub dropped: u64,
    /// Messages that a loop did not get because it had too many before them.
    pub missed: u64,
}
