//! Connected sockets of the operating system, never blocking and never raising SIGPIPE.

use std::io::{self, IoSlice, Read};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
use socket2::SockRef;

/// A connected (or connecting) socket.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix domain socket.
    Unix(UnixStream),
}

#[cfg(any(target_os = "linux", target_os = "android"))]
const SEND_FLAGS: i32 = libc::MSG_NOSIGNAL;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const SEND_FLAGS: i32 = 0;

impl Socket {
    /// Begins to connect; the socket becomes writable when that is decided.
    pub fn connect(address: SocketAddr) -> io::Result<Socket> {
        let socket = TcpStream::connect(address)?;
        // Small messages must not wait for the acknowledgement of earlier ones.
        socket.set_nodelay(true)?;
        #[cfg(target_vendor = "apple")]
        SockRef::from(&socket).set_nosigpipe(true)?;
        Ok(Socket::Tcp(socket))
    }

    /// Begins to connect to a Unix domain socket.
    pub fn connect_unix(path: &str) -> io::Result<Socket> {
        Ok(Socket::Unix(UnixStream::connect(path)?))
    }

    /// Whether connecting has ended: `Ok(true)` connected, `Ok(false)` not yet.
    pub fn connected(&self) -> io::Result<bool> {
        let (error, peer) = match self {
            Socket::Tcp(socket) => (socket.take_error(), socket.peer_addr().map(drop)),
            Socket::Unix(socket) => (socket.take_error(), socket.peer_addr().map(drop)),
        };
        if let Some(error) = error? {
            return Err(error);
        }
        match peer {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Reads what is there; `Ok(0)` is the end of the stream.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = match self {
                Socket::Tcp(socket) => socket.read(buffer),
                Socket::Unix(socket) => socket.read(buffer),
            };
            match read {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Writes as much as the kernel takes. `writev` would raise SIGPIPE on a dead peer, `sendmsg` need not.
    pub fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        loop {
            match SockRef::from(&*self).send_vectored_with_flags(slices, SEND_FLAGS) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Tells the peer that nothing more will come.
    pub fn shut_down_writing(&self) {
        // Fails only when the peer is gone, which reading finds out anyway.
        let _ = SockRef::from(self).shutdown(Shutdown::Write);
    }

    /// Makes closing send a reset and forget what is queued, so that an abort is one.
    pub fn reset_on_close(&self) {
        let _ = SockRef::from(self).set_linger(Some(std::time::Duration::ZERO));
    }

    /// `address:port` of the other side, empty when it is gone; a Unix socket's path after `unix:`.
    pub fn peer_address(&self) -> String {
        match self {
            Socket::Tcp(socket) => text(socket.peer_addr()),
            Socket::Unix(socket) => unix_text(socket.peer_addr()),
        }
    }

    /// The same of this side.
    pub fn local_address(&self) -> String {
        match self {
            Socket::Tcp(socket) => text(socket.local_addr()),
            Socket::Unix(socket) => unix_text(socket.local_addr()),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Tcp(socket) => socket.as_fd(),
            Socket::Unix(socket) => socket.as_fd(),
        }
    }
}

impl Source for Socket {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        match self {
            Socket::Tcp(socket) => socket.register(registry, token, interest),
            Socket::Unix(socket) => socket.register(registry, token, interest),
        }
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        match self {
            Socket::Tcp(socket) => socket.reregister(registry, token, interest),
            Socket::Unix(socket) => socket.reregister(registry, token, interest),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Socket::Tcp(socket) => socket.deregister(registry),
            Socket::Unix(socket) => socket.deregister(registry),
        }
    }
}

/// IPv4 peers of a dual-stack listener look like IPv4 peers.
fn text(address: io::Result<SocketAddr>) -> String {
    address.map_or_else(
        |_| String::new(),
        |address| SocketAddr::new(address.ip().to_canonical(), address.port()).to_string(),
    )
}

/// Clients of a Unix socket seldom have a name.
fn unix_text(address: io::Result<std::os::unix::net::SocketAddr>) -> String {
    let path = address.ok().and_then(|address| address.as_pathname().map(|p| p.to_owned()));
    path.map_or_else(|| "unix:".to_owned(), |path| format!("unix:{}", path.display()))
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
        assert!(socket.nodelay().unwrap());
    }

    #[test]
    fn connecting_to_a_closed_port_says_so() {
        let listener = listen_on_host("127.0.0.1", 0, 16).unwrap().unwrap().remove(0);
        let address = listener.local_addr().unwrap();
        drop(listener);
        let refused = match Socket::connect(address) {
            Err(e) => e,
            Ok(socket) => loop {
                match socket.connected() {
                    Ok(connected) => assert!(!connected),
                    Err(e) => break e,
                }
            },
        };
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn unix_sockets_carry_bytes_and_have_an_address() {
        let (a, b) = UnixStream::pair().unwrap();
        let (mut a, mut b) = (Socket::Unix(a), Socket::Unix(b));
        assert!(a.connected().unwrap());
        assert_eq!(a.write(&[IoSlice::new(b"over "), IoSlice::new(b"there")]).unwrap(), 10);
        let mut buffer = [0; 16];
        assert_eq!(b.read(&mut buffer).unwrap(), 10);
        assert_eq!(a.peer_address(), "unix:");
    }
}
