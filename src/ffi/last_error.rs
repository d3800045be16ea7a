//! The last failure on each thread, copied out on request so that nothing dangles.

use std::borrow::Cow;
use std::cell::Cell;
use std::ffi::c_char;

use super::args;
use super::boundary;
use super::status::{WSOCK_OK, wsock_status};
use super::types::wsock_error_info;
use crate::error::Error;
use crate::util::text::misleads;

const NOTHING: wsock_error_info = wsock_error_info {
    struct_size: size_of::<wsock_error_info>(),
    code: WSOCK_OK,
    os_error: 0,
    http_status: 0,
    close_code: 0,
    message: [0; 232],
    tls_alert: 0,
    reserved: 0,
};

// Plain data without a destructor, so that it outlives nothing.
thread_local!(static LAST: Cell<wsock_error_info> = const { Cell::new(NOTHING) });

/// Remembers a failure for `wsock_last_error`.
pub fn set(error: &Error) {
    LAST.with(|last| last.set(info(error)));
}

/// An error as C sees it.
pub fn info(error: &Error) -> wsock_error_info {
    let mut info = wsock_error_info {
        code: error.code as i32,
        os_error: error.os_error,
        http_status: error.http_status.into(),
        close_code: error.close_code.into(),
        tls_alert: error.tls_alert.into(),
        ..NOTHING
    };
    // A line stays a line, whatever a peer put into it.
    let message = match error.message.contains(misleads) {
        false => Cow::Borrowed(&*error.message),
        true => Cow::Owned(error.message.replace(misleads, " ")),
    };
    let mut end = message.len().min(info.message.len() - 1);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    for (to, from) in info.message.iter_mut().zip(&message.as_bytes()[..end]) {
        *to = *from as c_char;
    }
    info
}

/// Copies the details of the last failure on this thread to out_info. Set out_info->struct_size to
/// sizeof(wsock_error_info) first. A function that succeeds does not change the last failure.
///
/// Thread: any. Errors: INVALID_ARGUMENT. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_last_error(out_info: *mut wsock_error_info) -> wsock_status {
    let last = LAST.with(Cell::get);
    // SAFETY: the caller passes NULL or a struct with its size in front.
    boundary::status(|| unsafe { args::sized_out(out_info, last) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[test]
    fn long_messages_are_cut_between_characters_and_stay_one_line() {
        let info = info(&Error::new(Code::State, format!("a\nb{}", "ä".repeat(200))));
        let bytes: Vec<u8> = info.message.iter().map(|&c| c as u8).collect();
        let end = bytes.iter().position(|&b| b == 0).unwrap();
        let text = std::str::from_utf8(&bytes[..end]).unwrap();
        assert!(text.starts_with("a bä") && end >= 230, "{end}");
    }

    #[test]
    fn what_a_terminal_would_obey_does_not_get_through() {
        let info = info(&Error::new(Code::Handshake, "a\u{9b}2J\u{202e}b\u{1b}[m\u{2028}c"));
        let text: Vec<u8> = info.message.iter().map(|&c| c as u8).take_while(|&b| b != 0).collect();
        assert_eq!(text, b"a 2J b [m c");
    }
}
