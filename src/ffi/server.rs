//! wsock_server.

use std::ffi::{c_char, c_void};

use super::args::{self, handle, id, optional_text, out};
use super::boundary;
use super::conn::close_code;
use super::handlers::CHandlers;
use super::options;
use super::status::wsock_status;
use super::types::{wsock_handlers, wsock_loop, wsock_options, wsock_server, wsock_server_stats};
use crate::driver::{listen, loops, server};
use crate::error::{Code, Error};

/// Listens for connections. handlers and user_data apply to every connection that is accepted; on_open
/// can give a connection its own with wsock_conn_set_user_data. With a certificate
/// (wsock_options_add_cert_files) it listens for wss://, and only for that. host is one of
///
/// - a numeric address, "localhost" (127.0.0.1 and ::1), or NULL, "" or "*" for every address of both
///   protocols. port 0 takes a free one, which wsock_server_port tells.
/// - "unix:/path": a Unix domain socket; "unix:@name": one without a file (Linux). port must be 0. A
///   socket file that an ended server has left behind is replaced; one that somebody listens on, and
///   any other kind of file, is refused with SYSTEM. The file is removed when the server stops
///   listening. See WSOCK_OPT_UNIX_MODE.
/// - "systemd": all sockets that systemd, or whoever else speaks its protocol, has opened for this
///   process (LISTEN_FDS, LISTEN_PID); "systemd:NAME": those of that name (LISTEN_FDNAMES). port must
///   be 0. Each socket can be taken once. The environment is not changed, and files of these sockets
///   are not removed.
///
/// Ownership: host, options and handlers are copied. user_data is yours until handlers.release, which
/// comes when the server and its last connection have ended.
/// Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT (bad host, path too
/// long), SYSTEM (in use, not permitted, no sockets from systemd ...), UNSUPPORTED (unknown handlers),
/// LIMIT, STATE (the loop is being freed). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_listen(
    r#loop: *mut wsock_loop,
    host: *const c_char,
    port: u16,
    options: *const wsock_options,
    handlers: *const wsock_handlers,
    user_data: *mut c_void,
    out_server: *mut *mut wsock_server,
) -> wsock_status {
    boundary::status(|| {
        let place = loops::find(id(r#loop)?)?;
        // SAFETY: pointers as the header asks for.
        let (host, out) = unsafe { (optional_text(host, "host")?, out(out_server, "out_server")?) };
        let settings = options::settings(options)?;
        let listen = |handler| listen::listen(place, host.unwrap_or(""), port, &settings, handler);
        // SAFETY: as above.
        let server = unsafe { CHandlers::attach(handlers, user_data, listen) }?;
        out.write(handle(server));
        Ok(())
    })
}

/// The port a server listens on; 0 for a Unix domain socket, and when the handle is not valid.
///
/// Thread: loop. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_server_port(server: *const wsock_server) -> u16 {
    boundary::value(0, || {
        let id = id(server)?;
        server::port(loops::find_object(id)?.0, id)
    })
}

/// Shows the certificates of these options, added with wsock_options_add_cert_files, to clients that come
/// from now on, and asks of them what WSOCK_OPT_TLS_CLIENT_CERT says. What else the options hold is not
/// looked at; connections there are go on. For when certificates are renewed: make options with the new
/// files, set them, free the options. Clients resume the sessions they have as long as
/// WSOCK_OPT_TLS_CLIENT_CERT and whom it trusts stay the same.
///
/// Ownership: options are copied. Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD,
/// INVALID_ARGUMENT (no certificate in options), STATE (the server listens without TLS). Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_server_set_tls(
    server: *mut wsock_server,
    options: *const wsock_options,
) -> wsock_status {
    boundary::status(|| {
        let id = id(server)?;
        let place = loops::find_object(id)?.0;
        server::set_tls(place, id, &*options::settings(options)?)
    })
}

/// Ends a server. Every open connection is closed with this code (0: 1001, "going away") and reason
/// (may be NULL); those that do not finish their close handshake are dropped after
/// WSOCK_OPT_CLOSE_TIMEOUT_MS. The handle is valid until the last connection has ended; then comes the
/// handlers' release.
///
/// grace_ms 0: all at once. It stops listening, and handshakes that are not done are answered 503.
///
/// grace_ms above 0: the connections get their close frames spread evenly over this time, so that not
/// all clients reconnect at the same moment. Meanwhile it goes on listening, but answers each request,
/// plain HTTP too, with 503 and Retry-After, so that load balancers and clients go elsewhere; on_request
/// is not called any more. It stops listening at the end of this time, or sooner, when the last
/// connection has ended. wsock_server_get_stats tells how far it is.
///
/// Calling it again while a time of grace runs makes it shorter, with the new code and reason for the
/// connections that are still open; 0 closes them now. A call that would make it longer changes nothing.
///
/// Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT (time, code or reason).
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_server_close(
    server: *mut wsock_server,
    grace_ms: i32,
    code: i32,
    reason: *const c_char,
) -> wsock_status {
    boundary::status(|| {
        let id = id(server)?;
        let place = loops::find_object(id)?.0;
        // SAFETY: NULL or NUL-terminated, as the header asks for.
        let reason = unsafe { optional_text(reason, "reason") }?.unwrap_or("");
        let grace_ms = u64::try_from(grace_ms).map_err(|_| {
            Error::new(
                Code::InvalidArgument,
                format!("the time of grace must not be negative: {grace_ms}"),
            )
        })?;
        server::close(place, id, grace_ms, close_code(code)?, reason)
    })
}

/// Copies the server's figures to out_stats. Set out_stats->struct_size first.
///
/// Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_server_get_stats(
    server: *const wsock_server,
    out_stats: *mut wsock_server_stats,
) -> wsock_status {
    boundary::status(|| {
        let id = id(server)?;
        let stats = server::stats(loops::find_object(id)?.0, id)?;
        let stats = wsock_server_stats {
            struct_size: size_of::<wsock_server_stats>(),
            connections: stats.connections,
            handshakes: stats.handshakes,
            accepted: stats.accepted,
            opened: stats.opened,
            refused: stats.refused,
            http_responses: stats.http_responses,
            handshake_timeouts: stats.handshake_timeouts,
            handshake_errors: stats.handshake_errors,
            accept_errors: stats.accept_errors,
            messages_received: stats.messages_received,
            messages_sent: stats.messages_sent,
            bytes_received: stats.bytes_received,
            bytes_sent: stats.bytes_sent,
            refused_connections: stats.refused_connections,
            refused_per_address: stats.refused_per_address,
            refused_handshakes: stats.refused_handshakes,
            refused_head: stats.refused_head,
            refused_slow: stats.refused_slow,
            ended_control_rate: stats.ended_control_rate,
            draining: stats.draining.into(),
            drain_closed: stats.drain_closed,
            drain_remaining_ms: stats.drain_remaining_ms,
            messages_dropped: stats.messages_dropped,
            bytes_dropped: stats.bytes_dropped,
            payload_received: stats.payload_received,
            payload_sent: stats.payload_sent,
            refused_origin: stats.refused_origin,
            refused_version: stats.refused_version,
            refused_draining: stats.refused_draining,
            refused_application: stats.refused_application,
            tls_errors: stats.tls_errors,
        };
        // SAFETY: NULL or a struct with its size in front.
        unsafe { args::sized_out(out_stats, stats) }
    })
}
