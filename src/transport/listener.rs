//! A socket that connections come from.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};

use mio::event::Source;
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};

use super::address::Address;
use super::socket::Socket;
use super::unix::SocketFile;

/// See the module.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix domain socket, and its file when that is ours.
    Unix(UnixListener, Option<SocketFile>),
}

impl Listener {
    /// The next connection, and where it comes from; `WouldBlock` when none waits.
    pub fn accept(&self) -> io::Result<(Socket, Address)> {
        Ok(match self {
            Listener::Tcp(listener) => {
                let (socket, peer) = listener.accept()?;
                (Socket::Tcp(socket), Address::from(peer))
            }
            Listener::Unix(listener, _) => {
                let (socket, peer) = listener.accept()?;
                (Socket::Unix(socket), Address::unix(Ok(peer)))
            }
        })
    }

    /// The port; 0 when it has none.
    pub fn port(&self) -> io::Result<u16> {
        match self {
            Listener::Tcp(listener) => Ok(listener.local_addr()?.port()),
            Listener::Unix(..) => Ok(0),
        }
    }

    /// The same, watched by nobody whatever poller it was registered with.
    pub fn unwatched(self) -> Listener {
        match self {
            Listener::Tcp(listener) => {
                Listener::Tcp(TcpListener::from_std(OwnedFd::from(listener).into()))
            }
            Listener::Unix(listener, file) => {
                Listener::Unix(UnixListener::from_std(OwnedFd::from(listener).into()), file)
            }
        }
    }

    /// Lets go of the descriptor without closing it.
    pub fn give_back(self) {
        let _ = match self {
            Listener::Tcp(listener) => OwnedFd::from(listener),
            Listener::Unix(listener, _) => OwnedFd::from(listener),
        }
        .into_raw_fd();
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Listener::Tcp(listener) => listener,
            Listener::Unix(listener, _) => listener,
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Listener::Tcp(listener) => listener.as_fd(),
            Listener::Unix(listener, _) => listener.as_fd(),
        }
    }
}

impl Source for Listener {
    fn register(&mut self, registry: &Registry, token: Token, i: Interest) -> io::Result<()> {
        self.source().register(registry, token, i)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, i: Interest) -> io::Result<()> {
        self.source().reregister(registry, token, i)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.source().deregister(registry)
    }
}
