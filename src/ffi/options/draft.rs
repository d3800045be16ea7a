//! A set of options as it is being filled in.

use super::client;
use super::general::{WSOCK_ORIGIN_LISTED, WSOCK_ORIGIN_REQUIRED};
use crate::driver::settings::Settings;
use crate::proto::deflate;
use crate::proto::handshake::server::OriginPolicy;
use crate::proto::proxy::ProxyUrl;

/// See the module.
#[derive(Clone, Default)]
pub struct Draft {
    /// What is used as it is.
    pub settings: Settings,
    /// Used when `deflate_on`.
    pub deflate: deflate::Config,
    /// Whether to compress.
    pub deflate_on: bool,
    /// For the policy that lists them.
    pub origins: Vec<String>,
    /// WSOCK_ORIGIN_*.
    pub origin_policy: i64,
    /// The proxy, if it is named.
    pub proxy: Option<ProxyUrl>,
    /// Else, whether the environment names it.
    pub proxy_from_env: bool,
    /// Who logs in; empty for nobody.
    pub user: String,
    /// With this password.
    pub password: String,
}

impl Draft {
    /// Whether the application has added a header of that name.
    pub fn has_header(&self, name: &str) -> bool {
        self.settings.headers.iter().any(|(have, _)| have.eq_ignore_ascii_case(name))
    }

    /// What it all comes to.
    pub fn finish(&self) -> Settings {
        let mut settings = self.settings.clone();
        // A mark that cannot be passed would never be told of.
        settings.high_water = settings.high_water.min(settings.max_buffered - 1);
        settings.low_water =
            settings.low_water.min(settings.high_water).min(settings.max_buffered / 2);
        settings.conn.deflate = self.deflate_on.then(|| self.deflate.clone());
        settings.proxy.proxies = client::proxies(self);
        settings.credentials = client::credentials(self);
        settings.origins = match self.origin_policy {
            WSOCK_ORIGIN_LISTED => OriginPolicy::Listed(self.origins.clone()),
            WSOCK_ORIGIN_REQUIRED => OriginPolicy::Required,
            _ => OriginPolicy::Any,
        };
        settings
    }
}
