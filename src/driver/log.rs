//! The application's log: what is worth a record, and telling it while nothing is borrowed.

use std::ffi::CStr;
use std::sync::Arc;

use super::core::Core;
use super::deliver::Way;
use super::loops::Loop;
use super::marks::Mark;
use super::session::Session;
use crate::error::{Code, Error, Result};
use crate::proto::event::{Closed, Initiator};
use crate::transport::Address;
use crate::util::id::Id;
use crate::util::journal::{DEBUG, ERROR, INFO, Record, WARN};
use crate::util::outside;
use crate::util::time::Time;

/// Connections that come, and those that do not get in.
pub const SERVER: &CStr = c"server";
/// Opening handshakes: requests, answers, redirects.
pub const HANDSHAKE: &CStr = c"handshake";
/// What TLS came to.
pub const TLS: &CStr = c"tls";
/// Names, addresses, sockets, attempts.
pub const DIAL: &CStr = c"dial";
/// How connections end.
pub const CONN: &CStr = c"conn";
/// The trace of a connection that failed.
pub const FRAMES: &CStr = c"frames";
/// The loop itself.
pub const LOOP: &CStr = c"loop";

/// Of the trace of a connection that failed, so many frames are told.
const TRACED_FRAMES: usize = 100;
/// What may go on and on is told once in this time.
const WARN_EVERY_MS: u64 = 10_000;

/// Who is told. Dropped unborrowed, as a handler is.
pub trait Logger: Send + Sync {
    /// A record of that loop.
    fn log(&self, owner: Id, record: &Record);
}

/// Tells records up to `level` to whom `make` makes, from the loop; to nobody when that is `None`. It is
/// made only if nothing is in the way.
pub fn set(owner: Loop, level: i32, make: impl FnOnce() -> Option<Arc<dyn Logger>>) -> Result<()> {
    let last = owner.with(|core| {
        let next = make();
        core.journal.set_level(if next.is_some() { level } else { 0 });
        Ok(std::mem::replace(&mut core.logger, next))
    })?;
    // Outside of the borrow: its end may call anything.
    drop(last);
    Ok(())
}

/// Tells the records there are, on a thread of the application's. Those that come up meanwhile are for the
/// next time, so that a log that causes records does not hold up the loop.
pub fn tell(way: &Way<'_>) -> Result<()> {
    let (count, owner) = way.with(|core| Ok((core.journal.len(), core.place.id())))?;
    for _ in 0..count {
        let next = way.with(|core| Ok((core.journal.pop(), core.logger.clone())))?;
        let (Some(record), Some(logger)) = next else { return Ok(()) };
        // As in a callback.
        let _within = outside::enter();
        logger.log(owner, &record);
    }
    Ok(())
}

/// Lets something be told only now and then.
#[derive(Clone, Copy, Debug, Default)]
pub struct Occasion(Option<Time>);

impl Occasion {
    /// Whether it is time again.
    pub fn take(&mut self, now: Time) -> bool {
        let due = self.0.is_none_or(|last| now >= last.plus_ms(WARN_EVERY_MS));
        if due {
            self.0 = Some(now);
        }
        due
    }
}

impl Session {
    /// Which connection it is. Nothing secret: what stands in a URL behind the `?` often is.
    fn label(&self) -> String {
        let handle = self.id.bits();
        match self.client() {
            Some(client) => format!("connection {handle:#x} to {}", public(&client.url.href())),
            None if self.peer == Address::Unknown => format!("connection {handle:#x}"),
            None => format!("connection {handle:#x} from {}", self.peer),
        }
    }
}

/// A URL without its query.
pub fn public(url: &str) -> &str {
    url.split_once('?').map_or(url, |(before, _)| before)
}

impl Core {
    /// A record about a session: `text` says what, and which it is stands in front.
    pub fn note(
        &mut self,
        id: Id,
        level: i32,
        target: &'static CStr,
        text: impl FnOnce(&Session) -> String,
    ) {
        if self.journal.wants(level)
            && let Some(session) = self.session(id)
        {
            let text = format!("{}: {}", session.label(), text(session));
            self.journal.note(level, target, || text);
        }
    }

    /// A record about a server.
    pub fn note_server(&mut self, id: Id, level: i32, text: impl FnOnce() -> String) {
        let handle = id.bits();
        self.journal.note(level, SERVER, || format!("server {handle:#x}: {}", text()));
    }

    /// A limit has turned somebody away. Told now and then: it is what happens in a flood.
    pub fn note_turned_away(&mut self, server_id: Id, from: &str) {
        let now = self.now;
        if self.journal.wants(WARN)
            && let Some(server) = self.server(server_id)
            && server.warned_of_limit.take(now)
        {
            self.note_server(server_id, WARN, || {
                format!(
                    "turned {from} away: a limit on connections is reached; wsock_server_stats counts more of these"
                )
            });
        }
    }

    /// A session has come to its end.
    pub fn note_end(&mut self, id: Id, closed: &Closed) {
        if !self.journal.wants(WARN) {
            return;
        }
        let Some(session) = self.session(id) else { return };
        // How strangers fail before they have said what they want is nothing to be woken for.
        let level = match (session.is(Mark::Announced), session.is(Mark::Counted)) {
            (true, _) => WARN,
            (false, false) => INFO,
            (false, true) => return,
        };
        match &closed.error {
            Some(error) => {
                let level = match error.code {
                    Code::Aborted => INFO,
                    Code::Panic => ERROR,
                    _ => level,
                };
                self.note(id, level, target_of(error), |_| format!("ended: {}", said(error)));
                if level <= WARN {
                    self.note_trace(id);
                }
            }
            None => self.note(id, INFO, CONN, |_| farewell(closed)),
        }
    }

    /// The last frames of a connection that failed.
    fn note_trace(&mut self, id: Id) {
        let trace = self.session(id).and_then(|session| session.trace());
        let lines: Vec<String> =
            trace.map(|t| t.lines(TRACED_FRAMES).collect()).unwrap_or_default();
        for line in lines {
            self.note(id, WARN, FRAMES, |_| line);
        }
    }

    /// What TLS came to, once a handshake is through.
    pub fn note_open(&mut self, id: Id) {
        self.note(id, DEBUG, TLS, |session| match session.tls() {
            None => "not encrypted".to_owned(),
            Some(tls) => {
                let resumed = if tls.resumed { ", resumed" } else { "" };
                format!("{} {}{resumed}", tls.version, tls.cipher)
            }
        });
        self.note(id, INFO, HANDSHAKE, |session| {
            let agreed = &session.setup.agreed;
            let given = [("protocol", agreed.protocol()), ("extensions", agreed.extensions())];
            let mut text = match session.client() {
                Some(_) => "open".to_owned(),
                None => format!("open, {}", public(agreed.url())),
            };
            for (what, value) in given.iter().filter(|(_, value)| !value.is_empty()) {
                text += &format!(", {what} {value}");
            }
            text
        });
    }
}

fn target_of(error: &Error) -> &'static CStr {
    match error.code {
        Code::Tls | Code::Certificate | Code::TlsTruncated => TLS,
        Code::Resolve | Code::Connect | Code::ConnectTimeout | Code::Proxy => DIAL,
        Code::Handshake | Code::HttpStatus | Code::HandshakeTimeout | Code::Redirect => HANDSHAKE,
        _ => CONN,
    }
}

/// A failure in one line, with the numbers that its sentence may not have.
pub fn said(error: &Error) -> String {
    let mut text = format!("{} ({}", error.message, error.code.symbol());
    if error.os_error != 0 {
        text += &format!(", errno {}", error.os_error);
    }
    if error.close_code != 0 {
        text += &format!(", told the peer {}", error.close_code);
    }
    if error.tls_alert != 0 {
        text += &format!(", alert {}", error.tls_alert);
    }
    text + ")"
}

fn farewell(closed: &Closed) -> String {
    let by = match closed.initiator {
        Initiator::Nobody => "nobody",
        Initiator::Local => "this side",
        Initiator::Peer => "the peer",
    };
    let clean = if closed.clean { "" } else { ", not cleanly" };
    let sent = closed.sent_code.map_or(String::new(), |code| format!(", sent {code}"));
    let unsent = match closed.unsent {
        0 => String::new(),
        bytes => format!(", {bytes} bytes never left"),
    };
    format!("closed by {by}: received {} \"{}\"{sent}{clean}{unsent}", closed.code, closed.reason)
}
