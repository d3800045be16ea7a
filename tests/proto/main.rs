//! The rules of RFC 6455 and RFC 7692 for an open connection, in memory.

#[path = "../support/mod.rs"]
mod support;

mod close;
mod control;
#[cfg(feature = "deflate")]
mod deflate;
mod forms;
mod frames;
mod large;
mod messages;
mod pairs;
mod parts;
mod sending;
mod streams;
mod text;
mod timers;
mod trace;
