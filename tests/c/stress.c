/* Two loops on two threads, each with two servers and with clients of the other's, and eight threads more
   that send in every way to, publish for, ping, close, look at and post to what is not theirs. Every message
   that was accepted is accounted for, and each sender's come in its order. Made for ThreadSanitizer
   (`make tsan`). */
#include "hub.h"

#include <pthread.h>

#define LOOPS 2
#define SENDERS 8
#define LINKS 6                /* clients of each loop: */
#define EXACT 4                /* these get only what is sent to them, so that each byte can be counted; */
                               /* the others, in the hall, hear the hub and broadcasts, and have little room */
#define MESSAGE 200            /* of one that is made once, for the hub or for sending */
#define PIECE 9000             /* bytes of a message that is lent or sent in parts */
#define LIVES 20000            /* connections of all links one after the other, at most */
#define RUN_MS (check_is_slow() ? 1500 : 2500)

static void store(int *value, int to) { __atomic_store_n(value, to, __ATOMIC_SEQ_CST); }
static void add(int *value, int more) { __atomic_add_fetch(value, more, __ATOMIC_SEQ_CST); }
#define WAIT_UNTIL(condition)                                      \
  do {                                                             \
    int64_t end_ = now_ms() + patience_ms();                       \
    while (!(condition) && now_ms() < end_) sleep_ms(1);           \
    CHECKF(condition, "waited in vain");                           \
  } while (0)

/* What is numbered by itself, since nothing is promised about the order between them: what is sent in
   line; what takes the place of an older one; what the hub sends, and what it also keeps; broadcasts. */
enum kind { IN_LINE, KEYED, NEWS, NOTE, BROADCAST, KINDS };
static const char NAMES[] = "lknob";

/* One direction of one connection: what was accepted for it, what came, and what was lost on the way. */
struct way {
  int sent, bytes_sent;             /* by all senders, after the call said yes */
  int torn;                         /* a message ended in the middle, since the connection did */
  int begun;                        /* bytes of the last message in parts that went before its last part */
  int came, bytes_came;             /* receiving loop only; without what came from hub and broadcasts */
  int next[KINDS][SENDERS];         /* receiving loop only: each sender's next number is at least this */
  int bytes_unsent, dropped, bytes_dropped; /* as on_close of the sending side told */
};
/* One connection from its on_open on: the client's end and the server's. */
struct life {
  wsock_conn *conn[2];              /* 0 the client's, 1 the server's */
  struct way way[2];                /* from that end */
  int ended[2], clean[2], initiator[2];
  int in_hall;
};
static struct life lives[LIVES];
static int lives_used;

/* A client and the connections it has had. The number of its life is the path of its URL. */
struct link {
  int loop, life;                   /* the life that senders may use; -1 while there is none */
};
static struct link links[LOOPS][LINKS];
static wsock_loop *loops[LOOPS];
static wsock_server *servers[LOOPS][2]; /* the second is that of the hall */
static uint16_t ports[LOOPS][2];
static wsock_hub *hub;
static wsock_options *hall_options;
static int over, opened, closed, posted, ran, released, sent_in_all, pings;
static int lent, given_back, published, heard, broadcasts;
static __thread int inside;        /* a callback */

struct end {
  struct life *life;
  struct link *link;                /* of the client's end */
  int side;
};
static void call_again(struct link *link);

static void end_open(wsock_conn *conn, void *user_data) {
  struct end *end = user_data;
  CHECK(wsock_conn_user_data(conn) == end);
  if (end->life->in_hall) {
    wsock_status subscribed = wsock_hub_subscribe(hub, conn, "n*");
    CHECK(subscribed == WSOCK_OK || subscribed == WSOCK_ERR_STATE);
  }
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
  char text[32], name = 0;
  (void)conn;
  CHECK_INT(type, WSOCK_TEXT);
  snprintf(text, sizeof text, "%.*s", (int)(len < 31 ? len : 31), (const char *)data);
  int read = sscanf(text, "%c %d %d", &name, &sender, &number);
  const char *found = name ? strchr(NAMES, name) : NULL;
  REQUIRE(read == 3 && found && sender >= 0 && sender < SENDERS);
  enum kind kind = (enum kind)(found - NAMES);
  int *next = &way->next[kind][sender];
  /* what is kept comes again to whoever subscribes again */
  CHECKF(number >= *next - (kind == NOTE), "%c of sender %d: %d after %d", name, sender, number, *next - 1);
  *next = number + 1;
  if (kind >= NEWS) {
    CHECK(end->life->in_hall);
    add(&heard, kind != BROADCAST);
    return;
  }
  way->came++;
  way->bytes_came += (int)len;
}
static void end_close(wsock_conn *conn, const wsock_close_info *info, void *user_data) {
  struct end *end = user_data;
  struct life *life = end->life;
  wsock_conn_stats stats = conn_stats(conn);
  CHECK_INT(life->ended[end->side]++, 0);
  life->way[end->side].bytes_unsent = (int)info->unsent_bytes;
  life->way[end->side].dropped = (int)stats.messages_dropped;
  life->way[end->side].bytes_dropped = (int)stats.bytes_dropped;
  life->clean[end->side] = info->was_clean;
  life->initiator[end->side] = info->initiator;
  add(&closed, 1);
  if (end->link && !load(&over)) call_again(end->link);
}
/* What is lent must not be given back inside a callback, so each says that it is one. */
static void open_inside(wsock_conn *conn, void *user_data) {
  inside++;
  if (user_data) end_open(conn, user_data);
  else server_open(conn, user_data);
  inside--;
}
static void message_inside(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user_data) {
  inside++;
  end_message(conn, type, data, len, user_data);
  inside--;
}
static void close_inside(wsock_conn *conn, const wsock_close_info *info, void *user_data) {
  inside++;
  end_close(conn, info, user_data);
  inside--;
}
static wsock_handlers end_handlers(void) {
  wsock_handlers h;
  memset(&h, 0, sizeof h);
  h.struct_size = sizeof h;
  h.on_open = open_inside;
  h.on_message = message_inside;
  h.on_close = close_inside;
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
  end->life->in_hall = link - links[link->loop] >= EXACT;
  end->link = link;
  snprintf(path, sizeof path, "/%d", number);
  const char *url = url_of(ports[!link->loop][end->life->in_hall], path);
  CHECK_STATUS(wsock_connect(loops[link->loop], url, end->life->in_hall ? hall_options : NULL, &h, end, &conn), WSOCK_OK);
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
  return status == WSOCK_OK || status == WSOCK_BUFFERED || status == WSOCK_DROPPED || status == WSOCK_ERR_STATE ||
         status == WSOCK_ERR_INVALID_HANDLE || status == WSOCK_ERR_LIMIT;
}

/* One of the eight. */
struct sender {
  int self, next[KINDS];
  unsigned random;
};
static int pick(struct sender *sender, int of) {
  sender->random = sender->random * 1664525u + 1013904223u;
  return (int)(sender->random >> 8) % of;
}
/* The sender's next message of that kind. */
static int next_text(struct sender *sender, enum kind kind, char *text, int size) {
  return snprintf(text, (size_t)size, "%c %d %d", NAMES[kind], sender->self, sender->next[kind]++);
}
static wsock_message *next_message(struct sender *sender, enum kind kind) {
  /* Long enough to be compressed, by both loops at the same time. */
  char text[MESSAGE];
  wsock_message *message = NULL;
  int n = next_text(sender, kind, text, sizeof text);
  memset(text + n, ' ', sizeof text - (size_t)n);
  REQUIRE(wsock_message_new(WSOCK_TEXT, text, sizeof text, &message) == WSOCK_OK);
  return message;
}

static void give_back(const void *data, size_t len, void *user) {
  CHECK(len == PIECE && user == data);
  CHECKF(!inside, "given back inside a callback");
  add(&given_back, 1);
  free((void *)(uintptr_t)data);
}
/* A message in parts, of which only one thread may send to a connection at a time. */
static wsock_status send_parts(struct sender *sender, wsock_conn *conn, struct way *way) {
  static const int ends[] = {30, 5000, PIECE};
  char text[PIECE];
  int n = next_text(sender, IN_LINE, text, sizeof text), from = 0;
  wsock_status sent = WSOCK_OK;
  memset(text + n, ' ', sizeof text - (size_t)n);
  for (int i = 0; i < 3 && sent >= 0; i++) {
    sent = wsock_conn_send_part(conn, WSOCK_TEXT, text + from, (size_t)(ends[i] - from), i == 2 ? WSOCK_SEND_LAST : 0);
    if (sent < 0) break;
    add(&way->bytes_sent, ends[i] - from);
    store(&way->begun, i < 2 ? ends[i] : from);
    from = ends[i];
  }
  /* Where there is no room for more it ends early, as soon as there is room for that. */
  for (int i = 0; from > 0 && sent == WSOCK_ERR_LIMIT && i < 1000; i++) {
    sleep_ms(1);
    sent = wsock_conn_send_part(conn, WSOCK_TEXT, "", 0, WSOCK_SEND_LAST);
  }
  if (sent < 0) {
    if (from > 0) store(&way->torn, 1);
    return sent;
  }
  add(&way->sent, 1);
  add(&sent_in_all, 1);
  return sent;
}
/* One message to a connection, in one of the ways there are. */
static wsock_status send_one(struct sender *sender, struct life *life, int side) {
  static const int32_t policies[] = {0, WSOCK_OVERFLOW_REFUSE, WSOCK_OVERFLOW_DROP_NEWEST, WSOCK_OVERFLOW_DROP_OLDEST};
  struct way *way = &life->way[side];
  wsock_conn *conn = __atomic_load_n(&life->conn[side], __ATOMIC_SEQ_CST);
  wsock_send_options options;
  wsock_message *message;
  wsock_status sent;
  char text[32], *piece;
  int n;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.overflow = policies[pick(sender, 4)];
  if (life->in_hall && pick(sender, 500) == 0) options.overflow = WSOCK_OVERFLOW_CLOSE;
  switch (pick(sender, 16)) {
  case 0:
    options.key = (uint64_t)sender->self + 1;
    n = next_text(sender, KEYED, text, sizeof text);
    sent = wsock_conn_send_with(conn, WSOCK_TEXT, text, (size_t)n, &options);
    break;
  case 1:
    n = PIECE;
    piece = malloc(PIECE);
    memset(piece, ' ', PIECE);
    piece[next_text(sender, IN_LINE, piece, PIECE)] = ' ';
    options.release = give_back;
    options.release_user = piece;
    add(&lent, 1);
    sent = wsock_conn_send_with(conn, WSOCK_TEXT, piece, PIECE, &options);
    break;
  case 2:
    message = next_message(sender, IN_LINE);
    n = MESSAGE;
    sent = wsock_conn_send_message(conn, message, &options);
    wsock_message_free(message);
    break;
  case 3:
    if ((life - lives) % SENDERS == sender->self) return send_parts(sender, conn, way);
    /* fall through */
  default:
    n = next_text(sender, IN_LINE, text, sizeof text);
    sent = wsock_conn_send_text(conn, text, (size_t)n);
  }
  if (sent < 0) return sent;
  add(&way->sent, 1);
  add(&way->bytes_sent, n);
  add(&sent_in_all, 1);
  return sent;
}
/* Something for, or about, those in the hall. */
static wsock_status do_in_hall(struct sender *sender, wsock_conn *conn) {
  static const int32_t policies[] = {0, WSOCK_OVERFLOW_REFUSE, WSOCK_OVERFLOW_DROP_OLDEST};
  static const char *topics[] = {"news", "notes", "n*", NULL};
  wsock_publish_options options;
  wsock_message *message;
  wsock_status did;
  int keep;
  switch (pick(sender, 8)) {
  case 0: return wsock_hub_subscribe(hub, conn, topics[pick(sender, 3)]);
  case 1: return wsock_hub_unsubscribe(hub, conn, topics[pick(sender, 4)]);
  case 2: CHECK(hub_stats(hub).topics <= 3); return WSOCK_OK;
  case 3: return wsock_hub_forget(hub, "n*");
  case 4:
    message = next_message(sender, BROADCAST);
    did = wsock_server_broadcast(servers[pick(sender, LOOPS)][1], message, pick(sender, 2) ? conn : NULL);
    CHECK_STATUS(did, WSOCK_OK);
    add(&broadcasts, 1);
    CHECK(wsock_message_compressions(message) <= 2);
    wsock_message_free(message);
    return did;
  default:
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.overflow = policies[pick(sender, 3)];
    options.except = pick(sender, 4) ? NULL : conn;
    keep = pick(sender, 4) == 0;
    options.flags = keep ? WSOCK_PUBLISH_KEEP : 0;
    message = next_message(sender, keep ? NOTE : NEWS);
    did = wsock_hub_publish_message(hub, topics[keep], message, &options);
    CHECK_STATUS(did, WSOCK_OK);
    add(&published, 1);
    wsock_message_free(message);
    return did;
  }
}
static void *act(void *arg) {
  struct sender sender = {*(int *)arg, {0}, (unsigned)*(int *)arg * 2654435761u + 1};
  int64_t end = now_ms() + RUN_MS;
  while (now_ms() < end) {
    int of = load(&links[pick(&sender, LOOPS)][pick(&sender, LINKS)].life);
    if (of < 0) continue;
    int side = pick(&sender, 2);
    wsock_conn *conn = __atomic_load_n(&lives[of].conn[side], __ATOMIC_SEQ_CST);
    if (!conn) continue;
    for (int i = 0; i < 8; i++) {
      wsock_status sent = send_one(&sender, &lives[of], side);
      CHECKF(fine(sent), "send gave %d: %s", (int)sent, last_text());
      if (sent < 0) break;
    }
    if (lives[of].in_hall) {
      wsock_status did = do_in_hall(&sender, conn);
      CHECKF(fine(did), "something in the hall gave %d: %s", (int)did, last_text());
    }
    int state = wsock_conn_state(conn);
    CHECK(state >= WSOCK_CONNECTING && state <= WSOCK_CLOSED);
    CHECK(wsock_conn_buffered_amount(conn) < 64u << 20);
    wsock_conn_stats stats;
    stats.struct_size = sizeof stats;
    wsock_status looked = wsock_conn_get_stats(conn, &stats);
    CHECKF(looked == WSOCK_ERR_WRONG_THREAD || looked == WSOCK_ERR_INVALID_HANDLE, "stats gave %d", (int)looked);
    wsock_loop *loop = loops[pick(&sender, LOOPS)];
    wsock_loop_stats figures;
    figures.struct_size = sizeof figures;
    CHECK_STATUS(wsock_loop_get_stats(loop, &figures), WSOCK_ERR_WRONG_THREAD);
    wsock_status did = WSOCK_OK;
    int what = pick(&sender, 32);
    switch (what) {
    case 0: did = wsock_conn_close(conn, 1000, "enough"); break;
    case 1: did = pick(&sender, 4) ? WSOCK_OK : wsock_conn_abort(conn); break;
    case 2:
    case 3:
      did = wsock_conn_ping(conn, "ping", 4);
      add(&pings, did == WSOCK_OK);
      break;
    case 4:
    case 5:
    case 6:
    case 7:
      did = wsock_loop_post(loop, task, &ran, task_release);
      if (did == WSOCK_OK) add(&posted, 1);
      CHECK_STATUS(did, WSOCK_OK);
      break;
    case 8: did = wsock_loop_wakeup(loop); break;
    default: break;
    }
    CHECKF(fine(did), "%d gave %d: %s", what, (int)did, last_text());
    /* The loops need their share of the processors, and what lies before them must not pile up. */
    if (pick(&sender, 8) == 0) sleep_ms(1);
    while (load(&posted) - load(&ran) > 2 * SENDERS && now_ms() < end) sleep_ms(1);
  }
  return NULL;
}

static void close_all(wsock_loop *loop, void *arg) {
  (void)arg;
  for (int i = 0; i < 2; i++) CHECK_STATUS(wsock_server_close(servers[loop == loops[1]][i], 0, 1001, "over"), WSOCK_OK);
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
      /* More than what came and what is told of as unsent or dropped there cannot be, and not less either
         when the receiver neither closed itself, for then it wants to hear no more, nor broke off. */
      int left = way->bytes_sent - way->bytes_came - way->bytes_unsent - way->bytes_dropped;
      int whole = lives[i].clean[0] && lives[i].clean[1] && lives[i].initiator[!side] == WSOCK_BY_PEER && !way->torn;
      /* In the hall, what is unsent may be the hub's, and so may what was dropped: that is a number of its messages. */
      if (lives[i].in_hall && way->bytes_unsent > 0) continue;
      int of_hub = lives[i].in_hall && whole ? way->came + way->dropped - way->sent : 0;
      left += lives[i].in_hall && !whole ? way->bytes_dropped : of_hub * MESSAGE;
      exact += whole;
      /* The last part of a message may be accepted and not leave; those before are gone then. */
      if (way->bytes_unsent > 0 && left == way->begun) left = 0;
      CHECKF(whole ? left == 0 : left >= 0, "life %d from %d%s: %d of %d bytes came, %d unsent, %d dropped", i, side,
             lives[i].in_hall ? " in the hall" : "", way->bytes_came, way->bytes_sent, way->bytes_unsent, way->bytes_dropped);
      if (way->bytes_unsent == 0 && whole && !lives[i].in_hall) CHECK_INT(way->came + way->dropped, way->sent);
      CHECKF(of_hub >= 0, "life %d: %d messages were neither told nor dropped", i, -of_hub);
    }
  fprintf(stderr, "%d connections, %d accepted messages, %d delivered, %d not, %d ways told exactly, %d pings, %d tasks\n", used, load(&sent_in_all),
          delivered, lost, exact, load(&pings), load(&ran));
  wsock_hub_stats stats = hub_stats(hub);
  fprintf(stderr, "%d published, %d of %d deliveries heard, %d refused, %d broadcasts, %d messages lent\n", load(&published), load(&heard),
          (int)stats.deliveries, (int)stats.refused, load(&broadcasts), load(&lent));
  CHECK_INT(stats.published, load(&published));
  CHECK(load(&heard) > 10 && (uint64_t)load(&heard) <= stats.deliveries);
  CHECK_INT(stats.subscriptions, 0);
  CHECK_INT(stats.missed, 0);
  CHECK(load(&lent) > 10 && load(&given_back) == load(&lent));
  CHECK_INT(delivered + lost, load(&sent_in_all));
  CHECK(delivered > 200 && exact > 0 && used < LIVES);
}

static void hammered(void) {
  pthread_t owners[LOOPS], threads[SENDERS];
  int numbers[SENDERS];
  wsock_handlers h = end_handlers();
  section("eight threads act on connections of two loops that are not theirs");
  h.release = NULL;
  hub = new_hub();
  hall_options = option(new_options(), WSOCK_OPT_MAX_BUFFERED, 50000);
  if (wsock_features() & WSOCK_FEATURE_DEFLATE) option(hall_options, WSOCK_OPT_DEFLATE, 1);
  for (int i = 0; i < LOOPS; i++) {
    loops[i] = new_loop();
    for (int hall = 0; hall < 2; hall++) {
      REQUIRE(wsock_listen(loops[i], "127.0.0.1", 0, hall ? hall_options : NULL, &h, NULL, &servers[i][hall]) == WSOCK_OK);
      ports[i][hall] = wsock_server_port(servers[i][hall]);
    }
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
  wsock_hub_free(hub);
  wsock_options_free(hall_options);
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
