//! Blocks of compressed data as literals and matches, and how they are written with the codes that fit
//! them best (RFC 1951 section 3.2.3).

use super::huffman::Code;

/// Bytes that may follow the codes of one match, generously.
const EXTRA: usize = 4;
/// What a message has beside codes and their description: ends of blocks; and what is written of eight bytes
/// of which only some are there.
const SLACK: usize = 32;
/// The symbol that ends a block.
const END: usize = 256;
/// The fixed codes (RFC 1951 section 3.2.6).
static FIXED: Code<288> = Code::with_lengths({
    let mut lengths = [8; 288];
    let mut symbol = 144;
    while symbol < 280 {
        lengths[symbol] = if symbol < 256 { 9 } else { 7 };
        symbol += 1;
    }
    lengths
});
static FIXED_DISTANCES: Code<32> = Code::with_lengths([5; 32]);
/// In which order the lengths of the code for lengths stand (RFC 1951 section 3.2.7).
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// A part of a message.
pub struct Block {
    steps: Vec<Step>,
    /// Literals after the last step.
    rest: usize,
    /// How often each symbol occurs.
    literals: [u32; 288],
    distances: [u32; 32],
}

/// Some literals and then a match.
#[derive(Clone, Copy)]
struct Step {
    literals: u32,
    /// How far back the match is, less 1.
    back: u16,
    /// How long it is, less 3.
    len: u8,
}

impl Default for Block {
    fn default() -> Block {
        Block { steps: Vec::new(), rest: 0, literals: [0; 288], distances: [0; 32] }
    }
}

impl Block {
    /// Forgets what it had.
    pub fn clear(&mut self) {
        self.steps.clear();
        self.literals = [0; 288];
        self.distances = [0; 32];
        self.literals[END] = 1;
    }

    /// These bytes, and then `len` more that stand `back` bytes before as well.
    #[inline]
    pub fn step(&mut self, literals: &[u8], len: usize, back: usize) {
        self.count(literals);
        let step =
            Step { literals: literals.len() as u32, back: (back - 1) as u16, len: (len - 3) as u8 };
        self.literals[length(step.len).symbol] += 1;
        self.distances[distance(step.back).symbol] += 1;
        self.steps.push(step);
    }

    /// The last bytes of the block.
    pub fn end(&mut self, literals: &[u8]) {
        self.count(literals);
        self.rest = literals.len();
    }

    #[inline]
    fn count(&mut self, literals: &[u8]) {
        for &byte in literals {
            self.literals[usize::from(byte)] += 1;
        }
    }

    /// Writes the block, which stands for `data`. False when it does not fit into `limit` bytes, or into memory.
    pub fn write(&self, data: &[u8], to: &mut Writer<'_>, limit: usize) -> bool {
        let own = Codes::new(&self.literals, &self.distances);
        let dynamic =
            own.cost() + own.literals.cost(&self.literals) + own.distances.cost(&self.distances);
        let fixed = FIXED.cost(&self.literals) + FIXED_DISTANCES.cost(&self.distances);
        // Without what follows the codes of matches, the same for both.
        let bytes = (dynamic.min(fixed) / 8) as usize;
        if to.at + bytes >= limit || !to.reserve(bytes + self.steps.len() * EXTRA) {
            return false;
        }
        // None of them is the last (RFC 7692 section 7.2.1).
        if dynamic < fixed {
            to.put(0b100, 3);
            own.write(to);
            self.write_steps(data, to, &own.literals, &own.distances);
        } else {
            to.put(0b010, 3);
            self.write_steps(data, to, &FIXED, &FIXED_DISTANCES);
        }
        true
    }

    fn write_steps(
        &self,
        mut data: &[u8],
        to: &mut Writer<'_>,
        literals: &Code<288>,
        distances: &Code<32>,
    ) {
        for step in &self.steps {
            let (before, rest) = data.split_at(step.literals as usize);
            for &byte in before {
                to.put_code(literals, usize::from(byte));
            }
            let (length, length_bits) = length(step.len).code(literals);
            let (distance, distance_bits) = distance(step.back).code(distances);
            to.put(length | distance << length_bits, length_bits + distance_bits);
            data = &rest[usize::from(step.len) + 3..];
        }
        debug_assert_eq!(data.len(), self.rest);
        for &byte in data {
            to.put_code(literals, usize::from(byte));
        }
        to.put_code(literals, END);
    }
}

/// A symbol and the bits that follow its code.
struct WithExtra {
    symbol: usize,
    extra: u32,
    bits: u32,
}

impl WithExtra {
    #[inline]
    fn code<const N: usize>(&self, code: &Code<N>) -> (u64, u32) {
        let (value, bits) = code.of(self.symbol);
        (value | u64::from(self.extra) << bits, bits + self.bits)
    }
}

/// For a length less 3 (RFC 1951 section 3.2.5).
#[inline]
fn length(len: u8) -> WithExtra {
    match len {
        0..8 => WithExtra { symbol: 257 + usize::from(len), extra: 0, bits: 0 },
        255 => WithExtra { symbol: 285, extra: 0, bits: 0 },
        // Four symbols for each power of two.
        _ => {
            let (len, bits) = (u32::from(len), u32::from(len).ilog2() - 2);
            let symbol = 257 + (bits as usize) * 4 + (len >> bits) as usize;
            WithExtra { symbol, extra: len & ((1 << bits) - 1), bits }
        }
    }
}

/// For a distance less 1 (RFC 1951 section 3.2.5).
#[inline]
fn distance(less: u16) -> WithExtra {
    if less < 4 {
        return WithExtra { symbol: usize::from(less), extra: 0, bits: 0 };
    }
    // Two symbols for each power of two.
    let (less, bits) = (u32::from(less), less.ilog2() - 1);
    let symbol = (bits * 2 + (less >> bits)) as usize;
    WithExtra { symbol, extra: less & ((1 << bits) - 1), bits }
}

/// The codes of a block, and how they are told (RFC 1951 section 3.2.7).
struct Codes {
    literals: Code<288>,
    distances: Code<32>,
    lengths: Code<19>,
    /// Lengths and repetitions, with what follows them and in how many bits.
    told: [(u8, u8, u8); 320],
    count: usize,
    header: Header,
}

#[derive(Clone, Copy)]
struct Header {
    literals: usize,
    distances: usize,
    lengths: usize,
}

impl Codes {
    fn new(literals: &[u32; 288], distances: &[u32; 32]) -> Codes {
        let literals = Code::for_counts(literals, 15);
        let distances = Code::for_counts(distances, 15);
        let used = |lengths: &[u8], least: usize| {
            lengths.iter().rposition(|&it| it > 0).map_or(least, |at| least.max(at + 1))
        };
        let (l, d) = (used(&literals.lengths, 257), used(&distances.lengths, 1));
        let mut all = [0; 320];
        all[..l].copy_from_slice(&literals.lengths[..l]);
        all[l..l + d].copy_from_slice(&distances.lengths[..d]);
        let mut told = [(0, 0, 0); 320];
        let mut counts = [0; 19];
        let mut count = 0;
        let mut rest = &all[..l + d];
        let mut tell = |item: (u8, u8, u8)| {
            told[count] = item;
            counts[usize::from(item.0)] += 1;
            count += 1;
        };
        while let Some(&first) = rest.first() {
            let mut run = rest.iter().take_while(|&&it| it == first).count();
            rest = &rest[run..];
            if first > 0 {
                tell((first, 0, 0));
                run -= 1;
            }
            while run >= 3 {
                let (item, taken) = match (first, run) {
                    (0, 11..) => ((18, run.min(138) - 11, 7), run.min(138)),
                    (0, _) => ((17, run.min(10) - 3, 3), run.min(10)),
                    _ => ((16, run.min(6) - 3, 2), run.min(6)),
                };
                tell((item.0, item.1 as u8, item.2));
                run -= taken;
            }
            for _ in 0..run {
                tell((first, 0, 0));
            }
        }
        let lengths = Code::for_counts(&counts, 7);
        let used = ORDER.iter().rposition(|&at| lengths.lengths[at] > 0).map_or(4, |at| at + 1);
        let header = Header { literals: l, distances: d, lengths: used.max(4) };
        Codes { literals, distances, lengths, told, count, header }
    }

    /// Bits that it takes to tell them.
    fn cost(&self) -> u64 {
        let told = self.told[..self.count].iter();
        let told = told.map(|it| u64::from(self.lengths.lengths[usize::from(it.0)] + it.2));
        14 + 3 * self.header.lengths as u64 + told.sum::<u64>()
    }

    fn write(&self, to: &mut Writer<'_>) {
        let Header { literals, distances, lengths } = self.header;
        to.put((literals - 257) as u64, 5);
        to.put((distances - 1) as u64, 5);
        to.put((lengths - 4) as u64, 4);
        for &at in &ORDER[..lengths] {
            to.put(u64::from(self.lengths.lengths[at]), 3);
        }
        for &(symbol, extra, bits) in &self.told[..self.count] {
            to.put_code(&self.lengths, usize::from(symbol));
            to.put(u64::from(extra), u32::from(bits));
        }
    }
}

/// Bits to bytes, lowest first.
pub struct Writer<'a> {
    /// Has room that is not written yet.
    out: &'a mut Vec<u8>,
    at: usize,
    held: u64,
    bits: u32,
}

impl<'a> Writer<'a> {
    /// Goes on behind what `out` has.
    pub fn new(out: &'a mut Vec<u8>) -> Writer<'a> {
        Writer { at: out.len(), out, held: 0, bits: 0 }
    }

    /// Makes room for so many bytes, and what else a block and the end of the message take. False without
    /// memory for it.
    fn reserve(&mut self, bytes: usize) -> bool {
        let size = self.at + bytes + SLACK;
        let had = self.out.try_reserve(size.saturating_sub(self.out.len())).is_ok();
        if had {
            self.out.resize(size, 0);
        }
        had
    }

    /// At most 56 bits.
    #[inline]
    fn put(&mut self, value: u64, bits: u32) {
        self.held |= value << self.bits;
        self.bits += bits;
        self.out[self.at..self.at + 8].copy_from_slice(&self.held.to_le_bytes());
        let whole = self.bits / 8;
        self.at += whole as usize;
        self.held >>= whole * 8;
        self.bits %= 8;
    }

    #[inline]
    fn put_code<const N: usize>(&mut self, code: &Code<N>, symbol: usize) {
        let (value, bits) = code.of(symbol);
        self.put(value, bits);
    }

    /// Ends the message with the header of an empty stored block, without what follows that header (RFC 7692
    /// section 7.2.1).
    pub fn finish(mut self) {
        // What the last block has left over; else it is a few bytes.
        self.out.resize(self.at + SLACK, 0);
        self.put(0, 3);
        self.out.truncate(self.at + self.bits.div_ceil(8) as usize);
    }
}
