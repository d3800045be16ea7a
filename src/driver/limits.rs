//! What strangers may use of a server: how many at a time, how many from one address, how slowly.

use std::collections::HashMap;
use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr};

use super::core::Core;
use super::marks::Mark;
use super::server::Server;
use crate::error::{Code, Error};
use crate::proto::handshake::server::SLOW_MS;
use crate::transport::Stream;
use crate::util::id::Id;

/// See the header's WSOCK_OPT_MAX_CONNECTIONS and those after it. 0 always means that there is none.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Of one server, in whatever phase.
    pub max_connections: u64,
    /// Of those that come from one address.
    pub max_per_address: u32,
    /// Whose handshake is not done.
    pub max_handshakes: u64,
    /// Bytes per second of a request that has begun.
    pub min_handshake_rate: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_connections: 100_000,
            max_per_address: 4096,
            // Ten thousand clients that come back at once are all in their handshake for the time a
            // packet takes to them and back.
            max_handshakes: 16_384,
            min_handshake_rate: 64,
        }
    }
}

/// Who counts as one: an IPv4 address, or the network of an IPv6 address, which its owner fills as he likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressKey {
    /// The address.
    V4([u8; 4]),
    /// Its first 64 bits.
    V6([u8; 8]),
}

impl AddressKey {
    /// `None` for this machine itself: a proxy here speaks for many.
    pub fn new(ip: IpAddr) -> Option<AddressKey> {
        match ip.to_canonical() {
            ip if ip.is_loopback() => None,
            IpAddr::V4(ip) => Some(AddressKey::V4(ip.octets())),
            IpAddr::V6(ip) => ip.octets().first_chunk().copied().map(AddressKey::V6),
        }
    }
}

/// How many are here from each address.
#[derive(Debug, Default)]
pub struct Addresses {
    counts: HashMap<AddressKey, u32>,
}

impl Addresses {
    /// How many are here from there.
    pub fn count(&self, key: AddressKey) -> u32 {
        self.counts.get(&key).copied().unwrap_or(0)
    }

    /// One more has come.
    pub fn add(&mut self, key: AddressKey) {
        *self.counts.entry(key).or_insert(0) += 1;
    }

    /// One has gone. Who has nobody left here is forgotten.
    pub fn remove(&mut self, key: AddressKey) {
        if let Some(count) = self.counts.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&key);
            }
        }
    }
}

fn full(count: u64, most: u64) -> bool {
    most > 0 && count >= most
}

impl Server {
    /// Whether one more may come in from there; a refusal is counted.
    pub fn admits(&mut self, from: Option<AddressKey>) -> bool {
        let limits = &self.shared.settings.limits;
        if full(self.sessions, limits.max_connections) {
            self.stats.refused_connections += 1;
        } else if self.handshakes_are_full() {
            self.stats.refused_handshakes += 1;
        } else {
            return self.admits_address(from);
        }
        false
    }

    /// Whether another handshake would be one too many.
    pub fn handshakes_are_full(&self) -> bool {
        full(self.stats.handshakes, self.shared.settings.limits.max_handshakes)
    }

    fn admits_address(&mut self, from: Option<AddressKey>) -> bool {
        let most = self.shared.settings.limits.max_per_address;
        let refused = from.is_some_and(|key| full(self.addresses.count(key).into(), most.into()));
        self.stats.refused_per_address += refused as u64;
        !refused
    }
}

impl Core {
    /// When as many handshakes are under way as may be, the one that began first makes way for the next, if it
    /// has had its time: so whoever only occupies the places cannot keep others out.
    pub fn make_way(&mut self, server_id: Id) {
        let now = self.now;
        let Some(server) = self.server(server_id) else { return };
        let mut newcomers = std::mem::take(&mut server.newcomers);
        let (full, under_way) = (server.handshakes_are_full(), server.stats.handshakes as usize);
        let unfinished =
            |core: &mut Core, id| core.session(id).is_some_and(|it| !it.is(Mark::Counted));
        while newcomers.front().is_some_and(|&(id, _)| !unfinished(self, id)) {
            newcomers.pop_front();
        }
        if newcomers.len() > 2 * under_way + 64 {
            newcomers.retain(|(id, _)| unfinished(self, *id));
        }
        if full
            && let Some(&(id, came)) = newcomers.front()
            && now >= came.plus_ms(SLOW_MS)
        {
            newcomers.pop_front();
            self.count(id, |stats| stats.handshake_timeouts += 1);
            let message = "others wait, and the handshake has taken longer than theirs";
            self.fail(id, Error::new(Code::HandshakeTimeout, message));
            self.settle(id);
        }
        if let Some(server) = self.server(server_id) {
            server.newcomers = newcomers;
        }
    }

    /// A load balancer has told where a client comes from.
    pub fn meet(&mut self, session_id: Id, ip: IpAddr) {
        if !self.count_address(session_id, ip) {
            if let Some(stream) = self.session(session_id).and_then(|s| s.stream.take()) {
                turn_away(stream);
            }
            if let Some(server) = self.session(session_id).and_then(|s| s.setup.server) {
                self.note_turned_away(server, &ip.to_string());
            }
            let error = Error::new(Code::Limit, "too many connections from this address");
            self.fail(session_id, error);
        }
    }

    /// Counts a session under `ip` instead of the address that its socket has. False when the limit for
    /// one address is reached: the session is then counted under none, and the caller ends it.
    pub fn count_address(&mut self, session_id: Id, ip: IpAddr) -> bool {
        let Some(session) = self.session(session_id) else { return false };
        let (last, server) = (session.address(), session.setup.server);
        session.mark(Mark::Placed, false);
        if session.peer.ip() != Some(ip.to_canonical()) {
            session.peer = SocketAddr::new(ip, 0).into();
        }
        let Some(server) = server.and_then(|id| self.server(id)) else { return false };
        if let Some(key) = last {
            server.addresses.remove(key);
        }
        let key = AddressKey::new(ip);
        if !server.admits_address(key) {
            return false;
        }
        if let Some(key) = key {
            server.addresses.add(key);
        }
        if let Some(session) = self.session(session_id) {
            session.mark(Mark::Placed, key.is_some());
        }
        true
    }
}

/// What who is turned away is told before it has said anything. Ready-made, since it must cost nothing.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Length: 19\r\nRetry-After: 1\r\n\r\nthe server is full\n";

/// Ends a connection whose request nobody has looked at. What cannot be read without a handshake of another
/// layer is not said.
pub fn turn_away(mut stream: Stream) {
    if stream.takes_bytes() {
        // A fresh socket has room for it; whoever is gone already need not be told.
        let _ = stream.write(&[IoSlice::new(FULL)]);
        stream.end_writing();
        // Closing with unread bytes would be a reset, which may overtake the answer.
        let _ = stream.read(&mut [0; 4096]);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::entries::Entry;
    use super::super::fixtures::{Log, new_loop, turn_until};
    use super::super::handler::Handler;
    use super::super::preface::TrustedProxy;
    use super::super::session::{Phase, Session};
    use super::super::settings::Settings;
    use super::super::setup::Setup;
    use super::super::{listen, loops, server, turn};
    use super::*;
    use crate::util::id::Kind;
    use std::cell::RefCell;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    struct Nobody;

    impl Handler for Nobody {
        fn as_any(&self) -> &dyn std::any::Any {
            self
        }
    }

    fn key(text: &str) -> Option<AddressKey> {
        AddressKey::new(text.parse().unwrap())
    }

    #[test]
    fn an_ipv6_network_counts_as_one_and_this_machine_not_at_all() {
        assert_eq!(key("192.0.2.7"), Some(AddressKey::V4([192, 0, 2, 7])));
        assert_eq!(key("::ffff:192.0.2.7"), key("192.0.2.7"));
        assert_eq!(key("2001:db8:1:2::3"), key("2001:db8:1:2:ffff::4"));
        assert_ne!(key("2001:db8:1:2::3"), key("2001:db8:1:3::3"));
        for local in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(key(local), None, "{local}");
        }
        assert!(size_of::<Option<AddressKey>>() <= 9, "every idle connection has one");
    }

    #[test]
    fn who_has_nobody_left_takes_no_memory() {
        let mut addresses = Addresses::default();
        let key = key("192.0.2.7").unwrap();
        addresses.add(key);
        addresses.add(key);
        assert_eq!(addresses.count(key), 2);
        addresses.remove(key);
        addresses.remove(key);
        addresses.remove(key);
        assert!(addresses.counts.is_empty());
    }

    /// Adds a session to the server, as if it had been accepted.
    fn welcome(core: &mut Core, server_id: Id) -> Id {
        let id = core.allocate(Kind::Conn, 0).unwrap();
        let server = core.server(server_id).unwrap();
        server.sessions += 1;
        server.stats.handshakes += 1;
        let (handler, shared) = (server.handler.clone(), server.shared.clone());
        let setup = Setup::new(handler, shared, Some(server_id));
        let session = Session::new(id, setup, Phase::Answered);
        core.insert(id, Entry::Session(session));
        id
    }

    #[test]
    fn an_address_told_later_is_counted_until_the_session_ends() {
        let place = loops::find(loops::create().unwrap()).unwrap();
        let mut settings = Settings::default();
        settings.limits.max_per_address = 2;
        let server_id = listen::listen(place, "127.0.0.1", 0, &settings, Arc::new(Nobody)).unwrap();
        let checked = place.with(|core| {
            let ip: IpAddr = "203.0.113.7".parse().unwrap();
            let other: IpAddr = "203.0.113.8".parse().unwrap();
            let sessions: Vec<Id> = (0..3).map(|_| welcome(core, server_id)).collect();
            assert!(core.count_address(sessions[0], ip) && core.count_address(sessions[1], ip));
            assert!(!core.count_address(sessions[2], ip));
            let server = core.server(server_id).unwrap();
            assert!(!server.admits(AddressKey::new(ip)) && server.admits(AddressKey::new(other)));
            assert!(server.admits(None));
            assert_eq!(server.stats.refused_per_address, 2);

            // Another address gives the first one back, and so does the end.
            assert!(core.count_address(sessions[0], other) && core.count_address(sessions[2], ip));
            core.bury(sessions[1]);
            assert!(core.server(server_id).unwrap().admits(AddressKey::new(ip)));
            core.bury(sessions[0]);
            core.bury(sessions[2]);
            assert!(core.server(server_id).unwrap().addresses.counts.is_empty());
            Ok(())
        });
        checked.unwrap();
        turn::free(place).unwrap();
    }

    #[test]
    fn who_is_one_too_many_behind_a_load_balancer_is_told_so() {
        let owner = new_loop();
        let mut settings = Settings::default();
        settings.limits.max_per_address = 1;
        settings.trusted_proxies.push(TrustedProxy::parse("127.0.0.1").unwrap());
        let id = listen::listen(owner, "127.0.0.1", 0, &settings, Log::new()).unwrap();
        let port = server::port(owner, id).unwrap();
        let connect = || {
            let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
            client.set_nonblocking(true).unwrap();
            client.write_all(b"PROXY TCP4 203.0.113.7 10.0.0.1 1 80\r\nGET / HT").unwrap();
            client
        };
        let _first = connect();
        assert!(turn_until(owner, || server::stats(owner, id).unwrap().handshakes == 1));
        let (second, answer) = (RefCell::new(connect()), RefCell::new(Vec::new()));
        let ended = || second.borrow_mut().read_to_end(&mut answer.borrow_mut()).is_ok();
        assert!(turn_until(owner, ended), "neither an answer nor an end");
        assert!(
            answer.borrow().starts_with(b"HTTP/1.1 503 "),
            "{}",
            answer.borrow().escape_ascii()
        );
        let stats = server::stats(owner, id).unwrap();
        assert_eq!((stats.refused_per_address, stats.handshakes), (1, 1));
        turn::free(owner).unwrap();
    }
}
