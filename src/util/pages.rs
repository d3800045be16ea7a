//! Memory straight from the system. The allocator would hand out such pieces a second time without giving
//! them back in between, and so have to zero all of them, which the system does as far as they are touched.

use std::cell::UnsafeCell;
use std::io;
use std::ops::Deref;
use std::ptr::{self, NonNull};

/// Zeros, until somebody writes to them. They go back to the system when this is dropped.
pub struct Pages {
    start: NonNull<UnsafeCell<u8>>,
    len: usize,
}

/// New pages that are all zero; `None` when the system has none, and errno says why.
pub fn map(len: usize) -> Option<NonNull<libc::c_void>> {
    let (access, kind) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping, of nothing, wherever there is room.
    let start = unsafe { libc::mmap(ptr::null_mut(), len, access, kind, -1, 0) };
    NonNull::new(start).filter(|_| start != libc::MAP_FAILED)
}

impl Pages {
    /// `len` bytes, not zero.
    pub fn new(len: usize) -> io::Result<Pages> {
        match map(len) {
            Some(start) => Ok(Pages { start: start.cast(), len }),
            None => Err(io::Error::last_os_error()),
        }
    }
}

impl Deref for Pages {
    type Target = [UnsafeCell<u8>];

    #[inline]
    fn deref(&self) -> &[UnsafeCell<u8>] {
        // SAFETY: mapped until this is dropped, and as long; every byte is valid.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: all of the mapping that `new` made, to which nothing leads any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_there_is_is_an_error() {
        let refused = Pages::new(isize::MAX as usize).map(|pages| pages.len());
        assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::ENOMEM));
    }

    #[test]
    fn they_are_zeros_each_time_and_all_can_be_written() {
        for _ in 0..3 {
            let pages = Pages::new(1 << 20).unwrap();
            assert_eq!(pages.len(), 1 << 20);
            for byte in pages.iter() {
                // SAFETY: nobody else has them.
                unsafe {
                    assert_eq!(*byte.get(), 0);
                    *byte.get() = 1;
                }
            }
        }
    }
}
