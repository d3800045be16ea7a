//! What the connections of one loop share.

use super::deflate::codec::CodecPool;
use crate::util::histogram::Histogram;
use crate::util::pool::BufferPool;
use crate::util::rng::Entropy;

/// Buffers, random bytes and compressors: one per loop, lent to each call that needs them.
pub struct Context {
    /// Empty buffers between two uses.
    pub pool: BufferPool,
    /// Masking keys.
    pub entropy: Entropy,
    /// Compressors and inflaters of connections without context takeover.
    pub codecs: CodecPool,
    /// Round-trip times of all answered pings.
    pub rtts: Histogram,
}

impl Context {
    /// An empty context.
    pub fn new(entropy: Entropy) -> Context {
        Context {
            pool: BufferPool::default(),
            entropy,
            codecs: CodecPool::default(),
            rtts: Histogram::default(),
        }
    }
}
