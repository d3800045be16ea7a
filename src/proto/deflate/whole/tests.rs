use super::*;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// Two lines of the same shape, with digits that differ.
fn text(len: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let mut out = Vec::new();
    while out.len() < len {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12345);
        let line = format!("{{\"id\":{},\"side\":\"buy\",\"qty\":{}}},", state >> 12, state % 1000);
        out.extend_from_slice(line.as_bytes());
    }
    out.truncate(len);
    out
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// What a peer makes of it that knows `bits` of window, byte by byte.
fn inflated(bytes: &[u8], bits: u8, len: usize) -> Vec<u8> {
    let mut stream = Decompress::new_with_window_bits(false, bits);
    let mut out = Vec::with_capacity(len + 1);
    let bytes = [bytes, &[0, 0, 0xFF, 0xFF, 1, 0, 0, 0xFF, 0xFF]].concat();
    // In pieces: what refers back further than the window is found nowhere but in the stream's own.
    let mut status = Status::Ok;
    for byte in bytes {
        let mut piece = Vec::with_capacity(4096);
        status = stream.decompress_vec(&[byte], &mut piece, FlushDecompress::None).unwrap();
        out.extend_from_slice(&piece);
    }
    assert_eq!(status, Status::StreamEnd, "more or less than blocks that are not the last");
    out
}

fn comes_back(squeezer: &mut Squeezer, data: &[u8], bits: u8) -> Option<usize> {
    let mut out = vec![7; 3];
    if !squeezer.compress(data, bits, &mut out) {
        return None;
    }
    assert_eq!(out[..3], [7; 3]);
    assert!(out.len() - 3 < data.len());
    assert!(inflated(&out[3..], bits, data.len()) == data, "{} bytes, {bits} bits", data.len());
    Some(out.len() - 3)
}

#[test]
fn every_window_and_many_lengths_come_back() {
    let mut squeezer = Squeezer::default();
    for bits in 9..=15 {
        for len in (1..300).chain([511, 512, 513, 8191, 8192, 8193, 40_000]) {
            let small = comes_back(&mut squeezer, &text(len, len as u32), bits);
            assert!(small.is_some() || len < 200, "{len}");
            let same = comes_back(&mut squeezer, &vec![b'x'; len], bits);
            assert!(same.is_some() || len < 6, "{len}");
        }
    }
}

#[test]
fn long_messages_are_several_blocks_and_the_distance_is_used_up() {
    let mut squeezer = Squeezer::default();
    comes_back(&mut squeezer, &text(1_500_000, 1), 15).unwrap();
    for bits in 9..=15 {
        let half = noise(1 << bits);
        let twice = [half.as_slice(), &half].concat();
        let small = comes_back(&mut squeezer, &twice, bits).unwrap();
        assert!(small < half.len() + half.len() / 10 + 300, "{small} of {}", twice.len());
    }
}

#[test]
fn what_is_noise_is_refused() {
    let mut squeezer = Squeezer::default();
    for len in [0, 1, 4, 100, 10_000, 200_000] {
        assert_eq!(comes_back(&mut squeezer, &noise(len), 15), None, "{len}");
    }
}

#[test]
fn messages_know_nothing_of_each_other() {
    let mut used = Squeezer::default();
    let (a, b) = (text(3000, 5), text(20_000, 5));
    for data in [&a, &b, &noise(5000), &a, &b] {
        let (mut fresh_out, mut out) = (Vec::new(), Vec::new());
        let fresh = Squeezer::default().compress(data, 15, &mut fresh_out);
        assert_eq!(used.compress(data, 15, &mut out), fresh);
        assert!(!fresh || out == fresh_out);
    }
}

#[test]
fn places_begin_anew_when_numbers_run_out() {
    let mut squeezer = Squeezer::default();
    let data = text(3000, 9);
    comes_back(&mut squeezer, &data, 15).unwrap();
    for next in [u32::MAX - 3000, u32::MAX - 2999] {
        squeezer.next = next;
        comes_back(&mut squeezer, &data, 15).unwrap();
    }
    assert_eq!(squeezer.next, 3001);
    assert_eq!(squeezer.begin(u32::MAX as usize), None);
}

#[test]
fn json_becomes_about_as_small_as_with_the_next_level() {
    let mut squeezer = Squeezer::default();
    let small = comes_back(&mut squeezer, &text(1024, 3), 15).unwrap();
    let mut stream = Compress::new(Compression::new(2), false);
    let mut out = Vec::with_capacity(2048);
    stream.compress_vec(&text(1024, 3), &mut out, FlushCompress::Sync).unwrap();
    assert!(small < out.len() + out.len() / 20, "{small}, zlib {}", out.len());
}

proptest::proptest! {
    /// Of literal bytes from alphabets of every size, and copies from every distance.
    #[test]
    fn whatever_is_compressed_comes_back(
        steps in proptest::collection::vec(
            (0..400usize, 1..=255u8, 1..40_000usize, proptest::bool::ANY, proptest::num::u32::ANY),
            0..60,
        ),
        bits in 9..=15u8,
    ) {
        let mut data = Vec::new();
        for (len, alphabet, back, copies, seed) in steps {
            let mut state = seed | 1;
            for _ in 0..len {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                let byte = match copies && back <= data.len() {
                    true => data[data.len() - back],
                    false => (state >> 8) as u8 % alphabet,
                };
                data.push(byte);
            }
        }
        let mut squeezer = Squeezer::default();
        // The second time its tables are not empty.
        let first = comes_back(&mut squeezer, &data, bits);
        proptest::prop_assert_eq!(comes_back(&mut squeezer, &data, bits), first);
    }
}
