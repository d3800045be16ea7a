//! wsock_options: the object and its functions. The options themselves are in the files beside.

pub mod client;
pub mod deflate;
mod draft;
pub mod general;
pub mod limits;
pub mod sockets;
mod table;
pub mod tls;

use std::ffi::c_char;
use std::sync::Arc;

use once_cell::sync::Lazy;

use self::draft::Draft;
use self::general::{WSOCK_ORIGIN_LISTED, check_origin};
use super::args::{handle, id, out, text};
use super::boundary;
use super::status::wsock_status;
use super::types::wsock_options;
use crate::driver::loops;
use crate::driver::preface::TrustedProxy;
use crate::driver::settings::Settings;
use crate::error::{Code, Error, Result};
use crate::proto::handshake::subprotocol;
use crate::proto::http::{check_application_header, cookie};
use crate::util::id::{Id, Kind, MAX_SLOTS};
use crate::util::registry::Registry;

/// Living option sets.
static REGISTRY: Lazy<Registry<Box<Draft>>> = Lazy::new(Registry::default);

/// Whether the id names a set of options that has not been freed.
pub fn is_alive(id: Id) -> bool {
    REGISTRY.with(id, |_| ()).is_some()
}

fn with<R>(options: *const wsock_options, f: impl FnOnce(&mut Draft) -> Result<R>) -> Result<R> {
    let id = id(options)?;
    REGISTRY.with(id, |draft| f(draft)).unwrap_or_else(|| Err(loops::stale(Kind::Options)))
}

/// What a set of options says; NULL means the defaults.
pub fn settings(options: *const wsock_options) -> Result<Arc<Settings>> {
    if options.is_null() {
        static DEFAULTS: Lazy<Arc<Settings>> = Lazy::new(|| Arc::new(Draft::default().finish()));
        return Ok(DEFAULTS.clone());
    }
    with(options, |draft| Ok(Arc::new(draft.finish())))
}

fn change(
    options: *mut wsock_options,
    change: impl FnOnce(&mut Draft) -> Result<()>,
) -> Result<()> {
    with(options, change)
}

/// Makes a set of options with the default values. Free it with wsock_options_free.
///
/// Thread: any. Errors: INVALID_ARGUMENT, LIMIT. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_options_new(out_options: *mut *mut wsock_options) -> wsock_status {
    boundary::status(|| {
        // SAFETY: NULL or writable.
        let out = unsafe { out(out_options, "out_options") }?;
        let id = REGISTRY.insert(Kind::Options, |_| Box::default()).ok_or_else(|| {
            Error::new(Code::Limit, format!("{MAX_SLOTS} option sets exist already; free some"))
        })?;
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
        let draft = REGISTRY.remove(id(options)?);
        draft.map(drop).ok_or_else(|| loops::stale(Kind::Options))
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
            let option = table::find(key)?;
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

/// Sets a text option; key is a WSOCK_OPT_* that says it is a text. "" takes it back.
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
        // SAFETY: NULL or NUL-terminated.
        let value = unsafe { text(value, "value") };
        change(options, |draft| table::set_text(draft, key, value?))
    })
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
            if name.eq_ignore_ascii_case("Cookie") && !draft.settings.cookies.is_empty() {
                return Err(Error::new(
                    Code::InvalidArgument,
                    "cookies were added already; add all cookies one way",
                ));
            }
            draft.settings.headers.push((name.to_owned(), value.to_owned()));
            Ok(())
        })
    })
}

/// Client: adds a cookie to send. Names are tokens; values have no spaces, quotes, commas, semicolons or
/// backslashes. What the server sets is told by wsock_conn_cookie; nothing is kept from one connection
/// to the next.
///
/// Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_options_add_cookie(
    options: *mut wsock_options,
    name: *const c_char,
    value: *const c_char,
) -> wsock_status {
    boundary::status(|| {
        // SAFETY: NULL or NUL-terminated.
        let (name, value) = unsafe { (text(name, "name"), text(value, "value")) };
        change(options, |draft| {
            let (name, value) = (name?, value?);
            cookie::check(name, value)?;
            if draft.has_header("Cookie") {
                return Err(Error::new(
                    Code::InvalidArgument,
                    "a Cookie header was added already; add all cookies one way",
                ));
            }
            draft.settings.cookies.push((name.to_owned(), value.to_owned()));
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

/// Server: names load balancers that begin each connection with a header of the PROXY protocol, version
/// 1 or 2, which says whom they speak for. proxies is an address ("::1"), a network ("10.0.0.0/8"), or
/// "unix" for everybody who connects over a Unix domain socket; call it again for more.
///
/// A connection from one of these must begin with such a header and is dropped otherwise; the peer
/// address of its request and of its connection is the one that the header tells. Connections from
/// elsewhere must not have one: nobody else's word is taken for it.
///
/// Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_options_add_trusted_proxy(
    options: *mut wsock_options,
    proxies: *const c_char,
) -> wsock_status {
    boundary::status(|| {
        // SAFETY: NULL or NUL-terminated.
        let proxies = unsafe { text(proxies, "proxies") };
        change(options, |draft| {
            draft.settings.trusted_proxies.push(TrustedProxy::parse(proxies?)?);
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
        let option = table::find(key)?;
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
