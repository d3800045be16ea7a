/* Two loops on two threads, each with a server and with clients of the other's, and eight threads more that
   send to, ping, close, look at and post to what is not theirs. Every message that was accepted is accounted
   for, and each sender's come in its order. Made for ThreadSanitizer (`make tsan`). */
#include "raw.h"

#include <pthread.h>

#define LOOPS 2
#define SENDERS 8
#define LINKS 4                /* clients of each loop */
#define LIVES 20000            /* connections of all links one after the other, at most */
#define RUN_MS (check_is_slow() ? 1500 : 2500)

static int load(int *value) { return __atomic_load_n(value, __ATOMIC_SEQ_CST); }
static void store(int *value, int to) { __atomic_store_n(value, to, __ATOMIC_SEQ_CST); }
static void add(int *value, int more) { __atomic_add_fetch(value, more, __ATOMIC_SEQ_CST); }
#define WAIT_UNTIL(condition)                                      \
  do {                                                             \
    int64_t end_ = now_ms() + patience_ms();                       \
    while (!(condition) && now_ms() < end_) sleep_ms(1);           \
    CHECKF(condition, "waited in vain");                           \
  } while (0)

/* One direction of one connection: what was accepted for it, what came, and what was lost on the way. */
struct way {
  int sent, bytes_sent;             /* by all senders, after the call said yes */
  int came, bytes_came;             /* receiving loop only */
  int next[SENDERS];                /* receiving loop only: each sender's next number is at least this */
  int bytes_unsent;                 /* as on_close of the sending side told */
};
/* One connection from its on_open on: the client's end and the server's. */
struct life {
  wsock_conn *conn[2];              /* 0 the client's, 1 the server's */
  struct way way[2];                /* from that end */
  int ended[2], clean[2], initiator[2];
};
static struct life lives[LIVES];
static int lives_used;

/* A client and the connections it has had. The number of its life is the path of its URL. */
struct link {
  int loop, life;                   /* the life that senders may use; -1 while there is none */
};
static struct link links[LOOPS][LINKS];
static wsock_loop *loops[LOOPS];
static wsock_server *servers[LOOPS];
static uint16_t ports[LOOPS];
static int over, opened, closed, posted, ran, released, sent_in_all, pings;

struct end {
  struct life *life;
  struct link *link;                /* of the client's end */
  int side;
};
static void call_again(struct link *link);

static void end_open(wsock_conn *conn, void *user_data) {
  struct end *end = user_data;
  CHECK(wsock_conn_user_data(conn) == end);
  add(&opened, 1);
}
static void server_open(wsock_conn *conn, void *user_data) {
  const char *path = strrchr(wsock_conn_get_str(conn, WSOCK_CONN_URL, NULL), '/');
  struct end *end = calloc(1, sizeof *end);
  (void)user_data;
  end->life = &lives[atoi(path + 1)];
  end->side = 1;
  CHECK_STATUS(wsock_conn_set_user_data(conn, end, free), WSOCK_OK);
  __atomic_store_n(&end->life->conn[1], conn, __ATOMIC_SEQ_CST);
  end_open(conn, end);
}
static void end_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user_data) {
  struct end *end = user_data;
  struct way *way = &end->life->way[!end->side];
  int sender = -1, number = -1;
  char text[32];
  (void)conn;
  CHECK_INT(type, WSOCK_TEXT);
  snprintf(text, sizeof text, "%.*s", (int)(len < 31 ? len : 31), (const char *)data);
  int read = sscanf(text, "%d %d", &sender, &number);
  REQUIRE(read == 2 && sender >= 0 && sender < SENDERS);
  CHECKF(number >= way->next[sender], "sender %d: %d after %d", sender, number, way->next[sender]);
  way->next[sender] = number + 1;
  way->came++;
  way->bytes_came += (int)len;
}
static void end_close(wsock_conn *conn, const wsock_close_info *info, void *user_data) {
  struct end *end = user_data;
  struct life *life = end->life;
  (void)conn;
  CHECK_INT(life->ended[end->side]++, 0);
  life->way[end->side].bytes_unsent = (int)info->unsent_bytes;
  life->clean[end->side] = info->was_clean;
  life->initiator[end->side] = info->initiator;
  add(&closed, 1);
  if (end->link && !load(&over)) call_again(end->link);
}
static wsock_handlers end_handlers(void) {
  wsock_handlers h;
  memset(&h, 0, sizeof h);
  h.struct_size = sizeof h;
  h.on_open = end_open;
  h.on_message = end_message;
  h.on_close = end_close;
  h.release = free;
  return h;
}
/* On the thread of the client's loop. */
static void call_again(struct link *link) {
  wsock_handlers h = end_handlers();
  char path[16];
  wsock_conn *conn = NULL;
  int number = __atomic_fetch_add(&lives_used, 1, __ATOMIC_SEQ_CST);
  if (number >= LIVES) return;
  struct end *end = calloc(1, sizeof *end);
  end->life = &lives[number];
  end->link = link;
  snprintf(path, sizeof path, "/%d", number);
  CHECK_STATUS(wsock_connect(loops[link->loop], url_of(ports[!link->loop], path), NULL, &h, end, &conn), WSOCK_OK);
  __atomic_store_n(&end->life->conn[0], conn, __ATOMIC_SEQ_CST);
  store(&link->life, number);
}
static void call_first(wsock_loop *loop, void *arg) {
  (void)loop;
  call_again(arg);
}

static void task(wsock_loop *loop, void *arg) {
  CHECK(loop == loops[0] || loop == loops[1]);
  add(arg, 1);
}
static void task_release(void *arg) {
  (void)arg;
  add(&released, 1);
}

/* Anything may have happened to a connection that another thread looks at. */
static int fine(wsock_status status) {
  return status == WSOCK_OK || status == WSOCK_BUFFERED || status == WSOCK_ERR_STATE || status == WSOCK_ERR_INVALID_HANDLE ||
         status == WSOCK_ERR_LIMIT;
}
static void *act(void *arg) {
  int self = *(int *)arg, number = 0;
  unsigned random = (unsigned)self * 2654435761u + 1;
  int64_t end = now_ms() + RUN_MS;
  char text[32];
  while (now_ms() < end) {
    random = random * 1664525u + 1013904223u;
    int of = load(&links[random >> 8 & 1][random >> 12 & 3].life);
    if (of < 0) continue;
    int side = random >> 16 & 1;
    struct way *way = &lives[of].way[side];
    wsock_conn *conn = __atomic_load_n(&lives[of].conn[side], __ATOMIC_SEQ_CST);
    if (!conn) continue;
    for (int i = 0; i < 8; i++) {
      int n = snprintf(text, sizeof text, "%d %d", self, number++);
      wsock_status sent = wsock_conn_send_text(conn, text, (size_t)n);
      CHECKF(fine(sent), "send gave %d: %s", (int)sent, last_text());
      if (sent < 0) break;
      add(&way->sent, 1);
      add(&way->bytes_sent, n);
      add(&sent_in_all, 1);
    }
    int state = wsock_conn_state(conn);
    CHECK(state >= WSOCK_CONNECTING && state <= WSOCK_CLOSED);
    CHECK(wsock_conn_buffered_amount(conn) < 64u << 20);
    wsock_conn_stats stats;
    stats.struct_size = sizeof stats;
    wsock_status looked = wsock_conn_get_stats(conn, &stats);
    CHECKF(looked == WSOCK_ERR_WRONG_THREAD || looked == WSOCK_ERR_INVALID_HANDLE, "stats gave %d", (int)looked);
    wsock_loop *loop = loops[random >> 20 & 1];
    wsock_status did = WSOCK_OK;
    switch (random >> 24 & 31) {
    case 0: did = wsock_conn_close(conn, 1000, "enough"); break;
    case 1: did = random >> 30 ? WSOCK_OK : wsock_conn_abort(conn); break;
    case 2:
    case 3:
      did = wsock_conn_ping(conn, "ping", 4);
      add(&pings, did == WSOCK_OK);
      break;
    case 4:
    case 5:
      did = wsock_loop_post(loop, task, &ran, task_release);
      if (did == WSOCK_OK) add(&posted, 1);
      CHECK_STATUS(did, WSOCK_OK);
      break;
    case 6: did = wsock_loop_wakeup(loop); break;
    default: break;
    }
    CHECKF(fine(did), "%u gave %d: %s", random >> 24 & 31, (int)did, last_text());
    /* the loops need their share of the processors */
    if ((random >> 16 & 7) == 0) sleep_ms(1);
  }
  return NULL;
}

static void close_all(wsock_loop *loop, void *arg) {
  (void)arg;
  CHECK_STATUS(wsock_server_close(servers[loop == loops[1]], 0, 1001, "over"), WSOCK_OK);
}
static void *run_thread(void *loop) {
  CHECK_STATUS(wsock_loop_run(loop), WSOCK_OK);
  return NULL;
}

static void account(void) {
  int delivered = 0, lost = 0, exact = 0, used = load(&lives_used) < LIVES ? load(&lives_used) : LIVES;
  for (int i = 0; i < used; i++)
    for (int side = 0; side < 2; side++) {
      struct way *way = &lives[i].way[side];
      delivered += way->came;
      CHECKF(way->came <= way->sent, "life %d: %d came of %d", i, way->came, way->sent);
      lost += way->sent - way->came;
      /* More than what came and what is told of as unsent there cannot be, and not less either when the
         receiver neither closed itself, for then it wants to hear no more, nor broke off. */
      int left = way->bytes_sent - way->bytes_came - way->bytes_unsent;
      int whole = lives[i].clean[0] && lives[i].clean[1] && lives[i].initiator[!side] == WSOCK_BY_PEER;
      exact += whole;
      CHECKF(whole ? left == 0 : left >= 0, "life %d from %d: %d of %d bytes came, %d unsent", i, side, way->bytes_came, way->bytes_sent,
             way->bytes_unsent);
      if (way->bytes_unsent == 0 && whole) CHECK_INT(way->came, way->sent);
    }
  fprintf(stderr, "%d connections, %d accepted messages, %d delivered, %d not, %d ways told exactly, %d pings, %d tasks\n", used, load(&sent_in_all),
          delivered, lost, exact, load(&pings), load(&ran));
  CHECK_INT(delivered + lost, load(&sent_in_all));
  CHECK(delivered > 1000 && exact > LOOPS * LINKS && used < LIVES);
}

static void hammered(void) {
  pthread_t owners[LOOPS], threads[SENDERS];
  int numbers[SENDERS];
  wsock_handlers h = end_handlers();
  section("eight threads act on connections of two loops that are not theirs");
  h.on_open = server_open;
  h.release = NULL;
  for (int i = 0; i < LOOPS; i++) {
    loops[i] = new_loop();
    REQUIRE(wsock_listen(loops[i], "127.0.0.1", 0, NULL, &h, NULL, &servers[i]) == WSOCK_OK);
    ports[i] = wsock_server_port(servers[i]);
  }
  for (int i = 0; i < LOOPS; i++)
    for (int n = 0; n < LINKS; n++) {
      links[i][n].loop = i;
      links[i][n].life = -1;
      CHECK_STATUS(wsock_loop_post(loops[i], call_first, &links[i][n], NULL), WSOCK_OK);
    }
  for (int i = 0; i < LOOPS; i++) pthread_create(&owners[i], NULL, run_thread, loops[i]);
  WAIT_UNTIL(load(&opened) == 2 * LOOPS * LINKS);
  for (int i = 0; i < SENDERS; i++) {
    numbers[i] = i;
    pthread_create(&threads[i], NULL, act, &numbers[i]);
  }
  for (int i = 0; i < SENDERS; i++) pthread_join(threads[i], NULL);
  store(&over, 1);
  for (int i = 0; i < LOOPS; i++) CHECK_STATUS(wsock_loop_post(loops[i], close_all, NULL, NULL), WSOCK_OK);
  for (int i = 0; i < LOOPS; i++) pthread_join(owners[i], NULL);
  CHECK(load(&ran) == load(&posted) && load(&released) == load(&posted));
  account();
  for (int i = 0; i < LOOPS; i++) CHECK_STATUS(wsock_loop_free(loops[i]), WSOCK_OK);
}

/* The count of the one eventfd of this process: how often its loop was woken since it looked. */
static long long wake_ups(void) {
  long long count = -1;
  for (int fd = 3; fd < 64; fd++) {
    char name[64], line[200];
    snprintf(name, sizeof name, "/proc/self/fdinfo/%d", fd);
    FILE *info = fopen(name, "r");
    if (!info) continue;
    while (fgets(line, sizeof line, info)) {
      unsigned long long value;
      if (sscanf(line, "eventfd-count: %llx", &value) != 1) continue;
      CHECK_INT(count, -1);
      count = (long long)value;
    }
    fclose(info);
  }
  return count;
}
static void *burst(void *conn) {
  for (int i = 0; i < 1000; i++) {
    CHECK_STATUS(wsock_conn_send_text(conn, "burst", 5), WSOCK_OK);
    if (i % 500 == 0) CHECK_STATUS(wsock_conn_ping(conn, "", 0), WSOCK_OK);
  }
  return NULL;
}
static void one_wake_up(void) {
  struct pair pair;
  pthread_t threads[2];
  section("a burst from other threads wakes the loop once");
  pair_open(&pair, NULL, NULL);
  pair_peer(&pair)->echo = 0;
  pump(pair.loop);
  long long before = wake_ups();
  CHECKF(before >= 0, "no eventfd found");
  for (int round = 1; round <= 3; round++) {
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, burst, pair.client.conn);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    CHECK_INT(wake_ups() - before, round);
    PUMP_UNTIL(pair.loop, pair_peer(&pair)->messages == 2000 * round);
  }
  pair_free(&pair);
}

int main(void) {
  one_wake_up();
  hammered();
  return check_end();
}
