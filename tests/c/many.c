/* Many messages in one call: each arrives as if it had been sent alone, and whoever has some of them refused knows
   which. */
#include "raw.h"

#include <pthread.h>

#define COUNT 6
static const size_t lens[COUNT] = {3, 0, 200, 70000, 1, 16384};
static unsigned char data[3 + 200 + 70000 + 1 + 16384];

/* What comes has to be the next of them; in `arg` is how many have come. */
static void is_next(struct rec *rec, char event) {
  int *came = rec->arg;
  size_t at = 0;
  if (event != 'M') return;
  for (int i = 0; i < *came % COUNT; i++) at += lens[i];
  CHECKF(rec->len == lens[*came % COUNT], "message %d has %zu bytes", *came, rec->len);
  CHECK(rec->len == 0 || memcmp(rec->data, data + at, rec->len) == 0);
  ++*came;
}
static wsock_status send_all(wsock_conn *conn, int32_t type) {
  size_t taken = 99;
  wsock_status status = wsock_conn_send_many(conn, type, data, sizeof data, lens, COUNT, 0, &taken);
  CHECK_INT(taken, COUNT);
  return status;
}
static void *send_from_elsewhere(void *conn) {
  CHECK_STATUS(send_all(conn, WSOCK_BINARY), WSOCK_OK);
  return NULL;
}
/* From inside of a callback, once. */
static void answer(struct rec *rec, char event) {
  if (event == 'M' && rec->messages == 1) CHECK_STATUS(send_all(rec->conn, WSOCK_TEXT), WSOCK_OK);
}

static void each_arrives(void) {
  struct pair pair;
  pthread_t thread;
  size_t taken = 99;
  int came = 0, back = 0;
  section("each arrives, in order, from wherever it is sent");
  pair_open(&pair, NULL, NULL);
  struct rec *peer = pair_peer(&pair);
  peer->echo = 0, peer->hook = is_next, peer->arg = &came;
  CHECK_STATUS(send_all(pair.client.conn, WSOCK_BINARY), WSOCK_OK);
  PUMP_UNTIL(pair.loop, came == COUNT);
  CHECK_INT(peer->type, WSOCK_BINARY);
  CHECK_INT(pthread_create(&thread, NULL, send_from_elsewhere, pair.client.conn), 0);
  pthread_join(thread, NULL);
  PUMP_UNTIL(pair.loop, came == 2 * COUNT);
  pair.client.hook = is_next, pair.client.arg = &back, peer->hook = answer, peer->messages = 0;
  CHECK_STATUS(wsock_conn_send_text(pair.client.conn, "all", 3), WSOCK_OK);
  PUMP_UNTIL(pair.loop, back == COUNT);
  CHECK_INT(pair.client.type, WSOCK_TEXT);
  CHECK_STATUS(wsock_conn_send_many(pair.client.conn, WSOCK_TEXT, NULL, 0, NULL, 0, 0, &taken), WSOCK_OK);
  CHECK_INT(taken, 0);
  CHECK_INT(conn_stats(pair.client.conn).messages_sent, 2 * COUNT + 1);
  pair.client.hook = peer->hook = NULL, peer->echo = 1;
  pair_echo(&pair);
  pair_free(&pair);
}

static void stops_at_what_is_refused(void) {
  struct pair pair;
  size_t taken = 99;
  const size_t some[] = {1, 1, 2, 1};
  section("it stops at the first that is refused, and says so");
  pair_open(&pair, NULL, NULL);
  CHECK_STATUS(wsock_conn_send_many(pair.client.conn, WSOCK_TEXT, "ab\xff\xff" "c", 5, some, 4, 0, &taken), WSOCK_OK);
  CHECK_INT(taken, 2);
  CHECK_LAST(WSOCK_ERR_INVALID_ARGUMENT);
  PUMP_UNTIL(pair.loop, pair.client.messages == 2);
  pump_for(pair.loop, 20);
  CHECK_INT(pair.client.messages, 2);
  taken = 99;
  CHECK_REFUSED(wsock_conn_send_many(pair.client.conn, WSOCK_TEXT, "\xff\xff" "c", 3, some + 2, 2, 0, &taken), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_INT(taken, 99);
  pair_echo(&pair);
  CHECK_STATUS(wsock_conn_close(pair.client.conn, 1000, ""), WSOCK_OK);
  CHECK_REFUSED(wsock_conn_send_many(pair.client.conn, WSOCK_TEXT, "ab", 2, some, 2, 0, &taken), WSOCK_ERR_STATE);
  PUMP_UNTIL(pair.loop, pair.client.releases);
  CHECK_REFUSED(wsock_conn_send_many(pair.client.conn, WSOCK_TEXT, NULL, 0, some, 0, 0, &taken), WSOCK_ERR_INVALID_HANDLE);
  CHECK_INT(taken, 99);
  pair_free(&pair);
}

/* To a client that reads nothing, until no more fits. */
static void no_more_fits(int64_t overflow, wsock_status in_the_end) {
  enum { MANY = 64, LEN = 1000 };
  static unsigned char zeroes[MANY * LEN];
  size_t each[MANY], taken = MANY;
  struct srv srv = {0};
  struct raw raw;
  wsock_loop *loop = new_loop();
  wsock_options *options = option(new_options(), WSOCK_OPT_OVERFLOW, overflow);
  option(option(options, WSOCK_OPT_MAX_BUFFERED, 200 * LEN), WSOCK_OPT_HIGH_WATER, 100 * LEN);
  section(in_the_end == WSOCK_DROPPED ? "it says when some were dropped" : "a queue that is full takes what there is room for");
  for (int i = 0; i < MANY; i++) each[i] = LEN;
  srv_listen(&srv, loop, options);
  raw_upgrade(&raw, loop, srv.port, "");
  PUMP_UNTIL(loop, srv.count == 1);
  wsock_conn *conn = srv.conn[0]->conn;
  wsock_status status = WSOCK_OK, above = WSOCK_OK;
  uint64_t all = 0;
  while (status != WSOCK_DROPPED && taken == MANY) {
    pump(loop);
    above = status;
    status = wsock_conn_send_many(conn, WSOCK_BINARY, zeroes, sizeof zeroes, each, MANY, 0, &taken);
    if (status < 0) break;
    all += taken;
  }
  CHECK_INT(above, WSOCK_BUFFERED);
  if (in_the_end == WSOCK_DROPPED) {
    CHECK_STATUS(status, WSOCK_DROPPED);
    CHECK_INT(taken, MANY);
  } else {
    CHECK_LAST(WSOCK_ERR_LIMIT);
    CHECK(wsock_conn_buffered_amount(conn) <= 200 * LEN && wsock_conn_buffered_amount(conn) + LEN > 200 * LEN);
  }
  uint64_t sent = conn_stats(conn).messages_sent, dropped = conn_stats(conn).messages_dropped;
  CHECK_INT(sent + dropped, all);
  CHECK_INT(dropped > 0, in_the_end == WSOCK_DROPPED);
  raw_close(&raw);
  free_loop(loop);
  CHECK_ENDED(srv.conn[0]);
  wsock_options_free(options);
  srv_free(&srv);
}

static void bad_arguments(void) {
  struct pair pair;
  size_t taken = 99, one = 1;
  const size_t too_much[] = {SIZE_MAX, 2}; /* as one byte, if it wrapped */
  section("bad arguments");
  pair_open(&pair, NULL, NULL);
  wsock_conn *conn = pair.client.conn;
  CHECK_REFUSED(wsock_conn_send_many(conn, WSOCK_TEXT, "a", 1, NULL, 1, 0, &taken), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK(strstr(last_text(), "lens is NULL") != NULL);
  CHECK_REFUSED(wsock_conn_send_many(conn, WSOCK_TEXT, "a", 1, &one, 1, 0, NULL), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK(strstr(last_text(), "out_taken is NULL") != NULL);
  CHECK_REFUSED(wsock_conn_send_many(conn, WSOCK_TEXT, NULL, 1, &one, 1, 0, &taken), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_conn_send_many(conn, WSOCK_TEXT, "a", 1, too_much, 2, 0, &taken), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK(strstr(last_text(), "lens do not add up to the 1 bytes") != NULL);
  CHECK_REFUSED(wsock_conn_send_many(conn, WSOCK_TEXT, "ab", 2, &one, 1, 0, &taken), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_conn_send_many(conn, WSOCK_TEXT, "a", 1, &one, SIZE_MAX, 0, &taken), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_conn_send_many(conn, 7, "a", 1, &one, 1, 0, &taken), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_conn_send_many(conn, WSOCK_TEXT, "a", 1, &one, 1, 1u << 9, &taken), WSOCK_ERR_UNSUPPORTED);
  CHECK_INT(taken, 99);
  pair_echo(&pair);
  CHECK_INT(pair.client.messages, 1);
  pair_free(&pair);
}

int main(void) {
  for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)('a' + i % 26);
  each_arrives();
  stops_at_what_is_refused();
  no_more_fits(WSOCK_OVERFLOW_REFUSE, WSOCK_ERR_LIMIT);
  no_more_fits(WSOCK_OVERFLOW_DROP_NEWEST, WSOCK_DROPPED);
  bad_arguments();
  return check_end();
}
