/* Coming back: when a client tries again and when not, what on_retry tells and lets change, and what
   becomes of messages meanwhile. Servers go and come on ports that are ours all the time. */
#include "raw.h"

#include <pthread.h>

#define FIRST 4
#define CAP 32

/* One client that comes back, and where it goes. `each` runs inside its callbacks. */
struct world {
  wsock_loop *loop;
  wsock_options *options;
  int hold;                         /* keeps the port */
  int listener;                     /* -1 when it is closed */
  uint16_t port;
  struct rec client;
  int64_t longest;                  /* delay_ms so far */
  int greatest;                     /* attempt so far */
  void (*each)(struct world *world, char event);
};

static void on_each(struct rec *rec, char event) {
  struct world *w = rec->arg;
  if (event == 'T') {
    if ((int64_t)rec->retry.delay_ms > w->longest) w->longest = (int64_t)rec->retry.delay_ms;
    if (rec->retry.attempt > w->greatest) w->greatest = rec->retry.attempt;
  }
  if (w->each) w->each(w, event);
}
static void set(struct world *w, int32_t key, int64_t value) { option(w->options, key, value); }

static void world_new(struct world *w, int64_t attempts) {
  memset(w, 0, sizeof *w);
  w->loop = new_loop();
  w->options = new_options();
  set(w, WSOCK_OPT_RECONNECT, attempts);
  set(w, WSOCK_OPT_RECONNECT_FIRST_MS, FIRST);
  set(w, WSOCK_OPT_RECONNECT_MAX_MS, CAP);
  w->hold = raw_hold(&w->port);
  w->listener = -1;
}
static void world_listen(struct world *w) { w->listener = raw_listen_at(w->port); }
static void world_unlisten(struct world *w) {
  close(w->listener);
  w->listener = -1;
}
static void world_connect(struct world *w) {
  rec_free(&w->client);
  memset(&w->client, 0, sizeof w->client);
  w->client.reconnects = 1;
  w->client.hook = on_each;
  w->client.arg = w;
  w->longest = w->greatest = 0;
  connect_to(&w->client, w->loop, url_of(w->port, "/"), w->options);
}
/* Frees all; whatever is not over yet ends now, and the client's end has been told once. */
static void world_free(struct world *w) {
  free_loop(w->loop);
  CHECK_ENDED(&w->client);
  wsock_options_free(w->options);
  rec_free(&w->client);
  if (w->listener >= 0) close(w->listener);
  close(w->hold);
}
/* Connects, or waits until it has come back, with a raw server at the other end. */
static void world_serve(struct world *w, struct raw *raw) {
  int opens = w->client.opens;
  raw_welcome(raw, raw_accept(raw, w->loop, w->listener), "");
  PUMP_UNTIL(w->loop, w->client.opens == opens + 1);
}
/* The server is overloaded and says for how long: the client waits exactly so long, if its cap allows. */
static void refuse_for(struct world *w, int seconds) {
  struct raw raw;
  char answer[200];
  int retries = w->client.retries;
  snprintf(answer, sizeof answer,
           "HTTP/1.1 503 Busy\r\nRetry-After: %d\r\nX-Why: too many\r\nSet-Cookie: seen=1\r\nContent-Length: 5\r\n\r\nlater", seconds);
  raw_accept(&raw, w->loop, w->listener);
  raw_text(&raw, answer);
  PUMP_UNTIL(w->loop, w->client.retries == retries + 1);
  raw_close(&raw);
}
/* A client that waits for so long that nothing happens meanwhile. */
static void world_waiting(struct world *w) {
  set(w, WSOCK_OPT_RECONNECT_MAX_MS, 3600000);
  if (w->listener < 0) world_listen(w);
  world_connect(w);
  refuse_for(w, 3600);
  CHECK_INT(w->client.retry.delay_ms, 3600000);
  CHECK_INT(wsock_conn_state(w->client.conn), WSOCK_CONNECTING);
}
/* It has ended because the application wanted so, and nobody came to the server since. */
static void expect_given_up(struct world *w, int retries) {
  PUMP_UNTIL(w->loop, w->client.releases);
  CHECK_ENDED(&w->client);
  CHECK_INT(w->client.errors, 1);
  CHECKF(w->client.error.code == WSOCK_ERR_ABORTED, "%s", w->client.error.message);
  CHECK_INT(w->client.close.layer, WSOCK_LAYER_LOCAL);
  CHECK_INT(w->client.retries, retries);
  pump_for(w->loop, 3 * CAP);
  CHECK(raw_nobody(w->listener));
}

static void there_and_back(void) {
  struct world w;
  struct srv first = {0}, second = {0};
  section("the first attempt fails too; on_retry before each further one");
  world_new(&w, -1);
  world_connect(&w);
  wsock_conn *conn = w.client.conn;
  for (int attempt = 1; attempt <= 4; attempt++) {
    PUMP_UNTIL(w.loop, w.client.retries >= attempt);
    if (w.client.retries != attempt) continue; /* more at once on a busy machine; seen below */
    int64_t most = FIRST << (attempt - 1) < CAP ? FIRST << (attempt - 1) : CAP;
    CHECK_INT(w.client.retry.attempt, attempt);
    CHECKF((int64_t)w.client.retry.delay_ms <= most, "attempt %d: %d ms", attempt, (int)w.client.retry.delay_ms);
    CHECK_INT(w.client.retry_error.code, WSOCK_ERR_CONNECT);
    CHECK_INT(w.client.retry_error.os_error, ECONNREFUSED);
    CHECK(w.client.retry_close.code == 1006 && w.client.retry_close.layer == WSOCK_LAYER_TCP);
  }
  CHECK(w.client.opens == 0 && w.client.errors == 0 && w.client.closes == 0);
  CHECK_REFUSED(wsock_conn_send_text(conn, "early", 5), WSOCK_ERR_STATE);

  section("the server comes: on_open, messages flow");
  first.echo = second.echo = 1;
  srv_listen_at(&first, w.loop, w.port, NULL);
  PUMP_UNTIL(w.loop, w.client.opens == 1 && first.count == 1);
  CHECK(wsock_conn_state(conn) == WSOCK_OPEN && w.client.conn == conn);
  CHECK_STATUS(wsock_conn_send_text(conn, "one", 3), WSOCK_OK);
  PUMP_UNTIL(w.loop, w.client.messages == 1);

  section("the server goes with 1001: on_retry without error, with its close");
  int retries = w.client.retries;
  CHECK_STATUS(wsock_server_close(first.server, 0, 1001, "restarting"), WSOCK_OK);
  PUMP_UNTIL(w.loop, first.releases && w.client.retries > retries + 2);
  CHECK(w.client.retry_error.code == WSOCK_ERR_CONNECT && w.client.down);

  section("it comes back: on_open again, the same handle, messages flow");
  srv_listen_at(&second, w.loop, w.port, NULL);
  PUMP_UNTIL(w.loop, w.client.opens == 2 && second.count == 1);
  CHECK(wsock_conn_state(conn) == WSOCK_OPEN && wsock_conn_user_data(conn) == &w.client);
  CHECK_STATUS(wsock_conn_send_text(conn, "two", 3), WSOCK_OK);
  PUMP_UNTIL(w.loop, w.client.messages == 2);
  CHECK(w.client.len == 3 && memcmp(w.client.data, "two", 3) == 0);
  CHECK(conn_stats(conn).messages_received == 1); /* of this connection */

  section("wsock_conn_close while open: one on_close, and it stays away");
  retries = w.client.retries;
  CHECK_STATUS(wsock_conn_close(conn, 1000, "done"), WSOCK_OK);
  PUMP_UNTIL(w.loop, w.client.releases);
  CHECK(w.client.closes == 1 && w.client.errors == 0 && w.client.close.code == 1000 && w.client.close.was_clean);
  pump_for(w.loop, 3 * CAP);
  CHECK(w.client.retries == retries && second.count == 1);
  CHECK_STATUS(wsock_conn_send_text(conn, "late", 4), WSOCK_ERR_INVALID_HANDLE);
  world_free(&w);
  srv_free(&first);
  srv_free(&second);
}

/* What on_retry tells about a close by the server; 1000 ends it. */
static void closed_by_server(void) {
  static const int codes[] = {1001, 1011, 1012, 4000, 0};
  struct world w;
  struct raw raw;
  section("a server that closes with anything but 1000 is tried again");
  for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
    world_new(&w, -1);
    world_listen(&w);
    world_connect(&w);
    world_serve(&w, &raw);
    raw_close_frame(&raw, 0, codes[i], codes[i] ? "see you" : "");
    RAW_UNTIL(&raw, raw.len >= 6);
    raw_close(&raw);
    PUMP_UNTIL(w.loop, w.client.retries == 1 || w.client.closes);
    CHECKF(w.client.retries == 1 && w.client.closes == 0, "code %d", codes[i]);
    CHECK(w.client.retry.error == NULL && w.client.retry.attempt == 1);
    CHECK_INT(w.client.retry_close.code, codes[i] ? codes[i] : 1005);
    CHECK(w.client.retry_close.was_clean == 1 && w.client.retry_close.initiator == WSOCK_BY_PEER);
    CHECK_STR(w.client.retry_reason, codes[i] ? "see you" : "");
    world_serve(&w, &raw);
    CHECK_INT(w.client.opens, 2);
    raw_close(&raw);
    world_free(&w);
  }
  section("a server that closes with 1000 is done");
  world_new(&w, -1);
  world_listen(&w);
  world_connect(&w);
  world_serve(&w, &raw);
  raw_close_frame(&raw, 0, 1000, "that was all");
  RAW_UNTIL(&raw, raw.len >= 6);
  raw_close(&raw);
  PUMP_UNTIL(w.loop, w.client.releases);
  CHECK(w.client.retries == 0 && w.client.closes == 1 && w.client.errors == 0 && w.client.close.code == 1000);
  pump_for(w.loop, 3 * CAP);
  CHECK(raw_nobody(w.listener));
  world_free(&w);
}

static void used_up(void) {
  struct world w;
  section("attempts used up: on_error and on_close once, run returns then and not before");
  world_new(&w, 3);
  world_connect(&w);
  CHECK_STATUS(run_loop(w.loop), WSOCK_OK);
  CHECK_ENDED(&w.client);
  CHECK_STR(w.client.log, "TECR");
  CHECK(w.client.retries == 3 && w.greatest == 3 && w.client.errors == 1 && w.client.opens == 0);
  CHECK(w.client.error.code == WSOCK_ERR_CONNECT && w.client.close.os_error == ECONNREFUSED);

  section("no reconnecting by default");
  struct rec plain = {0};
  connect_to(&plain, w.loop, url_of(w.port, "/"), NULL);
  CHECK_STATUS(run_loop(w.loop), WSOCK_OK);
  CHECK_ENDED(&plain);
  CHECK_STR(plain.log, "ECR");

  section("a program without on_retry is served all the same");
  wsock_handlers h = rec_handlers();
  struct rec silent = {0};
  silent.down = 1; /* nobody will say so */
  h.on_retry = NULL;
  world_listen(&w);
  REQUIRE(wsock_connect(w.loop, url_of(w.port, "/"), w.options, &h, &silent, &silent.conn) == WSOCK_OK);
  for (int i = 0; i < 2; i++) {
    struct raw raw;
    silent.down = 1;
    raw_welcome(&raw, raw_accept(&raw, w.loop, w.listener), "");
    PUMP_UNTIL(w.loop, silent.opens == i + 1);
    raw_reset(&raw);
  }
  CHECK_STATUS(wsock_conn_abort(silent.conn), WSOCK_OK);
  PUMP_UNTIL(w.loop, silent.releases);
  CHECK_ENDED(&silent);

  section("a program built before on_retry was added to the handlers");
  h = rec_handlers();
  h.struct_size = offsetof(wsock_handlers, on_retry);
  h.on_retry = (void (*)(wsock_conn *, const wsock_retry_info *, void *))(uintptr_t)1;
  memset(&silent, 0, sizeof silent);
  world_unlisten(&w);
  REQUIRE(wsock_connect(w.loop, url_of(w.port, "/"), w.options, &h, &silent, &silent.conn) == WSOCK_OK);
  PUMP_UNTIL(w.loop, silent.releases);
  CHECK_STR(silent.log, "ECR");
  world_free(&w);
}

static void forever(void) {
  struct world w;
  int many = check_is_slow() ? 60 : 300;
  section("-1: for ever, and 0 ms is at once");
  world_new(&w, -1);
  set(&w, WSOCK_OPT_RECONNECT_FIRST_MS, 0);
  world_connect(&w);
  PUMP_UNTIL(w.loop, w.client.retries >= many);
  CHECK(w.client.closes == 0 && w.greatest == w.client.retries && w.longest == 0);
  CHECK_STATUS(wsock_conn_abort(w.client.conn), WSOCK_OK);
  PUMP_UNTIL(w.loop, w.client.releases);

  section("waits grow from the first to the cap, at random");
  set(&w, WSOCK_OPT_RECONNECT_FIRST_MS, 1);
  world_connect(&w);
  /* Were the limit not doubled, all waits would be 0 or 1; were it not capped, some would be hundreds:
     of twelve waits up to 32 ms, chances are below 1 in 10^14 that all are so short. */
  PUMP_UNTIL(w.loop, w.client.retries >= 5 + 12);
  CHECKF(w.longest > 1 && w.longest <= CAP, "longest wait %d ms", (int)w.longest);
  world_free(&w);
}

static void told_first(void) {
  struct world w;
  section("an attempt that fails inside of wsock_connect: on_retry is told before the next all the same");
  world_new(&w, 3);
  set(&w, WSOCK_OPT_RECONNECT_FIRST_MS, 0);
  w.client.reconnects = 1;
  w.client.hook = on_each;
  w.client.arg = &w;
  connect_to(&w.client, w.loop, "ws+unix:/no/such/socket:/", w.options);
  sleep_ms(5);
  CHECK_STATUS(run_loop(w.loop), WSOCK_OK);
  CHECK(w.client.retries == 3 && w.greatest == 3);
  CHECK(w.client.error.code == WSOCK_ERR_CONNECT && w.client.error.os_error == ENOENT);
  world_free(&w);

  section("however long the application is busy before it is told");
  world_new(&w, -1);
  world_connect(&w);
  for (int i = 0; i < 5; i++) {
    int retries = w.client.retries;
    PUMP_UNTIL(w.loop, w.client.retries > retries);
    CHECK_INT(w.client.retry.attempt, w.client.retries);
    sleep_ms(2 * CAP);
  }
  world_free(&w);
}

static void rows(void) {
  struct world w;
  struct raw raw;
  section("a connection that was stable ends the row");
  world_new(&w, 2);
  set(&w, WSOCK_OPT_RECONNECT_STABLE_MS, 10);
  world_listen(&w);
  world_connect(&w);
  for (int i = 1; i <= 4; i++) {
    world_serve(&w, &raw);
    pump_for(w.loop, 30);
    raw_reset(&raw);
    PUMP_UNTIL(w.loop, w.client.retries == i || w.client.closes);
    CHECK_INT(w.client.retry.attempt, 1);
  }
  section("a connection that was not goes on with it");
  CHECK_STATUS(wsock_conn_abort(w.client.conn), WSOCK_OK);
  PUMP_UNTIL(w.loop, w.client.releases);
  world_unlisten(&w); /* whoever is still in its queue */
  world_listen(&w);
  set(&w, WSOCK_OPT_RECONNECT_STABLE_MS, 3600000);
  world_connect(&w);
  for (int i = 1; i <= 2; i++) {
    world_serve(&w, &raw);
    raw_reset(&raw);
    PUMP_UNTIL(w.loop, w.client.retries == i || w.client.closes);
    CHECK_INT(w.client.retry.attempt, i);
    CHECK_INT(w.client.retry_error.code, WSOCK_ERR_CONNECTION_LOST);
  }
  world_serve(&w, &raw);
  raw_reset(&raw);
  PUMP_UNTIL(w.loop, w.client.releases);
  CHECK(w.client.retries == 2 && w.client.opens == 3 && w.client.error.code == WSOCK_ERR_CONNECTION_LOST);
  CHECK_ENDED(&w.client);
  world_free(&w);
}

static void close_inside(struct world *w, char event) {
  if (event == 'T') CHECK_STATUS(wsock_conn_close(w->client.conn, 1000, "enough"), WSOCK_OK);
}
static void abort_inside(struct world *w, char event) {
  if (event == 'T') CHECK_STATUS(wsock_conn_abort(w->client.conn), WSOCK_OK);
}
static void *close_elsewhere(void *conn) {
  CHECK_STATUS(wsock_conn_close(conn, 1000, NULL), WSOCK_OK);
  return NULL;
}
static void *abort_elsewhere(void *conn) {
  CHECK_STATUS(wsock_conn_abort(conn), WSOCK_OK);
  return NULL;
}
static void in_thread(void *(*function)(void *), void *arg) {
  pthread_t thread;
  REQUIRE(pthread_create(&thread, NULL, function, arg) == 0);
  REQUIRE(pthread_join(thread, NULL) == 0);
}
static struct rec twins[2];
static void close_twin(struct rec *rec, char event) {
  if (event == 'T') CHECK_STATUS(wsock_conn_close(twins[rec == twins].conn, 1000, NULL), WSOCK_OK);
}

static void giving_up(void) {
  struct world w;
  struct raw raw, raws[2];
  section("wsock_conn_close while it waits");
  world_new(&w, -1);
  world_waiting(&w);
  CHECK_STATUS(wsock_conn_close(w.client.conn, 1000, "never mind"), WSOCK_OK);
  CHECK_INT(wsock_conn_state(w.client.conn), WSOCK_CLOSING);
  CHECK_STATUS(run_loop(w.loop), WSOCK_OK);
  expect_given_up(&w, 1);
  section("wsock_conn_abort while it waits");
  world_waiting(&w);
  CHECK_STATUS(wsock_conn_abort(w.client.conn), WSOCK_OK);
  expect_given_up(&w, 1);
  section("from another thread");
  world_waiting(&w);
  in_thread(close_elsewhere, w.client.conn);
  expect_given_up(&w, 1);
  world_waiting(&w);
  in_thread(abort_elsewhere, w.client.conn);
  expect_given_up(&w, 1);
  section("while an attempt is under way");
  world_connect(&w);
  raw_accept(&raw, w.loop, w.listener);
  CHECK_STATUS(wsock_conn_close(w.client.conn, 0, NULL), WSOCK_OK);
  expect_given_up(&w, 0);
  raw_close(&raw);
  section("while open: abort, here and from another thread");
  world_connect(&w);
  world_serve(&w, &raw);
  CHECK_STATUS(wsock_conn_abort(w.client.conn), WSOCK_OK);
  expect_given_up(&w, 0);
  raw_close(&raw);
  world_connect(&w);
  world_serve(&w, &raw);
  in_thread(abort_elsewhere, w.client.conn);
  expect_given_up(&w, 0);
  raw_close(&raw);
  section("closing, when the connection is lost instead");
  world_connect(&w);
  world_serve(&w, &raw);
  CHECK_STATUS(wsock_conn_close(w.client.conn, 1000, "bye"), WSOCK_OK);
  raw_reset(&raw);
  PUMP_UNTIL(w.loop, w.client.releases);
  CHECK_ENDED(&w.client);
  CHECK(w.client.retries == 0 && w.client.errors == 1);

  section("inside on_retry");
  w.each = close_inside;
  world_connect(&w);
  refuse_for(&w, 0);
  expect_given_up(&w, 1);
  w.each = abort_inside;
  world_connect(&w);
  refuse_for(&w, 0);
  expect_given_up(&w, 1);

  section("inside on_retry of another one that was lost in the same turn: it hears of its end only");
  w.each = NULL;
  for (int i = 0; i < 2; i++) {
    memset(&twins[i], 0, sizeof twins[i]);
    twins[i].reconnects = 1;
    twins[i].hook = close_twin;
    connect_to(&twins[i], w.loop, url_of(w.port, "/"), w.options);
    raw_welcome(&raws[i], raw_accept(&raws[i], w.loop, w.listener), "");
    PUMP_UNTIL(w.loop, twins[i].opens);
  }
  raw_reset(&raws[0]);
  raw_reset(&raws[1]);
  sleep_ms(20);
  PUMP_UNTIL(w.loop, twins[0].releases || twins[1].releases);
  CHECK_INT(twins[0].retries + twins[1].retries, 1);
  CHECK_STATUS(wsock_conn_abort(twins[twins[0].releases].conn), WSOCK_OK);
  PUMP_UNTIL(w.loop, twins[0].releases && twins[1].releases);
  CHECK_ENDED(&twins[0]);
  CHECK_ENDED(&twins[1]);

  section("wsock_loop_free while it waits: one on_close");
  world_waiting(&w);
  CHECK_INT(w.client.closes, 0);
  world_free(&w);
  CHECK(w.client.closes == 1 && w.client.errors == 1 && w.client.error.code == WSOCK_ERR_ABORTED && w.client.retries == 1);
}

/* Where on_retry sends it, and what that answered. */
static struct {
  const char *url;
  wsock_options *options;
  int status;
} target;
static void change_target(struct world *w, char event) {
  if (event != 'T') return;
  int32_t status = wsock_conn_set_target(w->client.conn, target.url, target.options);
  CHECK_STATUS(status, target.status);
  if (status < 0) CHECK_LAST(target.status);
}
static void *set_elsewhere(void *conn) {
  CHECK_REFUSED(wsock_conn_set_target(conn, "ws://127.0.0.1:1/", NULL), WSOCK_ERR_WRONG_THREAD);
  return NULL;
}
static void new_token(wsock_options **options, const char *token) {
  wsock_options_free(*options);
  *options = new_options();
  option(option(*options, WSOCK_OPT_RECONNECT, -1), WSOCK_OPT_RECONNECT_FIRST_MS, FIRST);
  CHECK_STATUS(wsock_options_add_header(*options, "X-Token", token), WSOCK_OK);
}
static void targets(void) {
  static const char *const bad[] = {"", "nonsense", "ftp://127.0.0.1/", "ws://127.0.0.1/#x"};
  struct world w;
  struct raw raw;
  struct pair pair;
  char here[64], there[64];
  uint16_t port;
  int listener = raw_listen(&port, 8);
  const char *head;
  world_new(&w, -1);
  world_listen(&w);
  snprintf(here, sizeof here, "ws://127.0.0.1:%u/", (unsigned)w.port);
  snprintf(there, sizeof there, "ws://127.0.0.1:%u/there", (unsigned)port);
  w.each = change_target;

  section("another URL, set in on_retry");
  target.url = there;
  world_connect(&w);
  refuse_for(&w, 0);
  head = raw_accept(&raw, w.loop, listener);
  CHECK(strncmp(head, "GET /there HTTP/1.1\r\n", 21) == 0);
  raw_welcome(&raw, head, "");
  PUMP_UNTIL(w.loop, w.client.opens == 1);
  CHECK_STR(wsock_conn_get_str(w.client.conn, WSOCK_CONN_URL, NULL), there);

  section("other options, with a fresh token; the URL stays what it has become");
  target.url = NULL;
  for (int i = 1; i <= 2; i++) {
    char token[16];
    snprintf(token, sizeof token, "fresh-%d", i);
    new_token(&target.options, token);
    raw_reset(&raw);
    head = raw_accept(&raw, w.loop, listener);
    CHECK(strncmp(head, "GET /there HTTP/1.1\r\n", 21) == 0);
    CHECK_STR(head_value(head, "X-Token"), token);
    raw_welcome(&raw, head, "");
    PUMP_UNTIL(w.loop, w.client.opens == 1 + i);
  }
  section("nothing new: all stays");
  wsock_options_free(target.options);
  target.options = NULL;
  raw_reset(&raw);
  head = raw_accept(&raw, w.loop, listener);
  CHECK_STR(head_value(head, "X-Token"), "fresh-2");
  raw_welcome(&raw, head, "");
  PUMP_UNTIL(w.loop, w.client.opens == 4);

  section("bad targets are refused, and nothing has changed");
  target.status = WSOCK_ERR_INVALID_ARGUMENT;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    target.url = bad[i];
    raw_reset(&raw);
    head = raw_accept(&raw, w.loop, listener);
    CHECK(strncmp(head, "GET /there HTTP/1.1\r\n", 21) == 0);
    CHECK_STR(head_value(head, "X-Token"), "fresh-2");
    raw_welcome(&raw, head, "");
    PUMP_UNTIL(w.loop, w.client.opens == 5 + (int)i);
  }
  w.each = NULL;
  CHECK_REFUSED(wsock_conn_set_target(w.client.conn, here, (wsock_options *)(uintptr_t)77), WSOCK_ERR_INVALID_HANDLE);
  CHECK_REFUSED(wsock_conn_set_target(w.client.conn, here, (wsock_options *)w.loop), WSOCK_ERR_WRONG_KIND);

  section("while open: the present connection is not touched");
  CHECK_STATUS(wsock_conn_set_target(w.client.conn, here, NULL), WSOCK_OK);
  in_thread(set_elsewhere, w.client.conn);
  CHECK_STR(wsock_conn_get_str(w.client.conn, WSOCK_CONN_URL, NULL), there);
  CHECK_STATUS(wsock_conn_send_text(w.client.conn, "still here", 10), WSOCK_OK);
  static struct frame frame;
  CHECK(raw_next(&raw, &frame) && frame.first == 0x81 && frame.len == 10);
  section("and the next one goes there");
  raw_reset(&raw);
  head = raw_accept(&raw, w.loop, w.listener);
  CHECK(strncmp(head, "GET / HTTP/1.1\r\n", 16) == 0);
  CHECK_STR(head_value(head, "X-Token"), "fresh-2");
  raw_welcome(&raw, head, "");
  PUMP_UNTIL(w.loop, w.client.down == 0);
  CHECK_STR(wsock_conn_get_str(w.client.conn, WSOCK_CONN_URL, NULL), here);

  section("options that end the coming back");
  target.options = new_options();
  CHECK_STATUS(wsock_conn_set_target(w.client.conn, NULL, target.options), WSOCK_OK);
  raw_reset(&raw);
  head = raw_accept(&raw, w.loop, w.listener);
  CHECK_STR(head_value(head, "X-Token"), "");
  raw_reset(&raw);
  PUMP_UNTIL(w.loop, w.client.releases);
  CHECK_ENDED(&w.client);
  wsock_options_free(target.options);
  target.options = NULL;

  section("a client that does not come back, and an accepted connection");
  pair_open(&pair, NULL, NULL);
  CHECK_REFUSED(wsock_conn_set_target(pair.client.conn, here, NULL), WSOCK_ERR_STATE);
  CHECK_REFUSED(wsock_conn_set_target(pair_peer(&pair)->conn, here, NULL), WSOCK_ERR_STATE);
  pair_free(&pair);
  raw_close(&raw);
  close(listener);
  world_free(&w);
}

static void read_refusal(struct world *w, char event) {
  wsock_conn *conn = w->client.conn;
  size_t len = 0;
  if (event != 'T' || w->client.retries != 1) return;
  CHECK_STR(wsock_conn_header(conn, "x-why", 0, &len), "too many");
  CHECK_INT(len, 8);
  CHECK_STR(wsock_conn_cookie(conn, "seen", NULL), "1");
  CHECK_STR(wsock_conn_get_str(conn, WSOCK_CONN_RESPONSE_BODY, NULL), "later");
  CHECK(w->client.retry_close.http_status == 503 && w->client.retry_close.layer == WSOCK_LAYER_HTTP);
  CHECK_INT(w->client.retry_error.code, WSOCK_ERR_HTTP_STATUS);
}
static void retry_after(void) {
  struct world w;
  struct raw raw;
  section("Retry-After makes the wait longer; what the refusal said is there in on_retry");
  world_new(&w, -1);
  set(&w, WSOCK_OPT_RECONNECT_MAX_MS, 10000);
  w.each = read_refusal;
  world_listen(&w);
  world_connect(&w);
  int64_t begun = now_ms();
  refuse_for(&w, 1);
  CHECK_INT(w.client.retry.delay_ms, 1000);
  world_serve(&w, &raw);
  CHECKF(now_ms() - begun >= 1000, "it came after %d ms", (int)(now_ms() - begun));
  section("it is for once");
  raw_reset(&raw);
  PUMP_UNTIL(w.loop, w.client.retries == 2);
  CHECKF(w.client.retry.delay_ms <= 2 * FIRST, "%d ms", (int)w.client.retry.delay_ms);
  CHECK(wsock_conn_header(w.client.conn, "X-Why", 0, NULL) == NULL);
  CHECK_STATUS(wsock_conn_abort(w.client.conn), WSOCK_OK);
  PUMP_UNTIL(w.loop, w.client.releases);
  section("but not longer than the cap");
  set(&w, WSOCK_OPT_RECONNECT_MAX_MS, CAP);
  world_unlisten(&w);
  world_listen(&w);
  world_connect(&w);
  refuse_for(&w, 1000000);
  CHECK_INT(w.client.retry.delay_ms, CAP);
  world_serve(&w, &raw);
  raw_close(&raw);
  world_free(&w);
}

static void log_in_first(struct world *w, char event) {
  if (event == 'O') CHECK_STATUS(wsock_conn_send_text(w->client.conn, "log-in", 6), WSOCK_OK);
}
static void *send_elsewhere(void *conn) {
  static char large[200];
  CHECK_STATUS(wsock_conn_send_text(conn, "other thread", 12), WSOCK_OK);
  CHECK_REFUSED(wsock_conn_send_binary(conn, large, sizeof large), WSOCK_ERR_LIMIT);
  CHECK_REFUSED(wsock_conn_send_text(conn, "\xff", 1), WSOCK_ERR_INVALID_ARGUMENT);
  return NULL;
}
static void expect_frame(struct raw *raw, const char *text) {
  static struct frame frame;
  CHECK(raw_next(raw, &frame));
  CHECKF(frame.first == 0x81 && frame.len == strlen(text) && memcmp(frame.data, text, frame.len) == 0, "\"%.*s\" and not \"%s\"",
         (int)(frame.len < 100 ? frame.len : 100), (const char *)frame.data, text);
}
static void close_when_open(struct world *w, char event) {
  if (event == 'O') CHECK_STATUS(wsock_conn_close(w->client.conn, 1000, NULL), WSOCK_OK);
}
static void queueing(void) {
  static char large[65536];
  struct world w;
  struct raw raw;
  section("without a queue: refused while there is no connection");
  world_new(&w, -1);
  world_waiting(&w);
  CHECK_REFUSED(wsock_conn_send_text(w.client.conn, "x", 1), WSOCK_ERR_STATE);
  CHECK_REFUSED(wsock_conn_ping(w.client.conn, "x", 1), WSOCK_ERR_STATE);
  CHECK_INT(wsock_conn_buffered_amount(w.client.conn), 0);
  CHECK_STATUS(wsock_conn_abort(w.client.conn), WSOCK_OK);
  PUMP_UNTIL(w.loop, w.client.releases);
  CHECK_INT(w.client.close.unsent_bytes, 0);

  section("with a queue: accepted up to its limit, before the first connection too");
  set(&w, WSOCK_OPT_RECONNECT_QUEUE, 100);
  set(&w, WSOCK_OPT_RECONNECT_MAX_MS, CAP);
  world_unlisten(&w);
  w.each = log_in_first;
  world_connect(&w);
  CHECK_STATUS(wsock_conn_send_text(w.client.conn, "first", 5), WSOCK_OK);
  PUMP_UNTIL(w.loop, w.client.retries >= 2);
  CHECK_STATUS(wsock_conn_send_text(w.client.conn, "second", 6), WSOCK_OK);
  CHECK_INT(wsock_conn_buffered_amount(w.client.conn), 11);
  CHECK_REFUSED(wsock_conn_send_binary(w.client.conn, large, 90), WSOCK_ERR_LIMIT);
  CHECK_REFUSED(wsock_conn_send_text(w.client.conn, "\xff", 1), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_conn_ping(w.client.conn, "x", 1), WSOCK_ERR_STATE);
  section("from another thread, too");
  in_thread(send_elsewhere, w.client.conn);
  CHECK_INT(wsock_conn_buffered_amount(w.client.conn), 23);
  PUMP_UNTIL(w.loop, w.client.retries >= 4);
  CHECK_STATUS(wsock_conn_send_binary(w.client.conn, large, 77), WSOCK_OK); /* to the last byte */
  CHECK_REFUSED(wsock_conn_send_text(w.client.conn, "x", 1), WSOCK_ERR_LIMIT);
  CHECK_INT(wsock_conn_buffered_amount(w.client.conn), 100);
  section("sent in order when it is open, after what on_open sends");
  world_listen(&w);
  world_serve(&w, &raw);
  expect_frame(&raw, "log-in");
  expect_frame(&raw, "first");
  expect_frame(&raw, "second");
  expect_frame(&raw, "other thread");
  static struct frame frame;
  CHECK(raw_next(&raw, &frame) && frame.first == 0x82 && frame.len == 77);
  PUMP_UNTIL(w.loop, wsock_conn_buffered_amount(w.client.conn) == 0);
  section("while open the queue is not the limit");
  CHECK_STATUS(wsock_conn_send_binary(w.client.conn, large, 1000), WSOCK_OK);
  CHECK(raw_next(&raw, &frame) && frame.len == 1000);

  section("what a lost connection had accepted is counted in on_retry and not sent again");
  w.each = NULL;
  size_t sent = 0;
  while (wsock_conn_buffered_amount(w.client.conn) < 4 * sizeof large) {
    REQUIRE(wsock_conn_send_binary(w.client.conn, large, sizeof large) >= 0);
    sent += sizeof large;
    pump(w.loop);
  }
  size_t buffered = wsock_conn_buffered_amount(w.client.conn);
  int retries = w.client.retries;
  world_unlisten(&w);
  raw_reset(&raw);
  PUMP_UNTIL(w.loop, w.client.retries > retries);
  CHECK_INT(w.client.retries, retries + 1);
  CHECKF(w.client.retry_close.unsent_bytes > 0 && w.client.retry_close.unsent_bytes <= buffered, "%llu unsent of %zu, %zu sent",
         (unsigned long long)w.client.retry_close.unsent_bytes, buffered, sent);
  CHECK_INT(wsock_conn_buffered_amount(w.client.conn), 0);
  PUMP_UNTIL(w.loop, w.client.retries > retries + 1);
  CHECK_INT(w.client.retry_close.unsent_bytes, 0);
  CHECK_STATUS(wsock_conn_send_text(w.client.conn, "after", 5), WSOCK_OK);
  world_listen(&w);
  world_serve(&w, &raw);
  expect_frame(&raw, "after");
  raw_reset(&raw);

  section("what is kept at the end is counted in on_close");
  world_unlisten(&w);
  PUMP_UNTIL(w.loop, w.client.down);
  CHECK_STATUS(wsock_conn_send_text(w.client.conn, "kept", 4), WSOCK_OK);
  PUMP_UNTIL(w.loop, w.client.retries > retries + 3);
  in_thread(send_elsewhere, w.client.conn);
  CHECK_STATUS(wsock_conn_close(w.client.conn, 1000, NULL), WSOCK_OK);
  PUMP_UNTIL(w.loop, w.client.releases);
  CHECK_INT(w.client.close.unsent_bytes, 16);
  world_free(&w);

  section("another size, from the next attempt on");
  world_new(&w, -1);
  set(&w, WSOCK_OPT_RECONNECT_MAX_MS, 0);
  world_connect(&w);
  CHECK_REFUSED(wsock_conn_send_text(w.client.conn, "x", 1), WSOCK_ERR_STATE);
  set(&w, WSOCK_OPT_RECONNECT_QUEUE, 12);
  CHECK_STATUS(wsock_conn_set_target(w.client.conn, NULL, w.options), WSOCK_OK);
  PUMP_UNTIL(w.loop, w.client.retries >= 2);
  in_thread(send_elsewhere, w.client.conn);
  int before = w.client.retries;
  PUMP_UNTIL(w.loop, w.client.retries > before);
  CHECK_REFUSED(wsock_conn_send_text(w.client.conn, "x", 1), WSOCK_ERR_LIMIT);
  set(&w, WSOCK_OPT_RECONNECT_QUEUE, 0);
  CHECK_STATUS(wsock_conn_set_target(w.client.conn, NULL, w.options), WSOCK_OK);
  PUMP_UNTIL(w.loop, w.client.retries >= before + 3);
  CHECK_REFUSED(wsock_conn_send_text(w.client.conn, "", 0), WSOCK_ERR_STATE);
  world_listen(&w);
  world_serve(&w, &raw);
  expect_frame(&raw, "other thread");
  raw_close(&raw);
  world_free(&w);

  section("closed in on_open: what has waited is lost and counted");
  world_new(&w, -1);
  set(&w, WSOCK_OPT_RECONNECT_QUEUE, 100);
  world_listen(&w);
  world_connect(&w);
  CHECK_STATUS(wsock_conn_send_text(w.client.conn, "never", 5), WSOCK_OK);
  w.each = close_when_open;
  world_serve(&w, &raw);
  CHECK_INT(raw_close_code(&raw), 1000);
  raw_close_frame(&raw, 0, 1000, "");
  raw_close(&raw);
  PUMP_UNTIL(w.loop, w.client.releases);
  CHECK_INT(w.client.close.unsent_bytes, 5);
  world_free(&w);
}

static void bounds(void) {
  static const struct { int32_t key; int64_t min, normal; } rows[] = {
      {WSOCK_OPT_RECONNECT, -1, 0},           {WSOCK_OPT_RECONNECT_FIRST_MS, 0, 1000},    {WSOCK_OPT_RECONNECT_MAX_MS, 0, 30000},
      {WSOCK_OPT_RECONNECT_STABLE_MS, 0, 10000}, {WSOCK_OPT_RECONNECT_QUEUE, 0, 0},
  };
  wsock_options *o = new_options();
  section("the options and their bounds");
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    int64_t min, max, normal;
    CHECK_STATUS(wsock_option_bounds(rows[i].key, &min, &max, &normal), WSOCK_OK);
    CHECKF(min == rows[i].min && normal == rows[i].normal && max > 3600000, "option %d", (int)rows[i].key);
    CHECK_REFUSED(wsock_options_set_int(o, rows[i].key, min - 1), WSOCK_ERR_INVALID_ARGUMENT);
    CHECK_REFUSED(wsock_options_set_int(o, rows[i].key, max + 1), WSOCK_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(wsock_options_set_int(o, rows[i].key, max), WSOCK_OK);
    CHECK_STATUS(wsock_options_set_int(o, rows[i].key, min), WSOCK_OK);
    CHECK_REFUSED(wsock_options_set_str(o, rows[i].key, "1"), WSOCK_ERR_UNSUPPORTED);
  }
  wsock_options_free(o);
}

int main(void) {
  there_and_back();
  closed_by_server();
  used_up();
  forever();
  told_first();
  rows();
  giving_up();
  targets();
  retry_after();
  queueing();
  bounds();
  return check_end();
}
