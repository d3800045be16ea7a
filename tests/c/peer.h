/* Both ends of connections on one loop: records of what every callback told, an echo server,
   and the pump that drives them. Rules that hold for every connection are checked here once:
   callbacks come only from poll, run and loop_free, never nested, and nothing after on_close. */
#ifndef PEER_H
#define PEER_H
#include "check.h"

/* Inside poll, run or loop_free of this thread, and inside a callback. */
static __thread int peer_dispatching, peer_depth;

/* How the loop is driven: by wsock_loop_poll, unless a program sets this. */
static int32_t (*peer_poll)(wsock_loop *loop, int32_t timeout_ms) = wsock_loop_poll;

/* Set by programs whose loops queue what happens: a connection may be further than what is told of it. */
static int peer_behind;

static inline int32_t poll_loop(wsock_loop *loop, int32_t timeout_ms) {
  peer_dispatching++;
  int32_t n = peer_poll(loop, timeout_ms);
  peer_dispatching--;
  return n;
}
static inline wsock_status run_loop(wsock_loop *loop) {
  peer_dispatching++;
  wsock_status status = wsock_loop_run(loop);
  peer_dispatching--;
  return status;
}
static inline void free_loop(wsock_loop *loop) {
  peer_dispatching++;
  CHECK_STATUS(wsock_loop_free(loop), WSOCK_OK);
  peer_dispatching--;
}
static inline void pump(wsock_loop *loop) {
  int32_t n = poll_loop(loop, 2);
  REQUIRE(n >= 0 || n == WSOCK_ERR_INTERRUPTED);
}
static inline void pump_for(wsock_loop *loop, int ms) {
  int64_t end = now_ms() + ms;
  do pump(loop);
  while (now_ms() < end);
}

/* Drives the loop until the condition holds; that it does so in time is a check. */
#define PUMP_UNTIL(loop, condition)                                \
  do {                                                             \
    int64_t end_ = now_ms() + patience_ms();                       \
    int held_;                                                     \
    while (!(held_ = (condition)) && now_ms() < end_) pump(loop);  \
    CHECKF(held_, "waited in vain for " #condition);               \
  } while (0)

static inline wsock_loop *new_loop(void) {
  wsock_loop *loop = NULL;
  REQUIRE(wsock_loop_new(&loop) == WSOCK_OK && loop != NULL);
  return loop;
}
static inline wsock_options *new_options(void) {
  wsock_options *options = NULL;
  REQUIRE(wsock_options_new(&options) == WSOCK_OK && options != NULL);
  return options;
}
static inline wsock_options *option(wsock_options *options, int32_t key, int64_t value) {
  REQUIRE(wsock_options_set_int(options, key, value) == WSOCK_OK);
  return options;
}

static inline wsock_conn_stats conn_stats(const wsock_conn *conn) {
  wsock_conn_stats stats;
  memset(&stats, 0x5a, sizeof stats);
  stats.struct_size = sizeof stats;
  CHECK_STATUS(wsock_conn_get_stats(conn, &stats), WSOCK_OK);
  return stats;
}
static inline wsock_server_stats server_stats(const wsock_server *server) {
  wsock_server_stats stats;
  memset(&stats, 0x5a, sizeof stats);
  stats.struct_size = sizeof stats;
  CHECK_STATUS(wsock_server_get_stats(server, &stats), WSOCK_OK);
  return stats;
}

/* One connection as its callbacks saw it. */
struct rec {
  wsock_conn *conn;
  int opens, messages, errors, closes, pings, pongs, drains, releases, retries;
  int32_t type;                     /* the last message */
  unsigned char *data;
  size_t len;
  uint64_t payload;                 /* bytes of all messages */
  wsock_error_info error;
  wsock_close_info close;
  char reason[512], sent_reason[512];
  char body[8192];                  /* of a refused handshake, as readable in on_error */
  int reconnects;                   /* connected with WSOCK_OPT_RECONNECT: on_retry and further on_open may come */
  int down;                         /* between on_retry and the next on_open */
  wsock_retry_info retry;           /* the last one; what it points to is below */
  wsock_error_info retry_error;
  wsock_close_info retry_close;
  char retry_reason[512];
  char log[64];                     /* O open, M message, P ping, Q pong, D drain, T retry, E error, C close, R release; repeats once.
                                       When it is full, the oldest of it goes: how it ended always shows */
  int echo;                         /* send every message back */
  void (*hook)(struct rec *rec, char event); /* runs inside the callback */
  void *arg;
  struct rec *heir;                 /* took over as the connection's user data */
};

static inline void rec_note(struct rec *rec, char event) {
  size_t n = strlen(rec->log);
  if (n > 0 && rec->log[n - 1] == event) return;
  if (n + 1 == sizeof rec->log) memmove(rec->log, rec->log + 1, n--);
  rec->log[n] = event;
}
static inline void rec_enter(struct rec *rec, char event) {
  CHECKF(peer_dispatching > 0, "callback %c outside of poll, run and loop_free", event);
  CHECKF(peer_depth == 0, "callback %c inside another callback", event);
  CHECKF(rec->closes == 0 && rec->releases == 0, "callback %c after the end (%s)", event, rec->log);
  peer_depth++;
  rec_note(rec, event);
}
static inline void rec_leave(struct rec *rec, char event) {
  if (rec->hook) rec->hook(rec, event);
  peer_depth--;
}

static inline void rec_on_open(wsock_conn *conn, void *user_data) {
  struct rec *rec = user_data;
  rec_enter(rec, 'O');
  CHECK(rec->conn == NULL || rec->conn == conn);
  CHECKF(rec->opens == 0 || rec->down, "on_open again without on_retry (%s)", rec->log);
  rec->conn = conn;
  rec->opens++;
  rec->down = 0;
  int32_t state = wsock_conn_state(conn);
  CHECKF(state == WSOCK_OPEN || (peer_behind && state == WSOCK_CLOSING), "state %d in on_open", (int)state);
  rec_leave(rec, 'O');
}
static inline void rec_on_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user_data) {
  struct rec *rec = user_data;
  rec_enter(rec, 'M');
  CHECK((rec->opens == 1 || rec->reconnects) && rec->opens >= 1 && !rec->down && rec->conn == conn);
  CHECK(data != NULL || len == 0);
  rec->messages++;
  rec->type = type;
  rec->payload += len;
  free(rec->data);
  rec->data = malloc(len + 1);
  if (len) memcpy(rec->data, data, len);
  rec->data[len] = 0;
  rec->len = len;
  if (rec->echo) {
    wsock_status sent = wsock_conn_send(conn, type, data, len, 0);
    CHECKF(sent == WSOCK_OK || sent == WSOCK_BUFFERED || sent == WSOCK_ERR_STATE, "echo gave %d", (int)sent);
  }
  rec_leave(rec, 'M');
}
static inline void rec_on_error(wsock_conn *conn, const wsock_error_info *error, void *user_data) {
  struct rec *rec = user_data;
  size_t len = 0;
  rec_enter(rec, 'E');
  CHECK(rec->conn == NULL || rec->conn == conn);
  rec->errors++;
  rec->error = *error;
  CHECK(error->struct_size >= sizeof *error);
  CHECK(error->code < 0);
  CHECK(is_one_line(error->message, sizeof error->message));
  const char *body = wsock_conn_get_str(conn, WSOCK_CONN_RESPONSE_BODY, &len);
  CHECK(body != NULL && strlen(body) <= len && len <= 4096);
  if (body && len < sizeof rec->body) memcpy(rec->body, body, len);
  rec_leave(rec, 'E');
}
/* Everything about an end that holds for each of them, on_retry's and on_close's. */
static inline void check_close_info(const wsock_close_info *info) {
  CHECK(info->struct_size >= sizeof *info && info->reserved == 0);
  CHECK(info->reason != NULL && strlen(info->reason) == info->reason_len);
  CHECK(info->sent_reason != NULL && strlen(info->sent_reason) == info->sent_reason_len);
  CHECK(info->was_clean == 0 || info->was_clean == 1);
  CHECK(info->initiator >= WSOCK_BY_NOBODY && info->initiator <= WSOCK_BY_PEER);
  CHECK(info->layer >= WSOCK_LAYER_WEBSOCKET && info->layer <= WSOCK_LAYER_LOCAL);
  if (info->status == WSOCK_OK) CHECK(info->layer == WSOCK_LAYER_WEBSOCKET && info->os_error == 0 && info->http_status == 0);
}
static inline void check_same_failure(const wsock_close_info *info, const wsock_error_info *error) {
  CHECK_INT(info->status, error->code);
  CHECK_INT(info->os_error, error->os_error);
  CHECK_INT(info->http_status, error->http_status);
}
static inline void rec_on_close(wsock_conn *conn, const wsock_close_info *info, void *user_data) {
  struct rec *rec = user_data;
  rec_enter(rec, 'C');
  CHECK(rec->conn == NULL || rec->conn == conn);
  CHECK_INT(wsock_conn_state(conn), WSOCK_CLOSED);
  rec->close = *info;
  check_close_info(info);
  snprintf(rec->reason, sizeof rec->reason, "%s", info->reason ? info->reason : "(NULL)");
  snprintf(rec->sent_reason, sizeof rec->sent_reason, "%s", info->sent_reason ? info->sent_reason : "(NULL)");
  rec->close.reason = rec->reason;
  rec->close.sent_reason = rec->sent_reason;
  CHECKF(rec->errors == (info->status != WSOCK_OK), "on_error %d times, status %d", rec->errors, (int)info->status);
  if (rec->errors) check_same_failure(info, &rec->error);
  if (rec->hook) rec->hook(rec, 'C');
  rec->closes++;
  peer_depth--;
}
static inline void rec_on_ping(wsock_conn *conn, const uint8_t *data, size_t len, void *user_data) {
  struct rec *rec = user_data;
  rec_enter(rec, 'P');
  CHECK(rec->conn == conn && !rec->down && len <= 125 && (data != NULL || len == 0));
  rec->pings++;
  rec_leave(rec, 'P');
}
static inline void rec_on_pong(wsock_conn *conn, const uint8_t *data, size_t len, void *user_data) {
  struct rec *rec = user_data;
  rec_enter(rec, 'Q');
  CHECK(rec->conn == conn && !rec->down && len <= 125 && (data != NULL || len == 0));
  rec->pongs++;
  rec_leave(rec, 'Q');
}
static inline void rec_on_drain(wsock_conn *conn, void *user_data) {
  struct rec *rec = user_data;
  rec_enter(rec, 'D');
  CHECK(rec->conn == conn);
  rec->drains++;
  rec_leave(rec, 'D');
}
static inline void rec_on_retry(wsock_conn *conn, const wsock_retry_info *info, void *user_data) {
  struct rec *rec = user_data;
  rec_enter(rec, 'T');
  CHECK(rec->reconnects && rec->conn == conn);
  CHECK_INT(wsock_conn_state(conn), WSOCK_CONNECTING);
  CHECK(info->struct_size >= sizeof *info && info->reserved == 0 && info->attempt >= 1);
  rec->retries++;
  rec->down = 1;
  rec->retry = *info;
  check_close_info(info->close);
  rec->retry_close = *info->close;
  snprintf(rec->retry_reason, sizeof rec->retry_reason, "%s", info->close->reason);
  rec->retry_close.reason = rec->retry_reason;
  rec->retry_close.sent_reason = NULL;
  rec->retry.close = &rec->retry_close;
  CHECK((info->error != NULL) == (info->close->status != WSOCK_OK));
  if (info->error) {
    rec->retry_error = *info->error;
    rec->retry.error = &rec->retry_error;
    CHECK(info->error->code < 0 && is_one_line(info->error->message, sizeof info->error->message));
    check_same_failure(info->close, info->error);
  }
  rec_leave(rec, 'T');
}
static inline void rec_release(void *user_data) {
  struct rec *rec = user_data;
  rec_note(rec, 'R');
  __atomic_add_fetch(&rec->releases, 1, __ATOMIC_SEQ_CST); /* another thread may wait for it */
  if (rec->hook) rec->hook(rec, 'R');
}
static inline wsock_handlers rec_handlers(void) {
  wsock_handlers h;
  memset(&h, 0, sizeof h);
  h.struct_size = sizeof h;
  h.on_open = rec_on_open;
  h.on_message = rec_on_message;
  h.on_error = rec_on_error;
  h.on_close = rec_on_close;
  h.on_ping = rec_on_ping;
  h.on_pong = rec_on_pong;
  h.on_drain = rec_on_drain;
  h.release = rec_release;
  h.on_retry = rec_on_retry;
  return h;
}
static inline void rec_free(struct rec *rec) {
  free(rec->data);
  rec->data = NULL;
}
/* Ended for good: one on_close, one release, the release last. */
#define CHECK_ENDED(rec)                                           \
  do {                                                             \
    CHECK_INT((rec)->closes, 1);                                   \
    CHECK_INT((rec)->releases, 1);                                 \
    size_t n_ = strlen((rec)->log);                                \
    CHECKF(n_ >= 2 && strcmp((rec)->log + n_ - 2, "CR") == 0, "order of events %s", (rec)->log); \
  } while (0)

/* A server; each of its connections gets a record of its own in on_open. */
#define SRV_MAX 512
struct srv {
  wsock_server *server;
  uint16_t port;
  int count, requests, releases;
  struct rec *conn[SRV_MAX];
  int echo;
  void (*hook)(struct rec *rec, char event);
  int32_t (*request)(struct srv *srv, wsock_request *request);
  void *arg;
};

static inline void srv_on_open(wsock_conn *conn, void *user_data) {
  struct srv *srv = user_data;
  REQUIRE(srv->count < SRV_MAX && srv->releases == 0);
  struct rec *rec = calloc(1, sizeof *rec);
  rec->echo = srv->echo;
  rec->hook = srv->hook;
  rec->arg = srv;
  srv->conn[srv->count++] = rec;
  CHECK(wsock_conn_user_data(conn) == srv);
  CHECK(wsock_conn_server(conn) == srv->server || srv->server == NULL);
  CHECK_STATUS(wsock_conn_set_user_data(conn, rec, rec_release), WSOCK_OK);
  rec_on_open(conn, rec);
}
static inline int32_t srv_on_request(wsock_server *server, wsock_request *request, void *user_data) {
  struct srv *srv = user_data;
  CHECK(peer_dispatching > 0 && peer_depth == 0 && server == srv->server && srv->releases == 0);
  peer_depth++;
  srv->requests++;
  int32_t answer = srv->request ? srv->request(srv, request) : 0;
  peer_depth--;
  return answer;
}
static inline void srv_release(void *user_data) {
  struct srv *srv = user_data;
  srv->releases++;
}
static inline wsock_handlers srv_handlers(void) {
  wsock_handlers h = rec_handlers();
  h.on_open = srv_on_open;
  h.on_request = srv_on_request;
  h.release = srv_release;
  return h;
}
static inline void srv_listen_at(struct srv *srv, wsock_loop *loop, uint16_t port, const wsock_options *options) {
  wsock_handlers h = srv_handlers();
  REQUIRE(wsock_listen(loop, "127.0.0.1", port, options, &h, srv, &srv->server) == WSOCK_OK);
  srv->port = wsock_server_port(srv->server);
  REQUIRE(srv->port != 0);
}
static inline void srv_listen(struct srv *srv, wsock_loop *loop, const wsock_options *options) {
  srv_listen_at(srv, loop, 0, options);
}
static inline void srv_free(struct srv *srv) {
  for (int i = 0; i < srv->count; i++) {
    rec_free(srv->conn[i]);
    free(srv->conn[i]);
  }
  srv->count = 0;
}

static inline const char *url_of(uint16_t port, const char *resource) {
  static __thread char url[512];
  snprintf(url, sizeof url, "ws://127.0.0.1:%u%s", (unsigned)port, resource);
  return url;
}
static inline void connect_to(struct rec *rec, wsock_loop *loop, const char *url, const wsock_options *options) {
  wsock_handlers h = rec_handlers();
  wsock_conn *conn = NULL;
  REQUIRE(wsock_connect(loop, url, options, &h, rec, &conn) == WSOCK_OK && conn != NULL);
  CHECK(rec->opens == 0 && rec->errors == 0 && rec->closes == 0);
  rec->conn = conn;
}

/* A client of ours and a server of ours, open, on a loop of their own. The server echoes. */
struct pair {
  wsock_loop *loop;
  struct srv srv;
  struct rec client;
};
static inline struct rec *pair_peer(struct pair *pair) {
  REQUIRE(pair->srv.count > 0);
  return pair->srv.conn[pair->srv.count - 1];
}
static inline void pair_open(struct pair *pair, const wsock_options *server, const wsock_options *client) {
  memset(pair, 0, sizeof *pair);
  pair->loop = new_loop();
  pair->srv.echo = 1;
  srv_listen(&pair->srv, pair->loop, server);
  connect_to(&pair->client, pair->loop, url_of(pair->srv.port, "/"), client);
  PUMP_UNTIL(pair->loop, pair->client.opens && pair->srv.count == 1);
  REQUIRE(pair->client.opens && pair->srv.count == 1);
}
/* One message there and back. */
static inline void pair_echo(struct pair *pair) {
  static int serial;
  char text[32];
  int before = pair->client.messages;
  snprintf(text, sizeof text, "still here %d", ++serial);
  CHECK_STATUS(wsock_conn_send_text(pair->client.conn, text, strlen(text)), WSOCK_OK);
  PUMP_UNTIL(pair->loop, pair->client.messages > before);
  CHECK(pair->client.len == strlen(text) && memcmp(pair->client.data, text, pair->client.len) == 0);
}
/* Frees the loop with whatever is left in it; every end must have been told by then. */
static inline void pair_free(struct pair *pair) {
  free_loop(pair->loop);
  CHECK_ENDED(&pair->client);
  for (int i = 0; i < pair->srv.count; i++) CHECK_ENDED(pair->srv.conn[i]);
  CHECK_INT(pair->srv.releases, 1);
  rec_free(&pair->client);
  srv_free(&pair->srv);
}
#endif
