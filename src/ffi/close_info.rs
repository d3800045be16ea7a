//! How a connection ended, as C sees it.

use std::borrow::Cow;
use std::ffi::{CStr, CString, NulError};

use super::types::{
    WSOCK_BY_LOCAL, WSOCK_BY_NOBODY, WSOCK_BY_PEER, WSOCK_LAYER_HTTP, WSOCK_LAYER_LIMIT,
    WSOCK_LAYER_LOCAL, WSOCK_LAYER_PROXY, WSOCK_LAYER_TCP, WSOCK_LAYER_TIMEOUT, WSOCK_LAYER_TLS,
    WSOCK_LAYER_WEBSOCKET, wsock_close_info,
};
use crate::driver::report::Report;
use crate::error::Code;
use crate::proto::event::Initiator;

/// The texts of a report, for the time of a callback.
pub struct CloseTexts {
    reason: Cow<'static, CStr>,
    sent_reason: Cow<'static, CStr>,
}

impl CloseTexts {
    /// NUL-terminated copies.
    pub fn new(report: &Report) -> CloseTexts {
        CloseTexts {
            reason: c_text(&report.closed.reason),
            sent_reason: c_text(&report.closed.sent_reason),
        }
    }

    /// The report with these texts; valid as long as they are.
    pub fn info(&self, report: &Report) -> wsock_close_info {
        let closed = &report.closed;
        let error = closed.error.as_ref();
        wsock_close_info {
            struct_size: size_of::<wsock_close_info>(),
            code: closed.code.into(),
            sent_code: closed.sent_code.unwrap_or(0).into(),
            was_clean: closed.clean.into(),
            initiator: match closed.initiator {
                Initiator::Nobody => WSOCK_BY_NOBODY,
                Initiator::Local => WSOCK_BY_LOCAL,
                Initiator::Peer => WSOCK_BY_PEER,
            },
            status: error.map_or(0, |error| error.code as i32),
            reserved: 0,
            reason: self.reason.as_ptr(),
            reason_len: self.reason.to_bytes().len(),
            unsent_bytes: report.unsent,
            layer: error.map_or(WSOCK_LAYER_WEBSOCKET, |error| layer(error.code)),
            os_error: error.map_or(0, |error| error.os_error),
            tls_alert: error.map_or(0, |error| error.tls_alert.into()),
            http_status: error.map_or(0, |error| error.http_status.into()),
            sent_reason: self.sent_reason.as_ptr(),
            sent_reason_len: self.sent_reason.to_bytes().len(),
            rtt_us: report.rtt_us,
        }
    }
}

/// Reasons are UTF-8, in which a NUL is possible: C sees the text up to it.
fn c_text(text: &str) -> Cow<'static, CStr> {
    if text.is_empty() {
        return Cow::Borrowed(c"");
    }
    let cut = |e: NulError| CString::new(&text[..e.nul_position()]).expect("cut at the first NUL");
    Cow::Owned(CString::new(text).unwrap_or_else(cut))
}

fn layer(code: Code) -> i32 {
    match code {
        Code::Protocol | Code::InvalidData => WSOCK_LAYER_WEBSOCKET,
        Code::Handshake | Code::HttpStatus | Code::Redirect => WSOCK_LAYER_HTTP,
        Code::Tls | Code::Certificate | Code::TlsTruncated => WSOCK_LAYER_TLS,
        Code::System | Code::Resolve | Code::Connect | Code::ConnectionLost => WSOCK_LAYER_TCP,
        Code::Proxy => WSOCK_LAYER_PROXY,
        Code::ConnectTimeout
        | Code::HandshakeTimeout
        | Code::PingTimeout
        | Code::CloseTimeout
        | Code::IdleTimeout => WSOCK_LAYER_TIMEOUT,
        Code::TooBig | Code::Policy | Code::Limit => WSOCK_LAYER_LIMIT,
        // What a call was refused for does not end a connection, but for a later attempt it may.
        Code::Aborted
        | Code::NoMemory
        | Code::Panic
        | Code::Poisoned
        | Code::InvalidArgument
        | Code::InvalidHandle
        | Code::WrongKind
        | Code::WrongThread
        | Code::Reentrant
        | Code::State
        | Code::Unsupported
        | Code::Interrupted => WSOCK_LAYER_LOCAL,
    }
}
