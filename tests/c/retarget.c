/* wsock_conn_set_target: a client that comes back goes elsewhere, or with other options. */
#include "reconnect.h"

/* Where on_retry sends it, and what that answered. */
static struct {
  const char *url;
  wsock_options *options;
  int status;
} target;
static void change_target(struct world *w, char event) {
  if (event != 'T') return;
  int32_t status = wsock_conn_set_target(w->client.conn, target.url, target.options);
  CHECK_STATUS(status, target.status);
  if (status < 0) CHECK_LAST(target.status);
}
static void *set_elsewhere(void *conn) {
  CHECK_REFUSED(wsock_conn_set_target(conn, "ws://127.0.0.1:1/", NULL), WSOCK_ERR_WRONG_THREAD);
  return NULL;
}
static void new_token(wsock_options **options, const char *token) {
  wsock_options_free(*options);
  *options = new_options();
  option(option(*options, WSOCK_OPT_RECONNECT, -1), WSOCK_OPT_RECONNECT_FIRST_MS, FIRST);
  option(*options, WSOCK_OPT_RECONNECT_MAX_MS, CAP);
  CHECK_STATUS(wsock_options_add_header(*options, "X-Token", token), WSOCK_OK);
}
static void targets(void) {
  static const char *const bad[] = {"", "nonsense", "ftp://127.0.0.1/", "ws://127.0.0.1/#x"};
  struct world w;
  struct raw raw;
  struct pair pair;
  char here[64], there[64];
  uint16_t port;
  int listener = raw_listen(&port, 8);
  const char *head;
  world_new(&w, -1);
  world_listen(&w);
  snprintf(here, sizeof here, "ws://127.0.0.1:%u/", (unsigned)w.port);
  snprintf(there, sizeof there, "ws://127.0.0.1:%u/there", (unsigned)port);
  w.each = change_target;

  section("another URL, set in on_retry");
  target.url = there;
  world_connect(&w);
  refuse_for(&w, 0);
  head = raw_accept(&raw, w.loop, listener);
  CHECK(strncmp(head, "GET /there HTTP/1.1\r\n", 21) == 0);
  raw_welcome(&raw, head, "");
  PUMP_UNTIL(w.loop, w.client.opens == 1);
  CHECK_STR(wsock_conn_get_str(w.client.conn, WSOCK_CONN_URL, NULL), there);

  section("other options, with a fresh token; the URL stays what it has become");
  target.url = NULL;
  for (int i = 1; i <= 2; i++) {
    char token[16];
    snprintf(token, sizeof token, "fresh-%d", i);
    new_token(&target.options, token);
    raw_reset(&raw);
    head = raw_accept(&raw, w.loop, listener);
    CHECK(strncmp(head, "GET /there HTTP/1.1\r\n", 21) == 0);
    CHECK_STR(head_value(head, "X-Token"), token);
    raw_welcome(&raw, head, "");
    PUMP_UNTIL(w.loop, w.client.opens == 1 + i);
  }
  section("nothing new: all stays");
  wsock_options_free(target.options);
  target.options = NULL;
  raw_reset(&raw);
  head = raw_accept(&raw, w.loop, listener);
  CHECK_STR(head_value(head, "X-Token"), "fresh-2");
  raw_welcome(&raw, head, "");
  PUMP_UNTIL(w.loop, w.client.opens == 4);

  section("bad targets are refused, and nothing has changed");
  target.status = WSOCK_ERR_INVALID_ARGUMENT;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    target.url = bad[i];
    raw_reset(&raw);
    head = raw_accept(&raw, w.loop, listener);
    CHECK(strncmp(head, "GET /there HTTP/1.1\r\n", 21) == 0);
    CHECK_STR(head_value(head, "X-Token"), "fresh-2");
    raw_welcome(&raw, head, "");
    PUMP_UNTIL(w.loop, w.client.opens == 5 + (int)i);
  }
  w.each = NULL;
  CHECK_REFUSED(wsock_conn_set_target(w.client.conn, here, (wsock_options *)(uintptr_t)77), WSOCK_ERR_INVALID_HANDLE);
  CHECK_REFUSED(wsock_conn_set_target(w.client.conn, here, (wsock_options *)w.loop), WSOCK_ERR_WRONG_KIND);

  section("what wsock_connect would refuse for both together is refused as well");
  setenv("ws_proxy", "gopher://nowhere", 1);
  target.options = option(option(new_options(), WSOCK_OPT_RECONNECT, -1), WSOCK_OPT_PROXY_FROM_ENV, 1);
  CHECK_REFUSED(wsock_conn_set_target(w.client.conn, NULL, target.options), WSOCK_ERR_INVALID_ARGUMENT);
  unsetenv("ws_proxy");
  wsock_options_free(target.options);
  target.options = NULL;

  section("while open: the present connection is not touched");
  CHECK_STATUS(wsock_conn_set_target(w.client.conn, here, NULL), WSOCK_OK);
  in_thread(set_elsewhere, w.client.conn);
  CHECK_STR(wsock_conn_get_str(w.client.conn, WSOCK_CONN_URL, NULL), there);
  CHECK_STATUS(wsock_conn_send_text(w.client.conn, "still here", 10), WSOCK_OK);
  static struct frame frame;
  CHECK(raw_next(&raw, &frame) && frame.first == 0x81 && frame.len == 10);
  section("and the next one goes there");
  raw_reset(&raw);
  head = raw_accept(&raw, w.loop, w.listener);
  CHECK(strncmp(head, "GET / HTTP/1.1\r\n", 16) == 0);
  CHECK_STR(head_value(head, "X-Token"), "fresh-2");
  raw_welcome(&raw, head, "");
  PUMP_UNTIL(w.loop, w.client.down == 0);
  CHECK_STR(wsock_conn_get_str(w.client.conn, WSOCK_CONN_URL, NULL), here);

  section("a redirect is for one attempt: the next begins at home again");
  new_token(&target.options, "redirected");
  option(target.options, WSOCK_OPT_MAX_REDIRECTS, 1);
  CHECK_STATUS(wsock_conn_set_target(w.client.conn, NULL, target.options), WSOCK_OK);
  for (int i = 0; i < 2; i++) {
    char answer[200];
    raw_reset(&raw);
    raw_accept(&raw, w.loop, w.listener);
    snprintf(answer, sizeof answer, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", there);
    raw_text(&raw, answer);
    RAW_UNTIL(&raw, raw.eof || raw.reset);
    raw_close(&raw);
    raw_welcome(&raw, raw_accept(&raw, w.loop, listener), "");
    PUMP_UNTIL(w.loop, w.client.down == 0);
  }
  wsock_options_free(target.options);

  section("options that end the coming back");
  target.options = new_options();
  CHECK_STATUS(wsock_conn_set_target(w.client.conn, NULL, target.options), WSOCK_OK);
  raw_reset(&raw);
  head = raw_accept(&raw, w.loop, w.listener);
  CHECK_STR(head_value(head, "X-Token"), "");
  raw_reset(&raw);
  PUMP_UNTIL(w.loop, w.client.releases);
  CHECK_ENDED(&w.client);
  wsock_options_free(target.options);
  target.options = NULL;

  section("a client that does not come back, and an accepted connection");
  pair_open(&pair, NULL, NULL);
  CHECK_REFUSED(wsock_conn_set_target(pair.client.conn, here, NULL), WSOCK_ERR_STATE);
  CHECK_REFUSED(wsock_conn_set_target(pair_peer(&pair)->conn, here, NULL), WSOCK_ERR_STATE);
  pair_free(&pair);
  raw_close(&raw);
  close(listener);
  world_free(&w);
}

int main(void) {
  targets();
  return check_end();
}
