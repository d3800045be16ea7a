//! What is done to connections.

use super::callbacks::release;
use super::connect::set_target;
use super::source;
use super::values::*;
use super::world::*;
use std::ffi::{CString, c_void};
use std::ptr;
use wsock::error::Code::*;
use wsock::ffi::conn::*;
use wsock::ffi::metrics::wsock_conn_trace;
use wsock::ffi::send::*;
use wsock::ffi::status::*;
use wsock::ffi::types::*;

pub fn any() {
    let conn = handle(CONN);
    let any = [InvalidHandle, WrongKind, InvalidArgument];
    // SAFETY: see looping::make.
    unsafe {
        match below(25) {
            0..=6 => send(conn),
            7 => source::any(conn),
            8 => {
                let (data, len) = payload();
                let status = wsock_conn_ping(conn as _, data.cast(), len);
                documented(status, &[State, Limit, any[0], any[1], any[2]]);
            }
            9 | 10 => {
                let (code, reason) = (any_code(), text());
                close(conn, code, &reason);
            }
            11 => abort(conn),
            12 => documented(wsock_conn_pause(conn as _), &any[..2]),
            13 | 14 => documented(wsock_conn_resume(conn as _), &any[..2]),
            15 => {
                let what = draw(|input| input.byte() as i8);
                lent(|len| wsock_conn_get_str(conn as _, i32::from(what) % 12, len));
            }
            16 => {
                let (name, index) = (text(), draw(|input| input.byte() as usize));
                lent(|len| wsock_conn_header(conn as _, as_ptr(&name), index, len));
                let (mut line, mut value) = (ptr::null(), ptr::null());
                let status = wsock_conn_header_at(conn as _, index, &mut line, &mut value);
                documented(status, &[Limit, any[0], any[1], any[2]]);
                assert_eq!(status == WSOCK_OK, !line.is_null() && !value.is_null());
            }
            17 => {
                let name = text();
                lent(|len| wsock_conn_cookie(conn as _, as_ptr(&name), len));
            }
            18 | 19 => set_user_data(conn),
            20 => {
                let (status, stats) = sized(|out| wsock_conn_get_stats(conn as _, out));
                documented(status, &any);
                if let Some(stats) = stats {
                    look_at(conn, &stats);
                }
            }
            21 => set_target(conn),
            22 => {
                let state = wsock_conn_state(conn as _);
                assert!((WSOCK_CONNECTING..=WSOCK_CLOSED).contains(&state));
                let given_up = world(|w| w.conns.get(&conn).is_some_and(|conn| conn.given_up));
                assert!(!given_up || state >= WSOCK_CLOSING);
            }
            23 => lent(|len| {
                let mut text = ptr::null();
                let status = wsock_conn_trace(conn as _, &mut text, len);
                documented(status, &[any[0], any[1], State]);
                text
            }),
            _ => {
                let server = wsock_conn_server(conn as _).addr();
                assert!(server == 0 || world(|w| w.handles[SERVER].contains(&server)));
            }
        }
    }
}

fn send(conn: usize) {
    let (how, (data, len)) = (below(10), payload());
    let errors = [InvalidHandle, WrongKind, State, Limit, InvalidArgument, Unsupported];
    // SAFETY: see looping::make.
    let status = unsafe {
        match how {
            0 => wsock_conn_send_text(conn as _, data.cast(), len),
            1 => wsock_conn_send_binary(conn as _, data.cast(), len),
            8 => {
                let (kind, flags) = draw(|input| (input.byte(), input.byte()));
                let (kind, flags) = (1 + i32::from(kind & 1), u32::from(flags) % 4);
                wsock_conn_send_part(conn as _, kind, data.cast(), len, flags)
            }
            9 => {
                let (kind, how, key) = draw(|input| (input.byte(), input.byte(), input.byte()));
                let options = wsock_send_options {
                    struct_size: size_of::<wsock_send_options>(),
                    flags: u32::from(how & 1),
                    overflow: i32::from(how >> 1) % 6,
                    key: u64::from(key) % 3,
                    release: None,
                    release_user: std::ptr::null_mut(),
                };
                let kind = 1 + i32::from(kind & 1);
                wsock_conn_send_with(conn as _, kind, data.cast(), len, &options)
            }
            _ => {
                let (kind, flags) = draw(|input| (input.byte(), input.byte()));
                let kind = if kind < 250 { 1 + i32::from(kind) % 2 } else { i32::from(kind) };
                let many = flags & 2 != 0;
                let flags = if flags < 250 { u32::from(flags) % 2 } else { u32::from(flags) };
                match many {
                    false => wsock_conn_send(conn as _, kind, data.cast(), len, flags),
                    true => return send_many(conn, kind, (data.cast(), len), flags),
                }
            }
        }
    };
    documented(status, &errors[..if how < 2 { 5 } else { 6 }]);
    assert!(status <= WSOCK_DROPPED);
    if status >= 0 {
        world(|w| {
            let record = w.conns.entry(conn).or_default();
            record.in_parts |= how == 8;
            record.messages += 1;
            record.bytes += len as u64;
        });
    }
}

/// The payload as two messages, cut in the middle.
///
/// # Safety
/// As for `wsock_conn_send`.
unsafe fn send_many(conn: usize, kind: i32, (data, len): (*const c_void, usize), flags: u32) {
    let lens = [len / 2, len - len / 2];
    let mut taken = 0;
    // SAFETY: as promised by the caller.
    let status = unsafe {
        let (lens, count) = (lens.as_ptr(), lens.len());
        wsock_conn_send_many(conn as _, kind, data, len, lens, count, flags, &mut taken)
    };
    documented(status, &[InvalidHandle, WrongKind, State, Limit, InvalidArgument, Unsupported]);
    assert!(status <= WSOCK_DROPPED && (status >= 0) == (taken > 0) && taken <= 2);
    if taken > 0 {
        world(|w| {
            let record = w.conns.entry(conn).or_default();
            record.messages += taken as u64;
            record.bytes += lens[..taken].iter().sum::<usize>() as u64;
        });
    }
}

pub fn close(conn: usize, code: i32, reason: &Option<CString>) {
    // SAFETY: see looping::make.
    let status = unsafe { wsock_conn_close(conn as _, code, as_ptr(reason)) };
    documented(status, &[InvalidHandle, WrongKind, InvalidArgument]);
    give_up(conn, status);
}

pub fn abort(conn: usize) {
    let status = wsock_conn_abort(conn as _);
    documented(status, &[InvalidHandle, WrongKind]);
    give_up(conn, status);
}

fn give_up(conn: usize, status: i32) {
    if status == WSOCK_OK {
        assert!(wsock_conn_state(conn as _) >= WSOCK_CLOSING);
        world(|w| w.conns.entry(conn).or_default().given_up = true);
    }
}

fn look_at(conn: usize, stats: &wsock_conn_stats) {
    let buffered = wsock_conn_buffered_amount(conn as _) as u64;
    world(|w| {
        // A thread of the library's may have sent some of it meanwhile.
        assert!(stats.buffered_amount == buffered || w.queues);
        let Some(record) = w.conns.get(&conn) else { return };
        assert!(stats.messages_sent <= record.messages && stats.payload_sent <= record.bytes);
        assert!(stats.buffered_amount <= record.weight());
        assert!(stats.tls_resumed <= 1);
    });
}

fn set_user_data(conn: usize) {
    let old = wsock_conn_user_data(conn as _).addr();
    let old = if old == 0 { User::default() } else { world(|w| w.users[old - 1]) };
    let releasable = below(2) == 0;
    // Releasing what was there may already call back in, but not with the new one.
    let user = new_user(User { attached: true, releasable, released: 0, ..old });
    let status =
        wsock_conn_set_user_data(conn as _, pointer(user), releasable.then_some(release as _));
    documented(status, &[InvalidHandle, WrongKind]);
    if status < 0 {
        world(|w| {
            assert_eq!(w.users[user].released, 0);
            w.users[user].attached = false;
        });
    }
}
