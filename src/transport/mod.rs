//! Bytes in, bytes out. Knows sockets and TLS, not WebSocket.

pub mod listen;
pub mod socket;
pub mod stream;
#[cfg_attr(not(feature = "tls"), path = "tls/absent.rs")]
pub mod tls;

pub use socket::Socket;
pub use stream::{Received, Sent, Stream};
