use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use super::*;
use crate::transport::tls::fixtures::{self, Ca};
use crate::transport::tls::{ClientCertificates, TlsSettings, Version};
use crate::transport::{Socket, Stream};
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};

const HOST: &str = "a.example";

/// Two streams joined by a pair of sockets.
struct Pair {
    client: Stream,
    server: Stream,
    buffer: Vec<u8>,
}

fn joined() -> (Stream, Stream) {
    let (a, b) = mio::net::UnixStream::pair().unwrap();
    (Stream::plain(Socket::Unix(a)), Stream::plain(Socket::Unix(b)))
}

fn server_settings(ca: &Ca, change: impl FnOnce(&mut TlsSettings)) -> TlsSettings {
    let own = ca.issue(&[HOST, "127.0.0.1"]);
    let mut settings = TlsSettings::default();
    settings.add_identity_pem(&own.pem, &own.key_pem).unwrap();
    change(&mut settings);
    settings
}

fn client_settings(ca: &Ca, change: impl FnOnce(&mut TlsSettings)) -> TlsSettings {
    let mut settings = TlsSettings::default();
    settings.set_ca_pem(&ca.pem()).unwrap();
    change(&mut settings);
    settings
}

/// A client that has not heard of TLS 1.3.
fn older(ca: &Ca, change: impl FnOnce(&mut TlsSettings)) -> ClientTls {
    let tls = client_settings(ca, change).client().unwrap();
    let provider = super::super::config::provider().clone();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca.der.as_slice().into()).unwrap();
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = tls.config.alpn_protocols.clone();
    config.client_auth_cert_resolver = tls.config.client_auth_cert_resolver.clone();
    ClientTls { config: std::sync::Arc::new(config), ..tls }
}

impl Pair {
    fn new(client: &TlsSettings, server: &TlsSettings, host: &str) -> Pair {
        let (a, b) = joined();
        let mut pair = Pair { client: a, server: b, buffer: vec![0; 256 * 1024] };
        pair.start(client, server, host);
        pair
    }

    fn start(&mut self, client: &TlsSettings, server: &TlsSettings, host: &str) {
        self.client.start_tls_client(&client.client().unwrap(), host).unwrap();
        self.server.start_tls_server(&server.server().unwrap().unwrap()).unwrap();
    }

    fn usual() -> Pair {
        let ca = fixtures::ca();
        let mut pair =
            Pair::new(&client_settings(&ca, |_| {}), &server_settings(&ca, |_| {}), HOST);
        pair.shake_hands().unwrap();
        pair
    }

    /// Lets both sides do what they want to until neither does.
    fn shake_hands(&mut self) -> Result<()> {
        for _ in 0..20 {
            for side in [&mut self.client, &mut self.server] {
                while side.has_output() && !side.write(&[])?.full {}
                assert_eq!(side.read(&mut self.buffer)?, Received::Nothing);
            }
        }
        assert!(!self.client.is_handshaking() && !self.server.is_handshaking());
        Ok(())
    }

    /// The failures of both sides, the client's first.
    fn fail(mut self) -> (Option<Error>, Option<Error>) {
        let (mut of_client, mut of_server) = (None, None);
        for _ in 0..20 {
            for (side, error) in
                [(&mut self.client, &mut of_client), (&mut self.server, &mut of_server)]
            {
                while side.has_output() && !side.write(&[]).unwrap().full {}
                if error.is_none() {
                    *error = side.read(&mut self.buffer).err();
                }
            }
        }
        (of_client, of_server)
    }
}

fn no_buffers(stream: &mut Stream) -> bool {
    stream
        .layers_mut()
        .iter()
        .all(|layer| layer.input.capacity() == 0 && layer.output.capacity() == 0 && layer.gone == 0)
}

/// Everything `from` can send of `bytes` goes to `to`, until all has arrived.
fn carry(from: &mut Stream, to: &mut Stream, buffer: &mut [u8], bytes: &[u8]) {
    let (mut sent, mut received) = (0, Vec::new());
    while received.len() < bytes.len() {
        if sent < bytes.len() || from.has_output() {
            let rest = &bytes[sent..];
            let (head, tail) = rest.split_at(rest.len().min(3));
            let slices = [IoSlice::new(head), IoSlice::new(tail)];
            sent += from.write(&slices).unwrap().count;
        }
        if let Received::Bytes { count, .. } = to.read(buffer).unwrap() {
            received.extend_from_slice(&buffer[..count]);
        }
    }
    assert!(received == bytes);
}

fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * n % 251) as u8).collect()
}

#[test]
fn bytes_go_both_ways_and_an_idle_layer_has_no_buffers() {
    let mut pair = Pair::usual();
    assert!(no_buffers(&mut pair.client) && no_buffers(&mut pair.server));
    for length in [1, 100, 16 * 1024, 16 * 1024 + 1, 3_000_000] {
        let bytes = noise(length);
        carry(&mut pair.client, &mut pair.server, &mut pair.buffer, &bytes);
        carry(&mut pair.server, &mut pair.client, &mut pair.buffer, &bytes);
        assert!(no_buffers(&mut pair.client) && no_buffers(&mut pair.server), "{length}");
    }
}

#[test]
fn both_sides_may_send_much_at_once() {
    let mut pair = Pair::usual();
    let bytes = noise(5_000_000);
    let (mut sent, mut received) = ([0; 2], [Vec::new(), Vec::new()]);
    while received.iter().any(|received| received.len() < bytes.len()) {
        for (n, side) in [&mut pair.client, &mut pair.server].into_iter().enumerate() {
            sent[n] += side.write(&[IoSlice::new(&bytes[sent[n]..])]).unwrap().count;
            if let Received::Bytes { count, .. } = side.read(&mut pair.buffer).unwrap() {
                received[n].extend_from_slice(&pair.buffer[..count]);
            }
        }
    }
    assert!(received[0] == bytes && received[1] == bytes);
}

#[test]
fn what_is_taken_at_once_is_bounded() {
    let mut pair = Pair::usual();
    let bytes = noise(1_000_000);
    let mut taken = 0;
    loop {
        let sent = pair.client.write(&[IoSlice::new(&bytes[taken..])]).unwrap();
        assert!(sent.count <= BYTES_PER_WRITE);
        taken += sent.count;
        if sent.full {
            break;
        }
    }
    assert!(pair.client.has_output() && taken < bytes.len());
    let sent = pair.client.write(&[IoSlice::new(&bytes)]).unwrap();
    assert_eq!(sent, Sent { count: 0, full: true });
}

#[test]
fn the_handshake_tells_what_it_came_to() {
    let pair = Pair::usual();
    let (of_client, of_server) = (pair.client.tls().unwrap(), pair.server.tls().unwrap());
    assert_eq!(of_client.version, "TLSv1.3");
    assert!(of_client.cipher.starts_with("TLS_AES_"), "{}", of_client.cipher);
    assert_eq!(of_client.alpn, "http/1.1");
    assert_eq!(of_client.server_name, HOST);
    assert_eq!(of_client.peer_subject, format!("CN={HOST}"));
    assert_eq!(of_server.server_name, HOST);
    assert_eq!(of_server.peer_subject, "");
    assert_eq!(of_server.cipher, of_client.cipher);
}

/// A relay that gives the records away in pieces of an awkward size.
#[test]
fn records_may_come_in_any_pieces() {
    let ca = fixtures::ca();
    for version in [Version::Tls12, Version::Tls13] {
        for piece in [1, 2, 3, 5, 17, 1021, 16 * 1024 + 1] {
            let client = match version {
                Version::Tls12 => older(&ca, |_| {}),
                Version::Tls13 => client_settings(&ca, |_| {}).client().unwrap(),
            };
            let server = server_settings(&ca, |_| {});
            let (mut here, mut there) = (Pair::half(), Pair::half());
            here.0.start_tls_client(&client, HOST).unwrap();
            there.0.start_tls_server(&server.server().unwrap().unwrap()).unwrap();
            let (bytes, mut sent, mut got) = (noise(40_000), 0, Vec::new());
            let mut buffer = vec![0; Stream::LEAST_BUFFER];
            while got.len() < bytes.len() {
                if here.0.takes_bytes() {
                    sent += here.0.write(&[IoSlice::new(&bytes[sent..])]).unwrap().count;
                } else if here.0.has_output() {
                    here.0.write(&[]).unwrap();
                }
                if there.0.has_output() {
                    there.0.write(&[]).unwrap();
                }
                for (from, to) in [(0, 1), (1, 0)] {
                    let halves = [&mut here, &mut there];
                    let mut bytes = vec![0; piece];
                    let count = (&halves[from].1).read(&mut bytes).unwrap_or(0);
                    (&halves[to].1).write_all(&bytes[..count]).unwrap();
                }
                assert!(!matches!(here.0.read(&mut buffer).unwrap(), Received::End));
                if let Received::Bytes { count, .. } = there.0.read(&mut buffer).unwrap() {
                    got.extend_from_slice(&buffer[..count]);
                }
            }
            assert!(got == bytes, "pieces of {piece}");
        }
    }
}

impl Pair {
    /// A stream, and the other end of its socket.
    fn half() -> (Stream, UnixStream) {
        let (a, b) = UnixStream::pair().unwrap();
        a.set_nonblocking(true).unwrap();
        b.set_nonblocking(true).unwrap();
        (Stream::plain(Socket::Unix(mio::net::UnixStream::from_std(a))), b)
    }
}

#[test]
fn one_tls_may_be_inside_another() {
    let ca = fixtures::ca();
    let (client, server) = (client_settings(&ca, |_| {}), server_settings(&ca, |_| {}));
    let mut pair = Pair::usual();
    pair.start(&client, &server, HOST);
    assert!(pair.client.is_handshaking() && !pair.client.takes_bytes());
    pair.shake_hands().unwrap();
    let bytes = noise(1_000_000);
    carry(&mut pair.client, &mut pair.server, &mut pair.buffer, &bytes);
    carry(&mut pair.server, &mut pair.client, &mut pair.buffer, &bytes);
    assert!(no_buffers(&mut pair.client) && no_buffers(&mut pair.server));
    pair.client.end_writing();
    assert_eq!(pair.server.read(&mut pair.buffer).unwrap(), Received::End);
    pair.server.end_writing();
    assert_eq!(pair.client.read(&mut pair.buffer).unwrap(), Received::End);
}

#[test]
fn the_end_is_told_and_a_cut_is_not_taken_for_it() {
    let mut pair = Pair::usual();
    pair.client.write(&[IoSlice::new(b"last")]).unwrap();
    pair.client.end_writing();
    let read = pair.server.read(&mut pair.buffer).unwrap();
    assert_eq!(read, Received::Bytes { count: 4, more: true });
    assert_eq!(pair.server.read(&mut pair.buffer).unwrap(), Received::End);
    // The other direction goes on.
    carry(&mut pair.server, &mut pair.client, &mut pair.buffer, b"still here");

    let mut pair = Pair::usual();
    pair.client.write(&[IoSlice::new(b"last")]).unwrap();
    pair.client.abandon();
    pair.client.finish();
    let read = pair.server.read(&mut pair.buffer).unwrap();
    assert!(matches!(read, Received::Bytes { count: 4, .. }));
    let error = pair.server.read(&mut pair.buffer).unwrap_err();
    assert_eq!(error.code, Code::TlsTruncated);
}

#[test]
fn finishing_tells_the_peer() {
    let mut pair = Pair::usual();
    pair.client.finish();
    assert_eq!(pair.server.read(&mut pair.buffer).unwrap(), Received::End);
}

#[test]
fn the_end_waits_for_what_the_socket_did_not_take() {
    let mut pair = Pair::usual();
    let bytes = noise(60_000);
    let mut sent = 0;
    loop {
        let written = pair.client.write(&[IoSlice::new(&bytes)]).unwrap();
        sent += written.count;
        if written.full {
            break;
        }
    }
    pair.client.end_writing();
    assert!(pair.client.has_output());
    let mut received = 0;
    loop {
        match pair.server.read(&mut pair.buffer).unwrap() {
            Received::Bytes { count, .. } => received += count,
            Received::Nothing => drop(pair.client.write(&[]).unwrap()),
            Received::End => break,
        }
    }
    assert_eq!(received, sent);
    assert!(!pair.client.has_output());
}

#[test]
fn keys_change_under_way_whoever_wants_it() {
    let mut pair = Pair::usual();
    let refresh = |stream: &mut Stream| {
        let layer = stream.layers_mut().last_mut().unwrap();
        let Side::Client(conn) = &mut *layer.side else { unreachable!("the client's") };
        let UnbufferedStatus { state: Ok(ConnectionState::WriteTraffic(traffic)), .. } =
            conn.process_tls_records(&mut [])
        else {
            unreachable!("nothing is under way")
        };
        traffic.refresh_traffic_keys().unwrap();
    };
    for _ in 0..3 {
        refresh(&mut pair.client);
        // The server only writes, and has been asked to change its keys too.
        carry(&mut pair.client, &mut pair.server, &mut pair.buffer, b"with new keys");
        carry(&mut pair.server, &mut pair.client, &mut pair.buffer, &noise(100_000));
    }
    assert!(no_buffers(&mut pair.client) && no_buffers(&mut pair.server));
}

#[test]
fn sessions_resume_unless_that_is_switched_off() {
    for on in [true, false] {
        let ca = fixtures::ca();
        let client = client_settings(&ca, |settings| settings.set_resumption(on));
        let server = server_settings(&ca, |_| {});
        for n in 0..2 {
            let mut pair = Pair::new(&client, &server, HOST);
            pair.shake_hands().unwrap();
            assert_eq!(pair.client.tls().unwrap().resumed, on && n > 0);
            assert_eq!(pair.server.tls().unwrap().resumed, on && n > 0);
            assert_eq!(pair.server.tls().unwrap().server_name, HOST);
        }
    }
}

#[test]
fn who_comes_after_takes_over_the_tickets_if_it_asks_for_the_same() {
    let ca = fixtures::ca();
    let client = client_settings(&ca, |_| {});
    let (first, second) = (server_settings(&ca, |_| {}), server_settings(&ca, |_| {}));
    let asking = server_settings(&ca, |settings| {
        settings.set_ca_pem(&ca.pem()).unwrap();
        settings.set_client_certificates(ClientCertificates::Optional);
    });
    Pair::new(&client, &first, HOST).shake_hands().unwrap();
    let first = first.server().unwrap().unwrap();
    for (next, resumes) in [(&second, true), (&asking, false)] {
        let next = next.server().unwrap().unwrap().succeeding(&first);
        let (a, b) = joined();
        let mut pair = Pair { client: a, server: b, buffer: vec![0; 256 * 1024] };
        pair.client.start_tls_client(&client.client().unwrap(), HOST).unwrap();
        pair.server.start_tls_server(&next).unwrap();
        pair.shake_hands().unwrap();
        assert_eq!(pair.server.tls().unwrap().resumed, resumes);
    }
}

#[test]
fn servers_choose_by_the_name_asked_for() {
    let ca = fixtures::ca();
    let client = client_settings(&ca, |_| {});
    let server = server_settings(&ca, |settings| {
        let other = ca.issue(&["b.example", "*.c.example"]);
        settings.add_identity_pem(&other.pem, &other.key_pem).unwrap();
    });
    for (host, subject) in [
        (HOST, "CN=a.example"),
        ("b.example", "CN=b.example"),
        ("x.c.example", "CN=b.example"),
        ("127.0.0.1", "CN=a.example"),
    ] {
        let mut pair = Pair::new(&client, &server, host);
        pair.shake_hands().unwrap();
        assert_eq!(pair.client.tls().unwrap().peer_subject, subject);
    }
}

#[test]
fn clients_show_a_certificate_when_they_are_asked() {
    let ca = fixtures::ca();
    let own = ca.issue(&["somebody"]);
    let strangers = fixtures::ca_named("Strange CA").issue(&["somebody"]);
    for asks in [ClientCertificates::Optional, ClientCertificates::Required] {
        let server = server_settings(&ca, |settings| {
            settings.set_ca_pem(&ca.pem()).unwrap();
            settings.set_client_certificates(asks);
        });
        let with = client_settings(&ca, |settings| {
            settings.add_identity_pem(&own.pem, &own.key_pem).unwrap();
        });
        let mut pair = Pair::new(&with, &server, HOST);
        pair.shake_hands().unwrap();
        assert_eq!(pair.server.tls().unwrap().peer_subject, "CN=somebody");

        let with_strange = client_settings(&ca, |settings| {
            settings.add_identity_pem(&strangers.pem, &strangers.key_pem).unwrap();
        });
        let (of_client, of_server) = Pair::new(&with_strange, &server, HOST).fail();
        assert_eq!(of_server.unwrap().code, Code::Certificate);
        assert_eq!(
            of_client.unwrap().message,
            "the server refused: it does not trust who issued our client certificate (alert unknown_ca)"
        );

        let without = Pair::new(&client_settings(&ca, |_| {}), &server, HOST);
        if asks == ClientCertificates::Optional {
            let mut without = without;
            without.shake_hands().unwrap();
            continue;
        }
        let (of_client, of_server) = without.fail();
        let (of_client, of_server) = (of_client.unwrap(), of_server.unwrap());
        assert_eq!((of_server.code, of_server.tls_alert), (Code::Certificate, 116));
        assert_eq!((of_client.code, of_client.tls_alert), (Code::Tls, 116));
        assert!(of_client.message.contains("wsock_options_add_cert_files"), "{of_client}");
    }
}

#[test]
fn refused_certificates_are_explained() {
    use rcgen::date_time_ymd;
    let ca = fixtures::ca();
    let refusal = |client: &TlsSettings, issued: fixtures::Issued, host: &str| {
        let mut server = TlsSettings::default();
        server.add_identity_pem(&issued.pem, &issued.key_pem).unwrap();
        let (of_client, of_server) = Pair::new(client, &server, host).fail();
        let error = of_client.expect("refused");
        assert_eq!(error.code, Code::Certificate, "{error}");
        // The server hears the same alert.
        assert_eq!(of_server.unwrap().tls_alert, error.tls_alert);
        (error.tls_alert, error.message.to_string())
    };
    let usual = client_settings(&ca, |_| {});
    let expired = ca.issue_with(&[HOST], |params| {
        params.not_before = date_time_ymd(2024, 1, 1);
        params.not_after = date_time_ymd(2025, 1, 31);
    });
    assert_eq!(
        refusal(&usual, expired, HOST),
        (45, "the certificate of a.example expired on 2025-01-31".to_owned())
    );
    let early = ca.issue_with(&[HOST], |params| {
        params.not_before = date_time_ymd(2999, 12, 31);
        params.not_after = date_time_ymd(3000, 1, 1);
    });
    assert_eq!(
        refusal(&usual, early, HOST).1,
        "the certificate of a.example is valid only from 2999-12-31; is the clock right?"
    );
    let others = ca.issue(&["x.example", "*.y.example"]);
    assert_eq!(
        refusal(&usual, others, HOST),
        (
            42,
            "the certificate of a.example is for x.example, *.y.example, not for a.example"
                .to_owned()
        )
    );
    assert_eq!(
        refusal(&usual, ca.issue(&[HOST]), "::1").1,
        "the certificate of ::1 is for a.example, not for ::1"
    );
    let strange = fixtures::ca_named("Strange CA").issue(&[HOST]);
    assert_eq!(
        refusal(&usual, strange, HOST),
        (
            48,
            "the certificate of a.example comes from the unknown issuer CN=Strange CA: to trust it, give it in WSOCK_OPT_TLS_CA_FILE"
                .to_owned()
        )
    );
    let own = fixtures::self_signed(HOST);
    assert!(refusal(&usual, own, HOST).1.contains("is self-signed and not trusted"));

    let pinned = ca.issue(&[HOST]);
    let pin = super::super::certificate::pin_of(&pinned.der.as_slice().into()).unwrap();
    let pin = super::super::certificate::pin_text(&pin);
    let pins = client_settings(&ca, |settings| settings.add_pin(&pin).unwrap());
    let told = refusal(&pins, ca.issue(&[HOST]), HOST).1;
    assert!(told.contains("its pin is sha256//"), "{told}");
    // With any certificate accepted pins still count.
    let any = client_settings(&ca, |settings| {
        settings.set_accept_any_certificate(true);
        settings.add_pin(&pin).unwrap();
    });
    refusal(&any, ca.issue(&[HOST]), HOST);
    for good in [&pins, &any] {
        let mut server = TlsSettings::default();
        server.add_identity_pem(&pinned.pem, &pinned.key_pem).unwrap();
        Pair::new(good, &server, HOST).shake_hands().unwrap();
    }
}

#[test]
fn a_certificate_that_is_its_own_ca_may_be_trusted_itself() {
    let own = fixtures::self_signed(HOST);
    let (mut client, mut server) = (TlsSettings::default(), TlsSettings::default());
    client.set_ca_pem(&own.pem).unwrap();
    server.add_identity_pem(&own.pem, &own.key_pem).unwrap();
    Pair::new(&client, &server, HOST).shake_hands().unwrap();
    let (refused, _) = Pair::new(&client, &server, "b.example").fail();
    assert_eq!(
        refused.unwrap().message,
        "the certificate of b.example is for a.example, not for b.example"
    );
}

#[test]
fn any_certificate_is_accepted_only_when_asked_for_and_tells_no_subject() {
    let own = fixtures::self_signed("elsewhere");
    let (mut client, mut server) = (TlsSettings::default(), TlsSettings::default());
    client.set_accept_any_certificate(true);
    server.add_identity_pem(&own.pem, &own.key_pem).unwrap();
    let mut pair = Pair::new(&client, &server, HOST);
    pair.shake_hands().unwrap();
    assert_eq!(pair.client.tls().unwrap().peer_subject, "");
}

#[test]
fn versions_below_the_lowest_are_not_spoken() {
    let ca = fixtures::ca();
    let newest = |settings: &mut TlsSettings| settings.set_min_version(Version::Tls13);
    let client = older(&ca, |_| {});
    let server = server_settings(&ca, newest).server().unwrap().unwrap();
    let (a, b) = joined();
    let mut pair = Pair { client: a, server: b, buffer: vec![0; 256 * 1024] };
    pair.client.start_tls_client(&client, HOST).unwrap();
    pair.server.start_tls_server(&server).unwrap();
    let (of_client, of_server) = pair.fail();
    assert_eq!((of_client.unwrap().tls_alert, of_server.unwrap().tls_alert), (70, 70));
}

#[test]
fn other_protocols_than_ours_are_refused() {
    let ca = fixtures::ca();
    let client = client_settings(&ca, |_| {}).client().unwrap();
    for (alpn, fits) in [(vec![], true), (vec![b"h2".to_vec()], false)] {
        let mut config = rustls::ClientConfig::clone(&client.config);
        config.alpn_protocols = alpn;
        let client = ClientTls { config: std::sync::Arc::new(config), ..client.clone() };
        let server = server_settings(&ca, |_| {}).server().unwrap().unwrap();
        let (a, b) = joined();
        let mut pair = Pair { client: a, server: b, buffer: vec![0; 256 * 1024] };
        pair.client.start_tls_client(&client, HOST).unwrap();
        pair.server.start_tls_server(&server).unwrap();
        if fits {
            pair.shake_hands().unwrap();
            assert_eq!(pair.client.tls().unwrap().alpn, "");
        } else {
            let (of_client, of_server) = pair.fail();
            assert_eq!((of_client.unwrap().tls_alert, of_server.unwrap().tls_alert), (120, 120));
        }
    }
}

#[test]
fn plain_http_on_either_side_is_recognised() {
    let ca = fixtures::ca();
    let mut buffer = vec![0; 256 * 1024];
    let (mut server, mut peer) = Pair::half();
    let tls = server_settings(&ca, |_| {}).server().unwrap().unwrap();
    server.start_tls_server(&tls).unwrap();
    peer.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let error = server.read(&mut buffer).unwrap_err();
    assert_eq!(error.code, Code::Tls);
    server.finish();
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("wss://"), "{answer}");

    let (mut client, mut peer) = Pair::half();
    let tls = client_settings(&ca, |_| {}).client().unwrap();
    client.start_tls_client(&tls, HOST).unwrap();
    for piece in ["HT", "TP/1.1 400 Bad Request\r\n\r\n"] {
        assert_eq!(client.read(&mut buffer).unwrap(), Received::Nothing);
        peer.write_all(piece.as_bytes()).unwrap();
    }
    let error = client.read(&mut buffer).unwrap_err();
    assert!(error.message.ends_with("use ws://"), "{error}");
}

#[test]
fn noise_instead_of_tls_is_told_as_such() {
    let ca = fixtures::ca();
    let mut buffer = vec![0; 256 * 1024];
    let (mut client, mut peer) = Pair::half();
    let tls = client_settings(&ca, |_| {}).client().unwrap();
    client.start_tls_client(&tls, HOST).unwrap();
    peer.write_all(b"220 mail.example ESMTP\r\n").unwrap();
    let error = client.read(&mut buffer).unwrap_err();
    assert_eq!(error.message, "the server does not speak TLS on this port");
    // It stays that way.
    assert_eq!(client.read(&mut buffer).unwrap_err(), error);

    let (mut client, peer) = Pair::half();
    client.start_tls_client(&tls, HOST).unwrap();
    drop(peer);
    assert_eq!(client.read(&mut buffer).unwrap_err().code, Code::ConnectionLost);
}

#[test]
fn a_forged_record_ends_it() {
    let mut pair = Pair::usual();
    pair.client.write(&[IoSlice::new(b"one")]).unwrap();
    let forged = [&[23, 3, 3, 0, 30][..], &[7; 30]].concat();
    pair.server.put_back(forged);
    let error = pair.server.read(&mut pair.buffer).unwrap_err();
    assert_eq!((error.code, error.tls_alert), (Code::Tls, 20));
    pair.server.finish();
    let error = pair.client.read(&mut pair.buffer).unwrap_err();
    assert_eq!(error.tls_alert, 20);
}

#[test]
fn a_message_that_does_not_end_is_not_kept() {
    let ca = fixtures::ca();
    let mut buffer = vec![0; Stream::LEAST_BUFFER];
    let (mut server, mut peer) = Pair::half();
    let tls = server_settings(&ca, |_| {}).server().unwrap().unwrap();
    server.start_tls_server(&tls).unwrap();
    // A hello of 65535 bytes, in records of one byte.
    let bytes = [1, 0, 255, 255].into_iter().chain(std::iter::repeat_n(0, 65534));
    let records: Vec<u8> = bytes.flat_map(|byte| [22, 3, 1, 0, 1, byte]).collect();
    let mut refused = None;
    for piece in records.chunks(6_000) {
        peer.write_all(piece).unwrap();
        match server.read(&mut buffer) {
            Ok(read) => assert_eq!(read, Received::Nothing),
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
        assert!(server.layers_mut()[0].input.len() <= WAITING);
    }
    let refused = refused.expect("all of it was kept");
    assert_eq!(refused.message, "the client sends a TLS message that does not end");
    assert!(server.layers_mut()[0].input.is_empty());
}

#[test]
fn a_host_name_may_end_with_a_dot() {
    let ca = fixtures::ca();
    let mut pair =
        Pair::new(&client_settings(&ca, |_| {}), &server_settings(&ca, |_| {}), "A.example.");
    pair.shake_hands().unwrap();
    assert_eq!(pair.server.tls().unwrap().server_name, HOST);
    assert_eq!(pair.client.tls().unwrap().server_name, HOST);
}

#[test]
fn what_is_encrypted_and_not_sent_is_told() {
    let mut pair = Pair::usual();
    let bytes = noise(60_000);
    assert_eq!(pair.client.held(), 0);
    while !pair.client.write(&[IoSlice::new(&bytes)]).unwrap().full {}
    let held = pair.client.held();
    assert!(held > 0 && pair.client.has_output());
    while pair.client.has_output() {
        while let Received::Bytes { .. } = pair.server.read(&mut pair.buffer).unwrap() {}
        pair.client.write(&[]).unwrap();
    }
    assert_eq!(pair.client.held(), 0);
}

#[test]
fn both_versions_end_and_resume_alike() {
    let ca = fixtures::ca();
    let own = ca.issue(&["somebody"]);
    let shows = |settings: &mut TlsSettings| {
        settings.add_identity_pem(&own.pem, &own.key_pem).unwrap();
    };
    let server = server_settings(&ca, |settings| {
        settings.set_ca_pem(&ca.pem()).unwrap();
        settings.set_client_certificates(ClientCertificates::Required);
    });
    let server = server.server().unwrap().unwrap();
    let newer = client_settings(&ca, shows).client().unwrap();
    for (client, version) in [(newer, "TLSv1.3"), (older(&ca, shows), "TLSv1.2")] {
        for resumed in [false, true] {
            let (a, b) = joined();
            let mut pair = Pair { client: a, server: b, buffer: vec![0; Stream::LEAST_BUFFER] };
            pair.client.start_tls_client(&client, HOST).unwrap();
            pair.server.start_tls_server(&server).unwrap();
            pair.shake_hands().unwrap();
            for (stream, subject) in [(&pair.client, "CN=a.example"), (&pair.server, "CN=somebody")]
            {
                let info = stream.tls().unwrap();
                assert_eq!((info.version, info.resumed), (version, resumed));
                assert_eq!((&*info.server_name, &*info.alpn), (HOST, "http/1.1"));
                assert_eq!(info.peer_subject, subject);
            }
            let bytes = noise(1_000_000);
            carry(&mut pair.client, &mut pair.server, &mut pair.buffer, &bytes);
            carry(&mut pair.server, &mut pair.client, &mut pair.buffer, &bytes);
            assert!(no_buffers(&mut pair.client) && no_buffers(&mut pair.server));
            // Both end at the same time, with a record under way one way.
            pair.client.write(&[IoSlice::new(b"last")]).unwrap();
            pair.client.end_writing();
            pair.server.end_writing();
            assert_eq!(pair.client.read(&mut pair.buffer).unwrap(), Received::End);
            let last = pair.server.read(&mut pair.buffer).unwrap();
            assert_eq!(last, Received::Bytes { count: 4, more: true });
            assert_eq!(pair.server.read(&mut pair.buffer).unwrap(), Received::End);
            assert!(!pair.client.has_output() && !pair.server.has_output());
        }
    }
}

#[test]
fn tickets_are_of_no_use_to_who_must_show_something_else() {
    let (ca, others) = (fixtures::ca(), fixtures::ca_named("Other CA"));
    let own = ca.issue(&["somebody"]);
    let asking = |whose: &Ca| {
        server_settings(&ca, |settings| {
            settings.set_ca_pem(&whose.pem()).unwrap();
            settings.set_client_certificates(ClientCertificates::Required);
        })
    };
    let client = client_settings(&ca, |settings| {
        settings.add_identity_pem(&own.pem, &own.key_pem).unwrap();
    });
    let before = asking(&ca);
    Pair::new(&client, &before, HOST).shake_hands().unwrap();
    let before = before.server().unwrap().unwrap();
    for (whose, fits) in [(&ca, true), (&others, false)] {
        let next = asking(whose).server().unwrap().unwrap().succeeding(&before);
        let (a, b) = joined();
        let mut pair = Pair { client: a, server: b, buffer: vec![0; Stream::LEAST_BUFFER] };
        pair.client.start_tls_client(&client.client().unwrap(), HOST).unwrap();
        pair.server.start_tls_server(&next).unwrap();
        match fits {
            true => {
                pair.shake_hands().unwrap();
                assert!(pair.server.tls().unwrap().resumed);
            }
            false => assert_eq!(pair.fail().1.unwrap().code, Code::Certificate),
        }
    }
}

#[test]
fn many_kinds_of_damage_end_it_and_nothing_else() {
    let ca = fixtures::ca();
    let client = client_settings(&ca, |_| {});
    let server = server_settings(&ca, |_| {}).server().unwrap().unwrap();
    let mut buffer = vec![0; Stream::LEAST_BUFFER];
    let (mut here, mut wire) = Pair::half();
    here.start_tls_client(&client.client().unwrap(), HOST).unwrap();
    here.write(&[]).unwrap();
    let mut hello = vec![0; 4096];
    let count = wire.read(&mut hello).unwrap();
    hello.truncate(count);
    for at in 0..hello.len() {
        for change in [1, 0x80, 0xFF] {
            let (mut there, mut wire) = Pair::half();
            there.start_tls_server(&server).unwrap();
            let mut damaged = hello.clone();
            damaged[at] ^= change;
            wire.write_all(&damaged).unwrap();
            // Whatever comes of it, it ends with the stream.
            wire.shutdown(std::net::Shutdown::Write).unwrap();
            let read = there.read(&mut buffer);
            assert!(read.is_err() && !there.takes_bytes(), "{at} {change}: {read:?}");
            assert!(there.tls().is_none());
        }
    }
}
