//! Messages whose bytes are fetched: from pipes and from functions.

use super::act;
use super::attach::offer;
use super::values::*;
use super::world::*;
use std::ffi::c_void;
use std::io::Write;
use wsock::error::Code::*;
use wsock::ffi::source::*;
use wsock::ffi::status::*;
use wsock::ffi::types::*;

/// What a function has to give.
struct Well {
    left: usize,
    /// Bytes at a time; more than fit is an answer that is not allowed.
    step: usize,
    /// Every so many answers are `WSOCK_PULL_LATER`.
    later: usize,
    calls: usize,
}

/// Accepted: so much more may wait, and get lost.
fn accepted(conn: usize, bytes: usize) {
    world(|w| {
        let record = w.conns.entry(conn).or_default();
        record.in_parts = true;
        record.messages += 1;
        record.bytes += bytes as u64;
    });
}

pub fn any(conn: usize) {
    let (kind, flags) = draw(|input| (input.byte(), input.byte()));
    let kind = if kind < 250 { 1 + i32::from(kind) % 2 } else { i32::from(kind) };
    let flags = if flags < 250 { u32::from(flags) % 2 } else { u32::from(flags) };
    let errors = [InvalidHandle, WrongKind, State, InvalidArgument, Unsupported];
    match below(5) {
        0 | 1 => documented(send_pipe(conn, kind, flags), &errors),
        2 | 3 => documented(send_from(conn, kind, flags), &errors),
        _ => documented(wsock_conn_pull_again(conn as _), &errors[..2]),
    }
}

fn send_pipe(conn: usize, kind: i32, flags: u32) -> i32 {
    let (len, missing) = draw(|input| (usize::from(input.byte()) * 100, input.byte()));
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    writer.write_all(&vec![b'p'; len]).expect("less than a pipe holds");
    let wanted = match missing {
        0..200 => u64::MAX,
        missing => len as u64 + u64::from(missing) - 200,
    };
    // SAFETY: see looping::make.
    let send = |fd| unsafe { wsock_conn_send_fd(conn as _, kind, fd, wanted, flags) };
    let status = offer(Some(reader.into()), send);
    if status == WSOCK_OK {
        accepted(conn, len);
    }
    status
}

fn send_from(conn: usize, kind: i32, flags: u32) -> i32 {
    let (left, step, later) = draw(|input| (input.byte(), input.byte(), input.byte()));
    let step = if step == 255 { usize::MAX >> 1 } else { 1 + usize::from(step) * 300 };
    let later = 2 + usize::from(later);
    let well = Box::new(Well { left: usize::from(left) * 1000, step, later, calls: 0 });
    let total = well.left;
    let user = Box::into_raw(well);
    // SAFETY: see looping::make.
    let status = unsafe {
        wsock_conn_send_from(conn as _, kind, Some(pull), user.cast(), Some(release), flags)
    };
    match status {
        WSOCK_OK => {
            world(|w| w.wells += 1);
            accepted(conn, total);
        }
        // SAFETY: it is still ours.
        _ => drop(unsafe { Box::from_raw(user) }),
    }
    status
}

unsafe extern "C-unwind" fn pull(
    conn: *mut wsock_conn,
    buffer: *mut c_void,
    capacity: usize,
    user: *mut c_void,
) -> i64 {
    world(|w| assert!(w.inside > 0, "a pull outside of run, poll and loop_free"));
    act();
    // SAFETY: nobody else has it, and it is not released before this function has returned.
    let well = unsafe { &mut *user.cast::<Well>() };
    well.calls += 1;
    if well.calls.is_multiple_of(well.later) && world(|w| w.budget > 0) {
        return WSOCK_PULL_LATER;
    }
    let count = well.left.min(well.step).min(capacity);
    if well.step > capacity && well.left > 0 {
        return well.step as i64;
    }
    // SAFETY: there is room for `capacity` bytes.
    unsafe { buffer.cast::<u8>().write_bytes(b'w', count) };
    well.left -= count;
    // Each piece has a header of its own.
    world(|w| w.conns.entry(conn.addr()).or_default().messages += 1);
    count as i64
}

unsafe extern "C-unwind" fn release(user: *mut c_void) {
    world(|w| w.wells -= 1);
    // SAFETY: it comes back once.
    drop(unsafe { Box::from_raw(user.cast::<Well>()) });
}
