//! Certificates for tests.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// Somebody who issues certificates.
pub struct Ca {
    params: CertificateParams,
    key: KeyPair,
    /// Its own certificate.
    pub der: Vec<u8>,
    pem: String,
}

/// What was issued.
pub struct Issued {
    pub der: Vec<u8>,
    pub pem: String,
    pub key_pem: String,
}

/// The usual one.
pub fn ca() -> Ca {
    ca_named("Test CA")
}

/// One with another name.
pub fn ca_named(name: &str) -> Ca {
    let mut params = params(&[], name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Ca { der: certificate.der().to_vec(), pem: certificate.pem(), params, key }
}

fn params(names: &[&str], common_name: &str) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

impl Ca {
    /// Its certificate.
    pub fn pem(&self) -> String {
        self.pem.clone()
    }

    /// Its key.
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// A certificate for these hosts, the first of which is its subject.
    pub fn issue(&self, names: &[&str]) -> Issued {
        self.issue_with(names, |_| {})
    }

    /// The same with a change.
    pub fn issue_with(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Issued {
        let mut params = params(names, names[0]);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        Issued {
            der: certificate.der().to_vec(),
            pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        }
    }
}

/// As `openssl req -x509` makes it: a server's certificate that says it is a CA.
pub fn self_signed(name: &str) -> Issued {
    let mut params = params(&[name], name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Issued { der: certificate.der().to_vec(), pem: certificate.pem(), key_pem: key.serialize_pem() }
}
