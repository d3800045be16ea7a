//! Messages whose bytes are fetched when there is room for them: wsock_conn_send_fd,
//! wsock_conn_send_from.

use std::ffi::c_void;
use std::sync::Arc;

use super::args::{handle, id};
use super::boundary;
use super::send::{WSOCK_SEND_NO_COMPRESS, check_flags, kind_of};
use super::status::wsock_status;
use super::types::wsock_conn;
use crate::driver::loops;
use crate::driver::source::{self, Pull, Pulled};
use crate::error::{Code, Error, Result};
use crate::util::id::Id;
use crate::util::offer::Offer;

/// What a pull function of wsock_conn_send_from answers when it has nothing now.
pub const WSOCK_PULL_LATER: i64 = -1;
/// What it answers when the message cannot be finished.
pub const WSOCK_PULL_FAILED: i64 = -2;

type PullFunction =
    unsafe extern "C-unwind" fn(*mut wsock_conn, *mut c_void, usize, *mut c_void) -> i64;
type Release = Option<unsafe extern "C-unwind" fn(*mut c_void)>;

/// The application's function and its data.
struct CPull {
    pull: PullFunction,
    pointer: *mut c_void,
    release: Release,
}

// SAFETY: the pointer is only carried; following it is the application's business.
unsafe impl Send for CPull {}
// SAFETY: as above.
unsafe impl Sync for CPull {}

impl Pull for CPull {
    fn pull(&self, conn: Id, buffer: &mut [u8]) -> Pulled {
        let (data, capacity) = (buffer.as_mut_ptr().cast(), buffer.len());
        // SAFETY: a function of that type, as the header asks for; `buffer` lives across the call.
        match unsafe { (self.pull)(handle(conn), data, capacity, self.pointer) } {
            0 => Pulled::End,
            WSOCK_PULL_LATER => Pulled::Later,
            WSOCK_PULL_FAILED => Pulled::Failed("the application could not go on with a message"),
            count => match usize::try_from(count) {
                Ok(count) if count <= capacity => Pulled::Bytes(count),
                _ => Pulled::Failed("a pull function answered what it must not"),
            },
        }
    }
}

impl Drop for CPull {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            // SAFETY: the application gave both together for exactly this call.
            unsafe { release(self.pointer) }
        }
    }
}

fn compresses(flags: u32) -> Result<bool> {
    check_flags(flags, WSOCK_SEND_NO_COMPRESS)?;
    Ok(flags & WSOCK_SEND_NO_COMPRESS == 0)
}

/// Sends what a descriptor gives as one message: a file from where it stands, a pipe, a socket, a
/// terminal. It is read in pieces of at most 64 KiB, when the connection has room for more, so the message
/// may be longer than memory. len is how many bytes to send, or UINT64_MAX for all up to the end. type and
/// flags are as for wsock_conn_send. Text has to be UTF-8.
///
/// The message has its place among the others: what is sent after it waits for its end, in memory. It goes
/// on when wsock_conn_close is called, as long as the connection has not waited for WSOCK_OPT_CLOSE_TIMEOUT_MS
/// for more of it. When reading fails, or the end comes before len bytes, the message cannot be finished,
/// nor can another follow: the connection is closed with 1011, and on_error tells why.
///
/// A pipe, a socket or a terminal is watched by the loop and never waited for, whether it is non-blocking or
/// not; nobody else should read from it meanwhile. Reading a regular file may wait for the disk.
///
/// Ownership: on success fd is the library's, which closes it when it needs it no longer; after a refusal it
/// is yours, unchanged. Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, STATE (not open),
/// INVALID_ARGUMENT (type; not open for reading, a directory), UNSUPPORTED (flags), SYSTEM, POISONED.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_conn_send_fd(
    conn: *mut wsock_conn,
    r#type: i32,
    fd: i32,
    len: u64,
    flags: u32,
) -> wsock_status {
    boundary::status(|| {
        let id = id(conn)?;
        loops::find_object(id)?;
        let (kind, compress) = (kind_of(r#type)?, compresses(flags)?);
        // SAFETY: it is the caller's, who gives it up when it is taken.
        let offer = unsafe { Offer::new(fd) }.ok_or_else(|| {
            Error::new(Code::InvalidArgument, format!("{fd} is not an open descriptor"))
        })?;
        source::send_fd(id, kind, offer, (len != u64::MAX).then_some(len), compress)
    })
}

/// Sends a message that your function makes, piece by piece, when the connection has room for more, so it may
/// be longer than memory. type and flags are as for wsock_conn_send; the message has its place among the
/// others as with wsock_conn_send_fd.
///
/// pull is called from the loop like a callback, with room for capacity bytes, and may call anything. It
/// writes to buffer and answers how many bytes that was, at least one; 0 when the message ends;
/// WSOCK_PULL_LATER when it has nothing now, to be called again after wsock_conn_pull_again; WSOCK_PULL_FAILED
/// when it cannot go on, which closes the connection with 1011. Text may be cut anywhere but has to be UTF-8.
///
/// release may be NULL. It is called exactly once, when pull will not be called any more: the message has
/// ended, or the connection has.
///
/// Ownership: user_data is yours until release; after a refusal it is yours and release is not called.
/// Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, STATE (not open), INVALID_ARGUMENT (type;
/// pull is NULL), UNSUPPORTED (flags), POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_conn_send_from(
    conn: *mut wsock_conn,
    r#type: i32,
    pull: Option<
        unsafe extern "C-unwind" fn(
            conn: *mut wsock_conn,
            buffer: *mut c_void,
            capacity: usize,
            user_data: *mut c_void,
        ) -> i64,
    >,
    user_data: *mut c_void,
    release: Option<unsafe extern "C-unwind" fn(user_data: *mut c_void)>,
    flags: u32,
) -> wsock_status {
    boundary::status(|| {
        let id = id(conn)?;
        loops::find_object(id)?;
        let (kind, compress) = (kind_of(r#type)?, compresses(flags)?);
        let pull = pull.ok_or_else(|| Error::new(Code::InvalidArgument, "pull is NULL"))?;
        source::send_from(id, kind, compress, || {
            Arc::new(CPull { pull, pointer: user_data, release })
        })
    })
}

/// There is more for a pull function of this connection that answered WSOCK_PULL_LATER: it is called again.
/// Calling this without need does no harm, and a call just before pull answers is not lost.
///
/// Thread: any. Errors: INVALID_HANDLE, WRONG_KIND. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_conn_pull_again(conn: *mut wsock_conn) -> wsock_status {
    boundary::status(|| source::pull_again(id(conn)?))
}
