//! Keeping what was received beyond its callback, without a copy.

use std::ops::Range;
use std::sync::Arc;

use super::core::Core;
use super::deliver::{Delivery, Held, Input, What};
use super::loops;
use crate::error::{Code, Error, Result};
use crate::proto::conn::Body;
use crate::proto::event::Kind;
use crate::util::bytes::Bytes;
use crate::util::id::Id;

/// Where the bytes of an event are.
#[derive(Clone, Debug)]
pub enum Source {
    /// In the arena of the loop.
    Range(Range<usize>),
    /// Where they stay.
    Held(Held),
}

/// What the callback that is running was given.
pub struct Current {
    /// Whose it is.
    pub id: Id,
    /// What it is.
    pub input: Input,
    /// Its bytes.
    pub source: Source,
}

impl Current {
    /// The same of an event from the queue.
    pub fn of(delivery: &Delivery) -> Option<Current> {
        match &delivery.what {
            What::Input(input, held) => {
                Some(Current { id: delivery.id, input: *input, source: Source::Held(held.clone()) })
            }
            _ => None,
        }
    }
}

/// Keeps the message of this connection whose bytes begin at that address: the one of the callback that
/// is running, or one of the batch that was fetched last.
pub fn retain(id: Id, address: usize) -> Result<(Kind, Held)> {
    let (owner, _) = loops::find_object(id)?;
    owner.with(|core| {
        core.current_at(id, address).or_else(|| core.fetched_at(id, address)).ok_or_else(|| {
            Error::new(
                Code::InvalidArgument,
                "data is not what the callback that is running, or an event of the last batch, was given",
            )
        })
    })
}

/// A message to send: as it was received, if that is what it is, and then without a copy. Not for small ones, of
/// which a copy is quickly made.
pub fn body<'a>(to: Id, kind: Kind, data: &'a [u8]) -> Body<'a> {
    const WORTH_A_LOOK: usize = 128 * 1024;
    let received = || {
        let (owner, _) = loops::find_object(to).ok()?;
        owner.try_with(|core| Ok(core.received_as(data)))?.ok()?
    };
    match (data.len() >= WORTH_A_LOOK).then(received).flatten() {
        Some((of, bytes)) if of == Some(kind) => Body::Checked(kind, bytes),
        Some((_, bytes)) => Body::Owned(kind, bytes),
        None => Body::Copy(kind, data),
    }
}

impl Core {
    /// What was received, if these bytes are all of a large message that somebody is looking at: then who sends it
    /// on needs no copy. It may be any connection's. With it comes of which kind it was, if it was a whole one.
    fn received_as(&self, data: &[u8]) -> Option<(Option<Kind>, Bytes)> {
        let is_it = |held: &Held| match held {
            Held::Whole(bytes) => std::ptr::eq(bytes.as_slice(), data),
            Held::Piece(_) => false,
        };
        let current = self.current.as_ref().and_then(|current| match &current.source {
            Source::Held(held) => Some((current.input, held)),
            Source::Range(_) => None,
        });
        let fetched = self.drained.iter().filter_map(|delivery| match &delivery.what {
            What::Input(input, held) => Some((*input, held)),
            _ => None,
        });
        let (input, held) = current.into_iter().chain(fetched).find(|(_, held)| is_it(held))?;
        Some((input.whole(), Arc::new(held.clone())))
    }

    fn current_at(&mut self, id: Id, address: usize) -> Option<(Kind, Held)> {
        if let Some((kind, range)) = self.run.current(id) {
            let held = Held::Piece(self.arena.keep(range));
            return (held.as_ref().as_ptr().addr() == address).then_some((kind, held));
        }
        let current = self.current.as_ref().filter(|current| current.id == id)?;
        let kind = current.input.whole()?;
        let held = match current.source.clone() {
            // The callback shows what is fixed already, so nothing changes but that it stays so.
            Source::Range(range) => Held::Piece(self.arena.keep(range)),
            Source::Held(held) => held,
        };
        (held.as_ref().as_ptr().addr() == address).then_some((kind, held))
    }

    /// Batches are worked on from front to back, so it is looked for from the last one on.
    fn fetched_at(&mut self, id: Id, address: usize) -> Option<(Kind, Held)> {
        let count = self.drained.len();
        let from_last = (0..count).map(|n| (self.retained + n) % count);
        let found = |index: usize| match &self.drained[index] {
            delivery if delivery.id != id => None,
            Delivery { what: What::Series(series), .. } => Some((index, series.at(address)?)),
            Delivery { what: What::Input(input, held), .. } => {
                let is_it = held.as_ref().as_ptr().addr() == address;
                is_it.then_some((index, (input.whole()?, held.clone())))
            }
            _ => None,
        };
        let (index, message) = from_last.into_iter().find_map(found)?;
        self.retained = index;
        Some(message)
    }
}
