//! `differential MUTATIONS [PYTHON]`: every seed and so many mutations of each kind to us, to tungstenite and, with
//! an interpreter that has it, to Python's websockets. Prints how often each known difference was met, and fails at
//! the first that is not known.

use std::collections::BTreeMap;
use wsock_differential::python::Python;
use wsock_differential::reasons::{self, Library};
use wsock_differential::{cases, compare, judge};

fn main() {
    reasons::all_are_explained();
    let mut arguments = std::env::args().skip(1);
    let mutations = arguments.next().and_then(|text| text.parse().ok()).expect("how many");
    let mut python = arguments.next().map(|interpreter| Python::start(&interpreter));
    let cases = cases::all(mutations);
    let mut met: BTreeMap<(Library, &str), usize> = BTreeMap::new();
    for case in &cases {
        let mut note = |library, reason: Option<&'static str>| {
            *met.entry((library, reason.unwrap_or("the same"))).or_default() += 1;
        };
        note(Library::Tungstenite, judge(case));
        if let Some(python) = &mut python {
            let theirs = python.verdict(case);
            note(Library::Websockets, compare(case, &theirs, Library::Websockets));
        }
    }
    println!("{} cases", cases.len());
    for ((library, reason), count) in met {
        println!("{library:?}: {reason}: {count}");
    }
}
