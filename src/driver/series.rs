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
            return one(piece.only(only.payload()), only.kind);
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
        let piece = self.piece.part(first.payload());
        (one(piece, first.kind), (self.len() > 0).then_some(self))
    }

    /// The message whose bytes begin at that address.
    pub fn at(&self, address: usize) -> Option<(Kind, Held)> {
        let start = address.checked_sub(self.piece.as_ref().as_ptr().addr())?;
        let index = self.messages.partition_point(|whole| whole.payload().start < start);
        let whole = self.messages.get(index).filter(|whole| whole.payload().start == start)?;
        Some((whole.kind, Held::Piece(self.piece.part(whole.payload()))))
    }
}

fn one(piece: Piece, kind: Kind) -> What {
    What::Input(Input::Message(kind), Held::Piece(piece))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::driver::batch::{self, Batch};
    use crate::driver::deliver::Delivery;
    use crate::driver::fixtures::{Log, new_loop, turn_until};
    use crate::driver::handler::Handler;
    use crate::driver::settings::Settings;
    use crate::driver::{client, conn, listen, retain, server, turn};
    use crate::util::id::Id;

    /// Whose it is, its bytes and where they are.
    type Event = (Id, Vec<u8>, usize);

    /// Room for three events at a time.
    #[derive(Clone, Default)]
    struct Few(Arc<Mutex<Vec<Event>>>);

    impl Batch for Few {
        fn begin(&mut self) {
            self.0.lock().unwrap().clear();
        }
        fn count(&self) -> u32 {
            self.0.lock().unwrap().len() as u32
        }
        fn room(&self) -> u32 {
            3 - self.count()
        }
        fn add(&mut self, delivery: &Delivery, _: Option<&dyn Handler>) {
            let add = |bytes: &[u8]| {
                let event = (delivery.id, bytes.to_vec(), bytes.as_ptr().addr());
                self.0.lock().unwrap().push(event);
            };
            match &delivery.what {
                What::Series(series) => series.iter().for_each(|(_, bytes)| add(bytes)),
                What::Input(_, held) => add(held.as_ref()),
                _ => add(b"something else"),
            }
        }
    }

    #[test]
    fn it_is_told_in_parts_and_weighs_what_is_left_of_it() {
        let (log, owner, room) = (Log::new(), new_loop(), Few::default());
        let settings = Settings::default();
        let listening = listen::listen(owner, "127.0.0.1", 0, &settings, log.clone()).unwrap();
        let url = format!("ws://127.0.0.1:{}/", server::port(owner, listening).unwrap());
        let id = client::connect(owner, &url, &settings, log.clone()).unwrap();
        assert!(turn_until(owner, || log.count("open") == 2), "{:?}", log.events());
        for number in 0..20 {
            conn::send(id, Kind::Text, format!("message {number}").as_bytes(), false).unwrap();
        }
        batch::use_batch(owner, Some(Box::new(room.clone()))).unwrap();
        let mut told = 0;
        while told < 20 {
            let count = batch::fetch(owner, None).unwrap();
            let entries =
                owner.with(|core| Ok((core.outbox.events.len(), core.outbox.count()))).unwrap();
            assert!(entries.0 <= 20 / 3 && (count < 3 || entries.0 <= entries.1), "{entries:?}");
            for (whose, bytes, address) in room.0.lock().unwrap().iter() {
                assert_eq!(bytes, format!("message {told}").as_bytes());
                let (kind, held) = retain::retain(*whose, *address).unwrap();
                assert_eq!((kind, held.as_ref()), (Kind::Text, &bytes[..]));
                assert!(retain::retain(*whose, address + 1).is_err());
                told += 1;
            }
        }
        assert_eq!(owner.with(|core| Ok((core.outbox.weight, core.outbox.count()))), Ok((0, 0)));
        turn::free(owner).unwrap();
    }

    #[test]
    fn by_calls_each_message_is_told_for_itself() {
        let (log, owner, room) = (Log::new(), new_loop(), Few::default());
        let settings = Settings::default();
        let listening = listen::listen(owner, "127.0.0.1", 0, &settings, log.clone()).unwrap();
        let url = format!("ws://127.0.0.1:{}/", server::port(owner, listening).unwrap());
        let id = client::connect(owner, &url, &settings, log.clone()).unwrap();
        assert!(turn_until(owner, || log.count("open") == 2), "{:?}", log.events());
        for number in 0..20 {
            conn::send(id, Kind::Text, format!("{number}").as_bytes(), false).unwrap();
        }
        batch::use_batch(owner, Some(Box::new(room.clone()))).unwrap();
        while batch::fetch(owner, None).unwrap() == 0 {}
        // What the batch has not taken is told by calls from here on.
        let taken = room.0.lock().unwrap().len();
        assert!(turn_until(owner, || log.count("message") == 20 - taken), "{:?}", log.events());
        let expected = (taken..20).map(|number| format!("message {number}"));
        assert!(log.events()[2..].iter().cloned().eq(expected), "{:?}", log.events());
        assert_eq!(owner.with(|core| Ok((core.outbox.weight, core.outbox.count()))), Ok((0, 0)));
        turn::free(owner).unwrap();
    }

    #[test]
    fn who_says_much_does_not_fill_the_queue_before_others() {
        let (log, owner, room) = (Log::new(), new_loop(), Few::default());
        let settings = Settings::default();
        let listening = listen::listen(owner, "127.0.0.1", 0, &settings, log.clone()).unwrap();
        let url = format!("ws://127.0.0.1:{}/", server::port(owner, listening).unwrap());
        let ids = [0, 1].map(|_| client::connect(owner, &url, &settings, log.clone()).unwrap());
        assert!(turn_until(owner, || log.count("open") == 4), "{:?}", log.events());
        batch::use_batch(owner, Some(Box::new(room.clone()))).unwrap();
        for _ in 0..20_000 {
            conn::send(ids[0], Kind::Text, b"f", false).unwrap();
        }
        conn::send(ids[1], Kind::Text, b"q", false).unwrap();
        let mut before = 0;
        while !room.0.lock().unwrap().iter().any(|(_, bytes, _)| bytes == b"q") {
            before += batch::fetch(owner, None).unwrap();
            assert!(before < 4_000, "messages of the other one came before");
        }
        assert!(before > 3, "there was a crowd");
        turn::free(owner).unwrap();
    }
}
