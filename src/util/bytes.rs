//! Bytes that several owners share without a copy.

use super::arena::Piece;
use std::sync::Arc;

/// What can be shared: it does not change.
pub trait Share: AsRef<[u8]> + Send + Sync {
    /// What the last owner can use for something else.
    fn into_buffer(self: Arc<Self>) -> Option<Vec<u8>> {
        None
    }
}

/// Whoever drops the last one releases the memory behind it, whosever that is.
pub type Bytes = Arc<dyn Share>;

impl Share for Vec<u8> {
    fn into_buffer(self: Arc<Vec<u8>>) -> Option<Vec<u8>> {
        Arc::into_inner(self)
    }
}

impl Share for Box<[u8]> {}

impl Share for Piece {}
