//! Events fetched in batches instead of told by callbacks, messages that are kept beyond them, and loops with a
//! thread of their own.

use super::callbacks as told;
use super::values::*;
use super::world::*;
use super::{act, request};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ptr;
use wsock::error::Code::{self, *};
use wsock::ffi::events::*;
use wsock::ffi::looping::*;
use wsock::ffi::message::*;
use wsock::ffi::status::*;
use wsock::ffi::types::*;
use wsock::util::id::Id;

/// Room for the records of a loop.
const ROOM: usize = 8 * 72;

const ANY: [Code; 3] = [InvalidHandle, WrongKind, InvalidArgument];

thread_local!(static BELLS: RefCell<BTreeSet<u16>> = RefCell::default());

/// Descriptors that stay open for the next loop in the same place: one wherever a thread was started.
pub fn bells() -> usize {
    BELLS.with_borrow(BTreeSet::len)
}

pub fn any() {
    let owner = handle(LOOP);
    match below(9) {
        0 | 1 => use_events(owner),
        2..=4 => fetch(owner, below(3) as i32 - 1),
        5 => {
            let status = wsock_loop_flush(owner as _);
            documented(status, &[ANY[0], ANY[1], WrongThread]);
            if status == WSOCK_OK && world(|w| w.promised.contains(&owner)) {
                over(owner);
            }
        }
        6 => {
            let status = inside(|| wsock_loop_start(owner as _));
            documented(status, &[ANY[0], ANY[1], Reentrant, State, System]);
            if status == WSOCK_OK {
                world(|w| w.queues = true);
                let place = Id::from_bits(owner as u64).expect("a living loop's").owner();
                BELLS.with_borrow_mut(|bells| bells.insert(place));
            }
        }
        7 => join(owner),
        _ => promise(owner),
    }
}

fn promise(owner: usize) {
    let promise = below(3) as i32;
    let status = wsock_loop_promise_flush(owner as _, promise);
    documented(status, &[ANY[0], ANY[1], ANY[2], WrongThread]);
    if status == WSOCK_OK {
        world(|w| match promise {
            0 => w.promised.remove(&owner),
            _ => w.promised.insert(owner),
        });
    }
}

pub fn join(owner: usize) {
    let status = inside(|| wsock_loop_join(owner as _));
    documented(status, &[ANY[0], ANY[1], State, WrongThread]);
}

fn use_events(owner: usize) {
    let (size, capacity) = draw(|input| (input.byte(), input.byte()));
    let size = [40, 40, 40, 72, 48, 8, 44, 0][usize::from(size) % 8];
    let capacity = u32::from(capacity) % 9;
    // Records lie in memory of the program, until the loop has got other memory or is gone.
    let mut room = vec![0u64; ROOM / 8];
    let array = if size == 0 { ptr::null_mut() } else { room.as_mut_ptr().cast::<wsock_event>() };
    // SAFETY: room for eight of the largest, NULL, or refused; handles may be any number.
    let status = unsafe { wsock_loop_use_events(owner as _, array, size, capacity) };
    documented(status, &[ANY[0], ANY[1], ANY[2], WrongThread]);
    if status == WSOCK_OK {
        let array = (!array.is_null()).then_some(Room { room, size });
        world(|w| {
            w.queues = true;
            w.rooms.insert(owner, array.unwrap_or_default());
        });
        over(owner);
    }
}

/// The last batch of a loop is over: connections that have ended in it are gone.
pub fn over(owner: usize) {
    world(|w| {
        w.batches += 1;
        let gone = w.ended.extract_if(.., |(of, _)| *of == owner).map(|(_, conn)| conn);
        for conn in gone.collect::<Vec<_>>() {
            w.conns.entry(conn).or_default().closed = 1;
        }
    });
}

fn fetch(owner: usize, timeout_ms: i32) {
    // For ever is too long when nothing happens.
    let timeout_ms = timeout_ms.max(0);
    let count = inside(|| wsock_loop_events(owner as _, timeout_ms));
    let errors = [ANY[0], ANY[1], ANY[2], Reentrant, Interrupted, System, State];
    documented(count, &errors);
    if count < 0 {
        return;
    }
    over(owner);
    let events = records(owner, count as usize);
    world(|w| w.inside += 1);
    events.iter().for_each(|event| check(owner, event));
    world(|w| w.inside -= 1);
    let batch = world(|w| w.batches);
    let before: Vec<Vec<u8>> = events.iter().map(|event| payload_of(event).to_vec()).collect();
    for (event, before) in events.iter().zip(before) {
        keep(event.object as usize, event, &before);
        act();
        // What was done may have ended the batch.
        if world(|w| w.batches) != batch {
            return;
        }
        assert!(payload_of(event) == before, "a record must not change before the next batch");
    }
}

fn records(owner: usize, count: usize) -> Vec<wsock_event> {
    world(|w| {
        let Room { room, size } = &w.rooms[&owner];
        assert!(count * size <= ROOM, "more records than there is room for");
        let at = |n: usize| room[n * size / 8..].as_ptr().cast::<wsock_event>();
        // SAFETY: within the room, plain numbers, and aligned to eight.
        (0..count).map(|n| unsafe { at(n).read() }).collect()
    })
}

/// Only of messages, pings and pongs.
fn payload_of(event: &wsock_event) -> &[u8] {
    let has = [WSOCK_EVENT_TEXT, WSOCK_EVENT_BINARY, WSOCK_EVENT_PING, WSOCK_EVENT_PONG];
    if !has.contains(&event.r#type) || event.len == 0 {
        return &[];
    }
    // SAFETY: the library promises so many bytes until the next batch.
    unsafe {
        let data = ptr::with_exposed_provenance::<u8>(event.data as usize);
        std::slice::from_raw_parts(data, event.len as usize)
    }
}

/// What each record says, as the callback of its kind does.
fn check(owner: usize, event: &wsock_event) {
    let conn = ptr::without_provenance_mut::<wsock_conn>(event.object as usize);
    let user = ptr::without_provenance_mut(event.user as usize);
    let data = ptr::with_exposed_provenance::<u8>(event.data as usize);
    let kind = event.r#type as i32;
    // SAFETY: each type says what its data is, which is there until the next batch.
    unsafe {
        match event.r#type {
            WSOCK_EVENT_TEXT | WSOCK_EVENT_BINARY => {
                let whole = WSOCK_PART_FIRST | WSOCK_PART_LAST;
                told::part(conn, kind, payload_of(event), event.code, user);
                let text = std::str::from_utf8(payload_of(event));
                assert!(kind == WSOCK_BINARY || event.code != whole || text.is_ok());
            }
            WSOCK_EVENT_OPEN => told::opened(conn, user),
            WSOCK_EVENT_CLOSE => {
                let info = &*data.cast::<wsock_close_info>();
                assert_eq!((event.code as i32, event.len as usize), (info.code, info.struct_size));
                told::ended(conn, info, user);
                world(|w| w.ended.push((owner, conn.addr())));
            }
            WSOCK_EVENT_ERROR => told::failed(conn, &*data.cast::<wsock_error_info>(), user),
            WSOCK_EVENT_RETRY => {
                let info = &*data.cast::<wsock_retry_info>();
                assert_eq!(event.code as i32, info.attempt);
                told::retries(conn, info, user);
            }
            WSOCK_EVENT_REQUEST => {
                told::asked(event.data as usize, event.object as usize, user);
                if below(4) > 0 {
                    request::answer_late(event.object as usize, [0, 404][below(2)]);
                }
            }
            WSOCK_EVENT_PING | WSOCK_EVENT_PONG => {
                assert!(event.len <= 125);
                told::heard(conn, user);
            }
            other => {
                assert_eq!(other, WSOCK_EVENT_DRAIN);
                told::heard(conn, user);
            }
        }
    }
}

/// A message that was told just now is kept now and then.
fn keep(conn: usize, event: &wsock_event, before: &[u8]) {
    if [WSOCK_EVENT_TEXT, WSOCK_EVENT_BINARY].contains(&event.r#type) && below(4) == 3 {
        retain(conn, event.data as usize, before, event.code);
    }
}

/// Keeps a message, which stays as it is.
pub fn retain(conn: usize, data: usize, bytes: &[u8], flags: u32) {
    let mut message = ptr::null_mut();
    let data = ptr::without_provenance::<std::ffi::c_void>(data);
    // SAFETY: the pointer is only compared, and there is somewhere to write.
    let status = unsafe { wsock_conn_retain(conn as _, data, &mut message) };
    documented(status, &[ANY[0], ANY[1], ANY[2], WrongThread, Limit]);
    assert!(status < 0 || flags == WSOCK_PART_FIRST | WSOCK_PART_LAST);
    if status == WSOCK_OK {
        let mut len = 0;
        // SAFETY: a message that was made just now.
        let kept = unsafe {
            let data = wsock_message_data(message, ptr::null_mut(), &mut len);
            std::slice::from_raw_parts(data.cast::<u8>(), len)
        };
        assert!(kept == bytes);
        world(|w| w.handles[MESSAGE].push(message.addr()));
    }
}
