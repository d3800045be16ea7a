/* Events in batches on the application's own thread: the same events, order and promises as with
   callbacks, and what is only true of batches. */
#include "events.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>

static int is_readable(int fd) {
  struct pollfd p = {fd, POLLIN, 0};
  return poll(&p, 1, 0) == 1;
}
static wsock_conn *only_conn(struct srv *srv) {
  REQUIRE(srv->count > 0);
  return srv->conn[srv->count - 1]->conn;
}
/* A server that has told of its connection with a raw client. */
static void raw_pair(struct srv *srv, struct raw *raw, wsock_loop *loop) {
  memset(srv, 0, sizeof *srv);
  srv_listen(srv, loop, NULL);
  raw_upgrade(raw, loop, srv->port, "");
  PUMP_UNTIL(loop, srv->count == 1);
  while (poll_loop(loop, 0) > 0) {}
}
#define UPGRADE "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Mine: yes\r\n" \
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " RAW_KEY "\r\n\r\n"

/* Numbers from 0 on as text messages, in one piece. */
static void send_numbers(struct raw *raw, int count) {
  unsigned char all[4096];
  size_t at = 0;
  for (int i = 0; i < count; i++) {
    unsigned char frame[] = {0x81, 0x82, 0, 0, 0, 0, (unsigned char)('0' + i / 10), (unsigned char)('0' + i % 10)};
    memcpy(all + at, frame, sizeof frame);
    at += sizeof frame;
  }
  raw_send(raw, all, at);
}
static int number_of(const wsock_event *event) {
  const char *text = data_of(event);
  return event->type == WSOCK_EVENT_TEXT && event->len == 2 ? (text[0] - '0') * 10 + text[1] - '0' : -1;
}
/* So that all of it is received in the turn that is next. */
static void wait_for_input(wsock_loop *loop) {
  struct pollfd p = {wsock_loop_fd(loop), POLLIN, 0};
  CHECK_INT(poll(&p, 1, (int)patience_ms()), 1);
  sleep_ms(check_is_slow() ? 100 : 20);
}

static void arguments(void) {
  static wsock_event room[2];
  wsock_loop *loop = new_loop();
  section("without room for events there are none");
  CHECK_REFUSED(wsock_loop_events(loop, 0), WSOCK_ERR_STATE);
  CHECK_REFUSED(wsock_loop_events(loop, -1), WSOCK_ERR_STATE);
  section("room that is none");
  CHECK_REFUSED(wsock_loop_use_events(loop, NULL, sizeof *room, 2), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_loop_use_events(loop, room, sizeof *room, 0), WSOCK_ERR_INVALID_ARGUMENT);
  size_t sizes[] = {0, 1, 8, sizeof *room - 1, sizeof *room - 8, sizeof *room + 1, sizeof *room + 4, (size_t)-8, (size_t)1 << 62};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    CHECK_REFUSED(wsock_loop_use_events(loop, room, sizes[i], 2), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_loop_events(loop, 0), WSOCK_ERR_STATE);
  CHECK_REFUSED(wsock_loop_use_events(NULL, room, sizeof *room, 2), WSOCK_ERR_INVALID_HANDLE);
  CHECK_REFUSED(wsock_loop_events(NULL, 0), WSOCK_ERR_INVALID_HANDLE);
  CHECK_REFUSED(wsock_loop_flush(NULL), WSOCK_ERR_INVALID_HANDLE);
  CHECK_REFUSED(wsock_loop_promise_flush(NULL, 1), WSOCK_ERR_INVALID_HANDLE);
  section("room that is given back");
  CHECK_STATUS(wsock_loop_use_events(loop, room, sizeof *room, 2), WSOCK_OK);
  CHECK_STATUS(wsock_loop_flush(loop), WSOCK_OK);
  CHECK_INT(wsock_loop_events(loop, 0), 0);
  CHECK_REFUSED(wsock_loop_events(loop, -2), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(wsock_loop_use_events(loop, NULL, 0, 0), WSOCK_OK);
  CHECK_REFUSED(wsock_loop_events(loop, 0), WSOCK_ERR_STATE);
  CHECK_STATUS(wsock_loop_free(loop), WSOCK_OK);
  CHECK_REFUSED(wsock_loop_events(loop, 0), WSOCK_ERR_INVALID_HANDLE);
}

static void small_array(void) {
  struct srv srv;
  struct raw raw;
  wsock_loop *loop = new_loop();
  use_events(loop, 3);
  raw_pair(&srv, &raw, loop);
  int fd = wsock_loop_fd(loop), seen = 0;
  REQUIRE(fd >= 0);
  section("an array that fills up is fetched again, and all comes in order");
  send_numbers(&raw, 20);
  wait_for_input(loop);
  for (int32_t n = next_batch(loop); n > 0; n = wsock_loop_events(loop, 0)) {
    CHECK_INT(n, seen < 18 ? 3 : 2);
    for (int32_t i = 0; i < n; i++) CHECK_INT(number_of(&batch[i]), seen++);
    if (seen < 20) CHECK(is_readable(fd) && wsock_loop_timeout_ms(loop) == 0);
  }
  CHECK_INT(seen, 20);
  section("with nothing left the descriptor is quiet");
  CHECK(!is_readable(fd));
  CHECK(wsock_loop_timeout_ms(loop) != 0);
  CHECK_INT(wsock_loop_events(loop, 0), 0);
  CHECK(!is_readable(fd));
  raw_close(&raw);
  PUMP_UNTIL(loop, srv.conn[0]->releases);
  free_loop(loop);
  srv_free(&srv);
}

/* Byte i of a message of that length. */
static unsigned char pattern(size_t len, size_t i) { return (unsigned char)(len * 7 + i + (i >> 8) * 3); }

static void payloads(void) {
  static const size_t sizes[] = {0, 1, 125, 200, 4000, 70000, 300000, 1200000, 33, 65536};
  enum { SIZES = sizeof sizes / sizeof *sizes, CLIENTS = 20 };
  static struct rec client[CLIENTS];
  wsock_server *server = NULL;
  struct raw raw;
  int seen = 0, most = 0, fragmented = 0;
  unsigned char *data = malloc(1200000);
  wsock_loop *loop = new_loop(), *clients = new_loop();
  wsock_options *o = option(new_options(), WSOCK_OPT_DEFLATE, 1);
  section("every payload of a batch is right at the end of the batch: small, large, compressed, in fragments");
  peer_poll = wsock_loop_poll;
  use_events(loop, 4096);
  REQUIRE(wsock_listen(loop, "127.0.0.1", 0, o, NULL, NULL, &server) == WSOCK_OK);
  uint16_t port = wsock_server_port(server);
  memset(client, 0, sizeof client);
  for (int i = 0; i < CLIENTS; i++) connect_to(&client[i], clients, url_of(port, "/"), i % 2 ? o : NULL);
  raw_connect(&raw, clients, port);
  raw_text(&raw, UPGRADE);
  int opened = 0, known = 0;
  for (int64_t end = now_ms() + patience_ms(); opened + known < 2 * CLIENTS + 1 && now_ms() < end;) {
    int32_t n = wsock_loop_events(loop, 1);
    for (int32_t i = 0; i < n; i++) opened += batch[i].type == WSOCK_EVENT_OPEN;
    pump(clients);
    known = 0;
    for (int i = 0; i < CLIENTS; i++) known += client[i].opens;
  }
  REQUIRE(opened == CLIENTS + 1 && known == CLIENTS);
  for (int s = 0; s < SIZES; s++) {
    for (size_t i = 0; i < sizes[s]; i++) data[i] = pattern(sizes[s], i);
    for (int i = 0; i < CLIENTS; i++) CHECK(wsock_conn_send_binary(client[i].conn, data, sizes[s]) >= 0);
    if (sizes[s] > 70000) continue;
    fragmented++;
    for (size_t at = 0, len, step = sizes[s] / 7 + 1; at < sizes[s] || at == 0; at += len + !len) {
      len = sizes[s] - at < step ? sizes[s] - at : step;
      raw_frame(&raw, (at ? 0x00 : 0x02) | (at + len == sizes[s] ? 0x80 : 0), 1, data + at, len);
    }
  }
  for (int64_t end = now_ms() + 3 * patience_ms(); seen < SIZES * CLIENTS + fragmented && now_ms() < end;) {
    pump(clients);
    sleep_ms(1);
    int32_t n = wsock_loop_events(loop, 1);
    REQUIRE(n >= 0);
    most = n > most ? n : most;
    for (int32_t k = 0; k < n; k++) {
      const unsigned char *bytes = data_of(&batch[k]);
      if (batch[k].type != WSOCK_EVENT_BINARY) continue;
      size_t len = (size_t)batch[k].len, wrong = 0;
      for (size_t i = 0; i < len; i++) wrong += bytes[i] != pattern(len, i);
      CHECKF(wrong == 0, "%zu of %zu bytes are wrong, event %d of %d", wrong, len, (int)k, (int)n);
      seen++;
    }
  }
  CHECK_INT(seen, SIZES * CLIENTS + fragmented);
  CHECKF(most > 5, "no batch had more than %d events", most);
  raw_close(&raw);
  free_loop(clients);
  for (int i = 0; i < CLIENTS; i++) {
    CHECK_ENDED(&client[i]);
    rec_free(&client[i]);
  }
  wsock_options_free(o);
  CHECK_STATUS(wsock_loop_free(loop), WSOCK_OK);
  free(data);
}

static void transcripts(void) {
  static char by_callbacks[sizeof transcript];
  section("a scripted session told by callbacks");
  wsock_loop *loop = new_loop();
  peer_poll = wsock_loop_poll;
  scripted_session(loop);
  memcpy(by_callbacks, transcript, sizeof transcript);
  CHECK(strlen(by_callbacks) > 100);
  free_loop(loop);
  uint32_t capacities[] = {1, 2, 3, 50, 4096};
  for (size_t i = 0; i < sizeof capacities / sizeof *capacities; i++) {
    section("the same told by events");
    loop = new_loop();
    use_events(loop, capacities[i]);
    peer_poll = fetch;
    scripted_session(loop);
    CHECK_STR(transcript, by_callbacks);
    free_loop(loop);
  }
}

static void details(void) {
  struct rec client = {0}, lost = {0};
  struct srv srv = {0};
  wsock_loop *loop = new_loop();
  wsock_options *o = new_options();
  use_events(loop, 2);
  peer_poll = fetch;
  section("OPEN, PING, PONG, DRAIN, CLOSE with what belongs to them");
  srv_listen(&srv, loop, NULL);
  option(option(option(o, WSOCK_OPT_HIGH_WATER, 1000), WSOCK_OPT_LOW_WATER, 500), WSOCK_OPT_PING_INTERVAL_MS, 0);
  connect_to(&client, loop, url_of(srv.port, "/"), o);
  PUMP_UNTIL(loop, client.opens && srv.count == 1);
  static char large[3000000];
  CHECK_STATUS(wsock_conn_send_binary(client.conn, large, sizeof large), WSOCK_BUFFERED);
  CHECK_STATUS(wsock_conn_ping(client.conn, "hello", 5), WSOCK_OK);
  PUMP_UNTIL(loop, client.drains == 1 && client.pongs == 1 && srv.conn[0]->pings == 1 && srv.conn[0]->messages == 1);
  CHECK_INT(srv.conn[0]->len, sizeof large);
  CHECK_STATUS(wsock_conn_close(client.conn, 3333, "why not"), WSOCK_OK);
  PUMP_UNTIL(loop, client.releases && srv.conn[0]->releases);
  CHECK_INT(client.close.sent_code, 3333);
  CHECK_INT(srv.conn[0]->close.code, 3333);
  CHECK_STR(srv.conn[0]->reason, "why not");
  CHECK_STR(srv.conn[0]->log, "OMPCR");
  section("ERROR and CLOSE of a client that gets nowhere, RETRY of one that tries again");
  connect_to(&lost, loop, url_of(raw_dead_port(), "/"), NULL);
  PUMP_UNTIL(loop, lost.releases);
  CHECK_INT(lost.error.code, WSOCK_ERR_CONNECT);
  CHECK_STR(lost.log, "ECR");
  option(option(o, WSOCK_OPT_RECONNECT, 3), WSOCK_OPT_RECONNECT_FIRST_MS, 1);
  memset(&lost, 0, sizeof lost);
  lost.reconnects = 1;
  connect_to(&lost, loop, url_of(raw_dead_port(), "/"), o);
  PUMP_UNTIL(loop, lost.releases);
  CHECK_INT(lost.retries, 3);
  CHECK_INT(lost.retry.attempt, 3);
  CHECK_INT(lost.retry_error.code, WSOCK_ERR_CONNECT);
  CHECK_STR(lost.log, "TECR");
  CHECK_STATUS(wsock_server_close(srv.server, 0, 0, NULL), WSOCK_OK);
  PUMP_UNTIL(loop, srv.releases);
  wsock_options_free(o);
  free_loop(loop);
  rec_free(&client);
  srv_free(&srv);
}

static void handles_and_records(void) {
  struct srv srv;
  struct raw raw;
  wsock_loop *loop = new_loop();
  use_events(loop, 10);
  peer_poll = fetch;
  raw_pair(&srv, &raw, loop);
  struct rec *rec = srv.conn[0];
  wsock_conn *conn = rec->conn;
  section("the handle of an end is good until the next batch, and release waits for that");
  raw_close_frame(&raw, 1, 1000, "over");
  CHECK_INT(next_batch(loop), 1);
  CHECK_INT(batch[0].type, WSOCK_EVENT_CLOSE);
  CHECK_INT(batch[0].code, 1000);
  CHECK(conn_of(&batch[0]) == conn && batch[0].user == (uintptr_t)rec);
  CHECK_STR(((const wsock_close_info *)data_of(&batch[0]))->reason, "over");
  CHECK_INT(wsock_conn_state(conn), WSOCK_CLOSED);
  CHECK(wsock_conn_user_data(conn) == rec);
  CHECK_REFUSED(wsock_conn_send_text(conn, "x", 1), WSOCK_ERR_STATE);
  CHECK_INT(rec->releases, 0);
  CHECK_STATUS(wsock_loop_flush(loop), WSOCK_OK);
  CHECK_INT(rec->releases, 0);
  CHECK_STR(((const wsock_close_info *)data_of(&batch[0]))->reason, "over");
  CHECK_INT(wsock_loop_events(loop, 0), 0);
  CHECK_INT(rec->releases, 1);
  CHECK_REFUSED(wsock_conn_send_text(conn, "x", 1), WSOCK_ERR_INVALID_HANDLE);
  CHECK(wsock_conn_user_data(conn) == NULL);
  raw_close(&raw);

  section("headers of the handshake are there as long as OPEN is in the batch");
  raw_connect(&raw, loop, srv.port);
  raw_text(&raw, UPGRADE);
  CHECK_INT(next_batch(loop), 1);
  CHECK_INT(batch[0].type, WSOCK_EVENT_OPEN);
  CHECK(batch[0].user == (uintptr_t)&srv);
  CHECK_STR(wsock_conn_header(conn_of(&batch[0]), "X-Mine", 0, NULL), "yes");
  conn = conn_of(&batch[0]);
  tell(&batch[0]);
  raw_head(&raw);
  CHECK(wsock_conn_header(conn, "X-Mine", 0, NULL) == NULL);

  section("records larger than the library knows: what is behind is zero, and stays");
  static struct { wsock_event event; uint64_t more[3]; } large[3];
  memset(large, 0xaa, sizeof large);
  CHECK_STATUS(wsock_loop_use_events(loop, &large[0].event, sizeof *large, 3), WSOCK_OK);
  send_numbers(&raw, 3);
  wait_for_input(loop);
  CHECK_INT(wsock_loop_events(loop, 0), 3);
  for (int i = 0; i < 3; i++) {
    CHECK_INT(number_of(&large[i].event), i);
    CHECK(large[i].more[0] == 0 && large[i].more[1] == 0 && large[i].more[2] == 0);
  }
  section("another array ends the batch");
  use_events(loop, 10);
  raw_frame(&raw, 0x81, 1, "00", 2);
  CHECK_INT(next_batch(loop), 1);
  CHECK_INT(number_of(&batch[0]), 0);
  raw_close(&raw);
  PUMP_UNTIL(loop, srv.conn[1]->releases);
  free_loop(loop);
  srv_free(&srv);
}

static int tasks_run, tasks_released;
static void task(wsock_loop *loop, void *arg) {
  CHECK_REFUSED(wsock_loop_events(loop, 0), WSOCK_ERR_REENTRANT);
  CHECK_REFUSED(wsock_loop_poll(loop, 0), WSOCK_ERR_REENTRANT);
  CHECK_REFUSED(wsock_loop_run(loop), WSOCK_ERR_REENTRANT);
  CHECK_REFUSED(wsock_loop_free(loop), WSOCK_ERR_REENTRANT);
  CHECK_INT(tasks_run, *(int *)arg);
  tasks_run++;
}
static void task_release(void *arg) {
  (void)arg;
  tasks_released++;
}

static void tasks(void) {
  struct srv srv;
  struct raw raw;
  static int order[] = {0, 1, 2};
  wsock_loop *loop = new_loop();
  use_events(loop, 1);
  peer_poll = fetch;
  raw_pair(&srv, &raw, loop);
  section("posted tasks run where they stand in line");
  send_numbers(&raw, 3);
  wait_for_input(loop);
  CHECK_INT(wsock_loop_events(loop, 0), 1);
  CHECK_INT(number_of(&batch[0]), 0);
  for (int i = 0; i < 3; i++) CHECK_STATUS(wsock_loop_post(loop, task, &order[i], task_release), WSOCK_OK);
  for (int i = 1; i < 3; i++) {
    CHECK_INT(wsock_loop_events(loop, 0), 1);
    CHECK_INT(number_of(&batch[0]), i);
    CHECK_INT(tasks_run, 0);
  }
  raw_frame(&raw, 0x81, 1, "03", 2);
  CHECK(is_readable(wsock_loop_fd(loop)));
  CHECK_INT(next_batch(loop), 1);
  CHECK_INT(number_of(&batch[0]), 3);
  CHECK(tasks_run == 3 && tasks_released == 3);
  section("tasks that never come to run are released with the loop");
  CHECK_STATUS(wsock_loop_post(loop, task, &order[0], task_release), WSOCK_OK);
  raw_close(&raw);
  free_loop(loop);
  CHECK(tasks_run == 3 && tasks_released == 4);
  srv_free(&srv);
}

/* What has arrived by now, without driving the loop. */
static size_t arrived(struct raw *raw) {
  sleep_ms(check_is_slow() ? 50 : 10);
  raw_fill(raw);
  return raw->len;
}

static void corking(void) {
  struct srv srv;
  struct raw raw;
  wsock_loop *loop = new_loop();
  use_events(loop, 10);
  peer_poll = fetch;
  raw_pair(&srv, &raw, loop);
  wsock_conn *conn = only_conn(&srv);
  section("without a batch what is sent leaves at once");
  CHECK_STATUS(wsock_conn_send_text(conn, "now", 3), WSOCK_OK);
  CHECK_INT(wsock_conn_buffered_amount(conn), 0);
  CHECK_INT(arrived(&raw), 5);
  raw_take(&raw, 5);
  for (int by_flush = 0; by_flush < 2; by_flush++) {
    section(by_flush ? "within a batch it waits for a flush, and leaves in one piece"
                     : "within a batch it waits for the next, and leaves in one piece");
    raw_frame(&raw, 0x81, 1, "00", 2);
    CHECK_INT(next_batch(loop), 1);
    for (int i = 0; i < 50; i++) CHECK_STATUS(wsock_conn_send_text(conn, "corked", 6), WSOCK_OK);
    CHECK_INT(wsock_conn_buffered_amount(conn), 300);
    CHECK_INT(arrived(&raw), 0);
    CHECK(is_readable(wsock_loop_fd(loop)));
    if (by_flush) CHECK_STATUS(wsock_loop_flush(loop), WSOCK_OK);
    else CHECK_INT(wsock_loop_events(loop, 0), 0);
    CHECK_INT(wsock_conn_buffered_amount(conn), 0);
    sleep_ms(check_is_slow() ? 50 : 10);
    unsigned char piece[1000];
    CHECK_INT(recv(raw.fd, piece, sizeof piece, MSG_DONTWAIT), 400);
    CHECK_STATUS(wsock_conn_send_text(conn, "after", 5), WSOCK_OK);
    CHECK_INT(wsock_conn_buffered_amount(conn), by_flush ? 5 : 0);
    CHECK_STATUS(wsock_loop_flush(loop), WSOCK_OK);
    CHECK_INT(arrived(&raw), 7);
    raw_take(&raw, 7);
  }
  section("with a promise to flush, that ends the batch, and the descriptor is quiet until then");
  CHECK_STATUS(wsock_loop_promise_flush(loop, 1), WSOCK_OK);
  CHECK_STATUS(wsock_conn_send_text(conn, "kept", 4), WSOCK_OK);
  CHECK_INT(wsock_conn_buffered_amount(conn), 4);
  CHECK_STATUS(wsock_loop_flush(loop), WSOCK_OK);
  CHECK_INT(arrived(&raw), 6);
  raw_take(&raw, 6);
  for (int with_reply = 0; with_reply < 2; with_reply++) {
    raw_frame(&raw, 0x82, 1, "01", 2);
    CHECK_INT(next_batch(loop), 1);
    CHECK(!is_readable(wsock_loop_fd(loop)));
    if (with_reply) CHECK_STATUS(wsock_conn_send_text(conn, "corked", 6), WSOCK_OK);
    CHECK_INT(memcmp(data_of(&batch[0]), "01", 2), 0);
    CHECK_STATUS(wsock_loop_flush(loop), WSOCK_OK);
    CHECK(!is_readable(wsock_loop_fd(loop)));
    if (!with_reply) continue;
    CHECK_INT(arrived(&raw), 8);
    raw_take(&raw, 8);
  }
  section("taken back, sends outside of batches leave at once again");
  CHECK_STATUS(wsock_conn_send_text(conn, "kept", 4), WSOCK_OK);
  CHECK_STATUS(wsock_loop_promise_flush(loop, 0), WSOCK_OK);
  CHECK_INT(arrived(&raw), 6);
  raw_take(&raw, 6);
  CHECK_STATUS(wsock_conn_send_text(conn, "now", 3), WSOCK_OK);
  CHECK_INT(arrived(&raw), 5);
  raw_take(&raw, 5);
  section("a poll ends the batch, too");
  raw_frame(&raw, 0x81, 1, "00", 2);
  CHECK_INT(next_batch(loop), 1);
  CHECK_STATUS(wsock_conn_send_text(conn, "corked", 6), WSOCK_OK);
  CHECK_INT(wsock_loop_poll(loop, 0), 0);
  CHECK_INT(arrived(&raw), 8);
  raw_take(&raw, 8);
  section("and so does the end of the loop");
  raw_frame(&raw, 0x81, 1, "00", 2);
  CHECK_INT(next_batch(loop), 1);
  CHECK_STATUS(wsock_conn_send_text(conn, "corked", 6), WSOCK_OK);
  free_loop(loop);
  CHECK_INT(arrived(&raw), 8);
  CHECK_ENDED(srv.conn[0]);
  raw_close(&raw);
  srv_free(&srv);
}

static void in_the_middle(void) {
  struct srv srv;
  struct raw raw;
  wsock_loop *loop = new_loop();
  use_events(loop, 4);
  peer_poll = fetch;
  for (int aborts = 0; aborts < 2; aborts++) {
    section(aborts ? "aborted in the middle" : "closed in the middle: the batch is whole, the rest is dropped, the end comes");
    raw_pair(&srv, &raw, loop);
    struct rec *rec = srv.conn[0];
    send_numbers(&raw, 10);
    wait_for_input(loop);
    CHECK_INT(next_batch(loop), 4);
    CHECK_STATUS(aborts ? wsock_conn_abort(rec->conn) : wsock_conn_close(rec->conn, 3000, "enough"), WSOCK_OK);
    for (int i = 0; i < 4; i++) CHECK_INT(number_of(&batch[i]), i);
    if (!aborts) {
      CHECK_INT(wsock_loop_events(loop, 0), 0);
      CHECK_INT(raw_close_code(&raw), 3000);
      raw_close_frame(&raw, 1, 3000, "");
    }
    PUMP_UNTIL(loop, rec->releases);
    CHECK_STR(rec->log, aborts ? "OECR" : "OCR");
    CHECK_INT(rec->messages, 0);
    raw_close(&raw);
    CHECK_STATUS(wsock_server_close(srv.server, 0, 0, NULL), WSOCK_OK);
    PUMP_UNTIL(loop, srv.releases);
    srv_free(&srv);
  }
  section("paused in the middle: the rest comes when it is resumed");
  raw_pair(&srv, &raw, loop);
  struct rec *rec = srv.conn[0];
  send_numbers(&raw, 10);
  wait_for_input(loop);
  int32_t n = next_batch(loop);
  CHECK_INT(n, 4);
  CHECK_STATUS(wsock_conn_pause(rec->conn), WSOCK_OK);
  raw_frame(&raw, 0x89, 1, "", 0);
  for (int i = 0; i < 10; i++) CHECK_INT(wsock_loop_events(loop, 1), 0);
  CHECK(!is_readable(wsock_loop_fd(loop)));
  CHECK_STATUS(wsock_conn_resume(rec->conn), WSOCK_OK);
  CHECK(is_readable(wsock_loop_fd(loop)));
  int seen = 4;
  while (seen < 10 && (n = next_batch(loop)) > 0)
    for (int i = 0; i < n && seen < 10; i++) CHECK_INT(number_of(&batch[i]), seen++);
  PUMP_UNTIL(loop, rec->pings == 1);
  section("paused while its sends drain: DRAIN comes, and nothing else");
  static char large[15000000]; /* more than any socket takes at once */
  send_numbers(&raw, 10);
  wait_for_input(loop);
  CHECK_INT(next_batch(loop), 4);
  CHECK_STATUS(wsock_conn_pause(rec->conn), WSOCK_OK);
  CHECK_STATUS(wsock_conn_send_binary(rec->conn, large, sizeof large), WSOCK_BUFFERED);
  RAW_UNTIL(&raw, rec->drains == 1);
  CHECK_INT(rec->messages, 0);
  section("the end of a paused connection is told, behind what it had sent");
  CHECK_STATUS(wsock_conn_abort(rec->conn), WSOCK_OK);
  PUMP_UNTIL(loop, rec->releases);
  CHECK_INT(rec->messages, 0);
  raw_close(&raw);
  free_loop(loop);
  srv_free(&srv);
}

static void send_later(wsock_loop *loop, void *conn) {
  (void)loop;
  CHECK(wsock_conn_send_text(conn, "x", 1) >= 0);
}
static void held_back(void) {
  struct srv srv;
  struct raw raw;
  wsock_loop *loop = new_loop();
  use_events(loop, 2);
  peer_poll = fetch;
  raw_pair(&srv, &raw, loop);
  struct rec *rec = srv.conn[0];
  section("user data that is replaced in the middle of a batch is released behind it");
  struct rec heir = {0};
  send_numbers(&raw, 5);
  wait_for_input(loop);
  CHECK_INT(next_batch(loop), 2);
  CHECK(batch[1].user == (uintptr_t)rec);
  CHECK_STATUS(wsock_conn_set_user_data(rec->conn, &heir, rec_release), WSOCK_OK);
  CHECK_INT(rec->releases, 0);
  heir.conn = rec->conn;
  heir.opens = 1;
  section("what was held back of a paused connection is told before its end, also when that comes within a poll");
  CHECK_STATUS(wsock_conn_pause(heir.conn), WSOCK_OK);
  CHECK_INT(wsock_loop_events(loop, 0), 0);
  CHECK_INT(rec->releases, 1);
  raw_reset(&raw);
  peer_poll = wsock_loop_poll;
  CHECK_STATUS(wsock_loop_post(loop, send_later, heir.conn, NULL), WSOCK_OK);
  PUMP_UNTIL(loop, heir.releases);
  CHECK_STR(heir.log, "MECR");
  CHECK_INT(heir.messages, 3);
  rec_free(&heir);
  free_loop(loop);
  srv_free(&srv);
}

static void freed_with_events(void) {
  struct srv srv;
  struct raw raw[3];
  struct rec client = {0};
  wsock_loop *loop = new_loop();
  use_events(loop, 1);
  peer_poll = fetch;
  section("freed with events that nobody has fetched: each end once, each release once");
  raw_pair(&srv, &raw[0], loop);
  connect_to(&client, loop, url_of(srv.port, "/"), NULL);
  PUMP_UNTIL(loop, client.opens && srv.count == 2);
  raw_connect(&raw[1], loop, srv.port);
  raw_connect(&raw[2], loop, srv.port);
  int untold = srv.count;
  for (int i = 1; i < 3; i++)
    raw_text(&raw[i], UPGRADE);
  send_numbers(&raw[0], 10);
  for (int i = 0; i < 100; i++) CHECK_STATUS(wsock_conn_send_text(client.conn, "more", 4), WSOCK_OK);
  wait_for_input(loop);
  CHECK_INT(wsock_loop_events(loop, 100), 1);
  sleep_ms(20);
  free_loop(loop);
  CHECK_ENDED(&client);
  CHECK_INT(client.error.code, WSOCK_ERR_ABORTED);
  CHECK_INT(srv.releases, 1);
  section("a connection of which nobody has heard does not end either");
  CHECK_INT(srv.count, untold);
  for (int i = 0; i < srv.count; i++) CHECK_ENDED(srv.conn[i]);
  for (int i = 0; i < 3; i++) raw_close(&raw[i]);
  srv_free(&srv);
}

static void *wake_later(void *loop) {
  sleep_ms(60);
  CHECK_STATUS(wsock_loop_wakeup(loop), WSOCK_OK);
  return NULL;
}
static volatile sig_atomic_t caught;
static void on_signal(int number) {
  (void)number;
  caught++;
}
static pthread_t main_thread;
static void *signal_later(void *arg) {
  int *done = arg;
  while (!__sync_add_and_fetch(done, 0)) {
    sleep_ms(20);
    if (!__sync_add_and_fetch(done, 0)) pthread_kill(main_thread, SIGUSR1);
  }
  return NULL;
}

static void waiting(void) {
  struct srv srv;
  struct raw raw;
  pthread_t thread;
  wsock_loop *loop = new_loop();
  use_events(loop, 10);
  peer_poll = fetch;
  raw_pair(&srv, &raw, loop);
  section("a wait as long as it was asked for");
  int64_t start = now_ms();
  CHECK_INT(wsock_loop_events(loop, 0), 0);
  CHECKF(now_ms() - start < 40 || check_is_slow(), "%d ms", (int)(now_ms() - start));
  start = now_ms();
  CHECK_INT(wsock_loop_events(loop, 50), 0);
  int64_t took = now_ms() - start;
  CHECKF(took >= 45 && took < 5000, "%d ms", (int)took);
  section("a wait for ever, ended by wakeup");
  start = now_ms();
  REQUIRE(pthread_create(&thread, NULL, wake_later, loop) == 0);
  CHECK_INT(wsock_loop_events(loop, -1), 0);
  CHECK(now_ms() - start >= 50);
  pthread_join(thread, NULL);
  section("no wait when something is there");
  raw_frame(&raw, 0x81, 1, "00", 2);
  CHECK_INT(wsock_loop_events(loop, -1), 1);
  section("a signal ends the wait, and nothing is lost by that");
  handle_usr1(on_signal, SA_RESTART);
  main_thread = pthread_self();
  int done = 0;
  REQUIRE(pthread_create(&thread, NULL, signal_later, &done) == 0);
  int32_t n;
  while ((n = wsock_loop_events(loop, -1)) >= 0 && caught == 0) {}
  CHECK_REFUSED(n, WSOCK_ERR_INTERRUPTED);
  __sync_add_and_fetch(&done, 1);
  pthread_join(thread, NULL);
  raw_frame(&raw, 0x81, 1, "01", 2);
  CHECK_INT(next_batch(loop), 1);
  CHECK_INT(number_of(&batch[0]), 1);
  section("the same loop told by callbacks, by events and by callbacks again: all of it once, in order");
  send_numbers(&raw, 30);
  wait_for_input(loop);
  use_events(loop, 4);
  CHECK_INT(next_batch(loop), 4);
  for (int i = 0; i < 4; i++) CHECK_INT(number_of(&batch[i]), i);
  struct rec *rec = srv.conn[0];
  int before = rec->messages;
  peer_poll = wsock_loop_poll;
  PUMP_UNTIL(loop, rec->messages == before + 26);
  CHECK(rec->len == 2 && memcmp(rec->data, "29", 2) == 0);
  send_numbers(&raw, 2);
  PUMP_UNTIL(loop, rec->messages == before + 28);
  send_numbers(&raw, 2);
  CHECK(next_batch(loop) >= 1);
  CHECK_INT(number_of(&batch[0]), 0);
  raw_close(&raw);
  free_loop(loop);
  srv_free(&srv);
}

int main(void) {
  arguments();
  peer_poll = fetch;
  peer_behind = 1;
  small_array();
  payloads();
  transcripts();
  details();
  handles_and_records();
  tasks();
  corking();
  in_the_middle();
  held_back();
  freed_with_events();
  waiting();
  return check_end();
}
