//! What is fuzzed, and what must hold. Each target is a plain function over bytes: libFuzzer drives it
//! (`fuzz_targets/`), and so does an ordinary test of the library (`tests/fuzz_smoke.rs`).
//!
//! | file | what it drives |
//! | --- | --- |
//! | `frame.rs`, `mask.rs`, `utf8.rs`, `url.rs` | the small readers and writers |
//! | `negotiate.rs`, `handshake_request.rs`, `handshake_response.rs` | the opening handshake |
//! | `auth.rs` | what a server wants to know, and the answer |
//! | `redirect.rs` | where a server may send a client |
//! | `http_values.rs` | cookies, extensions, subprotocols and other values of headers |
//! | `proxy_replies.rs`, `proxy_protocol.rs` | what proxies answer, and what load balancers say first |
//! | `proxy_rules.rs`, `cidr.rs` | which proxy, and for whom |
//! | `tls_pem.rs` | certificates, keys, pins and names |
//! | `deflate.rs` | inflating anything, and what was compressed |
//! | `solo.rs` with `conn_client.rs`, `conn_server.rs` | one connection and a peer that sends anything |
//! | `runs.rs` | the same stream taken many messages at a time, and told in parts |
//! | `sending.rs` | everything that can be sent, to a peer that reads now and then |
//! | `pair.rs` | two connections and a network that cuts and stalls |
//! | `arena.rs`, `table.rs`, `topics.rs`, `timers.rs`, `exposition.rs` | tools, each beside a plain model of it |
//! | `ffi_calls` | the C interface, called with anything at any time |
//!
//! `input.rs` cuts decisions out of the bytes. An input begins with a few bytes of settings; what
//! follows is what the code under test gets to see, so that mutations hit it directly.

#[allow(clippy::should_implement_trait)] // `Chunks::next` is meant for tests, not as an interface
#[path = "../../tests/support/mod.rs"]
pub mod support;

pub mod arena;
pub mod auth;
pub mod cidr;
pub mod conn_client;
pub mod conn_server;
#[cfg(feature = "deflate")]
pub mod deflate;
pub mod exposition;
pub mod ffi_calls;
pub mod frame;
pub mod handshake_request;
pub mod handshake_response;
pub mod http_values;
mod input;
pub mod mask;
pub mod negotiate;
pub mod pair;
pub mod proxy_protocol;
pub mod proxy_replies;
pub mod proxy_rules;
pub mod redirect;
pub mod runs;
pub mod sending;
mod solo;
pub mod table;
pub mod timers;
#[cfg(feature = "tls")]
pub mod tls_pem;
pub mod topics;
pub mod url;
pub mod utf8;

/// A named input to begin with.
pub type Seed = (&'static str, Vec<u8>);

/// One target.
pub struct Target {
    /// As in `fuzz_targets/` and `seeds/`.
    pub name: &'static str,
    /// Takes any bytes and panics when something does not hold.
    pub run: fn(&[u8]),
    /// Meaningful inputs, written to `seeds/`.
    pub seeds: fn() -> Vec<Seed>,
}

macro_rules! targets {
    ($($(#[$attribute:meta])* $name:ident),* $(,)?) => {
        /// All targets.
        pub const TARGETS: &[Target] = &[
            $($(#[$attribute])* Target {
                name: stringify!($name),
                run: $name::run,
                seeds: $name::seeds,
            },)*
        ];
    };
}

targets! {
    frame, mask, utf8, url, negotiate, handshake_request, handshake_response, auth,
    #[cfg(feature = "deflate")]
    deflate,
    conn_client, conn_server, pair, ffi_calls, proxy_protocol, proxy_replies,
    proxy_rules, cidr, redirect, http_values, runs, sending, arena, table, topics, timers, exposition,
    #[cfg(feature = "tls")]
    tls_pem,
}
