//! Collects the head of an HTTP message and refuses it at the first byte that breaks a rule, so that
//! neither the limits nor the verdict depend on how the bytes were cut into pieces.

use super::token::is_token_byte;
use crate::proto::config::HeadLimits;

/// What the head is expected to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Starts with a method.
    Request,
    /// Starts with `HTTP/`.
    Response,
}

/// Why bytes are not an acceptable head. Reads as the second half of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The first byte of a TLS record.
    #[error("these are the bytes of a TLS connection, not of HTTP")]
    Tls,
    /// A first byte with the FIN bit of a frame.
    #[error("this is a WebSocket frame, not HTTP")]
    Frame,
    /// Any other start.
    #[error("this is not HTTP")]
    NotHttp,
    /// HTTP, but not version 1.
    #[error("the HTTP version is not 1.1")]
    Version,
    /// The start line is longer than the limit.
    #[error("the first line is longer than {0} bytes")]
    LongLine(usize),
    /// More header lines than the limit.
    #[error("there are more than {0} headers")]
    ManyHeaders(usize),
    /// More bytes than the limit.
    #[error("the head is larger than {0} bytes")]
    Large(usize),
    /// CR or LF alone (RFC 9112 section 2.2 allows to refuse both).
    #[error("a line does not end with CR LF")]
    LineEnd,
    /// Among them NUL.
    #[error("there is a control character")]
    Control,
    /// A line that starts with a space or tab (RFC 9112 section 5.2).
    #[error("a header is folded over two lines")]
    Folded,
    /// Not three, or not two, proper words.
    #[error("the first line is malformed")]
    StartLine,
    /// A bad name, no colon, or a space before it (RFC 9112 section 5.1).
    #[error("a header line is malformed")]
    HeaderLine,
}

/// Receives the head of one message after the other.
#[derive(Debug)]
pub struct HeadReader {
    limits: HeadLimits,
    bytes: Vec<u8>,
    /// Bytes of earlier heads, which count for the limit.
    spent: usize,
    line_start: usize,
    lines: usize,
    kind: Kind,
}

impl HeadReader {
    /// Allocates nothing before the first byte.
    pub fn new(kind: Kind, limits: &HeadLimits) -> HeadReader {
        HeadReader {
            limits: limits.clone(),
            bytes: Vec::new(),
            spent: 0,
            line_start: 0,
            lines: 0,
            kind,
        }
    }

    /// Takes bytes up to the end of the head; says how many, and `Ok` when it is complete.
    pub fn push(&mut self, input: &[u8]) -> (usize, Option<Result<(), Fault>>) {
        let room = self.limits.max_bytes.saturating_sub(self.spent + self.bytes.len());
        self.bytes.reserve(input.len().min(room));
        let mut at = 0;
        while let Some(rest) = input.get(at..).filter(|rest| !rest.is_empty()) {
            if let Some(line) = self.good_line(rest) {
                self.bytes.extend_from_slice(line);
                at += line.len();
                match self.end_line() {
                    Ok(()) => continue,
                    Err(fault) => return (at, Some(Err(fault))),
                }
            }
            let run = self.plain_run(rest);
            self.bytes.extend_from_slice(&rest[..run]);
            at += run;
            let Some(&byte) = rest.get(run) else { break };
            at += 1;
            match self.step(byte) {
                Ok(false) => {}
                Ok(true) => return (at, Some(Ok(()))),
                Err(fault) => return (at, Some(Err(fault))),
            }
        }
        (input.len(), None)
    }

    /// The next line with its end, when all of it is there and no rule could refuse it: most are.
    fn good_line<'a>(&self, rest: &'a [u8]) -> Option<&'a [u8]> {
        if self.line_start != self.bytes.len() {
            return None;
        }
        let plain = leading_plain(rest);
        let line = rest.get(..plain + b"\r\n".len()).filter(|line| line.ends_with(b"\r\n"))?;
        let fits = self.spent + self.bytes.len() + line.len() <= self.limits.max_bytes;
        let good = match (self.lines, self.kind) {
            (0, Kind::Request) => plain <= self.limits.max_line && is_token_byte(line[0]),
            (0, Kind::Response) => plain <= self.limits.max_line && line.starts_with(b"HTTP/"),
            (lines, _) => {
                let folded = matches!(line[0], b' ' | b'\t');
                plain > 0 && !folded && lines <= self.limits.max_headers
            }
        };
        (fits && good).then_some(line)
    }

    /// How many of the next bytes no rule could refuse: those inside of a line, as far as the limits allow.
    fn plain_run(&self, input: &[u8]) -> usize {
        let line = &self.bytes[self.line_start..];
        // A response has to begin with `HTTP/`.
        let start = if self.lines == 0 && self.kind == Kind::Response { 5 } else { 1 };
        if line.len() < start || line.last() == Some(&b'\r') {
            return 0;
        }
        let mut room = self.limits.max_bytes.saturating_sub(self.spent + self.bytes.len());
        if self.lines == 0 {
            room = room.min(self.limits.max_line.saturating_sub(line.len()));
        }
        leading_plain(&input[..input.len().min(room)])
    }

    /// The complete head; the reader is ready for the next one.
    pub fn take(&mut self) -> Vec<u8> {
        self.spent += self.bytes.len();
        self.line_start = 0;
        self.lines = 0;
        std::mem::take(&mut self.bytes)
    }

    /// One byte; `true` when it ends the head.
    fn step(&mut self, byte: u8) -> Result<bool, Fault> {
        let line = &self.bytes[self.line_start..];
        self.check(line, byte)?;
        self.bytes.push(byte);
        if byte != b'\n' {
            return Ok(false);
        }
        if self.bytes.len() - self.line_start > b"\r\n".len() {
            return self.end_line().map(|()| false);
        }
        // RFC 9112 section 2.2: empty lines before a request are ignored.
        if self.lines == 0 {
            self.take();
            return Ok(false);
        }
        Ok(true)
    }

    /// A line that is not empty is complete.
    fn end_line(&mut self) -> Result<(), Fault> {
        if self.lines == 0 && self.kind == Kind::Request && !ends_with_version(&self.bytes) {
            return Err(Fault::StartLine);
        }
        self.lines += 1;
        self.line_start = self.bytes.len();
        Ok(())
    }

    /// What may be said about a byte that follows `line`, the part of its line before it.
    fn check(&self, line: &[u8], byte: u8) -> Result<(), Fault> {
        if self.spent + self.bytes.len() >= self.limits.max_bytes {
            return Err(Fault::Large(self.limits.max_bytes));
        }
        if self.lines == 0 {
            self.check_start(line.len(), byte)?;
        } else if line.is_empty() && matches!(byte, b' ' | b'\t') {
            return Err(Fault::Folded);
        } else if line.is_empty() && byte != b'\r' && self.lines > self.limits.max_headers {
            return Err(Fault::ManyHeaders(self.limits.max_headers));
        }
        let after_cr = line.last() == Some(&b'\r');
        match byte {
            b'\n' if !after_cr => Err(Fault::LineEnd),
            b'\n' => Ok(()),
            _ if after_cr => Err(Fault::LineEnd),
            b'\r' | b'\t' => Ok(()),
            _ if byte.is_ascii_control() => Err(Fault::Control),
            _ => Ok(()),
        }
    }

    /// The first line tells early that the peer speaks something else.
    fn check_start(&self, index: usize, byte: u8) -> Result<(), Fault> {
        let line_break = matches!(byte, b'\r' | b'\n');
        let fits = match self.kind {
            Kind::Request => index > 0 || is_token_byte(byte) || line_break,
            Kind::Response => b"HTTP/".get(index).is_none_or(|&expected| byte == expected),
        };
        match byte {
            _ if fits && !line_break && index >= self.limits.max_line => {
                Err(Fault::LongLine(self.limits.max_line))
            }
            _ if fits => Ok(()),
            // An alert or a handshake record (RFC 8446 section 5.1).
            0x15 | 0x16 if index == 0 => Err(Fault::Tls),
            0x80.. if index == 0 => Err(Fault::Frame),
            _ => Err(Fault::NotHttp),
        }
    }
}

/// How many bytes in front are neither control characters, but for the tab, nor line ends.
fn leading_plain(input: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&eight) = input[at..].first_chunk() {
        match first_control(eight) {
            8 => at += 8,
            before if input[at + before] == b'\t' => at += before + 1,
            before => return at + before,
        }
    }
    let plain = |byte: &&u8| **byte == b'\t' || !byte.is_ascii_control();
    at + input[at..].iter().take_while(plain).count()
}

/// How many of eight bytes stand before the first control character, all looked at together.
fn first_control(eight: [u8; 8]) -> usize {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let word = u64::from_le_bytes(eight);
    // A byte's highest bit is set by what it borrows, unless it was set before. From a byte that borrows,
    // the next ones borrow too, so that the lowest is right.
    let below_space = word.wrapping_sub(EACH * 0x20) & !word;
    let deletes = word ^ (EACH * 0x7f);
    let deletes = deletes.wrapping_sub(EACH) & !deletes;
    (((below_space | deletes) & (EACH * 0x80)).trailing_zeros() / 8) as usize
}

/// Whether a request line, with its CR LF, ends with a space and an HTTP version.
fn ends_with_version(line: &[u8]) -> bool {
    matches!(line, [.., b' ', b'H', b'T', b'T', b'P', b'/', major, b'.', minor, b'\r', b'\n']
        if major.is_ascii_digit() && minor.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";

    fn limits(max_bytes: usize, max_headers: usize, max_line: usize) -> HeadLimits {
        HeadLimits { max_bytes, max_headers, max_line }
    }

    fn read(kind: Kind, limits: &HeadLimits, input: &[u8]) -> (usize, Option<Result<(), Fault>>) {
        HeadReader::new(kind, limits).push(input)
    }

    fn request(input: &[u8]) -> (usize, Option<Result<(), Fault>>) {
        read(Kind::Request, &HeadLimits::default(), input)
    }

    fn fault(kind: Kind, input: &[u8]) -> Fault {
        read(kind, &HeadLimits::default(), input).1.expect("a verdict").expect_err("a fault")
    }

    #[test]
    fn the_end_is_found_and_nothing_after_it_is_taken() {
        let mut input = REQUEST.to_vec();
        input.extend_from_slice(b"\x81\x80\r\n\r\n");
        for cut in 0..REQUEST.len() {
            let mut reader = HeadReader::new(Kind::Request, &HeadLimits::default());
            assert_eq!(reader.push(&input[..cut]), (cut, None));
            assert_eq!(reader.push(&input[cut..]), (REQUEST.len() - cut, Some(Ok(()))));
            assert_eq!(reader.take(), REQUEST);
        }
    }

    #[test]
    fn nothing_is_allocated_for_a_client_that_says_nothing() {
        assert_eq!(HeadReader::new(Kind::Request, &HeadLimits::default()).bytes.capacity(), 0);
        assert!(size_of::<HeadReader>() <= 80);
    }

    #[test]
    fn a_flood_after_the_head_reserves_no_more_than_the_limit() {
        let mut reader = HeadReader::new(Kind::Request, &limits(100, 10, 50));
        reader.push(&[b'A'; 100_000]);
        assert!(reader.bytes.capacity() <= 100);
    }

    #[test]
    fn empty_lines_before_a_request_are_ignored_but_counted() {
        let mut input = b"\r\n\r\n".to_vec();
        input.extend_from_slice(REQUEST);
        assert_eq!(request(&input), (input.len(), Some(Ok(()))));
        let flood = b"\r\n".repeat(60);
        assert_eq!(
            read(Kind::Request, &limits(100, 9, 9), &flood),
            (101, Some(Err(Fault::Large(100))))
        );
        assert_eq!(fault(Kind::Response, b"\r\nHTTP/1.1 200 OK"), Fault::NotHttp);
    }

    #[test]
    fn each_limit_strikes_at_the_first_byte_too_many() {
        let size = REQUEST.len();
        assert_eq!(read(Kind::Request, &limits(size, 1, 14), REQUEST), (size, Some(Ok(()))));
        let large = read(Kind::Request, &limits(size - 1, 1, 14), REQUEST);
        assert_eq!(large, (size, Some(Err(Fault::Large(size - 1)))));
        assert_eq!(
            read(Kind::Request, &limits(size, 1, 13), REQUEST),
            (14, Some(Err(Fault::LongLine(13))))
        );
        assert_eq!(
            read(Kind::Request, &limits(size, 0, 14), REQUEST),
            (17, Some(Err(Fault::ManyHeaders(0))))
        );
    }

    #[test]
    fn heads_in_a_row_share_the_limit_of_bytes() {
        let head = b"HTTP/1.1 100 Continue\r\n\r\n";
        let mut reader = HeadReader::new(Kind::Response, &limits(3 * head.len(), 0, 100));
        for _ in 0..3 {
            assert_eq!(reader.push(head), (head.len(), Some(Ok(()))));
            assert_eq!(reader.take(), head);
        }
        assert_eq!(reader.push(head), (1, Some(Err(Fault::Large(3 * head.len())))));
    }

    #[test]
    fn lines_end_with_cr_lf_and_nothing_else() {
        for input in [
            "GET / HTTP/1.1\n",
            "GET / HTTP/1.1\r\nA: b\n",
            "GET /\rX",
            "GET / HTTP/1.1\r\nA: b\rC: d",
            "GET / HTTP/1.1\r\r\n",
            "\n",
            "GET / HTTP/1.1\r\n\n",
        ] {
            assert_eq!(fault(Kind::Request, input.as_bytes()), Fault::LineEnd, "{input:?}");
        }
    }

    #[test]
    fn control_characters_are_refused_where_they_stand() {
        for byte in (0..=0x1f).chain([0x7f]).filter(|byte| !b"\t\r\n".contains(byte)) {
            for start in [&b"GET /"[..], b"GET / HTTP/1.1\r\nA", b"GET / HTTP/1.1\r\nA: b"] {
                let input = [start, &[byte]].concat();
                assert_eq!(
                    request(&input),
                    (input.len(), Some(Err(Fault::Control))),
                    "{byte:#04x}"
                );
            }
        }
    }

    #[test]
    fn folding_is_refused() {
        for blank in [" ", "\t"] {
            for head in ["GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nA: b\r\n"] {
                assert_eq!(
                    fault(Kind::Request, format!("{head}{blank}x").as_bytes()),
                    Fault::Folded
                );
            }
            let status = format!("HTTP/1.1 101 x\r\nA: b\r\n{blank}c\r\n\r\n");
            assert_eq!(fault(Kind::Response, status.as_bytes()), Fault::Folded);
        }
    }

    #[test]
    fn a_request_line_without_a_version_is_refused_at_its_end() {
        for line in [
            "GET /",
            "HELO there",
            "GET / HTTP/1.x",
            "GET /HTTP/1.1",
            "GET / http/1.1",
            "GET / HTTP/1.1 ",
        ] {
            let input = format!("{line}\r\n");
            assert_eq!(
                request(input.as_bytes()),
                (input.len(), Some(Err(Fault::StartLine))),
                "{line}"
            );
        }
    }

    #[test]
    fn other_protocols_are_known_by_their_first_bytes() {
        let client_hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
        assert_eq!(request(client_hello), (1, Some(Err(Fault::Tls))));
        assert_eq!(fault(Kind::Response, b"\x15\x03\x01\x00\x02\x02\x46"), Fault::Tls);
        for kind in [Kind::Request, Kind::Response] {
            assert_eq!(fault(kind, b"\x81\x05hello"), Fault::Frame);
            assert_eq!(fault(kind, b"\x00\x00\x12\x04\x00"), Fault::NotHttp);
            assert_eq!(fault(kind, b" GET"), Fault::NotHttp);
        }
        assert_eq!(
            read(Kind::Response, &HeadLimits::default(), b"HTTQ"),
            (4, Some(Err(Fault::NotHttp)))
        );
        assert_eq!(fault(Kind::Response, b"SSH-2.0-x\r\n"), Fault::NotHttp);
        assert_eq!(request(b"!odd-but-a-token"), (16, None));
    }
}
