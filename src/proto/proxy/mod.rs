//! Connecting through proxies: which one, and what is said to it before the WebSocket handshake.

pub mod choice;
pub mod connect;
pub mod no_proxy;
pub mod socks5;
pub mod url;

pub use choice::{Proxies, ProxyRules, from_environment};
pub use connect::Connect;
pub use no_proxy::NoProxy;
pub use socks5::{Socks5, Target};
pub use url::{ProxyScheme, ProxyUrl};
