//! Small tools without knowledge of WebSocket or sockets.

pub mod pool;
pub mod rng;
pub mod time;
