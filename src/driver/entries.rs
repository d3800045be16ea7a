//! What lives in the slots of a loop, in segments that never move.
//!
//! Sessions lie in the segments themselves: no pointer has to be followed to one, and an idle one costs no
//! room for an allocation of its own.

use super::request::Pending;
use super::server::Server;
use super::session::Session;
use crate::util::id::Id;

// Ten thousand idle connections are ten thousand of these: think twice before raising it. In debug builds mio remembers
// more of a socket, to check itself.
const MOST: usize = if cfg!(debug_assertions) { 256 } else { 192 };
const _: () = assert!(size_of::<Entry>() <= MOST && size_of::<Session>() == size_of::<Entry>());

/// Slots of one segment. Empty segments are given back.
const SEGMENT: usize = 64;

/// What may live in a slot.
// Most are sessions, so that what the others leave free is little.
#[allow(clippy::large_enum_variant)]
#[derive(Default)]
pub enum Entry {
    /// Nothing.
    #[default]
    Vacant,
    /// A connection.
    Session(Session),
    /// A listener.
    Server(Box<Server>),
    /// A request that waits for the application's answer.
    Request(Box<Pending>),
}

/// See the module.
#[derive(Default)]
pub struct Entries {
    segments: Vec<Option<Box<Segment>>>,
}

struct Segment {
    used: usize,
    entries: [Entry; SEGMENT],
}

impl Entries {
    /// What lives there.
    #[inline]
    pub fn get_mut(&mut self, slot: usize) -> Option<&mut Entry> {
        let segment = self.segments.get_mut(slot / SEGMENT)?.as_mut()?;
        Some(&mut segment.entries[slot % SEGMENT])
    }

    /// The session of that id, if it lives.
    #[inline]
    pub fn session(&mut self, id: Id) -> Option<&mut Session> {
        match self.get_mut(id.slot() as usize)? {
            Entry::Session(session) if session.id == id => Some(session),
            _ => None,
        }
    }

    /// Puts something new into an empty slot.
    pub fn put(&mut self, slot: usize, entry: Entry) {
        let at = slot / SEGMENT;
        if at >= self.segments.len() {
            self.segments.resize_with(at + 1, || None);
        }
        let segment = self.segments[at].get_or_insert_with(|| {
            Box::new(Segment { used: 0, entries: std::array::from_fn(|_| Entry::Vacant) })
        });
        segment.used += 1;
        segment.entries[slot % SEGMENT] = entry;
    }

    /// Takes out what is there.
    pub fn take(&mut self, slot: usize) -> Entry {
        let Some(place) = self.segments.get_mut(slot / SEGMENT) else { return Entry::Vacant };
        let Some(segment) = place else { return Entry::Vacant };
        let entry = std::mem::take(&mut segment.entries[slot % SEGMENT]);
        segment.used -= !matches!(entry, Entry::Vacant) as usize;
        if segment.used == 0 {
            *place = None;
        }
        entry
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.segments.iter().flatten().flat_map(|segment| &segment.entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::handler::Handler;
    use crate::driver::session::Phase;
    use crate::driver::settings::{Settings, Shared};
    use crate::driver::setup::Setup;
    use crate::util::id::Kind;
    use std::sync::Arc;

    struct Nobody;

    impl Handler for Nobody {
        fn as_any(&self) -> &dyn std::any::Any {
            self
        }
    }

    #[test]
    fn an_empty_segment_is_given_back() {
        let shared = Shared::new(&Settings::default(), &Nobody);
        let setup = Setup::new(Arc::new(Nobody), shared, None);
        let mut entries = Entries::default();
        let slots = [0, 1, SEGMENT - 1, SEGMENT, 5 * SEGMENT + 7];
        for slot in slots {
            let id = Id::new(Kind::Conn, 0, slot as u32, 1);
            entries.put(slot, Entry::Session(Session::new(id, setup.clone(), Phase::Answered)));
        }
        let there = |entries: &Entries| entries.segments.iter().flatten().count();
        let found = entries.iter().filter(|entry| matches!(entry, Entry::Session(_))).count();
        assert_eq!((there(&entries), found), (3, 5));
        for slot in slots {
            let Some(Entry::Session(session)) = entries.get_mut(slot) else { panic!("{slot}") };
            assert_eq!(session.id.slot() as usize, slot);
            assert!(matches!(entries.take(slot), Entry::Session(_)));
            assert!(!matches!(entries.get_mut(slot), Some(Entry::Session(_))));
            assert!(matches!(entries.take(slot), Entry::Vacant));
        }
        assert_eq!(there(&entries), 0);
    }
}
