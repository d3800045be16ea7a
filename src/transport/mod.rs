//! Bytes in, bytes out. Knows sockets and TLS, not WebSocket.
#![forbid(unsafe_code)]

pub mod address;
pub mod adopt;
pub mod listen;
pub mod listener;
pub mod options;
pub mod socket;
pub mod stream;
#[cfg_attr(not(feature = "tls"), path = "tls/absent.rs")]
pub mod tls;
pub mod unix;

pub use address::Address;
pub use listener::Listener;
pub use options::SocketOptions;
pub use socket::Socket;
pub use stream::{Received, Sent, Stream};
