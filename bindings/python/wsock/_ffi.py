"""Every constant, struct and function of wsock.h, for ctypes. Written by tools/ffi.py: do not edit.

The documentation of all of it is that header. Handles are `int`, or None for NULL; text is NUL-terminated `bytes`.
"""
from ctypes import (CFUNCTYPE, POINTER, Structure, c_char, c_char_p, c_int32, c_int64, c_size_t, c_uint16,
                    c_uint32, c_uint64, c_void_p)
from typing import Any, Callable

from ._library import library

WSOCK_OK = 0
WSOCK_BUFFERED = 1
WSOCK_DROPPED = 2
WSOCK_ERR_INVALID_ARGUMENT = -1
WSOCK_ERR_INVALID_HANDLE = -2
WSOCK_ERR_WRONG_KIND = -3
WSOCK_ERR_WRONG_THREAD = -4
WSOCK_ERR_REENTRANT = -5
WSOCK_ERR_STATE = -6
WSOCK_ERR_UNSUPPORTED = -7
WSOCK_ERR_LIMIT = -8
WSOCK_ERR_INTERRUPTED = -9
WSOCK_ERR_SYSTEM = -20
WSOCK_ERR_RESOLVE = -21
WSOCK_ERR_CONNECT = -22
WSOCK_ERR_CONNECT_TIMEOUT = -23
WSOCK_ERR_CONNECTION_LOST = -24
WSOCK_ERR_PROXY = -25
WSOCK_ERR_NO_MEMORY = -26
WSOCK_ERR_HANDSHAKE = -40
WSOCK_ERR_HTTP_STATUS = -41
WSOCK_ERR_HANDSHAKE_TIMEOUT = -42
WSOCK_ERR_REDIRECT = -43
WSOCK_ERR_PROTOCOL = -60
WSOCK_ERR_INVALID_DATA = -61
WSOCK_ERR_TOO_BIG = -62
WSOCK_ERR_POLICY = -63
WSOCK_ERR_PING_TIMEOUT = -64
WSOCK_ERR_CLOSE_TIMEOUT = -65
WSOCK_ERR_IDLE_TIMEOUT = -66
WSOCK_ERR_ABORTED = -67
WSOCK_ERR_TLS = -80
WSOCK_ERR_CERTIFICATE = -81
WSOCK_ERR_TLS_TRUNCATED = -82
WSOCK_ERR_PANIC = -100
WSOCK_ERR_POISONED = -101
WSOCK_EVENT_TEXT = 1
WSOCK_EVENT_BINARY = 2
WSOCK_EVENT_OPEN = 3
WSOCK_EVENT_CLOSE = 4
WSOCK_EVENT_ERROR = 5
WSOCK_EVENT_DRAIN = 6
WSOCK_EVENT_PING = 7
WSOCK_EVENT_PONG = 8
WSOCK_EVENT_RETRY = 9
WSOCK_EVENT_REQUEST = 10
WSOCK_OPT_CONNECT_TIMEOUT_MS = 1
WSOCK_OPT_HANDSHAKE_TIMEOUT_MS = 2
WSOCK_OPT_CLOSE_TIMEOUT_MS = 3
WSOCK_OPT_IDLE_TIMEOUT_MS = 4
WSOCK_OPT_PING_INTERVAL_MS = 5
WSOCK_OPT_PONG_TIMEOUT_MS = 6
WSOCK_OPT_OVERFLOW = 7
WSOCK_OPT_MAX_MESSAGE_SIZE = 10
WSOCK_OPT_MAX_FRAME_SIZE = 11
WSOCK_OPT_MAX_FRAGMENTS = 12
WSOCK_OPT_MAX_CONTROL_RATE = 13
WSOCK_OPT_HIGH_WATER = 14
WSOCK_OPT_LOW_WATER = 15
WSOCK_OPT_MAX_BUFFERED = 16
WSOCK_OPT_MAX_HEAD_BYTES = 17
WSOCK_OPT_MAX_HEADERS = 18
WSOCK_OPT_MAX_REQUEST_LINE = 19
WSOCK_OPT_BACKLOG = 40
WSOCK_OPT_ORIGIN_POLICY = 50
WSOCK_OPT_ASK = 45
WSOCK_OPT_TRACE_FRAMES = 90
WSOCK_OPT_ORIGIN = 100
WSOCK_ORIGIN_ANY = 0
WSOCK_ORIGIN_LISTED = 1
WSOCK_ORIGIN_REQUIRED = 2
WSOCK_OPT_PROXY_FROM_ENV = 70
WSOCK_OPT_MAX_REDIRECTS = 71
WSOCK_OPT_RECONNECT = 80
WSOCK_OPT_RECONNECT_FIRST_MS = 81
WSOCK_OPT_RECONNECT_MAX_MS = 82
WSOCK_OPT_RECONNECT_STABLE_MS = 83
WSOCK_OPT_RECONNECT_QUEUE = 84
WSOCK_OPT_PROXY = 120
WSOCK_OPT_NO_PROXY = 121
WSOCK_OPT_USER = 130
WSOCK_OPT_PASSWORD = 131
WSOCK_OPT_MAX_CONNECTIONS = 51
WSOCK_OPT_MAX_CONNECTIONS_PER_ADDRESS = 52
WSOCK_OPT_MAX_HANDSHAKES = 53
WSOCK_OPT_MIN_HANDSHAKE_RATE = 54
WSOCK_OPT_DEFLATE = 30
WSOCK_OPT_DEFLATE_LEVEL = 31
WSOCK_OPT_DEFLATE_MIN_SIZE = 32
WSOCK_OPT_DEFLATE_SERVER_WINDOW_BITS = 33
WSOCK_OPT_DEFLATE_CLIENT_WINDOW_BITS = 34
WSOCK_OPT_DEFLATE_SERVER_TAKEOVER = 35
WSOCK_OPT_DEFLATE_CLIENT_TAKEOVER = 36
WSOCK_OPT_DEFLATE_IDLE_MS = 37
WSOCK_OPT_REUSE_PORT = 41
WSOCK_OPT_TCP_KEEPALIVE_S = 42
WSOCK_OPT_TCP_KEEPALIVE_INTERVAL_S = 43
WSOCK_OPT_TCP_KEEPALIVE_COUNT = 44
WSOCK_OPT_UNIX_MODE = 46
WSOCK_OPT_INTERFACE = 122
WSOCK_OPT_SOURCE_ADDRESS = 123
WSOCK_OPT_TLS_SYSTEM_TRUST = 60
WSOCK_OPT_TLS_MIN_VERSION = 61
WSOCK_OPT_DANGER_ACCEPT_ANY_CERTIFICATE = 62
WSOCK_OPT_TLS_RESUMPTION = 63
WSOCK_OPT_TLS_CLIENT_CERT = 64
WSOCK_OPT_TLS_CA_FILE = 110
WSOCK_OPT_TLS_CA_PEM = 111
WSOCK_OPT_TLS_SERVER_NAME = 112
WSOCK_CLIENT_CERT_IGNORED = 0
WSOCK_CLIENT_CERT_OPTIONAL = 1
WSOCK_CLIENT_CERT_REQUIRED = 2
WSOCK_TEXT = 1
WSOCK_BINARY = 2
WSOCK_PART_FIRST = 1
WSOCK_PART_LAST = 2
WSOCK_BY_NOBODY = 0
WSOCK_BY_LOCAL = 1
WSOCK_BY_PEER = 2
WSOCK_LAYER_WEBSOCKET = 1
WSOCK_LAYER_HTTP = 2
WSOCK_LAYER_TLS = 3
WSOCK_LAYER_TCP = 4
WSOCK_LAYER_PROXY = 5
WSOCK_LAYER_TIMEOUT = 6
WSOCK_LAYER_LIMIT = 7
WSOCK_LAYER_LOCAL = 8
WSOCK_CONNECTING = 0
WSOCK_OPEN = 1
WSOCK_CLOSING = 2
WSOCK_CLOSED = 3
WSOCK_SEND_NO_COMPRESS = 1
WSOCK_SEND_LAST = 2
WSOCK_OVERFLOW_DEFAULT = 0
WSOCK_OVERFLOW_REFUSE = 1
WSOCK_OVERFLOW_DROP_NEWEST = 2
WSOCK_OVERFLOW_DROP_OLDEST = 3
WSOCK_OVERFLOW_CLOSE = 4
WSOCK_CONN_URL = 1
WSOCK_CONN_PROTOCOL = 2
WSOCK_CONN_EXTENSIONS = 3
WSOCK_CONN_PEER_ADDRESS = 4
WSOCK_CONN_LOCAL_ADDRESS = 5
WSOCK_CONN_RESPONSE_BODY = 6
WSOCK_CONN_TLS_VERSION = 7
WSOCK_CONN_TLS_CIPHER = 8
WSOCK_CONN_TLS_SERVER_NAME = 9
WSOCK_CONN_PEER_SUBJECT = 10
WSOCK_PULL_LATER = -1
WSOCK_PULL_FAILED = -2
WSOCK_PUBLISH_NO_COMPRESS = 1
WSOCK_PUBLISH_KEEP = 2
WSOCK_REQUEST_METHOD = 1
WSOCK_REQUEST_TARGET = 2
WSOCK_REQUEST_PATH = 3
WSOCK_REQUEST_QUERY = 4
WSOCK_REQUEST_HOST = 5
WSOCK_REQUEST_ORIGIN = 6
WSOCK_REQUEST_PEER_ADDRESS = 7
WSOCK_REQUEST_PEER_SUBJECT = 8
WSOCK_REQUEST_TLS_SERVER_NAME = 9
WSOCK_REQUEST_LATER = -1
WSOCK_HISTOGRAM_BUCKETS = 26
WSOCK_LOG_ERROR = 1
WSOCK_LOG_WARN = 2
WSOCK_LOG_INFO = 3
WSOCK_LOG_DEBUG = 4
WSOCK_LOG_TRACE = 5
WSOCK_VERSION_MAJOR = 0
WSOCK_VERSION_MINOR = 1
WSOCK_VERSION_PATCH = 0
WSOCK_FEATURE_TLS = 1
WSOCK_FEATURE_DEFLATE = 2


class wsock_error_info(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("code", c_int32),
        ("os_error", c_int32),
        ("http_status", c_int32),
        ("close_code", c_int32),
        ("message", c_char * 232),
        ("tls_alert", c_int32),
        ("reserved", c_int32),
    ]


class wsock_event(Structure):
    _fields_ = [
        ("object", c_uint64),
        ("user", c_uint64),
        ("data", c_uint64),
        ("len", c_uint64),
        ("type", c_uint32),
        ("code", c_uint32),
    ]


class wsock_close_info(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("code", c_int32),
        ("sent_code", c_int32),
        ("was_clean", c_int32),
        ("initiator", c_int32),
        ("status", c_int32),
        ("reserved", c_int32),
        ("reason", c_char_p),
        ("reason_len", c_size_t),
        ("unsent_bytes", c_uint64),
        ("layer", c_int32),
        ("os_error", c_int32),
        ("tls_alert", c_int32),
        ("http_status", c_int32),
        ("sent_reason", c_char_p),
        ("sent_reason_len", c_size_t),
        ("rtt_us", c_uint64),
    ]


class wsock_retry_info(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("attempt", c_int32),
        ("reserved", c_int32),
        ("delay_ms", c_uint64),
        ("error", POINTER(wsock_error_info)),
        ("close", POINTER(wsock_close_info)),
    ]


class wsock_handlers(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("on_open", CFUNCTYPE(None, c_void_p, c_void_p)),
        ("on_message", CFUNCTYPE(None, c_void_p, c_int32, c_void_p, c_size_t, c_void_p)),
        ("on_error", CFUNCTYPE(None, c_void_p, POINTER(wsock_error_info), c_void_p)),
        ("on_close", CFUNCTYPE(None, c_void_p, POINTER(wsock_close_info), c_void_p)),
        ("on_ping", CFUNCTYPE(None, c_void_p, c_void_p, c_size_t, c_void_p)),
        ("on_pong", CFUNCTYPE(None, c_void_p, c_void_p, c_size_t, c_void_p)),
        ("on_drain", CFUNCTYPE(None, c_void_p, c_void_p)),
        ("on_request", CFUNCTYPE(c_int32, c_void_p, c_void_p, c_void_p)),
        ("release", CFUNCTYPE(None, c_void_p)),
        ("on_retry", CFUNCTYPE(None, c_void_p, POINTER(wsock_retry_info), c_void_p)),
        ("on_part", CFUNCTYPE(None, c_void_p, c_int32, c_void_p, c_size_t, c_uint32, c_void_p)),
    ]


class wsock_send_options(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("flags", c_uint32),
        ("overflow", c_int32),
        ("key", c_uint64),
        ("release", CFUNCTYPE(None, c_void_p, c_size_t, c_void_p)),
        ("release_user", c_void_p),
    ]


class wsock_conn_stats(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("messages_received", c_uint64),
        ("messages_sent", c_uint64),
        ("bytes_received", c_uint64),
        ("bytes_sent", c_uint64),
        ("payload_received", c_uint64),
        ("payload_sent", c_uint64),
        ("pings_received", c_uint64),
        ("pongs_received", c_uint64),
        ("buffered_amount", c_uint64),
        ("rtt_us", c_uint64),
        ("tls_resumed", c_uint64),
        ("messages_dropped", c_uint64),
        ("bytes_dropped", c_uint64),
    ]


class wsock_server_stats(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("connections", c_uint64),
        ("handshakes", c_uint64),
        ("accepted", c_uint64),
        ("opened", c_uint64),
        ("refused", c_uint64),
        ("http_responses", c_uint64),
        ("handshake_timeouts", c_uint64),
        ("handshake_errors", c_uint64),
        ("accept_errors", c_uint64),
        ("messages_received", c_uint64),
        ("messages_sent", c_uint64),
        ("bytes_received", c_uint64),
        ("bytes_sent", c_uint64),
        ("refused_connections", c_uint64),
        ("refused_per_address", c_uint64),
        ("refused_handshakes", c_uint64),
        ("refused_head", c_uint64),
        ("refused_slow", c_uint64),
        ("ended_control_rate", c_uint64),
        ("draining", c_uint64),
        ("drain_closed", c_uint64),
        ("drain_remaining_ms", c_uint64),
        ("messages_dropped", c_uint64),
        ("bytes_dropped", c_uint64),
        ("payload_received", c_uint64),
        ("payload_sent", c_uint64),
        ("refused_origin", c_uint64),
        ("refused_version", c_uint64),
        ("refused_draining", c_uint64),
        ("refused_application", c_uint64),
        ("tls_errors", c_uint64),
    ]


class wsock_publish_options(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("flags", c_uint32),
        ("overflow", c_int32),
        ("key", c_uint64),
        ("except", c_void_p),
    ]


class wsock_hub_stats(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("topics", c_uint64),
        ("subscriptions", c_uint64),
        ("kept", c_uint64),
        ("published", c_uint64),
        ("deliveries", c_uint64),
        ("refused", c_uint64),
        ("dropped", c_uint64),
        ("missed", c_uint64),
    ]


class wsock_loop_stats(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("connections", c_uint64),
        ("connecting", c_uint64),
        ("servers", c_uint64),
        ("opened", c_uint64),
        ("closed", c_uint64),
        ("connect_failures", c_uint64),
        ("connect_retries", c_uint64),
        ("turns", c_uint64),
        ("events", c_uint64),
        ("callbacks", c_uint64),
        ("requests", c_uint64),
        ("wakeups", c_uint64),
        ("timers", c_uint64),
        ("messages_received", c_uint64),
        ("messages_sent", c_uint64),
        ("bytes_received", c_uint64),
        ("bytes_sent", c_uint64),
        ("payload_received", c_uint64),
        ("payload_sent", c_uint64),
        ("pings_received", c_uint64),
        ("pongs_received", c_uint64),
        ("messages_dropped", c_uint64),
        ("bytes_dropped", c_uint64),
        ("log_dropped", c_uint64),
        ("lag_count", c_uint64),
        ("lag_sum_us", c_uint64),
        ("lag_max_us", c_uint64),
        ("lag_buckets", c_uint64 * WSOCK_HISTOGRAM_BUCKETS),
        ("callback_count", c_uint64),
        ("callback_sum_us", c_uint64),
        ("callback_max_us", c_uint64),
        ("callback_buckets", c_uint64 * WSOCK_HISTOGRAM_BUCKETS),
        ("rtt_count", c_uint64),
        ("rtt_sum_us", c_uint64),
        ("rtt_max_us", c_uint64),
        ("rtt_buckets", c_uint64 * WSOCK_HISTOGRAM_BUCKETS),
    ]


def _function(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    function = getattr(library, name)
    function.restype, function.argtypes = result, arguments
    return function  # type: ignore[no-any-return]


wsock_strerror = _function("wsock_strerror", c_char_p, c_int32)
wsock_error_name = _function("wsock_error_name", c_char_p, c_int32)
wsock_last_error = _function("wsock_last_error", c_int32, POINTER(wsock_error_info))
wsock_loop_new = _function("wsock_loop_new", c_int32, POINTER(c_void_p))
wsock_loop_free = _function("wsock_loop_free", c_int32, c_void_p)
wsock_loop_run = _function("wsock_loop_run", c_int32, c_void_p)
wsock_loop_poll = _function("wsock_loop_poll", c_int32, c_void_p, c_int32)
wsock_loop_start = _function("wsock_loop_start", c_int32, c_void_p)
wsock_loop_join = _function("wsock_loop_join", c_int32, c_void_p)
wsock_loop_stop = _function("wsock_loop_stop", c_int32, c_void_p)
wsock_loop_wakeup = _function("wsock_loop_wakeup", c_int32, c_void_p)
wsock_loop_post = _function(
    "wsock_loop_post",
    c_int32,
    c_void_p,
    CFUNCTYPE(None, c_void_p, c_void_p),
    c_void_p,
    CFUNCTYPE(None, c_void_p),
)
wsock_loop_fd = _function("wsock_loop_fd", c_int32, c_void_p)
wsock_loop_timeout_ms = _function("wsock_loop_timeout_ms", c_int32, c_void_p)
wsock_loop_after_fork = _function("wsock_loop_after_fork", c_int32, c_void_p)
wsock_loop_use_events = _function("wsock_loop_use_events", c_int32, c_void_p, POINTER(wsock_event), c_size_t, c_uint32)
wsock_loop_events = _function("wsock_loop_events", c_int32, c_void_p, c_int32)
wsock_loop_flush = _function("wsock_loop_flush", c_int32, c_void_p)
wsock_loop_promise_flush = _function("wsock_loop_promise_flush", c_int32, c_void_p, c_int32)
wsock_options_new = _function("wsock_options_new", c_int32, POINTER(c_void_p))
wsock_options_free = _function("wsock_options_free", None, c_void_p)
wsock_options_set_int = _function("wsock_options_set_int", c_int32, c_void_p, c_int32, c_int64)
wsock_options_set_str = _function("wsock_options_set_str", c_int32, c_void_p, c_int32, c_char_p)
wsock_options_add_header = _function("wsock_options_add_header", c_int32, c_void_p, c_char_p, c_char_p)
wsock_options_add_cookie = _function("wsock_options_add_cookie", c_int32, c_void_p, c_char_p, c_char_p)
wsock_options_add_protocol = _function("wsock_options_add_protocol", c_int32, c_void_p, c_char_p)
wsock_options_add_origin = _function("wsock_options_add_origin", c_int32, c_void_p, c_char_p)
wsock_options_add_trusted_proxy = _function("wsock_options_add_trusted_proxy", c_int32, c_void_p, c_char_p)
wsock_option_bounds = _function(
    "wsock_option_bounds",
    c_int32,
    c_int32,
    POINTER(c_int64),
    POINTER(c_int64),
    POINTER(c_int64),
)
wsock_options_add_cert_files = _function("wsock_options_add_cert_files", c_int32, c_void_p, c_char_p, c_char_p)
wsock_options_add_cert_pem = _function("wsock_options_add_cert_pem", c_int32, c_void_p, c_char_p, c_char_p)
wsock_options_add_pin = _function("wsock_options_add_pin", c_int32, c_void_p, c_char_p)
wsock_connect = _function(
    "wsock_connect",
    c_int32,
    c_void_p,
    c_char_p,
    c_void_p,
    POINTER(wsock_handlers),
    c_void_p,
    POINTER(c_void_p),
)
wsock_connect_fd = _function(
    "wsock_connect_fd",
    c_int32,
    c_void_p,
    c_int32,
    c_char_p,
    c_void_p,
    POINTER(wsock_handlers),
    c_void_p,
    c_void_p,
    c_size_t,
    POINTER(c_void_p),
)
wsock_conn_send = _function("wsock_conn_send", c_int32, c_void_p, c_int32, c_void_p, c_size_t, c_uint32)
wsock_conn_send_text = _function("wsock_conn_send_text", c_int32, c_void_p, c_char_p, c_size_t)
wsock_conn_send_binary = _function("wsock_conn_send_binary", c_int32, c_void_p, c_void_p, c_size_t)
wsock_conn_send_many = _function(
    "wsock_conn_send_many",
    c_int32,
    c_void_p,
    c_int32,
    c_void_p,
    c_size_t,
    POINTER(c_size_t),
    c_size_t,
    c_uint32,
    POINTER(c_size_t),
)
wsock_conn_send_with = _function(
    "wsock_conn_send_with",
    c_int32,
    c_void_p,
    c_int32,
    c_void_p,
    c_size_t,
    POINTER(wsock_send_options),
)
wsock_conn_send_part = _function("wsock_conn_send_part", c_int32, c_void_p, c_int32, c_void_p, c_size_t, c_uint32)
wsock_conn_ping = _function("wsock_conn_ping", c_int32, c_void_p, c_void_p, c_size_t)
wsock_conn_close = _function("wsock_conn_close", c_int32, c_void_p, c_int32, c_char_p)
wsock_conn_abort = _function("wsock_conn_abort", c_int32, c_void_p)
wsock_conn_pause = _function("wsock_conn_pause", c_int32, c_void_p)
wsock_conn_resume = _function("wsock_conn_resume", c_int32, c_void_p)
wsock_conn_state = _function("wsock_conn_state", c_int32, c_void_p)
wsock_conn_buffered_amount = _function("wsock_conn_buffered_amount", c_size_t, c_void_p)
wsock_conn_get_str = _function("wsock_conn_get_str", c_char_p, c_void_p, c_int32, POINTER(c_size_t))
wsock_conn_header = _function("wsock_conn_header", c_char_p, c_void_p, c_char_p, c_size_t, POINTER(c_size_t))
wsock_conn_header_at = _function(
    "wsock_conn_header_at",
    c_int32,
    c_void_p,
    c_size_t,
    POINTER(c_char_p),
    POINTER(c_char_p),
)
wsock_conn_cookie = _function("wsock_conn_cookie", c_char_p, c_void_p, c_char_p, POINTER(c_size_t))
wsock_conn_set_target = _function("wsock_conn_set_target", c_int32, c_void_p, c_char_p, c_void_p)
wsock_conn_set_user_data = _function("wsock_conn_set_user_data", c_int32, c_void_p, c_void_p, CFUNCTYPE(None, c_void_p))
wsock_conn_user_data = _function("wsock_conn_user_data", c_void_p, c_void_p)
wsock_conn_server = _function("wsock_conn_server", c_void_p, c_void_p)
wsock_conn_get_stats = _function("wsock_conn_get_stats", c_int32, c_void_p, POINTER(wsock_conn_stats))
wsock_conn_send_fd = _function("wsock_conn_send_fd", c_int32, c_void_p, c_int32, c_int32, c_uint64, c_uint32)
wsock_conn_send_from = _function(
    "wsock_conn_send_from",
    c_int32,
    c_void_p,
    c_int32,
    CFUNCTYPE(c_int64, c_void_p, c_void_p, c_size_t, c_void_p),
    c_void_p,
    CFUNCTYPE(None, c_void_p),
    c_uint32,
)
wsock_conn_pull_again = _function("wsock_conn_pull_again", c_int32, c_void_p)
wsock_conn_retain = _function("wsock_conn_retain", c_int32, c_void_p, c_void_p, POINTER(c_void_p))
wsock_conn_send_message = _function("wsock_conn_send_message", c_int32, c_void_p, c_void_p, POINTER(wsock_send_options))
wsock_listen = _function(
    "wsock_listen",
    c_int32,
    c_void_p,
    c_char_p,
    c_uint16,
    c_void_p,
    POINTER(wsock_handlers),
    c_void_p,
    POINTER(c_void_p),
)
wsock_server_port = _function("wsock_server_port", c_uint16, c_void_p)
wsock_server_set_tls = _function("wsock_server_set_tls", c_int32, c_void_p, c_void_p)
wsock_server_close = _function("wsock_server_close", c_int32, c_void_p, c_int32, c_int32, c_char_p)
wsock_server_get_stats = _function("wsock_server_get_stats", c_int32, c_void_p, POINTER(wsock_server_stats))
wsock_listen_fd = _function(
    "wsock_listen_fd",
    c_int32,
    c_void_p,
    c_int32,
    c_void_p,
    POINTER(wsock_handlers),
    c_void_p,
    POINTER(c_void_p),
)
wsock_server_adopt = _function("wsock_server_adopt", c_int32, c_void_p, c_int32, c_void_p, c_size_t)
wsock_server_broadcast = _function("wsock_server_broadcast", c_int32, c_void_p, c_void_p, c_void_p)
wsock_message_new = _function("wsock_message_new", c_int32, c_int32, c_void_p, c_size_t, POINTER(c_void_p))
wsock_message_free = _function("wsock_message_free", None, c_void_p)
wsock_message_data = _function("wsock_message_data", c_void_p, c_void_p, POINTER(c_int32), POINTER(c_size_t))
wsock_message_compressions = _function("wsock_message_compressions", c_size_t, c_void_p)
wsock_hub_new = _function("wsock_hub_new", c_int32, POINTER(c_void_p))
wsock_hub_free = _function("wsock_hub_free", None, c_void_p)
wsock_hub_subscribe = _function("wsock_hub_subscribe", c_int32, c_void_p, c_void_p, c_char_p)
wsock_hub_unsubscribe = _function("wsock_hub_unsubscribe", c_int32, c_void_p, c_void_p, c_char_p)
wsock_hub_publish = _function(
    "wsock_hub_publish",
    c_int32,
    c_void_p,
    c_char_p,
    c_int32,
    c_void_p,
    c_size_t,
    POINTER(wsock_publish_options),
)
wsock_hub_publish_message = _function(
    "wsock_hub_publish_message",
    c_int32,
    c_void_p,
    c_char_p,
    c_void_p,
    POINTER(wsock_publish_options),
)
wsock_hub_forget = _function("wsock_hub_forget", c_int32, c_void_p, c_char_p)
wsock_hub_get_stats = _function("wsock_hub_get_stats", c_int32, c_void_p, POINTER(wsock_hub_stats))
wsock_request_is_upgrade = _function("wsock_request_is_upgrade", c_int32, c_void_p)
wsock_request_get_str = _function("wsock_request_get_str", c_char_p, c_void_p, c_int32, POINTER(c_size_t))
wsock_request_header = _function("wsock_request_header", c_char_p, c_void_p, c_char_p, c_size_t, POINTER(c_size_t))
wsock_request_cookie = _function("wsock_request_cookie", c_char_p, c_void_p, c_char_p, POINTER(c_size_t))
wsock_request_header_at = _function(
    "wsock_request_header_at",
    c_int32,
    c_void_p,
    c_size_t,
    POINTER(c_char_p),
    POINTER(c_char_p),
)
wsock_request_protocol_at = _function("wsock_request_protocol_at", c_char_p, c_void_p, c_size_t)
wsock_request_select_protocol = _function("wsock_request_select_protocol", c_int32, c_void_p, c_char_p)
wsock_request_add_header = _function("wsock_request_add_header", c_int32, c_void_p, c_char_p, c_char_p)
wsock_request_set_body = _function("wsock_request_set_body", c_int32, c_void_p, c_char_p, c_void_p, c_size_t)
wsock_request_answer = _function("wsock_request_answer", c_int32, c_void_p, c_int32)
wsock_loop_get_stats = _function("wsock_loop_get_stats", c_int32, c_void_p, POINTER(wsock_loop_stats))
wsock_loop_metrics = _function("wsock_loop_metrics", c_int32, c_void_p, POINTER(c_char_p), POINTER(c_size_t))
wsock_loop_measure = _function("wsock_loop_measure", c_int32, c_void_p, c_int32)
wsock_conn_trace = _function("wsock_conn_trace", c_int32, c_void_p, POINTER(c_char_p), POINTER(c_size_t))
wsock_loop_set_log = _function(
    "wsock_loop_set_log",
    c_int32,
    c_void_p,
    c_int32,
    CFUNCTYPE(None, c_void_p, c_int32, c_char_p, c_char_p, c_void_p),
    c_void_p,
    CFUNCTYPE(None, c_void_p),
)
wsock_version = _function("wsock_version", c_uint32)
wsock_version_string = _function("wsock_version_string", c_char_p)
wsock_abi_version = _function("wsock_abi_version", c_uint32)
wsock_features = _function("wsock_features", c_uint64)
