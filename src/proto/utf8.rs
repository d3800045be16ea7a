//! UTF-8 that arrives in pieces. The first byte that no continuation can make valid is refused at
//! once (RFC 6455 section 8.1), which costs at most three carried bytes.

use simdutf8::compat;

/// The bytes cannot be the beginning of any UTF-8 text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid;

/// True when `bytes` is a whole UTF-8 text.
#[inline(never)] // what finds out how to look is long, and in the way of messages that are no text
pub fn is_valid(bytes: &[u8]) -> bool {
    simdutf8::basic::from_utf8(bytes).is_ok()
}

/// Remembers the character that was cut by the end of a piece.
#[derive(Clone, Debug, Default)]
pub struct Validator {
    carried: [u8; 4],
    len: usize,
}

impl Validator {
    /// Checks the next piece.
    pub fn push(&mut self, mut piece: &[u8]) -> Result<(), Invalid> {
        while self.len > 0 {
            let Some((&byte, rest)) = piece.split_first() else { return Ok(()) };
            self.carried[self.len] = byte;
            self.len += 1;
            piece = rest;
            match std::str::from_utf8(&self.carried[..self.len]) {
                Ok(_) => self.len = 0,
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Err(Invalid),
            }
        }
        match compat::from_utf8(piece) {
            Ok(_) => Ok(()),
            Err(error) if error.error_len().is_none() => {
                let cut = &piece[error.valid_up_to()..];
                self.carried[..cut.len()].copy_from_slice(cut);
                self.len = cut.len();
                Ok(())
            }
            Err(_) => Err(Invalid),
        }
    }

    /// Checks that the text does not end within a character.
    pub fn finish(&self) -> Result<(), Invalid> {
        if self.len == 0 { Ok(()) } else { Err(Invalid) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a byte-by-byte reader stops, or how the text ends.
    fn first_bad_byte(bytes: &[u8]) -> Result<bool, usize> {
        let mut validator = Validator::default();
        for (i, byte) in bytes.iter().enumerate() {
            validator.push(&[*byte]).map_err(|_| i)?;
        }
        Ok(validator.finish().is_ok())
    }

    #[test]
    fn the_first_impossible_byte_is_the_one_refused() {
        assert_eq!(first_bad_byte("κόσμε \u{10FFFF}".as_bytes()), Ok(true));
        assert_eq!(first_bad_byte(b"\xce\xba\xe1"), Ok(false));
        assert_eq!(first_bad_byte(b"a\x80"), Err(1));
        assert_eq!(first_bad_byte(b"\xc0"), Err(0));
        assert_eq!(first_bad_byte(b"\xe0\x80"), Err(1)); // overlong
        assert_eq!(first_bad_byte(b"\xed\xa0"), Err(1)); // surrogate
        assert_eq!(first_bad_byte(b"\xf0\x8f"), Err(1)); // overlong
        assert_eq!(first_bad_byte(b"\xf4\x90"), Err(1)); // above U+10FFFF
        assert_eq!(first_bad_byte(b"\xf5"), Err(0));
        assert_eq!(first_bad_byte(b"\xfe"), Err(0));
        assert_eq!(first_bad_byte(b"\xf4\x8f\xbf\xc0"), Err(3));
    }

    proptest::proptest! {
        #[test]
        fn any_cut_judges_like_the_whole(
            bytes in proptest::collection::vec(
                proptest::sample::select(&b"a\x80\xbf\xc3\xa9\xe2\x82\xac\xed\x9f\xf0\x90\xf4\x8f"[..]), 0..24),
            cut in 0usize..24,
        ) {
            let cut = cut.min(bytes.len());
            let mut validator = Validator::default();
            let pieces = validator.push(&bytes[..cut])
                .and_then(|()| validator.push(&bytes[cut..]))
                .and_then(|()| validator.finish());
            proptest::prop_assert_eq!(pieces.is_ok(), std::str::from_utf8(&bytes).is_ok());
            proptest::prop_assert_eq!(is_valid(&bytes), std::str::from_utf8(&bytes).is_ok());
        }
    }
}
