//! Connected sockets of the operating system, never blocking and never raising SIGPIPE.

use std::io::{self, IoSlice, IoSliceMut, Read};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
use socket2::SockRef;

use super::address::Address;
use super::options::SocketOptions;
use super::unix;
use crate::util::syscalls;

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
    pub fn connect(address: SocketAddr, options: &SocketOptions) -> io::Result<Socket> {
        let socket = options.tcp(address)?;
        options.bind_source(&socket, address)?;
        match socket.connect(&address.into()) {
            Err(e) if e.raw_os_error() == Some(libc::EINPROGRESS) => {}
            decided => decided?,
        }
        Ok(Socket::Tcp(TcpStream::from_std(socket.into())))
    }

    /// Connects to a Unix socket, at once or not at all: a path, or `@` and a name without a file.
    pub fn connect_unix(name: &str) -> io::Result<Socket> {
        unix::connect(name).map(Socket::Unix)
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
    #[inline(always)] // as the system call itself
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        syscalls::recv(self.as_fd(), buffer)
    }

    /// The same into several places, one after the other.
    pub fn read_into(&mut self, places: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        loop {
            let read = match self {
                Socket::Tcp(socket) => socket.read_vectored(places),
                Socket::Unix(socket) => socket.read_vectored(places),
            };
            match read {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Writes as much as the kernel takes. `write` would raise SIGPIPE on a dead peer, `send` need not.
    #[inline(always)] // as the system call itself
    pub fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            // The system has less to look at.
            [one] => syscalls::send(self.as_fd(), one, SEND_FLAGS),
            _ => self.write_gathered(slices),
        }
    }

    fn write_gathered(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
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

    /// Where the other side is.
    pub fn peer_address(&self) -> Address {
        match self {
            Socket::Tcp(socket) => Address::tcp(socket.peer_addr()),
            Socket::Unix(socket) => Address::unix(socket.peer_addr()),
        }
    }

    /// Where this side is.
    pub fn local_address(&self) -> Address {
        match self {
            Socket::Tcp(socket) => Address::tcp(socket.local_addr()),
            Socket::Unix(socket) => Address::unix(socket.local_addr()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Listener;
    use crate::transport::listen::listen;

    fn listener(options: &SocketOptions) -> (Listener, SocketAddr) {
        let listener = listen("127.0.0.1", 0, 16, options).unwrap().remove(0);
        let port = listener.port().unwrap();
        (listener, SocketAddr::from(([127, 0, 0, 1], port)))
    }

    fn accepted(listener: &Listener) -> Socket {
        loop {
            match listener.accept() {
                Ok((socket, peer)) => {
                    assert_eq!(peer, socket.peer_address());
                    break socket;
                }
                Err(e) => assert_eq!(e.kind(), io::ErrorKind::WouldBlock),
            }
        }
    }

    #[test]
    fn accepted_sockets_inherit_what_the_listener_was_given() {
        let options = SocketOptions {
            keepalive_s: 60,
            keepalive_interval_s: 7,
            keepalive_count: 3,
            ..SocketOptions::default()
        };
        let (listener, address) = listener(&options);
        let _peer = std::net::TcpStream::connect(address).unwrap();
        let socket = accepted(&listener);
        let look = SockRef::from(&socket);
        assert!(look.tcp_nodelay().unwrap() && look.keepalive().unwrap());
        assert_eq!(look.tcp_keepalive_time().unwrap().as_secs(), 60);
        assert_eq!(look.tcp_keepalive_interval().unwrap().as_secs(), 7);
        assert_eq!(look.tcp_keepalive_retries().unwrap(), 3);
    }

    #[test]
    fn a_client_may_choose_its_own_address() {
        let (listener, address) = listener(&SocketOptions::default());
        let source = "127.0.0.2:0".parse().ok();
        let options = SocketOptions { source, ..SocketOptions::default() };
        let client = Socket::connect(address, &options).unwrap();
        assert!(accepted(&listener).peer_address().to_string().starts_with("127.0.0.2:"));
        assert!(client.local_address().to_string().starts_with("127.0.0.2:"));
        let other = SocketOptions { source: "[::1]:0".parse().ok(), ..SocketOptions::default() };
        let said = Socket::connect(address, &other).unwrap_err().to_string();
        assert!(said.contains("other address family"), "{said}");
    }

    #[test]
    fn connecting_to_a_closed_port_says_so() {
        let (listener, address) = listener(&SocketOptions::default());
        drop(listener);
        let refused = match Socket::connect(address, &SocketOptions::default()) {
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
        assert_eq!(a.peer_address().to_string(), "unix:");
    }
}
