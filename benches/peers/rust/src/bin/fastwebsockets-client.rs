//! fastwebsockets as a client.

use bytes::Bytes;
use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, handshake};
use http_body_util::Empty;
use hyper::Request;
use hyper::header::{CONNECTION, HOST, UPGRADE};
use hyper_util::rt::TokioExecutor;
use peers::{Load, Meter};
use tokio::net::TcpStream;

async fn run(load: Load) -> Result<(), Box<dyn std::error::Error>> {
    let stream = TcpStream::connect(("127.0.0.1", load.port)).await?;
    stream.set_nodelay(true)?;
    let request = Request::builder()
        .uri(format!("http://127.0.0.1:{}/", load.port))
        .header(HOST, "127.0.0.1")
        .header(UPGRADE, "websocket")
        .header(CONNECTION, "upgrade")
        .header("Sec-WebSocket-Key", handshake::generate_key())
        .header("Sec-WebSocket-Version", "13")
        .body(Empty::<Bytes>::new())?;
    let (ws, _) = handshake::client(&TokioExecutor::new(), request, stream).await?;
    let mut ws = FragmentCollector::new(ws);
    let (pingpong, payload) = (load.pingpong, vec![b'a'; load.size]);
    let mut meter = Meter::new("fastwebsockets", load);
    loop {
        if pingpong {
            ws.write_frame(Frame::binary(Payload::Borrowed(&payload))).await?;
        }
        while ws.read_frame().await?.opcode != OpCode::Binary {}
        meter.count();
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let load = Load::from_args();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(tokio::task::unconstrained(run(load)))
}
