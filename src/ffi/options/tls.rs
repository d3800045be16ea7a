//! The options of TLS.

use std::ffi::c_char;

use super::change;
use super::draft::Draft;
use super::table::IntOption;
use crate::error::Result;
use crate::ffi::args::text;
use crate::ffi::boundary;
use crate::ffi::status::wsock_status;
use crate::ffi::types::wsock_options;
use crate::transport::tls::{ClientCertificates, Version};

/// 1: a client trusts the CAs of the operating system too, although WSOCK_OPT_TLS_CA_FILE or
/// WSOCK_OPT_TLS_CA_PEM is given. Default 0: with neither it trusts those of the system, with one of them
/// it trusts nobody else.
pub const WSOCK_OPT_TLS_SYSTEM_TRUST: i32 = 60;
/// The oldest TLS version to speak, both roles: 12 (TLS 1.2) or 13 (TLS 1.3). Default 12.
pub const WSOCK_OPT_TLS_MIN_VERSION: i32 = 61;
/// DANGER. 1: a client accepts whatever certificate the server shows: expired, for another host, made by
/// anybody a minute ago. Whoever sits between you and the server can then read and change everything, as
/// if there were no TLS at all. For a certificate of your own use WSOCK_OPT_TLS_CA_FILE instead, which
/// keeps you safe. wsock_options_add_pin still counts. Default 0.
pub const WSOCK_OPT_DANGER_ACCEPT_ANY_CERTIFICATE: i32 = 62;
/// 1: handshakes with a peer that was talked to before are shortened, both roles. Sessions are kept with
/// the options, until one of the TLS options is changed. Default 1.
pub const WSOCK_OPT_TLS_RESUMPTION: i32 = 63;
/// Server: whether clients must show a certificate, WSOCK_CLIENT_CERT_*. It must come from an issuer in
/// WSOCK_OPT_TLS_CA_FILE or WSOCK_OPT_TLS_CA_PEM; WSOCK_REQUEST_PEER_SUBJECT tells whose it is.
/// Default 0, WSOCK_CLIENT_CERT_IGNORED.
pub const WSOCK_OPT_TLS_CLIENT_CERT: i32 = 64;
/// Whom to trust, a text (wsock_options_set_str): path of a PEM file with the certificates of CAs, or
/// with a server's own self-signed one. A client checks servers with it, a server its clients. The file
/// is read at once; set it again when it has changed. Default none: what the system trusts.
pub const WSOCK_OPT_TLS_CA_FILE: i32 = 110;
/// The same, a text that is the PEM itself. Both may be set. Default none.
pub const WSOCK_OPT_TLS_CA_PEM: i32 = 111;
/// Client: the host name to ask the server for (SNI) and that its certificate must be for, a text.
/// Default none: the host of the URL.
pub const WSOCK_OPT_TLS_SERVER_NAME: i32 = 112;

/// Clients are not asked for a certificate.
pub const WSOCK_CLIENT_CERT_IGNORED: i64 = 0;
/// Clients may show one, and if they do it must be good.
pub const WSOCK_CLIENT_CERT_OPTIONAL: i64 = 1;
/// Clients without a good one are refused.
pub const WSOCK_CLIENT_CERT_REQUIRED: i64 = 2;

const fn flag(key: i32, get: fn(&Draft) -> i64, set: fn(&mut Draft, i64)) -> IntOption {
    IntOption { key, min: 0, max: 1, get, set }
}

/// Their rows.
pub(super) const INT_OPTIONS: &[IntOption] = &[
    flag(
        WSOCK_OPT_TLS_SYSTEM_TRUST,
        |draft| draft.settings.tls.system_trust() as i64,
        |draft, value| draft.settings.tls.set_system_trust(value != 0),
    ),
    IntOption {
        key: WSOCK_OPT_TLS_MIN_VERSION,
        min: 12,
        max: 13,
        get: |draft| match draft.settings.tls.min_version() {
            Version::Tls12 => 12,
            Version::Tls13 => 13,
        },
        set: |draft, value| {
            let version = if value == 13 { Version::Tls13 } else { Version::Tls12 };
            draft.settings.tls.set_min_version(version);
        },
    },
    flag(
        WSOCK_OPT_DANGER_ACCEPT_ANY_CERTIFICATE,
        |draft| draft.settings.tls.accept_any_certificate() as i64,
        |draft, value| draft.settings.tls.set_accept_any_certificate(value != 0),
    ),
    flag(
        WSOCK_OPT_TLS_RESUMPTION,
        |draft| draft.settings.tls.resumption() as i64,
        |draft, value| draft.settings.tls.set_resumption(value != 0),
    ),
    IntOption {
        key: WSOCK_OPT_TLS_CLIENT_CERT,
        min: WSOCK_CLIENT_CERT_IGNORED,
        max: WSOCK_CLIENT_CERT_REQUIRED,
        get: |draft| match draft.settings.tls.client_certificates() {
            ClientCertificates::Ignored => WSOCK_CLIENT_CERT_IGNORED,
            ClientCertificates::Optional => WSOCK_CLIENT_CERT_OPTIONAL,
            ClientCertificates::Required => WSOCK_CLIENT_CERT_REQUIRED,
        },
        set: |draft, value| {
            draft.settings.tls.set_client_certificates(match value {
                WSOCK_CLIENT_CERT_OPTIONAL => ClientCertificates::Optional,
                WSOCK_CLIENT_CERT_REQUIRED => ClientCertificates::Required,
                _ => ClientCertificates::Ignored,
            });
        },
    },
];

/// What is missing, if it is.
pub(super) const MISSING: Option<&str> = if cfg!(feature = "tls") { None } else { Some("TLS") };

/// See `table::set_text`.
pub(super) fn set_text(draft: &mut Draft, key: i32, value: &str) -> Option<Result<()>> {
    let tls = &mut draft.settings.tls;
    Some(match key {
        WSOCK_OPT_TLS_CA_FILE => tls.set_ca_file(value),
        WSOCK_OPT_TLS_CA_PEM => tls.set_ca_pem(value),
        WSOCK_OPT_TLS_SERVER_NAME => tls.set_server_name(value),
        _ => return None,
    })
}

/// Adds a certificate of your own with its private key, from two PEM files; with it a server listens for
/// wss://, and a client shows it to servers that ask. chain_file holds the certificate first and then the
/// intermediates behind it, as `fullchain.pem` does; key_file the key without a passphrase. It may be
/// added to: a server shows the one that is for the host that the client asks for, else the first. Files
/// are read at once; wsock_server_set_tls takes newer ones into use.
///
/// Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT (unreadable, not PEM, a key of another
/// certificate ...), UNSUPPORTED (no TLS in this build). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_options_add_cert_files(
    options: *mut wsock_options,
    chain_file: *const c_char,
    key_file: *const c_char,
) -> wsock_status {
    boundary::status(|| {
        // SAFETY: NULL or NUL-terminated.
        let (chain, key) = unsafe { (text(chain_file, "chain_file"), text(key_file, "key_file")) };
        change(options, |draft| draft.settings.tls.add_identity_files(chain?, key?))
    })
}

/// The same from memory: both texts are PEM.
///
/// Ownership: both are copied. Thread: any.
/// Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT, UNSUPPORTED. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_options_add_cert_pem(
    options: *mut wsock_options,
    chain_pem: *const c_char,
    key_pem: *const c_char,
) -> wsock_status {
    boundary::status(|| {
        // SAFETY: NULL or NUL-terminated.
        let (chain, key) = unsafe { (text(chain_pem, "chain_pem"), text(key_pem, "key_pem")) };
        change(options, |draft| draft.settings.tls.add_identity_pem(chain?, key?))
    })
}

/// Client: the server's certificate must have this public key, or another that was added, and still be
/// good in every other way. pin is "sha256//" and the base64 of the SHA-256 of the key, as curl's
/// --pinnedpubkey takes it; several may stand in one text with ";" between them. The message of a
/// refusal tells the pin that the server has.
///
/// Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT, UNSUPPORTED. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_options_add_pin(
    options: *mut wsock_options,
    pin: *const c_char,
) -> wsock_status {
    boundary::status(|| {
        // SAFETY: NULL or NUL-terminated.
        let pin = unsafe { text(pin, "pin") };
        change(options, |draft| draft.settings.tls.add_pin(pin?))
    })
}
