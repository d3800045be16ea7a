//! Clients.

use super::attach::{attach, offer, stream};
use super::values::*;
use super::world::*;
use std::ptr;
use wsock::error::Code::*;
use wsock::ffi::adopt::wsock_connect_fd;
use wsock::ffi::client::*;
use wsock::ffi::conn::*;
use wsock::ffi::status::*;
use wsock::ffi::types::*;

pub fn make() {
    match below(8) {
        0..=5 => connect(),
        _ => connect_fd(),
    }
}

fn connect() {
    let (owner, url, options) = (handle(LOOP), url(), maybe_options());
    let mut out = ptr::null_mut();
    // SAFETY: see looping::make.
    let (status, told) = attach(|table, user| unsafe {
        wsock_connect(owner as _, as_ptr(&url), options as _, table, user, &mut out)
    });
    documented(status, &[InvalidHandle, WrongKind, InvalidArgument, Unsupported, Limit, State]);
    begun(status, out, told, options);
}

fn connect_fd() {
    let (owner, url, options) = (handle(LOOP), url(), maybe_options());
    let (fd, (data, len)) = (stream(), if below(4) == 3 { payload() } else { (ptr::null(), 0) });
    let mut out = ptr::null_mut();
    // SAFETY: see looping::make; the descriptor is given away.
    let (status, told) = attach(|table, user| unsafe {
        let url = as_ptr(&url);
        let call = |fd| {
            let (owner, options, data) = (owner as _, options as _, data.cast());
            wsock_connect_fd(owner, fd, url, options, table, user, data, len, &mut out)
        };
        offer(fd, call)
    });
    documented(
        status,
        &[InvalidHandle, WrongKind, InvalidArgument, Unsupported, System, Limit, State],
    );
    assert!(status < 0 || options_of(options).attempts == 0);
    begun(status, out, told, options);
}

fn begun(status: i32, conn: *mut wsock_conn, expected: bool, options: usize) {
    if status != WSOCK_OK {
        assert!(conn.is_null(), "outputs are written only on success");
        return;
    }
    // What fails at once is closing already; the news comes from the loop.
    let state = wsock_conn_state(conn);
    assert!([WSOCK_CONNECTING, WSOCK_CLOSING].contains(&state) || world(|w| w.queues));
    let attempts = options_of(options).attempts;
    let comes_back = attempts != 0;
    let record = Conn { expected, comes_back, attempts: Some(attempts), ..Conn::default() };
    world(|w| {
        w.handles[CONN].push(conn.addr());
        w.conns.insert(conn.addr(), record);
    });
}

pub fn set_target(conn: usize) {
    let url = if below(2) == 0 { url() } else { None };
    let options = maybe_options();
    // SAFETY: see looping::make.
    let status = unsafe { wsock_conn_set_target(conn as _, as_ptr(&url), options as _) };
    documented(status, &[InvalidHandle, WrongKind, State, InvalidArgument, Unsupported, Limit]);
    if status == WSOCK_OK {
        world(|w| {
            let record = w.conns.entry(conn).or_default();
            assert!(record.comes_back);
            record.attempts = record.attempts.filter(|_| options == 0);
        });
    }
}
