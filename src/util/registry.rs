//! Objects that no loop owns, by handle: any thread finds them, and whoever has found one keeps it alive.

use super::forks::{Lock, Locked};
use super::id::{Id, Kind};
use super::table::Table;

/// See the module.
pub struct Registry<T>(Lock<Objects<T>>);

struct Objects<T> {
    table: Table,
    slots: Vec<Option<T>>,
}

impl<T> Default for Registry<T> {
    fn default() -> Registry<T> {
        Registry(Lock::new(Objects { table: Table::new(0), slots: Vec::new() }))
    }
}

impl<T> Registry<T> {
    fn objects(&self) -> Locked<'_, Objects<T>> {
        self.0.lock()
    }

    /// Makes an object for a new id; `None` when a million live already.
    pub fn insert(&self, kind: Kind, make: impl FnOnce(Id) -> T) -> Option<Id> {
        let mut objects = self.objects();
        let id = objects.table.insert(kind, 0)?;
        let slot = id.slot() as usize;
        if slot >= objects.slots.len() {
            objects.slots.resize_with(slot + 1, || None);
        }
        objects.slots[slot] = Some(make(id));
        Some(id)
    }

    /// Takes it out; the id is stale from here on. What it was is for the caller to drop, unlocked.
    pub fn remove(&self, id: Id) -> Option<T> {
        let mut objects = self.objects();
        objects.table.get(id).ok()?;
        objects.table.remove(id);
        objects.slots[id.slot() as usize].take()
    }

    /// Does something with it, if it lives.
    pub fn with<R>(&self, id: Id, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        let mut objects = self.objects();
        objects.table.get(id).ok()?;
        objects.slots.get_mut(id.slot() as usize)?.as_mut().map(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_out_is_not_found_again() {
        let registry = Registry::default();
        let first = registry.insert(Kind::Hub, |_| "first").unwrap();
        assert_eq!(registry.with(first, |it| *it), Some("first"));
        assert_eq!(registry.remove(first), Some("first"));
        let second = registry.insert(Kind::Hub, |_| "second").unwrap();
        assert_eq!(first.slot(), second.slot());
        assert_eq!((registry.with(first, |it| *it), registry.remove(first)), (None, None));
        assert_eq!(registry.with(second, |it| *it), Some("second"));
    }
}
