//! TCP streams, never blocking and never raising SIGPIPE.

use std::io::{self, IoSlice, Read};
use std::net::{Shutdown, SocketAddr};

use mio::net::TcpStream;
use socket2::SockRef;

/// A connected (or connecting) TCP stream.
#[derive(Debug)]
pub struct Stream {
    socket: TcpStream,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
const SEND_FLAGS: i32 = libc::MSG_NOSIGNAL;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const SEND_FLAGS: i32 = 0;

impl Stream {
    /// Begins to connect; the socket becomes writable when that is decided.
    pub fn connect(address: SocketAddr) -> io::Result<Stream> {
        let socket = TcpStream::connect(address)?;
        // Small messages must not wait for the acknowledgement of earlier ones.
        socket.set_nodelay(true)?;
        #[cfg(target_vendor = "apple")]
        SockRef::from(&socket).set_nosigpipe(true)?;
        Ok(Stream { socket })
    }

    /// A stream that a listener accepted. Listeners made here pass TCP_NODELAY on.
    pub fn accepted(socket: TcpStream) -> Stream {
        Stream { socket }
    }

    /// Whether connecting has ended: `Ok(true)` connected, `Ok(false)` not yet.
    pub fn connected(&self) -> io::Result<bool> {
        if let Some(error) = self.socket.take_error()? {
            return Err(error);
        }
        match self.socket.peer_addr() {
            Ok(_) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Reads what is there; `Ok(0)` is the end of the stream.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.socket.read(buffer) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Writes as much as the kernel takes. `writev` would raise SIGPIPE on a dead peer, `sendmsg` need not.
    pub fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        loop {
            match SockRef::from(&self.socket).send_vectored_with_flags(slices, SEND_FLAGS) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Tells the peer that nothing more will come.
    pub fn half_close(&self) {
        // Fails only when the peer is gone, which reading finds out anyway.
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// Makes closing send a reset and forget what is queued, so that an abort is one.
    pub fn reset_on_close(&self) {
        let _ = SockRef::from(&self.socket).set_linger(Some(std::time::Duration::ZERO));
    }

    /// `address:port` of the other side, empty when it is gone.
    pub fn peer_address(&self) -> String {
        text(self.socket.peer_addr())
    }

    /// `address:port` of this side.
    pub fn local_address(&self) -> String {
        text(self.socket.local_addr())
    }

    /// For registration with the poller.
    pub fn source(&mut self) -> &mut TcpStream {
        &mut self.socket
    }
}

/// IPv4 peers of a dual-stack listener look like IPv4 peers.
fn text(address: io::Result<SocketAddr>) -> String {
    address.map_or_else(
        |_| String::new(),
        |address| SocketAddr::new(address.ip().to_canonical(), address.port()).to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::listen::listen_on_host;

    #[test]
    fn addresses_of_dual_stack_peers_are_plain() {
        let mapped: SocketAddr = "[::ffff:10.0.0.1]:80".parse().unwrap();
        assert_eq!(text(Ok(mapped)), "10.0.0.1:80");
    }

    #[test]
    fn accepted_streams_inherit_nodelay() {
        let listener = listen_on_host("127.0.0.1", 0, 16).unwrap().unwrap().remove(0);
        let _peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let socket = loop {
            match listener.accept() {
                Ok((socket, _)) => break socket,
                Err(e) => assert_eq!(e.kind(), io::ErrorKind::WouldBlock),
            }
        };
        assert!(Stream::accepted(socket).socket.nodelay().unwrap());
    }

    #[test]
    fn connecting_to_a_closed_port_says_so() {
        let listener = listen_on_host("127.0.0.1", 0, 16).unwrap().unwrap().remove(0);
        let address = listener.local_addr().unwrap();
        drop(listener);
        let refused = match Stream::connect(address) {
            Err(e) => e,
            Ok(stream) => loop {
                match stream.connected() {
                    Ok(connected) => assert!(!connected),
                    Err(e) => break e,
                }
            },
        };
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }
}
