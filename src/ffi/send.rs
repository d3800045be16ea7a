//! wsock_conn: sending messages.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use super::args::{bytes, id, numbers, out, quick_id, sized_in};
use super::status::{WSOCK_BUFFERED, WSOCK_DROPPED, WSOCK_OK, wsock_status};
use super::types::{WSOCK_BINARY, WSOCK_TEXT, wsock_conn, wsock_send_options};
use super::{boundary, last_error};
use crate::driver::send::{Manner, Overflow, Sent};
use crate::driver::{conn, parts, retain, send};
use crate::error::{Code, Error, Result};
use crate::proto::conn::Body;
use crate::proto::event::Kind;
use crate::util::bytes::Share;
use crate::util::outside;

/// Flag for sending: do not compress this message, although the connection could.
pub const WSOCK_SEND_NO_COMPRESS: u32 = 1;
/// Flag for wsock_conn_send_part: the message ends with this part.
pub const WSOCK_SEND_LAST: u32 = 2;

/// What WSOCK_OPT_OVERFLOW says.
pub const WSOCK_OVERFLOW_DEFAULT: i32 = 0;
/// Sending answers WSOCK_ERR_LIMIT, and the message is not sent.
pub const WSOCK_OVERFLOW_REFUSE: i32 = 1;
/// The message is dropped.
pub const WSOCK_OVERFLOW_DROP_NEWEST: i32 = 2;
/// The oldest messages that wait and were sent this way are dropped until there is room; when that is not
/// enough, this message is dropped instead.
pub const WSOCK_OVERFLOW_DROP_OLDEST: i32 = 3;
/// Sending answers WSOCK_ERR_LIMIT, and the connection is closed with 1008, since its peer is too slow:
/// on_error tells WSOCK_ERR_POLICY. What waits is sent as far as WSOCK_OPT_CLOSE_TIMEOUT_MS allows.
pub const WSOCK_OVERFLOW_CLOSE: i32 = 4;

/// What a call answers that has sent.
pub fn answer(sent: Sent) -> i32 {
    match sent {
        Sent::Queued => WSOCK_OK,
        Sent::Above => WSOCK_BUFFERED,
        Sent::Dropped => WSOCK_DROPPED,
    }
}

/// A message type as C passes it.
#[inline]
pub fn kind_of(r#type: i32) -> Result<Kind> {
    match r#type {
        WSOCK_TEXT => Ok(Kind::Text),
        WSOCK_BINARY => Ok(Kind::Binary),
        _ => Err(no_kind(r#type)),
    }
}

#[cold]
fn no_kind(r#type: i32) -> Error {
    let message = format!("{type} is no message type; use WSOCK_TEXT or WSOCK_BINARY");
    Error::new(Code::InvalidArgument, message)
}

/// Flags without bits that nobody knows.
#[inline]
pub fn check_flags(flags: u32, known: u32) -> Result<()> {
    match flags & !known {
        0 => Ok(()),
        _ => Err(unknown(flags)),
    }
}

#[cold]
fn unknown(flags: u32) -> Error {
    let message =
        format!("flags {flags:#x} has bits that this version of the library does not know");
    Error::new(Code::Unsupported, message)
}

/// A WSOCK_OVERFLOW_*; `None` for what the connection says.
pub fn overflow_of(number: i32) -> Result<Option<Overflow>> {
    match number {
        WSOCK_OVERFLOW_DEFAULT => Ok(None),
        WSOCK_OVERFLOW_REFUSE..=WSOCK_OVERFLOW_CLOSE => {
            Ok(Some(Overflow::from_number(number as u8 - 1)))
        }
        _ => Err(Error::new(
            Code::Unsupported,
            format!("{number} is no WSOCK_OVERFLOW_ of this version of the library"),
        )),
    }
}

/// How options say that a message is to be sent.
pub fn manner(options: &wsock_send_options) -> Result<Manner> {
    check_flags(options.flags, WSOCK_SEND_NO_COMPRESS)?;
    let compress = options.flags & WSOCK_SEND_NO_COMPRESS == 0;
    Ok(Manner { compress, overflow: overflow_of(options.overflow)?, key: options.key })
}

/// Bytes of the application's, with the function that gives them back.
struct Lent {
    data: *const c_void,
    len: usize,
    release: unsafe extern "C-unwind" fn(*const c_void, usize, *mut c_void),
    user: *mut c_void,
}

// SAFETY: the bytes may be read from any thread until `release` is called, and that from any thread, as
// the header says.
unsafe impl Send for Lent {}
// SAFETY: as above; nobody writes to them.
unsafe impl Sync for Lent {}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: checked before anybody reads them, and the application keeps them until `release`.
        unsafe { bytes(self.data.cast(), self.len) }.unwrap_or_default()
    }
}

impl Share for Lent {}

impl Drop for Lent {
    fn drop(&mut self) {
        let (data, len, release, user) = (self.data, self.len, self.release, self.user);
        let back = GiveBack { data, len, release, user };
        outside::call(move || drop(back));
    }
}

/// Gives them back when it is dropped, so that they are given back also by whoever never comes to it.
struct GiveBack {
    data: *const c_void,
    len: usize,
    release: unsafe extern "C-unwind" fn(*const c_void, usize, *mut c_void),
    user: *mut c_void,
}

// SAFETY: as for `Lent`.
unsafe impl Send for GiveBack {}

impl Drop for GiveBack {
    fn drop(&mut self) {
        // SAFETY: the application gave all four together for exactly this call.
        unsafe { (self.release)(self.data, self.len, self.user) }
    }
}

/// # Safety
/// `data` is NULL or leads to `len` bytes.
#[inline]
unsafe fn send(
    handle: *mut wsock_conn,
    r#type: i32,
    data: *const c_void,
    len: usize,
    flags: u32,
) -> wsock_status {
    // What is wrong with anything is told by the other way.
    let quick = || {
        let id = quick_id(handle)?;
        let kind = kind_of(r#type).ok()?;
        // SAFETY: as promised by the caller.
        let data = unsafe { bytes(data.cast(), len) }.ok()?;
        if flags & !WSOCK_SEND_NO_COMPRESS != 0 {
            return None;
        }
        conn::send_quickly(id, kind, data).map(answer)
    };
    match quick() {
        Some(status) => status,
        // SAFETY: as promised by the caller.
        None => unsafe { send_any_way(handle, r#type, data, len, flags) },
    }
}

/// # Safety
/// As [`send()`].
#[inline(never)] // what most messages do not need is not in their way
unsafe fn send_any_way(
    handle: *mut wsock_conn,
    r#type: i32,
    data: *const c_void,
    len: usize,
    flags: u32,
) -> wsock_status {
    boundary::number(|| {
        let kind = kind_of(r#type)?;
        check_flags(flags, WSOCK_SEND_NO_COMPRESS)?;
        // SAFETY: as promised by the caller.
        let data = unsafe { bytes(data.cast(), len) }?;
        let compress = flags & WSOCK_SEND_NO_COMPRESS == 0;
        conn::send(id(handle)?, kind, data, compress).map(answer)
    })
}

/// Sends a message; type is WSOCK_TEXT (data must be UTF-8) or WSOCK_BINARY, flags is 0 or
/// WSOCK_SEND_NO_COMPRESS. It is queued when the network is slower than you: WSOCK_BUFFERED says that
/// the queue is above WSOCK_OPT_HIGH_WATER, and on_drain will say when it no longer is. Messages that
/// one thread sends arrive in that order. WSOCK_OPT_OVERFLOW says what is done when there is no room;
/// WSOCK_DROPPED, that something was dropped.
///
/// Ownership: data is copied. Thread: any.
/// Errors: INVALID_HANDLE, WRONG_KIND, STATE (not open), LIMIT (WSOCK_OPT_MAX_BUFFERED), INVALID_ARGUMENT
/// (type, data, not UTF-8), UNSUPPORTED (flags), POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_conn_send(
    conn: *mut wsock_conn,
    r#type: i32,
    data: *const c_void,
    len: usize,
    flags: u32,
) -> wsock_status {
    // SAFETY: as the caller promises.
    unsafe { send(conn, r#type, data, len, flags) }
}

/// Sends a text message of len bytes of UTF-8; a NUL at the end does not count. Otherwise as
/// wsock_conn_send.
///
/// Ownership: text is copied. Thread: any.
/// Errors: INVALID_HANDLE, WRONG_KIND, STATE, LIMIT, INVALID_ARGUMENT, POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_conn_send_text(
    conn: *mut wsock_conn,
    text: *const c_char,
    len: usize,
) -> wsock_status {
    // SAFETY: as the caller promises.
    unsafe { send(conn, WSOCK_TEXT, text.cast(), len, 0) }
}

/// Sends a binary message. Otherwise as wsock_conn_send.
///
/// Ownership: data is copied. Thread: any.
/// Errors: INVALID_HANDLE, WRONG_KIND, STATE, LIMIT, INVALID_ARGUMENT, POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_conn_send_binary(
    conn: *mut wsock_conn,
    data: *const c_void,
    len: usize,
) -> wsock_status {
    // SAFETY: as the caller promises.
    unsafe { send(conn, WSOCK_BINARY, data, len, 0) }
}

/// Sends count messages of one type that lie one behind the other in data, len bytes in all; lens says how long
/// each is. It does what so many calls of wsock_conn_send do, in one, for languages in which a call is dear, and
/// stops at the first message that is refused. The answer is an error only if that was the very first; otherwise
/// *out_taken says how many were taken, and if those were not all, wsock_last_error says why. WSOCK_DROPPED is
/// answered when any was dropped, else WSOCK_BUFFERED when the queue was above WSOCK_OPT_HIGH_WATER after any.
///
/// Ownership: data is copied. Thread: any.
/// Errors: INVALID_HANDLE, WRONG_KIND, STATE (not open), LIMIT (WSOCK_OPT_MAX_BUFFERED), INVALID_ARGUMENT (type,
/// data, lens that are NULL or do not add up to len, out_taken, not UTF-8), UNSUPPORTED (flags), POISONED.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_conn_send_many(
    conn: *mut wsock_conn,
    r#type: i32,
    data: *const c_void,
    len: usize,
    lens: *const usize,
    count: usize,
    flags: u32,
    out_taken: *mut usize,
) -> wsock_status {
    boundary::number(|| {
        let (id, kind) = (id(conn)?, kind_of(r#type)?);
        check_flags(flags, WSOCK_SEND_NO_COMPRESS)?;
        // SAFETY: NULL or `len` bytes.
        let mut rest = unsafe { bytes(data.cast(), len) }?;
        // SAFETY: NULL or `count` numbers.
        let mut lens = unsafe { numbers(lens, count, "lens") }?;
        // SAFETY: NULL or room for a number.
        let taken = unsafe { out(out_taken, "out_taken") }?;
        check_sum(lens, len)?;
        if count == 0 {
            conn::ready_state(id)?;
        }
        let mut status = WSOCK_OK;
        while let [next, ..] = *lens {
            let (many, sent) = match conn::send_many_quickly(id, kind, rest, lens) {
                Some(sent) if sent.0 > 0 => sent,
                _ => match conn::send(id, kind, &rest[..next], flags & WSOCK_SEND_NO_COMPRESS == 0)
                {
                    Ok(sent) => (1, sent),
                    Err(error) if lens.len() == count => return Err(error),
                    Err(error) => {
                        last_error::set(&error);
                        break;
                    }
                },
            };
            rest = &rest[lens[..many].iter().sum()..];
            lens = &lens[many..];
            status = status.max(answer(sent));
        }
        taken.write(count - lens.len());
        Ok(status)
    })
}

fn check_sum(lens: &[usize], len: usize) -> Result<()> {
    if lens.iter().try_fold(0_usize, |sum, len| sum.checked_add(*len)) == Some(len) {
        return Ok(());
    }
    Err(Error::new(Code::InvalidArgument, format!("lens do not add up to the {len} bytes of data")))
}

/// Sends a message as options say: without a copy, in place of an older one that waits, or with what to
/// do when there is no room. NULL options: as wsock_conn_send.
///
/// With release the bytes are lent: a server without compression sends them from where they are; when they
/// have to be masked or compressed they are copied piece by piece. release is called exactly once, when they
/// are not needed any more, and also when the call is refused; in either case that may be before it returns.
/// Only when options itself cannot be read (its struct_size) it is not called.
///
/// From another thread than the loop's, messages with WSOCK_OVERFLOW_DROP_* may wait up to twice
/// WSOCK_OPT_MAX_BUFFERED; what the loop then drops is told by messages_dropped in wsock_conn_stats.
///
/// Ownership: data is copied, or lent until release is called. Thread: any.
/// Errors: INVALID_HANDLE, WRONG_KIND, STATE (not open), LIMIT (WSOCK_OVERFLOW_REFUSE, WSOCK_OVERFLOW_CLOSE),
/// INVALID_ARGUMENT (type, data, not UTF-8), UNSUPPORTED (flags, overflow), POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_conn_send_with(
    conn: *mut wsock_conn,
    r#type: i32,
    data: *const c_void,
    len: usize,
    options: *const wsock_send_options,
) -> wsock_status {
    boundary::number(|| {
        if options.is_null() {
            // SAFETY: NULL or `len` bytes.
            let (kind, data) = (kind_of(r#type)?, unsafe { bytes(data.cast(), len) }?);
            return conn::send(id(conn)?, kind, data, true).map(answer);
        }
        // SAFETY: a struct with its size in front.
        let options = unsafe { sized_in(options, "the send options struct") }?;
        let user = options.release_user;
        // From here on it is released, whatever comes.
        let lent = options.release.map(|release| Arc::new(Lent { data, len, release, user }));
        let manner = manner(&options)?;
        let (id, kind) = (id(conn)?, kind_of(r#type)?);
        // SAFETY: NULL or `len` bytes.
        let data = unsafe { bytes(data.cast(), len) }?;
        let body = match lent {
            Some(lent) => Body::Owned(kind, lent),
            None => retain::body(id, kind, data),
        };
        send::send(id, &body, manner).map(answer)
    })
}

/// Sends the next part of a message whose length need not be known: the first part begins it, the one with
/// WSOCK_SEND_LAST ends it, and that may be empty. flags is WSOCK_SEND_LAST or 0, and with the first part
/// also WSOCK_SEND_NO_COMPRESS; type is the same for all parts. Text may be cut anywhere; a part with
/// which it cannot be UTF-8 is refused, and the next one may follow in its place.
///
/// Parts leave as they come; the peer gets one message. Other messages sent meanwhile wait until its last
/// part has been sent. When the connection closes before that the message is lost, and with it those that
/// waited for it: unsent_bytes counts them.
///
/// Ownership: data is copied. Thread: any.
/// Errors: INVALID_HANDLE, WRONG_KIND, STATE (not open, or no more the connection that took the first part),
/// LIMIT (WSOCK_OPT_MAX_BUFFERED, whatever WSOCK_OPT_OVERFLOW says), INVALID_ARGUMENT (type, data, not UTF-8),
/// UNSUPPORTED (flags), POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_conn_send_part(
    conn: *mut wsock_conn,
    r#type: i32,
    data: *const c_void,
    len: usize,
    flags: u32,
) -> wsock_status {
    boundary::number(|| {
        let (id, kind) = (id(conn)?, kind_of(r#type)?);
        check_flags(flags, WSOCK_SEND_NO_COMPRESS | WSOCK_SEND_LAST)?;
        // SAFETY: NULL or `len` bytes.
        let data = unsafe { bytes(data.cast(), len) }?;
        let (compress, last) = (flags & WSOCK_SEND_NO_COMPRESS == 0, flags & WSOCK_SEND_LAST != 0);
        parts::send(id, kind, data, compress, last).map(answer)
    })
}
