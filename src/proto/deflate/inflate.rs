//! Inflating messages piece by piece, RFC 7692 section 7.2.2.

use crate::error::Result;
use crate::proto::close;
use crate::proto::message::message_too_big;
use crate::util::pool::BufferPool;
use flate2::{Decompress, FlushDecompress, Status};

/// The end of an empty stored block: every message ends with it, so it is not sent.
pub(super) const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];
/// An empty final block, after which a stream must have ended.
const END: [u8; 5] = [0x01, 0x00, 0x00, 0xFF, 0xFF];
/// Empty blocks, which leave a stream that stands between two blocks as it was. Within a block they
/// are data or break it, and there are more of them than the longest block header can swallow.
const PADDING: [u8; 300] = {
    let mut blocks = [0; 300];
    let mut at = 0;
    while at < blocks.len() {
        blocks[at + 3] = 0xFF;
        blocks[at + 4] = 0xFF;
        at += 5;
    }
    blocks
};
/// How far back the data of a peer may refer.
const WINDOW: usize = 1 << 15;
/// Bytes of one part of a message.
const PART: usize = 64 * 1024;
/// More than the last byte of a piece and the tail can stand for: with what the stream may hold of a
/// byte and of a match that is 47 bits, each at most a match of 258 bytes, and that match.
const LAST: usize = 16 * 1024;

/// Reads compressed messages piece by piece.
pub struct Inflater {
    /// Boxed, because zlib-rs frees a stream below a reference to it when it ends in a function that it was given to
    /// by value, which is undefined behaviour.
    stream: Box<Decompress>,
    takeover: bool,
    /// The last block was marked as final and nothing came after it.
    ended: bool,
    /// The last byte that came in.
    last: u8,
    /// Bytes of the message that were taken in parts.
    taken: u64,
    /// The last of them.
    window: Vec<u8>,
}

impl Inflater {
    pub(super) fn new(bits: u8, takeover: bool) -> Inflater {
        let stream = Box::new(Decompress::new_with_window_bits(false, bits));
        let window = Vec::new();
        Inflater { stream, takeover, ended: false, last: u8::MAX, taken: 0, window }
    }

    /// What comes next is the beginning of a stream.
    pub(super) fn reset(&mut self) {
        self.stream.reset(false);
    }

    /// Appends what the next piece of a message inflates to; `out` never grows past `limit` + 1.
    pub fn push(
        &mut self,
        pool: &mut BufferPool,
        mut input: &[u8],
        out: &mut Vec<u8>,
        limit: u64,
    ) -> Result<()> {
        self.last = input.last().copied().unwrap_or(self.last);
        while !input.is_empty() {
            input = &input[self.step(pool, input, out, limit)?..];
        }
        // What did not fit into `out` waits inside the stream.
        while out.len() == out.capacity() && !self.ended {
            let before = out.len();
            self.step(pool, &[], out, limit)?;
            if out.len() == before {
                break;
            }
        }
        Ok(())
    }

    /// As `push`, until `out` has enough for a part; answers how much of `input` it took. The last byte
    /// of it is taken only into plenty of room, so that whatever waits inside the stream waits for input
    /// and nothing else.
    pub fn push_part(
        &mut self,
        pool: &mut BufferPool,
        input: &[u8],
        out: &mut Vec<u8>,
        limit: u64,
    ) -> Result<usize> {
        let Some((_, body)) = input.split_last() else { return Ok(0) };
        let mut used = 0;
        while used < body.len() && out.len() < PART - LAST {
            grow(pool, out, input.len(), PART)?;
            used += self.step(pool, &body[used..], out, limit)?;
        }
        if used == body.len() && out.len() < PART - LAST {
            grow(pool, out, input.len(), PART)?;
            self.push(pool, &input[used..], out, limit)?;
            used += 1;
        }
        Ok(used)
    }

    /// What `out` had is taken as a part of the message.
    pub fn part_taken(&mut self, part: &[u8]) {
        self.taken += part.len() as u64;
        slide(&mut self.window, part);
    }

    /// Ends the message with the tail that was not sent, and checks that the data ended there too.
    pub fn finish(&mut self, pool: &mut BufferPool, out: &mut Vec<u8>, limit: u64) -> Result<()> {
        let ended = self.end(pool, out, limit);
        self.taken = 0;
        self.window = Vec::new();
        ended
    }

    fn end(&mut self, pool: &mut BufferPool, out: &mut Vec<u8>, limit: u64) -> Result<()> {
        let last = std::mem::replace(&mut self.last, u8::MAX);
        if std::mem::take(&mut self.ended) {
            return Ok(());
        }
        self.push(pool, &TAIL, out, limit)?;
        self.ended = false;
        let whole = if self.takeover {
            // A sender ends with the three zero bits that begin the block of the tail. With those
            // one block is enough to be sure but for rare accidents, and all are dear.
            let blocks = if last & 0xE0 == 0 { &PADDING[..5] } else { &PADDING[..] };
            self.swallow(blocks).is_some()
        } else {
            self.swallow(&END) == Some(Status::StreamEnd)
        };
        if whole { Ok(()) } else { Err(close::invalid_data("compressed message that is cut off")) }
    }

    /// Takes input that must not inflate to anything.
    fn swallow(&mut self, input: &[u8]) -> Option<Status> {
        let after = (self.stream.total_in() + input.len() as u64, self.stream.total_out());
        let status = self.stream.decompress(input, &mut [0], FlushDecompress::None).ok()?;
        ((self.stream.total_in(), self.stream.total_out()) == after).then_some(status)
    }

    /// One call of the stream; the bytes it consumed.
    fn step(
        &mut self,
        pool: &mut BufferPool,
        input: &[u8],
        out: &mut Vec<u8>,
        limit: u64,
    ) -> Result<usize> {
        // The first byte too many shows that there is one.
        let beyond = (limit - self.taken).saturating_add(1);
        let beyond = usize::try_from(beyond).unwrap_or(usize::MAX);
        grow(pool, out, input.len(), beyond)?;
        self.ended = false;
        let (before, len) = (self.stream.total_in(), out.len());
        let status = self.stream.decompress_vec(input, out, FlushDecompress::None);
        let used = (self.stream.total_in() - before) as usize;
        if out.len() >= beyond {
            out.truncate(beyond);
            return Err(message_too_big(limit));
        }
        match status {
            Ok(Status::StreamEnd) => {
                self.restart(out)?;
                Ok(used)
            }
            Ok(_) if used > 0 || out.len() > len || input.is_empty() => Ok(used),
            Ok(_) | Err(_) => Err(close::invalid_data("compressed message that is corrupt")),
        }
    }

    /// Goes on after a final block (section 7.2.3.4): more blocks may follow and refer to what came
    /// before in this message.
    fn restart(&mut self, out: &[u8]) -> Result<()> {
        self.ended = true;
        self.reset();
        let mut joined = Vec::new();
        let window = if self.window.is_empty() || out.len() >= WINDOW {
            &out[out.len().saturating_sub(WINDOW)..]
        } else {
            joined.extend_from_slice(&self.window);
            slide(&mut joined, out);
            &joined
        };
        if window.is_empty() {
            return Ok(());
        }
        match self.stream.set_dictionary(window) {
            Ok(_) => Ok(()),
            Err(_) => Err(close::invalid_data("compressed message that is corrupt")),
        }
    }
}

/// Makes room in a full buffer for what `input` bytes may inflate to, but not for more than `most`.
fn grow(pool: &mut BufferPool, out: &mut Vec<u8>, input: usize, most: usize) -> Result<()> {
    if out.len() < out.capacity() {
        return Ok(());
    }
    let wanted = (2 * out.capacity()).max(4 * input).max(512);
    // No second step for the little that would be missing.
    let wanted = if most - most / 8 < wanted { most } else { wanted };
    pool.enlarge(out, wanted, most).map_err(close::no_memory)
}

/// Appends `bytes` and keeps what data may refer to.
fn slide(window: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = &bytes[bytes.len().saturating_sub(WINDOW)..];
    let excess = (window.len() + bytes.len()).saturating_sub(WINDOW);
    window.drain(..excess);
    window.extend_from_slice(bytes);
}
