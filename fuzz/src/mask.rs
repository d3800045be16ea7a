//! Masking in any pieces equals the definition in section 5.3.

use super::Seed;
use super::input::{Input, pieces};
use wsock::proto::mask::{apply, rotate};

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let key = [input.byte(), input.byte(), input.byte(), input.byte()];
    let sizes = input.bytes(4);
    // Where the data begins in memory must not matter.
    let skipped = input.below(16);
    let plain = input.rest();
    let mut expected = plain.to_vec();
    expected.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    let mut masked = [&vec![0; skipped], plain].concat();
    let (mut at, mut turned) = (skipped, key);
    for piece in pieces(sizes, plain) {
        apply(&mut masked[at..at + piece.len()], turned);
        turned = rotate(turned, piece.len());
        at += piece.len();
    }
    assert_eq!(masked[skipped..], expected);
    assert!(masked[..skipped].iter().all(|&byte| byte == 0));
}

pub fn seeds() -> Vec<Seed> {
    let long = (0..200).collect::<Vec<u8>>();
    vec![
        ("whole", [&[0x37, 0xfa, 0x21, 0x3d, 0, 0, 0, 0, 0], &long[..]].concat()),
        ("pieces", [&[1, 2, 3, 4, 1, 7, 16, 3, 5], &long[..]].concat()),
    ]
}
