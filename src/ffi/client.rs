//! wsock_connect.

use std::ffi::{c_char, c_void};

use super::args::{handle, id, out, text};
use super::boundary;
use super::handlers::CHandlers;
use super::options;
use super::status::wsock_status;
use super::types::{wsock_conn, wsock_handlers, wsock_loop, wsock_options};
use crate::driver::{client, loops};

/// Begins to connect to a server. url is "ws://host:port/path?query", or with "wss://" for TLS, as for the browser's WebSocket:
/// http:// is taken for ws://, https:// for wss://; a fragment is refused; user:password@ before the host becomes Basic
/// authorization; host names are ASCII (xn--...). options may be NULL for the defaults, handlers may be
/// NULL for none.
///
/// "wss://..." is the same over TLS, see WSOCK_OPT_TLS_CA_FILE and its neighbours;
/// "ws+unix:/path/of.socket:/path?query" goes over a Unix domain socket ("@name" for an abstract one).
///
/// It never waits. What comes of it is told from the loop: on_open, or on_error and on_close. All
/// addresses of the host are tried, IPv6 and IPv4 in turn.
///
/// Ownership: url, options and handlers are copied. user_data is yours until handlers.release.
/// Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT (bad URL),
/// UNSUPPORTED (wss:// without TLS, unknown handlers), LIMIT, STATE (the loop is being freed). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_connect(
    r#loop: *mut wsock_loop,
    url: *const c_char,
    options: *const wsock_options,
    handlers: *const wsock_handlers,
    user_data: *mut c_void,
    out_conn: *mut *mut wsock_conn,
) -> wsock_status {
    boundary::status(|| {
        let place = loops::find(id(r#loop)?)?;
        // SAFETY: pointers as the header asks for.
        let (url, out) = unsafe { (text(url, "url")?, out(out_conn, "out_conn")?) };
        let settings = options::settings(options)?;
        let connect = |handler| client::connect(place, url, &settings, handler);
        // SAFETY: as above.
        let conn = unsafe { CHandlers::attach(handlers, user_data, connect) }?;
        out.write(handle(conn));
        Ok(())
    })
}
