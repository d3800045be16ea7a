//! What happens when a session's deadline has come.

use super::core::Core;
use super::marks::Mark;
use super::session::Phase;
use crate::error::{Code, Error};
use crate::proto::handshake::server::Refusal;
use crate::transport::Stream;
use crate::util::id::Id;

impl Core {
    /// A deadline of this session has come.
    pub fn timed_out(&mut self, id: Id) {
        if self.session(id).is_some_and(|session| session.is(Mark::Owes)) {
            // It only waits for its turn: the peer may well be taking what there is.
            self.settle_in_turn(id);
        }
        let now = self.now;
        let handled = self.contain(id, |session, cx, now| {
            let unread = session.is(Mark::Paused)
                || session.is(Mark::Readable)
                || session.is(Mark::Stalled)
                || session.has_held();
            if let Phase::Open(conn) = &mut session.phase {
                // Its signs of life may lie in the socket.
                if unread {
                    conn.not_listening(now);
                }
                conn.handle_timeout(cx, now);
            }
            Ok(())
        });
        if handled.is_err() {
            return;
        }
        self.dial_tick(id);
        let Some(session) = self.session(id) else { return };
        if let Phase::ServerHandshake(handshake) = &session.phase
            && handshake.slow_at().is_some_and(|at| at <= now)
        {
            return self.refuse(id, &Refusal::new(408, "the request comes too slowly"));
        }
        if session.deadline().is_some_and(|at| at <= now) {
            session.details().deadline = None;
            if let Phase::ClientHandshake(handshake) = &mut session.phase
                && handshake.in_body()
            {
                // The server has refused already; only the end of its explanation is missing.
                let outcome = handshake.recv_eof();
                self.client_handshake_over(id, outcome);
                return;
            }
            if matches!(session.phase, Phase::Waiting) {
                return self.try_again(id);
            }
            let settings = &session.setup.shared.settings;
            let limit = settings.handshake_timeout_ms;
            let in_tls = session.stream.as_ref().is_some_and(Stream::is_handshaking);
            let error = match &session.phase {
                Phase::Dialing(dial) => dial.timeout(settings.connect_timeout_ms),
                Phase::Tunnel(_) => Error::new(
                    Code::HandshakeTimeout,
                    format!("the proxy took longer than {limit} ms"),
                ),
                _ if in_tls => Error::new(
                    Code::HandshakeTimeout,
                    format!("the TLS handshake took longer than {limit} ms"),
                ),
                _ => Error::new(
                    Code::HandshakeTimeout,
                    format!("the handshake took longer than {limit} ms"),
                ),
            };
            if matches!(session.phase, Phase::Preface(_) | Phase::ServerHandshake(_)) {
                self.count(id, |stats| stats.handshake_timeouts += 1);
            }
            self.fail(id, error);
        }
        self.dirty(id);
    }
}
