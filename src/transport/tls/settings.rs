//! What an application sets. Each value is checked when it is set; what is refused changes nothing.

use std::fmt;
use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, ServerName};

use super::config::{ClientTls, ServerTls, parse_name};
use super::identity::Identity;
use super::pem;
use crate::error::{Code, Error, Result};

/// The lowest version to speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// RFC 5246.
    #[default]
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// What a server asks of its clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// None is asked for.
    #[default]
    Ignored,
    /// One that is shown must be good; none is fine too.
    Optional,
    /// Without a good one there is no connection.
    Required,
}

/// See the module. Clones share what is made of the settings, so that sessions resume from one
/// connection to the next; each change begins anew.
#[derive(Clone, Default)]
pub struct TlsSettings(Arc<Shared>);

#[derive(Default)]
struct Shared {
    values: Values,
    client: OnceLock<ClientTls>,
    server: OnceLock<Option<ServerTls>>,
    for_strangers: OnceLock<TlsSettings>,
    for_proxy: OnceLock<TlsSettings>,
}

/// As set.
#[derive(Clone)]
pub(super) struct Values {
    ca_pem: Vec<CertificateDer<'static>>,
    ca_file: Vec<CertificateDer<'static>>,
    pub(super) system_trust: bool,
    pub(super) identities: Vec<Arc<Identity>>,
    pub(super) pins: Vec<[u8; 32]>,
    pub(super) min_version: Version,
    pub(super) accept_any_certificate: bool,
    pub(super) resumption: bool,
    pub(super) server_name: Option<ServerName<'static>>,
    pub(super) client_certificates: ClientCertificates,
}

impl Default for Values {
    fn default() -> Self {
        Values {
            ca_pem: Vec::new(),
            ca_file: Vec::new(),
            system_trust: false,
            identities: Vec::new(),
            pins: Vec::new(),
            min_version: Version::Tls12,
            accept_any_certificate: false,
            resumption: true,
            server_name: None,
            client_certificates: ClientCertificates::Ignored,
        }
    }
}

impl Values {
    /// Whom the application trusts.
    pub(super) fn ca(&self) -> Vec<CertificateDer<'static>> {
        self.ca_file.iter().chain(&self.ca_pem).cloned().collect()
    }
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = &self.0.values;
        f.debug_struct("TlsSettings")
            .field("ca", &values.ca().len())
            .field("identities", &values.identities.len())
            .field("accept_any_certificate", &values.accept_any_certificate)
            .finish_non_exhaustive()
    }
}

impl TlsSettings {
    fn change(&mut self, change: impl FnOnce(&mut Values)) {
        let mut values = self.0.values.clone();
        change(&mut values);
        self.0 = Arc::new(Shared { values, ..Shared::default() });
    }

    /// Trusts the issuers in this PEM; "" takes it back.
    pub fn set_ca_pem(&mut self, text: &str) -> Result<()> {
        let ca = if text.is_empty() { Vec::new() } else { trustworthy(text, "the CA text")? };
        self.change(|values| values.ca_pem = ca);
        Ok(())
    }

    /// Trusts the issuers in this file; "" takes it back.
    pub fn set_ca_file(&mut self, path: &str) -> Result<()> {
        let ca = match path {
            "" => Vec::new(),
            path => {
                let text = pem::read_file(path, "CA file")?;
                trustworthy(&text, &format!("the CA file \"{path}\""))?
            }
        };
        self.change(|values| values.ca_file = ca);
        Ok(())
    }

    /// Whether the system's CAs are trusted although some were given.
    pub fn system_trust(&self) -> bool {
        self.0.values.system_trust
    }

    /// See [`TlsSettings::system_trust`].
    pub fn set_system_trust(&mut self, on: bool) {
        self.change(|values| values.system_trust = on);
    }

    /// Adds a certificate of ours, with the intermediates behind it, and its key.
    pub fn add_identity_pem(&mut self, chain: &str, key: &str) -> Result<()> {
        self.add_identity(Identity::new(chain, key, "the certificate text", "the key text")?);
        Ok(())
    }

    /// The same from files.
    pub fn add_identity_files(&mut self, chain_path: &str, key_path: &str) -> Result<()> {
        let chain = pem::read_file(chain_path, "certificate file")?;
        let key = pem::read_file(key_path, "key file")?;
        let chain_source = format!("the certificate file \"{chain_path}\"");
        let key_source = format!("the key file \"{key_path}\"");
        self.add_identity(Identity::new(&chain, &key, &chain_source, &key_source)?);
        Ok(())
    }

    fn add_identity(&mut self, identity: Identity) {
        self.change(|values| values.identities.push(Arc::new(identity)));
    }

    /// Adds pins as curl has them: `sha256//BASE64`, several with `;` between them.
    pub fn add_pin(&mut self, pins: &str) -> Result<()> {
        let pins = pins.split(';').map(parse_pin).collect::<Result<Vec<_>>>()?;
        self.change(|values| values.pins.extend(pins));
        Ok(())
    }

    /// The lowest version to speak.
    pub fn min_version(&self) -> Version {
        self.0.values.min_version
    }

    /// See [`TlsSettings::min_version`].
    pub fn set_min_version(&mut self, version: Version) {
        self.change(|values| values.min_version = version);
    }

    /// Whether a client accepts whatever the server shows, pins apart.
    pub fn accept_any_certificate(&self) -> bool {
        self.0.values.accept_any_certificate
    }

    /// See [`TlsSettings::accept_any_certificate`].
    pub fn set_accept_any_certificate(&mut self, on: bool) {
        self.change(|values| values.accept_any_certificate = on);
    }

    /// Whether handshakes may be shortened by what earlier ones came to.
    pub fn resumption(&self) -> bool {
        self.0.values.resumption
    }

    /// See [`TlsSettings::resumption`].
    pub fn set_resumption(&mut self, on: bool) {
        self.change(|values| values.resumption = on);
    }

    /// Asks the server for this name, and its certificate too, instead of the URL's host; "" takes it
    /// back.
    pub fn set_server_name(&mut self, name: &str) -> Result<()> {
        let name = if name.is_empty() { None } else { Some(parse_name(name)?) };
        self.change(|values| values.server_name = name);
        Ok(())
    }

    /// What a server asks of its clients.
    pub fn client_certificates(&self) -> ClientCertificates {
        self.0.values.client_certificates
    }

    /// See [`TlsSettings::client_certificates`].
    pub fn set_client_certificates(&mut self, which: ClientCertificates) {
        self.change(|values| values.client_certificates = which);
    }

    /// For the handshakes of a client.
    pub fn client(&self) -> Result<ClientTls> {
        made(&self.0.client, || self.0.values.client())
    }

    /// The same for another server than the application has named, where a redirect leads to: nobody is
    /// shown a certificate there, and the name is that server's own.
    pub fn for_strangers(&self) -> TlsSettings {
        self.derived(&self.0.for_strangers, |_| {})
    }

    /// The same for a proxy on the way: the pins are those of the server behind it.
    pub fn for_proxy(&self) -> TlsSettings {
        self.derived(&self.0.for_proxy, |values| values.pins.clear())
    }

    fn derived(
        &self,
        cell: &OnceLock<TlsSettings>,
        change: impl FnOnce(&mut Values),
    ) -> TlsSettings {
        let make = || {
            let mut settings = self.clone();
            settings.change(|values| {
                values.identities.clear();
                values.server_name = None;
                change(values);
            });
            settings
        };
        cell.get_or_init(make).clone()
    }

    /// For those of a server; `None` without a certificate to show.
    pub fn server(&self) -> Result<Option<ServerTls>> {
        made(&self.0.server, || self.0.values.server())
    }
}

fn made<T: Clone>(cell: &OnceLock<T>, make: impl FnOnce() -> Result<T>) -> Result<T> {
    match cell.get() {
        Some(made) => Ok(made.clone()),
        None => {
            let made = make()?;
            Ok(cell.get_or_init(|| made).clone())
        }
    }
}

/// Certificates that a chain can end at.
fn trustworthy(text: &str, source: &str) -> Result<Vec<CertificateDer<'static>>> {
    let certificates = pem::certificates(text, source)?;
    for (n, certificate) in certificates.iter().enumerate() {
        RootCertStore::empty().add(certificate.clone()).map_err(|_| {
            Error::new(
                Code::InvalidArgument,
                format!("certificate {} in {source} cannot be read", n + 1),
            )
        })?;
    }
    Ok(certificates)
}

fn parse_pin(pin: &str) -> Result<[u8; 32]> {
    let hash = pin.trim().strip_prefix("sha256//");
    let hash = hash.and_then(|hash| STANDARD.decode(hash).ok()?.try_into().ok());
    hash.ok_or_else(|| {
        Error::new(
            Code::InvalidArgument,
            format!(
                "\"{pin}\" is no pin: \"sha256//\" (two slashes) and 44 characters of base64 are, the SHA-256 of a public key"
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::tls::fixtures;

    #[test]
    fn what_is_made_is_shared_until_something_changes() {
        let mut settings = TlsSettings::default();
        settings.set_ca_pem(&fixtures::ca().pem()).unwrap();
        let copy = settings.clone();
        let config = |settings: &TlsSettings| settings.client().unwrap().config;
        assert!(Arc::ptr_eq(&config(&settings), &config(&copy)));
        settings.set_resumption(false);
        assert!(!Arc::ptr_eq(&config(&settings), &config(&copy)));
        assert!(copy.resumption() && !settings.resumption());
    }

    #[test]
    fn refusals_change_nothing() {
        let mut settings = TlsSettings::default();
        let before = Arc::as_ptr(&settings.0);
        for refused in [
            settings.set_ca_pem("no PEM"),
            settings.set_ca_file("/no/such/file"),
            settings.add_identity_pem("no", "no"),
            settings.add_identity_files("/no/such/file", "/no/such/file"),
            settings.add_pin("sha256/2tHZ9Vm1VDLMWlLDkaHSHPRCcVyUYYZxPYIb4CrFBMo="),
            settings.add_pin("sha256//2tHZ9Vm1"),
            settings.add_pin("sha256//2tHZ9Vm1VDLMWlLDkaHSHPRCcVyUYYZxPYIb4CrFBMo=;x"),
            settings.set_server_name("a b"),
        ] {
            assert_eq!(refused.unwrap_err().code, Code::InvalidArgument);
        }
        assert_eq!(Arc::as_ptr(&settings.0), before);
    }

    #[test]
    fn pins_are_those_of_curl() {
        let mut settings = TlsSettings::default();
        let pin = "sha256//2tHZ9Vm1VDLMWlLDkaHSHPRCcVyUYYZxPYIb4CrFBMo=";
        settings.add_pin(&format!("{pin};{pin}")).unwrap();
        assert_eq!(settings.0.values.pins.len(), 2);
    }

    #[test]
    fn asking_clients_for_certificates_needs_a_ca_and_one_of_ones_own() {
        let mut settings = TlsSettings::default();
        assert!(settings.server().unwrap().is_none());
        settings.set_client_certificates(ClientCertificates::Required);
        assert!(settings.server().unwrap_err().message.contains("wsock_options_add_cert_files"));
        let ca = fixtures::ca();
        let own = ca.issue(&["a.example"]);
        settings.add_identity_pem(&own.pem, &own.key_pem).unwrap();
        assert!(settings.server().unwrap_err().message.contains("WSOCK_OPT_TLS_CA_FILE"));
        settings.set_ca_pem(&ca.pem()).unwrap();
        assert!(settings.server().unwrap().is_some());
    }
}
