//! Figures as Prometheus reads them: its text exposition format, version 0.0.4.

use std::fmt::{Display, Write};

use super::histogram::{Histogram, bound_us};

/// The text while it is being written: families one after the other, each with all of its samples.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    family: &'static str,
}

impl Exposition {
    /// What is counted up, by convention with a name that ends in `_total`.
    pub fn counter(&mut self, name: &'static str, help: &str) {
        self.begin(name, help, "counter");
    }

    /// What goes up and down.
    pub fn gauge(&mut self, name: &'static str, help: &str) {
        self.begin(name, help, "gauge");
    }

    fn begin(&mut self, name: &'static str, help: &str, kind: &str) {
        self.family = name;
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        self.text += &format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// A value of the present family. `labels` is what stands between the braces.
    pub fn sample(&mut self, labels: &str, value: impl Display) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{}{{{labels}}} {value}", self.family);
    }

    /// A family of its own: times in seconds.
    pub fn histogram(&mut self, name: &'static str, help: &str, labels: &str, times: &Histogram) {
        self.begin(name, help, "histogram");
        let mut seen = 0;
        for (bucket, count) in times.buckets.iter().enumerate() {
            seen += count;
            let le = bound_us(bucket).map_or("+Inf".to_owned(), |us| seconds(us).to_string());
            let _ = writeln!(self.text, "{name}_bucket{{{labels},le=\"{le}\"}} {seen}");
        }
        let sum = seconds(times.sum_us);
        let _ = writeln!(self.text, "{name}_sum{{{labels}}} {sum}");
        let _ = writeln!(self.text, "{name}_count{{{labels}}} {}", times.count);
    }

    /// All of it.
    pub fn finish(self) -> String {
        self.text
    }
}

/// As Prometheus wants its times.
pub fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_written_as_prometheus_reads_them() {
        let mut text = Exposition::default();
        text.counter("a_total", "Back\\slash,\nnew line.");
        text.sample("loop=\"0\"", 7);
        text.gauge("b", "B.");
        text.sample("loop=\"0\"", seconds(1_500_000));
        let expected = "# HELP a_total Back\\\\slash,\\nnew line.\n# TYPE a_total counter\n\
            a_total{loop=\"0\"} 7\n# HELP b B.\n# TYPE b gauge\nb{loop=\"0\"} 1.5\n";
        assert_eq!(text.finish(), expected);
    }

    #[test]
    fn buckets_of_a_histogram_are_cumulative() {
        let (mut text, mut times) = (Exposition::default(), Histogram::default());
        [1, 2, 2, 30_000_000].into_iter().for_each(|us| times.add(us));
        text.histogram("t_seconds", "T.", "loop=\"3\"", &times);
        let text = text.finish();
        for line in [
            "# TYPE t_seconds histogram",
            "t_seconds_bucket{loop=\"3\",le=\"0.000001\"} 1",
            "t_seconds_bucket{loop=\"3\",le=\"0.000002\"} 3",
            "t_seconds_bucket{loop=\"3\",le=\"16.777216\"} 3",
            "t_seconds_bucket{loop=\"3\",le=\"+Inf\"} 4",
            "t_seconds_sum{loop=\"3\"} 30.000005",
            "t_seconds_count{loop=\"3\"} 4",
        ] {
            assert!(text.lines().any(|have| have == line), "no {line} in\n{text}");
        }
        assert_eq!(text.matches("_bucket{").count(), times.buckets.len());
    }
}
