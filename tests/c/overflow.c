/* A peer that does not read, and more to send than may wait: each policy does what it says, the figures
   tell what was dropped, and all the rest arrives in order. */
#include "raw.h"

#include <pthread.h>

#define PIECE 20000
#define SMALL 5000
#define LIMIT 200000

/* A server of ours with one raw client, which reads only when told to. */
struct scene {
  wsock_loop *loop;
  wsock_options *options;
  struct srv srv;
  struct raw raw;
  struct rec *rec;
  wsock_conn *conn;
  uint32_t number; /* of the next message */
};
static void scene_open(struct scene *s, int64_t overflow) {
  memset(s, 0, sizeof *s);
  s->loop = new_loop();
  s->options = option(option(new_options(), WSOCK_OPT_MAX_BUFFERED, LIMIT), WSOCK_OPT_PING_INTERVAL_MS, 0);
  option(option(s->options, WSOCK_OPT_OVERFLOW, overflow), WSOCK_OPT_LOW_WATER, 1000);
  srv_listen(&s->srv, s->loop, s->options);
  raw_upgrade(&s->raw, s->loop, s->srv.port, "");
  PUMP_UNTIL(s->loop, s->srv.count == 1);
  s->rec = s->srv.conn[0];
  s->conn = s->rec->conn;
}
static void scene_free(struct scene *s) {
  raw_close(&s->raw);
  free_loop(s->loop);
  CHECK_ENDED(s->rec);
  wsock_options_free(s->options);
  srv_free(&s->srv);
}

/* A message that begins with its number. */
static wsock_status send_number(struct scene *s, size_t len, int32_t overflow, uint64_t key) {
  static unsigned char data[PIECE];
  wsock_send_options o;
  uint32_t number = __sync_fetch_and_add(&s->number, 1);
  memset(&o, 0, sizeof o);
  o.struct_size = sizeof o;
  o.overflow = overflow;
  o.key = key;
  memcpy(data, &number, 4);
  return wsock_conn_send_with(s->conn, WSOCK_BINARY, data, len, &o);
}
/* Until the kernel takes no more and two pieces are left with us. Gives their number. */
static uint32_t stuff(struct scene *s) {
  for (int rounds = 0; rounds < 3; rounds++) {
    while (wsock_conn_buffered_amount(s->conn) < 2 * PIECE) {
      CHECK(send_number(s, PIECE, WSOCK_OVERFLOW_REFUSE, 0) >= 0);
      pump(s->loop);
    }
    pump_for(s->loop, 10);
  }
  return s->number;
}
/* The next message's number; -1 when there is none. */
static int64_t read_number(struct scene *s) {
  static struct frame frame;
  uint32_t number;
  do if (!raw_next(&s->raw, &frame)) return -1;
  while (frame.first != 0x82);
  memcpy(&number, frame.data, 4);
  return number;
}
static void read_up_to(struct scene *s, uint32_t end) {
  for (uint32_t n = 0; n < end; n++) CHECK_INT(read_number(s), n);
}
static void check_dropped(struct scene *s, uint64_t messages, uint64_t bytes) {
  wsock_conn_stats of_conn = conn_stats(s->conn);
  wsock_server_stats of_server = server_stats(s->srv.server);
  CHECK_INT(of_conn.messages_dropped, messages);
  CHECK_INT(of_conn.bytes_dropped, bytes);
  CHECK_INT(of_server.messages_dropped, messages);
  CHECK_INT(of_server.bytes_dropped, bytes);
  wsock_loop_stats of_loop = {0};
  of_loop.struct_size = sizeof of_loop;
  CHECK_STATUS(wsock_loop_get_stats(s->loop, &of_loop), WSOCK_OK);
  CHECK_INT(of_loop.messages_dropped, messages);
  CHECK_INT(of_loop.bytes_dropped, bytes);
}

static void refuse(void) {
  struct scene s;
  wsock_status status;
  section("refuse: what has no room is not accepted, and nothing is dropped");
  scene_open(&s, WSOCK_OVERFLOW_REFUSE);
  stuff(&s);
  while ((status = send_number(&s, PIECE, WSOCK_OVERFLOW_DEFAULT, 0)) == WSOCK_OK) {}
  CHECK_INT(status, WSOCK_ERR_LIMIT);
  CHECK_LAST(WSOCK_ERR_LIMIT);
  check_dropped(&s, 0, 0);
  read_up_to(&s, s.number - 1);
  PUMP_UNTIL(s.loop, s.rec->drains == 1);
  scene_free(&s);
}

static void drop_newest(int by_default) {
  struct scene s;
  wsock_status status;
  section(by_default ? "drop newest, by the connection's options" : "drop newest, by the message's");
  scene_open(&s, by_default ? WSOCK_OVERFLOW_DROP_NEWEST : WSOCK_OVERFLOW_REFUSE);
  stuff(&s);
  int32_t overflow = by_default ? WSOCK_OVERFLOW_DEFAULT : WSOCK_OVERFLOW_DROP_NEWEST;
  while ((status = send_number(&s, PIECE, overflow, 0)) == WSOCK_OK) {}
  CHECK_INT(status, WSOCK_DROPPED);
  uint32_t accepted = s.number - 1;
  CHECK_STATUS(send_number(&s, PIECE, overflow, 0), WSOCK_DROPPED);
  if (by_default) CHECK_STATUS(wsock_conn_send(s.conn, WSOCK_BINARY, "12345678901234567890", PIECE > 20 ? 20 : 1, 0), WSOCK_OK);
  CHECK_REFUSED(wsock_conn_send(s.conn, WSOCK_TEXT, "\xff", 1, 0), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK(wsock_conn_buffered_amount(s.conn) <= LIMIT);
  check_dropped(&s, 2, 2 * PIECE);
  CHECK_INT(conn_stats(s.conn).messages_sent, accepted + (by_default ? 1 : 0));
  read_up_to(&s, accepted);
  PUMP_UNTIL(s.loop, s.rec->drains == 1); /* who was told so waits for that */
  CHECK_STATUS(send_number(&s, PIECE, overflow, 0), WSOCK_OK);
  scene_free(&s);
}

static void drop_oldest(void) {
  struct scene s;
  int dropped_before = 0;
  section("drop oldest: the newest arrive, in order, and those that must not be dropped");
  scene_open(&s, WSOCK_OVERFLOW_REFUSE);
  uint32_t fixed = stuff(&s);
  for (int i = 0; i < 100; i++) {
    /* a few among them stay, whatever comes */
    int stays = i == 5 || i == 6;
    wsock_status status = send_number(&s, SMALL, stays ? WSOCK_OVERFLOW_REFUSE : WSOCK_OVERFLOW_DROP_OLDEST, 0);
    CHECKF(status == WSOCK_OK || (status == WSOCK_DROPPED && !stays), "gave %d", (int)status);
    dropped_before += status == WSOCK_DROPPED;
    CHECK(wsock_conn_buffered_amount(s.conn) <= LIMIT);
    if (i % 10 == 9) pump(s.loop);
  }
  uint64_t dropped = conn_stats(s.conn).messages_dropped;
  CHECK(dropped_before > 0 && dropped >= (uint64_t)dropped_before);
  check_dropped(&s, dropped, dropped * SMALL);
  CHECK_INT(conn_stats(s.conn).messages_sent, s.number);
  section("what is larger than all that may be dropped is dropped itself, and alone");
  static char large[LIMIT];
  wsock_send_options o;
  memset(&o, 0, sizeof o);
  o.struct_size = sizeof o;
  o.overflow = WSOCK_OVERFLOW_DROP_OLDEST;
  CHECK_STATUS(wsock_conn_send_with(s.conn, WSOCK_BINARY, large, sizeof large, &o), WSOCK_DROPPED);
  check_dropped(&s, dropped + 1, dropped * SMALL + sizeof large);
  read_up_to(&s, fixed);
  int64_t last = fixed - 1, got = 0, kept = 0;
  while (last + 1 < s.number) {
    int64_t number = read_number(&s);
    CHECKF(number > last, "%lld after %lld", (long long)number, (long long)last);
    if (number <= last) break;
    kept += number == fixed + 5 || number == fixed + 6;
    last = number;
    got++;
  }
  CHECK_INT(kept, 2);
  CHECK_INT(got + (int64_t)dropped, 100);
  scene_free(&s);
}

static void keyed(void) {
  struct scene s;
  section("a key: only the newest value waits, in the place of the first");
  scene_open(&s, WSOCK_OVERFLOW_REFUSE);
  uint32_t fixed = stuff(&s);
  uint64_t replaced = 0;
  for (uint32_t i = 0; i < 60; i++) {
    uint64_t key = i == 10 ? 0 : 1 + i % 2;
    wsock_status status = send_number(&s, SMALL, WSOCK_OVERFLOW_REFUSE, key);
    CHECKF(status == (i > 1 && key ? WSOCK_DROPPED : WSOCK_OK), "message %u gave %d", (unsigned)i, (int)status);
    replaced += status == WSOCK_DROPPED;
  }
  CHECK_INT(replaced, 57);
  check_dropped(&s, replaced, replaced * SMALL);
  section("nothing is too much for the place of another");
  while (send_number(&s, PIECE, WSOCK_OVERFLOW_REFUSE, 0) == WSOCK_OK) {}
  uint32_t refused = s.number - 1;
  CHECK_STATUS(send_number(&s, SMALL, WSOCK_OVERFLOW_REFUSE, 1), WSOCK_DROPPED);
  read_up_to(&s, fixed);
  CHECK_INT(read_number(&s), refused + 1);
  CHECK_INT(read_number(&s), fixed + 59);
  CHECK_INT(read_number(&s), fixed + 10);
  for (uint32_t n = fixed + 60; n < refused; n++) CHECK_INT(read_number(&s), n);
  PUMP_UNTIL(s.loop, wsock_conn_buffered_amount(s.conn) == 0);
  section("what has left is not replaced any more");
  CHECK_STATUS(send_number(&s, SMALL, WSOCK_OVERFLOW_REFUSE, 1), WSOCK_OK);
  CHECK_INT(read_number(&s), refused + 2);
  scene_free(&s);
}

static void close_slow(int elsewhere);
static void *flood_until_refused(void *scene) {
  wsock_status status;
  while ((status = send_number(scene, PIECE, WSOCK_OVERFLOW_CLOSE, 0)) >= 0) {}
  CHECK_INT(status, WSOCK_ERR_LIMIT);
  return NULL;
}
static void close_slow(int elsewhere) {
  struct scene s;
  pthread_t thread;
  section(elsewhere ? "close, from another thread" : "close: a peer that is too slow is told so with 1008");
  scene_open(&s, WSOCK_OVERFLOW_REFUSE);
  stuff(&s);
  if (elsewhere) {
    pthread_create(&thread, NULL, flood_until_refused, &s);
    pthread_join(thread, NULL);
    pump(s.loop);
  } else {
    flood_until_refused(&s);
  }
  CHECK_INT(wsock_conn_state(s.conn), WSOCK_CLOSING);
  CHECK_REFUSED(send_number(&s, SMALL, WSOCK_OVERFLOW_CLOSE, 0), WSOCK_ERR_STATE);
  read_up_to(&s, s.number - 2);
  CHECK_INT(raw_close_code(&s.raw), 1008);
  raw_close(&s.raw);
  PUMP_UNTIL(s.loop, s.rec->releases);
  CHECK_INT(s.rec->close.status, WSOCK_ERR_POLICY);
  CHECK(s.rec->close.sent_code == 1008 && s.rec->close.initiator == WSOCK_BY_LOCAL && s.rec->close.unsent_bytes == 0);
  scene_free(&s);
}
static void close_stuck(void) {
  struct scene s;
  section("close, and the peer does not read at all: over in time, and what was left is counted");
  scene_open(&s, WSOCK_OVERFLOW_CLOSE);
  stuff(&s);
  flood_until_refused(&s);
  size_t waiting = wsock_conn_buffered_amount(s.conn);
  PUMP_UNTIL(s.loop, s.rec->releases);
  CHECK_INT(s.rec->close.status, WSOCK_ERR_POLICY);
  CHECKF(s.rec->close.unsent_bytes > 0 && s.rec->close.unsent_bytes <= waiting + 100, "%llu of %zu",
         (unsigned long long)s.rec->close.unsent_bytes, waiting);
  scene_free(&s);
}

/* While the loop is not polled. */
struct flood { struct scene *scene; int32_t overflow; int count, dropped; };
static void *flood(void *arg) {
  struct flood *flood = arg;
  for (int i = 0; i < flood->count; i++) {
    wsock_status status = send_number(flood->scene, SMALL, flood->overflow, 0);
    CHECKF(status >= 0, "gave %d: %s", (int)status, last_text());
    flood->dropped += status == WSOCK_DROPPED;
  }
  return NULL;
}
static void elsewhere(int32_t overflow) {
  struct scene s;
  struct flood job = {&s, overflow, 200, 0};
  pthread_t thread;
  section(overflow == WSOCK_OVERFLOW_DROP_OLDEST ? "drop oldest, from another thread" : "drop newest, from another thread");
  scene_open(&s, WSOCK_OVERFLOW_REFUSE);
  uint32_t fixed = stuff(&s);
  pthread_create(&thread, NULL, flood, &job);
  pthread_join(thread, NULL);
  CHECKF(job.dropped > 100 && job.dropped < 200, "%d dropped", job.dropped); /* beyond twice the limit */
  pump(s.loop);
  CHECK(wsock_conn_buffered_amount(s.conn) <= LIMIT);
  uint64_t dropped = conn_stats(s.conn).messages_dropped;
  CHECKF(dropped > (uint64_t)job.dropped, "%llu dropped", (unsigned long long)dropped);
  check_dropped(&s, dropped, dropped * SMALL);
  read_up_to(&s, fixed);
  int64_t last = -1, first = -1;
  for (uint64_t i = 0; i < 200 - dropped; i++) {
    int64_t number = read_number(&s);
    CHECK(number > last);
    if (first < 0) first = number;
    last = number;
  }
  /* of the same flood one policy keeps the beginning, the other what came last of what got through */
  int64_t through = fixed + 200 - job.dropped;
  if (overflow == WSOCK_OVERFLOW_DROP_NEWEST) CHECK(first == fixed && last < through - 1);
  else CHECK(first > fixed && last == through - 1);
  PUMP_UNTIL(s.loop, wsock_conn_buffered_amount(s.conn) == 0);
  scene_free(&s);
}

static void bad_arguments(void) {
  struct pair pair;
  wsock_send_options o;
  memset(&o, 0, sizeof o);
  section("arguments");
  pair_open(&pair, NULL, NULL);
  wsock_conn *conn = pair.client.conn;
  CHECK_REFUSED(wsock_conn_send_with(conn, WSOCK_TEXT, "x", 1, &o), WSOCK_ERR_INVALID_ARGUMENT); /* no size */
  o.struct_size = sizeof o;
  o.overflow = 5;
  CHECK_REFUSED(wsock_conn_send_with(conn, WSOCK_TEXT, "x", 1, &o), WSOCK_ERR_UNSUPPORTED);
  o.overflow = -1;
  CHECK_REFUSED(wsock_conn_send_with(conn, WSOCK_TEXT, "x", 1, &o), WSOCK_ERR_UNSUPPORTED);
  o.overflow = 0;
  o.flags = WSOCK_SEND_LAST;
  CHECK_REFUSED(wsock_conn_send_with(conn, WSOCK_TEXT, "x", 1, &o), WSOCK_ERR_UNSUPPORTED);
  o.flags = WSOCK_SEND_NO_COMPRESS;
  CHECK_REFUSED(wsock_conn_send_with(conn, 7, "x", 1, &o), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_conn_send_with(conn, WSOCK_TEXT, NULL, 1, &o), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(wsock_conn_send_with(conn, WSOCK_TEXT, "same", 4, &o), WSOCK_OK);
  CHECK_STATUS(wsock_conn_send_with(conn, WSOCK_TEXT, NULL, 0, NULL), WSOCK_OK);
  PUMP_UNTIL(pair.loop, pair.client.messages == 2);
  CHECK_REFUSED(wsock_options_set_int(NULL, WSOCK_OPT_OVERFLOW, 1), WSOCK_ERR_INVALID_HANDLE);
  wsock_options *options = new_options();
  CHECK_REFUSED(wsock_options_set_int(options, WSOCK_OPT_OVERFLOW, 0), WSOCK_ERR_INVALID_ARGUMENT);
  wsock_options_free(options);
  pair_free(&pair);
}

/* What waits for a client's next connection is kept to the same policies. */
static void while_away(void) {
  struct rec client = {0};
  struct raw raw;
  static struct frame frame;
  uint16_t port;
  int held = raw_hold(&port);
  wsock_loop *loop = new_loop();
  wsock_options *options = option(option(new_options(), WSOCK_OPT_RECONNECT, -1), WSOCK_OPT_RECONNECT_QUEUE, 20);
  option(option(options, WSOCK_OPT_RECONNECT_FIRST_MS, 1), WSOCK_OPT_RECONNECT_MAX_MS, 20);
  option(options, WSOCK_OPT_OVERFLOW, WSOCK_OVERFLOW_DROP_OLDEST);
  section("while there is no connection");
  client.reconnects = 1;
  connect_to(&client, loop, url_of(port, "/"), options);
  PUMP_UNTIL(loop, client.retries >= 1);
  wsock_send_options o;
  memset(&o, 0, sizeof o);
  o.struct_size = sizeof o;
  o.overflow = WSOCK_OVERFLOW_REFUSE;
  CHECK_STATUS(wsock_conn_send_with(client.conn, WSOCK_TEXT, "stays", 5, &o), WSOCK_OK);
  CHECK_STATUS(wsock_conn_send_text(client.conn, "goes 1", 6), WSOCK_OK);
  o.key = 3;
  CHECK_STATUS(wsock_conn_send_with(client.conn, WSOCK_TEXT, "old", 3, &o), WSOCK_OK);
  CHECK_STATUS(wsock_conn_send_text(client.conn, "goes 2", 6), WSOCK_OK);
  CHECK_STATUS(wsock_conn_send_with(client.conn, WSOCK_TEXT, "new", 3, &o), WSOCK_DROPPED);
  CHECK_STATUS(wsock_conn_send_text(client.conn, "goes 3", 6), WSOCK_DROPPED);
  CHECK_INT(wsock_conn_buffered_amount(client.conn), 20);
  o.key = 0;
  CHECK_REFUSED(wsock_conn_send_with(client.conn, WSOCK_TEXT, "full", 4, &o), WSOCK_ERR_LIMIT);
  CHECK_STATUS(wsock_conn_send_text(client.conn, "far too much for it", 19), WSOCK_DROPPED);
  CHECK_INT(conn_stats(client.conn).messages_dropped, 3);
  CHECK_INT(conn_stats(client.conn).bytes_dropped, 3 + 6 + 19);
  int listener = raw_listen_at(port);
  raw_welcome(&raw, raw_accept(&raw, loop, listener), "");
  const char *expected[] = {"stays", "new", "goes 2", "goes 3"};
  for (int i = 0; i < 4; i++) {
    CHECK(raw_next(&raw, &frame));
    CHECK_STR((const char *)frame.data, expected[i]);
  }
  CHECK_INT(conn_stats(client.conn).messages_dropped, 3);
  CHECK_STATUS(wsock_conn_abort(client.conn), WSOCK_OK);
  PUMP_UNTIL(loop, client.releases);
  raw_close(&raw);
  close(listener);
  close(held);
  free_loop(loop);
  wsock_options_free(options);
  rec_free(&client);
}

int main(void) {
  refuse();
  drop_newest(0);
  drop_newest(1);
  drop_oldest();
  keyed();
  close_slow(0);
  close_slow(1);
  close_stuck();
  elsewhere(WSOCK_OVERFLOW_DROP_NEWEST);
  elsewhere(WSOCK_OVERFLOW_DROP_OLDEST);
  bad_arguments();
  while_away();
  return check_end();
}
