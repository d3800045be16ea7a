/* For the programs that fork: a child makes its checks and tells how they went by how it ends. */
#ifndef CHILD_H
#define CHILD_H
#include "sockets.h"

#include <signal.h>
#include <sys/wait.h>

/* Forks; in the child what follows counts anew. */
static inline pid_t fork_child(void) {
  fflush(NULL);
  pid_t pid = fork();
  REQUIRE(pid >= 0);
  if (pid == 0) check_failures = 0;
  return pid;
}
/* The end of a child. valgrind would look for leaks in it, where the threads are gone whose stacks hold what
   they use. */
static inline void child_end(void) {
  if (check_is_slow()) kill(getpid(), check_failures ? SIGTERM : SIGKILL);
  _exit(check_failures ? 1 : 7);
}
static inline int wait_for(pid_t pid) {
  int status = 0;
  REQUIRE(waitpid(pid, &status, 0) == pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}
/* All that the child checked held. */
static inline void check_child(pid_t pid) { CHECK_INT(wait_for(pid), check_is_slow() ? 1000 + SIGKILL : 7); }
/* Whether it has ended, without waiting. */
static inline int has_ended(pid_t pid) {
  siginfo_t info;
  memset(&info, 0, sizeof info);
  REQUIRE(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0);
  return info.si_pid == pid;
}

/* Descriptors above 2 that are open, and those of them that an exec'd program would get. */
static inline int count_descriptors(void) {
  int n = 0;
  for (int fd = 3; fd < 1024; fd++) n += fcntl(fd, F_GETFD) != -1;
  return n;
}
#endif
