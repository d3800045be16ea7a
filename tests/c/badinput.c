/* Arguments that are wrong: each is refused with its status and a text, and changes nothing. */
#include "raw.h"

#include <stddef.h>

#define UNCHANGED ((void *)0x51)
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static int released;
static void count_release(void *user_data) {
  (void)user_data;
  released++;
}
static void never_release(void *user_data) {
  (void)user_data;
  CHECKF(0, "release after a refused call");
}

static const char bad_utf8[][8] = {"\xff", "\x80", "a\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80",
                                   "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5", "caf\xc3", "\xe2\x82", "\xf0\x9f\x98"};

static void payloads(struct pair *pair, wsock_conn *conn) {
  wsock_conn_stats before = conn_stats(conn), after;
  static char big[126];

  section("lengths that cannot be");
  size_t lengths[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2 + 1};
  for (size_t i = 0; i < COUNT(lengths); i++) {
    CHECK_REFUSED(wsock_conn_send(conn, WSOCK_BINARY, "x", lengths[i], 0), WSOCK_ERR_INVALID_ARGUMENT);
    CHECK_REFUSED(wsock_conn_send(conn, WSOCK_TEXT, "x", lengths[i], 0), WSOCK_ERR_INVALID_ARGUMENT);
    CHECK_REFUSED(wsock_conn_send_text(conn, "x", lengths[i]), WSOCK_ERR_INVALID_ARGUMENT);
    CHECK_REFUSED(wsock_conn_send_binary(conn, "x", lengths[i]), WSOCK_ERR_INVALID_ARGUMENT);
    CHECK_REFUSED(wsock_conn_ping(conn, "x", lengths[i]), WSOCK_ERR_INVALID_ARGUMENT);
    CHECK_REFUSED(wsock_conn_send_text(conn, NULL, lengths[i]), WSOCK_ERR_INVALID_ARGUMENT);
  }
  section("NULL data with a length");
  CHECK_REFUSED(wsock_conn_send(conn, WSOCK_BINARY, NULL, 1, 0), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_conn_send_text(conn, NULL, 1), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_conn_send_binary(conn, NULL, 5), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_conn_ping(conn, NULL, 1), WSOCK_ERR_INVALID_ARGUMENT);

  section("message types and flags that do not exist");
  int32_t types[] = {0, 3, -1, 8, INT32_MAX, INT32_MIN};
  for (size_t i = 0; i < COUNT(types); i++)
    CHECK_REFUSED(wsock_conn_send(conn, types[i], "x", 1, 0), WSOCK_ERR_INVALID_ARGUMENT);
  uint32_t flags[] = {2, 0x80000000u, UINT32_MAX};
  for (size_t i = 0; i < COUNT(flags); i++)
    CHECK_REFUSED(wsock_conn_send(conn, WSOCK_TEXT, "x", 1, flags[i]), WSOCK_ERR_UNSUPPORTED);

  section("text that is not UTF-8");
  for (size_t i = 0; i < COUNT(bad_utf8); i++) {
    CHECK_REFUSED(wsock_conn_send_text(conn, bad_utf8[i], strlen(bad_utf8[i])), WSOCK_ERR_INVALID_ARGUMENT);
    CHECK_REFUSED(wsock_conn_send(conn, WSOCK_TEXT, bad_utf8[i], strlen(bad_utf8[i]), 0), WSOCK_ERR_INVALID_ARGUMENT);
  }
  section("a ping of 126 bytes");
  CHECK_REFUSED(wsock_conn_ping(conn, big, 126), WSOCK_ERR_INVALID_ARGUMENT);

  section("nothing was sent");
  CHECK_INT(wsock_conn_buffered_amount(conn), 0);
  CHECK_INT(wsock_conn_state(conn), WSOCK_OPEN);
  after = conn_stats(conn);
  CHECK(after.messages_sent == before.messages_sent && after.bytes_sent == before.bytes_sent);
  pump_for(pair->loop, 20);
  CHECK_INT(pair->client.errors + pair_peer(pair)->errors, 0);
  CHECK_INT(pair->client.pings + pair_peer(pair)->pings, 0);

  section("other getters of a connection");
  size_t len = 7;
  int32_t whats[] = {0, -1, 999, 1000, INT32_MAX};
  for (size_t i = 0; i < COUNT(whats); i++) {
    CHECK(wsock_conn_get_str(conn, whats[i], &len) == NULL && len == 7);
    CHECK_LAST(WSOCK_ERR_UNSUPPORTED);
  }
  CHECK(wsock_conn_header(conn, NULL, 0, &len) == NULL && len == 7);
  CHECK_LAST(WSOCK_ERR_INVALID_ARGUMENT);
  const char *name = UNCHANGED, *value = UNCHANGED;
  CHECK_REFUSED(wsock_conn_header_at(conn, 0, NULL, &value), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_conn_header_at(conn, 0, &name, NULL), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_conn_header_at(conn, SIZE_MAX, &name, &value), WSOCK_ERR_LIMIT);
  CHECK(name == UNCHANGED && value == UNCHANGED);
}

static void close_codes(wsock_conn *conn, int server, int32_t state) {
  char reason[125];
  for (int32_t code = 0; code <= 5000; code++) {
    int good = code == 0 || code == 1000 || (code >= 3000 && code <= 4999);
    if (server) good |= (code >= 1001 && code <= 1003) || (code >= 1007 && code <= 1009) || (code >= 1011 && code <= 1014);
    if (good && state == WSOCK_OPEN) continue;
    int32_t got = wsock_conn_close(conn, code, NULL);
    CHECKF(got == (good ? WSOCK_OK : WSOCK_ERR_INVALID_ARGUMENT), "close with %d gave %d", (int)code, (int)got);
    if (!good) CHECK_LAST(WSOCK_ERR_INVALID_ARGUMENT);
  }
  int32_t odd[] = {-1, -1000, 65536 + 1000, INT32_MIN, INT32_MAX, 100000};
  for (size_t i = 0; i < COUNT(odd); i++) CHECK_REFUSED(wsock_conn_close(conn, odd[i], ""), WSOCK_ERR_INVALID_ARGUMENT);
  memset(reason, 'r', 124);
  reason[124] = 0;
  CHECK_REFUSED(wsock_conn_close(conn, 1000, reason), WSOCK_ERR_INVALID_ARGUMENT);
  memcpy(reason + 120, "\xe2\x82\xac" "a", 5); /* 124 bytes in 122 characters */
  CHECK_REFUSED(wsock_conn_close(conn, 1000, reason), WSOCK_ERR_INVALID_ARGUMENT);
  for (size_t i = 0; i < COUNT(bad_utf8); i++)
    CHECK_REFUSED(wsock_conn_close(conn, 1000, bad_utf8[i]), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_conn_close(conn, 0, "a reason needs a code"), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_INT(wsock_conn_state(conn), state);
}

static void closing(void) {
  static const int32_t client_codes[] = {0, 1000, 3000, 3001, 3999, 4000, 4999};
  static const int32_t server_codes[] = {0, 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013, 1014, 3000, 4999};
  struct pair pair;
  char reason[124];

  section("close codes and reasons of an open connection, refused");
  pair_open(&pair, NULL, NULL);
  close_codes(pair.client.conn, 0, WSOCK_OPEN);
  close_codes(pair_peer(&pair)->conn, 1, WSOCK_OPEN);
  pair_echo(&pair);
  CHECK_REFUSED(wsock_server_close(pair.srv.server, 0, 999, ""), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_server_close(pair.srv.server, 0, 1005, NULL), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_server_close(pair.srv.server, 0, 1006, NULL), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_server_close(pair.srv.server, 0, 1015, NULL), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_server_close(pair.srv.server, 0, 5000, NULL), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_server_close(pair.srv.server, -1, 1001, NULL), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_server_close(pair.srv.server, 0, 1001, "\xff"), WSOCK_ERR_INVALID_ARGUMENT);
  pair_echo(&pair);

  section("close codes of a closing connection: the same rules, nothing happens");
  wsock_conn *peer = pair_peer(&pair)->conn;
  CHECK_STATUS(wsock_conn_close(pair.client.conn, 4001, "first"), WSOCK_OK);
  CHECK_STATUS(wsock_conn_close(peer, 1001, "other"), WSOCK_OK);
  close_codes(pair.client.conn, 0, WSOCK_CLOSING);
  close_codes(peer, 1, WSOCK_CLOSING);
  PUMP_UNTIL(pair.loop, pair.client.closes && pair_peer(&pair)->closes);
  CHECK_INT(pair.client.close.sent_code, 4001);
  CHECK_INT(pair.client.close.code, 1001);
  CHECK_INT(pair_peer(&pair)->close.code, 4001);
  pair_free(&pair);

  section("every close code that is allowed arrives");
  memset(reason, 'r', 123);
  reason[123] = 0;
  for (size_t i = 0; i < COUNT(client_codes) + COUNT(server_codes); i++) {
    int by_server = i >= COUNT(client_codes);
    int32_t code = by_server ? server_codes[i - COUNT(client_codes)] : client_codes[i];
    pair_open(&pair, NULL, NULL);
    struct rec *from = by_server ? pair_peer(&pair) : &pair.client, *to = by_server ? &pair.client : pair_peer(&pair);
    CHECK_STATUS(wsock_conn_close(from->conn, code, code ? reason : NULL), WSOCK_OK);
    PUMP_UNTIL(pair.loop, from->closes && to->closes);
    CHECK_INT(to->close.code, code ? code : 1005);
    CHECK_STR(to->reason, code ? reason : "");
    CHECK_INT(from->close.was_clean && to->close.was_clean, 1);
    pair_free(&pair);
  }
}

static void options_text(void) {
  static const char *const bad_tokens[] = {NULL, "", " ", "a b", "a,b", "a/b", "a:b", "\"a\"", "a\r\nb", "a\tb", "\x7f", "caf\xc3\xa9", "\xff", "a;b", "(a)", "a=b"};
  static const char *const bad_values[] = {NULL, "x\r\nEvil: 1", "x\nEvil: 1", "x\rEvil: 1", "\r\n", "x\n", "\xff"};
  static const char *const reserved[] = {"Host", "upgrade", "CONNECTION", "Sec-WebSocket-Key", "sec-websocket-version",
                                         "Sec-WebSocket-Accept", "Sec-WebSocket-Protocol", "SEC-WEBSOCKET-EXTENSIONS"};
  wsock_options *o = new_options();

  section("subprotocols");
  CHECK_STATUS(wsock_options_add_protocol(o, "chat.v2"), WSOCK_OK);
  CHECK_STATUS(wsock_options_add_protocol(o, "soap!#$%&'*+-.^_`|~1"), WSOCK_OK);
  for (size_t i = 0; i < COUNT(bad_tokens); i++) CHECK_REFUSED(wsock_options_add_protocol(o, bad_tokens[i]), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_options_add_protocol(o, "chat.v2"), WSOCK_ERR_INVALID_ARGUMENT);

  section("headers");
  CHECK_STATUS(wsock_options_add_header(o, "X-Good", "a good value"), WSOCK_OK);
  for (size_t i = 0; i < COUNT(bad_tokens); i++) CHECK_REFUSED(wsock_options_add_header(o, bad_tokens[i], "evil"), WSOCK_ERR_INVALID_ARGUMENT);
  for (size_t i = 0; i < COUNT(bad_values); i++) CHECK_REFUSED(wsock_options_add_header(o, "X-Bad", bad_values[i]), WSOCK_ERR_INVALID_ARGUMENT);
  for (size_t i = 0; i < COUNT(reserved); i++) CHECK_REFUSED(wsock_options_add_header(o, reserved[i], "evil"), WSOCK_ERR_INVALID_ARGUMENT);

  section("origins");
  CHECK_STATUS(wsock_options_set_str(o, WSOCK_OPT_ORIGIN, "https://good.example"), WSOCK_OK);
  for (size_t i = 0; i < COUNT(bad_values); i++) {
    CHECK_REFUSED(wsock_options_set_str(o, WSOCK_OPT_ORIGIN, bad_values[i]), WSOCK_ERR_INVALID_ARGUMENT);
    CHECK_REFUSED(wsock_options_add_origin(o, bad_values[i]), WSOCK_ERR_INVALID_ARGUMENT);
  }
  CHECK_REFUSED(wsock_options_add_origin(o, ""), WSOCK_ERR_INVALID_ARGUMENT);

  section("what was refused is not sent");
  struct raw raw;
  struct rec client = {0};
  wsock_loop *loop = new_loop();
  uint16_t port;
  int listener = raw_listen(&port, 4);
  connect_to(&client, loop, url_of(port, "/"), o);
  const char *head = raw_accept(&raw, loop, listener);
  CHECK(strcasestr(head, "evil") == NULL && strcasestr(head, "X-Bad") == NULL);
  CHECK_STR(head_value(head, "X-Good"), "a good value");
  CHECK_STR(head_value(head, "Origin"), "https://good.example");
  CHECK_STR(head_value(head, "Sec-WebSocket-Protocol"), "chat.v2, soap!#$%&'*+-.^_`|~1");
  raw_close(&raw);
  close(listener);
  free_loop(loop);
  CHECK_ENDED(&client);
  wsock_options_free(o);
}

struct key {
  int32_t key;
  int64_t normal;
  int deflate;
};
static const struct key keys[] = {
    {WSOCK_OPT_CONNECT_TIMEOUT_MS, 30000, 0}, {WSOCK_OPT_HANDSHAKE_TIMEOUT_MS, 10000, 0}, {WSOCK_OPT_CLOSE_TIMEOUT_MS, 5000, 0},
    {WSOCK_OPT_IDLE_TIMEOUT_MS, 0, 0}, {WSOCK_OPT_PING_INTERVAL_MS, 25000, 0}, {WSOCK_OPT_PONG_TIMEOUT_MS, 20000, 0},
    {WSOCK_OPT_MAX_MESSAGE_SIZE, 16 << 20, 0}, {WSOCK_OPT_MAX_FRAME_SIZE, 0, 0}, {WSOCK_OPT_MAX_FRAGMENTS, 131072, 0},
    {WSOCK_OPT_MAX_CONTROL_RATE, 1000, 0}, {WSOCK_OPT_HIGH_WATER, 1 << 20, 0}, {WSOCK_OPT_LOW_WATER, 256 << 10, 0},
    {WSOCK_OPT_MAX_BUFFERED, 64 << 20, 0}, {WSOCK_OPT_MAX_HEAD_BYTES, 16384, 0}, {WSOCK_OPT_MAX_HEADERS, 100, 0},
    {WSOCK_OPT_MAX_REQUEST_LINE, 8192, 0}, {WSOCK_OPT_DEFLATE, 0, 1}, {WSOCK_OPT_DEFLATE_LEVEL, 1, 1},
    {WSOCK_OPT_DEFLATE_MIN_SIZE, 64, 1}, {WSOCK_OPT_DEFLATE_SERVER_WINDOW_BITS, 15, 1},
    {WSOCK_OPT_DEFLATE_CLIENT_WINDOW_BITS, 15, 1}, {WSOCK_OPT_DEFLATE_SERVER_TAKEOVER, 0, 1},
    {WSOCK_OPT_DEFLATE_CLIENT_TAKEOVER, 0, 1}, {WSOCK_OPT_DEFLATE_IDLE_MS, 10000, 1}, {WSOCK_OPT_BACKLOG, 65535, 0},
    {WSOCK_OPT_ORIGIN_POLICY, WSOCK_ORIGIN_ANY, 0}, {WSOCK_OPT_MAX_CONNECTIONS, 100000, 0},
    {WSOCK_OPT_MAX_CONNECTIONS_PER_ADDRESS, 4096, 0}, {WSOCK_OPT_MAX_HANDSHAKES, 16384, 0}, {WSOCK_OPT_MIN_HANDSHAKE_RATE, 64, 0},
    {WSOCK_OPT_REUSE_PORT, 0, 0}, {WSOCK_OPT_TCP_KEEPALIVE_S, 0, 0}, {WSOCK_OPT_TCP_KEEPALIVE_INTERVAL_S, 15, 0},
    {WSOCK_OPT_TCP_KEEPALIVE_COUNT, 4, 0}, {WSOCK_OPT_UNIX_MODE, 0, 0},
    {WSOCK_OPT_PROXY_FROM_ENV, 0, 0}, {WSOCK_OPT_MAX_REDIRECTS, 0, 0}, {WSOCK_OPT_RECONNECT, 0, 0},
    {WSOCK_OPT_RECONNECT_FIRST_MS, 1000, 0}, {WSOCK_OPT_RECONNECT_MAX_MS, 30000, 0},
    {WSOCK_OPT_RECONNECT_STABLE_MS, 10000, 0}, {WSOCK_OPT_RECONNECT_QUEUE, 0, 0},
};

static void options_numbers(void) {
  wsock_options *o = new_options();
  int deflate = (wsock_features() & WSOCK_FEATURE_DEFLATE) != 0;
  section("bounds of every option");
  for (size_t i = 0; i < COUNT(keys); i++) {
    int64_t min = INT64_MAX, max = INT64_MIN, normal = -77;
    int32_t key = keys[i].key;
    if (keys[i].deflate && !deflate) {
      CHECK_REFUSED(wsock_options_set_int(o, key, 1), WSOCK_ERR_UNSUPPORTED);
      continue;
    }
    CHECK_STATUS(wsock_option_bounds(key, &min, &max, &normal), WSOCK_OK);
    CHECKF(min <= normal && normal <= max && min < max, "key %d: %lld <= %lld <= %lld", (int)key, (long long)min, (long long)normal, (long long)max);
    CHECKF(normal == keys[i].normal, "key %d: default %lld", (int)key, (long long)normal);
    CHECK_STATUS(wsock_options_set_int(o, key, min), WSOCK_OK);
    CHECK_STATUS(wsock_options_set_int(o, key, max), WSOCK_OK);
    CHECK_STATUS(wsock_options_set_int(o, key, normal), WSOCK_OK);
    if (min > INT64_MIN) CHECK_REFUSED(wsock_options_set_int(o, key, min - 1), WSOCK_ERR_INVALID_ARGUMENT);
    if (max < INT64_MAX) CHECK_REFUSED(wsock_options_set_int(o, key, max + 1), WSOCK_ERR_INVALID_ARGUMENT);
    if (min >= 0) CHECK_REFUSED(wsock_options_set_int(o, key, -1), WSOCK_ERR_INVALID_ARGUMENT);
    CHECK_REFUSED(wsock_options_set_int(o, key, INT64_MIN), WSOCK_ERR_INVALID_ARGUMENT);
    CHECK_REFUSED(wsock_options_set_str(o, key, "1"), WSOCK_ERR_UNSUPPORTED);
    wsock_status partly = wsock_option_bounds(key, NULL, NULL, &normal);
    CHECK(partly == WSOCK_OK && normal == keys[i].normal);
  }
  int64_t fixed[][3] = {{WSOCK_OPT_CLOSE_TIMEOUT_MS, 1, -1}, {WSOCK_OPT_ORIGIN_POLICY, 0, 2}, {WSOCK_OPT_DEFLATE, 0, 1},
                        {WSOCK_OPT_DEFLATE_LEVEL, 1, 9}, {WSOCK_OPT_DEFLATE_SERVER_WINDOW_BITS, 9, 15},
                        {WSOCK_OPT_DEFLATE_CLIENT_WINDOW_BITS, 9, 15}, {WSOCK_OPT_DEFLATE_SERVER_TAKEOVER, 0, 1},
                        {WSOCK_OPT_DEFLATE_CLIENT_TAKEOVER, 0, 1},
                        {WSOCK_OPT_OVERFLOW, WSOCK_OVERFLOW_REFUSE, WSOCK_OVERFLOW_CLOSE}};
  for (size_t i = 0; i < COUNT(fixed); i++) {
    int64_t min = -1, max = -1, normal;
    wsock_status status = wsock_option_bounds((int32_t)fixed[i][0], &min, &max, &normal);
    if (status == WSOCK_ERR_UNSUPPORTED && !deflate) continue;
    CHECK_STATUS(status, WSOCK_OK);
    CHECK_INT(min, fixed[i][1]);
    if (fixed[i][2] >= 0) CHECK_INT(max, fixed[i][2]);
  }
  section("unknown options");
  int32_t unknown[] = {0, -1, 8, 9, 29, 38, 47, 49, 99, 101, 100000, INT32_MAX, INT32_MIN};
  for (size_t i = 0; i < COUNT(unknown); i++) {
    int64_t min = 1, max = 2, normal = 3;
    CHECK_REFUSED(wsock_options_set_int(o, unknown[i], 1), WSOCK_ERR_UNSUPPORTED);
    CHECK_REFUSED(wsock_options_set_str(o, unknown[i], "1"), WSOCK_ERR_UNSUPPORTED);
    CHECK_REFUSED(wsock_option_bounds(unknown[i], &min, &max, &normal), WSOCK_ERR_UNSUPPORTED);
    CHECK(min == 1 && max == 2 && normal == 3);
  }
  CHECK_REFUSED(wsock_options_set_int(o, WSOCK_OPT_ORIGIN, 1), WSOCK_ERR_UNSUPPORTED);
  wsock_options_free(o);
}

static void addresses(void) {
  static const char *const bad_urls[] = {NULL, "", " ", "example.org", "//example.org/", "ws:", "ws:/", "ws://", "ws:///path", "ws://:80/",
      "ftp://example.org/", "file:///etc", "ws//example.org", "ws://example.org:99999/", "ws://example.org:port/", "ws://example.org:-1/",
      "ws://[::1/", "ws://[::g]/", "ws://[]/", "ws://exa mple.org/", "ws://example.org/a b", "ws://example.org/#fragment", "ws://example.org/\r\nX: y",
      "ws://example.org/a\nb", "ws://example.org/\x01", "ws://example.org/\x7f", "ws://ex\r\nample.org/", "ws://ex\xc3\xa4mple.org/", "ws://example.org/\xff", "\xff\xfe"};
  static const char *const bad_hosts[] = {"256.1.1.1", "no such host", "server.example", "::zz", "127.0.0.1:80", "[::1", "\xff", "127.0.0.1\n", "ws://127.0.0.1/"};
  wsock_loop *loop = new_loop();
  wsock_handlers h = rec_handlers();
  h.release = never_release;

  section("URLs");
  for (size_t i = 0; i < COUNT(bad_urls); i++) {
    wsock_conn *conn = UNCHANGED;
    int32_t got = wsock_connect(loop, bad_urls[i], NULL, &h, NULL, &conn);
    CHECKF(got == WSOCK_ERR_INVALID_ARGUMENT && conn == UNCHANGED, "URL \"%s\" gave %d", bad_urls[i] ? bad_urls[i] : "(NULL)", (int)got);
    CHECK_LAST(WSOCK_ERR_INVALID_ARGUMENT);
  }
  if (!(wsock_features() & WSOCK_FEATURE_TLS)) {
    wsock_conn *conn = UNCHANGED;
    CHECK_REFUSED(wsock_connect(loop, "wss://example.org/", NULL, &h, NULL, &conn), WSOCK_ERR_UNSUPPORTED);
    CHECK_REFUSED(wsock_connect(loop, "https://example.org/", NULL, &h, NULL, &conn), WSOCK_ERR_UNSUPPORTED);
    CHECK(conn == UNCHANGED);
  }
  section("hosts to listen on");
  for (size_t i = 0; i < COUNT(bad_hosts); i++) {
    wsock_server *server = UNCHANGED;
    int32_t got = wsock_listen(loop, bad_hosts[i], 0, NULL, &h, NULL, &server);
    CHECKF(got == WSOCK_ERR_INVALID_ARGUMENT && server == UNCHANGED, "host \"%s\" gave %d", bad_hosts[i], (int)got);
    CHECK_LAST(WSOCK_ERR_INVALID_ARGUMENT);
  }
  wsock_server *server = UNCHANGED;
  CHECK_REFUSED(wsock_listen(loop, "203.0.113.77", 0, NULL, &h, NULL, &server), WSOCK_ERR_SYSTEM);
  CHECK_INT(last_error().os_error, EADDRNOTAVAIL);
  uint16_t port;
  int taken = raw_listen(&port, 1);
  CHECK_REFUSED(wsock_listen(loop, "127.0.0.1", port, NULL, &h, NULL, &server), WSOCK_ERR_SYSTEM);
  CHECK_INT(last_error().os_error, EADDRINUSE);
  CHECK(server == UNCHANGED);
  close(taken);

  section("handlers and their size");
  struct {
    wsock_handlers handlers;
    char more[32];
  } large;
  memset(&large, 0, sizeof large);
  large.handlers = h;
  size_t wrong[] = {0, 1, sizeof(size_t) - 1};
  wsock_conn *conn = UNCHANGED;
  server = UNCHANGED;
  for (size_t i = 0; i < COUNT(wrong); i++) {
    large.handlers.struct_size = wrong[i];
    CHECK_REFUSED(wsock_connect(loop, "ws://127.0.0.1:1/", NULL, &large.handlers, NULL, &conn), WSOCK_ERR_INVALID_ARGUMENT);
    CHECK_REFUSED(wsock_listen(loop, "127.0.0.1", 0, NULL, &large.handlers, NULL, &server), WSOCK_ERR_INVALID_ARGUMENT);
  }
  large.handlers.struct_size = sizeof large;
  large.more[31] = 1; /* a callback of a newer version */
  CHECK_REFUSED(wsock_connect(loop, "ws://127.0.0.1:1/", NULL, &large.handlers, NULL, &conn), WSOCK_ERR_UNSUPPORTED);
  CHECK_REFUSED(wsock_listen(loop, "127.0.0.1", 0, NULL, &large.handlers, NULL, &server), WSOCK_ERR_UNSUPPORTED);
  CHECK(conn == UNCHANGED && server == UNCHANGED);

  section("no handlers at all, nowhere to put the handle");
  CHECK_STATUS(wsock_connect(loop, url_of(raw_dead_port(), "/"), NULL, NULL, NULL, &conn), WSOCK_OK);
  CHECK(conn != UNCHANGED && wsock_conn_user_data(conn) == NULL);
  PUMP_UNTIL(loop, wsock_conn_state(conn) == WSOCK_CLOSED);
  CHECK_REFUSED(wsock_connect(loop, "ws://127.0.0.1:1/", NULL, &h, NULL, NULL), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_listen(loop, "127.0.0.1", 0, NULL, &h, NULL, NULL), WSOCK_ERR_INVALID_ARGUMENT);

  section("handlers of a newer program that uses nothing new");
  struct srv srv = {0};
  large.more[31] = 0;
  large.handlers = srv_handlers();
  large.handlers.struct_size = sizeof large;
  CHECK_STATUS(wsock_listen(loop, "127.0.0.1", 0, NULL, &large.handlers, &srv, &srv.server), WSOCK_OK);
  section("handlers of an older program: what is missing is not called");
  struct rec client = {0};
  wsock_handlers older = rec_handlers();
  older.struct_size = offsetof(wsock_handlers, release);
  older.release = never_release;
  CHECK_STATUS(wsock_connect(loop, url_of(wsock_server_port(srv.server), "/"), NULL, &older, &client, &client.conn), WSOCK_OK);
  PUMP_UNTIL(loop, client.opens && srv.count);
  free_loop(loop);
  CHECK(client.closes == 1 && client.releases == 0 && srv.releases == 1);
  srv_free(&srv);
}

/* Output structs: `call` on u_.value fills as much as struct_size says and no more; what the library does not know is zero. */
#define CHECK_SIZES(type, call)                                        \
  do {                                                                         \
    union { type value; unsigned char bytes[sizeof(type) + 64]; } u_;          \
    size_t bad_[] = {0, 1, sizeof(size_t) - 1};                                \
    for (size_t i_ = 0; i_ < COUNT(bad_); i_++) {                              \
      memset(&u_, 0x5a, sizeof u_);                                            \
      u_.value.struct_size = bad_[i_];                                         \
      CHECK_REFUSED((call), WSOCK_ERR_INVALID_ARGUMENT);       \
      for (size_t j_ = sizeof(size_t); j_ < sizeof u_; j_++) CHECK(u_.bytes[j_] == 0x5a); \
    }                                                                          \
    memset(&u_, 0x5a, sizeof u_);                                              \
    u_.value.struct_size = sizeof(size_t) + 8;                                 \
    CHECK_STATUS((call), WSOCK_OK);                            \
    for (size_t j_ = sizeof(size_t) + 8; j_ < sizeof u_; j_++) CHECK(u_.bytes[j_] == 0x5a); \
    memset(&u_, 0x5a, sizeof u_);                                              \
    u_.value.struct_size = sizeof(type) + 32;                                  \
    CHECK_STATUS((call), WSOCK_OK);                            \
    for (size_t j_ = sizeof(type); j_ < sizeof(type) + 32; j_++) CHECK(u_.bytes[j_] == 0); \
    for (size_t j_ = sizeof(type) + 32; j_ < sizeof u_; j_++) CHECK(u_.bytes[j_] == 0x5a); \
  } while (0)

static int32_t on_request(struct srv *srv, wsock_request *request) {
  size_t len = 7;
  const char *name = UNCHANGED, *value = UNCHANGED;
  (void)srv;
  section("a request");
  CHECK(wsock_request_get_str(request, 0, &len) == NULL && wsock_request_get_str(request, 1000, &len) == NULL);
  CHECK_LAST(WSOCK_ERR_UNSUPPORTED);
  CHECK(wsock_request_get_str(request, INT32_MAX, NULL) == NULL && len == 7);
  CHECK(wsock_request_header(request, NULL, 0, &len) == NULL && len == 7);
  CHECK_LAST(WSOCK_ERR_INVALID_ARGUMENT);
  CHECK(wsock_request_header(request, "Host", 1, &len) == NULL && len == 7);
  CHECK(wsock_request_header(request, "Host", SIZE_MAX, &len) == NULL);
  CHECK_REFUSED(wsock_request_header_at(request, 1000, &name, &value), WSOCK_ERR_LIMIT);
  CHECK_REFUSED(wsock_request_header_at(request, SIZE_MAX, &name, &value), WSOCK_ERR_LIMIT);
  CHECK(name == UNCHANGED && value == UNCHANGED);
  CHECK(wsock_request_protocol_at(request, 2) == NULL && wsock_request_protocol_at(request, SIZE_MAX) == NULL);
  CHECK_REFUSED(wsock_request_select_protocol(request, "never-offered"), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_request_select_protocol(request, "a b"), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_request_add_header(request, "X-Evil", "a\r\nb"), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_request_add_header(request, "a b", "evil"), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_request_add_header(request, NULL, "evil"), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_request_add_header(request, "X-Evil", NULL), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_request_add_header(request, "Sec-WebSocket-Accept", "evil"), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_request_set_body(request, "text/plain", "evil", SIZE_MAX), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_request_set_body(request, "text/plain", NULL, 1), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_request_set_body(request, "text/plain\r\nEvil: 1", "x", 1), WSOCK_ERR_INVALID_ARGUMENT);
  return 0;
}

int main(void) {
  struct pair pair;
  pair_open(&pair, NULL, NULL);
  payloads(&pair, pair.client.conn);
  payloads(&pair, pair_peer(&pair)->conn);
  section("NULL with length 0 is an empty message");
  pair_peer(&pair)->echo = 0;
  CHECK_STATUS(wsock_conn_send_text(pair.client.conn, NULL, 0), WSOCK_OK);
  CHECK_STATUS(wsock_conn_send_binary(pair.client.conn, NULL, 0), WSOCK_OK);
  CHECK_STATUS(wsock_conn_ping(pair.client.conn, NULL, 0), WSOCK_OK);
  PUMP_UNTIL(pair.loop, pair_peer(&pair)->messages == 2 && pair.client.pongs == 1);
  CHECK_INT(pair_peer(&pair)->len, 0);
  pair_peer(&pair)->echo = 1;

  section("sizes of output structs");
  CHECK_SIZES(wsock_conn_stats, wsock_conn_get_stats(pair.client.conn, &u_.value));
  CHECK_SIZES(wsock_server_stats, wsock_server_get_stats(pair.srv.server, &u_.value));
  CHECK_SIZES(wsock_error_info, wsock_last_error(&u_.value));
  CHECK_REFUSED(wsock_conn_get_stats(pair.client.conn, NULL), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_server_get_stats(pair.srv.server, NULL), WSOCK_ERR_INVALID_ARGUMENT);

  section("post without a task");
  CHECK_REFUSED(wsock_loop_post(pair.loop, NULL, NULL, NULL), WSOCK_ERR_INVALID_ARGUMENT);
  section("poll with -1 waits as long as it takes; other negative times are mistakes");
  CHECK_STATUS(wsock_conn_ping(pair.client.conn, "1", 1), WSOCK_OK);
  CHECK_REFUSED(poll_loop(pair.loop, -2), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(poll_loop(pair.loop, INT32_MIN), WSOCK_ERR_INVALID_ARGUMENT);
  for (int pongs = pair.client.pongs; pair.client.pongs == pongs;) REQUIRE(poll_loop(pair.loop, -1) >= 0);
  pair_echo(&pair);
  pair_free(&pair);

  closing();
  options_text();
  options_numbers();
  addresses();

  wsock_options *o = new_options();
  struct srv srv = {0};
  struct rec client = {0};
  struct raw raw;
  wsock_loop *loop = new_loop();
  wsock_options_add_protocol(o, "chat");
  srv.request = on_request;
  srv_listen(&srv, loop, o);
  const char *head = raw_upgrade(&raw, loop, srv.port, "Sec-WebSocket-Protocol: chat, other\r\n");
  CHECK_INT(srv.requests, 1);
  CHECK(strcasestr(head, "evil") == NULL);
  CHECK_STR(head_value(head, "Sec-WebSocket-Protocol"), "chat");
  raw_close(&raw);

  section("user data of a connection");
  connect_to(&client, loop, url_of(srv.port, "/"), NULL);
  PUMP_UNTIL(loop, client.opens);
  CHECK_STATUS(wsock_conn_set_user_data(client.conn, NULL, count_release), WSOCK_OK);
  CHECK(wsock_conn_user_data(client.conn) == NULL);
  CHECK_INT(client.releases, 1);
  client.releases = 0;
  CHECK_STATUS(wsock_conn_set_user_data(client.conn, &client, NULL), WSOCK_OK);
  CHECK_INT(released, 1);
  free_loop(loop);
  CHECK(client.closes == 1 && client.releases == 0 && released == 1);
  wsock_options_free(o);
  srv_free(&srv);
  return check_end();
}
