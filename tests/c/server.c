/* What a server owes to clients of every kind: whole answers, addresses, figures that add up, and an end
   in time. */
#include "raw.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define PAGE (6 << 20)
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " RAW_KEY "\r\n"

static unsigned char page[PAGE];

/* "/page" is large, "/refuse" is 403 for whoever asks, "/close" closes the server, all else is up to the library. */
static int32_t route(struct srv *srv, wsock_request *request) {
  const char *path = wsock_request_get_str(request, WSOCK_REQUEST_PATH, NULL);
  if (strcmp(path, "/page") == 0) {
    CHECK_STATUS(wsock_request_set_body(request, "application/octet-stream", page, sizeof page), WSOCK_OK);
    return 200;
  }
  if (strcmp(path, "/small") == 0) {
    CHECK_STATUS(wsock_request_set_body(request, NULL, "ok", 2), WSOCK_OK);
    return 200;
  }
  if (strcmp(path, "/refuse") == 0) return 403;
  if (strcmp(path, "/close") == 0) CHECK_STATUS(wsock_server_close(srv->server, 0, 1001, "closed inside"), WSOCK_OK);
  return 0;
}
static void get(struct raw *raw, wsock_loop *loop, uint16_t port, const char *target, const char *headers) {
  char request[1000];
  snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n", target, headers);
  raw_connect(raw, loop, port);
  raw_text(raw, request);
}

static const struct { const char *target, *headers; int status; size_t body; } half_closed[] = {
    {"/small", "", 200, 2},
    {"/page", "", 200, PAGE},
    {"/", "", 426, 0},
    {"/refuse", UPGRADE, 403, 0},
    {"/", UPGRADE "Sec-WebSocket-Key: twice\r\n", 400, 0},
};
static void half_closing_clients(void) {
  struct srv srv = {0};
  struct raw raw;
  wsock_loop *loop = new_loop();
  srv.request = route;
  srv_listen(&srv, loop, NULL);
  for (size_t i = 0; i < PAGE; i++) page[i] = (unsigned char)(i * 7 >> 3);
  for (int late = 0; late < 2; late++) {
    section(late ? "a client that closes its side and reads late gets its whole answer" : "a client that closes its side at once gets its whole answer");
    for (size_t i = 0; i < COUNT(half_closed); i++) {
      const char *name = half_closed[i].target;
      get(&raw, loop, srv.port, name, half_closed[i].headers);
      REQUIRE(shutdown(raw.fd, SHUT_WR) == 0);
      if (late) pump_for(loop, 20);
      const char *head = raw_head(&raw);
      CHECKF(strncmp(head, "HTTP/1.1 ", 9) == 0 && atoi(head + 9) == half_closed[i].status, "%s: %.40s", name, head);
      size_t length = strtoul(head_value(head, "Content-Length"), NULL, 10);
      CHECKF(half_closed[i].body == 0 || half_closed[i].body == length, "%s: %zu bytes", name, length);
      RAW_UNTIL(&raw, raw.eof || raw.reset);
      CHECKF(raw.eof && raw.len == length, "%s: %zu of %zu bytes, %s", name, raw.len, length, raw.eof ? "in order" : "reset");
      if (length == PAGE) CHECK(raw.len == PAGE && memcmp(raw.in, page, PAGE) == 0);
      raw_close(&raw);
    }
  }
  PUMP_UNTIL(loop, server_stats(srv.server).http_responses == 6 && server_stats(srv.server).refused == 4);
  CHECK_INT(server_stats(srv.server).handshake_errors, 0);
  free_loop(loop);
}

static const struct { const char *target, *host, *url; } targets[] = {
    {"/chat", "a.example", "ws://a.example/chat"},
    {"/chat?x=1&y", "a.example:81", "ws://a.example:81/chat?x=1&y"},
    {"http://a.example/chat", "a.example", "ws://a.example/chat"},
    {"http://a.example/chat?x=1&y", "a.example", "ws://a.example/chat?x=1&y"},
    {"ws://a.example:81/", "a.example:81", "ws://a.example:81/"},
    {"http://a.example", "a.example", "ws://a.example/"},
    {"http://a.example?x", "a.example", "ws://a.example/?x"},
    {"http://target.example/", "header.example", "ws://target.example/"}, /* RFC 9112 section 3.2.2 */
};
static char seen_url[200];
static void see_url(struct rec *rec, char event) {
  if (event == 'O') snprintf(seen_url, sizeof seen_url, "%s", wsock_conn_get_str(rec->conn, WSOCK_CONN_URL, NULL));
}
static void urls(void) {
  struct srv srv = {0};
  struct raw raw;
  char request[1000];
  wsock_loop *loop = new_loop();
  section("the URL of an accepted connection, whatever the form of the target");
  srv.hook = see_url;
  srv_listen(&srv, loop, NULL);
  for (size_t i = 0; i < COUNT(targets); i++) {
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\n" UPGRADE "\r\n", targets[i].target, targets[i].host);
    seen_url[0] = 0;
    raw_connect(&raw, loop, srv.port);
    raw_text(&raw, request);
    PUMP_UNTIL(loop, srv.count == (int)i + 1);
    CHECK_STR(seen_url, targets[i].url);
    raw_close(&raw);
  }
  free_loop(loop);
  srv_free(&srv);
}

/* Two that open, and of every kind that does not. */
static void figures(void) {
  struct srv srv = {0};
  struct raw raw, open[2], half[2], fetching;
  wsock_loop *loop = new_loop();
  wsock_options *o = option(new_options(), WSOCK_OPT_HANDSHAKE_TIMEOUT_MS, 100);
  section("every accepted connection is counted once");
  srv.request = route;
  srv_listen(&srv, loop, o);
  for (int i = 0; i < 2; i++) raw_upgrade(&open[i], loop, srv.port, "");

  static const char *const refused[] = {"GET /refuse HTTP/1.1\r\nHost: a\r\n" UPGRADE "\r\n", "GET / HTTP/1.1\r\nHost: a\r\n" UPGRADE "Host: b\r\n\r\n", "\x16\x03\x01\x02\r\n\r\n"};
  static const char *const plain[] = {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /small HTTP/1.1\r\nHost: a\r\n\r\n"};
  for (size_t i = 0; i < COUNT(refused) + COUNT(plain); i++) {
    raw_connect(&raw, loop, srv.port);
    raw_text(&raw, i < COUNT(refused) ? refused[i] : plain[i - COUNT(refused)]);
    RAW_UNTIL(&raw, raw.eof || raw.reset);
    raw_close(&raw);
  }
  /* nothing, half a head: too late */
  for (int i = 0; i < 2; i++) {
    raw_connect(&raw, loop, srv.port);
    raw_text(&raw, i ? "GET / HTTP/1.1\r\nHo" : "");
    RAW_UNTIL(&raw, raw.eof || raw.reset);
    raw_close(&raw);
  }
  /* nothing, half a head: hung up; and one that was reset */
  for (int i = 0; i < 3; i++) {
    raw_connect(&raw, loop, srv.port);
    raw_text(&raw, i ? "GET / HTTP/1.1\r\nHo" : "");
    PUMP_UNTIL(loop, server_stats(srv.server).handshakes == 1);
    if (i == 2) raw_reset(&raw);
    raw_close(&raw);
    PUMP_UNTIL(loop, server_stats(srv.server).handshakes == 0);
  }
  /* answered, and gone before the answer was */
  get(&raw, loop, srv.port, "/page", "");
  PUMP_UNTIL(loop, server_stats(srv.server).http_responses == 3);
  raw_reset(&raw);
  pump_for(loop, 20);
  wsock_server_stats stats = server_stats(srv.server);
  CHECK(stats.accepted == 13 && stats.opened == 2 && stats.refused == 3 && stats.http_responses == 3);
  CHECK(stats.handshake_timeouts == 2 && stats.handshake_errors == 3 && stats.handshakes == 0 && stats.connections == 2);

  section("handshakes that the end of the server cuts off, too");
  for (int i = 0; i < 2; i++) {
    raw_connect(&half[i], loop, srv.port);
    raw_text(&half[i], "GET / HTTP/1.1\r\nHo");
  }
  get(&fetching, loop, srv.port, "/page", "");
  PUMP_UNTIL(loop, server_stats(srv.server).http_responses == 4 && server_stats(srv.server).handshakes == 2);
  get(&raw, loop, srv.port, "/close", UPGRADE);
  RAW_UNTIL(&raw, raw.eof || raw.reset);
  for (int i = 0; i < 2; i++) {
    RAW_UNTIL(&half[i], half[i].eof || half[i].reset);
    raw_close(&half[i]);
  }
  stats = server_stats(srv.server); /* of which two still wait for the answer to their close frame */
  CHECK(stats.connections == 2 && stats.handshakes == 0 && stats.accepted == 17);
  CHECKF(stats.accepted == stats.opened + stats.refused + stats.http_responses + stats.handshake_timeouts + stats.handshake_errors,
         "accepted %d: opened %d, refused %d, plain %d, timed out %d, hung up %d", (int)stats.accepted, (int)stats.opened, (int)stats.refused,
         (int)stats.http_responses, (int)stats.handshake_timeouts, (int)stats.handshake_errors);
  CHECK_INT(srv.count, 2);
  raw_close(&raw);
  raw_close(&fetching);
  for (int i = 0; i < 2; i++) {
    CHECK_INT(raw_close_code(&open[i]), 1001);
    raw_close_frame(&open[i], 1, 1001, "");
  }
  PUMP_UNTIL(loop, srv.releases);
  for (int i = 0; i < 2; i++) {
    CHECK(srv.conn[i]->close.was_clean);
    raw_close(&open[i]);
  }
  free_loop(loop);
  wsock_options_free(o);
  srv_free(&srv);
}

static void paused_connections(void) {
  struct srv srv = {0};
  struct rec client[3];
  wsock_loop *loop = new_loop();
  section("server_close with paused connections: clean, with a peer that is well");
  memset(client, 0, sizeof client);
  srv_listen(&srv, loop, NULL);
  for (int i = 0; i < 3; i++) connect_to(&client[i], loop, url_of(srv.port, "/"), NULL);
  PUMP_UNTIL(loop, srv.count == 3 && client[0].opens && client[1].opens && client[2].opens);
  for (int i = 0; i < 3; i++) {
    CHECK_STATUS(wsock_conn_pause(srv.conn[i]->conn), WSOCK_OK);
    if (i) CHECK_STATUS(wsock_conn_send_text(client[i].conn, "unread", 6), WSOCK_OK);
  }
  pump_for(loop, 20);
  CHECK(srv.conn[0]->messages + srv.conn[1]->messages + srv.conn[2]->messages == 0);
  int64_t start = now_ms();
  CHECK_STATUS(wsock_server_close(srv.server, 0, 1001, "going"), WSOCK_OK);
  PUMP_UNTIL(loop, srv.releases);
  CHECKF(now_ms() - start < patience_ms() / 4, "after %d ms", (int)(now_ms() - start));
  for (int i = 0; i < 3; i++) {
    PUMP_UNTIL(loop, client[i].releases);
    CHECK(client[i].close.code == 1001 && client[i].close.was_clean == 1);
    CHECK(srv.conn[i]->close.code == 1001 && srv.conn[i]->close.was_clean == 1 && srv.conn[i]->close.initiator == WSOCK_BY_LOCAL);
    CHECK_ENDED(srv.conn[i]);
  }
  free_loop(loop);
  srv_free(&srv);
}

/* A client that is fetching a page when the server is closed: stuck, or slow to go when it has all of it. */
static void fetching(int reads) {
  struct srv srv = {0};
  struct raw raw;
  wsock_loop *loop = new_loop();
  wsock_options *o = option(new_options(), WSOCK_OPT_CLOSE_TIMEOUT_MS, 200);
  section(reads ? "server_close while a client fetches a page and then stays" : "server_close while a client fetches a page and is stuck");
  srv.request = route;
  srv_listen(&srv, loop, o);
  get(&raw, loop, srv.port, "/page", "");
  PUMP_UNTIL(loop, server_stats(srv.server).http_responses == 1);
  int64_t start = now_ms();
  CHECK_STATUS(wsock_server_close(srv.server, 0, 1001, NULL), WSOCK_OK);
  if (reads) {
    raw_head(&raw);
    RAW_UNTIL(&raw, raw.eof || raw.reset);
    CHECKF(raw.eof && raw.len == PAGE, "%zu bytes", raw.len);
  }
  PUMP_UNTIL(loop, srv.releases);
  CHECKF(now_ms() - start < (check_is_slow() ? 10000 : 2500), "after %d ms", (int)(now_ms() - start));
  raw_close(&raw);
  free_loop(loop);
  wsock_options_free(o);
}

/* So much that it is sent at once, behind the answer. */
static void greet_at_length(struct rec *rec, char event) {
  static const char greeting[20000];
  if (event == 'O') CHECK(wsock_conn_send_binary(rec->conn, greeting, sizeof greeting) >= 0);
}
static void gone_before_the_answer(void) {
  struct srv srv;
  struct raw raw;
  wsock_loop *loop = new_loop();
  section("a client that is gone before its answer leaves is told to have ended");
  memset(&srv, 0, sizeof srv);
  srv.hook = greet_at_length;
  srv_listen(&srv, loop, NULL);
  raw_connect(&raw, loop, srv.port);
  raw_text(&raw, "GET / HTTP/1.1\r\nHost: a\r\n" UPGRADE "\r\n");
  raw_reset(&raw);
  PUMP_UNTIL(loop, srv.count == 1 && srv.conn[0]->releases == 1);
  CHECK_STR(srv.conn[0]->log, "OECR");
  free_loop(loop);
  srv_free(&srv);
}

int main(void) {
  gone_before_the_answer();
  half_closing_clients();
  urls();
  figures();
  paused_connections();
  fetching(0);
  fetching(1);
  return check_end();
}
