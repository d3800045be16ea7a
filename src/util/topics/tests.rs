use super::*;
use crate::util::rng::Entropy;

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap()
}

fn found(topics: &Topics<u32>, topic: &str) -> Vec<u32> {
    let mut found = Vec::new();
    topics.find(topic, &mut found);
    found.sort_unstable();
    found
}

#[test]
fn exact_topics_and_beginnings() {
    let mut topics = Topics::default();
    for (text, subscriber) in
        [("prices.eur", 1), ("prices.*", 2), ("prices.", 3), ("*", 4), ("prices.eur.*", 5)]
    {
        assert_eq!(topics.add(&pattern(text), subscriber), 1);
    }
    assert_eq!(found(&topics, "prices.eur"), [1, 2, 4]);
    assert_eq!(found(&topics, "prices."), [2, 3, 4]);
    assert_eq!(found(&topics, "prices"), [4]);
    assert_eq!(found(&topics, "prices.eur.chf"), [2, 4, 5]);
    assert_eq!((topics.patterns(), topics.len()), (5, 5));
}

#[test]
fn who_has_several_that_fit_is_found_once() {
    let mut topics = Topics::default();
    for text in ["a.b", "a.*", "*", "a.b*"] {
        topics.add(&pattern(text), 7);
    }
    topics.add(&pattern("a.*"), 8);
    assert_eq!(found(&topics, "a.b"), [7, 8]);
    assert_eq!(topics.remove_all(7).len(), 4);
    assert_eq!(found(&topics, "a.b"), [8]);
    assert_eq!(topics.lengths.keys().copied().collect::<Vec<_>>(), [2]);
}

#[test]
fn added_twice_it_must_be_removed_twice() {
    let mut topics = Topics::default();
    let topic = pattern("a");
    assert_eq!((topics.add(&topic, 1), topics.add(&topic, 1)), (1, 2));
    assert_eq!(topics.len(), 2);
    assert!(topics.remove(&topic, 1) && topics.has(&topic, 1));
    assert!(topics.remove(&topic, 1) && !topics.has(&topic, 1));
    assert!(!topics.remove(&topic, 1) && topics.is_empty());
    assert_eq!(topics.len(), 0);
}

#[test]
fn a_beginning_may_end_anywhere_in_the_bytes_of_another_topic() {
    let mut topics = Topics::default();
    topics.add(&pattern("abc*"), 1);
    topics.add(&pattern("ab\u{e9}*"), 2);
    // Byte 3 lies inside of its third character.
    assert_eq!(found(&topics, "ab\u{e9}x"), [2]);
    assert_eq!(found(&topics, "a\u{1f600}"), []);
}

#[test]
fn what_is_no_topic_is_refused() {
    for text in ["", "a*b", "**", "*a", &"x".repeat(MAX_TOPIC + 1)] {
        assert_eq!(Pattern::parse(text).unwrap_err().code, Code::InvalidArgument, "{text}");
    }
    for topic in ["", "*", "a.*", &"x".repeat(MAX_TOPIC + 1)] {
        assert_eq!(check_topic(topic).unwrap_err().code, Code::InvalidArgument, "{topic}");
    }
    assert!(check_topic(&"x".repeat(MAX_TOPIC)).is_ok() && Pattern::parse("*").is_ok());
}

#[test]
fn a_sorted_map_is_walked_only_where_the_pattern_fits() {
    let map: BTreeMap<Arc<str>, u8> =
        [("a", 0), ("b", 1), ("b.1", 2), ("b.2", 3), ("c", 4)].map(|(k, v)| (k.into(), v)).into();
    let values = |text| pattern(text).range(&map).map(|(_, &v)| v).collect::<Vec<u8>>();
    assert_eq!(values("b.*"), [2, 3]);
    assert_eq!(values("b*"), [1, 2, 3]);
    assert_eq!(values("b"), [1]);
    assert_eq!(values("*"), [0, 1, 2, 3, 4]);
    assert_eq!(values("bb"), []);
}

/// Any sequence of operations, beside a list that is searched from end to end.
#[test]
fn it_is_a_faster_list() {
    let alphabet = ["a", "a.", "a.b", "a.b.c", "a.\u{e9}", "b", "b.a", "\u{e9}", "a.bb"];
    for seed in 0..200 {
        let mut entropy = Entropy::from_seed(seed);
        let mut topics = Topics::default();
        let mut list: Vec<(Pattern, u32)> = Vec::new();
        for _ in 0..120 {
            let [what, which, who, open] = entropy.bytes::<4>();
            let star = if open % 2 == 0 { "*" } else { "" };
            let text = format!("{}{star}", alphabet[which as usize % alphabet.len()]);
            let (pattern, who) = (pattern(&text), u32::from(who % 6));
            let times = |list: &[(Pattern, u32)]| {
                list.iter().filter(|(have, id)| *have == pattern && *id == who).count()
            };
            match what % 8 {
                0..4 => {
                    list.push((pattern.clone(), who));
                    assert_eq!(topics.add(&pattern, who), times(&list));
                }
                4..7 => {
                    let at = list.iter().position(|(have, id)| *have == pattern && *id == who);
                    assert_eq!(topics.remove(&pattern, who), at.is_some());
                    if let Some(at) = at {
                        list.remove(at);
                    }
                }
                _ => {
                    let removed = topics.remove_all(who);
                    let mine =
                        |(pattern, id): &(Pattern, u32)| (*id == who).then(|| pattern.clone());
                    assert_eq!(removed, list.iter().filter_map(mine).collect());
                    list.retain(|(_, id)| *id != who);
                }
            }
            assert_eq!(topics.has(&pattern, who), times(&list) > 0);
            assert_eq!(topics.len(), list.len());
            let patterns: HashSet<&Pattern> = list.iter().map(|(pattern, _)| pattern).collect();
            assert_eq!(topics.patterns(), patterns.len());
            let beginnings: HashSet<&Pattern> =
                patterns.iter().copied().filter(|pattern| pattern.open).collect();
            assert_eq!(topics.lengths.values().sum::<usize>(), beginnings.len());
            for topic in alphabet {
                let mut expected: Vec<u32> =
                    list.iter().filter(|(p, _)| p.fits(topic)).map(|(_, id)| *id).collect();
                expected.sort_unstable();
                expected.dedup();
                assert_eq!(found(&topics, topic), expected, "{topic}");
                for who in 0..6 {
                    assert_eq!(topics.reaches(who, topic), expected.contains(&who));
                }
            }
        }
    }
}
