use super::*;
use crate::proto::deflate;
use crate::util::pool::BufferPool;
use flate2::{Decompress, FlushDecompress};

const LIMIT: u64 = 1 << 20;

fn side(role: Role, wanted: deflate::Config, params: Params) -> Deflate {
    let config = Config { deflate: Some(wanted), ..Config::default() };
    Deflate::new(role, &config, params).unwrap()
}

fn params(no_takeover: bool, bits: u8) -> Params {
    Params {
        server_no_takeover: no_takeover,
        client_no_takeover: no_takeover,
        server_bits: bits,
        client_bits: bits,
    }
}

/// A client that compresses and a server that inflates.
fn pair(no_takeover: bool, bits: u8, level: u32) -> (Deflate, Deflate) {
    let wanted = deflate::Config { level, client_takeover: true, ..deflate::Config::default() };
    let params = params(no_takeover, bits);
    (side(Role::Client, wanted.clone(), params), side(Role::Server, wanted, params))
}

/// Text that refers to itself near and far, with noise.
fn sample(len: usize) -> Vec<u8> {
    let mut state = 12345u32;
    (0..len)
        .map(|i| {
            state = state.wrapping_mul(1_103_515_245).wrapping_add(12345);
            if (state >> 16).is_multiple_of(5) {
                (state >> 24) as u8
            } else {
                b"the quick brown fox "[i % 20]
            }
        })
        .collect()
}

fn compressed(from: &mut Deflate, pool: &mut CodecPool, data: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    from.compress(pool, Time(0), data, &mut out).then_some(out)
}

fn inflated(
    to: &mut Deflate,
    pool: &mut CodecPool,
    pieces: &[&[u8]],
    limit: u64,
) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut inflater = to.inflater(pool);
    for piece in pieces {
        inflater.push(&mut BufferPool::default(), piece, &mut out, limit)?;
    }
    inflater.finish(&mut BufferPool::default(), &mut out, limit)?;
    to.give_back(pool, inflater);
    Ok(out)
}

#[test]
fn every_window_and_level_comes_back() {
    for no_takeover in [false, true] {
        for bits in 9..=15 {
            for level in [1, 2, 5, 6, 9] {
                let (mut from, mut to) = pair(no_takeover, bits, level);
                let mut pool = CodecPool::default();
                for len in [1, 20, 500, 70_000, 3] {
                    let data = sample(len);
                    let Some(bytes) = compressed(&mut from, &mut pool, &data) else {
                        assert!(no_takeover && len <= 20);
                        continue;
                    };
                    assert_eq!(inflated(&mut to, &mut pool, &[&bytes], LIMIT), Ok(data));
                }
            }
        }
    }
}

#[test]
fn takeover_makes_the_second_message_small() {
    let (mut from, mut to) = pair(false, 15, 6);
    let mut pool = CodecPool::default();
    let data = sample(2000);
    let first = compressed(&mut from, &mut pool, &data).unwrap();
    let second = compressed(&mut from, &mut pool, &data).unwrap();
    assert!(second.len() * 10 < first.len());
    assert_eq!(inflated(&mut to, &mut pool, &[&first], LIMIT).unwrap(), data);
    assert_eq!(inflated(&mut to, &mut pool, &[&second], LIMIT).unwrap(), data);
    assert!(pool.compressors.is_empty() && pool.inflaters.is_empty());
}

#[test]
fn without_takeover_the_pool_lends_and_the_connection_owns_nothing() {
    for level in [1, 2] {
        lends_and_takes_back(level, level as usize - 1);
    }
}

fn lends_and_takes_back(level: u32, compressors: usize) {
    let (mut from, mut to) = pair(true, 15, level);
    let mut pool = CodecPool::default();
    let data = sample(2000);
    let first = compressed(&mut from, &mut pool, &data).unwrap();
    assert_eq!(compressed(&mut from, &mut pool, &data).unwrap(), first);
    assert_eq!(inflated(&mut to, &mut pool, &[&first], LIMIT).unwrap(), data);
    assert_eq!(inflated(&mut to, &mut pool, &[&first], LIMIT).unwrap(), data);
    assert!(from.own.is_none() && to.own.is_none());
    assert_eq!((pool.compressors.len(), pool.inflaters.len()), (compressors, 1));
}

#[test]
fn the_pool_keeps_few() {
    let mut pool = CodecPool::default();
    for bits in 9..=15 {
        pool.compressor(Settings { level: 1, bits });
    }
    assert_eq!(pool.compressors.len(), KEPT);
    let (_, mut to) = pair(true, 15, 1);
    let lent: Vec<_> = (0..10).map(|_| to.inflater(&mut pool)).collect();
    lent.into_iter().for_each(|inflater| to.give_back(&mut pool, inflater));
    assert_eq!(pool.inflaters.len(), KEPT);
}

#[test]
fn a_side_may_start_anew_although_takeover_was_agreed() {
    let wanted = deflate::Config { client_takeover: false, ..deflate::Config::default() };
    let mut from = side(Role::Client, wanted, params(false, 15));
    let (_, mut to) = pair(false, 15, 1);
    let mut pool = CodecPool::default();
    let data = sample(500);
    for _ in 0..3 {
        let bytes = compressed(&mut from, &mut pool, &data).unwrap();
        assert_eq!(inflated(&mut to, &mut pool, &[&bytes], LIMIT).unwrap(), data);
    }
    assert!(from.own.is_none());
}

#[test]
fn an_idle_compressor_is_given_back_and_a_fresh_one_goes_on() {
    let wanted =
        deflate::Config { idle_ms: 10, client_takeover: true, ..deflate::Config::default() };
    let config = Config { deflate: Some(wanted.clone()), ..Config::default() };
    let mut from = side(Role::Client, wanted, params(false, 15));
    let (_, mut to) = pair(false, 15, 1);
    let mut pool = CodecPool::default();
    assert_eq!(from.next_timeout(&config), None);
    let data = sample(500);
    let first = compressed(&mut from, &mut pool, &data).unwrap();
    assert_eq!(from.next_timeout(&config), Some(Time(10_000)));
    from.handle_timeout(Time(9_999), &config);
    assert!(from.own.is_some());
    from.handle_timeout(Time(10_000), &config);
    assert!(from.own.is_none() && from.next_timeout(&config).is_none());
    let second = compressed(&mut from, &mut pool, &data).unwrap();
    for bytes in [first, second] {
        assert_eq!(inflated(&mut to, &mut pool, &[&bytes], LIMIT).unwrap(), data);
    }
}

#[test]
fn a_window_of_256_bytes_means_uncompressed() {
    let (mut from, _) = pair(false, 8, 1);
    assert_eq!(compressed(&mut from, &mut CodecPool::default(), &sample(500)), None);
}

#[test]
fn empty_messages() {
    for no_takeover in [false, true] {
        let (mut from, mut to) = pair(no_takeover, 15, 1);
        let mut pool = CodecPool::default();
        // As section 7.2.3.6 has it; a sender without takeover does not even try.
        let bytes = compressed(&mut from, &mut pool, b"").unwrap_or_else(|| vec![0]);
        assert_eq!(bytes, [0]);
        for _ in 0..3 {
            assert_eq!(inflated(&mut to, &mut pool, &[&bytes], LIMIT).unwrap(), b"");
        }
    }
}

/// The examples of RFC 7692 section 7.2.3.
#[test]
fn examples_of_the_rfc() {
    let hello: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let shared: &[u8] = &[0xf2, 0x00, 0x11, 0x00, 0x00];
    let stored: &[u8] = &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    let last: &[u8] = &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    let two: &[u8] =
        &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    let (_, mut to) = pair(false, 15, 1);
    let mut pool = CodecPool::default();
    for bytes in [hello, shared, stored, last, two, last, hello] {
        assert_eq!(inflated(&mut to, &mut pool, &[bytes], LIMIT).unwrap(), b"Hello");
    }
    let (_, mut to) = pair(true, 15, 1);
    for bytes in [hello, stored, last, two, last, hello] {
        assert_eq!(inflated(&mut to, &mut pool, &[bytes], LIMIT).unwrap(), b"Hello");
    }
}

#[test]
fn data_after_a_final_block_may_refer_to_what_was_before_it() {
    // "Hello" in a final block, then the reference to it from the example of section 7.2.3.2.
    let bytes = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0xf2, 0x00, 0x11, 0x00, 0x00];
    let (_, mut to) = pair(false, 15, 1);
    let mut pool = CodecPool::default();
    assert_eq!(inflated(&mut to, &mut pool, &[&bytes], LIMIT).unwrap(), b"HelloHello");
}

#[test]
fn a_final_block_at_the_very_end_needs_no_tail() {
    let bytes = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    for no_takeover in [false, true] {
        let (_, mut to) = pair(no_takeover, 15, 1);
        let mut pool = CodecPool::default();
        for _ in 0..2 {
            assert_eq!(inflated(&mut to, &mut pool, &[&bytes], LIMIT).unwrap(), b"Hello");
        }
    }
}

#[test]
fn corrupt_data_is_invalid_data() {
    for bytes in [&[0x07][..], &[0x00, 0x01, 0x00, 0x00, 0x00], &[0xff; 20]] {
        for no_takeover in [false, true] {
            let (_, mut to) = pair(no_takeover, 15, 1);
            let error = inflated(&mut to, &mut CodecPool::default(), &[bytes], LIMIT);
            assert_eq!(error.unwrap_err().close_code, 1007, "{bytes:?}");
        }
    }
}

/// What section 7.2.2 makes of a payload: with the tail, and a final block to see where it ends.
fn by_definition(payload: &[u8]) -> Option<Vec<u8>> {
    let input = [payload, &TAIL, &[0x01, 0x00, 0x00, 0xFF, 0xFF]].concat();
    let mut stream = Decompress::new(false);
    let mut out = Vec::with_capacity(1 << 20);
    let end = stream.decompress_vec(&input, &mut out, FlushDecompress::None);
    (matches!(end, Ok(Status::StreamEnd)) && stream.total_in() == input.len() as u64).then_some(out)
}

/// Wherever a message is cut, what is missing is missed. The exception is a block that the bits of
/// the tail, or with takeover those of the check, happen to end.
#[test]
fn truncated_data_is_invalid_data() {
    let noise: Vec<u8> = sample(1000).into_iter().rev().map(|byte| byte.rotate_left(3)).collect();
    let (mut cuts, mut accepted) = (0, 0);
    for level in [1, 6, 9] {
        for no_takeover in [false, true] {
            for data in [sample(1500), noise.clone()] {
                let (mut from, mut to) = pair(no_takeover, 15, level);
                let mut pool = CodecPool::default();
                let bytes = compressed(&mut from, &mut pool, &data).unwrap();
                for cut in 0..bytes.len() {
                    cuts += 1;
                    match inflated(&mut to, &mut pool, &[&bytes[..cut]], LIMIT) {
                        Err(error) => assert_eq!(error.close_code, 1007),
                        Ok(out) => {
                            let defined = by_definition(&bytes[..cut]);
                            assert!(defined == Some(out) || (defined.is_none() && !no_takeover));
                            accepted += 1;
                        }
                    }
                    to.own = None;
                }
                assert_eq!(inflated(&mut to, &mut pool, &[&bytes], LIMIT).unwrap(), data);
            }
        }
    }
    assert!(accepted * 50 < cuts, "{accepted} of {cuts}");
}

#[test]
fn the_limit_is_exact() {
    let data = sample(5000);
    for no_takeover in [false, true] {
        let (mut from, mut to) = pair(no_takeover, 15, 1);
        let mut pool = CodecPool::default();
        let bytes = compressed(&mut from, &mut pool, &data).unwrap();
        assert_eq!(inflated(&mut to, &mut pool, &[&bytes], 5000).unwrap(), data);
        let (_, mut to) = pair(no_takeover, 15, 1);
        let error = inflated(&mut to, &mut pool, &[&bytes], 4999).unwrap_err();
        assert_eq!(error.close_code, 1009);
    }
}

/// Sixteen megabytes in sixteen kilobytes.
#[test]
fn a_bomb_ends_at_the_limit_with_memory_flat() {
    let (mut from, mut to) = pair(true, 15, 9);
    let mut pool = CodecPool::default();
    let bomb = compressed(&mut from, &mut pool, &vec![0; 16 << 20]).unwrap();
    assert!(bomb.len() < 20_000);
    let (mut out, mut inflater) = (Vec::new(), to.inflater(&mut pool));
    let limit = 100_000;
    let mut end = Ok(());
    for piece in bomb.chunks(10) {
        end = inflater.push(&mut BufferPool::default(), piece, &mut out, limit);
        assert!(out.capacity() <= limit as usize + 1);
        if end.is_err() {
            break;
        }
    }
    assert_eq!(end.unwrap_err().close_code, 1009);
}

proptest::proptest! {
    #[test]
    fn any_pieces_inflate_to_the_same(
        messages in proptest::collection::vec(
            proptest::collection::vec(proptest::sample::select(&b"abc\x00\xff"[..]), 1..400), 1..5),
        cuts in proptest::collection::vec(1usize..40, 1..20),
        no_takeover: bool,
        bits in 9u8..=15,
    ) {
        let (mut from, mut to) = pair(no_takeover, bits, 6);
        let mut pool = CodecPool::default();
        for data in &messages {
            let Some(bytes) = compressed(&mut from, &mut pool, data) else { continue };
            let (mut rest, mut pieces, mut cuts) = (&bytes[..], Vec::new(), cuts.iter().cycle());
            while !rest.is_empty() {
                let (piece, more) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                pieces.push(piece);
                rest = more;
            }
            proptest::prop_assert_eq!(&inflated(&mut to, &mut pool, &pieces, LIMIT).unwrap(), data);
        }
    }
}

#[test]
fn parts_that_a_compressor_failed_on_are_stored_and_fit_in() {
    for no_takeover in [true, false] {
        let (mut from, mut to) = pair(no_takeover, 15, 6);
        let (mut pool, mut kept) = (CodecPool::default(), PartCompressor::default());
        let data = sample(200_000);
        let (mut out, mut at) = (Vec::new(), 0);
        for (i, len) in [1000, 100_000, 0, 50_000, 49_000].into_iter().enumerate() {
            let part = &data[at..at + len];
            at += len;
            if i % 2 == 1 {
                store(part, &mut out).unwrap();
                out.extend_from_slice(&TAIL);
                // As after a failure: the next one refers to nothing before.
                kept = PartCompressor::default();
                from.own = None;
            } else {
                let last = at == data.len();
                from.compress_part(&mut pool, Time(0), &mut kept, (part, last), &mut out).unwrap();
            }
        }
        assert!(inflated(&mut to, &mut pool, &[&out], LIMIT).unwrap() == data);
        assert!(kept.stream.is_none() && pool.compressors.len() == usize::from(no_takeover));
    }
}

#[test]
fn a_bomb_gets_no_larger_buffer_than_it_may_fill() {
    let mut packed = Vec::new();
    assert!(CodecPool::default().shrink(
        Settings { level: 1, bits: 15 },
        &[0; 8 << 20],
        &mut packed
    ));
    let mut pool = BufferPool::default();
    pool.put(Vec::with_capacity(800 << 10));
    pool.put(Vec::with_capacity(16 << 20));
    let (mut inflater, mut out) = (Inflater::new(15, false), Vec::new());
    let mut pieces = packed.chunks(1000);
    assert!(pieces.any(|piece| inflater.push(&mut pool, piece, &mut out, 1 << 20).is_err()));
    assert_eq!((out.capacity(), pool.take_large(16 << 20).is_some()), ((1 << 20) + 1, true));
}
