//! Bytes in, bytes out. Knows sockets, not WebSocket.

pub mod listen;
pub mod socket;
pub mod stream;

pub use socket::Socket;
pub use stream::{Received, Sent, Stream};
