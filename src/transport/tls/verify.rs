//! Whether the peer's certificate is accepted: the chain, the pins, and the sentence when it is not.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::certificate::{Certificate, pin_of, pin_text};
use super::explain::refused_certificate;
use super::notes::note;

/// What a client asks of a server's certificate.
#[derive(Debug)]
pub struct ServerCheck {
    /// Who judges the chain; nobody when any certificate is accepted.
    pub chain: Option<Arc<dyn ServerCertVerifier>>,
    /// Certificates that the application trusts.
    pub trusted: Vec<CertificateDer<'static>>,
    /// One of these must be that of the certificate, unless there are none.
    pub pins: Vec<[u8; 32]>,
    /// How signatures are checked.
    pub algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCheck {
    /// `openssl req -x509` makes certificates that are their own CA, which RFC 5280 has no place for
    /// as a server's. An application that trusts precisely this one means it.
    fn is_trusted_itself(
        &self,
        certificate: &CertificateDer<'_>,
        host: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<bool, Error> {
        if !self.trusted.iter().any(|trusted| trusted.as_ref() == certificate.as_ref()) {
            return Ok(false);
        }
        verify_server_name(&ParsedCertificate::try_from(certificate)?, host)?;
        let read = Certificate::read(certificate.as_ref()).ok_or(CertificateError::BadEncoding)?;
        let (not_before, not_after) = read.validity();
        match now.as_secs() {
            time if time < not_before => Err(CertificateError::NotValidYet.into()),
            time if time > not_after => Err(CertificateError::Expired.into()),
            _ => Ok(true),
        }
    }

    fn check(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<(), Error> {
        if let Some(chain) = &self.chain
            && !self.is_trusted_itself(certificate, host, now)?
        {
            let verified = chain.verify_server_cert(certificate, intermediates, host, ocsp, now);
            verified.map_err(|error| match error {
                // webpki has other words for one that is its own CA.
                Error::InvalidCertificate(CertificateError::Other(_))
                    if Certificate::read(certificate.as_ref())
                        .is_some_and(|it| it.is_self_signed()) =>
                {
                    CertificateError::UnknownIssuer.into()
                }
                other => other,
            })?;
        }
        if self.pins.is_empty() {
            return Ok(());
        }
        let pin = pin_of(certificate).ok_or(CertificateError::BadEncoding)?;
        if self.pins.contains(&pin) {
            return Ok(());
        }
        note(|notes| {
            notes.refusal = Some(format!(
                "the certificate of {} has none of the pinned keys: its pin is {}",
                host.to_str(),
                pin_text(&pin)
            ));
        });
        Err(CertificateError::ApplicationVerificationFailure.into())
    }
}

impl ServerCertVerifier for ServerCheck {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let checked = self.check(certificate, intermediates, host, ocsp, now);
        let whose = format!("the certificate of {}", host.to_str());
        explained(checked, &whose, Some(&host.to_str()), certificate, intermediates)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// What a server asks of a client's certificate: rustls' answer, with a sentence.
#[derive(Debug)]
pub struct ClientCheck(pub Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for ClientCheck {
    fn offer_client_auth(&self) -> bool {
        self.0.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let checked = self.0.verify_client_cert(certificate, intermediates, now);
        explained(checked, "the client's certificate", None, certificate, intermediates)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Leaves a sentence about a refusal, while the certificates are at hand.
fn explained<T>(
    checked: Result<T, Error>,
    whose: &str,
    host: Option<&str>,
    certificate: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> Result<T, Error> {
    if let Err(Error::InvalidCertificate(error)) = &checked {
        note(|notes| {
            notes.refusal.get_or_insert_with(|| {
                refused_certificate(error, whose, host, certificate, intermediates)
            });
        });
    }
    checked
}
