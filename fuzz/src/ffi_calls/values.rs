//! What calls are given, usual and odd, and how their answers are looked at.

use super::super::input::length;
use super::world::*;
use std::ffi::{CStr, CString, c_char};
use std::ptr;
use wsock::error::Code;
use wsock::ffi::server::wsock_server_port;
use wsock::ffi::status::*;
use wsock::ffi::types::wsock_error_info;

unsafe extern "C" {
    fn wsock_last_error(out_info: *mut wsock_error_info) -> wsock_status;
}

/// What a payload points to.
static BYTES: [u8; 200_000] = [b'a'; 200_000];

/// The calls that may call back.
pub fn inside(f: impl FnOnce() -> i32) -> i32 {
    world(|w| w.inside += 1);
    let status = f();
    world(|w| w.inside -= 1);
    status
}

/// Done, or refused for a reason that the header names; and then there is a sentence about it.
pub fn documented(status: i32, errors: &[Code]) {
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
pub fn handle(class: usize) -> usize {
    let byte = draw(|input| input.byte());
    let newest = |class: usize| {
        world(|w| {
            let all = &w.handles[class];
            if all.is_empty() { 0 } else { all[all.len() - 1 - byte as usize % all.len()] }
        })
    };
    match byte {
        0..=215 => newest(class),
        216..=231 => newest(byte as usize % 7),
        232..=239 => 0,
        240..=247 => newest(class) ^ 1 << draw(|input| input.byte() % 64),
        _ => draw(|input| input.bytes(8).iter().fold(0, |all, &byte| all << 8 | byte as usize)),
    }
}

/// No options more often than not.
pub fn maybe_options() -> usize {
    if below(2) == 0 { 0 } else { handle(OPTIONS) }
}

/// Configuration text: usual, odd, from the input, or none.
pub fn text() -> Option<CString> {
    const WORDS: [&CStr; 16] = [
        c"",
        c"a",
        c"chat",
        c"X-Test",
        c"Host",
        c"Sec-WebSocket-Key",
        c"no token",
        c"v\r\nX: y",
        c"Origin",
        c"https://example.org",
        c"Content-Length",
        c"text/plain",
        c"\xc3\xbc",
        c"127.0.0.1",
        c"Cookie",
        c"a=b; c=\"d\"",
    ];
    draw(|input| match input.byte() {
        0 => None,
        1..=170 => Some(WORDS[input.below(16)].to_owned()),
        n @ 171..=180 => Some(CString::new("x".repeat(n as usize * 3 - 440)).expect("no NUL")),
        n => {
            let bytes = input.bytes(n as usize % 40);
            Some(CString::new(bytes.split(|&b| b == 0).next().unwrap_or(&[])).expect("no NUL"))
        }
    })
}

/// A header line. Nobody is sent further than this machine.
pub fn header() -> [Option<CString>; 2] {
    match below(8) {
        0 => [Some(c"Location".to_owned()), url()],
        1 => [Some(c"WWW-Authenticate".to_owned()), Some(CHALLENGES[below(4)].to_owned())],
        2 => [Some(c"Set-Cookie".to_owned()), Some(c"a=b; Path=/; HttpOnly".to_owned())],
        3 => [Some(c"Retry-After".to_owned()), Some(c"0".to_owned())],
        _ => {
            let name = text();
            let is_location = |name: &CString| name.as_bytes().eq_ignore_ascii_case(b"location");
            let value = if name.as_ref().is_some_and(is_location) { url() } else { text() };
            [name, value]
        }
    }
}

pub const CHALLENGES: [&CStr; 4] = [
    c"Basic realm=\"r\"",
    c"Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256",
    c"Digest realm=\"r\", nonce=\"n\", stale=true, Basic realm=\"r\"",
    c"Digest nonce",
];

pub fn as_ptr(text: &Option<CString>) -> *const c_char {
    text.as_ref().map_or(ptr::null(), |text| text.as_ptr())
}

/// A payload and its length, sometimes one that cannot be.
pub fn payload() -> (*const u8, usize) {
    draw(|input| match input.byte() {
        0 => (ptr::null(), 0),
        1 => (ptr::null(), 1 + input.byte() as usize),
        2 => (BYTES.as_ptr(), usize::MAX),
        3 => (BYTES.as_ptr(), isize::MAX as usize + 1),
        4 => (b"\xff\xc0".as_ptr(), 2),
        _ => (BYTES.as_ptr(), length(input.byte())),
    })
}

pub fn any_code() -> i32 {
    draw(|input| match input.byte() {
        0..=99 => 1000,
        100..=149 => 0,
        150..=199 => 3000 + i32::from(input.byte()),
        200..=249 => 900 + i32::from(input.byte()),
        250 => -1,
        _ => 65_536 + 1000,
    })
}

/// A port that something of ours listens on, or 1.
pub fn port() -> u16 {
    match wsock_server_port(handle(SERVER) as _) {
        0 => stage().unwrap_or(1),
        port => port,
    }
}

/// The port where peers play the server.
pub fn stage() -> Option<u16> {
    world(|w| w.stage.as_ref()?.local_addr().ok()).map(|address| address.port())
}

/// Never further than this machine, and there only what listens for us.
pub fn url() -> Option<CString> {
    let server = handle(SERVER);
    let known = world(|w| w.servers.get(&server).map(|it| (it.place.clone(), it.secure)));
    let (place, secure) = known.unwrap_or_else(|| ("://127.0.0.1:1/".to_owned(), false));
    let scheme = |secure: bool| if secure { "wss" } else { "ws" };
    let url = match below(16) {
        0..=7 => format!("{}{place}x?y", scheme(secure)),
        8 => format!("{}{place}", scheme(!secure)),
        9 => format!("{}://u:p@127.0.0.1:{}", if secure { "https" } else { "http" }, port()),
        10 => format!("{}://localhost:{}/", scheme(secure), port()),
        11 | 12 => format!("ws://127.0.0.1:{}/", stage().unwrap_or(1)),
        13 => "ws://[::1]:1/".to_owned(),
        14 => "ftp://127.0.0.1/".to_owned(),
        _ => {
            let path = text()?;
            let url = [scheme(secure).as_bytes(), place.as_bytes(), path.as_bytes()].concat();
            return CString::new(url).ok();
        }
    };
    CString::new(url).ok()
}

/// A struct with its size in front comes back filled as far as it says, and untouched behind.
pub fn sized<T: Copy>(f: impl FnOnce(*mut T) -> i32) -> (i32, Option<T>) {
    let known = size_of::<T>();
    let size = [known, 8, known / 2, known + 64, 4096, 0, 7, 4097, usize::MAX][below(9)];
    let mut words = [0xAAAA_AAAA_AAAA_AAAAu64; 520];
    words[0] = size as u64;
    let before = words;
    let status = f(words.as_mut_ptr().cast());
    let end = if status < 0 { 0 } else { size };
    let bytes =
        |words: &[u64; 520]| words.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<_>>();
    assert_eq!(bytes(&words)[end..], bytes(&before)[end..]);
    assert!(status < 0 || words[0] == size.min(known) as u64);
    // SAFETY: plain data that was filled to its end.
    let all = (status >= 0 && size >= known).then(|| unsafe { words.as_ptr().cast::<T>().read() });
    (status, all)
}

/// A text that the library lends.
pub fn lent(f: impl FnOnce(*mut usize) -> *const c_char) {
    let mut len = usize::MAX;
    let text = f(if draw(|input| input.byte()) == 0 { ptr::null_mut() } else { &mut len });
    if !text.is_null() {
        // SAFETY: the library lends texts that end with NUL.
        let text = unsafe { CStr::from_ptr(text) };
        assert!(text.to_str().is_ok() && (len == usize::MAX || len == text.to_bytes().len()));
    }
}
