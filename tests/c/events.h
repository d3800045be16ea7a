/* Events in batches, handed to the callbacks of peer.h, so that everything that is checked there is
   checked of them too; and a scripted session whose transcript is the same whichever way it is told. */
#ifndef EVENTS_H
#define EVENTS_H
#include "raw.h"

static wsock_event batch[4096];

static inline wsock_conn *conn_of(const wsock_event *event) { return (wsock_conn *)(uintptr_t)event->object; }
static inline const void *data_of(const wsock_event *event) { return (const void *)(uintptr_t)event->data; }

static inline void use_events(wsock_loop *loop, uint32_t capacity) {
  REQUIRE(capacity <= sizeof batch / sizeof *batch);
  REQUIRE(wsock_loop_use_events(loop, batch, sizeof *batch, capacity) == WSOCK_OK);
}

/* One event as its callback would have come. The user data is that of now: on_open of a server gives the
   connection its own, which the events behind it in the same batch do not know. */
static inline void tell(const wsock_event *event) {
  wsock_conn *conn = conn_of(event);
  const void *data = data_of(event);
  void *user = (void *)(uintptr_t)event->user;
  if (event->type != WSOCK_EVENT_REQUEST) user = wsock_conn_user_data(conn);
  peer_dispatching++;
  switch (event->type) {
    case WSOCK_EVENT_TEXT:
    case WSOCK_EVENT_BINARY:
      CHECK_INT(event->code, WSOCK_PART_FIRST | WSOCK_PART_LAST);
      rec_on_message(conn, event->type == WSOCK_EVENT_TEXT ? WSOCK_TEXT : WSOCK_BINARY, data, (size_t)event->len, user);
      break;
    case WSOCK_EVENT_OPEN:
      CHECK(event->data == 0 && event->len == 0 && event->code == 0);
      if (wsock_conn_server(conn)) srv_on_open(conn, user);
      else rec_on_open(conn, user);
      break;
    case WSOCK_EVENT_CLOSE:
      CHECK_INT(event->code, ((const wsock_close_info *)data)->code);
      CHECK_INT(event->len, sizeof(wsock_close_info));
      rec_on_close(conn, data, user);
      break;
    case WSOCK_EVENT_ERROR:
      CHECK_INT(event->len, sizeof(wsock_error_info));
      rec_on_error(conn, data, user);
      break;
    case WSOCK_EVENT_DRAIN: rec_on_drain(conn, user); break;
    case WSOCK_EVENT_PING: rec_on_ping(conn, data, (size_t)event->len, user); break;
    case WSOCK_EVENT_PONG: rec_on_pong(conn, data, (size_t)event->len, user); break;
    case WSOCK_EVENT_RETRY:
      CHECK_INT(event->code, ((const wsock_retry_info *)data)->attempt);
      CHECK_INT(event->len, sizeof(wsock_retry_info));
      rec_on_retry(conn, data, user);
      break;
    case WSOCK_EVENT_REQUEST: {
      wsock_request *request = (wsock_request *)(uintptr_t)event->object;
      int32_t answer = srv_on_request((wsock_server *)(uintptr_t)event->data, request, user);
      if (answer != WSOCK_REQUEST_LATER) CHECK_STATUS(wsock_request_answer(request, answer), WSOCK_OK);
      break;
    }
    default: CHECKF(0, "event of type %u", (unsigned)event->type);
  }
  peer_dispatching--;
}
/* For peer_poll: a batch, and all of it told. */
static inline int32_t fetch(wsock_loop *loop, int32_t timeout_ms) {
  int32_t n = wsock_loop_events(loop, timeout_ms);
  for (int32_t i = 0; i < n; i++) tell(&batch[i]);
  return n;
}
/* Fetches until there is something, and leaves it in the array untold. */
static inline int32_t next_batch(wsock_loop *loop) {
  int64_t end = now_ms() + patience_ms();
  int32_t n = 0;
  while (n == 0 && now_ms() < end) n = wsock_loop_events(loop, 5);
  CHECKF(n > 0, "no event came");
  return n;
}

/* What was told, in order, one letter and its size for each. */
static char transcript[4096];
static inline void write_down(struct rec *rec, char event) {
  size_t at = strlen(transcript);
  unsigned sum = 0;
  REQUIRE(at + 64 < sizeof transcript);
  if (event == 'M')
    for (size_t i = 0; i < rec->len; i++) sum = sum * 31 + rec->data[i];
  snprintf(transcript + at, 64, "%c%u/%u ", event, event == 'M' ? (unsigned)rec->len : 0, sum);
  if (event == 'C') {
    at = strlen(transcript);
    snprintf(transcript + at, 64, "(%d %d %d %.20s)", (int)rec->close.code, (int)rec->close.sent_code, (int)rec->close.was_clean, rec->reason);
  }
}
/* A server and a raw peer, in everything that can be told of a connection. The server echoes. */
static inline void scripted_session(wsock_loop *loop) {
  static unsigned char large[400000];
  static struct frame frame;
  struct srv srv = {0};
  struct raw raw;
  transcript[0] = 0;
  srv.echo = 1;
  srv.hook = write_down;
  for (size_t i = 0; i < sizeof large; i++) large[i] = (unsigned char)(i * i >> 7);
  srv_listen(&srv, loop, NULL);
  raw_upgrade(&raw, loop, srv.port, "");
  raw_frame(&raw, 0x81, 1, "one", 3);
  raw_frame(&raw, 0x89, 1, "ping", 4);
  raw_frame(&raw, 0x02, 1, "frag", 4);
  raw_frame(&raw, 0x8a, 1, "between", 7);
  raw_frame(&raw, 0x00, 1, "men", 3);
  raw_frame(&raw, 0x80, 1, "ted", 3);
  raw_frame(&raw, 0x82, 1, large, sizeof large);
  raw_frame(&raw, 0x82, 1, "", 0);
  raw_frame(&raw, 0x89, 1, "", 0);
  raw_frame(&raw, 0x81, 1, "last", 4);
  static const struct { int first; size_t len; } answers[] = {{0x81, 3}, {0x8a, 4}, {0x82, 10}, {0x82, sizeof large}, {0x82, 0}, {0x8a, 0}, {0x81, 4}};
  /* pongs overtake messages, so each kind is looked at by itself */
  size_t message = 0, pong = 1;
  for (size_t i = 0; i < sizeof answers / sizeof *answers && raw_next(&raw, &frame); i++) {
    size_t *next = frame.first == 0x8a ? &pong : &message;
    while (*next < 7 && (answers[*next].first == 0x8a) != (frame.first == 0x8a)) ++*next;
    REQUIRE(*next < 7);
    CHECKF(frame.first == answers[*next].first && frame.len == answers[*next].len, "frame %x of %zu bytes", frame.first, frame.len);
    ++*next;
  }
  raw_close_frame(&raw, 1, 3001, "enough");
  CHECK_INT(raw_close_code(&raw), 3001);
  raw_close(&raw);
  raw_upgrade(&raw, loop, srv.port, "");
  raw_frame(&raw, 0x81, 1, "then a mistake", 14);
  raw_frame(&raw, 0x83, 1, "", 0);
  CHECK_INT(raw_close_code(&raw), 1002);
  raw_close(&raw);
  PUMP_UNTIL(loop, srv.count == 2 && srv.conn[0]->releases && srv.conn[1]->releases);
  for (int i = 0; i < srv.count; i++) CHECK_ENDED(srv.conn[i]);
  CHECK_STATUS(wsock_server_close(srv.server, 0, 1001, NULL), WSOCK_OK);
  PUMP_UNTIL(loop, srv.releases == 1);
  srv_free(&srv);
}
#endif
