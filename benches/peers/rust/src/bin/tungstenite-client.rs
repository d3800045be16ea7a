//! tungstenite as a client, blocking.

use std::net::TcpStream;

use bytes::Bytes;
use peers::{Load, Meter};
use tungstenite::{Message, client};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let load = Load::from_args();
    let stream = TcpStream::connect(("127.0.0.1", load.port))?;
    stream.set_nodelay(true)?;
    let (mut ws, _) = client(format!("ws://127.0.0.1:{}/", load.port), stream)?;
    let (pingpong, payload) = (load.pingpong, Bytes::from(vec![b'a'; load.size]));
    let mut meter = Meter::new("tungstenite", load);
    loop {
        if pingpong {
            ws.send(Message::Binary(payload.clone()))?;
        }
        while !ws.read()?.is_binary() {}
        meter.count();
    }
}
