//! The table of C functions as a handler of the driver. Nothing of the loop is borrowed when these run.

use std::any::Any;
use std::ffi::{CString, c_void};
use std::sync::Arc;

use once_cell::sync::OnceCell;

use super::args::{self, Versioned, handle};
use super::last_error;
use super::types::{
    WSOCK_BINARY, WSOCK_BY_LOCAL, WSOCK_BY_NOBODY, WSOCK_BY_PEER, WSOCK_TEXT, wsock_close_info,
    wsock_conn_stats, wsock_error_info, wsock_handlers, wsock_server_stats,
};
use crate::driver::handler::Handler;
use crate::error::{Error, Result};
use crate::proto::event::{Closed, Initiator, Kind};
use crate::util::id::Id;

// SAFETY: `repr(C)`, a `usize` in front, and integers, arrays of them and nullable function
// pointers behind it, for which zero is valid.
unsafe impl Versioned for wsock_error_info {}
// SAFETY: as above.
unsafe impl Versioned for wsock_handlers {}
// SAFETY: as above.
unsafe impl Versioned for wsock_conn_stats {}
// SAFETY: as above.
unsafe impl Versioned for wsock_server_stats {}

type Release = Option<unsafe extern "C-unwind" fn(*mut c_void)>;

/// The application's pointer, and what to call when we will never use it again.
struct UserData {
    pointer: *mut c_void,
    release: OnceCell<Release>,
}

// SAFETY: the pointer is only carried; following it is the application's business, on the thread
// of the loop as the header says.
unsafe impl Send for UserData {}
// SAFETY: as above.
unsafe impl Sync for UserData {}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(Some(release)) = self.release.get() {
            // SAFETY: the application gave both together for exactly this call.
            unsafe { release(self.pointer) }
        }
    }
}

/// See the module.
pub struct CHandlers {
    table: wsock_handlers,
    user: UserData,
}

/// A table that calls nobody.
pub const NO_HANDLERS: wsock_handlers = wsock_handlers {
    struct_size: size_of::<wsock_handlers>(),
    on_open: None,
    on_message: None,
    on_error: None,
    on_close: None,
    on_ping: None,
    on_pong: None,
    on_drain: None,
    on_request: None,
    release: None,
};

impl CHandlers {
    /// Runs `attach` with a handler for the table and the data behind it. When that is refused the
    /// data still belongs to the caller, so `release` takes effect only on success.
    ///
    /// # Safety
    /// `table` is NULL or a struct with its size in front.
    pub unsafe fn attach<R>(
        table: *const wsock_handlers,
        pointer: *mut c_void,
        attach: impl FnOnce(Arc<dyn Handler>) -> Result<R>,
    ) -> Result<R> {
        let table = match table.is_null() {
            true => NO_HANDLERS,
            // SAFETY: as promised by the caller.
            false => unsafe { args::sized_in(table, "the handlers struct") }?,
        };
        let user = UserData { pointer, release: OnceCell::new() };
        let handlers = Arc::new(CHandlers { table, user });
        let attached = attach(handlers.clone())?;
        // Nothing has been called yet: that happens from the loop.
        let _ = handlers.user.release.set(table.release);
        Ok(attached)
    }

    /// The same functions with other data.
    pub fn with_user(&self, pointer: *mut c_void, release: Release) -> CHandlers {
        CHandlers { table: self.table, user: UserData { pointer, release: release.into() } }
    }

    /// The application's pointer.
    pub fn user(&self) -> *mut c_void {
        self.user.pointer
    }
}

impl Handler for CHandlers {
    fn on_request(&self, server: Id, request: Id) -> i32 {
        match self.table.on_request {
            // SAFETY: a function of that type, as the header asks for; so for all calls below.
            Some(f) => unsafe { f(handle(server), handle(request), self.user()) },
            None => 0,
        }
    }

    fn on_open(&self, conn: Id) {
        if let Some(f) = self.table.on_open {
            // SAFETY: see on_request.
            unsafe { f(handle(conn), self.user()) }
        }
    }

    fn on_message(&self, conn: Id, kind: Kind, data: &[u8]) {
        if let Some(f) = self.table.on_message {
            let kind = match kind {
                Kind::Text => WSOCK_TEXT,
                Kind::Binary => WSOCK_BINARY,
            };
            // SAFETY: see on_request; `data` lives across the call.
            unsafe { f(handle(conn), kind, data.as_ptr(), data.len(), self.user()) }
        }
    }

    fn on_ping(&self, conn: Id, data: &[u8]) {
        if let Some(f) = self.table.on_ping {
            // SAFETY: see on_message.
            unsafe { f(handle(conn), data.as_ptr(), data.len(), self.user()) }
        }
    }

    fn on_pong(&self, conn: Id, data: &[u8]) {
        if let Some(f) = self.table.on_pong {
            // SAFETY: see on_message.
            unsafe { f(handle(conn), data.as_ptr(), data.len(), self.user()) }
        }
    }

    fn on_drain(&self, conn: Id) {
        if let Some(f) = self.table.on_drain {
            // SAFETY: see on_request.
            unsafe { f(handle(conn), self.user()) }
        }
    }

    fn on_error(&self, conn: Id, error: &Error) {
        if let Some(f) = self.table.on_error {
            let info = last_error::info(error);
            // SAFETY: see on_request; `info` lives across the call.
            unsafe { f(handle(conn), &info, self.user()) }
        }
    }

    fn on_close(&self, conn: Id, closed: &Closed, unsent: u64) {
        let Some(f) = self.table.on_close else { return };
        // Reasons are UTF-8, in which a NUL is possible: C sees the text up to it, and the length.
        let reason: Vec<u8> = closed.reason.bytes().take_while(|&b| b != 0).collect();
        let reason = CString::new(reason).expect("cut at the first NUL");
        let info = wsock_close_info {
            struct_size: size_of::<wsock_close_info>(),
            code: closed.code.into(),
            sent_code: closed.sent_code.unwrap_or(0).into(),
            was_clean: closed.clean.into(),
            initiator: match closed.initiator {
                Initiator::Nobody => WSOCK_BY_NOBODY,
                Initiator::Local => WSOCK_BY_LOCAL,
                Initiator::Peer => WSOCK_BY_PEER,
            },
            status: closed.error.as_ref().map_or(0, |error| error.code as i32),
            reserved: 0,
            reason: reason.as_ptr(),
            reason_len: reason.as_bytes().len(),
            unsent_bytes: unsent,
        };
        // SAFETY: see on_request; `info` and `reason` live across the call.
        unsafe { f(handle(conn), &info, self.user()) }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
