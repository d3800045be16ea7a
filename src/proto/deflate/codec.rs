//! Compression of messages, RFC 7692 section 7.2.1, and the streams of both directions.
//!
//! A side without context takeover borrows from the pool of the loop for each message, where one compressor stays warm for
//! all connections; at level 1 it is one for whole messages only. A side with takeover has its own, made on first use.

use super::Params;
pub use super::inflate::Inflater;
use super::inflate::TAIL;
use super::whole::Squeezer;
use crate::error::Result;
use crate::proto::config::{Config, Role};
use crate::proto::prepared::Prepared;
use crate::util::bytes::Bytes;
use crate::util::memory;
use crate::util::time::Time;
use flate2::{Compress, Compression, FlushCompress, Status};

/// The level of which whole messages need no stream.
const FASTEST: u8 = 1;
/// Memory of a compressor, generously.
const COMPRESSOR: usize = 320 * 1024;
/// Streams of each kind that wait in the pool.
const KEPT: usize = 4;

/// Boxed for the same reason as the stream of an `Inflater`.
type Compressor = Box<Compress>;

/// The streams that connections of one loop share.
#[derive(Default)]
pub struct CodecPool {
    squeezer: Option<Squeezer>,
    compressors: Vec<(Settings, Compressor)>,
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
    fn compressor(self) -> Option<Compressor> {
        // It panics without.
        memory::must_have(COMPRESSOR).ok()?;
        let level = Compression::new(u32::from(self.level));
        Some(Box::new(Compress::new_with_window_bits(level, false, self.bits)))
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
    fn take(&mut self, settings: Settings) -> Option<Compressor> {
        self.compressor(settings)?;
        let at = self.compressors.iter().position(|(made_with, _)| *made_with == settings)?;
        Some(self.compressors.swap_remove(at).1)
    }

    fn give_back(&mut self, settings: Settings, compressor: Compressor) {
        self.compressors.truncate(KEPT - 1);
        self.compressors.insert(0, (settings, compressor));
    }
}

/// The compressor of a message that is sent in parts, if it has one for itself.
#[derive(Default)]
pub struct PartCompressor {
    stream: Option<Compressor>,
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
    compressor: Option<Compressor>,
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
            inflater.reset();
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

#[cfg(test)]
mod tests;
