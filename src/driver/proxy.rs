//! Which proxy a connection goes through.

use crate::error::Result;
use crate::proto::proxy::ProxyUrl;
use crate::proto::proxy::choice::{NoProxy, from_environment};

/// As the application has set it.
#[derive(Clone, Debug, Default)]
pub struct ProxySettings {
    /// The one proxy for everything.
    pub url: Option<ProxyUrl>,
    /// What is reached directly all the same.
    pub no_proxy: NoProxy,
    /// Without a proxy of its own: ask the environment.
    pub from_environment: bool,
}

impl ProxySettings {
    /// The proxy for this host; `None` for the direct way.
    pub fn choose(&self, secure: bool, host: &str, port: u16) -> Result<Option<ProxyUrl>> {
        if self.no_proxy.matches(host, port) {
            return Ok(None);
        }
        match &self.url {
            Some(url) => Ok(Some(url.clone())),
            None if self.from_environment => {
                from_environment(|name| std::env::var(name).ok(), secure, host, port)
            }
            None => Ok(None),
        }
    }
}
