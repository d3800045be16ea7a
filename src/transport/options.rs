//! What an application may ask of its sockets.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

/// Plain values, for both roles.
#[derive(Clone, Debug)]
pub struct SocketOptions {
    /// Seconds of silence after which TCP asks whether the peer's host lives; 0: never.
    pub keepalive_s: u32,
    /// Seconds from one such question to the next.
    pub keepalive_interval_s: u32,
    /// Questions without an answer that mean it does not.
    pub keepalive_count: u32,
    /// The network interface that everything has to go through.
    pub interface: Option<String>,
    /// A client's own address; port 0: any.
    pub source: Option<SocketAddr>,
    /// Several listeners share one port.
    pub reuse_port: bool,
    /// Permission bits of the file of a Unix socket; 0: what the umask leaves.
    pub unix_mode: u32,
}

impl Default for SocketOptions {
    fn default() -> Self {
        SocketOptions {
            keepalive_s: 0,
            keepalive_interval_s: 15,
            keepalive_count: 4,
            interface: None,
            source: None,
            reuse_port: false,
            unix_mode: 0,
        }
    }
}

impl SocketOptions {
    /// A TCP socket for addresses like this one, with what both roles want.
    pub fn tcp(&self, address: SocketAddr) -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        #[cfg(target_vendor = "apple")]
        socket.set_nosigpipe(true)?;
        self.tune(&socket)?;
        if let Some(interface) = &self.interface {
            bind_to_interface(&socket, interface)
                .map_err(|e| io::Error::new(e.kind(), format!("interface {interface}: {e}")))?;
        }
        Ok(socket)
    }

    /// What also goes for a TCP socket that was made elsewhere.
    pub fn tune(&self, socket: &Socket) -> io::Result<()> {
        // Small messages must not wait for the acknowledgement of earlier ones.
        socket.set_tcp_nodelay(true)?;
        if self.keepalive_s == 0 {
            return Ok(());
        }
        let seconds = |s: u32| Duration::from_secs(s.into());
        socket.set_tcp_keepalive(
            &TcpKeepalive::new()
                .with_time(seconds(self.keepalive_s))
                .with_interval(seconds(self.keepalive_interval_s))
                .with_retries(self.keepalive_count),
        )
    }

    /// Gives a client's socket the address that it is to have, when it is to have one.
    pub fn bind_source(&self, socket: &Socket, target: SocketAddr) -> io::Result<()> {
        let Some(source) = self.source else { return Ok(()) };
        if source.is_ipv4() != target.is_ipv4() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("the source address {} is of the other address family", source.ip()),
            ));
        }
        // The last connection from this port may still be in its TIME_WAIT.
        socket.set_reuse_address(source.port() != 0)?;
        socket
            .bind(&source.into())
            .map_err(|e| io::Error::new(e.kind(), format!("source address {source}: {e}")))
    }
}

#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
fn bind_to_interface(socket: &Socket, interface: &str) -> io::Result<()> {
    socket.bind_device(Some(interface.as_bytes()))
}

#[cfg(not(any(target_os = "android", target_os = "fuchsia", target_os = "linux")))]
fn bind_to_interface(_: &Socket, _: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether sockets can be bound to an interface here.
pub const HAS_INTERFACES: bool =
    cfg!(any(target_os = "android", target_os = "fuchsia", target_os = "linux"));

/// An address of this machine as people write it: `ip`, `ip:port`, `[v6]` or `[v6]:port`.
pub fn parse_source(text: &str) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(v6) = bare {
        return v6.parse::<Ipv6Addr>().ok().map(|ip| (ip, 0).into());
    }
    let ip = text.parse::<IpAddr>().map(|ip| (ip, 0).into());
    ip.or_else(|_| text.parse::<SocketAddr>()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_addresses_with_or_without_a_port() {
        for (text, address) in [
            ("127.0.0.2", "127.0.0.2:0"),
            ("127.0.0.2:80", "127.0.0.2:80"),
            ("::1", "[::1]:0"),
            ("[::1]", "[::1]:0"),
            ("[::1]:80", "[::1]:80"),
        ] {
            assert_eq!(parse_source(text), Some(address.parse().unwrap()), "{text}");
        }
        for text in
            ["", "localhost", "127.0.0.1:", "127.0.0.1:99999", "[127.0.0.1]", "[::1]:", " ::1"]
        {
            assert_eq!(parse_source(text), None, "{text}");
        }
    }

    #[test]
    fn keepalive_is_what_was_asked_for() {
        let address = "127.0.0.1:0".parse().unwrap();
        let socket = SocketOptions::default().tcp(address).unwrap();
        assert!(!socket.keepalive().unwrap() && socket.tcp_nodelay().unwrap());
        let options = SocketOptions {
            keepalive_s: 60,
            keepalive_interval_s: 7,
            keepalive_count: 3,
            ..SocketOptions::default()
        };
        let socket = options.tcp(address).unwrap();
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(60));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(7));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
    }

    #[test]
    fn what_cannot_be_bound_says_what_it_was() {
        let target = "127.0.0.1:1".parse().unwrap();
        let with = |source: &str| SocketOptions {
            source: parse_source(source),
            ..SocketOptions::default()
        };
        let bind = |options: &SocketOptions| {
            options.bind_source(&options.tcp(target).unwrap(), target).map_err(|e| e.to_string())
        };
        assert!(bind(&with("127.0.0.2")).is_ok());
        assert!(bind(&with("::1")).unwrap_err().contains("other address family"));
        assert!(bind(&with("192.0.2.1")).unwrap_err().contains("192.0.2.1"));
        let nowhere =
            SocketOptions { interface: Some("no-such-one".to_owned()), ..SocketOptions::default() };
        assert!(nowhere.tcp(target).unwrap_err().to_string().contains("no-such-one"));
    }
}
