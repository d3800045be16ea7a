//! A message that arrives in pieces: cut into frames, cut by the network, or compressed. Grows with
//! the bytes that arrive, never with a length that is only announced. With `Config::parts` it does
//! not grow at all: what has arrived is handed over.
//!
//! The transport may read what is to come of a frame straight into the message (`room`), ahead of what
//! is known to have arrived (`arrived`).

use super::close;
use super::config::Config;
use super::context::Context;
use super::deflate::codec::Inflater;
use super::event::Kind;
use super::mask;
use super::utf8::Validator;
use crate::error::{Error, Result};
use crate::util::memory;
use crate::util::pool::BufferPool;

/// Input that is unmasked at once for an inflater that may not take all of it.
const UNMASKED: usize = 4 * 1024;
/// Room that is made at once ahead of what arrives: it has to be zeroed first.
const AHEAD: usize = 1 << 20;

/// The message so far.
pub struct Assembly {
    kind: Kind,
    /// All of it, or what has not been handed over; behind that, room that is not filled yet.
    bytes: Vec<u8>,
    /// Room at the end of `bytes`; none in what is compressed or handed over.
    ahead: usize,
    /// Bytes that were handed over in parts.
    handed: u64,
    /// How far text has been checked; idle for binary.
    text: Validator,
    frames: u32,
    /// Present when the message is compressed.
    inflater: Option<Inflater>,
}

impl Assembly {
    /// An empty message in an empty buffer.
    pub fn new(kind: Kind, buffer: Vec<u8>, inflater: Option<Inflater>) -> Assembly {
        let text = Validator::default();
        Assembly { kind, bytes: buffer, ahead: 0, handed: 0, text, frames: 0, inflater }
    }

    /// Another frame of `len` bytes begins: may the message have it?
    pub fn begin_frame(&mut self, len: u64, config: &Config) -> Result<()> {
        self.frames += 1;
        if self.frames > config.max_fragments && !config.parts {
            return Err(fragments(config));
        }
        let so_far = match self.inflater {
            Some(_) => 0,
            None => self.handed + self.filled() as u64,
        };
        check_size(self.inflater.is_some(), so_far, len, config)
    }

    /// Bytes of that frame, masked; `to_come` more of them are still on their way.
    pub fn push(
        &mut self,
        cx: &mut Context,
        piece: &mut [u8],
        key: [u8; 4],
        to_come: u64,
        config: &Config,
    ) -> Result<()> {
        let before = self.filled();
        match &mut self.inflater {
            Some(inflater) => {
                mask::apply(piece, key);
                let inflated =
                    inflater.push(&mut cx.pool, piece, &mut self.bytes, config.max_message);
                cx.work += self.bytes.len() - before;
                return self.check_inflated(before, inflated);
            }
            None => {
                self.grow(&mut cx.pool, piece.len(), to_come).map_err(close::no_memory)?;
                let (here, beyond) = piece.split_at(piece.len().min(self.ahead));
                mask::copy(&mut self.bytes[before..before + here.len()], here, key);
                mask::append(&mut self.bytes, beyond, mask::rotate(key, here.len()));
                self.ahead -= here.len();
            }
        }
        self.check_text(before)
    }

    /// Room for what is to come of that frame; as much as has arrived, unless there is more already. `None`
    /// if that is less than `least`, or if the bytes would not stay there.
    pub fn room(&mut self, pool: &mut BufferPool, to_come: u64, least: usize) -> Option<&mut [u8]> {
        let filled = self.filled();
        let to_come = usize::try_from(to_come).unwrap_or(usize::MAX);
        if self.inflater.is_some() || to_come.min(filled.max(self.ahead)) < least {
            return None;
        }
        let room = to_come.min(filled).min(AHEAD);
        if self.ahead < room {
            // Whoever reads on the other way finds out that there is no memory.
            self.grow(pool, room, (to_come - room) as u64).ok()?;
            if self.bytes.len() < filled + room {
                self.bytes.resize(filled + room, 0);
            }
            self.ahead = self.bytes.len() - filled;
        }
        Some(&mut self.bytes[filled..filled + self.ahead.min(to_come)])
    }

    /// So many masked bytes have been put there.
    pub fn arrived(&mut self, count: usize, key: [u8; 4]) -> Result<()> {
        let before = self.filled();
        self.ahead -= count;
        mask::apply(&mut self.bytes[before..before + count], key);
        self.check_text(before)
    }

    /// Makes room for `piece` bytes: what is left of an earlier message, else twice what is there, but not
    /// more than the frame will need.
    fn grow(&mut self, pool: &mut BufferPool, piece: usize, to_come: u64) -> Result<()> {
        let filled = self.filled();
        let needed = filled + piece;
        if needed <= self.bytes.capacity() {
            return Ok(());
        }
        let whole = needed.saturating_add(usize::try_from(to_come).unwrap_or(usize::MAX));
        if let Some(mut larger) = pool.take_large(whole) {
            let known = filled.min(larger.len());
            larger[..known].copy_from_slice(&self.bytes[..known]);
            larger.extend_from_slice(&self.bytes[known..filled]);
            self.ahead = larger.len() - filled;
            pool.put(std::mem::replace(&mut self.bytes, larger));
            return Ok(());
        }
        self.bytes.truncate(filled);
        self.ahead = 0;
        let capacity = whole.min(needed.max(2 * self.bytes.capacity()));
        memory::reserve_exact(&mut self.bytes, capacity - filled)
    }

    fn filled(&self) -> usize {
        self.bytes.len() - self.ahead
    }

    /// Whether its bytes have to be inflated.
    #[inline]
    pub fn is_compressed(&self) -> bool {
        self.inflater.is_some()
    }

    /// Whether nothing of it has been handed over in parts.
    #[inline]
    pub fn is_fresh(&self) -> bool {
        self.handed == 0
    }

    /// A part that is not compressed passes by, unmasked.
    #[inline]
    pub fn pass(&mut self, part: &[u8]) -> Result<()> {
        self.handed += part.len() as u64;
        match self.kind {
            Kind::Text => self.text.push(part).map_err(|_| not_utf8()),
            Kind::Binary => Ok(()),
        }
    }

    /// Inflates as much of a masked piece as makes one part, into a buffer of the pool, and answers how much that
    /// was. The rest of the piece stays masked.
    pub fn inflate(
        &mut self,
        pool: &mut BufferPool,
        piece: &mut [u8],
        key: [u8; 4],
        config: &Config,
    ) -> Result<usize> {
        self.bytes = pool.take();
        let Some(inflater) = &mut self.inflater else { return Ok(0) };
        let mut inflated = Ok(0);
        let mut at = 0;
        for chunk in piece.chunks_mut(UNMASKED) {
            let key = mask::rotate(key, at);
            mask::apply(chunk, key);
            inflated = inflater.push_part(pool, chunk, &mut self.bytes, config.max_message);
            let Ok(taken) = inflated else { break };
            at += taken;
            if taken < chunk.len() {
                mask::apply(&mut chunk[taken..], mask::rotate(key, taken));
                break;
            }
        }
        self.check_inflated(0, inflated)?;
        Ok(at)
    }

    /// Hands over what `inflate` made, in a message that goes on.
    pub fn hand_over(&mut self) -> Vec<u8> {
        let part = std::mem::take(&mut self.bytes);
        self.handed += part.len() as u64;
        if let Some(inflater) = &mut self.inflater {
            inflater.part_taken(&part);
        }
        part
    }

    /// Text or binary.
    #[inline]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The last frame is complete. Hands over the message, and the inflater to be given back.
    pub fn finish(
        mut self,
        pool: &mut BufferPool,
        config: &Config,
    ) -> Result<(Kind, Vec<u8>, Option<Inflater>)> {
        if let Some(inflater) = &mut self.inflater {
            let before = self.bytes.len();
            let inflated = inflater.finish(pool, &mut self.bytes, config.max_message);
            self.check_inflated(before, inflated)?;
            pool.fit(&mut self.bytes);
        }
        if self.kind == Kind::Text && self.text.finish().is_err() {
            return Err(not_utf8());
        }
        self.bytes.truncate(self.filled());
        Ok((self.kind, self.bytes, self.inflater))
    }

    /// What it was assembled in, when nothing will come of it.
    pub fn into_buffer(self) -> Vec<u8> {
        self.bytes
    }

    /// What came out before the inflater failed is looked at first: the fault that is told is the first
    /// one of the message, however the network cut it.
    fn check_inflated<T>(&mut self, from: usize, inflated: Result<T>) -> Result<T> {
        self.check_text(from)?;
        inflated
    }

    fn check_text(&mut self, from: usize) -> Result<()> {
        match self.kind {
            Kind::Text => {
                let filled = self.filled();
                self.text.push(&self.bytes[from..filled]).map_err(|_| not_utf8())
            }
            Kind::Binary => Ok(()),
        }
    }
}

/// Refuses a frame whose announced length alone is too much.
#[inline]
pub fn check_size(compressed: bool, so_far: u64, len: u64, config: &Config) -> Result<()> {
    // What cannot be compressed becomes a little longer by it, at worst nine bits for a byte.
    let slack = if compressed { config.max_message / 8 + 64 } else { 0 };
    if so_far.saturating_add(len) > config.max_message.saturating_add(slack) {
        return Err(message_too_big(config.max_message));
    }
    if config.max_frame != 0 && len > config.max_frame {
        return Err(close::too_big(format!("frame of more than {} bytes", config.max_frame)));
    }
    Ok(())
}

/// The failure for a message that is, or would be, beyond the limit.
pub fn message_too_big(limit: u64) -> Error {
    close::too_big(format!("message of more than {limit} bytes"))
}

/// The failure for text that is not UTF-8.
pub fn not_utf8() -> Error {
    close::invalid_data("text message that is not UTF-8")
}

fn fragments(config: &Config) -> Error {
    close::policy(format!("message in more than {} fragments", config.max_fragments))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::rng::Entropy;

    fn binary() -> Assembly {
        Assembly::new(Kind::Binary, Vec::new(), None)
    }

    fn push(message: &mut Assembly, len: usize, to_come: u64, config: &Config) {
        let mut cx = Context::new(Entropy::from_seed(1));
        message.push(&mut cx, &mut vec![1; len], [0; 4], to_come, config).unwrap();
    }

    #[test]
    fn an_announced_length_allocates_nothing() {
        let config = Config { max_message: u64::MAX, ..Config::default() };
        let mut message = binary();
        message.begin_frame(1 << 62, &config).unwrap();
        push(&mut message, 10, (1 << 62) - 10, &config);
        assert!(message.bytes.capacity() <= 20, "{}", message.bytes.capacity());
        let mut pool = BufferPool::default();
        for arrived in [10, 20, 40, 80] {
            let room = message.room(&mut pool, (1 << 62) - arrived, 1).unwrap().len();
            assert_eq!(room, arrived as usize);
            message.arrived(room, [0; 4]).unwrap();
        }
        assert!(message.bytes.capacity() <= 160, "{}", message.bytes.capacity());
    }

    #[test]
    fn no_more_than_a_mebibyte_is_zeroed_ahead_of_what_arrives() {
        let config = Config { max_message: u64::MAX, ..Config::default() };
        let mut message = binary();
        message.begin_frame(64 << 20, &config).unwrap();
        push(&mut message, 3 << 20, 61 << 20, &config);
        assert_eq!(message.room(&mut BufferPool::default(), 61 << 20, 1).unwrap().len(), 1 << 20);
    }

    #[test]
    fn a_frame_in_pieces_ends_in_a_buffer_of_its_size() {
        let config = Config::default();
        let mut message = binary();
        message.begin_frame(100_000, &config).unwrap();
        for piece in 1..=100 {
            push(&mut message, 1000, 100_000 - piece * 1000, &config);
        }
        let (_, bytes, _) = message.finish(&mut BufferPool::default(), &config).unwrap();
        assert_eq!((bytes.len(), bytes.capacity()), (100_000, 100_000));
    }

    #[test]
    fn a_large_buffer_of_an_earlier_message_is_used_again_and_shows_nothing_of_it() {
        let config = Config::default();
        let mut cx = Context::new(Entropy::from_seed(1));
        cx.pool.put(vec![7; 200_000]);
        let mut message = binary();
        message.begin_frame(150_000, &config).unwrap();
        message.push(&mut cx, &mut [1; 1000], [2; 4], 149_000, &config).unwrap();
        assert!(message.room(&mut cx.pool, 149_000, 149_001).is_none());
        let room = message.room(&mut cx.pool, 149_000, 149_000).unwrap();
        room[..9000].fill(4);
        message.arrived(9000, [6; 4]).unwrap();
        message.push(&mut cx, &mut [5; 10], [0; 4], 0, &config).unwrap();
        let (_, bytes, _) = message.finish(&mut BufferPool::default(), &config).unwrap();
        assert!(bytes[..1000] == [3; 1000] && bytes[1000..10_000] == [2; 9000]);
        assert_eq!((&bytes[10_000..], bytes.capacity()), (&[5; 10][..], 200_000));
    }

    #[test]
    fn size_is_judged_by_what_is_announced_and_over_all_frames() {
        let config = Config { max_message: 10, ..Config::default() };
        assert_eq!(binary().begin_frame(11, &config).unwrap_err().close_code, 1009);
        let mut message = binary();
        message.begin_frame(6, &config).unwrap();
        push(&mut message, 6, 0, &config);
        message.begin_frame(4, &config).unwrap();
        push(&mut message, 4, 0, &config);
        assert_eq!(message.begin_frame(1, &config).unwrap_err().close_code, 1009);
        let config = Config { max_frame: 5, ..Config::default() };
        assert_eq!(binary().begin_frame(6, &config).unwrap_err().close_code, 1009);
        assert!(binary().begin_frame(5, &config).is_ok());
    }

    #[test]
    fn too_many_fragments_are_against_policy() {
        let config = Config { max_fragments: 2, ..Config::default() };
        let mut message = binary();
        message.begin_frame(0, &config).unwrap();
        message.begin_frame(0, &config).unwrap();
        assert_eq!(message.begin_frame(0, &config).unwrap_err().close_code, 1008);
    }
}
