/* Through proxies: HTTP CONNECT and SOCKS5, spoken byte by byte by a proxy that is written here. What
   the proxy connects to is played by the same socket once it has made way. */
#include "raw.h"

#include <stddef.h>
#include <sys/un.h>

static wsock_loop *loop;
static int listener;
static uint16_t port;
static struct rec client;
static struct raw raw;

static const char *proxy_url(const char *scheme, const char *userinfo) {
  static char url[400];
  snprintf(url, sizeof url, "%s://%s127.0.0.1:%u", scheme, userinfo, (unsigned)port);
  return url;
}
static wsock_options *through(const char *proxy) {
  wsock_options *o = new_options();
  REQUIRE(wsock_options_set_str(o, WSOCK_OPT_PROXY, proxy) == WSOCK_OK);
  return o;
}
static void begin(const char *url, const wsock_options *options) {
  rec_free(&client);
  memset(&client, 0, sizeof client);
  connect_to(&client, loop, url, options);
}
static void leave(void) {
  CHECK_STATUS(wsock_conn_abort(client.conn), WSOCK_OK);
  PUMP_UNTIL(loop, client.releases);
  CHECK_ENDED(&client);
  raw_close(&raw);
}
/* It ended before it was open; the line has these words in it. */
static void expect_failure(int32_t code, const char *words) {
  PUMP_UNTIL(loop, client.releases);
  CHECK_ENDED(&client);
  CHECKF(client.opens == 0 && client.error.code == code && strstr(client.error.message, words), "%d \"%s\", expected %d \"%s\"",
         (int)client.error.code, client.error.message, (int)code, words);
  if (code == WSOCK_ERR_PROXY) CHECK_INT(client.close.layer, WSOCK_LAYER_PROXY);
  CHECK(strstr(client.error.message, "secret") == NULL);
  raw_close(&raw);
}
/* Sends in single bytes, each with a turn of the loop of its own. */
static void drip(const void *data, size_t len) {
  for (size_t i = 0; i < len; i++) {
    raw_send(&raw, (const char *)data + i, 1);
    pump(loop);
  }
}
/* The way is free: from here on it is as if there were no proxy. */
static void expect_open(const char *request, const char *host) {
  const char *head = raw_head(&raw);
  CHECKF(strncmp(head, request, strlen(request)) == 0, "%.100s", head);
  CHECK_STR(head_value(head, "Host"), host);
  CHECK(!strcasestr(head, "Proxy-"));
  raw_welcome(&raw, head, "");
  raw_frame(&raw, 0x81, 0, "hello", 5);
  PUMP_UNTIL(loop, client.messages == 1 || client.closes);
  CHECKF(client.messages == 1, "%s", client.error.message);
  CHECK_STATUS(wsock_conn_send_text(client.conn, "through", 7), WSOCK_OK);
  static struct frame frame;
  CHECK(raw_next(&raw, &frame) && frame.first == 0x81 && frame.masked && frame.len == 7 && memcmp(frame.data, "through", 7) == 0);
}

static void connecting(void) {
  static const char established[] = "HTTP/1.1 200 Connection established\r\nVia: some proxy\r\n\r\n";
  static const char *const urls[][3] = {
      {"ws://server.example:8080/chat?x=1", "server.example:8080", "server.example:8080"},
      {"ws://server.example/chat?x=1", "server.example:80", "server.example"},
      {"ws://192.0.2.7:81/chat?x=1", "192.0.2.7:81", "192.0.2.7:81"},
      {"ws://[2001:db8::7]:81/chat?x=1", "[2001:db8::7]:81", "[2001:db8::7]:81"},
  };
  char expected[400];
  wsock_options *o = through(proxy_url("http", ""));
  CHECK_STATUS(wsock_options_add_header(o, "Authorization", "Bearer t0ken"), WSOCK_OK);
  CHECK_STATUS(wsock_options_add_cookie(o, "sid", "1"), WSOCK_OK);
  section("CONNECT, exactly, and nothing of what is for the server");
  for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
    begin(urls[i][0], o);
    snprintf(expected, sizeof expected, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", urls[i][1], urls[i][1]);
    CHECK_STR(raw_accept(&raw, loop, listener), expected);
    CHECK_INT(raw.len, 0); /* it waits for the answer */
    raw_text(&raw, established);
    expect_open("GET /chat?x=1 HTTP/1.1\r\n", urls[i][2]);
    CHECK_STR(wsock_conn_get_str(client.conn, WSOCK_CONN_URL, NULL), urls[i][0]);
    leave();
  }
  section("user and password for the proxy, and for nobody else");
  wsock_options_free(o);
  o = through(proxy_url("http", "user:p%40ss@"));
  begin("ws://server.example:8080/", o);
  CHECK_STR(raw_accept(&raw, loop, listener),
            "CONNECT server.example:8080 HTTP/1.1\r\nHost: server.example:8080\r\nProxy-Authorization: Basic dXNlcjpwQHNz\r\n\r\n");
  section("an answer in single bytes, after an interim one");
  drip("HTTP/1.1 103 Wait\r\n\r\n", 21);
  drip(established, strlen(established));
  expect_open("GET / HTTP/1.1\r\n", "server.example:8080");
  leave();
  section("the other old ways to say yes");
  begin("ws://server.example:8080/", o);
  raw_accept(&raw, loop, listener);
  raw_text(&raw, "HTTP/1.0 201 \r\n\r\n");
  expect_open("GET / HTTP/1.1\r\n", "server.example:8080");
  leave();
  section("what the server says right behind the proxy's answer is not lost");
  begin("ws://server.example:8080/", o);
  raw_accept(&raw, loop, listener);
  raw_text(&raw, "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
  expect_failure(WSOCK_ERR_HTTP_STATUS, "503");
  CHECK_INT(client.close.layer, WSOCK_LAYER_HTTP);
  section("a redirect asks the proxy for the other server");
  option(o, WSOCK_OPT_MAX_REDIRECTS, 1);
  begin("ws://server.example:8080/", o);
  raw_accept(&raw, loop, listener);
  raw_text(&raw, established);
  raw_head(&raw);
  raw_text(&raw, "HTTP/1.1 302 Found\r\nLocation: ws://other.example/x\r\nContent-Length: 0\r\n\r\n");
  RAW_UNTIL(&raw, raw.eof || raw.reset);
  raw_close(&raw);
  CHECK(strncmp(raw_accept(&raw, loop, listener), "CONNECT other.example:80 HTTP/1.1\r\n", 35) == 0);
  raw_text(&raw, established);
  expect_open("GET /x HTTP/1.1\r\n", "other.example");
  leave();
  wsock_options_free(o);
}

static void refused(void) {
  static const struct { const char *userinfo, *answer; int status; const char *words; } answers[] = {
      {"", "HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n", 407, "407 Who are you"},
      {"u:secret@", "HTTP/1.1 407 Wrong\r\nProxy-Authenticate: Basic realm=x\r\n\r\n", 407, "407 Wrong"},
      {"", "HTTP/1.1 403 Not from here\r\n\r\n", 403, "403 Not from here"},
      {"", "HTTP/1.1 502 Bad Gateway\r\n\r\n", 502, "502"},
      {"", "HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n", 302, "302"},
      {"", "HTTP/1.1 101 Switching Protocols\r\n\r\n", 101, "101"},
      {"", "SSH-2.0-something\r\n\r\n", 0, "proxy"},
  };
  section("a proxy that refuses: its status and its words");
  for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
    wsock_options *o = through(proxy_url("http", answers[i].userinfo));
    begin("ws://server.example/", o);
    raw_accept(&raw, loop, listener);
    raw_text(&raw, answers[i].answer);
    expect_failure(WSOCK_ERR_PROXY, answers[i].words);
    CHECK_INT(client.error.http_status, answers[i].status);
    wsock_options_free(o);
  }
  wsock_options *o = through(proxy_url("http", "u:secret@"));
  section("a proxy that hangs up");
  begin("ws://server.example/", o);
  raw_accept(&raw, loop, listener);
  raw_text(&raw, "HTTP/1.1 200");
  pump(loop);
  raw_close(&raw);
  expect_failure(WSOCK_ERR_PROXY, "proxy");
  section("a proxy that resets");
  begin("ws://server.example/", o);
  raw_accept(&raw, loop, listener);
  raw_reset(&raw);
  expect_failure(WSOCK_ERR_PROXY, "proxy");
  CHECK_INT(client.error.os_error, ECONNRESET);
  section("a proxy that says nothing");
  option(o, WSOCK_OPT_HANDSHAKE_TIMEOUT_MS, 100);
  begin("ws://server.example/", o);
  raw_accept(&raw, loop, listener);
  expect_failure(WSOCK_ERR_HANDSHAKE_TIMEOUT, "proxy");
  CHECK_INT(client.close.layer, WSOCK_LAYER_TIMEOUT);
  section("a server that says nothing behind a proxy: the same limit, another line");
  begin("ws://server.example/", o);
  raw_accept(&raw, loop, listener);
  raw_text(&raw, "HTTP/1.1 200 OK\r\n\r\n");
  expect_failure(WSOCK_ERR_HANDSHAKE_TIMEOUT, "handshake");
  wsock_options_free(o);

  section("a proxy that is not there");
  char url[100], words[100];
  snprintf(url, sizeof url, "http://user:secret@127.0.0.1:%u", (unsigned)raw_dead_port());
  snprintf(words, sizeof words, "127.0.0.1:%u", (unsigned)raw_dead_port());
  o = through(url);
  begin("ws://server.example/", o);
  expect_failure(WSOCK_ERR_PROXY, words);
  CHECK(client.error.os_error == ECONNREFUSED && client.close.os_error == ECONNREFUSED);
  CHECKF(strstr(client.error.message, "proxy") != NULL, "%s", client.error.message);
  wsock_options_free(o);
}

/* Takes exactly these bytes from the client. */
static void expect_bytes(const void *expected, size_t len) {
  RAW_UNTIL(&raw, raw.len >= len || raw.eof || raw.reset);
  int same = raw.len == len && memcmp(raw.in, expected, len) == 0;
  CHECKF(same, "%zu bytes, the first %02x %02x %02x %02x", raw.len, raw.len > 0 ? raw.in[0] : 0, raw.len > 1 ? raw.in[1] : 0,
         raw.len > 2 ? raw.in[2] : 0, raw.len > 3 ? raw.in[3] : 0);
  raw_take(&raw, raw.len < len ? raw.len : len);
}
#define EXPECT_BYTES(text) expect_bytes(text, sizeof text - 1)
#define SEND_BYTES(text) raw_send(&raw, text, sizeof text - 1)
#define TO_IPV4 "\5\1\0\1\xc0\0\2\7\0\x51"        /* 192.0.2.7:81 */
#define YES "\5\0\0\1\x7f\0\0\1\x1f\x90"
#define SERVER "ws://192.0.2.7:81/"

static void socks(void) {
  static const char yes_ipv6[] = "\5\0\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\x1f\x90", yes_name[] = "\5\0\0\3\4gate\x1f\x90";
  wsock_options *o = through(proxy_url("socks5", ""));
  section("SOCKS5 without a password; an address");
  begin(SERVER, o);
  raw_accept_silent(&raw, loop, listener);
  EXPECT_BYTES("\5\1\0");
  SEND_BYTES("\5\0");
  EXPECT_BYTES(TO_IPV4);
  SEND_BYTES(YES);
  expect_open("GET / HTTP/1.1\r\n", "192.0.2.7:81");
  leave();
  section("an IPv6 address; answers in single bytes, with an address of IPv6");
  begin("ws://[2001:db8::7]:81/", o);
  raw_accept_silent(&raw, loop, listener);
  EXPECT_BYTES("\5\1\0");
  drip("\5\0", 2);
  EXPECT_BYTES("\5\1\0\4\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7\0\x51");
  drip(yes_ipv6, sizeof yes_ipv6 - 1);
  expect_open("GET / HTTP/1.1\r\n", "[2001:db8::7]:81");
  leave();
  section("an answer with a name");
  begin(SERVER, o);
  raw_accept_silent(&raw, loop, listener);
  EXPECT_BYTES("\5\1\0");
  SEND_BYTES("\5\0");
  EXPECT_BYTES(TO_IPV4);
  drip(yes_name, sizeof yes_name - 1);
  expect_open("GET / HTTP/1.1\r\n", "192.0.2.7:81");
  leave();
  section("what the server says right behind the answer is not lost");
  begin(SERVER, o);
  raw_accept_silent(&raw, loop, listener);
  EXPECT_BYTES("\5\1\0");
  SEND_BYTES("\5\0");
  EXPECT_BYTES(TO_IPV4);
  SEND_BYTES(YES "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
  expect_failure(WSOCK_ERR_HTTP_STATUS, "503");

  section("socks5: the name is looked up here");
  char url[100], request[32];
  begin("ws://localhost:81/", o);
  raw_accept_silent(&raw, loop, listener);
  EXPECT_BYTES("\5\1\0");
  SEND_BYTES("\5\0");
  RAW_UNTIL(&raw, raw.len >= 10);
  memcpy(request, raw.in, raw.len < sizeof request ? raw.len : sizeof request);
  if (request[3] == 1) EXPECT_BYTES("\5\1\0\1\x7f\0\0\1\0\x51");
  else EXPECT_BYTES("\5\1\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\x51");
  SEND_BYTES(YES);
  expect_open("GET / HTTP/1.1\r\n", "localhost:81");
  leave();
  wsock_options_free(o);
  section("socks5h: by the proxy");
  o = through(proxy_url("socks5h", ""));
  begin("ws://server.example:81/", o);
  raw_accept_silent(&raw, loop, listener);
  EXPECT_BYTES("\5\1\0");
  SEND_BYTES("\5\0");
  EXPECT_BYTES("\5\1\0\3\16server.example\0\x51");
  SEND_BYTES(YES);
  expect_open("GET / HTTP/1.1\r\n", "server.example:81");
  leave();
  section("socks5h: an address is one all the same");
  begin(SERVER, o);
  raw_accept_silent(&raw, loop, listener);
  EXPECT_BYTES("\5\1\0");
  SEND_BYTES("\5\0");
  EXPECT_BYTES(TO_IPV4);
  leave();
  wsock_options_free(o);

  section("user and password");
  o = through(proxy_url("socks5", "user:p%40ss@"));
  begin(SERVER, o);
  raw_accept_silent(&raw, loop, listener);
  EXPECT_BYTES("\5\2\0\2");
  SEND_BYTES("\5\2");
  EXPECT_BYTES("\1\4user\4p@ss");
  drip("\1\0", 2);
  EXPECT_BYTES(TO_IPV4);
  SEND_BYTES(YES);
  expect_open("GET / HTTP/1.1\r\n", "192.0.2.7:81");
  leave();
  section("not asked for after all");
  begin(SERVER, o);
  raw_accept_silent(&raw, loop, listener);
  EXPECT_BYTES("\5\2\0\2");
  SEND_BYTES("\5\0");
  EXPECT_BYTES(TO_IPV4);
  leave();
  section("wrong");
  begin(SERVER, o);
  raw_accept_silent(&raw, loop, listener);
  EXPECT_BYTES("\5\2\0\2");
  SEND_BYTES("\5\2");
  EXPECT_BYTES("\1\4user\4p@ss");
  SEND_BYTES("\1\1");
  expect_failure(WSOCK_ERR_PROXY, "password");
  (void)url;
  wsock_options_free(o);
}

static void socks_refused(void) {
  static const struct { char code; const char *words; } replies[] = {
      {1, "general"}, {2, "allow"}, {3, "network unreachable"}, {4, "host unreachable"}, {5, "refused"},
      {6, "TTL"},     {7, "command"}, {8, "address"},           {99, "99"},
  };
  wsock_options *o = through(proxy_url("socks5", ""));
  section("the reasons of a SOCKS5 proxy");
  for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
    char reply[] = YES;
    reply[1] = replies[i].code;
    begin(SERVER, o);
    raw_accept_silent(&raw, loop, listener);
    EXPECT_BYTES("\5\1\0");
    SEND_BYTES("\5\0");
    EXPECT_BYTES(TO_IPV4);
    raw_send(&raw, reply, sizeof reply - 1);
    expect_failure(WSOCK_ERR_PROXY, replies[i].words);
    CHECK_INT(client.error.http_status, 0);
  }
  section("it wants a password that there is none of");
  begin(SERVER, o);
  raw_accept_silent(&raw, loop, listener);
  SEND_BYTES("\5\xff");
  expect_failure(WSOCK_ERR_PROXY, "user and password");
  section("another protocol");
  static const char *const others[] = {"HTTP/1.1 400 Bad Request\r\n\r\n", "\4\0", "\5\1", "\5\2"};
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    begin(SERVER, o);
    raw_accept_silent(&raw, loop, listener);
    raw_send(&raw, others[i], i == 0 ? strlen(others[i]) : 2);
    expect_failure(WSOCK_ERR_PROXY, "proxy");
  }
  section("it hangs up");
  begin(SERVER, o);
  raw_accept_silent(&raw, loop, listener);
  SEND_BYTES("\5\0");
  EXPECT_BYTES("\5\1\0" TO_IPV4);
  SEND_BYTES("\5\0\0");
  pump(loop);
  raw_close(&raw);
  expect_failure(WSOCK_ERR_PROXY, "proxy");
  wsock_options_free(o);
}

/* Whether a connection to the url begins with the proxy; a direct one is to our own port and gets there. */
static int asks_proxy(const char *url, const wsock_options *o) {
  begin(url, o);
  raw_accept_silent(&raw, loop, listener);
  RAW_UNTIL(&raw, raw.len >= 4);
  int asks = raw.len >= 4 && memcmp(raw.in, "CONN", 4) == 0;
  CHECKF(asks || (raw.len >= 4 && memcmp(raw.in, "GET ", 4) == 0), "%.4s", (const char *)raw.in);
  leave();
  return asks;
}

static void choices(void) {
  static const char *const bad_lists[] = {"10.0.0.0/33", "10.0.0.1/8", "a b:", "x:99999", "a..b", "*.a*b", "[::1"};
  static const char *const bad_urls[] = {"ftp://p:1", "socks4://p:1", "http://", "http://p:1/path", "http://p:99999", "http://p:1?q", "socks5://u:p@", "p q:1"};
  struct { const char *list; int direct; } lists[] = {
      {"127.0.0.1", 1}, {"127.0.0.0/8", 1}, {"*", 1}, {"10.0.0.0/8, 127.0.0.1", 1}, {"10.0.0.0/8 127.0.0.1", 1}, {"10.0.0.0/8,::1,localhost", 0},
      {"127.0.0.1:1", 0}, {"", 0},
  };
  char url[100], name[100], with_port[100];
  wsock_options *o = through(proxy_url("http", ""));
  snprintf(url, sizeof url, "ws://127.0.0.1:%u/", (unsigned)port);
  snprintf(name, sizeof name, "ws://localhost:%u/", (unsigned)port);
  section("the hosts that are reached without a proxy");
  for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
    CHECK_STATUS(wsock_options_set_str(o, WSOCK_OPT_NO_PROXY, lists[i].list), WSOCK_OK);
    CHECKF(asks_proxy(url, o) == !lists[i].direct, "%s", lists[i].list);
  }
  snprintf(with_port, sizeof with_port, "127.0.0.1:%u", (unsigned)port);
  CHECK_STATUS(wsock_options_set_str(o, WSOCK_OPT_NO_PROXY, with_port), WSOCK_OK);
  CHECK(!asks_proxy(url, o));
  section("names are compared as names, with the domains below");
  CHECK_STATUS(wsock_options_set_str(o, WSOCK_OPT_NO_PROXY, "127.0.0.1, ::1"), WSOCK_OK);
  CHECK(asks_proxy(name, o));
  CHECK_STATUS(wsock_options_set_str(o, WSOCK_OPT_NO_PROXY, ".LOCALHOST"), WSOCK_OK);
  CHECK(!asks_proxy(name, o));
  CHECK_STATUS(wsock_options_set_str(o, WSOCK_OPT_NO_PROXY, "example.org"), WSOCK_OK);
  CHECK(asks_proxy("ws://notexample.org/", o));
  section("lists that are wrong are refused, and nothing has changed");
  CHECK_STATUS(wsock_options_set_str(o, WSOCK_OPT_NO_PROXY, "127.0.0.1"), WSOCK_OK);
  for (size_t i = 0; i < sizeof bad_lists / sizeof bad_lists[0]; i++)
    CHECK_REFUSED(wsock_options_set_str(o, WSOCK_OPT_NO_PROXY, bad_lists[i]), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK(!asks_proxy(url, o));
  CHECK_STATUS(wsock_options_set_str(o, WSOCK_OPT_NO_PROXY, ""), WSOCK_OK);
  section("proxy URLs that are wrong are refused, and nothing has changed");
  for (size_t i = 0; i < sizeof bad_urls / sizeof bad_urls[0]; i++)
    CHECK_REFUSED(wsock_options_set_str(o, WSOCK_OPT_PROXY, bad_urls[i]), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_options_set_str(o, WSOCK_OPT_PROXY, NULL), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_options_set_int(o, WSOCK_OPT_PROXY, 1), WSOCK_ERR_UNSUPPORTED);
  CHECK(asks_proxy(url, o));
  section("\"\" takes it back");
  CHECK_STATUS(wsock_options_set_str(o, WSOCK_OPT_PROXY, ""), WSOCK_OK);
  CHECK(!asks_proxy(url, o));
  wsock_options_free(o);
}

static const char *const variables[] = {"ws_proxy", "http_proxy", "https_proxy", "wss_proxy", "all_proxy", "no_proxy", "WS_PROXY",
                                        "HTTP_PROXY", "HTTPS_PROXY", "WSS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD"};
static void clean_environment(void) {
  for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) unsetenv(variables[i]);
}
static void environment(void) {
  static const struct { const char *names[3]; int used; } cases[] = {
      {{"http_proxy"}, 1}, {{"HTTP_PROXY"}, 1}, {{"ws_proxy"}, 1}, {{"WS_PROXY"}, 1}, {{"all_proxy"}, 1}, {{"ALL_PROXY"}, 1},
      {{"https_proxy"}, 0}, {{"wss_proxy"}, 0}, {{"HTTP_PROXY", "REQUEST_METHOD"}, 0}, {{"http_proxy", "REQUEST_METHOD"}, 1},
      {{"http_proxy", "no_proxy"}, 0}, {{"http_proxy", "NO_PROXY"}, 0},
  };
  char url[100], dead[100], here[100];
  snprintf(url, sizeof url, "ws://127.0.0.1:%u/", (unsigned)port);
  snprintf(here, sizeof here, "http://127.0.0.1:%u", (unsigned)port);
  snprintf(dead, sizeof dead, "http://127.0.0.1:%u", (unsigned)raw_dead_port());
  wsock_options *o = option(new_options(), WSOCK_OPT_PROXY_FROM_ENV, 1);
  section("the environment, when it is asked");
  clean_environment();
  CHECK(!asks_proxy(url, o));
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    clean_environment();
    for (int j = 0; j < 3 && cases[i].names[j]; j++) {
      const char *variable = cases[i].names[j];
      setenv(variable, strcasecmp(variable, "no_proxy") == 0 ? "127.0.0.0/8" : strcmp(variable, "REQUEST_METHOD") == 0 ? "GET" : here, 1);
    }
    CHECKF(asks_proxy(url, o) == cases[i].used, "%s and %s", cases[i].names[0], cases[i].names[1] ? cases[i].names[1] : "nothing");
  }
  section("and not otherwise");
  clean_environment();
  setenv("http_proxy", here, 1);
  setenv("all_proxy", here, 1);
  CHECK(!asks_proxy(url, NULL));
  section("lower case before upper case, the special one before all_proxy, empty is not set");
  setenv("HTTP_PROXY", dead, 1);
  setenv("all_proxy", dead, 1);
  setenv("ws_proxy", "", 1);
  CHECK(asks_proxy(url, o));
  section("WSOCK_OPT_PROXY goes before the environment, WSOCK_OPT_NO_PROXY is for both");
  setenv("http_proxy", dead, 1);
  CHECK_STATUS(wsock_options_set_str(o, WSOCK_OPT_PROXY, here), WSOCK_OK);
  CHECK(asks_proxy(url, o));
  CHECK_STATUS(wsock_options_set_str(o, WSOCK_OPT_PROXY, ""), WSOCK_OK);
  CHECK_STATUS(wsock_options_set_str(o, WSOCK_OPT_NO_PROXY, "127.0.0.1"), WSOCK_OK);
  CHECK(!asks_proxy(url, o));
  CHECK_STATUS(wsock_options_set_str(o, WSOCK_OPT_NO_PROXY, ""), WSOCK_OK);
  section("a variable that makes no sense is named");
  wsock_handlers h = rec_handlers();
  wsock_conn *conn = NULL;
  setenv("http_proxy", "gopher://u:secret@p", 1);
  CHECK_REFUSED(wsock_connect(loop, url, o, &h, NULL, &conn), WSOCK_ERR_INVALID_ARGUMENT);
  CHECKF(strstr(last_text(), "http_proxy") && !strstr(last_text(), "secret"), "%s", last_text());
  CHECK(conn == NULL);
  clean_environment();
  wsock_options_free(o);
}

static void local_socket(void) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  char url[200];
  section("a Unix domain socket is reached without the proxy");
  int name = snprintf(a.sun_path + 1, sizeof a.sun_path - 1, "wsock-proxy-test-%ld", (long)getpid());
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  REQUIRE(fd >= 0 && bind(fd, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + name)) == 0);
  REQUIRE(listen(fd, 4) == 0);
  snprintf(url, sizeof url, "ws+unix:@%s:/local", a.sun_path + 1);
  wsock_options *o = through(proxy_url("http", ""));
  begin(url, o);
  const char *head = raw_accept(&raw, loop, fd);
  CHECK(strncmp(head, "GET /local HTTP/1.1\r\n", 21) == 0);
  raw_welcome(&raw, head, "");
  PUMP_UNTIL(loop, client.opens == 1);
  CHECK(raw_nobody(listener));
  leave();
  wsock_options_free(o);
  close(fd);
}

/* The whole of it with a server of ours: a proxy that passes bytes on, while it lives. */
static void own_server(void) {
  struct srv srv = {0};
  struct raw up;
  char url[100];
  section("a server of ours behind the proxy, which then fails");
  srv.echo = 1;
  srv_listen(&srv, loop, NULL);
  snprintf(url, sizeof url, "ws://127.0.0.1:%u/", (unsigned)srv.port);
  wsock_options *o = through(proxy_url("http", ""));
  begin(url, o);
  raw_accept(&raw, loop, listener);
  raw_connect(&up, loop, srv.port);
  raw_text(&raw, "HTTP/1.1 200 OK\r\n\r\n");
  for (int64_t end = now_ms() + patience_ms(); client.messages < 3 && !client.closes && now_ms() < end; pump(loop)) {
    raw_fill(&raw);
    raw_fill(&up);
    raw_send(&up, raw.in, raw.len);
    raw_send(&raw, up.in, up.len);
    raw.len = up.len = 0;
    if (client.opens && (int)conn_stats(client.conn).messages_sent == client.messages)
      CHECK_STATUS(wsock_conn_send_text(client.conn, "echo", 4), WSOCK_OK);
  }
  CHECK_INT(client.messages, 3);
  REQUIRE(srv.count == 1);
  CHECK_INT(srv.conn[0]->messages, 3);
  raw_reset(&raw);
  PUMP_UNTIL(loop, client.releases);
  CHECK(client.error.code == WSOCK_ERR_CONNECTION_LOST && client.close.layer == WSOCK_LAYER_TCP);
  raw_close(&up);
  wsock_server_close(srv.server, 0, 0, NULL);
  PUMP_UNTIL(loop, srv.releases);
  wsock_options_free(o);
  srv_free(&srv);
}

int main(void) {
  clean_environment();
  loop = new_loop();
  listener = raw_listen(&port, 8);
  connecting();
  refused();
  socks();
  socks_refused();
  choices();
  environment();
  local_socket();
  own_server();
  free_loop(loop);
  rec_free(&client);
  close(listener);
  return check_end();
}
