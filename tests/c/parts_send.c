/* Messages that are sent in parts: one message arrives, others wait for its end, whoever sends what. */
#include "raw.h"

#include <pthread.h>

static char text[200000];

static wsock_status part(wsock_conn *conn, const char *data, size_t len, uint32_t flags) {
  return wsock_conn_send_part(conn, WSOCK_TEXT, data, len, flags);
}
static void expect(struct pair *pair, struct rec *rec, int before, const char *data, size_t len) {
  PUMP_UNTIL(pair->loop, rec->messages > before);
  CHECK_INT(rec->len, len);
  CHECK(rec->len == len && rec->type == WSOCK_TEXT && memcmp(rec->data, data, len) == 0);
}

static void whole(int deflate) {
  struct pair pair;
  wsock_options *o = deflate ? option(new_options(), WSOCK_OPT_DEFLATE, 1) : NULL;
  section(deflate ? "parts, compressed" : "parts");
  pair_open(&pair, o, o);
  pair_peer(&pair)->echo = 0;
  struct rec *sides[2] = {&pair.client, pair_peer(&pair)};
  static const size_t sizes[] = {1, 10, 100, 5000, 100000};
  for (int from = 0; from < 2; from++) {
    struct rec *to = sides[1 - from];
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
      size_t total = sizes[i] < 100 ? 300 : sizeof text;
      int before = to->messages;
      for (size_t at = 0; at < total; at += sizes[i]) {
        size_t n = total - at < sizes[i] ? total - at : sizes[i];
        uint32_t last = i % 2 == 0 && at + n == total ? WSOCK_SEND_LAST : 0;
        uint32_t plain = i == 3 ? WSOCK_SEND_NO_COMPRESS : 0;
        CHECK(part(sides[from]->conn, text + at, n, last | plain) >= 0);
        if (at / sizes[i] % 7 == 3) pump(pair.loop);
      }
      CHECK_INT(to->messages, before);
      if (i % 2) CHECK_STATUS(part(sides[from]->conn, NULL, 0, WSOCK_SEND_LAST), WSOCK_OK);
      expect(&pair, to, before, text, total);
    }
    wsock_conn_stats stats = conn_stats(sides[from]->conn);
    CHECK_INT(stats.messages_sent, 5);
    CHECK(!deflate || stats.bytes_sent < stats.payload_sent * 3 / 4);
  }
  section("an empty message in one part");
  int before = pair.client.messages;
  CHECK_STATUS(part(pair_peer(&pair)->conn, "", 0, WSOCK_SEND_LAST), WSOCK_OK);
  expect(&pair, &pair.client, before, "", 0);
  pair_free(&pair);
  if (o) wsock_options_free(o);
}

static void in_order(void) {
  struct pair pair;
  section("other messages wait for the end; pings do not");
  pair_open(&pair, NULL, NULL);
  struct rec *peer = pair_peer(&pair);
  peer->echo = 0;
  CHECK_STATUS(part(pair.client.conn, "one ", 4, 0), WSOCK_OK);
  CHECK_STATUS(wsock_conn_send_text(pair.client.conn, "between", 7), WSOCK_OK);
  CHECK_STATUS(wsock_conn_ping(pair.client.conn, "p", 1), WSOCK_OK);
  PUMP_UNTIL(pair.loop, pair.client.pongs == 1);
  CHECK_INT(peer->messages, 0);
  CHECK_INT(wsock_conn_buffered_amount(pair.client.conn), 7);
  CHECK_STATUS(part(pair.client.conn, "message", 7, WSOCK_SEND_LAST), WSOCK_OK);
  PUMP_UNTIL(pair.loop, peer->messages == 2);
  CHECK(peer->len == 7 && memcmp(peer->data, "between", 7) == 0);
  CHECK_INT(peer->payload, 18);

  section("text that is cut anywhere, and a part that cannot be: refused, and another may follow");
  CHECK_STATUS(part(pair.client.conn, "\xe2\x82", 2, 0), WSOCK_OK);
  CHECK_REFUSED(part(pair.client.conn, "x", 1, 0), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(part(pair.client.conn, "", 0, WSOCK_SEND_LAST), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_conn_send_part(pair.client.conn, WSOCK_BINARY, "x", 1, 0), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(part(pair.client.conn, "x", 1, 4), WSOCK_ERR_UNSUPPORTED);
  CHECK_STATUS(part(pair.client.conn, "\xac", 1, WSOCK_SEND_LAST), WSOCK_OK);
  expect(&pair, peer, 2, "\xe2\x82\xac", 3);
  pair_free(&pair);
}

/* Two threads take turns at one message; the loop runs or does not. */
struct turns { wsock_conn *conn; int n; };
static void *send_one(void *arg) {
  struct turns *turns = arg;
  char word[16];
  int n = snprintf(word, sizeof word, "%d ", turns->n);
  CHECK_STATUS(part(turns->conn, word, (size_t)n, 0), WSOCK_OK);
  if (turns->n == 3) CHECK_REFUSED(part(turns->conn, "\xff", 1, 0), WSOCK_ERR_INVALID_ARGUMENT);
  return NULL;
}
static void from_two_threads(void) {
  struct pair pair;
  pthread_t thread;
  section("parts from two threads keep their order");
  pair_open(&pair, NULL, NULL);
  struct rec *peer = pair_peer(&pair);
  peer->echo = 0;
  for (int round = 0; round < 20; round++) {
    struct turns turns = {pair.client.conn, 0};
    int before = peer->messages;
    for (turns.n = 0; turns.n < 10; turns.n++) {
      if ((turns.n + round) % 3) {
        send_one(&turns);
      } else {
        pthread_create(&thread, NULL, send_one, &turns);
        pthread_join(thread, NULL);
      }
      if (turns.n % 4 == round % 4) pump(pair.loop);
    }
    CHECK_STATUS(part(turns.conn, "end", 3, WSOCK_SEND_LAST), WSOCK_OK);
    expect(&pair, peer, before, "0 1 2 3 4 5 6 7 8 9 end", 23);
  }
  pair_free(&pair);
}

#define THREADS 4
static void *send_messages(void *conn) {
  for (int i = 0; i < 200; i++) CHECK(wsock_conn_send_text(conn, "between", 7) >= 0);
  return NULL;
}
static void among_others(void) {
  struct pair pair;
  pthread_t threads[THREADS];
  section("parts here, whole messages from four threads");
  pair_open(&pair, NULL, NULL);
  struct rec *peer = pair_peer(&pair);
  peer->echo = 0;
  for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, send_messages, pair.client.conn);
  for (int message = 0; message < 50; message++) {
    for (int i = 0; i < 5; i++) {
      CHECK(part(pair.client.conn, "abc", 3, i == 4 ? WSOCK_SEND_LAST : 0) >= 0);
      pump(pair.loop);
    }
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  PUMP_UNTIL(pair.loop, peer->messages == THREADS * 200 + 50);
  CHECK_INT(peer->payload, THREADS * 200 * 7 + 50 * 15);
  pair_free(&pair);
}

static void not_finished(void) {
  struct rec client = {0};
  struct raw raw;
  static struct frame frame;
  wsock_loop *loop = new_loop();
  uint16_t port;
  int listener = raw_listen(&port, 4);
  section("closed before its end: it is lost, and what waited for it; the close frame comes all the same");
  connect_to(&client, loop, url_of(port, "/"), NULL);
  CHECK_REFUSED(part(client.conn, "early", 5, 0), WSOCK_ERR_STATE);
  raw_welcome(&raw, raw_accept(&raw, loop, listener), "");
  PUMP_UNTIL(loop, client.opens);
  CHECK_STATUS(part(client.conn, "half", 4, 0), WSOCK_OK);
  CHECK_STATUS(wsock_conn_send_text(client.conn, "behind", 6), WSOCK_OK);
  CHECK_STATUS(wsock_conn_close(client.conn, 1000, NULL), WSOCK_OK);
  CHECK_REFUSED(part(client.conn, "more", 4, WSOCK_SEND_LAST), WSOCK_ERR_STATE);
  CHECK(raw_next(&raw, &frame) && frame.first == 0x01 && frame.len == 4);
  CHECK(raw_next(&raw, &frame) && frame.first == 0x88);
  raw_close_frame(&raw, 0, 1000, "");
  raw_close(&raw);
  PUMP_UNTIL(loop, client.releases);
  CHECK(client.close.was_clean == 1 && client.close.status == WSOCK_OK);
  CHECK_INT(client.close.unsent_bytes, 6);
  CHECK_REFUSED(part(client.conn, "late", 4, 0), WSOCK_ERR_INVALID_HANDLE);
  close(listener);
  free_loop(loop);
  rec_free(&client);
  section("a loop is freed with one open");
  struct pair pair;
  pair_open(&pair, NULL, NULL);
  CHECK_STATUS(part(pair.client.conn, "half", 4, 0), WSOCK_OK);
  CHECK_STATUS(part(pair_peer(&pair)->conn, "half", 4, 0), WSOCK_OK);
  pair_free(&pair);
}

static void too_much(void) {
  struct srv srv = {0};
  struct raw raw;
  wsock_loop *loop = new_loop();
  wsock_options *o = option(option(new_options(), WSOCK_OPT_MAX_BUFFERED, 500000), WSOCK_OPT_PING_INTERVAL_MS, 0);
  option(o, WSOCK_OPT_OVERFLOW, WSOCK_OVERFLOW_DROP_NEWEST); /* not for parts: a message is sent whole or not */
  section("a peer that does not read: parts are refused, and follow when there is room");
  srv_listen(&srv, loop, o);
  raw_upgrade(&raw, loop, srv.port, "");
  PUMP_UNTIL(loop, srv.count == 1);
  wsock_conn *conn = srv.conn[0]->conn;
  size_t sent = 0;
  wsock_status status;
  for (; (status = part(conn, text, 50000, 0)) >= 0 && sent < 4000; sent++) pump(loop);
  CHECK_INT(status, WSOCK_ERR_LIMIT);
  CHECK_INT(wsock_conn_send_text(conn, "full", 4) == WSOCK_DROPPED || wsock_conn_buffered_amount(conn) + 4 <= 500000, 1);
  static struct frame frame;
  for (size_t i = 0; i < sent; i++) CHECK(raw_next(&raw, &frame) && frame.first == (i ? 0x00 : 0x01) && frame.len == 50000);
  PUMP_UNTIL(loop, srv.conn[0]->drains == 1);
  CHECK_STATUS(part(conn, "end", 3, WSOCK_SEND_LAST), WSOCK_OK);
  CHECK(raw_next(&raw, &frame) && frame.first == 0x80 && frame.len == 3);
  raw_close(&raw);
  free_loop(loop);
  wsock_options_free(o);
  srv_free(&srv);
}

/* The first parts went to a connection that is gone. */
static void cut_off(void) {
  struct rec client = {0};
  struct raw raw;
  static struct frame frame;
  uint16_t port;
  int listener = raw_listen(&port, 4);
  wsock_loop *loop = new_loop();
  wsock_options *o = option(option(option(new_options(), WSOCK_OPT_RECONNECT, -1), WSOCK_OPT_RECONNECT_FIRST_MS, 1), WSOCK_OPT_RECONNECT_MAX_MS, 5);
  section("a client that came back does not go on with a message of which the beginning is lost");
  client.reconnects = 1;
  connect_to(&client, loop, url_of(port, "/"), o);
  raw_welcome(&raw, raw_accept(&raw, loop, listener), "");
  PUMP_UNTIL(loop, client.opens == 1);
  CHECK_STATUS(part(client.conn, "half", 4, 0), WSOCK_OK);
  CHECK(raw_next(&raw, &frame) && frame.first == 0x01);
  raw_reset(&raw);
  raw_welcome(&raw, raw_accept(&raw, loop, listener), "");
  PUMP_UNTIL(loop, client.opens == 2);
  CHECK_REFUSED(part(client.conn, "other half", 10, WSOCK_SEND_LAST), WSOCK_ERR_STATE);
  CHECK_STATUS(part(client.conn, "anew", 4, WSOCK_SEND_LAST), WSOCK_OK);
  CHECK(raw_next(&raw, &frame) && frame.first == 0x81 && frame.len == 4);
  CHECK_STATUS(wsock_conn_abort(client.conn), WSOCK_OK);
  PUMP_UNTIL(loop, client.releases);
  raw_close(&raw);
  close(listener);
  free_loop(loop);
  wsock_options_free(o);
  rec_free(&client);
}

int main(void) {
  for (size_t i = 0; i < sizeof text; i++) text[i] = (char)('a' + (i * i + i / 7) % 26);
  whole(0);
  if (wsock_features() & WSOCK_FEATURE_DEFLATE) whole(1);
  in_order();
  from_two_threads();
  among_others();
  not_finished();
  too_much();
  cut_off();
  return check_end();
}
