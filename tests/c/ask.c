/* Requests that are answered later: WSOCK_OPT_ASK with events, WSOCK_REQUEST_LATER with callbacks. */
#include "events.h"

#include <pthread.h>

#define REQUEST_OF(path) "GET " path " HTTP/1.1\r\nHost: 127.0.0.1\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " RAW_KEY "\r\n\r\n"

/* Every way to put an answer off, each with a loop of its own. */
static struct way {
  const char *name;
  int events, started;
} ways[] = {{"callbacks", 0, 0}, {"events", 1, 0}, {"callbacks, a thread of its own", 0, 1}, {"events, a thread of its own", 1, 1}};
static const struct way *way;

static wsock_request *asked[8];
static int asked_count;
static int32_t later(struct srv *srv, wsock_request *request) {
  (void)srv;
  REQUIRE(asked_count < 8);
  asked[asked_count++] = request;
  return WSOCK_REQUEST_LATER;
}
static wsock_request *last_asked(void) {
  REQUIRE(asked_count > 0);
  return asked[asked_count - 1];
}
static wsock_loop *loop_of(struct srv *srv, const wsock_options *options) {
  wsock_loop *loop = new_loop();
  wsock_options *o = options ? NULL : new_options();
  asked_count = 0;
  use_events(loop, 3);
  peer_poll = way->events ? fetch : wsock_loop_poll;
  memset(srv, 0, sizeof *srv);
  srv->request = later;
  srv->echo = 1;
  if (o) option(o, WSOCK_OPT_ASK, 1);
  srv_listen(srv, loop, o ? o : options);
  if (o) wsock_options_free(o);
  if (way->started) CHECK_STATUS(wsock_loop_start(loop), WSOCK_OK);
  return loop;
}
static void end_of(struct srv *srv, wsock_loop *loop) {
  CHECK_STATUS(wsock_server_close(srv->server, 0, 1001, NULL), WSOCK_OK);
  PUMP_UNTIL(loop, srv->releases == 1);
  free_loop(loop);
  for (int i = 0; i < srv->count; i++) CHECK_ENDED(srv->conn[i]);
  srv_free(srv);
}
static void ask(struct raw *raw, struct srv *srv, wsock_loop *loop, const char *request) {
  int before = asked_count;
  raw_connect(raw, loop, srv->port);
  raw_text(raw, request);
  PUMP_UNTIL(loop, asked_count == before + 1);
}
static void is_silent(struct raw *raw, int ms) {
  pump_for(raw->loop, ms);
  raw_fill(raw);
  CHECK(raw->len == 0 && !raw->eof && !raw->reset);
}
/* Pongs aside, which overtake. */
static void next_is(struct raw *raw, int first, const char *text) {
  static struct frame frame;
  do CHECK(raw_next(raw, &frame));
  while (frame.first == 0x8a);
  CHECKF(frame.first == first && frame.len == strlen(text) && memcmp(frame.data, text, frame.len) == 0, "%x %.*s",
         frame.first, (int)frame.len, (const char *)frame.data);
}

/* A head with frames behind it, in one piece. */
static void send_with(struct raw *raw, const char *head, const char *frames, size_t len) {
  char all[2000];
  size_t at = strlen(head);
  REQUIRE(at + len <= sizeof all);
  memcpy(all, head, at);
  memcpy(all + at, frames, len);
  raw_send(raw, all, at + len);
}

static void answers(void) {
  struct srv srv;
  struct raw raw;
  wsock_loop *loop = loop_of(&srv, NULL);
  section("let in later; what came right behind the handshake comes after OPEN, in order");
  raw_connect(&raw, loop, srv.port);
  send_with(&raw, REQUEST_OF("/a?b=c") UPGRADE, "\x81\x83\0\0\0\0one\x01\x82\0\0\0\0tw\x89\x80\0\0\0\0\x80\x81\0\0\0\0o", 30);
  PUMP_UNTIL(loop, asked_count == 1);
  is_silent(&raw, 30);
  CHECK_INT(srv.count, 0);
  raw_frame(&raw, 0x81, 1, "three", 5);
  is_silent(&raw, 30);
  CHECK_INT(wsock_request_is_upgrade(asked[0]), 1);
  CHECK_STR(wsock_request_get_str(asked[0], WSOCK_REQUEST_QUERY, NULL), "b=c");
  CHECK_STATUS(wsock_request_add_header(asked[0], "X-Later", "yes"), WSOCK_OK);
  CHECK_STATUS(wsock_request_answer(asked[0], 0), WSOCK_OK);
  CHECK_INT(srv.count, 0); /* nothing is told from inside */
  const char *head = raw_head(&raw);
  CHECKF(strncmp(head, "HTTP/1.1 101 ", 13) == 0, "%.60s", head);
  CHECK_STR(head_value(head, "X-Later"), "yes");
  PUMP_UNTIL(loop, srv.count == 1 && srv.conn[0]->messages == 3 && srv.conn[0]->pings == 1);
  CHECK_STR(srv.conn[0]->log, "OMPM");
  next_is(&raw, 0x81, "one");
  section("an answered request is gone, whatever the answer");
  CHECK_REFUSED(wsock_request_answer(asked[0], 0), WSOCK_ERR_INVALID_HANDLE);
  CHECK_REFUSED(wsock_request_answer(asked[0], 403), WSOCK_ERR_INVALID_HANDLE);
  CHECK_REFUSED(wsock_request_is_upgrade(asked[0]), WSOCK_ERR_INVALID_HANDLE);
  CHECK(wsock_request_get_str(asked[0], WSOCK_REQUEST_PATH, NULL) == NULL);
  raw_close(&raw);

  section("refused later, with a body");
  ask(&raw, &srv, loop, REQUEST_OF("/no") UPGRADE);
  static const int nonsense[] = {-1, 1, 100, 101, 199, 600, 1000};
  for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++)
    CHECK_REFUSED(wsock_request_answer(last_asked(), nonsense[i]), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(wsock_request_set_body(last_asked(), "text/plain", "go away", 7), WSOCK_OK);
  CHECK_STATUS(wsock_request_answer(last_asked(), 403), WSOCK_OK);
  CHECK_REFUSED(wsock_request_answer(last_asked(), 403), WSOCK_ERR_INVALID_HANDLE);
  head = raw_head(&raw);
  CHECKF(strncmp(head, "HTTP/1.1 403 ", 13) == 0, "%.60s", head);
  RAW_UNTIL(&raw, raw.eof);
  CHECK(raw.len == 7 && memcmp(raw.in, "go away", 7) == 0);
  raw_close(&raw);

  section("a page, asked for by who closes its side at once");
  raw_connect(&raw, loop, srv.port);
  raw_text(&raw, REQUEST_OF("/page") "\r\n");
  shutdown(raw.fd, SHUT_WR);
  PUMP_UNTIL(loop, asked_count == 3);
  is_silent(&raw, 30);
  CHECK_INT(wsock_request_is_upgrade(last_asked()), 0);
  CHECK_STATUS(wsock_request_set_body(last_asked(), NULL, "page", 4), WSOCK_OK);
  CHECK_STATUS(wsock_request_answer(last_asked(), 200), WSOCK_OK);
  CHECK(strncmp(raw_head(&raw), "HTTP/1.1 200 ", 13) == 0);
  RAW_UNTIL(&raw, raw.eof);
  CHECK(raw.len == 4 && memcmp(raw.in, "page", 4) == 0);
  raw_close(&raw);
  section("whom a plain page was not good enough for");
  ask(&raw, &srv, loop, REQUEST_OF("/page") "\r\n");
  CHECK_STATUS(wsock_request_answer(last_asked(), 0), WSOCK_OK);
  CHECK(strncmp(raw_head(&raw), "HTTP/1.1 426 ", 13) == 0);
  raw_close(&raw);
  CHECK_INT(srv.count, 1);
  end_of(&srv, loop);
}

static void *answer_elsewhere(void *request) {
  CHECK_STATUS(wsock_request_answer(request, 0), WSOCK_OK);
  CHECK_REFUSED(wsock_request_answer(request, 0), WSOCK_ERR_INVALID_HANDLE);
  return NULL;
}
static int first_ones;
static void *answer_in_a_race(void *request) {
  int32_t answer = wsock_request_answer(request, 404);
  if (answer == WSOCK_OK) __sync_add_and_fetch(&first_ones, 1);
  else CHECK_STATUS(answer, WSOCK_ERR_INVALID_HANDLE);
  return NULL;
}

static void elsewhere(void) {
  struct srv srv;
  struct raw raw;
  pthread_t thread[4];
  wsock_loop *loop = loop_of(&srv, NULL);
  section("answered by another thread while this one waits");
  ask(&raw, &srv, loop, REQUEST_OF("/") UPGRADE);
  while (poll_loop(loop, 0) > 0) {}
  REQUIRE(pthread_create(&thread[0], NULL, answer_elsewhere, last_asked()) == 0);
  int64_t start = now_ms();
  for (int turns = 0; srv.count == 0 && turns < 20; turns++) REQUIRE(poll_loop(loop, (int)patience_ms()) >= 0);
  CHECK_INT(srv.count, 1);
  CHECKF(now_ms() - start < patience_ms(), "nobody woke this thread");
  pthread_join(thread[0], NULL);
  CHECK(strncmp(raw_head(&raw), "HTTP/1.1 101 ", 13) == 0);
  raw_close(&raw);
  section("answered by four at once: one of them does");
  ask(&raw, &srv, loop, REQUEST_OF("/") UPGRADE);
  for (int i = 0; i < 4; i++) REQUIRE(pthread_create(&thread[i], NULL, answer_in_a_race, last_asked()) == 0);
  for (int i = 0; i < 4; i++) pthread_join(thread[i], NULL);
  CHECK_INT(first_ones, 1);
  first_ones = 0;
  CHECK(strncmp(raw_head(&raw), "HTTP/1.1 404 ", 13) == 0);
  raw_close(&raw);
  end_of(&srv, loop);
}

static void who_is_gone(void) {
  struct srv srv;
  struct raw raw;
  wsock_options *o = option(option(new_options(), WSOCK_OPT_ASK, 1), WSOCK_OPT_HANDSHAKE_TIMEOUT_MS, check_is_slow() ? 4000 : 2600);
  wsock_loop *loop = loop_of(&srv, o);
  section("who asked has hung up meanwhile");
  ask(&raw, &srv, loop, REQUEST_OF("/") UPGRADE);
  raw_reset(&raw);
  PUMP_UNTIL(loop, server_stats(srv.server).handshakes == 0);
  CHECK_REFUSED(wsock_request_answer(last_asked(), 0), WSOCK_ERR_STATE);
  CHECK_REFUSED(wsock_request_answer(last_asked(), 0), WSOCK_ERR_INVALID_HANDLE);
  section("a slow answer is no slow request; one slower than the handshake may take is too late");
  int64_t start = now_ms();
  ask(&raw, &srv, loop, REQUEST_OF("/") UPGRADE);
  is_silent(&raw, 2200);
  CHECK_INT(server_stats(srv.server).refused_slow, 0);
  PUMP_UNTIL(loop, server_stats(srv.server).handshakes == 0);
  CHECK(now_ms() - start >= 2500);
  CHECK_INT(server_stats(srv.server).handshake_timeouts, 1);
  RAW_UNTIL(&raw, raw.eof || raw.reset);
  CHECK_INT(raw.len, 0);
  CHECK_REFUSED(wsock_request_answer(last_asked(), 200), WSOCK_ERR_STATE);
  raw_close(&raw);
  section("the server has been closed meanwhile: the answer stands, but for letting in");
  ask(&raw, &srv, loop, REQUEST_OF("/") UPGRADE);
  CHECK_STATUS(wsock_server_close(srv.server, 0, 1001, NULL), WSOCK_OK);
  is_silent(&raw, 20);
  CHECK_STATUS(wsock_request_answer(last_asked(), 0), WSOCK_OK);
  CHECK(strncmp(raw_head(&raw), "HTTP/1.1 503 ", 13) == 0);
  raw_close(&raw);
  PUMP_UNTIL(loop, srv.releases);
  section("the loop is freed while somebody waits for an answer");
  wsock_options_free(o);
  free_loop(loop);
  loop = loop_of(&srv, NULL);
  ask(&raw, &srv, loop, REQUEST_OF("/") UPGRADE);
  free_loop(loop);
  CHECK_INT(srv.releases, 1);
  CHECK_REFUSED(wsock_request_answer(last_asked(), 0), WSOCK_ERR_INVALID_HANDLE);
  raw_close(&raw);
  CHECK_INT(srv.count, 0);
}

/* Answers while it is asked, and says something else. */
static int32_t at_once(struct srv *srv, wsock_request *request) {
  asked[asked_count++] = request;
  CHECK_STATUS(wsock_request_answer(request, 0), WSOCK_OK);
  CHECK_REFUSED(wsock_request_answer(request, 0), WSOCK_ERR_INVALID_HANDLE);
  CHECK_INT(srv->count, 0);
  return way->events ? WSOCK_REQUEST_LATER : 404;
}

static void inside(void) {
  struct srv srv;
  struct raw raw;
  wsock_loop *loop = loop_of(&srv, NULL);
  section("answered from inside on_request: that counts, and OPEN comes before what the client sent behind");
  srv.request = at_once;
  raw_connect(&raw, loop, srv.port);
  send_with(&raw, REQUEST_OF("/") UPGRADE, "\x81\x83\0\0\0\0one", 9);
  CHECK(strncmp(raw_head(&raw), "HTTP/1.1 101 ", 13) == 0);
  PUMP_UNTIL(loop, srv.count == 1 && srv.conn[0]->messages == 1);
  CHECK_STR(srv.conn[0]->log, "OM");
  raw_close(&raw);
  PUMP_UNTIL(loop, srv.conn[0]->releases);
  if (way->events) {
    section("without WSOCK_OPT_ASK nobody is asked");
    wsock_options *o = new_options();
    struct srv open = {0};
    open.request = later;
    asked_count = 0;
    srv_listen(&open, loop, o);
    raw_upgrade(&raw, loop, open.port, "");
    PUMP_UNTIL(loop, open.count == 1);
    CHECK_INT(asked_count, 0);
    raw_close(&raw);
    PUMP_UNTIL(loop, open.conn[0]->releases);
    CHECK_STATUS(wsock_server_close(open.server, 0, 0, NULL), WSOCK_OK);
    PUMP_UNTIL(loop, open.releases);
    srv_free(&open);
    wsock_options_free(o);
  }
  end_of(&srv, loop);
}

int main(void) {
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    way = &ways[i];
    fprintf(stderr, "== %s\n", way->name);
    answers();
    elsewhere();
    who_is_gone();
    inside();
  }
  return check_end();
}
