//! Our own certificates, and which of them a handshake shows.

use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, SignatureScheme};

use super::certificate::Certificate;
use super::config::provider;
use super::notes::note;
use super::pem;
use crate::error::{Code, Error, Result};

/// A certificate with its chain and its private key.
#[derive(Debug)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
    /// Host names, lower case, perhaps with a `*.` in front.
    names: Vec<String>,
    /// Who signed the certificates of the chain, in DER.
    issuers: Vec<Vec<u8>>,
}

impl Identity {
    /// Both texts are PEM; the sources say in sentences where they are from.
    pub fn new(chain: &str, key: &str, chain_source: &str, key_source: &str) -> Result<Identity> {
        let chain = pem::certificates(chain, chain_source)?;
        let key = pem::private_key(key, key_source)?;
        let refused = |message| Error::new(Code::InvalidArgument, message);
        let key = provider().key_provider.load_private_key(key).map_err(|_| {
            refused(format!("{key_source} holds a private key of a kind that is not supported: use RSA of at least 2048 bits, ECDSA or Ed25519"))
        })?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(_)) => {
                let whose = Certificate::read(certified.cert[0].as_ref());
                let whose = whose.map_or_else(String::new, |it| format!(" of {}", it.subject()));
                return Err(refused(format!(
                    "the private key does not belong to the certificate{whose} (the first in {chain_source}; intermediates come after it)"
                )));
            }
            Err(_) => {
                return Err(refused(format!(
                    "the first certificate in {chain_source} cannot be read"
                )));
            }
        }
        Ok(Identity::of(certified))
    }

    fn of(certified: CertifiedKey) -> Identity {
        let read = |der: &CertificateDer<'_>| Certificate::read(der.as_ref());
        Identity {
            names: read(&certified.cert[0]).map(|leaf| leaf.dns_names()).unwrap_or_default(),
            issuers: certified.cert.iter().filter_map(read).map(|it| it.issuer_der()).collect(),
            certified: Arc::new(certified),
        }
    }

    /// Whether it is for that host, in lower case.
    fn is_for(&self, host: &str) -> bool {
        self.names.iter().any(|name| match name.strip_prefix("*.") {
            // RFC 6125 section 6.4.3: the star stands for one label.
            Some(parent) => host.split_once('.').is_some_and(|(_, rest)| rest == parent),
            None => name == host,
        })
    }

    fn can_sign(&self, schemes: &[SignatureScheme]) -> bool {
        self.certified.key.choose_scheme(schemes).is_some()
    }
}

/// Which of ours to show.
#[derive(Debug)]
pub struct Identities(pub Vec<Arc<Identity>>);

impl Identities {
    /// The first that fits, with a key the peer can check if there is one.
    fn choose(
        &self,
        schemes: &[SignatureScheme],
        fits: impl Fn(&Identity) -> bool,
    ) -> Option<Arc<CertifiedKey>> {
        let fitting: Vec<_> = self.0.iter().filter(|identity| fits(identity)).collect();
        let best = fitting.iter().find(|identity| identity.can_sign(schemes)).or(fitting.first())?;
        Some(best.certified.clone())
    }
}

impl ResolvesServerCert for Identities {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        let host = hello.server_name().map(|host| host.trim_end_matches('.').to_ascii_lowercase());
        note(|notes| notes.server_name.clone_from(&host));
        // RFC 6066 section 3 lets a server go on with its default for a name that it does not know.
        host.and_then(|host| self.choose(schemes, |identity| identity.is_for(&host)))
            .or_else(|| self.choose(schemes, |identity| identity.names == self.0[0].names))
    }
}

impl ResolvesClientCert for Identities {
    fn resolve(
        &self,
        accepted: &[&[u8]],
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let is_accepted = |identity: &Identity| {
            identity.issuers.iter().any(|issuer| accepted.contains(&issuer.as_slice()))
        };
        self.choose(schemes, is_accepted).or_else(|| self.choose(schemes, |_| true))
    }

    fn has_certs(&self) -> bool {
        !self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::tls::fixtures;

    fn identity(of: &fixtures::Issued) -> Identity {
        Identity::new(&of.pem, &of.key_pem, "the chain", "the key").unwrap()
    }

    #[test]
    fn a_star_stands_for_one_label() {
        let it = identity(&fixtures::ca().issue(&["a.example", "*.b.example"]));
        for (host, expected) in [
            ("a.example", true),
            ("x.b.example", true),
            ("x.y.b.example", false),
            ("b.example", false),
            ("c.example", false),
        ] {
            assert_eq!(it.is_for(host), expected, "{host}");
        }
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (a, b) = (fixtures::ca().issue(&["a.example"]), fixtures::ca().issue(&["b.example"]));
        let error = Identity::new(&a.pem, &b.key_pem, "the chain", "the key").unwrap_err();
        assert!(
            error
                .message
                .starts_with("the private key does not belong to the certificate of CN=a.example"),
            "{error}"
        );
    }

    #[test]
    fn clients_show_what_the_server_accepts_or_else_the_first() {
        let (one, other) = (fixtures::ca(), fixtures::ca_named("Other CA"));
        let (a, b) = (identity(&one.issue(&["a"])), identity(&other.issue(&["b"])));
        let (first, second) = (a.certified.clone(), b.certified.clone());
        let accepts_second = b.issuers[0].clone();
        let ours = Identities(vec![Arc::new(a), Arc::new(b)]);
        let schemes = [SignatureScheme::ECDSA_NISTP256_SHA256];
        let shown = |accepted: &[&[u8]]| ResolvesClientCert::resolve(&ours, accepted, &schemes);
        assert!(Arc::ptr_eq(&shown(&[&accepts_second]).unwrap(), &second));
        assert!(Arc::ptr_eq(&shown(&[]).unwrap(), &first));
        assert!(Arc::ptr_eq(&shown(&[b"nobody"]).unwrap(), &first));
    }
}
