//! `differential MUTATIONS [PYTHON]`: every seed and so many mutations of each kind to us, to tungstenite and, with
//! an interpreter that has it, to Python's websockets. Prints how often each known difference was met, and fails at
//! the first that is not known.

use std::collections::BTreeMap;
use wsock_differential::python::Python;
use wsock_differential::reasons::{self, Library};
use wsock_differential::{cases, Case, ours, verdict::Verdict};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mutations = arguments.next().and_then(|text| text.parse().ok()).expect("how many");
    let mut python = arguments.next().map(|interpreter| Python::start(&interpreter));
    let cases = cases::all(mutations);
    let mut met: BTreeMap<(Library, &str), usize> = BTreeMap::new();
    for case in &cases {
        let mut note = |library: Library, reason: Option<&'static str>| {
            *met.entry((library, reason.unwrap_or("the same"))).or_default() += 1;
        };
        note(Library::Tungstenite, survey(case, &wsock_differential::theirs::verdict(case), Library::Tungstenite));
        if let Some(python) = &mut python {
            let theirs = python.verdict(case);
            note(Library::Websockets, survey(case, &theirs, Library::Websockets));
        }
    }
    println!("{} cases", cases.len());
    for ((library, reason), count) in met {
        println!("{library:?}: {reason}: {count}");
    }
}

fn survey(case: &Case, theirs: &Verdict, library: Library) -> Option<&'static str> {
    let o = ours::verdict(case);
    if o.agrees(theirs) { return None; }
    let r = reasons::find(case, &o, theirs, library);
    if r.is_none() {
        println!("UNEXPLAINED {library:?} {} ours {:?} {} | theirs {:?} {} | {} / {} events | {}", case.what as char, o.end, o.why, theirs.end, theirs.why, o.events.len(), theirs.events.len(), case.bytes.escape_ascii());
        return Some("unexplained");
    }
    r
}
