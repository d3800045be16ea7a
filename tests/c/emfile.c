/* Out of descriptors: accepting backs off without spinning, goes on later, and nobody else notices. */
#include "raw.h"

#include <sys/resource.h>

#define WAITING 8

static void set_limit(rlim_t limit) {
  struct rlimit r;
  REQUIRE(getrlimit(RLIMIT_NOFILE, &r) == 0);
  r.rlim_cur = limit;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &r) == 0);
}

int main(void) {
  struct pair pair;
  struct raw raw[WAITING];
  struct rlimit before;
  int plug[64], plugs = 0;
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  pair_open(&pair, NULL, NULL);
  pair_echo(&pair);

  section("no descriptor left, connections waiting");
  for (int i = 0; i < WAITING; i++) raw_connect(&raw[i], pair.loop, pair.srv.port); /* in the kernel's queue: not polled yet */
  int highest = open("/dev/null", O_RDONLY | O_CLOEXEC);
  REQUIRE(highest > 0);
  set_limit((rlim_t)highest + 1);
  /* holes below the limit would do for an accept */
  for (int fd; plugs < 64 && (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) plug[plugs++] = fd;
  CHECK(errno == EMFILE && plugs < 64);
  PUMP_UNTIL(pair.loop, server_stats(pair.srv.server).accept_errors > 0);
  pump_for(pair.loop, 300);
  uint64_t errors = server_stats(pair.srv.server).accept_errors;
  CHECKF(errors >= 1 && errors < 100, "%llu attempts in 300 ms", (unsigned long long)errors);
  CHECK_INT(server_stats(pair.srv.server).accepted, 1);

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
    raw_text(&raw[i], "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " RAW_KEY "\r\n\r\n");
    CHECK(strncmp(raw_head(&raw[i]), "HTTP/1.1 101", 12) == 0);
  }
  PUMP_UNTIL(pair.loop, pair.srv.count == 1 + WAITING);
  CHECK_INT(server_stats(pair.srv.server).accepted, 1 + WAITING);
  pair_echo(&pair);
  for (int i = 0; i < WAITING; i++) raw_close(&raw[i]);
  pair_free(&pair);
  return check_end();
}
