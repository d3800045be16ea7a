/* The log: what is told at which level, that nothing secret is, and that it may do what callbacks may. */
#include "raw.h"

#include <poll.h>

#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " RAW_KEY "\r\n"

struct told {
  int count, releases, depth;
  int by_level[6];
  char *text;                       /* "3 server message\n" ... */
  size_t len;
  void (*hook)(struct told *told, wsock_loop *loop);
};
static void log_record(wsock_loop *loop, int32_t level, const char *target, const char *message, void *user_data) {
  static const char *const targets[] = {"server", "handshake", "tls", "dial", "conn", "frames", "loop"};
  struct told *told = user_data;
  int known = 0;
  CHECKF(peer_dispatching > 0 && peer_depth == 0, "told outside of poll or inside a callback");
  CHECK(level >= WSOCK_LOG_ERROR && level <= WSOCK_LOG_TRACE && told->releases == 0);
  CHECK(is_one_line(message, 4000));
  for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) known |= strcmp(target, targets[i]) == 0;
  CHECKF(known, "unknown target %s", target);
  told->count++;
  told->by_level[level]++;
  told->text = realloc(told->text, told->len + strlen(target) + strlen(message) + 10);
  told->len += (size_t)sprintf(told->text + told->len, "%d %s %s\n", (int)level, target, message);
  peer_depth++;
  if (told->hook) told->hook(told, loop);
  peer_depth--;
}
static void log_release(void *user_data) { ((struct told *)user_data)->releases++; }
static void set_log(wsock_loop *loop, int32_t level, struct told *told) {
  CHECK_STATUS(wsock_loop_set_log(loop, level, log_record, told, log_release), WSOCK_OK);
}
static void told_free(struct told *told) {
  free(told->text);
  memset(told, 0, sizeof *told);
}
static int has(const struct told *told, const char *text) { return told->text && strstr(told->text, text) != NULL; }
#define CHECK_TOLD(told, part) CHECKF(has(told, part), "\"%s\" is not in\n%s", part, (told)->text ? (told)->text : "")
#define CHECK_NOT_TOLD(told, part) CHECKF(!has(told, part), "\"%s\" is in\n%s", part, (told)->text)

static void levels(void) {
  struct told told = {0}, none = {0};
  struct srv srv = {0};
  struct rec client = {0};
  wsock_loop *loop = new_loop();
  section("a connection from its beginning to its end");
  set_log(loop, WSOCK_LOG_DEBUG, &told);
  CHECK_INT(told.count, 0);
  srv_listen(&srv, loop, NULL);
  connect_to(&client, loop, url_of(srv.port, "/path?token=secret"), NULL);
  CHECKF(told.count == 0, "told inside the call");
  PUMP_UNTIL(loop, client.opens && srv.count == 1);
  CHECK_STATUS(wsock_conn_close(client.conn, 4321, "enough"), WSOCK_OK);
  PUMP_UNTIL(loop, client.releases && srv.conn[0]->releases);
  CHECK_TOLD(&told, "3 server server 0x");
  CHECK_TOLD(&told, ": listens on port ");
  CHECK_TOLD(&told, "4 dial connection 0x");
  CHECK_TOLD(&told, ": tries 127.0.0.1:");
  CHECK_TOLD(&told, ": connected to 127.0.0.1:");
  CHECK_TOLD(&told, " from 127.0.0.1:");
  CHECK_TOLD(&told, ": accepted\n");
  CHECK_TOLD(&told, "4 tls connection 0x");
  CHECK_TOLD(&told, ": open, ws://127.0.0.1:");
  CHECK_TOLD(&told, "3 conn connection 0x");
  CHECK_TOLD(&told, ": closed by this side: received 4321 \"\", sent 4321");
  CHECK_TOLD(&told, ": closed by the peer: received 4321 \"enough\", sent 4321");
  CHECK_NOT_TOLD(&told, "secret");
  CHECK_INT(told.by_level[WSOCK_LOG_WARN] + told.by_level[WSOCK_LOG_ERROR] + told.by_level[WSOCK_LOG_TRACE], 0);

  section("off again: nothing is told, and its data is released");
  int before = told.count;
  CHECK_STATUS(wsock_loop_set_log(loop, 0, NULL, NULL, NULL), WSOCK_OK);
  CHECK_INT(told.releases, 1);
  told.releases = 0;
  memset(&client, 0, sizeof client);
  connect_to(&client, loop, url_of(srv.port, "/"), NULL);
  PUMP_UNTIL(loop, client.opens && srv.count == 2);
  CHECK_INT(told.count, before);

  section("every turn at the last level, without spinning");
  told_free(&told);
  set_log(loop, WSOCK_LOG_TRACE, &told);
  CHECK_INT(poll_loop(loop, 20), 0);
  CHECK_INT(told.count, 1);
  CHECK_TOLD(&told, "5 loop a turn of ");

  section("refused");
  CHECK_REFUSED(wsock_loop_set_log(loop, WSOCK_LOG_TRACE + 1, log_record, &none, log_release), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_loop_set_log(loop, -1, log_record, &none, log_release), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_INT(none.releases, 0);
  CHECK_STATUS(wsock_loop_set_log(loop, 0, log_record, &none, log_release), WSOCK_OK);
  CHECK_INT(none.releases, 0);
  CHECK_INT(told.releases, 1);
  free_loop(loop);
  CHECK_INT(none.count, 0);
  told_free(&told);
  rec_free(&client);
  srv_free(&srv);
}

static int32_t refuse(struct srv *srv, wsock_request *request) {
  (void)srv, (void)request;
  return 418;
}
static void failures(void) {
  struct told told = {0};
  struct srv srv = {0};
  struct raw raw;
  struct rec client = {0}, refused = {0};
  wsock_loop *loop = new_loop();
  wsock_options *o = option(option(new_options(), WSOCK_OPT_RECONNECT, 1), WSOCK_OPT_RECONNECT_FIRST_MS, 1);
  section("failures and why");
  set_log(loop, WSOCK_LOG_INFO, &told);
  srv_listen(&srv, loop, NULL);
  /* a peer that breaks the rules */
  raw_upgrade(&raw, loop, srv.port, "Cookie: c=crumbs\r\n");
  raw_send(&raw, "\x81\x02hi", 4);
  RAW_UNTIL(&raw, raw.eof || raw.reset);
  raw_close(&raw);
  PUMP_UNTIL(loop, srv.conn[0]->releases);
  CHECK_TOLD(&told, "2 conn connection 0x");
  CHECK_TOLD(&told, "(WSOCK_ERR_PROTOCOL, told the peer 1002)\n");
  /* strangers */
  raw_connect(&raw, loop, srv.port);
  raw_text(&raw, "evil\x01\r\n\r\n");
  RAW_UNTIL(&raw, raw.eof || raw.reset);
  raw_close(&raw);
  CHECK_TOLD(&told, "3 handshake connection 0x");
  CHECK_TOLD(&told, ": refused with 400: ");
  raw_connect(&raw, loop, srv.port);
  raw_close(&raw);
  PUMP_UNTIL(loop, server_stats(srv.server).handshake_errors == 1);
  pump(loop);
  CHECK_TOLD(&told, ": ended: the peer closed the connection during the handshake (WSOCK_ERR_CONNECTION_LOST)");
  /* the application */
  srv.request = refuse;
  connect_to(&refused, loop, url_of(srv.port, "/"), NULL);
  PUMP_UNTIL(loop, refused.releases);
  CHECK_TOLD(&told, ": the application answered 418\n");
  CHECK_TOLD(&told, "2 handshake connection 0x");
  CHECK_TOLD(&told, "(WSOCK_ERR_HTTP_STATUS)\n");
  /* a client that comes back, and does not say its password */
  char url[200];
  snprintf(url, sizeof url, "ws://user:pass" "word@127.0.0.1:%u/", (unsigned)raw_dead_port());
  client.reconnects = 1;
  connect_to(&client, loop, url, o);
  PUMP_UNTIL(loop, client.releases);
  CHECK_TOLD(&told, ": attempt 1 follows in ");
  CHECK_TOLD(&told, "2 dial connection 0x");
  CHECK_NOT_TOLD(&told, "password");
  CHECK_NOT_TOLD(&told, "crumbs");
  CHECK_NOT_TOLD(&told, "4 dial");
  /* the end of the server */
  CHECK_STATUS(wsock_server_close(srv.server, 0, 1001, ""), WSOCK_OK);
  PUMP_UNTIL(loop, srv.releases);
  CHECK_TOLD(&told, ": is being closed: 0 connections, within 0 ms\n");
  CHECK_TOLD(&told, ": has ended\n");
  CHECK_INT(told.by_level[WSOCK_LOG_ERROR], 0);
  free_loop(loop);
  CHECK_INT(told.releases, 1);
  told_free(&told);
  wsock_options_free(o);
  srv_free(&srv);
}

static void limits(void) {
  struct told told = {0};
  struct srv srv = {0};
  struct raw raw[5];
  wsock_loop *loop = new_loop();
  wsock_options *o = option(new_options(), WSOCK_OPT_MAX_CONNECTIONS, 1);
  section("a flood is told once, not each time");
  set_log(loop, WSOCK_LOG_WARN, &told);
  srv_listen(&srv, loop, o);
  for (int i = 0; i < 5; i++) raw_connect(&raw[i], loop, srv.port);
  PUMP_UNTIL(loop, server_stats(srv.server).refused_connections == 4);
  pump(loop);
  CHECK_INT(told.count, 1);
  CHECK_TOLD(&told, "turned 127.0.0.1 away: a limit on connections is reached");
  for (int i = 0; i < 5; i++) raw_close(&raw[i]);
  free_loop(loop);
  told_free(&told);
  wsock_options_free(o);
}

static struct told second;
static struct srv hook_srv;
static void connect_more(struct told *told, wsock_loop *loop) {
  static struct rec client;
  if (told->count == 1) connect_to(&client, loop, url_of(hook_srv.port, "/"), NULL);
}
static void replace(struct told *told, wsock_loop *loop) {
  if (told->count == 2) {
    set_log(loop, WSOCK_LOG_INFO, &second);
    CHECKF(told->releases == 0, "released while it runs");
  }
}
static void chatter(struct told *told, wsock_loop *loop) {
  wsock_handlers h = rec_handlers();
  wsock_conn *conn;
  if (told->count > 200) return;
  h.release = NULL;
  h.on_error = NULL;
  h.on_close = NULL;
  CHECK_STATUS(wsock_connect(loop, url_of(raw_dead_port(), "/"), NULL, &h, NULL, &conn), WSOCK_OK);
}
static void reentrant(void) {
  struct told told = {0};
  wsock_loop *loop = new_loop();
  section("a log that connects");
  told.hook = connect_more;
  set_log(loop, WSOCK_LOG_DEBUG, &told);
  srv_listen(&hook_srv, loop, NULL);
  PUMP_UNTIL(loop, hook_srv.count == 1);

  section("a log that puts another in its place");
  told.hook = replace;
  told.count = 0;
  CHECK_STATUS(wsock_conn_close(hook_srv.conn[0]->conn, 1001, ""), WSOCK_OK);
  PUMP_UNTIL(loop, hook_srv.conn[0]->releases);
  struct rec client = {0};
  connect_to(&client, loop, url_of(hook_srv.port, "/"), NULL);
  PUMP_UNTIL(loop, told.releases == 1 && client.opens);
  CHECK_INT(told.count, 2);
  CHECK(second.count > 0);

  section("a log that causes a record for each one does not hold up the loop");
  told_free(&told);
  told.hook = chatter;
  set_log(loop, WSOCK_LOG_DEBUG, &told);
  CHECK_INT(second.releases, 1);
  chatter(&told, loop);
  for (int i = 0; i < 20; i++) CHECK(poll_loop(loop, 0) >= 0);
  CHECK(told.count > 5);
  free_loop(loop);
  CHECK_INT(told.releases, 1);
  told_free(&told);
  told_free(&second);
  srv_free(&hook_srv);
}

static void own_thread(void) {
  struct told told = {0};
  struct srv srv = {0};
  struct rec client = {0};
  struct raw raw;
  wsock_loop *loop = new_loop();
  struct pollfd fd = {wsock_loop_fd(loop), POLLIN, 0};
  section("a loop with a thread of its own: told by whoever comes for events, and never by that thread");
  set_log(loop, WSOCK_LOG_INFO, &told);
  CHECK_STATUS(wsock_loop_start(loop), WSOCK_OK);
  srv_listen(&srv, loop, NULL);
  connect_to(&client, loop, url_of(srv.port, "/"), NULL);
  PUMP_UNTIL(loop, client.opens && srv.count == 1);
  CHECK_TOLD(&told, ": listens on port ");
  CHECK_TOLD(&told, ": open, ws://127.0.0.1:");

  section("a record without an event wakes who waits for events");
  for (int by_fd = 0; by_fd < 2; by_fd++) {
    raw_connect(&raw, loop, srv.port);
    pump_for(loop, 20);
    told.count = 0;
    raw_close(&raw);
    int64_t begun = now_ms();
    if (by_fd) {
      CHECK_INT(poll(&fd, 1, 10000), 1);
      CHECK_INT(wsock_loop_timeout_ms(loop), 0);
      CHECK_INT(poll_loop(loop, 0), 0);
    } else {
      do CHECK_INT(poll_loop(loop, 10000), 0);
      while (told.count == 0 && now_ms() - begun < 9000);
    }
    CHECK(now_ms() - begun < 9000);
    CHECK_INT(told.count, 1);
    CHECK_TOLD(&told, ": ended: the peer closed the connection during the handshake");
    CHECK_INT(poll(&fd, 1, 0), 0);
    CHECK_INT(wsock_loop_timeout_ms(loop), -1);
  }

  section("run tells the last records before it returns");
  CHECK_STATUS(wsock_server_close(srv.server, 0, 1001, ""), WSOCK_OK);
  CHECK_STATUS(run_loop(loop), WSOCK_OK);
  CHECK(client.releases == 1 && srv.releases == 1);
  CHECK_TOLD(&told, ": has ended\n");
  int before = told.count;
  free_loop(loop);
  CHECK(told.count == before && told.releases == 1);
  told_free(&told);
  srv_free(&srv);
}

static int32_t fetch(wsock_loop *loop, int32_t timeout_ms) {
  peer_dispatching++;
  int32_t n = wsock_loop_events(loop, timeout_ms);
  peer_dispatching--;
  return n;
}
static void batches(int started) {
  struct told told = {0};
  wsock_event events[4];
  wsock_handlers h;
  wsock_server *server = NULL;
  wsock_conn *conn = NULL;
  wsock_loop *loop = new_loop();
  section(started ? "events in batches, with a thread" : "events in batches: told where tasks run, and no event");
  memset(&h, 0, sizeof h);
  h.struct_size = sizeof h;
  CHECK_STATUS(wsock_loop_use_events(loop, events, sizeof events[0], 4), WSOCK_OK);
  set_log(loop, WSOCK_LOG_DEBUG, &told);
  if (started) CHECK_STATUS(wsock_loop_start(loop), WSOCK_OK);
  CHECK_STATUS(wsock_listen(loop, "127.0.0.1", 0, NULL, &h, NULL, &server), WSOCK_OK);
  CHECK_STATUS(wsock_connect(loop, url_of(wsock_server_port(server), "/"), NULL, &h, NULL, &conn), WSOCK_OK);
  int opened = 0, wrong = 0;
  for (int64_t end = now_ms() + 10000; opened < 2 && now_ms() < end;) {
    int32_t n = fetch(loop, 10);
    REQUIRE(n >= 0);
    for (int32_t i = 0; i < n; i++) *(events[i].type == WSOCK_EVENT_OPEN ? &opened : &wrong) += 1;
  }
  CHECK(opened == 2 && wrong == 0);
  fetch(loop, 0);
  CHECK_TOLD(&told, ": connected to 127.0.0.1:");
  CHECK_TOLD(&told, ": accepted\n");
  CHECK_TOLD(&told, ": open, ws://127.0.0.1:");
  free_loop(loop);
  CHECK_INT(told.releases, 1);
  told_free(&told);
}

int main(void) {
  levels();
  failures();
  limits();
  reentrant();
  own_thread();
  batches(0);
  batches(1);
  return check_end();
}
