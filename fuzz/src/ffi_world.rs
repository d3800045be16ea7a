//! What the C interface has promised so far: the handles it gave out, the user data it holds, and the
//! callbacks that came. The callbacks check the promises, then call back in.

use super::ffi_calls::act;
use super::input::Input;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{CStr, c_void};
use std::net::TcpStream;
use wsock::ffi::status::WSOCK_OK;
use wsock::ffi::types::*;

/// Positions of the classes in `World::handles`.
pub const LOOP: usize = 0;
pub const CONN: usize = 1;
pub const SERVER: usize = 2;
pub const REQUEST: usize = 3;
pub const OPTIONS: usize = 4;

#[derive(Default)]
pub struct World {
    data: Vec<u8>,
    at: usize,
    /// Calls that may still be made.
    pub budget: usize,
    /// Every handle ever given out; stale ones stay.
    pub handles: [Vec<usize>; 5],
    pub users: Vec<User>,
    pub conns: BTreeMap<usize, Conn>,
    pub tasks: Vec<Task>,
    /// How many of run, poll and loop_free are on the stack.
    pub inside: usize,
    pub peers: Vec<TcpStream>,
}

/// User data: its pointer is its position, plus one.
#[derive(Default)]
pub struct User {
    /// The call that was given it succeeded.
    pub attached: bool,
    pub releasable: bool,
    /// It came with on_open, on_error and on_close.
    pub told: bool,
    pub released: u32,
}

#[derive(Default)]
pub struct Conn {
    /// on_close has to come.
    pub expected: bool,
    pub opened: bool,
    pub error: Option<i32>,
    pub closed: u32,
    /// Seen to be stale after that.
    pub stale: bool,
}

#[derive(Default)]
pub struct Task {
    pub owner: usize,
    pub accepted: bool,
    pub releasable: bool,
    pub ran: u32,
    pub released: u32,
}

thread_local!(static WORLD: RefCell<World> = RefCell::default());

/// Never across a call into the library: that would call back in.
pub fn world<R>(f: impl FnOnce(&mut World) -> R) -> R {
    WORLD.with_borrow_mut(f)
}

/// Begins anew.
pub fn reset(data: &[u8]) {
    world(|w| *w = World { data: data.to_vec(), budget: 120, ..World::default() });
}

/// Decisions from the input.
pub fn draw<R>(f: impl FnOnce(&mut Input) -> R) -> R {
    world(|w| {
        let mut input = Input::new(&w.data[w.at..]);
        let drawn = f(&mut input);
        w.at = w.data.len() - input.rest().len();
        drawn
    })
}

/// A new piece of user data.
pub fn new_user(told: bool, releasable: bool) -> usize {
    world(|w| {
        w.users.push(User { told, releasable, ..User::default() });
        w.users.len() - 1
    })
}

pub fn pointer(index: usize) -> *mut c_void {
    std::ptr::without_provenance_mut(index + 1)
}

/// Tables of which some functions are missing; those that tell of the end are always there.
pub fn table(mask: u8, releasable: bool) -> wsock_handlers {
    wsock_handlers {
        struct_size: size_of::<wsock_handlers>(),
        on_open: Some(on_open),
        on_message: (mask & 1 == 0).then_some(on_message as _),
        on_error: Some(on_error),
        on_close: Some(on_close),
        on_ping: (mask & 2 == 0).then_some(on_ping as _),
        on_pong: (mask & 4 == 0).then_some(on_pong as _),
        on_drain: (mask & 8 == 0).then_some(on_drain as _),
        on_request: (mask & 16 == 0).then_some(on_request as _),
        release: releasable.then_some(release as _),
        on_retry: None,
    }
}

fn index(pointer: *mut c_void) -> usize {
    pointer.addr().checked_sub(1).expect("user data that nobody passed")
}

/// A callback with user data that is attached and not released, from inside the loop.
fn called(w: &World, user: *mut c_void) -> usize {
    assert!(w.inside > 0, "a callback outside of run, poll and loop_free");
    let index = index(user);
    assert!(w.users[index].attached && w.users[index].released == 0, "user data {index}");
    index
}

/// The record of the connection that a callback is about.
fn about<R>(conn: *mut wsock_conn, user: *mut c_void, f: impl FnOnce(&mut Conn) -> R) -> R {
    world(|w| {
        let user = called(w, user);
        let told = w.users[user].told;
        if !w.handles[CONN].contains(&conn.addr()) {
            w.handles[CONN].push(conn.addr());
        }
        let record = w.conns.entry(conn.addr()).or_default();
        assert_eq!(record.closed, 0, "a callback after on_close");
        record.expected |= told;
        f(record)
    })
}

/// Between on_open and on_close.
fn while_open(conn: *mut wsock_conn, user: *mut c_void) {
    about(conn, user, |conn| assert!(conn.opened || !conn.expected, "before on_open"));
    act();
}

extern "C-unwind" fn on_open(conn: *mut wsock_conn, user: *mut c_void) {
    about(conn, user, |conn| assert!(!std::mem::replace(&mut conn.opened, true)));
    act();
}

extern "C-unwind" fn on_message(
    conn: *mut wsock_conn,
    kind: i32,
    data: *const u8,
    len: usize,
    user: *mut c_void,
) {
    // SAFETY: the library promises `len` bytes until we return.
    let data = unsafe { std::slice::from_raw_parts(data, len) };
    match kind {
        WSOCK_TEXT => assert!(std::str::from_utf8(data).is_ok()),
        kind => assert_eq!(kind, WSOCK_BINARY),
    }
    let before = data.to_vec();
    while_open(conn, user);
    assert!(before == data, "a message must not change while it is looked at");
}

extern "C-unwind" fn on_ping(
    conn: *mut wsock_conn,
    data: *const u8,
    len: usize,
    user: *mut c_void,
) {
    assert!(!data.is_null() && len <= 125);
    while_open(conn, user);
}

extern "C-unwind" fn on_pong(
    conn: *mut wsock_conn,
    data: *const u8,
    len: usize,
    user: *mut c_void,
) {
    assert!(!data.is_null() && len <= 125);
    while_open(conn, user);
}

extern "C-unwind" fn on_drain(conn: *mut wsock_conn, user: *mut c_void) {
    while_open(conn, user);
}

extern "C-unwind" fn on_error(
    conn: *mut wsock_conn,
    error: *const wsock_error_info,
    user: *mut c_void,
) {
    // SAFETY: valid until we return.
    let error = unsafe { &*error };
    assert_eq!(error.struct_size, size_of::<wsock_error_info>());
    assert!(error.code < 0 && error.message.contains(&0));
    about(conn, user, |conn| assert_eq!(conn.error.replace(error.code), None));
    act();
}

extern "C-unwind" fn on_close(
    conn: *mut wsock_conn,
    info: *const wsock_close_info,
    user: *mut c_void,
) {
    // SAFETY: valid until we return, with a reason that ends with NUL.
    let (info, reason) = unsafe { (&*info, CStr::from_ptr((*info).reason)) };
    assert_eq!(info.struct_size, size_of::<wsock_close_info>());
    assert_eq!(reason.to_bytes().len(), info.reason_len);
    assert!(reason.to_str().is_ok() && (1000..5000).contains(&info.code));
    assert!((0..=1).contains(&info.was_clean) && (0..=2).contains(&info.initiator));
    assert!(info.was_clean == 0 || info.code != 1006);
    about(conn, user, |conn| {
        assert_eq!(conn.error.unwrap_or(WSOCK_OK), info.status, "on_error and on_close agree");
    });
    act();
    about(conn, user, |conn| conn.closed = 1);
}

extern "C-unwind" fn on_request(
    server: *mut wsock_server,
    request: *mut wsock_request,
    user: *mut c_void,
) -> i32 {
    world(|w| {
        called(w, user);
        assert!(w.handles[SERVER].contains(&server.addr()));
        w.handles[REQUEST].push(request.addr());
    });
    act();
    draw(|input| match input.byte() {
        0..=199 => 0,
        200 => -1,
        201 => i32::MAX,
        other => i32::from(input.byte()) + i32::from(other),
    })
}

pub extern "C-unwind" fn release(user: *mut c_void) {
    world(|w| {
        let user = &mut w.users[index(user)];
        assert!(user.attached && user.releasable);
        user.released += 1;
        assert_eq!(user.released, 1);
    });
    act();
}

pub extern "C-unwind" fn task(owner: *mut wsock_loop, arg: *mut c_void) {
    world(|w| {
        assert!(w.inside > 0);
        let (earlier, rest) = w.tasks.split_at_mut(index(arg));
        let task = &mut rest[0];
        assert!(task.accepted && task.released == 0 && task.owner == owner.addr());
        task.ran += 1;
        assert_eq!(task.ran, 1);
        let before = earlier.iter().filter(|it| it.accepted && it.owner == owner.addr());
        assert!(before.into_iter().all(|it| it.ran == 1), "tasks run in the order of posting");
    });
    act();
}

pub extern "C-unwind" fn release_task(arg: *mut c_void) {
    world(|w| {
        let task = &mut w.tasks[index(arg)];
        assert!(task.accepted && task.releasable);
        task.released += 1;
        assert_eq!(task.released, 1);
    });
    act();
}
