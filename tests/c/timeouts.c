/* Every timeout fires, says which one it was, and does not fire when it is off. Upper bounds only. */
#include "raw.h"

#include <pthread.h>

#define SHORT 150

static void expect_failure(struct rec *rec, wsock_loop *loop, int32_t status) {
  PUMP_UNTIL(loop, rec->releases);
  CHECK_ENDED(rec);
  CHECKF(rec->close.status == status && rec->error.code == status, "status %d (%s), expected %d", (int)rec->close.status, rec->error.message, (int)status);
  CHECK(rec->close.code == 1006 && rec->close.was_clean == 0);
}

/* A listener whose queue is full: further connections get no answer at all. */
static int full_backlog(uint16_t *port, int fill[16]) {
  int listener = raw_listen(port, 0), filled = 0;
  for (; filled < 16; filled++) {
    struct sockaddr_in a = loopback(*port);
    int fd = fill[filled] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    connect(fd, (struct sockaddr *)&a, sizeof a);
  }
  return listener;
}
static void connecting(void) {
  struct rec client = {0};
  wsock_loop *loop = new_loop();
  wsock_options *o = option(new_options(), WSOCK_OPT_CONNECT_TIMEOUT_MS, SHORT);
  uint16_t port;
  int fill[16];
  section("connect timeout");
  int listener = full_backlog(&port, fill);
  connect_to(&client, loop, url_of(port, "/"), o);
  int32_t wait = wsock_loop_timeout_ms(loop);
  CHECKF(wait >= 0 && wait <= SHORT, "the loop's next deadline is in %d ms", (int)wait);
  expect_failure(&client, loop, WSOCK_ERR_CONNECT_TIMEOUT);
  CHECK_INT(client.opens, 0);

  section("run returns when the last connection timed out");
  memset(&client, 0, sizeof client);
  connect_to(&client, loop, url_of(port, "/"), o);
  CHECK_STATUS(run_loop(loop), WSOCK_OK);
  expect_failure(&client, loop, WSOCK_ERR_CONNECT_TIMEOUT);
  for (int i = 0; i < 16; i++) close(fill[i]);
  close(listener);
  wsock_options_free(o);
  free_loop(loop);
}

static void handshakes(void) {
  struct rec client = {0};
  struct raw raw;
  struct srv srv = {0};
  wsock_loop *loop = new_loop();
  wsock_options *o = option(new_options(), WSOCK_OPT_HANDSHAKE_TIMEOUT_MS, SHORT);
  uint16_t port;
  int listener = raw_listen(&port, 4);

  section("handshake timeout of a client: no answer");
  connect_to(&client, loop, url_of(port, "/"), o);
  expect_failure(&client, loop, WSOCK_ERR_HANDSHAKE_TIMEOUT);
  raw_accept(&raw, loop, listener);
  RAW_UNTIL(&raw, raw.eof || raw.reset);
  raw_close(&raw);

  section("handshake timeout of a client: an answer in drops");
  memset(&client, 0, sizeof client);
  connect_to(&client, loop, url_of(port, "/"), o);
  raw_accept(&raw, loop, listener);
  raw_text(&raw, "HTTP/1.1 101 Switching Protocols\r\nX: ");
  for (int64_t end = now_ms() + patience_ms(); !client.releases && now_ms() < end; pump_for(loop, 20)) raw_text(&raw, "x");
  expect_failure(&client, loop, WSOCK_ERR_HANDSHAKE_TIMEOUT);
  raw_close(&raw);

  section("handshake timeout of a server: nothing comes");
  srv_listen(&srv, loop, o);
  raw_connect(&raw, loop, srv.port);
  RAW_UNTIL(&raw, raw.eof || raw.reset);
  raw_close(&raw);
  CHECK_INT(server_stats(srv.server).handshake_timeouts, 1);

  section("handshake timeout of a server: a head in drops");
  raw_connect(&raw, loop, srv.port);
  raw_text(&raw, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
  for (int64_t end = now_ms() + patience_ms(); !raw.eof && !raw.reset && now_ms() < end; pump_for(loop, 20)) {
    raw_text(&raw, "x");
    raw_fill(&raw);
  }
  CHECK(raw.eof || raw.reset);
  wsock_server_stats stats = server_stats(srv.server);
  CHECK(stats.handshake_timeouts == 2 && stats.handshakes == 0 && stats.accepted == 2 && stats.opened == 0);
  CHECK_INT(srv.count, 0);
  raw_close(&raw);
  section("a connection that is open in time stays open");
  raw_upgrade(&raw, loop, srv.port, "");
  pump_for(loop, 2 * SHORT);
  raw_frame(&raw, 0x89, 1, "alive?", 6);
  static struct frame frame;
  CHECK(raw_next(&raw, &frame) && frame.first == 0x8a);
  raw_close(&raw);
  close(listener);
  free_loop(loop);
  wsock_options_free(o);
  srv_free(&srv);
}

static void idle(void) {
  struct pair pair;
  wsock_options *o = option(new_options(), WSOCK_OPT_IDLE_TIMEOUT_MS, SHORT);
  section("idle timeout of a client: close 1001");
  pair_open(&pair, NULL, o);
  PUMP_UNTIL(pair.loop, pair.client.releases && pair_peer(&pair)->releases);
  CHECK_INT(pair_peer(&pair)->close.code, 1001);
  CHECK_STR(pair_peer(&pair)->reason, "idle timeout");
  CHECK_INT(pair.client.close.sent_code, 1001);
  CHECK_INT(pair.client.close.status, WSOCK_ERR_IDLE_TIMEOUT);
  pair_free(&pair);
  section("idle timeout of a server: pings do not count, messages do");
  option(o, WSOCK_OPT_IDLE_TIMEOUT_MS, 4 * SHORT);
  pair_open(&pair, o, NULL);
  for (int64_t end = now_ms() + 6 * SHORT; now_ms() < end; pump_for(pair.loop, SHORT / 5)) pair_echo(&pair);
  CHECK_INT(pair.client.closes, 0);
  int64_t end = now_ms() + patience_ms();
  while (!pair.client.closes && now_ms() < end) {
    wsock_conn_ping(pair.client.conn, "p", 1);
    pump_for(pair.loop, 20);
  }
  CHECK_INT(pair.client.close.code, 1001);
  CHECK_INT(pair.client.close.was_clean, 1);
  CHECK_INT(pair_peer(&pair)->close.status, WSOCK_ERR_IDLE_TIMEOUT);
  pair_free(&pair);
  wsock_options_free(o);
}

static void closing(void) {
  struct rec client = {0};
  struct raw raw;
  wsock_loop *loop = new_loop();
  wsock_options *o = option(new_options(), WSOCK_OPT_CLOSE_TIMEOUT_MS, SHORT);
  section("close timeout");
  raw_serve(&raw, &client, loop, o);
  CHECK_STATUS(wsock_conn_close(client.conn, 1000, ""), WSOCK_OK);
  expect_failure(&client, loop, WSOCK_ERR_CLOSE_TIMEOUT);
  CHECK_INT(client.close.sent_code, 1000);
  raw_close(&raw);
  section("close timeout: pings and messages do not prolong it");
  memset(&client, 0, sizeof client);
  raw_serve(&raw, &client, loop, o);
  CHECK_STATUS(wsock_conn_close(client.conn, 1000, ""), WSOCK_OK);
  for (int64_t end = now_ms() + patience_ms(); !client.releases && now_ms() < end; pump_for(loop, 20)) {
    raw_frame(&raw, 0x89, 0, "", 0);
    raw_frame(&raw, 0x81, 0, "more", 4);
  }
  expect_failure(&client, loop, WSOCK_ERR_CLOSE_TIMEOUT);
  CHECK_INT(client.messages, 0);
  rec_free(&client);
  raw_close(&raw);
  section("a peer that was refused for its garbage and does not go away");
  memset(&client, 0, sizeof client);
  raw_serve(&raw, &client, loop, o);
  raw_frame(&raw, 0x83, 0, "", 0);
  expect_failure(&client, loop, WSOCK_ERR_PROTOCOL);
  raw_close(&raw);
  free_loop(loop);
  wsock_options_free(o);
}

static int count_pings(struct raw *raw) {
  static struct frame frame;
  int pings = 0;
  raw_fill(raw);
  for (size_t n; (n = raw_peek(raw, &frame)) != 0; raw_take(raw, n)) pings += frame.first == 0x89;
  return pings;
}
static void keepalive(int server) {
  struct rec client = {0}, *rec = &client;
  struct srv srv = {0};
  struct raw raw;
  static struct frame frame;
  wsock_loop *loop = new_loop();
  wsock_options *o = option(option(new_options(), WSOCK_OPT_PING_INTERVAL_MS, SHORT), WSOCK_OPT_PONG_TIMEOUT_MS, 2 * SHORT);
  section(server ? "keepalive of a server" : "keepalive of a client");
  if (server) {
    srv_listen(&srv, loop, o);
    raw_upgrade(&raw, loop, srv.port, "");
    PUMP_UNTIL(loop, srv.count == 1);
    rec = srv.conn[0];
  } else {
    raw_serve(&raw, &client, loop, o);
  }
  section("an answered ping gives a round-trip time");
  CHECK_INT(conn_stats(rec->conn).rtt_us, 0);
  CHECK(raw_next(&raw, &frame) && frame.first == 0x89 && frame.masked == !server);
  pump_for(loop, 5);
  raw_frame(&raw, 0x8a, server, frame.data, frame.len);
  PUMP_UNTIL(loop, conn_stats(rec->conn).rtt_us > 0);
  CHECK(conn_stats(rec->conn).rtt_us >= 1000 && conn_stats(rec->conn).pongs_received == 1);
  section("any byte is life, an unsolicited pong too");
  int64_t end = now_ms() + 6 * SHORT;
  while (now_ms() < end) {
    raw_frame(&raw, 0x8a, server, "never asked", 11);
    pump_for(loop, SHORT / 3);
  }
  CHECK_INT(rec->closes, 0);
  count_pings(&raw); /* none, unless this machine was stalled; they do not matter */
  section("a peer that is silent is asked, and is dead when it does not answer");
  PUMP_UNTIL(loop, rec->releases);
  CHECK_ENDED(rec);
  CHECK(count_pings(&raw) >= 1);
  CHECK(rec->close.code == 1006 && rec->close.was_clean == 0 && rec->close.initiator != WSOCK_BY_PEER);
  CHECK_INT(rec->close.status, WSOCK_ERR_PING_TIMEOUT);
  CHECKF(strstr(rec->reason, "ping") != NULL, "reason \"%s\"", rec->reason);
  raw_close(&raw);
  section("keepalive off: nobody is asked");
  option(o, WSOCK_OPT_PING_INTERVAL_MS, 0);
  memset(&client, 0, sizeof client);
  raw_serve(&raw, &client, loop, o);
  pump_for(loop, 3 * SHORT);
  CHECK(count_pings(&raw) == 0 && client.closes == 0);
  raw_close(&raw);
  free_loop(loop);
  wsock_options_free(o);
  srv_free(&srv);
}

/* Answers every ping at once, however busy the application is. */
static void *answer_pings(void *arg) {
  int fd = *(int *)arg;
  unsigned char frame[2 + 125], pong[6 + 125] = {0x8a};
  while (recv(fd, frame, 2, MSG_WAITALL) == 2) {
    size_t len = frame[1];
    if (len > 125 || (len && recv(fd, frame + 2, len, MSG_WAITALL) != (ssize_t)len)) break;
    if (frame[0] != 0x89) continue;
    pong[1] = (unsigned char)(0x80 | len);
    memcpy(pong + 6, frame + 2, len); /* with a mask of zeros */
    if (send(fd, pong, 6 + len, MSG_NOSIGNAL) < 0) break;
  }
  return NULL;
}
static int busy_turns;
static void be_busy(wsock_loop *loop, void *arg) {
  sleep_ms(400);
  if (++busy_turns < 5) CHECK_STATUS(wsock_loop_post(loop, be_busy, arg, NULL), WSOCK_OK);
}
static void busy(void) {
  struct srv srv = {0};
  struct raw raw;
  pthread_t thread;
  wsock_loop *loop = new_loop();
  wsock_options *o = option(option(new_options(), WSOCK_OPT_PING_INTERVAL_MS, 200), WSOCK_OPT_PONG_TIMEOUT_MS, 200);
  section("an application that is busy for longer than the pong timeout is no dead peer");
  srv_listen(&srv, loop, o);
  raw_upgrade(&raw, loop, srv.port, "");
  PUMP_UNTIL(loop, srv.count == 1);
  REQUIRE(fcntl(raw.fd, F_SETFL, 0) == 0);
  pthread_create(&thread, NULL, answer_pings, &raw.fd);
  CHECK_STATUS(wsock_loop_post(loop, be_busy, NULL, NULL), WSOCK_OK);
  PUMP_UNTIL(loop, busy_turns == 5);
  pump_for(loop, 20);
  CHECKF(srv.conn[0]->closes == 0, "%s", srv.conn[0]->error.message);
  if (!srv.conn[0]->closes) CHECK(conn_stats(srv.conn[0]->conn).pongs_received > 0);
  shutdown(raw.fd, SHUT_RDWR);
  pthread_join(thread, NULL);
  raw_close(&raw);
  free_loop(loop);
  wsock_options_free(o);
  srv_free(&srv);
}

static void quiet(void) {
  struct pair pair;
  wsock_options *off = new_options();
  section("no timers: the loop's next deadline is never");
  option(option(option(off, WSOCK_OPT_PING_INTERVAL_MS, 0), WSOCK_OPT_IDLE_TIMEOUT_MS, 0), WSOCK_OPT_HANDSHAKE_TIMEOUT_MS, 0);
  option(off, WSOCK_OPT_CONNECT_TIMEOUT_MS, 0);
  pair_open(&pair, off, off);
  pair_echo(&pair);
  PUMP_UNTIL(pair.loop, poll_loop(pair.loop, 0) == 0 && wsock_loop_timeout_ms(pair.loop) == -1);
  pair_free(&pair);
  wsock_options_free(off);
  section("a poll with a limit comes back");
  wsock_loop *loop = new_loop();
  int64_t start = now_ms();
  CHECK_INT(poll_loop(loop, 60), 0);
  CHECKF(now_ms() - start >= 50, "after %d ms", (int)(now_ms() - start));
  CHECK_STATUS(run_loop(loop), WSOCK_OK); /* nothing to wait for */
  free_loop(loop);
}

int main(void) {
  connecting();
  handshakes();
  idle();
  closing();
  keepalive(0);
  keepalive(1);
  busy();
  quiet();
  return check_end();
}
