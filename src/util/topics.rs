//! Who is interested in which topic. A pure table, without a limit of its own and without a connection in it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use crate::error::{Code, Error, Result};

/// Bytes of the longest topic.
pub const MAX_TOPIC: usize = 1024;

/// What somebody subscribes to: one topic, or all that begin alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    text: Arc<str>,
    /// `text` is only how a topic must begin.
    open: bool,
}

impl Pattern {
    /// From `prices.eur`, or from `prices.*` for all that begin with `prices.`.
    pub fn parse(text: &str) -> Result<Pattern> {
        check_length(text)?;
        let (text, open) = match text.strip_suffix('*') {
            Some(beginning) => (beginning, true),
            None => (text, false),
        };
        if text.contains('*') {
            return Err(Error::new(
                Code::InvalidArgument,
                "a topic may have a * at its end and nowhere else",
            ));
        }
        Ok(Pattern { text: text.into(), open })
    }

    /// Whether that topic is meant.
    pub fn fits(&self, topic: &str) -> bool {
        if self.open { topic.starts_with(&*self.text) } else { topic == &*self.text }
    }

    /// Those of a sorted map that are meant.
    pub fn range<'a, V>(
        &'a self,
        map: &'a BTreeMap<Arc<str>, V>,
    ) -> impl Iterator<Item = (&'a Arc<str>, &'a V)> {
        map.range(self.text.clone()..).take_while(|(topic, _)| self.fits(topic))
    }
}

/// A topic that something is published to: as [`Pattern`], but without an asterisk.
pub fn check_topic(topic: &str) -> Result<()> {
    check_length(topic)?;
    if topic.contains('*') {
        return Err(Error::new(
            Code::InvalidArgument,
            "a message is published to one topic: * is for subscriptions",
        ));
    }
    Ok(())
}

fn check_length(topic: &str) -> Result<()> {
    if (1..=MAX_TOPIC).contains(&topic.len()) {
        return Ok(());
    }
    let message = format!("a topic has 1 to {MAX_TOPIC} bytes, not {}", topic.len());
    Err(Error::new(Code::InvalidArgument, message))
}

/// Subscribers of one pattern, and how often each was added.
type Members<S> = HashMap<S, usize>;

/// Subscribers by pattern. Finding those of a topic costs one look-up, and one for each length that the
/// beginnings in use have; what other topics there are does not matter.
#[derive(Debug)]
pub struct Topics<S> {
    exact: HashMap<Arc<str>, Members<S>>,
    open: HashMap<Arc<str>, Members<S>>,
    /// How many beginnings there are of each length.
    lengths: BTreeMap<usize, usize>,
    /// What each has subscribed to.
    of: HashMap<S, HashSet<Pattern>>,
    /// Over all members.
    count: usize,
}

impl<S> Default for Topics<S> {
    fn default() -> Topics<S> {
        Topics {
            exact: HashMap::new(),
            open: HashMap::new(),
            lengths: BTreeMap::new(),
            of: HashMap::new(),
            count: 0,
        }
    }
}

impl<S: Copy + Eq + Hash> Topics<S> {
    /// Adds it once more. The answer is how often it is there now.
    pub fn add(&mut self, pattern: &Pattern, subscriber: S) -> usize {
        let list = if pattern.open { &mut self.open } else { &mut self.exact };
        let members = list.entry(pattern.text.clone()).or_insert_with(|| {
            if pattern.open {
                *self.lengths.entry(pattern.text.len()).or_insert(0) += 1;
            }
            Members::new()
        });
        let times = members.entry(subscriber).or_insert(0);
        *times += 1;
        self.count += 1;
        if *times == 1 {
            self.of.entry(subscriber).or_default().insert(pattern.clone());
        }
        *times
    }

    /// Takes one back; false when there was none.
    pub fn remove(&mut self, pattern: &Pattern, subscriber: S) -> bool {
        let list = if pattern.open { &mut self.open } else { &mut self.exact };
        let members = list.get_mut(&pattern.text);
        match members.and_then(|members| members.get_mut(&subscriber)) {
            None => return false,
            Some(1) => self.strike(pattern, subscriber),
            Some(times) => {
                *times -= 1;
                self.count -= 1;
                return true;
            }
        }
        if let Some(patterns) = self.of.get_mut(&subscriber) {
            patterns.remove(pattern);
            if patterns.is_empty() {
                self.of.remove(&subscriber);
            }
        }
        true
    }

    /// Takes all back of one who leaves; the answer is from where.
    pub fn remove_all(&mut self, subscriber: S) -> HashSet<Pattern> {
        let patterns = self.of.remove(&subscriber).unwrap_or_default();
        for pattern in &patterns {
            self.strike(pattern, subscriber);
        }
        patterns
    }

    /// Takes a subscriber out of the list of a pattern, however often it was there.
    fn strike(&mut self, pattern: &Pattern, subscriber: S) {
        let list = if pattern.open { &mut self.open } else { &mut self.exact };
        let Some(members) = list.get_mut(&pattern.text) else { return };
        self.count -= members.remove(&subscriber).unwrap_or(0);
        if members.is_empty() {
            list.remove(&pattern.text);
            if pattern.open
                && let Some(beginnings) = self.lengths.get_mut(&pattern.text.len())
            {
                *beginnings -= 1;
                if *beginnings == 0 {
                    self.lengths.remove(&pattern.text.len());
                }
            }
        }
    }

    fn members(&self, pattern: &Pattern) -> Option<&Members<S>> {
        if pattern.open { &self.open } else { &self.exact }.get(&pattern.text)
    }

    /// The lists that a topic concerns.
    fn concerned<'a>(&'a self, topic: &'a str) -> impl Iterator<Item = &'a Members<S>> {
        let beginnings = self.lengths.range(..=topic.len()).filter_map(|(&length, _)| {
            // No beginning ends inside of a character.
            self.open.get(topic.get(..length)?)
        });
        self.exact.get(topic).into_iter().chain(beginnings)
    }

    /// Puts the subscribers of a topic into `found`, each once.
    pub fn find(&self, topic: &str, found: &mut Vec<S>) {
        let mut lists = self.concerned(topic);
        let Some(first) = lists.next() else { return };
        found.extend(first.keys());
        let mut seen = HashSet::new();
        for more in lists {
            if seen.is_empty() {
                seen.extend(first.keys().copied());
            }
            found.extend(more.keys().copied().filter(|&subscriber| seen.insert(subscriber)));
        }
    }

    /// Whether one of its subscriptions means that topic.
    pub fn reaches(&self, subscriber: S, topic: &str) -> bool {
        self.concerned(topic).any(|members| members.contains_key(&subscriber))
    }

    /// Whether it has subscribed to just that.
    pub fn has(&self, pattern: &Pattern, subscriber: S) -> bool {
        self.members(pattern).is_some_and(|members| members.contains_key(&subscriber))
    }

    /// Whether it has subscribed to anything.
    pub fn knows(&self, subscriber: S) -> bool {
        self.of.contains_key(&subscriber)
    }

    /// Everybody.
    pub fn subscribers(&self) -> impl Iterator<Item = S> {
        self.of.keys().copied()
    }

    /// How many patterns somebody has subscribed to.
    pub fn patterns(&self) -> usize {
        self.exact.len() + self.open.len()
    }

    /// How many subscriptions there are in all.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }
}

#[cfg(test)]
mod tests;
