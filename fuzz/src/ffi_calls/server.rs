//! Servers, and whether their figures add up.

use super::attach::{attach, listener, offer, stream};
use super::peers::UPGRADE;
use super::values::*;
use super::world::*;
use std::ffi::{CStr, CString};
use std::ptr;
use wsock::error::Code::*;
use wsock::ffi::adopt::*;
use wsock::ffi::server::*;
use wsock::ffi::status::*;
use wsock::ffi::types::{wsock_server, wsock_server_stats};

pub fn make() {
    match below(8) {
        0..=6 => listen(),
        _ => listen_fd(),
    }
}

fn listen() {
    let (owner, options) = (handle(LOOP), maybe_options());
    let (host, file) = host();
    let (port, out_missing) = draw(|input| (input.byte() == 1, input.byte() == 1));
    let port = if port { self::port() } else { 0 };
    let mut out = ptr::null_mut();
    let out_server = if out_missing { ptr::null_mut() } else { &raw mut out };
    // SAFETY: see looping::make.
    let (status, _) = attach(|table, user| unsafe {
        wsock_listen(owner as _, host.as_ptr(), port, options as _, table, user, out_server)
    });
    documented(
        status,
        &[InvalidHandle, WrongKind, InvalidArgument, System, Unsupported, Limit, State],
    );
    begun(status, out, &host, file, options);
}

/// Where to listen, and the file that this makes.
fn host() -> (CString, Option<String>) {
    let id = std::process::id();
    let owned = |host: &CStr| (host.to_owned(), None);
    let unix = |path: String| CString::new(format!("unix:{path}")).expect("no NUL");
    match below(16) {
        0..=6 => owned(c"127.0.0.1"),
        7..=9 => (unix(format!("@wsock-fuzz-{id}-{}", below(3))), None),
        10 | 11 => {
            let file = std::env::temp_dir().join(format!("wsock-fuzz-{id}-{}", below(2)));
            let file = file.display().to_string();
            (unix(file.clone()), Some(file))
        }
        12 => owned(c"::1"),
        13 => owned(c"localhost"),
        14 => owned(c"systemd"),
        _ => owned([c"256.1.1.1", c"\xff", c"unix:", c"unix:@"][below(4)]),
    }
}

fn listen_fd() {
    let (owner, options, fd) = (handle(LOOP), maybe_options(), listener());
    let mut out = ptr::null_mut();
    // SAFETY: see looping::make; the descriptor is given away.
    let (status, _) = attach(|table, user| unsafe {
        let call = |fd| wsock_listen_fd(owner as _, fd, options as _, table, user, &mut out);
        offer(fd, call)
    });
    documented(
        status,
        &[InvalidHandle, WrongKind, InvalidArgument, System, Unsupported, Limit, State],
    );
    begun(status, out, c"", None, options);
}

fn begun(
    status: i32,
    server: *mut wsock_server,
    host: &CStr,
    file: Option<String>,
    options: usize,
) {
    if status != WSOCK_OK {
        assert!(server.is_null(), "outputs are written only on success");
        return;
    }
    let place = match host.to_str().unwrap_or_default().strip_prefix("unix:") {
        Some(path) => format!("+unix:{path}:/"),
        None => format!("://127.0.0.1:{}/", wsock_server_port(server)),
    };
    let secure = options_of(options).secure;
    world(|w| {
        w.handles[SERVER].push(server.addr());
        w.servers.insert(server.addr(), Server { place, secure, file, stats: None });
    });
}

pub fn any() {
    let server = handle(SERVER);
    match below(8) {
        0 | 1 => {
            let (code, reason) = (any_code(), text());
            let grace = i32::from(draw(|input| input.byte() as i8)) / 8;
            // SAFETY: see looping::make.
            let status = unsafe { wsock_server_close(server as _, grace, code, as_ptr(&reason)) };
            documented(status, &[InvalidHandle, WrongKind, InvalidArgument]);
        }
        2..=5 => adopt(server),
        6 => {
            let status = wsock_server_set_tls(server as _, handle(OPTIONS) as _);
            documented(status, &[InvalidHandle, WrongKind, InvalidArgument, State]);
        }
        _ => {
            // SAFETY: see looping::make.
            let (status, _) = sized(|out| unsafe { wsock_server_get_stats(server as _, out) });
            documented(status, &[InvalidHandle, WrongKind, InvalidArgument]);
        }
    }
}

fn adopt(server: usize) {
    let fd = stream();
    let (data, len) = match below(4) {
        0 | 1 => (UPGRADE.as_ptr(), UPGRADE.len()),
        2 => (ptr::null(), 0),
        _ => payload(),
    };
    // SAFETY: see looping::make; the descriptor is given away.
    let status = offer(fd, |fd| unsafe { wsock_server_adopt(server as _, fd, data.cast(), len) });
    documented(status, &[InvalidHandle, WrongKind, InvalidArgument, System, Limit, State]);
}

/// The figures of a server that has not ended.
fn stats(server: usize) -> Option<wsock_server_stats> {
    let mut stats = wsock_server_stats { struct_size: size_of::<wsock_server_stats>(), ..NONE };
    // SAFETY: as large as it says.
    let status = unsafe { wsock_server_get_stats(server as _, &mut stats) };
    (status == WSOCK_OK).then_some(stats)
}

/// Every handshake has one outcome, what was counted stays counted, and an end comes nearer.
pub fn figures_add_up() {
    let servers: Vec<usize> = world(|w| w.servers.keys().copied().collect());
    for (server, now) in servers.into_iter().filter_map(|it| Some((it, stats(it)?))) {
        let outcomes = now.opened
            + now.refused
            + now.http_responses
            + now.handshake_timeouts
            + now.handshake_errors;
        assert_eq!(now.accepted, outcomes + now.handshakes);
        assert!(now.connections <= now.opened && now.drain_closed <= now.opened);
        assert!(now.refused_head + now.refused_slow <= now.refused);
        assert!(now.ended_control_rate <= now.opened && now.draining <= 1);
        assert!(now.draining == 1 || now.drain_closed + now.drain_remaining_ms == 0);
        let last = world(|w| w.servers.get_mut(&server)?.stats.replace(now)).unwrap_or(NONE);
        let grown = counted(&last).into_iter().zip(counted(&now)).all(|(last, now)| last <= now);
        assert!(grown, "{:?}, then {:?}", counted(&last), counted(&now));
        assert!(last.draining == 0 || now.drain_remaining_ms <= last.drain_remaining_ms);
    }
}

/// All that only grows.
fn counted(stats: &wsock_server_stats) -> [u64; 19] {
    [
        stats.accepted,
        stats.opened,
        stats.refused,
        stats.http_responses,
        stats.handshake_timeouts,
        stats.handshake_errors,
        stats.accept_errors,
        stats.messages_received,
        stats.messages_sent,
        stats.bytes_received,
        stats.bytes_sent,
        stats.refused_connections,
        stats.refused_per_address,
        stats.refused_handshakes,
        stats.refused_head,
        stats.refused_slow,
        stats.ended_control_rate,
        stats.draining,
        stats.drain_closed,
    ]
}

/// Whether it has ended.
pub fn has_ended(server: usize) -> bool {
    stats(server).is_none()
}

// SAFETY: numbers, for which zero is valid.
const NONE: wsock_server_stats = unsafe { std::mem::zeroed() };
