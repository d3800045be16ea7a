//! XOR with a repeated key of four bytes, in place and on the way to somewhere else, with the widest
//! vectors that the processor has. Portable binaries know only the narrowest when they are built.

/// Shorter pieces gain less than asking the processor costs.
const WIDE: usize = 512;
/// Bytes of the narrowest vector.
const BLOCK: usize = 16;

/// XORs `data` with the repeated key.
#[inline]
pub fn apply(data: &mut [u8], key: [u8; 4]) {
    if data.len() < WIDE {
        return words(data, key);
    }
    apply_wide(data, key);
}

fn apply_wide(data: &mut [u8], key: [u8; 4]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        #[target_feature(enable = "avx2")]
        fn avx2(data: &mut [u8], key: [u8; 4]) {
            use std::arch::x86_64::{_mm256_loadu_si256, _mm256_set1_epi32};
            use std::arch::x86_64::{_mm256_storeu_si256, _mm256_xor_si256};
            let wide = _mm256_set1_epi32(i32::from_ne_bytes(key));
            let (blocks, rest) = data.as_chunks_mut::<32>();
            for block in blocks {
                let place = block.as_mut_ptr().cast();
                // SAFETY: a block has as many bytes as the vector, and needs no alignment.
                unsafe {
                    let word = _mm256_loadu_si256(place);
                    _mm256_storeu_si256(place, _mm256_xor_si256(word, wide));
                }
            }
            words(rest, key);
        }
        // SAFETY: the processor has AVX2.
        return unsafe { avx2(data, key) };
    }
    words(data, key);
}

/// Appends `from`, XORed with the repeated key.
pub fn append(to: &mut Vec<u8>, from: &[u8], key: [u8; 4]) {
    to.reserve(from.len());
    let start = to.len();
    let room = to.spare_capacity_mut().as_mut_ptr().cast::<u8>();
    // SAFETY: there is room for as many bytes, which are in `to` and so not in `from`, and all of them are
    // written before they count.
    unsafe {
        copy_to(room, from, key);
        to.set_len(start + from.len());
    }
}

/// Fills `to` with `from`, XORed with the repeated key. Both are of one length.
pub fn copy(to: &mut [u8], from: &[u8], key: [u8; 4]) {
    assert_eq!(to.len(), from.len());
    // SAFETY: as many bytes, and borrowed apart.
    unsafe { copy_to(to.as_mut_ptr(), from, key) }
}

/// # Safety
/// `to` may be written to for the length of `from`, which lies elsewhere.
unsafe fn copy_to(to: *mut u8, from: &[u8], key: [u8; 4]) {
    #[cfg(target_arch = "x86_64")]
    if from.len() >= WIDE && is_x86_feature_detected!("avx2") {
        /// # Safety
        /// As for `copy_to`.
        #[target_feature(enable = "avx2")]
        unsafe fn avx2(to: *mut u8, from: &[u8], key: [u8; 4]) {
            // SAFETY: as the caller says.
            unsafe { copy_words(to, from, key) }
        }
        // SAFETY: the processor has AVX2, the rest as the caller says.
        return unsafe { avx2(to, from, key) };
    }
    // SAFETY: as the caller says.
    unsafe { copy_words(to, from, key) }
}

/// Blocks of one vector, and what is left over as the last block of the data, which overlaps the one before
/// and so is read first: most messages are short, and branches cost them more than bytes.
#[inline(always)]
fn words(data: &mut [u8], key: [u8; 4]) {
    let Some(last) = data.len().checked_sub(BLOCK) else { return short(data, key) };
    let wide = block(key);
    let tail = xored(data[last..].first_chunk().expect("a block"), block(turned(key, last)));
    let (blocks, _) = data.as_chunks_mut::<BLOCK>();
    for word in blocks {
        *word = xored(word, wide);
    }
    data[last..].copy_from_slice(&tail);
}

/// Less than a block.
#[inline(always)]
fn short(data: &mut [u8], key: [u8; 4]) {
    let (words, rest) = data.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key) {
        *byte ^= key;
    }
}

/// The key as it begins `by` bytes further on.
#[inline(always)]
fn turned(key: [u8; 4], by: usize) -> [u8; 4] {
    u32::from_le_bytes(key).rotate_right(8 * (by as u32 % 4)).to_le_bytes()
}

#[inline(always)]
fn block(key: [u8; 4]) -> [u8; BLOCK] {
    let wide = u128::from(widened(key));
    (wide << 64 | wide).to_ne_bytes()
}

/// Every x86-64 has this vector; left to itself the compiler makes two words of it.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn xored(data: &[u8; BLOCK], key: [u8; BLOCK]) -> [u8; BLOCK] {
    use std::arch::x86_64::{_mm_loadu_si128, _mm_storeu_si128, _mm_xor_si128};
    let mut out = [0; BLOCK];
    // SAFETY: each of them has as many bytes, and these instructions need no alignment.
    unsafe {
        let data = _mm_loadu_si128(data.as_ptr().cast());
        let key = _mm_loadu_si128(key.as_ptr().cast());
        _mm_storeu_si128(out.as_mut_ptr().cast(), _mm_xor_si128(data, key));
    }
    out
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn xored(data: &[u8; BLOCK], key: [u8; BLOCK]) -> [u8; BLOCK] {
    (u128::from_ne_bytes(*data) ^ u128::from_ne_bytes(key)).to_ne_bytes()
}

/// # Safety
/// As for `copy_to`.
#[inline(always)]
unsafe fn copy_words(to: *mut u8, from: &[u8], key: [u8; 4]) {
    let wide = widened(key);
    let (words, tail) = from.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
        // SAFETY: within the length of `from`, and bytes need no alignment.
        unsafe { to.add(at * 8).cast::<[u8; 8]>().write(word) };
    }
    for (at, (byte, key)) in tail.iter().zip(wide.to_ne_bytes()).enumerate() {
        // SAFETY: as above.
        unsafe { to.add(words.len() * 8 + at).write(byte ^ key) };
    }
}

fn widened(key: [u8; 4]) -> u64 {
    let key = u64::from(u32::from_ne_bytes(key));
    key << 32 | key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_and_length_equals_the_definition() {
        let key = [0x12, 0x34, 0x56, 0x78];
        let around_wide = WIDE - 9..WIDE + 70;
        for len in (0..70).chain(around_wide).chain([4096, 65537]) {
            for shift in 0..3 {
                let plain: Vec<u8> = (0..len + shift).map(|i| (i * 7) as u8 ^ 0xA5).collect();
                let plain = &plain[shift..];
                let expected: Vec<u8> =
                    plain.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect();
                let mut data = plain.to_vec();
                apply(&mut data, key);
                assert_eq!(data, expected);
                let mut copied = vec![0xEE; len + 2];
                copy(&mut copied[1..=len], plain, key);
                assert_eq!(copied[1..=len], expected);
                assert_eq!((copied[0], copied[len + 1]), (0xEE, 0xEE));
                let mut appended = vec![0xEE; shift];
                append(&mut appended, plain, key);
                assert_eq!(appended[shift..], expected);
                assert_eq!(appended[..shift], [0xEE; 3][..shift]);
            }
        }
    }

    #[test]
    #[should_panic]
    fn a_copy_does_not_write_beyond() {
        copy(&mut [0; 3], &[0; 4], [1; 4]);
    }
}
