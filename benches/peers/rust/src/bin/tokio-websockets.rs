//! tokio-websockets as a server.

use peers::{Io, Server, Setup, run};
use tokio_websockets::{Config, Limits, Message, ServerBuilder};

struct TokioWebsockets;

impl Server for TokioWebsockets {
    type Message = Message;
    const FLAGS: &'static [&'static str] = &["--broadcast"];

    async fn serve(stream: impl Io, setup: &'static Setup<Message>) {
        let server = ServerBuilder::new()
            .config(Config::default().frame_size(usize::MAX).flush_threshold(64 * 1024))
            .limits(Limits::unlimited());
        if let Ok((_, ws)) = server.accept(stream).await {
            setup.talk(ws, |message| message.is_text() || message.is_binary()).await;
        }
    }
}

fn main() {
    run::<TokioWebsockets>();
}
