//! Masking, RFC 6455 section 5.3. Applying a key twice removes it.

pub use crate::util::xor::{append, apply, copy};

/// The key as it stands after `by` bytes, to go on with the next piece of the same frame.
pub fn rotate(mut key: [u8; 4], by: usize) -> [u8; 4] {
    key.rotate_left(by % 4);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_section_5_7() {
        let mut data = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        apply(&mut data, [0x37, 0xfa, 0x21, 0x3d]);
        assert_eq!(&data, b"Hello");
    }

    #[test]
    fn every_length_in_any_two_pieces_equals_the_definition() {
        let key = [0x12, 0x34, 0x56, 0x78];
        for len in 0..70 {
            let plain: Vec<u8> = (0..len).map(|i| i as u8 ^ 0xA5).collect();
            let expected: Vec<u8> =
                plain.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect();
            for cut in 0..=len {
                let mut data = plain.clone();
                apply(&mut data[..cut], key);
                apply(&mut data[cut..], rotate(key, cut));
                assert_eq!(data, expected);
            }
        }
    }
}
