//! What the servers have in common, and the clients.

mod client;
mod server;
mod stream;

pub use client::{Load, Meter};
pub use server::{Io, Server, Setup, run, upgraded};
