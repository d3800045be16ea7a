//! One TLS connection above whatever is below it: records in, bytes out, and the other way round.
//!
//! Records are read into the buffer that the caller wants bytes in and decrypted there; what they hold
//! is moved to its front. All that stays here between two calls is a record, or message of a handshake,
//! that has not come whole, and records that the socket did not take. Neither is there when nothing is
//! under way.
//!
//! ```text
//!   buffer   | bytes for the caller -->  | room for one record's | records read ------------> |
//!            0                  plain ^                     start ^        at ^            end ^
//! ```

mod step;

use std::borrow::Cow;
use std::fmt;
use std::io::IoSlice;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;
use rustls::{CommonState, HandshakeKind, ProtocolVersion};

use self::step::{Job, RECORD, Step, take_step};
use super::certificate::Certificate;
use super::explain::{self, Role};
use super::{ClientTls, ServerTls, TlsInfo, notes};
use crate::error::{Code, Error, Result};
use crate::transport::stream::{Below, Received, Sent};

/// What stands before a record: its kind, version and length.
const RECORD_HEADER: usize = 5;
/// What one call takes: output is not queued beyond that.
const BYTES_PER_WRITE: usize = 4 * RECORD;
/// What may wait here for the rest of a record or message: more than the longest that rustls takes, in
/// records of a sensible size.
const WAITING: usize = 6 * RECORD;
/// Records without a byte for us that a peer may send at a stretch, in bytes.
const FRUITLESS: usize = 1024 * 1024;

/// See the module.
pub struct Layer {
    // The size of rustls' states would make every move of a stream expensive.
    side: Box<Side>,
    /// Records that are not whole, as they were read.
    input: Vec<u8>,
    /// Records on their way out, from `gone`.
    output: Vec<u8>,
    gone: usize,
    /// The host name that the client's hello has.
    server_name: Box<str>,
    /// The peer's certificate was verified if there is one.
    verifies: bool,
    /// Something was understood of what the peer sent.
    heard: bool,
    /// The peer has ended TLS.
    peer_closed: bool,
    ending: Ending,
    /// What the next reads answer.
    failed: Option<Error>,
}

enum Side {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

/// How far our own end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// Not at all.
    No,
    /// It is in the output.
    Queued,
    /// What is below has been told.
    Done,
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layer").field("role", &self.role()).finish_non_exhaustive()
    }
}

impl Layer {
    /// The side that calls.
    pub fn client(tls: &ClientTls, host: &str) -> Result<Layer> {
        let name = tls.name_for(host)?;
        let sni = match &name {
            ServerName::DnsName(name) => name.as_ref().trim_end_matches('.').to_ascii_lowercase(),
            // RFC 6066 section 3: addresses are not sent.
            _ => String::new(),
        };
        let conn = UnbufferedClientConnection::new(tls.config.clone(), name)
            .map_err(|e| explain::failure(&e, None, Role::Client))?;
        let mut layer = Layer::new(Side::Client(conn), sni, tls.verifies);
        layer.advance(Job::Nothing)?;
        Ok(layer)
    }

    /// The side that is called.
    pub fn server(tls: &ServerTls) -> Result<Layer> {
        let conn = UnbufferedServerConnection::new(tls.config.clone())
            .map_err(|e| explain::failure(&e, None, Role::Server))?;
        Ok(Layer::new(Side::Server(conn), String::new(), true))
    }

    fn new(side: Side, server_name: String, verifies: bool) -> Layer {
        Layer {
            side: Box::new(side),
            input: Vec::new(),
            output: Vec::new(),
            gone: 0,
            server_name: server_name.into(),
            verifies,
            heard: false,
            peer_closed: false,
            ending: Ending::No,
            failed: None,
        }
    }

    fn role(&self) -> Role {
        match *self.side {
            Side::Client(_) => Role::Client,
            Side::Server(_) => Role::Server,
        }
    }

    /// Whether the handshake is under way.
    pub fn is_handshaking(&self) -> bool {
        self.conn().is_handshaking()
    }

    /// Whether bytes may be given to `write`.
    pub fn takes_bytes(&self) -> bool {
        !self.is_handshaking() && self.failed.is_none() && self.ending == Ending::No
    }

    /// How much of what there is to send is here.
    pub fn held(&self) -> usize {
        self.output.len() - self.gone
    }

    /// Whether there is something to send.
    pub fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Reads from below what has come, and what is in it to `buffer`.
    pub fn read(&mut self, below: &mut Below<'_>, buffer: &mut [u8]) -> Result<Received> {
        debug_assert!(buffer.len() >= 2 * RECORD + self.input.len(), "no room to decrypt in");
        let mut fruitless = 0;
        loop {
            if let Some(error) = &self.failed {
                return Err(Error::clone(error));
            }
            if self.peer_closed {
                return Ok(Received::End);
            }
            // Nothing is lost of a record's bytes as long as there is room for one before them.
            let start = RECORD;
            let kept = start + self.input.len();
            let (count, more) = match below.read(&mut buffer[kept..])? {
                Received::Bytes { count, more } => (count, more),
                Received::Nothing => return Ok(Received::Nothing),
                Received::End if self.is_handshaking() => {
                    return Err(explain::hung_up(self.role()));
                }
                Received::End => return Err(explain::truncated()),
            };
            buffer[start..kept].copy_from_slice(&self.input);
            let plain = self.digest(buffer, start, kept + count);
            if plain > 0 {
                let more = more || self.peer_closed || self.failed.is_some();
                return Ok(Received::Bytes { count: plain, more });
            }
            // The end of the stream may be what comes next, and would not be told again.
            fruitless += count;
            if fruitless > FRUITLESS {
                self.fail(Error::new(Code::Tls, "the peer sends TLS records with nothing in them"));
            }
        }
    }

    /// Takes in the records in `buffer[start..end]`; what they hold goes to the front of `buffer`.
    /// Answers how much that is.
    fn digest(&mut self, buffer: &mut [u8], start: usize, end: usize) -> usize {
        if !self.heard && !self.is_tls(&buffer[start..end]) {
            return 0;
        }
        let (mut at, mut plain) = (start, 0);
        loop {
            let (free, records) = buffer.split_at_mut(at);
            let records = &mut records[..end - at];
            let (discard, step) = self.step(records, &mut free[plain..], Job::Nothing);
            at += discard;
            self.heard |= discard > 0;
            match step {
                Step::Again => {}
                Step::Bytes(count) => plain += count,
                Step::PeerClosed => {
                    self.peer_closed = true;
                    break;
                }
                Step::Blocked | Step::Ready => break,
                Step::Failed(error) => {
                    self.give_up(&error);
                    break;
                }
            }
        }
        if end - at > WAITING {
            let peer = explain::peer(self.role());
            let message = format!("{peer} sends a TLS message that does not end");
            self.fail(Error::new(Code::Tls, message));
        }
        self.input = match self.peer_closed || self.failed.is_some() {
            true => Vec::new(),
            false => buffer[at..end].to_vec(),
        };
        plain
    }

    /// Whether the first that came can be TLS and is enough to tell.
    fn is_tls(&mut self, first: &[u8]) -> bool {
        if first.len() < RECORD_HEADER {
            self.input = first.to_vec();
            return false;
        }
        let Some(error) = explain::plain_http(first, self.role()) else { return true };
        if self.role() == Role::Server {
            self.output.extend_from_slice(explain::PLAIN_HTTP_ANSWER);
        }
        self.input = Vec::new();
        self.fail(error);
        false
    }

    /// One step of rustls with these records. Bytes for the caller go to the front of `place`.
    fn step(&mut self, records: &mut [u8], place: &mut [u8], job: Job<'_>) -> (usize, Step) {
        match &mut *self.side {
            Side::Client(conn) => {
                take_step(conn.process_tls_records(records), place, &mut self.output, job)
            }
            Side::Server(conn) => {
                let stepped =
                    take_step(conn.process_tls_records(records), place, &mut self.output, job);
                if let Some(name) = notes::take_server_name() {
                    self.server_name = name.into();
                }
                stepped
            }
        }
    }

    /// Does the job, with everything that rustls wants to be done before it.
    fn advance(&mut self, job: Job<'_>) -> Result<()> {
        loop {
            let mut input = std::mem::take(&mut self.input);
            let (discard, step) = self.step(&mut input, &mut [], job);
            input.drain(..discard);
            if !input.is_empty() {
                self.input = input;
            }
            match step {
                Step::Again => {}
                Step::Blocked | Step::Ready => return Ok(()),
                Step::PeerClosed => self.peer_closed = true,
                Step::Bytes(_) => unreachable!("reading leaves no whole record behind"),
                Step::Failed(error) => {
                    self.give_up(&error);
                    return Err(Error::clone(self.failed.as_ref().expect("set just now")));
                }
            }
        }
    }

    /// Keeps the failure for who reads next, and lets rustls tell the peer.
    fn give_up(&mut self, error: &rustls::Error) {
        let failure = explain::failure(error, notes::take_refusal(), self.role());
        self.fail(failure);
        // Any step beyond that would stumble over the same record again.
        while self.conn().wants_write() {
            self.step(&mut [], &mut [], Job::Nothing);
        }
    }

    fn conn(&self) -> &CommonState {
        match &*self.side {
            Side::Client(conn) => conn,
            Side::Server(conn) => conn,
        }
    }

    fn fail(&mut self, error: Error) {
        self.failed = Some(error);
    }

    /// Sends what waits here, then takes more from `slices`.
    pub fn write(&mut self, below: &mut Below<'_>, slices: &[IoSlice<'_>]) -> Result<Sent> {
        if !self.flush(below)? {
            return Ok(Sent { count: 0, full: true });
        }
        let plain = match self.takes_bytes() {
            true => gathered(slices),
            false => Cow::default(),
        };
        if plain.is_empty() {
            return Ok(Sent { count: 0, full: false });
        }
        self.advance(Job::Encrypt(&plain))?;
        let full = !self.flush(below)?;
        Ok(Sent { count: plain.len(), full })
    }

    /// Whether all has been taken.
    fn flush(&mut self, below: &mut Below<'_>) -> Result<bool> {
        while self.gone < self.output.len() {
            let sent = below.write(&[IoSlice::new(&self.output[self.gone..])])?;
            self.gone += sent.count;
            if (sent.full || sent.count == 0) && self.gone < self.output.len() {
                return Ok(false);
            }
        }
        self.output = Vec::new();
        self.gone = 0;
        if self.ending == Ending::Queued {
            self.ending = Ending::Done;
            below.end_writing();
        }
        match below.has_output() {
            true => Ok(!below.write(&[])?.full),
            false => Ok(true),
        }
    }

    /// Ends TLS, and then what is below.
    pub fn end_writing(&mut self, below: &mut Below<'_>) {
        if self.ending == Ending::No {
            if self.takes_bytes() {
                // Fails when it has failed already, and then there is nothing to end.
                let _ = self.advance(Job::Close);
            }
            self.ending = Ending::Queued;
        }
        // What cannot be sent now is sent when it can; that it never can is found out by reading.
        let _ = self.flush(below);
    }

    /// What the handshake came to.
    pub fn info(&self) -> Option<TlsInfo> {
        let conn = self.conn();
        if conn.is_handshaking() {
            return None;
        }
        let suite = conn.negotiated_cipher_suite()?.suite();
        let certificate = conn.peer_certificates().filter(|_| self.verifies);
        let certificate = certificate.and_then(|chain| Certificate::read(chain.first()?.as_ref()));
        Some(TlsInfo {
            version: match conn.protocol_version()? {
                ProtocolVersion::TLSv1_3 => "TLSv1.3",
                _ => "TLSv1.2",
            },
            // rustls keeps those of TLS 1.3 apart by their names, which IANA does not.
            cipher: suite.as_str().unwrap_or_default().replace("TLS13_", "TLS_"),
            alpn: String::from_utf8_lossy(conn.alpn_protocol().unwrap_or_default()).into_owned(),
            server_name: self.server_name.to_string(),
            peer_subject: certificate.map(|it| it.subject()).unwrap_or_default(),
            resumed: conn.handshake_kind() == Some(HandshakeKind::Resumed),
        })
    }
}

/// As much as one call takes, in one piece.
fn gathered<'a>(slices: &'a [IoSlice<'_>]) -> Cow<'a, [u8]> {
    if let [only] = slices {
        return Cow::Borrowed(&only[..only.len().min(BYTES_PER_WRITE)]);
    }
    let total: usize = slices.iter().map(|slice| slice.len()).sum();
    let mut plain = Vec::with_capacity(total.min(BYTES_PER_WRITE));
    for slice in slices {
        let room = BYTES_PER_WRITE - plain.len();
        plain.extend_from_slice(&slice[..slice.len().min(room)]);
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests;
