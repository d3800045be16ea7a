//! Prefix codes, RFC 1951 section 3.2.2.

/// The most symbols that an alphabet has.
const MOST: usize = 288;
/// The longest code of any alphabet.
const LONGEST: usize = 15;

/// A code for `N` symbols.
pub struct Code<const N: usize> {
    /// Bits of each symbol's code; 0 for one that does not occur.
    pub lengths: [u8; N],
    /// The codes, first bit lowest.
    bits: [u16; N],
}

impl<const N: usize> Code<N> {
    /// The code that makes `counts` shortest with no more than `longest` bits for a symbol. Has two symbols
    /// at least, since not every decoder takes an incomplete code.
    pub fn for_counts(counts: &[u32; N], longest: usize) -> Code<N> {
        let mut sorted = [0; N];
        let mut used = 0;
        for (symbol, &count) in counts.iter().enumerate() {
            if count > 0 {
                sorted[used] = count << 9 | symbol as u32;
                used += 1;
            }
        }
        for (symbol, _) in counts.iter().enumerate().take(2).filter(|(_, count)| **count == 0) {
            if used < 2 {
                sorted[used] = symbol as u32;
                used += 1;
            }
        }
        let sorted = &mut sorted[..used];
        sorted.sort_unstable();
        let mut left = lengths(sorted, longest);
        let mut lengths = [0; N];
        // The rarest have the longest codes.
        let mut length = longest;
        for entry in sorted {
            while left[length] == 0 {
                length -= 1;
            }
            left[length] -= 1;
            lengths[(*entry & 0x1FF) as usize] = length as u8;
        }
        Code::with_lengths(lengths)
    }

    /// The code that such lengths stand for.
    pub const fn with_lengths(lengths: [u8; N]) -> Code<N> {
        let mut next = [0; LONGEST + 2];
        let mut symbol = 0;
        while symbol < N {
            if lengths[symbol] > 0 {
                next[lengths[symbol] as usize + 1] += 1;
            }
            symbol += 1;
        }
        let mut length = 1;
        while length < next.len() {
            next[length] = (next[length - 1] + next[length]) << 1;
            length += 1;
        }
        let mut bits = [0; N];
        symbol = 0;
        while symbol < N {
            let length = lengths[symbol];
            if length > 0 {
                let code: u16 = next[length as usize];
                next[length as usize] = code + 1;
                bits[symbol] = code.reverse_bits() >> (16 - length as u32);
            }
            symbol += 1;
        }
        Code { lengths, bits }
    }

    /// The code of a symbol, and how many bits it has.
    #[inline]
    pub fn of(&self, symbol: usize) -> (u64, u32) {
        (u64::from(self.bits[symbol]), u32::from(self.lengths[symbol]))
    }

    /// Bits that so many symbols take.
    pub fn cost(&self, counts: &[u32; N]) -> u64 {
        let lengths = self.lengths.iter();
        lengths.zip(counts).map(|(&length, &count)| u64::from(length) * u64::from(count)).sum()
    }
}

/// How many of these symbols get a code of each length. They stand rarest first, counts from bit 9 on.
fn lengths(sorted: &[u32], longest: usize) -> [u32; MOST] {
    // Huffman's tree: again and again the two lightest are joined. Nodes come to be in the order of their
    // weight, so that leaves and nodes are two queues.
    let nodes = sorted.len() - 1;
    let mut weights = [0; MOST];
    let mut parents = [0; MOST];
    let mut leaves = [0; MOST];
    let (mut leaf, mut node) = (0, 0);
    for made in 0..nodes {
        for _ in 0..2 {
            let lighter = |&entry: &u32| node == made || entry >> 9 <= weights[node];
            if let Some(entry) = sorted.get(leaf).filter(|&entry| lighter(entry)) {
                weights[made] += entry >> 9;
                leaves[made] += 1;
                leaf += 1;
            } else {
                weights[made] += weights[node];
                parents[node] = made;
                node += 1;
            }
        }
    }
    let mut depths = [0; MOST];
    let mut of_length = [0; MOST];
    for node in (0..nodes).rev() {
        if node + 1 < nodes {
            depths[node] = depths[parents[node]] + 1;
        }
        of_length[longest.min(depths[node] + 1)] += leaves[node];
    }
    // Those that were cut are more than fit. A leaf of full length gives up its place and makes, with the
    // deepest that is higher up, a pair below that one's place.
    let full = 1 << longest;
    let taken = (1..=longest).map(|length| of_length[length] << (longest - length)).sum::<u32>();
    for _ in full..taken {
        let above = (1..longest).rev().find(|&length| of_length[length] > 0);
        let above = above.expect("there are fewer symbols than codes");
        of_length[above] -= 1;
        of_length[above + 1] += 2;
        of_length[longest] -= 1;
    }
    of_length
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the lengths fill of the code space, in the longest codes.
    fn filled<const N: usize>(code: &Code<N>, longest: usize) -> u32 {
        code.lengths.iter().filter(|&&it| it > 0).map(|&it| 1 << (longest - it as usize)).sum()
    }

    #[test]
    fn the_example_of_section_3_2_2() {
        let code = Code::with_lengths([3, 3, 3, 3, 3, 2, 4, 4]);
        let bits: Vec<u16> = (0..8).map(|at| code.bits[at].reverse_bits()).collect();
        let expected = [0b010, 0b011, 0b100, 0b101, 0b110, 0b00, 0b1110, 0b1111];
        for (at, expected) in expected.into_iter().enumerate() {
            assert_eq!(bits[at] >> (16 - code.lengths[at]), expected);
        }
    }

    #[test]
    fn frequent_symbols_have_short_codes() {
        let code = Code::for_counts(&[45, 13, 12, 16, 9, 5, 0], 15);
        assert_eq!(code.lengths, [1, 3, 3, 3, 4, 4, 0]);
        assert_eq!(code.cost(&[45, 13, 12, 16, 9, 5, 0]), 224);
    }

    #[test]
    fn a_code_has_two_symbols_at_least() {
        assert_eq!(Code::for_counts(&[0; 4], 15).lengths, [1, 1, 0, 0]);
        assert_eq!(Code::for_counts(&[7, 0, 0, 0], 15).lengths, [1, 1, 0, 0]);
        assert_eq!(Code::for_counts(&[0, 0, 7, 0], 15).lengths, [1, 0, 1, 0]);
    }

    #[test]
    fn codes_are_complete_and_no_longer_than_allowed() {
        for longest in [7, 15] {
            let mut counts = [0; 32];
            let (mut a, mut b) = (1, 1);
            for used in 0..32 {
                // Fibonacci's numbers make the deepest tree.
                counts[used] = a;
                (a, b) = (b, (a + b).min(1 << 21));
                let code = Code::for_counts(&counts, longest);
                assert_eq!(filled(&code, longest), 1 << longest, "{used}");
                assert!(code.lengths.iter().all(|&it| usize::from(it) <= longest));
                let ordered = code.lengths[..=used].is_sorted_by(|a, b| a >= b);
                assert!(ordered || used == 0, "{:?}", code.lengths);
            }
        }
    }
}
