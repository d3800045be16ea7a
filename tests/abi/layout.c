/* Where each field of each public struct is, and how large the structs are: what programs have compiled in.
   Fields are only ever appended; then the size here changes and nothing else. tests/artefact.rs sees to it
   that none is missing. */
#include <stddef.h>

#include "wsock.h"

#ifdef __cplusplus
#define HOLDS(condition, text) static_assert(condition, text)
#else
#define HOLDS(condition, text) _Static_assert(condition, text)
#endif
#define SIZE(type, size) HOLDS(sizeof(type) == (size), "size of " #type)
#define AT(type, field, offset) HOLDS(offsetof(type, field) == (offset), #type "." #field)

/* Handles are as wide as a pointer, and a status is an int32_t. */
SIZE(wsock_conn *, 8);
SIZE(wsock_status, 4);
HOLDS((wsock_status)-1 < 0, "wsock_status has a sign");

SIZE(wsock_error_info, 264);
AT(wsock_error_info, struct_size, 0);
AT(wsock_error_info, code, 8);
AT(wsock_error_info, os_error, 12);
AT(wsock_error_info, http_status, 16);
AT(wsock_error_info, close_code, 20);
AT(wsock_error_info, message, 24);
AT(wsock_error_info, tls_alert, 256);
AT(wsock_error_info, reserved, 260);

SIZE(wsock_event, 40);
AT(wsock_event, object, 0);
AT(wsock_event, user, 8);
AT(wsock_event, data, 16);
AT(wsock_event, len, 24);
AT(wsock_event, type, 32);
AT(wsock_event, code, 36);

SIZE(wsock_close_info, 96);
AT(wsock_close_info, struct_size, 0);
AT(wsock_close_info, code, 8);
AT(wsock_close_info, sent_code, 12);
AT(wsock_close_info, was_clean, 16);
AT(wsock_close_info, initiator, 20);
AT(wsock_close_info, status, 24);
AT(wsock_close_info, reserved, 28);
AT(wsock_close_info, reason, 32);
AT(wsock_close_info, reason_len, 40);
AT(wsock_close_info, unsent_bytes, 48);
AT(wsock_close_info, layer, 56);
AT(wsock_close_info, os_error, 60);
AT(wsock_close_info, tls_alert, 64);
AT(wsock_close_info, http_status, 68);
AT(wsock_close_info, sent_reason, 72);
AT(wsock_close_info, sent_reason_len, 80);
AT(wsock_close_info, rtt_us, 88);

SIZE(wsock_retry_info, 40);
AT(wsock_retry_info, struct_size, 0);
AT(wsock_retry_info, attempt, 8);
AT(wsock_retry_info, reserved, 12);
AT(wsock_retry_info, delay_ms, 16);
AT(wsock_retry_info, error, 24);
AT(wsock_retry_info, close, 32);

SIZE(wsock_handlers, 96);
AT(wsock_handlers, struct_size, 0);
AT(wsock_handlers, on_open, 8);
AT(wsock_handlers, on_message, 16);
AT(wsock_handlers, on_error, 24);
AT(wsock_handlers, on_close, 32);
AT(wsock_handlers, on_ping, 40);
AT(wsock_handlers, on_pong, 48);
AT(wsock_handlers, on_drain, 56);
AT(wsock_handlers, on_request, 64);
AT(wsock_handlers, release, 72);
AT(wsock_handlers, on_retry, 80);
AT(wsock_handlers, on_part, 88);

SIZE(wsock_conn_stats, 112);
AT(wsock_conn_stats, struct_size, 0);
AT(wsock_conn_stats, messages_received, 8);
AT(wsock_conn_stats, messages_sent, 16);
AT(wsock_conn_stats, bytes_received, 24);
AT(wsock_conn_stats, bytes_sent, 32);
AT(wsock_conn_stats, payload_received, 40);
AT(wsock_conn_stats, payload_sent, 48);
AT(wsock_conn_stats, pings_received, 56);
AT(wsock_conn_stats, pongs_received, 64);
AT(wsock_conn_stats, buffered_amount, 72);
AT(wsock_conn_stats, rtt_us, 80);
AT(wsock_conn_stats, tls_resumed, 88);
AT(wsock_conn_stats, messages_dropped, 96);
AT(wsock_conn_stats, bytes_dropped, 104);

SIZE(wsock_server_stats, 256);
AT(wsock_server_stats, struct_size, 0);
AT(wsock_server_stats, connections, 8);
AT(wsock_server_stats, handshakes, 16);
AT(wsock_server_stats, accepted, 24);
AT(wsock_server_stats, opened, 32);
AT(wsock_server_stats, refused, 40);
AT(wsock_server_stats, http_responses, 48);
AT(wsock_server_stats, handshake_timeouts, 56);
AT(wsock_server_stats, handshake_errors, 64);
AT(wsock_server_stats, accept_errors, 72);
AT(wsock_server_stats, messages_received, 80);
AT(wsock_server_stats, messages_sent, 88);
AT(wsock_server_stats, bytes_received, 96);
AT(wsock_server_stats, bytes_sent, 104);
AT(wsock_server_stats, refused_connections, 112);
AT(wsock_server_stats, refused_per_address, 120);
AT(wsock_server_stats, refused_handshakes, 128);
AT(wsock_server_stats, refused_head, 136);
AT(wsock_server_stats, refused_slow, 144);
AT(wsock_server_stats, ended_control_rate, 152);
AT(wsock_server_stats, draining, 160);
AT(wsock_server_stats, drain_closed, 168);
AT(wsock_server_stats, drain_remaining_ms, 176);
AT(wsock_server_stats, messages_dropped, 184);
AT(wsock_server_stats, bytes_dropped, 192);
AT(wsock_server_stats, payload_received, 200);
AT(wsock_server_stats, payload_sent, 208);
AT(wsock_server_stats, refused_origin, 216);
AT(wsock_server_stats, refused_version, 224);
AT(wsock_server_stats, refused_draining, 232);
AT(wsock_server_stats, refused_application, 240);
AT(wsock_server_stats, tls_errors, 248);

SIZE(wsock_send_options, 40);
AT(wsock_send_options, struct_size, 0);
AT(wsock_send_options, flags, 8);
AT(wsock_send_options, overflow, 12);
AT(wsock_send_options, key, 16);
AT(wsock_send_options, release, 24);
AT(wsock_send_options, release_user, 32);

SIZE(wsock_publish_options, 32);
AT(wsock_publish_options, struct_size, 0);
AT(wsock_publish_options, flags, 8);
AT(wsock_publish_options, overflow, 12);
AT(wsock_publish_options, key, 16);
AT(wsock_publish_options, except, 24);

SIZE(wsock_hub_stats, 72);
AT(wsock_hub_stats, struct_size, 0);
AT(wsock_hub_stats, topics, 8);
AT(wsock_hub_stats, subscriptions, 16);
AT(wsock_hub_stats, kept, 24);
AT(wsock_hub_stats, published, 32);
AT(wsock_hub_stats, deliveries, 40);
AT(wsock_hub_stats, refused, 48);
AT(wsock_hub_stats, dropped, 56);
AT(wsock_hub_stats, missed, 64);

SIZE(wsock_loop_stats, 896);
AT(wsock_loop_stats, struct_size, 0);
AT(wsock_loop_stats, connections, 8);
AT(wsock_loop_stats, connecting, 16);
AT(wsock_loop_stats, servers, 24);
AT(wsock_loop_stats, opened, 32);
AT(wsock_loop_stats, closed, 40);
AT(wsock_loop_stats, connect_failures, 48);
AT(wsock_loop_stats, connect_retries, 56);
AT(wsock_loop_stats, turns, 64);
AT(wsock_loop_stats, events, 72);
AT(wsock_loop_stats, callbacks, 80);
AT(wsock_loop_stats, requests, 88);
AT(wsock_loop_stats, wakeups, 96);
AT(wsock_loop_stats, timers, 104);
AT(wsock_loop_stats, messages_received, 112);
AT(wsock_loop_stats, messages_sent, 120);
AT(wsock_loop_stats, bytes_received, 128);
AT(wsock_loop_stats, bytes_sent, 136);
AT(wsock_loop_stats, payload_received, 144);
AT(wsock_loop_stats, payload_sent, 152);
AT(wsock_loop_stats, pings_received, 160);
AT(wsock_loop_stats, pongs_received, 168);
AT(wsock_loop_stats, messages_dropped, 176);
AT(wsock_loop_stats, bytes_dropped, 184);
AT(wsock_loop_stats, log_dropped, 192);
AT(wsock_loop_stats, lag_count, 200);
AT(wsock_loop_stats, lag_sum_us, 208);
AT(wsock_loop_stats, lag_max_us, 216);
AT(wsock_loop_stats, lag_buckets, 224);
AT(wsock_loop_stats, callback_count, 432);
AT(wsock_loop_stats, callback_sum_us, 440);
AT(wsock_loop_stats, callback_max_us, 448);
AT(wsock_loop_stats, callback_buckets, 456);
AT(wsock_loop_stats, rtt_count, 664);
AT(wsock_loop_stats, rtt_sum_us, 672);
AT(wsock_loop_stats, rtt_max_us, 680);
AT(wsock_loop_stats, rtt_buckets, 688);
