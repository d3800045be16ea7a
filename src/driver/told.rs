//! To whom a message is being told on this thread. What it answers is the most frequent call of all, and
//! finds here what it would have to look up.

use std::cell::Cell;

use super::loops::Loop;
use crate::util::id::Id;
use crate::util::owner::Me;
use crate::util::table;

/// A connection, where everything about it is, and that this thread is inside its loop.
#[derive(Clone, Copy)]
pub struct Told {
    /// The connection.
    pub id: Id,
    /// What every thread may know of it.
    pub cell: &'static table::Cell,
    /// Its loop.
    pub owner: Loop,
    /// The thread that tells.
    pub me: Me,
}

// No destructor: a thread may end after the library was unloaded.
thread_local!(static TOLD: Cell<Option<Told>> = const { Cell::new(None) });

/// Until this is dropped. A callback may poll another loop: what is left of it then does without.
pub struct Telling;

impl Told {
    /// From now on it is this one.
    #[inline]
    pub fn begin(self) -> Telling {
        TOLD.set(Some(self));
        Telling
    }
}

impl Drop for Telling {
    #[inline]
    fn drop(&mut self) {
        TOLD.set(None);
    }
}

/// If it is this one that a message is told to.
#[inline]
pub fn to(id: Id) -> Option<Told> {
    TOLD.get().filter(|told| told.id == id)
}
