//! Our verdicts.

use super::support::Seen;
use super::support::raw::Solo;
use super::verdict::{End, Verdict};
use super::{Case, LIMIT};
use wsock::proto::config::{Config, HeadLimits, Role};
use wsock::proto::handshake::client::{ClientHandshake, ClientOutcome, ClientSettings};
use wsock::proto::handshake::server::ServerHandshake;
use wsock::proto::url::Url;

/// What every client's key is made of.
pub const NONCE: [u8; 16] = *b"the sample nonce";

pub fn verdict(case: &Case) -> Verdict {
    match case.what {
        b'c' => stream(Role::Client, &case.bytes),
        b's' => stream(Role::Server, &case.bytes),
        b'q' => request(&case.bytes),
        _ => response(&case.bytes),
    }
}

fn stream(role: Role, bytes: &[u8]) -> Verdict {
    let config = Config {
        max_message: LIMIT as u64,
        max_control_rate: 0,
        max_fragments: u32::MAX,
        ping_interval_ms: 0,
        ..Config::default()
    };
    let mut solo = Solo::new(role, config);
    solo.feed(bytes);
    let events = solo.seen.iter().filter_map(|seen| match seen {
        Seen::Text(text) => Some(('T', text.clone().into_bytes())),
        Seen::Binary(data) => Some(('B', data.clone())),
        Seen::Ping(data) => Some(('I', data.clone())),
        Seen::Pong(data) => Some(('O', data.clone())),
        Seen::Part(..) => None,
    });
    let events = events.collect();
    let (end, why) = match solo.conn.closed() {
        None => (End::Open, String::new()),
        Some(closed) => match &closed.error {
            None => (End::Closed(closed.code), closed.reason.to_string()),
            Some(error) => (End::Failed(error.close_code), error.to_string()),
        },
    };
    Verdict { events, end, why }
}

fn request(bytes: &[u8]) -> Verdict {
    match ServerHandshake::new(&HeadLimits::default()).recv(bytes).1 {
        None => Verdict::handshake(End::Open, ""),
        Some(Err(refusal)) => Verdict::handshake(End::Failed(0), &refusal.message),
        Some(Ok(request)) if request.upgrade.is_none() => {
            Verdict::handshake(End::Failed(0), "no request for a WebSocket")
        }
        Some(Ok(_)) => Verdict::handshake(End::Accepted, ""),
    }
}

fn response(bytes: &[u8]) -> Verdict {
    let url = Url::parse("ws://h/").expect("a URL");
    let protocols = vec!["a".to_owned(), "b".to_owned()];
    let settings = ClientSettings { protocols, ..ClientSettings::default() };
    let mut client = ClientHandshake::new(&url, &settings, NONCE).expect("valid settings");
    match client.recv(bytes).1 {
        None => Verdict::handshake(End::Open, ""),
        Some(ClientOutcome::Open(_)) => Verdict::handshake(End::Accepted, ""),
        Some(ClientOutcome::Refused(response)) => {
            Verdict::handshake(End::Failed(0), format!("status {}", response.status))
        }
        Some(ClientOutcome::Failed(error)) => Verdict::handshake(End::Failed(0), error),
    }
}
