//! What happens when nothing happens.

use super::close_handshake::Phase;
use super::{Connection, Context};
use crate::error::{Code, Error};
use crate::proto::close;
use crate::proto::config::Config;
use crate::proto::event::Initiator;
use crate::proto::keepalive::Due;
use crate::util::time::Time;

impl Connection {
    /// When `handle_timeout` has something to do. Any other call may change it.
    pub fn next_timeout(&self) -> Option<Time> {
        match self.phase {
            Phase::Open => {
                let mut next = self.keepalive.next_timeout(&self.config);
                for due in [self.idle_deadline(), self.stuck_deadline()].into_iter().flatten() {
                    next = Some(next.map_or(due, |next| next.min(due)));
                }
                if let Some(deflate) = &self.deflate
                    && let Some(due) = deflate.next_timeout(&self.config)
                {
                    next = Some(next.map_or(due, |next| next.min(due)));
                }
                next
            }
            Phase::Gone if !self.has_output() => None,
            _ => self.ended().map(|ending| ending.deadline),
        }
    }

    /// The driver does not read now, so that the peer's silence says nothing about the peer.
    pub fn not_listening(&mut self, now: Time) {
        self.keepalive.heard(now);
    }

    /// Does what is due at `now`. Calling it too early is harmless.
    pub fn handle_timeout(&mut self, cx: &mut Context, now: Time) {
        if self.next_timeout().is_none_or(|due| now < due) {
            return;
        }
        if self.phase != Phase::Open {
            self.close_timeout();
            return;
        }
        if let Some(deflate) = &mut self.deflate {
            deflate.handle_timeout(now, &self.config);
        }
        if self.idle_deadline().is_some_and(|due| due <= now) {
            self.close_idle(cx, now);
            return;
        }
        if self.stuck_deadline().is_some_and(|due| due <= now) {
            let waited = seconds(self.config.ping_interval_ms + self.config.pong_timeout_ms);
            let message = format!("nothing of what waits to be sent was taken within {waited}");
            self.transport_gone(Initiator::Local, Error::new(Code::PingTimeout, message));
            return;
        }
        match self.keepalive.check(now, &self.config) {
            Due::Nothing => {}
            Due::Ping => {
                let payload: [u8; 4] = cx.entropy.bytes();
                // Cannot fail: it is short and the connection is open.
                let _ = self.ping(cx, now, &payload);
                self.asking = true;
            }
            Due::Dead => {
                let waited = seconds(self.config.pong_timeout_ms);
                let message = format!("no answer to a ping within {waited}");
                self.transport_gone(Initiator::Local, Error::new(Code::PingTimeout, message));
            }
        }
    }

    /// When a peer that takes nothing counts as dead, whatever it says meanwhile, and although we may not
    /// listen: we wait for it, and nobody else would end that.
    fn stuck_deadline(&self) -> Option<Time> {
        // With a new queue nobody has been offered anything yet.
        let output =
            self.output.as_ref().filter(|output| self.blocked && output.moved != Time(0))?;
        let Config { ping_interval_ms: interval, pong_timeout_ms: timeout, .. } = *self.config;
        (interval > 0).then(|| output.moved.plus_ms(interval + timeout))
    }

    fn idle_deadline(&self) -> Option<Time> {
        match self.config.idle_timeout_ms {
            0 => None,
            ms => Some(self.last_message.plus_ms(ms)),
        }
    }

    fn close_idle(&mut self, cx: &mut Context, now: Time) {
        let waited = seconds(self.config.idle_timeout_ms);
        let error = Error::new(Code::IdleTimeout, format!("no message either way for {waited}"))
            .with(|it| it.close_code = close::GOING_AWAY);
        self.begin_close(cx, now, Some(close::GOING_AWAY), "idle timeout", Some(error));
    }
}

fn seconds(ms: u64) -> String {
    match ms % 1000 {
        0 => format!("{} s", ms / 1000),
        _ => format!("{ms} ms"),
    }
}
