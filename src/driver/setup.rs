//! What a connection has in common with others, so that ten thousand which were asked for alike keep it once.

use std::sync::Arc;

use super::handler::Handler;
use super::settings::Shared;
use crate::proto::url::Url;
use crate::util::id::Id;

/// See the module.
#[derive(Clone)]
pub struct Setup {
    /// Who hears of it.
    pub handler: Arc<dyn Handler>,
    /// How it was set up.
    pub shared: Arc<Shared>,
    /// The server that accepted it.
    pub server: Option<Id>,
    /// What its handshake came to.
    pub agreed: Agreed,
}

/// Where a connection goes and what was agreed on for it, in one piece of text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreed {
    text: Box<str>,
    protocol: u32,
    extensions: u32,
}

impl Setup {
    /// For connections whose handshake is still to come.
    pub fn new(handler: Arc<dyn Handler>, shared: Arc<Shared>, server: Option<Id>) -> Arc<Setup> {
        Arc::new(Setup { handler, shared, server, agreed: Agreed::default() })
    }

    /// For a client that goes there.
    pub fn for_client(handler: Arc<dyn Handler>, shared: Arc<Shared>, url: &Url) -> Arc<Setup> {
        let agreed = Agreed::new(&url.href(), "", "");
        Arc::new(Setup { handler, shared, server: None, agreed })
    }
}

impl Agreed {
    /// The URL, as the browser's; for accepted connections made from Host and target. The subprotocol and
    /// the extensions agreed on.
    pub fn new(url: &str, protocol: &str, extensions: &str) -> Agreed {
        let (protocol_at, extensions_at) = (url.len(), url.len() + protocol.len());
        let text = [url, protocol, extensions].concat().into();
        Agreed { text, protocol: protocol_at as u32, extensions: extensions_at as u32 }
    }

    /// See `new`.
    pub fn url(&self) -> &str {
        &self.text[..self.protocol as usize]
    }

    /// See `new`.
    pub fn protocol(&self) -> &str {
        &self.text[self.protocol as usize..self.extensions as usize]
    }

    /// See `new`.
    pub fn extensions(&self) -> &str {
        &self.text[self.extensions as usize..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_is_found_again() {
        let agreed = Agreed::new("ws://host/", "chat", "permessage-deflate");
        assert_eq!(agreed.url(), "ws://host/");
        assert_eq!((agreed.protocol(), agreed.extensions()), ("chat", "permessage-deflate"));
        assert_ne!(agreed, Agreed::new("ws://host/c", "hat", "permessage-deflate"));
        let none = Agreed::default();
        assert_eq!((none.url(), none.protocol(), none.extensions()), ("", "", ""));
    }
}
