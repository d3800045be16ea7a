//! The verdicts of tungstenite.

use super::verdict::{End, Verdict};
use super::{Case, LIMIT};
use std::io::{ErrorKind, Read, Write};
use tungstenite::error::Error;
use tungstenite::handshake::client::{ClientHandshake, Request};
use tungstenite::handshake::machine::TryParse;
use tungstenite::handshake::{HandshakeError, server};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Message, WebSocket};

/// An input, with nothing behind it yet; what is written goes nowhere.
struct Pipe<'a>(&'a [u8]);

impl Read for Pipe<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.0.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.0.read(buffer)
    }
}

impl Write for Pipe<'_> {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        Ok(buffer.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub fn verdict(case: &Case) -> Verdict {
    match case.what {
        b'c' => stream(Role::Client, &case.bytes),
        b's' => stream(Role::Server, &case.bytes),
        b'q' => request(&case.bytes),
        _ => response(&case.bytes),
    }
}

fn stream(role: Role, bytes: &[u8]) -> Verdict {
    let config =
        WebSocketConfig::default().max_message_size(Some(LIMIT)).max_frame_size(Some(LIMIT));
    let mut socket = WebSocket::from_raw_socket(Pipe(bytes), role, Some(config));
    let mut events = Vec::new();
    loop {
        let (end, why) = match socket.read() {
            Ok(Message::Close(Some(close))) if close.reason.as_str() == "Protocol violation" => {
                (End::Failed(1002), "a close code that is not allowed".to_owned())
            }
            Ok(Message::Close(close)) => {
                let code = close.as_ref().map_or(1005, |close| close.code.into());
                (End::Closed(code), close.map_or(String::new(), |it| it.reason.to_string()))
            }
            Ok(message) => {
                let letter = match message {
                    Message::Text(_) => 'T',
                    Message::Ping(_) => 'I',
                    Message::Pong(_) => 'O',
                    _ => 'B',
                };
                events.push((letter, message.into_data().to_vec()));
                continue;
            }
            Err(error) => {
                let end = match &error {
                    Error::Io(error) if error.kind() == ErrorKind::WouldBlock => End::Open,
                    Error::Capacity(_) => End::Failed(1009),
                    Error::Utf8(_) => End::Failed(1007),
                    _ => End::Failed(1002),
                };
                (end, error.to_string())
            }
        };
        return Verdict { events, end, why };
    }
}

fn request(bytes: &[u8]) -> Verdict {
    let answered = match server::Request::try_parse(bytes) {
        Ok(None) => return Verdict::handshake(End::Open, ""),
        Ok(Some((_, request))) => server::create_response(&request),
        Err(error) => Err(error),
    };
    match answered {
        Ok(_) => Verdict::handshake(End::Accepted, ""),
        Err(error) => Verdict::handshake(End::Failed(0), error),
    }
}

fn response(bytes: &[u8]) -> Verdict {
    let request = Request::builder()
        .uri("ws://h/")
        .header("Host", "h")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("Sec-WebSocket-Protocol", "a, b");
    let request = request.body(()).expect("a request");
    let handshake = ClientHandshake::start(Pipe(bytes), request, None).expect("a request");
    match handshake.handshake() {
        Ok(_) => Verdict::handshake(End::Accepted, ""),
        Err(HandshakeError::Interrupted(_)) => Verdict::handshake(End::Open, ""),
        Err(HandshakeError::Failure(error)) => Verdict::handshake(End::Failed(0), error),
    }
}
