/* A bug of the library's own, provoked by bytes from a peer: it ends one connection, or one loop, and
   never the process. Needs a library built with the feature test-panic; tests/panic.rs does that. */
#include "raw.h"

#include <pthread.h>

#define IN_CONNECTION "panic in the connection"
#define IN_LOOP "panic in the loop"

/* A message with these words; from a client with a mask of zeros, so that they are on the wire as they are. */
static void raw_say(struct raw *raw, int masked, const char *words) {
  unsigned char frame[64] = {0x81, (unsigned char)(strlen(words) | (masked ? 0x80 : 0))};
  size_t head = masked ? 6 : 2;
  memcpy(frame + head, words, strlen(words));
  raw_send(raw, frame, head + strlen(words));
}

/* Whoever wants to do something with the connection gets this answer. */
static void check_refusals(wsock_conn *conn, wsock_status answer) {
  CHECK_REFUSED(wsock_conn_send_text(conn, "x", 1), answer);
  CHECK_REFUSED(wsock_conn_send_binary(conn, "x", 1), answer);
  CHECK_REFUSED(wsock_conn_send(conn, WSOCK_TEXT, "x", 1, 0), answer);
  CHECK_REFUSED(wsock_conn_ping(conn, "x", 1), answer);
  CHECK_REFUSED(wsock_conn_close(conn, 1000, "x"), answer);
  CHECK_REFUSED(wsock_conn_abort(conn), answer);
  CHECK_REFUSED(wsock_conn_pause(conn), answer);
  CHECK_REFUSED(wsock_conn_resume(conn), answer);
  CHECK_REFUSED(wsock_conn_set_user_data(conn, NULL, NULL), answer);
}
/* So does whoever only looks, once the loop is broken or the connection gone. */
static void check_conn_calls(wsock_conn *conn, wsock_status answer) {
  wsock_conn_stats stats;
  memset(&stats, 0, sizeof stats);
  stats.struct_size = sizeof stats;
  check_refusals(conn, answer);
  CHECK_REFUSED(wsock_conn_get_stats(conn, &stats), answer);
  CHECK_INT(wsock_conn_state(conn), WSOCK_CLOSED);
  CHECK_INT(wsock_conn_buffered_amount(conn), 0);
  CHECK(wsock_conn_get_str(conn, WSOCK_CONN_URL, NULL) == NULL);
  CHECK(wsock_conn_header(conn, "x", 0, NULL) == NULL);
  CHECK(wsock_conn_user_data(conn) == NULL);
}
/* In the last callbacks of a connection that a panic ended: it can be looked at. */
static void check_last_look(wsock_conn *conn, void *user, int closed) {
  size_t len = 0;
  check_refusals(conn, WSOCK_ERR_POISONED);
  const char *url = wsock_conn_get_str(conn, WSOCK_CONN_URL, &len), *peer = wsock_conn_get_str(conn, WSOCK_CONN_PEER_ADDRESS, NULL);
  CHECKF(url && strncmp(url, "ws://127.0.0.1", 14) == 0 && strlen(url) == len, "%s", url ? url : "(NULL)");
  CHECKF(peer && strncmp(peer, "127.0.0.1:", 10) == 0, "%s", peer ? peer : "(NULL)");
  CHECK(wsock_conn_user_data(conn) == user);
  int32_t state = wsock_conn_state(conn);
  CHECKF(state == WSOCK_CLOSED || (!closed && state == WSOCK_CLOSING), "state %d", (int)state);
  conn_stats(conn);
}

/* The connection that the panic hits. */
struct victim {
  wsock_conn *conn;
  char log[8];
  wsock_error_info error;
  wsock_close_info close;
};
static void note(struct victim *victim, char event) {
  size_t n = strlen(victim->log);
  if (n + 1 < sizeof victim->log) victim->log[n] = event;
}
static void victim_open(wsock_conn *conn, void *user) {
  struct victim *victim = user;
  victim->conn = conn;
  note(victim, 'O');
}
static void victim_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user) {
  (void)conn, (void)type, (void)data, (void)len;
  note(user, 'M');
}
static void victim_error(wsock_conn *conn, const wsock_error_info *error, void *user) {
  struct victim *victim = user;
  CHECK(conn == victim->conn);
  note(victim, 'E');
  victim->error = *error;
  check_last_look(conn, user, 0);
}
static void victim_close(wsock_conn *conn, const wsock_close_info *info, void *user) {
  struct victim *victim = user;
  CHECK(conn == victim->conn);
  note(victim, 'C');
  victim->close = *info;
  CHECK(info->reason && strlen(info->reason) == info->reason_len && info->reason_len > 0);
  check_last_look(conn, user, 1);
}
static void victim_release(void *user) { note(user, 'R'); }
static wsock_handlers victim_handlers(void) {
  wsock_handlers h;
  memset(&h, 0, sizeof h);
  h.struct_size = sizeof h;
  h.on_open = victim_open;
  h.on_message = victim_message;
  h.on_error = victim_error;
  h.on_close = victim_close;
  h.release = victim_release;
  return h;
}
/* A client of ours, open, with a raw server at the other end. */
static void serve_victim(struct raw *raw, struct victim *victim, wsock_loop *loop) {
  uint16_t port;
  wsock_handlers h = victim_handlers();
  int listener = raw_listen(&port, 1);
  memset(victim, 0, sizeof *victim);
  REQUIRE(wsock_connect(loop, url_of(port, "/"), NULL, &h, victim, &victim->conn) == WSOCK_OK);
  raw_welcome(raw, raw_accept(raw, loop, listener), "");
  close(listener);
  PUMP_UNTIL(loop, victim->log[0] == 'O');
}
static void check_victim(const struct victim *victim) {
  CHECK_STR(victim->log, "OECR");
  CHECK_INT(victim->error.code, WSOCK_ERR_PANIC);
  CHECK(is_one_line(victim->error.message, sizeof victim->error.message));
  CHECK_INT(victim->close.status, WSOCK_ERR_PANIC);
  CHECK(victim->close.code == 1006 && victim->close.sent_code == 0 && victim->close.was_clean == 0);
  CHECK_INT(wsock_conn_state(victim->conn), WSOCK_CLOSED);
  check_conn_calls(victim->conn, WSOCK_ERR_INVALID_HANDLE);
}

static void panic_in_a_connection(void) {
  static char much[8 << 20];
  struct pair pair;
  struct victim victim;
  struct raw raw;
  pair_open(&pair, NULL, NULL);

  section("a client's connection");
  serve_victim(&raw, &victim, pair.loop);
  raw_say(&raw, 0, IN_CONNECTION);
  PUMP_UNTIL(pair.loop, strchr(victim.log, 'R') != NULL);
  check_victim(&victim);
  CHECK_INT(victim.close.unsent_bytes, 0);
  RAW_UNTIL(&raw, raw.eof || raw.reset);
  raw_close(&raw);
  pair_echo(&pair);

  section("what it had accepted and not sent is told");
  serve_victim(&raw, &victim, pair.loop);
  CHECK(wsock_conn_send_binary(victim.conn, much, sizeof much) >= 0);
  raw_say(&raw, 0, IN_CONNECTION);
  PUMP_UNTIL(pair.loop, strchr(victim.log, 'R') != NULL);
  check_victim(&victim);
  CHECK(victim.close.unsent_bytes > 0 && victim.close.unsent_bytes <= sizeof much + 14);
  raw_close(&raw);
  pair_echo(&pair);

  section("a connection that a server accepted");
  memset(&victim, 0, sizeof victim);
  wsock_handlers h = victim_handlers();
  wsock_server *server = NULL;
  REQUIRE(wsock_listen(pair.loop, "127.0.0.1", 0, NULL, &h, &victim, &server) == WSOCK_OK);
  raw_upgrade(&raw, pair.loop, wsock_server_port(server), "");
  PUMP_UNTIL(pair.loop, victim.log[0] == 'O');
  raw_say(&raw, 1, IN_CONNECTION);
  PUMP_UNTIL(pair.loop, strchr(victim.log, 'C') != NULL);
  CHECK_INT(server_stats(server).connections, 0);
  CHECK_STATUS(wsock_server_close(server, 0, 1001, NULL), WSOCK_OK);
  PUMP_UNTIL(pair.loop, strchr(victim.log, 'R') != NULL);
  check_victim(&victim);
  raw_close(&raw);

  section("a handshake: nobody is told, the server goes on");
  int opened = pair.srv.count;
  raw_connect(&raw, pair.loop, pair.srv.port);
  raw_text(&raw, "GET / HTTP/1.1\r\nX-Test: " IN_CONNECTION "\r\n");
  RAW_UNTIL(&raw, raw.eof || raw.reset);
  raw_close(&raw);
  CHECK_INT(pair.srv.count, opened);
  CHECK_INT(server_stats(pair.srv.server).handshakes, 0);
  struct rec late = {0};
  connect_to(&late, pair.loop, url_of(pair.srv.port, "/"), NULL);
  PUMP_UNTIL(pair.loop, late.opens);
  pair_echo(&pair);
  pair_free(&pair);
  CHECK_ENDED(&late);
}

static void never(wsock_loop *loop, void *arg) { (void)loop, (void)arg, check_failed(__FILE__, __LINE__); }
static void count(void *arg) { ++*(int *)arg; }

/* What is left to do with a loop that a panic has broken: nothing but to free it. */
static void check_broken(wsock_loop *loop, wsock_conn *conn, wsock_server *server) {
  wsock_handlers h = rec_handlers();
  wsock_conn *new_conn = NULL;
  wsock_server *new_server = NULL;
  wsock_server_stats stats;
  int released = 0;
  memset(&stats, 0, sizeof stats);
  stats.struct_size = sizeof stats;
  CHECK_REFUSED(wsock_loop_poll(loop, 0), WSOCK_ERR_POISONED);
  CHECK_REFUSED(wsock_loop_run(loop), WSOCK_ERR_POISONED);
  CHECK_REFUSED(wsock_loop_fd(loop), WSOCK_ERR_POISONED);
  CHECK_REFUSED(wsock_loop_timeout_ms(loop), WSOCK_ERR_POISONED);
  CHECK_REFUSED(wsock_loop_post(loop, never, &released, count), WSOCK_ERR_POISONED);
  CHECK_INT(released, 0);
  CHECK_REFUSED(wsock_connect(loop, "ws://127.0.0.1:9/", NULL, &h, NULL, &new_conn), WSOCK_ERR_POISONED);
  CHECK_REFUSED(wsock_listen(loop, "127.0.0.1", 0, NULL, &h, NULL, &new_server), WSOCK_ERR_POISONED);
  CHECK(new_conn == NULL && new_server == NULL);
  CHECK_REFUSED(wsock_server_close(server, 0, 1001, NULL), WSOCK_ERR_POISONED);
  CHECK_REFUSED(wsock_server_get_stats(server, &stats), WSOCK_ERR_POISONED);
  CHECK_INT(wsock_server_port(server), 0);
  check_conn_calls(conn, WSOCK_ERR_POISONED);
  /* a signal handler may be about to call these; they do no harm */
  CHECK_STATUS(wsock_loop_wakeup(loop), WSOCK_OK);
  CHECK_STATUS(wsock_loop_stop(loop), WSOCK_OK);
}
static void *from_another_thread(void *conn) {
  CHECK_REFUSED(wsock_conn_send_text(conn, "x", 1), WSOCK_ERR_POISONED);
  CHECK_REFUSED(wsock_conn_close(conn, 1000, NULL), WSOCK_ERR_POISONED);
  return NULL;
}

static void panic_in_a_loop(wsock_status (*turn)(wsock_loop *), const char *name) {
  struct pair broken, other;
  struct victim victim;
  struct raw raw;
  pthread_t thread;
  wsock_status status = WSOCK_OK;
  section(name);
  pair_open(&broken, NULL, NULL);
  pair_open(&other, NULL, NULL);
  serve_victim(&raw, &victim, broken.loop);
  raw_say(&raw, 0, IN_LOOP);
  for (int64_t end = now_ms() + patience_ms(); status >= 0 && now_ms() < end;) status = turn(broken.loop);
  CHECK_INT(status, WSOCK_ERR_PANIC);
  CHECK_LAST(WSOCK_ERR_PANIC);

  check_broken(broken.loop, victim.conn, broken.srv.server);
  check_conn_calls(broken.client.conn, WSOCK_ERR_POISONED);
  REQUIRE(pthread_create(&thread, NULL, from_another_thread, broken.client.conn) == 0);
  pthread_join(thread, NULL);
  pair_echo(&other);

  /* its user data comes back, without any further callback */
  CHECK_STATUS(wsock_loop_free(broken.loop), WSOCK_OK);
  CHECK_STR(victim.log, "OR");
  CHECK(broken.client.closes == 0 && broken.client.releases == 1 && broken.srv.releases == 1);
  CHECK_REFUSED(wsock_loop_free(broken.loop), WSOCK_ERR_INVALID_HANDLE);
  check_conn_calls(victim.conn, WSOCK_ERR_INVALID_HANDLE);
  RAW_UNTIL((raw.loop = other.loop, &raw), raw.eof || raw.reset);
  raw_close(&raw);
  rec_free(&broken.client);
  srv_free(&broken.srv);

  /* the next loop, which is likely to be in the same place, is a sound one */
  pair_open(&broken, NULL, NULL);
  pair_echo(&broken);
  pair_free(&broken);
  pair_echo(&other);
  pair_free(&other);
}
static wsock_status by_poll(wsock_loop *loop) { return wsock_loop_poll(loop, 10); }
static wsock_status by_run(wsock_loop *loop) { return wsock_loop_run(loop); }

int main(void) {
  panic_in_a_connection();
  panic_in_a_loop(by_poll, "the loop itself, in poll");
  panic_in_a_loop(by_run, "the loop itself, in run");
  return check_end();
}
