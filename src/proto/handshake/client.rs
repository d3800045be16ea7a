//! The client's side of the opening handshake (RFC 6455 section 4.1).

use super::{key, subprotocol};
use crate::error::{Code, Error, Result};
use crate::proto::config::HeadLimits;
use crate::proto::deflate::{self, negotiate};
use crate::proto::extension;
use crate::proto::http::auth::basic;
use crate::proto::http::body::BodyReader;
use crate::proto::http::head::{Fault, HeadReader, Kind};
use crate::proto::http::headers::write_header;
use crate::proto::http::parse::{ResponseHead, parse_response};
use crate::proto::http::token::list;
use crate::proto::http::{Headers, check_application_header, check_header};
use crate::proto::url::Url;
use std::borrow::Cow;

/// What a client asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientSettings {
    /// Added to the request.
    pub headers: Vec<(String, String)>,
    /// Subprotocols to offer, the preferred first.
    pub protocols: Vec<String>,
    /// The `Origin` header, as browsers send it.
    pub origin: Option<String>,
    /// The `Authorization` header, instead of what the URL's user and password say.
    pub authorization: Option<String>,
    /// Whether and how to offer permessage-deflate.
    pub deflate: Option<deflate::Config>,
    /// Bounds on the response.
    pub limits: HeadLimits,
}

/// A connection that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The subprotocol that the server selected.
    pub protocol: Option<String>,
    /// The extensions in use, as `WebSocket.extensions` shows them; may be empty.
    pub extensions: String,
    /// The parameters of permessage-deflate when that is in use.
    pub deflate: Option<deflate::Params>,
    /// Of the server's response.
    pub headers: Headers,
}

/// An answer with another status than 101.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// 200 to 999.
    pub status: u16,
    /// As sent; may be empty.
    pub reason: String,
    /// In their order.
    pub headers: Headers,
    /// The first 4096 bytes at most, without chunk headers.
    pub body: Vec<u8>,
}

/// How a handshake ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientOutcome {
    /// The connection is open.
    Open(Box<Opened>),
    /// The server answered, but not with 101.
    Refused(Box<Response>),
    /// The server's answer is wrong; [`Code::Handshake`].
    Failed(Error),
}

#[derive(Debug)]
enum Phase {
    Head(HeadReader),
    Body(ResponseHead, BodyReader),
    Done,
}

/// Writes the request and judges the response.
#[derive(Debug)]
pub struct ClientHandshake {
    request: Vec<u8>,
    accept: key::Accept,
    protocols: Vec<String>,
    deflate: Option<deflate::Config>,
    phase: Phase,
}

impl ClientHandshake {
    /// Checks the settings. `key` must be fresh random bytes.
    pub fn new(url: &Url, settings: &ClientSettings, key: [u8; 16]) -> Result<ClientHandshake> {
        let key = key::encode(key);
        Ok(ClientHandshake {
            request: write_request(url, settings, &key)?,
            accept: key::accept(&key),
            protocols: settings.protocols.clone(),
            deflate: settings.deflate.clone(),
            phase: Phase::Head(HeadReader::new(Kind::Response, &settings.limits)),
        })
    }

    /// The bytes to send.
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// Takes bytes; says how many, and the end when there is one. Bytes after the head of a response
    /// that opens the connection are not taken: they are the first frames.
    pub fn recv(&mut self, input: &[u8]) -> (usize, Option<ClientOutcome>) {
        let mut used = 0;
        loop {
            match &mut self.phase {
                Phase::Head(reader) => {
                    let (count, end) = reader.push(&input[used..]);
                    used += count;
                    let head = match end {
                        None => return (used, None),
                        Some(end) => end.and_then(|()| parse_response(reader.take())),
                    };
                    if let Some(outcome) = self.judge(head) {
                        self.phase = Phase::Done;
                        return (used, Some(outcome));
                    }
                }
                Phase::Body(_, body) => {
                    let (count, end) = body.push(&input[used..]);
                    used += count;
                    return (used, end.then(|| self.recv_eof()));
                }
                Phase::Done => return (used, None),
            }
        }
    }

    /// The server ended the stream, or the driver does not want to wait any longer.
    pub fn recv_eof(&mut self) -> ClientOutcome {
        match std::mem::replace(&mut self.phase, Phase::Done) {
            Phase::Body(head, body) => ClientOutcome::Refused(Box::new(Response {
                status: head.status,
                reason: head.reason,
                headers: head.headers,
                body: body.into_body(),
            })),
            Phase::Head(_) | Phase::Done => {
                failed("the server closed the connection before the end of its response")
            }
        }
    }

    /// Whether the server has refused and the body of its answer is being received.
    pub fn in_body(&self) -> bool {
        matches!(self.phase, Phase::Body(..))
    }

    /// The outcome of a head; `None` when more is to come.
    fn judge(&mut self, head: std::result::Result<ResponseHead, Fault>) -> Option<ClientOutcome> {
        let head = match head {
            Ok(head) => head,
            Err(fault) => return Some(failed(describe(fault))),
        };
        match head.status {
            101 => Some(match self.open(head) {
                Ok(opened) => ClientOutcome::Open(Box::new(opened)),
                Err(message) => failed(message),
            }),
            // RFC 9110 section 15.2: others come before the answer.
            100..200 => None,
            status => {
                let body = BodyReader::new(status, &head.headers);
                self.phase = Phase::Body(head, body);
                None
            }
        }
    }

    /// RFC 6455 section 4.1, what a client must check.
    fn open(&self, head: ResponseHead) -> std::result::Result<Opened, String> {
        let headers = head.headers;
        let single =
            |name| headers.single(name).map_err(|message| format!("the server sent {message}"));
        if !head.at_least_1_1 {
            return Err("the server switched protocols with HTTP/1.0".into());
        }
        let mut upgrades = list(headers.get_all("Upgrade"));
        let websocket = upgrades.next().is_some_and(|name| name.eq_ignore_ascii_case("websocket"));
        if !websocket || upgrades.next().is_some() {
            return Err("the server's Upgrade header is not \"websocket\"".into());
        }
        drop(upgrades);
        if !headers.lists("Connection", "upgrade") {
            return Err("the server's Connection header does not name Upgrade".into());
        }
        match single("Sec-WebSocket-Accept")? {
            None => return Err("the server sent no Sec-WebSocket-Accept header".into()),
            Some(accept) if accept.as_bytes() != self.accept => {
                return Err("the server's Sec-WebSocket-Accept does not match".into());
            }
            Some(_) => {}
        }
        let protocol = single("Sec-WebSocket-Protocol")?.map(str::to_owned);
        if let Some(name) = protocol.as_ref().filter(|name| !self.protocols.contains(name)) {
            return Err(format!(
                "the server selected the subprotocol {name:?}, which was not requested"
            ));
        }
        let (deflate, extensions) = self.extensions(&headers)?;
        // RFC 6455 leaves that open; browsers fail such a connection, and so do we.
        if protocol.is_none() && !self.protocols.is_empty() {
            return Err("the server selected none of the requested subprotocols".into());
        }
        Ok(Opened { protocol, extensions, deflate, headers })
    }

    /// RFC 6455 section 9.1: nothing that was not offered.
    fn extensions(
        &self,
        headers: &Headers,
    ) -> std::result::Result<(Option<deflate::Params>, String), String> {
        let answered =
            extension::parse(headers.get_all("Sec-WebSocket-Extensions")).map_err(|message| {
                format!("the server's Sec-WebSocket-Extensions header is malformed: {message}")
            })?;
        let mut params = None;
        for extension in &answered {
            let name = &extension.name;
            let config = self.deflate.as_ref().filter(|_| name == negotiate::NAME);
            let Some(config) = config else {
                return Err(format!(
                    "the server selected the extension {name:?}, which was not offered"
                ));
            };
            let confirmed = negotiate::confirm(config, extension)
                .map_err(|message| format!("the server's answer to {name}: {message}"))?;
            if params.replace(confirmed).is_some() {
                return Err(format!("the server selected the extension {name:?} twice"));
            }
        }
        let text = answered.first().map(ToString::to_string).unwrap_or_default();
        Ok((params, text))
    }
}

fn write_request(url: &Url, settings: &ClientSettings, key: &str) -> Result<Vec<u8>> {
    let refuse = |message: &'static str| Err(Error::new(Code::InvalidArgument, message));
    let added =
        |name: &str| settings.headers.iter().any(|header| header.0.eq_ignore_ascii_case(name));
    subprotocol::check(&settings.protocols)?;
    for (name, value) in &settings.headers {
        check_application_header(name, value)?;
    }
    if url.resource.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return refuse("the path and query of a URL must be percent-encoded");
    }
    let mut out = format!("GET {} HTTP/1.1\r\n", url.resource).into_bytes();
    write_header(&mut out, "Host", &url.host_header());
    write_header(&mut out, "Upgrade", "websocket");
    write_header(&mut out, "Connection", "Upgrade");
    write_header(&mut out, "Sec-WebSocket-Key", key);
    write_header(&mut out, "Sec-WebSocket-Version", "13");
    if let Some(origin) = &settings.origin {
        check_header("Origin", origin)?;
        if added("Origin") {
            return refuse("the origin is set twice: as an option and as a header");
        }
        write_header(&mut out, "Origin", origin);
    }
    if !settings.protocols.is_empty() {
        write_header(&mut out, "Sec-WebSocket-Protocol", &settings.protocols.join(", "));
    }
    if let Some(config) = &settings.deflate {
        write_header(&mut out, "Sec-WebSocket-Extensions", &negotiate::offer(config));
    }
    let authorization = match (&settings.authorization, &url.credentials) {
        // A header that the application adds goes before all else.
        _ if added("Authorization") => None,
        (Some(value), _) => Some(value.clone()),
        (None, credentials) => credentials.as_ref().map(basic).transpose()?,
    };
    if let Some(value) = authorization {
        check_header("Authorization", &value)?;
        write_header(&mut out, "Authorization", &value);
    }
    for (name, value) in &settings.headers {
        write_header(&mut out, name, value);
    }
    out.extend_from_slice(b"\r\n");
    Ok(out)
}

fn failed(message: impl Into<Cow<'static, str>>) -> ClientOutcome {
    ClientOutcome::Failed(Error::new(Code::Handshake, message))
}

fn describe(fault: Fault) -> String {
    match fault {
        Fault::Tls => "the server speaks TLS on this port: use wss://".into(),
        Fault::Frame => "the server sent a WebSocket frame before the handshake".into(),
        Fault::NotHttp => "the server does not speak HTTP on this port".into(),
        fault => format!("cannot read the server's response: {fault}"),
    }
}

#[cfg(test)]
mod tests;
