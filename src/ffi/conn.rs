//! wsock_conn.

use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::Arc;

use super::args::{self, bytes, handle, id, optional_text, out, text};
use super::boundary;
use super::handlers::CHandlers;
use super::options;
use super::status::wsock_status;
use super::texts::{self, give, give_found, header_line};
use super::types::{WSOCK_CLOSED, wsock_conn, wsock_conn_stats, wsock_options, wsock_server};
use crate::driver::handler::Handler;
use crate::driver::session::Session;
use crate::driver::{client, conn};
use crate::error::{Code, Error, Result};
use crate::proto::http::cookie;

/// wsock_conn_get_str: the URL. Of an accepted connection: made from the Host and target it asked for.
pub const WSOCK_CONN_URL: i32 = 1;
/// wsock_conn_get_str: the subprotocol agreed on.
pub const WSOCK_CONN_PROTOCOL: i32 = 2;
/// wsock_conn_get_str: the extensions agreed on.
pub const WSOCK_CONN_EXTENSIONS: i32 = 3;
/// wsock_conn_get_str: address and port of the other side, such as `127.0.0.1:4711` or `[::1]:4711`;
/// `unix:` over a Unix domain socket; what a load balancer told, after
/// wsock_options_add_trusted_proxy.
pub const WSOCK_CONN_PEER_ADDRESS: i32 = 4;
/// wsock_conn_get_str: address and port of this side, while there is a socket.
pub const WSOCK_CONN_LOCAL_ADDRESS: i32 = 5;
/// wsock_conn_get_str, in a client's on_error and on_close: up to 4 KiB of what came with another HTTP
/// status than 101.
pub const WSOCK_CONN_RESPONSE_BODY: i32 = 6;

/// wsock_conn_get_str: "TLSv1.3" or "TLSv1.2" while there is a socket; "" without TLS. So for the next three.
pub const WSOCK_CONN_TLS_VERSION: i32 = 7;
/// wsock_conn_get_str: the cipher suite, such as `TLS_AES_256_GCM_SHA384`.
pub const WSOCK_CONN_TLS_CIPHER: i32 = 8;
/// wsock_conn_get_str: the host name that the client asked the server for (SNI); none when it was an
/// address.
pub const WSOCK_CONN_TLS_SERVER_NAME: i32 = 9;
/// wsock_conn_get_str: the subject of the peer's certificate as RFC 4514 writes it, such as
/// `CN=client,O=Example`; "" when it showed none, or was not verified
/// (WSOCK_OPT_DANGER_ACCEPT_ANY_CERTIFICATE).
pub const WSOCK_CONN_PEER_SUBJECT: i32 = 10;

/// Sends a ping with at most 125 bytes. The answer comes as on_pong, and its time as rtt_us in
/// wsock_conn_stats. The library pings by itself when the peer is silent: WSOCK_OPT_PING_INTERVAL_MS.
///
/// Ownership: data is copied. Thread: any.
/// Errors: INVALID_HANDLE, WRONG_KIND, STATE, LIMIT (a thousand wait), INVALID_ARGUMENT, POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_conn_ping(
    conn: *mut wsock_conn,
    data: *const c_void,
    len: usize,
) -> wsock_status {
    boundary::status(|| {
        // SAFETY: NULL or `len` bytes.
        conn::ping(id(conn)?, unsafe { bytes(data.cast(), len) }?)
    })
}

/// Begins the close handshake; what was sent before still arrives. on_close follows when it is done,
/// or after WSOCK_OPT_CLOSE_TIMEOUT_MS. A connection that is not open yet is given up. Closing again
/// does nothing.
///
/// code 0 sends no code. A client may use 1000 and 3000 to 4999, as in browsers; on a connection
/// that a server accepted also 1001 to 1003, 1007 to 1009 and 1011 to 1014. reason is at most 123
/// bytes of UTF-8, needs a code, and may be NULL.
///
/// Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT (code or reason), POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_conn_close(
    conn: *mut wsock_conn,
    code: i32,
    reason: *const c_char,
) -> wsock_status {
    boundary::status(|| {
        let id = id(conn)?;
        // SAFETY: NULL or NUL-terminated.
        let reason = unsafe { optional_text(reason, "reason") }?.unwrap_or("");
        conn::close(id, close_code(code)?, reason)
    })
}

/// A close code as C passes it; whether it may be sent is the protocol's business.
pub fn close_code(code: i32) -> Result<Option<u16>> {
    match u16::try_from(code) {
        Ok(0) => Ok(None),
        Ok(code) => Ok(Some(code)),
        Err(_) => Err(Error::new(Code::InvalidArgument, format!("{code} is no close code"))),
    }
}

/// Gives the connection up: no close handshake, TCP is reset, what is queued is lost and counted in
/// unsent_bytes. on_error (WSOCK_ERR_ABORTED) and on_close follow from the loop.
///
/// Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_conn_abort(conn: *mut wsock_conn) -> wsock_status {
    boundary::status(|| conn::abort(id(conn)?))
}

/// Stops reading. No message, ping or pong is told until wsock_conn_resume, and TCP makes the peer
/// stop sending. The peer's close frame and its end are not seen either until then, and its silence is
/// not held against it. wsock_conn_close resumes, and so does losing the connection: a client that comes
/// back reads.
///
/// Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_conn_pause(conn: *mut wsock_conn) -> wsock_status {
    boundary::status(|| conn::pause(id(conn)?, true))
}

/// Reads on after wsock_conn_pause.
///
/// Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_conn_resume(conn: *mut wsock_conn) -> wsock_status {
    boundary::status(|| conn::pause(id(conn)?, false))
}

/// WSOCK_CONNECTING, WSOCK_OPEN, WSOCK_CLOSING or WSOCK_CLOSED, as the browser's readyState. A handle
/// that is not valid is WSOCK_CLOSED.
///
/// Thread: any. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_conn_state(conn: *const wsock_conn) -> i32 {
    boundary::value(WSOCK_CLOSED, || Ok(conn::ready_state(id(conn)?)?.into()))
}

/// Bytes of messages that are queued and not handed to the operating system yet, as the browser's
/// bufferedAmount, but what has been compressed counts as it will be sent. 0 when the handle is not valid.
///
/// Thread: any. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_conn_buffered_amount(conn: *const wsock_conn) -> usize {
    boundary::value(0, || conn::buffered_amount(id(conn)?))
}

/// A text about the connection; what is WSOCK_CONN_*. NUL-terminated; "" when there is none, or none
/// yet; NULL when the handle or what is not valid. Its length goes to out_len, which may be NULL.
///
/// Ownership: the library's; valid until on_close returns, or, of a client that comes back, until its next
/// attempt begins. Thread: loop. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_conn_get_str(
    conn: *const wsock_conn,
    what: i32,
    out_len: *mut usize,
) -> *const c_char {
    boundary::value(ptr::null(), || {
        conn::with(id(conn)?, |session| {
            let value = value_of(session, what)?;
            let texts = &mut session.details().texts;
            // SAFETY: NULL or writable.
            Ok(unsafe { give(texts.get((what, String::new(), 0), &value), out_len) })
        })
    })
}

fn value_of(session: &Session, what: i32) -> Result<String> {
    Ok(match what {
        WSOCK_CONN_URL => session.setup.agreed.url().to_owned(),
        WSOCK_CONN_PROTOCOL => session.setup.agreed.protocol().to_owned(),
        WSOCK_CONN_EXTENSIONS => session.setup.agreed.extensions().to_owned(),
        WSOCK_CONN_PEER_ADDRESS => session.peer.to_string(),
        WSOCK_CONN_LOCAL_ADDRESS => session
            .stream
            .as_ref()
            .map(|stream| stream.socket().local_address().to_string())
            .unwrap_or_default(),
        WSOCK_CONN_RESPONSE_BODY => session.details.as_ref().map_or_else(String::new, |details| {
            String::from_utf8_lossy(&details.body).into_owned()
        }),
        WSOCK_CONN_TLS_VERSION => {
            session.tls().map(|tls| tls.version.to_owned()).unwrap_or_default()
        }
        WSOCK_CONN_TLS_CIPHER => session.tls().map(|tls| tls.cipher).unwrap_or_default(),
        WSOCK_CONN_TLS_SERVER_NAME => session.tls().map(|tls| tls.server_name).unwrap_or_default(),
        WSOCK_CONN_PEER_SUBJECT => session.tls().map(|tls| tls.peer_subject).unwrap_or_default(),
        _ => {
            return Err(Error::new(
                Code::Unsupported,
                format!("{what} is no WSOCK_CONN_ text of this version of the library"),
            ));
        }
    })
}

/// A header of the peer's side of the handshake: of the request on a server, of the response on a
/// client. index 0 is the first of that name, 1 the second ... Names are compared without case. NULL
/// when there is none.
///
/// They are there from the handshake until on_open returns; when a client's handshake failed, in
/// on_error and on_close.
///
/// Ownership: the library's; valid until on_close returns, or, of a client that comes back, until its next
/// attempt begins. Thread: loop. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_conn_header(
    conn: *const wsock_conn,
    name: *const c_char,
    index: usize,
    out_len: *mut usize,
) -> *const c_char {
    boundary::value(ptr::null(), || {
        let id = id(conn)?;
        // SAFETY: NULL or NUL-terminated.
        let name = unsafe { text(name, "name") }?;
        conn::with(id, |session| {
            let details = session.details();
            let headers = details.headers.as_ref();
            let value = headers.and_then(|headers| headers.get_all(name).nth(index));
            let key = (texts::HEADER, name.to_ascii_lowercase(), index);
            // SAFETY: NULL or writable.
            Ok(unsafe { give_found(&mut details.texts, key, value, out_len) })
        })
    })
}

/// The header line at index of the peer's side of the handshake, in the order they came: to walk through all of
/// them. LIMIT past the end, and when they are not there any more, as with wsock_conn_header.
///
/// Ownership: the library's; valid until on_close returns, or, of a client that comes back, until its next
/// attempt begins. Thread: loop.
/// Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT, LIMIT. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_conn_header_at(
    conn: *const wsock_conn,
    index: usize,
    out_name: *mut *const c_char,
    out_value: *mut *const c_char,
) -> wsock_status {
    boundary::status(|| {
        let id = id(conn)?;
        // SAFETY: NULL or writable.
        let outs = unsafe { (out(out_name, "out_name"), out(out_value, "out_value")) };
        conn::with(id, |session| {
            let (out_name, out_value) = (outs.0?, outs.1?);
            let details = session.details();
            let (name, value) = header_line(&mut details.texts, details.headers.as_ref(), index)?;
            out_name.write(name);
            out_value.write(value);
            Ok(())
        })
    })
}

/// The value of a cookie that the server has set with its answer (Set-Cookie); on an accepted connection,
/// of one that the client sent. NULL when there is none of that name. It is there as long as
/// wsock_conn_header.
///
/// Ownership: the library's; valid until on_close returns, or, of a client that comes back, until its next
/// attempt begins. Thread: loop. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_conn_cookie(
    conn: *const wsock_conn,
    name: *const c_char,
    out_len: *mut usize,
) -> *const c_char {
    boundary::value(ptr::null(), || {
        let id = id(conn)?;
        // SAFETY: NULL or NUL-terminated.
        let name = unsafe { text(name, "name") }?;
        conn::with(id, |session| {
            let server = session.setup.server;
            let details = session.details();
            let Some(headers) = &details.headers else { return Ok(ptr::null()) };
            let value = match server {
                None => cookie::value(headers.get_all("Set-Cookie"), name),
                Some(_) => headers.get("Cookie").and_then(|all| cookie::request_value(all, name)),
            };
            let key = (texts::COOKIE, name.to_owned(), 0);
            // SAFETY: NULL or writable.
            Ok(unsafe { give_found(&mut details.texts, key, value, out_len) })
        })
    })
}

/// Client with WSOCK_OPT_RECONNECT: another URL, another set of options, or both, from the next attempt
/// on. NULL keeps what there is. Typically called in on_retry, with headers that carry a fresh token. The
/// present connection is not touched.
///
/// Ownership: url and options are copied. Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD,
/// STATE (not a client that reconnects), and what wsock_connect answers to such a URL and options.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_conn_set_target(
    conn: *mut wsock_conn,
    url: *const c_char,
    options: *const wsock_options,
) -> wsock_status {
    boundary::status(|| {
        let id = id(conn)?;
        // SAFETY: NULL or NUL-terminated.
        let url = unsafe { optional_text(url, "url") }?;
        let settings = match options.is_null() {
            true => None,
            false => Some(options::settings(options)?),
        };
        client::set_target(id, url, settings.as_deref())
    })
}

/// Gives the connection its own user data in place of what it has. release may be NULL; it is called
/// exactly once, when no callback will be given this user data again. What it had before is released
/// the same way: at once, or when the callback that is running with it has returned.
///
/// Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_conn_set_user_data(
    conn: *mut wsock_conn,
    user_data: *mut c_void,
    release: Option<unsafe extern "C-unwind" fn(user_data: *mut c_void)>,
) -> wsock_status {
    boundary::status(|| {
        conn::set_handler(id(conn)?, |handler| match of_c(handler) {
            Some(handlers) => Arc::new(handlers.with_user(user_data, release)),
            None => unreachable!("every handle in C was made with handlers of C"),
        })
    })
}

fn of_c(handler: &dyn Handler) -> Option<&CHandlers> {
    handler.as_any().downcast_ref()
}

/// The user data that the connection's callbacks are given; NULL when the handle is not valid.
///
/// Thread: loop. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_conn_user_data(conn: *const wsock_conn) -> *mut c_void {
    boundary::value(ptr::null_mut(), || {
        conn::with(id(conn)?, |session| {
            Ok(of_c(&*session.setup.handler).map_or(ptr::null_mut(), CHandlers::user))
        })
    })
}

/// The server that accepted the connection; NULL for a client's, and when the handle is not valid.
///
/// Thread: loop. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_conn_server(conn: *const wsock_conn) -> *mut wsock_server {
    boundary::value(ptr::null_mut(), || {
        conn::with(id(conn)?, |session| Ok(session.setup.server.map_or(ptr::null_mut(), handle)))
    })
}

/// Copies the connection's figures to out_stats. Set out_stats->struct_size first.
///
/// Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT, POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_conn_get_stats(
    conn: *const wsock_conn,
    out_stats: *mut wsock_conn_stats,
) -> wsock_status {
    boundary::status(|| {
        let id = id(conn)?;
        let resumed = |session: &mut Session| Ok(session.tls().is_some_and(|tls| tls.resumed));
        let tls_resumed = conn::with(id, resumed)?.into();
        let stats = conn::stats(id)?;
        let stats = wsock_conn_stats {
            struct_size: size_of::<wsock_conn_stats>(),
            messages_received: stats.messages_received,
            messages_sent: stats.messages_sent,
            bytes_received: stats.bytes_received,
            bytes_sent: stats.bytes_sent,
            payload_received: stats.payload_received,
            payload_sent: stats.payload_sent,
            pings_received: stats.pings_received,
            pongs_received: stats.pongs_received,
            buffered_amount: conn::buffered_amount(id)? as u64,
            rtt_us: stats.rtt_us,
            tls_resumed,
            messages_dropped: stats.dropped.messages,
            bytes_dropped: stats.dropped.bytes,
        };
        // SAFETY: NULL or a struct with its size in front.
        unsafe { args::sized_out(out_stats, stats) }
    })
}
