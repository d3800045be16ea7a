//! What a library makes of an input. As text it is one line, so that another process can tell it.

use std::fmt;

/// What became of a connection, or of a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// More may come.
    Open,
    /// A close frame with that code, 1005 for none.
    Closed(u16),
    /// A rule was broken, which this code is for; 0 for a handshake.
    Failed(u16),
    /// A handshake was accepted.
    Accepted,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Messages, pings and pongs: a letter and the bytes.
    pub events: Vec<(char, Vec<u8>)>,
    pub end: End,
    /// What the library says to that, for whoever reads it.
    pub why: String,
}

impl Verdict {
    pub fn handshake(end: End, why: impl fmt::Display) -> Verdict {
        let why = why.to_string().replace(char::is_control, " ");
        Verdict { events: Vec::new(), end, why }
    }

    /// The same, whatever the words for it.
    pub fn agrees(&self, other: &Verdict) -> bool {
        self.events == other.events && self.end == other.end
    }

    /// Reads the line of another process.
    pub fn parse(line: &str) -> Option<Verdict> {
        let mut words = line.trim_end().splitn(4, ' ');
        let (end, code, events) = (words.next()?, words.next()?, words.next()?);
        let code = code.parse().ok()?;
        let end = match end {
            "open" => End::Open,
            "closed" => End::Closed(code),
            "failed" => End::Failed(code),
            "accepted" => End::Accepted,
            _ => return None,
        };
        let event = |text: &str| {
            let mut chars = text.chars();
            let letter = chars.next()?;
            let digits = chars.as_str().as_bytes().chunks(2);
            let byte = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok();
            Some((letter, digits.map(byte).collect::<Option<Vec<u8>>>()?))
        };
        let events = events.split(',').filter(|text| *text != "-").map(event);
        let why = words.next().unwrap_or_default().to_owned();
        Some(Verdict { events: events.collect::<Option<_>>()?, end, why })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.end)?;
        for (letter, bytes) in &self.events {
            write!(f, " {letter}\"{}\"", bytes.escape_ascii())?;
        }
        write!(f, " ({})", self.why)
    }
}
