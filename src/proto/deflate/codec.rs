//! Compressing and inflating messages, RFC 7692 section 7.2.
//!
//! A side without context takeover borrows from the pool of the loop for each message, where one
//! compressor stays warm for all connections; at level 1 it is one for whole messages only. A side with takeover has its own, made on first use.

use super::Params;
use super::whole::Squeezer;
use crate::error::Result;
use crate::proto::close;
use crate::proto::config::{Config, Role};
use crate::proto::message::message_too_big;
use crate::proto::prepared::Prepared;
use crate::util::bytes::Bytes;
use crate::util::memory;
use crate::util::pool::BufferPool;
use crate::util::time::Time;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// The end of an empty stored block: every message ends with it, so it is not sent.
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];
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
/// The level of which whole messages need no stream.
const FASTEST: u8 = 1;
/// Memory of a compressor, generously.
const COMPRESSOR: usize = 320 * 1024;
/// Streams of each kind that wait in the pool.
const KEPT: usize = 4;

/// The streams that connections of one loop share.
#[derive(Default)]
pub struct CodecPool {
    squeezer: Option<Squeezer>,
    compressors: Vec<(Settings, Compress)>,
    inflaters: Vec<Inflater>,
}

/// What a compressor is made with.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Settings {
    level: u8,
    bits: u8,
}

impl Settings {
    /// `None` when there is no memory for one.
    fn compressor(self) -> Option<Compress> {
        // It panics without.
        memory::must_have(COMPRESSOR).ok()?;
        let level = Compression::new(u32::from(self.level));
        Some(Compress::new_with_window_bits(level, false, self.bits))
    }
}

impl CodecPool {
    /// The compressor for these settings, at the start of a stream.
    fn compressor(&mut self, settings: Settings) -> Option<&mut Compress> {
        let at = match self.compressors.iter().position(|(made_with, _)| *made_with == settings) {
            Some(at) => at,
            None => {
                let made = settings.compressor()?;
                self.compressors.truncate(KEPT - 1);
                self.compressors.insert(0, (settings, made));
                0
            }
        };
        let compressor = &mut self.compressors[at].1;
        compressor.reset();
        Some(compressor)
    }

    /// Compresses a message that refers to nothing before it; false if that made it no shorter.
    fn shrink(&mut self, settings: Settings, data: &[u8], out: &mut Vec<u8>) -> bool {
        if settings.level == FASTEST {
            let squeezer = self.squeezer.get_or_insert_default();
            return squeezer.compress(data, settings.bits, out);
        }
        let compressor = self.compressor(settings);
        compressor.is_some_and(|it| deflate(it, data, out)) && out.len() < data.len()
    }

    /// A compressor to be kept until `give_back`.
    fn take(&mut self, settings: Settings) -> Option<Compress> {
        self.compressor(settings)?;
        let at = self.compressors.iter().position(|(made_with, _)| *made_with == settings)?;
        Some(self.compressors.swap_remove(at).1)
    }

    fn give_back(&mut self, settings: Settings, compressor: Compress) {
        self.compressors.truncate(KEPT - 1);
        self.compressors.insert(0, (settings, compressor));
    }
}

/// The compressor of a message that is sent in parts, if it has one for itself.
#[derive(Default)]
pub struct PartCompressor {
    stream: Option<Compress>,
    apart: bool,
}

impl PartCompressor {
    /// For parts that are so large that none need refer to another, where that is dear.
    pub fn apart() -> PartCompressor {
        PartCompressor { apart: true, ..PartCompressor::default() }
    }
}

/// Compression of one connection, both directions.
pub struct Deflate {
    own: Option<Box<Own>>,
    settings: Settings,
    peer_bits: u8,
    takeover: bool,
    peer_takeover: bool,
}

/// The streams of a connection with context takeover.
struct Own {
    compressor: Option<Compress>,
    inflater: Option<Inflater>,
    compressed: Time,
}

impl Deflate {
    /// For what the handshake agreed on. Owns nothing until the first compressed message.
    pub fn new(role: Role, config: &Config, params: Params) -> Option<Deflate> {
        let wanted = config.deflate.clone().unwrap_or_default();
        let server = (params.server_bits, params.server_no_takeover, wanted.server_takeover);
        let client = (params.client_bits, params.client_no_takeover, wanted.client_takeover);
        let (own, peer) = match role {
            Role::Server => (server, client),
            Role::Client => (client, server),
        };
        Some(Deflate {
            own: None,
            settings: Settings { level: wanted.level.clamp(1, 9) as u8, bits: own.0 },
            peer_bits: peer.0,
            // Starting anew with each message is always allowed.
            takeover: !own.1 && own.2,
            peer_takeover: !peer.1,
        })
    }

    /// Whether anything can be compressed at all: zlib has no raw stream with a window of 256 bytes, and
    /// nobody has to compress.
    pub fn can_compress(&self) -> bool {
        self.settings.bits >= 9
    }

    /// Appends the compressed form of `data` to `out`; false when it is to be sent as it is.
    pub fn compress(
        &mut self,
        pool: &mut CodecPool,
        now: Time,
        data: &[u8],
        out: &mut Vec<u8>,
    ) -> bool {
        if !self.can_compress() {
            return false;
        }
        if !self.takeover {
            return pool.shrink(self.settings, data, out);
        }
        self.compress_on(now, data, out)
    }

    /// With the connection's own compressor, which goes on from message to message.
    fn compress_on(&mut self, now: Time, data: &[u8], out: &mut Vec<u8>) -> bool {
        let own = self.own.get_or_insert_with(Own::new);
        own.compressed = now;
        if own.compressor.is_none() {
            own.compressor = self.settings.compressor();
        }
        let done = own.compressor.as_mut().is_some_and(|it| deflate(it, data, out));
        if !done {
            own.compressor = None;
        }
        done
    }

    /// What was compressed last is not sent. A fresh compressor refers to nothing that was sent before, which
    /// context takeover allows.
    pub fn forget(&mut self) {
        if let Some(own) = &mut self.own {
            own.compressor = None;
        }
    }

    /// The form of a message that all connections with these settings share; `None` when it is to be
    /// sent as it is.
    pub fn prepared(&mut self, pool: &mut CodecPool, message: &Prepared) -> Option<Bytes> {
        if !self.can_compress() {
            return None;
        }
        let Settings { level, bits } = self.settings;
        let form = message.compressed(level, bits, |data| {
            let mut out = Vec::new();
            pool.shrink(self.settings, data, &mut out).then_some(out)
        })?;
        // It is now part of what the peer remembers and not of what our compressor does.
        self.forget();
        Some(form)
    }

    /// Appends the compressed form of the next part of a message. `kept` is to be the same for all of its
    /// parts, and a new one for the first.
    pub fn compress_part(
        &mut self,
        pool: &mut CodecPool,
        now: Time,
        kept: &mut PartCompressor,
        (data, last): (&[u8], bool),
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let begin = out.len();
        let done = if self.takeover {
            self.compress_on(now, data, out)
        } else if kept.apart && self.settings.level == FASTEST {
            pool.shrink(self.settings, data, out)
        } else {
            // After a failure the next part gets a fresh one, which refers to nothing before.
            let compressor = kept.stream.take().or_else(|| pool.take(self.settings));
            let mut done = false;
            if let Some(mut compressor) = compressor {
                done = deflate(&mut compressor, data, out);
                match last {
                    _ if !done => {}
                    true => pool.give_back(self.settings, compressor),
                    false => kept.stream = Some(compressor),
                }
            }
            done
        };
        if !done {
            out.truncate(begin);
            store(data, out)?;
        }
        if !last {
            out.extend_from_slice(&TAIL);
        }
        Ok(())
    }

    /// Whether a message may refer to those before it.
    pub fn takes_over(&self) -> bool {
        self.takeover
    }

    /// The inflater for the next message of the peer.
    pub fn inflater(&mut self, pool: &mut CodecPool) -> Inflater {
        if !self.peer_takeover {
            return pool.inflaters.pop().unwrap_or_else(|| Inflater::new(15, false));
        }
        let waiting = self.own.as_mut().and_then(|own| own.inflater.take());
        waiting.unwrap_or_else(|| Inflater::new(self.peer_bits.max(9), true))
    }

    /// Takes an inflater back when its message is finished.
    pub fn give_back(&mut self, pool: &mut CodecPool, mut inflater: Inflater) {
        if self.peer_takeover {
            self.own.get_or_insert_with(Own::new).inflater = Some(inflater);
        } else if pool.inflaters.len() < KEPT {
            inflater.stream.reset(false);
            pool.inflaters.push(inflater);
        }
    }

    /// When an unused compressor is given back.
    pub fn next_timeout(&self, config: &Config) -> Option<Time> {
        let own = self.own.as_ref()?;
        own.compressor.as_ref()?;
        let idle_ms = config.deflate.as_ref().map_or(0, |wanted| wanted.idle_ms);
        (idle_ms > 0).then(|| own.compressed.plus_ms(idle_ms))
    }

    /// Gives an unused compressor back. A fresh one refers to nothing that was sent before, which
    /// context takeover allows.
    pub fn handle_timeout(&mut self, now: Time, config: &Config) {
        if self.next_timeout(config).is_some_and(|due| due <= now) {
            if let Some(own) = &mut self.own {
                own.compressor = None;
            }
            if self.own.as_ref().is_some_and(|own| own.inflater.is_none()) {
                self.own = None;
            }
        }
    }
}

impl Own {
    fn new() -> Box<Own> {
        Box::new(Own { compressor: None, inflater: None, compressed: Time(0) })
    }
}

/// Appends one message to `out`. False when the compressor fails, which leaves `data` to be sent as
/// it is.
fn deflate(compressor: &mut Compress, data: &[u8], out: &mut Vec<u8>) -> bool {
    if data.is_empty() {
        // Section 7.2.3.6: an empty stored block less its tail.
        out.push(0);
        return true;
    }
    let (begin, end) = (compressor.total_in(), compressor.total_in() + data.len() as u64);
    // Room for the whole in most cases; the flush marker needs some in any case.
    if out.try_reserve(data.len() / 2 + 32).is_err() {
        return false;
    }
    loop {
        let rest = &data[(compressor.total_in() - begin) as usize..];
        match compressor.compress_vec(rest, out, FlushCompress::Sync) {
            Ok(Status::Ok | Status::BufError) => {}
            Ok(Status::StreamEnd) | Err(_) => return false,
        }
        // A buffer filled to the brim may hide more output.
        if compressor.total_in() == end && out.len() < out.capacity() {
            break;
        }
        if out.try_reserve(data.len() / 2 + 32).is_err() {
            return false;
        }
    }
    debug_assert!(out.ends_with(&TAIL));
    out.truncate(out.len() - TAIL.len());
    true
}

/// What `deflate` does, without compressing (RFC 1951 section 3.2.4). Stands between two blocks, where
/// every flush leaves the stream.
fn store(data: &[u8], out: &mut Vec<u8>) -> Result<()> {
    memory::reserve(out, data.len() + (data.len() / 0xFFFF + 1) * 5 + 1 + TAIL.len())?;
    for block in data.chunks(0xFFFF) {
        let len = block.len() as u16;
        out.push(0);
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&(!len).to_le_bytes());
        out.extend_from_slice(block);
    }
    out.push(0);
    Ok(())
}

/// Reads compressed messages piece by piece.
pub struct Inflater {
    stream: Decompress,
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
    fn new(bits: u8, takeover: bool) -> Inflater {
        let stream = Decompress::new_with_window_bits(false, bits);
        let window = Vec::new();
        Inflater { stream, takeover, ended: false, last: u8::MAX, taken: 0, window }
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
        self.stream.reset(false);
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

#[cfg(test)]
mod tests;
