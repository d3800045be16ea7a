/* Two loops with a thread of their own, one drained with callbacks, the other by batches, each by one thread
   that now and then takes the work back; six threads more do everything that "any" and "loop" allow, and in the
   end the loops are freed while they go on. Every connection ends once, everything is released once, each
   sender's messages come in order, and nobody but the draining thread is called. For ThreadSanitizer. */
#include "hub.h"

#include <pthread.h>

#define LOOPS 2
#define SENDERS 6
#define WRITERS (SENDERS + LOOPS) /* the draining threads send, too */
#define LINKS 4                   /* clients of each loop that come again when they have ended */
#define LIVES 30000
#define ENDS 100000
#define SHELF 16                  /* messages that were kept, for any thread to look at */
#define BATCH 64
#define RUN_MS (check_is_slow() ? 1500 : 2500)

static void store(int *value, int to) { __atomic_store_n(value, to, __ATOMIC_SEQ_CST); }
static int add(int *value, int more) { return __atomic_fetch_add(value, more, __ATOMIC_SEQ_CST); }

/* A connection, from the client's side (0) and from the server's (1). */
struct life {
  wsock_conn *conn[2];
  int connected, opened[2], closed[2];
  int next[2][WRITERS];             /* by the side that receives: the least number that may come */
};
/* User data: of a side of a connection, of a server, or of a log. Never used again, so that what comes too late
   is seen. */
struct end {
  struct life *life;
  int side, loop, link;             /* link: -1 for none */
  int given, released;
};
static struct life lives[LIVES];
static struct end ends[ENDS];
static int lives_used, ends_used, links[LOOPS][LINKS];
static wsock_loop *loops[LOOPS];
static pthread_t drainer[LOOPS];
static wsock_event batch[BATCH];
static wsock_server *servers[LOOPS];
static uint16_t ports[LOOPS];
static wsock_hub *hub;
static wsock_message *shelf[SHELF];
static int leaving, stop_draining, came, heard, kept, guests, replaced, joins, posted, ran, task_released, lent, given_back;
static pthread_mutex_t cycling = PTHREAD_MUTEX_INITIALIZER;
static __thread int inside, batching; /* what is done about a batch is no callback */

/* What a thread sends: own numbers for each connection are not needed, since they only grow. */
static int number(int writer) {
  static int numbers[WRITERS];
  return add(&numbers[writer], 1);
}
static int fine(wsock_status status) {
  return status == WSOCK_OK || status == WSOCK_BUFFERED || status == WSOCK_DROPPED || status == WSOCK_ERR_STATE ||
         status == WSOCK_ERR_INVALID_HANDLE || status == WSOCK_ERR_LIMIT || status == WSOCK_ERR_WRONG_THREAD;
}
#define FINE(call)                                                 \
  do {                                                             \
    wsock_status did_ = (call);                                    \
    CHECKF(fine(did_), #call " gave %d: %s", (int)did_, last_text()); \
  } while (0)

static struct end *new_end(struct life *life, int side, int loop, int link) {
  int at = add(&ends_used, 1);
  REQUIRE(at < ENDS);
  struct end *end = &ends[at];
  end->life = life;
  end->side = side;
  end->loop = loop;
  end->link = link;
  return end;
}
static void end_release(void *user_data) {
  struct end *end = user_data;
  CHECK_INT(add(&end->released, 1), 0);
}
/* Every callback begins and ends with these. */
static void enter(int loop) {
  CHECKF(pthread_equal(drainer[loop], pthread_self()), "called on another thread");
  CHECKF(inside++ == 0, "called inside a callback");
}
static void leave(void) { inside--; }

static void call_again(int loop, uint16_t port, int link);

static void end_open(wsock_conn *conn, void *user_data) {
  struct end *end = user_data;
  enter(end->loop);
  if (!end->life) {
    const char *url;
    wsock_status given;
    /* Whoever joins the loop has it alone until it is started again. */
    for (int64_t until = now_ms() + patience_ms(); !(url = wsock_conn_get_str(conn, WSOCK_CONN_URL, NULL)) && now_ms() < until;) {
      CHECK_INT(last_error().code, WSOCK_ERR_WRONG_THREAD);
      sleep_ms(1);
    }
    REQUIRE(url != NULL);
    end = new_end(&lives[atoi(strrchr(url, '/') + 1)], 1, end->loop, -1);
    store(&end->given, 1);
    while ((given = wsock_conn_set_user_data(conn, end, end_release)) == WSOCK_ERR_WRONG_THREAD) sleep_ms(1);
    CHECK_STATUS(given, WSOCK_OK);
  }
  CHECK_INT(add(&end->life->opened[end->side], 1), 0);
  __atomic_store_n(&end->life->conn[end->side], conn, __ATOMIC_SEQ_CST);
  FINE(wsock_hub_subscribe(hub, conn, "news"));
  leave();
}
/* "writer number" and then a pattern. */
static int make_text(char *text, int len, int writer) {
  int n = snprintf(text, 32, "%d %d ", writer, number(writer));
  for (; n < len; n++) text[n] = (char)('a' + n % 23);
  return n;
}
static void give_back(const void *data, size_t len, void *user) {
  CHECK(len == 20000 && user == data);
  CHECKF(!inside || batching, "given back inside a callback");
  add(&given_back, 1);
  free(user);
}
static void lend(wsock_conn *conn, int writer) {
  wsock_send_options options;
  char *piece = malloc(20000);
  make_text(piece, 20000, writer);
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.release = give_back;
  options.release_user = piece;
  add(&lent, 1);
  FINE(wsock_conn_send_with(conn, WSOCK_TEXT, piece, 20000, &options));
}
static int check_text(const char *data, size_t len, int *writer, int *at) {
  char head[32];
  snprintf(head, sizeof head, "%.*s", (int)(len < 31 ? len : 31), data);
  int n = 0, read = sscanf(head, "%d %d %n", writer, at, &n);
  for (size_t i = len < 31 ? len : 31; i < len; i++)
    if (data[i] != (char)('a' + i % 23)) return 0;
  return read == 2 && n > 0 && *writer >= 0 && *writer < WRITERS;
}
static void end_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user_data) {
  struct end *end = user_data;
  int writer = 0, at = 0;
  char text[64];
  enter(end->loop);
  if (type == WSOCK_BINARY) {
    add(&heard, 1); /* the hub's */
  } else {
    REQUIRE(check_text((const char *)data, len, &writer, &at));
    int *next = &end->life->next[end->side][writer];
    CHECKF(at >= *next, "writer %d: %d after %d", writer, at, *next - 1);
    *next = at + 1;
    if (add(&came, 1) % 4 == 0) {
      wsock_message *message = NULL;
      wsock_status did = wsock_conn_retain(conn, data, &message);
      CHECKF(fine(did), "retain gave %d: %s", (int)did, last_text());
      if (did == WSOCK_OK) wsock_message_free(__atomic_exchange_n(&shelf[at % SHELF], message, __ATOMIC_SEQ_CST)), add(&kept, 1);
    }
    if (at % 64 == 0) lend(conn, SENDERS + end->loop);
    else if (at % 8 == 0) FINE(wsock_conn_send_text(conn, text, (size_t)make_text(text, 40, SENDERS + end->loop)));
  }
  leave();
}
static void end_close(wsock_conn *conn, const wsock_close_info *info, void *user_data) {
  struct end *end = user_data;
  (void)conn;
  enter(end->loop);
  CHECK(info->struct_size >= sizeof *info);
  CHECK_INT(add(&end->life->closed[end->side], 1), 0);
  if (end->link >= 0 && !load(&leaving)) call_again(end->loop, ports[!end->loop], end->link);
  leave();
}
static wsock_handlers end_handlers(void) {
  wsock_handlers h;
  memset(&h, 0, sizeof h);
  h.struct_size = sizeof h;
  h.on_open = end_open;
  h.on_message = end_message;
  h.on_close = end_close;
  h.release = end_release;
  return h;
}
static void call_again(int loop, uint16_t port, int link) {
  wsock_handlers h = end_handlers();
  wsock_conn *conn = NULL;
  char path[16];
  int at = add(&lives_used, 1);
  REQUIRE(at < LIVES);
  struct end *end = new_end(&lives[at], 0, loop, link);
  snprintf(path, sizeof path, "/%d", at);
  wsock_status did = wsock_connect(loops[loop], url_of(port, path), NULL, &h, end, &conn);
  CHECKF(fine(did), "connect gave %d: %s", (int)did, last_text());
  if (did != WSOCK_OK) return;
  store(&end->given, 1);
  store(&end->life->connected, 1);
  __atomic_store_n(&end->life->conn[0], conn, __ATOMIC_SEQ_CST);
  if (link >= 0) store(&links[loop][link], at);
}
static wsock_status listen_at(int loop, wsock_server **out) {
  wsock_handlers h = end_handlers();
  struct end *end = new_end(NULL, 1, loop, -1);
  wsock_status did = wsock_listen(loops[loop], "127.0.0.1", 0, NULL, &h, end, out);
  if (did == WSOCK_OK) store(&end->given, 1);
  return did;
}
static void told(wsock_loop *loop, int32_t level, const char *target, const char *message, void *user_data) {
  struct end *end = user_data;
  (void)level, (void)target;
  enter(end->loop);
  CHECK(loop == loops[end->loop] && *message);
  leave();
}
static void task(wsock_loop *loop, void *arg) {
  (void)arg;
  enter(loop == loops[1]);
  add(&ran, 1);
  leave();
}
static void task_release(void *arg) {
  (void)arg;
  add(&task_released, 1);
}
/* What stands in the event may have been replaced by now; but not of a connection that has ended. Whoever joins the loop has
   it alone until it is started again. */
static void *user_of(wsock_conn *conn, const wsock_event *event) {
  void *user;
  for (int64_t until = now_ms() + patience_ms(); !(user = wsock_conn_user_data(conn)) && now_ms() < until; sleep_ms(1))
    if (last_error().code != WSOCK_ERR_WRONG_THREAD) return (void *)(uintptr_t)event->user;
  return user;
}
/* The events of a batch, given to the same functions. */
static void dispatch(int count) {
  batching = 1;
  for (int i = 0; i < count; i++) {
    wsock_event *event = &batch[i];
    wsock_conn *conn = (wsock_conn *)(uintptr_t)event->object;
    void *data = (void *)(uintptr_t)event->data;
    void *user = user_of(conn, event);
    switch (event->type) {
    case WSOCK_EVENT_OPEN: end_open(conn, user); break;
    case WSOCK_EVENT_TEXT: end_message(conn, WSOCK_TEXT, data, event->len, user); break;
    case WSOCK_EVENT_BINARY: end_message(conn, WSOCK_BINARY, data, event->len, user); break;
    case WSOCK_EVENT_CLOSE: end_close(conn, data, user); break;
    default: break;
    }
  }
  batching = 0;
}
/* Somebody else may have joined the loop, or started it, at just this moment. */
static void drain_once(int loop, int timeout_ms) {
  int32_t n = loop == 0 ? wsock_loop_poll(loops[0], timeout_ms) : wsock_loop_events(loops[1], timeout_ms);
  CHECKF(n >= 0 || n == WSOCK_ERR_WRONG_THREAD || n == WSOCK_ERR_STATE, "draining gave %d: %s", (int)n, last_text());
  if (loop == 1 && n > 0) dispatch(n);
}
static void *drain(void *arg) {
  int loop = *(int *)arg;
  char text[64];
  pthread_mutex_lock(&cycling);
  pthread_mutex_unlock(&cycling);
  for (int turn = 0; !load(&stop_draining); turn++) {
    drain_once(loop, 5);
    if (turn % 40 != 0) continue;
    /* What it has sent while the loop had a thread comes before what it sends when it is at home. */
    for (int cycle = 0; cycle < 6; cycle++) {
      int of = load(&links[loop][turn / 40 % LINKS]);
      wsock_conn *conn = of < 0 ? NULL : __atomic_load_n(&lives[of].conn[0], __ATOMIC_SEQ_CST);
      for (int i = 0; i < 4; i++) FINE(wsock_conn_send_text(conn, text, (size_t)make_text(text, 40, SENDERS + loop)));
      if (cycle == 0) add(&joins, wsock_loop_join(loops[loop]) == WSOCK_OK);
      else if (cycle < 5) drain_once(loop, 1);
    }
    FINE(wsock_loop_start(loops[loop]));
  }
  return NULL;
}

/* One of the six. */
static int pick(unsigned *random, int of) {
  *random = *random * 1664525u + 1013904223u;
  return (int)(*random >> 8) % of;
}
static void look_at_message(unsigned *random, wsock_conn *conn) {
  wsock_message *message = __atomic_exchange_n(&shelf[pick(random, SHELF)], NULL, __ATOMIC_SEQ_CST);
  size_t len = 0;
  int32_t type = 0;
  int writer, at;
  if (!message) return;
  const char *data = wsock_message_data(message, &type, &len);
  REQUIRE(data && type == WSOCK_TEXT);
  CHECK(check_text(data, len, &writer, &at));
  /* as binary, since it is out of its order */
  if (pick(random, 2)) FINE(wsock_hub_publish(hub, "news", WSOCK_BINARY, data, len, NULL));
  else FINE(wsock_conn_send_binary(conn, data, len));
  wsock_message_free(message);
}
static void replace_user(struct life *life, int side, int loop, wsock_conn *conn) {
  /* Only of a connection that has opened, and without a link, which would be lost. */
  struct end *end;
  if (side == 0 || !load(&life->opened[1])) return;
  end = new_end(life, 1, loop, -1);
  store(&end->given, 1);
  wsock_status did = wsock_conn_set_user_data(conn, end, end_release);
  CHECKF(fine(did), "set_user_data gave %d: %s", (int)did, last_text());
  if (did == WSOCK_OK) add(&replaced, 1);
  else store(&end->given, 0);
}
static void one_thing(unsigned *random, int self, struct life *life, int side, int loop) {
  wsock_conn *conn = __atomic_load_n(&life->conn[side], __ATOMIC_SEQ_CST);
  const char *text;
  wsock_conn_stats stats;
  wsock_loop_stats figures;
  wsock_server_stats server;
  wsock_server *guest;
  struct end *end;
  wsock_status did;
  switch (pick(random, 40)) {
  case 0: FINE(wsock_conn_pause(conn)); FINE(wsock_conn_resume(conn)); break;
  case 1: stats.struct_size = sizeof stats; FINE(wsock_conn_get_stats(conn, &stats)); break;
  case 2: wsock_conn_get_str(conn, pick(random, 2) ? WSOCK_CONN_URL : WSOCK_CONN_LOCAL_ADDRESS, NULL); break;
  case 3: replace_user(life, side, loop, conn); break;
  case 4: figures.struct_size = sizeof figures; FINE(wsock_loop_get_stats(loops[loop], &figures)); break;
  case 5: FINE(wsock_loop_metrics(loops[loop], &text, NULL)); break;
  case 6: FINE(wsock_loop_flush(loops[loop])); break;
  case 7: FINE(wsock_loop_measure(loops[loop], pick(random, 2))); break;
  case 8: server.struct_size = sizeof server; FINE(wsock_server_get_stats(servers[loop], &server)); break;
  case 9: CHECK(wsock_conn_state(conn) <= WSOCK_CLOSED && wsock_conn_buffered_amount(conn) < 64u << 20); break;
  case 10: FINE(wsock_hub_unsubscribe(hub, conn, "news")); break;
  case 11: FINE(wsock_hub_subscribe(hub, conn, "new*")); break;
  case 12: FINE(wsock_conn_ping(conn, "ping", 4)); break;
  case 13: FINE(wsock_loop_wakeup(loops[loop])); FINE(wsock_loop_stop(loops[loop])); break;
  case 14: wsock_conn_server(conn); wsock_conn_user_data(conn); wsock_loop_timeout_ms(loops[loop]); wsock_loop_fd(loops[loop]); break;
  case 15: if (pick(random, 4) == 0) FINE(wsock_conn_close(conn, 1000, "enough")); break;
  case 16: if (pick(random, 8) == 0) FINE(wsock_conn_abort(conn)); break;
  case 17:
    did = wsock_loop_post(loops[loop], task, NULL, task_release);
    CHECKF(fine(did), "post gave %d", (int)did);
    if (did == WSOCK_OK) add(&posted, 1);
    break;
  case 18:
    if (pick(random, 8)) break;
    did = listen_at(loop, &guest);
    CHECKF(fine(did), "listen gave %d: %s", (int)did, last_text());
    if (did != WSOCK_OK) break;
    uint16_t port = wsock_server_port(guest);
    if (port) call_again(pick(random, LOOPS), port, -1);
    sleep_ms(2);
    FINE(wsock_server_close(guest, 0, 1001, "enough"));
    /* it may have been refused: without its thread, the loop is another's */
    add(&guests, 1);
    break;
  case 19:
    end = new_end(NULL, 0, loop, -1);
    did = wsock_loop_set_log(loops[loop], 4, told, end, end_release);
    CHECKF(fine(did), "set_log gave %d: %s", (int)did, last_text());
    store(&end->given, did == WSOCK_OK);
    if (pick(random, 2)) FINE(wsock_loop_set_log(loops[loop], 0, NULL, NULL, NULL));
    break;
  case 20:
    if (pick(random, 8)) break;
    pthread_mutex_lock(&cycling);
    if (!load(&leaving) && wsock_loop_join(loops[loop]) == WSOCK_OK) {
      add(&joins, 1);
      FINE(wsock_loop_start(loops[loop]));
    }
    pthread_mutex_unlock(&cycling);
    break;
  case 21:
  case 22:
  case 23: look_at_message(random, conn); break;
  case 24:
  case 25: lend(conn, self); break;
  default:
    for (int i = 0; i < 4; i++) {
      char small[3000];
      FINE(wsock_conn_send_text(conn, small, (size_t)make_text(small, 32 + pick(random, 8) * pick(random, 400), self)));
    }
  }
}
static void *act(void *arg) {
  int self = *(int *)arg;
  unsigned random = (unsigned)self * 2654435761u + 1;
  while (load(&leaving) < 2) {
    int loop = pick(&random, LOOPS), side = pick(&random, 2), of = load(&links[loop][pick(&random, LINKS)]);
    if (of < 0) continue;
    one_thing(&random, self, &lives[of], side, side ? !loop : loop);
    if (pick(&random, 8) == 0) sleep_ms(1);
  }
  return NULL;
}

/* On a machine that has other things to do, the same takes longer. */
static int enough(void) {
  int connected = 0;
  for (int i = 0; i < load(&lives_used); i++) connected += load(&lives[i].connected);
  return connected > LOOPS * LINKS && load(&came) > 100 && load(&heard) > 10 && load(&kept) > 10 && load(&joins) > 0 &&
         load(&guests) > 0 && load(&replaced) > 0 && load(&ran) > 0 && load(&lent) > 10;
}

int main(void) {
  pthread_t threads[SENDERS], drainers[LOOPS];
  int numbers[SENDERS];
  section("six threads act on two loops with threads of their own");
  hub = new_hub();
  for (int i = 0; i < LOOPS; i++) {
    loops[i] = new_loop();
    drainer[i] = pthread_self();
    REQUIRE(listen_at(i, &servers[i]) == WSOCK_OK);
    ports[i] = wsock_server_port(servers[i]);
  }
  CHECK_STATUS(wsock_loop_use_events(loops[1], batch, sizeof batch[0], BATCH), WSOCK_OK);
  for (int i = 0; i < LOOPS; i++)
    for (int n = 0; n < LINKS; n++) links[i][n] = -1, call_again(i, ports[!i], n);
  /* The draining threads wait until it is known who they are. */
  pthread_mutex_lock(&cycling);
  for (int i = 0; i < LOOPS; i++) CHECK_STATUS(wsock_loop_start(loops[i]), WSOCK_OK);
  for (int i = 0; i < SENDERS; i++) numbers[i] = i;
  for (int i = 0; i < LOOPS; i++) {
    pthread_create(&drainers[i], NULL, drain, &numbers[i]);
    drainer[i] = drainers[i];
  }
  pthread_mutex_unlock(&cycling);
  for (int i = 0; i < SENDERS; i++) pthread_create(&threads[i], NULL, act, &numbers[i]);
  sleep_ms(RUN_MS);
  for (int64_t until = now_ms() + patience_ms(); !enough() && now_ms() < until;) sleep_ms(50);
  section("freed with all that is under way");
  store(&leaving, 1);
  store(&stop_draining, 1);
  for (int i = 0; i < LOOPS; i++) pthread_join(drainers[i], NULL);
  /* Nobody joins or starts any more; all else goes on. */
  pthread_mutex_lock(&cycling);
  pthread_mutex_unlock(&cycling);
  for (int i = 0; i < LOOPS; i++) {
    drainer[i] = pthread_self();
    CHECK_STATUS(wsock_loop_free(loops[i]), WSOCK_OK);
    sleep_ms(20);
  }
  store(&leaving, 2);
  for (int i = 0; i < SENDERS; i++) pthread_join(threads[i], NULL);
  int connected = 0, opened = 0;
  for (int i = 0; i < load(&lives_used); i++) {
    connected += lives[i].connected;
    opened += lives[i].opened[1];
    CHECK_INT(lives[i].closed[0], lives[i].connected);
    CHECK_INT(lives[i].closed[1], lives[i].opened[1]);
  }
  for (int i = 0; i < load(&ends_used); i++) CHECKF(ends[i].released == ends[i].given, "end %d: %d released of %d", i, ends[i].released, ends[i].given);
  for (int i = 0; i < SHELF; i++) wsock_message_free(shelf[i]);
  fprintf(stderr, "%d connections, %d accepted, %d messages came, %d of the hub, %d kept, %d lent, %d joins, %d guests, %d replaced, %d of %d tasks\n",
          connected, opened, came, heard, kept, lent, joins, guests, replaced, ran, posted);
  CHECK(enough());
  CHECK(ran <= posted && task_released == posted);
  CHECK(given_back == lent);
  CHECK_INT(hub_stats(hub).subscriptions, 0);
  wsock_hub_free(hub);
  return check_end();
}
