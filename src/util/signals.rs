//! Helper threads must not take the signals that the program expects on its own threads.

/// Runs `f` with every signal blocked; a thread it starts inherits that and keeps it.
#[cfg(unix)]
pub fn blocked<R>(f: impl FnOnce() -> R) -> R {
    // SAFETY: both sets are plain values that the calls initialise before they are read; the calls
    // touch only the mask of this thread.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        let result = f();
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        result
    }
}

/// There are no such signals here.
#[cfg(not(unix))]
pub fn blocked<R>(f: impl FnOnce() -> R) -> R {
    f()
}
