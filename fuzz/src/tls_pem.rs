//! Certificates, keys, pins and names as an application may give them: any text is taken or refused with a
//! sentence, and what was taken makes a server or a client.

use super::Seed;
use super::input::Input;
use wsock::error::{Code, Result};
use wsock::transport::tls::{ClientCertificates, TlsSettings, Version};

const CERTIFICATE: &str = include_str!("ffi_calls/certificate.pem");
const KEY: &str = include_str!("ffi_calls/key.pem");
const PIN: &str = "sha256//8wMnsaflwOGPss01STE6iuFfB0QE1PnjtsSxUB+YsN4=";

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (what, flags) = (input.below(5), input.byte());
    let Ok(text) = std::str::from_utf8(input.rest()) else { return };
    let mut settings = TlsSettings::default();
    settings.set_resumption(flags & 1 == 0);
    settings.set_accept_any_certificate(flags & 2 != 0);
    settings.set_min_version(if flags & 4 == 0 { Version::Tls12 } else { Version::Tls13 });
    let taken = match what {
        0 => settings.set_ca_pem(text),
        1 => settings.add_identity_pem(text, KEY),
        2 => settings.add_identity_pem(CERTIFICATE, text),
        3 => settings.add_pin(text),
        _ => settings.set_server_name(text),
    };
    if !answered(&taken, text) {
        return;
    }
    if flags & 8 != 0 {
        settings.set_client_certificates(ClientCertificates::Optional);
    }
    // The system's own list takes long to read, and is not what is tested.
    if settings.set_ca_pem(if what == 0 { text } else { CERTIFICATE }).is_ok() {
        answered(&settings.client(), text);
    }
    answered(&settings.server(), text);
    answered(&settings.for_strangers().server(), text);
}

/// Taken, or refused with a sentence.
fn answered<T>(result: &Result<T>, text: &str) -> bool {
    let Err(error) = result else { return true };
    assert!(matches!(error.code, Code::InvalidArgument | Code::Tls), "{error}");
    assert!(!error.message.is_empty());
    // What was given may be quoted, as it was.
    let odd = |text: &str| text.chars().any(char::is_control);
    assert!(!odd(&error.message) || odd(text), "{error}");
    false
}

pub fn seeds() -> Vec<Seed> {
    let cut = &CERTIFICATE[..CERTIFICATE.len() / 2];
    let two = format!("{CERTIFICATE}\n# between\r\n{CERTIFICATE}");
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n";
    let pins = format!("{PIN}; {PIN}");
    [
        ("ca", 0, 0, CERTIFICATE),
        ("ca_cut", 0, 0, cut),
        ("ca_two", 0, 5, &two),
        ("none", 0, 0, ""),
        ("identity", 1, 8, CERTIFICATE),
        ("key", 2, 8, KEY),
        ("key_encrypted", 2, 0, encrypted),
        ("no_key", 2, 0, CERTIFICATE),
        ("pin", 3, 2, &pins),
        ("pin_short", 3, 0, "sha256//AAAA"),
        ("name", 4, 4, "localhost"),
        ("address", 4, 0, "::1"),
    ]
    .map(|(name, what, flags, text)| (name, [&[what, flags], text.as_bytes()].concat()))
    .to_vec()
}
