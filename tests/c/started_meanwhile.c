/* A loop with a thread of its own: what that does while the application is busy, and what not. */
#include "started.h"

static int in_callback, may_leave, is_open;
static void note_open(struct rec *rec, char event) {
  (void)rec;
  if (event == 'O') __sync_add_and_fetch(&is_open, 1);
}
static void stay(struct rec *rec, char event) {
  (void)rec;
  if (event != 'M') return;
  __sync_add_and_fetch(&in_callback, 1);
  for (int64_t end = now_ms() + patience_ms(); !load(&may_leave) && now_ms() < end;) sleep_ms(1);
}
static void beside_a_callback(void) {
  struct srv srv = {0};
  struct rec client = {0}, second = {0};
  struct polling p;
  section("while a callback takes its time, others get in and traffic goes on");
  wsock_loop *loop = started_loop();
  in_callback = may_leave = 0;
  srv_listen(&srv, loop, NULL);
  client.hook = NULL;
  connect_to(&client, loop, url_of(srv.port, "/"), NULL);
  PUMP_UNTIL(loop, client.opens && srv.count == 1);
  srv.conn[0]->hook = stay;
  start_polling(&p, loop);
  CHECK_STATUS(wsock_conn_send_text(client.conn, "stay", 4), WSOCK_OK);
  for (int64_t end = now_ms() + patience_ms(); !load(&in_callback) && now_ms() < end;) sleep_ms(1);
  CHECK_INT(load(&in_callback), 1);
  int64_t start = now_ms();
  CHECK_INT(conn_stats(client.conn).messages_sent, 1);
  CHECK_STATUS(wsock_conn_pause(client.conn), WSOCK_OK);
  CHECK_STATUS(wsock_conn_resume(client.conn), WSOCK_OK);
  CHECK(wsock_conn_send_text(client.conn, "more", 4) >= 0);
  CHECK_REFUSED(wsock_loop_poll(loop, 0), WSOCK_ERR_WRONG_THREAD);
  CHECK_REFUSED(wsock_loop_join(loop), WSOCK_ERR_WRONG_THREAD);
  wsock_conn *conn = NULL;
  wsock_handlers h = rec_handlers();
  second.hook = note_open;
  CHECK_STATUS(wsock_connect(loop, url_of(srv.port, "/"), NULL, &h, &second, &conn), WSOCK_OK);
  /* the bytes get there although nobody is told */
  while (conn_stats(srv.conn[0]->conn).messages_received < 2 && now_ms() - start < patience_ms()) sleep_ms(1);
  CHECK_INT(conn_stats(srv.conn[0]->conn).messages_received, 2);
  CHECK(now_ms() - start < patience_ms() / 2);
  __sync_add_and_fetch(&may_leave, 1);
  for (int64_t end = now_ms() + patience_ms(); !load(&is_open) && now_ms() < end;) sleep_ms(1);
  end_polling(&p);
  CHECK_INT(second.opens, 1);
  CHECK_INT(srv.conn[0]->messages, 2);
  free_loop(loop);
  CHECK_ENDED(&client);
  CHECK_ENDED(&second);
  for (int i = 0; i < srv.count; i++) CHECK_ENDED(srv.conn[i]);
  rec_free(&client);
  rec_free(&second);
  srv_free(&srv);
}

static void paused(void) {
  struct srv srv = {0};
  struct raw raw;
  section("paused inside on_message: the next comes when it is resumed, although it was read already");
  wsock_loop *loop = started_loop();
  send_to_paused(&raw, &srv, loop);
  for (int i = 1; i <= 3; i++) {
    only_one_came(&srv, loop, i);
    if (i == 2) raw_close_frame(&raw, 1, 1000, "");
    if (i < 3) CHECK_STATUS(wsock_conn_resume(srv.conn[0]->conn), WSOCK_OK);
  }
  PUMP_UNTIL(loop, srv.conn[0]->releases || (wsock_conn_resume(srv.conn[0]->conn), 0));
  CHECK_INT(srv.conn[0]->close.code, 1000);
  raw_close(&raw);
  end_all(loop, &srv, NULL, 0);
}

/* What was sent before the connection waits for on_open to return; what the same thread sends while nobody
   polls does not go before it, and what on_open sends does. */
static char told[64];
static void note_told(struct rec *rec, char event) {
  if (event == 'M') snprintf(told + strlen(told), sizeof told - strlen(told), "%.*s ", (int)rec->len, (const char *)rec->data);
}
static void greet(struct rec *rec, char event) {
  if (event == 'O') CHECK_STATUS(wsock_conn_send_text(rec->conn, "greeting", 8), WSOCK_OK);
}
static void queued_before(void) {
  wsock_loop *loop = started_loop(), *far = new_loop();
  wsock_options *options = option(option(new_options(), WSOCK_OPT_RECONNECT, 3), WSOCK_OPT_RECONNECT_QUEUE, 1000);
  struct srv srv = {0};
  struct rec client = {0};
  section("what waits for the connection keeps its place before what is sent while nobody polls");
  srv.hook = note_told;
  srv_listen(&srv, far, NULL);
  client.hook = greet;
  client.reconnects = 1;
  wsock_handlers handlers = rec_handlers();
  REQUIRE(wsock_connect(loop, url_of(srv.port, "/"), options, &handlers, &client, &client.conn) == WSOCK_OK);
  CHECK_STATUS(wsock_conn_send_text(client.conn, "first", 5), WSOCK_OK);
  PUMP_UNTIL(far, wsock_conn_state(client.conn) == WSOCK_OPEN);
  CHECK_STATUS(wsock_conn_send_text(client.conn, "second", 6), WSOCK_OK);
  CHECK_STATUS(wsock_conn_send(client.conn, WSOCK_TEXT, "third", 5, 0), WSOCK_OK);
  pump_for(far, 20);
  CHECK_INT(client.opens, 0);
  PUMP_UNTIL(loop, client.opens);
  CHECK_STATUS(wsock_conn_send_text(client.conn, "fourth", 6), WSOCK_OK);
  PUMP_UNTIL(far, strstr(told, "fourth") != NULL);
  CHECK_STR(told, "greeting first second third fourth ");
  CHECK_STATUS(wsock_conn_close(client.conn, 1000, NULL), WSOCK_OK);
  for (int64_t end = now_ms() + patience_ms(); !client.closes && now_ms() < end;) {
    pump(far);
    pump(loop);
  }
  CHECK_INT(client.closes, 1);
  free_loop(loop);
  rec_free(&client);
  end_all(far, &srv, NULL, 0);
  wsock_options_free(options);
}

/* Without an on_request nobody has to be asked, so clients get in while the application is busy. */
static void let_in(void) {
  wsock_loop *loop = started_loop(), *far = new_loop();
  struct srv srv = {0};
  struct rec client = {0};
  wsock_handlers handlers = srv_handlers();
  section("clients get in while nobody polls, unless there is an on_request");
  for (int asked = 0; asked < 2; asked++) {
    memset(&srv, 0, sizeof srv), memset(&client, 0, sizeof client);
    if (!asked) handlers.on_request = NULL;
    else handlers = srv_handlers();
    REQUIRE(wsock_listen(loop, "127.0.0.1", 0, NULL, &handlers, &srv, &srv.server) == WSOCK_OK);
    connect_to(&client, far, url_of(wsock_server_port(srv.server), "/"), NULL);
    if (asked) pump_for(far, 100);
    else PUMP_UNTIL(far, client.opens);
    CHECK_INT(client.opens, !asked);
    CHECK_INT(srv.count, 0);
    if (!asked) CHECK_STATUS(wsock_conn_send_text(client.conn, "early", 5), WSOCK_OK);
    if (!asked) pump_for(far, 20);
    PUMP_UNTIL(loop, srv.count == 1 && (asked || srv.conn[0]->messages == 1));
    PUMP_UNTIL(far, client.opens);
    CHECK_STR(srv.conn[0]->log, asked ? "O" : "OM");
    CHECK_STATUS(wsock_server_close(srv.server, 0, 0, NULL), WSOCK_OK);
    for (int64_t end = now_ms() + patience_ms(); !(client.closes && srv.releases) && now_ms() < end;) {
      pump(far);
      pump(loop);
    }
    CHECK(client.closes == 1 && srv.releases == 1);
    rec_free(&client), srv_free(&srv);
  }
  free_loop(loop), free_loop(far);
}

int main(void) {
  begin_started();
  queued_before();
  let_in();
  beside_a_callback();
  paused();
  return check_end();
}
