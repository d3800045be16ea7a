//! The two system calls that each message takes, with no function between them and whoever calls. The kernel
//! makes the processor forget where functions that are under way return to, so that each of them costs a wrong
//! guess; through the standard library and mio they would be six deep.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Takes what a socket has, as far as there is room for it; 0 is the end of the stream.
#[inline(always)]
pub fn recv(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        // SAFETY: no more is written than the buffer has room for.
        let count =
            unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
        match usize::try_from(count) {
            Ok(count) => return Ok(count),
            Err(_) => unless_interrupted()?,
        }
    }
}

/// Gives a socket as much as it takes.
#[inline(always)]
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], flags: i32) -> io::Result<usize> {
    loop {
        // SAFETY: no more is read than there are bytes.
        let count =
            unsafe { libc::send(socket.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags) };
        match usize::try_from(count) {
            Ok(count) => return Ok(count),
            Err(_) => unless_interrupted()?,
        }
    }
}

/// Why the last call failed, unless it is to be made again.
#[cold]
fn unless_interrupted() -> io::Result<()> {
    match io::Error::last_os_error() {
        error if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        error => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn bytes_go_through_and_errors_keep_their_number() {
        let (a, b) = UnixStream::pair().unwrap();
        assert_eq!(send(a.as_fd(), b"through", 0).unwrap(), 7);
        let mut buffer = [0; 4];
        assert_eq!(recv(b.as_fd(), &mut buffer).unwrap(), 4);
        assert_eq!(&buffer, b"thro");
        b.set_nonblocking(true).unwrap();
        assert_eq!(recv(b.as_fd(), &mut buffer).unwrap(), 3);
        let nothing = recv(b.as_fd(), &mut buffer).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        drop(a);
        assert_eq!(recv(b.as_fd(), &mut buffer).unwrap(), 0);
        let gone = send(b.as_fd(), b"to nobody", libc::MSG_NOSIGNAL).unwrap_err();
        assert_eq!(gone.raw_os_error(), Some(libc::EPIPE));
    }
}
