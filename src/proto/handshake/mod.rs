//! The opening handshake of both sides (RFC 6455 section 4).

pub mod client;
mod key;
pub mod request;
pub mod server;
pub mod subprotocol;

#[cfg(test)]
mod properties;
