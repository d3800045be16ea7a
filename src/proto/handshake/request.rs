//! What a client asks for: its request, and the upgrade in it (RFC 6455 section 4.2.1).

use std::borrow::Cow;

use super::{key, subprotocol};
use crate::proto::deflate::{self, negotiate};
use crate::proto::extension::{self, Extension};
use crate::proto::http::headers::{Found, write_header};
use crate::proto::http::parse::RequestHead;
use crate::proto::http::{Headers, http_response};

use super::server::{OriginPolicy, ServerSettings};

/// Why a request is answered with an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// 400 to 599.
    pub status: u16,
    /// One line, sent as the body.
    pub message: String,
    /// What the status needs besides.
    pub headers: Vec<(String, String)>,
}

impl Refusal {
    /// A refusal without headers of its own.
    pub fn new(status: u16, message: impl Into<String>) -> Refusal {
        Refusal { status, message: message.into(), headers: Vec::new() }
    }

    fn with(mut self, name: &str, value: &str) -> Refusal {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The whole response; `head_only` when the method was HEAD.
    pub fn bytes(&self, head_only: bool) -> Vec<u8> {
        let body = format!("{}\n", self.message);
        let text = Some("text/plain; charset=utf-8");
        http_response(self.status, &self.headers, text, body.as_bytes(), head_only)
    }
}

/// A request whose head is well-formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET` for every upgrade.
    pub method: Cow<'static, str>,
    /// As sent: a path with a query, a whole URL, `*`, or what CONNECT names.
    pub target: String,
    /// In their order.
    pub headers: Headers,
    /// A valid wish for WebSocket; `None` for plain HTTP.
    pub upgrade: Option<Upgrade>,
}

impl Request {
    /// Checks a head. A request that tries to upgrade and is wrong is refused, one that does not try is plain.
    pub(super) fn new(head: RequestHead) -> Result<Request, Refusal> {
        let RequestHead { method, target, at_least_1_1, headers } = head;
        let mut request = Request { method, target, headers, upgrade: None };
        request.check_target()?;
        let decisive = Decisive::of(&request.headers);
        decisive.check_host(at_least_1_1)?;
        if decisive.try_to_upgrade() {
            request.upgrade = Some(Upgrade::new(&request, &decisive, at_least_1_1)?);
        }
        Ok(request)
    }

    /// The path of the target without the query.
    pub fn path(&self) -> &str {
        let resource = self.resource();
        let path = resource.split_once('?').map_or(resource, |(path, _)| path);
        if path.is_empty() { "/" } else { path }
    }

    /// What follows the first `?` of the target; empty when there is none.
    pub fn query(&self) -> &str {
        self.resource().split_once('?').map_or("", |(_, query)| query)
    }

    /// Host and port that the client asked for; empty when it did not say.
    pub fn host(&self) -> &str {
        // RFC 9112 section 3.2.2: the host in an absolute target goes before the header.
        match split_absolute(&self.target) {
            Some((authority, _)) => authority,
            None => self.headers.get("Host").unwrap_or_default(),
        }
    }

    /// The origin of the page that asks; empty when there is none.
    pub fn origin(&self) -> &str {
        self.headers.get("Origin").unwrap_or_default()
    }

    fn resource(&self) -> &str {
        split_absolute(&self.target).map_or(&self.target, |(_, resource)| resource)
    }

    /// RFC 9112 section 3.2: the four forms.
    fn check_target(&self) -> Result<(), Refusal> {
        let known = self.target.starts_with('/')
            || self.target == "*" && self.method == "OPTIONS"
            || self.method == "CONNECT"
            || split_absolute(&self.target).is_some();
        if !known || self.target.contains('#') {
            return Err(Refusal::new(400, "the request target is neither a path nor a URL"));
        }
        Ok(())
    }
}

fn single(header: Found<'_>) -> Result<Option<&str>, Refusal> {
    header.single().map_err(|message| Refusal::new(400, message))
}

/// The headers that decide about a request.
struct Decisive<'a> {
    host: Found<'a>,
    upgrade: Found<'a>,
    connection: Found<'a>,
    key: Found<'a>,
    version: Found<'a>,
    origin: Found<'a>,
    protocols: Found<'a>,
    extensions: Found<'a>,
    content_length: Found<'a>,
    transfer_encoding: Found<'a>,
}

impl Decisive<'_> {
    fn of(headers: &Headers) -> Decisive<'_> {
        let [
            host,
            upgrade,
            connection,
            key,
            version,
            origin,
            protocols,
            extensions,
            content_length,
            transfer_encoding,
        ] = headers.find([
            "Host",
            "Upgrade",
            "Connection",
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Version",
            "Origin",
            "Sec-WebSocket-Protocol",
            "Sec-WebSocket-Extensions",
            "Content-Length",
            "Transfer-Encoding",
        ]);
        Decisive {
            host,
            upgrade,
            connection,
            key,
            version,
            origin,
            protocols,
            extensions,
            content_length,
            transfer_encoding,
        }
    }

    fn try_to_upgrade(&self) -> bool {
        self.upgrade.lists("websocket") || self.key.is_there() || self.version.is_there()
    }

    /// RFC 9112 section 3.2: one Host in HTTP/1.1, and never two.
    fn check_host(&self, at_least_1_1: bool) -> Result<(), Refusal> {
        match single(self.host)? {
            None if at_least_1_1 => Err(Refusal::new(400, "the Host header is missing")),
            Some(host) if !is_host(host) => Err(Refusal::new(400, "the Host header is malformed")),
            _ => Ok(()),
        }
    }
}

/// Authority, and what follows it, of a URL that stands as a request target.
fn split_absolute(target: &str) -> Option<(&str, &str)> {
    const SCHEMES: [&str; 4] = ["http", "https", "ws", "wss"];
    if target.starts_with('/') {
        return None;
    }
    let (scheme, rest) = target.split_once("://")?;
    let authority_end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, resource) = rest.split_at(authority_end);
    let known = SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known));
    (known && !authority.is_empty() && is_host(authority)).then_some((authority, resource))
}

/// The characters of a host and a port (RFC 3986 section 3.2.2); names that differ only in other
/// characters have been used to get around checks.
fn is_host(text: &str) -> bool {
    !text.starts_with(':')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(&byte))
}

/// A valid wish for WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    accept: key::Accept,
    origin: Option<String>,
    /// What the client offers, in order of its preference.
    pub protocols: Vec<String>,
    /// What the client offers, in order of its preference.
    pub extensions: Vec<Extension>,
}

/// What the application decided about an upgrade.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// One of those that the client offered.
    pub protocol: Option<String>,
    /// For the response, checked with [`check_application_header`](crate::proto::http::check_application_header).
    pub headers: Vec<(String, String)>,
}

/// What every response that accepts begins with.
const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: ";
/// For the rest of most of them.
const ROOM: usize = 128;

/// An upgrade that was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// All bytes of the response; frames follow.
    pub response: Vec<u8>,
    /// The subprotocol of the connection.
    pub protocol: Option<String>,
    /// The extensions of the connection, as in the response; may be empty.
    pub extensions: String,
    /// The parameters of permessage-deflate when that is in use.
    pub deflate: Option<deflate::Params>,
}

impl Upgrade {
    fn new(
        request: &Request,
        headers: &Decisive<'_>,
        at_least_1_1: bool,
    ) -> Result<Upgrade, Refusal> {
        let bad = |message: &str| Refusal::new(400, message);
        if !at_least_1_1 {
            return Err(Refusal::new(505, "a WebSocket handshake needs HTTP/1.1"));
        }
        if request.method != "GET" {
            return Err(Refusal::new(405, "a WebSocket handshake needs the method GET")
                .with("Allow", "GET"));
        }
        if request.host().is_empty() {
            return Err(bad("the Host header is empty"));
        }
        if !headers.upgrade.lists("websocket") {
            return Err(bad("the Upgrade header does not name websocket"));
        }
        if !headers.connection.lists("upgrade") {
            return Err(bad("the Connection header does not name Upgrade"));
        }
        match single(headers.version)? {
            Some("13") => {}
            None => return Err(bad("the Sec-WebSocket-Version header is missing")),
            Some(_) => {
                return Err(Refusal::new(426, "the only WebSocket version here is 13")
                    .with("Sec-WebSocket-Version", "13"));
            }
        }
        let key =
            single(headers.key)?.ok_or_else(|| bad("the Sec-WebSocket-Key header is missing"))?;
        if !key::is_valid(key) {
            return Err(bad("the Sec-WebSocket-Key header is not 16 bytes in base64"));
        }
        // Bytes after the head are frames. If something between us thinks that they are a body,
        // the two of us would not agree on where it ends.
        let no_body = headers.content_length.all().all(|length| length == "0");
        if !no_body || headers.transfer_encoding.is_there() {
            return Err(bad("a WebSocket handshake cannot have a body"));
        }
        Ok(Upgrade {
            accept: key::accept(key),
            origin: single(headers.origin)?.filter(|origin| !origin.is_empty()).map(str::to_owned),
            protocols: subprotocol::parse(headers.protocols.all())
                .map_err(|message| Refusal::new(400, message))?,
            extensions: extension::parse(headers.extensions.all()).map_err(|message| {
                Refusal::new(400, format!("Sec-WebSocket-Extensions: {message}"))
            })?,
        })
    }

    /// Whether a page of this origin may connect (RFC 6455 section 10.2).
    pub fn check_origin(&self, policy: &OriginPolicy) -> Result<(), Refusal> {
        match (policy, &self.origin) {
            (OriginPolicy::Any, _) | (OriginPolicy::Required, Some(_)) => Ok(()),
            (_, None) => Err(Refusal::new(403, "the Origin header is missing")),
            (OriginPolicy::Listed(allowed), Some(origin)) => {
                let listed = allowed.iter().any(|one| one.eq_ignore_ascii_case(origin));
                listed
                    .then_some(())
                    .ok_or_else(|| Refusal::new(403, "this origin is not allowed here"))
            }
        }
    }

    /// The subprotocol when the application does not choose: the first of the client's that the server knows.
    pub fn default_protocol(&self, settings: &ServerSettings) -> Option<&str> {
        subprotocol::select(&self.protocols, &settings.protocols)
    }

    /// Grants the upgrade. A subprotocol that the client did not offer is not answered.
    pub fn accept(&self, settings: &ServerSettings, answer: &Answer) -> Accepted {
        let protocol = answer.protocol.clone().filter(|name| self.protocols.contains(name));
        let (params, extensions) = settings
            .deflate
            .as_ref()
            .and_then(|config| negotiate::accept(config, &self.extensions))
            .map_or((None, String::new()), |(params, text)| (Some(params), text));
        let mut response = Vec::with_capacity(SWITCHING.len() + ROOM);
        response.extend_from_slice(SWITCHING);
        response.extend_from_slice(&self.accept);
        response.extend_from_slice(b"\r\n");
        if let Some(protocol) = &protocol {
            write_header(&mut response, "Sec-WebSocket-Protocol", protocol);
        }
        if !extensions.is_empty() {
            write_header(&mut response, "Sec-WebSocket-Extensions", &extensions);
        }
        for (name, value) in settings.headers.iter().chain(&answer.headers) {
            write_header(&mut response, name, value);
        }
        response.extend_from_slice(b"\r\n");
        Accepted { response, protocol, extensions, deflate: params }
    }
}
