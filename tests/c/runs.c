/* Many messages that come with one read, and what a callback in the midst of them does: figures, ends,
   new user data, and what other threads send meanwhile. */
#include "raw.h"

#include <pthread.h>
#include <sys/wait.h>

#define MANY 20
#define AMID 3 /* the message that does it */

static struct srv srv;
static wsock_loop *loop;
static struct raw raw;

/* A server with this hook, and a connection of which the server has not read MANY messages yet. */
static void begin(const char *name, void (*hook)(struct rec *rec, char event), const wsock_options *options) {
  section(name);
  memset(&srv, 0, sizeof srv);
  loop = new_loop();
  srv.hook = hook;
  srv_listen(&srv, loop, options);
  raw_upgrade(&raw, loop, srv.port, "");
  PUMP_UNTIL(loop, srv.count == 1);
  for (int i = 0; i < MANY; i++) raw_frame(&raw, 0x81, 1, "message", 7);
}
static void end(void) {
  raw_close(&raw);
  PUMP_UNTIL(loop, srv.conn[0]->closes);
  free_loop(loop);
  srv_free(&srv);
}
static void on_thread(void *(*work)(void *), void *arg) {
  pthread_t thread;
  REQUIRE(pthread_create(&thread, NULL, work, arg) == 0 && pthread_join(thread, NULL) == 0);
}
static void *send_elsewhere(void *conn) {
  CHECK_STATUS(wsock_conn_send_text(conn, "elsewhere", 9), WSOCK_OK);
  return NULL;
}

static void count(struct rec *rec, char event) {
  if (event != 'M') return;
  wsock_conn_stats own = conn_stats(rec->conn);
  wsock_server_stats all = server_stats(srv.server);
  CHECK_INT(own.messages_received, rec->messages);
  CHECK_INT(own.payload_received, 7 * rec->messages);
  CHECK_INT(own.bytes_received, 13 * rec->messages);
  CHECK_INT(all.messages_received, rec->messages);
}
static void figures_in_a_callback(void) {
  begin("figures in a callback", count, NULL);
  PUMP_UNTIL(loop, srv.conn[0]->messages == MANY);
  end();
}

static void abort_and_flush(struct rec *rec, char event) {
  if (event == 'M' && rec->messages == AMID) {
    CHECK_STATUS(wsock_conn_abort(rec->conn), WSOCK_OK);
    CHECK_STATUS(wsock_loop_flush(loop), WSOCK_OK);
    CHECK_INT(conn_stats(rec->conn).messages_received, AMID);
  }
  if (event == 'C') CHECK_INT(conn_stats(rec->conn).messages_received, AMID);
}
static void figures_at_an_end_amid(void) {
  begin("the end within a callback", abort_and_flush, NULL);
  PUMP_UNTIL(loop, srv.conn[0]->closes);
  CHECK_INT(srv.conn[0]->messages, AMID);
  CHECK_INT(server_stats(srv.server).messages_received, AMID);
  end();
}

/* The child has a loop in the middle of a callback: what was read goes on in the parent. */
static pid_t child = -1;
static void fork_amid(struct rec *rec, char event) {
  if (event == 'M' && rec->messages == AMID) REQUIRE((child = fork()) >= 0);
  if (event == 'C' && child == 0) CHECK_INT(conn_stats(rec->conn).messages_received, AMID);
}
static void fork_within_a_callback(void) {
  int status = 0;
  begin("fork within a callback", fork_amid, NULL);
  while (srv.conn[0]->messages < AMID) CHECK(poll_loop(loop, 1000) >= 0 || child == 0);
  if (child == 0) {
    CHECK_STATUS(wsock_loop_after_fork(loop), WSOCK_OK);
    PUMP_UNTIL(loop, srv.conn[0]->closes);
    CHECK_INT(srv.conn[0]->messages, AMID);
    free_loop(loop);
    _exit(check_failures != 0);
  }
  PUMP_UNTIL(loop, srv.conn[0]->messages == MANY);
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  end();
}

static void close_behind_others(struct rec *rec, char event) {
  if (event != 'M' || rec->messages != AMID) return;
  on_thread(send_elsewhere, rec->conn);
  CHECK_STATUS(wsock_conn_close(rec->conn, 1000, "enough"), WSOCK_OK);
}
static void nothing_is_told_after_close(void) {
  static struct frame frame;
  begin("close behind what another thread has sent", close_behind_others, NULL);
  raw_frame(&raw, 0x89, 1, "ping", 4);
  raw_frame(&raw, 0x01, 1, "frag", 4);
  raw_frame(&raw, 0x80, 1, "ment", 4);
  /* The answer to the ping may overtake what waits. */
  int texts = 0;
  while (raw_next(&raw, &frame) && frame.first != 0x88)
    if (frame.first != 0x8a) CHECK(frame.first == 0x81 && frame.len == 9 && texts++ == 0);
  CHECK(frame.first == 0x88 && texts == 1);
  CHECK_INT(srv.conn[0]->messages, AMID);
  CHECK_INT(srv.conn[0]->pings, 0);
  CHECK_INT(conn_stats(srv.conn[0]->conn).messages_received, AMID);
  end();
}

static int heirs_released;
static wsock_conn *inherited;
static void release_and_call(void *user_data) {
  CHECK(user_data == &heirs_released);
  heirs_released++;
  CHECK_INT(wsock_conn_state(inherited), WSOCK_OPEN);
  CHECK_STATUS(wsock_conn_send_text(inherited, "released", 8), WSOCK_OK);
  CHECK_STATUS(wsock_conn_pause(inherited), WSOCK_OK);
  CHECK_STATUS(wsock_conn_resume(inherited), WSOCK_OK);
  conn_stats(inherited);
}
static void inherit_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user_data) {
  (void)type, (void)data, (void)len;
  inherited = conn;
  if (user_data == &heirs_released) CHECK_STATUS(wsock_conn_set_user_data(conn, &inherited, NULL), WSOCK_OK);
  else CHECK_STATUS(wsock_conn_set_user_data(conn, &heirs_released, release_and_call), WSOCK_OK);
}
static void inherit_ping(wsock_conn *conn, const uint8_t *data, size_t len, void *user_data) {
  inherit_message(conn, 0, data, len, user_data);
}
static void release_may_call(void) {
  wsock_handlers handlers = {0};
  wsock_server *server = NULL;
  static struct frame frame;
  section("release of user data that a callback has replaced");
  handlers.struct_size = sizeof handlers;
  handlers.on_message = inherit_message;
  handlers.on_ping = inherit_ping;
  loop = new_loop();
  REQUIRE(wsock_listen(loop, "127.0.0.1", 0, NULL, &handlers, NULL, &server) == WSOCK_OK);
  raw_upgrade(&raw, loop, wsock_server_port(server), "");
  for (int i = 0; i < MANY; i++) raw_frame(&raw, 0x81, 1, "message", 7);
  for (int i = 0; i < MANY; i++) raw_frame(&raw, 0x89, 1, "ping", 4);
  for (int told = 0; told < MANY; told += frame.first == 0x81 && frame.len == 8)
    if (!raw_next(&raw, &frame)) break;
  PUMP_UNTIL(loop, heirs_released == MANY);
  raw_close(&raw);
  free_loop(loop);
  CHECK_INT(heirs_released, MANY);
}

static char bytes[300000];
static void *send_much(void *conn) {
  CHECK(wsock_conn_send_binary(conn, bytes, sizeof bytes) >= 0);
  return NULL;
}
static void *send_too_much(void *conn) {
  CHECK_REFUSED(wsock_conn_send_binary(conn, bytes, sizeof bytes), WSOCK_ERR_LIMIT);
  return NULL;
}
static size_t waited;
static void look_at_queue(struct rec *rec, char event) {
  if (event != 'M' || rec->messages > 1) return;
  CHECK_INT(wsock_conn_buffered_amount(rec->conn), waited);
  on_thread(send_too_much, rec->conn);
}
/* What another thread has sent is in the loop's hands before the callbacks of a turn, and still waits. */
static void others_count_all_the_time(void) {
  wsock_options *options = option(new_options(), WSOCK_OPT_MAX_BUFFERED, 1000000);
  section("what other threads have sent counts within a turn");
  memset(&srv, 0, sizeof srv);
  loop = new_loop();
  srv.hook = look_at_queue;
  srv_listen(&srv, loop, options);
  wsock_options_free(options);
  raw_upgrade(&raw, loop, srv.port, "");
  PUMP_UNTIL(loop, srv.count == 1);
  wsock_conn *conn = srv.conn[0]->conn;
  while (wsock_conn_buffered_amount(conn) + sizeof bytes < 500000) {
    CHECK(wsock_conn_send_binary(conn, bytes, sizeof bytes) >= 0);
    pump(loop);
  }
  while ((waited = wsock_conn_buffered_amount(conn)) + sizeof bytes <= 1000000) on_thread(send_much, conn);
  raw_frame(&raw, 0x81, 1, "message", 7);
  PUMP_UNTIL(loop, srv.conn[0]->messages == 1);
  CHECK_INT(wsock_conn_buffered_amount(conn), waited);
  end();
}

/* What waits for on_open is counted until it leaves, whatever the loop does meanwhile. */
static void what_waits_for_on_open_counts(void) {
  struct rec client = {.reconnects = 1};
  wsock_options *options = option(option(new_options(), WSOCK_OPT_RECONNECT, -1), WSOCK_OPT_RECONNECT_QUEUE, 1000);
  static struct frame frame;
  uint16_t port;
  section("what waits for on_open counts");
  int listener = raw_listen(&port, 8);
  loop = new_loop();
  connect_to(&client, loop, url_of(port, "/"), options);
  CHECK(wsock_conn_send_text(client.conn, "early", 5) >= 0);
  CHECK_STATUS(wsock_loop_start(loop), WSOCK_OK);
  int fd = -1;
  for (int64_t until = now_ms() + patience_ms(); (fd = accept(listener, NULL, NULL)) < 0 && now_ms() < until;) sleep_ms(1);
  REQUIRE(fd >= 0);
  raw_start(&raw, loop, fd);
  char *head = NULL;
  for (int64_t until = now_ms() + patience_ms(); !head && now_ms() < until; sleep_ms(1)) {
    raw_fill(&raw);
    head = raw.len ? memmem(raw.in, raw.len, "\r\n\r\n", 4) : NULL;
  }
  REQUIRE(head != NULL);
  raw.in[raw.len - 1] = 0;
  char text[4096];
  snprintf(text, sizeof text, "%s", (char *)raw.in);
  raw_take(&raw, raw.len);
  raw_welcome(&raw, text, "");
  for (int64_t until = now_ms() + patience_ms(); wsock_conn_state(client.conn) != WSOCK_OPEN && now_ms() < until;) sleep_ms(1);
  CHECK_INT(wsock_conn_state(client.conn), WSOCK_OPEN);
  CHECK_INT(wsock_conn_buffered_amount(client.conn), 5);
  for (int i = 1; i <= 3; i++) {
    raw_frame(&raw, 0x81, 0, "message", 7);
    for (int64_t until = now_ms() + patience_ms(); conn_stats(client.conn).messages_received < (uint64_t)i && now_ms() < until;) sleep_ms(1);
    CHECK_INT(wsock_conn_buffered_amount(client.conn), 5);
  }
  CHECK(raw_next(&raw, &frame) && frame.len == 5);
  PUMP_UNTIL(loop, client.messages == 3);
  CHECK_INT(wsock_conn_buffered_amount(client.conn), 0);
  wsock_conn_abort(client.conn);
  PUMP_UNTIL(loop, client.releases);
  free_loop(loop);
  raw_close(&raw);
  close(listener);
  wsock_options_free(options);
  rec_free(&client);
}

int main(void) {
  figures_in_a_callback();
  figures_at_an_end_amid();
  fork_within_a_callback();
  nothing_is_told_after_close();
  release_may_call();
  others_count_all_the_time();
  what_waits_for_on_open_counts();
  return check_end();
}
