//! What must be true after each call, and in the end.

use super::values::*;
use super::world::*;
use super::{batch, conn, hub, looping, request, server};
use std::ptr;
use wsock::error::Code::*;
use wsock::ffi::conn::*;
use wsock::ffi::looping::wsock_loop_poll;
use wsock::ffi::options::*;
use wsock::ffi::server::*;
use wsock::ffi::source::wsock_conn_pull_again;
use wsock::ffi::status::*;
use wsock::ffi::types::*;

/// Turns in which everything that nobody holds on to has ended.
const TURNS: usize = 300;

/// After on_close the handle names nothing.
pub fn closed_is_stale() {
    let closed: Vec<usize> = world(|w| {
        let new = w.conns.iter_mut().filter(|(_, conn)| conn.closed > 0 && !conn.stale);
        new.map(|(&handle, conn)| {
            conn.stale = true;
            handle
        })
        .collect()
    });
    for conn in closed {
        assert_eq!(wsock_conn_state(conn as _), WSOCK_CLOSED);
        assert_eq!(wsock_conn_abort(conn as _), WSOCK_ERR_INVALID_HANDLE);
    }
}

/// How a run ends.
#[derive(Clone, Copy, PartialEq)]
pub enum End {
    /// Everything is closed, and turns are made until that is done.
    Polite,
    /// The loops are freed in the middle of everything.
    Abrupt,
    /// As the first, but that connections are aborted.
    Aborted,
}

/// Ends everything and looks whether all promises were kept.
pub fn end(how: End) {
    world(|w| w.budget = 0);
    if how != End::Abrupt {
        run_out(how);
    }
    for owner in world(|w| w.handles[LOOP].clone()) {
        looping::free(owner);
        assert_eq!(wsock_loop_poll(owner as _, 0), WSOCK_ERR_INVALID_HANDLE);
    }
    for options in world(|w| w.handles[OPTIONS].clone()) {
        wsock_options_free(options as _);
        assert_eq!(wsock_options_set_int(options as _, 1, 1), WSOCK_ERR_INVALID_HANDLE);
    }
    hub::nobody_is_left();
    hub::end();
    closed_is_stale();
    world(|w| {
        for (handle, conn) in &w.conns {
            // A batch tells of the end also where there is no function for it.
            let told_in_batch = w.queues && conn.closed == 1;
            let right = told_in_batch || conn.closed == conn.expected.into();
            assert!(right, "on_close of {handle:#x}: {} times", conn.closed);
        }
        for user in &w.users {
            assert_eq!(user.released, (user.attached && user.releasable).into());
        }
        assert_eq!(w.wells, 0, "functions that were not released");
        for task in &w.tasks {
            assert_eq!(task.released, (task.accepted && task.releasable).into());
            assert!(task.ran <= task.accepted.into());
        }
        for file in w.servers.values().filter_map(|server| server.file.as_ref()) {
            assert!(!std::path::Path::new(file).exists(), "{file}");
        }
    });
}

/// When the peers are gone and everything is closed, a few turns end it.
fn run_out(how: End) {
    world(|w| {
        w.peers.clear();
        w.stage = None;
    });
    let [loops, conns, servers, ..] = world(|w| w.handles.clone());
    // What was put off for ever would keep its server for as long as a handshake may take.
    for request in world(|w| w.handles[REQUEST].clone()) {
        request::answer_late(request, 503);
    }
    for server in &servers {
        // SAFETY: a handle that may be stale, and no reason.
        let status = unsafe { wsock_server_close(*server as _, 0, 1001, ptr::null()) };
        documented(status, &[InvalidHandle]);
    }
    for &conn in &conns {
        // What a connection is sending goes on, so that closing it comes to an end.
        wsock_conn_pull_again(conn as _);
        match how {
            End::Aborted => conn::abort(conn),
            _ => conn::close(conn, 1000, &None),
        }
    }
    // Whoever waits for a peer of ours has seen it go; nothing needs a timeout.
    let ended = || {
        conns.iter().all(|&conn| wsock_conn_state(conn as _) == WSOCK_CLOSED)
            && servers.iter().all(|&it| server::has_ended(it))
    };
    loops.iter().for_each(|&owner| batch::join(owner));
    for turn in 0..TURNS {
        for &owner in &loops {
            looping::turn(owner, i32::from(turn > 20));
        }
        server::figures_add_up();
        if ended() {
            return;
        }
    }
    panic!("something has not ended: {loops:x?}");
}
