//! What a load balancer says before the client speaks: the PROXY protocol, from those who are trusted
//! with it.

use std::fmt;
use std::net::IpAddr;

use super::limits::AddressKey;
use super::marks::Mark;
use super::session::{Phase, Session, never_open};
use super::settings::Settings;
use crate::error::Result;
use crate::proto::cidr::Cidr;
use crate::proto::handshake::server::ServerHandshake;
use crate::proto::proxy_protocol::ProxyHeader;
use crate::transport::tls::ServerTls;
use crate::transport::{Address, Stream};

/// Whose word about the client's address is taken.
#[derive(Clone, Copy, Debug)]
pub enum TrustedProxy {
    /// Everybody there.
    Network(Cidr),
    /// Everybody who comes over a Unix socket.
    Unix,
}

impl TrustedProxy {
    /// `unix`, an address, or a network such as `10.0.0.0/8`.
    pub fn parse(text: &str) -> Result<TrustedProxy> {
        match text {
            "unix" => Ok(TrustedProxy::Unix),
            network => Cidr::parse(network).map(TrustedProxy::Network),
        }
    }

    fn covers(&self, peer: Peer) -> bool {
        match (self, peer) {
            (TrustedProxy::Network(network), Peer::Ip(ip)) => network.contains(ip),
            (TrustedProxy::Unix, Peer::Unix) => true,
            _ => false,
        }
    }
}

/// Who connected.
#[derive(Clone, Copy)]
pub enum Peer {
    /// From there.
    Ip(IpAddr),
    /// Over a Unix socket.
    Unix,
    /// It has left already.
    Gone,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Ip(ip) => ip.to_canonical().fmt(f),
            Peer::Unix => f.write_str("a program on this machine"),
            Peer::Gone => f.write_str("somebody who has left"),
        }
    }
}

impl Peer {
    /// Who has that address.
    pub fn of(address: &Address) -> Peer {
        match address {
            Address::Unix(_) => Peer::Unix,
            tcp => tcp.ip().map_or(Peer::Gone, Peer::Ip),
        }
    }

    /// Whether its connection must begin with a header.
    pub fn owes_header(self, settings: &Settings) -> bool {
        settings.trusted_proxies.iter().any(|proxy| proxy.covers(self))
    }

    /// What its connection is counted under. A proxy's own address says nothing: its header will.
    pub fn key(self, settings: &Settings) -> Option<AddressKey> {
        match self {
            Peer::Ip(ip) if !self.owes_header(settings) => AddressKey::new(ip),
            _ => None,
        }
    }
}

/// The header, and what comes behind it.
#[derive(Default)]
pub struct Preface {
    header: ProxyHeader,
    tls: Option<ServerTls>,
}

/// What a server does first with a new connection.
pub fn first_phase(
    settings: &Settings,
    peer: Peer,
    stream: &mut Stream,
    tls: Option<ServerTls>,
) -> Phase {
    if peer.owes_header(settings) {
        return Phase::Preface(Box::new(Preface { header: ProxyHeader::default(), tls }));
    }
    handshake(settings, stream, tls.as_ref())
}

fn handshake(settings: &Settings, stream: &mut Stream, tls: Option<&ServerTls>) -> Phase {
    match tls.map_or(Ok(()), |tls| stream.start_tls_server(tls)) {
        Ok(()) => Phase::ServerHandshake(Box::new(ServerHandshake::new(&settings.head))),
        Err(error) => Phase::Over(Box::new(never_open(error))),
    }
}

impl Session {
    /// Takes bytes of the load balancer, and says how many, and the client's address once that is told.
    /// What comes behind its header goes back into the stream: the next phase reads it, whatever layers it
    /// puts on.
    pub fn recv_preface(&mut self, input: &[u8]) -> (usize, Option<IpAddr>) {
        let Phase::Preface(preface) = &mut self.phase else { return (0, None) };
        let (used, outcome) = preface.header.recv(input);
        let mut client = None;
        match outcome {
            None => return (used, None),
            Some(Err(error)) => self.fail(error),
            Some(Ok(addresses)) => {
                if let Some(addresses) = addresses {
                    self.peer = addresses.source.into();
                    client = Some(addresses.source.ip());
                }
                let tls = preface.tls.take();
                if let Some(stream) = &mut self.stream {
                    stream.put_back(input[used..].to_vec());
                    self.phase = handshake(&self.setup.shared.settings, stream, tls.as_ref());
                }
                self.mark(Mark::Readable, true);
            }
        }
        (input.len(), client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_goes_by_where_a_connection_comes_from() {
        let ip = |text: &str| Peer::Ip(text.parse().unwrap());
        let network = TrustedProxy::parse("10.0.0.0/8").unwrap();
        assert!(network.covers(ip("10.1.2.3")) && !network.covers(ip("11.1.2.3")));
        assert!(!network.covers(Peer::Unix) && !network.covers(Peer::Gone));
        let address = TrustedProxy::parse("::1").unwrap();
        assert!(address.covers(ip("::1")) && !address.covers(ip("::2")));
        let unix = TrustedProxy::parse("unix").unwrap();
        assert!(
            unix.covers(Peer::Unix) && !unix.covers(ip("10.1.2.3")) && !unix.covers(Peer::Gone)
        );
        assert!(TrustedProxy::parse("localhost").is_err() && TrustedProxy::parse("").is_err());
    }
}
