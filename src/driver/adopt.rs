//! Connections that somebody else has made: accepted by another server, tunnelled, paired.

use std::sync::Arc;

use super::client;
use super::core::Core;
use super::handler::Handler;
use super::loops::{Loop, stale};
use super::marks::Mark;
use super::readiness::cannot_watch;
use super::session::state;
use super::settings::Settings;
use crate::error::{Code, Error, Result};
use crate::transport::{Socket, SocketOptions, Stream};
use crate::util::id::{Id, Kind};
use crate::util::memory;
use crate::util::offer::Offer;
use crate::util::table::ACCEPTED;

/// Makes a connection one of the server's, as if it had accepted it. `read` has come from it already.
pub fn adopt(owner: Loop, server_id: Id, offer: Offer, read: &[u8]) -> Result<()> {
    owner.with(|core| {
        let server = core.server(server_id).ok_or_else(|| stale(Kind::Server))?;
        if server.drain.is_some() {
            return Err(Error::new(Code::State, "the server is closing, it takes no connections"));
        }
        if !server.admits(None) {
            return Err(Error::new(Code::Limit, "the server is full: see wsock_server_stats"));
        }
        let shared = server.shared.clone();
        let id = core.allocate(Kind::Conn, state::CONNECTING | ACCEPTED)?;
        let stream = core.take_in(id, offer, &shared.settings.socket, read)?;
        core.seat(server_id, id, stream.socket().peer_address(), stream);
        core.read_now(id);
        Ok(())
    })
}

/// Begins the handshake of a client on a connection that is there. `read` has come from it already.
pub fn connect(
    owner: Loop,
    offer: Offer,
    url: &str,
    settings: &Settings,
    handler: Arc<dyn Handler>,
    read: &[u8],
) -> Result<Id> {
    owner.with(|core| {
        if settings.retry.attempts != 0 {
            return Err(Error::new(
                Code::InvalidArgument,
                "a connection over a given descriptor cannot reconnect: leave WSOCK_OPT_RECONNECT at 0",
            ));
        }
        let id = client::prepare(core, url, settings, handler)?;
        let stream = core.take_in(id, offer, &settings.socket, read)?;
        core.take_over(id, stream);
        core.read_now(id);
        Ok(id)
    })
}

impl Core {
    /// Takes the descriptor and watches it. When that is refused the descriptor is as it was, and the id
    /// is gone.
    fn take_in(
        &mut self,
        id: Id,
        offer: Offer,
        options: &SocketOptions,
        read: &[u8],
    ) -> Result<Stream> {
        let taken = memory::copy(read).and_then(|read| {
            let mut socket = Socket::adopt(offer)?;
            let watched =
                self.register(id, 0, &mut socket).and_then(|()| socket.settle_in(options));
            if let Err(e) = watched {
                self.deregister(&mut socket);
                socket.give_back();
                return Err(cannot_watch(&e));
            }
            let mut stream = Stream::plain(socket);
            stream.put_back(read);
            Ok(stream)
        });
        taken.inspect_err(|_| drop(self.remove(id)))
    }

    /// What has been read already does not make the socket readable.
    fn read_now(&mut self, id: Id) {
        if let Some(session) = self.session(id) {
            session.mark(Mark::Readable, true);
        }
        self.make_ready(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::fixtures::{Log, new_loop, turn_until};
    use crate::driver::turn;
    use crate::proto::http::auth::Credentials;
    use std::io::Write;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_refusal_counts_although_the_connection_breaks_off_within_its_body() {
        let (mut peer, ours) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let (owner, log) = (new_loop(), Log::new());
        let offer = Offer::from(OwnedFd::from(ours));
        let url = "ws://localhost/";
        connect(owner, offer, url, &Settings::default(), log.clone(), b"").unwrap();
        write!(peer, "HTTP/1.1 503 Busy\r\nContent-Length: 100\r\n\r\npart").unwrap();
        // The request has not been read, so that this is a reset.
        drop(peer);
        assert!(turn_until(owner, || log.count("close") == 1), "{:?}", log.events());
        assert_eq!(log.count("error HttpStatus"), 1, "{:?}", log.events());
        turn::free(owner).unwrap();
    }

    #[test]
    fn a_client_over_a_given_connection_goes_nowhere_else() {
        for answer in ["302 Found\r\nLocation: /x", "401 No\r\nWWW-Authenticate: Basic realm=x"] {
            let (mut peer, ours) = UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            let (owner, log) = (new_loop(), Log::new());
            let credentials = Credentials { user: "u".to_owned(), password: "p".to_owned() };
            let settings = Settings {
                max_redirects: 5,
                credentials: Some(credentials),
                ..Settings::default()
            };
            let offer = Offer::from(OwnedFd::from(ours));
            connect(owner, offer, "ws://127.0.0.1:1/", &settings, log.clone(), b"").unwrap();
            write!(peer, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n").unwrap();
            assert!(turn_until(owner, || log.count("close") == 1), "{:?}", log.events());
            assert_eq!(log.count("error HttpStatus"), 1, "{:?}", log.events());
            turn::free(owner).unwrap();
        }
    }
}
