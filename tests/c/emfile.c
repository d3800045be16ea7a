/* Out of descriptors: accepting backs off without spinning, goes on later, and nobody else notices. */
#include "raw.h"

#include <sys/resource.h>

#define WAITING 8
#define REQUEST \
  "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " RAW_KEY "\r\n\r\n"

static void set_limit(rlim_t limit) {
  struct rlimit r;
  REQUIRE(getrlimit(RLIMIT_NOFILE, &r) == 0);
  r.rlim_cur = limit;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &r) == 0);
}

/* Opens what there is to open; the number of descriptors in `plug`. */
static int use_up(int plug[64], int *highest) {
  int plugs = 0;
  *highest = open("/dev/null", O_RDONLY | O_CLOEXEC);
  REQUIRE(*highest > 0);
  set_limit((rlim_t)*highest + 1);
  /* holes below the limit would do for an accept */
  for (int fd; plugs < 64 && (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) plug[plugs++] = fd;
  CHECK(errno == EMFILE && plugs < 64);
  return plugs;
}

static void raw_connect_6(struct raw *raw, wsock_loop *loop, uint16_t port) {
  struct sockaddr_in6 a;
  memset(&a, 0, sizeof a);
  a.sin6_family = AF_INET6;
  a.sin6_port = htons(port);
  a.sin6_addr = in6addr_loopback;
  int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
  raw_start(raw, loop, fd);
}
static int has_ipv6(void) {
  struct sockaddr_in6 a;
  memset(&a, 0, sizeof a);
  a.sin6_family = AF_INET6;
  a.sin6_addr = in6addr_loopback;
  int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int works = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0;
  if (fd >= 0) close(fd);
  return works;
}
static void connect_either(struct raw *raw, wsock_loop *loop, uint16_t port, int i) {
  if (i % 2) raw_connect_6(raw, loop, port);
  else raw_connect(raw, loop, port);
}
static void two_listeners(void) {
  struct raw raw[WAITING];
  struct srv srv = {0};
  struct rlimit before;
  int plug[64], highest;
  section("a server of both protocols");
  if (!has_ipv6()) {
    fprintf(stderr, "skipped: there is no IPv6 here\n");
    return;
  }
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  wsock_loop *loop = new_loop();
  wsock_handlers h = srv_handlers();
  REQUIRE(wsock_listen(loop, "localhost", 0, NULL, &h, &srv, &srv.server) == WSOCK_OK);
  srv.port = wsock_server_port(srv.server);
  for (int i = 0; i < WAITING; i++) connect_either(&raw[i], loop, srv.port, i);
  int plugs = use_up(plug, &highest);
  PUMP_UNTIL(loop, server_stats(srv.server).accept_errors > 0);
  pump_for(loop, 120);
  CHECK_INT(server_stats(srv.server).accepted, 0);
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
  for (int i = 0; i < plugs; i++) close(plug[i]);
  close(highest);
  section("both accept again, who waited and who comes now");
  for (int round = 0; round < 2; round++)
    for (int i = 0; i < WAITING; i++) {
      if (round || check_is_slow()) { /* valgrind keeps the limit by closing what the kernel had accepted */
        raw_close(&raw[i]);
        connect_either(&raw[i], loop, srv.port, i);
      }
      raw_text(&raw[i], REQUEST);
      CHECKF(strncmp(raw_head(&raw[i]), "HTTP/1.1 101", 12) == 0, "round %d, client %d of IPv%d", round, i, i % 2 ? 6 : 4);
    }
  PUMP_UNTIL(loop, srv.count == 2 * WAITING);
  for (int i = 0; i < WAITING; i++) raw_close(&raw[i]);
  free_loop(loop);
  srv_free(&srv);
}

static int told;
static void count_errors(wsock_loop *loop, int32_t level, const char *target, const char *message, void *user_data) {
  (void)loop, (void)user_data;
  CHECK_INT(level, WSOCK_LOG_ERROR);
  CHECK_STR(target, "server");
  CHECKF(strstr(message, ": accepting failed and is put off for 50 ms: ") != NULL, "%s", message);
  told++;
}

int main(void) {
  struct pair pair;
  struct raw raw[WAITING];
  struct rlimit before;
  int plug[64], highest;
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  pair_open(&pair, NULL, NULL);
  pair_echo(&pair);
  CHECK_STATUS(wsock_loop_set_log(pair.loop, WSOCK_LOG_ERROR, count_errors, NULL, NULL), WSOCK_OK);

  section("no descriptor left, connections waiting");
  for (int i = 0; i < WAITING; i++) raw_connect(&raw[i], pair.loop, pair.srv.port); /* in the kernel's queue: not polled yet */
  int plugs = use_up(plug, &highest);
  PUMP_UNTIL(pair.loop, server_stats(pair.srv.server).accept_errors > 0);
  pump_for(pair.loop, 300);
  uint64_t errors = server_stats(pair.srv.server).accept_errors;
  CHECKF(errors >= 1 && errors < 100, "%llu attempts in 300 ms", (unsigned long long)errors);
  CHECK_INT(server_stats(pair.srv.server).accepted, 1);
  CHECKF(told == 1, "the log was told %d times", told);

  section("the open connection goes on");
  pair_echo(&pair);

  section("an own connect is refused or fails, with the reason");
  struct rec client = {0};
  wsock_handlers h = rec_handlers();
  wsock_conn *conn = NULL;
  wsock_status status = wsock_connect(pair.loop, url_of(pair.srv.port, "/"), NULL, &h, &client, &conn);
  if (status == WSOCK_OK) {
    PUMP_UNTIL(pair.loop, client.releases);
    CHECK_ENDED(&client);
    CHECK_INT(client.error.os_error, EMFILE);
  } else {
    CHECK_REFUSED(status, WSOCK_ERR_SYSTEM);
    CHECK_INT(last_error().os_error, EMFILE);
    CHECK(client.releases == 0 && conn == NULL);
  }
  section("a loop and a listener are refused, with the reason");
  wsock_loop *loop = (void *)0x51;
  wsock_server *server = (void *)0x51;
  CHECK_REFUSED(wsock_loop_new(&loop), WSOCK_ERR_SYSTEM);
  CHECK_INT(last_error().os_error, EMFILE);
  CHECK_REFUSED(wsock_listen(pair.loop, "127.0.0.1", 0, NULL, &h, NULL, &server), WSOCK_ERR_SYSTEM);
  CHECK_INT(last_error().os_error, EMFILE);
  CHECK(loop == (void *)0x51 && server == (void *)0x51);

  section("descriptors again: everybody who waited is served");
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
  for (int i = 0; i < plugs; i++) close(plug[i]);
  close(highest);
  for (int i = 0; i < WAITING; i++) {
    if (check_is_slow()) { /* valgrind keeps the limit by closing what the kernel had accepted */
      raw_close(&raw[i]);
      raw_connect(&raw[i], pair.loop, pair.srv.port);
    }
    raw_text(&raw[i], REQUEST);
    CHECK(strncmp(raw_head(&raw[i]), "HTTP/1.1 101", 12) == 0);
  }
  PUMP_UNTIL(pair.loop, pair.srv.count == 1 + WAITING);
  CHECK_INT(server_stats(pair.srv.server).opened, 1 + WAITING);
  /* valgrind may have left somebody waiting who has been replaced since */
  uint64_t accepted = server_stats(pair.srv.server).accepted;
  CHECKF(accepted == 1 + WAITING || (check_is_slow() && accepted > 1 + WAITING), "accepted %d", (int)accepted);
  pair_echo(&pair);
  for (int i = 0; i < WAITING; i++) raw_close(&raw[i]);
  pair_free(&pair);
  two_listeners();
  return check_end();
}
