//! The keys that prove that both sides speak WebSocket (RFC 6455 sections 4.1 and 4.2.2).

use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use sha1::{Digest, Sha1};

const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Some clients fill the unused bits of the last character with chance; the bytes are what counts.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// The client's key as text.
pub fn encode(key: [u8; 16]) -> String {
    STANDARD.encode(key)
}

/// Whether the text of a key stands for 16 bytes.
pub fn is_valid(key: &str) -> bool {
    // Room for what the text could hold; the padding shows only in decoding.
    let mut bytes = [0; 18];
    key.len() == 24 && LENIENT.decode_slice(key, &mut bytes) == Ok(16)
}

/// A server's answer to a key.
pub type Accept = [u8; 28];

/// The server's answer to a key, which is taken as text.
pub fn accept(key: &str) -> Accept {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let mut text = [0; 28];
    let written = STANDARD.encode_slice(digest, &mut text);
    debug_assert_eq!(written, Ok(text.len()));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_vectors() {
        assert_eq!(&accept("dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(&accept("x3JJHMbDL1EzLkh9GBhXDw=="), b"HSmrc0sMlYUkAGmm5OPpG2HaGWk=");
        assert_eq!(encode(*b"the sample nonce"), "dGhlIHNhbXBsZSBub25jZQ==");
    }

    #[test]
    fn a_key_is_16_bytes_in_padded_base64() {
        assert!(is_valid("dGhlIHNhbXBsZSBub25jZQ=="));
        assert!(is_valid("dGhlIHNhbXBsZSBub25jZR=="), "unused bits do not matter");
        for bad in [
            "",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25jZQ===",
            "dGhlIHNhbXBsZSBub25jZSE=",
            "dGhlIHNhbXBsZSBub25j",
            "dGhlIHNhbXBsZSBub25-ZQ==",
            "dGhlIHNhbXBs ZSBub25jZQ==",
        ] {
            assert!(!is_valid(bad), "{bad:?}");
        }
    }
}
