//! Small tools without knowledge of WebSocket. All `unsafe` below `ffi` lives here.

pub mod arena;
pub mod backoff;
pub mod beacon;
pub mod bell;
pub mod bytes;
pub mod descriptor;
pub mod exposition;
pub mod forks;
pub mod histogram;
pub mod id;
pub mod inherited;
pub mod journal;
pub mod memory;
pub mod offer;
pub mod outside;
pub mod owner;
pub mod pages;
pub mod pool;
pub mod registry;
pub mod rng;
pub mod signals;
pub mod table;
pub mod text;
pub mod time;
pub mod topics;
pub mod xor;
