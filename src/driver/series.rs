//! Messages that came in one read, one behind the other: the queue has one entry for all of them.

use super::deliver::{Held, Input, What, weight_of};
use crate::proto::conn::Whole;
use crate::proto::event::Kind;
use crate::util::arena::Piece;

/// Whole messages of one connection, at least one, and the piece of the arena in which they lie.
pub struct Series {
    piece: Piece,
    messages: Vec<Whole>,
    /// Those before have been taken out.
    first: usize,
    /// What they would weigh one by one.
    weight: u32,
}

fn weight(messages: &[Whole]) -> u32 {
    messages.iter().map(|whole| weight_of(whole.payload().len())).sum()
}

impl Series {
    /// What the application is told of the messages of a run. Their places count from the start of the piece.
    pub fn told_as(piece: Piece, messages: &[Whole]) -> What {
        if let [only] = messages {
            return one(&piece, only);
        }
        let (messages, weight) = (messages.to_vec(), weight(messages));
        What::Series(Box::new(Series { piece, messages, first: 0, weight }))
    }

    /// As [`super::deliver::Delivery::weight`].
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// How many there are.
    #[allow(clippy::len_without_is_empty)] // there always is one
    pub fn len(&self) -> usize {
        self.messages.len() - self.first
    }

    /// Kind and bytes of each.
    pub fn iter(&self) -> impl Iterator<Item = (Kind, &[u8])> {
        let bytes = self.piece.as_ref();
        self.messages[self.first..].iter().map(move |whole| (whole.kind, &bytes[whole.payload()]))
    }

    /// Leaves the first `count`, and hands out the others.
    pub fn split_off(&mut self, count: usize) -> Option<Box<Series>> {
        if count >= self.len() {
            return None;
        }
        let messages = self.messages.split_off(self.first + count);
        let weight = weight(&messages);
        self.weight -= weight;
        Some(Box::new(Series { piece: self.piece.clone(), messages, first: 0, weight }))
    }

    /// The first for itself, and the others.
    pub fn split_first(mut self: Box<Series>) -> (What, Option<Box<Series>>) {
        let first = self.messages[self.first];
        self.first += 1;
        self.weight -= weight(&[first]);
        (one(&self.piece, &first), (self.len() > 0).then_some(self))
    }

    /// The message whose bytes begin at that address.
    pub fn at(&self, address: usize) -> Option<(Kind, Held)> {
        let start = address.checked_sub(self.piece.as_ref().as_ptr().addr())?;
        let index = self.messages.partition_point(|whole| whole.payload().start < start);
        let whole = self.messages.get(index).filter(|whole| whole.payload().start == start)?;
        Some((whole.kind, Held::Piece(self.piece.part(whole.payload()))))
    }
}

fn one(piece: &Piece, whole: &Whole) -> What {
    What::Input(Input::Message(whole.kind), Held::Piece(piece.part(whole.payload())))
}
