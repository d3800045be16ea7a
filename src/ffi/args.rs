//! From C values to Rust ones, each checked before it is believed.

use std::ffi::{CStr, c_char};

use super::types::{
    wsock_conn, wsock_hub, wsock_loop, wsock_message, wsock_options, wsock_request, wsock_server,
};
use crate::driver::loops;
use crate::error::{Code, Error, Result};
use crate::util::id::{Id, Kind};
use crate::util::memory;

/// Texts from this size on are refused when there is no memory for what is made of them.
const LONG: usize = 32 * 1024;

/// A class of handles.
pub trait Handle {
    /// Its kind of id.
    const KIND: Kind;
}

impl Handle for wsock_loop {
    const KIND: Kind = Kind::Loop;
}
impl Handle for wsock_conn {
    const KIND: Kind = Kind::Conn;
}
impl Handle for wsock_server {
    const KIND: Kind = Kind::Server;
}
impl Handle for wsock_request {
    const KIND: Kind = Kind::Request;
}
impl Handle for wsock_options {
    const KIND: Kind = Kind::Options;
}
impl Handle for wsock_message {
    const KIND: Kind = Kind::Message;
}
impl Handle for wsock_hub {
    const KIND: Kind = Kind::Hub;
}

/// The id in a handle. The pointer is never followed.
#[inline]
pub fn id<T: Handle>(handle: *const T) -> Result<Id> {
    quick_id(handle).ok_or_else(|| no_id(handle))
}

/// The same for who looks at what is wrong another way.
#[inline]
pub fn quick_id<T: Handle>(handle: *const T) -> Option<Id> {
    Id::from_bits(handle.addr() as u64).filter(|id| id.kind() == T::KIND)
}

#[cold]
fn no_id<T: Handle>(handle: *const T) -> Error {
    let what = loops::name(T::KIND);
    if handle.is_null() {
        return Error::new(Code::InvalidHandle, format!("the {what} handle is NULL"));
    }
    let Some(id) = Id::from_bits(handle.addr() as u64) else {
        return Error::new(
            Code::InvalidHandle,
            format!("the {what} handle is not one that this library made"),
        );
    };
    let alive = match id.kind() {
        Kind::Options => super::options::is_alive(id),
        Kind::Message => super::message::is_alive(id),
        Kind::Hub => super::hub::is_alive(id),
        _ => loops::is_alive(id),
    };
    match alive {
        true => loops::wrong_kind(T::KIND, id.kind()),
        false => Error::new(
            Code::InvalidHandle,
            format!("the {what} handle is not valid: it was of another class, and has ended"),
        ),
    }
}

/// The same where NULL means none.
pub fn optional_id<T: Handle>(handle: *const T) -> Result<Option<Id>> {
    if handle.is_null() { Ok(None) } else { id(handle).map(Some) }
}

/// The handle for an id.
pub fn handle<T: Handle>(id: Id) -> *mut T {
    std::ptr::without_provenance_mut(id.bits() as usize)
}

fn null(what: &str) -> Error {
    Error::new(Code::InvalidArgument, format!("{what} is NULL"))
}

/// Where to put a result.
///
/// # Safety
/// `pointer` is NULL or may be written to until the function that was called returns.
pub unsafe fn out<'a, T>(pointer: *mut T, what: &str) -> Result<&'a mut std::mem::MaybeUninit<T>> {
    // SAFETY: as promised by the caller; nothing is read through it.
    unsafe { pointer.cast::<std::mem::MaybeUninit<T>>().as_mut() }.ok_or_else(|| null(what))
}

/// Configuration text: NUL-terminated UTF-8.
///
/// # Safety
/// `pointer` is NULL or leads to a NUL-terminated string that stays until the call returns.
pub unsafe fn text<'a>(pointer: *const c_char, what: &str) -> Result<&'a str> {
    // SAFETY: as promised by the caller.
    unsafe { optional_text(pointer, what) }?.ok_or_else(|| null(what))
}

/// The same where NULL means none.
///
/// # Safety
/// As [`text`].
pub unsafe fn optional_text<'a>(pointer: *const c_char, what: &str) -> Result<Option<&'a str>> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, so NUL-terminated as promised by the caller.
    let text = unsafe { CStr::from_ptr(pointer) };
    if text.count_bytes() >= LONG {
        // It will be copied, and taken apart.
        memory::must_have(4 * text.count_bytes())?;
    }
    text.to_str()
        .map(Some)
        .map_err(|_| Error::new(Code::InvalidArgument, format!("{what} is not valid UTF-8")))
}

/// A payload: pointer and length.
///
/// # Safety
/// `pointer` is NULL or leads to `len` bytes that stay until the call returns.
#[inline]
pub unsafe fn bytes<'a>(pointer: *const u8, len: usize) -> Result<&'a [u8]> {
    if len == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() || len > isize::MAX as usize {
        return Err(no_bytes(pointer, len));
    }
    // SAFETY: not NULL, of a possible length, and that long as promised by the caller.
    Ok(unsafe { std::slice::from_raw_parts(pointer, len) })
}

/// Several numbers.
///
/// # Safety
/// `pointer` is NULL or leads to `count` numbers that stay until the call returns.
pub unsafe fn numbers<'a>(pointer: *const usize, count: usize, what: &str) -> Result<&'a [usize]> {
    if count == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(null(what));
    }
    if !pointer.is_aligned() || count > isize::MAX as usize / size_of::<usize>() {
        let message = format!("{what} is no array of {count} numbers");
        return Err(Error::new(Code::InvalidArgument, message));
    }
    // SAFETY: not NULL, aligned, of a possible length, and that long as promised by the caller.
    Ok(unsafe { std::slice::from_raw_parts(pointer, count) })
}

#[cold]
fn no_bytes(pointer: *const u8, len: usize) -> Error {
    let message = match pointer.is_null() {
        true => format!("data is NULL but its length is {len}"),
        false => format!("no buffer is {len} bytes long; was a negative number passed?"),
    };
    Error::new(Code::InvalidArgument, message)
}

/// Structs that C may pass in a shorter or longer version: plain data, for which all-zero is valid,
/// with `struct_size` in front.
///
/// # Safety
/// `repr(C)`, no padding that matters, first field a `usize` that counts the bytes of the struct.
pub unsafe trait Versioned: Copy {}

/// Reads a struct that may be from an older or newer header. Older: the rest is zero. Newer: what we
/// do not know must be zero.
///
/// # Safety
/// `pointer` is NULL or leads to as many bytes as its first field says.
pub unsafe fn sized_in<T: Versioned>(pointer: *const T, what: &str) -> Result<T> {
    if pointer.is_null() {
        return Err(null(what));
    }
    // SAFETY: at least the size field is there.
    let given = unsafe { pointer.cast::<usize>().read_unaligned() };
    let known = size_of::<T>();
    check_size(given, what)?;
    // SAFETY: `T: Versioned` is valid when all zero.
    let mut value = unsafe { std::mem::zeroed::<T>() };
    // SAFETY: `given` bytes may be read, and no more than `known` are written.
    unsafe {
        let to = (&raw mut value).cast::<u8>();
        std::ptr::copy_nonoverlapping(pointer.cast::<u8>(), to, given.min(known));
        let tail = pointer.cast::<u8>().add(known.min(given));
        if std::slice::from_raw_parts(tail, given.saturating_sub(known)).iter().any(|&b| b != 0) {
            return Err(Error::new(
                Code::Unsupported,
                format!("{what} uses fields that this version of the library does not know"),
            ));
        }
    }
    Ok(value)
}

/// Writes a struct that the caller may know in a shorter or longer version, and into its
/// `struct_size` how much of it is filled. What we do not know becomes zero.
///
/// # Safety
/// `pointer` is NULL or leads to as many writable bytes as its first field says.
pub unsafe fn sized_out<T: Versioned>(pointer: *mut T, value: T) -> Result<()> {
    if pointer.is_null() {
        return Err(null("the output struct"));
    }
    // SAFETY: at least the size field is there.
    let given = unsafe { pointer.cast::<usize>().read_unaligned() };
    check_size(given, "the output struct")?;
    let filled = given.min(size_of::<T>());
    // SAFETY: `given` bytes may be written; `filled` of them come from `value`.
    unsafe {
        let to = pointer.cast::<u8>();
        to.write_bytes(0, given);
        std::ptr::copy_nonoverlapping((&raw const value).cast::<u8>(), to, filled);
        pointer.cast::<usize>().write_unaligned(filled);
    }
    Ok(())
}

/// A size that cannot be one is an uninitialised field. No version of a struct ends in the middle of a
/// word, so half a function pointer is never copied.
fn check_size(given: usize, what: &str) -> Result<()> {
    if (size_of::<usize>()..=4096).contains(&given) && given.is_multiple_of(size_of::<usize>()) {
        return Ok(());
    }
    Err(Error::new(
        Code::InvalidArgument,
        format!("struct_size of {what} is {given}; set it to sizeof the struct before the call"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    #[repr(C)]
    struct Two {
        struct_size: usize,
        first: u64,
        second: u64,
    }
    // SAFETY: plain integers, the size in front.
    unsafe impl Versioned for Two {}

    #[test]
    fn shorter_structs_are_filled_up_and_longer_ones_must_be_empty_there() {
        let read = |words: &[u64]| {
            // SAFETY: the first word is the size of the slice or less.
            unsafe { sized_in(words.as_ptr().cast::<Two>(), "it") }
        };
        assert_eq!(read(&[16, 7]).unwrap(), Two { struct_size: 16, first: 7, second: 0 });
        assert_eq!(read(&[32, 7, 8, 0]).unwrap().second, 8);
        assert_eq!(read(&[32, 7, 8, 1]).unwrap_err().code, Code::Unsupported);
        assert_eq!(read(&[0]).unwrap_err().code, Code::InvalidArgument);
        assert_eq!(read(&[12, 7]).unwrap_err().code, Code::InvalidArgument);
        assert_eq!(read(&[u64::MAX]).unwrap_err().code, Code::InvalidArgument);
    }

    #[test]
    fn outputs_stay_within_the_callers_struct() {
        let value = Two { struct_size: 24, first: 1, second: 2 };
        let mut words = [16u64, 9, 9, 9];
        // SAFETY: two words are offered.
        unsafe { sized_out(words.as_mut_ptr().cast::<Two>(), value) }.unwrap();
        assert_eq!(words, [16, 1, 9, 9]);
        let mut words = [32u64, 9, 9, 9];
        // SAFETY: four words are offered.
        unsafe { sized_out(words.as_mut_ptr().cast::<Two>(), value) }.unwrap();
        assert_eq!(words, [24, 1, 2, 0]);
    }

    #[test]
    fn payloads_of_impossible_length_are_refused() {
        let data = 1u8;
        // SAFETY: the lengths are refused before anything is read.
        unsafe {
            assert_eq!(bytes(&data, usize::MAX).unwrap_err().code, Code::InvalidArgument);
            assert_eq!(bytes(std::ptr::null(), 1).unwrap_err().code, Code::InvalidArgument);
            assert_eq!(bytes(std::ptr::null(), 0).unwrap(), b"");
        }
    }
}
