//! WebSocket for every native program: client and server behind one C header.
//!
//! The C interface is `include/wsock.h`, generated from the `ffi` module. The layers below it look
//! down only: `ffi` -> `driver` -> `transport` -> `proto` -> `util`; `tests/layering.rs` checks that.
//! The Rust modules are public for the tests, benches and fuzz targets of this crate and may change
//! in any release; the C interface is what is kept stable.

#[cfg(not(panic = "unwind"))]
compile_error!(
    "wsock catches panics at its C boundary and so must be built with panic = \"unwind\""
);

// Miri has no pages of its own to give.
#[cfg(not(miri))]
#[global_allocator]
static ALLOCATOR: util::large::Allocator = util::large::Allocator;

pub mod driver;
pub mod error;
pub mod ffi;
pub mod proto;
pub mod transport;
pub mod util;
