/* A program that forks: the child of a fork leaves the library alone and disturbs nobody; a program
   that is exec'd finds no descriptor of ours. */
#include "raw.h"

#include <signal.h>
#include <sys/wait.h>

/* Run again by itself: how many descriptors above 2 are open. */
static int count_descriptors(void) {
  int n = 0;
  for (int fd = 3; fd < 1024; fd++) n += fcntl(fd, F_GETFD) != -1;
  return n;
}
static int wait_for(pid_t pid) {
  int status = 0;
  REQUIRE(waitpid(pid, &status, 0) == pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}
/* The end of a forked child. valgrind would look for leaks in it, where the threads are gone whose stacks
   hold what they use. */
static void leave(void) {
  if (check_is_slow()) kill(getpid(), SIGKILL);
  _exit(7);
}
static void check_left(pid_t pid) { CHECK_INT(wait_for(pid), check_is_slow() ? 1000 + SIGKILL : 7); }

int main(int argc, char **argv) {
  struct pair pair;
  struct rec waiting = {0}, named = {0};
  uint16_t port;
  char url[64];
  if (argc == 2 && strcmp(argv[1], "count") == 0) _exit(count_descriptors());
  /* what this program was started with is not what is asked here */
  for (int fd = 3; fd < 1024; fd++)
    if (fcntl(fd, F_GETFD) != -1) fcntl(fd, F_SETFD, FD_CLOEXEC);

  section("descriptors of every kind: loop, listener, both ends, one connecting, a name being looked up");
  pair_open(&pair, NULL, NULL);
  int listener = raw_listen(&port, 4);
  connect_to(&waiting, pair.loop, url_of(port, "/"), NULL);
  snprintf(url, sizeof url, "ws://localhost:%u/", (unsigned)port);
  connect_to(&named, pair.loop, url, NULL);
  pair_echo(&pair);
  CHECK(count_descriptors() >= 5);

  section("an exec'd program inherits none of them, and would tell");
  pid_t pid;
  for (int leaks = 0; leaks < 2; leaks++) {
    int leak = leaks ? open("/dev/null", O_RDONLY) : -1;
    pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
      execl(argv[0], argv[0], "count", (char *)NULL);
      _exit(255);
    }
    CHECK_INT(wait_for(pid), leaks);
    if (leaks) close(leak);
  }

  section("a forked child comes and goes while the parent goes on");
  pid = fork();
  REQUIRE(pid >= 0);
  if (pid == 0) leave();
  pair_echo(&pair);
  check_left(pid);
  for (int i = 0; i < 20; i++) pair_echo(&pair);

  section("the parent's poll is not woken by copies that the child holds");
  pid = fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    sleep_ms(200);
    leave();
  }
  CHECK_STATUS(wsock_conn_close(pair.client.conn, 1000, "with a child about"), WSOCK_OK);
  PUMP_UNTIL(pair.loop, pair.client.releases && pair_peer(&pair)->releases);
  CHECK(pair.client.close.was_clean == 1 && pair.client.close.code == 1000);
  check_left(pid);
  close(listener);
  pair_free(&pair);
  CHECK_ENDED(&waiting);
  CHECK_ENDED(&named);
  return check_end();
}
