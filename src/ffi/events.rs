//! wsock_event: what happens in a loop, in batches instead of callbacks.

use std::ptr;

use super::args::id;
use super::boundary;
use super::close_info::CloseTexts;
use super::handlers::{CHandlers, part_flags};
use super::last_error;
use super::looping::time_limit;
use super::retry_info::RetryDetail;
use super::status::wsock_status;
use super::types::{wsock_close_info, wsock_error_info, wsock_event, wsock_loop, wsock_retry_info};
use crate::driver::batch::{self, Batch};
use crate::driver::deliver::{Delivery, Input, What};
use crate::driver::handler::Handler;
use crate::driver::loops;
use crate::driver::report::Report;
use crate::error::{Code, Error};
use crate::proto::event::Kind;

/// wsock_event: a text message, in data and len; code is WSOCK_PART_FIRST | WSOCK_PART_LAST. With on_part
/// among the handlers: the next part of one, with the flags of on_part in code.
pub const WSOCK_EVENT_TEXT: u32 = 1;
/// wsock_event: a binary message, as WSOCK_EVENT_TEXT.
pub const WSOCK_EVENT_BINARY: u32 = 2;
/// wsock_event: as on_open.
pub const WSOCK_EVENT_OPEN: u32 = 3;
/// wsock_event: as on_close; data is a const wsock_close_info *, code the close code. The handle is
/// valid until the next batch.
pub const WSOCK_EVENT_CLOSE: u32 = 4;
/// wsock_event: as on_error; data is a const wsock_error_info *.
pub const WSOCK_EVENT_ERROR: u32 = 5;
/// wsock_event: as on_drain.
pub const WSOCK_EVENT_DRAIN: u32 = 6;
/// wsock_event: as on_ping, with its payload.
pub const WSOCK_EVENT_PING: u32 = 7;
/// wsock_event: as on_pong, with its payload.
pub const WSOCK_EVENT_PONG: u32 = 8;
/// wsock_event: as on_retry; data is a const wsock_retry_info *, code the attempt.
pub const WSOCK_EVENT_RETRY: u32 = 9;
/// wsock_event, from servers with WSOCK_OPT_ASK: as on_request. object is the wsock_request *, data the
/// wsock_server *. Answer it with wsock_request_answer.
pub const WSOCK_EVENT_REQUEST: u32 = 10;

/// No header's record is larger: a size beyond is a mistake.
const MAX_EVENT_SIZE: usize = 1024;

/// What records point to beside payloads, kept for its address.
#[allow(dead_code)] // nobody reads it here
enum Detail {
    Error(Box<wsock_error_info>),
    Close(Box<(CloseTexts, wsock_close_info)>),
    Retry(Box<RetryDetail>),
}

/// The application's array.
struct Records {
    array: *mut u8,
    stride: usize,
    capacity: u32,
    used: u32,
    details: Vec<Detail>,
}

// SAFETY: the array is only written to by whoever fetches a batch, as the application has agreed to; the
// details are our own and point to nothing but themselves.
unsafe impl Send for Records {}

impl Records {
    fn error(&mut self, error: &Error) -> u64 {
        let info = Box::new(last_error::info(error));
        let address = ptr::from_ref(&*info).addr() as u64;
        self.details.push(Detail::Error(info));
        address
    }

    #[inline]
    fn write(&mut self, event: wsock_event) {
        assert!(self.used < self.capacity, "nobody adds more than there is room for");
        // SAFETY: `used` is below the capacity that the application gave together with the array and
        // the size of its records, of which each has room for what we know.
        unsafe {
            let record = self.array.add(self.used as usize * self.stride);
            record.cast::<wsock_event>().write_unaligned(event);
        }
        self.used += 1;
    }

    fn close(&mut self, report: &Report) -> u64 {
        let texts = CloseTexts::new(report);
        let info = texts.info(report);
        let both = Box::new((texts, info));
        let address = ptr::from_ref(&both.1).addr() as u64;
        self.details.push(Detail::Close(both));
        address
    }
}

fn message(kind: Kind) -> u32 {
    match kind {
        Kind::Text => WSOCK_EVENT_TEXT,
        Kind::Binary => WSOCK_EVENT_BINARY,
    }
}

impl Batch for Records {
    fn begin(&mut self) {
        self.used = 0;
        self.details.clear();
    }

    fn count(&self) -> u32 {
        self.used
    }

    fn room(&self) -> u32 {
        self.capacity - self.used
    }

    fn add(&mut self, delivery: &Delivery, handler: Option<&dyn Handler>) {
        let user = handler.and_then(|handler| handler.as_any().downcast_ref::<CHandlers>());
        let user = user.map_or(ptr::null_mut(), CHandlers::user).addr() as u64;
        let object = delivery.id.bits();
        let mut event = wsock_event { object, user, data: 0, len: 0, r#type: 0, code: 0 };
        match &delivery.what {
            What::Series(series) => {
                event.code = part_flags(true, true);
                for (kind, bytes) in series.iter() {
                    event.r#type = message(kind);
                    (event.data, event.len) = (bytes.as_ptr().addr() as u64, bytes.len() as u64);
                    self.write(event);
                }
                return;
            }
            What::Input(input, held) => {
                let bytes = held.as_ref();
                (event.r#type, event.code) = match *input {
                    Input::Message(kind) => (message(kind), part_flags(true, true)),
                    Input::Part { kind, first, last } => (message(kind), part_flags(first, last)),
                    Input::Ping => (WSOCK_EVENT_PING, 0),
                    Input::Pong => (WSOCK_EVENT_PONG, 0),
                };
                (event.data, event.len) = (bytes.as_ptr().addr() as u64, bytes.len() as u64);
            }
            What::Open => event.r#type = WSOCK_EVENT_OPEN,
            What::Drain => event.r#type = WSOCK_EVENT_DRAIN,
            What::Error(error) => {
                event.r#type = WSOCK_EVENT_ERROR;
                event.data = self.error(error);
                event.len = size_of::<wsock_error_info>() as u64;
            }
            What::Close(report) => {
                event.r#type = WSOCK_EVENT_CLOSE;
                event.code = report.closed.code.into();
                event.data = self.close(report);
                event.len = size_of::<wsock_close_info>() as u64;
            }
            What::Retry(news) => {
                event.r#type = WSOCK_EVENT_RETRY;
                event.code = news.attempt;
                let detail = RetryDetail::new(news);
                event.data = ptr::from_ref(detail.info()).addr() as u64;
                event.len = size_of::<wsock_retry_info>() as u64;
                self.details.push(Detail::Retry(detail));
            }
            What::Request(request, server) => {
                event.r#type = WSOCK_EVENT_REQUEST;
                (event.object, event.data) = (request.bits(), server.bits());
            }
            // Run where it stands in line, and no record.
            What::Task(_) => return,
        }
        self.write(event);
    }
}

/// Events in batches, instead of callbacks: array has room for capacity records of event_size bytes,
/// sizeof(wsock_event) of your header, and wsock_loop_events fills it. Set it once. Callbacks are then
/// only called when you let wsock_loop_poll or wsock_loop_run do it. NULL and 0 takes the array back.
///
/// Ownership: array is yours and must stay until the loop is freed or has got another; the last batch
/// ends with this call. Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, INVALID_ARGUMENT,
/// POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_loop_use_events(
    r#loop: *mut wsock_loop,
    array: *mut wsock_event,
    event_size: usize,
    capacity: u32,
) -> wsock_status {
    boundary::status(|| {
        let place = loops::find(id(r#loop)?)?;
        if array.is_null() && capacity == 0 {
            return batch::use_batch(place, None);
        }
        let known = size_of::<wsock_event>();
        let wrong = |message: String| Err(Error::new(Code::InvalidArgument, message));
        if array.is_null() || capacity == 0 {
            return wrong("array is NULL or capacity is 0: there is room for no event".into());
        }
        if !(known..=MAX_EVENT_SIZE).contains(&event_size) || !event_size.is_multiple_of(8) {
            return wrong(format!(
                "event_size is {event_size}; give sizeof(wsock_event), at least {known}"
            ));
        }
        // Bytes that a newer header has behind what we know are zero for good.
        // SAFETY: so much room is what the application gives.
        unsafe { array.cast::<u8>().write_bytes(0, event_size * capacity as usize) };
        let records = Records {
            array: array.cast(),
            stride: event_size,
            capacity,
            used: 0,
            details: Vec::new(),
        };
        batch::use_batch(place, Some(Box::new(records)))
    })
}

/// Fetches the next events into the array of wsock_loop_use_events, in the order in which callbacks would
/// have come, after waiting for them at most timeout_ms milliseconds: 0 does not wait, -1 waits as long
/// as it takes. Returns how many there are; 0 when there is none yet. When the array is full, call it
/// again at once.
///
/// What the events point to, and the handles of connections that have ended, stay valid until the next
/// call of wsock_loop_events, wsock_loop_poll or wsock_loop_run. What you send meanwhile on this thread
/// leaves then, in one system call per connection, or with wsock_loop_flush. Functions given to
/// wsock_loop_post are called from in here, where they stand in line.
///
/// Input of a connection that you do not come to is read up to about 1 MiB, then TCP makes the peer wait.
/// What a batch holds of a connection that you close in the middle of it is still in there; what is not
/// fetched yet is dropped, and held back by wsock_conn_pause.
///
/// Thread: any that finds nobody else inside; without wsock_loop_start the loop is that thread's from now
/// on. Errors: as wsock_loop_poll, STATE (no wsock_loop_use_events before). Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_loop_events(r#loop: *mut wsock_loop, timeout_ms: i32) -> i32 {
    boundary::number(|| {
        let place = loops::find(id(r#loop)?)?;
        let count = batch::fetch(place, time_limit(timeout_ms)?)?;
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    })
}

/// Sends what this thread has queued since wsock_loop_events, without waiting for the next call of it.
/// After wsock_loop_promise_flush it ends the batch, too.
///
/// Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_loop_flush(r#loop: *mut wsock_loop) -> wsock_status {
    boundary::status(|| batch::flush(loops::find(id(r#loop)?)?))
}

/// For hosts that wait for wsock_loop_fd: on 1 promises that you call wsock_loop_flush when you have worked
/// through a batch of wsock_loop_events, and after what else you send on this thread. Then the
/// descriptor is not readable once more for each batch, only to end it. 0 takes the promise back.
///
/// What you send on this thread waits for wsock_loop_flush from now on, and that ends the batch: what its
/// events point to, and the handles of connections that have ended, are gone then.
///
/// Thread: loop. Errors: INVALID_HANDLE, WRONG_KIND, WRONG_THREAD, POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_loop_promise_flush(r#loop: *mut wsock_loop, on: i32) -> wsock_status {
    boundary::status(|| batch::promise_flush(loops::find(id(r#loop)?)?, on != 0))
}
