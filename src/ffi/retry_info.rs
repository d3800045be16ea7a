//! What on_retry is told, as C sees it.

use std::ptr;

use super::close_info::CloseTexts;
use super::last_error;
use super::types::{wsock_close_info, wsock_error_info, wsock_retry_info};
use crate::driver::retry::News;

/// News with everything that it points to.
pub struct RetryDetail {
    /// Its strings stay where they are when this moves.
    _texts: CloseTexts,
    close: wsock_close_info,
    error: Option<wsock_error_info>,
    info: wsock_retry_info,
}

impl RetryDetail {
    /// In a box, so that its pointers stay right.
    pub fn new(news: &News) -> Box<RetryDetail> {
        let texts = CloseTexts::new(&news.report);
        let info = wsock_retry_info {
            struct_size: size_of::<wsock_retry_info>(),
            attempt: i32::try_from(news.attempt).unwrap_or(i32::MAX),
            reserved: 0,
            delay_ms: news.delay_ms,
            error: ptr::null(),
            close: ptr::null(),
        };
        let close = texts.info(&news.report);
        let error = news.report.closed.error.as_ref().map(last_error::info);
        let mut all = Box::new(RetryDetail { _texts: texts, close, error, info });
        all.info.close = &raw const all.close;
        all.info.error = all.error.as_ref().map_or(ptr::null(), ptr::from_ref);
        all
    }

    /// Valid as long as this is.
    pub fn info(&self) -> &wsock_retry_info {
        &self.info
    }
}
