//! wsock_hub.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use once_cell::sync::Lazy;

use super::args::{self, handle, id, optional_id, optional_text, out, text};
use super::boundary;
use super::message;
use super::send::{check_flags, overflow_of};
use super::status::{WSOCK_BUFFERED, WSOCK_DROPPED, WSOCK_OK, wsock_status};
use super::types::{wsock_conn, wsock_hub, wsock_hub_stats, wsock_message, wsock_publish_options};
use crate::driver::hub::{Accepted, Hub, Publication};
use crate::driver::loops;
use crate::driver::send::Manner;
use crate::error::{Code, Error, Result};
use crate::proto::prepared::Prepared;
use crate::util::id::{Id, Kind, MAX_SLOTS};
use crate::util::registry::Registry;

/// wsock_publish_options.flags: do not compress this message, although the connections could.
pub const WSOCK_PUBLISH_NO_COMPRESS: u32 = 1;
/// wsock_publish_options.flags: keep this message as the last value of its topic, in place of the one
/// before: whoever subscribes later gets it at once.
pub const WSOCK_PUBLISH_KEEP: u32 = 2;

static REGISTRY: Lazy<Registry<Arc<Hub>>> = Lazy::new(Registry::default);

/// Whether the id names a hub that has not been freed.
pub fn is_alive(id: Id) -> bool {
    REGISTRY.with(id, |_| ()).is_some()
}

fn find(hub: *const wsock_hub) -> Result<Arc<Hub>> {
    REGISTRY.with(id(hub)?, |hub| hub.clone()).ok_or_else(|| loops::stale(Kind::Hub))
}

/// Makes a hub. Free it with wsock_hub_free.
///
/// Thread: any. Errors: INVALID_ARGUMENT, LIMIT (a million hubs). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_hub_new(out_hub: *mut *mut wsock_hub) -> wsock_status {
    boundary::status(|| {
        // SAFETY: NULL or writable.
        let out = unsafe { out(out_hub, "out_hub") }?;
        let id = REGISTRY.insert(Kind::Hub, Hub::new).ok_or_else(|| {
            Error::new(Code::Limit, format!("{MAX_SLOTS} hubs exist already; free some"))
        })?;
        out.write(handle(id));
        Ok(())
    })
}

/// Ends a hub, its subscriptions and its kept messages. What was published before still arrives; nothing
/// happens to the connections. NULL and stale handles do no harm.
///
/// Thread: any. Since: 0.1
#[unsafe(no_mangle)]
pub extern "C" fn wsock_hub_free(hub: *mut wsock_hub) {
    boundary::status(|| {
        if hub.is_null() {
            return Ok(());
        }
        let hub = REGISTRY.remove(id(hub)?).ok_or_else(|| loops::stale(Kind::Hub))?;
        hub.end();
        Ok(())
    });
}

/// Lets a connection get what is published to a topic from now on, and first the messages that were kept
/// (WSOCK_PUBLISH_KEEP). topic is 1 to 1024 bytes of UTF-8: a topic such as `prices.eur`, or a beginning
/// with an asterisk such as `prices.*` for all topics that begin with `prices.`; `*` means all.
///
/// A message comes once, however many subscriptions of the connection mean its topic, and subscribing
/// again changes nothing. All subscribers get the messages of a hub in the same order; of a kept message
/// and those after it none is missing and none comes twice. The subscription ends with wsock_hub_unsubscribe, with the
/// connection, or with the hub. It outlasts the attempts of a client that reconnects; while there is no
/// connection, messages wait in WSOCK_OPT_RECONNECT_QUEUE or are lost.
///
/// Ownership: topic is copied. Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT (topic),
/// STATE (the connection is closing), POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_hub_subscribe(
    hub: *mut wsock_hub,
    conn: *mut wsock_conn,
    topic: *const c_char,
) -> wsock_status {
    boundary::status(|| {
        let (hub, conn) = (find(hub)?, id(conn)?);
        // SAFETY: NULL or NUL-terminated.
        hub.subscribe(conn, unsafe { text(topic, "topic") }?)
    })
}

/// Takes a subscription back, written as it was made; with NULL all that the connection has in this hub.
/// When there is none, that is fine. What was published before still arrives.
///
/// Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT (topic), POISONED. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_hub_unsubscribe(
    hub: *mut wsock_hub,
    conn: *mut wsock_conn,
    topic: *const c_char,
) -> wsock_status {
    boundary::status(|| {
        let (hub, conn) = (find(hub)?, id(conn)?);
        // SAFETY: NULL or NUL-terminated.
        hub.unsubscribe(conn, unsafe { optional_text(topic, "topic") }?)
    })
}

/// Sends a message to every subscriber of a topic, in whatever loop; type is WSOCK_TEXT (data must be
/// UTF-8) or WSOCK_BINARY, options may be NULL. The message is framed once, and compressed once for each
/// way of compressing that subscribers have negotiated. Messages that one thread publishes arrive in that order.
///
/// Nobody waits for anybody. A subscriber whose queue is full is dealt with as overflow in the options says,
/// or WSOCK_OPT_OVERFLOW of its connection. A loop whose thread has not come to more than 16 MiB of this
/// hub's messages makes this WSOCK_BUFFERED; beyond 64 MiB its subscribers do not get the message, the
/// others do, and this is WSOCK_DROPPED.
///
/// Ownership: topic and data are copied. Thread: any.
/// Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT (topic, type, data, not UTF-8), UNSUPPORTED
/// (options). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_hub_publish(
    hub: *mut wsock_hub,
    topic: *const c_char,
    r#type: i32,
    data: *const c_void,
    len: usize,
    options: *const wsock_publish_options,
) -> wsock_status {
    boundary::number(|| {
        let hub = find(hub)?;
        // SAFETY: NULL or `len` bytes.
        let message = unsafe { message::prepare(r#type, data, len) }?;
        // SAFETY: as promised to this function.
        unsafe { publish(&hub, topic, message, options) }
    })
}

/// The same with a message that is there already, without a copy.
///
/// Ownership: topic is copied, the message is still yours. Thread: any.
/// Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT (topic), UNSUPPORTED (options). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_hub_publish_message(
    hub: *mut wsock_hub,
    topic: *const c_char,
    message: *const wsock_message,
    options: *const wsock_publish_options,
) -> wsock_status {
    boundary::number(|| {
        let (hub, message) = (find(hub)?, message::find(message)?);
        // SAFETY: as promised to this function.
        unsafe { publish(&hub, topic, message, options) }
    })
}

/// # Safety
/// `topic` is NULL or NUL-terminated, `options` NULL or a struct with its size in front.
unsafe fn publish(
    hub: &Arc<Hub>,
    topic: *const c_char,
    message: Arc<Prepared>,
    options: *const wsock_publish_options,
) -> Result<i32> {
    // SAFETY: as promised by the caller.
    let topic = unsafe { text(topic, "topic") }?;
    let (mut flags, mut manner, mut except) = (0, Manner::default(), None);
    if !options.is_null() {
        // SAFETY: as promised by the caller.
        let options = unsafe { args::sized_in(options, "the publish options") }?;
        flags = options.flags;
        check_flags(flags, WSOCK_PUBLISH_NO_COMPRESS | WSOCK_PUBLISH_KEEP)?;
        except = optional_id(options.except)?;
        manner = Manner {
            compress: flags & WSOCK_PUBLISH_NO_COMPRESS == 0,
            overflow: overflow_of(options.overflow)?,
            key: options.key,
        };
    }
    let publication = Publication { topic: topic.into(), message, except, manner };
    Ok(match hub.publish(publication, flags & WSOCK_PUBLISH_KEEP != 0)? {
        Accepted::Whole => WSOCK_OK,
        Accepted::Behind => WSOCK_BUFFERED,
        Accepted::Missed => WSOCK_DROPPED,
    })
}

/// Forgets the message that was kept of a topic, or with an asterisk at the end, those of all topics with
/// that beginning.
///
/// Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT (topic). Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_hub_forget(
    hub: *mut wsock_hub,
    topic: *const c_char,
) -> wsock_status {
    boundary::status(|| {
        let hub = find(hub)?;
        // SAFETY: NULL or NUL-terminated.
        hub.forget(unsafe { text(topic, "topic") }?)
    })
}

/// Copies the hub's figures to out_stats. Set out_stats->struct_size first.
///
/// Thread: any. Errors: INVALID_HANDLE, WRONG_KIND, INVALID_ARGUMENT. Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsock_hub_get_stats(
    hub: *const wsock_hub,
    out_stats: *mut wsock_hub_stats,
) -> wsock_status {
    boundary::status(|| {
        let stats = find(hub)?.stats();
        let stats = wsock_hub_stats {
            struct_size: size_of::<wsock_hub_stats>(),
            topics: stats.topics,
            subscriptions: stats.subscriptions,
            kept: stats.kept,
            published: stats.published,
            deliveries: stats.deliveries,
            refused: stats.refused,
            dropped: stats.dropped,
            missed: stats.missed,
        };
        // SAFETY: NULL or a struct with its size in front.
        unsafe { args::sized_out(out_stats, stats) }
    })
}
