//! Subscriptions: the table and a plain list of them agree about everything.

use super::Seed;
use super::input::Input;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wsock::util::topics::{MAX_TOPIC, Pattern, Topics, check_topic};

/// Who subscribed to what, and how often.
type Plain = BTreeMap<(String, u8), usize>;

/// Steps that teach something.
const MAX_STEPS: usize = 300;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (mut topics, mut plain) = (Topics::default(), Plain::new());
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        step(&mut topics, &mut plain, &mut input);
        assert_eq!(topics.len(), plain.values().sum());
        assert_eq!(topics.is_empty(), plain.is_empty());
        let patterns: BTreeSet<&str> = plain.keys().map(|(text, _)| &**text).collect();
        assert_eq!(topics.patterns(), patterns.len());
        let everybody: BTreeSet<u8> = plain.keys().map(|(_, who)| *who).collect();
        assert_eq!(topics.subscribers().collect::<BTreeSet<u8>>(), everybody);
    }
}

fn step(topics: &mut Topics<u8>, plain: &mut Plain, input: &mut Input) {
    let (what, who) = (input.below(6), input.byte() % 6);
    let text = topic(input);
    let pattern = match Pattern::parse(&text) {
        Ok(pattern) => pattern,
        Err(error) => {
            let stars = text.strip_suffix('*').unwrap_or(&text).contains('*');
            assert!(stars || !(1..=MAX_TOPIC).contains(&text.len()));
            assert!(check_topic(&text).is_err() && !error.message.is_empty());
            return;
        }
    };
    let known = plain.contains_key(&(text.clone(), who));
    assert_eq!(topics.has(&pattern, who), known);
    match what {
        0 | 1 => {
            let times = plain.entry((text, who)).or_insert(0);
            *times += 1;
            assert_eq!(topics.add(&pattern, who), *times);
        }
        2 => {
            assert_eq!(topics.remove(&pattern, who), known);
            if let Some(times) = plain.get_mut(&(text.clone(), who)) {
                *times -= 1;
                plain.retain(|_, times| *times > 0);
            }
        }
        3 => {
            let left = topics.remove_all(who);
            let before = plain.len();
            plain.retain(|(_, other), _| *other != who);
            assert_eq!(left.len(), before - plain.len());
            assert!(!topics.knows(who));
        }
        _ => {
            find(topics, plain, &text);
            range(&pattern, plain);
        }
    }
}

/// One that fits others, most of the time.
fn topic(input: &mut Input) -> String {
    const WORDS: [&str; 10] = ["a", "a.", "b", ".", "*", "\u{e9}", "", "a*", "aa", "x"];
    let mut text: String = (0..input.below(4)).map(|_| WORDS[input.below(10)]).collect();
    match input.byte() {
        0..=219 => text.push_str(WORDS[input.below(6)]),
        220..=229 => text.push_str(&"y".repeat(MAX_TOPIC - 2 + input.below(4))),
        _ => text.push_str(&String::from_utf8_lossy(input.bytes(3))),
    }
    text
}

fn find(topics: &Topics<u8>, plain: &Plain, topic: &str) {
    let fits = |text: &str| match text.strip_suffix('*') {
        Some(beginning) => topic.starts_with(beginning),
        None => topic == text,
    };
    let expected: BTreeSet<u8> =
        plain.keys().filter(|(text, _)| fits(text)).map(|(_, who)| *who).collect();
    let mut found = Vec::new();
    topics.find(topic, &mut found);
    assert_eq!(found.len(), expected.len(), "each once");
    assert_eq!(found.into_iter().collect::<BTreeSet<u8>>(), expected);
    for who in 0..6 {
        assert_eq!(topics.reaches(who, topic), expected.contains(&who));
    }
}

/// What is kept under topics is found as subscribers are.
fn range(pattern: &Pattern, plain: &Plain) {
    let kept: BTreeMap<Arc<str>, ()> =
        plain.keys().map(|(text, _)| (Arc::from(text.as_str()), ())).collect();
    let meant: Vec<&Arc<str>> = pattern.range(&kept).map(|(topic, _)| topic).collect();
    assert!(meant.into_iter().eq(kept.keys().filter(|topic| pattern.fits(topic))));
}

pub fn seeds() -> Vec<Seed> {
    // What, who, number of words and their numbers, how it ends, a last word.
    let add = |who, words: &[u8]| [&[0, who, words.len() as u8], words, &[0, 6]].concat();
    let find = |words: &[u8]| [&[4, 0, words.len() as u8], words, &[0, 0]].concat();
    let (exact, open) = (add(1, &[0, 1]), add(2, &[0, 4]));
    let takes_back = [2, 2, 2, 0, 4, 0, 6].to_vec();
    let leaves = [3, 1, 0, 0, 0].to_vec();
    vec![
        ("exact", [&exact[..], &find(&[0, 1])].concat()),
        ("beginnings", [&open[..], &add(2, &[4]), &add(3, &[0, 1, 4]), &find(&[0, 1])].concat()),
        ("often", [&open[..], &open, &takes_back, &find(&[0]), &takes_back, &takes_back].concat()),
        ("leaves", [&exact[..], &open, &leaves, &find(&[0])].concat()),
        ("long", [&[0, 1, 0, 225, 2][..], &[4, 1, 0, 225, 2]].concat()),
        ("wrong", add(1, &[7, 2])),
    ]
}
