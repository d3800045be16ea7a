//! Something to wait for with a system call, so that a signal ends the wait, and to ring from anywhere,
//! signal handlers included.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

/// Rung or quiet.
#[derive(Debug)]
pub struct Bell(OwnedFd);

impl Bell {
    /// Quiet.
    pub fn new() -> io::Result<Bell> {
        // SAFETY: a plain system call; the descriptor is nobody else's.
        unsafe {
            match libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) {
                -1 => Err(io::Error::last_os_error()),
                fd => Ok(Bell(OwnedFd::from_raw_fd(fd))),
            }
        }
    }

    /// Another under the same number: for a child of a fork, whose parent goes on using this one.
    pub fn renew(&self) -> io::Result<()> {
        let fresh = Bell::new()?;
        // SAFETY: both are open; the number goes on to belong to this one.
        match unsafe { libc::dup3(fresh.0.as_raw_fd(), self.0.as_raw_fd(), libc::O_CLOEXEC) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }

    /// For whoever waits in another way; readable while it rings.
    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// From now on nobody waits, until it is made quiet.
    pub fn ring(&self) {
        let one = 1u64;
        // SAFETY: eight bytes are read from `one`. Fails only when the counter is full, and then it rings.
        unsafe { libc::write(self.0.as_raw_fd(), (&raw const one).cast(), 8) };
    }

    /// Whoever comes now waits.
    pub fn quiet(&self) {
        let mut count = 0u64;
        // SAFETY: eight bytes are written to `count`. Fails only when it is quiet already.
        unsafe { libc::read(self.0.as_raw_fd(), (&raw mut count).cast(), 8) };
    }

    /// Waits until it rings, at most `limit`. Whether it does; an error when a signal came.
    pub fn wait(&self, limit: Option<Duration>) -> io::Result<bool> {
        let end = limit.map(|limit| Instant::now() + limit);
        loop {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            // Rounded up, or the last part of a millisecond would be spent turning.
            let ms = left.map_or(-1, |left| left.as_micros().div_ceil(1000).min(1 << 30) as i32);
            let mut poll =
                libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: one pollfd, which lives across the call.
            match unsafe { libc::poll(&mut poll, 1, ms) } {
                -1 => return Err(io::Error::last_os_error()),
                0 if left.is_some_and(|left| left.as_millis() < 1 << 30) => return Ok(false),
                0 => {}
                _ => return Ok(true),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rings_until_it_is_quiet() {
        let bell = Bell::new().unwrap();
        assert!(!bell.wait(Some(Duration::from_millis(1))).unwrap());
        bell.ring();
        bell.ring();
        assert!(bell.wait(None).unwrap() && bell.wait(Some(Duration::ZERO)).unwrap());
        bell.quiet();
        bell.quiet();
        assert!(!bell.wait(Some(Duration::ZERO)).unwrap());
    }
}
