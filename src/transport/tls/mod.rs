//! TLS 1.2 and 1.3, by rustls.
//!
//! | file | job |
//! | --- | --- |
//! | `settings.rs` | what an application sets, each value checked at once |
//! | `pem.rs` | certificates and keys as people keep them |
//! | `identity.rs` | our own certificates, and which of them a handshake shows |
//! | `config.rs` | what rustls needs, made of the settings |
//! | `verify.rs` | whether the peer's certificate is accepted |
//! | `certificate.rs` | names, dates and keys in a certificate |
//! | `layer.rs` | records in, bytes out, and the other way round |
//! | `explain.rs` | failures as sentences that help |
//! | `notes.rs` | what a step of rustls leaves for the layer that made it |
//! | `absent.rs` | stands in for all of it in a build without the `tls` feature |

mod certificate;
mod config;
mod explain;
mod identity;
mod layer;
mod notes;
mod pem;
mod settings;
mod verify;

#[cfg(test)]
pub(crate) mod fixtures;

pub use config::{ClientTls, ServerTls};
pub use layer::Layer;
pub use settings::{ClientCertificates, TlsSettings, Version};

/// What a handshake came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsInfo {
    /// "TLSv1.3" or "TLSv1.2".
    pub version: &'static str,
    /// The cipher suite by its IANA name.
    pub cipher: String,
    /// The application protocol agreed on, or "".
    pub alpn: String,
    /// The host name that the client asked for (SNI), or "".
    pub server_name: String,
    /// Subject of the peer's certificate as RFC 4514 writes it; "" when there is none, or it was not
    /// verified.
    pub peer_subject: String,
    /// An earlier session was taken up again.
    pub resumed: bool,
}
