//! tokio-tungstenite as a server.

use peers::{Io, Server, Setup, run};
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

struct Tungstenite;

impl Server for Tungstenite {
    type Message = Message;
    const FLAGS: &'static [&'static str] = &["--broadcast"];

    async fn serve(stream: impl Io, setup: &'static Setup<Message>) {
        if let Ok(ws) = accept_async(stream).await {
            setup.talk(ws, |message| message.is_text() || message.is_binary()).await;
        }
    }
}

fn main() {
    run::<Tungstenite>();
}
