//! The C interface called with anything at any time, from inside callbacks too, on real loops whose
//! connections talk to each other and to raw peers.

use super::Seed;
use super::ffi_world::*;
use super::input::length;
use std::ffi::{CStr, CString, c_char, c_void};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::ptr;
use std::time::Duration;
use wsock::error::Code::{self, *};
use wsock::ffi::client::*;
use wsock::ffi::conn::*;
use wsock::ffi::looping::*;
use wsock::ffi::options::*;
use wsock::ffi::request::*;
use wsock::ffi::server::*;
use wsock::ffi::status::*;
use wsock::ffi::types::*;
use wsock::ffi::version::*;

unsafe extern "C" {
    fn wsock_last_error(out_info: *mut wsock_error_info) -> wsock_status;
}

/// What a payload points to.
static BYTES: [u8; 200_000] = [b'a'; 200_000];

const UPGRADE: &str = "GET /x?y HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Protocol: chat, a\r\n\r\n";

pub fn run(data: &[u8]) {
    reset(data);
    while world(|w| w.budget > 0) && draw(|input| !input.is_empty()) {
        call();
        closed_is_stale();
    }
    end();
}

/// The same in a process in which nobody else opens and closes files.
pub fn run_alone(data: &[u8]) {
    let descriptors = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let before = descriptors();
    run(data);
    reset(&[]);
    // A thread that looks a name up may outlive its loop for a moment.
    let closed = || {
        std::thread::sleep(Duration::from_millis(5));
        descriptors() <= before
    };
    assert!(descriptors() <= before || (0..200).any(|_| closed()), "a descriptor was left open");
}

/// In a callback: none to three calls.
pub fn act() {
    for _ in 0..draw(|input| input.byte() % 4) {
        call();
    }
}

/// Frees everything and looks whether all promises were kept.
fn end() {
    world(|w| w.budget = 0);
    let servers = world(|w| w.handles[SERVER].clone());
    for server in servers {
        // SAFETY: a handle that may be stale, and no reason.
        let status = unsafe { wsock_server_close(server as _, 0, 1001, ptr::null()) };
        documented(status, &[InvalidHandle]);
    }
    for handle in world(|w| w.handles[LOOP].clone()) {
        for _ in 0..3 {
            inside(|| wsock_loop_poll(handle as _, 0));
        }
        documented(inside(|| wsock_loop_free(handle as _)), &[InvalidHandle]);
        assert_eq!(wsock_loop_poll(handle as _, 0), WSOCK_ERR_INVALID_HANDLE);
    }
    for options in world(|w| w.handles[OPTIONS].clone()) {
        wsock_options_free(options as _);
        assert_eq!(wsock_options_set_int(options as _, 1, 1), WSOCK_ERR_INVALID_HANDLE);
    }
    closed_is_stale();
    world(|w| {
        for (handle, conn) in &w.conns {
            assert_eq!(conn.closed, conn.expected.into(), "on_close of {handle:#x}");
        }
        for user in &w.users {
            assert_eq!(user.released, (user.attached && user.releasable).into());
        }
        for task in &w.tasks {
            assert_eq!(task.released, (task.accepted && task.releasable).into());
            assert!(task.ran <= task.accepted.into());
        }
    });
}

/// After on_close the handle names nothing.
fn closed_is_stale() {
    let closed: Vec<usize> = world(|w| {
        let new = w.conns.iter_mut().filter(|(_, conn)| conn.closed > 0 && !conn.stale);
        new.map(|(&handle, conn)| {
            conn.stale = true;
            handle
        })
        .collect()
    });
    for conn in closed {
        assert_eq!(wsock_conn_state(conn as _), WSOCK_CLOSED);
        assert_eq!(wsock_conn_abort(conn as _), WSOCK_ERR_INVALID_HANDLE);
    }
}

/// The calls that may call back.
fn inside(f: impl FnOnce() -> i32) -> i32 {
    world(|w| w.inside += 1);
    let status = f();
    world(|w| w.inside -= 1);
    status
}

/// Done, or refused for a reason that the header names; and then there is a sentence about it.
fn documented(status: i32, errors: &[Code]) {
    assert!(
        status >= 0 || errors.iter().any(|&code| code as i32 == status),
        "undocumented: {status} {}",
        last_error().1
    );
    if status < 0 {
        let (code, message) = last_error();
        assert_eq!(code, status, "{message}");
        assert!(!message.is_empty() && !message.chars().any(char::is_control), "{message:?}");
    }
}

fn last_error() -> (i32, String) {
    let mut words = vec![0u64; size_of::<wsock_error_info>().div_ceil(8)];
    words[0] = size_of::<wsock_error_info>() as u64;
    let info = words.as_mut_ptr().cast::<wsock_error_info>();
    // SAFETY: as large and as aligned as it says; plain data, the text ends with NUL.
    unsafe {
        assert_eq!(wsock_last_error(info), WSOCK_OK);
        let message = CStr::from_ptr((&raw const (*info).message).cast());
        ((*info).code, message.to_str().expect("messages are UTF-8").to_owned())
    }
}

/// A handle of this class most of the time; else stale, of another class, NULL or any number.
fn handle(class: usize) -> usize {
    let byte = draw(|input| input.byte());
    let newest = |class: usize| {
        world(|w| {
            let all = &w.handles[class];
            if all.is_empty() { 0 } else { all[all.len() - 1 - byte as usize % all.len()] }
        })
    };
    match byte {
        0..=215 => newest(class),
        216..=231 => newest(byte as usize % 5),
        232..=239 => 0,
        240..=247 => newest(class) ^ 1 << draw(|input| input.byte() % 64),
        _ => draw(|input| input.bytes(8).iter().fold(0, |all, &byte| all << 8 | byte as usize)),
    }
}

/// Configuration text: usual, odd, from the input, or none.
fn text() -> Option<CString> {
    const WORDS: [&str; 14] = [
        "",
        "a",
        "chat",
        "X-Test",
        "Host",
        "Sec-WebSocket-Key",
        "no token",
        "v\r\nX: y",
        "Origin",
        "https://example.org",
        "Content-Length",
        "text/plain",
        "ü",
        "127.0.0.1",
    ];
    draw(|input| match input.byte() {
        0 => None,
        1..=170 => Some(CString::new(WORDS[input.below(14)]).expect("no NUL")),
        n @ 171..=180 => Some(CString::new("x".repeat(n as usize * 3 - 440)).expect("no NUL")),
        n => {
            let bytes = input.bytes(n as usize % 40);
            Some(CString::new(bytes.split(|&b| b == 0).next().unwrap_or(&[])).expect("no NUL"))
        }
    })
}

fn as_ptr(text: &Option<CString>) -> *const c_char {
    text.as_ref().map_or(ptr::null(), |text| text.as_ptr())
}

/// A payload and its length, sometimes one that cannot be.
fn payload() -> (*const u8, usize) {
    draw(|input| match input.byte() {
        0 => (ptr::null(), 0),
        1 => (ptr::null(), 1 + input.byte() as usize),
        2 => (BYTES.as_ptr(), usize::MAX),
        3 => (BYTES.as_ptr(), isize::MAX as usize + 1),
        4 => (b"\xff\xc0".as_ptr(), 2),
        _ => (BYTES.as_ptr(), length(input.byte())),
    })
}

fn port() -> u16 {
    wsock_server_port(handle(SERVER) as _)
}

/// Never further than this machine, and there only what listens for us.
fn url() -> Option<CString> {
    let port = match port() {
        0 => 1,
        port => port,
    };
    let url = match draw(|input| input.byte()) % 12 {
        0..=5 => format!("ws://127.0.0.1:{port}/x?y"),
        6 => format!("http://u:p@127.0.0.1:{port}"),
        7 => format!("wss://127.0.0.1:{port}/"),
        8 => {
            format!("ws://localhost:{port}/")
        }
        9 => "ws://[::1]:1/".to_owned(),
        10 => "ftp://127.0.0.1/".to_owned(),
        _ => {
            let path = text()?;
            return CString::new(
                [format!("ws://127.0.0.1:{port}/").as_bytes(), path.as_bytes()].concat(),
            )
            .ok();
        }
    };
    CString::new(url).ok()
}

/// Calls `f` with a table of handlers and user data; says whether that was accepted.
fn attach(f: impl FnOnce(*const wsock_handlers, *mut c_void) -> i32) -> (i32, bool) {
    let (kind, mask) = draw(|input| (input.byte(), input.byte()));
    let releasable = mask & 32 == 0;
    let full = table(mask, releasable);
    let known = size_of::<wsock_handlers>();
    let (size, null) = match kind {
        0 => (0, false),
        1 => (usize::MAX, false),
        2 => (known + 16, false),
        3 => (16, false),
        4 => (known, true),
        _ => (known, false),
    };
    let mut room = [0u64; 32];
    // SAFETY: plain data that is smaller than its room.
    unsafe { room.as_mut_ptr().cast::<wsock_handlers>().write(full) };
    room[0] = size as u64;
    let whole = !null && (known..=known + 16).contains(&size);
    let user = new_user(whole, whole && releasable);
    let table = if null { ptr::null() } else { room.as_ptr().cast() };
    let status = f(table, pointer(user));
    world(|w| w.users[user].attached = status >= 0);
    (status, whole)
}

/// A struct with its size in front comes back filled as far as it says, and untouched behind.
fn sized<T>(f: impl FnOnce(*mut T) -> i32) -> i32 {
    let known = size_of::<T>();
    let size = [known, 8, known / 2, known + 64, 4096, 0, 7, 4097, usize::MAX]
        [draw(|input| input.below(9))];
    let mut words = [0xAAAA_AAAA_AAAA_AAAAu64; 520];
    words[0] = size as u64;
    let before = words;
    let status = f(words.as_mut_ptr().cast());
    let end = if status < 0 { 0 } else { size };
    let bytes =
        |words: &[u64; 520]| words.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<_>>();
    assert_eq!(bytes(&words)[end..], bytes(&before)[end..]);
    assert!(status < 0 || words[0] == size.min(known) as u64);
    status
}

/// A text that the library lends.
fn lent(f: impl FnOnce(*mut usize) -> *const c_char) {
    let mut len = usize::MAX;
    let text = f(if draw(|input| input.byte()) == 0 { ptr::null_mut() } else { &mut len });
    if !text.is_null() {
        // SAFETY: the library lends texts that end with NUL.
        let text = unsafe { CStr::from_ptr(text) };
        assert!(text.to_str().is_ok() && (len == usize::MAX || len == text.to_bytes().len()));
    }
}

/// One call, or what a peer does.
fn call() {
    let left = world(|w| w.budget);
    if left == 0 {
        return;
    }
    world(|w| w.budget = left - 1);
    match draw(|input| input.byte()) {
        0..=39 => poll(),
        40..=89 => make(),
        90..=149 => on_conn(),
        150..=179 => on_options(),
        180..=199 => on_request(),
        200..=219 => on_server_or_loop(),
        220..=249 => peer(),
        _ => constants(),
    }
}

fn poll() {
    let handle = handle(LOOP);
    let errors = &[InvalidHandle, WrongKind, Reentrant, Interrupted, InvalidArgument, System];
    match draw(|input| input.byte() % 16) {
        0 => {
            // Else it would wait for something to happen.
            wsock_loop_stop(handle as _);
            documented(inside(|| wsock_loop_run(handle as _)), errors);
        }
        1 => documented(inside(|| wsock_loop_poll(handle as _, -2)), errors),
        2 => documented(inside(|| wsock_loop_poll(handle as _, 1)), errors),
        _ => documented(inside(|| wsock_loop_poll(handle as _, 0)), errors),
    }
}

fn make() {
    // SAFETY (all of this file): outputs are NULL or writable, texts NULL or NUL-terminated, payloads as long as
    // they say or longer than anything; handles may be any number, which is what is tested.
    // SAFETY: see make.
    unsafe {
        match draw(|input| input.byte() % 16) {
            0 if world(|w| w.handles[LOOP].len()) < 4 => {
                let mut out = ptr::null_mut();
                documented(wsock_loop_new(&mut out), &[Limit, System]);
                world(|w| w.handles[LOOP].push(out.addr()));
            }
            1 => documented(wsock_loop_new(ptr::null_mut()), &[InvalidArgument]),
            2 => {
                let mut out = ptr::null_mut();
                documented(wsock_options_new(&mut out), &[Limit]);
                world(|w| w.handles[OPTIONS].push(out.addr()));
            }
            3..=6 => listen(),
            7 => {
                let owner = handle(LOOP);
                documented(
                    inside(|| wsock_loop_free(owner as _)),
                    &[InvalidHandle, WrongKind, Reentrant],
                );
            }
            _ => connect(),
        }
    }
}

/// No options more often than not.
fn maybe_options() -> usize {
    if draw(|input| input.byte() & 1) == 0 { 0 } else { handle(OPTIONS) }
}

fn listen() {
    let (owner, options) = (handle(LOOP), maybe_options());
    let hosts = [c"127.0.0.1", c"::1", c"localhost", c"256.1.1.1", c"\xff"];
    let host = hosts[draw(|input| input.byte().trailing_zeros() as usize % 5)];
    let (port, out_missing) = draw(|input| (input.byte() == 1, input.byte() == 1));
    let port = if port { self::port() } else { 0 };
    let mut out = ptr::null_mut();
    let out_server = if out_missing { ptr::null_mut() } else { &raw mut out };
    // SAFETY: see make.
    let (status, _) = attach(|table, user| unsafe {
        wsock_listen(owner as _, host.as_ptr(), port, options as _, table, user, out_server)
    });
    documented(
        status,
        &[InvalidHandle, WrongKind, InvalidArgument, System, Unsupported, Limit, State],
    );
    if status == WSOCK_OK {
        world(|w| w.handles[SERVER].push(out.addr()));
    } else {
        assert!(out.is_null(), "outputs are written only on success");
    }
}

fn connect() {
    let (owner, url, options) = (handle(LOOP), url(), maybe_options());
    let mut out = ptr::null_mut();
    // SAFETY: see make.
    let (status, told) = attach(|table, user| unsafe {
        wsock_connect(owner as _, as_ptr(&url), options as _, table, user, &mut out)
    });
    documented(status, &[InvalidHandle, WrongKind, InvalidArgument, Unsupported, Limit, State]);
    if status == WSOCK_OK {
        assert_eq!(wsock_conn_state(out), WSOCK_CONNECTING);
        world(|w| {
            w.handles[CONN].push(out.addr());
            w.conns.insert(out.addr(), Conn { expected: told, ..Conn::default() });
        });
    } else {
        assert!(out.is_null(), "outputs are written only on success");
    }
}

fn on_conn() {
    let conn = handle(CONN);
    let any = [InvalidHandle, WrongKind, InvalidArgument];
    // SAFETY: see make.
    unsafe {
        match draw(|input| input.byte() % 24) {
            0..=5 => {
                let ((data, len), (kind, flags)) =
                    (payload(), draw(|input| (input.byte(), input.byte())));
                let kind = if kind < 250 { 1 + i32::from(kind) % 2 } else { i32::from(kind) };
                let flags = if flags < 250 { u32::from(flags) % 2 } else { u32::from(flags) };
                let status = wsock_conn_send(conn as _, kind, data.cast(), len, flags);
                documented(
                    status,
                    &[InvalidHandle, WrongKind, State, Limit, InvalidArgument, Unsupported],
                );
                assert!(status <= WSOCK_BUFFERED);
            }
            6 | 7 => {
                let (data, len) = payload();
                documented(
                    wsock_conn_send_text(conn as _, data.cast(), len),
                    &[State, Limit, any[0], any[1], any[2]],
                );
            }
            8 => {
                let (data, len) = payload();
                documented(
                    wsock_conn_send_binary(conn as _, data.cast(), len),
                    &[State, Limit, any[0], any[1], any[2]],
                );
            }
            9 => {
                let (data, len) = payload();
                documented(
                    wsock_conn_ping(conn as _, data.cast(), len),
                    &[State, any[0], any[1], any[2]],
                );
            }
            10 | 11 => {
                let (code, reason) = (close_code(), text());
                documented(wsock_conn_close(conn as _, code, as_ptr(&reason)), &any);
            }
            12 => documented(wsock_conn_abort(conn as _), &any[..2]),
            13 => documented(wsock_conn_pause(conn as _), &any[..2]),
            14 | 15 => documented(wsock_conn_resume(conn as _), &any[..2]),
            16 => {
                let what = draw(|input| input.byte() as i8);
                lent(|len| wsock_conn_get_str(conn as _, i32::from(what) % 9, len));
            }
            17 => {
                let (name, index) = (text(), draw(|input| input.byte() as usize));
                lent(|len| wsock_conn_header(conn as _, as_ptr(&name), index, len));
            }
            18..=20 => set_user_data(conn),
            21 => documented(sized(|out| wsock_conn_get_stats(conn as _, out)), &any),
            22 => {
                assert!((WSOCK_CONNECTING..=WSOCK_CLOSED).contains(&wsock_conn_state(conn as _)));
                wsock_conn_buffered_amount(conn as _);
            }
            _ => {
                let server = wsock_conn_server(conn as _).addr();
                assert!(server == 0 || world(|w| w.handles[SERVER].contains(&server)));
            }
        }
    }
}

fn close_code() -> i32 {
    draw(|input| match input.byte() {
        0..=99 => 1000,
        100..=149 => 0,
        150..=199 => 3000 + i32::from(input.byte()),
        200..=249 => 900 + i32::from(input.byte()),
        250 => -1,
        _ => 65_536 + 1000,
    })
}

fn set_user_data(conn: usize) {
    let old = wsock_conn_user_data(conn as _).addr();
    let told = old != 0 && world(|w| w.users[old - 1].told);
    let releasable = draw(|input| input.byte()) & 1 == 0;
    let user = new_user(told, releasable);
    // Releasing what was there may already call back in, but not with the new one.
    world(|w| w.users[user].attached = true);
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

fn on_options() {
    let options = handle(OPTIONS);
    let any = [InvalidHandle, WrongKind, InvalidArgument];
    // SAFETY: see make.
    unsafe {
        match draw(|input| input.byte() % 8) {
            0..=3 => {
                let (key, value) = draw(|input| (i32::from(input.byte() % 52), input.byte()));
                let value = match value {
                    0..=199 => i64::from(value),
                    200..=219 => i64::from(value) * 1000,
                    220 => -1,
                    221 => i64::MAX,
                    _ => 1,
                };
                documented(
                    wsock_options_set_int(options as _, key, value),
                    &[Unsupported, any[0], any[1], any[2]],
                );
            }
            4 => {
                let (name, value) = (text(), text());
                documented(
                    wsock_options_add_header(options as _, as_ptr(&name), as_ptr(&value)),
                    &any,
                );
            }
            5 => {
                let protocol = text();
                documented(wsock_options_add_protocol(options as _, as_ptr(&protocol)), &any);
            }
            6 => {
                let (origin, key) = (text(), draw(|input| i32::from(input.byte() % 8) + 96));
                documented(wsock_options_add_origin(options as _, as_ptr(&origin)), &any);
                documented(
                    wsock_options_set_str(options as _, key, as_ptr(&origin)),
                    &[Unsupported, any[0], any[1], any[2]],
                );
            }
            _ if draw(|input| input.byte()) > 200 => wsock_options_free(options as _),
            _ => {
                let (key, mut bounds) = (draw(|input| i32::from(input.byte())), [0i64; 3]);
                let [min, max, default] = &mut bounds;
                documented(wsock_option_bounds(key, min, max, default), &[Unsupported]);
                assert!(bounds[0] <= bounds[2] && bounds[2] <= bounds[1]);
            }
        }
    }
}

fn on_request() {
    let request = handle(REQUEST);
    let any = [InvalidHandle, WrongKind, InvalidArgument];
    let index = draw(|input| input.byte() as usize % 12);
    // SAFETY: see make.
    unsafe {
        match draw(|input| input.byte() % 8) {
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
                documented(
                    wsock_request_select_protocol(request as _, as_ptr(&protocol)),
                    &[State, any[0], any[1], any[2]],
                );
            }
            5 => {
                let (name, value) = (text(), text());
                documented(
                    wsock_request_add_header(request as _, as_ptr(&name), as_ptr(&value)),
                    &any,
                );
            }
            6 => {
                let (kind, (data, len)) = (text(), payload());
                documented(
                    wsock_request_set_body(request as _, as_ptr(&kind), data.cast(), len),
                    &any,
                );
            }
            _ => {
                let status = wsock_request_is_upgrade(request as _);
                documented(status, &any[..2]);
                assert!(status <= 1);
            }
        }
    }
}

fn on_server_or_loop() {
    let (server, owner) = (handle(SERVER), handle(LOOP));
    // SAFETY: see make.
    unsafe {
        match draw(|input| input.byte() % 8) {
            0 => {
                let (code, reason) = (close_code(), text());
                let grace = i32::from(draw(|input| input.byte() as i8)) / 8;
                documented(
                    wsock_server_close(server as _, grace, code, as_ptr(&reason)),
                    &[InvalidHandle, WrongKind, InvalidArgument],
                );
            }
            1 => documented(
                sized(|out| wsock_server_get_stats(server as _, out)),
                &[InvalidHandle, WrongKind, InvalidArgument],
            ),
            2 => documented(wsock_loop_stop(owner as _), &[InvalidHandle, WrongKind]),
            3 => documented(wsock_loop_wakeup(owner as _), &[InvalidHandle, WrongKind]),
            4 => documented(wsock_loop_fd(owner as _), &[InvalidHandle, WrongKind]),
            5 => {
                let timeout = wsock_loop_timeout_ms(owner as _);
                if timeout < -1 {
                    documented(timeout, &[InvalidHandle, WrongKind]);
                }
            }
            _ => post(owner),
        }
    }
}

fn post(owner: usize) {
    let how = draw(|input| input.byte());
    let (missing, releasable) = (how & 7 == 7, how & 8 == 0);
    let index = world(|w| {
        w.tasks.push(Task { owner, releasable, ..Task::default() });
        w.tasks.len() - 1
    });
    let status = wsock_loop_post(
        owner as _,
        (!missing).then_some(task as _),
        pointer(index),
        releasable.then_some(release_task as _),
    );
    documented(status, &[InvalidHandle, WrongKind, InvalidArgument]);
    world(|w| w.tasks[index].accepted = status == WSOCK_OK);
}

/// Somebody on the network who need not speak the protocol.
fn peer() {
    const FRAMES: [&[u8]; 6] = [
        b"\x81\x85\0\0\0\0hello",
        b"\x02\x83\0\0\0\0one\x89\x80\0\0\0\0\x80\x83\0\0\0\0two",
        b"\x88\x82\0\0\0\0\x03\xe8",
        b"\x81\x82\0\0\0\0\xff\xff",
        b"\x8a\x80\0\0\0\0",
        b"\x82\xfe\x10\x00\0\0\0\0",
    ];
    let port = port();
    match draw(|input| input.byte() % 8) {
        0..=2 if port != 0 => {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let Ok(peer) = TcpStream::connect_timeout(&address, Duration::from_millis(5)) else {
                return;
            };
            peer.set_nonblocking(true).expect("a socket");
            world(|w| w.peers.push(peer));
            write(UPGRADE.as_bytes());
        }
        3 => drop(world(|w| w.peers.pop())),
        4 => write(&draw(|input| input.bytes(16).to_vec())),
        5 => write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
        n => write(FRAMES[(n as usize + draw(|input| input.below(6))) % 6]),
    }
}

/// From the newest peer; what does not fit is lost.
fn write(bytes: &[u8]) {
    world(|w| w.peers.last_mut().map(|peer| peer.write(bytes)));
}

fn constants() {
    let code = draw(|input| i32::from(input.byte() as i8));
    for text in [wsock_strerror(code), wsock_error_name(code), wsock_version_string()] {
        lent(|_| text);
    }
    assert!(wsock_version() > 0 && wsock_features() & !3 == 0);
    wsock_abi_version();
}

pub fn seeds() -> Vec<Seed> {
    // 40 0 makes a loop, 40 3 a server, 40 8 a connection, 0 0 5 polls.
    const LOOP: &[u8] = &[40, 0];
    const SERVER: &[u8] = &[40, 3, 0, 0, 0, 9, 9, 9, 64];
    const CLIENT: &[u8] = &[40, 8, 0, 0, 0, 0, 9, 64];
    const POLL: &[u8] = &[0, 0, 5];
    const SEND: &[u8] = &[90, 0, 0, 9, 50, 0, 0];
    const CLOSE: &[u8] = &[90, 0, 10, 0, 1, 2];
    const PEER: &[u8] = &[220, 0, 0];
    let idle = [0; 30];
    vec![
        (
            "talk",
            [LOOP, SERVER, CLIENT, &POLL.repeat(4), SEND, &POLL.repeat(4), CLOSE, &POLL.repeat(4)]
                .concat(),
        ),
        (
            "from_callbacks",
            [
                LOOP,
                SERVER,
                CLIENT,
                &POLL.repeat(2),
                &[3],
                SEND,
                CLOSE,
                SEND,
                &POLL.repeat(3),
                &[1, 90, 0, 12],
            ]
            .concat(),
        ),
        (
            "peer",
            [LOOP, SERVER, PEER, POLL, &idle, POLL, &[220, 0, 6, 2], POLL, &[220, 0, 3], POLL]
                .concat(),
        ),
        ("free", [LOOP, SERVER, CLIENT, POLL, &idle, SEND, &[40, 7, 0], POLL].concat()),
        ("post", [LOOP, &[200, 0, 0, 6, 0], POLL, &[2, 40, 0, 200, 0, 0, 6, 1], POLL].concat()),
        (
            "options",
            [
                LOOP,
                &[40, 2, 150, 0, 0, 30, 1, 150, 0, 4, 2, 3, 2, 1, 150, 0, 5, 2, 2],
                SERVER,
                &[40, 8, 0, 0, 0, 1, 0, 9, 64],
                POLL,
                POLL,
            ]
            .concat(),
        ),
        (
            "odd",
            [
                &[40, 1][..],
                &[0, 235, 5],
                &[90, 250, 1, 2, 3, 4, 5, 6, 7, 8, 12],
                &[250, 200],
                &[180, 0, 0, 0],
            ]
            .concat(),
        ),
    ]
}
