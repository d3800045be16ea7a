//! Listening sockets for a host as people write it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use mio::net::TcpListener;
use socket2::{Domain, Protocol, Socket, Type};

/// Listens as `host` says: a numeric address, `localhost`, or nothing or `*` for everywhere.
/// `None` when it is none of these: a look-up would block.
pub fn listen_on_host(host: &str, port: u16, backlog: i32) -> Option<io::Result<Vec<TcpListener>>> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    Some(match bare {
        "" | "*" => everywhere(port, backlog),
        name if name.eq_ignore_ascii_case("localhost") => localhost(port, backlog),
        address => {
            let ip: IpAddr = address.parse().ok()?;
            let dual = ip == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
            listen((ip, port).into(), dual, backlog).map(|listener| vec![listener])
        }
    })
}

/// One address. `dual` lets an IPv6 socket take IPv4 connections too.
fn listen(address: SocketAddr, dual: bool, backlog: i32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted server must not wait for the last connections of its predecessor to time out.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(!dual)?;
    }
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Every address of this machine on both protocols, or IPv4 alone where there is no IPv6.
fn everywhere(port: u16, backlog: i32) -> io::Result<Vec<TcpListener>> {
    match listen((Ipv6Addr::UNSPECIFIED, port).into(), true, backlog) {
        Err(e) if no_ipv6(&e) => listen((Ipv4Addr::UNSPECIFIED, port).into(), false, backlog),
        other => other,
    }
    .map(|listener| vec![listener])
}

/// 127.0.0.1 and, where it exists, ::1 on the same port.
fn localhost(port: u16, backlog: i32) -> io::Result<Vec<TcpListener>> {
    let mut tries = 5;
    loop {
        let v4 = listen((Ipv4Addr::LOCALHOST, port).into(), false, backlog)?;
        let chosen = v4.local_addr()?.port();
        match listen((Ipv6Addr::LOCALHOST, chosen).into(), false, backlog) {
            Ok(v6) => return Ok(vec![v4, v6]),
            Err(e) if no_ipv6(&e) => return Ok(vec![v4]),
            Err(e) if port != 0 || tries == 0 => return Err(e),
            // With port 0 the port that IPv4 gave may be taken on IPv6: another try gives another.
            Err(_) => tries -= 1,
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

    #[test]
    fn hosts_are_numeric_localhost_or_everywhere() {
        assert!(listen_on_host("example.org", 0, 16).is_none());
        let everywhere = listen_on_host("*", 0, 16).unwrap().unwrap();
        let port = everywhere[0].local_addr().unwrap().port();
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        let local = listen_on_host("localhost", 0, 16).unwrap().unwrap();
        let port = local[0].local_addr().unwrap().port();
        assert!(local.iter().all(|l| l.local_addr().unwrap().port() == port));
        assert!(listen_on_host("[::1]", 0, 16).is_some());
    }

    #[test]
    fn a_port_in_use_is_an_error() {
        let first = listen_on_host("127.0.0.1", 0, 16).unwrap().unwrap();
        let port = first[0].local_addr().unwrap().port();
        let error = listen_on_host("127.0.0.1", port, 16).unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
