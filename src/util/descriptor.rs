//! Reading descriptors of every kind without ever waiting for one.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd};

/// What is known of a descriptor before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// Reading it gives bytes.
    Readable {
        /// It is a regular file, which is always ready.
        file: bool,
    },
    /// It is open for writing only.
    WriteOnly,
    /// It is a directory.
    Directory,
}

/// Looks at a descriptor.
pub fn nature(fd: BorrowedFd) -> io::Result<Nature> {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: open while it is borrowed; the struct is written to by the first call, and read after success.
    let (flags, mode) = unsafe {
        if libc::fstat(fd.as_raw_fd(), stat.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        (libc::fcntl(fd.as_raw_fd(), libc::F_GETFL), stat.assume_init().st_mode)
    };
    Ok(match mode & libc::S_IFMT {
        libc::S_IFDIR => Nature::Directory,
        _ if flags & libc::O_ACCMODE == libc::O_WRONLY => Nature::WriteOnly,
        mode => Nature::Readable { file: mode == libc::S_IFREG },
    })
}

/// Reads what is there now; `None` when that is nothing yet, 0 bytes at the end. The descriptor may be
/// a blocking one, since that is no property of it alone but of everyone who shares it.
pub fn read_now(file: &mut File, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        if !is_ready(file) {
            return Ok(None);
        }
        match file.read(buffer) {
            Ok(count) => return Ok(Some(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether reading answers at once: with bytes, the end or an error.
fn is_ready(file: &File) -> bool {
    let mut poll = libc::pollfd { fd: file.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry that outlives the call, which does not wait.
    unsafe { libc::poll(&mut poll, 1, 0) == 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::{AsFd, OwnedFd};

    #[test]
    fn a_blocking_pipe_is_never_waited_for() {
        let (reader, mut writer) = io::pipe().unwrap();
        let mut reader = File::from(OwnedFd::from(reader));
        let mut buffer = [0; 8];
        assert_eq!(read_now(&mut reader, &mut buffer).unwrap(), None);
        writer.write_all(b"abc").unwrap();
        assert_eq!(read_now(&mut reader, &mut buffer).unwrap(), Some(3));
        assert_eq!(read_now(&mut reader, &mut buffer).unwrap(), None);
        drop(writer);
        assert_eq!(read_now(&mut reader, &mut buffer).unwrap(), Some(0));
    }

    #[test]
    fn the_nature_of_descriptors() {
        let of = |file: &File| nature(file.as_fd()).unwrap();
        assert_eq!(of(&File::open("/").unwrap()), Nature::Directory);
        assert_eq!(of(&File::open("/proc/self/status").unwrap()), Nature::Readable { file: true });
        assert_eq!(of(&File::open("/dev/null").unwrap()), Nature::Readable { file: false });
        let sink = File::options().write(true).open("/dev/null").unwrap();
        assert_eq!(of(&sink), Nature::WriteOnly);
    }

    #[test]
    fn a_file_is_always_ready_and_what_cannot_be_read_is_an_error() {
        let mut file = File::open("/proc/self/status").unwrap();
        assert!(matches!(read_now(&mut file, &mut [0; 8]), Ok(Some(8))));
        let mut directory = File::open("/").unwrap();
        assert!(read_now(&mut directory, &mut [0; 8]).is_err());
    }
}
