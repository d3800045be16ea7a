//! What the connections of one loop share.

use super::deflate::codec::CodecPool;
use super::output::Output;
use crate::util::histogram::Histogram;
use crate::util::pool::BufferPool;
use crate::util::rng::Entropy;
use crate::util::time::Time;

/// How many send queues wait for their next use.
const KEPT: usize = 32;
/// The same of those whose memory is next to nothing, since a message for everybody needs one for each.
const KEPT_SMALL: usize = 1024;

/// What a frame costs beside its bytes, see [`Context::work`].
pub const FRAME: usize = 256;

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
    /// What has been done since somebody set it to 0, in bytes of large messages, which cost about the same:
    /// frames, and bytes that came out of an inflater. So a peer gets its share, whatever it makes of it.
    pub work: usize,
    /// How much of it is enough: the protocol then asks to be called again rather than to go on.
    pub enough: usize,
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
            work: 0,
            enough: usize::MAX,
        }
    }

    /// Whether the work is enough for one connection and turn.
    #[inline]
    pub fn is_tired(&self) -> bool {
        self.work >= self.enough
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
            (output.pings, output.moved) = (0, Time(0));
            self.outputs.push(output);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_small_queues_are_kept_and_few_large_ones() {
        for (size, kept) in [(100, KEPT_SMALL), (1000, KEPT)] {
            let mut cx = Context::new(Entropy::from_os());
            let mut own: Vec<Option<Box<Output>>> = (0..2 * kept).map(|_| None).collect();
            for output in &mut own {
                let output = cx.output(output);
                output.room(&mut cx.pool, size, size).unwrap().resize(size, 0);
            }
            for output in &mut own {
                cx.tidy(output);
                assert!(output.is_some(), "something is in it");
                output.as_mut().unwrap().plain_sent();
                cx.tidy(output);
                assert!(output.is_none());
            }
            assert_eq!(cx.outputs.len(), kept);
        }
    }
}
