//! The options of the sockets themselves.

use super::draft::Draft;
use super::table::{IntOption, int_option};
use crate::error::{Code, Error, Result};
use crate::transport::options::{HAS_INTERFACES, parse_source};

/// Server: 1: several listeners share one port, and the system deals connections out to them: one loop
/// for each of your threads, all on the same port. Each of them must have set it. Default 0.
pub const WSOCK_OPT_REUSE_PORT: i32 = 41;
/// Seconds of silence after which TCP itself asks whether the peer's host lives. 0: never; the pings of
/// WSOCK_OPT_PING_INTERVAL_MS also notice a program that hangs. Default 0.
pub const WSOCK_OPT_TCP_KEEPALIVE_S: i32 = 42;
/// Seconds from one such question to the next. Default 15.
pub const WSOCK_OPT_TCP_KEEPALIVE_INTERVAL_S: i32 = 43;
/// So many questions without an answer end the connection. Default 4.
pub const WSOCK_OPT_TCP_KEEPALIVE_COUNT: i32 = 44;
/// Server: permission bits of the file of a Unix domain socket, 0600 say (octal). Who may write to it
/// may connect. 0: what the umask leaves. Default 0.
pub const WSOCK_OPT_UNIX_MODE: i32 = 46;
/// The network interface, "eth0" say, that TCP must go through, a text (wsock_options_set_str). Linux.
/// Default none.
pub const WSOCK_OPT_INTERFACE: i32 = 122;
/// Client: the address of this machine to connect from, with a port or without one: `192.0.2.7`,
/// `192.0.2.7:4000`, `[2001:db8::7]:4000`, a text (wsock_options_set_str). Addresses of the server of
/// the other protocol cannot be reached from there. Default none.
pub const WSOCK_OPT_SOURCE_ADDRESS: i32 = 123;

/// Linux takes no more (MAX_TCP_KEEPIDLE).
const MAX_S: i64 = 32_767;
/// Linux takes no more (MAX_TCP_KEEPCNT).
const MAX_COUNT: i64 = 127;

/// Their rows.
pub(super) const INT_OPTIONS: &[IntOption] = &[
    int_option!(WSOCK_OPT_REUSE_PORT, settings.socket.reuse_port as bool),
    int_option!(WSOCK_OPT_TCP_KEEPALIVE_S, 0, MAX_S, settings.socket.keepalive_s as u32),
    int_option!(
        WSOCK_OPT_TCP_KEEPALIVE_INTERVAL_S,
        1,
        MAX_S,
        settings.socket.keepalive_interval_s as u32
    ),
    int_option!(
        WSOCK_OPT_TCP_KEEPALIVE_COUNT,
        1,
        MAX_COUNT,
        settings.socket.keepalive_count as u32
    ),
    int_option!(WSOCK_OPT_UNIX_MODE, 0, 0o777, settings.socket.unix_mode as u32),
];

/// See `table::set_text`.
pub(super) fn set_text(draft: &mut Draft, key: i32, value: &str) -> Option<Result<()>> {
    let socket = &mut draft.settings.socket;
    let set = match key {
        WSOCK_OPT_INTERFACE => check_interface(value)
            .map(|()| socket.interface = (!value.is_empty()).then(|| value.to_owned())),
        WSOCK_OPT_SOURCE_ADDRESS if value.is_empty() => {
            socket.source = None;
            Ok(())
        }
        WSOCK_OPT_SOURCE_ADDRESS => parse_source(value)
            .map(|address| socket.source = Some(address))
            .ok_or_else(|| {
                Error::new(
                    Code::InvalidArgument,
                    format!("\"{value}\" is no address to connect from: write \"192.0.2.7\" or \"[2001:db8::7]:4000\""),
                )
            }),
        _ => return None,
    };
    Some(set)
}

fn check_interface(name: &str) -> Result<()> {
    if !HAS_INTERFACES && !name.is_empty() {
        return Err(Error::new(
            Code::Unsupported,
            "this system cannot bind a socket to a network interface",
        ));
    }
    // IFNAMSIZ, with the NUL (netdevice(7)).
    if name.len() > 15 {
        return Err(Error::new(
            Code::InvalidArgument,
            "the name of a network interface has at most 15 bytes",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_checked_and_taken_back() {
        let mut draft = Draft::default();
        let mut set = |key, value: &str| {
            let code = set_text(&mut draft, key, value).unwrap().err().map(|e| e.code);
            (code, draft.settings.socket.clone())
        };
        let (code, socket) = set(WSOCK_OPT_SOURCE_ADDRESS, "[::1]:4000");
        assert_eq!((code, socket.source), (None, "[::1]:4000".parse().ok()));
        let (code, socket) = set(WSOCK_OPT_SOURCE_ADDRESS, "localhost");
        assert_eq!((code, socket.source.is_some()), (Some(Code::InvalidArgument), true));
        assert_eq!(set(WSOCK_OPT_SOURCE_ADDRESS, "").1.source, None);
        #[cfg(target_os = "linux")]
        assert_eq!(set(WSOCK_OPT_INTERFACE, "lo").1.interface.as_deref(), Some("lo"));
        assert_eq!(set(WSOCK_OPT_INTERFACE, &"x".repeat(16)).0, Some(Code::InvalidArgument));
        assert_eq!(set(WSOCK_OPT_INTERFACE, "").1.interface, None);
        assert!(set_text(&mut draft, 100, "x").is_none());
    }
}
