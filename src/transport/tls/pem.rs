//! Certificates and keys as people keep them: PEM, in memory or in files.

use std::fs::File;
use std::io::{self, Read};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::{Code, Error, Result};

/// Every CA there is fits in many times over; some devices have no end.
const FILE_SIZE: u64 = 16 * 1024 * 1024;

/// A file's text, for whatever it is meant to hold. What is no text is not PEM, or stands beside it.
pub fn read_file(path: &str, what: &str) -> Result<String> {
    // A message must not show a key.
    if path.contains("-----BEGIN") {
        return Err(Error::new(
            Code::InvalidArgument,
            format!("the {what} is given as a text: its path is expected"),
        ));
    }
    let bytes = read_start(path).map_err(|e| {
        Error::os(Code::InvalidArgument, format!("cannot read the {what} \"{path}\""), &e)
    })?;
    if bytes.len() as u64 > FILE_SIZE {
        return Err(Error::new(
            Code::InvalidArgument,
            format!("the {what} \"{path}\" is larger than 16 MiB: PEM is expected"),
        ));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// All of it, or enough to see that it is too much.
fn read_start(path: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_SIZE + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
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
        error.message.to_string()
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
    fn files_are_read_whatever_is_in_them() {
        let ca = fixtures::ca();
        let path = std::env::temp_dir().join(format!("wsock-pem-{}", std::process::id()));
        let read = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            certificates(&read_file(path.to_str().unwrap(), "CA file").unwrap(), "it")
        };
        // What stands between the certificates may be in any encoding.
        let latin = [b"# Certificaci\xF3n\r\n", ca.pem().replace('\n', "\r\n").as_bytes()].concat();
        assert_eq!(read(&latin).unwrap().len(), 1);
        assert!(refusal(read(&ca.der)).starts_with("it holds no certificate: PEM"));
        assert!(refusal(read(b"")).starts_with("it holds no certificate: PEM"));
        std::fs::remove_file(&path).unwrap();
        let directory = read_file("/", "CA file").unwrap_err();
        assert_eq!(directory.os_error, libc::EISDIR);
        let endless = read_file("/dev/zero", "CA file").unwrap_err();
        assert!(endless.message.ends_with("larger than 16 MiB: PEM is expected"), "{endless}");
    }

    #[test]
    fn a_file_that_is_not_there_is_named_with_the_reason() {
        let error = read_file("/no/such/file", "CA file").unwrap_err();
        assert_eq!(error.os_error, libc::ENOENT);
        assert!(error.message.starts_with("cannot read the CA file \"/no/such/file\": No such"));
        let error = read_file(&fixtures::ca().key_pem(), "key file").unwrap_err();
        assert_eq!(error.message, "the key file is given as a text: its path is expected");
    }
}
