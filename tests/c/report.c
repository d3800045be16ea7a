/* How a connection ended: every field of wsock_close_info, for each layer that it may end in. What was told
   to on_error and to on_close is compared in peer.h, for every connection of every program. */
#include "raw.h"

static wsock_loop *loop;
static struct rec client;
static struct raw raw;

static void begin(const char *url, const wsock_options *options) {
  rec_free(&client);
  memset(&client, 0, sizeof client);
  connect_to(&client, loop, url, options);
}
static void serve(const wsock_options *options) {
  rec_free(&client);
  memset(&client, 0, sizeof client);
  raw_serve(&raw, &client, loop, options);
}
/* The fields that one way to end has; those that are left out are 0. */
struct expected {
  int32_t code, sent_code, was_clean, initiator, status, layer, os_error, http_status;
};
#define EXPECT(...) expect_report((struct expected){__VA_ARGS__}, &client)
static void expect_report(struct expected want, struct rec *rec) {
  PUMP_UNTIL(loop, rec->releases);
  CHECK_ENDED(rec);
  const wsock_close_info *got = &rec->close;
  CHECK_INT(got->struct_size, sizeof *got);
  CHECK_INT(got->code, want.code);
  CHECK_INT(got->sent_code, want.sent_code);
  CHECK_INT(got->was_clean, want.was_clean);
  CHECK_INT(got->initiator, want.initiator);
  CHECKF(got->status == want.status, "%d \"%s\", expected %d", (int)got->status, rec->error.message, (int)want.status);
  CHECK_INT(got->layer, want.layer);
  CHECK_INT(got->os_error, want.os_error);
  CHECK_INT(got->http_status, want.http_status);
  CHECK_INT(got->tls_alert, 0);
  if (want.sent_code == 0) CHECK_STR(rec->sent_reason, "");
  if (want.status) CHECK_STR(rec->reason, rec->error.message);
}

static void websocket(void) {
  struct srv srv = {0};
  section("WebSocket: closed here; both codes and both reasons");
  serve(NULL);
  CHECK_STATUS(wsock_conn_close(client.conn, 3001, "my reason"), WSOCK_OK);
  CHECK_INT(raw_close_code(&raw), 3001);
  raw_close_frame(&raw, 0, 4002, "your reason");
  raw_close(&raw);
  EXPECT(.code = 4002, .sent_code = 3001, .was_clean = 1, .initiator = WSOCK_BY_LOCAL, .layer = WSOCK_LAYER_WEBSOCKET);
  CHECK_STR(client.reason, "your reason");
  CHECK_STR(client.sent_reason, "my reason");
  section("WebSocket: closed there; the answer repeats the code");
  serve(NULL);
  raw_close_frame(&raw, 0, 4003, "their reason");
  CHECK_INT(raw_close_code(&raw), 4003);
  raw_close(&raw);
  EXPECT(.code = 4003, .sent_code = 4003, .was_clean = 1, .initiator = WSOCK_BY_PEER, .layer = WSOCK_LAYER_WEBSOCKET);
  CHECK_STR(client.reason, "their reason");
  CHECK_STR(client.sent_reason, "");
  section("WebSocket: no codes");
  serve(NULL);
  CHECK_STATUS(wsock_conn_close(client.conn, 0, NULL), WSOCK_OK);
  CHECK_INT(raw_close_code(&raw), 1005);
  raw_close_frame(&raw, 0, 0, "");
  raw_close(&raw);
  EXPECT(.code = 1005, .sent_code = 1005, .was_clean = 1, .initiator = WSOCK_BY_LOCAL, .layer = WSOCK_LAYER_WEBSOCKET);
  CHECK(client.reason[0] == 0 && client.sent_reason[0] == 0);
  section("WebSocket: both at once");
  serve(NULL);
  raw_close_frame(&raw, 0, 4004, "crossed");
  CHECK_STATUS(wsock_conn_close(client.conn, 3004, "paths"), WSOCK_OK);
  CHECK_INT(raw_close_code(&raw), 3004);
  raw_close(&raw);
  PUMP_UNTIL(loop, client.releases);
  CHECK(client.close.code == 4004 && client.close.sent_code == 3004 && client.close.was_clean);
  CHECK_STR(client.reason, "crossed");
  CHECK_STR(client.sent_reason, "paths");
  section("WebSocket: what the server broke, and what was said to it");
  serve(NULL);
  raw_frame(&raw, 0x83, 0, "x", 1);
  CHECK_INT(raw_close_code(&raw), 1002);
  raw_close(&raw);
  EXPECT(.code = 1006, .sent_code = 1002, .initiator = WSOCK_BY_LOCAL, .status = WSOCK_ERR_PROTOCOL, .layer = WSOCK_LAYER_WEBSOCKET);
  CHECKF(client.sent_reason[0] != 0 && client.error.close_code == 1002, "\"%s\"", client.sent_reason);
  serve(NULL);
  raw_frame(&raw, 0x81, 0, "\xff", 1);
  CHECK_INT(raw_close_code(&raw), 1007);
  raw_close(&raw);
  EXPECT(.code = 1006, .sent_code = 1007, .initiator = WSOCK_BY_LOCAL, .status = WSOCK_ERR_INVALID_DATA, .layer = WSOCK_LAYER_WEBSOCKET);
  section("WebSocket: the same at a server, with codes a client may not send");
  srv_listen(&srv, loop, NULL);
  begin(url_of(srv.port, "/"), NULL);
  PUMP_UNTIL(loop, client.opens && srv.count == 1);
  CHECK_STATUS(wsock_conn_close(srv.conn[0]->conn, 1012, "restart"), WSOCK_OK);
  EXPECT(.code = 1012, .sent_code = 1012, .was_clean = 1, .initiator = WSOCK_BY_PEER, .layer = WSOCK_LAYER_WEBSOCKET);
  expect_report((struct expected){.code = 1012, .sent_code = 1012, .was_clean = 1, .initiator = WSOCK_BY_LOCAL, .layer = WSOCK_LAYER_WEBSOCKET},
                srv.conn[0]);
  CHECK_STR(client.reason, "restart");
  CHECK_STR(srv.conn[0]->sent_reason, "restart");
  wsock_server_close(srv.server, 0, 0, NULL);
  PUMP_UNTIL(loop, srv.releases);
  srv_free(&srv);
}

static void http(void) {
  uint16_t port;
  int listener = raw_listen(&port, 4);
  section("HTTP: another status");
  begin(url_of(port, "/"), NULL);
  raw_accept(&raw, loop, listener);
  raw_text(&raw, "HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n");
  EXPECT(.code = 1006, .status = WSOCK_ERR_HTTP_STATUS, .layer = WSOCK_LAYER_HTTP, .http_status = 418);
  raw_close(&raw);
  section("HTTP: not HTTP, or not an answer to what was asked");
  static const char *const answers[] = {"220 mail.example ESMTP\r\n", "HTTP/1.1 101 Fine\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"};
  for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
    begin(url_of(port, "/"), NULL);
    raw_accept(&raw, loop, listener);
    raw_text(&raw, answers[i]);
    EXPECT(.code = 1006, .status = WSOCK_ERR_HANDSHAKE, .layer = WSOCK_LAYER_HTTP);
    raw_close(&raw);
  }
  section("HTTP: redirects");
  wsock_options *o = option(new_options(), WSOCK_OPT_MAX_REDIRECTS, 1);
  begin(url_of(port, "/"), o);
  raw_accept(&raw, loop, listener);
  raw_text(&raw, "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n");
  EXPECT(.code = 1006, .status = WSOCK_ERR_REDIRECT, .layer = WSOCK_LAYER_HTTP, .http_status = 302);
  raw_close(&raw);
  wsock_options_free(o);
  close(listener);
}

static void tcp(void) {
  char data[1000];
  section("TCP: refused");
  begin(url_of(raw_dead_port(), "/"), NULL);
  EXPECT(.code = 1006, .status = WSOCK_ERR_CONNECT, .layer = WSOCK_LAYER_TCP, .os_error = ECONNREFUSED);
  section("TCP: reset");
  serve(NULL);
  raw_reset(&raw);
  EXPECT(.code = 1006, .status = WSOCK_ERR_CONNECTION_LOST, .layer = WSOCK_LAYER_TCP, .os_error = ECONNRESET);
  section("TCP: ended without a close frame");
  serve(NULL);
  raw_close(&raw);
  EXPECT(.code = 1006, .status = WSOCK_ERR_CONNECTION_LOST, .layer = WSOCK_LAYER_TCP);
  section("TCP: what had not left is counted");
  serve(NULL);
  CHECK_INT(wsock_conn_buffered_amount(client.conn), 0);
  memset(data, 'x', sizeof data);
  while (wsock_conn_buffered_amount(client.conn) < 500000) REQUIRE(wsock_conn_send_text(client.conn, data, sizeof data) >= 0);
  size_t buffered = wsock_conn_buffered_amount(client.conn);
  raw_reset(&raw);
  PUMP_UNTIL(loop, client.releases);
  CHECKF(client.close.unsent_bytes > 100000 && client.close.unsent_bytes <= buffered, "%llu of %zu",
         (unsigned long long)client.close.unsent_bytes, buffered);
  CHECK(client.close.status == WSOCK_ERR_CONNECTION_LOST && client.close.layer == WSOCK_LAYER_TCP);
  section("TCP: a name that nobody has");
  begin("ws://no-such-host.invalid/", NULL);
  PUMP_UNTIL(loop, client.releases);
  CHECK(client.close.status == WSOCK_ERR_RESOLVE && client.close.layer == WSOCK_LAYER_TCP && client.close.http_status == 0);
}

static void proxy(void) {
  char url[64];
  uint16_t port;
  int listener = raw_listen(&port, 4);
  wsock_options *o = new_options();
  snprintf(url, sizeof url, "http://127.0.0.1:%u", (unsigned)port);
  REQUIRE(wsock_options_set_str(o, WSOCK_OPT_PROXY, url) == WSOCK_OK);
  section("proxy: it refused");
  begin("ws://server.example/", o);
  raw_accept(&raw, loop, listener);
  raw_text(&raw, "HTTP/1.1 403 Forbidden\r\n\r\n");
  EXPECT(.code = 1006, .status = WSOCK_ERR_PROXY, .layer = WSOCK_LAYER_PROXY, .http_status = 403);
  raw_close(&raw);
  section("proxy: it is not there");
  snprintf(url, sizeof url, "socks5h://127.0.0.1:%u", (unsigned)raw_dead_port());
  REQUIRE(wsock_options_set_str(o, WSOCK_OPT_PROXY, url) == WSOCK_OK);
  begin("ws://server.example/", o);
  EXPECT(.code = 1006, .status = WSOCK_ERR_PROXY, .layer = WSOCK_LAYER_PROXY, .os_error = ECONNREFUSED);
  wsock_options_free(o);
  close(listener);
}

static void limits(void) {
  static unsigned char large[2000];
  uint16_t port;
  int listener = raw_listen(&port, 4);
  wsock_options *o = new_options();
  option(o, WSOCK_OPT_HANDSHAKE_TIMEOUT_MS, 100);
  option(o, WSOCK_OPT_CLOSE_TIMEOUT_MS, 100);
  section("timeout: the handshake");
  begin(url_of(port, "/"), o);
  EXPECT(.code = 1006, .status = WSOCK_ERR_HANDSHAKE_TIMEOUT, .layer = WSOCK_LAYER_TIMEOUT);
  section("timeout: the close handshake");
  serve(o);
  CHECK_STATUS(wsock_conn_close(client.conn, 1000, "bye"), WSOCK_OK);
  EXPECT(.code = 1006, .sent_code = 1000, .initiator = WSOCK_BY_LOCAL, .status = WSOCK_ERR_CLOSE_TIMEOUT, .layer = WSOCK_LAYER_TIMEOUT);
  CHECK_STR(client.sent_reason, "bye");
  raw_close(&raw);
  section("timeout: silence");
  option(o, WSOCK_OPT_PING_INTERVAL_MS, 50);
  option(o, WSOCK_OPT_PONG_TIMEOUT_MS, 50);
  serve(o);
  PUMP_UNTIL(loop, client.releases);
  CHECK(client.close.status == WSOCK_ERR_PING_TIMEOUT && client.close.layer == WSOCK_LAYER_TIMEOUT && client.close.rtt_us == 0);
  raw_close(&raw);
  section("timeout: idle");
  option(o, WSOCK_OPT_PING_INTERVAL_MS, 0);
  option(o, WSOCK_OPT_IDLE_TIMEOUT_MS, 50);
  serve(o);
  CHECK_INT(raw_close_code(&raw), 1001);
  raw_close_frame(&raw, 0, 1001, "");
  raw_close(&raw);
  PUMP_UNTIL(loop, client.releases);
  CHECK(client.close.status == WSOCK_ERR_IDLE_TIMEOUT && client.close.layer == WSOCK_LAYER_TIMEOUT && client.close.was_clean);
  CHECK(client.close.code == 1001 && client.close.sent_code == 1001 && client.close.initiator == WSOCK_BY_LOCAL);
  CHECK_STR(client.sent_reason, "idle timeout");
  wsock_options_free(o);

  section("limit: a message that is too big");
  o = option(new_options(), WSOCK_OPT_MAX_MESSAGE_SIZE, 1000);
  serve(o);
  raw_frame(&raw, 0x82, 0, large, sizeof large);
  CHECK_INT(raw_close_code(&raw), 1009);
  raw_close(&raw);
  EXPECT(.code = 1006, .sent_code = 1009, .initiator = WSOCK_BY_LOCAL, .status = WSOCK_ERR_TOO_BIG, .layer = WSOCK_LAYER_LIMIT);
  section("limit: too many fragments");
  option(o, WSOCK_OPT_MAX_FRAGMENTS, 2);
  serve(o);
  raw_frame(&raw, 0x02, 0, "a", 1);
  raw_frame(&raw, 0x00, 0, "b", 1);
  raw_frame(&raw, 0x00, 0, "c", 1);
  CHECK_INT(raw_close_code(&raw), 1008);
  raw_close(&raw);
  EXPECT(.code = 1006, .sent_code = 1008, .initiator = WSOCK_BY_LOCAL, .status = WSOCK_ERR_POLICY, .layer = WSOCK_LAYER_LIMIT);
  wsock_options_free(o);
  close(listener);
}

static void local(void) {
  struct rec peer = {0};
  wsock_loop *other = new_loop();
  section("local: aborted");
  serve(NULL);
  CHECK_STATUS(wsock_conn_abort(client.conn), WSOCK_OK);
  PUMP_UNTIL(loop, client.releases);
  CHECK_ENDED(&client);
  CHECK(client.close.code == 1006 && client.close.sent_code == 0 && client.close.was_clean == 0);
  CHECK(client.close.status == WSOCK_ERR_ABORTED && client.close.layer == WSOCK_LAYER_LOCAL && client.close.initiator == WSOCK_BY_LOCAL);
  raw_close(&raw);
  section("local: closed before it was open");
  begin(url_of(raw_dead_port(), "/"), NULL);
  CHECK_STATUS(wsock_conn_close(client.conn, 1000, "never mind"), WSOCK_OK);
  PUMP_UNTIL(loop, client.releases);
  CHECK(client.close.status == WSOCK_ERR_ABORTED && client.close.layer == WSOCK_LAYER_LOCAL && client.close.sent_code == 0);
  CHECK_STR(client.sent_reason, "");
  section("local: the loop was freed");
  raw_serve(&raw, &peer, other, NULL);
  free_loop(other);
  CHECK_ENDED(&peer);
  CHECK(peer.close.status == WSOCK_ERR_ABORTED && peer.close.layer == WSOCK_LAYER_LOCAL);
  raw_close(&raw);
}

static void round_trips(void) {
  static struct frame frame;
  section("rtt_us: of the last answered ping");
  for (int slow = 0; slow < 2; slow++) {
    serve(NULL);
    if (slow) {
      CHECK_STATUS(wsock_conn_ping(client.conn, "p", 1), WSOCK_OK);
      CHECK(raw_next(&raw, &frame) && frame.first == 0x89);
      pump_for(loop, 5);
      raw_frame(&raw, 0x8a, 0, frame.data, frame.len);
      PUMP_UNTIL(loop, client.pongs == 1);
    }
    uint64_t known = conn_stats(client.conn).rtt_us;
    raw_reset(&raw);
    PUMP_UNTIL(loop, client.releases);
    CHECKF(client.close.rtt_us == known && (known >= 1000) == slow, "%llu us, %llu before", (unsigned long long)client.close.rtt_us,
           (unsigned long long)known);
  }
}

int main(void) {
  loop = new_loop();
  websocket();
  http();
  tcp();
  proxy();
  limits();
  local();
  round_trips();
  free_loop(loop);
  rec_free(&client);
  return check_end();
}
