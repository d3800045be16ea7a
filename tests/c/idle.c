/* Ten thousand connections on one loop: all open, all silent, all alive when they speak, all closed in
   good order, half of them by their peers and half by the server. The peers are plain blocking sockets
   in a process of their own, so that neither process needs more than 10,000 and some descriptors. */
#include "raw.h"

#include <sys/resource.h>
#include <sys/wait.h>

#define WANTED 10000
#define BATCH 100 /* handshakes on the way at a time */
#define SPARE 100 /* descriptors for everything else */
#define MOST 384 /* bytes of memory for each: 250 and something in a release build */
#define ONCE (2 << 20) /* and for what the first of them need: buffers, code that had not been read yet */

static int connections;
static int opens, messages, by_peer, by_us, others;
static int peers[WANTED];

static int how_many(void) {
  struct rlimit r;
  REQUIRE(getrlimit(RLIMIT_NOFILE, &r) == 0);
  r.rlim_cur = r.rlim_max;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &r) == 0);
  if (check_is_slow()) {
    fprintf(stderr, "only %d connections, since everything is slow here\n", WANTED / 10);
    return WANTED / 10;
  }
  if (r.rlim_max >= WANTED + SPARE) return WANTED;
  fprintf(stderr, "only %d connections: a process may have no more than %d descriptors here\n",
          (int)r.rlim_max - SPARE, (int)r.rlim_max);
  REQUIRE(r.rlim_max > 2 * SPARE);
  return (int)r.rlim_max - SPARE;
}

/* The peers. The two processes go step by step: a byte says that a step is done. */
static void done(int pipe) { REQUIRE(write(pipe, "+", 1) == 1); }
static void await(int pipe) {
  char byte;
  REQUIRE(read(pipe, &byte, 1) == 1);
}
static void put(int i, const void *data, size_t len) {
  REQUIRE(send(peers[i], data, len, MSG_NOSIGNAL) == (ssize_t)len);
}
/* Exactly these bytes, or with len 0 the end of the stream. */
static int takes(int i, const void *expected, size_t len) {
  char data[64];
  ssize_t n = recv(peers[i], data, len ? len : 1, MSG_WAITALL);
  return n == (ssize_t)len && memcmp(data, expected, len) == 0;
}
static void shake_hands(int i) {
  char head[1024];
  size_t len = 0;
  while (len < 4 || memcmp(head + len - 4, "\r\n\r\n", 4) != 0) {
    ssize_t n = recv(peers[i], head + len, sizeof head - len, 0);
    REQUIRE(n > 0);
    len += (size_t)n;
  }
  REQUIRE(memcmp(head, "HTTP/1.1 101 ", 13) == 0);
}
static void open_all(uint16_t port) {
  static const char request[] =
      "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " RAW_KEY "\r\n\r\n";
  struct sockaddr_in address = loopback(port);
  struct timeval limit = {patience_ms() / 1000, 0};
  for (int i = 0; i < connections; i++) {
    peers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(peers[i] >= 0 && connect(peers[i], (struct sockaddr *)&address, sizeof address) == 0);
    setsockopt(peers[i], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    put(i, request, sizeof request - 1);
    if (i % BATCH == BATCH - 1 || i == connections - 1)
      for (int k = i - i % BATCH; k <= i; k++) shake_hands(k);
  }
}
static int be_the_peers(uint16_t port, int in, int out) {
  /* Masked with zeros, so that they read as they are. */
  static const char key[] = {0, 0, 0, 0};
  char ping[10] = {(char)0x82, (char)0x84}, pong[6] = {(char)0x82, 4};
  static const char good_bye[] = {(char)0x88, (char)0x82, 0, 0, 0, 0, 1000 >> 8, (char)(1000 & 255)};
  static const char good_bye_back[] = {(char)0x88, 2, 1000 >> 8, (char)(1000 & 255)};
  static const char go_away[] = {(char)0x88, 2, 1001 >> 8, (char)(1001 & 255)};
  static const char gone[] = {(char)0x88, (char)0x82, 0, 0, 0, 0, 1001 >> 8, (char)(1001 & 255)};
  memcpy(ping + 2, key, 4);
  open_all(port);
  done(out), await(in);

  for (int i = 0; i < connections; i++) memcpy(ping + 6, &i, 4), put(i, ping, sizeof ping);
  for (int i = 0; i < connections; i++) {
    memcpy(pong + 2, &i, 4);
    CHECKF(takes(i, pong, sizeof pong), "connection %d", i);
  }
  done(out), await(in);

  for (int i = 0; i < connections; i += 2) put(i, good_bye, sizeof good_bye);
  for (int i = 0; i < connections; i += 2)
    CHECKF(takes(i, good_bye_back, sizeof good_bye_back) && takes(i, "", 0), "connection %d", i);
  done(out), await(in);

  for (int i = 1; i < connections; i += 2) {
    CHECKF(takes(i, go_away, sizeof go_away), "connection %d", i);
    put(i, gone, sizeof gone);
  }
  for (int i = 1; i < connections; i += 2) CHECKF(takes(i, "", 0), "connection %d", i);
  return check_end();
}

/* The server. */
static void on_open(wsock_conn *conn, void *user) { (void)conn, (void)user, opens++; }
static void on_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user) {
  (void)user, messages++;
  CHECK_STATUS(wsock_conn_send(conn, type, data, len, 0), WSOCK_OK);
}
static void on_close(wsock_conn *conn, const wsock_close_info *info, void *user) {
  (void)conn, (void)user;
  if (info->was_clean && info->code == 1000 && info->initiator == WSOCK_BY_PEER) by_peer++;
  else if (info->was_clean && info->code == 1001 && info->initiator == WSOCK_BY_LOCAL) by_us++;
  else others++;
}
/* Resident memory, or 0 where the system does not tell and below tools that have memory of their own. */
static long resident(void) {
  long pages = 0;
  FILE *file = check_is_slow() ? NULL : fopen("/proc/self/statm", "r");
  if (!file) return 0;
  if (fscanf(file, "%*s %ld", &pages) != 1) pages = 0;
  fclose(file);
  return pages * sysconf(_SC_PAGESIZE);
}
static void check_memory(long before) {
  long grown = resident() - before;
  CHECKF(grown <= ONCE + (long)connections * MOST, "%ld bytes for each connection", grown / connections);
}
/* Turns the loop until the peers are done with their step, or gone. */
static void serve(wsock_loop *loop, int pipe) {
  char byte;
  REQUIRE(fcntl(pipe, F_SETFL, O_NONBLOCK) == 0);
  ssize_t n;
  while ((n = read(pipe, &byte, 1)) < 0 && errno == EAGAIN) REQUIRE(wsock_loop_poll(loop, 20) >= 0);
  REQUIRE(n == 1);
}

int main(void) {
  wsock_handlers handlers = {.struct_size = sizeof handlers,
                             .on_open = on_open, .on_message = on_message, .on_close = on_close};
  wsock_options *options;
  wsock_loop *loop;
  wsock_server *server;
  int to_peers[2], from_peers[2], status;
  uint16_t port;
  connections = how_many();

  section("connections open");
  REQUIRE(pipe(to_peers) == 0 && pipe(from_peers) == 0);
  pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    close(to_peers[1]), close(from_peers[0]);
    REQUIRE(read(to_peers[0], &port, sizeof port) == sizeof port);
    return be_the_peers(port, to_peers[0], from_peers[1]);
  }
  close(to_peers[0]), close(from_peers[1]);
  REQUIRE(wsock_loop_new(&loop) == WSOCK_OK && wsock_options_new(&options) == WSOCK_OK);
  /* The last of the peers to answer may be late on a slow machine. */
  REQUIRE(wsock_options_set_int(options, WSOCK_OPT_CLOSE_TIMEOUT_MS, patience_ms()) == WSOCK_OK);
  REQUIRE(wsock_listen(loop, "127.0.0.1", 0, options, &handlers, NULL, &server) == WSOCK_OK);
  wsock_options_free(options);
  port = wsock_server_port(server);
  long before = resident();
  REQUIRE(write(to_peers[1], &port, sizeof port) == sizeof port);
  serve(loop, from_peers[0]);
  CHECK_INT(opens, connections);
  check_memory(before);

  section("silence is no reason to end");
  CHECK_INT(wsock_loop_poll(loop, 500), 0);
  wsock_server_stats stats = server_stats(server);
  CHECK_INT(stats.connections, connections);
  CHECK_INT(stats.handshakes, 0);

  section("each is alive");
  done(to_peers[1]);
  serve(loop, from_peers[0]);
  CHECK_INT(messages, connections);
  check_memory(before);
  CHECK(by_peer == 0 && by_us == 0 && others == 0);

  section("half of the peers close");
  done(to_peers[1]);
  serve(loop, from_peers[0]);
  CHECK_INT(by_peer, (connections + 1) / 2);

  section("the server closes the rest");
  CHECK_STATUS(wsock_server_close(server, 0, 1001, NULL), WSOCK_OK);
  done(to_peers[1]);
  CHECK_STATUS(wsock_loop_run(loop), WSOCK_OK); /* returns when nothing is left */
  CHECK_INT(by_us, connections / 2);
  CHECK_INT(others, 0);
  CHECK_STATUS(wsock_loop_free(loop), WSOCK_OK);

  REQUIRE(waitpid(child, &status, 0) == child);
  CHECKF(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the peers found fault");
  return check_end();
}
