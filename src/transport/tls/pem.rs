//! Certificates and keys as people keep them: PEM, in memory or in files.

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::{Code, Error, Result};

/// A file's text, for whatever it is meant to hold.
pub fn read_file(path: &str, what: &str) -> Result<String> {
    std::fs::read_to_string(path).map_err(|e| {
        Error::os(Code::InvalidArgument, format!("cannot read the {what} \"{path}\""), &e)
    })
}

/// All certificates in `text`; `source` says in sentences where it is from.
pub fn certificates(text: &str, source: &str) -> Result<Vec<CertificateDer<'static>>> {
    let found: std::result::Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let found = found.map_err(|e| malformed(source, &e))?;
    match found.is_empty() {
        true => Err(Error::new(
            Code::InvalidArgument,
            format!(
                "{source} holds no certificate: PEM with \"-----BEGIN CERTIFICATE-----\" is expected"
            ),
        )),
        false => Ok(found),
    }
}

/// The private key in `text`.
pub fn private_key(text: &str, source: &str) -> Result<PrivateKeyDer<'static>> {
    if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || text.contains("Proc-Type: 4,ENCRYPTED")
    {
        return Err(Error::new(
            Code::InvalidArgument,
            format!(
                "{source} is encrypted with a passphrase: decrypt it with \"openssl pkey -in KEY -out PLAIN_KEY\""
            ),
        ));
    }
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|e| match e {
        pem::Error::NoItemsFound => Error::new(
            Code::InvalidArgument,
            format!(
                "{source} holds no private key: PEM with \"-----BEGIN PRIVATE KEY-----\" is expected"
            ),
        ),
        e => malformed(source, &e),
    })
}

fn malformed(source: &str, error: &pem::Error) -> Error {
    let fault = match error {
        pem::Error::MissingSectionEnd { .. } => "an \"-----END\" line is missing".to_owned(),
        pem::Error::IllegalSectionStart { .. } => "a \"-----BEGIN\" line is damaged".to_owned(),
        pem::Error::Base64Decode(_) => "what stands between the lines is not base64".to_owned(),
        other => other.to_string(),
    };
    Error::new(Code::InvalidArgument, format!("{source} is not valid PEM: {fault}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::tls::fixtures;

    fn refusal<T>(result: Result<T>) -> String {
        let error = result.err().expect("refused");
        assert_eq!(error.code, Code::InvalidArgument);
        error.message.into_owned()
    }

    #[test]
    fn what_is_no_certificate_is_told_apart() {
        let good = fixtures::ca().pem();
        assert_eq!(certificates(&(good.clone() + &good), "it").unwrap().len(), 2);
        assert!(refusal(certificates("", "it")).starts_with("it holds no certificate"));
        let cut = &good[..good.len() / 2];
        assert_eq!(
            refusal(certificates(cut, "it")),
            "it is not valid PEM: an \"-----END\" line is missing"
        );
        let damaged = good.replacen("MII", "M*I", 1);
        assert!(refusal(certificates(&damaged, "it")).ends_with("is not base64"));
        assert!(private_key(&fixtures::ca().key_pem(), "it").is_ok());
        assert!(refusal(private_key(&good, "it")).starts_with("it holds no private key"));
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n";
        assert!(refusal(private_key(encrypted, "it")).contains("openssl pkey"));
    }

    #[test]
    fn a_file_that_is_not_there_is_named_with_the_reason() {
        let error = read_file("/no/such/file", "CA file").unwrap_err();
        assert_eq!(error.os_error, libc::ENOENT);
        assert!(error.message.starts_with("cannot read the CA file \"/no/such/file\": No such"));
    }
}
