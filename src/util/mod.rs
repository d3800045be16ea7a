//! Small tools without knowledge of WebSocket. All `unsafe` below `ffi` lives here.

pub mod backoff;
pub mod beacon;
pub mod exposition;
pub mod histogram;
pub mod id;
pub mod inherited;
pub mod journal;
pub mod offer;
pub mod owner;
pub mod pool;
pub mod rng;
pub mod signals;
pub mod table;
pub mod text;
pub mod time;
