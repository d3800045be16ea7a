//! fastwebsockets as a server: its own example. It writes each frame as it comes.

use std::convert::Infallible;

use fastwebsockets::upgrade::{UpgradeFut, upgrade};
use fastwebsockets::{FragmentCollector, OpCode, WebSocketError};
use peers::{Io, Server, Setup, run, upgraded};
use tokio::task::unconstrained;

struct FastWebsockets;

impl Server for FastWebsockets {
    type Message = Infallible;
    const FLAGS: &'static [&'static str] = &[];

    async fn serve(stream: impl Io, _: &'static Setup<Infallible>) {
        upgraded(stream, |mut request| {
            let (response, upgrade) = upgrade(&mut request)?;
            tokio::spawn(unconstrained(echo(upgrade)));
            Ok::<_, WebSocketError>(response)
        })
        .await;
    }
}

async fn echo(upgrade: UpgradeFut) -> Result<(), WebSocketError> {
    let mut ws = FragmentCollector::new(upgrade.await?);
    loop {
        let frame = ws.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => ws.write_frame(frame).await?,
            _ => {}
        }
    }
}

fn main() {
    run::<FastWebsockets>();
}
