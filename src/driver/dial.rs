//! Racing the addresses of a host, RFC 8305: the next one is tried when the last failed or has kept
//! us waiting, and the first that connects wins.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;

use super::core::Core;
use super::log::DIAL;
use super::readiness::cannot_watch;
use super::session::Phase;
use crate::error::{Code, Error};
use crate::transport::{Socket, SocketOptions};
use crate::util::id::Id;
use crate::util::journal::DEBUG;
use crate::util::time::Time;

/// RFC 8305 section 5: the recommended Connection Attempt Delay.
const ATTEMPT_DELAY_MS: u64 = 250;
/// As many as tokens tell apart beside what else they name; a host with more addresses than that does not
/// answer on any.
const MAX_ATTEMPTS: usize = 14;

/// A connection that is being made.
pub struct Dial {
    /// Where to, as people write it.
    host: String,
    /// That is a proxy.
    proxy: bool,
    candidates: VecDeque<Address>,
    attempts: Vec<Attempt>,
    begun: u8,
    /// When the next address is tried although the last has not failed.
    pub next_attempt: Option<Time>,
    failures: String,
    os_error: i32,
    /// The name look-up is over.
    resolved: bool,
}

struct Attempt {
    number: u8,
    address: Address,
    socket: Socket,
}

/// One way to reach a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Over TCP.
    Tcp(SocketAddr),
    /// By the path of a Unix domain socket.
    Unix(String),
}

impl Address {
    fn connect(&self, options: &SocketOptions) -> io::Result<Socket> {
        match self {
            Address::Tcp(address) => Socket::connect(*address, options),
            Address::Unix(path) => Socket::connect_unix(path),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => path.fmt(f),
        }
    }
}

impl Dial {
    /// Waits for the addresses of a server, or of a proxy.
    pub fn new(host: String, proxy: bool) -> Dial {
        Dial {
            host,
            proxy,
            candidates: VecDeque::new(),
            attempts: Vec::new(),
            begun: 0,
            next_attempt: None,
            failures: String::new(),
            os_error: 0,
            resolved: false,
        }
    }

    fn note_failure(&mut self, address: &Address, error: &io::Error) {
        self.os_error = error.raw_os_error().unwrap_or(self.os_error);
        let separator = if self.failures.is_empty() { "" } else { "; " };
        // An address that was given as such need not be told again.
        self.failures.push_str(&match address.to_string() {
            address if address == self.host => error.to_string(),
            address => format!("{separator}{address}: {error}"),
        });
    }

    /// The failure of the whole, once nothing is left to try.
    fn verdict(&self) -> Error {
        let (code, kind) =
            if self.proxy { (Code::Proxy, "the proxy ") } else { (Code::Connect, "") };
        Error::new(code, format!("cannot connect to {kind}{}: {}", self.host, self.failures))
            .with(|it| it.os_error = self.os_error)
    }

    /// What the time limit says about it.
    pub fn timeout(&self, after_ms: u64) -> Error {
        let doing = if self.resolved { "connecting to" } else { "looking up" };
        let kind = if self.proxy { "the proxy " } else { "" };
        Error::new(
            Code::ConnectTimeout,
            format!("{doing} {kind}{} took longer than {after_ms} ms", self.host),
        )
    }
}

/// IPv6 first, then one of each kind in turn (RFC 8305 section 4), in the order of the resolver.
fn interleave(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let (mut v6, mut v4): (VecDeque<_>, VecDeque<_>) =
        addresses.iter().copied().partition(|address| address.is_ipv6());
    let mut order = Vec::new();
    while !(v6.is_empty() && v4.is_empty()) {
        order.extend(v6.pop_front());
        order.extend(v4.pop_front());
    }
    order.truncate(MAX_ATTEMPTS);
    order
}

impl Core {
    /// These are the addresses of the host. The first who says so is believed.
    pub fn dial(&mut self, id: Id, addresses: &[SocketAddr]) {
        self.note(id, DEBUG, DIAL, |_| format!("addresses {addresses:?}"));
        self.try_all(id, interleave(addresses).into_iter().map(Address::Tcp).collect());
    }

    /// These are the ways to the host, the best first.
    pub fn try_all(&mut self, id: Id, addresses: VecDeque<Address>) {
        match self.dialing(id) {
            Some(dial) if !dial.resolved => {
                dial.candidates = addresses;
                dial.resolved = true;
                self.dial_next(id);
            }
            _ => {}
        }
    }

    /// There are none.
    pub fn cannot_dial(&mut self, id: Id, error: Error) {
        match self.dialing(id) {
            Some(dial) if !dial.resolved => {
                let code = if dial.proxy { Code::Proxy } else { error.code };
                self.fail(id, error.with(|it| it.code = code));
            }
            _ => {}
        }
    }

    /// Whether the name of the host is being looked up.
    pub fn awaits_addresses(&mut self, id: Id) -> bool {
        self.dialing(id).is_some_and(|dial| !dial.resolved)
    }

    fn dialing(&mut self, id: Id) -> Option<&mut Dial> {
        match &mut self.session(id)?.phase {
            Phase::Dialing(dial) => Some(dial),
            _ => None,
        }
    }

    /// Tries the next address; ends the session when there is none and nothing is under way.
    fn dial_next(&mut self, id: Id) {
        let now = self.now;
        loop {
            let Some(dial) = self.dialing(id) else { return };
            let Some(address) = dial.candidates.pop_front() else {
                dial.next_attempt = None;
                if dial.attempts.is_empty() {
                    let error = dial.verdict();
                    self.fail(id, error);
                }
                return;
            };
            dial.begun += 1;
            let number = dial.begun;
            let Some(shared) = self.session(id).map(|session| session.setup.shared.clone()) else {
                return;
            };
            self.note(id, DEBUG, DIAL, |_| format!("tries {address}"));
            let begun = address
                .connect(&shared.settings.socket)
                .and_then(|mut socket| self.register(id, number, &mut socket).map(|()| socket));
            let dial = self.dialing(id).expect("still dialing");
            match begun {
                Ok(socket) => {
                    dial.attempts.push(Attempt { number, address, socket });
                    let more = !dial.candidates.is_empty();
                    dial.next_attempt = more.then(|| now.plus_ms(ATTEMPT_DELAY_MS));
                    self.arm(id);
                    return;
                }
                Err(e) => {
                    dial.note_failure(&address, &e);
                    self.note(id, DEBUG, DIAL, |_| format!("{address}: {e}"));
                }
            }
        }
    }

    /// The attempt of that number has news.
    pub fn dial_event(&mut self, id: Id, number: u8) {
        let Some(dial) = self.dialing(id) else { return };
        let Some(index) = dial.attempts.iter().position(|a| a.number == number) else { return };
        match dial.attempts[index].socket.connected() {
            Ok(false) => {}
            Ok(true) => {
                let Attempt { address, socket, .. } = dial.attempts.swap_remove(index);
                self.note(id, DEBUG, DIAL, |_| format!("connected to {address}"));
                self.connected(id, socket);
            }
            Err(e) => {
                let failed = dial.attempts.swap_remove(index);
                dial.note_failure(&failed.address, &e);
                self.note(id, DEBUG, DIAL, |_| format!("{}: {e}", failed.address));
                self.dial_next(id);
            }
        }
    }

    /// The delay between two attempts is over.
    pub fn dial_tick(&mut self, id: Id) {
        let now = self.now;
        if self.dialing(id).is_some_and(|dial| dial.next_attempt.is_some_and(|at| at <= now)) {
            self.dial_next(id);
        }
    }

    fn connected(&mut self, id: Id, mut socket: Socket) {
        match self.reregister(id, &mut socket) {
            Ok(()) => self.connected_to_first_hop(id, socket),
            Err(e) => self.fail(id, cannot_watch(&e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::handler::Handler;
    use crate::driver::settings::Settings;
    use crate::driver::{client, loops, turn};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn families_take_turns_and_ipv6_begins() {
        let parse = |list: &[&str]| list.iter().map(|a| a.parse().unwrap()).collect::<Vec<_>>();
        let order = interleave(&parse(&["1.1.1.1:1", "2.2.2.2:1", "[::1]:1", "3.3.3.3:1"]));
        assert_eq!(order, parse(&["[::1]:1", "1.1.1.1:1", "2.2.2.2:1", "3.3.3.3:1"]));
        assert_eq!(interleave(&vec!["1.1.1.1:1".parse().unwrap(); 40]).len(), MAX_ATTEMPTS);
    }

    struct Quiet;
    impl Handler for Quiet {
        fn as_any(&self) -> &dyn std::any::Any {
            self
        }
    }

    /// A socket whose queue of connections is full leaves the next one waiting, as a dead address does.
    fn deaf() -> (socket2::Socket, Vec<socket2::Socket>, SocketAddr) {
        use socket2::{Domain, Socket, Type};
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        socket.bind(&any.into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap();
        let waiting = (0..4)
            .map(|_| {
                let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
                client.set_nonblocking(true).unwrap();
                let _ = client.connect(&address);
                client
            })
            .collect();
        (socket, waiting, address.as_socket().unwrap())
    }

    #[test]
    fn a_name_is_looked_up_while_the_loop_goes_on() {
        let owner = loops::find(loops::create().unwrap()).unwrap();
        let url = "ws://localhost:1/";
        let conn = client::connect(owner, url, &Settings::default(), Arc::new(Quiet)).unwrap();
        let resolved = |core: &mut Core| Ok(core.dialing(conn).is_none_or(|dial| dial.resolved));
        assert!(!owner.with(resolved).unwrap(), "looked up inside the call");
        let done = (0..200).any(|_| {
            turn::poll(owner, Some(Duration::from_millis(50))).unwrap();
            owner.with(resolved).unwrap()
        });
        assert!(done, "the answer never came");
        turn::free(owner).unwrap();
    }

    #[test]
    fn an_address_that_does_not_answer_does_not_hold_up_the_next() {
        let (_deaf, _waiting, dead) = deaf();
        let living = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = living.local_addr().unwrap();
        let owner = loops::find(loops::create().unwrap()).unwrap();
        let settings = Settings::default();
        let url = "ws://no-such-host.invalid/";
        let conn = client::connect(owner, url, &settings, Arc::new(Quiet)).unwrap();
        let dial = |core: &mut Core| {
            core.dial(conn, &[dead, good]);
            Ok(())
        };
        owner.with(dial).unwrap();
        let attempts =
            |core: &mut Core| Ok(core.dialing(conn).map_or(0, |dial| dial.attempts.len()));
        assert_eq!(owner.with(attempts).unwrap(), 1, "the second waits for its turn");
        living.set_nonblocking(true).unwrap();
        let accepted = (0..200).any(|_| {
            turn::poll(owner, Some(Duration::from_millis(50))).unwrap();
            living.accept().is_ok()
        });
        assert!(accepted, "the second address was never tried");
        let handshaking = |core: &mut Core| {
            let session = core.session(conn).expect("it lives");
            Ok(matches!(session.phase, Phase::ClientHandshake(_)))
        };
        for _ in 0..200 {
            if owner.with(handshaking).unwrap() {
                break;
            }
            turn::poll(owner, Some(Duration::from_millis(50))).unwrap();
        }
        assert!(owner.with(handshaking).unwrap(), "the winner was not taken");
        turn::free(owner).unwrap();
    }
}
