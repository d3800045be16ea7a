//! Memory of which the application or a peer decides how much it is. Where there is none for a small thing the
//! process ends, as every Rust program does; where there is none for theirs, that is an answer.

use crate::error::{Code, Error, Result};

/// Room for so many bytes more, as `Vec::reserve` makes it.
#[inline]
pub fn reserve(bytes: &mut Vec<u8>, more: usize) -> Result<()> {
    match bytes.try_reserve(more) {
        Ok(()) => Ok(()),
        Err(_) => Err(none(more)),
    }
}

/// The same without any to spare.
pub fn reserve_exact(bytes: &mut Vec<u8>, more: usize) -> Result<()> {
    bytes.try_reserve_exact(more).map_err(|_| none(more))
}

/// A copy.
pub fn copy(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut copy = Vec::new();
    reserve_exact(&mut copy, bytes.len())?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

/// Refuses what takes so much memory in many small steps, if not even one large piece can be had.
pub fn must_have(bytes: usize) -> Result<()> {
    reserve_exact(&mut Vec::new(), bytes)
}

/// The failure for so many bytes.
#[cold]
pub fn none(bytes: usize) -> Error {
    let number = std::io::Error::from_raw_os_error(libc::ENOMEM);
    Error::os(Code::NoMemory, format!("there is no memory for {bytes} bytes"), &number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_to_be_had_is_an_error_and_changes_nothing() {
        let mut bytes = b"here".to_vec();
        for asked in [isize::MAX as usize, 1 << 60] {
            for refused in [reserve(&mut bytes, asked), reserve_exact(&mut bytes, asked)] {
                let error = refused.unwrap_err();
                assert_eq!((error.code, error.os_error), (Code::NoMemory, libc::ENOMEM));
                assert!(error.message.contains(&asked.to_string()), "{error}");
            }
            assert!(must_have(asked).is_err());
        }
        assert_eq!(bytes, b"here");
        assert!(copy(&bytes).unwrap() == bytes && must_have(1000).is_ok());
        reserve(&mut bytes, 100).unwrap();
        assert!(bytes.capacity() >= 104);
    }
}
