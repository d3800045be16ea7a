//! The C interface: handles, status codes, the panic guard, the callback table. Thin: it turns C
//! values into Rust ones, asks the driver, and turns the answer back.
//!
//! The documentation comments of everything that C sees are the text of `include/wsock.h`, so they are
//! written for C programmers. Files are in the order of that header.
#![allow(non_camel_case_types)]
#![allow(clippy::missing_safety_doc)] // what each function asks of its caller is in the header's introduction

mod args;
mod boundary;
mod close_info;
mod handlers;
mod last_error;
mod retry_info;
mod texts;

pub mod adopt;
pub mod client;
pub mod conn;
pub mod events;
pub mod hub;
pub mod log;
pub mod looping;
pub mod message;
pub mod metrics;
pub mod options;
pub mod request;
pub mod send;
pub mod server;
pub mod source;
pub mod status;
pub mod types;
pub mod version;
