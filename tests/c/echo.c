/* The ordinary way: connect, send, receive, read what can be read, close. */
#include "raw.h"

static unsigned char *fill(size_t len, int text) {
  unsigned char *data = malloc(len + 1);
  for (size_t i = 0; i < len; i++) data[i] = (unsigned char)(text ? 'a' + i * 7 % 26 : i * 131 + (i >> 8) * 17);
  if (text && len >= 4) memcpy(data + len - 4, "\xf0\x9f\x98\x80", 4);
  return data;
}

static void sizes(struct pair *pair) {
  static const size_t lens[] = {0, 1, 125, 126, 127, 65535, 65536, 1 << 20, 16 << 20};
  uint64_t payload = 0, messages = 0;
  section("sizes, text and binary, both flags");
  for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++)
    for (int text = 0; text < 2; text++) {
      size_t len = check_is_slow() && lens[i] > 1 << 20 ? 200000 : lens[i];
      int32_t type = text ? WSOCK_TEXT : WSOCK_BINARY;
      unsigned char *data = fill(len, text);
      uint32_t flags = i % 2 ? WSOCK_SEND_NO_COMPRESS : 0;
      wsock_status sent = wsock_conn_send(pair->client.conn, type, data, len, flags);
      CHECKF(sent == WSOCK_OK || sent == WSOCK_BUFFERED, "%zu bytes gave %d", len, (int)sent);
      messages++, payload += len;
      PUMP_UNTIL(pair->loop, pair->client.messages == (int)messages);
      CHECKF(pair->client.type == type && pair->client.len == len && memcmp(pair->client.data, data, len) == 0, "%zu bytes", len);
      free(data);
    }
  section("statistics add up");
  wsock_conn_stats client = conn_stats(pair->client.conn), server = conn_stats(pair_peer(pair)->conn);
  wsock_server_stats total = server_stats(pair->srv.server);
  CHECK_INT(client.messages_sent, messages);
  CHECK_INT(client.messages_received, messages);
  CHECK_INT(client.payload_sent, payload);
  CHECK_INT(client.payload_received, payload);
  CHECK(server.messages_sent == messages && server.messages_received == messages);
  CHECK(server.payload_sent == payload && server.payload_received == payload);
  CHECK_INT(client.bytes_sent, server.bytes_received);
  CHECK_INT(server.bytes_sent, client.bytes_received);
  CHECK(client.buffered_amount == 0 && server.buffered_amount == 0);
  CHECK(total.messages_received == messages && total.messages_sent == messages);
  CHECK(total.bytes_received == server.bytes_received && total.bytes_sent == server.bytes_sent);
  CHECK(total.connections == 1 && total.accepted == 1 && total.opened == 1 && total.handshakes == 0);
  CHECK(total.refused == 0 && total.handshake_errors == 0 && total.handshake_timeouts == 0 && total.accept_errors == 0);
}

static void plain_round_trips(void) {
  struct pair pair;
  pair_open(&pair, NULL, NULL);
  sizes(&pair);
  wsock_conn_stats stats = conn_stats(pair.client.conn);
  /* masked frames: 2, 4 or 10 bytes and a key of 4 */
  CHECK_INT(stats.bytes_sent, stats.payload_sent + 2 * (3 * 6 + 3 * 8 + 3 * 14));
  CHECK_INT(stats.bytes_received, stats.payload_received + 2 * (3 * 2 + 3 * 4 + 3 * 10));
  pair_free(&pair);
}

static void compressed_round_trips(void) {
  struct pair pair;
  wsock_options *o = new_options();
  if (!(wsock_features() & WSOCK_FEATURE_DEFLATE)) {
    CHECK_STATUS(wsock_options_set_int(o, WSOCK_OPT_DEFLATE, 1), WSOCK_ERR_UNSUPPORTED);
    wsock_options_free(o);
    return;
  }
  option(o, WSOCK_OPT_DEFLATE, 1);
  pair_open(&pair, o, o);
  CHECK(strncmp(wsock_conn_get_str(pair.client.conn, WSOCK_CONN_EXTENSIONS, NULL), "permessage-deflate", 18) == 0);
  CHECK_STR(wsock_conn_get_str(pair_peer(&pair)->conn, WSOCK_CONN_EXTENSIONS, NULL),
            wsock_conn_get_str(pair.client.conn, WSOCK_CONN_EXTENSIONS, NULL));
  sizes(&pair);
  section("compression makes text small, and not where it is not wanted");
  char *text = malloc(100000);
  memset(text, 'x', 100000);
  wsock_conn_stats before = conn_stats(pair.client.conn);
  wsock_conn_send(pair.client.conn, WSOCK_TEXT, text, 100000, 0);
  wsock_conn_stats small = conn_stats(pair.client.conn);
  PUMP_UNTIL(pair.loop, conn_stats(pair.client.conn).messages_received == before.messages_received + 1);
  small = conn_stats(pair.client.conn);
  CHECK(small.bytes_sent - before.bytes_sent < 5000 && small.bytes_received - before.bytes_received < 5000);
  CHECK_INT(small.payload_sent - before.payload_sent, 100000);
  wsock_conn_send(pair.client.conn, WSOCK_TEXT, text, 100000, WSOCK_SEND_NO_COMPRESS);
  PUMP_UNTIL(pair.loop, conn_stats(pair.client.conn).messages_received == before.messages_received + 2);
  wsock_conn_stats large = conn_stats(pair.client.conn);
  CHECK(large.bytes_sent - small.bytes_sent >= 100000);
  CHECK(large.bytes_received - small.bytes_received < 5000);
  free(text);
  pair_free(&pair);
  wsock_options_free(o);

  section("one side without compression");
  o = option(new_options(), WSOCK_OPT_DEFLATE, 1);
  pair_open(&pair, NULL, o);
  CHECK_STR(wsock_conn_get_str(pair.client.conn, WSOCK_CONN_EXTENSIONS, NULL), "");
  pair_echo(&pair);
  pair_free(&pair);
  pair_open(&pair, o, NULL);
  CHECK_STR(wsock_conn_get_str(pair.client.conn, WSOCK_CONN_EXTENSIONS, NULL), "");
  pair_echo(&pair);
  pair_free(&pair);
  wsock_options_free(o);
}

static int next_number, numbers_wrong;
static void expect_numbers(struct rec *rec, char event) {
  if (event == 'M' && atoi((char *)rec->data) != next_number++) numbers_wrong++;
}
static void order(void) {
  struct pair pair;
  char text[16];
  section("order");
  pair_open(&pair, NULL, NULL);
  pair.client.hook = expect_numbers;
  for (int i = 0; i < 5000; i++) {
    int n = snprintf(text, sizeof text, "%d", i);
    CHECK_STATUS(wsock_conn_send(pair.client.conn, i % 3 ? WSOCK_TEXT : WSOCK_BINARY, text, (size_t)n, 0), WSOCK_OK);
    if (i % 500 == 0) pump(pair.loop);
  }
  PUMP_UNTIL(pair.loop, pair.client.messages == 5000);
  CHECK_INT(numbers_wrong, 0);
  pair_free(&pair);
}

/* What can be read of a connection in the callbacks of both sides. */
static int headers_seen;
static void read_client(struct rec *rec, char event) {
  size_t len = 0;
  if (event != 'O') return;
  headers_seen++;
  CHECK_STR(wsock_conn_header(rec->conn, "x-from-server", 0, &len), "one");
  CHECK_INT(len, 3);
  CHECK_STR(wsock_conn_header(rec->conn, "X-FROM-SERVER", 1, NULL), "two");
  CHECK(wsock_conn_header(rec->conn, "X-From-Server", 2, &len) == NULL);
  CHECK(wsock_conn_header(rec->conn, "X-Never", 0, NULL) == NULL);
  CHECK_STR(wsock_conn_header(rec->conn, "Upgrade", 0, NULL), "websocket");
  const char *name = NULL, *value = NULL, *first = NULL;
  size_t lines = 0, own = 0;
  for (; wsock_conn_header_at(rec->conn, lines, &name, &value) == WSOCK_OK; lines++) {
    if (lines == 0) first = name;
    own += strcmp(name, "X-From-Server") == 0 && strcmp(value, own ? "two" : "one") == 0;
  }
  CHECK(lines == 6 && own == 2 && last_error().code == WSOCK_ERR_LIMIT);
  CHECK_STR(first, "Upgrade"); /* still there */
}
static void read_server(struct rec *rec, char event) {
  if (event != 'O') return;
  headers_seen++;
  CHECK_STR(wsock_conn_header(rec->conn, "Cookie", 0, NULL), "a=b; c=d");
  CHECK_STR(wsock_conn_header(rec->conn, "Sec-WebSocket-Version", 0, NULL), "13");
  CHECK_STR(wsock_conn_header(rec->conn, "Origin", 0, NULL), "https://app.example");
}
static void getters(void) {
  struct srv srv = {0};
  struct rec client = {0};
  char text[64];
  size_t len = 0;
  wsock_loop *loop = new_loop();
  wsock_options *server = new_options(), *options = new_options();
  section("getters");
  CHECK_STATUS(wsock_options_add_protocol(server, "v2.chat"), WSOCK_OK);
  CHECK_STATUS(wsock_options_add_protocol(server, "v1.chat"), WSOCK_OK);
  CHECK_STATUS(wsock_options_add_header(server, "X-From-Server", "one"), WSOCK_OK);
  CHECK_STATUS(wsock_options_add_header(server, "X-From-Server", "two"), WSOCK_OK);
  CHECK_STATUS(wsock_options_add_protocol(options, "v0.chat"), WSOCK_OK);
  CHECK_STATUS(wsock_options_add_protocol(options, "v1.chat"), WSOCK_OK);
  CHECK_STATUS(wsock_options_add_protocol(options, "v2.chat"), WSOCK_OK);
  CHECK_STATUS(wsock_options_add_header(options, "Cookie", "a=b; c=d"), WSOCK_OK);
  CHECK_STATUS(wsock_options_set_str(options, WSOCK_OPT_ORIGIN, "https://app.example"), WSOCK_OK);
  srv.hook = read_server;
  client.hook = read_client;
  srv_listen(&srv, loop, server);
  connect_to(&client, loop, url_of(srv.port, "/chat?room=1"), options);
  wsock_options_free(server); /* both are copies by now */
  wsock_options_free(options);
  CHECK_STR(wsock_conn_get_str(client.conn, WSOCK_CONN_URL, NULL), url_of(srv.port, "/chat?room=1"));
  CHECK_STR(wsock_conn_get_str(client.conn, WSOCK_CONN_PROTOCOL, NULL), "");
  CHECK_STR(wsock_conn_get_str(client.conn, WSOCK_CONN_EXTENSIONS, NULL), "");
  PUMP_UNTIL(loop, client.opens && srv.count == 1);
  REQUIRE(client.opens && srv.count == 1);
  CHECK_INT(headers_seen, 2);
  wsock_conn *peer = srv.conn[0]->conn;
  CHECK_STR(wsock_conn_get_str(client.conn, WSOCK_CONN_PROTOCOL, &len), "v1.chat"); /* the client's first choice that the server knows */
  CHECK_INT(len, 7);
  CHECK_STR(wsock_conn_get_str(peer, WSOCK_CONN_PROTOCOL, NULL), "v1.chat");
  CHECK_STR(wsock_conn_get_str(client.conn, WSOCK_CONN_EXTENSIONS, NULL), "");
  CHECK_STR(wsock_conn_get_str(client.conn, WSOCK_CONN_RESPONSE_BODY, NULL), "");
  snprintf(text, sizeof text, "127.0.0.1:%u", (unsigned)srv.port);
  CHECK_STR(wsock_conn_get_str(client.conn, WSOCK_CONN_PEER_ADDRESS, &len), text);
  CHECK_INT(len, strlen(text));
  CHECK_STR(wsock_conn_get_str(peer, WSOCK_CONN_LOCAL_ADDRESS, NULL), text);
  snprintf(text, sizeof text, "%s", wsock_conn_get_str(peer, WSOCK_CONN_PEER_ADDRESS, NULL));
  CHECK(strncmp(text, "127.0.0.1:", 10) == 0);
  CHECK_STR(wsock_conn_get_str(client.conn, WSOCK_CONN_LOCAL_ADDRESS, NULL), text);
  CHECK(wsock_conn_get_str(peer, WSOCK_CONN_URL, NULL) != NULL);
  CHECK(wsock_conn_header(client.conn, "X-From-Server", 0, NULL) == NULL); /* readable until on_open returned */
  const char *name, *value;
  CHECK_REFUSED(wsock_conn_header_at(client.conn, 0, &name, &value), WSOCK_ERR_LIMIT);
  CHECK(wsock_conn_server(client.conn) == NULL && wsock_conn_server(peer) == srv.server);

  section("user data");
  struct rec other = {0};
  CHECK(wsock_conn_user_data(client.conn) == &client && wsock_conn_user_data(peer) == srv.conn[0]);
  other.conn = client.conn;
  other.opens = 1;
  CHECK_STATUS(wsock_conn_set_user_data(client.conn, &other, rec_release), WSOCK_OK);
  CHECK(wsock_conn_user_data(client.conn) == &other);
  CHECK_INT(client.releases, 1);
  CHECK_STATUS(wsock_conn_send_text(peer, "to the new one", 14), WSOCK_OK);
  PUMP_UNTIL(loop, other.messages == 1);
  CHECK_INT(client.messages, 0);

  section("states, and nothing after the end");
  CHECK_INT(wsock_conn_state(client.conn), WSOCK_OPEN);
  CHECK_STATUS(wsock_conn_close(client.conn, 1000, "bye"), WSOCK_OK);
  CHECK_INT(wsock_conn_state(client.conn), WSOCK_CLOSING);
  CHECK_REFUSED(wsock_conn_send_text(client.conn, "late", 4), WSOCK_ERR_STATE);
  CHECK_REFUSED(wsock_conn_ping(client.conn, "late", 4), WSOCK_ERR_STATE);
  CHECK(other.closes == 0);
  PUMP_UNTIL(loop, other.releases && srv.conn[0]->releases);
  CHECK_ENDED(&other);
  CHECK_ENDED(srv.conn[0]);
  CHECK_INT(wsock_conn_state(client.conn), WSOCK_CLOSED);
  CHECK_INT(wsock_conn_buffered_amount(client.conn), 0);
  CHECK(client.closes == 0 && client.releases == 1);
  pump_for(loop, 20);
  CHECK_INT(other.closes, 1);
  CHECK_INT(server_stats(srv.server).connections, 0);
  free_loop(loop);
  CHECK(srv.releases == 1 && client.releases == 1 && other.releases == 1);
  rec_free(&other);
  srv_free(&srv);
}

static int32_t choose(struct srv *srv, wsock_request *request) {
  CHECK_STR(wsock_request_protocol_at(request, 0), "alpha");
  CHECK_STR(wsock_request_protocol_at(request, 1), "beta");
  CHECK(wsock_request_protocol_at(request, 2) == NULL);
  CHECK_STATUS(wsock_request_select_protocol(request, srv->count ? NULL : "beta"), WSOCK_OK);
  return 0;
}
static void subprotocols(void) {
  struct srv srv = {0};
  struct rec client[3] = {{0}};
  wsock_loop *loop = new_loop();
  wsock_options *options = new_options();
  section("the application selects the subprotocol");
  CHECK_STATUS(wsock_options_add_protocol(options, "alpha"), WSOCK_OK);
  CHECK_STATUS(wsock_options_add_protocol(options, "beta"), WSOCK_OK);
  srv.request = choose;
  srv_listen(&srv, loop, NULL);
  connect_to(&client[0], loop, url_of(srv.port, "/"), options);
  PUMP_UNTIL(loop, client[0].opens);
  CHECK_STR(wsock_conn_get_str(client[0].conn, WSOCK_CONN_PROTOCOL, NULL), "beta");
  section("the application wants none: as in browsers the client fails");
  connect_to(&client[2], loop, url_of(srv.port, "/"), options);
  PUMP_UNTIL(loop, client[2].closes);
  CHECK_INT(client[2].opens, 0);
  CHECK_INT(client[2].error.code, WSOCK_ERR_HANDSHAKE);
  section("none in common: the same");
  srv.request = NULL;
  connect_to(&client[1], loop, url_of(srv.port, "/"), options);
  PUMP_UNTIL(loop, client[1].closes);
  CHECK_INT(client[1].opens, 0);
  CHECK(strstr(client[1].error.message, "none of the requested subprotocols") != NULL);
  free_loop(loop);
  srv_free(&srv);
  wsock_options_free(options);
}

static void one_echo(wsock_loop *loop, const char *url) {
  struct rec client = {0};
  section(url);
  connect_to(&client, loop, url, NULL);
  PUMP_UNTIL(loop, client.opens || client.closes);
  CHECK_INT(client.opens, 1);
  if (client.opens) {
    CHECK_STATUS(wsock_conn_send_text(client.conn, "hello", 5), WSOCK_OK);
    PUMP_UNTIL(loop, client.messages == 1);
    CHECK_STATUS(wsock_conn_close(client.conn, 1000, NULL), WSOCK_OK);
    PUMP_UNTIL(loop, client.releases);
    CHECK_ENDED(&client);
  }
  rec_free(&client);
}
static int has_ipv6(void) {
  struct sockaddr_in6 a;
  memset(&a, 0, sizeof a);
  a.sin6_family = AF_INET6;
  a.sin6_addr = in6addr_loopback;
  int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int good = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0;
  if (fd >= 0) close(fd);
  return good;
}
static void families(void) {
  static const char *const everywhere[] = {NULL, "", "*"};
  wsock_loop *loop = new_loop();
  wsock_handlers h = srv_handlers();
  struct srv srv[6];
  char url[64];
  int ipv6 = has_ipv6();
  memset(srv, 0, sizeof srv);
  for (int i = 0; i < 6; i++) {
    const char *host = i < 3 ? everywhere[i] : i == 3 ? "localhost" : i == 4 ? "::1" : "127.0.0.1";
    if (i == 4 && !ipv6) continue;
    srv[i].echo = 1;
    CHECK_STATUS(wsock_listen(loop, host, 0, NULL, &h, &srv[i], &srv[i].server), WSOCK_OK);
    srv[i].port = wsock_server_port(srv[i].server);
    CHECK(srv[i].port != 0);
    snprintf(url, sizeof url, "ws://127.0.0.1:%u/", (unsigned)srv[i].port);
    if (i != 4) one_echo(loop, url);
    snprintf(url, sizeof url, "ws://localhost:%u/", (unsigned)srv[i].port);
    if (i == 3 || i < 3 || i == 5) one_echo(loop, url);
    snprintf(url, sizeof url, "ws://[::1]:%u/", (unsigned)srv[i].port);
    if (ipv6 && (i < 3 || i == 4)) one_echo(loop, url);
  }
  section("a port of one's own choice");
  uint16_t port = 0;
  wsock_server *server = NULL;
  struct srv fixed = {0};
  wsock_status status = WSOCK_ERR_SYSTEM;
  for (int i = 0; i < 5 && status == WSOCK_ERR_SYSTEM; i++) { /* another program may be quicker to take it */
    port = raw_free_port();
    status = wsock_listen(loop, "127.0.0.1", port, NULL, &h, &fixed, &server);
  }
  CHECK_STATUS(status, WSOCK_OK);
  CHECK_INT(wsock_server_port(server), port);
  free_loop(loop);
  CHECK_INT(fixed.releases, 1);
  for (int i = 0; i < 6; i++) srv_free(&srv[i]);
}

static void buffered_amount(void) {
  struct raw raw;
  struct rec client = {0};
  wsock_loop *loop = new_loop();
  static char data[60000];
  section("buffered amount counts what waits, and only that");
  raw_serve(&raw, &client, loop, NULL);
  CHECK_INT(wsock_conn_buffered_amount(client.conn), 0);
  size_t before = 0, sent = 0;
  while (wsock_conn_buffered_amount(client.conn) == 0 && sent < (64u << 20)) {
    CHECK(wsock_conn_send_binary(client.conn, data, sizeof data) >= 0);
    sent += sizeof data;
    pump(loop);
  }
  before = wsock_conn_buffered_amount(client.conn);
  CHECK(before > 0 && before <= sent);
  CHECK_INT(conn_stats(client.conn).buffered_amount, before);
  CHECK(wsock_conn_send_binary(client.conn, data, 1000) >= 0);
  CHECK_INT(wsock_conn_buffered_amount(client.conn), before + 1000);
  static struct frame frame;
  size_t got = 0;
  while (got < sent + 1000 && raw_next(&raw, &frame)) got += frame.len;
  CHECK_INT(got, sent + 1000);
  PUMP_UNTIL(loop, wsock_conn_buffered_amount(client.conn) == 0);
  raw_close(&raw);
  free_loop(loop);
  CHECK_ENDED(&client);
}

static void counted_polls(void) {
  struct pair pair;
  section("poll counts callbacks");
  pair_open(&pair, NULL, NULL);
  PUMP_UNTIL(pair.loop, poll_loop(pair.loop, 0) == 0);
  CHECK_STATUS(wsock_conn_send_text(pair.client.conn, "x", 1), WSOCK_OK);
  int counted = 0;
  int64_t end = now_ms() + patience_ms();
  while (pair.client.messages == 0 && now_ms() < end) counted += poll_loop(pair.loop, 50);
  CHECK_INT(counted, 2); /* on_message of either side */
  CHECK_INT(poll_loop(pair.loop, 0), 0);
  pair_free(&pair);
}

int main(void) {
  section("plain");
  plain_round_trips();
  section("compressed");
  compressed_round_trips();
  order();
  getters();
  subprotocols();
  families();
  buffered_amount();
  counted_polls();
  return check_end();
}
