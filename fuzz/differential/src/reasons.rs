//! The differences that are known: each has a name, under which `differences.md` says why there is one, and is
//! accepted only where the input and both verdicts are as it says.

use super::frames::{self, Frame};
use super::verdict::{End, Verdict};
use super::{Case, LIMIT};

/// Who else was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Library {
    Tungstenite,
    Websockets,
}

/// A known difference: its name, and whether it is this one.
type Reason = (&'static str, fn(&Look) -> bool);

/// All that can be looked at.
struct Look<'a> {
    ours: &'a Verdict,
    theirs: &'a Verdict,
    frames: Vec<Frame>,
    text: String,
    library: Library,
}

const OF_FRAMES: &[Reason] = &[];
const OF_HANDSHAKES: &[Reason] = &[];

/// The name of a difference.
pub fn find(
    case: &Case,
    ours: &Verdict,
    theirs: &Verdict,
    library: Library,
) -> Option<&'static str> {
    let of_frames = matches!(case.what, b'c' | b's');
    let frames = if of_frames { frames::read(&case.bytes) } else { Vec::new() };
    let text = String::from_utf8_lossy(&case.bytes).into_owned();
    let look = Look { ours, theirs, frames, text, library };
    let reasons = if of_frames { OF_FRAMES } else { OF_HANDSHAKES };
    reasons.iter().find(|(_, fits)| fits(&look)).map(|(name, _)| *name)
}

/// Every name is a heading of `differences.md`, and the other way round.
pub fn all_are_explained() {
    let text = include_str!("../differences.md");
    let mut names: Vec<&str> =
        OF_FRAMES.iter().chain(OF_HANDSHAKES).map(|(name, _)| *name).collect();
    let mut headings: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    (names.sort_unstable(), headings.sort_unstable());
    assert_eq!(names, headings, "the reasons and the headings of differences.md");
}
