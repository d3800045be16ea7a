//! For tests: a loop, and a handler that writes down what it is told.

use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::handler::Handler;
use super::loops::{self, Loop};
use super::marks::Mark;
use super::report::Report;
use super::retry::News;
use super::settings::Settings;
use super::{listen, server, turn};
use crate::error::Error;
use crate::proto::event::Kind;
use crate::util::id::Id;

/// Remembers every event as a word or two.
#[derive(Default)]
pub struct Log(Mutex<Vec<String>>);

impl Log {
    /// For any number of objects.
    pub fn new() -> Arc<Log> {
        Arc::default()
    }

    fn note(&self, event: impl Into<String>) {
        self.0.lock().unwrap().push(event.into());
    }

    /// All events so far.
    pub fn events(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// How many events begin like this.
    pub fn count(&self, beginning: &str) -> usize {
        self.events().iter().filter(|event| event.starts_with(beginning)).count()
    }
}

impl Handler for Log {
    fn on_open(&self, _: Id) {
        self.note("open");
    }
    fn on_message(&self, _: Id, _: Kind, data: &[u8]) {
        self.note(format!("message {}", String::from_utf8_lossy(data)));
    }
    fn on_drain(&self, _: Id) {
        self.note("drain");
    }
    fn on_error(&self, _: Id, error: &Error) {
        self.note(format!("error {:?}", error.code));
    }
    fn on_retry(&self, _: Id, news: &News) {
        self.note(format!("retry {} unsent {}", news.attempt, news.report.unsent));
    }
    fn on_close(&self, _: Id, report: &Report) {
        self.note(format!("close unsent {}", report.unsent));
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// The same numbers every time (Knuth's MMIX).
pub struct Dice(pub u64);

impl Dice {
    /// From 0 on.
    pub fn throw(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % sides
    }
}

/// A loop of this thread.
pub fn new_loop() -> Loop {
    loops::find(loops::create().unwrap()).unwrap()
}

/// Turns until it is so; false when that takes seconds.
pub fn turn_until(owner: Loop, is_so: impl Fn() -> bool) -> bool {
    (0..100).any(|_| {
        is_so() || {
            turn::poll(owner, Some(Duration::from_millis(50))).unwrap();
            is_so()
        }
    })
}

/// What a client asks for.
pub const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// Connections that a server of the loop has accepted, and their peers, which speak only when they are told to.
pub fn accepted_many(
    owner: Loop,
    settings: &Settings,
    log: &Arc<Log>,
    count: usize,
) -> Vec<(Id, TcpStream)> {
    let server = listen::listen(owner, "127.0.0.1", 0, settings, log.clone()).unwrap();
    let port = server::port(owner, server).unwrap();
    let known = || {
        owner.with(|core| Ok(core.sessions_where(|session| session.is(Mark::Announced)))).unwrap()
    };
    (1..=count)
        .map(|opened| {
            let before = known();
            let mut peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
            peer.write_all(REQUEST).unwrap();
            assert!(turn_until(owner, || log.count("open") == opened), "{:?}", log.events());
            // It may have got the place of one that has ended, before others.
            (*known().iter().find(|id| !before.contains(id)).unwrap(), peer)
        })
        .collect()
}

/// One of them.
pub fn accepted(owner: Loop, settings: &Settings, log: &Arc<Log>) -> (Id, TcpStream) {
    accepted_many(owner, settings, log, 1).remove(0)
}
