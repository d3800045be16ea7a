//! The little of HTTP/1.1 that an opening handshake needs (RFC 9110, RFC 9112).

pub mod auth;
pub mod body;
pub mod cookie;
pub mod head;
pub mod headers;
pub mod parse;
pub mod response;
pub mod retry;
pub mod token;

pub use headers::{Headers, check_application_header, check_header};
pub use response::{http_response, reason_phrase};
