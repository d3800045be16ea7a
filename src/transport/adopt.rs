//! Sockets that were made elsewhere: checked, taken, and made to behave like our own.

use std::io;
use std::os::fd::{AsFd, IntoRawFd, OwnedFd};

use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use socket2::{SockRef, Type};

use super::listener::Listener;
use super::options::SocketOptions;
use super::socket::Socket;
use crate::error::{Code, Error, Result};
use crate::util::offer::Offer;

impl Socket {
    /// Takes a connected stream socket. The descriptor is not changed before `settle_in`.
    pub fn adopt(offer: Offer) -> Result<Socket> {
        let family = family(&offer, "a connected stream socket")?;
        let no_peer = "the descriptor is a socket that is not connected";
        if is_listener(&offer).map_err(|e| no_use(no_peer, &e))? {
            return Err(refusal("the descriptor is a listening socket, not a connection"));
        }
        SockRef::from(&offer).peer_addr().map_err(|e| no_use(no_peer, &e))?;
        let fd = offer.take();
        Ok(match family {
            Family::Ip => Socket::Tcp(TcpStream::from(fd)),
            Family::Unix => Socket::Unix(UnixStream::from(fd)),
        })
    }

    /// Makes an adopted socket one like those we connect or accept.
    pub fn settle_in(&self, options: &SocketOptions) -> io::Result<()> {
        settle_in(self, options, matches!(self, Socket::Tcp(_)))
    }

    /// Lets go of the descriptor without closing it.
    pub fn give_back(self) {
        let _ = match self {
            Socket::Tcp(socket) => OwnedFd::from(socket),
            Socket::Unix(socket) => OwnedFd::from(socket),
        }
        .into_raw_fd();
    }
}

impl Listener {
    /// Takes a listening stream socket. The descriptor is not changed before `settle_in`.
    pub fn adopt(offer: Offer) -> Result<Listener> {
        let family = family(&offer, "a listening stream socket")?;
        let no_listener = "the descriptor is a socket that does not listen";
        if !is_listener(&offer).map_err(|e| no_use(no_listener, &e))? {
            return Err(refusal(no_listener));
        }
        let fd = offer.take();
        Ok(match family {
            Family::Ip => Listener::Tcp(TcpListener::from(fd)),
            Family::Unix => Listener::Unix(UnixListener::from(fd), None),
        })
    }

    /// Makes an adopted listener one like our own.
    pub fn settle_in(&self, options: &SocketOptions) -> io::Result<()> {
        settle_in(self, options, matches!(self, Listener::Tcp(_)))
    }
}

enum Family {
    Ip,
    Unix,
}

/// What kind of stream socket it is; the error says that it is not `wanted`.
fn family(offer: &Offer, wanted: &str) -> Result<Family> {
    let socket = SockRef::from(offer);
    let no_socket = |e| no_use(&format!("the descriptor is not {wanted}"), &e);
    let is_stream = socket.r#type().map_err(no_socket)? == Type::STREAM;
    let address = socket.local_addr().map_err(no_socket)?;
    if is_stream && address.is_unix() {
        Ok(Family::Unix)
    } else if is_stream && (address.is_ipv4() || address.is_ipv6()) {
        Ok(Family::Ip)
    } else {
        Err(refusal(format!("the descriptor is a socket, but not {wanted} of TCP or Unix")))
    }
}

fn refusal(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Code::InvalidArgument, message)
}

/// What it means that the system does not tell: the descriptor is the wrong one, or there is no memory to say.
fn no_use(wrong: &str, cause: &io::Error) -> Error {
    match cause.raw_os_error() {
        Some(libc::ENOMEM | libc::ENOBUFS) => {
            Error::os(Code::System, "cannot look at the descriptor", cause)
        }
        _ => Error::os(Code::InvalidArgument, wrong, cause),
    }
}

#[cfg(any(
    target_os = "android",
    target_os = "freebsd",
    target_os = "fuchsia",
    target_os = "linux"
))]
fn is_listener(offer: &Offer) -> io::Result<bool> {
    SockRef::from(offer).is_listener()
}

/// Elsewhere the system does not tell, but whoever has a peer does not listen.
#[cfg(not(any(
    target_os = "android",
    target_os = "freebsd",
    target_os = "fuchsia",
    target_os = "linux"
)))]
fn is_listener(offer: &Offer) -> io::Result<bool> {
    Ok(SockRef::from(offer).peer_addr().is_err())
}

fn settle_in(socket: &impl AsFd, options: &SocketOptions, is_tcp: bool) -> io::Result<()> {
    let socket = SockRef::from(socket);
    if is_tcp {
        options.tune(&socket)?;
    }
    #[cfg(target_vendor = "apple")]
    socket.set_nosigpipe(true)?;
    socket.set_cloexec(true)?;
    // Last: a descriptor that goes back to its owner must not have begun to answer EAGAIN.
    socket.set_nonblocking(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net;
    use std::os::fd::AsRawFd;
    use std::os::unix::net as unix;

    /// Does what the library does with a descriptor that it is given; when it is refused the descriptor
    /// must be as it was.
    fn offer<T>(fd: impl Into<OwnedFd>, take: impl FnOnce(Offer) -> Result<T>) -> Result<T> {
        let fd = fd.into();
        let (number, copy) = (fd.as_raw_fd(), fd.try_clone().unwrap());
        let taken = take(Offer::from(fd));
        if taken.is_err() {
            assert!(!SockRef::from(&copy).nonblocking().unwrap_or(false));
            assert!(std::fs::exists(format!("/proc/self/fd/{number}")).unwrap());
        }
        taken
    }

    fn refused<T>(result: Result<T>, word: &str) {
        let error = result.err().expect("it was taken");
        assert!(error.code == Code::InvalidArgument && error.message.contains(word), "{error}");
    }

    fn tcp() -> (net::TcpStream, net::TcpStream) {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    #[test]
    fn what_the_system_cannot_tell_is_its_failure_and_not_the_callers() {
        let told = |number| no_use("wrong", &io::Error::from_raw_os_error(number));
        assert_eq!(told(libc::ENOBUFS).code, Code::System);
        assert_eq!(
            (told(libc::ENOTSOCK).code, told(libc::ENOTSOCK).os_error),
            (Code::InvalidArgument, libc::ENOTSOCK)
        );
    }

    #[test]
    fn connections_of_both_families_are_taken() {
        let options = SocketOptions { keepalive_s: 9, ..SocketOptions::default() };
        let (client, server) = tcp();
        let socket = offer(server, Socket::adopt).unwrap();
        socket.settle_in(&options).unwrap();
        let look = SockRef::from(&socket);
        assert!(
            look.nonblocking().unwrap() && look.keepalive().unwrap() && look.tcp_nodelay().unwrap()
        );
        assert_eq!(socket.peer_address(), crate::transport::Address::tcp(client.local_addr()));
        let (a, _b) = unix::UnixStream::pair().unwrap();
        let socket = offer(a, Socket::adopt).unwrap();
        socket.settle_in(&options).unwrap();
        assert!(matches!(socket, Socket::Unix(_)) && SockRef::from(&socket).nonblocking().unwrap());
    }

    #[test]
    fn listeners_are_taken_and_tell_their_port() {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let listener = offer(listener, Listener::adopt).unwrap();
        listener.settle_in(&SocketOptions::default()).unwrap();
        assert_eq!(listener.port().unwrap(), port);
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn everything_else_is_refused_and_left_alone() {
        let file = || std::fs::File::open("/dev/null").unwrap();
        refused(offer(file(), Socket::adopt), "not a connected stream socket");
        refused(offer(file(), Listener::adopt), "not a listening stream socket");
        let datagrams = || net::UdpSocket::bind("127.0.0.1:0").unwrap();
        refused(offer(datagrams(), Socket::adopt), "not a connected stream socket of TCP or Unix");
        refused(offer(unix::UnixDatagram::pair().unwrap().0, Socket::adopt), "TCP or Unix");
        refused(offer(datagrams(), Listener::adopt), "TCP or Unix");
        let listener = || net::TcpListener::bind("127.0.0.1:0").unwrap();
        refused(offer(listener(), Socket::adopt), "listening socket, not a connection");
        refused(offer(tcp().0, Listener::adopt), "does not listen");
        let idle = || socket2::Socket::new(socket2::Domain::IPV4, Type::STREAM, None).unwrap();
        refused(offer(idle(), Socket::adopt), "not connected");
        refused(offer(idle(), Listener::adopt), "does not listen");
    }

    #[test]
    fn what_is_given_back_stays_open() {
        let (mut client, server) = tcp();
        let number = server.as_raw_fd();
        offer(server, Socket::adopt).unwrap().give_back();
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        offer(listener, Listener::adopt).unwrap().give_back();
        assert!(std::fs::exists(format!("/proc/self/fd/{number}")).unwrap());
        assert!(io::Write::write_all(&mut client, b"x").is_ok());
        assert!(net::TcpStream::connect(address).is_ok());
    }
}
