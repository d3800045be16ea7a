//! Records of what happened, for the application's log: made while a loop is borrowed, told while nothing is.

use std::collections::VecDeque;
use std::ffi::{CStr, CString};

use super::text::misleads;

/// Something is broken and needs a person.
pub const ERROR: i32 = 1;
/// Something went wrong that the program may live with.
pub const WARN: i32 = 2;
/// What a person wants to see of a program that works.
pub const INFO: i32 = 3;
/// What a person looks for when it does not.
pub const DEBUG: i32 = 4;
/// Everything.
pub const TRACE: i32 = 5;

/// More than this do not wait: a log that does not keep up must not take all memory.
const MOST: usize = 1024;

/// One record.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    /// How serious it is.
    pub level: i32,
    /// What it is about.
    pub target: &'static CStr,
    /// One line.
    pub message: CString,
}

/// The records that wait to be told.
#[derive(Debug, Default)]
pub struct Journal {
    level: i32,
    records: VecDeque<Record>,
    /// For want of room, since the last that found some.
    missing: u64,
    /// The same from the beginning on.
    lost: u64,
}

impl Journal {
    /// Keeps records up to this level from now on; 0 keeps none, and forgets those that wait.
    pub fn set_level(&mut self, level: i32) {
        self.level = level;
        self.records.retain(|record| record.level <= level);
    }

    /// Whether records of this level are kept.
    #[inline]
    pub fn wants(&self, level: i32) -> bool {
        level <= self.level
    }

    /// Keeps a record, if its level is wanted. Otherwise this is one comparison.
    #[inline]
    pub fn note(&mut self, level: i32, target: &'static CStr, text: impl FnOnce() -> String) {
        if self.wants(level) {
            self.keep(level, target, &text());
        }
    }

    #[cold]
    fn keep(&mut self, level: i32, target: &'static CStr, text: &str) {
        if self.records.len() >= MOST {
            self.missing += 1;
            self.lost += 1;
            return;
        }
        if self.missing > 0 {
            let text = format!("{} records were dropped: too many waited", self.missing);
            self.missing = 0;
            self.records.push_back(Record { level: WARN, target: c"loop", message: line(&text) });
        }
        self.records.push_back(Record { level, target, message: line(text) });
    }

    /// The oldest record.
    pub fn pop(&mut self) -> Option<Record> {
        self.records.pop_front()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Forgets those that wait.
    pub fn clear(&mut self) {
        self.records.clear();
        self.missing = 0;
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// How many were dropped because too many waited.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

/// Part of what is told comes from peers, who must not be able to write lines of their own.
fn line(text: &str) -> CString {
    let clean: String = match text.contains(misleads) {
        false => text.to_owned(),
        true => text.chars().flat_map(plain).collect(),
    };
    CString::new(clean).unwrap_or_default()
}

fn plain(c: char) -> impl Iterator<Item = char> {
    let escape = misleads(c).then(|| c.escape_default());
    let itself = escape.is_none().then_some(c);
    escape.into_iter().flatten().chain(itself)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(journal: &mut Journal) -> Vec<(i32, String)> {
        std::iter::from_fn(|| journal.pop())
            .map(|record| (record.level, record.message.into_string().unwrap()))
            .collect()
    }

    #[test]
    fn what_nobody_wants_is_not_even_made() {
        let mut journal = Journal::default();
        journal.note(ERROR, c"loop", || unreachable!("off at first"));
        journal.set_level(INFO);
        journal.note(DEBUG, c"loop", || unreachable!("above the level"));
        journal.note(INFO, c"loop", || "yes".to_owned());
        journal.note(WARN, c"loop", || "that, too".to_owned());
        journal.set_level(WARN);
        assert_eq!(told(&mut journal), [(WARN, "that, too".to_owned())]);
    }

    #[test]
    fn too_many_are_dropped_and_that_is_told() {
        let mut journal = Journal::default();
        journal.set_level(TRACE);
        (0..MOST + 7).for_each(|n| journal.note(TRACE, c"loop", || n.to_string()));
        assert_eq!((journal.len(), journal.lost()), (MOST, 7));
        assert_eq!(told(&mut journal).last(), Some(&(TRACE, (MOST - 1).to_string())));
        journal.note(TRACE, c"loop", || "next".to_owned());
        let text = "7 records were dropped: too many waited".to_owned();
        assert_eq!(told(&mut journal), [(WARN, text), (TRACE, "next".to_owned())]);
        assert_eq!(journal.lost(), 7);
    }

    #[test]
    fn a_record_is_one_line() {
        assert_eq!(line("a\r\nb\0c\u{85}ü").to_str(), Ok("a\\r\\nb\\u{0}c\\u{85}ü"));
        let more = line("\u{2028}line\u{2029}right\u{202e}tfel\u{2066}");
        assert_eq!(more.to_str(), Ok("\\u{2028}line\\u{2029}right\\u{202e}tfel\\u{2066}"));
    }
}
