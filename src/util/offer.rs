//! Descriptors from outside: until one is taken it is its owner's and nothing here closes it.

use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// An open descriptor that its owner would give away.
#[derive(Debug)]
pub struct Offer(RawFd);

impl Offer {
    /// `None` when no such descriptor is open.
    ///
    /// # Safety
    /// Nobody closes it while the offer stands, and its owner gives it up when it is taken.
    pub unsafe fn new(fd: RawFd) -> Option<Offer> {
        // SAFETY: asking for the flags of any number whatsoever does no harm.
        let open = fd >= 0 && unsafe { libc::fcntl(fd, libc::F_GETFD) } >= 0;
        open.then_some(Offer(fd))
    }

    /// From here on it is ours.
    pub fn take(self) -> OwnedFd {
        // SAFETY: open and given up by its owner, as `new` asks for.
        unsafe { OwnedFd::from_raw_fd(self.0) }
    }
}

impl AsFd for Offer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: it stays open while the offer stands, as `new` asks for.
        unsafe { BorrowedFd::borrow_raw(self.0) }
    }
}

/// For tests: one that is never taken stays open for good.
#[cfg(test)]
impl From<OwnedFd> for Offer {
    fn from(fd: OwnedFd) -> Offer {
        Offer(std::os::fd::IntoRawFd::into_raw_fd(fd))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::fd::{AsRawFd, IntoRawFd};
    use std::os::unix::net::UnixStream;

    #[test]
    fn what_is_not_taken_stays_open() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        // SAFETY: `theirs` outlives the offer and is forgotten when that is taken.
        let offer = || unsafe { Offer::new(theirs.as_raw_fd()) }.unwrap();
        let _ = offer();
        ours.write_all(b"x").unwrap();
        let mut taken = UnixStream::from(offer().take());
        assert_eq!(taken.read(&mut [0]).unwrap(), 1);
        drop(taken);
        let _ = theirs.into_raw_fd();
        assert_eq!(ours.read(&mut [0]).unwrap(), 0, "the taker has closed it");
    }

    #[test]
    fn numbers_that_are_no_descriptors_cannot_be_offered() {
        for number in [-1, RawFd::MIN, RawFd::MAX] {
            // SAFETY: nothing has such a number.
            assert!(unsafe { Offer::new(number) }.is_none());
        }
    }
}
