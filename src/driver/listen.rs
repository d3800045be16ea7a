//! The ways to a listener: a host, a descriptor, or what the service manager has opened.

use std::sync::Arc;

use super::core::Core;
use super::handler::Handler;
use super::loops::Loop;
use super::settings::Settings;
use crate::error::Result;
use crate::transport::{Listener, listen as transport};
use crate::util::id::Id;
use crate::util::inherited;
use crate::util::offer::Offer;

/// Listens on a host, and lets `handler` hear of everything. `systemd` and `systemd:NAME` are sockets
/// that somebody has opened for this process.
pub fn listen(
    owner: Loop,
    host: &str,
    port: u16,
    settings: &Settings,
    handler: Arc<dyn Handler>,
) -> Result<Id> {
    owner.with(|core| {
        let name = host.strip_prefix("systemd");
        if let Some(name) = name.filter(|name| name.is_empty() || name.starts_with(':')) {
            transport::without_port(host, port)?;
            let take = |offers| core.serve_offers(offers, settings, handler);
            return inherited::offer(name.strip_prefix(':'), take);
        }
        let mut listeners = transport::listen(host, port, settings.backlog, &settings.socket)?;
        core.serve(&mut listeners, settings, handler)
    })
}

/// Listens on a descriptor, which is taken when that succeeds.
pub fn listen_on(
    owner: Loop,
    offer: Offer,
    settings: &Settings,
    handler: Arc<dyn Handler>,
) -> Result<Id> {
    owner.with(|core| core.serve_offers(vec![offer], settings, handler))
}

impl Core {
    /// All of them or none.
    fn serve_offers(
        &mut self,
        offers: Vec<Offer>,
        settings: &Settings,
        handler: Arc<dyn Handler>,
    ) -> Result<Id> {
        let mut listeners = Vec::new();
        let served = offers
            .into_iter()
            .try_for_each(|offer| {
                listeners.push(Listener::adopt(offer)?);
                Ok(())
            })
            .and_then(|()| self.serve(&mut listeners, settings, handler));
        // Those that were refused are still their owner's.
        listeners.into_iter().for_each(Listener::give_back);
        served
    }
}
