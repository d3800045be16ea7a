//! wsock_loop.

use std::ffi::c_void;
use std::time::Duration;

use super::args::{handle, id, out};
use super::boundary;
use super::status::wsock_status;
use super::types::wsock_loop;
use crate::driver::inbox::Command;
use crate::driver::{fork, loops, thread, turn};
use crate::error::{Code, Error, Result};

/// Makes a loop. It belongs to the calling thread until another one polls it. Free it with
/// wsock_loop_free.
///
/// Thread: any. Errors: INVALID_ARGUMENT, SYSTEM, LIMIT. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_loop_new(out_loop: *mut *mut wsock_loop) -> wsock_status {
    boundary::status(|| {
        // SAFETY: NULL or writable, as the header says; so for every out_ argument.
        let out = unsafe { out(out_loop, "out_loop") }?;
        out.write(handle(loops::create()?));
        Ok(())
    })
}

/// Ends a loop and everything in it: every connection gets its on_error (WSOCK_ERR_ABORTED) and
/// on_close from inside this call, without a close handshake; then all handles of the loop are stale.
/// For a polite end, close servers and connections first and run until nothing is left. NULL is
/// allowed and does nothing. A loop that answers WSOCK_ERR_POISONED is freed without a callback; only
/// release is called; and so is, in the child of a fork, a loop that is still the parent's, of which
/// neither the parent nor its peers notice anything.
///
/// Thread: any that finds nobody else inside, outside of the loop's callbacks.
/// Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD (another one is inside), REENTRANT. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_loop_free(r#loop: *mut wsock_loop) -> wsock_status {
    boundary::status(|| match r#loop.is_null() {
        true => Ok(()),
        false => turn::free(loops::find_of_any_process(id(r#loop)?)?),
    })
}

/// Runs until wsock_loop_stop is called, or until nothing is left that could ever cause a callback:
/// no connection, no server, nothing posted.
///
/// Thread: any that finds nobody else inside; the loop is that thread's from now on.
/// Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD (another one is inside), REENTRANT, INTERRUPTED (a
/// signal arrived: look at what its handler did and call again), SYSTEM, PANIC, POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_loop_run(r#loop: *mut wsock_loop) -> wsock_status {
    boundary::status(|| turn::run(loops::find(id(r#loop)?)?))
}

/// Handles what there is to handle, after waiting for it at most timeout_ms milliseconds: 0 does not
/// wait, -1 waits as long as it takes. Returns the number of callbacks that ran, which may be 0 although
/// time is left, or an error.
///
/// Thread: any that finds nobody else inside; the loop is that thread's from now on.
/// Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD (another one is inside), REENTRANT, INTERRUPTED (a
/// signal arrived), INVALID_ARGUMENT (below -1: a time that was calculated wrongly should not become
/// for ever), SYSTEM, PANIC, POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_loop_poll(r#loop: *mut wsock_loop, timeout_ms: i32) -> i32 {
    boundary::number(|| {
        let place = loops::find(id(r#loop)?)?;
        let ran = turn::poll(place, time_limit(timeout_ms)?)?;
        Ok(i32::try_from(ran).unwrap_or(i32::MAX))
    })
}

/// A time to wait as C passes it.
pub fn time_limit(timeout_ms: i32) -> Result<Option<Duration>> {
    match timeout_ms {
        -1 => Ok(None),
        _ => u64::try_from(timeout_ms).map(|ms| Some(Duration::from_millis(ms))).map_err(|_| {
            Error::new(
                Code::InvalidArgument,
                format!("timeout_ms is {timeout_ms}; use -1 to wait as long as it takes"),
            )
        }),
    }
}

/// Gives the loop a thread of its own, which from now on waits for sockets, reads, writes, answers pings
/// and keeps deadlines, also while your program is busy. It never calls you: what happens is queued, and
/// told on your own thread by wsock_loop_poll, wsock_loop_run or wsock_loop_events, which otherwise only
/// wait. wsock_loop_fd becomes readable when something is queued.
///
/// Every function that says "Thread: loop" may be called from any thread then; it waits until the loop's
/// thread is between two turns. Sending never waits. End it with wsock_loop_join or wsock_loop_free.
///
/// Thread: loop, outside of callbacks. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, REENTRANT, STATE
/// (started already), SYSTEM (no thread can be made), POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_loop_start(r#loop: *mut wsock_loop) -> wsock_status {
    boundary::status(|| thread::start(loops::find(id(r#loop)?)?))
}

/// Ends the thread that wsock_loop_start has made and waits for that. The loop, with everything in it, is
/// the calling thread's then, as if it never had been started; what is queued is told by the next
/// wsock_loop_poll, wsock_loop_run or wsock_loop_events.
///
/// Thread: any, when no other waits for the loop's events. Errors: INVALID_HANDLE, WRONG_KIND,
/// WRONG_THREAD (another one is waiting), STATE (there is no such thread). Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_loop_join(r#loop: *mut wsock_loop) -> wsock_status {
    boundary::status(|| thread::join(loops::find(id(r#loop)?)?))
}

/// Makes wsock_loop_run return WSOCK_OK when the callbacks of this turn are done. When nobody is
/// inside it, the next call returns at once. A wsock_loop_poll that waits returns, too. Nothing is
/// closed: run again, and all goes on.
///
/// Thread: any, and signal handlers. Errors: INVALID_HANDLE, WRONG_KIND. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_loop_stop(r#loop: *mut wsock_loop) -> wsock_status {
    boundary::status(|| {
        loops::find(id(r#loop)?)?.stop();
        Ok(())
    })
}

/// Makes a wsock_loop_poll that waits return; when nobody waits, the next one does not.
///
/// Thread: any, and signal handlers. Errors: INVALID_HANDLE, WRONG_KIND. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_loop_wakeup(r#loop: *mut wsock_loop) -> wsock_status {
    boundary::status(|| {
        loops::find(id(r#loop)?)?.wake();
        Ok(())
    })
}

/// Has task(loop, arg) called once on the thread of the loop, from inside run or poll, in the order
/// of posting. Then, or when the loop is freed first, release(arg) is called; it may be NULL. When
/// the post is refused, neither is.
///
/// Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT (task is NULL), POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_loop_post(
    r#loop: *mut wsock_loop,
    task: Option<unsafe extern "C-unwind" fn(r#loop: *mut wsock_loop, arg: *mut c_void)>,
    arg: *mut c_void,
    release: Option<unsafe extern "C-unwind" fn(arg: *mut c_void)>,
) -> wsock_status {
    boundary::status(|| {
        let loop_id = id(r#loop)?;
        let place = loops::find(loop_id)?;
        place.check_poison()?;
        let task =
            task.ok_or_else(|| Error::new(Code::InvalidArgument, "the task function is NULL"))?;
        place.push_with(|| {
            // Made here: dropping it releases, which a refused post must not.
            let posted = Posted { arg, release };
            Command::Task(Box::new(move || {
                let posted = posted;
                // SAFETY: a function of that type and the argument that was given with it.
                unsafe { task(handle(loop_id), posted.arg) }
            }))
        })
    })
}

/// The argument of a task, released whether it ran or not.
struct Posted {
    arg: *mut c_void,
    release: Option<unsafe extern "C-unwind" fn(arg: *mut c_void)>,
}

// SAFETY: the pointer is only carried to the thread that the application chose by posting.
unsafe impl Send for Posted {}

impl Drop for Posted {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            // SAFETY: given together with `arg` for exactly this call.
            unsafe { release(self.arg) }
        }
    }
}

/// A file descriptor for foreign event loops. It is readable (level-triggered) while wsock_loop_poll
/// has anything to do, timers included: watch it for reading and call wsock_loop_poll(loop, 0) when
/// it is. Never read from it or close it; it lives as long as the loop.
///
/// Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, SYSTEM, UNSUPPORTED (not on this
/// system; use wsock_loop_timeout_ms and a short poll), POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_loop_fd(r#loop: *mut wsock_loop) -> i32 {
    boundary::number(|| loops::find(id(r#loop)?)?.with(|core| core.descriptor()))
}

/// For hosts that do not watch wsock_loop_fd: how many milliseconds may pass until wsock_loop_poll has
/// to be called because a timer is due. 0 at once, -1 no limit. Ask again after every call into the
/// library. (With wsock_loop_fd it is not needed.)
///
/// Thread: loop. Errors (all below -1): INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_loop_timeout_ms(r#loop: *mut wsock_loop) -> i32 {
    boundary::number(|| {
        let timeout = turn::timeout_ms(loops::find(id(r#loop)?)?)?;
        Ok(timeout.map_or(-1, |ms| i32::try_from(ms).unwrap_or(i32::MAX)))
    })
}

/// In the child of a fork: makes a loop of the parent usable. Until then every call about it, or about
/// anything in it, answers WSOCK_ERR_STATE here, and the parent does not notice that there is a child.
///
/// - Servers go on listening, in both processes: a connection is accepted by one of them. Fork several
///   children, and they share the load; the parent may close its own. The file of a Unix socket is removed
///   by the process that made it.
/// - Connections belong to the parent and go on there. Here they end without a byte to the peer: on_error
///   (WSOCK_ERR_ABORTED) and on_close come from the next run or poll, WSOCK_OPT_RECONNECT or not.
/// - What was posted, or sent by other threads, and not yet done is dropped; release is called for it.
///   Names that are being looked up are forgotten with their connections.
/// - wsock_loop_fd keeps its number and means this process's loop: watch it anew, since an epoll set of
///   the parent's still has the old one.
///
/// In the process that the loop belongs to it does nothing. It takes the forking thread: when another one
/// was inside the loop, or about to queue something, at that moment, the answer is WSOCK_ERR_STATE, and
/// only a new loop helps.
///
/// Thread: any, outside of the loop's callbacks. Errors: INVALID_HANDLE, WRONG_KIND, REENTRANT, STATE,
/// SYSTEM, POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_loop_after_fork(r#loop: *mut wsock_loop) -> wsock_status {
    boundary::status(|| fork::after_fork(loops::find_of_any_process(id(r#loop)?)?))
}
