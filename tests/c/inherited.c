/* Listeners that the library did not open: the program's own, and those that a service manager has opened
   for it. */
#include "sockets.h"

#include <sys/wait.h>

static wsock_status try_listen_fd(struct srv *srv, wsock_loop *loop, int fd) {
  wsock_handlers h = srv_handlers();
  return wsock_listen_fd(loop, fd, NULL, &h, srv, &srv->server);
}

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

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "started") == 0) return started_by_manager(argv[2]);
  REQUIRE(mkdtemp(directory) != NULL);
  own_listeners();
  service_manager(argv[0]);
  CHECK(rmdir(directory) == 0);
  return check_end();
}
