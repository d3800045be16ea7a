/* What becomes of messages that are sent while a client has no connection: refused, kept for the next one
   up to a limit, or lost and counted. */
#include "reconnect.h"

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

  section("all threads share one limit");
  world_unlisten(&w);
  raw_reset(&raw);
  PUMP_UNTIL(w.loop, w.client.down);
  in_thread(send_elsewhere, w.client.conn);
  CHECK_REFUSED(wsock_conn_send_binary(w.client.conn, large, 89), WSOCK_ERR_LIMIT);
  CHECK_STATUS(wsock_conn_send_binary(w.client.conn, large, 88), WSOCK_OK);
  world_listen(&w);
  world_serve(&w, &raw);
  size_t came = 0;
  for (int i = 0; i < 2; i++) CHECK(raw_next(&raw, &frame) && (came += frame.len));
  CHECK_INT(came, 100);
  retries = w.client.retries;
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

/* Another client of the same loop, in whose on_message a thread sends to the first one. */
static struct rec bystander;
static int sent_too_late;
static void *send_too_late(void *conn) {
  sent_too_late = wsock_conn_send_text(conn, "too late", 8) == WSOCK_OK;
  return NULL;
}
static void message_of_bystander(struct rec *rec, char event) {
  if (event == 'M') in_thread(send_too_late, rec->arg);
}
static void losing(void) {
  struct world w;
  struct raw raw, other;
  section("what another thread sent to a connection that was gone is counted, once");
  world_new(&w, -1);
  world_listen(&w);
  world_connect(&w);
  world_serve(&w, &raw);
  memset(&bystander, 0, sizeof bystander);
  bystander.hook = message_of_bystander;
  bystander.arg = w.client.conn;
  raw_serve(&other, &bystander, w.loop, NULL);
  world_unlisten(&w);
  raw_frame(&other, 0x81, 0, "now", 3);
  sleep_ms(5);
  raw_reset(&raw);
  sleep_ms(5);
  uint64_t lost = 0;
  PUMP_UNTIL(w.loop, bystander.messages == 1 && w.client.retries >= 1);
  CHECK(sent_too_late);
  for (int retries = w.client.retries; retries < 6; retries++) {
    if (w.client.retries == retries) lost += w.client.retry_close.unsent_bytes;
    PUMP_UNTIL(w.loop, w.client.retries > retries);
  }
  CHECKF(lost == 8, "%d bytes lost", (int)lost);
  raw_close(&other);
  world_free(&w);
  rec_free(&bystander);

  section("a queue that comes with other options");
  world_new(&w, -1);
  world_connect(&w);
  PUMP_UNTIL(w.loop, w.client.retries >= 1);
  CHECK_REFUSED(wsock_conn_send_text(w.client.conn, "x", 1), WSOCK_ERR_STATE);
  set(&w, WSOCK_OPT_RECONNECT_QUEUE, 3);
  CHECK_STATUS(wsock_conn_set_target(w.client.conn, NULL, w.options), WSOCK_OK);
  int retries = w.client.retries;
  PUMP_UNTIL(w.loop, w.client.retries > retries);
  CHECK_REFUSED(wsock_conn_send_text(w.client.conn, "much", 4), WSOCK_ERR_LIMIT);
  CHECK_STATUS(wsock_conn_send_text(w.client.conn, "few", 3), WSOCK_OK);
  world_listen(&w);
  world_serve(&w, &raw);
  expect_frame(&raw, "few");
  raw_close(&raw);
  world_free(&w);
}

static int64_t no_more(wsock_conn *conn, void *buffer, size_t capacity, void *user_data) {
  (void)conn, (void)buffer, (void)capacity, (void)user_data;
  return 0;
}
/* The connection is open, and nobody has been told yet. */
static void open_and_untold(void) {
  for (int from_source = 0; from_source < 2; from_source++) {
    struct world w;
    struct raw raw;
    struct frame frame;
    wsock_loop *other = new_loop();
    section(from_source ? "what comes from a source goes behind what has waited, too" : "and so does a message in parts");
    world_new(&w, -1);
    set(&w, WSOCK_OPT_RECONNECT_QUEUE, 100);
    world_connect(&w);
    PUMP_UNTIL(w.loop, w.client.retries >= 1);
    CHECK_STATUS(wsock_conn_send_text(w.client.conn, "has waited", 10), WSOCK_OK);
    world_listen(&w);
    CHECK_STATUS(wsock_loop_start(w.loop), WSOCK_OK);
    raw_welcome(&raw, raw_accept(&raw, other, w.listener), "");
    int64_t end = now_ms() + patience_ms();
    while (wsock_conn_state(w.client.conn) != WSOCK_OPEN && now_ms() < end) sleep_ms(1);
    CHECK_INT(w.client.opens, 0);
    if (from_source) CHECK_STATUS(wsock_conn_send_from(w.client.conn, WSOCK_TEXT, no_more, NULL, NULL, 0), WSOCK_OK);
    else CHECK_STATUS(wsock_conn_send_part(w.client.conn, WSOCK_TEXT, "", 0, WSOCK_SEND_LAST), WSOCK_OK);
    PUMP_UNTIL(w.loop, w.client.opens == 1);
    raw.loop = w.loop; /* which asks the source */
    expect_frame(&raw, "has waited");
    CHECK(raw_next(&raw, &frame) && (frame.first & 15) <= 1 && frame.len == 0);
    raw_close(&raw);
    world_free(&w);
    free_loop(other);
  }
}

int main(void) {
  queueing();
  losing();
  open_and_untold();
  return check_end();
}
