//! What a server answered to a client: it is open, somewhere else, locked, or closed.

use super::client::Plan;
use super::core::Core;
use super::log::HANDSHAKE;
use super::session::Session;
use super::setup::Agreed;
use crate::error::{Code, Error, Result};
use crate::proto::config::Role;
use crate::proto::conn::Connection;
use crate::proto::handshake::client::{ClientOutcome, Opened, Response};
use crate::proto::http::auth::{self, challenge::Challenges};
use crate::proto::redirect;
use crate::util::id::Id;
use crate::util::journal::INFO;

/// Challenges answered in a row; of a server that calls every answer too old, nothing is to be hoped.
const MAX_LOG_INS: u32 = 3;

impl Core {
    /// The client's handshake is over. True when the connection is open now.
    pub fn client_handshake_over(&mut self, id: Id, outcome: ClientOutcome) -> bool {
        let now = self.now;
        let Some(session) = self.session(id) else { return false };
        match outcome {
            ClientOutcome::Open(opened) => {
                let Opened { protocol, extensions, deflate, headers } = *opened;
                session.details().headers = Some(headers);
                let protocol = protocol.unwrap_or_default();
                let last = session.set_up(|setup| {
                    setup.agreed = Agreed::new(setup.agreed.url(), &protocol, &extensions);
                });
                let config = session.setup.shared.conn.clone();
                session.open(Connection::new(Role::Client, config, deflate, now));
                self.trash.push(last);
                self.opened(id);
                true
            }
            ClientOutcome::Refused(response) => {
                self.refused(id, *response);
                false
            }
            ClientOutcome::Failed(error) => {
                self.fail(id, error);
                false
            }
        }
    }

    /// The server wants something else first, or nothing to do with us.
    fn refused(&mut self, id: Id, response: Response) {
        let cnonce = self.cx.entropy.bytes();
        let Some(session) = self.session(id) else { return };
        let given = session.client().is_some_and(|client| client.given);
        let again = match response.status {
            _ if given => Ok(false),
            401 => session.log_in(&response, cnonce),
            status if redirect::is_redirect(status) => session.follow(&response),
            _ => Ok(false),
        };
        let error = match again {
            Ok(true) => {
                // The label tells where to.
                let status = response.status;
                self.note(id, INFO, HANDSHAKE, |_| format!("goes on from here after a {status}"));
                return self.set_out(id);
            }
            Ok(false) => {
                let said = format!("the server answered {} {}", response.status, response.reason);
                Error::new(Code::HttpStatus, said.trim_end().to_owned())
            }
            Err(error) => error,
        };
        let details = session.details();
        details.headers = Some(response.headers);
        details.body = response.body;
        self.fail(id, error.with(|it| it.http_status = response.status));
    }
}

impl Session {
    /// Prepares the answer to a challenge. False when there is nothing to answer with.
    fn log_in(&mut self, response: &Response, cnonce: [u8; 16]) -> Result<bool> {
        let details = self.details.as_mut().and_then(|details| details.client.as_mut());
        let Some(client) = details else { return Ok(false) };
        let own = self.setup.shared.settings.credentials.as_ref().filter(|_| client.is_at_home());
        let Some(credentials) = own.or(client.url.credentials.as_ref()) else { return Ok(false) };
        let challenges = Challenges::parse(response.headers.get_all("WWW-Authenticate"));
        // A second challenge means that the answer to the first was wrong, or only too old.
        let wrong = client.authorization.is_some() && !challenges.stale();
        if wrong || client.log_ins == MAX_LOG_INS {
            return Ok(false);
        }
        client.log_ins += 1;
        let resource = &client.url.resource;
        let answer = auth::answer(&challenges, credentials, "GET", resource, cnonce)?;
        client.authorization = Some(answer);
        client.way += 1;
        Ok(true)
    }

    /// Turns to where the server says. False when redirects are not followed.
    fn follow(&mut self, response: &Response) -> Result<bool> {
        let details = self.details.as_mut().and_then(|details| details.client.as_mut());
        let Some(client) = details else { return Ok(false) };
        let limit = self.setup.shared.settings.max_redirects;
        if limit == 0 {
            return Ok(false);
        }
        if client.redirects == limit {
            return Err(Error::new(
                Code::Redirect,
                format!("the server redirects more than {limit} times (WSOCK_OPT_MAX_REDIRECTS)"),
            ));
        }
        let location = response.headers.get("Location");
        let url = redirect::next(&client.url, response.status, location)?;
        client.redirects += 1;
        client.authorization = None;
        client.log_ins = 0;
        client.turn_to(Plan::new(url, &self.setup.shared)?);
        let url = client.url.href();
        // The handler stays, so that nothing is released.
        drop(self.set_up(|setup| setup.agreed = Agreed::new(&url, "", "")));
        Ok(true)
    }
}
