//! What the application is told, and whether that was promised. The callbacks check it, then call back in;
//! records of a batch are checked in the same way.

use super::world::*;
use super::{act, batch, request};
use std::ffi::{CStr, c_void};
use wsock::ffi::conn::*;
use wsock::ffi::status::*;
use wsock::ffi::types::*;

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
        on_retry: (mask & 64 == 0).then_some(on_retry as _),
        on_part: (mask & 128 != 0).then_some(on_part as _),
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
pub fn heard(conn: *mut wsock_conn, user: *mut c_void) {
    about(conn, user, |conn| assert!(conn.open || !conn.expected, "before on_open"));
}

fn while_open(conn: *mut wsock_conn, user: *mut c_void) {
    heard(conn, user);
    act();
}

/// Figures that are always of this kind.
fn check_close(info: &wsock_close_info) {
    // SAFETY: texts that end with NUL and are valid until the callback returns.
    let [reason, sent] = [info.reason, info.sent_reason].map(|it| unsafe { CStr::from_ptr(it) });
    assert_eq!(info.struct_size, size_of::<wsock_close_info>());
    assert_eq!(
        [reason, sent].map(|it| it.to_bytes().len()),
        [info.reason_len, info.sent_reason_len]
    );
    assert!(reason.to_str().is_ok() && (1000..5000).contains(&info.code));
    assert!(sent.to_str().is_ok() && sent.to_bytes().len() <= 123);
    assert!(info.sent_code == 0 || (1000..5000).contains(&info.sent_code));
    assert!((0..=1).contains(&info.was_clean) && (0..=2).contains(&info.initiator));
    assert!(info.was_clean == 0 || info.code != 1006 && info.sent_code != 0);
    assert!((WSOCK_LAYER_WEBSOCKET..=WSOCK_LAYER_LOCAL).contains(&info.layer));
    assert!(info.os_error >= 0 && (0..256).contains(&info.tls_alert) && info.reserved == 0);
    let refused = info.status == WSOCK_ERR_HTTP_STATUS;
    assert!(!refused || (100..=999).contains(&info.http_status));
}

fn check_error(error: &wsock_error_info) {
    assert_eq!(error.struct_size, size_of::<wsock_error_info>());
    assert!(error.code < 0 && error.message.contains(&0) && error.reserved == 0);
    assert!((0..256).contains(&error.tls_alert));
}

/// What was lost had been accepted, and is told once.
fn lose(conn: &mut Conn, unsent: u64) {
    conn.lost += unsent;
    assert!(conn.lost <= conn.weight(), "{} of {} bytes lost", conn.lost, conn.bytes);
}

pub fn opened(conn: *mut wsock_conn, user: *mut c_void) {
    let (hears_of_retries, queues) = world(|w| (w.users[index(user)].told_of_retries, w.queues));
    about(conn, user, |conn| {
        assert!(!conn.given_up || queues, "it was given up before it was open");
        assert!(!conn.open || conn.comes_back && !hears_of_retries);
        conn.open = true;
        conn.inside = false;
        conn.opened += 1;
        assert!(conn.opened <= 1 + conn.retries || conn.comes_back && !hears_of_retries);
    });
}

extern "C-unwind" fn on_open(conn: *mut wsock_conn, user: *mut c_void) {
    opened(conn, user);
    act();
}

pub fn retries(conn: *mut wsock_conn, info: &wsock_retry_info, user: *mut c_void) {
    // SAFETY: valid as long as the info, or NULL.
    let (close, error) = unsafe { (&*info.close, info.error.as_ref()) };
    assert_eq!(info.struct_size, size_of::<wsock_retry_info>());
    assert!(info.attempt >= 1 && info.reserved == 0 && info.delay_ms <= 24 * 3600 * 1000);
    check_close(close);
    error.into_iter().for_each(check_error);
    assert_eq!(error.map_or(WSOCK_OK, |error| error.code), close.status);
    let queues = world(|w| w.queues);
    assert!(queues || wsock_conn_state(conn) == WSOCK_CONNECTING);
    about(conn, user, |conn| {
        assert!(conn.comes_back && conn.error.is_none());
        assert!(!conn.given_up || queues);
        assert!(conn.attempts.is_none_or(|most| most < 0 || i64::from(info.attempt) <= most));
        conn.open = false;
        conn.retries += 1;
        lose(conn, close.unsent_bytes);
    });
}

extern "C-unwind" fn on_retry(
    conn: *mut wsock_conn,
    info: *const wsock_retry_info,
    user: *mut c_void,
) {
    // SAFETY: valid until we return.
    retries(conn, unsafe { &*info }, user);
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
    if len > 0 && below(16) == 15 {
        let whole = WSOCK_PART_FIRST | WSOCK_PART_LAST;
        batch::retain(conn.addr(), data.as_ptr().addr(), data, whole);
    }
    while_open(conn, user);
    assert!(before == data, "a message must not change while it is looked at");
}

/// A whole message is its own only part.
pub fn part(conn: *mut wsock_conn, kind: i32, data: &[u8], flags: u32, user: *mut c_void) {
    assert!(kind == WSOCK_TEXT || kind == WSOCK_BINARY);
    assert!(flags & !(WSOCK_PART_FIRST | WSOCK_PART_LAST) == 0);
    assert!(!data.is_empty() || flags & WSOCK_PART_LAST != 0);
    about(conn, user, |conn| {
        assert!(conn.open || !conn.expected, "before on_open");
        assert_eq!(flags & WSOCK_PART_FIRST == 0, conn.inside, "the order of parts");
        conn.inside = flags & WSOCK_PART_LAST == 0;
    });
}

extern "C-unwind" fn on_part(
    conn: *mut wsock_conn,
    kind: i32,
    data: *const u8,
    len: usize,
    flags: u32,
    user: *mut c_void,
) {
    // SAFETY: the library promises `len` bytes until we return.
    let data = unsafe { std::slice::from_raw_parts(data, len) };
    part(conn, kind, data, flags, user);
    let before = data.to_vec();
    while_open(conn, user);
    assert!(before == data, "a part must not change while it is looked at");
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

pub fn failed(conn: *mut wsock_conn, error: &wsock_error_info, user: *mut c_void) {
    check_error(error);
    about(conn, user, |conn| assert_eq!(conn.error.replace(error.code), None));
}

extern "C-unwind" fn on_error(
    conn: *mut wsock_conn,
    error: *const wsock_error_info,
    user: *mut c_void,
) {
    // SAFETY: valid until we return.
    failed(conn, unsafe { &*error }, user);
    act();
}

pub fn ended(conn: *mut wsock_conn, info: &wsock_close_info, user: *mut c_void) {
    check_close(info);
    assert!(world(|w| w.ended.iter().all(|(_, other)| *other != conn.addr())), "told twice");
    assert_eq!(wsock_conn_state(conn), WSOCK_CLOSED);
    about(conn, user, |conn| {
        assert_eq!(conn.error.unwrap_or(WSOCK_OK), info.status, "on_error and on_close agree");
        lose(conn, info.unsent_bytes);
        assert!(
            info.was_clean == 0 || conn.comes_back || conn.in_parts || info.unsent_bytes == 0,
            "lost before a clean end"
        );
    });
}

extern "C-unwind" fn on_close(
    conn: *mut wsock_conn,
    info: *const wsock_close_info,
    user: *mut c_void,
) {
    // SAFETY: valid until we return.
    ended(conn, unsafe { &*info }, user);
    act();
    about(conn, user, |conn| conn.closed = 1);
}

pub fn asked(server: usize, request: usize, user: *mut c_void) {
    world(|w| {
        called(w, user);
        assert!(w.handles[SERVER].contains(&server));
        w.handles[REQUEST].push(request);
    });
}

extern "C-unwind" fn on_request(
    server: *mut wsock_server,
    request: *mut wsock_request,
    user: *mut c_void,
) -> i32 {
    asked(server.addr(), request.addr(), user);
    act();
    request::answer(request.addr())
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
