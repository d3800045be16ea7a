//! The options of clients: proxies, redirects, log-in, coming back.

use super::draft::Draft;
use super::table::{DAY_MS, GIB, IntOption, int_option};
use crate::error::{Code, Error, Result};
use crate::proto::http::auth;
use crate::proto::proxy::{NoProxy, Proxies, ProxyUrl};

/// Client: 1: use the proxy that the environment names, if WSOCK_OPT_PROXY is not set: https_proxy for
/// wss://, http_proxy for ws://, else all_proxy, each in lower or upper case; no_proxy lists what is
/// reached directly, as in WSOCK_OPT_NO_PROXY. (HTTP_PROXY in upper case does not count in CGI
/// programs, where a client could set it.) Default 0.
pub const WSOCK_OPT_PROXY_FROM_ENV: i32 = 70;
/// Client: redirects (301, 302, 303, 307, 308) to follow at most. Never from wss:// to ws://; cookies,
/// Authorization, user and client certificate are not given to another host, port or scheme.
/// Default 0: as in browsers, a redirect is a failure.
pub const WSOCK_OPT_MAX_REDIRECTS: i32 = 71;
/// Client: how many attempts in a row to come back after a failure to connect or the loss of the
/// connection. 0: none. -1: for ever. See on_retry. It does not come back after wsock_conn_close and
/// wsock_conn_abort, nor when the server has closed with 1000. Default 0.
pub const WSOCK_OPT_RECONNECT: i32 = 80;
/// The wait before the first attempt is at most so many milliseconds, before each further one twice as
/// many; it is chosen at random from 0 to that, so that a thousand clients do not come back at once.
/// A server's Retry-After is honoured. Default 1000.
pub const WSOCK_OPT_RECONNECT_FIRST_MS: i32 = 81;
/// No wait is longer than so many milliseconds. Default 30000.
pub const WSOCK_OPT_RECONNECT_MAX_MS: i32 = 82;
/// A connection that was open for so many milliseconds ends the row: attempts and waits begin anew.
/// Default 10000.
pub const WSOCK_OPT_RECONNECT_STABLE_MS: i32 = 83;
/// Bytes of messages to accept while there is no connection; they leave right after on_open has
/// returned, so that a greeting sent in on_open goes first. 0: sending is refused meanwhile
/// (WSOCK_ERR_STATE). Default 0.
pub const WSOCK_OPT_RECONNECT_QUEUE: i32 = 84;
/// Client: the proxy to go through, a text: "http://host:port" (CONNECT), "https://..." (the same over
/// TLS), "socks5://..." (the name is looked up here) or "socks5h://..." (by the proxy), with
/// "user:password@" before the host if it asks for them. Default none.
pub const WSOCK_OPT_PROXY: i32 = 120;
/// Client: what is reached without the proxy, a text: a list, with commas, of domains (their subdomains
/// too), addresses, and networks such as 10.0.0.0/8, each with or without :port; "*" is everything.
/// Default none.
pub const WSOCK_OPT_NO_PROXY: i32 = 121;
/// Client: the user for a server that answers 401 and asks for Basic or Digest authorization, a text.
/// user:password@ in a URL is for the same, and sent as Basic at once. Default none.
pub const WSOCK_OPT_USER: i32 = 130;
/// Client: the password of that user, a text. Default none.
pub const WSOCK_OPT_PASSWORD: i32 = 131;

/// Their rows.
pub(super) const INT_OPTIONS: &[IntOption] = &[
    int_option!(WSOCK_OPT_PROXY_FROM_ENV, proxy_from_env as bool),
    int_option!(WSOCK_OPT_MAX_REDIRECTS, 0, 100, settings.max_redirects as u32),
    int_option!(WSOCK_OPT_RECONNECT, -1, GIB, settings.retry.attempts as i64),
    int_option!(WSOCK_OPT_RECONNECT_FIRST_MS, 0, DAY_MS, settings.retry.first_ms as u64),
    int_option!(WSOCK_OPT_RECONNECT_MAX_MS, 0, DAY_MS, settings.retry.max_ms as u64),
    int_option!(WSOCK_OPT_RECONNECT_STABLE_MS, 0, DAY_MS, settings.retry.stable_ms as u64),
    int_option!(WSOCK_OPT_RECONNECT_QUEUE, 0, 1024 * GIB, settings.retry.queue as usize),
];

/// See `table::set_text`.
pub(super) fn set_text(draft: &mut Draft, key: i32, value: &str) -> Option<Result<()>> {
    Some(match key {
        WSOCK_OPT_PROXY => set_proxy(draft, value),
        WSOCK_OPT_NO_PROXY => {
            NoProxy::parse(value).map(|list| draft.settings.proxy.no_proxy = list)
        }
        WSOCK_OPT_USER => set_user(draft, value),
        WSOCK_OPT_PASSWORD => set_password(draft, value),
        _ => return None,
    })
}

fn set_proxy(draft: &mut Draft, value: &str) -> Result<()> {
    let url = (!value.is_empty()).then(|| ProxyUrl::parse(value)).transpose()?;
    draft.proxy = url;
    Ok(())
}

fn set_user(draft: &mut Draft, value: &str) -> Result<()> {
    check(value, "user")?;
    if value.contains(':') {
        return Err(Error::new(
            Code::InvalidArgument,
            "the user has a colon, which Basic authorization cannot carry",
        ));
    }
    draft.user = value.to_owned();
    Ok(())
}

fn set_password(draft: &mut Draft, value: &str) -> Result<()> {
    check(value, "password")?;
    draft.password = value.to_owned();
    Ok(())
}

fn check(value: &str, what: &str) -> Result<()> {
    match value.chars().any(char::is_control) {
        true => {
            Err(Error::new(Code::InvalidArgument, format!("the {what} has a control character")))
        }
        false => Ok(()),
    }
}

/// The proxy set by the application goes before the environment's.
pub(super) fn proxies(draft: &Draft) -> Proxies {
    match &draft.proxy {
        Some(url) => Proxies::Fixed(url.clone()),
        None if draft.proxy_from_env => Proxies::Environment,
        None => Proxies::None,
    }
}

/// User and password together.
pub(super) fn credentials(draft: &Draft) -> Option<auth::Credentials> {
    (!draft.user.is_empty())
        .then(|| auth::Credentials { user: draft.user.clone(), password: draft.password.clone() })
}
