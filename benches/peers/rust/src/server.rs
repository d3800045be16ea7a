//! The options, the listener and TLS of every server: one thread, one event loop.

use std::future::Future;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::unconstrained;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::stream::Hub;

/// A connection, with TLS or without.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A library as a server.
pub trait Server: 'static {
    /// What it calls a message.
    type Message: Send + 'static;
    /// Which of `--broadcast` and `--deflate` it knows.
    const FLAGS: &'static [&'static str];

    /// Serves one connection to its end.
    fn serve(
        stream: impl Io,
        setup: &'static Setup<Self::Message>,
    ) -> impl Future<Output = ()> + Send;
}

/// How the server was started, and whom it has.
pub struct Setup<M> {
    pub port: u16,
    pub broadcast: bool,
    pub deflate: bool,
    pub(crate) hub: Hub<M>,
    cert: Option<String>,
    key: Option<String>,
}

impl<M> Setup<M> {
    fn from_args(flags: &[&str]) -> Result<Self, String> {
        let mut setup = Self {
            port: 9001,
            broadcast: false,
            deflate: false,
            hub: Hub::default(),
            cert: None,
            key: None,
        };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value"));
            match arg.as_str() {
                "--port" => {
                    setup.port =
                        value()?.parse().map_err(|_| "--port needs a number".to_string())?
                }
                "--cert" => setup.cert = Some(value()?),
                "--key" => setup.key = Some(value()?),
                "--broadcast" if flags.contains(&"--broadcast") => setup.broadcast = true,
                "--deflate" if flags.contains(&"--deflate") => setup.deflate = true,
                _ => return Err(format!("unknown option {arg}")),
            }
        }
        Ok(setup)
    }

    fn tls(&self) -> io::Result<Option<TlsAcceptor>> {
        let (Some(cert), Some(key)) = (&self.cert, &self.key) else { return Ok(None) };
        let chain = CertificateDer::pem_file_iter(cert)
            .and_then(Iterator::collect)
            .map_err(io::Error::other)?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(io::Error::other)?;
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(io::Error::other)?;
        Ok(Some(TlsAcceptor::from(Arc::new(config))))
    }

    fn listen(&self) -> io::Result<TcpListener> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(([127, 0, 0, 1], self.port).into())?;
        socket.listen(4096)
    }
}

/// `main` of a server. Tasks are not interrupted by tokio's budget: the examples of fastwebsockets and
/// tokio-websockets do so, and it costs the others nothing.
pub fn run<S: Server>() {
    let setup = Setup::from_args(S::FLAGS).unwrap_or_else(|message| {
        eprintln!("{message}");
        std::process::exit(2);
    });
    if let Err(error) = serve::<S>(Box::leak(Box::new(setup))) {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn serve<S: Server>(setup: &'static Setup<S::Message>) -> io::Result<()> {
    let tls = setup.tls()?;
    tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
        let listener = setup.listen()?;
        println!("listening on 127.0.0.1:{}", setup.port);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            match tls.clone() {
                None => tokio::spawn(unconstrained(S::serve(stream, setup))),
                Some(tls) => tokio::spawn(unconstrained(async move {
                    if let Ok(stream) = tls.accept(stream).await {
                        S::serve(stream, setup).await;
                    }
                })),
            };
        }
    })
}

/// Lets hyper read the request, for libraries whose server begins with its upgrade.
pub async fn upgraded<E>(
    stream: impl Io,
    upgrade: impl Fn(Request<Incoming>) -> Result<Response<Empty<Bytes>>, E> + Send,
) where
    E: std::error::Error + Send + Sync + 'static,
{
    let service = service_fn(|request| std::future::ready(upgrade(request)));
    let connection =
        http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades();
    // What fails here is one client's, who learns it from hyper's answer or the end of the connection.
    let _ = connection.await;
}
