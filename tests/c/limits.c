/* What strangers can use of a server: each limit strikes, is counted, spares the others, and gives back. */
#include "raw.h"

#include <ifaddrs.h>
#include <net/if.h>

#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " RAW_KEY "\r\n"
#define REQUEST "GET / HTTP/1.1\r\nHost: a\r\n" UPGRADE "\r\n"

static void defaults(void) {
  static const int64_t rows[][2] = {{WSOCK_OPT_MAX_CONNECTIONS, 100000}, {WSOCK_OPT_MAX_CONNECTIONS_PER_ADDRESS, 4096},
                                    {WSOCK_OPT_MAX_HANDSHAKES, 16384}, {WSOCK_OPT_MIN_HANDSHAKE_RATE, 64}};
  section("every limit is on by default and can be off");
  for (int i = 0; i < 4; i++) {
    int64_t min = -1, max = -1, normal = -1;
    CHECK_STATUS(wsock_option_bounds((int32_t)rows[i][0], &min, &max, &normal), WSOCK_OK);
    CHECK(min == 0 && max >= 1000000 && normal == rows[i][1]);
  }
}

/* It goes on: a ping is answered. */
static void check_alive(struct raw *raw) {
  static struct frame frame;
  raw_frame(raw, 0x89, 1, "alive?", 6);
  CHECK(raw_next(raw, &frame) && frame.first == 0x8a && frame.len == 6);
}
/* Turned away: a whole 503, and an end that is no reset. */
static void check_turned_away(struct raw *raw, int asks, wsock_loop *loop, uint16_t port) {
  raw_connect(raw, loop, port);
  if (asks) raw_text(raw, REQUEST);
  const char *head = raw_head(raw);
  CHECKF(strncmp(head, "HTTP/1.1 503 ", 13) == 0, "%.40s", head);
  CHECK_STR(head_value(head, "Connection"), "close");
  CHECK_STR(head_value(head, "Retry-After"), "1");
  size_t length = strtoul(head_value(head, "Content-Length"), NULL, 10);
  RAW_UNTIL(raw, raw->eof || raw->reset);
  CHECKF(raw->eof && length > 0 && raw->len == length, "%zu of %zu bytes", raw->len, length);
  /* a reset behind the end would only show here; elsewhere it would overtake the answer */
  int error = 0;
  socklen_t size = sizeof error;
  CHECK(getsockopt(raw->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0);
  raw_close(raw);
}

static void connections(void) {
  struct srv srv = {0};
  struct raw open[2], half, raw;
  wsock_loop *loop = new_loop();
  wsock_options *o = option(new_options(), WSOCK_OPT_MAX_CONNECTIONS, 3);
  section("connections: open ones and handshakes together");
  srv_listen(&srv, loop, o);
  for (int i = 0; i < 2; i++) raw_upgrade(&open[i], loop, srv.port, "");
  raw_connect(&half, loop, srv.port);
  PUMP_UNTIL(loop, server_stats(srv.server).handshakes == 1);
  for (int i = 0; i < 4; i++) check_turned_away(&raw, i % 2, loop, srv.port);
  wsock_server_stats stats = server_stats(srv.server);
  CHECK(stats.refused_connections == 4 && stats.refused_handshakes == 0 && stats.refused_per_address == 0);
  CHECK(stats.accepted == 3 && stats.connections == 2 && stats.handshakes == 1 && stats.refused == 0);

  section("connections: those inside go on, and a place that is free is given again");
  check_alive(&open[0]);
  raw_text(&half, REQUEST);
  CHECK(strncmp(raw_head(&half), "HTTP/1.1 101", 12) == 0);
  raw_close(&open[1]);
  PUMP_UNTIL(loop, server_stats(srv.server).connections == 2);
  raw_upgrade(&open[1], loop, srv.port, "");
  check_turned_away(&raw, 1, loop, srv.port);
  CHECK_INT(server_stats(srv.server).refused_connections, 5);
  raw_close(&open[0]);
  raw_close(&open[1]);
  raw_close(&half);
  free_loop(loop);
  wsock_options_free(o);
  srv_free(&srv);
}

static void handshakes(void) {
  struct srv srv = {0};
  struct raw open[3], half[2], raw;
  wsock_loop *loop = new_loop();
  wsock_options *o = option(new_options(), WSOCK_OPT_MAX_HANDSHAKES, 2);
  section("handshakes: only the unfinished count");
  srv_listen(&srv, loop, o);
  for (int i = 0; i < 3; i++) raw_upgrade(&open[i], loop, srv.port, "");
  for (int i = 0; i < 2; i++) raw_connect(&half[i], loop, srv.port);
  PUMP_UNTIL(loop, server_stats(srv.server).handshakes == 2);
  check_turned_away(&raw, 1, loop, srv.port);
  CHECK_INT(server_stats(srv.server).refused_handshakes, 1);
  check_alive(&open[0]);

  section("handshakes: whatever becomes of one, another may come");
  raw_text(&half[0], REQUEST);
  CHECK(strncmp(raw_head(&half[0]), "HTTP/1.1 101", 12) == 0);
  raw_upgrade(&raw, loop, srv.port, "");
  raw_close(&raw);
  raw_close(&half[1]);
  PUMP_UNTIL(loop, server_stats(srv.server).handshakes == 0);
  for (int i = 0; i < 4; i++) { /* refused, and still there to read the answer */
    raw_connect(&raw, loop, srv.port);
    raw_text(&raw, "GET / HTTP/1.1\r\n\r\n");
    CHECK(strncmp(raw_head(&raw), "HTTP/1.1 400", 12) == 0);
    CHECK_INT(server_stats(srv.server).handshakes, 0);
    raw_close(&raw);
  }
  CHECK_INT(server_stats(srv.server).refused_handshakes, 1);
  for (int i = 0; i < 3; i++) raw_close(&open[i]);
  raw_close(&half[0]);
  free_loop(loop);
  wsock_options_free(o);
  srv_free(&srv);
}

/* An address of this machine that is not the loopback's; 0 when there is none. */
static uint32_t own_address(void) {
  struct ifaddrs *all = NULL;
  uint32_t found = 0;
  if (getifaddrs(&all) != 0) return 0;
  for (struct ifaddrs *i = all; i && !found; i = i->ifa_next)
    if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET && (i->ifa_flags & IFF_UP) && !(i->ifa_flags & IFF_LOOPBACK))
      found = ((struct sockaddr_in *)(void *)i->ifa_addr)->sin_addr.s_addr;
  freeifaddrs(all);
  return found;
}
static int connect_from(struct raw *raw, wsock_loop *loop, uint32_t address, uint16_t port) {
  struct sockaddr_in a = loopback(port);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  a.sin_addr.s_addr = address;
  REQUIRE(fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
  raw_start(raw, loop, fd);
  raw_text(raw, REQUEST);
  return atoi(raw_head(raw) + 9);
}
static void addresses(void) {
  struct srv srv = {0};
  struct raw raw[4];
  wsock_loop *loop = new_loop();
  wsock_options *o = option(new_options(), WSOCK_OPT_MAX_CONNECTIONS_PER_ADDRESS, 2);
  wsock_handlers h = srv_handlers();
  section("one address: a proxy on this machine may bring any number");
  REQUIRE(wsock_listen(loop, "*", 0, o, &h, &srv, &srv.server) == WSOCK_OK);
  srv.port = wsock_server_port(srv.server);
  for (int i = 0; i < 4; i++) raw_upgrade(&raw[i], loop, srv.port, "");
  for (int i = 0; i < 4; i++) raw_close(&raw[i]);
  CHECK_INT(server_stats(srv.server).refused_per_address, 0);
  PUMP_UNTIL(loop, server_stats(srv.server).connections == 0);

  section("one address: another one may not, until one of its connections ends");
  uint32_t own = own_address();
  if (own == 0) {
    fprintf(stderr, "skipped: this machine has no address of its own\n");
  } else {
    for (int i = 0; i < 2; i++) CHECK_INT(connect_from(&raw[i], loop, own, srv.port), 101);
    CHECK_INT(connect_from(&raw[2], loop, own, srv.port), 503);
    raw_close(&raw[2]);
    CHECK_INT(server_stats(srv.server).refused_per_address, 1);
    raw_upgrade(&raw[3], loop, srv.port, "");
    raw_close(&raw[0]);
    PUMP_UNTIL(loop, server_stats(srv.server).connections == 2);
    CHECK_INT(connect_from(&raw[0], loop, own, srv.port), 101);
    check_alive(&raw[1]);
    for (int i = 0; i < 4; i++) raw_close(&raw[i]);
  }
  free_loop(loop);
  wsock_options_free(o);
  srv_free(&srv);
}

static int connect_half(struct raw *raw, wsock_loop *loop, uint16_t port) {
  raw_connect(raw, loop, port);
  raw_text(raw, "GET / HTTP/1.1\r\nHost: a\r\n" UPGRADE "X: ");
  return 1;
}
static void slow_requests(void) {
  struct srv strict = {0}, lenient = {0};
  struct raw drips, silent, steady, allowed;
  wsock_loop *loop = new_loop();
  wsock_options *o = option(new_options(), WSOCK_OPT_MIN_HANDSHAKE_RATE, 1000), *off = option(new_options(), WSOCK_OPT_MIN_HANDSHAKE_RATE, 0);
  char burst[201];
  section("a request in drops is ended; who says nothing yet, who is fast enough, and who may, are not");
  memset(burst, 'x', 200);
  burst[200] = 0;
  option(o, WSOCK_OPT_HANDSHAKE_TIMEOUT_MS, 0);
  option(o, WSOCK_OPT_MAX_HEAD_BYTES, 1 << 20);
  srv_listen(&strict, loop, o);
  srv_listen(&lenient, loop, off);
  raw_connect(&silent, loop, strict.port);
  int64_t start = now_ms();
  connect_half(&drips, loop, strict.port);
  connect_half(&steady, loop, strict.port);
  connect_half(&allowed, loop, lenient.port);
  /* some 20 and some 4000 bytes per second, or as much in proportion on a machine that is slow */
  for (int64_t end = start + patience_ms(); !drips.len && now_ms() < end; pump_for(loop, 50)) {
    raw_text(&drips, "x");
    raw_text(&allowed, "x");
    raw_text(&steady, burst);
    raw_fill(&drips);
  }
  CHECKF(now_ms() - start >= 2000, "after %d ms", (int)(now_ms() - start));
  CHECK(strncmp(raw_head(&drips), "HTTP/1.1 408 ", 13) == 0);
  RAW_UNTIL(&drips, drips.eof || drips.reset);
  wsock_server_stats stats = server_stats(strict.server);
  CHECK(stats.refused_slow == 1 && stats.refused == 1 && stats.handshake_timeouts == 0 && stats.handshakes == 2);
  raw_text(&silent, REQUEST);
  CHECK(strncmp(raw_head(&silent), "HTTP/1.1 101", 12) == 0);
  raw_text(&steady, "\r\n\r\n");
  CHECK(strncmp(raw_head(&steady), "HTTP/1.1 101", 12) == 0);
  raw_text(&allowed, "\r\n\r\n");
  CHECK(strncmp(raw_head(&allowed), "HTTP/1.1 101", 12) == 0);
  CHECK_INT(server_stats(lenient.server).refused_slow, 0);
  raw_close(&drips);
  raw_close(&silent);
  raw_close(&steady);
  raw_close(&allowed);
  free_loop(loop);
  wsock_options_free(o);
  wsock_options_free(off);
  srv_free(&strict);
  srv_free(&lenient);
}

static void heads(void) {
  struct srv srv = {0};
  struct raw raw;
  char path[300];
  wsock_loop *loop = new_loop();
  wsock_options *o = option(option(new_options(), WSOCK_OPT_MAX_HEAD_BYTES, 512), WSOCK_OPT_MAX_REQUEST_LINE, 200);
  option(o, WSOCK_OPT_MAX_HEADERS, 8);
  memset(path, 'a', 299);
  path[299] = 0;
  section("heads that are too large are counted apart from wrong ones");
  srv_listen(&srv, loop, o);
  static const struct { const char *before, *after; int status; } rows[] = {
      {"GET /", " HTTP/1.1\r\n", 414},
      {"GET / HTTP/1.1\r\nHost: a\r\nA: ", "\r\nB: and the rest, and the rest, and the rest, and the rest, and the rest, and the rest, and the rest, and the rest, and the rest, and the rest, and the rest, and the rest, and the rest, and the rest, and the rest, and the rest\r\n", 431},
      {"GET / HTTP/1.1\r\nHost: a\r\nA: ", "\r\nA: b\r\nA: b\r\nA: b\r\nA: b\r\nA: b\r\nA: b\r\nA: b\r\nA: b\r\n", 431},
      {"GET / HTTP/1.1\r\nA: ", "\r\n\r\n", 400},
  };
  for (int i = 0; i < 4; i++) {
    raw_connect(&raw, loop, srv.port);
    raw_text(&raw, rows[i].before);
    raw_text(&raw, path);
    raw_text(&raw, rows[i].after);
    CHECK_INT(atoi(raw_head(&raw) + 9), rows[i].status);
    raw_close(&raw);
    wsock_server_stats stats = server_stats(srv.server);
    CHECKF(stats.refused == (uint64_t)i + 1 && stats.refused_head == (i < 3 ? (uint64_t)i + 1 : 3), "row %d", i);
  }
  free_loop(loop);
  wsock_options_free(o);
}

static void control_frames(void) {
  struct srv srv = {0};
  struct raw flood, wrong, good;
  wsock_loop *loop = new_loop();
  wsock_options *o = option(new_options(), WSOCK_OPT_MAX_CONTROL_RATE, 10);
  section("floods of control frames are counted, other failures are not");
  srv_listen(&srv, loop, o);
  raw_upgrade(&good, loop, srv.port, "");
  raw_upgrade(&flood, loop, srv.port, "");
  raw_upgrade(&wrong, loop, srv.port, "");
  for (int i = 0; i < 100; i++) raw_frame(&flood, 0x89, 1, "!", 1);
  CHECK_INT(raw_close_code(&flood), 1008);
  CHECK_INT(server_stats(srv.server).ended_control_rate, 1);
  raw_frame(&wrong, 0x81, 0, "unmasked", 8);
  CHECK_INT(raw_close_code(&wrong), 1002);
  raw_close(&flood);
  raw_close(&wrong);
  PUMP_UNTIL(loop, server_stats(srv.server).connections == 1);
  CHECK_INT(server_stats(srv.server).ended_control_rate, 1);
  check_alive(&good);
  raw_close(&good);
  free_loop(loop);
  wsock_options_free(o);
  srv_free(&srv);
}

int main(void) {
  defaults();
  connections();
  handshakes();
  addresses();
  slow_requests();
  heads();
  control_frames();
  return check_end();
}
