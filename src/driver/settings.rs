//! Everything an application may set before it connects or listens.

use std::sync::Arc;

use super::handler::Handler;
use super::limits::Limits;
use super::preface::TrustedProxy;
use super::retry::RetrySettings;
use super::send::Overflow;
use crate::proto::config::{Config, HeadLimits};
use crate::proto::handshake::client::ClientSettings;
use crate::proto::handshake::server::{OriginPolicy, ServerSettings};
use crate::proto::http::auth::Credentials;
use crate::proto::http::cookie;
use crate::proto::proxy::ProxyRules;
use crate::transport::SocketOptions;
use crate::transport::tls::TlsSettings;

/// Plain values; copied when used, so that one set serves many connections.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name look-up and TCP together; 0: as long as the system tries.
    pub connect_timeout_ms: u64,
    /// From TCP being there to the end of the HTTP exchange; 0: no limit.
    pub handshake_timeout_ms: u64,
    /// Above this many queued bytes `send` says so.
    pub high_water: usize,
    /// At this many the drain event comes.
    pub low_water: usize,
    /// At this many `send` refuses.
    pub max_buffered: usize,
    /// In batches of events: requests are told and wait for their answer.
    pub ask: bool,
    /// What becomes of messages beyond that, unless they say it themselves.
    pub overflow: Overflow,
    /// Connections the kernel keeps until we accept them.
    pub backlog: i32,
    /// What the sockets are to be like.
    pub socket: SocketOptions,
    /// Who begins its connections to a server with a PROXY protocol header.
    pub trusted_proxies: Vec<TrustedProxy>,
    /// What strangers may use of a server.
    pub limits: Limits,
    /// Bounds of HTTP heads.
    pub head: HeadLimits,
    /// Headers of our side of the handshake.
    pub headers: Vec<(String, String)>,
    /// Subprotocols offered or known.
    pub protocols: Vec<String>,
    /// The Origin header a client sends.
    pub origin: Option<String>,
    /// Which origins a server lets in.
    pub origins: OriginPolicy,
    /// The proxy of a client.
    pub proxy: ProxyRules,
    /// How many redirects a client follows.
    pub max_redirects: u32,
    /// What a client answers to a challenge.
    pub credentials: Option<Credentials>,
    /// What a client sends as its Cookie header.
    pub cookies: Vec<(String, String)>,
    /// How a client comes back.
    pub retry: RetrySettings,
    /// Encryption.
    pub tls: TlsSettings,
    /// The open connection.
    pub conn: Config,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            // Linux alone would try for more than two minutes.
            connect_timeout_ms: 30_000,
            handshake_timeout_ms: 10_000,
            high_water: 1024 * 1024,
            low_water: 256 * 1024,
            max_buffered: 64 * 1024 * 1024,
            ask: false,
            overflow: Overflow::default(),
            // As many as the system allows: whoever finds no room tries again only after a second.
            backlog: 65_535,
            socket: SocketOptions::default(),
            trusted_proxies: Vec::new(),
            limits: Limits::default(),
            head: HeadLimits::default(),
            headers: Vec::new(),
            protocols: Vec::new(),
            origin: None,
            origins: OriginPolicy::Any,
            proxy: ProxyRules::default(),
            max_redirects: 0,
            credentials: None,
            cookies: Vec::new(),
            retry: RetrySettings::default(),
            tls: TlsSettings::default(),
            conn: Config::default(),
        }
    }
}

/// The same, sorted by who reads it, shared by all connections it applies to.
#[derive(Debug)]
pub struct Shared {
    /// As set.
    pub settings: Settings,
    /// What every connection refers to.
    pub conn: Arc<Config>,
}

impl Shared {
    /// For any number of connections of that handler.
    pub fn new(settings: &Settings, handler: &dyn Handler) -> Arc<Shared> {
        let mut conn = settings.conn.clone();
        conn.parts = handler.wants_parts();
        if conn.max_message == 0 {
            conn.max_message = u64::MAX;
        }
        Arc::new(Shared { conn: Arc::new(conn), settings: settings.clone() })
    }

    /// The part a client's handshake reads.
    pub fn client(&self) -> ClientSettings {
        let s = &self.settings;
        let mut headers = s.headers.clone();
        if !s.cookies.is_empty() {
            let cookies = s.cookies.iter().map(|(name, value)| (&**name, &**value));
            headers.push(("Cookie".to_owned(), cookie::join(cookies)));
        }
        ClientSettings {
            headers,
            protocols: s.protocols.clone(),
            origin: s.origin.clone(),
            authorization: None,
            deflate: s.conn.deflate.clone(),
            limits: s.head.clone(),
        }
    }

    /// The part a server's handshakes read.
    pub fn server(&self) -> ServerSettings {
        let s = &self.settings;
        ServerSettings {
            protocols: s.protocols.clone(),
            headers: s.headers.clone(),
            origins: s.origins.clone(),
            deflate: s.conn.deflate.clone(),
            limits: s.head.clone(),
        }
    }
}
