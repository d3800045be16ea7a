/* A server that ends with time: connections are told one after the other, new clients are sent away, and
   whoever is in a hurry can say so. */
#include "raw.h"

#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " RAW_KEY "\r\n"
#define REQUEST "GET / HTTP/1.1\r\nHost: a\r\n" UPGRADE "\r\n"
#define LONG 600000
#define MANY 10

static void open_all(struct raw *raw, int count, struct srv *srv, wsock_loop *loop) {
  for (int i = 0; i < count; i++) raw_upgrade(&raw[i], loop, srv->port, "");
}
/* Answers the close frame, if it has come: its code. */
static int answer_close(struct raw *raw) {
  static struct frame frame;
  raw_fill(raw);
  size_t n = raw_peek(raw, &frame);
  if (!n) return 0;
  CHECK_INT(frame.first, 0x88);
  raw_take(raw, n);
  raw_frame(raw, 0x88, 1, frame.data, frame.len);
  return frame.len < 2 ? 1005 : frame.data[0] << 8 | frame.data[1];
}
static int is_refused(uint16_t port) {
  struct sockaddr_in a = loopback(port);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int refused = connect(fd, (struct sockaddr *)&a, sizeof a) != 0 && errno == ECONNREFUSED;
  close(fd);
  return refused;
}
static void check_sent_away(struct raw *raw) {
  const char *head = raw_head(raw);
  CHECKF(strncmp(head, "HTTP/1.1 503 ", 13) == 0, "%.40s", head);
  CHECK_STR(head_value(head, "Connection"), "close");
  CHECK_STR(head_value(head, "Retry-After"), "1");
  RAW_UNTIL(raw, raw->eof || raw->reset);
  CHECK(raw->eof);
}

static void spread(void) {
  struct srv srv = {0};
  struct raw raw[MANY];
  int codes[MANY] = {0}, answered = 0, between = 0;
  uint64_t last = 0;
  int32_t grace = check_is_slow() ? 5000 : 1000;
  wsock_loop *loop = new_loop();
  section("connections are told one after the other");
  srv_listen(&srv, loop, NULL);
  open_all(raw, MANY, &srv, loop);
  wsock_server_stats stats = server_stats(srv.server);
  CHECK(stats.draining == 0 && stats.drain_closed == 0 && stats.drain_remaining_ms == 0 && stats.connections == MANY);
  CHECK_REFUSED(wsock_server_close(srv.server, -1, 1001, ""), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_INT(server_stats(srv.server).draining, 0);
  int64_t start = now_ms();
  CHECK_STATUS(wsock_server_close(srv.server, grace, 0, NULL), WSOCK_OK);
  stats = server_stats(srv.server);
  CHECK(stats.draining == 1 && stats.connections == MANY);
  CHECK(stats.drain_remaining_ms > 0 && stats.drain_remaining_ms <= (uint64_t)grace);
  for (int64_t end = start + grace + patience_ms(); srv.releases == 0 && now_ms() < end; pump(loop)) {
    for (int i = 0; i < MANY; i++)
      if (!codes[i]) answered += (codes[i] = answer_close(&raw[i])) != 0;
    stats = server_stats(srv.server);
    /* nobody is told before his turn: one at once, one more with each tenth of the time */
    uint64_t passed = (uint64_t)grace - stats.drain_remaining_ms;
    CHECKF(stats.drain_closed <= passed * MANY / (uint64_t)grace + 1, "%d after %d ms", (int)stats.drain_closed, (int)passed);
    CHECK(stats.drain_closed >= last && stats.drain_closed <= MANY && stats.connections + stats.drain_closed >= MANY);
    if (stats.drain_closed != last) between += stats.drain_closed < MANY;
    last = stats.drain_closed;
  }
  CHECKF(between >= 3, "%d steps", between);
  CHECK(answered == MANY && srv.releases == 1);
  CHECKF(now_ms() - start >= grace * 8 / 10, "after %d of %d ms", (int)(now_ms() - start), (int)grace);
  for (int i = 0; i < MANY; i++) {
    CHECK_INT(codes[i], 1001);
    CHECK(srv.conn[i]->close.was_clean && srv.conn[i]->close.initiator == WSOCK_BY_LOCAL);
    CHECK_ENDED(srv.conn[i]);
    raw_close(&raw[i]);
  }
  free_loop(loop);
  CHECK_INT(srv.releases, 1);
  srv_free(&srv);
}

static void newcomers(void) {
  struct srv srv = {0};
  struct raw open[2], before, silent, raw;
  wsock_loop *loop = new_loop();
  section("new clients are sent away, with and without an upgrade, and on_request is not asked");
  srv_listen(&srv, loop, NULL);
  open_all(open, 2, &srv, loop);
  raw_connect(&before, loop, srv.port);
  raw_text(&before, "GET / HTTP/1.1\r\nHo");
  raw_connect(&silent, loop, srv.port);
  PUMP_UNTIL(loop, server_stats(srv.server).handshakes == 2);
  CHECK_STATUS(wsock_server_close(srv.server, LONG, 4001, "moving"), WSOCK_OK);
  static const char *const requests[] = {REQUEST, "GET /health HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"};
  for (int i = 0; i < 3; i++) {
    raw_connect(&raw, loop, srv.port);
    raw_text(&raw, requests[i]);
    check_sent_away(&raw);
    CHECK((raw.len == 0) == (i == 2));
    raw_close(&raw);
  }
  raw_text(&before, "st: a\r\n" UPGRADE "\r\n");
  check_sent_away(&before);
  raw_close(&before);
  CHECK_INT(srv.requests, 2);

  section("those whose turn has not come go on");
  static struct frame frame;
  int told = 0; /* the order is up to the library */
  for (int i = 0; i < 2; i++) {
    raw_frame(&open[i], 0x89, 1, "still?", 6);
    CHECK(raw_next(&open[i], &frame));
    if (frame.first == 0x88) told = i;
    else CHECK_INT(frame.first, 0x8a);
  }
  CHECK_INT(server_stats(srv.server).drain_closed, 1);

  section("with the last connection the grace ends");
  raw_close_frame(&open[told], 1, 4001, "");
  raw_close_frame(&open[1 - told], 1, 1000, "");
  check_sent_away(&silent);
  raw_close(&silent);
  PUMP_UNTIL(loop, srv.releases == 1);
  CHECK(is_refused(srv.port));
  CHECK(srv.conn[told]->close.sent_code == 4001 && srv.conn[told]->close.initiator == WSOCK_BY_LOCAL);
  CHECK(srv.conn[1 - told]->close.sent_code == 1000 && srv.conn[1 - told]->close.initiator == WSOCK_BY_PEER);
  for (int i = 0; i < 2; i++) raw_close(&open[i]);
  free_loop(loop);
  srv_free(&srv);
}

static void hurry(void) {
  struct srv srv = {0};
  struct raw raw[4];
  wsock_loop *loop = new_loop();
  section("a second call shortens the grace and never lengthens it");
  srv_listen(&srv, loop, NULL);
  open_all(raw, 4, &srv, loop);
  CHECK_STATUS(wsock_server_close(srv.server, LONG, 1012, "first"), WSOCK_OK);
  pump_for(loop, 20);
  CHECK_INT(server_stats(srv.server).drain_closed, 1);
  CHECK_STATUS(wsock_server_close(srv.server, 2 * LONG, 4000, "longer"), WSOCK_OK);
  CHECK(server_stats(srv.server).drain_remaining_ms <= LONG);
  CHECK_STATUS(wsock_server_close(srv.server, LONG / 2, 4001, "shorter"), WSOCK_OK);
  wsock_server_stats stats = server_stats(srv.server);
  CHECK(stats.drain_remaining_ms <= LONG / 2 && stats.drain_remaining_ms > LONG / 4 && stats.drain_closed == 2);
  CHECK(stats.draining == 1 && !is_refused(srv.port));

  section("0 closes all now");
  CHECK_STATUS(wsock_server_close(srv.server, 0, 4002, "now"), WSOCK_OK);
  stats = server_stats(srv.server);
  CHECK(stats.drain_remaining_ms == 0 && stats.drain_closed == 4 && stats.draining == 1);
  CHECK(is_refused(srv.port));
  CHECK_STATUS(wsock_server_close(srv.server, LONG, 4003, "too late"), WSOCK_OK);
  CHECK_INT(server_stats(srv.server).drain_remaining_ms, 0);
  int first = 0, shorter = 0, now = 0;
  for (int i = 0; i < 4; i++) {
    int code = raw_close_code(&raw[i]);
    first += code == 1012, shorter += code == 4001, now += code == 4002;
    raw_close_frame(&raw[i], 1, 1000, "");
  }
  CHECKF(first == 1 && shorter == 1 && now == 2, "%d, %d, %d", first, shorter, now);
  PUMP_UNTIL(loop, srv.releases == 1);
  for (int i = 0; i < 4; i++) raw_close(&raw[i]);
  free_loop(loop);
  srv_free(&srv);
}

static void no_answer(void) {
  struct srv srv = {0};
  struct raw deaf, half;
  wsock_loop *loop = new_loop();
  wsock_options *o = option(new_options(), WSOCK_OPT_CLOSE_TIMEOUT_MS, 200);
  section("who never answers is dropped, whether open or not");
  srv_listen(&srv, loop, o);
  raw_upgrade(&deaf, loop, srv.port, "");
  raw_connect(&half, loop, srv.port);
  raw_text(&half, "GET / HTTP/1.1\r\n");
  PUMP_UNTIL(loop, server_stats(srv.server).handshakes == 1);
  CHECK_STATUS(wsock_server_close(srv.server, 100, 1001, NULL), WSOCK_OK);
  int64_t start = now_ms();
  PUMP_UNTIL(loop, srv.releases == 1);
  CHECKF(now_ms() - start < (check_is_slow() ? 20000 : 3000), "after %d ms", (int)(now_ms() - start));
  CHECK_INT(srv.conn[0]->close.status, WSOCK_ERR_CLOSE_TIMEOUT);
  CHECK_INT(raw_close_code(&deaf), 1001);
  check_sent_away(&half);
  raw_close(&deaf);
  raw_close(&half);
  free_loop(loop);
  wsock_options_free(o);
  srv_free(&srv);
}

static void at_once(void) {
  struct srv srv = {0};
  struct raw half[2], open;
  wsock_loop *loop = new_loop();
  section("without grace unfinished handshakes are answered, too");
  srv_listen(&srv, loop, NULL);
  raw_upgrade(&open, loop, srv.port, "");
  for (int i = 0; i < 2; i++) {
    raw_connect(&half[i], loop, srv.port);
    raw_text(&half[i], i ? "GET / HTTP/1.1\r\n" : "");
  }
  PUMP_UNTIL(loop, server_stats(srv.server).handshakes == 2);
  CHECK_STATUS(wsock_server_close(srv.server, 0, 0, "bye"), WSOCK_OK);
  wsock_server_stats stats = server_stats(srv.server);
  CHECK(stats.draining == 1 && stats.drain_closed == 1 && stats.drain_remaining_ms == 0 && stats.handshakes == 0 && stats.refused == 2);
  CHECK(is_refused(srv.port));
  for (int i = 0; i < 2; i++) {
    check_sent_away(&half[i]);
    raw_close(&half[i]);
  }
  CHECK_INT(raw_close_code(&open), 1001);
  raw_close_frame(&open, 1, 1001, "");
  PUMP_UNTIL(loop, srv.releases == 1);
  raw_close(&open);
  free_loop(loop);
  srv_free(&srv);
}

/* "/200" answers, all else is up to the library; both close the server before. */
static int32_t close_inside(struct srv *srv, wsock_request *request) {
  const char *path = wsock_request_get_str(request, WSOCK_REQUEST_PATH, NULL);
  if (strcmp(path, "/") == 0) return 0;
  CHECK_STATUS(wsock_server_close(srv->server, *(int32_t *)srv->arg, 0, NULL), WSOCK_OK);
  return strcmp(path, "/200") == 0 ? 200 : 0;
}
static void inside(int32_t grace, const char *path, int status) {
  struct srv srv = {0};
  struct raw open, raw;
  char request[500];
  wsock_loop *loop = new_loop();
  srv.request = close_inside;
  srv.arg = &grace;
  srv_listen(&srv, loop, NULL);
  raw_upgrade(&open, loop, srv.port, "");
  snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\n" UPGRADE "\r\n", path);
  raw_connect(&raw, loop, srv.port);
  raw_text(&raw, request);
  CHECK_INT(atoi(raw_head(&raw) + 9), status);
  CHECK_INT(srv.count, 1);
  RAW_UNTIL(&raw, raw.eof || raw.reset);
  raw_close(&raw);
  CHECK_INT(raw_close_code(&open), 1001);
  raw_close(&open);
  PUMP_UNTIL(loop, srv.releases == 1);
  free_loop(loop);
  srv_free(&srv);
}

static void by_itself(void) {
  struct srv srv = {0}, lonely = {0};
  struct rec client[3];
  wsock_loop *loop = new_loop();
  section("run goes through it and returns");
  memset(client, 0, sizeof client);
  srv_listen(&srv, loop, NULL);
  for (int i = 0; i < 3; i++) connect_to(&client[i], loop, url_of(srv.port, "/"), NULL);
  PUMP_UNTIL(loop, srv.count == 3 && client[0].opens && client[1].opens && client[2].opens);
  CHECK_STATUS(wsock_server_close(srv.server, 300, 1012, "restarting"), WSOCK_OK);
  int64_t start = now_ms();
  CHECK_STATUS(run_loop(loop), WSOCK_OK);
  CHECKF(now_ms() - start >= 200, "after %d ms", (int)(now_ms() - start));
  CHECK_INT(srv.releases, 1);
  for (int i = 0; i < 3; i++) {
    CHECK_ENDED(&client[i]);
    CHECK(client[i].close.code == 1012 && client[i].close.was_clean);
    CHECK_STR(client[i].close.reason, "restarting");
  }
  section("a server without connections has nothing to wait for");
  srv_listen(&lonely, loop, NULL);
  CHECK_STATUS(wsock_server_close(lonely.server, LONG, 0, NULL), WSOCK_OK);
  CHECK_INT(lonely.releases, 0);
  CHECK(is_refused(lonely.port));
  PUMP_UNTIL(loop, lonely.releases == 1);
  free_loop(loop);
  srv_free(&srv);
}

int main(void) {
  spread();
  newcomers();
  hurry();
  no_answer();
  at_once();
  section("closed inside on_request: the answer stands, an upgrade does not");
  for (int32_t grace = 0; grace <= 100; grace += 100) {
    inside(grace, "/200", 200);
    inside(grace, "/0", 503);
  }
  by_itself();
  return check_end();
}
