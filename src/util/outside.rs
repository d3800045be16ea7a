//! Work that must not run while this thread is inside a loop, where something may be borrowed: releasing
//! memory that belongs to the application, since that calls the application.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;

type Work = Box<dyn FnOnce()>;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    // No destructor: a thread may end after the library was unloaded. It is empty by then.
    static WAITING: ManuallyDrop<RefCell<VecDeque<Work>>> =
        const { ManuallyDrop::new(RefCell::new(VecDeque::new())) };
}

/// Being inside. When the outermost of a thread ends, what has waited for that is done.
#[derive(Debug)]
pub struct Within(PhantomData<*const ()>);

/// From now on work waits.
pub fn enter() -> Within {
    DEPTH.with(|depth| depth.set(depth.get() + 1));
    Within(PhantomData)
}

impl Drop for Within {
    fn drop(&mut self) {
        let depth = DEPTH.with(|depth| {
            depth.set(depth.get() - 1);
            depth.get()
        });
        if depth == 0 {
            flush();
        }
    }
}

/// Does `work` at once if this thread is outside, and else when it comes out.
pub fn run(work: impl FnOnce() + 'static) {
    if DEPTH.with(Cell::get) == 0 {
        return work();
    }
    WAITING.with(|waiting| waiting.borrow_mut().push_back(Box::new(work)));
}

/// Does what waits. For whoever stays inside for long and knows that nothing is borrowed right now.
pub fn flush() {
    while let Some(work) = WAITING.with(|waiting| {
        let mut waiting = waiting.borrow_mut();
        let work = waiting.pop_front();
        if waiting.is_empty() {
            *waiting = VecDeque::new();
        }
        work
    }) {
        work();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    #[test]
    fn work_waits_for_the_way_out_and_keeps_its_order() {
        let done = Rc::new(RefCell::new(Vec::new()));
        let note = |n| {
            let done = Rc::clone(&done);
            run(move || done.borrow_mut().push(n));
        };
        note(0);
        let outer = enter();
        note(1);
        drop(enter());
        note(2);
        assert_eq!(*done.borrow(), [0]);
        flush();
        assert_eq!(*done.borrow(), [0, 1, 2]);
        note(3);
        drop(outer);
        assert_eq!(*done.borrow(), [0, 1, 2, 3]);
    }
}
