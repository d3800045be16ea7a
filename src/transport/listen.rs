//! Listening sockets for a host as people write it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use mio::net::TcpListener;

use super::listener::Listener;
use super::options::SocketOptions;
use super::unix;
use crate::error::{Code, Error, Result};

/// Listens as `host` says: a numeric address, `localhost`, nothing or `*` for everywhere, or `unix:`
/// and the name of a Unix socket. A host that would have to be looked up is refused: that would block.
pub fn listen(
    host: &str,
    port: u16,
    backlog: i32,
    options: &SocketOptions,
) -> Result<Vec<Listener>> {
    if let Some(name) = host.strip_prefix("unix:") {
        unix::check(name).map_err(|said| Error::new(Code::InvalidArgument, said))?;
        without_port(host, port)?;
        let listener = unix::listen(name, backlog, options);
        return listener
            .map(|listener| vec![listener])
            .map_err(|e| Error::os(Code::System, format!("cannot listen on {host}"), &e));
    }
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let tcp = Tcp { port, backlog, options };
    let listeners = match bare {
        "" | "*" => tcp.everywhere(),
        name if name.eq_ignore_ascii_case("localhost") => tcp.localhost(),
        address => match address.parse::<IpAddr>() {
            Ok(ip) => {
                let dual = ip == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
                tcp.listen(ip, port, dual).map(|listener| vec![listener])
            }
            Err(_) => return Err(no_host(host)),
        },
    };
    let at = if host.is_empty() { "*" } else { host };
    let failed = |e| Error::os(Code::System, format!("cannot listen on {at} port {port}"), &e);
    Ok(listeners.map_err(failed)?.into_iter().map(Listener::Tcp).collect())
}

/// The error for a port beside something that has none.
pub fn without_port(host: &str, port: u16) -> Result<()> {
    match port {
        0 => Ok(()),
        _ => Err(Error::new(
            Code::InvalidArgument,
            format!("\"{host}\" has no port, so it must be 0 and not {port}"),
        )),
    }
}

fn no_host(host: &str) -> Error {
    Error::new(
        Code::InvalidArgument,
        format!(
            "the host \"{host}\" is neither a numeric address nor \"localhost\", \"*\", \"unix:PATH\" or \"systemd\" (look names up first)"
        ),
    )
}

/// What all TCP listeners of one call have in common.
struct Tcp<'a> {
    port: u16,
    backlog: i32,
    options: &'a SocketOptions,
}

impl Tcp<'_> {
    /// One address. `dual` lets an IPv6 socket take IPv4 connections too.
    fn listen(&self, ip: IpAddr, port: u16, dual: bool) -> io::Result<TcpListener> {
        let address = SocketAddr::new(ip, port);
        // What connections have in common they inherit.
        let socket = self.options.tcp(address)?;
        // A restarted server must not wait for the last connections of its predecessor to time out.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        if self.options.reuse_port {
            socket.set_reuse_port(true)?;
        }
        if address.is_ipv6() {
            socket.set_only_v6(!dual)?;
        }
        socket.bind(&address.into())?;
        socket.listen(self.backlog)?;
        Ok(TcpListener::from_std(socket.into()))
    }

    /// Every address of this machine on both protocols, or IPv4 alone where there is no IPv6.
    fn everywhere(&self) -> io::Result<Vec<TcpListener>> {
        match self.listen(Ipv6Addr::UNSPECIFIED.into(), self.port, true) {
            Err(e) if no_ipv6(&e) => self.listen(Ipv4Addr::UNSPECIFIED.into(), self.port, false),
            other => other,
        }
        .map(|listener| vec![listener])
    }

    /// 127.0.0.1 and, where it exists, ::1 on the same port.
    fn localhost(&self) -> io::Result<Vec<TcpListener>> {
        let mut tries = 5;
        loop {
            let v4 = self.listen(Ipv4Addr::LOCALHOST.into(), self.port, false)?;
            let chosen = v4.local_addr()?.port();
            match self.listen(Ipv6Addr::LOCALHOST.into(), chosen, false) {
                Ok(v6) => return Ok(vec![v4, v6]),
                Err(e) if no_ipv6(&e) => return Ok(vec![v4]),
                Err(e) if self.port != 0 || tries == 0 => return Err(e),
                // With port 0 the port that IPv4 gave may be taken on IPv6: another try gives another.
                Err(_) => tries -= 1,
            }
        }
    }
}

fn no_ipv6(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(libc::EAFNOSUPPORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plainly(host: &str, port: u16) -> Result<Vec<Listener>> {
        listen(host, port, 16, &SocketOptions::default())
    }

    #[test]
    fn hosts_are_numeric_localhost_or_everywhere() {
        assert_eq!(plainly("example.org", 0).unwrap_err().code, Code::InvalidArgument);
        let everywhere = plainly("*", 0).unwrap();
        let port = everywhere[0].port().unwrap();
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        let local = plainly("localhost", 0).unwrap();
        let port = local[0].port().unwrap();
        assert!(local.iter().all(|listener| listener.port().unwrap() == port));
        assert!(plainly("[::1]", 0).map_or_else(|e| e.code == Code::System, |_| true));
    }

    #[test]
    fn a_port_in_use_is_an_error_unless_both_share_it() {
        let port = |listeners: &[Listener]| listeners[0].port().unwrap();
        let first = plainly("127.0.0.1", 0).unwrap();
        let error = plainly("127.0.0.1", port(&first)).unwrap_err();
        assert_eq!((error.code, error.os_error), (Code::System, libc::EADDRINUSE));
        let shared = SocketOptions { reuse_port: true, ..SocketOptions::default() };
        assert!(
            listen("127.0.0.1", port(&first), 16, &shared).is_err(),
            "the first does not share"
        );
        let first = listen("127.0.0.1", 0, 16, &shared).unwrap();
        assert!(listen("127.0.0.1", port(&first), 16, &shared).is_ok());
    }

    #[test]
    fn unix_sockets_have_a_path_and_no_port() {
        for (host, port, word) in [
            ("unix:", 0, "needs a path"),
            ("unix:/nowhere/x", 80, "must be 0"),
            (&*format!("unix:/{}", "x".repeat(107)), 0, "107 bytes"),
        ] {
            let error = plainly(host, port).unwrap_err();
            assert!(error.code == Code::InvalidArgument && error.message.contains(word), "{error}");
        }
        let error = plainly("unix:/no/such/directory/x", 0).unwrap_err();
        assert_eq!((error.code, error.os_error), (Code::System, libc::ENOENT));
    }
}
