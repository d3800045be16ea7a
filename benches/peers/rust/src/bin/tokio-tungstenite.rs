//! tokio-tungstenite as a server.

use peers::{Io, Server, Setup, run};
use tokio_tungstenite::accept_async_with_config;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

struct Tungstenite;

impl Server for Tungstenite {
    type Message = Message;
    const FLAGS: &'static [&'static str] = &[];

    async fn serve(stream: impl Io, setup: &'static Setup<Message>) {
        let config = WebSocketConfig::default().max_frame_size(Some(64 << 20));
        if let Ok(ws) = accept_async_with_config(stream, Some(config)).await {
            setup.talk(ws, |message| message.is_text() || message.is_binary()).await;
        }
    }
}

fn main() {
    run::<Tungstenite>();
}
