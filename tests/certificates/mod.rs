//! Certificates for the programs that speak TLS: PEM files in a directory, made anew by each run.

use std::fs;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    PublicKeyData, date_time_ymd,
};
use sha2::{Digest, Sha256};

struct Ca {
    params: CertificateParams,
    key: KeyPair,
}

fn params(names: &[&str], subject: &[(DnType, &str)]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.distinguished_name = DistinguishedName::new();
    for (kind, text) in subject {
        params.distinguished_name.push(kind.clone(), *text);
    }
    params
}

fn write(dir: &Path, file: &str, text: &str) {
    fs::write(dir.join(file), text).expect("a file for a certificate");
}

impl Ca {
    fn new(dir: &Path, file: &str, name: &str) -> Ca {
        let mut params = params(&[], &[(DnType::CommonName, name)]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        write(dir, file, &certificate.pem());
        Ca { params, key }
    }

    fn issue(&self, dir: &Path, file: &str, params: CertificateParams) {
        let key = KeyPair::generate().expect("a key");
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params.signed_by(&key, &issuer).expect("a certificate");
        write(dir, &format!("{file}.pem"), &certificate.pem());
        write(dir, &format!("{file}.key"), &key.serialize_pem());
        let pin = Sha256::digest(key.subject_public_key_info());
        use base64::Engine;
        let pin = base64::engine::general_purpose::STANDARD.encode(pin);
        write(dir, &format!("{file}.pin"), &format!("sha256//{pin}"));
    }
}

/// Everything that `tests/c/tls.c` reads.
pub fn write_to(dir: &Path) {
    fs::create_dir_all(dir).expect("a directory for certificates");
    let ca = Ca::new(dir, "ca.pem", "Test CA");
    let other = Ca::new(dir, "other-ca.pem", "Other CA");
    let here = ["127.0.0.1", "::1", "localhost", "a.example"];
    let named = |name| [(DnType::CommonName, name)];
    ca.issue(dir, "server", params(&here, &named("first")));
    ca.issue(dir, "renewed", params(&here, &named("second")));
    ca.issue(dir, "b", params(&["b.example", "*.c.example"], &named("b")));
    ca.issue(dir, "elsewhere", params(&["x.example", "*.y.example"], &named("elsewhere")));
    other.issue(dir, "strange", params(&here, &named("strange")));
    let mut expired = params(&here, &named("expired"));
    expired.not_before = date_time_ymd(2024, 1, 1);
    expired.not_after = date_time_ymd(2025, 1, 31);
    ca.issue(dir, "expired", expired);
    let client = [(DnType::OrganizationName, "Example"), (DnType::CommonName, "client")];
    ca.issue(dir, "client", params(&["client.example"], &client));
    write(
        dir,
        "encrypted.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
}
