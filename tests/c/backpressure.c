/* A peer that reads slowly or not at all: marks, limits, and nothing lost of what was accepted. */
#include "raw.h"

#include <pthread.h>

#define PIECE 20000
static unsigned char piece[PIECE];

/* Reads data frames to the end of `want` payload bytes; each must carry on the counting bytes of the last. */
static size_t read_counted(struct raw *raw, size_t want) {
  static struct frame frame;
  size_t got = 0;
  while (got < want && raw_next(raw, &frame)) {
    uint32_t number;
    if (frame.first != 0x82) continue;
    memcpy(&number, frame.data, 4);
    CHECKF(number == got / PIECE, "message %u at byte %zu", (unsigned)number, got);
    got += frame.len;
  }
  return got;
}
static wsock_status send_counted(wsock_conn *conn, uint32_t number) {
  memcpy(piece, &number, 4);
  return wsock_conn_send_binary(conn, piece, PIECE);
}

/* The marks are far apart compared with what the kernel takes at once, so that the queue is seen in between. */
static void at_low_water(struct rec *rec, char event) {
  if (event == 'D') CHECKF(wsock_conn_buffered_amount(rec->conn) <= 500000, "%zu wait", wsock_conn_buffered_amount(rec->conn));
}
static void low_water(void) {
  struct srv srv = {0};
  struct raw raw;
  wsock_loop *loop = new_loop();
  wsock_options *o = option(option(new_options(), WSOCK_OPT_HIGH_WATER, 12000000), WSOCK_OPT_LOW_WATER, 500000);
  section("on_drain comes at the low-water mark, not before");
  srv.hook = at_low_water;
  srv_listen(&srv, loop, o);
  raw_upgrade(&raw, loop, srv.port, "");
  PUMP_UNTIL(loop, srv.count == 1);
  uint32_t sent = 0;
  while (send_counted(srv.conn[0]->conn, sent) == WSOCK_OK && sent < 5000) sent++;
  CHECK(++sent < 5000);
  CHECK_INT(read_counted(&raw, (size_t)sent * PIECE), (size_t)sent * PIECE);
  PUMP_UNTIL(loop, srv.conn[0]->drains == 1);
  raw_close(&raw);
  free_loop(loop);
  wsock_options_free(o);
  srv_free(&srv);
}

static void marks_and_limit(int server) {
  struct rec client = {0}, *rec = &client;
  struct srv srv = {0};
  struct raw raw;
  wsock_loop *loop = new_loop();
  wsock_options *o = option(option(option(new_options(), WSOCK_OPT_HIGH_WATER, 200000), WSOCK_OPT_LOW_WATER, 50000), WSOCK_OPT_MAX_BUFFERED, 1000000);
  section(server ? "marks and hard limit of a server" : "marks and hard limit of a client");
  if (server) {
    srv_listen(&srv, loop, o);
    raw_upgrade(&raw, loop, srv.port, "");
    PUMP_UNTIL(loop, srv.count == 1);
    rec = srv.conn[0];
  } else {
    raw_serve(&raw, &client, loop, o);
  }
  uint32_t accepted = 0;
  wsock_status status;
  int buffered_seen = 0;
  while ((status = send_counted(rec->conn, accepted)) >= 0 && accepted < 10000) {
    size_t waiting = wsock_conn_buffered_amount(rec->conn);
    CHECKF((status == WSOCK_BUFFERED) == (waiting > 200000), "status %d with %zu waiting", (int)status, waiting);
    buffered_seen += status == WSOCK_BUFFERED;
    accepted++;
    if (accepted % 5 == 0) pump(loop);
  }
  CHECK(buffered_seen > 0);
  size_t full = wsock_conn_buffered_amount(rec->conn);
  CHECK(full <= 1000000 && full + PIECE > 1000000);
  section("above the limit: refused, and nothing changed");
  CHECK_REFUSED(send_counted(rec->conn, accepted), WSOCK_ERR_LIMIT);
  CHECK_REFUSED(send_counted(rec->conn, accepted), WSOCK_ERR_LIMIT);
  CHECK_INT(wsock_conn_buffered_amount(rec->conn), full);
  CHECK_INT(wsock_conn_state(rec->conn), WSOCK_OPEN);
  int drains = rec->drains; /* the kernel's buffers may have grown on the way */
  section("a smaller one that still fits is accepted; so is a ping");
  CHECK_STATUS(wsock_conn_send_text(rec->conn, "", 0), WSOCK_BUFFERED);
  CHECK_STATUS(wsock_conn_ping(rec->conn, "hi", 2), WSOCK_OK);
  section("all that was accepted arrives, in order, and the application is told once");
  CHECK_INT(read_counted(&raw, (size_t)accepted * PIECE), (size_t)accepted * PIECE);
  PUMP_UNTIL(loop, wsock_conn_buffered_amount(rec->conn) == 0 && rec->drains > drains);
  CHECK_INT(rec->drains, drains + 1);
  CHECK_INT(conn_stats(rec->conn).messages_sent, accepted + 1);
  section("and again");
  uint32_t again = accepted;
  while ((status = send_counted(rec->conn, again)) == WSOCK_OK && again < 20000) again++;
  CHECK_INT(status, WSOCK_BUFFERED);
  again++;
  /* messages of the second round go on counting where the first stopped */
  static struct frame frame;
  for (uint32_t number = accepted; number < again && raw_next(&raw, &frame);) {
    uint32_t got;
    if (frame.first != 0x82) continue;
    memcpy(&got, frame.data, 4);
    CHECK_INT(got, number);
    number++;
  }
  PUMP_UNTIL(loop, rec->drains == drains + 2);
  section("one message larger than the limit goes into an empty queue");
  static char large[3000000];
  status = wsock_conn_send_binary(rec->conn, large, sizeof large);
  CHECKF(status == WSOCK_OK || status == WSOCK_BUFFERED, "gave %d", (int)status);
  raw_close(&raw);
  free_loop(loop);
  CHECK_INT(rec->closes, 1);
  wsock_options_free(o);
  srv_free(&srv);
}

/* on_drain keeps a producer going without ever passing the limit. */
static uint32_t produced;
#define PRODUCE (check_is_slow() ? 400u : 2000u)
static void produce(struct rec *rec, char event) {
  if (event != 'O' && event != 'D') return;
  while (produced < PRODUCE) {
    wsock_status status = send_counted(rec->conn, produced);
    CHECKF(status >= 0, "send gave %d", (int)status);
    if (status < 0) return;
    produced++;
    if (status == WSOCK_BUFFERED) return;
  }
}
static void slow_reader(void) {
  struct srv srv = {0};
  struct raw raw;
  wsock_loop *loop = new_loop();
  wsock_options *o = option(option(option(new_options(), WSOCK_OPT_HIGH_WATER, 200000), WSOCK_OPT_LOW_WATER, 50000), WSOCK_OPT_MAX_BUFFERED, 400000);
  option(o, WSOCK_OPT_PING_INTERVAL_MS, 0); /* the raw peer answers no pings */
  section("a producer driven by on_drain, a slow reader");
  srv.hook = produce;
  srv_listen(&srv, loop, o);
  raw_upgrade(&raw, loop, srv.port, "");
  CHECK_INT(read_counted(&raw, (size_t)PRODUCE * PIECE), (size_t)PRODUCE * PIECE);
  CHECK_INT(produced, PRODUCE);
  CHECK(srv.conn[0]->drains > 0);
  raw_close(&raw);
  free_loop(loop);
  wsock_options_free(o);
  srv_free(&srv);
}

static void pausing(void) {
  struct pair pair;
  section("a paused reader stops its sender");
  pair_open(&pair, NULL, NULL);
  struct rec *peer = pair_peer(&pair);
  peer->echo = 0;
  CHECK_STATUS(wsock_conn_pause(peer->conn), WSOCK_OK);
  CHECK_STATUS(wsock_conn_pause(peer->conn), WSOCK_OK); /* again: the same */
  uint32_t sent = 0;
  size_t stuck = 0;
  /* the kernel's buffers fill up, then the queue does */
  while (stuck < 2000000 && sent < 5000) {
    CHECK(send_counted(pair.client.conn, sent++) >= 0);
    pump(pair.loop);
    stuck = wsock_conn_buffered_amount(pair.client.conn);
  }
  CHECK(stuck >= 2000000);
  pump_for(pair.loop, 50);
  CHECK_INT(wsock_conn_buffered_amount(pair.client.conn), stuck);
  CHECK_INT(peer->messages, 0);
  section("sending while paused");
  CHECK_STATUS(wsock_conn_send_text(peer->conn, "other way", 9), WSOCK_OK);
  PUMP_UNTIL(pair.loop, pair.client.messages == 1);
  section("resumed, everything comes");
  CHECK_STATUS(wsock_conn_resume(peer->conn), WSOCK_OK);
  CHECK_INT(peer->messages, 0); /* not inside the call */
  PUMP_UNTIL(pair.loop, peer->messages == (int)sent);
  CHECK_INT(peer->payload, (uint64_t)sent * PIECE);
  CHECK_INT(wsock_conn_buffered_amount(pair.client.conn), 0);
  CHECK_INT(pair.client.drains, 1);
  peer->echo = 1;
  pair_echo(&pair);
  pair_free(&pair);
}

static void pause_inside(void) {
  struct srv srv = {0};
  struct raw raw;
  wsock_loop *loop = new_loop();
  section("a pause inside on_message holds what was received already");
  send_to_paused(&raw, &srv, loop);
  for (int i = 1; i <= 3; i++) {
    only_one_came(&srv, loop, i);
    CHECK_STATUS(wsock_conn_resume(srv.conn[0]->conn), WSOCK_OK);
  }
  section("closing a paused connection resumes it: the peer's close frame is seen");
  CHECK_STATUS(wsock_conn_pause(srv.conn[0]->conn), WSOCK_OK);
  CHECK_STATUS(wsock_conn_close(srv.conn[0]->conn, 1000, NULL), WSOCK_OK);
  CHECK_INT(raw_close_code(&raw), 1000);
  raw_close_frame(&raw, 1, 1000, "");
  PUMP_UNTIL(loop, srv.conn[0]->releases);
  CHECK(srv.conn[0]->close.was_clean == 1 && srv.conn[0]->close.code == 1000);
  raw_close(&raw);
  free_loop(loop);
  srv_free(&srv);
}

/* Paused before it is open: it opens, and what comes then waits. */
static void pause_early(void) {
  struct rec client = {0};
  struct raw raw;
  uint16_t port;
  wsock_loop *loop = new_loop();
  int listener = raw_listen(&port, 4);
  section("a client that is paused while it connects opens, and delivers when it is resumed");
  connect_to(&client, loop, url_of(port, "/"), NULL);
  CHECK_STATUS(wsock_conn_pause(client.conn), WSOCK_OK);
  raw_welcome(&raw, raw_accept(&raw, loop, listener), "");
  raw_frame(&raw, 0x81, 0, "first", 5); /* may come in one piece with the head */
  PUMP_UNTIL(loop, client.opens);
  raw_frame(&raw, 0x89, 0, "ping", 4);
  raw_frame(&raw, 0x81, 0, "second", 6);
  pump_for(loop, 30);
  CHECK_STR(client.log, "O");
  CHECK_STATUS(wsock_conn_resume(client.conn), WSOCK_OK);
  PUMP_UNTIL(loop, client.messages == 2);
  CHECK_STR(client.log, "OMPM");
  raw_close(&raw);
  close(listener);
  free_loop(loop);
  CHECK_ENDED(&client);
  rec_free(&client);
}

static void high_above_limit(void) {
  struct rec client = {0};
  struct raw raw;
  wsock_loop *loop = new_loop();
  wsock_options *o = option(option(new_options(), WSOCK_OPT_HIGH_WATER, 1000000), WSOCK_OPT_MAX_BUFFERED, 100000);
  static char data[PIECE];
  int buffered = 0;
  section("a high-water mark above the limit: told before the limit all the same");
  option(o, WSOCK_OPT_LOW_WATER, 2000000);
  raw_serve(&raw, &client, loop, o);
  for (size_t size = sizeof data; size; size /= 10)
    for (wsock_status status; (status = wsock_conn_send_binary(client.conn, data, size)) != WSOCK_ERR_LIMIT; pump(loop)) {
      CHECKF(status >= 0, "send gave %d: %s", (int)status, last_text());
      if (status < 0) break;
      buffered += status == WSOCK_BUFFERED;
    }
  CHECK(buffered > 0);
  CHECK_INT(client.drains, 0);
  while (wsock_conn_buffered_amount(client.conn)) {
    raw_fill(&raw);
    raw.len = 0;
    pump(loop);
  }
  PUMP_UNTIL(loop, client.drains == 1);
  raw_close(&raw);
  free_loop(loop);
  wsock_options_free(o);
}

static void fill_at_once(struct rec *rec, char event) {
  static char data[600];
  int sent = 0;
  if (event != 'O') return;
  /* what fits into the socket is no reason to refuse more, be it that it waits for the end of the callback */
  while (wsock_conn_send_binary(rec->conn, data, sizeof data) == WSOCK_OK) sent++;
  CHECK(sent > 10);
  CHECK_REFUSED(wsock_conn_send_binary(rec->conn, data, sizeof data), WSOCK_ERR_LIMIT);
}

static void refused_then_drained(void) {
  struct rec client = {0};
  struct raw raw;
  wsock_loop *loop = new_loop();
  wsock_options *o = option(new_options(), WSOCK_OPT_MAX_BUFFERED, 1000);
  section("who is refused is told when there is room again");
  client.hook = fill_at_once;
  raw_serve(&raw, &client, loop, o);
  PUMP_UNTIL(loop, client.opens == 1);
  while (wsock_conn_buffered_amount(client.conn)) {
    raw_fill(&raw);
    raw.len = 0;
    pump(loop);
  }
  PUMP_UNTIL(loop, client.drains == 1);
  pump_for(loop, 20);
  CHECK_INT(client.drains, 1);
  raw_close(&raw);
  free_loop(loop);
  wsock_options_free(o);
}

/* Pings that another thread sends until it is told to stop; how many were accepted. */
static int pinged;
static void *ping_on(void *conn) {
  wsock_status status = WSOCK_OK;
  for (pinged = 0; pinged < 5000 && (status = wsock_conn_ping(conn, "from elsewhere", 14)) == WSOCK_OK;) pinged++;
  CHECKF(status == WSOCK_OK || status == WSOCK_ERR_LIMIT, "ping gave %d: %s", (int)status, last_text());
  return NULL;
}
static int pings_elsewhere(wsock_conn *conn) {
  pthread_t thread;
  pthread_create(&thread, NULL, ping_on, conn);
  pthread_join(thread, NULL);
  return pinged;
}
static int pings_until_data_is_gone(struct raw *raw, struct rec *rec) {
  static struct frame frame;
  int pings = 0;
  for (int64_t end = now_ms() + patience_ms(); now_ms() < end;) {
    size_t n = raw_peek(raw, &frame);
    if (n) {
      pings += frame.first == 0x89;
      raw_take(raw, n);
    } else {
      raw_fill(raw);
      if (raw->len == 0 && wsock_conn_buffered_amount(rec->conn) == 0 && poll_loop(raw->loop, 20) == 0) {
        raw_fill(raw);
        if (raw->len == 0) break;
      } else {
        pump(raw->loop);
      }
    }
  }
  return pings;
}
static void pings(void) {
  struct rec client = {0};
  struct raw raw;
  wsock_loop *loop = new_loop();
  section("pings to a peer that does not read are limited");
  raw_serve(&raw, &client, loop, NULL);
  for (uint32_t n = 0; wsock_conn_buffered_amount(client.conn) < 100000 && n < 5000; n++) {
    CHECK(send_counted(client.conn, n) >= 0);
    pump(loop);
  }
  int sent = 0;
  while (sent < 5000 && wsock_conn_ping(client.conn, "are you there?", 14) == WSOCK_OK) sent++;
  CHECKF(sent >= 900 && sent <= 1100, "%d pings were accepted", sent);
  CHECK_REFUSED(wsock_conn_ping(client.conn, "", 0), WSOCK_ERR_LIMIT);
  CHECK_INT(wsock_conn_state(client.conn), WSOCK_OPEN);
  section("more of them from another thread: none is kept beyond that");
  for (int round = 0; round < 3; round++) {
    CHECK(pings_elsewhere(client.conn) > 0);
    pump(loop);
  }
  int arrived = pings_until_data_is_gone(&raw, &client);
  CHECKF(arrived >= sent && arrived <= sent + 100, "%d pings arrived, %d had been accepted", arrived, sent);
  CHECK_STATUS(wsock_conn_ping(client.conn, "again", 5), WSOCK_OK);
  raw_close(&raw);
  PUMP_UNTIL(loop, client.releases);

  section("pings from another thread while the loop is not polled: limited by WSOCK_OPT_MAX_BUFFERED");
  wsock_options *o = option(new_options(), WSOCK_OPT_MAX_BUFFERED, 10000);
  memset(&client, 0, sizeof client);
  raw_serve(&raw, &client, loop, o);
  for (int round = 0; round < 3; round++) {
    int accepted = pings_elsewhere(client.conn);
    CHECKF(accepted > 10 && accepted < 1000, "%d pings were accepted", accepted);
    CHECK_INT(pings_elsewhere(client.conn), 0);
    CHECK_INT(pings_until_data_is_gone(&raw, &client), accepted);
  }
  raw_close(&raw);
  wsock_options_free(o);
  free_loop(loop);
}

static void unsent(void) {
  struct rec client = {0};
  struct raw raw;
  wsock_loop *loop = new_loop();
  section("abort tells what never left");
  raw_serve(&raw, &client, loop, NULL);
  uint32_t sent = 0;
  while (wsock_conn_buffered_amount(client.conn) < 500000 && sent < 5000) {
    CHECK(send_counted(client.conn, sent++) >= 0);
    pump(loop);
  }
  size_t waiting = wsock_conn_buffered_amount(client.conn);
  CHECK(waiting >= 500000);
  CHECK_STATUS(wsock_conn_abort(client.conn), WSOCK_OK);
  PUMP_UNTIL(loop, client.releases);
  CHECK_INT(client.close.unsent_bytes, waiting);
  CHECK_INT(client.close.status, WSOCK_ERR_ABORTED);
  section("the other side sees an end that is not clean, and whole frames before it");
  RAW_UNTIL(&raw, raw.eof || raw.reset);
  raw_close(&raw);
  section("nothing unsent after a clean close");
  struct pair pair;
  pair_open(&pair, NULL, NULL);
  pair_peer(&pair)->echo = 0;
  for (uint32_t i = 0; i < 200; i++) CHECK(send_counted(pair.client.conn, i) >= 0);
  CHECK_STATUS(wsock_conn_close(pair.client.conn, 1000, NULL), WSOCK_OK);
  PUMP_UNTIL(pair.loop, pair.client.releases && pair_peer(&pair)->releases);
  CHECK(pair.client.close.unsent_bytes == 0 && pair_peer(&pair)->messages == 200);
  pair_free(&pair);
  free_loop(loop);
}

/* One connection that floods must not keep another one waiting for long. */
static void firehose(void) {
  struct srv srv = {0};
  struct raw raw[2];
  static struct frame frame;
  wsock_loop *loop = new_loop();
  section("a flood on one connection, questions on another");
  srv.echo = 1;
  srv_listen(&srv, loop, NULL);
  for (int i = 0; i < 2; i++) raw_upgrade(&raw[i], loop, srv.port, "");
  PUMP_UNTIL(loop, srv.count == 2);
  srv.conn[0]->echo = 0;
  for (int round = 0; round < 20; round++) {
    for (int i = 0; i < 10; i++) raw_frame(&raw[0], 0x82, 1, piece, PIECE);
    raw_frame(&raw[1], 0x81, 1, "still?", 6);
    CHECK(raw_next(&raw[1], &frame) && frame.len == 6);
  }
  PUMP_UNTIL(loop, srv.conn[0]->messages == 200);
  raw_close(&raw[0]);
  raw_close(&raw[1]);
  free_loop(loop);
  srv_free(&srv);
}

int main(void) {
  low_water();
  marks_and_limit(0);
  marks_and_limit(1);
  slow_reader();
  pausing();
  pause_inside();
  pause_early();
  high_above_limit();
  refused_then_drained();
  pings();
  unsent();
  firehose();
  return check_end();
}
