//! Bytes that several owners share without a copy.

use std::sync::Arc;

/// Shared and immutable. Whoever drops the last one releases the memory behind it, whosever that is.
pub type Bytes = Arc<dyn AsRef<[u8]> + Send + Sync>;
