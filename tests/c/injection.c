/* Nothing that a program or a peer can say becomes a line of its own in what is sent: each text that goes into an
   HTTP head is tried with line ends and control characters, and what leaves is compared byte for byte. */
#include "raw.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define EVIL "Evil: 1"
static const char *const poisons[] = {"\r\n" EVIL, "\n" EVIL, "\r" EVIL, "\r\n\r\n", "\x01", "\x1b[2J", "\x7f", "\xff"};

static wsock_loop *loop;
static uint16_t port; /* a server of bytes */
static int listener;
static wsock_handlers handlers;

static wsock_status name(wsock_options *o, const char *text) { return wsock_options_add_header(o, text, "v"); }
static wsock_status value(wsock_options *o, const char *text) { return wsock_options_add_header(o, "X-Value", text); }
static wsock_status cookie_name(wsock_options *o, const char *text) { return wsock_options_add_cookie(o, text, "v"); }
static wsock_status cookie_value(wsock_options *o, const char *text) { return wsock_options_add_cookie(o, "c", text); }
static wsock_status user(wsock_options *o, const char *text) { return wsock_options_set_str(o, WSOCK_OPT_USER, text); }
static wsock_status password(wsock_options *o, const char *text) { return wsock_options_set_str(o, WSOCK_OPT_PASSWORD, text); }
static wsock_status origin(wsock_options *o, const char *text) { return wsock_options_set_str(o, WSOCK_OPT_ORIGIN, text); }
static wsock_status proxy(wsock_options *o, const char *text) { return wsock_options_set_str(o, WSOCK_OPT_PROXY, text); }
static wsock_status server_name(wsock_options *o, const char *text) {
  wsock_status status = wsock_options_set_str(o, WSOCK_OPT_TLS_SERVER_NAME, text);
  return status == WSOCK_ERR_UNSUPPORTED ? WSOCK_ERR_INVALID_ARGUMENT : status; /* a library without TLS */
}
static wsock_status connects(wsock_options *o, const char *text) {
  wsock_conn *conn = NULL;
  return wsock_connect(loop, text, o, &handlers, NULL, &conn);
}
static wsock_status retargets(wsock_options *o, const char *text) {
  wsock_conn *conn = NULL;
  option(o, WSOCK_OPT_RECONNECT, 1);
  REQUIRE(wsock_connect(loop, url_of(raw_dead_port(), "/"), o, &handlers, NULL, &conn) == WSOCK_OK);
  wsock_status status = wsock_conn_set_target(conn, text, NULL);
  wsock_error_info why = last_error();
  CHECK_STATUS(wsock_conn_abort(conn), WSOCK_OK);
  CHECK_STATUS(wsock_conn_set_target(conn, text, NULL), status); /* so that the last error is its own */
  CHECK_INT(last_error().code, why.code);
  return status;
}
/* Where a text goes in, with %s for it; those with percent signs are decoded before they are looked at. */
static const struct { const char *where, *pattern; wsock_status (*put)(wsock_options *o, const char *text); } places[] = {
    {"the name of a header", "X%s", name},
    {"the value of a header", "v%s", value},
    {"the name of a cookie", "c%s", cookie_name},
    {"the value of a cookie", "v%s", cookie_value},
    {"a subprotocol", "chat%s", wsock_options_add_protocol},
    {"the user", "u%s", user},
    {"the password", "p%s", password},
    {"the Origin", "https://a.example%s", origin},
    {"an origin to let in", "https://a.example%s", wsock_options_add_origin},
    {"a trusted proxy", "10.0.0.0/8%s", wsock_options_add_trusted_proxy},
    {"the name for TLS", "a.example%s", server_name},
    {"a proxy's host", "http://a%s.example:1", proxy},
    {"a proxy's user", "http://u%s:p@a.example:1", proxy},
    {"a proxy's password", "socks5://u:p%s@a.example:1", proxy},
    {"a URL's host", "ws://127.0.0.1%s/", connects},
    {"a URL's user", "ws://u%s:p@127.0.0.1/", connects},
    {"a URL's password", "ws://u:p%s@127.0.0.1/", connects},
    {"a URL's path", "ws://127.0.0.1/a%s", connects},
    {"a URL's query", "ws://127.0.0.1/?a=%s", connects},
    {"the path of a Unix socket", "ws+unix:/nowhere%s:/", connects},
    {"the resource behind a Unix socket", "ws+unix:/nowhere:/%s", connects},
    {"the next URL's path", "ws://127.0.0.1/a%s", retargets},
    {"the next URL's user", "ws://u%s@127.0.0.1/a", retargets},
};
/* The same poisons in escapes, where escapes are decoded. */
static const char *const escaped[] = {"%0d%0aEvil:%201", "%0A", "%0D", "%00", "%7f", "%1b"};

static void refused(const char *where, const char *pattern, wsock_status (*put)(wsock_options *, const char *), const char *poison) {
  char text[200];
  wsock_options *o = new_options();
  const char *at = strstr(pattern, "%s");
  snprintf(text, sizeof text, "%.*s%s%s", (int)(at - pattern), pattern, poison, at + 2);
  wsock_status status = put(o, text);
  CHECKF(status == WSOCK_ERR_INVALID_ARGUMENT, "%s took \"%s\": %d", where, poison, (int)status);
  CHECKF(is_one_line(last_text(), 232), "%s: %s", where, last_text());
  wsock_options_free(o);
}
static void from_the_program(void) {
  section("what a program sets");
  for (size_t i = 0; i < COUNT(places); i++) {
    wsock_options *o = new_options();
    char text[200];
    const char *at = strstr(places[i].pattern, "%s");
    snprintf(text, sizeof text, "%.*s%s", (int)(at - places[i].pattern), places[i].pattern, at + 2);
    wsock_status good = places[i].put(o, text); /* else a refusal would prove nothing */
    CHECKF(good == WSOCK_OK || (places[i].put == server_name && good == WSOCK_ERR_INVALID_ARGUMENT) || good == WSOCK_ERR_UNSUPPORTED,
           "%s: %s: %s", places[i].where, text, last_text());
    wsock_options_free(o);
    for (size_t k = 0; good == WSOCK_OK && k < COUNT(poisons); k++) refused(places[i].where, places[i].pattern, places[i].put, poisons[k]);
  }
  section("what a program sets in escapes");
  for (size_t i = 0; i < COUNT(escaped); i++) {
    refused("a URL's user", "ws://u%s:p@127.0.0.1/", connects, escaped[i]);
    refused("a URL's password", "ws://u:p%s@127.0.0.1/", connects, escaped[i]);
    refused("a URL's host", "ws://a%s.example/", connects, escaped[i]);
    refused("a proxy's user", "http://u%s:p@a.example:1", proxy, escaped[i]);
    refused("a proxy's password", "socks5://u:p%s@a.example:1", proxy, escaped[i]);
    refused("a proxy's host", "http://a%s.example:1", proxy, escaped[i]);
  }
  section("headers that say where a message ends are the library's");
  static const char *const ours[] = {"Host", "upgrade", "CONNECTION", "Content-Length", "transfer-encoding", "Sec-WebSocket-Key", "Sec-WebSocket-Anything"};
  for (size_t i = 0; i < COUNT(ours); i++) {
    wsock_options *o = new_options();
    CHECK_REFUSED(wsock_options_add_header(o, ours[i], "v"), WSOCK_ERR_INVALID_ARGUMENT);
    wsock_options_free(o);
  }
}

/* Lines of a head, without the empty one. */
static int lines_of(const char *head) {
  int n = 0;
  for (const char *at = head; (at = strstr(at, "\r\n")) != NULL; at += 2) n++;
  return n - 1;
}
static void check_head(const char *head, const char *first, int lines) {
  CHECKF(strncmp(head, first, strlen(first)) == 0, "%s", head);
  CHECKF(lines_of(head) == lines && strstr(head, "\n" EVIL) == NULL && strstr(head, "\r" EVIL) == NULL, "%d lines:\n%s", lines_of(head), head);
  for (const char *at = head; *at; at++) {
    int is_end = (at[0] == '\r' && at[1] == '\n') || (at[0] == '\n' && at > head && at[-1] == '\r');
    CHECKF(is_end || ((unsigned char)*at >= ' ' && *at != 127), "byte %d in\n%s", *at, head);
  }
}
static void leave(struct rec *client, struct raw *raw) {
  raw_close(raw);
  PUMP_UNTIL(loop, client->releases);
  CHECK_ENDED(client);
  rec_free(client);
}

static void escapes_stay_escapes(void) {
  struct rec client = {0};
  struct raw raw;
  char url[200];
  section("escapes of a path go as they are");
  connect_to(&client, loop, url_of(port, "/a%0d%0aEvil:%201?b%0D%0Ac%00"), NULL);
  check_head(raw_accept(&raw, loop, listener), "GET /a%0d%0aEvil:%201?b%0D%0Ac%00 HTTP/1.1\r\n", 6);
  leave(&client, &raw);

  section("so do those of a Location");
  wsock_options *o = option(new_options(), WSOCK_OPT_MAX_REDIRECTS, 1);
  memset(&client, 0, sizeof client);
  connect_to(&client, loop, url_of(port, "/"), o);
  raw_accept(&raw, loop, listener);
  raw_text(&raw, "HTTP/1.1 302 x\r\nLocation: /b%0d%0aEvil:%201\r\nContent-Length: 0\r\n\r\n");
  RAW_UNTIL(&raw, raw.eof || raw.reset);
  raw_close(&raw);
  check_head(raw_accept(&raw, loop, listener), "GET /b%0d%0aEvil:%201 HTTP/1.1\r\n", 6);
  leave(&client, &raw);

  section("a Location with a user that would be a line, and one with a line end of its own");
  static const char *const locations[] = {"ws://u%%0d%%0aEvil:p@127.0.0.1:%u/", "ws://a%%0d%%0a.example:%u/", "/a\rEvil: %u", "/a\nEvil: %u", "/a\x01%u"};
  for (size_t i = 0; i < COUNT(locations); i++) {
    char location[100], answer[200];
    memset(&client, 0, sizeof client);
    connect_to(&client, loop, url_of(port, "/"), o);
    raw_accept(&raw, loop, listener);
    snprintf(location, sizeof location, locations[i], (unsigned)port);
    snprintf(answer, sizeof answer, "HTTP/1.1 302 x\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", location);
    raw_text(&raw, answer);
    PUMP_UNTIL(loop, client.releases);
    CHECKF(client.error.code == (i < 2 ? WSOCK_ERR_REDIRECT : WSOCK_ERR_HANDSHAKE), "%d %s", (int)client.error.code, client.error.message);
    CHECK(raw_nobody(listener));
    leave(&client, &raw);
  }
  wsock_options_free(o);

  section("a challenge that would end its own quotes");
  snprintf(url, sizeof url, "ws://u%%22,x=%%22:p@127.0.0.1:%u/", (unsigned)port);
  memset(&client, 0, sizeof client);
  connect_to(&client, loop, url, NULL);
  raw_accept(&raw, loop, listener);
  raw_text(&raw, "HTTP/1.1 401 x\r\nWWW-Authenticate: Digest realm=\"r\\\", response=\\\"evil\", nonce=\"n\\\\\", opaque=\"o\\\"\"\r\nContent-Length: 0\r\n\r\n");
  RAW_UNTIL(&raw, raw.eof || raw.reset);
  raw_close(&raw);
  const char *head = raw_accept(&raw, loop, listener);
  check_head(head, "GET / HTTP/1.1\r\n", 7);
  const char *answer = head_value(head, "Authorization");
  CHECKF(strncmp(answer, "Digest username=\"u\\\",x=\\\"\", realm=\"r\\\", response=\\\"evil\", nonce=\"n\\\\\", uri=\"/\", response=\"", 82) == 0, "%s", answer);
  CHECKF(strstr(answer, "opaque=\"o\\\"\"") != NULL, "%s", answer);
  leave(&client, &raw);
}

/* A server's answers, and what it was made to say. */
static int asks;
static int32_t poisoned(struct srv *srv, wsock_request *request) {
  char text[100];
  (void)srv;
  for (size_t i = 0; i < COUNT(poisons); i++) {
    snprintf(text, sizeof text, "v%s", poisons[i]);
    CHECK_REFUSED(wsock_request_add_header(request, "X-Value", text), WSOCK_ERR_INVALID_ARGUMENT);
    CHECK_REFUSED(wsock_request_add_header(request, text, "v"), WSOCK_ERR_INVALID_ARGUMENT);
    CHECK_REFUSED(wsock_request_set_body(request, text, "b", 1), WSOCK_ERR_INVALID_ARGUMENT);
    snprintf(text, sizeof text, "chat%s", poisons[i]);
    wsock_status status = wsock_request_select_protocol(request, text);
    CHECKF(status == WSOCK_ERR_INVALID_ARGUMENT || (status == WSOCK_ERR_STATE && !wsock_request_is_upgrade(request)), "%d", (int)status);
  }
  CHECK_REFUSED(wsock_request_add_header(request, "Content-Length", "0"), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_request_add_header(request, "Sec-WebSocket-Accept", "x"), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(wsock_request_add_header(request, "X-Good", "v"), WSOCK_OK);
  return asks++ == 0 ? 0 : 403;
}
static void from_a_server(void) {
  static struct srv srv; /* until the loop is freed */
  struct raw raw;
  section("what a server answers");
  srv.request = poisoned;
  srv_listen(&srv, loop, NULL);
  check_head(raw_upgrade(&raw, loop, srv.port, "Sec-WebSocket-Protocol: chat\r\n"), "HTTP/1.1 101 ", 5);
  raw_close(&raw);
  raw_connect(&raw, loop, srv.port);
  raw_text(&raw, "GET /%0d%0aEvil:%201 HTTP/1.1\r\nHost: a\r\n\r\n");
  check_head(raw_head(&raw), "HTTP/1.1 403 ", 4);
  raw_close(&raw);
  CHECK_INT(asks, 2);
  PUMP_UNTIL(loop, srv.conn[0]->releases);

  section("a refusal does not repeat what was asked");
  raw_connect(&raw, loop, srv.port);
  raw_text(&raw, "GET /\rEvil: HTTP/1.1\r\nHost: a\r\n\r\n");
  check_head(raw_head(&raw), "HTTP/1.1 400 ", 4);
  RAW_UNTIL(&raw, raw.eof || raw.reset);
  CHECK(raw.len == 0 || memmem(raw.in, raw.len, "Evil", 4) == NULL);
  raw_close(&raw);
  CHECK_INT(asks, 2);
  srv_free(&srv);
}

/* What would clear a terminal or turn its writing around does not get into messages. */
static void in_messages(void) {
  static const char *const phrases[] = {"\xc2\x9b" "2J", "\xe2\x80\xae" "txt", "\xe2\x80\xa8" "line", "\xe2\x81\xa6"};
  section("a server's words in a message");
  for (size_t i = 0; i < COUNT(phrases); i++) {
    struct rec client = {0};
    struct raw raw;
    char answer[100];
    connect_to(&client, loop, url_of(port, "/"), NULL);
    raw_accept(&raw, loop, listener);
    snprintf(answer, sizeof answer, "HTTP/1.1 500 so%s\r\nContent-Length: 0\r\n\r\n", phrases[i]);
    raw_text(&raw, answer);
    PUMP_UNTIL(loop, client.releases);
    CHECK(client.error.http_status == 500 || client.error.code == WSOCK_ERR_HANDSHAKE);
    CHECKF(strstr(client.error.message, phrases[i]) == NULL, "%s", client.error.message);
    leave(&client, &raw);
  }
}

int main(void) {
  loop = new_loop();
  listener = raw_listen(&port, 8);
  memset(&handlers, 0, sizeof handlers);
  handlers.struct_size = sizeof handlers;
  from_the_program();
  escapes_stay_escapes();
  from_a_server();
  in_messages();
  close(listener);
  free_loop(loop);
  return check_end();
}
