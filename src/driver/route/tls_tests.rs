//! What a client tells of TLS on its way through a proxy.

use std::any::Any;
use std::io::IoSlice;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::driver::handler::Handler;
use crate::driver::settings::Settings;
use crate::driver::{client, loops, turn};
use crate::proto::proxy::Proxies;
use crate::transport::Received;
use crate::transport::tls::{TlsSettings, fixtures};

struct Nobody;

impl Handler for Nobody {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[test]
fn the_certificate_of_a_proxy_is_not_that_of_the_server() {
    let ca = fixtures::ca();
    let own = ca.issue(&["127.0.0.1"]);
    let mut of_proxy = TlsSettings::default();
    of_proxy.add_identity_pem(&own.pem, &own.key_pem).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let mut settings = Settings::default();
    settings.tls.set_ca_pem(&ca.pem()).unwrap();
    settings.proxy.proxies = Proxies::Fixed(ProxyUrl::parse(&url).unwrap());

    let place = loops::find(loops::create().unwrap()).unwrap();
    let id = client::connect(place, "ws://a.example/", &settings, Arc::new(Nobody)).unwrap();
    let poll = || {
        turn::poll(place, Some(Duration::ZERO)).unwrap();
    };
    poll();
    let (socket, _) = listener.accept().unwrap();
    socket.set_nonblocking(true).unwrap();
    let socket = Socket::Tcp(mio::net::TcpStream::from_std(socket));
    let mut proxy = Stream::plain(socket);
    proxy.start_tls_server(&of_proxy.server().unwrap().unwrap()).unwrap();
    let mut buffer = vec![0; Stream::LEAST_BUFFER];
    for (asked, answer) in [("CONNECT ", "HTTP/1.1 200 OK\r\n\r\n"), ("GET ", "")] {
        let said = loop {
            if proxy.has_output() {
                proxy.write(&[]).unwrap();
            }
            poll();
            if let Received::Bytes { count, .. } = proxy.read(&mut buffer).unwrap() {
                break &buffer[..count];
            }
        };
        assert!(said.starts_with(asked.as_bytes()));
        let told = place.with(|core| {
            let session = core.session(id).unwrap();
            Ok((session.stream.as_ref().and_then(Stream::tls), session.tls()))
        });
        let (with_proxy, with_server) = told.unwrap();
        assert_eq!(with_proxy.unwrap().peer_subject, "CN=127.0.0.1");
        assert_eq!(with_server, None);
        proxy.write(&[IoSlice::new(answer.as_bytes())]).unwrap();
    }
    turn::free(place).unwrap();
}
