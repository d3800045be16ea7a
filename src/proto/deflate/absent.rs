//! Stands in for `codec.rs` in a build without the `deflate` feature: the extension is never
//! negotiated, so none of these can exist.

use super::Params;
use crate::error::Result;
use crate::proto::config::{Config, Role};
use crate::proto::prepared::Prepared;
use crate::util::bytes::Bytes;
use crate::util::pool::BufferPool;
use crate::util::time::Time;

/// Nothing to share.
#[derive(Default)]
pub struct CodecPool {}

/// Never made.
pub enum Deflate {}

/// Never made.
pub enum Inflater {}

/// Nothing to keep.
#[derive(Default)]
pub struct PartCompressor {}

#[allow(missing_docs)] // as in codec.rs
impl PartCompressor {
    pub fn apart() -> PartCompressor {
        PartCompressor {}
    }
}

#[allow(missing_docs)] // as in codec.rs
impl Deflate {
    pub fn new(_: Role, _: &Config, _: Params) -> Option<Deflate> {
        None
    }

    pub fn compress(&mut self, _: &mut CodecPool, _: Time, _: &[u8], _: &mut Vec<u8>) -> bool {
        match *self {}
    }

    pub fn forget(&mut self) {
        match *self {}
    }

    pub fn can_compress(&self) -> bool {
        match *self {}
    }

    pub fn prepared(&mut self, _: &mut CodecPool, _: &Prepared) -> Option<Bytes> {
        match *self {}
    }

    pub fn compress_part(
        &mut self,
        _: &mut CodecPool,
        _: Time,
        _: &mut PartCompressor,
        _: (&[u8], bool),
        _: &mut Vec<u8>,
    ) -> Result<()> {
        match *self {}
    }

    pub fn takes_over(&self) -> bool {
        match *self {}
    }

    pub fn inflater(&mut self, _: &mut CodecPool) -> Inflater {
        match *self {}
    }

    pub fn give_back(&mut self, _: &mut CodecPool, _: Inflater) {
        match *self {}
    }

    pub fn next_timeout(&self, _: &Config) -> Option<Time> {
        match *self {}
    }

    pub fn handle_timeout(&mut self, _: Time, _: &Config) {
        match *self {}
    }
}

#[allow(missing_docs)] // as in codec.rs
impl Inflater {
    pub fn push(&mut self, _: &mut BufferPool, _: &[u8], _: &mut Vec<u8>, _: u64) -> Result<()> {
        match *self {}
    }

    pub fn push_part(
        &mut self,
        _: &mut BufferPool,
        _: &[u8],
        _: &mut Vec<u8>,
        _: u64,
    ) -> Result<usize> {
        match *self {}
    }

    pub fn part_taken(&mut self, _: &[u8]) {
        match *self {}
    }

    pub fn finish(&mut self, _: &mut BufferPool, _: &mut Vec<u8>, _: u64) -> Result<()> {
        match *self {}
    }
}
