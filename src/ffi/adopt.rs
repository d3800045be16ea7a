//! Sockets that the program has made itself: wsock_listen_fd, wsock_server_adopt, wsock_connect_fd.

use std::ffi::{c_char, c_void};

use super::args::{bytes, handle, id, out, text};
use super::boundary;
use super::handlers::CHandlers;
use super::options;
use super::status::wsock_status;
use super::types::{wsock_conn, wsock_handlers, wsock_loop, wsock_options, wsock_server};
use crate::driver::{adopt, listen, loops};
use crate::error::{Code, Error, Result};
use crate::util::offer::Offer;

/// As wsock_listen, on a socket of yours that listens already: TCP or Unix, a stream. It becomes
/// non-blocking and is closed on exec. The file of a Unix socket is not removed.
///
/// Ownership: on success fd is the library's, which closes it; after a refusal it is yours, unchanged.
/// options and handlers are copied. user_data is yours until handlers.release. Thread: loop.
/// Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT (no listening socket), SYSTEM,
/// UNSUPPORTED (unknown handlers), LIMIT, STATE (the loop is being freed). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_listen_fd(
    r#loop: *mut wsock_loop,
    fd: i32,
    options: *const wsock_options,
    handlers: *const wsock_handlers,
    user_data: *mut c_void,
    out_server: *mut *mut wsock_server,
) -> wsock_status {
    boundary::status(|| {
        let place = loops::find(id(r#loop)?)?;
        // SAFETY: pointers as the header asks for.
        let out = unsafe { out(out_server, "out_server") }?;
        let settings = options::settings(options)?;
        // SAFETY: the header says whose it is.
        let offer = unsafe { offer(fd) }?;
        let listen = |handler| listen::listen_on(place, offer, &settings, handler);
        // SAFETY: pointers as the header asks for.
        let server = unsafe { CHandlers::attach(handlers, user_data, listen) }?;
        out.write(handle(server));
        Ok(())
    })
}

/// Hands a server a connection that was made elsewhere: a connected stream socket, TCP or Unix. It is
/// treated as if the server had accepted it. What you have read from it already goes to data, len
/// bytes, and is taken for the beginning of what the peer sends; NULL and 0 when that is nothing.
///
/// Ownership: on success fd is the library's, which closes it; after a refusal it is yours, unchanged.
/// data is copied. Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT (no
/// connected socket), SYSTEM, LIMIT, STATE (the server is closing). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_server_adopt(
    server: *mut wsock_server,
    fd: i32,
    data: *const c_void,
    len: usize,
) -> wsock_status {
    boundary::status(|| {
        let id = id(server)?;
        let place = loops::find_object(id)?.0;
        // SAFETY: NULL or `len` bytes; the header says whose the descriptor is.
        let (read, offer) = unsafe { (bytes(data.cast(), len)?, offer(fd)?) };
        adopt::adopt(place, id, offer, read)
    })
}

/// As wsock_connect, over a connection that is there already: a connected stream socket, TCP or Unix,
/// through a tunnel of your own, say. url says what to ask the server for: host and resource; nobody
/// is looked up or dialled, so redirects are not followed, challenges not answered and WSOCK_OPT_RECONNECT
/// is refused. What you have read from it already goes to data, len bytes, and is taken
/// for the beginning of what the server sends; NULL and 0 when that is nothing, as it should be.
///
/// Ownership: on success fd is the library's, which closes it; after a refusal it is yours, unchanged.
/// url, data, options and handlers are copied. user_data is yours until handlers.release.
/// Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT (bad URL, no
/// connected socket, WSOCK_OPT_RECONNECT), UNSUPPORTED (wss://, unknown handlers), SYSTEM, LIMIT, STATE (the loop is being
/// freed). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_connect_fd(
    r#loop: *mut wsock_loop,
    fd: i32,
    url: *const c_char,
    options: *const wsock_options,
    handlers: *const wsock_handlers,
    user_data: *mut c_void,
    data: *const c_void,
    len: usize,
    out_conn: *mut *mut wsock_conn,
) -> wsock_status {
    boundary::status(|| {
        let place = loops::find(id(r#loop)?)?;
        // SAFETY: pointers as the header asks for.
        let (url, read, out) =
            unsafe { (text(url, "url")?, bytes(data.cast(), len)?, out(out_conn, "out_conn")?) };
        let settings = options::settings(options)?;
        // SAFETY: the header says whose it is.
        let offer = unsafe { offer(fd) }?;
        let connect = |handler| adopt::connect(place, offer, url, &settings, handler, read);
        // SAFETY: as above.
        let conn = unsafe { CHandlers::attach(handlers, user_data, connect) }?;
        out.write(handle(conn));
        Ok(())
    })
}

/// The descriptor, if there is such a one.
///
/// # Safety
/// It is the caller's, who gives it up when it is taken.
unsafe fn offer(fd: i32) -> Result<Offer> {
    // SAFETY: as promised by the caller.
    unsafe { Offer::new(fd) }
        .ok_or_else(|| Error::new(Code::InvalidArgument, format!("{fd} is not an open descriptor")))
}
