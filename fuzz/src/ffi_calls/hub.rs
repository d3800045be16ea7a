//! Hubs and messages.

use super::values::*;
use super::world::*;
use std::ffi::CString;
use std::ptr;
use wsock::error::Code::*;
use wsock::ffi::hub::*;
use wsock::ffi::message::*;
use wsock::ffi::status::*;
use wsock::ffi::types::*;

pub fn any() {
    let hub = handle(HUB);
    let any = [InvalidHandle, WrongKind, InvalidArgument, Unsupported, Limit];
    // SAFETY: see looping::make.
    unsafe {
        match below(17) {
            0 => {
                let mut out = ptr::null_mut();
                let status = wsock_hub_new(if below(8) == 7 { ptr::null_mut() } else { &mut out });
                documented(status, &[InvalidArgument]);
                made(HUB, status, out.addr());
            }
            1 => message(),
            2..=5 => {
                let (conn, topic) = (handle(CONN), topic());
                let status = wsock_hub_subscribe(hub as _, conn as _, as_ptr(&topic));
                documented(status, &[any[0], any[1], any[2], State]);
                if status == WSOCK_OK {
                    // Kept messages may come at once.
                    let published = world(|w| w.published);
                    expect(published, |it| it == conn);
                }
            }
            6 => {
                let (conn, topic) = (handle(CONN), topic());
                let status = wsock_hub_unsubscribe(hub as _, conn as _, as_ptr(&topic));
                documented(status, &any[..3]);
            }
            7..=10 => {
                let (topic, (data, len), kind) = (topic(), payload(), 1 + below(2) as i32);
                let options = options();
                let (to, with) =
                    (as_ptr(&topic), if below(2) == 0 { ptr::null() } else { &options });
                let status = wsock_hub_publish(hub as _, to, kind, data.cast(), len, with);
                documented(status, &any[..4]);
                published(status, len);
            }
            11 => {
                let (topic, message, options) = (topic(), handle(MESSAGE), options());
                let (to, len) = (as_ptr(&topic), length_of(message));
                let status = wsock_hub_publish_message(hub as _, to, message as _, &options);
                documented(status, &any[..4]);
                published(status, len);
            }
            12 => {
                let (server, message) = (handle(SERVER), handle(MESSAGE));
                let except = if below(2) == 0 { 0 } else { handle(CONN) };
                let len = length_of(message);
                let status = wsock_server_broadcast(server as _, message as _, except as _);
                documented(status, &[any[0], any[1], Limit]);
                published(status, len);
            }
            13 => {
                let topic = topic();
                documented(wsock_hub_forget(hub as _, as_ptr(&topic)), &any[..3]);
            }
            14 => {
                let (status, stats) = sized(|out| wsock_hub_get_stats(hub as _, out));
                documented(status, &any[..3]);
                assert!(stats.is_none_or(|stats| stats.topics <= stats.subscriptions));
            }
            15 => send_message(),
            _ => match below(2) {
                0 => wsock_hub_free(hub as _),
                _ => wsock_message_free(handle(MESSAGE) as _),
            },
        }
    }
}

fn message() {
    let ((data, len), kind) = (payload(), 1 + below(2) as i32);
    let mut out = ptr::null_mut();
    // SAFETY: a payload as long as it says or refused, and somewhere to write.
    let status = unsafe { wsock_message_new(kind, data.cast(), len, &mut out) };
    documented(status, &[InvalidArgument]);
    made(MESSAGE, status, out.addr());
}

/// To one connection alone.
pub fn send_message() {
    let (conn, message) = (handle(CONN), handle(MESSAGE));
    let (how, key) = draw(|input| (input.byte(), input.byte()));
    let options = wsock_send_options {
        struct_size: size_of::<wsock_send_options>(),
        flags: u32::from(how & 1),
        overflow: i32::from(how >> 1) % 6,
        key: u64::from(key) % 3,
        release: None,
        release_user: ptr::null_mut(),
    };
    let options = if how & 128 == 0 { ptr::null() } else { &raw const options };
    let len = length_of(message);
    // SAFETY: handles may be any number, and the options are NULL or as large as they say.
    let status = unsafe { wsock_conn_send_message(conn as _, message as _, options) };
    documented(status, &[InvalidHandle, WrongKind, State, Limit, InvalidArgument, Unsupported]);
    if status >= 0 {
        expect((1, len as u64), |it| it == conn);
    }
    // SAFETY: a handle that may be any number.
    let compressions = wsock_message_compressions(message as _);
    assert!(compressions <= 100);
}

fn made(class: usize, status: i32, handle: usize) {
    assert_eq!(status == WSOCK_OK, handle != 0);
    if status == WSOCK_OK {
        world(|w| w.handles[class].push(handle));
    }
}

fn length_of(message: usize) -> usize {
    let mut len = 0;
    // SAFETY: a number to write to.
    unsafe { wsock_message_data(message as _, ptr::null_mut(), &mut len) };
    len
}

fn options() -> wsock_publish_options {
    let struct_size = size_of::<wsock_publish_options>();
    let flags = below(9) as u32 % 5;
    let except = if below(2) == 0 { 0 } else { handle(CONN) };
    let (key, overflow) = (below(2) as u64, below(6) as i32);
    wsock_publish_options { struct_size, flags, overflow, key, except: except as _ }
}

fn topic() -> Option<CString> {
    match below(8) {
        0..=2 => Some(c"a".to_owned()),
        3 => Some(c"a.b".to_owned()),
        4 => Some(c"a*".to_owned()),
        5 => Some(c"*".to_owned()),
        _ => text(),
    }
}

fn published(status: i32, len: usize) {
    if status >= 0 {
        let more = (1, len as u64);
        world(|w| w.published = (w.published.0 + more.0, w.published.1 + more.1));
        expect(more, |_| true);
    }
}

/// Connections that may send so many messages of so many bytes more.
fn expect((messages, bytes): (u64, u64), which: impl Fn(usize) -> bool) {
    world(|w| {
        for (_, conn) in w.conns.iter_mut().filter(|(handle, _)| which(**handle)) {
            conn.messages += messages;
            conn.bytes += bytes;
        }
    });
}

/// Frees all; the handles name nothing then.
pub fn end() {
    for hub in world(|w| w.handles[HUB].clone()) {
        wsock_hub_free(hub as _);
        // SAFETY: a topic.
        let status = unsafe { wsock_hub_forget(hub as _, c"a".as_ptr()) };
        assert_eq!(status, WSOCK_ERR_INVALID_HANDLE);
    }
    for message in world(|w| w.handles[MESSAGE].clone()) {
        wsock_message_free(message as _);
        // SAFETY: nothing is written to.
        let data = unsafe { wsock_message_data(message as _, ptr::null_mut(), ptr::null_mut()) };
        assert!(data.is_null());
    }
}

/// No hub has a subscription left when all loops have ended.
pub fn nobody_is_left() {
    for hub in world(|w| w.handles[HUB].clone()) {
        let mut stats = wsock_hub_stats {
            struct_size: size_of::<wsock_hub_stats>(),
            topics: 0,
            subscriptions: 0,
            kept: 0,
            published: 0,
            deliveries: 0,
            refused: 0,
            dropped: 0,
            missed: 0,
        };
        // SAFETY: as large as it says.
        if unsafe { wsock_hub_get_stats(hub as _, &mut stats) } == WSOCK_OK {
            assert_eq!((stats.subscriptions, stats.topics), (0, 0));
        }
    }
}
