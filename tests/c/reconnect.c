/* Coming back: when a client tries again and when not, how long it waits, and what on_retry tells. */
#include "reconnect.h"

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
  retry_after();
  bounds();
  return check_end();
}
