//! Where the other side of a socket is. Kept in few bytes, as every connection has one and few ever ask for
//! the text.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::unix::net::SocketAddr as UnixAddress;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Address {
    /// It was gone when it was asked for.
    #[default]
    Unknown,
    /// Over TCP, as most are.
    V4([u8; 4], u16),
    /// The others take more room.
    V6(Box<SocketAddrV6>),
    /// Over a Unix socket, with its path, or `@` and its name. Clients seldom have one.
    Unix(Option<Box<Box<str>>>),
}

impl From<SocketAddr> for Address {
    /// IPv4 peers of a dual-stack listener look like IPv4 peers.
    fn from(address: SocketAddr) -> Address {
        let port = address.port();
        match address {
            SocketAddr::V4(v4) => Address::V4(v4.ip().octets(), port),
            SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
                Some(ip) => Address::V4(ip.octets(), port),
                None => Address::V6(Box::new(v6)),
            },
        }
    }
}

impl Address {
    /// Of a TCP socket.
    pub fn tcp(told: io::Result<SocketAddr>) -> Address {
        told.map_or(Address::Unknown, Address::from)
    }

    /// Of a Unix socket.
    pub fn unix(told: io::Result<UnixAddress>) -> Address {
        Address::Unix(told.ok().and_then(|address| name(&address)).map(Box::new))
    }

    /// The IP address, when there is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Address::V4(ip, _) => Some((*ip).into()),
            Address::V6(address) => Some((*address.ip()).into()),
            Address::Unknown | Address::Unix(_) => None,
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
            Address::V4(ip, port) => SocketAddr::from((*ip, *port)).fmt(f),
            Address::V6(address) => address.fmt(f),
            Address::Unix(name) => write!(f, "unix:{}", name.as_ref().map_or("", |name| &***name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_dual_stack_peers_are_plain() {
        let mapped = Address::from("[::ffff:10.0.0.1]:80".parse::<SocketAddr>().unwrap());
        assert_eq!(mapped, Address::V4([10, 0, 0, 1], 80));
        assert_eq!((&*mapped.to_string(), mapped.ip()), ("10.0.0.1:80", "10.0.0.1".parse().ok()));
    }

    #[test]
    fn addresses_come_back_as_they_were_and_take_little_room() {
        for address in ["10.0.0.1:80", "[2001:db8::1]:65535", "[fe80::1%7]:80"] {
            let told: SocketAddr = address.parse().unwrap();
            let kept = Address::from(told);
            assert_eq!((kept.to_string(), kept.ip()), (address.to_owned(), Some(told.ip())));
        }
        assert!(size_of::<Address>() <= 16, "every connection has one");
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
