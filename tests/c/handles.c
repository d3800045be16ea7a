/* Every function of the header with every kind of handle it must refuse. The table at the end is
   compared with the header by tests/c_suite.rs, so that no function is forgotten. */
#include "raw.h"

enum kind { ANY, LOOP, CONN, SERVER, REQUEST, OPTIONS, MESSAGE, HUB, KINDS };

/* A call with one handle and otherwise good arguments. Gives the status; for a function without one,
   the code of the last error when it returned its documented default, else BAD_DEFAULT. */
typedef int32_t (*call)(void *handle);
#define BAD_DEFAULT 4711
#define UNCHANGED ((void *)0x51)
static int32_t defaulted(int as_documented) { return as_documented ? last_error().code : BAD_DEFAULT; }

/* One of each class, as far as there is one now. */
static void *live[KINDS];
static wsock_loop *good_loop;
static wsock_hub *good_hub;
static wsock_message *good_message;
static int posted;
static void count_task(wsock_loop *loop, void *arg) { (void)loop, (void)arg, posted++; }

static void never_release(void *user_data) {
  (void)user_data;
  CHECKF(0, "user data taken by a refused call was released");
}
/* Handlers for a call that will be refused. */
static wsock_handlers refused_handlers(void) {
  wsock_handlers handlers = rec_handlers();
  handlers.release = never_release;
  return handlers;
}

/* loop */
static int32_t call_wsock_loop_free(void *h) { return wsock_loop_free(h); }
static int32_t call_wsock_loop_run(void *h) { return wsock_loop_run(h); }
static int32_t call_wsock_loop_poll(void *h) { return wsock_loop_poll(h, 0); }
static int32_t call_wsock_loop_stop(void *h) { return wsock_loop_stop(h); }
static int32_t call_wsock_loop_wakeup(void *h) { return wsock_loop_wakeup(h); }
static int32_t call_wsock_loop_post(void *h) { return wsock_loop_post(h, count_task, NULL, NULL); }
static int32_t call_wsock_loop_fd(void *h) { return wsock_loop_fd(h); }
static int32_t call_wsock_loop_after_fork(void *h) { return wsock_loop_after_fork(h); }
static int32_t call_wsock_loop_timeout_ms(void *h) { return wsock_loop_timeout_ms(h); }
static int32_t call_wsock_loop_use_events(void *h) { return wsock_loop_use_events(h, NULL, 0, 0); }
static int32_t call_wsock_loop_events(void *h) { return wsock_loop_events(h, 0); }
static int32_t call_wsock_loop_flush(void *h) { return wsock_loop_flush(h); }
static int32_t call_wsock_loop_promise_flush(void *h) { return wsock_loop_promise_flush(h, 0); }
static int32_t call_wsock_loop_start(void *h) { return wsock_loop_start(h); }
static int32_t call_wsock_loop_join(void *h) { return wsock_loop_join(h); }
static int32_t call_wsock_conn_retain(void *h) {
  wsock_message *out = UNCHANGED;
  wsock_status status = wsock_conn_retain(h, "x", &out);
  CHECK(out == UNCHANGED);
  return status;
}
static int32_t call_wsock_request_answer(void *h) { return wsock_request_answer(h, 403); }
static int32_t call_wsock_loop_get_stats(void *h) {
  wsock_loop_stats stats, before;
  memset(&stats, 0x5a, sizeof stats);
  stats.struct_size = sizeof stats;
  before = stats;
  wsock_status status = wsock_loop_get_stats(h, &stats);
  CHECK(memcmp(&stats, &before, sizeof stats) == 0);
  return status;
}
static int32_t call_wsock_loop_metrics(void *h) {
  const char *text = UNCHANGED;
  size_t len = 77;
  wsock_status status = wsock_loop_metrics(h, &text, &len);
  CHECK(text == UNCHANGED && len == 77);
  return status;
}
static int32_t call_wsock_loop_measure(void *h) { return wsock_loop_measure(h, 1); }
static void never_log(wsock_loop *loop, int32_t level, const char *target, const char *message, void *user_data) {
  (void)loop, (void)level, (void)user_data;
  CHECKF(0, "a refused log was told %s %s", target, message);
}
static int32_t call_wsock_loop_set_log(void *h) { return wsock_loop_set_log(h, WSOCK_LOG_TRACE, never_log, NULL, never_release); }
static int32_t call_wsock_connect(void *h) {
  wsock_handlers handlers = refused_handlers();
  wsock_conn *out = UNCHANGED;
  wsock_status status = wsock_connect(h, "ws://127.0.0.1:1/", NULL, &handlers, NULL, &out);
  CHECK(out == UNCHANGED);
  return status;
}
static int32_t call_wsock_listen(void *h) {
  wsock_handlers handlers = refused_handlers();
  wsock_server *out = UNCHANGED;
  wsock_status status = wsock_listen(h, "127.0.0.1", 0, NULL, &handlers, NULL, &out);
  CHECK(out == UNCHANGED);
  return status;
}
/* A descriptor that these calls could take, to be closed here: they take none with a bad handle. */
static int32_t offering(int listening, wsock_status (*call)(void *handle, int fd), void *h) {
  uint16_t port;
  int pair[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
  int fd = listening ? raw_listen(&port, 1) : pair[0];
  wsock_status status = call(h, fd);
  CHECK(fcntl(fd, F_GETFD) >= 0 && close(fd) == 0);
  if (listening) close(pair[0]);
  close(pair[1]);
  return status;
}
static wsock_status connect_fd(void *h, int fd) {
  wsock_handlers handlers = refused_handlers();
  wsock_conn *out = UNCHANGED;
  wsock_status status = wsock_connect_fd(h, fd, "ws://127.0.0.1:1/", NULL, &handlers, NULL, NULL, 0, &out);
  CHECK(out == UNCHANGED);
  return status;
}
static wsock_status listen_fd(void *h, int fd) {
  wsock_handlers handlers = refused_handlers();
  wsock_server *out = UNCHANGED;
  wsock_status status = wsock_listen_fd(h, fd, NULL, &handlers, NULL, &out);
  CHECK(out == UNCHANGED);
  return status;
}
static wsock_status adopt_fd(void *h, int fd) { return wsock_server_adopt(h, fd, "GET ", 4); }
static int32_t call_wsock_connect_fd(void *h) { return offering(0, connect_fd, h); }
static int32_t call_wsock_listen_fd(void *h) { return offering(1, listen_fd, h); }
/* options; NULL means the defaults where they are read */
static int32_t call_options_of_connect(void *h) {
  wsock_handlers handlers = refused_handlers();
  wsock_conn *out = UNCHANGED;
  wsock_status status = wsock_connect(good_loop, "ws://127.0.0.1:1/", h, &handlers, NULL, &out);
  CHECK(out == UNCHANGED);
  return status;
}
static int32_t call_options_of_listen(void *h) {
  wsock_handlers handlers = refused_handlers();
  wsock_server *out = UNCHANGED;
  wsock_status status = wsock_listen(good_loop, "127.0.0.1", 0, h, &handlers, NULL, &out);
  CHECK(out == UNCHANGED);
  return status;
}
static int32_t call_wsock_options_free(void *h) {
  wsock_options_free(h);
  return last_error().code;
}
static int32_t call_wsock_options_set_int(void *h) { return wsock_options_set_int(h, WSOCK_OPT_BACKLOG, 16); }
static int32_t call_wsock_options_set_str(void *h) { return wsock_options_set_str(h, WSOCK_OPT_ORIGIN, "https://example.org"); }
static int32_t call_wsock_options_add_header(void *h) { return wsock_options_add_header(h, "X-Name", "value"); }
static int32_t call_wsock_options_add_cookie(void *h) { return wsock_options_add_cookie(h, "name", "value"); }
static int32_t call_wsock_options_add_protocol(void *h) { return wsock_options_add_protocol(h, "chat"); }
static int32_t call_wsock_options_add_origin(void *h) { return wsock_options_add_origin(h, "https://example.org"); }
static int32_t call_wsock_options_add_trusted_proxy(void *h) { return wsock_options_add_trusted_proxy(h, "10.0.0.0/8"); }
static int32_t call_wsock_options_add_cert_files(void *h) { return wsock_options_add_cert_files(h, "/no/such/file", "/no/such/file"); }
static int32_t call_wsock_options_add_cert_pem(void *h) { return wsock_options_add_cert_pem(h, "no PEM", "no PEM"); }
static int32_t call_wsock_options_add_pin(void *h) { return wsock_options_add_pin(h, "sha256//2tHZ9Vm1VDLMWlLDkaHSHPRCcVyUYYZxPYIb4CrFBMo="); }
/* connection */
static int lent, given_back;
static void count_release(const void *data, size_t len, void *user) {
  CHECK(len == 1 && *(const char *)data == 'a' && user == &lent);
  given_back++;
}
static int32_t call_wsock_conn_send(void *h) { return wsock_conn_send(h, WSOCK_TEXT, "a", 1, 0); }
static int32_t call_wsock_conn_send_text(void *h) { return wsock_conn_send_text(h, "a", 1); }
static int32_t call_wsock_conn_send_binary(void *h) { return wsock_conn_send_binary(h, "a", 1); }
static int32_t call_wsock_conn_send_many(void *h) {
  size_t len = 1, taken;
  return wsock_conn_send_many(h, WSOCK_TEXT, "a", 1, &len, 1, 0, &taken);
}
static int32_t call_wsock_conn_send_with(void *h) {
  wsock_send_options options;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.release = count_release;
  options.release_user = &lent;
  lent++;
  return wsock_conn_send_with(h, WSOCK_TEXT, "a", 1, &options);
}
static int32_t call_wsock_conn_send_part(void *h) { return wsock_conn_send_part(h, WSOCK_TEXT, "a", 1, WSOCK_SEND_LAST); }
static int32_t call_wsock_conn_ping(void *h) { return wsock_conn_ping(h, "a", 1); }
static int32_t call_wsock_conn_close(void *h) { return wsock_conn_close(h, 1000, ""); }
static int32_t call_wsock_conn_abort(void *h) { return wsock_conn_abort(h); }
static int32_t call_wsock_conn_pause(void *h) { return wsock_conn_pause(h); }
static int32_t call_wsock_conn_send_fd(void *h) { return wsock_conn_send_fd(h, WSOCK_TEXT, -1, 0, 0); }
static int64_t pull_nothing(wsock_conn *conn, void *buffer, size_t capacity, void *user_data) {
  (void)conn, (void)buffer, (void)capacity, (void)user_data;
  return 0;
}
static int32_t call_wsock_conn_send_from(void *h) { return wsock_conn_send_from(h, WSOCK_TEXT, pull_nothing, NULL, NULL, 0); }
static int32_t call_wsock_conn_pull_again(void *h) { return wsock_conn_pull_again(h); }
static int32_t call_wsock_conn_resume(void *h) { return wsock_conn_resume(h); }
static int32_t call_wsock_conn_state(void *h) { return defaulted(wsock_conn_state(h) == WSOCK_CLOSED); }
static int32_t call_wsock_conn_buffered_amount(void *h) { return defaulted(wsock_conn_buffered_amount(h) == 0); }
static int32_t call_wsock_conn_get_str(void *h) {
  size_t len = 77;
  const char *text = wsock_conn_get_str(h, WSOCK_CONN_URL, &len);
  return defaulted(text == NULL && len == 77);
}
static int32_t call_wsock_conn_header(void *h) {
  size_t len = 77;
  const char *text = wsock_conn_header(h, "Upgrade", 0, &len);
  return defaulted(text == NULL && len == 77);
}
static int32_t call_wsock_conn_header_at(void *h) {
  const char *name = UNCHANGED, *value = UNCHANGED;
  wsock_status status = wsock_conn_header_at(h, 0, &name, &value);
  CHECK(name == UNCHANGED && value == UNCHANGED);
  return status;
}
static int32_t call_wsock_conn_cookie(void *h) {
  size_t len = 77;
  const char *text = wsock_conn_cookie(h, "name", &len);
  return defaulted(text == NULL && len == 77);
}
static int32_t call_wsock_conn_set_target(void *h) { return wsock_conn_set_target(h, "ws://127.0.0.1:1/", NULL); }
static int32_t call_wsock_conn_set_user_data(void *h) { return wsock_conn_set_user_data(h, NULL, never_release); }
static int32_t call_wsock_conn_user_data(void *h) { return defaulted(wsock_conn_user_data(h) == NULL); }
static int32_t call_wsock_conn_server(void *h) { return defaulted(wsock_conn_server(h) == NULL); }
static int32_t call_wsock_conn_get_stats(void *h) {
  wsock_conn_stats stats, before;
  memset(&stats, 0x5a, sizeof stats);
  stats.struct_size = sizeof stats;
  before = stats;
  wsock_status status = wsock_conn_get_stats(h, &stats);
  CHECK(memcmp(&stats, &before, sizeof stats) == 0);
  return status;
}
static int32_t call_wsock_conn_trace(void *h) {
  const char *text = UNCHANGED;
  size_t len = 77;
  wsock_status status = wsock_conn_trace(h, &text, &len);
  CHECK(text == UNCHANGED && len == 77);
  return status;
}
/* server */
static int32_t call_wsock_server_adopt(void *h) { return offering(0, adopt_fd, h); }
static int32_t call_wsock_server_port(void *h) { return defaulted(wsock_server_port(h) == 0); }
static int32_t call_wsock_server_set_tls(void *h) { return wsock_server_set_tls(h, NULL); }
static int32_t call_wsock_server_close(void *h) { return wsock_server_close(h, 0, 1001, ""); }
static int32_t call_wsock_server_get_stats(void *h) {
  wsock_server_stats stats, before;
  memset(&stats, 0x5a, sizeof stats);
  stats.struct_size = sizeof stats;
  before = stats;
  wsock_status status = wsock_server_get_stats(h, &stats);
  CHECK(memcmp(&stats, &before, sizeof stats) == 0);
  return status;
}
/* request */
static int32_t call_wsock_request_is_upgrade(void *h) { return wsock_request_is_upgrade(h); }
static int32_t call_wsock_request_get_str(void *h) {
  size_t len = 77;
  const char *text = wsock_request_get_str(h, WSOCK_REQUEST_PATH, &len);
  return defaulted(text == NULL && len == 77);
}
static int32_t call_wsock_request_header(void *h) {
  size_t len = 77;
  const char *text = wsock_request_header(h, "Host", 0, &len);
  return defaulted(text == NULL && len == 77);
}
static int32_t call_wsock_request_cookie(void *h) {
  size_t len = 77;
  const char *text = wsock_request_cookie(h, "name", &len);
  return defaulted(text == NULL && len == 77);
}
static int32_t call_wsock_request_header_at(void *h) {
  const char *name = UNCHANGED, *value = UNCHANGED;
  wsock_status status = wsock_request_header_at(h, 0, &name, &value);
  CHECK(name == UNCHANGED && value == UNCHANGED);
  return status;
}
static int32_t call_wsock_request_protocol_at(void *h) { return defaulted(wsock_request_protocol_at(h, 0) == NULL); }
static int32_t call_wsock_request_select_protocol(void *h) { return wsock_request_select_protocol(h, "chat"); }
static int32_t call_wsock_request_add_header(void *h) { return wsock_request_add_header(h, "X-Name", "value"); }
static int32_t call_wsock_request_set_body(void *h) { return wsock_request_set_body(h, "text/plain", "a", 1); }

/* message and hub */
static int32_t call_wsock_message_free(void *h) {
  wsock_message_free(h);
  return last_error().code;
}
static int32_t call_wsock_message_data(void *h) {
  int32_t type = 78;
  size_t len = 77;
  const void *data = wsock_message_data(h, &type, &len);
  return defaulted(data == NULL && type == 78 && len == 77);
}
static int32_t call_wsock_message_compressions(void *h) { return defaulted(wsock_message_compressions(h) == 0); }
static int32_t call_wsock_conn_send_message(void *h) { return wsock_conn_send_message(h, good_message, NULL); }
static int32_t call_message_of_send(void *h) { return wsock_conn_send_message(live[CONN], h, NULL); }
static int32_t call_message_of_broadcast(void *h) { return wsock_server_broadcast(live[SERVER], h, NULL); }
static int32_t call_message_of_publish(void *h) { return wsock_hub_publish_message(good_hub, "topic", h, NULL); }
static int32_t call_wsock_server_broadcast(void *h) { return wsock_server_broadcast(h, good_message, NULL); }
static int32_t call_wsock_hub_free(void *h) {
  wsock_hub_free(h);
  return last_error().code;
}
static int32_t call_wsock_hub_subscribe(void *h) { return wsock_hub_subscribe(h, live[CONN], "topic"); }
static int32_t call_conn_of_subscribe(void *h) { return wsock_hub_subscribe(good_hub, h, "topic"); }
static int32_t call_wsock_hub_unsubscribe(void *h) { return wsock_hub_unsubscribe(h, live[CONN], "topic"); }
static int32_t call_conn_of_unsubscribe(void *h) { return wsock_hub_unsubscribe(good_hub, h, "topic"); }
static int32_t call_wsock_hub_publish(void *h) { return wsock_hub_publish(h, "topic", WSOCK_TEXT, "a", 1, NULL); }
static int32_t call_wsock_hub_publish_message(void *h) { return wsock_hub_publish_message(h, "topic", good_message, NULL); }
static int32_t call_wsock_hub_forget(void *h) { return wsock_hub_forget(h, "topic"); }
static int32_t call_wsock_hub_get_stats(void *h) {
  wsock_hub_stats stats, before;
  memset(&stats, 0x5a, sizeof stats);
  stats.struct_size = sizeof stats;
  before = stats;
  wsock_status status = wsock_hub_get_stats(h, &stats);
  CHECK(memcmp(&stats, &before, sizeof stats) == 0);
  return status;
}

/* Functions without a handle check what they promise themselves and give WSOCK_OK. */
static int32_t call_wsock_version(void *h) {
  (void)h;
  CHECK_INT(wsock_version(), WSOCK_VERSION_MAJOR << 16 | WSOCK_VERSION_MINOR << 8 | WSOCK_VERSION_PATCH);
  return WSOCK_OK;
}
static int32_t call_wsock_version_string(void *h) {
  char text[32];
  (void)h;
  snprintf(text, sizeof text, "%d.%d.%d", WSOCK_VERSION_MAJOR, WSOCK_VERSION_MINOR, WSOCK_VERSION_PATCH);
  CHECK_STR(wsock_version_string(), text);
  return WSOCK_OK;
}
static int32_t call_wsock_abi_version(void *h) {
  (void)h;
  CHECK_INT(wsock_abi_version(), 0);
  return WSOCK_OK;
}
static int32_t call_wsock_features(void *h) {
  (void)h;
  CHECK((wsock_features() & ~(uint64_t)(WSOCK_FEATURE_TLS | WSOCK_FEATURE_DEFLATE)) == 0);
  return WSOCK_OK;
}
static int32_t call_wsock_strerror(void *h) {
  (void)h;
  for (int32_t code = -200; code <= 200; code++) CHECK(wsock_strerror(code) && is_one_line(wsock_strerror(code), 300));
  CHECK(is_one_line(wsock_strerror(INT32_MIN), 300) && is_one_line(wsock_strerror(INT32_MAX), 300));
  CHECK(strcmp(wsock_strerror(WSOCK_ERR_LIMIT), wsock_strerror(WSOCK_ERR_STATE)) != 0);
  return WSOCK_OK;
}
static int32_t call_wsock_error_name(void *h) {
  (void)h;
#define NAMED(code) CHECK_STR(wsock_error_name(code), #code)
  NAMED(WSOCK_OK);
  NAMED(WSOCK_BUFFERED);
  NAMED(WSOCK_DROPPED);
  NAMED(WSOCK_ERR_INVALID_ARGUMENT);
  NAMED(WSOCK_ERR_INVALID_HANDLE);
  NAMED(WSOCK_ERR_WRONG_KIND);
  NAMED(WSOCK_ERR_WRONG_THREAD);
  NAMED(WSOCK_ERR_REENTRANT);
  NAMED(WSOCK_ERR_STATE);
  NAMED(WSOCK_ERR_UNSUPPORTED);
  NAMED(WSOCK_ERR_LIMIT);
  NAMED(WSOCK_ERR_INTERRUPTED);
  NAMED(WSOCK_ERR_SYSTEM);
  NAMED(WSOCK_ERR_RESOLVE);
  NAMED(WSOCK_ERR_CONNECT);
  NAMED(WSOCK_ERR_CONNECT_TIMEOUT);
  NAMED(WSOCK_ERR_CONNECTION_LOST);
  NAMED(WSOCK_ERR_PROXY);
  NAMED(WSOCK_ERR_NO_MEMORY);
  NAMED(WSOCK_ERR_HANDSHAKE);
  NAMED(WSOCK_ERR_HTTP_STATUS);
  NAMED(WSOCK_ERR_HANDSHAKE_TIMEOUT);
  NAMED(WSOCK_ERR_REDIRECT);
  NAMED(WSOCK_ERR_PROTOCOL);
  NAMED(WSOCK_ERR_INVALID_DATA);
  NAMED(WSOCK_ERR_TOO_BIG);
  NAMED(WSOCK_ERR_POLICY);
  NAMED(WSOCK_ERR_PING_TIMEOUT);
  NAMED(WSOCK_ERR_CLOSE_TIMEOUT);
  NAMED(WSOCK_ERR_IDLE_TIMEOUT);
  NAMED(WSOCK_ERR_ABORTED);
  NAMED(WSOCK_ERR_TLS);
  NAMED(WSOCK_ERR_CERTIFICATE);
  NAMED(WSOCK_ERR_TLS_TRUNCATED);
  NAMED(WSOCK_ERR_PANIC);
  NAMED(WSOCK_ERR_POISONED);
  for (int32_t code = -200; code <= 200; code++) CHECK(wsock_error_name(code) && *wsock_error_name(code));
  CHECK(*wsock_error_name(INT32_MIN) && *wsock_error_name(INT32_MAX));
  return WSOCK_OK;
}
static int32_t call_wsock_last_error(void *h) {
  wsock_error_info info;
  (void)h;
  memset(&info, 0x5a, sizeof info);
  info.struct_size = sizeof info;
  CHECK_STATUS(wsock_loop_stop(NULL), WSOCK_ERR_INVALID_HANDLE);
  CHECK_STATUS(wsock_last_error(&info), WSOCK_OK);
  CHECK_INT(info.code, WSOCK_ERR_INVALID_HANDLE);
  CHECK(info.os_error == 0 && info.http_status == 0 && info.close_code == 0);
  CHECK(is_one_line(info.message, sizeof info.message));
  CHECK_STATUS(wsock_last_error(NULL), WSOCK_ERR_INVALID_ARGUMENT);
  return WSOCK_OK;
}
static int32_t call_wsock_loop_new(void *h) {
  (void)h;
  CHECK_REFUSED(wsock_loop_new(NULL), WSOCK_ERR_INVALID_ARGUMENT);
  return WSOCK_OK;
}
static int32_t call_wsock_options_new(void *h) {
  (void)h;
  CHECK_REFUSED(wsock_options_new(NULL), WSOCK_ERR_INVALID_ARGUMENT);
  return WSOCK_OK;
}
static int32_t call_wsock_message_new(void *h) {
  (void)h;
  CHECK_REFUSED(wsock_message_new(WSOCK_TEXT, "a", 1, NULL), WSOCK_ERR_INVALID_ARGUMENT);
  return WSOCK_OK;
}
static int32_t call_wsock_hub_new(void *h) {
  (void)h;
  CHECK_REFUSED(wsock_hub_new(NULL), WSOCK_ERR_INVALID_ARGUMENT);
  return WSOCK_OK;
}
static int32_t call_wsock_option_bounds(void *h) {
  int64_t min = 1, max = 2, normal = 3;
  (void)h;
  CHECK_REFUSED(wsock_option_bounds(0, &min, &max, &normal), WSOCK_ERR_UNSUPPORTED);
  CHECK(min == 1 && max == 2 && normal == 3);
  return WSOCK_OK;
}

struct row {
  const char *name;
  enum kind kind;
  call call;
  int null_is_fine;
};
#define ROW(function, kind) {#function, kind, call_##function, 0}
#define ROW_NULL_IS_FINE(function, kind) {#function, kind, call_##function, 1}
static const struct row table[] = {
    ROW(wsock_version, ANY), ROW(wsock_version_string, ANY), ROW(wsock_abi_version, ANY),
    ROW(wsock_features, ANY), ROW(wsock_strerror, ANY), ROW(wsock_error_name, ANY), ROW(wsock_last_error, ANY),
    ROW(wsock_loop_new, ANY), ROW_NULL_IS_FINE(wsock_loop_free, LOOP), ROW(wsock_loop_run, LOOP),
    ROW(wsock_loop_poll, LOOP), ROW(wsock_loop_stop, LOOP), ROW(wsock_loop_wakeup, LOOP), ROW(wsock_loop_post, LOOP),
    ROW(wsock_loop_fd, LOOP), ROW(wsock_loop_timeout_ms, LOOP), ROW(wsock_loop_use_events, LOOP),
    ROW(wsock_loop_events, LOOP), ROW(wsock_loop_flush, LOOP), ROW(wsock_loop_promise_flush, LOOP), ROW(wsock_loop_start, LOOP), ROW(wsock_loop_join, LOOP),
    ROW(wsock_loop_after_fork, LOOP), ROW(wsock_loop_get_stats, LOOP), ROW(wsock_loop_metrics, LOOP),
    ROW(wsock_loop_measure, LOOP), ROW(wsock_loop_set_log, LOOP),
    ROW(wsock_options_new, ANY), ROW_NULL_IS_FINE(wsock_options_free, OPTIONS), ROW(wsock_options_set_int, OPTIONS),
    ROW(wsock_options_set_str, OPTIONS), ROW(wsock_options_add_header, OPTIONS),
    ROW(wsock_options_add_cookie, OPTIONS), ROW(wsock_options_add_protocol, OPTIONS), ROW(wsock_options_add_origin, OPTIONS),
    ROW(wsock_options_add_trusted_proxy, OPTIONS), ROW(wsock_option_bounds, ANY),
    ROW(wsock_options_add_cert_files, OPTIONS), ROW(wsock_options_add_cert_pem, OPTIONS), ROW(wsock_options_add_pin, OPTIONS),
    ROW(wsock_connect, LOOP), ROW(wsock_connect_fd, LOOP), {"options of connect", OPTIONS, call_options_of_connect, 1},
    ROW(wsock_conn_send, CONN), ROW(wsock_conn_send_text, CONN), ROW(wsock_conn_send_binary, CONN),
    ROW(wsock_conn_send_fd, CONN), ROW(wsock_conn_send_from, CONN), ROW(wsock_conn_pull_again, CONN),
    ROW(wsock_conn_send_many, CONN), ROW(wsock_conn_send_with, CONN), ROW(wsock_conn_send_part, CONN),
    ROW(wsock_conn_ping, CONN), ROW(wsock_conn_close, CONN), ROW(wsock_conn_abort, CONN), ROW(wsock_conn_pause, CONN),
    ROW(wsock_conn_resume, CONN), ROW(wsock_conn_state, CONN), ROW(wsock_conn_buffered_amount, CONN),
    ROW(wsock_conn_get_str, CONN), ROW(wsock_conn_header, CONN), ROW(wsock_conn_header_at, CONN), ROW(wsock_conn_cookie, CONN),
    ROW(wsock_conn_set_target, CONN), ROW(wsock_conn_set_user_data, CONN),
    ROW(wsock_conn_user_data, CONN), ROW(wsock_conn_server, CONN), ROW(wsock_conn_get_stats, CONN), ROW(wsock_conn_trace, CONN),
    ROW(wsock_conn_retain, CONN),
    ROW(wsock_listen, LOOP), ROW(wsock_listen_fd, LOOP), {"options of listen", OPTIONS, call_options_of_listen, 1},
    ROW(wsock_server_port, SERVER), ROW(wsock_server_set_tls, SERVER), ROW(wsock_server_close, SERVER), ROW(wsock_server_adopt, SERVER),
    ROW(wsock_server_get_stats, SERVER),
    ROW(wsock_request_is_upgrade, REQUEST), ROW(wsock_request_get_str, REQUEST), ROW(wsock_request_header, REQUEST),
    ROW(wsock_request_cookie, REQUEST),
    ROW(wsock_request_header_at, REQUEST), ROW(wsock_request_protocol_at, REQUEST),
    ROW(wsock_request_select_protocol, REQUEST), ROW(wsock_request_add_header, REQUEST),
    ROW(wsock_request_set_body, REQUEST), ROW(wsock_request_answer, REQUEST),
    ROW(wsock_message_new, ANY), ROW_NULL_IS_FINE(wsock_message_free, MESSAGE), ROW(wsock_message_data, MESSAGE), ROW(wsock_message_compressions, MESSAGE),
    ROW(wsock_conn_send_message, CONN), {"message of send", MESSAGE, call_message_of_send, 0},
    ROW(wsock_server_broadcast, SERVER), {"message of broadcast", MESSAGE, call_message_of_broadcast, 0},
    ROW(wsock_hub_new, ANY), ROW_NULL_IS_FINE(wsock_hub_free, HUB), ROW(wsock_hub_subscribe, HUB),
    {"connection of subscribe", CONN, call_conn_of_subscribe, 0}, ROW(wsock_hub_unsubscribe, HUB),
    {"connection of unsubscribe", CONN, call_conn_of_unsubscribe, 0}, ROW(wsock_hub_publish, HUB),
    ROW(wsock_hub_publish_message, HUB), {"message of publish", MESSAGE, call_message_of_publish, 0},
    ROW(wsock_hub_forget, HUB), ROW(wsock_hub_get_stats, HUB),
};
#define ROWS (sizeof table / sizeof table[0])

/* One call that must be refused with `expected`. The last error is set to something else before, so that
   it is this call that must have left its text. */
static void refuse(const struct row *row, void *handle, int32_t expected, const char *what) {
  wsock_option_bounds(0, NULL, NULL, NULL);
  wsock_error_info marker = last_error();
  CHECK_INT(marker.code, WSOCK_ERR_UNSUPPORTED);
  int32_t got = row->call(handle);
  wsock_error_info info = last_error();
  CHECKF(got == expected, "%s with a %s handle gave %d, expected %d (last error: %s)", row->name, what, (int)got, (int)expected,
         info.message);
  CHECKF(info.code == expected && is_one_line(info.message, sizeof info.message), "%s with a %s handle left the last error %d \"%s\"",
         row->name, what, (int)info.code, info.message);
}
static void refuse_all(enum kind only, void *handle, int32_t expected, const char *what) {
  for (size_t i = 0; i < ROWS; i++)
    if (table[i].kind == only) refuse(&table[i], handle, expected, what);
}

static const char *kind_names[KINDS] = {"", "loop", "connection", "server", "request", "options", "message", "hub"};

/* Every function with live handles of every other class. */
static void wrong_kinds(void *const live[KINDS], int inside_callback) {
  for (size_t i = 0; i < ROWS; i++)
    for (int kind = LOOP; kind < KINDS; kind++) {
      if (table[i].kind == ANY || (int)table[i].kind == kind || !live[kind]) continue;
      /* inside a callback these three may say REENTRANT first */
      if (inside_callback && (table[i].call == call_wsock_loop_run || table[i].call == call_wsock_loop_poll ||
                              table[i].call == call_wsock_loop_free)) {
        int32_t got = table[i].call(live[kind]);
        CHECKF(got == WSOCK_ERR_WRONG_KIND || got == WSOCK_ERR_REENTRANT, "%s gave %d", table[i].name, (int)got);
        continue;
      }
      refuse(&table[i], live[kind], WSOCK_ERR_WRONG_KIND, kind_names[kind]);
    }
}

static wsock_request *seen_request;
static int32_t on_request(struct srv *srv, wsock_request *request) {
  live[REQUEST] = request;
  live[SERVER] = srv->server;
  live[LOOP] = good_loop;
  seen_request = request;
  wrong_kinds(live, 1);
  live[REQUEST] = NULL;
  return 0;
}

static uint64_t random_bits(void) {
  static uint64_t x = 0x9e3779b97f4a7c15u;
  x ^= x << 13, x ^= x >> 7, x ^= x << 17;
  return x;
}

int main(void) {
  struct srv srv = {0};
  struct rec client = {0};
  wsock_options *options = new_options();
  good_loop = new_loop();
  REQUIRE(wsock_hub_new(&good_hub) == WSOCK_OK && wsock_message_new(WSOCK_TEXT, "a", 1, &good_message) == WSOCK_OK);
  live[OPTIONS] = options;
  live[HUB] = good_hub;
  live[MESSAGE] = good_message;
  srv.request = on_request;
  srv.echo = 1;

  section("functions without a handle");
  for (size_t i = 0; i < ROWS; i++)
    if (table[i].kind == ANY) CHECK_INT(table[i].call(NULL), WSOCK_OK);

  section("handles of another class, inside on_request");
  srv_listen(&srv, good_loop, NULL);
  connect_to(&client, good_loop, url_of(srv.port, "/"), NULL);
  PUMP_UNTIL(good_loop, client.opens && srv.count == 1);
  REQUIRE(client.opens && srv.count == 1 && srv.requests == 1);
  srv.request = NULL;

  section("handle bits are below 2^53 and not zero");
  live[LOOP] = good_loop;
  live[SERVER] = srv.server;
  live[CONN] = client.conn;
  void *every[] = {good_loop, srv.server, client.conn, srv.conn[0]->conn, options, good_hub, good_message, seen_request};
  for (size_t i = 0; i < sizeof every / sizeof every[0]; i++) {
    CHECK(every[i] != NULL && (uintptr_t)every[i] < (uintptr_t)1 << 53);
    for (size_t j = 0; j < i; j++) CHECK(every[i] != every[j]);
  }

  section("handles of another class");
  wrong_kinds(live, 0);
  live[CONN] = srv.conn[0]->conn;
  wrong_kinds(live, 0);

  section("NULL");
  for (size_t i = 0; i < ROWS; i++) {
    if (table[i].kind == ANY) continue;
    if (!table[i].null_is_fine) refuse(&table[i], NULL, WSOCK_ERR_INVALID_HANDLE, "NULL");
  }
  CHECK_STATUS(wsock_loop_free(NULL), WSOCK_OK);
  wsock_options_free(NULL);
  wsock_hub_free(NULL);
  wsock_message_free(NULL);

  section("a request after on_request");
  refuse_all(REQUEST, seen_request, WSOCK_ERR_INVALID_HANDLE, "ended request");

  section("random bit patterns");
  for (int n = 0; n < (check_is_slow() ? 100 : 2000); n++) {
    uint64_t bits = random_bits();
    if (n % 4 == 1) bits &= ((uint64_t)1 << 53) - 1;
    if (n % 4 == 2) bits &= 0xffff;
    void *handle = (void *)(uintptr_t)bits;
    if (bits == 0) continue;
    int is_live = 0;
    for (size_t i = 0; i < sizeof every / sizeof every[0]; i++) is_live |= every[i] == handle;
    if (is_live) continue;
    for (size_t i = 0; i < ROWS; i++)
      if (table[i].kind != ANY) refuse(&table[i], handle, WSOCK_ERR_INVALID_HANDLE, "random");
  }
  section("live handles with one bit changed");
  for (size_t from = 0; from < 7; from++)
    for (int bit = 0; bit < 64; bit++) {
      void *handle = (void *)((uintptr_t)every[from] ^ (uintptr_t)1 << bit);
      int is_live = handle == NULL;
      for (size_t i = 0; i < sizeof every / sizeof every[0]; i++) is_live |= every[i] == handle;
      if (is_live) continue;
      for (size_t i = 0; i < ROWS; i++)
        if (table[i].kind != ANY) refuse(&table[i], handle, WSOCK_ERR_INVALID_HANDLE, "changed");
    }

  section("nothing changed");
  CHECK_INT(posted, 0);
  CHECK_INT(wsock_server_port(srv.server), srv.port);
  CHECK_INT(wsock_conn_state(client.conn), WSOCK_OPEN);
  CHECK_INT(wsock_conn_state(srv.conn[0]->conn), WSOCK_OPEN);
  CHECK(wsock_conn_user_data(client.conn) == &client && wsock_conn_user_data(srv.conn[0]->conn) == srv.conn[0]);
  CHECK_STATUS(wsock_conn_send_text(client.conn, "x", 1), WSOCK_OK);
  PUMP_UNTIL(good_loop, client.messages == 1);
  CHECK(srv.conn[0]->messages == 1 && client.len == 1 && srv.conn[0]->pings == 0);
  CHECK_STATUS(wsock_options_set_int(options, WSOCK_OPT_BACKLOG, 10), WSOCK_OK);

  section("a closed connection");
  wsock_conn *old_client = client.conn, *old_peer = srv.conn[0]->conn;
  CHECK_STATUS(wsock_conn_close(client.conn, 1000, ""), WSOCK_OK);
  PUMP_UNTIL(good_loop, client.releases && srv.conn[0]->releases);
  CHECK_ENDED(&client);
  CHECK_ENDED(srv.conn[0]);
  refuse_all(CONN, old_client, WSOCK_ERR_INVALID_HANDLE, "closed client connection");
  refuse_all(CONN, old_peer, WSOCK_ERR_INVALID_HANDLE, "closed server connection");
  section("its slot in use again");
  rec_free(&client);
  memset(&client, 0, sizeof client);
  connect_to(&client, good_loop, url_of(srv.port, "/"), NULL);
  PUMP_UNTIL(good_loop, client.opens && srv.count == 2);
  refuse_all(CONN, old_client, WSOCK_ERR_INVALID_HANDLE, "closed client connection");
  refuse_all(CONN, old_peer, WSOCK_ERR_INVALID_HANDLE, "closed server connection");
  CHECK_INT(wsock_conn_state(client.conn), WSOCK_OPEN);
  CHECK_INT(srv.conn[1]->messages, 0);

  section("a closed server");
  wsock_server *old_server = srv.server;
  CHECK_STATUS(wsock_server_close(srv.server, 0, 1001, "bye"), WSOCK_OK);
  PUMP_UNTIL(good_loop, srv.releases && client.releases);
  refuse_all(SERVER, old_server, WSOCK_ERR_INVALID_HANDLE, "closed server");

  section("freed options");
  wsock_options_free(options);
  refuse_all(OPTIONS, options, WSOCK_ERR_INVALID_HANDLE, "freed options");
  wsock_options *newer = new_options();
  CHECK(newer != options);
  refuse_all(OPTIONS, options, WSOCK_ERR_INVALID_HANDLE, "freed options");
  wsock_options_free(newer);

  section("handles of a freed loop, another loop alive");
  struct pair one, other;
  pair_open(&one, NULL, NULL);
  pair_open(&other, NULL, NULL);
  wsock_loop *freed = one.loop;
  wsock_server *freed_server = one.srv.server;
  wsock_conn *freed_client = one.client.conn, *freed_peer = pair_peer(&one)->conn;
  CHECK(freed != other.loop && freed_client != other.client.conn && freed_server != other.srv.server);
  pair_free(&one);
  refuse_all(LOOP, freed, WSOCK_ERR_INVALID_HANDLE, "freed loop");
  refuse_all(CONN, freed_client, WSOCK_ERR_INVALID_HANDLE, "client of a freed loop");
  refuse_all(CONN, freed_peer, WSOCK_ERR_INVALID_HANDLE, "connection of a freed loop");
  refuse_all(SERVER, freed_server, WSOCK_ERR_INVALID_HANDLE, "server of a freed loop");
  wsock_loop *newest = new_loop();
  CHECK(newest != freed);
  refuse_all(LOOP, freed, WSOCK_ERR_INVALID_HANDLE, "freed loop");
  refuse_all(CONN, freed_client, WSOCK_ERR_INVALID_HANDLE, "client of a freed loop");
  free_loop(newest);
  section("a freed hub and a freed message");
  live[SERVER] = other.srv.server;
  live[CONN] = other.client.conn;
  wsock_hub *old_hub = good_hub, *newer_hub;
  wsock_message *old_message = good_message, *newer_message;
  wsock_hub_free(old_hub);
  refuse_all(HUB, old_hub, WSOCK_ERR_INVALID_HANDLE, "freed hub");
  REQUIRE(wsock_hub_new(&newer_hub) == WSOCK_OK && newer_hub != old_hub);
  refuse_all(HUB, old_hub, WSOCK_ERR_INVALID_HANDLE, "freed hub");
  good_hub = newer_hub;
  wsock_message_free(old_message);
  refuse_all(MESSAGE, old_message, WSOCK_ERR_INVALID_HANDLE, "freed message");
  REQUIRE(wsock_message_new(WSOCK_TEXT, "a", 1, &newer_message) == WSOCK_OK && newer_message != old_message);
  refuse_all(MESSAGE, old_message, WSOCK_ERR_INVALID_HANDLE, "freed message");
  wsock_hub_free(newer_hub);
  wsock_message_free(newer_message);
  pair_echo(&other);
  pair_free(&other);

  section("many generations");
  wsock_options *past[200];
  for (int i = 0; i < 200; i++) {
    past[i] = new_options();
    wsock_options_free(past[i]);
    for (int j = 0; j < i; j++) CHECK(past[j] != past[i]);
  }
  for (int i = 0; i < 200; i++) CHECK_STATUS(wsock_options_add_protocol(past[i], "a"), WSOCK_ERR_INVALID_HANDLE);

  free_loop(good_loop);
  rec_free(&client);
  srv_free(&srv);
  section("what was lent has been given back, of refused calls too");
  CHECK(lent > 0);
  CHECK_INT(given_back, lent);
  return check_end();
}
