//! Sets of options.

use super::values::*;
use super::world::*;
use std::ffi::{CStr, CString};
use std::ptr;
use wsock::error::Code::*;
use wsock::ffi::options::client::*;
use wsock::ffi::options::general::*;
use wsock::ffi::options::sockets::*;
use wsock::ffi::options::tls::*;
use wsock::ffi::options::*;
use wsock::ffi::status::*;

/// For localhost, by itself, for a hundred years.
const CERTIFICATE: &str = include_str!("certificate.pem");
const KEY: &str = include_str!("key.pem");
const PIN: &CStr = c"sha256//8wMnsaflwOGPss01STE6iuFfB0QE1PnjtsSxUB+YsN4=";

/// All integer options but WSOCK_OPT_PROXY_FROM_ENV, whose proxies are not ours.
const KEYS: [i32; 50] = [
    1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 30, 31, 32, 33, 34, 35, 36, 37,
    40, 41, 42, 43, 44, 46, 50, 51, 52, 53, 54, 60, 61, 62, 63, 64, 71, 80, 81, 82, 83, 84, 90, 0,
    45,
];

const TEXTS: [(i32, &CStr); 12] = [
    (WSOCK_OPT_ORIGIN, c"https://example.org"),
    (WSOCK_OPT_TLS_CA_FILE, c"/dev/null"),
    (WSOCK_OPT_TLS_CA_FILE, c""),
    (WSOCK_OPT_TLS_CA_PEM, c"-----BEGIN CERTIFICATE-----"),
    (WSOCK_OPT_TLS_SERVER_NAME, c"localhost"),
    (WSOCK_OPT_NO_PROXY, c"127.0.0.1:1, localhost"),
    (WSOCK_OPT_NO_PROXY, c"*"),
    (WSOCK_OPT_INTERFACE, c"lo"),
    (WSOCK_OPT_SOURCE_ADDRESS, c"127.0.0.1"),
    (WSOCK_OPT_SOURCE_ADDRESS, c"[::1]:0"),
    (WSOCK_OPT_USER, c"user"),
    (WSOCK_OPT_PASSWORD, c"secret"),
];

pub fn make() {
    let mut out = ptr::null_mut();
    // SAFETY: see looping::make.
    documented(unsafe { wsock_options_new(&mut out) }, &[Limit]);
    world(|w| {
        w.handles[OPTIONS].push(out.addr());
        w.options.insert(out.addr(), Options::default());
    });
    // What is of no use half done.
    match below(6) {
        0 => certify(out.addr()),
        1 => {
            set_int(out.addr(), WSOCK_OPT_RECONNECT, below(4) as i64 - 1);
            set_int(out.addr(), WSOCK_OPT_RECONNECT_FIRST_MS, below(3) as i64);
            set_int(out.addr(), WSOCK_OPT_RECONNECT_QUEUE, below(3) as i64 * 100);
        }
        _ => {}
    }
}

pub fn any() {
    let options = handle(OPTIONS);
    let any = [InvalidHandle, WrongKind, InvalidArgument];
    // SAFETY: see looping::make.
    unsafe {
        match below(16) {
            0..=4 => set_int(options, key(), value()),
            5 => {
                let [name, value] = header();
                let status = wsock_options_add_header(options as _, as_ptr(&name), as_ptr(&value));
                documented(status, &any);
            }
            6 => {
                let (name, value) = (text(), text());
                let status = wsock_options_add_cookie(options as _, as_ptr(&name), as_ptr(&value));
                documented(status, &any);
            }
            7 => {
                let protocol = text();
                documented(wsock_options_add_protocol(options as _, as_ptr(&protocol)), &any);
            }
            8 => {
                let origin = text();
                documented(wsock_options_add_origin(options as _, as_ptr(&origin)), &any);
            }
            9 | 10 => set_text(options),
            11 => set_str(options, WSOCK_OPT_PROXY, &proxy()),
            12 => {
                let proxies = [Some(c"127.0.0.0/8".to_owned()), Some(c"unix".to_owned()), text()];
                let proxies = as_ptr(&proxies[below(3)]);
                documented(wsock_options_add_trusted_proxy(options as _, proxies), &any);
            }
            13 => certify(options),
            14 if below(4) == 3 => wsock_options_free(options as _),
            _ => {
                let (key, mut bounds) = (key(), [0i64; 3]);
                let [min, max, default] = &mut bounds;
                documented(wsock_option_bounds(key, min, max, default), &[Unsupported]);
                assert!(bounds[0] <= bounds[2] && bounds[2] <= bounds[1]);
            }
        }
    }
}

fn key() -> i32 {
    match draw(|input| input.byte()) {
        n @ 0..=239 => KEYS[n as usize % KEYS.len()],
        n => i32::from(n) - 240 + WSOCK_OPT_ORIGIN,
    }
}

/// Small ones most of the time: then something happens.
fn value() -> i64 {
    match draw(|input| input.byte()) {
        n @ 0..=159 => i64::from(n) % 4,
        n @ 160..=219 => i64::from(n) - 150,
        n @ 220..=249 => (i64::from(n) - 219) * 1000,
        250 => -1,
        251 => i64::MAX,
        252 => i64::MIN,
        _ => 1,
    }
}

fn set_int(options: usize, key: i32, value: i64) {
    let status = wsock_options_set_int(options as _, key, value);
    documented(status, &[InvalidHandle, WrongKind, InvalidArgument, Unsupported]);
    if status == WSOCK_OK && key == WSOCK_OPT_RECONNECT {
        world(|w| w.options.entry(options).or_default().attempts = value);
    }
}

/// No file and no proxy out of the input.
fn set_text(options: usize) {
    let (key, usual) = TEXTS[below(TEXTS.len())];
    let odd = key != WSOCK_OPT_TLS_CA_FILE && below(4) == 3;
    set_str(options, key, &if odd { text() } else { Some(usual.to_owned()) });
}

fn set_str(options: usize, key: i32, value: &Option<CString>) {
    // SAFETY: see looping::make.
    let status = unsafe { wsock_options_set_str(options as _, key, as_ptr(value)) };
    documented(status, &[InvalidHandle, WrongKind, InvalidArgument, Unsupported]);
}

/// Our own servers do not know that they are proxies, and who plays one on the stage says anything.
fn proxy() -> Option<CString> {
    let scheme = ["http", "https", "socks5", "socks5h"][below(4)];
    let host = ["127.0.0.1", "u:p@127.0.0.1", "localhost", ""][below(4)];
    let port = stage().filter(|_| below(2) == 0).unwrap_or_else(port);
    CString::new(format!("{scheme}://{host}:{port}")).ok()
}

/// A certificate to show, and whom to trust.
fn certify(options: usize) {
    let any = [InvalidHandle, WrongKind, InvalidArgument, Unsupported];
    let [certificate, key] = [CERTIFICATE, KEY].map(|pem| CString::new(pem).ok());
    let shown = || {
        // SAFETY: see looping::make.
        let status =
            unsafe { wsock_options_add_cert_pem(options as _, as_ptr(&certificate), as_ptr(&key)) };
        documented(status, &any);
        if status == WSOCK_OK {
            world(|w| w.options.entry(options).or_default().secure = true);
        }
    };
    // SAFETY: see looping::make.
    unsafe {
        match below(8) {
            0..=3 => {
                shown();
                set_str(options, WSOCK_OPT_TLS_CA_PEM, &certificate);
            }
            4 => set_str(options, WSOCK_OPT_TLS_CA_PEM, &certificate),
            5 => {
                let pin = if below(2) == 0 { Some(PIN.to_owned()) } else { text() };
                documented(wsock_options_add_pin(options as _, as_ptr(&pin)), &any);
            }
            6 => {
                let odd = text();
                let status =
                    wsock_options_add_cert_pem(options as _, as_ptr(&certificate), as_ptr(&odd));
                documented(status, &any);
            }
            _ => {
                let file = c"/dev/null".as_ptr();
                documented(wsock_options_add_cert_files(options as _, file, file), &any);
            }
        }
    }
}
