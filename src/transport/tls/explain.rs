//! Failures of TLS as sentences that say what to do.

use rustls::pki_types::CertificateDer;
use rustls::{AlertDescription, CertificateError, InvalidMessage, PeerIncompatible};

use super::certificate::{Certificate, date, date_of};
use crate::error::{Code, Error};

/// Which side of the handshake we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We called.
    Client,
    /// We were called.
    Server,
}

/// The other side, for a sentence.
pub fn peer(role: Role) -> &'static str {
    if role == Role::Client { "the server" } else { "the client" }
}

/// What rustls complained of. `refusal` is what the verifier left.
pub fn failure(error: &rustls::Error, refusal: Option<String>, role: Role) -> Error {
    let peer = peer(role);
    let (code, alert, message) = match error {
        rustls::Error::InvalidCertificate(error) => {
            let alert = AlertDescription::from(error.clone());
            let message = refusal
                .unwrap_or_else(|| format!("the certificate of {peer} is not accepted: {error}"));
            (Code::Certificate, alert, message)
        }
        rustls::Error::AlertReceived(alert) => (Code::Tls, *alert, received(*alert, role)),
        rustls::Error::NoCertificatesPresented => (
            Code::Certificate,
            AlertDescription::CertificateRequired,
            format!("{peer} showed no certificate"),
        ),
        rustls::Error::NoApplicationProtocol => (
            Code::Tls,
            AlertDescription::NoApplicationProtocol,
            format!("{peer} offers only protocols other than http/1.1 (ALPN)"),
        ),
        rustls::Error::PeerIncompatible(why) => incompatible(why, peer),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => (
            Code::Tls,
            AlertDescription::DecodeError,
            format!("{peer} does not speak TLS on this port"),
        ),
        rustls::Error::InvalidMessage(_) => {
            (Code::Tls, AlertDescription::DecodeError, format!("{peer} broke TLS: {error}"))
        }
        rustls::Error::DecryptError => (
            Code::Tls,
            AlertDescription::BadRecordMac,
            "a TLS record was damaged or forged on its way".to_owned(),
        ),
        rustls::Error::PeerSentOversizedRecord => (
            Code::Tls,
            AlertDescription::RecordOverflow,
            format!("{peer} sent a TLS record that is too long"),
        ),
        _ => (Code::Tls, AlertDescription::InternalError, format!("TLS failed: {error}")),
    };
    Error::new(code, message).with(|it| it.tls_alert = alert.into())
}

fn incompatible(why: &PeerIncompatible, peer: &str) -> (Code, AlertDescription, String) {
    use PeerIncompatible::*;
    match why {
        ServerDoesNotSupportTls12Or13
        | ServerTlsVersionIsDisabledByOurConfig
        | SupportedVersionsExtensionRequired
        | Tls12NotOffered
        | Tls12NotOfferedOrEnabled => (
            Code::Tls,
            AlertDescription::ProtocolVersion,
            format!(
                "{peer} speaks no TLS version that is allowed here (WSOCK_OPT_TLS_MIN_VERSION; below 1.2 is never spoken)"
            ),
        ),
        NoCipherSuitesInCommon | NoKxGroupsInCommon | NoSignatureSchemesInCommon => (
            Code::Tls,
            AlertDescription::HandshakeFailure,
            format!("{peer} and this side have no kind of encryption in common ({why:?})"),
        ),
        _ => (
            Code::Tls,
            AlertDescription::HandshakeFailure,
            format!("{peer} and this side do not fit together ({why:?})"),
        ),
    }
}

/// What the peer said when it gave up.
fn received(alert: AlertDescription, role: Role) -> String {
    use AlertDescription::*;
    let (peer, ours) = match role {
        Role::Client => ("the server", "our client certificate"),
        Role::Server => ("the client", "our certificate"),
    };
    let (words, name) = match alert {
        UnknownCA => (format!("it does not trust who issued {ours}"), "unknown_ca"),
        CertificateExpired => {
            (format!("{ours} has expired or is not valid yet"), "certificate_expired")
        }
        CertificateRevoked => (format!("{ours} is revoked"), "certificate_revoked"),
        BadCertificate => (format!("it does not accept {ours}"), "bad_certificate"),
        CertificateUnknown => (format!("it does not accept {ours}"), "certificate_unknown"),
        UnsupportedCertificate => {
            (format!("{ours} is not made for this purpose"), "unsupported_certificate")
        }
        AccessDenied => (format!("it does not accept {ours}"), "access_denied"),
        CertificateRequired => (
            "it wants a client certificate: give one with wsock_options_add_cert_files".to_owned(),
            "certificate_required",
        ),
        ProtocolVersion => (
            "it speaks no TLS version that is allowed here (WSOCK_OPT_TLS_MIN_VERSION)".to_owned(),
            "protocol_version",
        ),
        HandshakeFailure => (
            "nothing it would agree to is offered; it may want a client certificate".to_owned(),
            "handshake_failure",
        ),
        UnrecognisedName => ("it does not serve this host name".to_owned(), "unrecognized_name"),
        NoApplicationProtocol => {
            ("it does not offer http/1.1 (ALPN)".to_owned(), "no_application_protocol")
        }
        InternalError => ("it has a failure of its own".to_owned(), "internal_error"),
        UserCanceled => ("somebody there cancelled it".to_owned(), "user_canceled"),
        DecryptError => ("a signature of ours did not convince it".to_owned(), "decrypt_error"),
        other => return format!("{peer} gave TLS up (alert {})", u8::from(other)),
    };
    format!("{peer} refused: {words} (alert {name})")
}

/// Why the peer's certificate is not accepted.
pub fn refused_certificate(
    error: &CertificateError,
    whose: &str,
    host: Option<&str>,
    certificate: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> String {
    let Some(leaf) = Certificate::read(certificate.as_ref()) else {
        return format!("{whose} is not accepted: {error}");
    };
    let (not_before, not_after) = leaf.validity();
    match error {
        CertificateError::Expired => format!("{whose} expired on {}", date(not_after)),
        CertificateError::ExpiredContext { not_after: when, .. } => {
            let of_leaf = when.as_secs() == not_after;
            let which = if of_leaf { whose.to_owned() } else { in_chain(whose) };
            format!("{which} expired on {}", date_of(*when))
        }
        CertificateError::NotValidYet => {
            format!("{whose} is valid only from {}; is the clock right?", date(not_before))
        }
        CertificateError::NotValidYetContext { not_before: when, .. } => {
            let of_leaf = when.as_secs() == not_before;
            let which = if of_leaf { whose.to_owned() } else { in_chain(whose) };
            format!("{which} is valid only from {}; is the clock right?", date_of(*when))
        }
        CertificateError::UnknownIssuer => unknown_issuer(whose, &leaf, intermediates),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("{whose} is for {}, not for {}", leaf.names_told(), host.unwrap_or("this host"))
        }
        CertificateError::BadSignature => {
            format!("{whose} is not signed by the {} that it names", leaf.issuer())
        }
        CertificateError::Revoked => format!("{whose} is revoked"),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            format!("{whose} is not made for this purpose (extended key usage)")
        }
        other => format!("{whose} is not accepted: {other}"),
    }
}

fn in_chain(whose: &str) -> String {
    format!("a certificate that stands behind {whose}")
}

fn unknown_issuer(whose: &str, leaf: &Certificate, above: &[CertificateDer<'_>]) -> String {
    const REMEDY: &str = "to trust it, give it in WSOCK_OPT_TLS_CA_FILE";
    if leaf.is_self_signed() {
        return format!("{whose} is self-signed and not trusted: {REMEDY}");
    }
    // The issuer of the last that was shown is the one that is missing.
    let last = above.iter().rev().find_map(|der| Certificate::read(der.as_ref()));
    let issuer = last.map_or_else(|| leaf.issuer(), |last| last.issuer());
    format!("{whose} comes from the unknown issuer {issuer}: {REMEDY}")
}

/// The peer ended TCP in the middle.
pub fn truncated() -> Error {
    Error::new(
        Code::TlsTruncated,
        "the peer closed TCP without ending TLS: what it sent may have been cut off",
    )
}

/// The same while the handshake was under way.
pub fn hung_up(role: Role) -> Error {
    Error::new(
        Code::ConnectionLost,
        match role {
            Role::Client => {
                "the server closed the connection during the TLS handshake; does it speak TLS on this port?"
            }
            Role::Server => "the client closed the connection during the TLS handshake",
        },
    )
}

/// The answer to somebody who speaks plain HTTP to a TLS server.
pub const PLAIN_HTTP_ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Length: 48\r\nConnection: close\r\n\r\n\
    This port speaks TLS: use wss:// or https:// .\r\n";

/// The peer's first bytes are HTTP and not TLS.
pub fn plain_http(first: &[u8], role: Role) -> Option<Error> {
    // Records of TLS begin with a number below 32.
    let message = match role {
        Role::Client if first.starts_with(b"HTTP/") => {
            "the server speaks plain HTTP on this port, not TLS: use ws://"
        }
        Role::Server if first.len() >= 5 && first[..3].iter().all(u8::is_ascii_uppercase) => {
            "the client speaks plain HTTP on this port, which speaks TLS"
        }
        _ => return None,
    };
    Some(Error::new(Code::Tls, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_in_plain_has_the_length_it_says() {
        let text = std::str::from_utf8(PLAIN_HTTP_ANSWER).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{}", body.len());
    }

    #[test]
    fn alerts_are_told_in_words_of_the_side_that_hears_them() {
        let alert = |alert, role| failure(&rustls::Error::AlertReceived(alert), None, role);
        let error = alert(AlertDescription::UnknownCA, Role::Server);
        assert_eq!((error.code, error.tls_alert), (Code::Tls, 48));
        assert_eq!(
            error.message,
            "the client refused: it does not trust who issued our certificate (alert unknown_ca)"
        );
        let error = alert(AlertDescription::CertificateRequired, Role::Client);
        assert!(error.message.contains("wsock_options_add_cert_files"));
        let error = alert(AlertDescription::Unknown(200), Role::Client);
        assert_eq!(error.message, "the server gave TLS up (alert 200)");
    }
}
