//! The same input to wsock and to another library: the same verdict, or a difference with a name, which
//! `differences.md` explains. Whatever has no name fails.
//!
//! | file | job |
//! | --- | --- |
//! | `verdict.rs` | what a library makes of an input, written so that all can be compared |
//! | `ours.rs`, `theirs.rs` | the verdicts of wsock and of tungstenite |
//! | `python.rs`, `../websockets_peer.py` | those of Python's websockets, from a process beside |
//! | `frames.rs` | what an input is, read by nobody's parser but this one |
//! | `reasons.rs` | the differences that are known, by name |
//! | `cases.rs` | inputs: the fuzz targets' seeds, and mutations of them |

#[allow(clippy::should_implement_trait)] // `Chunks::next` is meant for tests, not as an interface
#[path = "../../../tests/support/mod.rs"]
pub mod support;

pub mod cases;
pub mod frames;
pub mod ours;
pub mod python;
pub mod reasons;
pub mod theirs;
pub mod verdict;

pub use cases::Case;
use reasons::Library;
use verdict::Verdict;

/// Messages and frames above this are too big, for every library.
pub const LIMIT: usize = 1 << 16;

/// Asks tungstenite; the name of the difference, if there is one.
pub fn judge(case: &Case) -> Option<&'static str> {
    compare(case, &theirs::verdict(case), Library::Tungstenite)
}

/// The name of the difference; panics when it has none.
pub fn compare(case: &Case, theirs: &Verdict, library: Library) -> Option<&'static str> {
    let ours = ours::verdict(case);
    if ours.agrees(theirs) {
        return None;
    }
    let reason = reasons::find(case, &ours, theirs, library);
    assert!(
        reason.is_some(),
        "{library:?} differs, and nothing explains it:\n{} b\"{}\"\nwe:   {ours}\nthey: {theirs}",
        case.what as char,
        case.bytes.escape_ascii()
    );
    reason
}
