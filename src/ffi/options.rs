//! wsock_options.

use std::ffi::c_char;
use std::sync::{Arc, Mutex, MutexGuard};

use once_cell::sync::Lazy;

use super::args::{handle, id, out, text};
use super::boundary;
use super::status::wsock_status;
use super::types::wsock_options;
use crate::driver::settings::Settings;
use crate::error::{Code, Error, Result};
use crate::proto::deflate;
use crate::proto::handshake::server::OriginPolicy;
use crate::proto::handshake::subprotocol;
use crate::proto::http::{check_application_header, check_header};
use crate::util::id::{Id, Kind, MAX_SLOTS};
use crate::util::table::Table;

/// Client: milliseconds for the name look-up and TCP together. 0: as long as the system tries.
/// Default 30000.
pub const WSOCK_OPT_CONNECT_TIMEOUT_MS: i32 = 1;
/// Milliseconds for the opening handshake, both roles. 0: no limit. Default 10000.
pub const WSOCK_OPT_HANDSHAKE_TIMEOUT_MS: i32 = 2;
/// Milliseconds for the close handshake and the end of TCP after it. At least 1. Default 5000.
pub const WSOCK_OPT_CLOSE_TIMEOUT_MS: i32 = 3;
/// Milliseconds without a message either way, pings and pongs not counted, after which the connection
/// is closed with 1001 "idle timeout". 0: never. Default 0.
pub const WSOCK_OPT_IDLE_TIMEOUT_MS: i32 = 4;
/// Milliseconds of silence of the peer after which a ping asks whether it lives. 0: never. Default 25000.
pub const WSOCK_OPT_PING_INTERVAL_MS: i32 = 5;
/// Milliseconds of silence after that ping which mean it does not. Default 20000.
pub const WSOCK_OPT_PONG_TIMEOUT_MS: i32 = 6;
/// Largest message to receive, in bytes after inflating. A peer that sends more gets 1009.
/// Default 16 MiB.
pub const WSOCK_OPT_MAX_MESSAGE_SIZE: i32 = 10;
/// Largest frame to receive, in bytes. 0: as large as a message. Default 0.
pub const WSOCK_OPT_MAX_FRAME_SIZE: i32 = 11;
/// Frames that one message may be cut into. A peer that sends more gets 1008. Default 131072.
pub const WSOCK_OPT_MAX_FRAGMENTS: i32 = 12;
/// Control frames a peer may send in a second before it gets 1008. 0: any number. Default 1000.
pub const WSOCK_OPT_MAX_CONTROL_RATE: i32 = 13;
/// Bytes in the send queue above which sending answers WSOCK_BUFFERED; lowered to below
/// WSOCK_OPT_MAX_BUFFERED when it is not. Default 1 MiB.
pub const WSOCK_OPT_HIGH_WATER: i32 = 14;
/// Bytes in the send queue at which on_drain comes; lowered to WSOCK_OPT_HIGH_WATER and to half of
/// WSOCK_OPT_MAX_BUFFERED when above. Default 256 KiB.
pub const WSOCK_OPT_LOW_WATER: i32 = 15;
/// Bytes in the send queue above which sending answers WSOCK_ERR_LIMIT. An empty queue takes one
/// message of any size. Default 64 MiB.
pub const WSOCK_OPT_MAX_BUFFERED: i32 = 16;
/// Largest head of a request or response to receive, in bytes. Default 16384.
pub const WSOCK_OPT_MAX_HEAD_BYTES: i32 = 17;
/// Most header lines in it. Default 100.
pub const WSOCK_OPT_MAX_HEADERS: i32 = 18;
/// Longest request line or status line to receive, in bytes. Default 8192.
pub const WSOCK_OPT_MAX_REQUEST_LINE: i32 = 19;
/// 1: offer or accept permessage-deflate. Default 0.
pub const WSOCK_OPT_DEFLATE: i32 = 30;
/// How hard to compress: 1 (fast) to 9 (small). Default 1.
pub const WSOCK_OPT_DEFLATE_LEVEL: i32 = 31;
/// Messages shorter than this are sent uncompressed. Default 64.
pub const WSOCK_OPT_DEFLATE_MIN_SIZE: i32 = 32;
/// Window of the server's compressor, 9 to 15 bits. Default 15.
pub const WSOCK_OPT_DEFLATE_SERVER_WINDOW_BITS: i32 = 33;
/// Window of the client's compressor, 9 to 15 bits. Default 15.
pub const WSOCK_OPT_DEFLATE_CLIENT_WINDOW_BITS: i32 = 34;
/// 1: the server may refer to earlier messages: smaller messages, but some 300 KiB of memory for each
/// connection that is sending. Default 0: one compressor serves all connections of a loop.
pub const WSOCK_OPT_DEFLATE_SERVER_TAKEOVER: i32 = 35;
/// 1: so may the client, whose compressors are few. Default 1.
pub const WSOCK_OPT_DEFLATE_CLIENT_TAKEOVER: i32 = 36;
/// Milliseconds after which an unused compressor of a connection is given back. Default 10000.
pub const WSOCK_OPT_DEFLATE_IDLE_MS: i32 = 37;
/// Server: connections the system keeps until they are accepted. Default 4096.
pub const WSOCK_OPT_BACKLOG: i32 = 40;
/// Server: which web pages it lets in, WSOCK_ORIGIN_*. Default 0, WSOCK_ORIGIN_ANY.
pub const WSOCK_OPT_ORIGIN_POLICY: i32 = 50;
/// Client: the Origin header it sends, a text (wsock_options_set_str). Default none.
pub const WSOCK_OPT_ORIGIN: i32 = 100;

/// Any Origin, or none.
pub const WSOCK_ORIGIN_ANY: i64 = 0;
/// Only origins given with wsock_options_add_origin, which sets this; others get 403.
pub const WSOCK_ORIGIN_LISTED: i64 = 1;
/// Any, but there must be one; others get 403.
pub const WSOCK_ORIGIN_REQUIRED: i64 = 2;

/// One integer option: its key, its bounds, and where it lives.
struct IntOption {
    key: i32,
    min: i64,
    max: i64,
    get: fn(&Draft) -> i64,
    set: fn(&mut Draft, i64),
}

/// A set of options as it is being filled in.
#[derive(Clone, Default)]
struct Draft {
    settings: Settings,
    deflate: deflate::Config,
    deflate_on: bool,
    origins: Vec<String>,
    origin_policy: i64,
}

const DAY_MS: i64 = 24 * 3600 * 1000;
const GIB: i64 = 1 << 30;

macro_rules! int_option {
    ($key:ident, $min:expr, $max:expr, $($field:ident).+ as $type:ty) => {
        IntOption {
            key: $key,
            min: $min,
            max: $max,
            get: |draft| draft.$($field).+ as i64,
            set: |draft, value| draft.$($field).+ = value as $type,
        }
    };
    ($key:ident, $($field:ident).+ as bool) => {
        IntOption {
            key: $key,
            min: 0,
            max: 1,
            get: |draft| draft.$($field).+ as i64,
            set: |draft, value| draft.$($field).+ = value != 0,
        }
    };
}

const INT_OPTIONS: &[IntOption] = &[
    int_option!(WSOCK_OPT_CONNECT_TIMEOUT_MS, 0, DAY_MS, settings.connect_timeout_ms as u64),
    int_option!(WSOCK_OPT_HANDSHAKE_TIMEOUT_MS, 0, DAY_MS, settings.handshake_timeout_ms as u64),
    int_option!(WSOCK_OPT_CLOSE_TIMEOUT_MS, 1, DAY_MS, settings.conn.close_timeout_ms as u64),
    int_option!(WSOCK_OPT_IDLE_TIMEOUT_MS, 0, 365 * DAY_MS, settings.conn.idle_timeout_ms as u64),
    int_option!(WSOCK_OPT_PING_INTERVAL_MS, 0, DAY_MS, settings.conn.ping_interval_ms as u64),
    int_option!(WSOCK_OPT_PONG_TIMEOUT_MS, 1, DAY_MS, settings.conn.pong_timeout_ms as u64),
    int_option!(WSOCK_OPT_MAX_MESSAGE_SIZE, 1, 1024 * GIB, settings.conn.max_message as u64),
    int_option!(WSOCK_OPT_MAX_FRAME_SIZE, 0, 1024 * GIB, settings.conn.max_frame as u64),
    int_option!(WSOCK_OPT_MAX_FRAGMENTS, 1, GIB, settings.conn.max_fragments as u32),
    int_option!(WSOCK_OPT_MAX_CONTROL_RATE, 0, GIB, settings.conn.max_control_rate as u32),
    int_option!(WSOCK_OPT_HIGH_WATER, 0, 1024 * GIB, settings.high_water as usize),
    int_option!(WSOCK_OPT_LOW_WATER, 0, 1024 * GIB, settings.low_water as usize),
    int_option!(WSOCK_OPT_MAX_BUFFERED, 1, 1024 * GIB, settings.max_buffered as usize),
    int_option!(WSOCK_OPT_MAX_HEAD_BYTES, 256, GIB, settings.head.max_bytes as usize),
    int_option!(WSOCK_OPT_MAX_HEADERS, 8, 100_000, settings.head.max_headers as usize),
    int_option!(WSOCK_OPT_MAX_REQUEST_LINE, 64, GIB, settings.head.max_line as usize),
    int_option!(WSOCK_OPT_BACKLOG, 1, 65_535, settings.backlog as i32),
    int_option!(WSOCK_OPT_ORIGIN_POLICY, 0, 2, origin_policy as i64),
];

const DEFLATE_OPTIONS: &[IntOption] = &[
    int_option!(WSOCK_OPT_DEFLATE, deflate_on as bool),
    int_option!(WSOCK_OPT_DEFLATE_LEVEL, 1, 9, deflate.level as u32),
    int_option!(WSOCK_OPT_DEFLATE_MIN_SIZE, 0, GIB, deflate.min_size as usize),
    int_option!(WSOCK_OPT_DEFLATE_SERVER_WINDOW_BITS, 9, 15, deflate.server_window_bits as u8),
    int_option!(WSOCK_OPT_DEFLATE_CLIENT_WINDOW_BITS, 9, 15, deflate.client_window_bits as u8),
    int_option!(WSOCK_OPT_DEFLATE_SERVER_TAKEOVER, deflate.server_takeover as bool),
    int_option!(WSOCK_OPT_DEFLATE_CLIENT_TAKEOVER, deflate.client_takeover as bool),
    int_option!(WSOCK_OPT_DEFLATE_IDLE_MS, 1, DAY_MS, deflate.idle_ms as u64),
];

fn int_option(key: i32) -> Result<&'static IntOption> {
    if let Some(option) = INT_OPTIONS.iter().find(|option| option.key == key) {
        return Ok(option);
    }
    match DEFLATE_OPTIONS.iter().find(|option| option.key == key) {
        Some(option) if cfg!(feature = "deflate") => Ok(option),
        Some(_) => Err(Error::new(
            Code::Unsupported,
            "this build of the library has no permessage-deflate; see wsock_features",
        )),
        None => Err(Error::new(
            Code::Unsupported,
            format!("this version of the library has no integer option with the number {key}"),
        )),
    }
}

impl Draft {
    fn finish(&self) -> Settings {
        let mut settings = self.settings.clone();
        // A mark that cannot be passed would never be told of.
        settings.high_water = settings.high_water.min(settings.max_buffered - 1);
        settings.low_water =
            settings.low_water.min(settings.high_water).min(settings.max_buffered / 2);
        settings.conn.deflate = self.deflate_on.then(|| self.deflate.clone());
        settings.origins = match self.origin_policy {
            WSOCK_ORIGIN_LISTED => OriginPolicy::Listed(self.origins.clone()),
            WSOCK_ORIGIN_REQUIRED => OriginPolicy::Required,
            _ => OriginPolicy::Any,
        };
        settings
    }
}

/// Living option sets, by slot. Any thread may use them, so they have a table of their own.
struct Registry {
    table: Table,
    drafts: Vec<Option<Box<Draft>>>,
}

static REGISTRY: Lazy<Mutex<Registry>> =
    Lazy::new(|| Mutex::new(Registry { table: Table::new(0), drafts: Vec::new() }));

fn registry() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(|poison| poison.into_inner())
}

impl Registry {
    fn draft(&mut self, id: Id) -> Result<&mut Draft> {
        let living = self.table.get(id).is_ok();
        let draft = self.drafts.get_mut(id.slot() as usize).and_then(Option::as_deref_mut);
        draft.filter(|_| living).ok_or_else(|| {
            Error::new(Code::InvalidHandle, "the options handle is not valid: it has been freed")
        })
    }
}

/// Whether the id names a set of options that has not been freed.
pub fn is_alive(id: Id) -> bool {
    registry().draft(id).is_ok()
}

/// What a set of options says; NULL means the defaults.
pub fn settings(options: *const wsock_options) -> Result<Arc<Settings>> {
    if options.is_null() {
        static DEFAULTS: Lazy<Arc<Settings>> = Lazy::new(|| Arc::new(Draft::default().finish()));
        return Ok(DEFAULTS.clone());
    }
    let id = id(options)?;
    Ok(Arc::new(registry().draft(id)?.finish()))
}

fn change(
    options: *mut wsock_options,
    change: impl FnOnce(&mut Draft) -> Result<()>,
) -> Result<()> {
    let id = id(options)?;
    change(registry().draft(id)?)
}

/// Makes a set of options with the default values. Free it with wsock_options_free.
///
/// Thread: any. Errors: INVALID_ARGUMENT, LIMIT. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_options_new(out_options: *mut *mut wsock_options) -> wsock_status {
    boundary::status(|| {
        // SAFETY: NULL or writable.
        let out = unsafe { out(out_options, "out_options") }?;
        let mut registry = registry();
        let id = registry.table.insert(Kind::Options, 0).ok_or_else(|| {
            Error::new(Code::Limit, format!("{MAX_SLOTS} option sets exist already; free some"))
        })?;
        let slot = id.slot() as usize;
        if slot >= registry.drafts.len() {
            registry.drafts.resize_with(slot + 1, || None);
        }
        registry.drafts[slot] = Some(Box::default());
        out.write(handle(id));
        Ok(())
    })
}

/// Frees a set of options. What was made with it is not affected. NULL and stale handles do no harm.
///
/// Thread: any. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_options_free(options: *mut wsock_options) {
    boundary::status(|| {
        if options.is_null() {
            return Ok(());
        }
        let id = id(options)?;
        let mut registry = registry();
        registry.draft(id)?;
        registry.drafts[id.slot() as usize] = None;
        registry.table.remove(id);
        Ok(())
    });
}

/// Sets an integer option; key is WSOCK_OPT_*.
///
/// Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, UNSUPPORTED (unknown key), INVALID_ARGUMENT (out of
/// range; see wsock_option_bounds). Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_options_set_int(
    options: *mut wsock_options,
    key: i32,
    value: i64,
) -> wsock_status {
    boundary::status(|| {
        change(options, |draft| {
            let option = int_option(key)?;
            if !(option.min..=option.max).contains(&value) {
                return Err(Error::new(
                    Code::InvalidArgument,
                    format!(
                        "{value} is out of range for option {key}: {} to {}",
                        option.min, option.max
                    ),
                ));
            }
            (option.set)(draft, value);
            Ok(())
        })
    })
}

/// Sets a text option: WSOCK_OPT_ORIGIN. "" takes it back.
///
/// Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, UNSUPPORTED (unknown key), INVALID_ARGUMENT.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_options_set_str(
    options: *mut wsock_options,
    key: i32,
    value: *const c_char,
) -> wsock_status {
    boundary::status(|| {
        change(options, |draft| {
            if key != WSOCK_OPT_ORIGIN {
                return Err(Error::new(
                    Code::Unsupported,
                    format!("this version of the library has no text option with the number {key}"),
                ));
            }
            // SAFETY: NULL or NUL-terminated.
            let value = unsafe { text(value, "value") }?;
            if !value.is_empty() {
                check_origin(value)?;
            }
            draft.settings.origin = (!value.is_empty()).then(|| value.to_owned());
            Ok(())
        })
    })
}

fn check_origin(origin: &str) -> Result<()> {
    if origin.is_empty() {
        return Err(Error::new(Code::InvalidArgument, "an origin must not be empty"));
    }
    check_header("Origin", origin)
}

/// Adds a header: a client sends it with its request, a server with every 101 answer. Headers that
/// the library sets itself (Host, Upgrade, Sec-WebSocket-... ) are refused, and so is anything that
/// would smuggle in a second line.
///
/// Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_options_add_header(
    options: *mut wsock_options,
    name: *const c_char,
    value: *const c_char,
) -> wsock_status {
    boundary::status(|| {
        // SAFETY: NULL or NUL-terminated.
        let (name, value) = unsafe { (text(name, "name"), text(value, "value")) };
        change(options, |draft| {
            let (name, value) = (name?, value?);
            check_application_header(name, value)?;
            draft.settings.headers.push((name.to_owned(), value.to_owned()));
            Ok(())
        })
    })
}

/// Adds a subprotocol: a client offers them in this order; a server accepts the first of the client's
/// that it has, unless on_request selects one. Each must be a token (RFC 6455 section 4.1) and may be
/// added once.
///
/// Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_options_add_protocol(
    options: *mut wsock_options,
    protocol: *const c_char,
) -> wsock_status {
    boundary::status(|| {
        // SAFETY: NULL or NUL-terminated.
        let protocol = unsafe { text(protocol, "protocol") };
        change(options, |draft| {
            let mut protocols = draft.settings.protocols.clone();
            protocols.push(protocol?.to_owned());
            subprotocol::check(&protocols)?;
            draft.settings.protocols = protocols;
            Ok(())
        })
    })
}

/// Adds an origin such as `https://example.org` whose pages a server lets in, and sets
/// WSOCK_OPT_ORIGIN_POLICY to WSOCK_ORIGIN_LISTED.
///
/// Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_options_add_origin(
    options: *mut wsock_options,
    origin: *const c_char,
) -> wsock_status {
    boundary::status(|| {
        // SAFETY: NULL or NUL-terminated.
        let origin = unsafe { text(origin, "origin") };
        change(options, |draft| {
            let origin = origin?;
            check_origin(origin)?;
            draft.origins.push(origin.to_owned());
            draft.origin_policy = WSOCK_ORIGIN_LISTED;
            Ok(())
        })
    })
}

/// Tells the least and greatest value of an integer option, and its default. Each pointer may be NULL.
///
/// Thread: any. Errors: UNSUPPORTED (unknown key). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_option_bounds(
    key: i32,
    out_min: *mut i64,
    out_max: *mut i64,
    out_default: *mut i64,
) -> wsock_status {
    boundary::status(|| {
        let option = int_option(key)?;
        let values = [option.min, option.max, (option.get)(&Draft::default())];
        for (pointer, value) in [out_min, out_max, out_default].into_iter().zip(values) {
            // SAFETY: NULL or writable.
            if let Some(out) = unsafe { pointer.as_mut() } {
                *out = value;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_within_its_bounds_and_every_option_moves_its_own_field() {
        let all: Vec<&IntOption> = INT_OPTIONS.iter().chain(DEFLATE_OPTIONS).collect();
        let defaults: Vec<i64> = all.iter().map(|o| (o.get)(&Draft::default())).collect();
        for (n, option) in all.iter().enumerate() {
            assert!((option.min..=option.max).contains(&defaults[n]), "option {}", option.key);
            let mut draft = Draft::default();
            let other = if defaults[n] == option.max { option.min } else { option.max };
            (option.set)(&mut draft, other);
            for (m, look) in all.iter().enumerate() {
                let expected = if m == n { other } else { defaults[m] };
                assert_eq!((look.get)(&draft), expected, "{} by {}", look.key, option.key);
            }
        }
    }
}
