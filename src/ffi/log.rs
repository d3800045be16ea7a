//! The application's log.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use super::args::{handle, id};
use super::boundary;
use super::handlers::UserData;
use super::status::wsock_status;
use super::types::wsock_loop;
use crate::driver::log::{self, Logger};
use crate::driver::loops;
use crate::error::{Code, Error};
use crate::util::id::Id;
use crate::util::journal::{self, Record};

/// Log level: something is broken and needs a person.
pub const WSOCK_LOG_ERROR: i32 = 1;
/// Log level: something went wrong; connections that fail are told here, with their traces.
pub const WSOCK_LOG_WARN: i32 = 2;
/// Log level: who comes and goes, refusals, servers that begin and end, attempts that follow.
pub const WSOCK_LOG_INFO: i32 = 3;
/// Log level: every address that is tried, what TLS came to.
pub const WSOCK_LOG_DEBUG: i32 = 4;
/// Log level: every turn of the loop.
pub const WSOCK_LOG_TRACE: i32 = 5;
const _: () = assert!(WSOCK_LOG_TRACE == journal::TRACE && WSOCK_LOG_ERROR == journal::ERROR);

type Log = unsafe extern "C-unwind" fn(
    r#loop: *mut wsock_loop,
    level: i32,
    target: *const c_char,
    message: *const c_char,
    user_data: *mut c_void,
);

struct CLogger {
    log: Log,
    user: UserData,
}

impl Logger for CLogger {
    fn log(&self, owner: Id, record: &Record) {
        let (target, message) = (record.target.as_ptr(), record.message.as_ptr());
        // SAFETY: a function of that type, as the header asks for; both texts live across the call.
        unsafe { (self.log)(handle(owner), record.level, target, message, self.user.pointer()) }
    }
}

/// Has log(loop, level, target, message, user_data) called for what happens in the loop, up to level
/// (WSOCK_LOG_*). target says what it is about: "server", "handshake", "tls", "dial", "conn", "frames" or
/// "loop". message is one line of UTF-8 without a line end; both are valid until log returns. Passwords,
/// cookies, the queries of URLs and what messages say are never in it. What it says may change with any
/// version: it is for people.
///
/// log is called as callbacks are: from inside run, poll or events, one at a time, and it may call every
/// function. Records wait until then, at most about a thousand; more are dropped, counted and told. level
/// 0, or log NULL, turns it off: user_data and release are ignored then. release may be NULL; it is called
/// exactly once, when log will not be given this user data again, but not when this call is refused.
///
/// Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT (no such level),
/// POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_loop_set_log(
    r#loop: *mut wsock_loop,
    level: i32,
    log: Option<
        unsafe extern "C-unwind" fn(
            r#loop: *mut wsock_loop,
            level: i32,
            target: *const c_char,
            message: *const c_char,
            user_data: *mut c_void,
        ),
    >,
    user_data: *mut c_void,
    release: Option<unsafe extern "C-unwind" fn(user_data: *mut c_void)>,
) -> wsock_status {
    boundary::status(|| {
        let place = loops::find(id(r#loop)?)?;
        if !(0..=WSOCK_LOG_TRACE).contains(&level) {
            return Err(Error::new(
                Code::InvalidArgument,
                format!("{level} is no log level: use WSOCK_LOG_*, or 0 for none"),
            ));
        }
        log::set(place, level, || {
            let log = log.filter(|_| level > 0)?;
            let user = UserData::new(user_data, release);
            Some(Arc::new(CLogger { log, user }) as Arc<dyn Logger>)
        })
    })
}
