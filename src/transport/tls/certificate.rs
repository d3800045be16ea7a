//! What stands in a certificate: names, dates, its key.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use sha2::{Digest, Sha256};
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// Whom a certificate is for, in a sentence: names beyond this many are only hinted at.
const NAMES_TOLD: usize = 3;
/// A name longer than this is cut in a sentence.
const NAME_TOLD: usize = 64;

/// A certificate that could be read.
pub struct Certificate(x509_cert::Certificate);

impl Certificate {
    /// `None` when it is not one.
    pub fn read(der: &[u8]) -> Option<Certificate> {
        x509_cert::Certificate::from_der(der).ok().map(Certificate)
    }

    /// As RFC 4514 writes it.
    pub fn subject(&self) -> String {
        self.0.tbs_certificate.subject.to_string()
    }

    /// The same of who signed it, short enough for a sentence.
    pub fn issuer(&self) -> String {
        shortened(&self.0.tbs_certificate.issuer.to_string())
    }

    /// The issuer's name in DER, as servers list those whom they trust.
    pub fn issuer_der(&self) -> Vec<u8> {
        self.0.tbs_certificate.issuer.to_der().unwrap_or_default()
    }

    /// Whether it names itself as who signed it.
    pub fn is_self_signed(&self) -> bool {
        self.0.tbs_certificate.issuer == self.0.tbs_certificate.subject
    }

    /// Seconds since 1970 from which, and until which, it is valid.
    pub fn validity(&self) -> (u64, u64) {
        let validity = &self.0.tbs_certificate.validity;
        let seconds = |time: x509_cert::time::Time| time.to_unix_duration().as_secs();
        (seconds(validity.not_before), seconds(validity.not_after))
    }

    fn alternative_names(&self) -> Vec<GeneralName> {
        match self.0.tbs_certificate.get::<SubjectAltName>() {
            Ok(Some((_, names))) => names.0,
            _ => Vec::new(),
        }
    }

    /// The host names it is for, perhaps with a `*.` in front.
    pub fn dns_names(&self) -> Vec<String> {
        let names = self.alternative_names().into_iter();
        names
            .filter_map(|name| match name {
                GeneralName::DnsName(name) => Some(name.as_str().to_ascii_lowercase()),
                _ => None,
            })
            .collect()
    }

    /// Whom it is for, for a sentence.
    pub fn names_told(&self) -> String {
        let told = |name: GeneralName| match name {
            GeneralName::DnsName(name) => Some(shortened(name.as_str())),
            GeneralName::IpAddress(bytes) => Some(match bytes.as_bytes().len() {
                4 => IpAddr::from(<[u8; 4]>::try_from(bytes.as_bytes()).ok()?).to_string(),
                _ => IpAddr::from(<[u8; 16]>::try_from(bytes.as_bytes()).ok()?).to_string(),
            }),
            _ => None,
        };
        let names: Vec<String> = self.alternative_names().into_iter().filter_map(told).collect();
        let more = if names.len() > NAMES_TOLD { " and others" } else { "" };
        match names.is_empty() {
            true => "no host at all".to_owned(),
            false => names[..names.len().min(NAMES_TOLD)].join(", ") + more,
        }
    }
}

/// SHA-256 of a certificate's public key with its kind (SubjectPublicKeyInfo), which is what pins hold.
pub fn pin_of(certificate: &CertificateDer<'_>) -> Option<[u8; 32]> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    Some(Sha256::digest(parsed.subject_public_key_info().as_ref()).into())
}

/// A pin as curl writes it.
pub fn pin_text(pin: &[u8; 32]) -> String {
    format!("sha256//{}", STANDARD.encode(pin))
}

/// Fits a sentence of one line, whatever somebody has had signed.
pub fn shortened(name: &str) -> String {
    let mut told: String = name.chars().take(NAME_TOLD).collect();
    if told.len() < name.len() {
        told.push_str("...");
    }
    told.replace(char::is_control, "?")
}

/// `2025-01-31`.
pub fn date(seconds: u64) -> String {
    // Days are counted from 0000-03-01, so that leap days come last; 400 years have 146097 of them.
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + (month <= 2) as u64;
    format!("{year:04}-{month:02}-{day:02}")
}

/// The same of rustls' time.
pub fn date_of(time: UnixTime) -> String {
    date(time.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::tls::fixtures;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01"),
            (951_782_399, "2000-02-28"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_738_281_600, "2025-01-31"),
            (4_107_542_400, "2100-03-01"),
            (253_402_300_799, "9999-12-31"),
        ] {
            assert_eq!(date(seconds), text);
        }
    }

    #[test]
    fn certificates_tell_what_they_are() {
        let ca = fixtures::ca();
        let leaf = ca.issue(&["a.example", "*.b.example", "127.0.0.1", "::1", "x.example"]);
        let read = Certificate::read(&leaf.der).unwrap();
        assert_eq!(read.subject(), "CN=a.example");
        assert_eq!(read.issuer(), "CN=Test CA");
        assert!(!read.is_self_signed());
        assert!(Certificate::read(&ca.der).unwrap().is_self_signed());
        assert_eq!(read.dns_names(), ["a.example", "*.b.example", "x.example"]);
        assert_eq!(read.names_told(), "a.example, *.b.example, 127.0.0.1 and others");
        assert!(Certificate::read(b"nothing").is_none());
    }

    #[test]
    fn names_cannot_break_a_sentence_or_pretend_to_be_two() {
        use rcgen::{DnType, SanType};
        let odd = fixtures::ca().issue_with(&["a.example"], |params| {
            params.subject_alt_names = vec![SanType::DnsName("a\nb".try_into().unwrap())];
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, "x\ny,O=z");
        });
        let read = Certificate::read(&odd.der).unwrap();
        assert_eq!(read.names_told(), "a?b");
        assert_eq!(read.subject(), "CN=x\\0ay\\,O=z");
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        assert_eq!(shortened("short"), "short");
        assert_eq!(shortened(&"é".repeat(65)), "é".repeat(64) + "...");
    }
}
