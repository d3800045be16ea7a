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
    /// The input ends within a frame or a message.
    cut: bool,
    text: String,
    library: Library,
}

impl Look<'_> {
    /// We refuse, because of something with these words.
    fn we_refuse(&self, words: &str) -> bool {
        matches!(self.ours.end, End::Failed(_)) && self.ours.why.contains(words)
    }

    fn they_refuse(&self, words: &str) -> bool {
        matches!(self.theirs.end, End::Failed(_)) && self.theirs.why.contains(words)
    }

    /// Up to where we stopped they have told the same.
    fn same_so_far(&self) -> bool {
        self.theirs.events.starts_with(&self.ours.events)
    }
}

const OF_FRAMES: &[Reason] = &[
    ("A length that could be shorter", |it| {
        it.ours.end == End::Failed(1002)
            && it.frames.iter().any(|frame| !frame.shortest)
            && it.same_so_far()
    }),
    ("A length beyond 2^63", |it| {
        it.ours.end == End::Failed(1002)
            && it.theirs.end == End::Failed(1009)
            && it.frames.iter().any(|frame| frame.length >= 1 << 63)
    }),
    ("As soon as it is certain", |it| {
        matches!(it.ours.end, End::Failed(_))
            && it.same_so_far()
            && (it.theirs.end == End::Open && it.cut
                || it.theirs.end == it.ours.end && it.theirs.events != it.ours.events)
    }),
    ("Two rules at once", |it| {
        let both = (&it.ours.end, &it.theirs.end);
        matches!(both, (End::Failed(_), End::Failed(_))) && it.same_so_far()
    }),
    ("A close within a message", |it| {
        it.library == Library::Websockets
            && matches!(it.ours.end, End::Closed(_))
            && it.they_refuse("incomplete fragmented message")
            && it.ours.events == it.theirs.events
    }),
];
const OF_HANDSHAKES: &[Reason] = &[];

/// The name of a difference.
pub fn find(
    case: &Case,
    ours: &Verdict,
    theirs: &Verdict,
    library: Library,
) -> Option<&'static str> {
    let of_frames = matches!(case.what, b'c' | b's');
    let (frames, rest) = if of_frames { frames::read(&case.bytes) } else { Default::default() };
    let last_is_cut = frames.last().is_some_and(|frame| !frame.whole);
    let cut = rest || last_is_cut || frames::is_unfinished(&frames);
    let text = String::from_utf8_lossy(&case.bytes).into_owned();
    let look = Look { ours, theirs, frames, cut, text, library };
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
