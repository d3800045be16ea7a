//! A value that one thread at a time may enter, again and again from within.

use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number for the current thread, never zero and never used for another.
pub fn this_thread() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    // No destructor: a thread may end after the library was unloaded.
    thread_local!(static TOKEN: Cell<u64> = const { Cell::new(0) });
    TOKEN.with(|token| {
        if token.get() == 0 {
            token.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        token.get()
    })
}

/// The current thread, for whoever asks again and again. Not `Send`: it is that of no other.
#[derive(Clone, Copy, Debug)]
pub struct Me(u64, PhantomData<*const ()>);

impl Me {
    /// Which thread this is.
    #[inline]
    pub fn here() -> Me {
        Me(this_thread(), PhantomData)
    }

    /// Whether that is its number.
    #[inline]
    pub fn is(self, thread: u64) -> bool {
        self.0 == thread
    }
}

/// Nobody is inside; the lower bits are the key.
const VACANT: u64 = 1 << 63;

/// A lock that never waits. The thread inside may enter again: a callback that calls back into the
/// library pays one load for that. From outside it takes the right key, so that who has an old one is
/// not in the way even for a moment.
#[derive(Debug)]
pub struct Owned<T> {
    /// The token of the thread inside, or [`VACANT`].
    inside: AtomicU64,
    depth: Cell<u32>,
    key: Cell<u32>,
    value: UnsafeCell<T>,
}

// SAFETY: `value`, `depth` and `key` are only reached by the thread whose token is in `inside`, and the
// token changes hands with acquire/release. `T` moves between threads, hence `Send`.
unsafe impl<T: Send> Sync for Owned<T> {}

/// Being inside. Not `Send`: another thread would not be.
#[derive(Debug)]
pub struct Inside<'a, T> {
    owned: &'a Owned<T>,
    not_send: PhantomData<*const ()>,
}

impl<T> Owned<T> {
    /// Nobody is inside yet.
    pub const fn new(value: T, key: u32) -> Owned<T> {
        Owned {
            inside: AtomicU64::new(VACANT | key as u64),
            depth: Cell::new(0),
            key: Cell::new(key),
            value: UnsafeCell::new(value),
        }
    }

    /// Enters, or answers `None` because another thread is inside or the key is another.
    pub fn try_enter(&self, key: u32) -> Option<Inside<'_, T>> {
        let me = this_thread();
        if self.inside.load(Ordering::Relaxed) != me {
            let vacant = VACANT | key as u64;
            self.inside.compare_exchange(vacant, me, Ordering::Acquire, Ordering::Relaxed).ok()?;
        }
        self.depth.set(self.depth.get() + 1);
        Some(Inside { owned: self, not_send: PhantomData })
    }

    /// Enters if the calling thread is inside already, as from within a callback.
    #[inline]
    pub fn enter_again(&self, me: Me) -> Option<Inside<'_, T>> {
        if self.inside.load(Ordering::Relaxed) != me.0 {
            return None;
        }
        self.depth.set(self.depth.get() + 1);
        Some(Inside { owned: self, not_send: PhantomData })
    }

    /// Whether the calling thread is inside.
    pub fn is_inside(&self) -> bool {
        self.inside.load(Ordering::Relaxed) == this_thread()
    }
}

impl<T> Inside<'_, T> {
    /// The thread that is inside, which is this one.
    #[inline]
    pub fn me(&self) -> Me {
        Me(self.owned.inside.load(Ordering::Relaxed), PhantomData)
    }

    /// Whether this was the way in, and not one from within.
    pub fn is_outermost(&self) -> bool {
        self.owned.depth.get() == 1
    }

    /// From now on it takes this key to enter.
    pub fn set_key(&self, key: u32) {
        self.owned.key.set(key);
    }
}

impl<T> Deref for Inside<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this thread is inside, so no other touches the value; only `&T` is handed out.
        unsafe { &*self.owned.value.get() }
    }
}

impl<T> Drop for Inside<'_, T> {
    fn drop(&mut self) {
        let depth = self.owned.depth.get() - 1;
        self.owned.depth.set(depth);
        if depth == 0 {
            let vacant = VACANT | self.owned.key.get() as u64;
            self.owned.inside.store(vacant, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_enters_twice_and_another_not_at_all() {
        static LOCK: Owned<u32> = Owned::new(7, 1);
        let outer = LOCK.try_enter(1).unwrap();
        let inner = LOCK.try_enter(1).unwrap();
        assert_eq!(*inner, 7);
        assert!(!inner.is_outermost());
        drop(inner);
        assert!(LOCK.enter_again(Me::here()).is_some_and(|again| !again.is_outermost()));
        assert!(outer.is_outermost());
        assert!(LOCK.is_inside());
        assert!(std::thread::spawn(|| LOCK.try_enter(1).is_none()).join().unwrap());
        assert!(std::thread::spawn(|| LOCK.enter_again(Me::here()).is_none()).join().unwrap());
        drop(outer);
        assert!(std::thread::spawn(|| LOCK.try_enter(1).is_some()).join().unwrap());
        assert!(!LOCK.is_inside() && LOCK.enter_again(Me::here()).is_none());
    }

    #[test]
    fn an_old_key_does_not_fit() {
        let lock = Owned::new((), 1);
        lock.try_enter(1).unwrap().set_key(2);
        assert!(lock.try_enter(1).is_none());
        assert!(lock.try_enter(2).is_some());
    }
}
