/* Options of the sockets themselves: a port that several loops share, the address and the interface to
   connect from. */
#include "sockets.h"

#include <pthread.h>

/* One of several loops that share a port. */
struct sharer {
  pthread_t thread;
  uint16_t port;
  int ready, accepted;
};
static int sharers_done;
static void *share(void *arg) {
  struct sharer *me = arg;
  struct srv srv = {0};
  wsock_handlers h = srv_handlers();
  wsock_loop *loop = new_loop();
  wsock_options *options = option(new_options(), WSOCK_OPT_REUSE_PORT, 1);
  REQUIRE(wsock_listen(loop, "127.0.0.1", me->port, options, &h, &srv, &srv.server) == WSOCK_OK);
  me->port = wsock_server_port(srv.server);
  __atomic_store_n(&me->ready, 1, __ATOMIC_SEQ_CST);
  while (!__atomic_load_n(&sharers_done, __ATOMIC_SEQ_CST)) {
    pump(loop);
    __atomic_store_n(&me->accepted, (int)server_stats(srv.server).accepted, __ATOMIC_SEQ_CST);
  }
  wsock_options_free(options);
  free_loop(loop);
  return NULL;
}
static int accepted_by(struct sharer *sharer) { return __atomic_load_n(&sharer->accepted, __ATOMIC_SEQ_CST); }

static void shared_ports(void) {
  static struct sharer sharers[2];
  static int fds[200];
  int made = 0;
  section("two loops on two threads share a port");
  for (int i = 0; i < 2; i++) {
    sharers[i].port = i ? sharers[0].port : 0;
    REQUIRE(pthread_create(&sharers[i].thread, NULL, share, &sharers[i]) == 0);
    for (int64_t end = now_ms() + patience_ms(); !__atomic_load_n(&sharers[i].ready, __ATOMIC_SEQ_CST) && now_ms() < end;) sleep_ms(1);
    REQUIRE(__atomic_load_n(&sharers[i].ready, __ATOMIC_SEQ_CST));
  }
  struct sockaddr_in a = loopback(sharers[0].port);
  while (made < (int)COUNT(fds) && !(accepted_by(&sharers[0]) && accepted_by(&sharers[1]))) {
    fds[made] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fds[made] >= 0 && connect(fds[made], (struct sockaddr *)&a, sizeof a) == 0);
    made++;
    for (int64_t end = now_ms() + patience_ms(); accepted_by(&sharers[0]) + accepted_by(&sharers[1]) < made && now_ms() < end;) sleep_ms(1);
  }
  CHECKF(accepted_by(&sharers[0]) > 0 && accepted_by(&sharers[1]) > 0, "%d and %d of %d", accepted_by(&sharers[0]), accepted_by(&sharers[1]), made);
  CHECK_INT(accepted_by(&sharers[0]) + accepted_by(&sharers[1]), made);

  section("a port is not shared with those who did not ask for it");
  wsock_loop *loop = new_loop();
  wsock_server *server = NULL;
  CHECK_REFUSED(wsock_listen(loop, "127.0.0.1", sharers[0].port, NULL, NULL, NULL, &server), WSOCK_ERR_SYSTEM);
  CHECK(last_error().os_error == EADDRINUSE && server == NULL);
  free_loop(loop);
  __atomic_store_n(&sharers_done, 1, __ATOMIC_SEQ_CST);
  for (int i = 0; i < 2; i++) REQUIRE(pthread_join(sharers[i].thread, NULL) == 0);
  while (made--) close(fds[made]);
}

/* The address that our client connects from. */
static void source_of(struct raw *raw, char *text, size_t size) {
  struct sockaddr_in a;
  socklen_t n = sizeof a;
  char ip[INET_ADDRSTRLEN];
  REQUIRE(getpeername(raw->fd, (struct sockaddr *)&a, &n) == 0 && inet_ntop(AF_INET, &a.sin_addr, ip, sizeof ip));
  snprintf(text, size, "%s:%u", ip, (unsigned)ntohs(a.sin_port));
}

static void socket_options(void) {
  struct raw raw;
  char source[64], wanted[64];
  uint16_t port;
  wsock_loop *loop = new_loop();
  wsock_options *options = new_options();
  int listener = raw_listen(&port, 8);

  section("an address to connect from");
  for (int with_port = 0; with_port < 2; with_port++) {
    struct rec client = {0};
    snprintf(wanted, sizeof wanted, with_port ? "127.0.0.3:%u" : "127.0.0.2", (unsigned)raw_free_port());
    REQUIRE(wsock_options_set_str(options, WSOCK_OPT_SOURCE_ADDRESS, wanted) == WSOCK_OK);
    connect_to(&client, loop, url_of(port, "/"), options);
    raw_accept(&raw, loop, listener);
    source_of(&raw, source, sizeof source);
    CHECKF(strncmp(source, wanted, strlen(wanted)) == 0, "%s, not %s", source, wanted);
    CHECK_STR(wsock_conn_get_str(client.conn, WSOCK_CONN_LOCAL_ADDRESS, NULL), source);
    CHECK_STATUS(wsock_conn_abort(client.conn), WSOCK_OK);
    PUMP_UNTIL(loop, client.releases);
    raw_close(&raw);
  }
  section("an address to connect from that cannot be");
  static const struct { const char *source, *word; } failing[] = {{"::1", "family"}, {"192.0.2.1", "192.0.2.1"}};
  for (size_t i = 0; i < COUNT(failing); i++) {
    struct rec client = {0};
    REQUIRE(wsock_options_set_str(options, WSOCK_OPT_SOURCE_ADDRESS, failing[i].source) == WSOCK_OK);
    connect_to(&client, loop, url_of(port, "/"), options);
    PUMP_UNTIL(loop, client.releases);
    CHECKF(client.error.code == WSOCK_ERR_CONNECT && strstr(client.error.message, failing[i].word), "%s", client.error.message);
  }
  static const char *const bad[] = {"localhost", "127.0.0.1:", "127.0.0.1:65536", "[::1", "*"};
  for (size_t i = 0; i < COUNT(bad); i++) CHECK_REFUSED(wsock_options_set_str(options, WSOCK_OPT_SOURCE_ADDRESS, bad[i]), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(wsock_options_set_str(options, WSOCK_OPT_SOURCE_ADDRESS, ""), WSOCK_OK);

  section("a network interface");
  int probe = socket(AF_INET, SOCK_STREAM, 0);
  int may = setsockopt(probe, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2) == 0;
  close(probe);
  if (!may) fprintf(stderr, "skipped: binding to the interface lo: %s\n", strerror(errno));
  CHECK_STATUS(wsock_options_set_str(options, WSOCK_OPT_INTERFACE, "lo"), WSOCK_OK);
  if (may) {
    struct srv srv = {0};
    struct rec client = {0};
    srv_listen(&srv, loop, options);
    connect_to(&client, loop, url_of(srv.port, "/"), options);
    PUMP_UNTIL(loop, client.opens && srv.count == 1);
    close_server(&srv, loop);
    PUMP_UNTIL(loop, client.releases);
  }
  CHECK_STATUS(wsock_options_set_str(options, WSOCK_OPT_INTERFACE, "nonesuch0"), WSOCK_OK);
  struct rec lost = {0};
  struct srv nowhere = {0};
  connect_to(&lost, loop, url_of(port, "/"), options);
  PUMP_UNTIL(loop, lost.releases);
  CHECKF(lost.error.code == WSOCK_ERR_CONNECT && strstr(lost.error.message, "nonesuch0"), "%s", lost.error.message);
  CHECK_REFUSED(try_listen(&nowhere, loop, "127.0.0.1", options), WSOCK_ERR_SYSTEM);
  CHECKF(strstr(last_text(), "nonesuch0"), "%s", last_text());
  CHECK_REFUSED(wsock_options_set_str(options, WSOCK_OPT_INTERFACE, "a-name-that-is-too-long"), WSOCK_ERR_INVALID_ARGUMENT);
  close(listener);
  wsock_options_free(options);
  free_loop(loop);
}

int main(void) {
  shared_ports();
  socket_options();
  return check_end();
}
