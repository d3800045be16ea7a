//! What a connection reads and writes: a socket, perhaps with layers above it.

use std::io::{self, IoSlice};

use crate::error::{Code, Error, Result};

use super::socket::Socket;

/// What reading came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many bytes are in the buffer; `more`: there may be more already.
    Bytes {
        /// At least one.
        count: usize,
        /// Read again before waiting for the socket.
        more: bool,
    },
    /// Nothing for now. Something may have to be written before more can come: see `has_output`.
    Nothing,
    /// The peer has said that nothing more will come.
    End,
}

/// What writing came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// So many bytes were taken.
    pub count: usize,
    /// Nothing more goes until the socket is writable again.
    pub full: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Stream {
    socket: Socket,
    /// Bytes that have been read already.
    before: Vec<u8>,
}

impl Stream {
    /// The socket as it is.
    pub fn plain(socket: Socket) -> Stream {
        Stream { socket, before: Vec::new() }
    }

    /// The socket below it all.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// The same, for the poller.
    pub fn socket_mut(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// These bytes come before those of the socket, and before what was put back earlier.
    pub fn put_back(&mut self, mut bytes: Vec<u8>) {
        bytes.append(&mut self.before);
        self.before = bytes;
    }

    /// Reads what is there.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Received> {
        if !self.before.is_empty() {
            let count = self.before.len().min(buffer.len());
            buffer[..count].copy_from_slice(&self.before[..count]);
            self.before.drain(..count);
            return Ok(Received::Bytes { count, more: true });
        }
        match self.socket.read(buffer) {
            Ok(0) => Ok(Received::End),
            // A short read has emptied the socket.
            Ok(count) => Ok(Received::Bytes { count, more: count == buffer.len() }),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(Received::Nothing),
            Err(e) => Err(Error::os(Code::ConnectionLost, "the connection was lost", &e)),
        }
    }

    /// Writes as much as is taken now.
    pub fn write(&mut self, slices: &[IoSlice<'_>]) -> Result<Sent> {
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        match self.socket.write(slices) {
            Ok(count) => Ok(Sent { count, full: count < offered }),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(Sent { count: 0, full: true }),
            Err(e) => Err(Error::os(Code::ConnectionLost, "sending failed", &e)),
        }
    }

    /// Whether bytes may be given to `write`: false while a layer is still being set up.
    pub fn takes_bytes(&self) -> bool {
        true
    }

    /// Whether a layer has bytes of its own to send: call `write`, if need be with nothing.
    pub fn has_output(&self) -> bool {
        false
    }

    /// Tells the peer that nothing more will come, once `has_output` is false.
    pub fn end_writing(&mut self) {
        self.socket.shut_down_writing();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_was_put_back_comes_first() {
        let (mut peer, ours) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        peer.write_all(b"last").unwrap();
        let mut stream = Stream::plain(Socket::Unix(mio::net::UnixStream::from_std(ours)));
        stream.put_back(b"cond ".to_vec());
        stream.put_back(b"first se".to_vec());
        let (mut buffer, mut read) = ([0; 6], Vec::new());
        while let Received::Bytes { count, more } = stream.read(&mut buffer).unwrap() {
            read.extend_from_slice(&buffer[..count]);
            assert!(more || read.ends_with(b"last"), "the socket was not asked");
        }
        assert_eq!(read, b"first second last");
    }
}
