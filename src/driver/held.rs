//! Input that was read and waits: reading is paused, or its connection has had its share of the turn.

use crate::error::Result;
use crate::util::memory;

/// See the module. Nothing of it is copied twice, however little is taken at a time.
#[derive(Default)]
pub struct HeldInput {
    bytes: Vec<u8>,
    gone: usize,
}

impl HeldInput {
    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.gone == self.bytes.len()
    }

    /// Takes the first of it, as much as fits, and says how much that is.
    pub fn take(&mut self, into: &mut [u8]) -> usize {
        let rest = &self.bytes[self.gone..];
        let count = into.len().min(rest.len());
        into[..count].copy_from_slice(&rest[..count]);
        self.gone += count;
        if self.is_empty() {
            *self = HeldInput::default();
        }
        count
    }

    /// What comes before all that waits, because it was taken from there or has just been read.
    pub fn put_back(&mut self, bytes: &[u8]) -> Result<()> {
        match self.gone.checked_sub(bytes.len()) {
            Some(at) => {
                self.bytes[at..self.gone].copy_from_slice(bytes);
                self.gone = at;
            }
            None => {
                memory::reserve(&mut self.bytes, bytes.len())?;
                self.bytes.splice(..self.gone, bytes.iter().copied());
                self.gone = 0;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_back_comes_first() {
        let (mut held, mut room) = (HeldInput::default(), [0; 4]);
        held.put_back(b"cdefgh").unwrap();
        held.put_back(b"ab").unwrap();
        assert_eq!((held.take(&mut room), &room), (4, b"abcd"));
        held.put_back(b"D").unwrap();
        assert_eq!((held.take(&mut room), &room), (4, b"Defg"));
        held.put_back(b"12345678").unwrap();
        assert_eq!((held.take(&mut room), &room), (4, b"1234"));
        assert_eq!((held.take(&mut room), &room), (4, b"5678"));
        assert!(!held.is_empty());
        assert_eq!((held.take(&mut room), room[0]), (1, b'h'));
        assert!(held.is_empty() && held.bytes.capacity() == 0);
    }
}
