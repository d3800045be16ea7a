//! The mio loop: time, threads, sessions, listeners, and the only calls into the application.
//!
//! One rule makes it safe to call anything from inside a callback: the application is called only
//! while nothing of the loop is borrowed. `turn` and `feed` take what they need out of the
//! [`core::Core`], let go of it, have it told by `deliver`, and look everything up again.
#![forbid(unsafe_code)]

pub mod adopt;
pub mod answer;
pub mod batch;
pub mod broadcast;
pub mod client;
pub mod commands;
pub mod conn;
pub mod core;
pub mod deliver;
pub mod dial;
pub mod drain;
pub mod embed;
pub mod entries;
pub mod feed;
pub mod figures;
#[cfg(test)]
mod fixtures;
pub mod fork;
pub mod handler;
pub mod held;
mod helper;
pub mod hub;
pub mod inbox;
pub mod limits;
pub mod listen;
pub mod log;
pub mod loops;
pub mod marks;
pub mod measure;
pub mod metrics;
mod outbox;
pub mod parts;
pub mod preface;
pub mod readiness;
mod ready;
pub mod report;
pub mod request;
pub mod resolve;
pub mod retain;
pub mod retry;
pub mod route;
pub mod run;
pub mod send;
pub mod series;
pub mod server;
pub mod session;
pub mod settings;
pub mod settle;
pub mod setup;
pub mod source;
pub mod subscribers;
pub mod thread;
pub mod timeouts;
pub mod timers;
pub mod told;
pub mod tracing;
pub mod turn;
pub mod visit;
