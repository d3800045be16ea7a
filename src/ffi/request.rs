//! wsock_request.

use std::ffi::{c_char, c_void};
use std::ptr;

use super::args::{bytes, id, optional_text, out, text};
use super::boundary;
use super::status::wsock_status;
use super::texts::{COOKIE, HEADER, PROTOCOL, give, give_found, header_line};
use super::types::wsock_request;
use crate::driver::loops;
use crate::driver::request::{self, Pending};
use crate::error::{Code, Error, Result};
use crate::proto::http::cookie;

/// wsock_request_get_str: "GET" and the like.
pub const WSOCK_REQUEST_METHOD: i32 = 1;
/// wsock_request_get_str: the target as it was sent.
pub const WSOCK_REQUEST_TARGET: i32 = 2;
/// wsock_request_get_str: the path, without the query.
pub const WSOCK_REQUEST_PATH: i32 = 3;
/// wsock_request_get_str: the query, without the question mark.
pub const WSOCK_REQUEST_QUERY: i32 = 4;
/// wsock_request_get_str: the Host it asked for.
pub const WSOCK_REQUEST_HOST: i32 = 5;
/// wsock_request_get_str: the Origin, the web page's site.
pub const WSOCK_REQUEST_ORIGIN: i32 = 6;
/// wsock_request_get_str: address and port of who asks, as WSOCK_CONN_PEER_ADDRESS.
pub const WSOCK_REQUEST_PEER_ADDRESS: i32 = 7;

/// wsock_request_get_str: the subject of the client's certificate, as WSOCK_CONN_PEER_SUBJECT.
pub const WSOCK_REQUEST_PEER_SUBJECT: i32 = 8;
/// wsock_request_get_str: the host name that the client's TLS asked for (SNI).
pub const WSOCK_REQUEST_TLS_SERVER_NAME: i32 = 9;

/// What on_request returns to answer later, with wsock_request_answer.
pub const WSOCK_REQUEST_LATER: i32 = -1;

fn with<R>(request: *const wsock_request, f: impl FnOnce(&mut Pending) -> Result<R>) -> Result<R> {
    let id = id(request)?;
    request::with(loops::find_object(id)?.0, id, f)
}

/// 1 when the request asks for a WebSocket, 0 when it is plain HTTP, or an error.
///
/// Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_request_is_upgrade(request: *const wsock_request) -> i32 {
    boundary::number(|| with(request, |pending| Ok(pending.request.upgrade.is_some().into())))
}

/// A text of the request; what is WSOCK_REQUEST_*. NUL-terminated; "" when there is none; NULL when the
/// handle or what is not valid. Its length goes to out_len, which may be NULL.
///
/// Ownership: the library's; valid until on_request returns. Thread: loop. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_request_get_str(
    request: *const wsock_request,
    what: i32,
    out_len: *mut usize,
) -> *const c_char {
    boundary::value(ptr::null(), || {
        with(request, |pending| {
            let (request, peer) = (&pending.request, &pending.peer);
            let address;
            let value = match what {
                WSOCK_REQUEST_METHOD => &*request.method,
                WSOCK_REQUEST_TARGET => &request.target,
                WSOCK_REQUEST_PATH => request.path(),
                WSOCK_REQUEST_QUERY => request.query(),
                WSOCK_REQUEST_HOST => request.host(),
                WSOCK_REQUEST_ORIGIN => request.origin(),
                WSOCK_REQUEST_PEER_ADDRESS => {
                    address = peer.to_string();
                    &address
                }
                WSOCK_REQUEST_PEER_SUBJECT => {
                    pending.tls.as_ref().map_or("", |tls| tls.peer_subject.as_str())
                }
                WSOCK_REQUEST_TLS_SERVER_NAME => {
                    pending.tls.as_ref().map_or("", |tls| tls.server_name.as_str())
                }
                _ => {
                    return Err(Error::new(
                        Code::Unsupported,
                        format!("{what} is no WSOCK_REQUEST_ text of this version of the library"),
                    ));
                }
            };
            let text = pending.texts.get((what, String::new(), 0), value);
            // SAFETY: NULL or writable.
            Ok(unsafe { give(text, out_len) })
        })
    })
}

/// The value of a header; index 0 is the first of that name, 1 the second ... Names are compared
/// without case. NULL when there is none.
///
/// Ownership: the library's; valid until on_request returns. Thread: loop. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_request_header(
    request: *const wsock_request,
    name: *const c_char,
    index: usize,
    out_len: *mut usize,
) -> *const c_char {
    boundary::value(ptr::null(), || {
        // SAFETY: NULL or NUL-terminated.
        let name = unsafe { text(name, "name") };
        with(request, |pending| {
            let name = name?;
            let value = pending.request.headers.get_all(name).nth(index);
            let key = (HEADER, name.to_ascii_lowercase(), index);
            // SAFETY: NULL or writable.
            Ok(unsafe { give_found(&mut pending.texts, key, value, out_len) })
        })
    })
}

/// The value of a cookie that the client sent; NULL when there is none of that name.
///
/// Ownership: the library's; valid until on_request returns. Thread: loop. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_request_cookie(
    request: *const wsock_request,
    name: *const c_char,
    out_len: *mut usize,
) -> *const c_char {
    boundary::value(ptr::null(), || {
        // SAFETY: NULL or NUL-terminated.
        let name = unsafe { text(name, "name") };
        with(request, |pending| {
            let name = name?;
            let all = pending.request.headers.get("Cookie");
            let value = all.and_then(|all| cookie::request_value(all, name));
            let key = (COOKIE, name.to_owned(), 0);
            // SAFETY: NULL or writable.
            Ok(unsafe { give_found(&mut pending.texts, key, value, out_len) })
        })
    })
}

/// The header line at index, in the order they came: to walk through all of them. LIMIT past the end.
///
/// Ownership: the library's; valid until on_request returns. Thread: loop.
/// Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT, LIMIT. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_request_header_at(
    request: *const wsock_request,
    index: usize,
    out_name: *mut *const c_char,
    out_value: *mut *const c_char,
) -> wsock_status {
    boundary::status(|| {
        // SAFETY: NULL or writable.
        let outs = unsafe { (out(out_name, "out_name"), out(out_value, "out_value")) };
        with(request, |pending| {
            let (out_name, out_value) = (outs.0?, outs.1?);
            let headers = Some(&pending.request.headers);
            let (name, value) = header_line(&mut pending.texts, headers, index)?;
            out_name.write(name);
            out_value.write(value);
            Ok(())
        })
    })
}

/// The subprotocol at index in the order that the client prefers; NULL past the end.
///
/// Ownership: the library's; valid until on_request returns. Thread: loop. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_request_protocol_at(
    request: *const wsock_request,
    index: usize,
) -> *const c_char {
    boundary::value(ptr::null(), || {
        with(request, |pending| {
            let offered = pending.request.upgrade.as_ref().map(|upgrade| &upgrade.protocols);
            Ok(offered.and_then(|offered| offered.get(index)).map_or(ptr::null(), |protocol| {
                let key = (PROTOCOL, String::new(), index);
                pending.texts.get(key, protocol).as_ptr()
            }))
        })
    })
}

/// When the WebSocket is accepted, it is with this subprotocol, which must be one that the client
/// offered, in place of the one that wsock_options_add_protocol would give. NULL: with none.
///
/// Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT (not offered), STATE
/// (plain HTTP). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_request_select_protocol(
    request: *mut wsock_request,
    protocol: *const c_char,
) -> wsock_status {
    boundary::status(|| {
        // SAFETY: NULL or NUL-terminated.
        let protocol = unsafe { optional_text(protocol, "protocol") };
        with(request, |pending| pending.select_protocol(protocol?))
    })
}

/// Adds a header to the answer, whichever it will be: 101 (a cookie, say) or the status you return.
///
/// Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_request_add_header(
    request: *mut wsock_request,
    name: *const c_char,
    value: *const c_char,
) -> wsock_status {
    boundary::status(|| {
        // SAFETY: NULL or NUL-terminated.
        let (name, value) = unsafe { (text(name, "name"), text(value, "value")) };
        with(request, |pending| pending.add_header(name?, value?))
    })
}

/// Sets the body of the answer, for a status that you return. content_type may be NULL.
///
/// Ownership: data is copied. Thread: loop.
/// Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_request_set_body(
    request: *mut wsock_request,
    content_type: *const c_char,
    data: *const c_void,
    len: usize,
) -> wsock_status {
    boundary::status(|| {
        // SAFETY: NULL or NUL-terminated; NULL or `len` bytes.
        let (content_type, data) =
            unsafe { (optional_text(content_type, "content_type"), bytes(data.cast(), len)) };
        with(request, |pending| pending.set_body(content_type?, data?))
    })
}

/// Answers a request for which on_request has returned WSOCK_REQUEST_LATER, or that came as an event: 0
/// goes on, 200 to 599 is the status, as on_request returns them. Every such request has to be answered;
/// who has waited longer than WSOCK_OPT_HANDSHAKE_TIMEOUT_MS by then has been hung up on. The request handle
/// ends with this call. Nothing is told from inside it: on_open comes from the loop.
///
/// Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT (no such status), STATE (who asked
/// has gone). Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_request_answer(request: *mut wsock_request, status: i32) -> wsock_status {
    boundary::status(|| request::answer(id(request)?, status))
}
