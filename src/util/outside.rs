//! Work that must not run while this thread is inside a loop, where something may be borrowed: above all
//! releasing memory that belongs to the application, since that calls the application. Threads of the
//! library's own never do that; what they come across is handed to others.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;

/// Something to do once.
pub type Work = Box<dyn FnOnce() + Send>;

thread_local! {
    /// The thread is of the library's own.
    static MUTE: Cell<bool> = const { Cell::new(false) };
    // As below; empty unless the thread is mute.
    static CALLS: ManuallyDrop<RefCell<Vec<Work>>> =
        const { ManuallyDrop::new(RefCell::new(Vec::new())) };
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
pub fn run(work: impl FnOnce() + Send + 'static) {
    if DEPTH.with(Cell::get) == 0 {
        return work();
    }
    WAITING.with(|waiting| waiting.borrow_mut().push_back(Box::new(work)));
}

/// The same for what calls the application.
pub fn call(work: impl FnOnce() + Send + 'static) {
    match MUTE.get() {
        true => CALLS.with(|calls| calls.borrow_mut().push(Box::new(work))),
        false => run(work),
    }
}

/// The calling thread is one of the library's own, and never calls the application.
pub fn mute() {
    MUTE.set(true);
}

/// What the application has to be called for by another thread than this mute one.
pub fn take_calls() -> Vec<Work> {
    CALLS.with(|calls| std::mem::take(&mut *calls.borrow_mut()))
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
    use std::sync::{Arc, Mutex};

    #[test]
    fn work_waits_for_the_way_out_and_keeps_its_order() {
        let done = Arc::new(Mutex::new(Vec::new()));
        let note = |n| {
            let done = Arc::clone(&done);
            run(move || done.lock().unwrap().push(n));
        };
        note(0);
        let outer = enter();
        note(1);
        drop(enter());
        note(2);
        assert_eq!(*done.lock().unwrap(), [0]);
        flush();
        assert_eq!(*done.lock().unwrap(), [0, 1, 2]);
        note(3);
        drop(outer);
        assert_eq!(*done.lock().unwrap(), [0, 1, 2, 3]);
    }

    #[test]
    fn a_mute_thread_leaves_calls_to_others() {
        let calls = std::thread::spawn(|| {
            mute();
            call(|| panic!("called by a mute thread"));
            drop(enter());
            flush();
            take_calls()
        });
        assert_eq!(calls.join().unwrap().len(), 1);
        assert!(take_calls().is_empty());
    }
}
