//! Bytes that are shared and never change.

use std::sync::Arc;

/// Whoever drops the last one releases what they lie in.
pub type Bytes = Arc<dyn AsRef<[u8]> + Send + Sync>;
