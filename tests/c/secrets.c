/* Passwords, tokens and keys stay where they were put: no message of the library, no record of its log at any level, no
   reason, trace or figure has them, whatever goes wrong with them. */
#include "raw.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
/* Every secret below has one of these in it; the others are the first, as base64 and escaped. */
static const char *const traces[] = {"hunter2", "aHVudGVyMg", "h%75nter2", "dTpodW50ZXIy"};

static char told[1 << 20];
static size_t told_len;
static int records;
static void keep(const char *text) {
  size_t n = strlen(text);
  REQUIRE(told_len + n + 2 < sizeof told);
  memcpy(told + told_len, text, n);
  told_len += n;
  told[told_len++] = '\n';
  told[told_len] = 0;
}
static void log_record(wsock_loop *of, int32_t level, const char *target, const char *message, void *user_data) {
  (void)of, (void)level, (void)target, (void)user_data;
  records++;
  keep(message);
}
static void check_told(const char *where) {
  for (size_t i = 0; i < COUNT(traces); i++) {
    const char *found = strstr(told, traces[i]), *line = found;
    while (line && line > told && line[-1] != '\n') line--;
    CHECKF(found == NULL, "%s: \"%s\" is in \"%.300s\"", where, traces[i], line);
  }
  told_len = 0;
  told[0] = 0;
}

static wsock_loop *loop;
static uint16_t port;
static int listener;
static wsock_handlers handlers;

static wsock_status connects(wsock_options *o, const char *text) {
  wsock_conn *conn = NULL;
  return wsock_connect(loop, text, o, &handlers, NULL, &conn);
}
static wsock_status proxy(wsock_options *o, const char *text) { return wsock_options_set_str(o, WSOCK_OPT_PROXY, text); }
static wsock_status user(wsock_options *o, const char *text) { return wsock_options_set_str(o, WSOCK_OPT_USER, text); }
static wsock_status password(wsock_options *o, const char *text) { return wsock_options_set_str(o, WSOCK_OPT_PASSWORD, text); }
static wsock_status header(wsock_options *o, const char *text) { return wsock_options_add_header(o, "Authorization", text); }
static wsock_status header_line(wsock_options *o, const char *text) { return wsock_options_add_header(o, text, "v"); }
static wsock_status cookie(wsock_options *o, const char *text) { return wsock_options_add_cookie(o, "session", text); }
static wsock_status cookie_line(wsock_options *o, const char *text) { return wsock_options_add_cookie(o, text, "v"); }
static wsock_status key_file(wsock_options *o, const char *text) { return wsock_options_add_cert_files(o, "/dev/null", text); }
static wsock_status both_files(wsock_options *o, const char *text) { return wsock_options_add_cert_files(o, text, text); }
static wsock_status key_text(wsock_options *o, const char *text) { return wsock_options_add_cert_pem(o, "no certificate", text); }
static wsock_status chain_text(wsock_options *o, const char *text) { return wsock_options_add_cert_pem(o, text, "no key"); }

/* Mistakes, each with a secret in it. */
#define PEM "-----BEGIN PRIVATE KEY-----\nhunter2aHVudGVyMg==\n-----END PRIVATE KEY-----\n"
static const struct { const char *text; wsock_status (*put)(wsock_options *o, const char *text); } mistakes[] = {
    {"ws://u:hunter2@127.0.0.1:port/", connects},
    {"ws://u:hunter2@/", connects},
    {"ws://u:hun/hunter2@127.0.0.1/", connects},
    {"ws://u:hun?hunter2@127.0.0.1/", connects},
    {"ws://u:hunter2@127.0.0.1/#top", connects},
    {"ws://u:hunter2@127.0.0.1/a b", connects},
    {"ws://u:hunter2@127.0.0.1/\n", connects},
    {"ws://u:hunter2@[::1", connects},
    {"ws://u:hunter2%00@127.0.0.1/", connects},
    {"ws://u:hunter2%ff@127.0.0.1/", connects},
    {"ws://u%3a:hunter2@127.0.0.1/", connects},
    {"ws://u:hunter2@ex\xc3\xa4mple.org/", connects},
    {"ws://u:hunter2@127.0.0.1:99999/", connects},
    {"ftp://u:hunter2@127.0.0.1/", connects},
    {"u:hunter2@127.0.0.1", connects},
    {"u:hunter2://127.0.0.1/@", connects},
    {"ws://127.0.0.1:port/?token=hunter2", connects},
    {"ws+unix:relative:/?token=hunter2", connects},
    {"ws+unix:/a%00:/?token=hunter2", connects},
    {"http://u:hunter2@a.example:port", proxy},
    {"http://u:hun/hunter2@a.example", proxy},
    {"http://u:hun#hunter2@a.example", proxy},
    {"gopher://u:hunter2@a.example", proxy},
    {"u:hunter2://a.example", proxy},
    {"http://u:hunter2@", proxy},
    {"http://u:hunter2@a.example/path", proxy},
    {"http://u%3a:hunter2@a.example", proxy},
    {"socks5://u:hunter2%0a@a.example", proxy},
    {"hunter2:\n", user},
    {"u:hunter2", user},
    {"hunter2\n", password},
    {"Bearer hunter2\r\n", header},
    {"Authorization: Bearer hunter2", header_line},
    {"hunter2;", cookie},
    {"session=hunter2", cookie_line},
    {"bearer.hunter2=", wsock_options_add_protocol},
    {"bearer hunter2", wsock_options_add_protocol},
    {PEM, key_file},
    {PEM, both_files},
    {PEM, key_text},
    {PEM, chain_text},
};
static void refusals(void) {
  section("mistakes with secrets in them");
  for (size_t i = 0; i < COUNT(mistakes); i++) {
    wsock_options *o = new_options();
    wsock_status status = mistakes[i].put(o, mistakes[i].text);
    CHECKF(status < 0, "taken: %s", mistakes[i].text);
    keep(last_text());
    check_told(mistakes[i].text);
    wsock_options_free(o);
  }
  section("a proxy of the environment");
  static const char *const values[] = {"http://u:hunter2@:port", "gopher://u:hunter2@a.example", "http://u:hun/hunter2@a.example"};
  for (size_t i = 0; i < COUNT(values); i++) {
    struct rec client = {0};
    wsock_options *o = option(new_options(), WSOCK_OPT_PROXY_FROM_ENV, 1);
    wsock_handlers h = rec_handlers();
    setenv("http_proxy", values[i], 1);
    if (wsock_connect(loop, "ws://server.example/", o, &h, &client, &client.conn) == WSOCK_OK) {
      PUMP_UNTIL(loop, client.releases);
      keep(client.error.message);
    } else {
      keep(last_text());
    }
    check_told(values[i]);
    wsock_options_free(o);
  }
  unsetenv("http_proxy");
}

/* One exchange: what the library sends has the secret, and nothing that it tells. The answer ends it. */
static void read_all(struct rec *rec, char event) {
  const char *text = NULL;
  char url[200];
  if (event != 'E' && event != 'C') return;
  snprintf(url, sizeof url, "%s", wsock_conn_get_str(rec->conn, WSOCK_CONN_URL, NULL));
  url[strcspn(url, "?")] = 0; /* whoever asks for the URL is told its query */
  keep(url);
  if (wsock_conn_trace(rec->conn, &text, NULL) == WSOCK_OK) keep(text);
  if (wsock_loop_metrics(loop, &text, NULL) == WSOCK_OK) keep(text);
  keep(rec->error.message);
}
static void exchange(const char *where, const char *url, const wsock_options *o, const char *expected, const char *answer, int again) {
  struct rec client = {0};
  struct raw raw;
  int before = records;
  client.hook = read_all;
  connect_to(&client, loop, url, o);
  for (int i = 0; i <= again; i++) {
    const char *head = raw_accept(&raw, loop, listener);
    if (i == again) CHECKF(strstr(head, expected) != NULL, "%s: not sent\n%s", where, head);
    raw_text(&raw, answer);
    if (i == again) shutdown(raw.fd, SHUT_WR);
    else RAW_UNTIL(&raw, raw.eof || raw.reset);
    if (i < again) raw_close(&raw);
  }
  PUMP_UNTIL(loop, client.releases);
  CHECK(client.errors == 1);
  keep(client.reason);
  pump(loop);
  CHECK(records > before);
  check_told(where);
  raw_close(&raw);
  rec_free(&client);
}
static wsock_options *proxied(const char *scheme, const char *userinfo) {
  char url[100];
  wsock_options *o = new_options();
  snprintf(url, sizeof url, "%s://%s@127.0.0.1:%u", scheme, userinfo, (unsigned)port);
  CHECK_STATUS(wsock_options_set_str(o, WSOCK_OPT_PROXY, url), WSOCK_OK);
  return o;
}
static void failures(void) {
  char url[100];
  wsock_options *o = option(new_options(), WSOCK_OPT_TRACE_FRAMES, 10);
  section("attempts that fail");
  snprintf(url, sizeof url, "ws://u:hunter2@127.0.0.1:%u/?token=h%%75nter2", (unsigned)port);
  exchange("Basic, refused", url, o, "Basic dTpodW50ZXIy", "HTTP/1.1 401 no\r\nContent-Length: 0\r\n\r\n", 0);
  exchange("Basic, no HTTP", url, o, "Basic dTpodW50ZXIy", "SSH-2.0-x\r\n", 0);
  exchange("Basic, an answer that repeats it", url, o, "Basic dTpodW50ZXIy", "HTTP/1.1 403 no\r\nX-Sent: dTpodW50ZXIy\r\nContent-Length: 7\r\n\r\nhunter2", 0);
  CHECK_STATUS(wsock_options_set_str(o, WSOCK_OPT_USER, "u"), WSOCK_OK);
  CHECK_STATUS(wsock_options_set_str(o, WSOCK_OPT_PASSWORD, "hunter2"), WSOCK_OK);
  exchange("Digest, refused", url_of(port, "/"), o, "Digest username=\"u\"", "HTTP/1.1 401 no\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\nContent-Length: 0\r\n\r\n", 1);
  exchange("Basic when asked, refused", url_of(port, "/"), o, "Basic dTpodW50ZXIy", "HTTP/1.1 401 no\r\nWWW-Authenticate: Basic realm=\"r\"\r\nContent-Length: 0\r\n\r\n", 1);
  CHECK_STATUS(wsock_options_add_header(o, "Authorization", "Bearer hunter2"), WSOCK_OK);
  CHECK_STATUS(wsock_options_add_cookie(o, "session", "hunter2"), WSOCK_OK);
  exchange("a header and a cookie", url_of(port, "/"), o, "Bearer hunter2", "HTTP/1.1 500 no\r\nContent-Length: 0\r\n\r\n", 0);
  wsock_options_free(o);
  o = option(new_options(), WSOCK_OPT_MAX_REDIRECTS, 1);
  exchange("a redirect with a secret", url_of(port, "/"), o, "GET /", "HTTP/1.1 302 no\r\nLocation: ws://u:hun/hunter2@127.0.0.1/\r\nContent-Length: 0\r\n\r\n", 0);
  exchange("another", url_of(port, "/"), o, "GET /", "HTTP/1.1 302 no\r\nLocation: gopher://u:hunter2@127.0.0.1/\r\nContent-Length: 0\r\n\r\n", 0);
  exchange("and another", url_of(port, "/"), o, "GET /", "HTTP/1.1 302 no\r\nLocation: ws://u:hunter2%00@127.0.0.1/?token=hunter2\r\nContent-Length: 0\r\n\r\n", 0);
  wsock_options_free(o);

  section("proxies that refuse");
  o = proxied("http", "u:hunter2");
  exchange("407", "ws://server.example/?token=hunter2", o, "Proxy-Authorization: Basic dTpodW50ZXIy", "HTTP/1.1 407 no\r\nProxy-Authenticate: Basic realm=x\r\n\r\n", 0);
  exchange("502", "ws://v:hunter2@server.example/", o, "Proxy-Authorization: Basic dTpodW50ZXIy", "HTTP/1.1 502 no\r\n\r\n", 0);
  wsock_options_free(o);
  struct rec client = {0};
  struct raw raw;
  client.hook = read_all;
  o = proxied("socks5h", "u:hunter2");
  connect_to(&client, loop, "ws://server.example/", o);
  raw_accept_silent(&raw, loop, listener);
  RAW_UNTIL(&raw, raw.len >= 3);
  raw_take(&raw, raw.len);
  raw_send(&raw, "\x05\x02", 2);
  RAW_UNTIL(&raw, raw.len >= 11);
  CHECK(memmem(raw.in, raw.len, "hunter2", 7) != NULL);
  raw_send(&raw, "\x01\x01", 2);
  PUMP_UNTIL(loop, client.releases);
  CHECK_INT(client.error.code, WSOCK_ERR_PROXY);
  pump(loop);
  check_told("SOCKS");
  raw_close(&raw);
  wsock_options_free(o);

  section("nobody there, and coming back");
  memset(&client, 0, sizeof client);
  o = option(option(new_options(), WSOCK_OPT_RECONNECT, 1), WSOCK_OPT_RECONNECT_FIRST_MS, 1);
  snprintf(url, sizeof url, "ws://u:hunter2@127.0.0.1:%u/?token=hunter2", (unsigned)raw_dead_port());
  client.reconnects = 1;
  connect_to(&client, loop, url, o);
  PUMP_UNTIL(loop, client.releases);
  keep(client.error.message);
  keep(client.retry_error.message);
  pump(loop);
  check_told("a dead port");
  wsock_options_free(o);
}

/* A server's side: what strangers send it. */
static void strangers(void) {
  static const char *const requests[] = {
      "GET /?token=hunter2 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer hunter2\r\nCookie: session=hunter2\r\n\r\n",
      "GET /?token=hunter2 HTTP/1.1\r\nHost: a\r\nAuthorization Bearer hunter2\r\n\r\n",
      "GET /?token=hunter2 HTTP/1.1\r\nHost: a\r\nCookie: hunter2\x01\r\n\r\n",
      "GET http://u:hunter2@a/?token=hunter2 HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET /?token=hunter2 HTTP/2.0\r\nHost: a\r\n\r\n",
      "GET /?token=hunter2 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: hunter2\r\nAuthorization: hunter2\r\n\r\n",
  };
  static struct srv srv; /* until the loop is freed */
  struct raw raw;
  section("what strangers send to a server");
  srv_listen(&srv, loop, NULL);
  for (size_t i = 0; i < COUNT(requests); i++) {
    raw_connect(&raw, loop, srv.port);
    raw_text(&raw, requests[i]);
    RAW_UNTIL(&raw, raw.eof || raw.reset);
    CHECKF(memmem(raw.in, raw.len, "hunter2", 7) == NULL, "repeated: %.*s", (int)raw.len, (const char *)raw.in);
    raw_close(&raw);
    pump(loop);
    check_told(requests[i]);
  }
  int before = records;
  raw_upgrade(&raw, loop, srv.port, "Authorization: Bearer hunter2\r\nCookie: session=hunter2\r\n");
  raw_frame(&raw, 0x81, 1, "hunter2", 7);
  PUMP_UNTIL(loop, srv.count == 1 && srv.conn[0]->messages == 1);
  raw_frame(&raw, 0x82, 0, "hunter2", 7); /* not masked */
  PUMP_UNTIL(loop, srv.conn[0]->releases);
  keep(srv.conn[0]->error.message);
  pump(loop);
  CHECK(records > before);
  check_told("an open connection that breaks the rules");
  raw_close(&raw);
  srv_free(&srv);
}

int main(void) {
  loop = new_loop();
  listener = raw_listen(&port, 8);
  memset(&handlers, 0, sizeof handlers);
  handlers.struct_size = sizeof handlers;
  CHECK_STATUS(wsock_loop_set_log(loop, WSOCK_LOG_TRACE, log_record, NULL, NULL), WSOCK_OK);
  refusals();
  failures();
  strangers();
  close(listener);
  free_loop(loop);
  return check_end();
}
