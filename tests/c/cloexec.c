/* A program that is exec'd finds no descriptor of ours, whatever was open. */
#include "certs.h"
#include "child.h"

/* Names those that would be inherited. */
static int count_leaks(void) {
  int n = 0;
  for (int fd = 3; fd < 1024; fd++) {
    int flags = fcntl(fd, F_GETFD);
    if (flags == -1 || flags & FD_CLOEXEC) continue;
    char link[64], what[200] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (readlink(link, what, sizeof what - 1) < 0) what[0] = 0;
    CHECKF(0, "descriptor %d, %s, would be inherited", fd, what);
    n++;
  }
  return n;
}
/* Run again by itself: the exit status is how many descriptors there are. */
static int exec_and_count(const char *program) {
  pid_t pid = fork_child();
  if (pid == 0) {
    execl(program, program, "count", (char *)NULL);
    _exit(255);
  }
  return wait_for(pid);
}

int main(int argc, char **argv) {
  struct pair pair;
  struct rec waiting = {0}, named = {0}, over_unix = {0}, secure = {0}, asking = {0};
  struct srv unix_srv = {0}, tls_srv = {0};
  struct raw raw, adopted;
  uint16_t port, mute;
  char url[64], unix_url[300];
  int fds[2];
  if (argc == 2 && strcmp(argv[1], "count") == 0) _exit(count_descriptors());
  /* what this program was started with is not what is asked here */
  for (int fd = 3; fd < 1024; fd++)
    if (fcntl(fd, F_GETFD) != -1) fcntl(fd, F_SETFD, FD_CLOEXEC);
  REQUIRE(mkdtemp(directory) != NULL);

  section("descriptors of every kind: loop, beacon, listeners, connections over TCP, Unix sockets and TLS");
  pair_open(&pair, NULL, NULL);
  wsock_loop *loop = pair.loop;
  CHECK(wsock_loop_fd(loop) >= 0);
  REQUIRE(try_listen(&unix_srv, loop, in_directory("unix:", "socket"), NULL) == WSOCK_OK);
  unix_srv.echo = 1;
  snprintf(unix_url, sizeof unix_url, "ws+unix:%s/socket:/", directory);
  connect_to(&over_unix, loop, unix_url, NULL);
  wsock_options *server = shows(new_options(), "server"), *client = trusts("ca.pem");
  srv_listen(&tls_srv, loop, server);
  connect_to(&secure, loop, wss("127.0.0.1", tls_srv.port), client);
  PUMP_UNTIL(loop, over_unix.opens && secure.opens && unix_srv.count && tls_srv.count);

  section("a descriptor of the program's, a connection being made, a name being looked up");
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
  raw_start(&adopted, loop, fds[1]);
  REQUIRE(fcntl(fds[1], F_SETFD, FD_CLOEXEC) == 0 && fcntl(fds[0], F_GETFD) == 0);
  CHECK_STATUS(wsock_server_adopt(pair.srv.server, fds[0], NULL, 0), WSOCK_OK);
  int listener = raw_listen(&port, 4), deaf = raw_listen(&mute, 4);
  connect_to(&waiting, loop, url_of(port, "/"), NULL);
  connect_to(&asking, loop, wss("127.0.0.1", mute), client);
  raw_connect(&raw, loop, pair.srv.port);
  pump_for(loop, 20);
  snprintf(url, sizeof url, "ws://localhost:%u/", (unsigned)port);
  connect_to(&named, loop, url, NULL);
  CHECK_INT(count_leaks(), 0);
  CHECK(count_descriptors() >= 20);

  section("an exec'd program inherits none of them, and would tell");
  CHECK_INT(exec_and_count(argv[0]), 0);
  int leak = open("/dev/null", O_RDONLY);
  CHECK_INT(exec_and_count(argv[0]), 1);
  close(leak);

  section("nor those of a loop that came over into a child");
  pid_t pid = fork_child();
  if (pid == 0) {
    CHECK_STATUS(wsock_loop_after_fork(loop), WSOCK_OK);
    pump(loop);
    CHECK(wsock_loop_fd(loop) >= 0);
    CHECK_INT(count_leaks(), 0);
    child_end();
  }
  check_child(pid);
  raw_close(&raw);
  raw_close(&adopted);
  close(listener);
  close(deaf);
  wsock_options_free(server);
  wsock_options_free(client);
  pair_free(&pair);
  CHECK_ENDED(&waiting);
  CHECK_ENDED(&named);
  CHECK_ENDED(&asking);
  CHECK_ENDED(&over_unix);
  CHECK_ENDED(&secure);
  srv_free(&unix_srv);
  srv_free(&tls_srv);
  CHECK(rmdir(directory) == 0);
  return check_end();
}
