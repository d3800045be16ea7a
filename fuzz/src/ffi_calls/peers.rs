//! Others on the network, who need not speak the protocol.

use super::attach::add_peer;
use super::values::{port, stage};
use super::world::*;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

pub const UPGRADE: &[u8] =
    b"GET /x?y HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Protocol: chat, a\r\nCookie: a=b; c=d\r\n\r\n";

/// What clients send.
const REQUESTS: [&[u8]; 4] = [
    b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    b"HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\n",
    b"GET / HTTP/1.1\r\nHost: ",
];

const FRAMES: [&[u8]; 6] = [
    b"\x81\x85\0\0\0\0hello",
    b"\x02\x83\0\0\0\0one\x89\x80\0\0\0\0\x80\x83\0\0\0\0two",
    b"\x88\x82\0\0\0\0\x03\xe8",
    b"\x81\x82\0\0\0\0\xff\xff",
    b"\x8a\x80\0\0\0\0",
    b"\x82\xfe\x10\x00\0\0\0\0",
];

/// What servers and proxies send.
const REPLIES: [&[u8]; 10] = [
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 503 Later\r\nRetry-After: 0\r\nContent-Length: 2\r\n\r\nno",
    b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 401 Who\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=\"r\"\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    b"\x05\0",
    b"\x05\x02",
    b"\x05\0\0\x01\x7f\0\0\x01\0\x50",
    b"\x15\x03\x03\0\x02\x02\x28",
];

pub fn any() {
    match below(12) {
        0..=2 => connect(),
        3 => drop(world(|w| w.peers.pop())),
        4 => {
            let bytes = draw(|input| input.bytes(16).to_vec());
            write(&bytes);
        }
        5 => write(REQUESTS[below(4)]),
        6 | 7 => write(FRAMES[below(6)]),
        8 => write(REPLIES[below(10)]),
        9 => open_stage(),
        _ => accept(),
    }
}

fn connect() {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port()));
    if let Ok(peer) = TcpStream::connect_timeout(&address, Duration::from_millis(5)) {
        add_peer(peer.into());
        if below(4) < 3 {
            write(UPGRADE);
        }
    }
}

fn open_stage() {
    if stage().is_none()
        && let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
    {
        listener.set_nonblocking(true).expect("a socket");
        world(|w| w.stage = Some(listener));
    }
}

/// Answers whoever has come without listening to it.
fn accept() {
    let accepted = world(|w| w.stage.as_ref().and_then(|stage| stage.accept().ok()));
    if let Some((peer, _)) = accepted {
        add_peer(peer.into());
        write(REPLIES[below(10)]);
    }
}

/// From the newest peer; what does not fit is lost.
fn write(bytes: &[u8]) {
    world(|w| w.peers.last_mut().map(|peer| peer.write(bytes)));
}
