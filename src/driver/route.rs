//! The way to a server, one step after the other: look the name up, connect the first socket, ask the
//! proxy for passage, set up TLS, send the request.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use super::client::Client;
use super::core::Core;
use super::dial::{Address, Dial};
use super::held::HeldInput;
use super::inbox::Command;
use super::log::DIAL;
use super::loops::Loop;
use super::marks::Mark;
use super::resolve;
use super::session::{Head, Phase, Session};
use crate::error::{Code, Error, Result};
use crate::proto::proxy::{Connect, ProxyScheme, ProxyUrl, Socks5, Target};
use crate::transport::{Socket, Stream};
use crate::util::id::Id;
use crate::util::journal::DEBUG;

/// The conversation with a proxy.
pub enum Tunnel {
    /// HTTP CONNECT.
    Connect(Connect),
    /// SOCKS5.
    Socks5(Socks5),
}

impl Tunnel {
    fn new(proxy: &ProxyUrl, client: &Client, session: &Session) -> Result<Tunnel> {
        let (host, port) = (&client.url.host, client.url.port);
        let credentials = proxy.credentials.as_ref();
        Ok(match proxy.scheme {
            ProxyScheme::Http | ProxyScheme::Https => {
                let limits = &session.setup.shared.settings.head;
                Tunnel::Connect(Connect::new(host, port, credentials, limits)?)
            }
            ProxyScheme::Socks5 | ProxyScheme::Socks5h => {
                let address = client.address.or_else(|| host.parse().ok());
                let target = address.map_or_else(|| Target::Name(host.clone()), Target::Ip);
                Tunnel::Socks5(Socks5::new(target, port, credentials)?)
            }
        })
    }

    /// What to say first.
    fn greeting(&mut self) -> Vec<u8> {
        match self {
            Tunnel::Connect(connect) => connect.request().to_vec(),
            Tunnel::Socks5(socks) => socks.output(),
        }
    }

    /// What to say to what has come.
    pub fn output(&mut self) -> Vec<u8> {
        match self {
            Tunnel::Connect(_) => Vec::new(),
            Tunnel::Socks5(socks) => socks.output(),
        }
    }

    /// Takes bytes; says how many, and the end when there is one.
    pub fn recv(&mut self, input: &[u8]) -> (usize, Option<Result<()>>) {
        match self {
            Tunnel::Connect(connect) => connect.recv(input),
            Tunnel::Socks5(socks) => socks.recv(input),
        }
    }

    /// The proxy ended the conversation.
    pub fn recv_eof(&mut self) -> Error {
        match self {
            Tunnel::Connect(connect) => connect.recv_eof(),
            Tunnel::Socks5(socks) => socks.recv_eof(),
        }
    }
}

impl Client {
    /// Whether the name must be looked up here although the proxy makes the connection.
    fn wants_address(&self) -> bool {
        let local = self.proxy.as_ref().is_some_and(|proxy| proxy.scheme == ProxyScheme::Socks5);
        local && self.address.is_none() && self.url.host.parse::<IpAddr>().is_err()
    }

    /// Host and port of the first socket.
    fn first_hop(&self) -> (&str, u16) {
        match &self.proxy {
            Some(_) if self.wants_address() => (&self.url.host, self.url.port),
            Some(proxy) => (&proxy.host, proxy.port),
            None => (&self.url.host, self.url.port),
        }
    }

    fn dial(&self) -> Dial {
        match &self.proxy {
            Some(_) if self.wants_address() => Dial::new(self.url.host_header(), false),
            Some(proxy) => Dial::new(proxy.to_string(), true),
            None => {
                let host = self.url.unix.clone().unwrap_or_else(|| self.url.host_header());
                Dial::new(host, false)
            }
        }
    }
}

impl Core {
    /// Sets out for the server, with everything as it was before the first attempt.
    pub fn set_out(&mut self, id: Id) {
        let now = self.now;
        let Some(session) = self.session(id) else { return };
        let limit = session.setup.shared.settings.connect_timeout_ms;
        session.details().deadline = (limit > 0).then(|| now.plus_ms(limit));
        self.make_for_first_hop(id);
    }

    fn make_for_first_hop(&mut self, id: Id) {
        let owner = self.place;
        let Some(session) = self.session(id) else { return };
        session.begin_way();
        let details = session.details.as_ref().and_then(|details| details.client.as_ref());
        let Some(client) = details else { return };
        let way = client.way;
        session.phase = Phase::Dialing(Box::new(client.dial()));
        let (host, port) = client.first_hop();
        let (host, unix) = (host.to_owned(), client.url.unix.clone());
        match (unix, host.parse::<IpAddr>()) {
            (Some(path), _) => self.try_all(id, VecDeque::from([Address::Unix(path)])),
            (None, Ok(ip)) => self.dial(id, &[SocketAddr::new(ip, port)]),
            (None, Err(_)) => {
                self.note(id, DEBUG, DIAL, |_| format!("looks up {host}"));
                look_up(owner, id, way, &host, port);
            }
        }
        self.arm(id);
        self.dirty(id);
    }

    /// A name look-up of that way is done.
    pub fn resolved(&mut self, id: Id, way: u32, result: Result<Vec<SocketAddr>>) {
        // Closed or too late: then nobody waits for it any more, though no other way has begun.
        if !self.awaits_addresses(id) {
            return;
        }
        let client = self.session(id).and_then(|session| session.client_mut());
        let Some(client) = client.filter(|client| client.way == way) else { return };
        match result {
            // It is for the proxy, which is looked up next.
            Ok(addresses) if client.wants_address() => {
                client.address = addresses.first().map(|address| address.ip());
                client.way += 1;
                self.make_for_first_hop(id);
            }
            Ok(addresses) => self.dial(id, &addresses),
            Err(error) => self.cannot_dial(id, error),
        }
    }

    /// The first socket is connected.
    pub fn connected_to_first_hop(&mut self, id: Id, socket: Socket) {
        self.begin_conversation(id, Stream::plain(socket));
    }

    /// The application has brought a connection of its own.
    pub fn take_over(&mut self, id: Id, stream: Stream) {
        if let Some(session) = self.session(id) {
            session.begin_way();
            if let Some(client) = session.client_mut() {
                client.proxy = None;
                client.given = true;
            }
        }
        self.begin_conversation(id, stream);
    }

    fn begin_conversation(&mut self, id: Id, stream: Stream) {
        let now = self.now;
        let Some(session) = self.session(id) else { return };
        session.peer = stream.socket().peer_address();
        session.stream = Some(stream);
        session.mark(Mark::Writable, true);
        let limit = session.setup.shared.settings.handshake_timeout_ms;
        session.details().deadline = (limit > 0).then(|| now.plus_ms(limit));
        let begun = match session.client().and_then(|client| client.proxy.clone()) {
            Some(proxy) => session.ask_for_passage(&proxy),
            None => self.greet(id),
        };
        if let Err(error) = begun {
            self.fail(id, error);
        }
        self.dirty(id);
    }

    /// The proxy has made way: from here on it is as if there were none.
    pub fn passed(&mut self, id: Id, rest: &[u8]) {
        if let Some(session) = self.session(id)
            && let Some(stream) = &mut session.stream
            && !rest.is_empty()
        {
            if stream.is_secure() {
                // What was put back would be read below TLS. No server may speak before it is asked.
                let message = "bytes came through the proxy before the server was asked anything";
                return self.fail(id, Error::new(Code::Proxy, message));
            }
            stream.put_back(rest.to_vec());
            // The socket will not say so.
            session.mark(Mark::Readable, true);
            self.make_ready(id);
        }
        if let Err(error) = self.greet(id) {
            self.fail(id, error);
        }
        self.dirty(id);
    }

    /// Sets up TLS if the URL wants it, and sends the request.
    fn greet(&mut self, id: Id) -> Result<()> {
        let key = self.cx.entropy.bytes();
        let Some(session) = self.session(id) else { return Ok(()) };
        let client = session.details.as_ref().and_then(|details| details.client.as_ref());
        let Some(client) = client else { return Ok(()) };
        let handshake = client.handshake(&session.setup.shared, key)?;
        if client.url.secure
            && let Some(stream) = &mut session.stream
        {
            let tls = &session.setup.shared.settings.tls;
            let tls = if client.is_at_home() { tls.client() } else { tls.for_strangers().client() };
            stream.start_tls_client(&tls?, &client.url.host)?;
        }
        session.details().head = Head::new(handshake.request().to_vec());
        session.phase = Phase::ClientHandshake(Box::new(handshake));
        Ok(())
    }
}

impl Session {
    /// Nothing of an earlier way is left.
    fn begin_way(&mut self) {
        self.stream = None;
        self.mark(Mark::Readable, false);
        self.mark(Mark::Writable, false);
        self.mark(Mark::HungUp, false);
        let details = self.details();
        details.head = Head::default();
        details.held = HeldInput::default();
        details.lost = None;
        details.half_closed = false;
        details.headers = None;
        details.body = Vec::new();
    }

    fn ask_for_passage(&mut self, proxy: &ProxyUrl) -> Result<()> {
        let Some(client) = self.client() else { return Ok(()) };
        let mut tunnel = Tunnel::new(proxy, client, self)?;
        if proxy.scheme == ProxyScheme::Https
            && let Some(stream) = &mut self.stream
        {
            // Pins and certificates of the application are between it and its server.
            let tls = self.setup.shared.settings.tls.for_proxy().client()?;
            stream.start_tls_client(&tls, &proxy.host)?;
        }
        self.details().head = Head::new(tunnel.greeting());
        self.phase = Phase::Tunnel(Box::new(tunnel));
        Ok(())
    }
}

fn look_up(owner: Loop, id: Id, way: u32, host: &str, port: u16) {
    // A loop that has ended meanwhile does not want to know.
    let reply = move |result| drop(owner.push(Command::Resolved(id, way, result)));
    resolve::resolve(host, port, Box::new(reply));
}

#[cfg(test)]
mod tests;
#[cfg(all(test, feature = "tls"))]
mod tls_tests;
