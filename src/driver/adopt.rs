//! Connections that somebody else has made: accepted by another server, tunnelled, paired.

use std::io;
use std::sync::Arc;

use super::core::{Core, Entry};
use super::dial::Dial;
use super::handler::Handler;
use super::loops::{Loop, stale};
use super::session::{Phase, Session, state};
use super::settings::{Settings, Shared};
use crate::error::{Code, Error, Result};
use crate::proto::handshake::client::ClientHandshake;
use crate::proto::url::Url;
use crate::transport::{Socket, SocketOptions, Stream};
use crate::util::id::{Id, Kind};
use crate::util::offer::Offer;
use crate::util::table::ACCEPTED;

/// Makes a connection one of the server's, as if it had accepted it. `read` has come from it already.
pub fn adopt(owner: Loop, server_id: Id, offer: Offer, read: &[u8]) -> Result<()> {
    owner.with(|core| {
        let server = core.server(server_id).ok_or_else(|| stale(Kind::Server))?;
        if server.closing {
            return Err(Error::new(Code::State, "the server is closing, it takes no connections"));
        }
        let shared = server.shared.clone();
        let id = core.allocate(Kind::Conn, state::CONNECTING | ACCEPTED)?;
        let stream = core.take_in(id, offer, &shared.settings.socket, read)?;
        core.seat(server_id, id, stream);
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
        let url = Url::parse(url)?;
        if url.secure {
            return Err(Error::new(
                Code::Unsupported,
                "wss:// needs TLS, which this build of the library does not have",
            ));
        }
        let shared = Shared::new(settings);
        let key = core.cx.entropy.bytes();
        let handshake = ClientHandshake::new(&url, &shared.client(), key)?;
        let id = core.allocate(Kind::Conn, state::CONNECTING)?;
        let stream = core.take_in(id, offer, &settings.socket, read)?;
        let phase = Phase::Dialing(Box::new(Dial::new(url.host_header(), handshake)));
        let mut session = Session::new(id, handler, shared, phase);
        session.details.url = url.href();
        session.announced = true;
        session.begin_handshake(stream, core.now);
        core.insert(id, Entry::Session(Box::new(session)));
        core.read_now(id);
        core.dirty(id);
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
        let taken = Socket::adopt(offer).and_then(|mut socket| {
            let watched =
                self.register(id, 0, &mut socket).and_then(|()| socket.settle_in(options));
            if let Err(e) = watched {
                self.deregister(&mut socket);
                socket.give_back();
                return Err(cannot_watch(&e));
            }
            Ok(socket)
        });
        let socket = taken.inspect_err(|_| self.table().remove(id))?;
        let mut stream = Stream::plain(socket);
        stream.put_back(read.to_vec());
        Ok(stream)
    }

    /// What has been read already does not make the socket readable.
    fn read_now(&mut self, id: Id) {
        if let Some(session) = self.session(id) {
            session.readable = true;
        }
        self.make_ready(id);
    }
}

fn cannot_watch(e: &io::Error) -> Error {
    Error::os(Code::System, "cannot watch the socket", e)
}
