//! Bytes in, bytes out. Knows sockets, not WebSocket.

pub mod listen;
pub mod stream;

pub use stream::Stream;
