//! All figures of a loop as one text for Prometheus.

use std::ffi::{CStr, CString};

use super::core::Core;
use super::figures::{LoopStats, Traffic};
use super::server::ServerStats;
use crate::util::exposition::{Exposition, seconds};

/// One figure of a server: name, help, value.
type Figure = (&'static str, &'static str, fn(&ServerStats) -> u64);

const SERVER_GAUGES: &[Figure] = &[
    ("wsock_server_connections", "Connections that are open or closing now.", |s| s.connections),
    ("wsock_server_handshakes", "Handshakes in progress now.", |s| s.handshakes),
    ("wsock_server_draining", "1 while the server is being closed.", |s| s.draining.into()),
];

const SERVER_COUNTERS: &[Figure] = &[
    (
        "wsock_server_accepted_total",
        "Connections accepted, without those that a limit turned away at once.",
        |s| s.accepted,
    ),
    ("wsock_server_opened_total", "Handshakes that led to a connection.", |s| s.opened),
    ("wsock_server_http_responses_total", "Plain HTTP requests answered.", |s| s.http_responses),
    (
        "wsock_server_accept_errors_total",
        "Times that accepting failed for lack of descriptors or memory.",
        |s| s.accept_errors,
    ),
    (
        "wsock_server_messages_dropped_total",
        "Messages to send that were dropped by a policy, or for a newer one.",
        |s| s.messages_dropped,
    ),
    ("wsock_server_bytes_dropped_total", "Bytes of these messages.", |s| s.bytes_dropped),
    (
        "wsock_server_control_floods_total",
        "Connections ended for too many control frames in a second.",
        |s| s.ended_control_rate,
    ),
    (
        "wsock_server_drain_closed_total",
        "Connections that were sent a close frame because the server is being closed.",
        |s| s.drain_closed,
    ),
];

/// A figure with a label of its own: its values by reason or direction.
type Split =
    (&'static str, &'static str, &'static str, fn(&ServerStats) -> Vec<(&'static str, u64)>);

const SERVER_SPLITS: &[Split] = &[
    (
        "wsock_server_turned_away_total",
        "Connections that a limit turned away before they had said anything.",
        "limit",
        |s| {
            vec![
                ("connections", s.refused_connections),
                ("per_address", s.refused_per_address),
                ("handshakes", s.refused_handshakes),
            ]
        },
    ),
    (
        "wsock_server_handshakes_refused_total",
        "Requests for a connection that were answered with an HTTP error.",
        "reason",
        |s| {
            let told = [
                ("head", s.refused_head),
                ("slow", s.refused_slow),
                ("origin", s.refused_origin),
                ("version", s.refused_version),
                ("draining", s.refused_draining),
                ("application", s.refused_application),
            ];
            let sum: u64 = told.iter().map(|(_, count)| count).sum();
            told.into_iter().chain([("invalid", s.refused.saturating_sub(sum))]).collect()
        },
    ),
    (
        "wsock_server_handshakes_failed_total",
        "Handshakes that ended without an answer.",
        "reason",
        |s| {
            let lost = s.handshake_errors.saturating_sub(s.tls_errors);
            vec![("timeout", s.handshake_timeouts), ("tls", s.tls_errors), ("lost", lost)]
        },
    ),
    ("wsock_server_messages_total", "Messages.", "direction", |s| {
        vec![("received", s.messages_received), ("sent", s.messages_sent)]
    }),
    ("wsock_server_wire_bytes_total", "Bytes of frames on the wire.", "direction", |s| {
        vec![("received", s.bytes_received), ("sent", s.bytes_sent)]
    }),
    (
        "wsock_server_payload_bytes_total",
        "Bytes of messages as the application has them, not compressed.",
        "direction",
        |s| vec![("received", s.payload_received), ("sent", s.payload_sent)],
    ),
];

impl Core {
    /// All figures as text, until the next call.
    pub fn metrics(&mut self) -> &CStr {
        let labels = format!("loop=\"{}\"", self.place.number());
        let mut text = Exposition::default();
        write_loop(&mut text, &labels, &self.stats());
        let servers: Vec<(String, ServerStats)> = self
            .servers()
            .into_iter()
            .map(|id| {
                let port = self.server(id).map_or(0, |server| server.port);
                let slot = id.slot();
                let labels = format!("{labels},server=\"{slot}\",port=\"{port}\"");
                (labels, self.server_stats(id))
            })
            .collect();
        if !servers.is_empty() {
            write_servers(&mut text, &servers);
        }
        self.metrics = CString::new(text.finish()).unwrap_or_default();
        &self.metrics
    }
}

fn write_loop(text: &mut Exposition, labels: &str, stats: &LoopStats) {
    let f = &stats.figures;
    let gauges = [
        ("wsock_connections", "Connections that are open or closing now.", stats.connections),
        ("wsock_clients_connecting", "Clients on their way to a connection.", stats.connecting),
        ("wsock_servers", "Servers that have not ended.", stats.servers),
    ];
    for (name, help, value) in gauges {
        text.gauge(name, help);
        text.sample(labels, value);
    }
    let counters = [
        ("wsock_loop_turns_total", "Turns of the loop.", f.turns),
        ("wsock_loop_events_total", "Events of the operating system.", f.events),
        (
            "wsock_loop_callbacks_total",
            "Calls to the application, and events of its batches.",
            f.callbacks,
        ),
        ("wsock_loop_requests_total", "Sends, closes and tasks of other threads.", stats.requests),
        ("wsock_loop_wakeups_total", "Times that another thread woke the loop.", stats.wake_ups),
        ("wsock_loop_timers_total", "Deadlines that came.", f.timers),
        ("wsock_connections_opened_total", "Connections that were open at some time.", f.opened),
        ("wsock_connections_closed_total", "Connections that were open and have ended.", f.closed),
        ("wsock_connect_failures_total", "Attempts of clients without a connection.", f.failed),
        ("wsock_connect_retries_total", "Attempts of clients after the first.", f.retries),
        ("wsock_pings_received_total", "Pings received.", stats.traffic.pings_received),
        ("wsock_pongs_received_total", "Pongs received.", stats.traffic.pongs_received),
        (
            "wsock_messages_dropped_total",
            "Messages to send that were dropped by a policy, or for a newer one.",
            stats.traffic.messages_dropped,
        ),
        ("wsock_bytes_dropped_total", "Bytes of these messages.", stats.traffic.bytes_dropped),
        (
            "wsock_log_dropped_total",
            "Records that the log did not take in time.",
            stats.log_dropped,
        ),
    ];
    for (name, help, value) in counters {
        text.counter(name, help);
        text.sample(labels, value);
    }
    text.counter("wsock_errors_total", "Connections and attempts that ended with an error.");
    for (code, count) in f.errors.values() {
        text.sample(&format!("{labels},error=\"{}\"", code.symbol()), count);
    }
    write_traffic(text, labels, &stats.traffic);
    let lag =
        "From the end of each wait to the end of its turn: how long an event may have waited.";
    text.histogram("wsock_loop_lag_seconds", lag, labels, &f.lag);
    let callback = "Time in callbacks, while wsock_loop_measure is on.";
    text.histogram("wsock_callback_seconds", callback, labels, &stats.callback);
    text.histogram("wsock_rtt_seconds", "Round trips of answered pings.", labels, &stats.rtt);
}

fn write_traffic(text: &mut Exposition, labels: &str, traffic: &Traffic) {
    let t = traffic;
    let families = [
        ("wsock_messages_total", "Messages.", t.messages_received, t.messages_sent),
        ("wsock_wire_bytes_total", "Bytes of frames on the wire.", t.bytes_received, t.bytes_sent),
        (
            "wsock_payload_bytes_total",
            "Bytes of messages as the application has them, not compressed.",
            t.payload_received,
            t.payload_sent,
        ),
    ];
    for (name, help, received, sent) in families {
        text.counter(name, help);
        text.sample(&format!("{labels},direction=\"received\""), received);
        text.sample(&format!("{labels},direction=\"sent\""), sent);
    }
}

fn write_servers(text: &mut Exposition, servers: &[(String, ServerStats)]) {
    for (name, help, value) in SERVER_GAUGES {
        text.gauge(name, help);
        servers.iter().for_each(|(labels, stats)| text.sample(labels, value(stats)));
    }
    text.gauge("wsock_server_drain_remaining_seconds", "Until a server that is closed has ended.");
    for (labels, stats) in servers {
        text.sample(labels, seconds(stats.drain_remaining_ms * 1000));
    }
    for (name, help, value) in SERVER_COUNTERS {
        text.counter(name, help);
        servers.iter().for_each(|(labels, stats)| text.sample(labels, value(stats)));
    }
    for (name, help, label, values) in SERVER_SPLITS {
        text.counter(name, help);
        for (labels, stats) in servers {
            for (which, value) in values(stats) {
                text.sample(&format!("{labels},{label}=\"{which}\""), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_one_reason() {
        let stats = ServerStats {
            refused: 10,
            refused_head: 1,
            refused_origin: 2,
            ..ServerStats::default()
        };
        let refused = SERVER_SPLITS.iter().find(|split| split.0.contains("refused")).unwrap().3;
        let told = refused(&stats);
        assert_eq!(told.iter().map(|(_, count)| count).sum::<u64>(), 10);
        assert!(told.contains(&("invalid", 7)));
    }
}
