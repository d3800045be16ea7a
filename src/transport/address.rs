//! Where the other side of a socket is. Kept as the system told it: few ever ask for the text.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::net::SocketAddr as UnixAddress;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Address {
    /// It was gone when it was asked for.
    #[default]
    Unknown,
    /// Over TCP.
    Tcp(SocketAddr),
    /// Over a Unix socket, with its path, or `@` and its name. Clients seldom have one.
    Unix(Option<Box<str>>),
}

impl Address {
    /// Of a TCP socket.
    pub fn tcp(told: io::Result<SocketAddr>) -> Address {
        told.map_or(Address::Unknown, Address::Tcp)
    }

    /// Of a Unix socket.
    pub fn unix(told: io::Result<UnixAddress>) -> Address {
        Address::Unix(told.ok().and_then(|address| name(&address)))
    }

    /// The IP address, when there is one. IPv4 peers of a dual-stack listener look like IPv4 peers.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Address::Tcp(address) => Some(address.ip().to_canonical()),
            _ => None,
        }
    }
}

fn name(address: &UnixAddress) -> Option<Box<str>> {
    if address.is_unnamed() {
        return None;
    }
    #[cfg(target_os = "linux")]
    if let Some(name) = std::os::linux::net::SocketAddrExt::as_abstract_name(address) {
        return Some(format!("@{}", String::from_utf8_lossy(name)).into());
    }
    address.as_pathname().map(|path| path.display().to_string().into())
}

/// `address:port`, empty when it is not known; a Unix socket's path after `unix:`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unknown => Ok(()),
            Address::Tcp(address) => {
                SocketAddr::new(address.ip().to_canonical(), address.port()).fmt(f)
            }
            Address::Unix(name) => write!(f, "unix:{}", name.as_deref().unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_dual_stack_peers_are_plain() {
        let mapped = Address::Tcp("[::ffff:10.0.0.1]:80".parse().unwrap());
        assert_eq!((&*mapped.to_string(), mapped.ip()), ("10.0.0.1:80", "10.0.0.1".parse().ok()));
    }

    #[test]
    fn what_is_not_known_is_empty_and_who_has_no_name_has_a_kind() {
        assert_eq!(Address::tcp(Err(io::ErrorKind::NotConnected.into())).to_string(), "");
        let named = UnixAddress::from_pathname("/run/a").unwrap();
        assert_eq!(Address::unix(Ok(named)).to_string(), "unix:/run/a");
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(Address::unix(one.peer_addr()).to_string(), "unix:");
    }
}
