/* The WebSocket interface of the browsers, row by row: each section is named like the row of
   docs/whatwg.md that it pins. */
#include "raw.h"

/* What a page would see: events in order, and the readyState inside each. */
static int32_t state_in[128];
static void note_state(struct rec *rec, char event) {
  if (event != 'R') state_in[(int)event] = wsock_conn_state(rec->conn);
}

/* One client against a server that runs `script` in each callback of its side. */
struct page {
  wsock_loop *loop;
  struct srv srv;
  struct rec ws;
};
static void page_open(struct page *page, void (*script)(struct rec *, char), const wsock_options *options) {
  memset(page, 0, sizeof *page);
  memset(state_in, -1, sizeof state_in);
  page->loop = new_loop();
  page->srv.hook = script;
  page->ws.hook = note_state;
  srv_listen(&page->srv, page->loop, NULL);
  connect_to(&page->ws, page->loop, url_of(page->srv.port, "/"), options);
}
static void page_end(struct page *page) {
  free_loop(page->loop);
  CHECK_ENDED(&page->ws);
  rec_free(&page->ws);
  srv_free(&page->srv);
}

static void constructor(void) {
  static const char *const bad[] = {"", "example.org", "ftp://example.org/", "ws://example.org/#x", "ws://exa mple.org/", "ws://example.org:70000/"};
  wsock_loop *loop = new_loop();
  wsock_handlers h = rec_handlers();
  wsock_options *o = new_options();
  wsock_conn *conn = NULL;
  section("new WebSocket(url): SyntaxError");
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    CHECK_STATUS(wsock_connect(loop, bad[i], NULL, &h, NULL, &conn), WSOCK_ERR_INVALID_ARGUMENT);
  section("new WebSocket(url, protocols): SyntaxError");
  CHECK_STATUS(wsock_options_add_protocol(o, "a"), WSOCK_OK);
  CHECK_STATUS(wsock_options_add_protocol(o, "a"), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(wsock_options_add_protocol(o, "not a token"), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(wsock_options_add_protocol(o, ""), WSOCK_ERR_INVALID_ARGUMENT);
  wsock_options_free(o);

  section("url");
  static const char *const urls[][2] = {
      {"WS://LOCALHOST:9", "ws://localhost:9/"},          {"http://127.0.0.1:9/a", "ws://127.0.0.1:9/a"},
      {"ws://user:pass@127.0.0.1:9/", "ws://127.0.0.1:9/"}, {"ws://127.0.0.1:9?q=1", "ws://127.0.0.1:9/?q=1"},
      {"ws://[::1]:9/", "ws://[::1]:9/"},                 {"ws://127.0.0.1:80/x", "ws://127.0.0.1/x"},
  };
  for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
    struct rec ws = {0};
    connect_to(&ws, loop, urls[i][0], NULL);
    CHECK_STR(wsock_conn_get_str(ws.conn, WSOCK_CONN_URL, NULL), urls[i][1]);
    CHECK_STATUS(wsock_conn_abort(ws.conn), WSOCK_OK);
    PUMP_UNTIL(loop, ws.releases);
    CHECK_ENDED(&ws);
  }
  free_loop(loop);
}

static void say_and_close(struct rec *rec, char event) {
  if (event != 'O') return;
  CHECK_STATUS(wsock_conn_send_text(rec->conn, "text", 4), WSOCK_OK);
  CHECK_STATUS(wsock_conn_send_binary(rec->conn, "\0\1\2", 3), WSOCK_OK);
  CHECK_STATUS(wsock_conn_close(rec->conn, 3000, "enough"), WSOCK_OK);
}
static void attributes_and_events(void) {
  struct page page;
  section("constants");
  CHECK(WSOCK_CONNECTING == 0 && WSOCK_OPEN == 1 && WSOCK_CLOSING == 2 && WSOCK_CLOSED == 3);
  section("readyState CONNECTING");
  page_open(&page, say_and_close, NULL);
  CHECK_INT(wsock_conn_state(page.ws.conn), WSOCK_CONNECTING);
  section("protocol and extensions are empty before open");
  CHECK_STR(wsock_conn_get_str(page.ws.conn, WSOCK_CONN_PROTOCOL, NULL), "");
  CHECK_STR(wsock_conn_get_str(page.ws.conn, WSOCK_CONN_EXTENSIONS, NULL), "");
  section("send() while CONNECTING: InvalidStateError");
  CHECK_REFUSED(wsock_conn_send_text(page.ws.conn, "early", 5), WSOCK_ERR_STATE);
  CHECK_INT(wsock_conn_buffered_amount(page.ws.conn), 0);
  section("open, message, message, close: in this order, each in its state");
  PUMP_UNTIL(page.loop, page.ws.closes);
  CHECK(strncmp(page.ws.log, "OMC", 3) == 0 && page.ws.opens == 1 && page.ws.messages == 2 && page.ws.errors == 0);
  CHECK_INT(state_in['O'], WSOCK_OPEN);
  CHECK_INT(state_in['M'], WSOCK_OPEN);
  CHECK_INT(state_in['C'], WSOCK_CLOSED);
  section("MessageEvent.data: ArrayBuffer");
  CHECK(page.ws.type == WSOCK_BINARY && page.ws.len == 3 && memcmp(page.ws.data, "\0\1\2", 3) == 0);
  section("CloseEvent of the peer's close(3000, reason)");
  CHECK_INT(page.ws.close.code, 3000);
  CHECK_STR(page.ws.reason, "enough");
  CHECK_INT(page.ws.close.was_clean, 1);
  CHECK_INT(page.ws.close.initiator, WSOCK_BY_PEER);
  section("readyState CLOSED");
  CHECK_INT(wsock_conn_state(page.ws.conn), WSOCK_CLOSED);
  page_end(&page);
}

static void text_then_nothing(struct rec *rec, char event) {
  if (event == 'O') CHECK_STATUS(wsock_conn_send_text(rec->conn, "gr\xc3\xbc\xc3\x9f", 6), WSOCK_OK);
}
static void closing(void) {
  struct page page;
  char reason[125];
  section("MessageEvent.data: string");
  page_open(&page, text_then_nothing, NULL);
  PUMP_UNTIL(page.loop, page.ws.messages);
  CHECK(page.ws.type == WSOCK_TEXT && page.ws.len == 6 && memcmp(page.ws.data, "gr\xc3\xbc\xc3\x9f", 6) == 0);

  section("close(): InvalidAccessError for other codes than 1000 and 3000 to 4999");
  int32_t bad[] = {999, 1001, 1005, 1006, 1011, 1015, 2999, 5000, 65535};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) CHECK_REFUSED(wsock_conn_close(page.ws.conn, bad[i], NULL), WSOCK_ERR_INVALID_ARGUMENT);
  section("close(): SyntaxError for a reason of more than 123 bytes");
  memset(reason, 'x', 124);
  reason[124] = 0;
  CHECK_REFUSED(wsock_conn_close(page.ws.conn, 1000, reason), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_INT(wsock_conn_state(page.ws.conn), WSOCK_OPEN);

  section("close(code, reason): readyState CLOSING at once, close event later");
  CHECK_STATUS(wsock_conn_close(page.ws.conn, 4000, "my reason"), WSOCK_OK);
  CHECK_INT(wsock_conn_state(page.ws.conn), WSOCK_CLOSING);
  CHECK_INT(page.ws.closes, 0);
  section("close() again: nothing");
  CHECK_STATUS(wsock_conn_close(page.ws.conn, 1000, "other"), WSOCK_OK);
  section("send() while CLOSING is not sent");
  CHECK_REFUSED(wsock_conn_send_text(page.ws.conn, "late", 4), WSOCK_ERR_STATE);
  section("CloseEvent echoes what the peer answered");
  PUMP_UNTIL(page.loop, page.ws.closes && page.srv.conn[0]->closes);
  CHECK(page.ws.close.code == 4000 && page.ws.close.was_clean && page.ws.errors == 0);
  CHECK_INT(page.ws.close.initiator, WSOCK_BY_LOCAL);
  CHECK_INT(page.srv.conn[0]->close.code, 4000);
  CHECK_STR(page.srv.conn[0]->reason, "my reason");
  CHECK_INT(page.srv.conn[0]->messages, 0);
  page_end(&page);

  section("close() without arguments: 1005 at both ends");
  page_open(&page, NULL, NULL);
  PUMP_UNTIL(page.loop, page.ws.opens && page.srv.count);
  CHECK_STATUS(wsock_conn_close(page.ws.conn, 0, NULL), WSOCK_OK);
  PUMP_UNTIL(page.loop, page.ws.closes && page.srv.conn[0]->closes);
  CHECK_INT(page.ws.close.code, 1005);
  CHECK_INT(page.ws.close.sent_code, 1005);
  CHECK_STR(page.ws.reason, "");
  CHECK_INT(page.ws.close.was_clean, 1);
  CHECK(page.srv.conn[0]->close.code == 1005 && page.srv.conn[0]->close.was_clean);
  page_end(&page);

  section("close() while CONNECTING: no open event, 1006, not clean");
  page_open(&page, NULL, NULL);
  CHECK_STATUS(wsock_conn_close(page.ws.conn, 1000, "never mind"), WSOCK_OK);
  CHECK_INT(wsock_conn_state(page.ws.conn), WSOCK_CLOSING);
  CHECK_INT(page.ws.closes, 0);
  PUMP_UNTIL(page.loop, page.ws.closes);
  CHECK(page.ws.opens == 0 && page.ws.close.code == 1006 && page.ws.close.was_clean == 0);
  CHECK_INT(page.ws.close.sent_code, 0);
  page_end(&page);
}

static void failing(void) {
  struct page page;
  struct rec ws = {0};
  struct raw raw;
  wsock_loop *loop = new_loop();
  char url[64];

  section("nobody listens: error, close 1006, not clean");
  snprintf(url, sizeof url, "ws://127.0.0.1:%u/", (unsigned)raw_dead_port());
  connect_to(&ws, loop, url, NULL);
  PUMP_UNTIL(loop, ws.closes);
  CHECK_STR(ws.log, "ECR");
  CHECK(ws.error.code == WSOCK_ERR_CONNECT && ws.error.os_error == ECONNREFUSED);
  CHECK(ws.close.code == 1006 && ws.close.was_clean == 0 && ws.close.initiator == WSOCK_BY_NOBODY);
  CHECK(ws.close.sent_code == 0 && ws.close.status == WSOCK_ERR_CONNECT);

  section("the connection breaks: error, close 1006, not clean");
  memset(&ws, 0, sizeof ws);
  raw_serve(&raw, &ws, loop, NULL);
  raw_close(&raw);
  PUMP_UNTIL(loop, ws.closes);
  CHECK_STR(ws.log, "OECR");
  CHECK(ws.close.code == 1006 && ws.close.was_clean == 0 && ws.close.status == WSOCK_ERR_CONNECTION_LOST);

  section("the server sends what is not WebSocket: error, close 1006, not clean");
  memset(&ws, 0, sizeof ws);
  raw_serve(&raw, &ws, loop, NULL);
  raw_frame(&raw, 0x83, 0, "x", 1);
  CHECK_INT(raw_close_code(&raw), 1002);
  raw_close(&raw);
  PUMP_UNTIL(loop, ws.closes);
  CHECK_STR(ws.log, "OECR");
  CHECK(ws.close.code == 1006 && ws.close.was_clean == 0 && ws.close.sent_code == 1002);

  section("another status than 101: error, close 1006");
  uint16_t port;
  int listener = raw_listen(&port, 4);
  memset(&ws, 0, sizeof ws);
  connect_to(&ws, loop, url_of(port, "/"), NULL);
  raw_accept(&raw, loop, listener);
  raw_text(&raw, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  PUMP_UNTIL(loop, ws.closes);
  CHECK_STR(ws.log, "ECR");
  CHECK(ws.close.code == 1006 && ws.close.was_clean == 0 && ws.error.http_status == 404);
  raw_close(&raw);
  close(listener);
  free_loop(loop);

  section("a server that goes away with 1001");
  page_open(&page, NULL, NULL);
  PUMP_UNTIL(page.loop, page.ws.opens && page.srv.count);
  CHECK_STATUS(wsock_server_close(page.srv.server, 0, 1001, "restarting"), WSOCK_OK);
  PUMP_UNTIL(page.loop, page.ws.closes && page.srv.releases);
  CHECK(page.ws.close.code == 1001 && page.ws.close.was_clean == 1);
  CHECK_STR(page.ws.reason, "restarting");
  page_end(&page);
}

static void buffered_amount(void) {
  struct rec ws = {0};
  struct raw raw;
  wsock_loop *loop = new_loop();
  static char data[65536];
  section("bufferedAmount");
  raw_serve(&raw, &ws, loop, NULL);
  CHECK_INT(wsock_conn_buffered_amount(ws.conn), 0);
  while (wsock_conn_buffered_amount(ws.conn) < 10 * sizeof data) {
    REQUIRE(wsock_conn_send_binary(ws.conn, data, sizeof data) >= 0);
    pump(loop);
  }
  section("bufferedAmount does not fall to zero when the connection ends");
  size_t waiting = wsock_conn_buffered_amount(ws.conn);
  raw_reset(&raw);
  PUMP_UNTIL(loop, ws.closes);
  CHECKF(ws.close.unsent_bytes > 0 && ws.close.unsent_bytes <= waiting, "%llu unsent of %zu",
         (unsigned long long)ws.close.unsent_bytes, waiting);
  free_loop(loop);
}

static void negotiated(void) {
  struct page page;
  wsock_options *o = new_options();
  section("protocol");
  CHECK_STATUS(wsock_options_add_protocol(o, "chat"), WSOCK_OK);
  memset(&page, 0, sizeof page);
  page.loop = new_loop();
  srv_listen(&page.srv, page.loop, o);
  connect_to(&page.ws, page.loop, url_of(page.srv.port, "/"), o);
  PUMP_UNTIL(page.loop, page.ws.opens);
  CHECK_STR(wsock_conn_get_str(page.ws.conn, WSOCK_CONN_PROTOCOL, NULL), "chat");
  page_end(&page);
  section("extensions");
  if (wsock_options_set_int(o, WSOCK_OPT_DEFLATE, 1) == WSOCK_OK) {
    memset(&page, 0, sizeof page);
    page.loop = new_loop();
    srv_listen(&page.srv, page.loop, o);
    connect_to(&page.ws, page.loop, url_of(page.srv.port, "/"), o);
    PUMP_UNTIL(page.loop, page.ws.opens);
    CHECK(strncmp(wsock_conn_get_str(page.ws.conn, WSOCK_CONN_EXTENSIONS, NULL), "permessage-deflate", 18) == 0);
    page_end(&page);
  } else {
    CHECK((wsock_features() & WSOCK_FEATURE_DEFLATE) == 0);
  }
  wsock_options_free(o);
}

int main(void) {
  constructor();
  attributes_and_events();
  closing();
  failing();
  buffered_amount();
  negotiated();
  return check_end();
}
