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
        for (index, &byte) in input.iter().enumerate() {
            match self.step(byte) {
                Ok(false) => {}
                Ok(true) => return (index + 1, Some(Ok(()))),
                Err(fault) => return (index + 1, Some(Err(fault))),
            }
        }
        (input.len(), None)
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
            if self.lines == 0 && self.kind == Kind::Request && !ends_with_version(&self.bytes) {
                return Err(Fault::StartLine);
            }
            self.lines += 1;
            self.line_start = self.bytes.len();
            return Ok(false);
        }
        // RFC 9112 section 2.2: empty lines before a request are ignored.
        if self.lines == 0 {
            self.take();
            return Ok(false);
        }
        Ok(true)
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

/// Whether a request line, with its CR LF, ends with a space and an HTTP version.
fn ends_with_version(line: &[u8]) -> bool {
    matches!(line, [.., b' ', b'H', b'T', b'T', b'P', b'/', major, b'.', minor, b'\r', b'\n']
        if major.is_ascii_digit() && minor.is_ascii_digit())
}
