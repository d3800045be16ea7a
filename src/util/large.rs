//! Where the library has its memory from: from the process's allocator, but for large pieces, which come straight
//! from the system and go straight back.
//!
//! glibc takes messages of megabytes from the heap as soon as the first has been freed, copies them when they grow, and
//! gives what is free at the end of the heap back in one go: a hundred megabytes in fifteen milliseconds, in which nobody
//! is served. The system moves pages instead of copying, and with pages of 2 MiB it is done with 16 MiB at once.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;

use super::pages;

/// Bytes from which on a piece is large.
const LARGE: usize = 4 << 20;
/// Of the system's own, at least.
const ALIGNMENT: usize = 4096;

/// See the module.
pub struct Allocator;

fn is_large(layout: &Layout) -> bool {
    layout.size() >= LARGE && layout.align() <= ALIGNMENT
}

/// New pages, all zero, or null.
#[cold]
fn map(size: usize) -> *mut u8 {
    let Some(start) = pages::map(size) else { return ptr::null_mut() };
    // SAFETY: the pages are new and ours. Large ones are a wish, which changes no contents.
    unsafe { libc::madvise(start.as_ptr(), size, libc::MADV_HUGEPAGE) };
    start.as_ptr().cast()
}

// SAFETY: which of the two a piece is from follows from its layout, which is the same whenever it is talked of; either
// keeps what it has given apart.
unsafe impl GlobalAlloc for Allocator {
    // SAFETY: the caller keeps to what `GlobalAlloc` asks for.
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_large(&layout) {
            return map(layout.size());
        }
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    // SAFETY: the caller keeps to what `GlobalAlloc` asks for.
    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_large(&layout) {
            return map(layout.size());
        }
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    // SAFETY: the caller keeps to what `GlobalAlloc` asks for.
    #[inline]
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller gives back what it was given with this layout.
        unsafe {
            if is_large(&layout) {
                libc::munmap(at.cast(), layout.size());
            } else {
                System.dealloc(at, layout);
            }
        }
    }

    // SAFETY: the same.
    unsafe fn realloc(&self, at: *mut u8, before: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises a layout that can be; `at` is a piece of `before`, and stays one where there is
        // nothing else to be had.
        unsafe {
            let after = Layout::from_size_align_unchecked(size, before.align());
            match (is_large(&before), is_large(&after)) {
                (false, false) => System.realloc(at, before, size),
                (true, true) => {
                    let moved = libc::mremap(at.cast(), before.size(), size, libc::MREMAP_MAYMOVE);
                    match moved {
                        // Less is there already. What is too much of it is lost, which is better than the process.
                        libc::MAP_FAILED if size <= before.size() => at,
                        libc::MAP_FAILED => ptr::null_mut(),
                        _ => moved.cast(),
                    }
                }
                _ => {
                    let moved = self.alloc(after);
                    if !moved.is_null() {
                        ptr::copy_nonoverlapping(at, moved, before.size().min(size));
                        self.dealloc(at, before);
                    }
                    moved
                }
            }
        }
    }
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    /// Whether these pages belong to the process.
    fn is_mapped(at: *const u8) -> bool {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        maps.lines().any(|line| {
            let (from, rest) = line.split_once('-').unwrap();
            let number = |hex| usize::from_str_radix(hex, 16).unwrap();
            (number(from)..number(rest.split(' ').next().unwrap())).contains(&at.addr())
        })
    }

    #[test]
    fn what_is_in_a_vector_stays_while_it_grows_and_shrinks() {
        let mut bytes: Vec<u8> = (0..LARGE / 2).map(|n| n as u8).collect();
        for size in [LARGE - 1, LARGE, LARGE + 1, 5 * LARGE, LARGE, LARGE - 1, 1000, 3 * LARGE, 10]
        {
            bytes.resize(size, 0);
            bytes.shrink_to_fit();
            bytes.reserve_exact(size / 3);
            let kept = bytes.len().min(10);
            assert!(bytes[..kept].iter().enumerate().all(|(n, &byte)| byte == n as u8), "{size}");
            assert_eq!(bytes.len(), size);
        }
    }

    #[test]
    fn large_pieces_are_zero_when_asked_for_and_go_back_to_the_system() {
        let mut bytes = vec![0_u8; 3 * LARGE + 5];
        assert!(bytes.iter().all(|&byte| byte == 0));
        bytes.fill(1);
        let at = bytes.as_ptr();
        assert!(is_mapped(at));
        drop(bytes);
        assert!(!is_mapped(at));
        assert!(vec![0_u8; 3 * LARGE + 5].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn what_is_not_to_be_had_is_refused_and_what_is_there_stays() {
        let mut bytes = vec![7_u8; 2 * LARGE];
        assert!(bytes.try_reserve_exact(isize::MAX as usize - 3 * LARGE).is_err());
        assert!(bytes.iter().all(|&byte| byte == 7));
        assert!(Vec::<u8>::new().try_reserve_exact(1 << 60).is_err());
    }
}
