//! What rustls needs, made of the settings.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use rustls_platform_verifier::Verifier as SystemVerifier;

use super::identity::Identities;
use super::settings::{ClientCertificates, Values, Version};
use super::verify::{ClientCheck, ServerCheck};
use crate::error::{Code, Error, Result};

/// RFC 6455 connections begin as HTTP/1.1, and so do those of proxies.
const ALPN: &[u8] = b"http/1.1";

/// The cryptography below it all.
pub fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    &PROVIDER
}

/// Everything a client's handshakes share, their sessions to resume too.
#[derive(Clone, Debug)]
pub struct ClientTls {
    pub(super) config: Arc<ClientConfig>,
    pub(super) server_name: Option<ServerName<'static>>,
    /// Certificates are verified, so that names in them mean something.
    pub(super) verifies: bool,
}

impl ClientTls {
    /// The name that the server's certificate must have.
    pub fn name_for(&self, host: &str) -> Result<ServerName<'static>> {
        match &self.server_name {
            Some(name) => Ok(name.clone()),
            None => parse_name(host),
        }
    }
}

/// Everything a server's handshakes share.
#[derive(Clone, Debug)]
pub struct ServerTls {
    pub(super) config: Arc<ServerConfig>,
    /// What a client had to show to get its ticket.
    asked: Arc<(ClientCertificates, Vec<CertificateDer<'static>>)>,
}

impl ServerTls {
    /// Takes over the tickets of what was in use before, so that clients still can resume: unless
    /// they would thereby get round a change of what they have to show.
    pub fn succeeding(self, last: &ServerTls) -> ServerTls {
        let resumes = |tls: &ServerTls| tls.config.ticketer.enabled();
        if self.asked != last.asked || !resumes(&self) || !resumes(last) {
            return self;
        }
        let mut config = ServerConfig::clone(&self.config);
        config.ticketer = last.config.ticketer.clone();
        config.session_storage = last.config.session_storage.clone();
        ServerTls { config: Arc::new(config), ..self }
    }
}

/// A host name or an address that a certificate can be for.
pub fn parse_name(host: &str) -> Result<ServerName<'static>> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    ServerName::try_from(bare.to_owned()).map_err(|_| {
        Error::new(
            Code::InvalidArgument,
            format!("\"{host}\" is no host name or address that a certificate can be for"),
        )
    })
}

impl Values {
    /// For the handshakes of a client.
    pub(super) fn client(&self) -> Result<ClientTls> {
        let check = ServerCheck {
            chain: if self.accept_any_certificate { None } else { Some(self.chain_verifier()?) },
            trusted: self.ca(),
            pins: self.pins.clone(),
            algorithms: provider().signature_verification_algorithms,
        };
        let builder = ClientConfig::builder_with_provider(provider().clone())
            .with_protocol_versions(self.versions())
            .map_err(|e| internal(&e))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(check));
        let mut config = match self.identities.is_empty() {
            true => builder.with_no_client_auth(),
            false => {
                builder.with_client_cert_resolver(Arc::new(Identities(self.identities.clone())))
            }
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        if !self.resumption {
            config.resumption = Resumption::disabled();
        }
        Ok(ClientTls {
            config: Arc::new(config),
            server_name: self.server_name.clone(),
            verifies: !self.accept_any_certificate,
        })
    }

    /// For those of a server; `None` without a certificate to show.
    pub(super) fn server(&self) -> Result<Option<ServerTls>> {
        let asks = self.client_certificates;
        let refused = |message| Err(Error::new(Code::InvalidArgument, message));
        if self.identities.is_empty() {
            if asks != ClientCertificates::Ignored {
                return refused(
                    "WSOCK_OPT_TLS_CLIENT_CERT needs a server that speaks TLS: give it a certificate with wsock_options_add_cert_files",
                );
            }
            return Ok(None);
        }
        let ca = self.ca();
        let builder = ServerConfig::builder_with_provider(provider().clone())
            .with_protocol_versions(self.versions())
            .map_err(|e| internal(&e))?;
        let builder = if asks == ClientCertificates::Ignored {
            builder.with_no_client_auth()
        } else if ca.is_empty() {
            return refused(
                "WSOCK_OPT_TLS_CLIENT_CERT needs to know who issues the clients' certificates: give that CA in WSOCK_OPT_TLS_CA_FILE",
            );
        } else {
            let roots = Arc::new(self.roots()?);
            let mut verifier =
                WebPkiClientVerifier::builder_with_provider(roots, provider().clone());
            if asks == ClientCertificates::Optional {
                verifier = verifier.allow_unauthenticated();
            }
            let verifier = verifier.build().map_err(|e| internal(&e))?;
            builder.with_client_cert_verifier(Arc::new(ClientCheck(verifier)))
        };
        let mut config = builder.with_cert_resolver(Arc::new(Identities(self.identities.clone())));
        config.alpn_protocols = vec![ALPN.to_vec()];
        if self.resumption {
            config.ticketer = aws_lc_rs::Ticketer::new().map_err(|e| internal(&e))?;
        } else {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        let asked = match asks {
            ClientCertificates::Ignored => (asks, Vec::new()),
            _ => (asks, ca),
        };
        Ok(Some(ServerTls { config: Arc::new(config), asked: Arc::new(asked) }))
    }

    fn versions(&self) -> &'static [&'static SupportedProtocolVersion] {
        static NEWEST: [&SupportedProtocolVersion; 1] = [&version::TLS13];
        match self.min_version {
            Version::Tls12 => rustls::ALL_VERSIONS,
            Version::Tls13 => &NEWEST,
        }
    }

    fn roots(&self) -> Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        for certificate in self.ca() {
            roots.add(certificate).map_err(|e| internal(&e))?;
        }
        Ok(roots)
    }

    fn chain_verifier(&self) -> Result<Arc<dyn ServerCertVerifier>> {
        let ca = self.ca();
        if ca.is_empty() {
            return Ok(system_verifier()?);
        }
        if self.system_trust {
            let both = SystemVerifier::new_with_extra_roots(ca, provider().clone());
            return Ok(Arc::new(both.map_err(|e| no_system_trust(&e))?));
        }
        let roots = Arc::new(self.roots()?);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider().clone());
        Ok(verifier.build().map_err(|e| internal(&e))?)
    }
}

/// Reading the certificates of the system takes milliseconds, so it is done once.
fn system_verifier() -> Result<Arc<SystemVerifier>> {
    static SYSTEM: Mutex<Option<Arc<SystemVerifier>>> = Mutex::new(None);
    let mut system = SYSTEM.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(verifier) = &*system {
        return Ok(verifier.clone());
    }
    let verifier = SystemVerifier::new(provider().clone()).map_err(|e| no_system_trust(&e))?;
    Ok(system.insert(Arc::new(verifier)).clone())
}

fn no_system_trust(error: &rustls::Error) -> Error {
    Error::new(
        Code::Certificate,
        format!(
            "the system has no CA certificates to trust: install them (package ca-certificates) or give some in WSOCK_OPT_TLS_CA_FILE ({error})"
        ),
    )
}

fn internal(error: &dyn std::error::Error) -> Error {
    Error::new(Code::Tls, format!("TLS cannot be set up: {error}"))
}
