//! Connecting to a server.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::core::{Core, Entry};
use super::dial::Dial;
use super::handler::Handler;
use super::inbox::Command;
use super::loops::Loop;
use super::resolve;
use super::session::{Phase, Session, state};
use super::settings::{Settings, Shared};
use crate::error::{Code, Error, Result};
use crate::proto::config::Role;
use crate::proto::conn::Connection;
use crate::proto::handshake::client::{ClientHandshake, ClientOutcome, Opened, Response};
use crate::proto::url::Url;
use crate::util::id::{Id, Kind};

/// Begins to connect; everything further is told to `handler`, from the loop.
pub fn connect(
    owner: Loop,
    url: &str,
    settings: &Settings,
    handler: Arc<dyn Handler>,
) -> Result<Id> {
    owner.with(|core| {
        let url = Url::parse(url)?;
        let tls = if url.secure { Some(settings.tls.client()?) } else { None };
        let shared = Shared::new(settings);
        let key = core.cx.entropy.bytes();
        let handshake = ClientHandshake::new(&url, &shared.client(), key)?;
        let id = core.allocate(Kind::Conn, state::CONNECTING)?;
        let (host, port) = (url.host.clone(), url.port);
        let href = url.href();
        let phase = Phase::Dialing(Box::new(
            Dial::new(url.host_header(), handshake).secured(tls, &url.host),
        ));
        let mut session = Session::new(id, handler, shared, phase);
        session.details.url = href;
        session.announced = true;
        let limit = settings.connect_timeout_ms;
        session.deadline = (limit > 0).then(|| core.now.plus_ms(limit));
        core.insert(id, Entry::Session(Box::new(session)));
        core.arm(id);
        match host.parse::<IpAddr>() {
            Ok(ip) => core.dial(id, &[SocketAddr::new(ip, port)]),
            Err(_) => look_up(owner, id, &host, port),
        }
        Ok(id)
    })
}

fn look_up(owner: Loop, id: Id, host: &str, port: u16) {
    // A loop that has ended meanwhile does not want to know.
    let reply = move |result| drop(owner.push(Command::Resolved(id, result)));
    resolve::resolve(host, port, Box::new(reply));
}

impl Core {
    /// A name look-up is done.
    pub fn resolved(&mut self, id: Id, result: Result<Vec<SocketAddr>>) {
        match result {
            Ok(addresses) => self.dial(id, &addresses),
            Err(error) => self.cannot_dial(id, error),
        }
    }

    /// The client's handshake is over. True when the connection is open now.
    pub fn client_handshake_over(&mut self, id: Id, outcome: ClientOutcome) -> bool {
        let now = self.now;
        let Some(session) = self.session(id) else { return false };
        match outcome {
            ClientOutcome::Open(opened) => {
                let Opened { protocol, extensions, deflate, headers } = *opened;
                session.details.protocol = protocol.unwrap_or_default();
                session.details.extensions = extensions;
                session.details.headers = Some(headers);
                let config = session.shared.conn.clone();
                session.open(Connection::new(Role::Client, config, deflate, now));
                self.opened(id);
                true
            }
            ClientOutcome::Refused(response) => {
                let Response { status, reason, headers, body } = *response;
                session.details.headers = Some(headers);
                session.details.body = body;
                let said = format!("the server answered {status} {reason}");
                let error = Error {
                    http_status: status,
                    ..Error::new(Code::HttpStatus, said.trim_end().to_owned())
                };
                self.fail(id, error);
                false
            }
            ClientOutcome::Failed(error) => {
                self.fail(id, error);
                false
            }
        }
    }

    /// An open connection shows itself to every thread.
    pub fn opened(&mut self, id: Id) {
        let table = self.table();
        let Some(session) = self.session(id) else { return };
        let settings = &session.shared.settings;
        if let Ok(cell) = table.get(id) {
            cell.set_limits(settings.max_buffered, settings.high_water);
            cell.advance_state(id, state::OPEN);
        }
        self.dirty(id);
    }
}

impl Session {
    /// The handshake is done.
    pub fn open(&mut self, conn: Connection) {
        self.phase = Phase::Open(conn);
        self.deadline = None;
        self.announced = true;
    }
}
