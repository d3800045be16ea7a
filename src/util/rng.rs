//! Unpredictable bytes for masking keys (RFC 6455 section 5.3) and handshake keys.

use super::forks::Mark;

/// Where the bytes come from. The operating system in production, a fixed sequence in tests.
type Fill = fn(&mut [u8], &mut u64);

/// A small buffer of random bytes, so that a masking key does not cost a system call.
pub struct Entropy {
    process: Mark,
    fill: Fill,
    seed: u64,
    used: usize,
    buffer: [u8; 512],
}

impl Entropy {
    /// Bytes of the operating system's generator.
    pub fn from_os() -> Entropy {
        Entropy::new(fill_from_os, 0)
    }

    /// A repeatable sequence for tests and fuzzing. Never use it on a network.
    pub fn from_seed(seed: u64) -> Entropy {
        Entropy::new(fill_from_seed, seed)
    }

    fn new(fill: Fill, seed: u64) -> Entropy {
        Entropy { process: Mark::now(), fill, seed, used: 512, buffer: [0; 512] }
    }

    /// `N` fresh bytes; none is ever handed out twice, be it in two processes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        const { assert!(N <= 512) };
        if self.used + N > self.buffer.len() || !self.process.is_ours() {
            (self.fill)(&mut self.buffer, &mut self.seed);
            self.process.take_over();
            self.used = 0;
        }
        let mut out = [0; N];
        out.copy_from_slice(&self.buffer[self.used..self.used + N]);
        self.used += N;
        out
    }
}

fn fill_from_os(buffer: &mut [u8], _: &mut u64) {
    // Sending predictable masks would be a hole that nobody sees, so there is no fallback.
    getrandom::fill(buffer).expect("the operating system's random number generator failed");
}

/// SplitMix64.
fn fill_from_seed(buffer: &mut [u8], state: &mut u64) {
    for chunk in buffer.chunks_mut(8) {
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        chunk.copy_from_slice(&z.to_le_bytes()[..chunk.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn keys_differ_and_cover_the_buffer_boundary() {
        let mut entropy = Entropy::from_os();
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1000 {
            assert!(seen.insert(entropy.bytes::<12>()));
        }
    }

    #[test]
    fn a_child_draws_other_bytes_than_its_parent() {
        let mut entropy = Entropy::from_os();
        entropy.bytes::<4>();
        let (mut reader, mut writer) = std::io::pipe().unwrap();
        assert!(crate::util::forks::in_child(|| writer.write_all(&entropy.bytes::<32>()).is_ok()));
        let mut of_child = [0; 32];
        reader.read_exact(&mut of_child).unwrap();
        assert_ne!(entropy.bytes::<32>(), of_child);
    }

    #[test]
    fn a_seed_repeats_its_sequence() {
        let (mut a, mut b) = (Entropy::from_seed(7), Entropy::from_seed(7));
        assert_eq!(a.bytes::<16>(), b.bytes::<16>());
        assert_ne!(a.bytes::<4>(), Entropy::from_seed(8).bytes::<4>());
    }
}
