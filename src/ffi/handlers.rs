//! The table of C functions as a handler of the driver. Nothing of the loop is borrowed when these run.

use std::any::Any;
use std::ffi::c_void;
use std::sync::Arc;

use once_cell::sync::OnceCell;

use super::args::{self, Versioned, handle};
use super::close_info::CloseTexts;
use super::last_error;
use super::retry_info::RetryDetail;
use super::types::{
    WSOCK_BINARY, WSOCK_PART_FIRST, WSOCK_PART_LAST, WSOCK_TEXT, wsock_conn_stats,
    wsock_error_info, wsock_handlers, wsock_hub_stats, wsock_publish_options, wsock_send_options,
    wsock_server_stats,
};
use crate::driver::handler::Handler;
use crate::driver::report::Report;
use crate::driver::retry::News;
use crate::error::{Error, Result};
use crate::proto::event::Kind;
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
// SAFETY: as above.
unsafe impl Versioned for wsock_publish_options {}
// SAFETY: as above.
unsafe impl Versioned for wsock_hub_stats {}
// SAFETY: as above, and a nullable pointer.
unsafe impl Versioned for wsock_send_options {}

/// What to call when we will never use a pointer again.
pub type Release = Option<unsafe extern "C-unwind" fn(*mut c_void)>;

/// The application's pointer, and what to call when we will never use it again.
pub struct UserData {
    pointer: *mut c_void,
    release: OnceCell<Release>,
}

impl UserData {
    /// Released when it is dropped.
    pub fn new(pointer: *mut c_void, release: Release) -> UserData {
        UserData { pointer, release: release.into() }
    }

    /// The application's pointer.
    pub fn pointer(&self) -> *mut c_void {
        self.pointer
    }
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
    on_retry: None,
    on_part: None,
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
        CHandlers { table: self.table, user: UserData::new(pointer, release) }
    }

    /// The application's pointer.
    pub fn user(&self) -> *mut c_void {
        self.user.pointer
    }
}

/// WSOCK_PART_*.
pub fn part_flags(first: bool, last: bool) -> u32 {
    let (begins, ends) = (u32::from(first), u32::from(last));
    (begins * WSOCK_PART_FIRST) | (ends * WSOCK_PART_LAST)
}

fn message_type(kind: Kind) -> i32 {
    match kind {
        Kind::Text => WSOCK_TEXT,
        Kind::Binary => WSOCK_BINARY,
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

    fn decides(&self) -> bool {
        self.table.on_request.is_some()
    }

    fn on_open(&self, conn: Id) {
        if let Some(f) = self.table.on_open {
            // SAFETY: see on_request.
            unsafe { f(handle(conn), self.user()) }
        }
    }

    fn on_message(&self, conn: Id, kind: Kind, data: &[u8]) {
        if let Some(f) = self.table.on_message {
            // SAFETY: see on_request; `data` lives across the call.
            unsafe { f(handle(conn), message_type(kind), data.as_ptr(), data.len(), self.user()) }
        }
    }

    fn on_part(&self, conn: Id, kind: Kind, data: &[u8], first: bool, last: bool) {
        if let Some(f) = self.table.on_part {
            let (kind, data, len) = (message_type(kind), data.as_ptr(), data.len());
            let flags = part_flags(first, last);
            // SAFETY: see on_message.
            unsafe { f(handle(conn), kind, data, len, flags, self.user()) }
        }
    }

    fn wants_parts(&self) -> bool {
        self.table.on_part.is_some()
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

    fn on_retry(&self, conn: Id, news: &News) {
        let Some(f) = self.table.on_retry else { return };
        let detail = RetryDetail::new(news);
        // SAFETY: see on_request; `detail` lives across the call.
        unsafe { f(handle(conn), detail.info(), self.user()) }
    }

    fn on_close(&self, conn: Id, report: &Report) {
        if let Some(f) = self.table.on_close {
            let texts = CloseTexts::new(report);
            let info = texts.info(report);
            // SAFETY: see on_request; `info` and `texts` live across the call.
            unsafe { f(handle(conn), &info, self.user()) }
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
