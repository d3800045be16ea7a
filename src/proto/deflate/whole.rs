//! Compressing whole messages that refer to nothing before them, fast: for each place one other is looked
//! at that may hold the same bytes, and each block has the codes that fit it.
//!
//! zlib's streams would do. But zlib-rs clears 128 KiB for each message, which takes longer than compressing
//! a short one, and its fastest level has fixed codes, which make JSON a third longer.

use super::block::{Block, Writer};

/// Bytes that are looked for.
const WORD: usize = 4;
/// The longest match (RFC 1951 section 3.2.5).
const LONGEST: usize = 258;
/// Bits of a word's hash.
const BITS: u32 = 15;
/// Words whose last place is known.
const PLACES: usize = 1 << BITS;
/// The same for short messages: what is known of them stays in the fastest cache.
const FEW_BITS: u32 = 12;
/// The longest of these.
const SHORT: usize = 8 * 1024;
/// Bytes of a block, or a few more.
const BLOCK: usize = 64 * 1024;
/// So many bytes without a match make the next step one byte longer.
const PATIENCE: usize = 64;

/// What is kept from message to message, for its memory alone.
pub struct Squeezer {
    /// Where a word with that hash was last. Places are counted on from message to message, so that nothing
    /// has to be cleared between them.
    places: Box<[u32; PLACES]>,
    /// The place of the next message's first byte.
    next: u32,
    block: Block,
}

impl Default for Squeezer {
    fn default() -> Squeezer {
        // Not made on the stack; and pages that no short message reaches stay the system's.
        let places = vec![0; PLACES].try_into().expect("it has this size");
        Squeezer { places, next: 1, block: Block::default() }
    }
}

impl Squeezer {
    /// Appends the compressed form of `data` to `out`, referring back no more than 2 to the power of `window`
    /// bytes. False, with anything behind what `out` had, when it would be no shorter.
    pub fn compress(&mut self, data: &[u8], window: u8, out: &mut Vec<u8>) -> bool {
        let Some(first) = self.begin(data.len()) else { return false };
        let limit = out.len() + data.len();
        let mut writer = Writer::new(out);
        let mut at = 0;
        while at < data.len() {
            let begin = at;
            at = self.parse(data, at, first, 1 << window);
            if !self.block.write(&data[begin..at], &mut writer, limit) {
                return false;
            }
        }
        writer.finish();
        out.len() < limit
    }

    /// The place of the first byte of a message of `len`; `None` when it has too many.
    fn begin(&mut self, len: usize) -> Option<u32> {
        let len = u32::try_from(len).ok().filter(|&len| len < u32::MAX)?;
        if self.next.checked_add(len).is_none() {
            self.places.fill(0);
            self.next = 1;
        }
        let first = self.next;
        self.next += len;
        Some(first)
    }

    /// Finds the steps of a block that begins at `at`; answers where it ends.
    fn parse(&mut self, data: &[u8], mut at: usize, first: u32, window: usize) -> usize {
        let Squeezer { places, block, .. } = self;
        let bits = if data.len() <= SHORT { FEW_BITS } else { BITS };
        let mut meet = |at: usize, word: u32| {
            let hash = word.wrapping_mul(0x9E37_79B1) >> (32 - bits);
            let place = first + at as u32;
            std::mem::replace(&mut places[hash as usize % PLACES], place)
        };
        block.clear();
        let (end, mut from, mut missed) = (at + BLOCK, at, 0);
        while let Some(word) = word(data, at) {
            if at >= end {
                block.end(&data[from..at]);
                return at;
            }
            let before = meet(at, word);
            let back = first as usize + at - before as usize;
            let near = before >= first && back <= window;
            if !near || self::word(data, at - back) != Some(word) {
                at += 1 + missed / PATIENCE;
                missed += 1;
                continue;
            }
            let most = LONGEST.min(data.len() - at);
            let len = WORD + common(&data[at + WORD..at + most], &data[at - back + WORD..]);
            block.step(&data[from..at], len, back);
            // To note all places in between costs more than it finds.
            for at in [at + 1, at + len - 1] {
                if let Some(word) = self::word(data, at) {
                    meet(at, word);
                }
            }
            at += len;
            (from, missed) = (at, 0);
        }
        block.end(&data[from..]);
        data.len()
    }
}

/// The bytes from there on, if there are enough.
#[inline]
fn word(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..at + WORD)?.try_into().ok().map(u32::from_le_bytes)
}

/// How many bytes are the same at the front of both; `b` is no shorter than `a`.
#[inline]
fn common(a: &[u8], b: &[u8]) -> usize {
    let (words, tail) = a.as_chunks::<8>();
    let (others, _) = b.as_chunks::<8>();
    for (at, (word, other)) in words.iter().zip(others).enumerate() {
        let differ = u64::from_le_bytes(*word) ^ u64::from_le_bytes(*other);
        if differ != 0 {
            return at * 8 + differ.trailing_zeros() as usize / 8;
        }
    }
    let done = words.len() * 8;
    done + tail.iter().zip(&b[done..]).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests;
