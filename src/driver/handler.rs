//! What the application gives for its connections: the receiver of their events.

use std::any::Any;

use super::report::Report;
use super::retry::News;
use crate::error::Error;
use crate::proto::event::Kind;
use crate::util::id::Id;

/// Called on the thread that polls the loop, never while the loop is borrowed, so every method may
/// call back into the driver. Dropped when the last object that uses it is gone, also unborrowed.
#[allow(unused_variables)]
pub trait Handler: Any + Send + Sync {
    /// A client or browser asks. 0 goes on, 200 to 599 is the HTTP answer.
    fn on_request(&self, server: Id, request: Id) -> i32 {
        0
    }
    /// Whether `on_request` may say anything but 0, so that a request has to wait for it.
    fn decides(&self) -> bool {
        true
    }
    /// The handshake is done.
    fn on_open(&self, conn: Id) {}
    /// A whole message.
    fn on_message(&self, conn: Id, kind: Kind, data: &[u8]) {}
    /// The next part of a message, with `wants_parts`; the last may be empty.
    fn on_part(&self, conn: Id, kind: Kind, data: &[u8], first: bool, last: bool) {}
    /// Messages are to come through `on_part` and not through `on_message`.
    fn wants_parts(&self) -> bool {
        false
    }
    /// A ping, answered already.
    fn on_ping(&self, conn: Id, data: &[u8]) {}
    /// A pong.
    fn on_pong(&self, conn: Id, data: &[u8]) {}
    /// The send queue fell to the low-water mark.
    fn on_drain(&self, conn: Id) {}
    /// The connection failed; `on_close` follows.
    fn on_error(&self, conn: Id, error: &Error) {}
    /// A client will try again, unless it is closed in here.
    fn on_retry(&self, conn: Id, news: &News) {}
    /// The last event of a connection.
    fn on_close(&self, conn: Id, report: &Report) {}
    /// For the layer above to find its own type again.
    fn as_any(&self) -> &dyn Any;
}
