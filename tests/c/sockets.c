/* Sockets of every kind: Unix domain sockets, descriptors of the program's own, sockets that a service
   manager has opened, shared ports, and the options of the sockets themselves. */
#include "raw.h"

#include <pthread.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define UPGRADE "GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " RAW_KEY "\r\n\r\n"

static wsock_status try_listen(struct srv *srv, wsock_loop *loop, const char *host, const wsock_options *options) {
  wsock_handlers h = srv_handlers();
  return wsock_listen(loop, host, 0, options, &h, srv, &srv->server);
}
static wsock_status try_listen_fd(struct srv *srv, wsock_loop *loop, int fd) {
  wsock_handlers h = srv_handlers();
  return wsock_listen_fd(loop, fd, NULL, &h, srv, &srv->server);
}
/* Closes the server; what it listened on is gone when this returns. */
static void close_server(struct srv *srv, wsock_loop *loop) {
  CHECK_STATUS(wsock_server_close(srv->server, 0, 1001, NULL), WSOCK_OK);
  PUMP_UNTIL(loop, srv->releases == 1);
  srv_free(srv);
  memset(srv, 0, sizeof *srv);
}

/* "@name" is one without a file. */
static socklen_t unix_address(struct sockaddr_un *a, const char *name) {
  size_t n = strlen(name);
  memset(a, 0, sizeof *a);
  a->sun_family = AF_UNIX;
  REQUIRE(n < sizeof a->sun_path);
  memcpy(a->sun_path, name, n);
  if (name[0] != '@') return sizeof *a;
  a->sun_path[0] = 0;
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}
static int unix_listen(const char *name) {
  struct sockaddr_un a;
  socklen_t len = unix_address(&a, name);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  REQUIRE(fd >= 0 && bind(fd, (struct sockaddr *)&a, len) == 0 && listen(fd, 8) == 0);
  return fd;
}
static void unix_connect(struct raw *raw, wsock_loop *loop, const char *name) {
  struct sockaddr_un a;
  socklen_t len = unix_address(&a, name);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(fd >= 0 && connect(fd, (struct sockaddr *)&a, len) == 0);
  raw_start(raw, loop, fd);
}
/* Both ends of a connection. */
static void unix_pair(int fd[2]) { REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0); }
static void tcp_pair(int fd[2]) {
  uint16_t port;
  int listener = raw_listen(&port, 1);
  struct sockaddr_in a = loopback(port);
  REQUIRE((fd[1] = socket(AF_INET, SOCK_STREAM, 0)) >= 0 && connect(fd[1], (struct sockaddr *)&a, sizeof a) == 0);
  REQUIRE((fd[0] = accept(listener, NULL, NULL)) >= 0);
  close(listener);
}

/* From the answer to the handshake on, one message there and back. */
static void echo_on(struct raw *raw) {
  static struct frame frame;
  const char *head = raw_head(raw);
  CHECKF(strncmp(head, "HTTP/1.1 101 ", 13) == 0, "%.60s", head);
  raw_frame(raw, 0x81, 1, "around", 6);
  CHECK(raw_next(raw, &frame) && frame.first == 0x81 && frame.len == 6 && memcmp(frame.data, "around", 6) == 0);
}
static const char *conn_text(const struct srv *srv, int32_t what) {
  REQUIRE(srv->count > 0);
  return wsock_conn_get_str(srv->conn[srv->count - 1]->conn, what, NULL);
}

static char directory[] = "/tmp/wsock-sockets-XXXXXX";
static const char *in_directory(const char *prefix, const char *name) {
  static char path[4][200];
  static int next;
  char *text = path[next++ % 4];
  snprintf(text, sizeof path[0], "%s%s/%s", prefix, directory, name);
  return text;
}

static void unix_paths(void) {
  const char *path = in_directory("", "socket"), *host = in_directory("unix:", "socket");
  struct srv srv = {0}, second = {0};
  struct raw raw;
  struct stat file;
  char text[300];
  wsock_loop *loop = new_loop();
  wsock_options *options = option(new_options(), WSOCK_OPT_UNIX_MODE, 0600);

  section("a Unix socket with a path");
  REQUIRE(try_listen(&srv, loop, host, options) == WSOCK_OK);
  srv.echo = 1;
  CHECK_INT(wsock_server_port(srv.server), 0);
  CHECK(stat(path, &file) == 0 && S_ISSOCK(file.st_mode) && (file.st_mode & 0777) == 0600);
  unix_connect(&raw, loop, path);
  raw_text(&raw, UPGRADE);
  echo_on(&raw);
  CHECK_STR(conn_text(&srv, WSOCK_CONN_PEER_ADDRESS), "unix:");
  CHECK_STR(conn_text(&srv, WSOCK_CONN_LOCAL_ADDRESS), host);

  section("the path of somebody who listens");
  CHECK_REFUSED(try_listen(&second, loop, host, NULL), WSOCK_ERR_SYSTEM);
  CHECK_INT(last_error().os_error, EADDRINUSE);
  raw_frame(&raw, 0x89, 1, "", 0);
  raw_close(&raw);

  section("the file goes with the server");
  close_server(&srv, loop);
  CHECK(stat(path, &file) < 0 && errno == ENOENT);

  section("the file of a server that has ended is replaced");
  close(unix_listen(path));
  CHECK(stat(path, &file) == 0);
  CHECK_STATUS(try_listen(&srv, loop, host, NULL), WSOCK_OK);
  unix_connect(&raw, loop, path);
  raw_close(&raw);

  section("a file that is another's by now stays");
  REQUIRE(unlink(path) == 0);
  int other = unix_listen(path);
  close_server(&srv, loop);
  CHECK(stat(path, &file) == 0);
  close(other);
  REQUIRE(unlink(path) == 0);

  section("a file that is no socket stays");
  FILE *precious = fopen(path, "w");
  REQUIRE(precious && fputs("precious", precious) >= 0 && fclose(precious) == 0);
  CHECK_REFUSED(try_listen(&srv, loop, host, NULL), WSOCK_ERR_SYSTEM);
  CHECK(stat(path, &file) == 0 && file.st_size == 8);
  REQUIRE(unlink(path) == 0);

  section("freeing the loop removes the file, too");
  CHECK_STATUS(try_listen(&srv, loop, host, NULL), WSOCK_OK);
  free_loop(loop);
  CHECK_INT(srv.releases, 1);
  CHECK(stat(path, &file) < 0 && errno == ENOENT);

  section("paths that cannot be");
  loop = new_loop();
  snprintf(text, sizeof text, "unix:/%0107d", 0);
  static const char *const bad[] = {"unix:", "unix:@"};
  for (size_t i = 0; i < COUNT(bad); i++) CHECK_REFUSED(try_listen(&srv, loop, bad[i], NULL), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(try_listen(&srv, loop, text, NULL), WSOCK_ERR_INVALID_ARGUMENT);
  CHECKF(strstr(last_text(), "107"), "%s", last_text());
  CHECK_REFUSED(try_listen(&srv, loop, in_directory("unix:", "no/such/directory"), NULL), WSOCK_ERR_SYSTEM);
  CHECK_REFUSED(wsock_listen(loop, host, 80, NULL, NULL, NULL, &srv.server), WSOCK_ERR_INVALID_ARGUMENT);

  section("a Unix socket without a path");
  memset(&srv, 0, sizeof srv);
  srv.echo = 1;
  snprintf(text, sizeof text, "unix:@wsock-sockets-%d", (int)getpid());
  CHECK_STATUS(try_listen(&srv, loop, text, NULL), WSOCK_OK);
  CHECK_REFUSED(try_listen(&second, loop, text, NULL), WSOCK_ERR_SYSTEM);
  unix_connect(&raw, loop, text + 5);
  raw_text(&raw, UPGRADE);
  echo_on(&raw);
  CHECK_STR(conn_text(&srv, WSOCK_CONN_LOCAL_ADDRESS), text);
  raw_close(&raw);
  wsock_options_free(options);
  free_loop(loop);
  srv_free(&srv);
}

/* What a descriptor must still be after a refusal. */
static void check_untouched(int fd, int flags, int descriptor_flags) {
  CHECKF(fcntl(fd, F_GETFL) == flags, "descriptor %d", fd);
  CHECKF(fcntl(fd, F_GETFD) == descriptor_flags, "descriptor %d", fd);
}
static int is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

static void own_listeners(void) {
  struct srv srv = {0};
  struct raw raw;
  uint16_t port;
  int pair[2];
  wsock_loop *loop = new_loop();

  section("a TCP listener of the program's own");
  int fd = raw_listen(&port, 8);
  REQUIRE(fcntl(fd, F_SETFL, 0) == 0 && fcntl(fd, F_SETFD, 0) == 0);
  CHECK_STATUS(try_listen_fd(&srv, loop, fd), WSOCK_OK);
  CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC && (fcntl(fd, F_GETFL) & O_NONBLOCK));
  CHECK_INT(wsock_server_port(srv.server), port);
  srv.echo = 1;
  raw_connect(&raw, loop, port);
  raw_text(&raw, UPGRADE);
  echo_on(&raw);
  raw_close(&raw);
  close_server(&srv, loop);
  CHECK(!is_open(fd));

  section("a Unix listener of the program's own, whose file stays");
  const char *path = in_directory("", "inherited");
  fd = unix_listen(path);
  CHECK_STATUS(try_listen_fd(&srv, loop, fd), WSOCK_OK);
  CHECK_INT(wsock_server_port(srv.server), 0);
  srv.echo = 1;
  unix_connect(&raw, loop, path);
  raw_text(&raw, UPGRADE);
  echo_on(&raw);
  raw_close(&raw);
  close_server(&srv, loop);
  CHECK(!is_open(fd) && unlink(path) == 0);

  section("descriptors that are no listeners");
  tcp_pair(pair);
  int refused[] = {pair[0], socket(AF_INET, SOCK_STREAM, 0), socket(AF_INET, SOCK_DGRAM, 0), socket(AF_UNIX, SOCK_DGRAM, 0), STDIN_FILENO};
  for (size_t i = 0; i < COUNT(refused); i++) {
    int flags = fcntl(refused[i], F_GETFL), descriptor_flags = fcntl(refused[i], F_GETFD);
    CHECK_REFUSED(try_listen_fd(&srv, loop, refused[i]), WSOCK_ERR_INVALID_ARGUMENT);
    check_untouched(refused[i], flags, descriptor_flags);
    if (refused[i] != STDIN_FILENO) close(refused[i]);
  }
  close(pair[1]);
  CHECK_REFUSED(try_listen_fd(&srv, loop, -1), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(try_listen_fd(&srv, loop, 1000000), WSOCK_ERR_INVALID_ARGUMENT);

  section("a listener that other arguments are refused with");
  wsock_handlers bad = {0};
  wsock_server *server = NULL;
  fd = unix_listen(path);
  int flags = fcntl(fd, F_GETFL), descriptor_flags = fcntl(fd, F_GETFD);
  CHECK_REFUSED(wsock_listen_fd(loop, fd, NULL, &bad, NULL, &server), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_listen_fd(loop, fd, NULL, NULL, NULL, NULL), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK(server == NULL);
  check_untouched(fd, flags, descriptor_flags);
  CHECK(close(fd) == 0 && unlink(path) == 0);
  free_loop(loop);
}

/* In a process of its own: the descriptors 3 to 5 listen, and the environment says so. */
static int started_by_manager(const char *told) {
  struct srv all = {0}, some = {0};
  struct raw raw;
  uint16_t port = (uint16_t)atoi(told);
  wsock_loop *loop = new_loop();

  section("sockets of a service manager, by name");
  all.echo = some.echo = 1;
  CHECK_REFUSED(try_listen(&some, loop, "systemd:mail", NULL), WSOCK_ERR_SYSTEM);
  CHECK(strstr(last_text(), "LISTEN_FDNAMES") != NULL);
  CHECK_REFUSED(wsock_listen(loop, "systemd", 80, NULL, NULL, NULL, &some.server), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(try_listen(&some, loop, "systemd:web", NULL), WSOCK_OK);
  CHECK_INT(wsock_server_port(some.server), port);
  CHECK(fcntl(3, F_GETFD) == FD_CLOEXEC && fcntl(5, F_GETFD) == 0);
  raw_connect(&raw, loop, port);
  raw_text(&raw, UPGRADE);
  echo_on(&raw);
  raw_close(&raw);

  section("each is taken once");
  CHECK_REFUSED(try_listen(&all, loop, "systemd:web", NULL), WSOCK_ERR_SYSTEM);
  CHECK(strstr(last_text(), "taken") != NULL);

  section("all that are left");
  CHECK_REFUSED(try_listen(&all, loop, "systemd", NULL), WSOCK_ERR_INVALID_ARGUMENT); /* 5 is no listener */
  CHECK(fcntl(4, F_GETFD) == 0 && (fcntl(4, F_GETFL) & O_NONBLOCK) == 0);
  REQUIRE(dup2(4, 5) == 5);
  CHECK_STATUS(try_listen(&all, loop, "systemd", NULL), WSOCK_OK);
  CHECK_INT(wsock_server_port(all.server), 0);
  unix_connect(&raw, loop, getenv("WSOCK_TEST_PATH"));
  raw_text(&raw, UPGRADE);
  echo_on(&raw);
  raw_close(&raw);
  CHECK_REFUSED(try_listen(&some, loop, "systemd", NULL), WSOCK_ERR_SYSTEM);
  CHECK(getenv("LISTEN_FDS") && getenv("LISTEN_PID"));

  section("their end closes the descriptors");
  close_server(&all, loop);
  close_server(&some, loop);
  CHECK(!is_open(3) && !is_open(4) && !is_open(5));
  CHECK(access(getenv("WSOCK_TEST_PATH"), F_OK) == 0);
  free_loop(loop);
  return check_end();
}

static void service_manager(char *program) {
  const char *path = in_directory("", "activated");
  char told[8], pid[12];
  struct srv srv = {0};
  uint16_t port;
  int status = -1;
  wsock_loop *loop = new_loop();

  section("no sockets of a service manager");
  unsetenv("LISTEN_PID");
  CHECK_REFUSED(try_listen(&srv, loop, "systemd", NULL), WSOCK_ERR_SYSTEM);
  CHECK(strstr(last_text(), "LISTEN_PID") != NULL);
  setenv("LISTEN_PID", "1", 1);
  setenv("LISTEN_FDS", "1", 1);
  CHECK_REFUSED(try_listen(&srv, loop, "systemd", NULL), WSOCK_ERR_SYSTEM);
  CHECK(strstr(last_text(), "LISTEN_PID") != NULL);
  unsetenv("LISTEN_PID");
  unsetenv("LISTEN_FDS");
  CHECK_REFUSED(try_listen(&srv, loop, "systemdx", NULL), WSOCK_ERR_INVALID_ARGUMENT);
  free_loop(loop);

  section("sockets of a service manager, in another process");
  int tcp = raw_listen(&port, 8), local = unix_listen(path), idle = socket(AF_INET, SOCK_STREAM, 0);
  snprintf(told, sizeof told, "%u", (unsigned)port);
  pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    int high[3] = {fcntl(tcp, F_DUPFD, 10), fcntl(local, F_DUPFD, 10), fcntl(idle, F_DUPFD, 10)};
    for (int i = 0; i < 3; i++)
      if (high[i] < 0 || dup2(high[i], 3 + i) < 0 || close(high[i]) < 0) _exit(90);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "3", 1);
    setenv("LISTEN_FDNAMES", "web:local:odd", 1);
    setenv("WSOCK_TEST_PATH", path, 1);
    execl(program, program, "started", told, (char *)NULL);
    _exit(91);
  }
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK_INT(WEXITSTATUS(status), 0);
  close(tcp);
  close(local);
  close(idle);
  unlink(path);
}

static void server_adopts(void) {
  static struct frame frame;
  struct srv srv = {0};
  struct raw raw;
  int pair[2];
  wsock_loop *loop = new_loop();
  wsock_options *options = option(option(new_options(), WSOCK_OPT_TCP_KEEPALIVE_S, 61), WSOCK_OPT_TCP_KEEPALIVE_COUNT, 5);
  srv.echo = 1;
  srv_listen(&srv, loop, options);
  size_t whole = strlen(UPGRADE), cuts[] = {0, 1, 20, strlen(UPGRADE) - 1, strlen(UPGRADE)};

  for (int tcp = 0; tcp < 2; tcp++) {
    section(tcp ? "a server takes a TCP connection of which so much has been read" : "a server takes a Unix connection of which so much has been read");
    for (size_t i = 0; i < COUNT(cuts); i++) {
      tcp ? tcp_pair(pair) : unix_pair(pair);
      int copy = dup(pair[0]);
      raw_start(&raw, loop, pair[1]);
      CHECK_STATUS(wsock_server_adopt(srv.server, pair[0], cuts[i] ? UPGRADE : NULL, cuts[i]), WSOCK_OK);
      CHECK_INT(wsock_loop_timeout_ms(loop), 0);
      CHECK((fcntl(copy, F_GETFL) & O_NONBLOCK) && fcntl(pair[0], F_GETFD) == FD_CLOEXEC);
      if (tcp) {
        int on = 0, idle = 0, interval = 0, count = 0, nodelay = 0;
        socklen_t n = sizeof(int);
        REQUIRE(getsockopt(copy, SOL_SOCKET, SO_KEEPALIVE, &on, &n) == 0 && getsockopt(copy, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &n) == 0);
        REQUIRE(getsockopt(copy, IPPROTO_TCP, TCP_KEEPINTVL, &interval, &n) == 0 && getsockopt(copy, IPPROTO_TCP, TCP_KEEPCNT, &count, &n) == 0);
        REQUIRE(getsockopt(copy, IPPROTO_TCP, TCP_NODELAY, &nodelay, &n) == 0);
        CHECK(on && idle == 61 && interval == 15 && count == 5 && nodelay);
      }
      close(copy);
      raw_send(&raw, UPGRADE + cuts[i], whole - cuts[i]);
      echo_on(&raw);
      CHECK(strncmp(conn_text(&srv, WSOCK_CONN_PEER_ADDRESS), tcp ? "127.0.0.1:" : "unix:", tcp ? 10 : 5) == 0);
      CHECK_STR(conn_text(&srv, WSOCK_CONN_URL), "ws://a.example/");
      raw_close_frame(&raw, 1, 1000, "");
      RAW_UNTIL(&raw, raw.eof || raw.reset);
      PUMP_UNTIL(loop, srv.conn[srv.count - 1]->closes);
      CHECK(!is_open(pair[0]));
      raw_close(&raw);
    }
  }
  wsock_server_stats stats = server_stats(srv.server);
  CHECK(stats.accepted == 2 * COUNT(cuts) && stats.opened == stats.accepted && stats.connections == 0);

  section("a message that came with the handshake");
  unsigned char both[1000];
  static const unsigned char text[] = {0x81, 0x82, 0, 0, 0, 0, 'h', 'i'};
  memcpy(both, UPGRADE, whole);
  memcpy(both + whole, text, sizeof text);
  unix_pair(pair);
  raw_start(&raw, loop, pair[1]);
  CHECK_STATUS(wsock_server_adopt(srv.server, pair[0], both, whole + sizeof text), WSOCK_OK);
  CHECK(strncmp(raw_head(&raw), "HTTP/1.1 101 ", 13) == 0);
  CHECK(raw_next(&raw, &frame) && frame.len == 2 && memcmp(frame.data, "hi", 2) == 0);
  raw_close(&raw);

  section("adopted and silent: the handshake still has its time");
  struct srv hasty = {0};
  wsock_options *quick = option(new_options(), WSOCK_OPT_HANDSHAKE_TIMEOUT_MS, 50);
  srv_listen(&hasty, loop, quick);
  unix_pair(pair);
  raw_start(&raw, loop, pair[1]);
  CHECK_STATUS(wsock_server_adopt(hasty.server, pair[0], "GET", 3), WSOCK_OK);
  RAW_UNTIL(&raw, raw.eof || raw.reset);
  CHECK_INT(server_stats(hasty.server).handshake_timeouts, 1);
  raw_close(&raw);

  section("descriptors that are no connections");
  uint16_t port;
  int refused[] = {raw_listen(&port, 1), socket(AF_INET, SOCK_STREAM, 0), socket(AF_INET, SOCK_DGRAM, 0), STDIN_FILENO};
  for (size_t i = 0; i < COUNT(refused); i++) {
    int flags = fcntl(refused[i], F_GETFL), descriptor_flags = fcntl(refused[i], F_GETFD);
    CHECK_REFUSED(wsock_server_adopt(srv.server, refused[i], NULL, 0), WSOCK_ERR_INVALID_ARGUMENT);
    check_untouched(refused[i], flags, descriptor_flags);
    if (refused[i] != STDIN_FILENO) close(refused[i]);
  }
  CHECK_REFUSED(wsock_server_adopt(srv.server, -1, NULL, 0), WSOCK_ERR_INVALID_ARGUMENT);
  unix_pair(pair);
  CHECK_REFUSED(wsock_server_adopt(srv.server, pair[0], NULL, 3), WSOCK_ERR_INVALID_ARGUMENT);

  section("a server that is closing takes none");
  raw_start(&raw, loop, dup(pair[1]));
  CHECK_STATUS(wsock_server_adopt(srv.server, dup(pair[0]), UPGRADE, whole), WSOCK_OK);
  RAW_UNTIL(&raw, raw.len > 0);
  CHECK_STATUS(wsock_server_close(srv.server, 0, 1001, NULL), WSOCK_OK);
  CHECK_REFUSED(wsock_server_adopt(srv.server, pair[0], NULL, 0), WSOCK_ERR_STATE);
  CHECK(is_open(pair[0]));
  close(pair[0]);
  close(pair[1]);
  raw_close(&raw);
  wsock_options_free(options);
  wsock_options_free(quick);
  free_loop(loop);
  srv_free(&srv);
}

static wsock_status try_connect_fd(struct rec *rec, wsock_loop *loop, int fd, const char *url, const char *read) {
  wsock_handlers h = rec_handlers();
  return wsock_connect_fd(loop, fd, url, NULL, &h, rec, read, strlen(read), &rec->conn);
}

static void client_adopts(void) {
  static struct frame frame;
  static const char begun[] = "HTTP/1.1 101 Swit";
  struct raw raw;
  int pair[2];
  wsock_loop *loop = new_loop();
  for (int i = 0; i < 4; i++) {
    struct rec client = {0};
    char accept[29], response[500];
    int read = i & 1, tcp = i & 2;
    section(read ? "a client on a connection of which something has been read" : "a client on a connection of the program's own");
    tcp ? tcp_pair(pair) : unix_pair(pair);
    raw_start(&raw, loop, pair[1]);
    CHECK_STATUS(try_connect_fd(&client, loop, pair[0], "ws://a.example:81/chat?x", read ? begun : ""), WSOCK_OK);
    CHECK_STR(wsock_conn_get_str(client.conn, WSOCK_CONN_URL, NULL), "ws://a.example:81/chat?x");
    CHECK(fcntl(pair[0], F_GETFD) == FD_CLOEXEC && (fcntl(pair[0], F_GETFL) & O_NONBLOCK));
    CHECK(client.opens == 0 && client.errors == 0);
    const char *head = raw_head(&raw);
    CHECKF(strncmp(head, "GET /chat?x HTTP/1.1\r\n", 22) == 0, "%.60s", head);
    CHECK_STR(head_value(head, "Host"), "a.example:81");
    raw_accept_value(head_value(head, "Sec-WebSocket-Key"), accept);
    snprintf(response, sizeof response, "%sching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", begun, accept);
    raw_text(&raw, read ? response + strlen(begun) : response);
    PUMP_UNTIL(loop, client.opens);
    CHECK_STATUS(wsock_conn_send_text(client.conn, "up", 2), WSOCK_OK);
    CHECK(raw_next(&raw, &frame) && frame.masked && frame.len == 2);
    raw_frame(&raw, 0x81, 0, "down", 4);
    PUMP_UNTIL(loop, client.messages == 1);
    raw_close_frame(&raw, 0, 1000, "");
    CHECK_INT(raw_close_code(&raw), 1000);
    raw_close(&raw);
    PUMP_UNTIL(loop, client.releases);
    CHECK(!is_open(pair[0]) && client.close.was_clean);
    CHECK_ENDED(&client);
    rec_free(&client);
  }

  section("an answer that was there before the question");
  struct rec early = {0};
  unix_pair(pair);
  CHECK_STATUS(try_connect_fd(&early, loop, pair[0], "ws://a.example/", "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"), WSOCK_OK);
  CHECK_INT(wsock_loop_timeout_ms(loop), 0);
  PUMP_UNTIL(loop, early.releases);
  CHECK(early.error.code == WSOCK_ERR_HTTP_STATUS && early.error.http_status == 403);
  close(pair[1]);

  section("what a client is refused leaves the descriptor alone");
  struct rec none = {0};
  uint16_t port;
  unix_pair(pair);
  int flags = fcntl(pair[0], F_GETFL), descriptor_flags = fcntl(pair[0], F_GETFD), listener = raw_listen(&port, 1);
  CHECK_REFUSED(try_connect_fd(&none, loop, pair[0], "no url", ""), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(try_connect_fd(&none, loop, listener, "ws://a.example/", ""), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(try_connect_fd(&none, loop, STDIN_FILENO, "ws://a.example/", ""), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(try_connect_fd(&none, loop, -1, "ws://a.example/", ""), WSOCK_ERR_INVALID_ARGUMENT);
  check_untouched(pair[0], flags, descriptor_flags);
  CHECK(none.conn == NULL && none.releases == 0 && is_open(listener));
  close(pair[0]);
  close(pair[1]);
  close(listener);
  free_loop(loop);
}

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

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "started") == 0) return started_by_manager(argv[2]);
  REQUIRE(mkdtemp(directory) != NULL);
  unix_paths();
  own_listeners();
  service_manager(argv[0]);
  server_adopts();
  client_adopts();
  shared_ports();
  socket_options();
  CHECK(rmdir(directory) == 0);
  return check_end();
}
