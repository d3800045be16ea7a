//! One file descriptor that a foreign event loop can watch in place of everything inside ours.
//!
//! The poller's own descriptor is not enough: its members are edge-triggered, so it goes quiet while
//! data or timers are still due. The beacon is a level-triggered epoll set over the poller, a timer
//! and a flag: readable as long as a poll of the loop would find something to do.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::time::Time;

/// See the module.
#[derive(Debug)]
pub struct Beacon {
    set: OwnedFd,
    timer: OwnedFd,
    flag: OwnedFd,
    deadline: Option<Time>,
    raised: bool,
}

fn owned(fd: RawFd) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made by the caller's system call and belongs to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn check(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

impl Beacon {
    /// Quiet, until it watches a poller.
    pub fn new() -> io::Result<Beacon> {
        // SAFETY: plain system calls without pointers.
        let (set, timer, flag) = unsafe {
            (
                owned(libc::epoll_create1(libc::EPOLL_CLOEXEC))?,
                owned(libc::timerfd_create(
                    libc::CLOCK_MONOTONIC,
                    libc::TFD_CLOEXEC | libc::TFD_NONBLOCK,
                ))?,
                owned(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK))?,
            )
        };
        let beacon = Beacon { set, timer, flag, deadline: None, raised: false };
        beacon.add(beacon.timer.as_raw_fd())?;
        beacon.add(beacon.flag.as_raw_fd())?;
        Ok(beacon)
    }

    /// Is readable from now on also while this poller has something to tell.
    pub fn watch(&mut self, poller: RawFd) -> io::Result<()> {
        self.add(poller)
    }

    /// Another thread waits for the poller.
    pub fn unwatch(&mut self, poller: RawFd) {
        // SAFETY: no event is needed to take one out. One that is not in there is as good as out.
        unsafe {
            let none = std::ptr::null_mut();
            libc::epoll_ctl(self.set.as_raw_fd(), libc::EPOLL_CTL_DEL, poller, none);
        }
    }

    fn add(&self, member: RawFd) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: 0 };
        // SAFETY: `event` lives across the call, which copies it.
        check(unsafe {
            libc::epoll_ctl(self.set.as_raw_fd(), libc::EPOLL_CTL_ADD, member, &mut event)
        })
    }

    /// One over another poller, under the number that this one has: for a child of a fork, whose parent goes
    /// on using this one.
    pub fn renew(&mut self, poller: RawFd) -> io::Result<()> {
        let mut fresh = Beacon::new()?;
        fresh.watch(poller)?;
        // SAFETY: both are open; the number goes on to belong to `self.set`.
        check(unsafe { libc::dup3(fresh.set.as_raw_fd(), self.set.as_raw_fd(), libc::O_CLOEXEC) })?;
        self.timer = fresh.timer;
        self.flag = fresh.flag;
        self.deadline = None;
        self.raised = false;
        Ok(())
    }

    /// The descriptor to watch.
    pub fn fd(&self) -> RawFd {
        self.set.as_raw_fd()
    }

    /// Readable at once when `due`, else from `deadline` on. Costs a system call only on a change.
    pub fn set(&mut self, now: Time, due: bool, deadline: Option<Time>) {
        if due != self.raised {
            let mut count = 1u64;
            let pointer = (&raw mut count).cast::<libc::c_void>();
            // SAFETY: eight bytes are read from or written to `count`, which is that long. Neither
            // call can fail in a way that matters: the flag is not blocking and never near its maximum.
            unsafe {
                if due {
                    libc::write(self.flag.as_raw_fd(), pointer, 8);
                } else {
                    libc::read(self.flag.as_raw_fd(), pointer, 8);
                }
            }
            self.raised = due;
        }
        if deadline != self.deadline {
            // All zero disarms, so a deadline that has passed becomes the shortest time there is.
            let micros = deadline.map_or(0, |at| at.micros_since(now).max(1));
            // SAFETY: all-zero is a valid itimerspec; `time` lives across the call.
            unsafe {
                let mut time: libc::itimerspec = std::mem::zeroed();
                time.it_value.tv_sec = (micros / 1_000_000) as libc::time_t;
                time.it_value.tv_nsec = (micros % 1_000_000 * 1000) as _;
                libc::timerfd_settime(self.timer.as_raw_fd(), 0, &time, std::ptr::null_mut());
            }
            self.deadline = deadline;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readable(fd: RawFd, timeout_ms: i32) -> bool {
        let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd, which lives across the call.
        unsafe { libc::poll(&mut poll, 1, timeout_ms) == 1 }
    }

    #[test]
    fn a_new_one_under_the_old_number_leaves_the_old_one_to_others() {
        let (old, new) = (mio::Poll::new().unwrap(), mio::Poll::new().unwrap());
        let mut beacon = Beacon::new().unwrap();
        beacon.watch(old.as_raw_fd()).unwrap();
        beacon.set(Time(0), true, None);
        let fd = beacon.fd();
        let others = beacon.set.try_clone().unwrap();
        let (others_flag, others_timer) = (beacon.flag.try_clone(), beacon.timer.try_clone());
        beacon.renew(new.as_raw_fd()).unwrap();
        assert!(beacon.fd() == fd && !readable(fd, 0) && readable(others.as_raw_fd(), 0));
        beacon.set(Time(0), true, None);
        assert!(readable(fd, 0));
        drop((others_flag, others_timer));
    }

    #[test]
    fn flag_and_timer_make_it_readable_and_quiet_again() {
        let poller = mio::Poll::new().unwrap();
        let mut beacon = Beacon::new().unwrap();
        beacon.watch(poller.as_raw_fd()).unwrap();
        assert!(!readable(beacon.fd(), 0));
        beacon.set(Time(0), true, None);
        assert!(readable(beacon.fd(), 0) && readable(beacon.fd(), 0));
        beacon.set(Time(0), false, Some(Time(20_000)));
        assert!(!readable(beacon.fd(), 0));
        assert!(readable(beacon.fd(), 5_000));
        beacon.set(Time(20_000), false, None);
        assert!(!readable(beacon.fd(), 0));
    }
}
