//! Stands in for all of TLS in a build without the `tls` feature: nothing can be set, so no layer is
//! ever made.

use std::io::IoSlice;

use super::stream::{Below, Received, Sent};
use crate::error::{Code, Error, Result};

fn absent<T>() -> Result<T> {
    Err(Error::new(Code::Unsupported, "this build of the library has no TLS; see wsock_features"))
}

/// Never made.
#[derive(Clone, Debug)]
pub enum ClientTls {}

/// Never made.
#[derive(Clone, Debug)]
pub enum ServerTls {}

/// Never made.
#[derive(Debug)]
pub enum Layer {}

/// Has the default values and keeps them.
#[derive(Clone, Debug, Default)]
pub struct TlsSettings {}

/// As in settings.rs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Version {
    Tls12,
    Tls13,
}

/// As in settings.rs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ClientCertificates {
    Ignored,
    Optional,
    Required,
}

/// As in mod.rs.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct TlsInfo {
    pub version: &'static str,
    pub cipher: String,
    pub alpn: String,
    pub server_name: String,
    pub peer_subject: String,
    pub resumed: bool,
}

#[allow(missing_docs)] // as in config.rs
impl ServerTls {
    pub fn succeeding(self, _: &ServerTls) -> ServerTls {
        match self {}
    }
}

#[allow(missing_docs)] // as in settings.rs
impl TlsSettings {
    pub fn set_ca_pem(&mut self, _: &str) -> Result<()> {
        absent()
    }

    pub fn set_ca_file(&mut self, _: &str) -> Result<()> {
        absent()
    }

    pub fn set_server_name(&mut self, _: &str) -> Result<()> {
        absent()
    }

    pub fn add_identity_pem(&mut self, _: &str, _: &str) -> Result<()> {
        absent()
    }

    pub fn add_identity_files(&mut self, _: &str, _: &str) -> Result<()> {
        absent()
    }

    pub fn add_pin(&mut self, _: &str) -> Result<()> {
        absent()
    }

    pub fn system_trust(&self) -> bool {
        false
    }

    pub fn set_system_trust(&mut self, _: bool) {}

    pub fn min_version(&self) -> Version {
        Version::Tls12
    }

    pub fn set_min_version(&mut self, _: Version) {}

    pub fn accept_any_certificate(&self) -> bool {
        false
    }

    pub fn set_accept_any_certificate(&mut self, _: bool) {}

    pub fn resumption(&self) -> bool {
        true
    }

    pub fn set_resumption(&mut self, _: bool) {}

    pub fn client_certificates(&self) -> ClientCertificates {
        ClientCertificates::Ignored
    }

    pub fn set_client_certificates(&mut self, _: ClientCertificates) {}

    pub fn client(&self) -> Result<ClientTls> {
        absent()
    }

    pub fn for_strangers(&self) -> TlsSettings {
        self.clone()
    }

    pub fn for_proxy(&self) -> TlsSettings {
        self.clone()
    }

    pub fn server(&self) -> Result<Option<ServerTls>> {
        Ok(None)
    }
}

#[allow(missing_docs)] // as in layer.rs
impl Layer {
    pub fn client(tls: &ClientTls, _: &str) -> Result<Layer> {
        match *tls {}
    }

    pub fn server(tls: &ServerTls) -> Result<Layer> {
        match *tls {}
    }

    pub fn is_handshaking(&self) -> bool {
        match *self {}
    }

    pub fn takes_bytes(&self) -> bool {
        match *self {}
    }

    pub fn held(&self) -> usize {
        match *self {}
    }

    pub fn has_output(&self) -> bool {
        match *self {}
    }

    pub fn read(&mut self, _: &mut Below<'_>, _: &mut [u8]) -> Result<Received> {
        match *self {}
    }

    pub fn write(&mut self, _: &mut Below<'_>, _: &[IoSlice<'_>]) -> Result<Sent> {
        match *self {}
    }

    pub fn end_writing(&mut self, _: &mut Below<'_>) {
        match *self {}
    }

    pub fn info(&self) -> Option<TlsInfo> {
        match *self {}
    }
}
