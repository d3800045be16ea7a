//! The start of the body of a response, whichever way its length is told (RFC 9112 section 6.3).

use super::headers::Headers;
use super::token::list;

/// Enough for the page or the sentence with which a server explains itself.
pub const MAX_BODY: usize = 4096;

/// Hexadecimal digits of a chunk size; so many cannot overflow.
const MAX_DIGITS: u8 = 15;

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
        let length = list(headers.get_all("Content-Length")).next().and_then(parse_length);
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

fn parse_length(text: &str) -> Option<u64> {
    // The parser of the standard library would allow a sign.
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

impl Chunk {
    /// The state after one byte outside of the data. `None` at the last chunk, and for bytes that
    /// make no sense: what was understood so far still explains the refusal.
    fn step(&self, byte: u8) -> Option<Chunk> {
        match *self {
            Chunk::Size { size, digits } if byte.is_ascii_hexdigit() => {
                let digit = u64::from(char::from(byte).to_digit(16)?);
                (digits < MAX_DIGITS)
                    .then_some(Chunk::Size { size: size * 16 + digit, digits: digits + 1 })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::default();
        fields.iter().for_each(|(name, value)| headers.push(name, value));
        headers
    }

    /// The body, the bytes taken and whether the end was seen; the same whole and byte by byte.
    fn read(status: u16, fields: &[(&str, &str)], input: &[u8]) -> (Vec<u8>, usize, bool) {
        let mut whole = BodyReader::new(status, &headers(fields));
        let (used, end) = whole.push(input);
        let mut bytewise = BodyReader::new(status, &headers(fields));
        let mut count = 0;
        let mut ended = bytewise.push(b"").1;
        while !ended && count < input.len() {
            let (one, end) = bytewise.push(&input[count..=count]);
            assert_eq!(one, 1);
            count += one;
            ended = end;
        }
        assert_eq!((used, end), (count, ended));
        assert_eq!(whole.body, bytewise.body);
        (whole.into_body(), used, end)
    }

    #[test]
    fn a_length_ends_the_body() {
        let five = [("content-length", "5")];
        assert_eq!(read(403, &five, b"hello, world"), (b"hello".to_vec(), 5, true));
        assert_eq!(read(403, &five, b"hell"), (b"hell".to_vec(), 4, false));
        assert_eq!(read(403, &[("Content-Length", "0")], b"x"), (vec![], 0, true));
        assert_eq!(
            read(403, &[("Content-Length", "5, 5")], b"hello!"),
            (b"hello".to_vec(), 5, true)
        );
    }

    #[test]
    fn without_a_usable_length_all_belongs_to_the_body() {
        for bad in ["+3", "-1", "x", "", "99999999999999999999"] {
            assert_eq!(
                read(200, &[("Content-Length", bad)], b"hello"),
                (b"hello".to_vec(), 5, false)
            );
        }
        assert_eq!(read(200, &[], b"hello"), (b"hello".to_vec(), 5, false));
        let gzip = [("Transfer-Encoding", "gzip"), ("Content-Length", "1")];
        assert_eq!(read(200, &gzip, b"hello"), (b"hello".to_vec(), 5, false));
    }

    #[test]
    fn statuses_without_a_body() {
        for status in [204, 304] {
            assert_eq!(read(status, &[("Content-Length", "5")], b"hello"), (vec![], 0, true));
        }
    }

    #[test]
    fn no_more_than_the_limit_is_kept() {
        let long = vec![b'x'; MAX_BODY + 10];
        for fields in [&[][..], &[("Content-Length", "18446744073709551615")]] {
            let (body, used, end) = read(500, fields, &long);
            assert_eq!((body.len(), used, end), (MAX_BODY, MAX_BODY, true));
        }
        let mut chunked = b"ffffffff\r\n".to_vec();
        chunked.extend_from_slice(&long);
        let (body, used, end) = read(500, &[("Transfer-Encoding", "chunked")], &chunked);
        assert_eq!((body.len(), used, end), (MAX_BODY, MAX_BODY + 10, true));
    }

    #[test]
    fn chunks_are_joined() {
        let chunked = [("Transfer-Encoding", "gzip, Chunked"), ("Content-Length", "1")];
        let input = b"5\r\nhello\r\n0A;name=\"v\"\r\n, world!!!\r\n0\r\nmore";
        let (body, used, end) = read(404, &chunked, input);
        assert_eq!(body, b"hello, world!!!");
        assert_eq!((used, end), (input.len() - 4, true));
    }

    #[test]
    fn broken_chunks_end_the_body() {
        let chunked = [("Transfer-Encoding", "chunked")];
        for (input, body) in [
            (&b"zz\r\nhello"[..], &b""[..]),
            (b"\r\nhello", b""),
            (b"2\r\nhello\r\n", b"he"),
            (b"2\r\nhe\r\n-1\r\nx", b"he"),
            (b"ffffffffffffffffffffff\r\nx", b""),
        ] {
            let (got, _, end) = read(404, &chunked, input);
            assert_eq!((got.as_slice(), end), (body, true), "{input:?}");
        }
    }
}
