//! Large messages are compressed in steps, so that others have their turn in between. The peer gets one frame all the
//! same.

use super::encode::{FLUSH, opcode};
use super::queue::{Data, Entry};
use super::{Connection, Context};
use crate::proto::deflate::codec::PartCompressor;
use crate::util::bytes::Bytes;
use crate::util::time::Time;
use std::sync::Arc;

/// Bytes of one step: a millisecond or two, where they are dear.
const STEP: usize = 128 * 1024;

/// What has come of a message so far.
pub(super) struct Squeezed {
    /// So much of it is done,
    at: usize,
    /// and became this.
    out: Vec<u8>,
    compressor: PartCompressor,
}

impl Default for Squeezed {
    fn default() -> Squeezed {
        Squeezed { at: 0, out: Vec::new(), compressor: PartCompressor::apart() }
    }
}

/// What a step came to.
pub(super) enum Step {
    /// There are more.
    Unfinished,
    /// The message is in the send queue.
    Queued,
    /// It was in vain: the message is to be sent as it is.
    NoSmaller,
}

impl Connection {
    /// Whether a message of that length is one for steps.
    #[inline]
    pub(super) fn squeezes_in_steps(&self, len: usize, compress: bool) -> bool {
        let can = || self.deflate.as_ref().is_some_and(|it| it.can_compress());
        len > STEP && self.compresses(len, compress) && can()
    }

    /// The same for one that waits. Those for many are compressed once, which is elsewhere.
    pub(super) fn is_to_be_squeezed(&self, entry: &Entry) -> bool {
        let own = !matches!(entry.data, Data::Prepared(_)) && entry.whole && !entry.begun;
        own && self.squeezes_in_steps(entry.data.bytes().len(), entry.compress)
    }

    /// The next step. `None` when there is no memory for it.
    #[cold]
    pub(super) fn squeeze(
        &mut self,
        cx: &mut Context,
        now: Time,
        entry: &mut Entry,
    ) -> Option<Step> {
        let deflate = self.deflate.as_mut()?;
        let squeezed = entry.squeezed.get_or_insert_default();
        let Squeezed { at, out, compressor } = &mut **squeezed;
        let data = entry.data.bytes();
        let end = data.len().min(*at + STEP);
        let last = end == data.len();
        let room = out.len() + STEP / 2 + FLUSH;
        if out.capacity() < room {
            cx.pool.enlarge(out, room.max(2 * out.capacity()), usize::MAX).ok()?;
        }
        deflate
            .compress_part(&mut cx.codecs, now, compressor, (&data[*at..end], last), out)
            .ok()?;
        *at = end;
        if !last {
            return Some(Step::Unfinished);
        }
        let (out, whole) = (std::mem::take(out), data.len());
        entry.squeezed = None;
        if out.len() >= whole && !deflate.takes_over() {
            cx.pool.put(out);
            return Some(Step::NoSmaller);
        }
        let form: Bytes = Arc::new(out);
        let queued = self.queue_shared(cx, now, opcode(entry.kind), true, &form);
        cx.pool.take_back(form);
        if let (None, Some(deflate)) = (queued, &mut self.deflate) {
            deflate.forget();
        }
        queued?;
        if let Some(buffer) =
            std::mem::replace(&mut entry.data, Data::Copied(Vec::new())).into_buffer()
        {
            cx.pool.put(buffer);
        }
        Some(Step::Queued)
    }
}
