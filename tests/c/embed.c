/* The library inside a foreign loop. First a poll() with nothing but the descriptor: no timer of the host, so
   everything, deadlines included, must make it readable. Then with descriptor and deadline. Then an epoll that
   tells of changes only, and one that tells once and has to be asked again. */
#include "raw.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>

static enum { DESCRIPTOR, DEADLINE, EDGE, ONE_SHOT, HOSTS } host;
static const char *const names[HOSTS] = {"descriptor only", "descriptor and deadline", "edge-triggered", "one-shot"};

/* A host asks once for the descriptor, and has it watched from then on. */
struct watched {
  wsock_loop *loop;
  int fd, epoll;
};
static void ask(const struct watched *w, int operation) {
  struct epoll_event event = {.events = EPOLLIN | (host == ONE_SHOT ? EPOLLONESHOT : EPOLLET)};
  REQUIRE(epoll_ctl(w->epoll, operation, w->fd, &event) == 0);
}
static const struct watched *watched(wsock_loop *loop) {
  static struct watched known[2];
  static int next;
  for (int i = 0; i < 2; i++)
    if (known[i].loop == loop) return &known[i];
  next = !next;
  struct watched *w = &known[next];
  if (w->loop) close(w->epoll);
  w->loop = loop;
  w->fd = wsock_loop_fd(loop);
  REQUIRE(w->fd >= 0);
  w->epoll = epoll_create1(EPOLL_CLOEXEC);
  REQUIRE(w->epoll >= 0);
  ask(w, EPOLL_CTL_ADD);
  return w;
}
static int fd_of(wsock_loop *loop) { return watched(loop)->fd; }
static wsock_loop *hosted_loop(void) {
  wsock_loop *loop = new_loop();
  fd_of(loop);
  return loop;
}

static void poll_once(wsock_loop *loop) {
  int32_t called = poll_loop(loop, 0);
  CHECKF(called >= 0, "poll gave %d", (int)called);
}
/* One turn of the host's loop. Without progress for the whole patience, something did not show in the descriptor. */
static int host_turn(wsock_loop *loop) {
  const struct watched *w = watched(loop);
  struct pollfd p = {w->fd, POLLIN, 0};
  struct epoll_event event;
  int wait = (int)patience_ms();
  if (host == DEADLINE) {
    int32_t timeout = wsock_loop_timeout_ms(loop);
    CHECK(timeout >= -1);
    if (timeout >= 0 && timeout < wait) wait = timeout;
  }
  int n = host < EDGE ? poll(&p, 1, wait) : epoll_wait(w->epoll, &event, 1, wait);
  REQUIRE(n >= 0 || errno == EINTR);
  if (n == 0 && wait == patience_ms()) return 0; /* a host would sleep for ever */
  poll_once(loop);
  if (host == EDGE)
    while (poll(&p, 1, 0) > 0) poll_once(loop);
  if (host == ONE_SHOT) ask(w, EPOLL_CTL_MOD);
  return 1;
}
#define HOST_UNTIL(loop, condition)                                \
  do {                                                             \
    int64_t end_ = now_ms() + patience_ms();                       \
    int held_, alive_ = 1;                                         \
    while (!(held_ = (condition)) && alive_ && now_ms() < end_) alive_ = host_turn(loop); \
    CHECKF(held_, "the descriptor did not become readable, waiting for " #condition); \
  } while (0)

static void talk(void) {
  struct srv srv = {0};
  struct rec client = {0};
  static char data[3000000];
  wsock_loop *loop = hosted_loop();
  section("connect, echo, close");
  int fd = fd_of(loop);
  srv.echo = 1;
  srv_listen(&srv, loop, NULL);
  connect_to(&client, loop, url_of(srv.port, "/"), NULL);
  HOST_UNTIL(loop, client.opens && srv.count == 1);
  CHECK_STATUS(wsock_conn_send_text(client.conn, "hello", 5), WSOCK_OK);
  HOST_UNTIL(loop, client.messages == 1);
  CHECK(wsock_conn_send_binary(client.conn, data, sizeof data) >= 0);
  HOST_UNTIL(loop, client.messages == 2 && client.len == sizeof data);
  section("a name look-up comes back through the descriptor");
  struct rec named = {0};
  char url[64];
  snprintf(url, sizeof url, "ws://localhost:%u/", (unsigned)srv.port);
  connect_to(&named, loop, url, NULL);
  HOST_UNTIL(loop, named.opens);
  section("an abort outside of poll is told by the next poll");
  CHECK_STATUS(wsock_conn_abort(named.conn), WSOCK_OK);
  HOST_UNTIL(loop, named.releases);
  CHECK_STATUS(wsock_conn_close(client.conn, 1000, NULL), WSOCK_OK);
  HOST_UNTIL(loop, client.releases && srv.conn[0]->releases);
  section("a server that closes");
  CHECK_STATUS(wsock_server_close(srv.server, 0, 1001, NULL), WSOCK_OK);
  HOST_UNTIL(loop, srv.releases);
  section("nothing to do: the descriptor is quiet");
  while (poll_loop(loop, 0) > 0) {}
  struct pollfd p = {fd, POLLIN, 0};
  CHECK_INT(poll(&p, 1, 20), 0);
  CHECK(wsock_loop_timeout_ms(loop) != 0);
  CHECK_INT(wsock_loop_fd(loop), fd);
  free_loop(loop);
  CHECK_ENDED(&client);
  CHECK_ENDED(&named);
  rec_free(&client);
  srv_free(&srv);
}

static void flood(void) {
  struct srv srv = {0};
  struct raw raw;
  wsock_loop *loop = hosted_loop();
  unsigned char *block = malloc(7 * 10000);
  section("a flood of small messages that needs many turns: each undelivered one keeps the descriptor readable");
  srv_listen(&srv, loop, NULL);
  raw_upgrade(&raw, loop, srv.port, "");
  HOST_UNTIL(loop, srv.count == 1);
  for (int i = 0; i < 10000; i++) memcpy(block + 7 * i, "\x81\x81\0\0\0\0x", 7);
  int flooded = 0;
  for (int round = 0; round < (check_is_slow() ? 3 : 20); round++) { /* into the kernel first, then read, without another byte coming */
    size_t at = 0;
    while (at < 70000) {
      ssize_t n = send(raw.fd, block + at, 70000 - at, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n < 0) break;
      at += (size_t)n;
    }
    flooded += (int)(at / 7);
    size_t rest = at % 7 ? 7 - at % 7 : 0; /* finish the frame that was cut */
    if (rest) {
      HOST_UNTIL(loop, srv.conn[0]->messages == flooded);
      raw_send(&raw, block + at, rest);
      flooded++;
    }
  }
  HOST_UNTIL(loop, srv.conn[0]->messages == flooded);
  CHECK_INT(srv.conn[0]->messages, flooded);
  section("large messages read in part");
  static unsigned char large[2000000];
  raw_frame(&raw, 0x82, 1, large, sizeof large);
  raw_frame(&raw, 0x81, 1, "end", 3);
  HOST_UNTIL(loop, srv.conn[0]->messages == flooded + 2);
  raw_close(&raw);
  HOST_UNTIL(loop, srv.conn[0]->releases);
  free_loop(loop);
  free(block);
  srv_free(&srv);
}

static void timers(void) {
  struct rec silent = {0}, dead = {0};
  struct raw raw;
  uint16_t port;
  static struct frame frame;
  wsock_loop *loop = hosted_loop();
  wsock_options *o = new_options();
  section("timers fire through the descriptor");
  int listener = raw_listen(&port, 4);
  option(o, WSOCK_OPT_HANDSHAKE_TIMEOUT_MS, 150);
  connect_to(&silent, loop, url_of(port, "/"), o);
  HOST_UNTIL(loop, silent.releases);
  CHECK_INT(silent.close.status, WSOCK_ERR_HANDSHAKE_TIMEOUT);
  close(listener);
  option(option(o, WSOCK_OPT_PING_INTERVAL_MS, 100), WSOCK_OPT_PONG_TIMEOUT_MS, 100);
  option(o, WSOCK_OPT_HANDSHAKE_TIMEOUT_MS, 10000);
  raw_serve(&raw, &dead, loop, o);
  HOST_UNTIL(loop, (raw_fill(&raw), raw_peek(&raw, &frame) != 0));
  CHECK_INT(frame.first, 0x89);
  HOST_UNTIL(loop, dead.releases);
  CHECK_INT(dead.close.status, WSOCK_ERR_PING_TIMEOUT);
  raw_close(&raw);
  free_loop(loop);
  wsock_options_free(o);
}

static int tasks;
static void task(wsock_loop *loop, void *arg) { (void)loop, (void)arg, tasks++; }
static void *post_many(void *loop) {
  for (int i = 0; i < 200; i++) {
    CHECK_STATUS(wsock_loop_post(loop, task, NULL, NULL), WSOCK_OK);
    if (i % 20 == 0) sleep_ms(2);
  }
  return NULL;
}
static wsock_conn *shared;
static void *send_many(void *arg) {
  (void)arg;
  for (int i = 0; i < 200; i++) {
    CHECK(wsock_conn_send_text(shared, "x", 1) >= 0);
    if (i % 20 == 0) sleep_ms(2);
  }
  return NULL;
}
static void threads(void) {
  struct pair pair;
  pthread_t thread[2];
  section("posts and sends of another thread, a post of this one");
  pair_open(&pair, NULL, NULL);
  fd_of(pair.loop);
  while (poll_loop(pair.loop, 0) > 0) {}
  tasks = 0;
  shared = pair.client.conn;
  pthread_create(&thread[0], NULL, post_many, pair.loop);
  pthread_create(&thread[1], NULL, send_many, NULL);
  HOST_UNTIL(pair.loop, tasks == 200 && pair.client.messages == 200);
  pthread_join(thread[0], NULL);
  pthread_join(thread[1], NULL);
  CHECK_STATUS(wsock_loop_post(pair.loop, task, NULL, NULL), WSOCK_OK);
  CHECK_INT(tasks, 200);
  HOST_UNTIL(pair.loop, tasks == 201);
  section("wakeup makes the descriptor readable, one poll makes it quiet");
  struct pollfd p = {fd_of(pair.loop), POLLIN, 0};
  while (poll_loop(pair.loop, 0) > 0) {}
  CHECK_INT(poll(&p, 1, 0), 0);
  CHECK_STATUS(wsock_loop_wakeup(pair.loop), WSOCK_OK);
  CHECK_INT(poll(&p, 1, (int)patience_ms()), 1);
  CHECK_INT(poll_loop(pair.loop, 0), 0);
  CHECK_INT(poll(&p, 1, 0), 0);
  pair_free(&pair);
}

static void paused(void) {
  struct srv srv = {0};
  struct raw raw;
  wsock_loop *loop = hosted_loop();
  section("a resumed connection shows what waits");
  srv_listen(&srv, loop, NULL);
  raw_upgrade(&raw, loop, srv.port, "");
  HOST_UNTIL(loop, srv.count == 1);
  CHECK_STATUS(wsock_conn_pause(srv.conn[0]->conn), WSOCK_OK);
  raw_frame(&raw, 0x81, 1, "wait", 4);
  for (int i = 0; i < 5; i++) {
    sleep_ms(2);
    poll_loop(loop, 0);
  }
  CHECK_INT(srv.conn[0]->messages, 0);
  struct pollfd p = {fd_of(loop), POLLIN, 0};
  CHECK_INT(poll(&p, 1, 0), 0); /* a paused connection does not keep the host busy */
  CHECK_STATUS(wsock_conn_resume(srv.conn[0]->conn), WSOCK_OK);
  HOST_UNTIL(loop, srv.conn[0]->messages == 1);
  raw_close(&raw);
  free_loop(loop);
  srv_free(&srv);
}

/* Two loops in one host. */
static void two_loops(void) {
  struct srv srv = {0};
  struct rec client = {0};
  wsock_loop *one = hosted_loop(), *two = hosted_loop();
  section("two loops in one host");
  srv.echo = 1;
  srv_listen(&srv, one, NULL);
  connect_to(&client, two, url_of(srv.port, "/"), NULL);
  int64_t end = now_ms() + patience_ms();
  int sent = 0;
  while (client.messages == 0 && now_ms() < end) {
    struct pollfd p[2] = {{fd_of(one), POLLIN, 0}, {fd_of(two), POLLIN, 0}};
    CHECK(poll(p, 2, (int)patience_ms()) > 0);
    if (p[0].revents) poll_loop(one, 0);
    if (p[1].revents) poll_loop(two, 0);
    if (client.opens && !sent++) CHECK_STATUS(wsock_conn_send_text(client.conn, "x", 1), WSOCK_OK);
  }
  CHECK_INT(client.messages, 1);
  free_loop(two);
  free_loop(one);
  CHECK_ENDED(&client);
  rec_free(&client);
  srv_free(&srv);
}

int main(void) {
  for (host = DESCRIPTOR; host < HOSTS; host++) {
    fprintf(stderr, "- %s\n", names[host]);
    talk();
    flood();
    timers();
    threads();
    paused();
  }
  two_loops();
  return check_end();
}
