//! What the connections of one loop share.

use super::deflate::codec::CodecPool;
use super::output::Output;
use crate::util::histogram::Histogram;
use crate::util::pool::BufferPool;
use crate::util::rng::Entropy;

/// How many send queues wait for their next use.
const KEPT: usize = 32;
/// The same of those whose memory is next to nothing, since a message for everybody needs one for each.
const KEPT_SMALL: usize = 1024;

/// Buffers, random bytes and compressors: one per loop, lent to each call that needs them.
pub struct Context {
    /// Empty buffers between two uses.
    pub pool: BufferPool,
    /// Send queues between two uses.
    #[allow(clippy::vec_box)] // the connection takes the box over
    outputs: Vec<Box<Output>>,
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
            outputs: Vec::new(),
            entropy,
            codecs: CodecPool::default(),
            rtts: Histogram::default(),
        }
    }

    /// The send queue of a connection, which has one only while there is something in it.
    #[inline]
    pub fn output<'a>(&mut self, own: &'a mut Option<Box<Output>>) -> &'a mut Output {
        own.get_or_insert_with(|| self.outputs.pop().unwrap_or_default())
    }

    /// Takes the queue back if there is nothing in it.
    #[inline]
    pub fn tidy(&mut self, own: &mut Option<Box<Output>>) {
        if let Some(mut output) = own.take_if(|output| output.is_idle())
            && self.outputs.len() < if output.is_small() { KEPT_SMALL } else { KEPT }
        {
            output.pings = 0;
            self.outputs.push(output);
        }
    }
}
