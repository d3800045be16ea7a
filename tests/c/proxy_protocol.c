/* A server behind load balancers: whom it believes about a client's address, and what it makes of headers
   of the PROXY protocol. */
#include "raw.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define UPGRADE "GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " RAW_KEY "\r\n\r\n"
#define START "\r\n\r\n\0\r\nQUIT\n"
#define HEADER(bytes) bytes, sizeof(bytes) - 1

static char asked_by[100];
static int32_t note_peer(struct srv *srv, wsock_request *request) {
  (void)srv;
  snprintf(asked_by, sizeof asked_by, "%s", wsock_request_get_str(request, WSOCK_REQUEST_PEER_ADDRESS, NULL));
  return 0;
}
static wsock_options *trusting(const char *proxies) {
  wsock_options *options = new_options();
  REQUIRE(wsock_options_add_trusted_proxy(options, proxies) == WSOCK_OK);
  return options;
}
static void start(struct srv *srv, wsock_loop *loop, wsock_options *options) {
  memset(srv, 0, sizeof *srv);
  srv->request = note_peer;
  srv->echo = 1;
  srv_listen(srv, loop, options);
  wsock_options_free(options);
}

/* NULL for the peer: the address of the load balancer itself. */
static const struct { const char *what, *header; size_t len; const char *peer; } good[] = {
    {"version 1, IPv4", HEADER("PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n"), "192.0.2.1:4711"},
    {"version 1, IPv6", HEADER("PROXY TCP6 2001:db8::1 2001:db8::2 4711 443\r\n"), "[2001:db8::1]:4711"},
    {"version 1, IPv4 in IPv6", HEADER("PROXY TCP6 ::ffff:192.0.2.1 ::1 4711 443\r\n"), "192.0.2.1:4711"},
    {"version 1, unknown", HEADER("PROXY UNKNOWN\r\n"), NULL},
    {"version 2, IPv4", HEADER(START "\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x01\x12\x67\x01\xbb"), "192.0.2.1:4711"},
    {"version 2, with extensions", HEADER(START "\x21\x11\0\x15\xc0\0\x02\x01\xc6\x33\x64\x01\x12\x67\x01\xbb\x02\0\x01x\x04\0\x02\r\n"), "192.0.2.1:4711"},
    {"version 2, IPv6", HEADER(START "\x21\x21\0\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x12\x67\x01\xbb"), "[2001:db8::1]:4711"},
    {"version 2, a check of the load balancer's own", HEADER(START "\x20\0\0\0"), NULL},
    {"version 2, an unknown family", HEADER(START "\x21\0\0\x04" "abcd"), NULL},
};

/* The whole exchange in pieces of this size. */
static void in_pieces(struct raw *raw, const char *header, size_t len, size_t piece) {
  static const unsigned char hi[] = {0x81, 0x82, 0, 0, 0, 0, 'h', 'i'};
  unsigned char all[1000];
  size_t upgrade = strlen(UPGRADE), total = len + upgrade + sizeof hi;
  memcpy(all, header, len);
  memcpy(all + len, UPGRADE, upgrade);
  memcpy(all + len + upgrade, hi, sizeof hi);
  for (size_t at = 0; at < total; at += piece) {
    raw_send(raw, all + at, total - at < piece ? total - at : piece);
    if (at < len + piece) pump(raw->loop);
  }
}
static void check_open(struct raw *raw, struct srv *srv, const char *what, const char *peer) {
  static struct frame frame;
  const char *head = raw_head(raw);
  CHECKF(strncmp(head, "HTTP/1.1 101 ", 13) == 0, "%s: %.60s", what, head);
  CHECKF(raw_next(raw, &frame) && frame.len == 2 && memcmp(frame.data, "hi", 2) == 0, "%s", what);
  REQUIRE(srv->count > 0);
  CHECK_STR(asked_by, peer);
  CHECK_STR(wsock_conn_get_str(srv->conn[srv->count - 1]->conn, WSOCK_CONN_PEER_ADDRESS, NULL), peer);
}

static void believed(void) {
  static const size_t pieces[] = {1000, 20, 1};
  struct srv srv;
  struct raw raw;
  char own[40];
  wsock_loop *loop = new_loop();
  start(&srv, loop, trusting("127.0.0.0/8"));
  for (size_t i = 0; i < COUNT(good); i++) {
    section(good[i].what);
    for (size_t j = 0; j < COUNT(pieces); j++) {
      struct sockaddr_in a;
      socklen_t n = sizeof a;
      raw_connect(&raw, loop, srv.port);
      REQUIRE(getsockname(raw.fd, (struct sockaddr *)&a, &n) == 0);
      snprintf(own, sizeof own, "127.0.0.1:%u", (unsigned)ntohs(a.sin_port));
      in_pieces(&raw, good[i].header, good[i].len, pieces[j]);
      check_open(&raw, &srv, good[i].what, good[i].peer ? good[i].peer : own);
      raw_close(&raw);
    }
  }
  wsock_server_stats stats = server_stats(srv.server);
  CHECK(stats.opened == COUNT(good) * COUNT(pieces) && stats.accepted == stats.opened && stats.handshake_errors == 0);
  free_loop(loop);
  srv_free(&srv);
}

static const struct { const char *what, *header; size_t len; } bad[] = {
    {"a client without a load balancer", HEADER(UPGRADE)},
    {"empty lines", HEADER("\r\n\r\nGET")},
    {"version 1, a family that is none", HEADER("PROXY TCP5 192.0.2.1 198.51.100.1 4711 443\r\n")},
    {"version 1, an address that is none", HEADER("PROXY TCP4 192.0.2.256 198.51.100.1 4711 443\r\n")},
    {"version 1, a port that is none", HEADER("PROXY TCP4 192.0.2.1 198.51.100.1 65536 443\r\n")},
    {"version 1, a line without an end", HEADER("PROXY TCP4 192.0.2.1 198.51.100.1 4711 443                                                                    ")},
    {"version 2, another version", HEADER(START "\x31\x11\0\x0c")},
    {"version 2, a command that is none", HEADER(START "\x22\x11\0\x0c")},
    {"version 2, too short for its addresses", HEADER(START "\x21\x11\0\x0b")},
    {"version 2, endless extensions", HEADER(START "\x21\x11\xff\xff")},
};

static void not_believed(void) {
  struct srv srv;
  struct raw raw;
  wsock_loop *loop = new_loop();
  start(&srv, loop, trusting("127.0.0.1"));
  for (size_t i = 0; i < COUNT(bad); i++) {
    section(bad[i].what);
    raw_connect(&raw, loop, srv.port);
    raw_send(&raw, bad[i].header, bad[i].len);
    RAW_UNTIL(&raw, raw.eof || raw.reset);
    CHECKF(raw.len == 0, "%zu bytes came back", raw.len);
    raw_close(&raw);
    CHECK_INT(server_stats(srv.server).handshake_errors, (int)i + 1);
  }
  section("hung up within the header");
  raw_connect(&raw, loop, srv.port);
  raw_text(&raw, "PROXY TCP4 192");
  PUMP_UNTIL(loop, server_stats(srv.server).handshakes == 1);
  raw_close(&raw);
  PUMP_UNTIL(loop, server_stats(srv.server).handshakes == 0);
  CHECK_INT(server_stats(srv.server).handshake_errors, COUNT(bad) + 1);
  CHECK_INT(srv.requests, 0);

  section("the server closes within the header");
  raw_connect(&raw, loop, srv.port);
  raw_text(&raw, "PROXY ");
  PUMP_UNTIL(loop, server_stats(srv.server).handshakes == 1);
  CHECK_STATUS(wsock_server_close(srv.server, 0, 1001, NULL), WSOCK_OK);
  RAW_UNTIL(&raw, raw.eof || raw.reset);
  PUMP_UNTIL(loop, srv.releases == 1);
  raw_close(&raw);
  free_loop(loop);
}

static void limits(void) {
  struct srv srv;
  struct raw raw;
  wsock_loop *loop = new_loop();
  section("a header that takes too long");
  start(&srv, loop, option(trusting("127.0.0.1"), WSOCK_OPT_HANDSHAKE_TIMEOUT_MS, 60));
  for (int silent = 0; silent < 2; silent++) {
    raw_connect(&raw, loop, srv.port);
    raw_text(&raw, silent ? "" : "PROXY TCP4 ");
    RAW_UNTIL(&raw, raw.eof || raw.reset);
    raw_close(&raw);
  }
  CHECK_INT(server_stats(srv.server).handshake_timeouts, 2);
  CHECK_INT(server_stats(srv.server).handshake_errors, 0);

  section("strangers are clients, and their headers are none");
  start(&srv, loop, trusting("10.0.0.0/8"));
  raw_connect(&raw, loop, srv.port);
  in_pieces(&raw, "", 0, 1000);
  check_open(&raw, &srv, "a stranger", asked_by);
  CHECK(strncmp(asked_by, "127.0.0.1:", 10) == 0);
  raw_close(&raw);
  for (size_t i = 0; i < COUNT(good); i++) {
    raw_connect(&raw, loop, srv.port);
    raw_send(&raw, good[i].header, good[i].len);
    raw_text(&raw, UPGRADE);
    const char *head = raw_head(&raw);
    CHECKF(strncmp(head, "HTTP/1.1 400 ", 13) == 0, "%s: %.40s", good[i].what, head);
    raw_close(&raw);
  }
  CHECK_INT(srv.requests, 1);
  free_loop(loop);
  srv_free(&srv);
}

static void over_unix(void) {
  struct srv srv;
  struct raw raw;
  int pair[2];
  wsock_loop *loop = new_loop();
  section("a load balancer on this machine, and a header that was read already");
  start(&srv, loop, trusting("unix"));
  size_t cuts[] = {0, 10, good[0].len, good[0].len + 10};
  for (size_t i = 0; i < COUNT(cuts); i++) {
    char all[500];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    raw_start(&raw, loop, pair[1]);
    snprintf(all, sizeof all, "%s%s", good[0].header, UPGRADE);
    CHECK_STATUS(wsock_server_adopt(srv.server, pair[0], all, cuts[i]), WSOCK_OK);
    raw_text(&raw, all + cuts[i]);
    raw_frame(&raw, 0x81, 1, "hi", 2);
    check_open(&raw, &srv, "adopted", good[0].peer);
    raw_close(&raw);
  }
  section("who comes by TCP is not meant");
  raw_connect(&raw, loop, srv.port);
  in_pieces(&raw, "", 0, 1000);
  check_open(&raw, &srv, "TCP", asked_by);
  raw_close(&raw);
  free_loop(loop);
  srv_free(&srv);
}

static void names(void) {
  static const char *const wrong[] = {"", "localhost", "10.0.0.0/33", "10.0.0.1/8", "unix:/path", "10.0.0.0/8,::1"};
  wsock_options *options = new_options();
  section("load balancers that cannot be named");
  for (size_t i = 0; i < COUNT(wrong); i++) CHECK_REFUSED(wsock_options_add_trusted_proxy(options, wrong[i]), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_options_add_trusted_proxy(options, NULL), WSOCK_ERR_INVALID_ARGUMENT);
  wsock_options_free(options);
}

int main(void) {
  believed();
  not_believed();
  limits();
  over_unix();
  names();
  return check_end();
}
