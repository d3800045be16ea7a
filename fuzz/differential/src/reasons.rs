//! The differences that are known: each has a name, under which `differences.md` says why there is one, and is
//! accepted only where the input and both verdicts are as it says.

use super::Case;
use super::frames::{self, Frame};
use super::verdict::{End, Verdict};

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
    /// They accept a handshake, and we refuse it for one of these reasons.
    fn only_we_refuse(&self, reasons: &[&str]) -> bool {
        matches!(self.ours.end, End::Failed(_))
            && self.theirs.end == End::Accepted
            && reasons.iter().any(|reason| self.ours.why.contains(reason))
    }

    fn they_refuse(&self, words: &str) -> bool {
        matches!(self.theirs.end, End::Failed(_)) && self.theirs.why.contains(words)
    }

    /// The other way round.
    fn only_they_refuse(&self, reasons: &[&str]) -> bool {
        self.ours.end == End::Accepted && reasons.iter().any(|reason| self.they_refuse(reason))
    }

    /// The empty line behind a head is there.
    fn has_head(&self) -> bool {
        self.text.trim_start_matches("\r\n").contains("\r\n\r\n")
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
    ("A length before the key behind it", |it| {
        it.ours.end == End::Open
            && it.theirs.end == End::Failed(1009)
            && it.cut
            && it.ours.events == it.theirs.events
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
    ("Close codes that came later", |it| {
        it.library == Library::Tungstenite
            && it.ours.end == End::Closed(1014)
            && it.they_refuse("a close code that is not allowed")
    }),
    ("A close within a message", |it| {
        it.library == Library::Websockets
            && matches!(it.ours.end, End::Closed(_))
            && it.they_refuse("incomplete fragmented message")
            && it.ours.events == it.theirs.events
    }),
];
const OF_HANDSHAKES: &[Reason] = &[
    ("A handshake that cannot succeed any more", |it| {
        matches!(it.ours.end, End::Failed(_)) && it.theirs.end == End::Open
    }),
    ("A head that is judged when it is whole", |it| {
        it.ours.end == End::Open && matches!(it.theirs.end, End::Failed(_)) && !it.has_head()
    }),
    ("The rest of a response that refuses", |it| {
        it.ours.end == End::Open
            && matches!(it.theirs.end, End::Failed(_))
            && it.has_head()
            && it.text.starts_with("HTTP/1.")
            && !it.text[8..].starts_with(" 101")
    }),
    ("Empty lines before a request", |it| {
        it.library == Library::Websockets
            && it.ours.end == End::Open
            && it.text.starts_with("\r\n")
            && it.they_refuse("did not receive a valid HTTP request")
    }),
    ("Later minor versions of HTTP", |it| {
        let later = (2..10).any(|minor| it.text.contains(&format!("HTTP/1.{minor}")));
        later && it.only_they_refuse(&["invalid HTTP version", "did not receive a valid HTTP"])
    }),
    ("Empty lines before a response", |it| {
        it.text.starts_with(['\r', '\n']) && it.only_we_refuse(&["does not speak HTTP"])
    }),
    ("Headers that may be there once", |it| {
        it.only_we_refuse(&["more than one", "the server's Upgrade header is not"])
    }),
    ("A Host header that names a host", |it| it.only_we_refuse(&["the Host header"])),
    ("Extensions as they are written", |it| it.only_we_refuse(&["Sec-WebSocket-Extensions"])),
    ("Extensions that nobody offered", |it| it.only_we_refuse(&["which was not offered"])),
    ("Subprotocols that were asked for", |it| it.only_we_refuse(&["subprotocol"])),
    ("Lines as HTTP has them", |it| {
        it.only_we_refuse(&["CR LF", "control character", "folded", "malformed"])
    }),
    ("A head of a bearable size", |it| {
        it.only_we_refuse(&["more than", "longer than", "larger than"])
    }),
    ("No body before frames", |it| it.only_we_refuse(&["cannot have a body"])),
    ("A path or a URL", |it| it.only_we_refuse(&["the request target"])),
    ("Words without a comma", |it| {
        it.library == Library::Tungstenite && it.only_we_refuse(&["does not name Upgrade"])
    }),
    ("Characters of a URL", |it| it.only_they_refuse(&["invalid uri character"])),
    ("Bits behind the end of a key", |it| {
        it.only_they_refuse(&["Invalid \"Sec-WebSocket-Key\" header value"])
    }),
    ("An empty list of subprotocols", |it| {
        it.only_they_refuse(&["invalid Sec-WebSocket-Protocol header"])
    }),
    ("Lists with others in them", |it| {
        it.only_they_refuse(&[
            "Upgrade header",
            "Connection header",
            "websocket\" header",
            "upgrade\" header",
        ])
    }),
];

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
    let mut headings: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    names.sort_unstable();
    headings.sort_unstable();
    assert_eq!(names, headings, "the reasons and the headings of differences.md");
}
