//! wsock_message.

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use once_cell::sync::Lazy;

use super::args::{bytes, handle, id, optional_id, out, sized_in};
use super::boundary;
use super::send::{answer, kind_of};
use super::status::wsock_status;
use super::types::{
    WSOCK_BINARY, WSOCK_TEXT, wsock_conn, wsock_message, wsock_send_options, wsock_server,
};
use crate::driver::deliver::Held;
use crate::driver::send::{self, Manner};
use crate::driver::{broadcast, loops, retain};
use crate::error::{Code, Error, Result};
use crate::proto::conn::Body;
use crate::proto::event;
use crate::proto::prepared::Prepared;
use crate::util::bytes::Bytes;
use crate::util::id::{Id, Kind, MAX_SLOTS};
use crate::util::memory;
use crate::util::registry::Registry;

static REGISTRY: Lazy<Registry<Arc<Prepared>>> = Lazy::new(Registry::default);

/// Whether the id names a message that has not been freed.
pub fn is_alive(id: Id) -> bool {
    REGISTRY.with(id, |_| ()).is_some()
}

/// A handle for a message.
pub fn register(message: Arc<Prepared>) -> Result<*mut wsock_message> {
    let id = REGISTRY.insert(Kind::Message, |_| message).ok_or_else(|| {
        Error::new(Code::Limit, format!("{MAX_SLOTS} messages exist already; free some"))
    })?;
    Ok(handle(id))
}

/// The message of a handle.
pub fn find(message: *const wsock_message) -> Result<Arc<Prepared>> {
    let found = REGISTRY.with(id(message)?, |message| message.clone());
    found.ok_or_else(|| loops::stale(Kind::Message))
}

/// A message of bytes as C passes them.
///
/// # Safety
/// `data` is NULL or leads to `len` bytes that stay until the call returns.
pub unsafe fn prepare(r#type: i32, data: *const c_void, len: usize) -> Result<Arc<Prepared>> {
    let kind = kind_of(r#type)?;
    // SAFETY: as promised by the caller.
    let data = memory::copy(unsafe { bytes(data.cast(), len) }?)?;
    Ok(Arc::new(Prepared::new(kind, Arc::new(data))?))
}

/// Makes a message to be sent many times; type is WSOCK_TEXT (data must be UTF-8) or WSOCK_BINARY. Free
/// it with wsock_message_free.
///
/// Ownership: data is copied, once. Thread: any.
/// Errors: INVALID_ARGUMENT (type, data, not UTF-8), NO_MEMORY, LIMIT (a million messages). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_message_new(
    r#type: i32,
    data: *const c_void,
    len: usize,
    out_message: *mut *mut wsock_message,
) -> wsock_status {
    boundary::status(|| {
        // SAFETY: NULL or writable; NULL or `len` bytes.
        let (out, message) =
            unsafe { (out(out_message, "out_message")?, prepare(r#type, data, len)?) };
        out.write(register(message)?);
        Ok(())
    })
}

/// Keeps a message that conn has received, beyond the callback or the batch that it was given to, without
/// a copy: data is the pointer that on_message was given, or data of a WSOCK_EVENT_TEXT or
/// WSOCK_EVENT_BINARY of the last batch. It can be read (wsock_message_data) and sent to others without a
/// copy, from any thread, until wsock_message_free. Small messages share the memory they came in, up to 1
/// MiB that stays as long as one of them is kept: copy what you keep for long.
///
/// Thread: loop, inside the callback or before the next batch is fetched.
/// Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT (data is no such pointer, or a part of
/// a message), LIMIT (a million messages). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_conn_retain(
    conn: *const wsock_conn,
    data: *const c_void,
    out_message: *mut *mut wsock_message,
) -> wsock_status {
    boundary::status(|| {
        // SAFETY: NULL or writable.
        let out = unsafe { out(out_message, "out_message") }?;
        let (kind, held) = retain::retain(id(conn)?, data.addr())?;
        let bytes: Bytes = match held {
            Held::Piece(piece) => Arc::new(piece),
            Held::Whole(bytes) => bytes,
        };
        out.write(register(Arc::new(Prepared::received(kind, bytes)))?);
        Ok(())
    })
}

/// Gives the message up. What was sent or published of it still goes out. NULL and stale handles do no
/// harm.
///
/// Thread: any. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_message_free(message: *mut wsock_message) {
    boundary::status(|| {
        if message.is_null() {
            return Ok(());
        }
        let message = REGISTRY.remove(id(message)?);
        message.map(drop).ok_or_else(|| loops::stale(Kind::Message))
    });
}

/// The bytes of a message; NULL when the handle is not valid. out_type gets WSOCK_TEXT or WSOCK_BINARY,
/// out_len the length; both may be NULL.
///
/// Ownership: the library's; valid until wsock_message_free. Thread: any. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_message_data(
    message: *const wsock_message,
    out_type: *mut i32,
    out_len: *mut usize,
) -> *const c_void {
    boundary::value(ptr::null(), || {
        let message = find(message)?;
        let kind = match message.kind() {
            event::Kind::Text => WSOCK_TEXT,
            event::Kind::Binary => WSOCK_BINARY,
        };
        // SAFETY: NULL or writable.
        unsafe {
            if let Some(out) = out_type.as_mut() {
                *out = kind;
            }
            if let Some(out) = out_len.as_mut() {
                *out = message.data().len();
            }
        }
        Ok(message.data().as_ptr().cast())
    })
}

/// How often the message has been compressed so far: once for each way of compressing that connections had
/// agreed on with their peers, however many they were. 0 when the handle is not valid.
///
/// Thread: any. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_message_compressions(message: *const wsock_message) -> usize {
    boundary::value(0, || Ok(find(message)?.compressions()))
}

/// Sends a message on one connection, without a copy unless it has to be masked, as wsock_conn_send_with
/// does; options may be NULL, and their release must be NULL.
///
/// Ownership: the message is still yours. Thread: any.
/// Errors: INVALID_HANDLE, WRONG_KIND, STATE (not open), LIMIT (WSOCK_OVERFLOW_REFUSE, WSOCK_OVERFLOW_CLOSE),
/// INVALID_ARGUMENT (release), UNSUPPORTED (flags, overflow), POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_conn_send_message(
    conn: *mut wsock_conn,
    message: *const wsock_message,
    options: *const wsock_send_options,
) -> wsock_status {
    boundary::number(|| {
        let (message, conn) = (find(message)?, id(conn)?);
        let mut manner = Manner::default();
        if !options.is_null() {
            // SAFETY: a struct with its size in front.
            let options = unsafe { sized_in(options, "the send options struct") }?;
            if options.release.is_some() {
                return Err(Error::new(
                    Code::InvalidArgument,
                    "a message keeps its own bytes: there is nothing to release",
                ));
            }
            manner = super::send::manner(&options)?;
        }
        send::send(conn, &Body::Prepared(&message), manner).map(answer)
    })
}

/// Sends a message to every open connection of a server, but for except, which may be NULL or have ended.
/// Each is sent to as WSOCK_OPT_OVERFLOW of the server says; nobody waits for anybody.
///
/// Ownership: the message is still yours. Thread: any.
/// Errors: INVALID_HANDLE, WRONG_KIND, LIMIT (64 MiB wait for the thread of the loop), POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_server_broadcast(
    server: *mut wsock_server,
    message: *const wsock_message,
    except: *const wsock_conn,
) -> wsock_status {
    boundary::status(|| broadcast::to_all(id(server)?, &find(message)?, optional_id(except)?))
}
