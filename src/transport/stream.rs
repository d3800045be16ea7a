//! What a connection reads and writes: a socket, perhaps with TLS above it, perhaps twice.

use std::io::{self, IoSlice, IoSliceMut};

use super::socket::Socket;
use super::tls::{ClientTls, Layer, ServerTls, TlsInfo};
use crate::error::{Code, Error, Result};

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
    /// A plain stream has nothing of that.
    more: Option<Box<More>>,
}

/// What there is beside the socket.
#[derive(Debug, Default)]
struct More {
    /// What was read from the socket before there was a stream.
    put_back: Vec<u8>,
    /// The last is the uppermost.
    layers: Vec<Layer>,
    /// The peer is not to be told that it ends.
    silent: bool,
}

/// Everything below some layer: what it reads its records from and writes them to.
pub struct Below<'a> {
    base: Base<'a>,
    layers: &'a mut [Layer],
}

/// The socket, and what comes before that which it has.
struct Base<'a> {
    socket: &'a mut Socket,
    put_back: Option<&'a mut Vec<u8>>,
}

impl Stream {
    /// Buffers to read into have at least this size: TLS decrypts in them, and needs room for that, twice
    /// when one is inside the other.
    pub const LEAST_BUFFER: usize = 256 * 1024;

    /// The socket as it is.
    pub fn plain(socket: Socket) -> Stream {
        Stream { socket, more: None }
    }

    /// The socket below it all.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// The same, for the poller.
    pub fn socket_mut(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// Bytes that were read from the socket already; the lowest layer reads them first.
    pub fn put_back(&mut self, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let put_back = &mut self.more.get_or_insert_default().put_back;
        match put_back.is_empty() {
            true => *put_back = bytes,
            false => drop(put_back.splice(..0, bytes)),
        }
    }

    /// Speaks TLS from here on, as a client that wants to reach `host`. On a stream that does so
    /// already once that handshake is done: then one TLS is inside the other.
    pub fn start_tls_client(&mut self, tls: &ClientTls, host: &str) -> Result<()> {
        let layer = Layer::client(tls, host)?;
        self.add(layer);
        Ok(())
    }

    /// Speaks TLS from here on, as a server.
    pub fn start_tls_server(&mut self, tls: &ServerTls) -> Result<()> {
        let layer = Layer::server(tls)?;
        self.add(layer);
        Ok(())
    }

    fn add(&mut self, layer: Layer) {
        let layers = &mut self.more.get_or_insert_default().layers;
        // There is one, or seldom two; a vector would take room for four.
        layers.reserve_exact(1);
        layers.push(layer);
    }

    #[cfg(all(test, feature = "tls"))]
    pub(super) fn layers_mut(&mut self) -> &mut [Layer] {
        self.more.as_mut().map_or(&mut [], |more| &mut more.layers)
    }

    fn layers(&self) -> &[Layer] {
        self.more.as_ref().map_or(&[], |more| &more.layers)
    }

    fn whole(&mut self) -> Below<'_> {
        let socket = &mut self.socket;
        let Some(more) = &mut self.more else {
            return Below { base: Base { socket, put_back: None }, layers: &mut [] };
        };
        let More { put_back, layers, .. } = &mut **more;
        Below { base: Base { socket, put_back: Some(put_back) }, layers }
    }

    /// Reads what is there into `buffer`, of at least [`Stream::LEAST_BUFFER`] bytes. While a handshake
    /// is under way reading goes on with it.
    #[inline]
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Received> {
        if self.more.is_none() {
            return received(self.socket.read(buffer), buffer.len());
        }
        self.read_through(buffer)
    }

    #[inline(never)]
    fn read_through(&mut self, buffer: &mut [u8]) -> Result<Received> {
        let received = self.whole().read(buffer);
        self.more.take_if(|more| more.layers.is_empty() && more.put_back.is_empty());
        received
    }

    /// Whether bytes of the socket are those that the peer sent, so that they may be read to anywhere.
    pub fn is_direct(&self) -> bool {
        self.more.is_none()
    }

    /// As `read`, of a stream that is direct: first into one place, then into the other.
    pub fn read_both(&mut self, first: &mut [u8], then: &mut [u8]) -> Result<Received> {
        debug_assert!(self.is_direct());
        let room = first.len() + then.len();
        let mut places = [IoSliceMut::new(first), IoSliceMut::new(then)];
        received(self.socket.read_into(&mut places), room)
    }

    /// Writes as much as is taken now, and before that what the layers themselves have to send.
    #[inline]
    pub fn write(&mut self, slices: &[IoSlice<'_>]) -> Result<Sent> {
        if self.more.is_none() {
            return write(&mut self.socket, slices);
        }
        self.write_through(slices)
    }

    #[inline(never)]
    fn write_through(&mut self, slices: &[IoSlice<'_>]) -> Result<Sent> {
        self.whole().write(slices)
    }

    /// Whether what is written goes to the socket as it is.
    pub fn is_plain(&self) -> bool {
        !self.is_secure()
    }

    /// Whether bytes may be given to `write`: false while a layer is still being set up.
    pub fn takes_bytes(&self) -> bool {
        self.layers().last().is_none_or(Layer::takes_bytes)
    }

    /// Whether a layer has bytes of its own to send: call `write`, if need be with nothing.
    pub fn has_output(&self) -> bool {
        self.layers().iter().any(Layer::has_output)
    }

    /// Bytes that were taken, as they are sent, and have not left yet.
    pub fn held(&self) -> usize {
        self.layers().iter().map(Layer::held).sum()
    }

    /// Tells the peer that nothing more will come, once `has_output` is false. That may be true again
    /// afterwards: the rest is done by `write`.
    pub fn end_writing(&mut self) {
        self.whole().end_writing();
    }

    /// Makes closing the socket a reset.
    pub fn abandon(&mut self) {
        self.silence();
        self.socket.reset_on_close();
    }

    /// Lets `finish` do nothing but close the socket.
    pub fn silence(&mut self) {
        if let Some(more) = &mut self.more {
            more.silent = true;
        }
    }

    /// The end: the peer is told if that can be done without waiting, and the socket closes.
    pub fn finish(mut self) {
        if self.is_secure() && !self.more.as_ref().is_some_and(|more| more.silent) {
            self.end_writing();
        }
    }

    /// Whether a TLS handshake is under way.
    pub fn is_handshaking(&self) -> bool {
        self.layers().last().is_some_and(Layer::is_handshaking)
    }

    /// Whether the bytes are encrypted.
    pub fn is_secure(&self) -> bool {
        !self.layers().is_empty()
    }

    /// What the handshake of the uppermost TLS came to.
    pub fn tls(&self) -> Option<TlsInfo> {
        self.layers().last().and_then(Layer::info)
    }
}

impl Below<'_> {
    fn split(&mut self) -> Option<(&mut Layer, Below<'_>)> {
        let (top, layers) = self.layers.split_last_mut()?;
        let base = Base { socket: self.base.socket, put_back: self.base.put_back.as_deref_mut() };
        Some((top, Below { base, layers }))
    }

    /// As [`Stream::read`].
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Received> {
        match self.split() {
            Some((layer, mut below)) => layer.read(&mut below, buffer),
            None => self.base.read(buffer),
        }
    }

    /// As [`Stream::write`].
    pub fn write(&mut self, slices: &[IoSlice<'_>]) -> Result<Sent> {
        match self.split() {
            Some((layer, mut below)) => layer.write(&mut below, slices),
            None => self.base.write(slices),
        }
    }

    /// As [`Stream::end_writing`].
    pub fn end_writing(&mut self) {
        match self.split() {
            Some((layer, mut below)) => layer.end_writing(&mut below),
            None => self.base.socket.shut_down_writing(),
        }
    }

    /// As [`Stream::has_output`].
    pub fn has_output(&self) -> bool {
        self.layers.iter().any(Layer::has_output)
    }
}

impl Base<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<Received> {
        if let Some(put_back) = self.put_back.as_deref_mut().filter(|it| !it.is_empty()) {
            let count = buffer.len().min(put_back.len());
            buffer[..count].copy_from_slice(&put_back[..count]);
            put_back.drain(..count);
            if put_back.is_empty() {
                *put_back = Vec::new();
            }
            return Ok(Received::Bytes { count, more: true });
        }
        received(self.socket.read(buffer), buffer.len())
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> Result<Sent> {
        write(self.socket, slices)
    }
}

#[inline(always)] // as the system call itself
fn write(socket: &mut Socket, slices: &[IoSlice<'_>]) -> Result<Sent> {
    let offered: usize = slices.iter().map(|slice| slice.len()).sum();
    if offered == 0 {
        return Ok(Sent { count: 0, full: false });
    }
    match socket.write(slices) {
        Ok(count) => Ok(Sent { count, full: count < offered }),
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(Sent { count: 0, full: true }),
        Err(e) => Err(cannot_send(&e)),
    }
}

#[cold]
fn cannot_send(cause: &io::Error) -> Error {
    Error::os(Code::ConnectionLost, "sending failed", cause)
}

/// Reading failed. Most connections that end without a word end in a reset, so its sentence is ready-made.
#[cold]
fn lost(cause: &io::Error) -> Error {
    match cause.kind() {
        io::ErrorKind::ConnectionReset => {
            Error::new(Code::ConnectionLost, "the connection was lost: the peer has reset it")
                .with(|it| it.os_error = cause.raw_os_error().unwrap_or(0))
        }
        _ => Error::os(Code::ConnectionLost, "the connection was lost", cause),
    }
}

/// What it means that a socket was read into so much room.
#[inline(always)] // as the system call itself
fn received(read: io::Result<usize>, room: usize) -> Result<Received> {
    match read {
        Ok(0) => Ok(Received::End),
        // A short read has emptied the socket.
        Ok(count) => Ok(Received::Bytes { count, more: count == room }),
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(Received::Nothing),
        Err(e) => Err(lost(&e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_tells_its_cause_and_keeps_its_number() {
        for (number, said) in
            [(libc::ECONNRESET, "the peer has reset it"), (libc::EHOSTUNREACH, "host")]
        {
            let error = lost(&io::Error::from_raw_os_error(number));
            assert_eq!((error.code, error.os_error), (Code::ConnectionLost, number));
            let message = error.message.to_lowercase();
            assert!(message.starts_with("the connection was lost: ") && message.contains(said));
        }
    }

    #[test]
    fn what_was_put_back_is_read_first_and_its_memory_is_given_back() {
        let (a, mut b) = std::os::unix::net::UnixStream::pair().unwrap();
        a.set_nonblocking(true).unwrap();
        let mut stream = Stream::plain(Socket::Unix(mio::net::UnixStream::from_std(a)));
        io::Write::write_all(&mut b, b"third").unwrap();
        stream.put_back(b"second".to_vec());
        stream.put_back(b"first".to_vec());
        let mut buffer = [0; 8];
        assert_eq!(stream.read(&mut buffer).unwrap(), Received::Bytes { count: 8, more: true });
        assert_eq!(&buffer, b"firstsec");
        assert_eq!(stream.read(&mut buffer).unwrap(), Received::Bytes { count: 3, more: true });
        assert!(stream.more.is_none());
        assert_eq!(stream.read(&mut buffer).unwrap(), Received::Bytes { count: 5, more: false });
        assert_eq!(&buffer[..5], b"third");
        drop(b);
        assert_eq!(stream.read(&mut buffer).unwrap(), Received::End);
    }
}
