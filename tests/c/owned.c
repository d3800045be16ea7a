/* Bytes that are lent instead of copied: given back exactly once in every ending, never inside a
   callback, and not copied on the way. */
#include "raw.h"

#include <pthread.h>

/* What release is given; any thread may call it. */
struct loan {
  char *data;
  size_t len;
  int releases;
};
static void give_back(const void *data, size_t len, void *user) {
  struct loan *loan = user;
  CHECK(data == loan->data && len == loan->len);
  CHECKF(peer_depth == 0, "released inside a callback");
  __sync_add_and_fetch(&loan->releases, 1);
  free(loan->data);
  loan->data = NULL;
}
static void loan_new(struct loan *loan, size_t len) {
  loan->data = malloc(len ? len : 1);
  loan->len = len;
  loan->releases = 0;
  for (size_t i = 0; i < len; i++) loan->data[i] = (char)('a' + i % 23);
}
static wsock_send_options lent(struct loan *loan) {
  wsock_send_options o;
  memset(&o, 0, sizeof o);
  o.struct_size = sizeof o;
  o.release = give_back;
  o.release_user = loan;
  return o;
}
static wsock_status lend(wsock_conn *conn, int32_t type, struct loan *loan, size_t len) {
  loan_new(loan, len);
  wsock_send_options o = lent(loan);
  return wsock_conn_send_with(conn, type, loan->data, len, &o);
}
static int is_pattern(const struct rec *rec, size_t len) {
  if (rec->len != len) return 0;
  for (size_t i = 0; i < len; i++)
    if (rec->data[i] != 'a' + i % 23) return 0;
  return 1;
}

static const size_t LENGTHS[] = {0, 1, 125, 126, 4095, 4096, 65535, 65536, 65537, 1000000};
#define COUNT (sizeof LENGTHS / sizeof LENGTHS[0])

static void delivered(int deflate) {
  struct pair pair;
  struct loan loans[2][COUNT];
  wsock_options *o = deflate ? option(new_options(), WSOCK_OPT_DEFLATE, 1) : NULL;
  section(deflate ? "there and back, compressed" : "there and back");
  pair_open(&pair, o, o);
  pair_peer(&pair)->echo = 0;
  for (size_t i = 0; i < COUNT; i++) {
    wsock_conn *conns[2] = {pair.client.conn, pair_peer(&pair)->conn};
    struct rec *to[2] = {pair_peer(&pair), &pair.client};
    for (int side = 0; side < 2; side++) {
      int before = to[side]->messages;
      CHECK(lend(conns[side], i % 2 ? WSOCK_TEXT : WSOCK_BINARY, &loans[side][i], LENGTHS[i]) >= 0);
      CHECK_STATUS(wsock_conn_send_text(conns[side], "behind", 6), WSOCK_OK);
      PUMP_UNTIL(pair.loop, to[side]->messages == before + 1 || to[side]->messages == before + 2);
      if (to[side]->messages == before + 1) CHECK(is_pattern(to[side], LENGTHS[i]));
      PUMP_UNTIL(pair.loop, to[side]->messages == before + 2);
      CHECK(to[side]->len == 6 && memcmp(to[side]->data, "behind", 6) == 0);
      PUMP_UNTIL(pair.loop, loans[side][i].releases == 1);
    }
  }
  section("alone, so that it is seen whole");
  for (int side = 0; side < 2; side++) {
    struct loan loan;
    struct rec *to = side ? &pair.client : pair_peer(&pair);
    int before = to->messages;
    CHECK(lend(side ? pair_peer(&pair)->conn : pair.client.conn, WSOCK_TEXT, &loan, 3000000) >= 0);
    PUMP_UNTIL(pair.loop, to->messages == before + 1);
    CHECK(is_pattern(to, 3000000));
    CHECK_INT(loan.releases, 1);
  }
  pair_free(&pair);
  for (size_t i = 0; i < COUNT; i++) CHECK(loans[0][i].releases == 1 && loans[1][i].releases == 1);
  if (o) wsock_options_free(o);
}

static void refused(void) {
  struct pair pair;
  struct loan loan;
  section("given back when the call is refused");
  pair_open(&pair, NULL, NULL);
  wsock_conn *conn = pair.client.conn;
#define REFUSED(call, expected)                                    \
  do {                                                             \
    loan_new(&loan, 10);                                           \
    wsock_send_options o = lent(&loan);                            \
    CHECK_REFUSED(call, expected);                                 \
    CHECK_INT(loan.releases, 1);                                   \
  } while (0)
  REFUSED(wsock_conn_send_with(NULL, WSOCK_TEXT, loan.data, 10, &o), WSOCK_ERR_INVALID_HANDLE);
  REFUSED(wsock_conn_send_with((wsock_conn *)pair.loop, WSOCK_TEXT, loan.data, 10, &o), WSOCK_ERR_WRONG_KIND);
  REFUSED(wsock_conn_send_with(conn, 3, loan.data, 10, &o), WSOCK_ERR_INVALID_ARGUMENT);
  REFUSED((o.flags = 64, wsock_conn_send_with(conn, WSOCK_TEXT, loan.data, 10, &o)), WSOCK_ERR_UNSUPPORTED);
  REFUSED((o.overflow = 9, wsock_conn_send_with(conn, WSOCK_TEXT, loan.data, 10, &o)), WSOCK_ERR_UNSUPPORTED);
  REFUSED((loan.data[3] = (char)0xff, wsock_conn_send_with(conn, WSOCK_TEXT, loan.data, 10, &o)), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(wsock_conn_close(conn, 1000, NULL), WSOCK_OK);
  REFUSED(wsock_conn_send_with(conn, WSOCK_TEXT, loan.data, 10, &o), WSOCK_ERR_STATE);
  PUMP_UNTIL(pair.loop, pair.client.releases);
  REFUSED(wsock_conn_send_with(conn, WSOCK_TEXT, loan.data, 10, &o), WSOCK_ERR_INVALID_HANDLE);
  pair_free(&pair);
  section("data that is NULL is given back as it came");
  loan.data = NULL, loan.len = 10, loan.releases = 0;
  wsock_send_options o = lent(&loan);
  CHECK_REFUSED(wsock_conn_send_with(NULL, WSOCK_TEXT, NULL, 10, &o), WSOCK_ERR_INVALID_HANDLE);
  CHECK_INT(loan.releases, 1);
}

/* Sending and being refused inside a callback: given back after it, as is what others were waiting for. */
static struct loan inside[3];
static void lend_inside(struct rec *rec, char event) {
  if (event != 'M') return;
  CHECK(lend(rec->conn, WSOCK_BINARY, &inside[0], 100) >= 0); /* copied at once */
  CHECK(lend(rec->conn, WSOCK_BINARY, &inside[1], 100000) >= 0);
  CHECK_STATUS(lend(rec->conn, 77, &inside[2], 100), WSOCK_ERR_INVALID_ARGUMENT);
  for (int i = 0; i < 3; i++) CHECK_INT(inside[i].releases, 0);
}
static void from_a_callback(void) {
  struct pair pair;
  section("lent inside a callback: given back outside of it");
  pair_open(&pair, NULL, NULL);
  pair_peer(&pair)->echo = 0;
  pair_peer(&pair)->hook = lend_inside;
  CHECK_STATUS(wsock_conn_send_text(pair.client.conn, "go", 2), WSOCK_OK);
  PUMP_UNTIL(pair.loop, pair.client.messages == 2);
  for (int i = 0; i < 3; i++) CHECK_INT(inside[i].releases, 1);
  pair_free(&pair);
}

/* A peer that never reads: everything waits. */
struct stuck {
  wsock_loop *loop;
  wsock_options *options;
  struct srv srv;
  struct raw raw;
  wsock_conn *conn;
};
static void stuck_open(struct stuck *s, int64_t limit) {
  memset(s, 0, sizeof *s);
  s->loop = new_loop();
  s->options = option(option(new_options(), WSOCK_OPT_PING_INTERVAL_MS, 0), WSOCK_OPT_MAX_BUFFERED, limit);
  srv_listen(&s->srv, s->loop, s->options);
  raw_upgrade(&s->raw, s->loop, s->srv.port, "");
  PUMP_UNTIL(s->loop, s->srv.count == 1);
  s->conn = s->srv.conn[0]->conn;
}
static void stuck_free(struct stuck *s) {
  raw_close(&s->raw);
  if (s->loop) free_loop(s->loop);
  wsock_options_free(s->options);
  srv_free(&s->srv);
}

static void *lend_elsewhere(void *arg) {
  struct stuck *s = arg;
  static struct loan loans[2];
  CHECK(lend(s->conn, WSOCK_BINARY, &loans[0], 300000) >= 0);
  CHECK(lend(s->conn, WSOCK_TEXT, &loans[1], 100) >= 0);
  return loans;
}
enum ending { ABORT, LOOP_FREE, PEER_GONE, NOT_TAKEN_UP };
static void ended(enum ending how) {
  static const char *names[] = {"wsock_conn_abort", "wsock_loop_free", "the peer goes", "the loop is freed before it took them up"};
  struct stuck s;
  struct loan first, more[20], *others;
  pthread_t thread;
  section(names[how]);
  stuck_open(&s, 64 << 20);
  CHECK(lend(s.conn, WSOCK_BINARY, &first, 20 << 20) >= 0);
  pump_for(s.loop, 20);
  CHECK_INT(first.releases, 0);
  for (int i = 0; i < 20; i++) CHECK(lend(s.conn, WSOCK_TEXT, &more[i], (size_t)i * 3000) >= 0);
  pthread_create(&thread, NULL, lend_elsewhere, &s);
  pthread_join(thread, (void **)&others);
  if (how != NOT_TAKEN_UP) pump(s.loop);
  CHECK(first.releases == 0 && others[0].releases == 0 && more[19].releases == 0);
  switch (how) {
  case ABORT:
    CHECK_STATUS(wsock_conn_abort(s.conn), WSOCK_OK);
    break;
  case PEER_GONE:
    raw_reset(&s.raw);
    break;
  default:
    free_loop(s.loop);
    s.loop = NULL;
  }
  if (s.loop) PUMP_UNTIL(s.loop, s.srv.conn[0]->releases);
  CHECK_INT(first.releases, 1);
  CHECK(others[0].releases == 1 && others[1].releases == 1);
  for (int i = 0; i < 20; i++) CHECK_INT(more[i].releases, 1);
  CHECK(s.srv.conn[0]->close.unsent_bytes > 15 << 20);
  stuck_free(&s);
}

static void dropped(void) {
  struct stuck s;
  struct loan first, oldest, keyed, newer, largest;
  section("dropped, replaced, refused for want of room");
  stuck_open(&s, 20 << 20);
  CHECK(lend(s.conn, WSOCK_BINARY, &first, 19 << 20) >= 0);
  pump_for(s.loop, 20);
  size_t room = (20 << 20) - wsock_conn_buffered_amount(s.conn);
  loan_new(&oldest, room - 20000);
  wsock_send_options o = lent(&oldest);
  o.overflow = WSOCK_OVERFLOW_DROP_OLDEST;
  CHECK(wsock_conn_send_with(s.conn, WSOCK_BINARY, oldest.data, oldest.len, &o) >= 0);
  loan_new(&keyed, 10000);
  o = lent(&keyed);
  o.key = 1;
  CHECK(wsock_conn_send_with(s.conn, WSOCK_BINARY, keyed.data, keyed.len, &o) >= 0);
  CHECK_INT(keyed.releases, 0);
  loan_new(&newer, 10000);
  o.release_user = &newer;
  CHECK_STATUS(wsock_conn_send_with(s.conn, WSOCK_BINARY, newer.data, newer.len, &o), WSOCK_DROPPED);
  CHECK(keyed.releases == 1 && newer.releases == 0 && oldest.releases == 0);
  CHECK_STATUS(lend(s.conn, WSOCK_BINARY, &largest, 50000), WSOCK_ERR_LIMIT);
  CHECK_INT(largest.releases, 1);
  loan_new(&largest, 50000);
  o = lent(&largest);
  o.overflow = WSOCK_OVERFLOW_DROP_OLDEST;
  CHECK_STATUS(wsock_conn_send_with(s.conn, WSOCK_BINARY, largest.data, largest.len, &o), WSOCK_DROPPED);
  CHECK(oldest.releases == 1 && largest.releases == 0);
  stuck_free(&s);
  CHECK(first.releases == 1 && newer.releases == 1 && largest.releases == 1);
}

static size_t resident(void) {
  long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  REQUIRE(file != NULL && fscanf(file, "%*s %ld", &pages) == 1);
  fclose(file);
  return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}
static int shared_releases;
static void count_release(const void *data, size_t len, void *user) {
  (void)data, (void)len, (void)user;
  shared_releases++;
}
#define LARGE ((size_t)64 << 20)
static void not_copied(void) {
  struct stuck s;
  struct raw more[3];
  char *data = malloc(LARGE);
  memset(data, 'x', LARGE);
  section("64 MiB for four peers that do not read: not copied");
  stuck_open(&s, 100 << 20);
  for (int i = 0; i < 3; i++) raw_upgrade(&more[i], s.loop, s.srv.port, "");
  PUMP_UNTIL(s.loop, s.srv.count == 4);
  size_t before = resident();
  wsock_send_options o;
  memset(&o, 0, sizeof o);
  o.struct_size = sizeof o;
  o.release = count_release;
  for (int i = 0; i < 4; i++) CHECK_STATUS(wsock_conn_send_with(s.srv.conn[i]->conn, WSOCK_BINARY, data, LARGE, &o), WSOCK_BUFFERED);
  pump_for(s.loop, 50);
  CHECK(shared_releases == 0 && wsock_conn_buffered_amount(s.conn) > LARGE / 2);
  size_t grown = resident() - before;
  if (!check_is_slow()) CHECKF(resident() < before || grown < 8 << 20, "grown by %zu", grown);
  for (int i = 0; i < 3; i++) raw_close(&more[i]);
  stuck_free(&s);
  CHECK_INT(shared_releases, 4);

  section("64 MiB of a client: masked piece by piece");
  struct rec client = {0};
  uint16_t port;
  int listener = raw_listen(&port, 4);
  wsock_loop *loop = new_loop();
  shared_releases = 0;
  connect_to(&client, loop, url_of(port, "/"), NULL);
  raw_welcome(&more[0], raw_accept(&more[0], loop, listener), "");
  PUMP_UNTIL(loop, client.opens);
  before = resident();
  CHECK_STATUS(wsock_conn_send_with(client.conn, WSOCK_BINARY, data, LARGE, &o), WSOCK_BUFFERED);
  pump_for(loop, 50);
  CHECK(shared_releases == 0 && wsock_conn_buffered_amount(client.conn) > LARGE / 2);
  grown = resident() - before;
  if (!check_is_slow()) CHECKF(resident() < before || grown < 8 << 20, "grown by %zu", grown);
  raw_close(&more[0]);
  close(listener);
  free_loop(loop);
  CHECK_INT(shared_releases, 1);
  rec_free(&client);
  free(data);
}

int main(void) {
  delivered(0);
  if (wsock_features() & WSOCK_FEATURE_DEFLATE) delivered(1);
  refused();
  from_a_callback();
  ended(ABORT);
  ended(LOOP_FREE);
  ended(PEER_GONE);
  ended(NOT_TAKEN_UP);
  dropped();
  not_copied();
  return check_end();
}
