//! Loops: made, polled, posted to, freed. And what needs no handle.

use super::batch;
use super::callbacks::{release_task, task};
use super::values::*;
use super::world::*;
use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use wsock::error::Code::{self, *};
use wsock::ffi::log::*;
use wsock::ffi::looping::*;
use wsock::ffi::metrics::*;
use wsock::ffi::status::*;
use wsock::ffi::types::wsock_loop;
use wsock::ffi::version::*;

pub fn make() {
    // SAFETY (of all files here): outputs are NULL or writable, texts NULL or NUL-terminated, payloads as
    // long as they say or longer than anything; handles may be any number, which is what is tested.
    // SAFETY: see above.
    unsafe {
        match below(8) {
            0 if world(|w| w.handles[LOOP].len()) < 4 => {
                let mut out = ptr::null_mut();
                documented(wsock_loop_new(&mut out), &[Limit, System]);
                world(|w| w.handles[LOOP].push(out.addr()));
            }
            1 => documented(wsock_loop_new(ptr::null_mut()), &[InvalidArgument]),
            2 | 3 => free(handle(LOOP)),
            _ => turn_any(),
        }
    }
}

pub fn free(owner: usize) {
    let status = inside(|| wsock_loop_free(owner as _));
    documented(status, &[InvalidHandle, WrongKind, Reentrant]);
    if status == WSOCK_OK {
        batch::over(owner);
    }
}

const POLLED: [Code; 6] =
    [InvalidHandle, WrongKind, Reentrant, Interrupted, InvalidArgument, System];

pub fn newest() -> usize {
    world(|w| w.handles[LOOP].last().copied().unwrap_or(0))
}

pub fn turn(owner: usize, timeout_ms: i32) {
    turned(owner, inside(|| wsock_loop_poll(owner as _, timeout_ms)));
}

fn turned(owner: usize, status: i32) {
    documented(status, &POLLED);
    if status >= 0 {
        batch::over(owner);
    }
}

pub fn turn_any() {
    let owner = handle(LOOP);
    match below(8) {
        0 => {
            // Else it would wait for something to happen.
            wsock_loop_stop(owner as _);
            turned(owner, inside(|| wsock_loop_run(owner as _)));
        }
        1 => turn(owner, -2),
        n => turn(owner, n as i32 % 4),
    }
}

pub fn any() {
    let owner = handle(LOOP);
    let any = [InvalidHandle, WrongKind];
    match below(10) {
        0 => documented(wsock_loop_stop(owner as _), &any),
        1 => documented(wsock_loop_wakeup(owner as _), &any),
        2 => {
            let fd = wsock_loop_fd(owner as _);
            documented(fd, &any);
            if fd >= 0 {
                world(|w| w.beacons.insert(owner, fd));
            }
        }
        3 => {
            let timeout = wsock_loop_timeout_ms(owner as _);
            if timeout < -1 {
                documented(timeout, &any);
            }
        }
        4 => watch(owner),
        5 => {
            let level = i32::from(draw(|input| input.byte())) % 8 - 1;
            let status = wsock_loop_set_log(owner as _, level, Some(log), ptr::null_mut(), None);
            documented(status, &[InvalidHandle, WrongKind, InvalidArgument]);
        }
        _ => post(owner),
    }
}

/// Looks inside.
fn watch(owner: usize) {
    let any = [InvalidHandle, WrongKind, InvalidArgument];
    // SAFETY: see make.
    unsafe {
        match below(3) {
            0 => documented(wsock_loop_measure(owner as _, below(2) as i32), &any[..2]),
            1 => {
                let stats = sized(|out| wsock_loop_get_stats(owner as _, out));
                documented(stats.0, &any);
            }
            _ => lent(|len| {
                let mut text = ptr::null();
                documented(wsock_loop_metrics(owner as _, &mut text, len), &any[..2]);
                text
            }),
        }
    }
}

unsafe extern "C-unwind" fn log(
    _: *mut wsock_loop,
    level: i32,
    target: *const c_char,
    message: *const c_char,
    _: *mut c_void,
) {
    assert!((WSOCK_LOG_ERROR..=WSOCK_LOG_TRACE).contains(&level));
    for text in [target, message] {
        // SAFETY: the library passes texts that end with NUL.
        let text = unsafe { CStr::from_ptr(text) }.to_str().expect("UTF-8");
        assert!(!text.is_empty() && !text.chars().any(char::is_control), "{text:?}");
    }
}

#[repr(C)]
struct PollFd {
    fd: i32,
    events: i16,
    revents: i16,
}

unsafe extern "C" {
    fn poll(fds: *mut PollFd, count: std::ffi::c_ulong, timeout_ms: i32) -> i32;
}

/// A loop that has something to do says so to who watches its descriptor.
pub fn work_shows() {
    for (owner, fd) in world(|w| w.beacons.clone()) {
        if wsock_loop_timeout_ms(owner as _) == 0 {
            let mut watched = PollFd { fd, events: 1, revents: 0 };
            // SAFETY: one descriptor, which lives as long as the loop. Its timer may be a moment late.
            assert_eq!(unsafe { poll(&mut watched, 1, 50) }, 1, "nobody would poll this loop");
        }
    }
}

fn post(owner: usize) {
    let how = draw(|input| input.byte());
    let (missing, releasable) = (how & 7 == 7, how & 8 == 0);
    let index = world(|w| {
        w.tasks.push(Task { owner, releasable, ..Task::default() });
        w.tasks.len() - 1
    });
    let status = wsock_loop_post(
        owner as _,
        (!missing).then_some(task as _),
        pointer(index),
        releasable.then_some(release_task as _),
    );
    documented(status, &[InvalidHandle, WrongKind, InvalidArgument]);
    world(|w| w.tasks[index].accepted = status == WSOCK_OK);
}

pub fn constants() {
    let code = draw(|input| i32::from(input.byte() as i8));
    for text in [wsock_strerror(code), wsock_error_name(code), wsock_version_string()] {
        lent(|_| text);
    }
    assert!(wsock_version() > 0 && wsock_features() & !3 == 0);
    wsock_abi_version();
}
