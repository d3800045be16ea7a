//! Text on its way to C: NUL-terminated copies to hold on to while their owner lives, and what must not be in a line.

use std::ffi::{CStr, CString};

/// Which text: a number for what it is, a name and an index where there are several.
pub type Key = (i32, String, usize);

/// Each text is copied once and keeps its address until the cache is dropped, also when another
/// has come for its key.
#[derive(Debug, Default)]
pub struct TextCache {
    texts: Vec<(Key, CString)>,
}

impl TextCache {
    /// Whether no text has been asked for.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The text for the key. Text with a NUL inside is cut there; HTTP heads and URLs with one have
    /// been refused before they get here.
    pub fn get(&mut self, key: Key, value: &str) -> &CStr {
        let value = value.split('\0').next().unwrap_or_default();
        let same =
            |(have, text): &(Key, CString)| *have == key && text.to_bytes() == value.as_bytes();
        let index = self.texts.iter().position(same).unwrap_or_else(|| {
            self.texts.push((key, CString::new(value).expect("cut at the first NUL")));
            self.texts.len() - 1
        });
        &self.texts[index].1
    }
}

/// Whether a character of somebody else's, in a line for people, would end it, move a cursor or turn the direction
/// of writing, somewhere.
pub fn misleads(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_keep_their_address_and_end_in_nul() {
        let mut cache = TextCache::default();
        let first = cache.get((1, String::new(), 0), "ws://host/").as_ptr();
        for n in 0..100 {
            cache.get((2, "cookie".into(), n), &n.to_string());
        }
        assert_ne!(cache.get((1, String::new(), 0), "").as_ptr(), first);
        let again = cache.get((1, String::new(), 0), "ws://host/");
        assert_eq!((again.as_ptr(), again.to_str()), (first, Ok("ws://host/")));
        assert_eq!(cache.get((3, String::new(), 0), "a\0b").to_bytes(), b"a");
    }
}
