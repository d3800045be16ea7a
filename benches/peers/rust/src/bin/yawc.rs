//! yawc as a server, with the buffers of its own benchmark.

use std::sync::LazyLock;

use futures_util::StreamExt;
use peers::{Io, Server, Setup, run, upgraded};
use tokio::task::unconstrained;
use yawc::{CompressionLevel, DeflatePool, Frame, OpCode, Options, WebSocket, WebSocketError};

struct Yawc;

static POOL: LazyLock<DeflatePool> = LazyLock::new(|| DeflatePool::new(1));

fn options(deflate: bool) -> Options {
    let options = Options::default()
        .with_limits(64 << 20, 128 << 20)
        .with_read_buffer_capacity(128 * 1024)
        .with_backpressure_boundary(64 * 1024)
        .with_utf8();
    if !deflate {
        return options.without_compression();
    }
    options
        .with_compression_level(CompressionLevel::fast())
        .server_no_context_takeover()
        .client_no_context_takeover()
        .with_deflate_pool(POOL.clone())
}

impl Server for Yawc {
    type Message = Frame;
    const FLAGS: &'static [&'static str] = &["--broadcast", "--deflate"];

    async fn serve(stream: impl Io, setup: &'static Setup<Frame>) {
        upgraded(stream, |request| {
            let (response, upgrade) =
                WebSocket::upgrade_with_options(request, options(setup.deflate))?;
            tokio::spawn(unconstrained(async move {
                if let Ok(ws) = upgrade.await {
                    let ws = ws.map(Ok::<Frame, WebSocketError>);
                    setup
                        .talk(ws, |frame| matches!(frame.opcode(), OpCode::Text | OpCode::Binary))
                        .await;
                }
            }));
            Ok::<_, WebSocketError>(response)
        })
        .await;
    }
}

fn main() {
    run::<Yawc>();
}
