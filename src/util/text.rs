//! NUL-terminated copies of text, for C to hold on to while their owner lives.

use std::ffi::{CStr, CString};

/// Which text: a number for what it is, a name and an index where there are several.
type Key = (i32, String, usize);

/// Each text is copied once and keeps its address until the cache is dropped.
#[derive(Debug, Default)]
pub struct TextCache {
    texts: Vec<(Key, CString)>,
}

impl TextCache {
    /// The text for the key, made on first use. Text with a NUL inside is cut there; HTTP heads
    /// and URLs with one have been refused before they get here.
    pub fn get(&mut self, key: Key, make: impl FnOnce() -> String) -> &CStr {
        let found = self.texts.iter().position(|(have, _)| *have == key);
        let index = found.unwrap_or_else(|| {
            let mut bytes = make().into_bytes();
            bytes.truncate(bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len()));
            self.texts.push((key, CString::new(bytes).expect("cut at the first NUL")));
            self.texts.len() - 1
        });
        &self.texts[index].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_keep_their_address_and_end_in_nul() {
        let mut cache = TextCache::default();
        let first = cache.get((1, String::new(), 0), || "ws://host/".into()).as_ptr();
        for n in 0..100 {
            cache.get((2, "cookie".into(), n), || n.to_string());
        }
        let again = cache.get((1, String::new(), 0), || unreachable!());
        assert_eq!((again.as_ptr(), again.to_str()), (first, Ok("ws://host/")));
        assert_eq!(cache.get((3, String::new(), 0), || "a\0b".into()).to_bytes(), b"a");
    }
}
