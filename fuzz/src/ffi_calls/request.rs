//! Requests, and what is answered to them.

use super::values::*;
use super::world::*;
use std::ffi::CString;
use std::ptr;
use wsock::error::Code::*;
use wsock::ffi::request::*;
use wsock::ffi::status::*;

pub fn any() {
    let request = handle(REQUEST);
    let any = [InvalidHandle, WrongKind, InvalidArgument];
    let index = below(12);
    // SAFETY: see looping::make.
    unsafe {
        match below(10) {
            0 => lent(|len| wsock_request_get_str(request as _, index as i32 - 1, len)),
            1 => {
                let name = text();
                lent(|len| wsock_request_header(request as _, as_ptr(&name), index, len));
            }
            2 => {
                let (mut name, mut value) = (ptr::null(), ptr::null());
                let status = wsock_request_header_at(request as _, index, &mut name, &mut value);
                documented(status, &[Limit, any[0], any[1], any[2]]);
                assert_eq!(status == WSOCK_OK, !name.is_null() && !value.is_null());
            }
            3 => lent(|_| wsock_request_protocol_at(request as _, index)),
            4 => {
                let protocol = text();
                let status = wsock_request_select_protocol(request as _, as_ptr(&protocol));
                documented(status, &[State, any[0], any[1], any[2]]);
            }
            5 => {
                let [name, value] = header();
                add_header(request, &name, &value);
            }
            6 => {
                let (kind, (data, len)) = (text(), payload());
                let status = wsock_request_set_body(request as _, as_ptr(&kind), data.cast(), len);
                documented(status, &any);
            }
            7 => {
                let name = text();
                lent(|len| wsock_request_cookie(request as _, as_ptr(&name), len));
            }
            8 => answer_late(request, [0, 200, 503, 1][below(4)]),
            _ => {
                let status = wsock_request_is_upgrade(request as _);
                documented(status, &any[..2]);
                assert!(status <= 1);
            }
        }
    }
}

fn add_header(request: usize, name: &Option<CString>, value: &Option<CString>) {
    // SAFETY: see looping::make.
    let status = unsafe { wsock_request_add_header(request as _, as_ptr(name), as_ptr(value)) };
    documented(status, &[InvalidHandle, WrongKind, InvalidArgument]);
}

/// Answers a request that was put off, or one that was not.
pub fn answer_late(request: usize, status: i32) {
    let status = wsock_request_answer(request as _, status);
    documented(status, &[InvalidHandle, WrongKind, InvalidArgument, State]);
}

/// What on_request answers.
pub fn answer(request: usize) -> i32 {
    let with = |name: &str, value: Option<CString>, status: i32| {
        add_header(request, &CString::new(name).ok(), &value);
        status
    };
    match draw(|input| input.byte()) {
        0..=159 => 0,
        160..=179 => with("Location", url(), [301, 302, 303, 307, 308][below(5)]),
        180..=194 => with("WWW-Authenticate", Some(CHALLENGES[below(4)].to_owned()), 401),
        195..=199 => with("Retry-After", Some(c"0".to_owned()), 503),
        200 => -1,
        201 => i32::MAX,
        202..=209 => 200,
        other => draw(|input| i32::from(input.byte())) + i32::from(other),
    }
}
