//! Texts on their way to C: which is which in a cache, and handing one out.

use std::ffi::{CStr, c_char};
use std::ptr;

use crate::error::{Code, Error, Result};
use crate::proto::http::Headers;
use crate::util::text::{Key, TextCache};

// Keys of cached texts that have no public constant; those are all positive.

/// A header by name and index.
pub const HEADER: i32 = -1;
/// Name or value of a header by position.
pub const HEADER_LINE: i32 = -2;
/// A subprotocol by position.
pub const PROTOCOL: i32 = -3;
/// A cookie by name.
pub const COOKIE: i32 = -4;

/// Hands a cached text to C.
///
/// # Safety
/// `out_len` is NULL or writable.
pub unsafe fn give(text: &CStr, out_len: *mut usize) -> *const c_char {
    // SAFETY: as promised by the caller.
    if let Some(out) = unsafe { out_len.as_mut() } {
        *out = text.to_bytes().len();
    }
    text.as_ptr()
}

/// Hands a text to C that may not be there: NULL then. It is kept under that key.
///
/// # Safety
/// `out_len` is NULL or writable.
pub unsafe fn give_found(
    texts: &mut TextCache,
    key: Key,
    value: Option<&str>,
    out_len: *mut usize,
) -> *const c_char {
    // SAFETY: as promised by the caller.
    value.map_or(ptr::null(), |value| unsafe { give(texts.get(key, value), out_len) })
}

/// Name and value of the header line at `index`, kept for C.
pub fn header_line(
    texts: &mut TextCache,
    headers: Option<&Headers>,
    index: usize,
) -> Result<(*const c_char, *const c_char)> {
    let (name, value) = headers.and_then(|headers| headers.iter().nth(index)).ok_or_else(|| {
        let count = headers.map_or(0, Headers::len);
        Error::new(Code::Limit, format!("there are {count} headers"))
    })?;
    let name = texts.get((HEADER_LINE, String::new(), index), name).as_ptr();
    Ok((name, texts.get((HEADER_LINE, "value".into(), index), value).as_ptr()))
}
