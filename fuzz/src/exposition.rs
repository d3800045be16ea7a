//! Figures as Prometheus reads them: a reader of that format finds in the text what was put into it.

use super::Seed;
use super::input::Input;
use wsock::util::exposition::Exposition;
use wsock::util::histogram::{BUCKETS, Histogram, bound_us};

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut text = Exposition::default();
    let mut times = Histogram::default();
    let values: Vec<u64> = (0..input.below(32)).map(|_| time(&mut input)).collect();
    values.iter().for_each(|&us| times.add(us));
    let help = String::from_utf8_lossy(input.rest()).into_owned();
    text.counter("a_total", &help);
    let samples = &values[..values.len().min(4)];
    samples.iter().for_each(|value| text.sample("loop=\"0\"", value));
    text.gauge("b", &help);
    text.sample("loop=\"1\",kind=\"x\"", times.max_us);
    text.histogram("t_seconds", &help, "loop=\"2\"", &times);
    read(&text.finish(), &help, samples, &times);
    quantiles(&times, values);
}

/// Up to more than a day, and around the bounds of buckets.
fn time(input: &mut Input) -> u64 {
    let (bits, near) = (input.byte(), u64::from(input.byte()));
    (near << (bits % 33)) + u64::from(bits / 33)
}

fn read(text: &str, help: &str, samples: &[u64], times: &Histogram) {
    let mut lines = text.strip_suffix('\n').expect("a line ends").split('\n');
    let mut family = |name: &str, kind: &str| {
        let told = lines.next().and_then(|line| line.strip_prefix(&format!("# HELP {name} ")[..]));
        assert_eq!(unescaped(told.expect("help")), help);
        assert_eq!(lines.next(), Some(&*format!("# TYPE {name} {kind}")));
        let beginning = format!("{name}{{");
        let buckets = format!("{name}_");
        let own = |line: &&str| line.starts_with(&beginning) || line.starts_with(&buckets);
        let mut samples = Vec::new();
        while let Some(line) = lines.clone().next().filter(own) {
            let (name, value) = line.rsplit_once(' ').expect("a value");
            samples.push((name.to_owned(), value.parse::<f64>().expect("a number")));
            lines.next();
        }
        samples
    };
    let values: Vec<f64> =
        family("a_total", "counter").into_iter().map(|(_, value)| value).collect();
    assert_eq!(values, samples.iter().map(|&value| value as f64).collect::<Vec<_>>());
    assert_eq!(
        family("b", "gauge"),
        [("b{loop=\"1\",kind=\"x\"}".to_owned(), times.max_us as f64)]
    );
    let samples = family("t_seconds", "histogram");
    assert_eq!(samples.len(), BUCKETS + 2);
    let mut seen = 0;
    for (bucket, (name, value)) in samples[..BUCKETS].iter().enumerate() {
        seen += times.buckets[bucket];
        let le = bound_us(bucket).map_or("+Inf".to_owned(), |us| (us as f64 / 1e6).to_string());
        assert_eq!(*name, format!("t_seconds_bucket{{loop=\"2\",le=\"{le}\"}}"));
        assert_eq!(*value, seen as f64);
    }
    assert_eq!(
        samples[BUCKETS],
        ("t_seconds_sum{loop=\"2\"}".to_owned(), times.sum_us as f64 / 1e6)
    );
    assert_eq!(samples[BUCKETS + 1].1, times.count as f64);
    assert_eq!(lines.next(), None);
}

/// As the format says how a help text is read.
fn unescaped(text: &str) -> String {
    let mut chars = text.chars();
    let mut plain = String::new();
    while let Some(c) = chars.next() {
        plain.push(match c {
            '\\' if chars.as_str().starts_with('n') => chars.next().map_or(c, |_| '\n'),
            '\\' => chars.next().expect("something is escaped"),
            c => c,
        });
    }
    plain
}

/// At most twice too long, and never more than the longest.
fn quantiles(times: &Histogram, mut values: Vec<u64>) {
    values.sort_unstable();
    for share in [0.0, 0.5, 0.9, 1.0] {
        let rank = ((values.len() as f64 * share).ceil() as usize).max(1) - 1;
        let Some(&exact) = values.get(rank) else {
            assert_eq!(times.quantile_us(share), 0);
            continue;
        };
        let told = times.quantile_us(share);
        assert!(told >= exact && told <= times.max_us);
        assert!(told <= (2 * exact).max(1) || exact > 1 << 24, "{share}: {told} for {exact}");
    }
}

pub fn seeds() -> Vec<Seed> {
    vec![
        ("none", b"\0How long it took.".to_vec()),
        ("some", b"\x04\0\0\0\x01\0\x02\x20\xffBack\\slash,\nnew line.".to_vec()),
        ("long", b"\x03\x20\xff\x41\x80\x17\x10\\n".to_vec()),
    ]
}
