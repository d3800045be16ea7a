/* A loop with a thread of its own, and many who come in by its door: nobody is called behind it, what was
   queued when it was shut goes first, and whoever waits there when the thread ends is let go. */
#include "child.h"

#include <pthread.h>
#include <sys/wait.h>

/* A server and a client of the same loop, which is being started; both are told of nothing. */
struct started {
  wsock_loop *loop;
  wsock_server *server;
  wsock_conn *conn;
};
static void started_open(struct started *it, const wsock_handlers *server, const wsock_handlers *client, void *user) {
  it->loop = new_loop();
  REQUIRE(wsock_listen(it->loop, "127.0.0.1", 0, NULL, server, user, &it->server) == WSOCK_OK);
  const char *url = url_of(wsock_server_port(it->server), "/");
  REQUIRE(wsock_connect(it->loop, url, NULL, client, user, &it->conn) == WSOCK_OK);
  REQUIRE(wsock_loop_start(it->loop) == WSOCK_OK);
}
static wsock_handlers told(void (*on_open)(wsock_conn *, void *)) {
  wsock_handlers h;
  memset(&h, 0, sizeof h);
  h.struct_size = sizeof h;
  h.on_open = on_open;
  return h;
}

/* Threads that come in again and again. */
static volatile int over;
static void *come_in(void *loop) {
  while (!over) wsock_loop_timeout_ms(loop);
  return NULL;
}
static void crowd_new(pthread_t *crowd, int count, wsock_loop *loop) {
  over = 0;
  for (int i = 0; i < count; i++) REQUIRE(pthread_create(&crowd[i], NULL, come_in, loop) == 0);
}
static void crowd_free(pthread_t *crowd, int count) {
  over = 1;
  for (int i = 0; i < count; i++) pthread_join(crowd[i], NULL);
}

/* What release does. */
static wsock_loop *released_in;
static int released, joins;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile int locked;
static void release(void *user) {
  (void)user;
  if (joins) CHECK_STATUS(wsock_loop_join(released_in), WSOCK_OK);
  pthread_mutex_lock(&lock);
  released++;
  pthread_mutex_unlock(&lock);
}
static void *come_in_locked(void *loop) {
  pthread_mutex_lock(&lock);
  locked = 1;
  sleep_ms(200);
  wsock_loop_timeout_ms(loop);
  pthread_mutex_unlock(&lock);
  return NULL;
}
static void give_user_data(wsock_conn *conn, void *user) {
  (void)user;
  CHECK_STATUS(wsock_conn_set_user_data(conn, NULL, release), WSOCK_OK);
}

static void releases(void) {
  wsock_handlers h = told(give_user_data);
  for (joins = 0; joins < 2; joins++) {
    struct started it;
    pthread_t thread;
    section(joins ? "a release may end the thread" : "a release may wait for who waits at the door");
    released = locked = 0;
    started_open(&it, &h, NULL, NULL);
    released_in = it.loop;
    wsock_server_stats stats;
    do pump(it.loop), stats = server_stats(it.server);
    while (stats.connections == 0 || wsock_conn_state(it.conn) != WSOCK_OPEN);
    pump_for(it.loop, 20);
    REQUIRE(pthread_create(&thread, NULL, come_in_locked, it.loop) == 0);
    while (!locked) sleep_ms(1);
    CHECK_STATUS(wsock_conn_close(it.conn, 1000, NULL), WSOCK_OK);
    PUMP_UNTIL(it.loop, released == 1);
    pthread_join(thread, NULL);
    free_loop(it.loop);
    CHECK_INT(released, 1);
  }
}

/* Lent bytes come back when the callback is over. */
static __thread int depth;
static int given_back;
static void give_back(const void *data, size_t len, void *user) {
  (void)data, (void)len, (void)user;
  CHECKF(depth == 0, "given back inside a callback");
  given_back++;
}
static void lend_in_vain(wsock_conn *conn, void *user) {
  (void)user;
  wsock_send_options o;
  memset(&o, 0, sizeof o);
  o.struct_size = sizeof o;
  o.release = give_back;
  depth++;
  CHECK_STATUS(wsock_conn_send_with(conn, 77, "x", 1, &o), WSOCK_ERR_INVALID_ARGUMENT);
  depth--;
}
static void lent(void) {
  struct started it;
  wsock_handlers h = told(lend_in_vain);
  section("what is lent is not given back inside a callback");
  started_open(&it, NULL, &h, NULL);
  PUMP_UNTIL(it.loop, given_back == 1);
  free_loop(it.loop);
}

/* One thread's messages arrive in its order, whichever way they go. */
static char got[16];
static void note(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user) {
  (void)conn, (void)type, (void)user;
  strncat(got, (const char *)data, len);
}
static void in_order(void) {
  struct started it;
  pthread_t crowd[2];
  wsock_handlers h = told(NULL);
  h.on_message = note;
  section("a message that found the door shut goes before one that waited for it to open");
  started_open(&it, &h, NULL, NULL);
  PUMP_UNTIL(it.loop, wsock_conn_state(it.conn) == WSOCK_OPEN);
  crowd_new(crowd, 2, it.loop);
  int good = 1;
  for (int i = 0; i < 50 && good; i++) {
    int pipes[2];
    REQUIRE(pipe(pipes) == 0 && write(pipes[1], "b", 1) == 1 && close(pipes[1]) == 0);
    got[0] = 0;
    CHECK_STATUS(wsock_conn_send_text(it.conn, "a", 1), WSOCK_OK);
    CHECK_STATUS(wsock_conn_send_fd(it.conn, WSOCK_TEXT, pipes[0], 1, 0), WSOCK_OK);
    PUMP_UNTIL(it.loop, strlen(got) == 2);
    good = strcmp(got, "ab") == 0;
  }
  CHECK_STR(got, "ab");
  crowd_free(crowd, 2);
  free_loop(it.loop);
}

static void joined(void) {
  section("who waits at the door when the thread ends is in nobody's way");
  for (int i = 0; i < 100; i++) {
    struct started it;
    pthread_t crowd[3];
    started_open(&it, NULL, NULL, NULL);
    crowd_new(crowd, 3, it.loop);
    sleep_ms(1);
    CHECK_STATUS(wsock_loop_join(it.loop), WSOCK_OK);
    CHECK(poll_loop(it.loop, 0) >= 0);
    CHECK_STATUS(wsock_server_close(it.server, 0, 1000, NULL), WSOCK_OK);
    crowd_free(crowd, 3);
    free_loop(it.loop);
  }
}

/* The child of a callback's fork finds the door as it was: perhaps shut, by a thread that is not there. */
static int children;
static void fork_here(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user) {
  (void)conn, (void)type, (void)data, (void)len;
  int *is_child = user;
  if (*is_child || children == 30) return;
  children++;
  pid_t pid = fork_child();
  if (pid == 0) {
    alarm((unsigned)(patience_ms() / 1000));
    *is_child = 1;
    return;
  }
  check_child(pid);
}
static void forked(void) {
  struct started it;
  pthread_t crowd[2];
  int is_child = 0;
  wsock_handlers h = told(NULL);
  h.on_message = fork_here;
  section("a poll in whose callback the program forks ends in the child, too");
  started_open(&it, &h, NULL, &is_child);
  PUMP_UNTIL(it.loop, wsock_conn_state(it.conn) == WSOCK_OPEN);
  crowd_new(crowd, 2, it.loop);
  int64_t end = now_ms() + patience_ms();
  while (children < 30 && now_ms() < end) {
    CHECK(wsock_conn_send_text(it.conn, "x", 1) >= 0);
    int32_t n = poll_loop(it.loop, 2);
    if (is_child) {
      CHECK_STATUS(n, WSOCK_ERR_STATE);
      child_end();
    }
    CHECK(n >= 0);
  }
  CHECK_INT(children, 30);
  crowd_free(crowd, 2);
  free_loop(it.loop);
}

int main(void) {
  releases();
  lent();
  in_order();
  joined();
  forked();
  return check_end();
}
