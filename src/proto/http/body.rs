//! The start of the body of a response, whichever way its length is told (RFC 9112 section 6.3).

use super::headers::Headers;
use super::token::list;

/// Enough for the page or the sentence with which a server explains itself.
pub const MAX_BODY: usize = 4096;

#[derive(Debug)]
enum Framing {
    /// So many bytes are to come.
    Length(u64),
    /// RFC 9112 section 7.1.
    Chunked(Chunk),
    /// All until the connection ends.
    UntilEof,
}

#[derive(Debug)]
enum Chunk {
    /// In the digits of a length.
    Size { size: u64, digits: u8 },
    /// In what may follow the digits.
    Extension { size: u64 },
    /// In the bytes.
    Data { left: u64 },
    /// In the line break after them.
    End,
}

/// Collects at most [`MAX_BODY`] bytes.
#[derive(Debug)]
pub struct BodyReader {
    framing: Framing,
    body: Vec<u8>,
}

impl BodyReader {
    /// For a response with this status and these headers.
    pub fn new(status: u16, headers: &Headers) -> BodyReader {
        let encoding = list(headers.get_all("Transfer-Encoding")).last();
        let length =
            list(headers.get_all("Content-Length")).next().and_then(|text| text.parse().ok());
        let framing = match (encoding, length) {
            _ if matches!(status, 204 | 304) => Framing::Length(0),
            (Some(coding), _) if coding.eq_ignore_ascii_case("chunked") => {
                Framing::Chunked(Chunk::Size { size: 0, digits: 0 })
            }
            (None, Some(length)) => Framing::Length(length),
            _ => Framing::UntilEof,
        };
        BodyReader { framing, body: Vec::new() }
    }

    /// Takes bytes; says how many, and whether nothing more is wanted.
    pub fn push(&mut self, input: &[u8]) -> (usize, bool) {
        let mut used = 0;
        while !self.done() {
            if used == input.len() {
                return (used, false);
            }
            used += self.take_piece(&input[used..]);
        }
        (used, true)
    }

    /// What was collected.
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }

    fn done(&self) -> bool {
        self.body.len() >= MAX_BODY || matches!(self.framing, Framing::Length(0))
    }

    /// Takes at least one byte of a non-empty input.
    fn take_piece(&mut self, input: &[u8]) -> usize {
        let left = match &mut self.framing {
            Framing::UntilEof => u64::MAX,
            Framing::Length(left) | Framing::Chunked(Chunk::Data { left }) => *left,
            Framing::Chunked(chunk) => {
                match chunk.step(input[0]) {
                    Some(next) => *chunk = next,
                    None => self.framing = Framing::Length(0),
                }
                return 1;
            }
        };
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(MAX_BODY - self.body.len());
        let count = input.len().min(wanted);
        self.body.extend_from_slice(&input[..count]);
        let left = left - count as u64;
        self.framing = match self.framing {
            Framing::UntilEof => Framing::UntilEof,
            Framing::Length(_) => Framing::Length(left),
            Framing::Chunked(_) if left == 0 => Framing::Chunked(Chunk::End),
            Framing::Chunked(_) => Framing::Chunked(Chunk::Data { left }),
        };
        count
    }
}

impl Chunk {
    /// The state after one byte outside of the data. `None` at the last chunk, and for bytes that
    /// make no sense: what was understood so far still explains the refusal.
    fn step(&self, byte: u8) -> Option<Chunk> {
        match *self {
            Chunk::Size { size, digits } if byte.is_ascii_hexdigit() && digits < 15 => {
                let digit = char::from(byte).to_digit(16)?;
                Some(Chunk::Size { size: size * 16 + u64::from(digit), digits: digits + 1 })
            }
            Chunk::Size { digits: 0, .. } => None,
            Chunk::Size { size, .. } | Chunk::Extension { size } => match byte {
                b'\n' if size == 0 => None,
                b'\n' => Some(Chunk::Data { left: size }),
                _ => Some(Chunk::Extension { size }),
            },
            Chunk::End if byte == b'\r' => Some(Chunk::End),
            Chunk::End if byte == b'\n' => Some(Chunk::Size { size: 0, digits: 0 }),
            Chunk::End | Chunk::Data { .. } => None,
        }
    }
}
