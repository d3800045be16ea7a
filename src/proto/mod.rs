//! RFC 6455 and RFC 7692 without a socket, a clock or a global: bytes and times come in as arguments,
//! bytes and events go out as values.
//!
//! A driver first runs a [`handshake`], then a connection; both may be fed in any chunks.
#![forbid(unsafe_code)]

pub mod cidr;
pub mod close;
pub mod config;
pub mod conn;
pub mod context;
#[cfg(test)]
mod cuts;
pub mod deflate;
pub mod event;
pub mod extension;
pub mod frame;
pub mod handshake;
pub mod http;
pub mod keepalive;
pub mod mask;
pub mod message;
pub mod output;
pub mod prepared;
pub mod proxy;
pub mod proxy_protocol;
pub mod redirect;
pub mod trace;
pub mod url;
pub mod utf8;
