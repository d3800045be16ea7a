//! Connecting to a server: where a client wants to go, and what it says when it is there.
//!
//! | file | job |
//! | --- | --- |
//! | `route.rs` | the way there: name look-up, proxy, TLS, request |
//! | `dial.rs` | the first socket of that way |
//! | `answer.rs` | what the server answered: open, a redirect, a challenge, a refusal |
//! | `retry.rs` | coming back after a failure |

use std::net::IpAddr;
use std::sync::Arc;

use super::core::Core;
use super::entries::Entry;
use super::handler::Handler;
use super::loops::Loop;
use super::marks::Mark;
use super::retry::Retry;
use super::session::{Phase, Session, state};
use super::settings::{Settings, Shared};
use super::setup::Setup;
use crate::error::{Code, Error, Result};
use crate::proto::handshake::client::{ClientHandshake, ClientSettings};
use crate::proto::proxy::{ProxyScheme, ProxyUrl};
use crate::proto::redirect::same_origin;
use crate::proto::url::Url;
use crate::util::id::{Id, Kind};

/// What a client's session knows beside the connection itself.
pub struct Client {
    /// Where the application wants to go; every attempt begins there.
    pub home: Url,
    /// Where this attempt goes: there, or where the server has sent us.
    pub url: Url,
    /// The proxy on the way.
    pub proxy: Option<ProxyUrl>,
    /// The server's address, where a proxy wants it and not the name.
    pub address: Option<IpAddr>,
    /// The answer to the server's challenge.
    pub authorization: Option<String>,
    /// Challenges answered at this place.
    pub log_ins: u32,
    /// Redirects followed in this attempt.
    pub redirects: u32,
    /// Tells the look-ups of this way from those of ways given up.
    pub way: u32,
    /// Where to go and how from the next attempt on.
    pub next: Option<(Url, Arc<Shared>)>,
    /// The application has made its connection: there is no other way.
    pub given: bool,
    /// Set when it comes back after failures.
    pub retry: Option<Box<Retry>>,
}

/// A place to go to that has been found to make sense.
pub struct Plan {
    url: Url,
    proxy: Option<ProxyUrl>,
}

impl Plan {
    /// Everything that can be wrong with a URL and settings is found here, before anything begins.
    pub fn new(url: Url, shared: &Shared) -> Result<Plan> {
        let settings = &shared.settings;
        if url.secure {
            settings.tls.client()?;
        }
        let proxy = match url.unix {
            Some(_) => None,
            None => settings.proxy.choose(environment, url.secure, &url.host, url.port)?,
        };
        if proxy.as_ref().is_some_and(|proxy| proxy.scheme == ProxyScheme::Https) {
            settings.tls.for_proxy().client()?;
        }
        ClientHandshake::new(&url, &shared.client(), [0; 16])?;
        Ok(Plan { url, proxy })
    }
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Client {
    fn new(plan: Plan, shared: &Shared) -> Client {
        let Plan { url, proxy } = plan;
        Client {
            home: url.clone(),
            url,
            proxy,
            address: None,
            authorization: None,
            log_ins: 0,
            redirects: 0,
            way: 0,
            next: None,
            given: false,
            retry: (shared.settings.retry.attempts != 0).then(Box::default),
        }
    }

    /// What to say to the server of this attempt. What is meant for one origin is not told to another.
    pub fn handshake(&self, shared: &Shared, key: [u8; 16]) -> Result<ClientHandshake> {
        let mut settings = shared.client();
        settings.authorization = self.authorization.clone();
        if !self.is_at_home() {
            forget_secrets(&mut settings);
        }
        ClientHandshake::new(&self.url, &settings, key)
    }

    /// Whether no redirect has led to another origin.
    pub fn is_at_home(&self) -> bool {
        same_origin(&self.home, &self.url)
    }

    /// Begins a new way, from where the application wants it.
    pub fn start_again(&mut self, plan: Plan) {
        let Plan { url, proxy } = plan;
        self.home = url.clone();
        self.redirects = 0;
        self.authorization = None;
        self.log_ins = 0;
        self.go_to(url, proxy);
    }

    /// Takes another way within the same attempt.
    pub fn turn_to(&mut self, plan: Plan) {
        self.go_to(plan.url, plan.proxy);
    }

    fn go_to(&mut self, url: Url, proxy: Option<ProxyUrl>) {
        self.url = url;
        self.proxy = proxy;
        self.address = None;
        self.way += 1;
    }
}

fn forget_secrets(settings: &mut ClientSettings) {
    let secret = |name: &str| {
        name.eq_ignore_ascii_case("Authorization") || name.eq_ignore_ascii_case("Cookie")
    };
    settings.headers.retain(|(name, _)| !secret(name));
}

/// Begins to connect; everything further is told to `handler`, from the loop.
pub fn connect(
    owner: Loop,
    url: &str,
    settings: &Settings,
    handler: Arc<dyn Handler>,
) -> Result<Id> {
    owner.with(|core| {
        let id = prepare(core, url, settings, handler)?;
        core.set_out(id);
        Ok(id)
    })
}

/// Makes the session of a client that has not set out yet.
pub fn prepare(
    core: &mut Core,
    url: &str,
    settings: &Settings,
    handler: Arc<dyn Handler>,
) -> Result<Id> {
    let shared = Shared::new(settings, &*handler);
    let plan = Plan::new(Url::parse(url)?, &shared)?;
    let id = core.allocate(Kind::Conn, state::CONNECTING)?;
    let client = Client::new(plan, &shared);
    let setup = Setup::for_client(handler, shared, &client.url);
    let mut session = Session::new(id, setup, Phase::Waiting);
    session.details().client = Some(Box::new(client));
    session.mark(Mark::Announced, true);
    core.insert(id, Entry::Session(session));
    core.open_queue(id);
    Ok(id)
}

/// Another URL, other settings, or both, from the next attempt on.
pub fn set_target(id: Id, url: Option<&str>, settings: Option<&Settings>) -> Result<()> {
    super::conn::with(id, |session| {
        let details = session.details.as_mut().and_then(|details| details.client.as_mut());
        let client = details.filter(|client| client.retry.is_some());
        let Some(client) = client else {
            return Err(Error::new(
                Code::State,
                "only a client that reconnects (WSOCK_OPT_RECONNECT) can be given another target",
            ));
        };
        let (last_url, last_shared) = match &client.next {
            Some((url, shared)) => (url, shared),
            None => (&client.home, &session.setup.shared),
        };
        let url = url.map(Url::parse).transpose()?.unwrap_or_else(|| last_url.clone());
        let shared = settings.map_or_else(
            || last_shared.clone(),
            |settings| Shared::new(settings, &*session.setup.handler),
        );
        Plan::new(url.clone(), &shared)?;
        client.next = Some((url, shared));
        Ok(())
    })
}

impl Core {
    /// An open connection shows itself to every thread.
    pub fn opened(&mut self, id: Id) {
        let table = self.table();
        let now = self.now;
        let Some(session) = self.session(id) else { return };
        if let Some(retry) = session.retry() {
            retry.opened_at = Some(now);
        }
        let settings = &session.setup.shared.settings;
        if let Ok(cell) = table.get(id) {
            cell.set_limits(settings.max_buffered, settings.high_water);
            cell.set_overflow(settings.overflow as u8);
            cell.advance_state(id, state::OPEN);
        }
        self.figures.opened += 1;
        self.note_open(id);
        self.dirty(id);
    }
}
