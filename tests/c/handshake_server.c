/* The opening handshake as a server: requests good and bad, limits, origins, and what the application answers. */
#include "raw.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define START "GET / HTTP/1.1\r\nHost: a\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY "Sec-WebSocket-Key: " RAW_KEY "\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"

/* One HTTP exchange on a connection of its own, to the end of the stream. */
static char answer[200000];
static int answer_closed;
static void ask(wsock_loop *loop, uint16_t port, const char *request, size_t len) {
  struct raw raw;
  raw_connect(&raw, loop, port);
  raw_send(&raw, request, len);
  RAW_UNTIL(&raw, raw.eof || raw.reset || (raw.len >= 12 && memcmp(raw.in + 9, "101", 3) == 0 && memmem(raw.in, raw.len, "\r\n\r\n", 4)));
  answer_closed = raw.eof;
  REQUIRE(raw.len < sizeof answer);
  if (raw.len) memcpy(answer, raw.in, raw.len);
  answer[raw.len] = 0;
  raw_close(&raw);
}
static int status_of(const char *head) { return strncmp(head, "HTTP/1.1 ", 9) == 0 ? atoi(head + 9) : -1; }
static const char *body_of(const char *whole) {
  const char *end = strstr(whole, "\r\n\r\n");
  return end ? end + 4 : "(no end of the head)";
}
/* A whole response: its status, a length that is right, and the end of the connection. */
static void check_response(const char *name, int status) {
  CHECKF(status_of(answer) == status, "%s: expected %d, got \"%.60s\"", name, status, answer);
  if (status_of(answer) == 101) return;
  CHECKF(answer_closed, "%s: the connection did not end in order", name);
  CHECKF(atoi(head_value(answer, "Content-Length")) == (int)strlen(body_of(answer)) && *head_value(answer, "Content-Length"), "%s: Content-Length", name);
  CHECKF(strcasestr(head_value(answer, "Connection"), "close") != NULL, "%s: Connection: close", name);
}

static const struct { const char *name, *request; int status; } requests[] = {
    {"proper", START UPGRADE KEY VERSION "\r\n", 101},
    {"header names and tokens in any case", "GET / HTTP/1.1\r\nhOST: a\r\nuPGRADE: WebSocket\r\ncONNECTION: uPGRADE\r\nsec-websocket-KEY: " RAW_KEY "\r\nSEC-WEBSOCKET-VERSION: 13\r\n\r\n", 101},
    {"tokens in lists", START "Upgrade: h2c, websocket\r\nConnection: keep-alive, Upgrade\r\n" KEY VERSION "\r\n", 101},
    {"tokens over repeated headers", START "Upgrade: h2c\r\nUpgrade: websocket\r\nConnection: keep-alive\r\nConnection: upgrade\r\n" KEY VERSION "\r\n", 101},
    {"absolute form", "GET http://a/chat?x HTTP/1.1\r\nHost: a\r\n" UPGRADE KEY VERSION "\r\n", 101},
    {"blanks around values", START "Upgrade:   websocket  \r\nConnection:\tUpgrade\t\r\nSec-WebSocket-Key:   " RAW_KEY "  \r\nSec-WebSocket-Version:  13 \r\n\r\n", 101},
    {"unknown extensions", START UPGRADE KEY VERSION "Sec-WebSocket-Extensions: x-unknown; a=\"b\"; c, permessage-other\r\n\r\n", 101},
    {"unknown subprotocols", START UPGRADE KEY VERSION "Sec-WebSocket-Protocol: never, heard\r\n\r\n", 101},
    {"no Host", "GET / HTTP/1.1\r\n" UPGRADE KEY VERSION "\r\n", 400},
    {"two Hosts", START "Host: b\r\n" UPGRADE KEY VERSION "\r\n", 400},
    {"no key", START UPGRADE VERSION "\r\n", 400},
    {"two keys", START UPGRADE KEY KEY VERSION "\r\n", 400},
    {"a key of 15 bytes", START UPGRADE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n" VERSION "\r\n", 400},
    {"a key that is not base64", START UPGRADE "Sec-WebSocket-Key: !!!!IHNhbXBsZSBub25jZQ==\r\n" VERSION "\r\n", 400},
    {"no Connection", START "Upgrade: websocket\r\n" KEY VERSION "\r\n", 400},
    {"no Upgrade, but a key", START "Connection: Upgrade\r\n" KEY VERSION "\r\n", 400},
    {"no version", START UPGRADE KEY "\r\n", 400},
    {"version 12", START UPGRADE KEY "Sec-WebSocket-Version: 12\r\n\r\n", 426},
    {"version 130", START UPGRADE KEY "Sec-WebSocket-Version: 130\r\n\r\n", 426},
    {"POST", "POST / HTTP/1.1\r\nHost: a\r\n" UPGRADE KEY VERSION "\r\n", 405},
    {"HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\n" UPGRADE KEY VERSION "\r\n", 505},
    {"an extension value that is no token", START UPGRADE KEY VERSION "Sec-WebSocket-Extensions: x; a=\"b,c\"\r\n\r\n", 400},
    {"bad extension syntax", START UPGRADE KEY VERSION "Sec-WebSocket-Extensions: a;;,=\r\n\r\n", 400},
    {"bad subprotocol syntax", START UPGRADE KEY VERSION "Sec-WebSocket-Protocol: a b\r\n\r\n", 400},
    {"a folded header", START "X: a\r\n b\r\n" UPGRADE KEY VERSION "\r\n", 400},
    {"a header without a colon", START "garbage\r\n" UPGRADE KEY VERSION "\r\n", 400},
    {"a blank before the colon", START "X : a\r\n" UPGRADE KEY VERSION "\r\n", 400},
    {"not HTTP", "\x16\x03\x01\x02\x05\x01\x00\x02\x01\x03\x03\r\n\r\n", 400},
    {"a frame", "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\r\n\r\n", 400},
    {"plain GET", START "\r\n", 426},
    {"plain GET of HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", 426},
};
static void refusals(void) {
  struct srv srv = {0};
  wsock_loop *loop = new_loop();
  section("requests");
  srv_listen(&srv, loop, NULL);
  unsigned refused = 0, opened = 0;
  for (size_t i = 0; i < COUNT(requests); i++) {
    const char *text = requests[i].request;
    ask(loop, srv.port, text, strcmp(requests[i].name, "not HTTP") == 0 ? 15 : strlen(text));
    check_response(requests[i].name, requests[i].status);
    opened += requests[i].status == 101;
    refused += requests[i].status != 101;
    if (requests[i].status == 101) {
      CHECK_STR(head_value(answer, "Sec-WebSocket-Accept"), RAW_ACCEPT);
      CHECK(strcasecmp(head_value(answer, "Upgrade"), "websocket") == 0 && strcasecmp(head_value(answer, "Connection"), "upgrade") == 0);
      CHECK(*head_value(answer, "Sec-WebSocket-Extensions") == 0 && *head_value(answer, "Sec-WebSocket-Protocol") == 0);
    }
    if (requests[i].status == 426) {
      CHECK_STR(head_value(answer, "Sec-WebSocket-Version"), "13");
      CHECK_STR(head_value(answer, "Upgrade"), "websocket"); /* RFC 9110 section 15.5.22 */
    }
    if (requests[i].status == 405) CHECK_STR(head_value(answer, "Allow"), "GET");
    if (requests[i].status == 400) CHECKF(is_one_line(body_of(answer), 300) || strchr(body_of(answer), '\n'), "%s: a body that says why", requests[i].name);
  }
  PUMP_UNTIL(loop, srv.count == (int)opened);
  wsock_server_stats stats = server_stats(srv.server);
  CHECK_INT(stats.opened, opened);
  CHECK_INT(stats.accepted, COUNT(requests));
  CHECK_INT(stats.refused + stats.http_responses + stats.handshake_errors, refused);
  CHECK_INT(stats.handshakes, 0);

  section("hanging up in the middle");
  struct raw raw;
  raw_connect(&raw, loop, srv.port);
  raw_text(&raw, "GET / HT");
  PUMP_UNTIL(loop, server_stats(srv.server).handshakes == 1);
  raw_close(&raw);
  PUMP_UNTIL(loop, server_stats(srv.server).handshakes == 0);
  CHECK(server_stats(srv.server).handshake_errors > stats.handshake_errors);

  section("byte by byte");
  raw_connect(&raw, loop, srv.port);
  const char *text = requests[0].request;
  for (size_t i = 0; text[i]; i++) {
    raw_send(&raw, text + i, 1);
    poll_loop(loop, 0);
  }
  CHECK_INT(status_of(raw_head(&raw)), 101);
  raw_close(&raw);

  section("frames right behind the head");
  int before = srv.count;
  raw_connect(&raw, loop, srv.port);
  char both[1000];
  snprintf(both, sizeof both, "%s", text);
  memcpy(both + strlen(text), "\x81\x85\0\0\0\0hello\x81\x82\0\0\0\0yo", 19);
  raw_send(&raw, both, strlen(text) + 19);
  PUMP_UNTIL(loop, srv.count == before + 1 && srv.conn[before]->messages == 2);
  CHECK(srv.conn[before]->len == 2 && memcmp(srv.conn[before]->data, "yo", 2) == 0);
  raw_close(&raw);
  free_loop(loop);
  srv_free(&srv);
}

static void limits(void) {
  struct srv srv = {0};
  static char request[300000];
  wsock_loop *loop = new_loop();
  wsock_options *o = new_options();
  section("limits of the head");
  option(option(option(o, WSOCK_OPT_MAX_HEAD_BYTES, 4096), WSOCK_OPT_MAX_HEADERS, 20), WSOCK_OPT_MAX_REQUEST_LINE, 1024);
  srv_listen(&srv, loop, o);
  int n = snprintf(request, sizeof request, "GET /%0*d HTTP/1.1\r\nHost: a\r\n" UPGRADE KEY VERSION "\r\n", 900, 0);
  ask(loop, srv.port, request, (size_t)n);
  check_response("a line within the limit", 101);
  n = snprintf(request, sizeof request, "GET /%0*d HTTP/1.1\r\nHost: a\r\n" UPGRADE KEY VERSION "\r\n", 1100, 0);
  ask(loop, srv.port, request, (size_t)n);
  check_response("a line above the limit", 414);
  n = snprintf(request, sizeof request, "GET /%0*d", 3000, 0);
  ask(loop, srv.port, request, (size_t)n);
  check_response("a line above the limit that has no end yet", 414);
  n = snprintf(request, sizeof request, START UPGRADE KEY VERSION "X: %0*d\r\n\r\n", 5000, 0);
  ask(loop, srv.port, request, (size_t)n);
  check_response("a head above the limit", 431);
  n = snprintf(request, sizeof request, START "X: %0*d", 4200, 0);
  ask(loop, srv.port, request, (size_t)n);
  check_response("a head above the limit that has no end yet", 431);
  for (int headers = 15; headers <= 16; headers++) { /* 5 of the handshake */
    n = snprintf(request, sizeof request, START UPGRADE KEY VERSION);
    for (int i = 0; i < headers; i++) n += snprintf(request + n, sizeof request - (size_t)n, "X-%d: y\r\n", i);
    n += snprintf(request + n, sizeof request - (size_t)n, "\r\n");
    ask(loop, srv.port, request, (size_t)n);
    check_response("20 and 21 headers", headers == 15 ? 101 : 431);
  }
  free_loop(loop);
  srv_free(&srv);
  wsock_options_free(o);
}

static int origin_status(wsock_loop *loop, uint16_t port, const char *origin) {
  char request[500];
  int n = snprintf(request, sizeof request, START UPGRADE KEY VERSION "%s%s%s\r\n", origin ? "Origin: " : "", origin ? origin : "", origin ? "\r\n" : "");
  ask(loop, port, request, (size_t)n);
  return status_of(answer);
}
static void origins(void) {
  struct srv any = {0}, listed = {0}, required = {0};
  wsock_loop *loop = new_loop();
  wsock_options *o = new_options();
  section("origin policies");
  srv_listen(&any, loop, NULL);
  CHECK_INT(origin_status(loop, any.port, NULL), 101);
  CHECK_INT(origin_status(loop, any.port, "https://evil.example"), 101);
  option(o, WSOCK_OPT_ORIGIN_POLICY, WSOCK_ORIGIN_REQUIRED);
  srv_listen(&required, loop, o);
  CHECK_INT(origin_status(loop, required.port, NULL), 403);
  CHECK_INT(origin_status(loop, required.port, "https://any.example"), 101);
  CHECK_STATUS(wsock_options_add_origin(o, "https://good.example"), WSOCK_OK);
  CHECK_STATUS(wsock_options_add_origin(o, "https://also.example:8443"), WSOCK_OK);
  srv_listen(&listed, loop, o);
  CHECK_INT(origin_status(loop, listed.port, "https://good.example"), 101);
  CHECK_INT(origin_status(loop, listed.port, "HTTPS://GOOD.example"), 101);
  CHECK_INT(origin_status(loop, listed.port, "https://also.example:8443"), 101);
  CHECK_INT(origin_status(loop, listed.port, NULL), 403);
  check_response("no origin", 403);
  CHECK_INT(origin_status(loop, listed.port, "https://good.example.evil.example"), 403);
  CHECK_INT(origin_status(loop, listed.port, "http://good.example"), 403);
  CHECK_INT(origin_status(loop, listed.port, "https://also.example"), 403);
  CHECK_INT(origin_status(loop, listed.port, "null"), 403);
  CHECK_INT(server_stats(listed.server).refused, 5);
  CHECK_INT(server_stats(listed.server).opened, 3);
  free_loop(loop);
  srv_free(&any), srv_free(&listed), srv_free(&required);
  wsock_options_free(o);
}

/* The application answers: routes by path. */
static int32_t route(struct srv *srv, wsock_request *request) {
  static char page[100000];
  char status[4] = {0};
  size_t len = 0;
  const char *path = wsock_request_get_str(request, WSOCK_REQUEST_PATH, &len);
  (void)srv;
  CHECK(path != NULL && strlen(path) == len);
  if (strcmp(path, "/ws") == 0) return 0;
  if (strcmp(path, "/health") == 0) {
    CHECK_INT(wsock_request_is_upgrade(request), 0);
    CHECK_STATUS(wsock_request_set_body(request, NULL, "ok", 2), WSOCK_OK);
    return 200;
  }
  if (strcmp(path, "/page") == 0) {
    memset(page, 'p', sizeof page);
    CHECK_STATUS(wsock_request_set_body(request, "text/html; charset=utf-8", page, sizeof page), WSOCK_OK);
    CHECK_STATUS(wsock_request_add_header(request, "X-One", "1"), WSOCK_OK);
    CHECK_STATUS(wsock_request_add_header(request, "Set-Cookie", "a=b"), WSOCK_OK);
    return 200;
  }
  if (strcmp(path, "/empty") == 0) return 204;
  if (strcmp(path, "/header") == 0) {
    CHECK_STATUS(wsock_request_add_header(request, "X-With-101", "yes"), WSOCK_OK);
    return 0;
  }
  if (strcmp(path, "/read") == 0) {
    size_t index = 0;
    const char *name, *value;
    int hosts = 0;
    CHECK_STR(wsock_request_get_str(request, WSOCK_REQUEST_METHOD, NULL), "POST");
    CHECK_STR(wsock_request_get_str(request, WSOCK_REQUEST_TARGET, NULL), "/read?a=1&b=%20");
    CHECK_STR(wsock_request_get_str(request, WSOCK_REQUEST_QUERY, NULL), "a=1&b=%20");
    CHECK_STR(wsock_request_get_str(request, WSOCK_REQUEST_HOST, NULL), "example.org:81");
    CHECK_STR(wsock_request_get_str(request, WSOCK_REQUEST_ORIGIN, NULL), "");
    CHECK(strncmp(wsock_request_get_str(request, WSOCK_REQUEST_PEER_ADDRESS, NULL), "127.0.0.1:", 10) == 0);
    CHECK_STR(wsock_request_header(request, "authorization", 0, &len), "Basic eDp5");
    CHECK_INT(len, 10);
    CHECK_STR(wsock_request_header(request, "Cookie", 1, NULL), "second=2");
    CHECK(wsock_request_header(request, "Cookie", 2, NULL) == NULL);
    for (; wsock_request_header_at(request, index, &name, &value) == WSOCK_OK; index++) hosts += strcasecmp(name, "Host") == 0 && strcmp(value, "example.org:81") == 0;
    CHECK(index == 4 && hosts == 1 && last_error().code == WSOCK_ERR_LIMIT);
    return 200;
  }
  snprintf(status, sizeof status, "%.3s", path + 1);
  CHECK_STATUS(wsock_request_set_body(request, "text/plain", "because", 7), WSOCK_OK);
  return path[1] == '-' ? -5 : path[1] == 'b' ? 12345 : atoi(status);
}
static void get(wsock_loop *loop, uint16_t port, const char *method, const char *target, int upgrade) {
  char request[1000];
  int n = snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: a\r\n%s\r\n", method, target, upgrade ? UPGRADE KEY VERSION : "");
  ask(loop, port, request, (size_t)n);
}
static void application(void) {
  struct srv srv = {0};
  char path[16];
  wsock_loop *loop = new_loop();
  srv.request = route;
  srv_listen(&srv, loop, NULL);
  section("the application accepts");
  get(loop, srv.port, "GET", "/ws", 1);
  check_response("/ws", 101);
  get(loop, srv.port, "GET", "/header", 1);
  check_response("/header", 101);
  CHECK_STR(head_value(answer, "X-With-101"), "yes");
  CHECK(strcmp(head_value(answer, "Sec-WebSocket-Accept"), RAW_ACCEPT) == 0);
  PUMP_UNTIL(loop, srv.count == 2);
  get(loop, srv.port, "GET", "/ws", 0);
  check_response("0 for a plain request", 426);
  section("the application refuses an upgrade with any status");
  int statuses[] = {200, 401, 403, 404, 429, 500, 503, 599};
  for (size_t i = 0; i < COUNT(statuses); i++) {
    snprintf(path, sizeof path, "/%d", statuses[i]);
    get(loop, srv.port, "GET", path, 1);
    check_response(path, statuses[i]);
    CHECK_STR(body_of(answer), "because");
  }
  section("an answer that is no status becomes 500");
  static const char *const odd[] = {"/-", "/big", "/101", "/199", "/600", "/1"};
  for (size_t i = 0; i < COUNT(odd); i++) {
    get(loop, srv.port, "GET", odd[i], 1);
    check_response(odd[i], 500);
    get(loop, srv.port, "GET", odd[i], 0);
    check_response(odd[i], 500);
  }
  CHECK_INT(srv.count, 2);
  section("plain HTTP on the same port");
  uint64_t before = server_stats(srv.server).http_responses;
  get(loop, srv.port, "GET", "/health", 0);
  check_response("/health", 200);
  CHECK_STR(body_of(answer), "ok");
  get(loop, srv.port, "GET", "/page", 0);
  check_response("/page", 200);
  CHECK(strlen(body_of(answer)) == 100000 && strspn(body_of(answer), "p") == 100000);
  CHECK_STR(head_value(answer, "Content-Type"), "text/html; charset=utf-8");
  CHECK_STR(head_value(answer, "X-One"), "1");
  CHECK_STR(head_value(answer, "Set-Cookie"), "a=b");
  get(loop, srv.port, "GET", "/empty", 0);
  CHECK(status_of(answer) == 204 && *body_of(answer) == 0);
  section("HEAD has the length and no body");
  get(loop, srv.port, "HEAD", "/page", 0);
  CHECK_INT(status_of(answer), 200);
  CHECK_STR(head_value(answer, "Content-Length"), "100000");
  CHECK_STR(body_of(answer), "");
  section("all of a request can be read");
  static const char post[] = "POST /read?a=1&b=%20 HTTP/1.1\r\nHost: example.org:81\r\nAuthorization: Basic eDp5\r\nCookie: first=1\r\nCookie:  second=2 \r\n\r\n";
  ask(loop, srv.port, post, strlen(post));
  check_response("/read", 200);
  CHECK_INT(server_stats(srv.server).http_responses, before + 5);
  free_loop(loop);
  srv_free(&srv);
}

/* Who asks is gone before the server comes to read it: neither the answer nor what is sent behind it can
   leave, no news of the socket comes any more, and the connection ends all the same. */
static void send_at_once(struct rec *rec, char event) {
  static const char much[100000]; /* so that it leaves before the callback returns */
  if (event == 'O') CHECK(wsock_conn_send_binary(rec->conn, much, sizeof much) >= 0);
}
static void left(void) {
  struct srv srv;
  struct raw leaver;
  wsock_loop *loop = new_loop();
  section("a client that is gone before it is answered");
  memset(&srv, 0, sizeof srv);
  srv.hook = send_at_once;
  srv_listen(&srv, loop, NULL);
  raw_connect(&leaver, loop, srv.port);
  raw_text(&leaver, START UPGRADE KEY VERSION "\r\n");
  raw_reset(&leaver);
  PUMP_UNTIL(loop, srv.count == 1 && srv.conn[0]->releases);
  CHECK_INT(srv.conn[0]->error.code, WSOCK_ERR_CONNECTION_LOST);
  CHECK_ENDED(srv.conn[0]);
  CHECK_INT(server_stats(srv.server).connections, 0);
  free_loop(loop);
  srv_free(&srv);
}

int main(void) {
  left();
  refusals();
  limits();
  origins();
  application();
  return check_end();
}
