/* Threads against each other: handles that end while others use them, loops that change hands, and
   what one thread queued before another one closes. */
#include "peer.h"

#include <pthread.h>
#include <sched.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void *load_handle(void **handle) { return __sync_val_compare_and_swap(handle, NULL, NULL); }
static void store_handle(void **handle, void *value) {
  while (!__sync_bool_compare_and_swap(handle, load_handle(handle), value)) {}
}

/* Lets the others run. Valgrind runs one thread at a time, and yielding alone does not make it change. */
static void give_way(void) {
  if (check_is_slow()) sleep_ms(1);
  else sched_yield();
}

/* Connections that come and go, and threads that do not care. */
#define CHURN 4
static void *churning[2 * CHURN];
static int churn_over;
static void *hammer_conns(void *arg) {
  static const char text[100] = "nobody asked for this";
  (void)arg;
  for (; !load(&churn_over); give_way())
    for (size_t i = 0; i < COUNT(churning); i++) {
      wsock_conn *conn = load_handle(&churning[i]);
      if (!conn) continue;
      for (int n = 0; n < 8; n++) {
        wsock_status sent = wsock_conn_send_text(conn, text, sizeof text);
        CHECKF(sent == WSOCK_OK || sent == WSOCK_ERR_STATE || sent == WSOCK_ERR_INVALID_HANDLE, "send gave %d: %s", (int)sent, last_text());
      }
      wsock_status closed = wsock_conn_close(conn, 1000, NULL);
      CHECKF(closed == WSOCK_OK || closed == WSOCK_ERR_INVALID_HANDLE, "close gave %d: %s", (int)closed, last_text());
    }
  return NULL;
}
/* A connection in slots used before, whose handle nobody else has: nothing of the past shows. */
static void check_fresh(wsock_loop *loop, struct srv *srv, const wsock_options *small) {
  struct rec client = {0};
  int before = srv->count;
  connect_to(&client, loop, url_of(srv->port, "/"), small);
  PUMP_UNTIL(loop, client.opens && srv->count > before);
  REQUIRE(client.opens && srv->count == before + 1);
  struct rec *peer = srv->conn[before];
  for (int i = 0; i < 5; i++) {
    CHECK_INT(wsock_conn_buffered_amount(client.conn), 0);
    CHECK_STATUS(wsock_conn_send_text(client.conn, "fresh", 5), WSOCK_OK);
    CHECK_INT(wsock_conn_buffered_amount(peer->conn), 0);
    CHECK_STATUS(wsock_conn_send_text(peer->conn, "fresh", 5), WSOCK_OK);
    PUMP_UNTIL(loop, client.messages == i + 1 && peer->messages == i + 1);
  }
  CHECK_INT(conn_stats(client.conn).messages_sent, 5);
  CHECK_STATUS(wsock_conn_close(client.conn, 1000, NULL), WSOCK_OK);
  PUMP_UNTIL(loop, client.releases && peer->releases);
  CHECK(client.close.was_clean && client.close.unsent_bytes == 0 && peer->close.unsent_bytes == 0);
  CHECK(client.messages == 5 && peer->messages == 5);
  rec_free(&client);
}
static void slots_used_again(void) {
  struct srv srv = {0}, fresh = {0};
  pthread_t threads[3];
  wsock_loop *loop = new_loop();
  wsock_options *small = option(option(new_options(), WSOCK_OPT_HIGH_WATER, 60), WSOCK_OPT_MAX_BUFFERED, 90);
  int rounds = check_is_slow() ? 8 : 60;
  section("threads send to and close what ends meanwhile; the next in that slot does not notice");
  srv_listen(&srv, loop, NULL);
  srv_listen(&fresh, loop, small);
  for (size_t i = 0; i < COUNT(threads); i++) pthread_create(&threads[i], NULL, hammer_conns, NULL);
  for (int round = 0; round < rounds; round++) {
    struct rec client[CHURN];
    int before = srv.count;
    memset(client, 0, sizeof client);
    for (int i = 0; i < CHURN; i++) connect_to(&client[i], loop, url_of(srv.port, "/"), NULL);
    PUMP_UNTIL(loop, srv.count == before + CHURN && client[0].opens && client[1].opens && client[2].opens && client[3].opens);
    REQUIRE(srv.count == before + CHURN);
    for (int i = 0; i < CHURN; i++) {
      store_handle(&churning[2 * i], client[i].conn);
      store_handle(&churning[2 * i + 1], srv.conn[before + i]->conn);
    }
    for (int i = 0; i < CHURN; i++) {
      if (round % 2) wsock_conn_abort(client[i].conn);
      struct rec *peer = srv.conn[before + i];
      PUMP_UNTIL(loop, client[i].releases && peer->releases);
      CHECK_ENDED(&client[i]);
      CHECKF(client[i].close.unsent_bytes < 1 << 20 && peer->close.unsent_bytes < 1 << 20, "unsent: %llu and %llu",
             (unsigned long long)client[i].close.unsent_bytes, (unsigned long long)peer->close.unsent_bytes);
      rec_free(&client[i]);
    }
    check_fresh(loop, &fresh, small);
    CHECK(srv.count < SRV_MAX - CHURN && fresh.count < SRV_MAX - 1);
  }
  __sync_add_and_fetch(&churn_over, 1);
  for (size_t i = 0; i < COUNT(threads); i++) pthread_join(threads[i], NULL);
  check_fresh(loop, &fresh, small);
  free_loop(loop);
  wsock_options_free(small);
  srv_free(&srv);
  srv_free(&fresh);
}

/* What another thread had sent before the loop's thread closes goes first. */
#define WORDS 50
static void *send_words(void *conn) {
  for (int i = 0; i < WORDS; i++) CHECK_STATUS(wsock_conn_send_text(conn, "before the end", 14), WSOCK_OK);
  return NULL;
}
static void sent_before_close(int server) {
  struct pair pair;
  pthread_t worker;
  section(server ? "a worker sends, then the loop's thread closes the server" : "a worker sends, then the loop's thread closes the connection");
  pair_open(&pair, NULL, NULL);
  struct rec *sender = server ? pair_peer(&pair) : &pair.client, *other = server ? &pair.client : pair_peer(&pair);
  other->echo = 0;
  pthread_create(&worker, NULL, send_words, sender->conn);
  pthread_join(worker, NULL);
  if (server) CHECK_STATUS(wsock_server_close(pair.srv.server, 0, 1001, "going"), WSOCK_OK);
  else CHECK_STATUS(wsock_conn_close(sender->conn, 3001, "going"), WSOCK_OK);
  CHECK_INT(wsock_conn_state(sender->conn), WSOCK_CLOSING);
  CHECK_REFUSED(wsock_conn_send_text(sender->conn, "late", 4), WSOCK_ERR_STATE);
  PUMP_UNTIL(pair.loop, sender->releases && other->releases);
  CHECK_INT(other->messages, WORDS);
  CHECK(other->close.code == (server ? 1001 : 3001) && other->close.was_clean && sender->close.was_clean);
  CHECK_INT(sender->close.unsent_bytes, 0);
  pair_free(&pair);
}

/* Loops that are freed and made all the time, and threads with handles of earlier ones. A handle is given
   to them when its maker is done with it. */
#define POSTS 400000
static struct post { void *loop; int accepted, runs, releases; } posts[POSTS];
static int posts_used, remaking_over;
static void *passing;
static void run_post(wsock_loop *loop, void *arg) {
  struct post *post = arg;
  CHECKF(loop == post->loop, "posted to %p, run in %p", post->loop, (void *)loop);
  CHECK_INT(post->releases, 0);
  __sync_add_and_fetch(&post->runs, 1);
}
static void release_post(void *arg) { __sync_add_and_fetch(&((struct post *)arg)->releases, 1); }
static void post_to(wsock_loop *loop) {
  int number = __sync_fetch_and_add(&posts_used, 1);
  if (number >= POSTS) return;
  posts[number].loop = loop;
  wsock_status status = wsock_loop_post(loop, run_post, &posts[number], release_post);
  CHECKF(status == WSOCK_OK || status == WSOCK_ERR_INVALID_HANDLE, "post gave %d: %s", (int)status, last_text());
  posts[number].accepted = status == WSOCK_OK;
}
static void *hammer_loops(void *arg) {
  int which = *(int *)arg, times = 0;
  void *last = NULL;
  while (!load(&remaking_over)) {
    wsock_loop *loop = load_handle(&passing);
    wsock_status status = WSOCK_OK;
    if (loop != last) times = 0;
    last = loop;
    if (!loop || ++times > 10) {
      give_way();
      continue;
    }
    switch (which) {
    case 0: status = poll_loop(loop, 0); break;
    case 1: post_to(loop); break;
    default:
      status = wsock_loop_wakeup(loop);
      if (status == WSOCK_OK) status = wsock_loop_stop(loop);
      peer_dispatching++;
      if (status == WSOCK_OK) status = wsock_loop_free(loop);
      peer_dispatching--;
    }
    CHECKF(status >= 0 || status == WSOCK_ERR_INVALID_HANDLE || status == WSOCK_ERR_WRONG_THREAD, "%d gave %d: %s", which, (int)status, last_text());
  }
  return NULL;
}
static void loops_made_again(void) {
  pthread_t threads[3];
  int numbers[3];
  wsock_handlers h = rec_handlers();
  section("threads with handles of freed loops; a new loop is its maker's alone");
  for (size_t i = 0; i < COUNT(threads); i++) {
    numbers[i] = (int)i;
    pthread_create(&threads[i], NULL, hammer_loops, &numbers[i]);
  }
  int64_t end = now_ms() + (check_is_slow() ? 3000 : 1500);
  int made = 0;
  for (; now_ms() < end; made++) {
    wsock_loop *loop = NULL;
    CHECK_STATUS(wsock_loop_new(&loop), WSOCK_OK);
    REQUIRE(loop != NULL);
    CHECK_STATUS(poll_loop(loop, 0), 0);
    CHECK_STATUS(wsock_loop_timeout_ms(loop), -1);
    struct rec client = {0};
    wsock_conn *conn = NULL;
    CHECK_STATUS(wsock_connect(loop, "ws://127.0.0.1:1/", NULL, &h, &client, &conn), WSOCK_OK);
    CHECK_STATUS(wsock_conn_pause(conn), WSOCK_OK);
    CHECK_STATUS(wsock_conn_abort(conn), WSOCK_OK);
    post_to(loop);
    CHECK_STATUS(run_loop(loop), WSOCK_OK);
    CHECK_ENDED(&client);
    if (made % 2) post_to(loop); /* to be released by whoever frees it */
    store_handle(&passing, loop);
    if (made % 3 == 0) sched_yield();
    wsock_status freed;
    peer_dispatching++;
    while ((freed = wsock_loop_free(loop)) == WSOCK_ERR_WRONG_THREAD) sched_yield();
    peer_dispatching--;
    CHECKF(freed == WSOCK_OK || freed == WSOCK_ERR_INVALID_HANDLE, "free gave %d: %s", (int)freed, last_text());
  }
  __sync_add_and_fetch(&remaking_over, 1);
  for (size_t i = 0; i < COUNT(threads); i++) pthread_join(threads[i], NULL);
  int used = posts_used < POSTS ? posts_used : POSTS, accepted = 0;
  for (int i = 0; i < used; i++) {
    CHECKF(posts[i].releases == posts[i].accepted && posts[i].runs <= posts[i].accepted, "post %d: accepted %d, run %d, released %d", i,
           posts[i].accepted, posts[i].runs, posts[i].releases);
    accepted += posts[i].accepted;
  }
  CHECKF(accepted >= made || used == POSTS, "%d loops, %d posts accepted", made, accepted);
  fprintf(stderr, "%d loops, %d posts of which %d were accepted\n", made, used, accepted);
}

/* Two threads take turns at polling one loop, and send right after; a third one sends and closes. */
#define SHARED 6
static struct pair shared;
static struct rec shared_client[SHARED];
static int turns[2], turns_over, marked;
static void count_marked(struct rec *rec, char event) {
  if (event == 'M' && rec->len == 6 && memcmp(rec->data, "marked", 6) == 0) marked++;
}
static void check_any(const char *what, wsock_status status) {
  CHECKF(status == WSOCK_OK || status == WSOCK_BUFFERED || status == WSOCK_ERR_STATE || status == WSOCK_ERR_INVALID_HANDLE, "%s gave %d: %s", what, (int)status, last_text());
}
static void *take_turns(void *arg) {
  int self = *(int *)arg;
  for (int n = 0; !load(&turns_over); n++) {
    int32_t ran = poll_loop(shared.loop, n % 4 == 0);
    CHECKF(ran >= 0 || ran == WSOCK_ERR_WRONG_THREAD, "poll gave %d: %s", (int)ran, last_text());
    if (ran >= 0) __sync_add_and_fetch(&turns[self], 1);
    wsock_conn *conn = shared_client[n % SHARED].conn;
    if (n % 8 == 0) {
      check_any("send", wsock_conn_send_text(conn, "between turns", 13));
      check_any("ping", wsock_conn_ping(conn, "p", 1));
    }
    CHECK(wsock_conn_state(conn) <= WSOCK_CLOSED && wsock_conn_buffered_amount(conn) < 1 << 24);
    check_any("wakeup", wsock_loop_wakeup(shared.loop));
    sched_yield();
  }
  return NULL;
}
static int all_released(void) {
  int released = 0;
  for (int i = 0; i < SHARED; i++) released += load(&shared_client[i].releases);
  return released == SHARED;
}
static void polling_in_turns(void) {
  int rounds = check_is_slow() ? 3 : 20;
  section("a loop that changes hands all the time: calls for any thread work, closes are not lost");
  pair_open(&shared, NULL, NULL);
  shared.srv.echo = 0;
  shared.srv.hook = count_marked;
  for (int round = 0; round < rounds; round++) {
    pthread_t threads[2];
    int numbers[2] = {0, 1}, accepted = 0, before = shared.srv.count;
    memset(shared_client, 0, sizeof shared_client);
    pump(shared.loop); /* now it is this thread's again */
    marked = turns_over = 0;
    for (int i = 0; i < SHARED; i++) connect_to(&shared_client[i], shared.loop, url_of(shared.srv.port, "/"), NULL);
    for (int i = 0; i < SHARED; i++) PUMP_UNTIL(shared.loop, shared_client[i].opens && shared.srv.count == before + SHARED);
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, take_turns, &numbers[i]);
    for (int i = 0; i < SHARED; i++) {
      wsock_conn *conn = shared_client[i].conn;
      for (int n = 0; n < 10; n++) {
        wsock_status sent = wsock_conn_send_text(conn, "marked", 6);
        CHECKF(sent == WSOCK_OK, "send gave %d: %s", (int)sent, last_text());
        accepted += sent >= 0;
      }
      CHECK_STATUS(wsock_conn_close(conn, 1000, NULL), WSOCK_OK);
    }
    for (int64_t end = now_ms() + patience_ms(); !all_released() && now_ms() < end;) sleep_ms(1);
    CHECK(all_released());
    __sync_add_and_fetch(&turns_over, 1);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < SHARED; i++) {
      CHECK_ENDED(&shared_client[i]);
      PUMP_UNTIL(shared.loop, shared.srv.conn[before + i]->releases);
      CHECK(shared_client[i].close.was_clean && shared.srv.conn[before + i]->close.was_clean);
      rec_free(&shared_client[i]);
    }
    CHECK_INT(marked, accepted);
  }
  CHECKF(turns[0] > 0 && turns[1] > 0, "turns %d and %d", turns[0], turns[1]);
  pair_free(&shared);
}

int main(void) {
  slots_used_again();
  sent_before_close(0);
  sent_before_close(1);
  loops_made_again();
  polling_in_turns();
  return check_end();
}
