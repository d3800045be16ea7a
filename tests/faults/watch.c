/* epoll: what is watched and for what, and the time that passes while nothing happens. */
#include "watch.h"
#include "layer.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MOST 4096

/* By descriptor. A started loop and its visitors never use the same one at the same time. */
static struct {
  int set;                   /* the epoll set that watches it for edges, and 1 more; 0: none */
  int dead;
  struct epoll_event asked;
} known[MOST];

static int64_t ahead_ms;

int layer_is_watched(int fd) { return fd >= 0 && fd < MOST && known[fd].set; }
int layer_is_dead(int fd) { return fd >= 0 && fd < MOST && known[fd].dead; }
int layer_is_file(int fd) {
  struct stat stat;
  return fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode);
}

void layer_raise(int fd) {
  if (!layer_is_watched(fd)) return;
  struct epoll_event asked = known[fd].asked;
  syscall(SYS_epoll_ctl, known[fd].set - 1, EPOLL_CTL_MOD, fd, &asked);
}

void layer_kill(int fd) {
  const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
  if (fd < 0 || fd >= MOST) return;
  known[fd].dead = 1;
  /* For TCP a reset; others have no such thing. */
  if (syscall(SYS_connect, fd, &nowhere, sizeof nowhere) != 0) syscall(SYS_shutdown, fd, SHUT_RDWR);
}

int epoll_ctl(int set, int what, int fd, struct epoll_event *event) {
  uint64_t number = 0;
  if (BY_LIBRARY() && what != EPOLL_CTL_DEL) number = layer_strike(WATCH, "epoll_ctl", fd);
  if (number) return errno = what == EPOLL_CTL_ADD ? PICK(number, ENOMEM, ENOSPC) : PICK(number, ENOMEM), -1;
  int done = (int)syscall(SYS_epoll_ctl, set, what, fd, event);
  if (done == 0 && fd < MOST) {
    int edges = what != EPOLL_CTL_DEL && (event->events & EPOLLET);
    known[fd].set = edges ? set + 1 : 0;
    if (edges) known[fd].asked = *event;
  }
  return done;
}

int close(int fd) {
  if (fd >= 0 && fd < MOST) memset(&known[fd], 0, sizeof known[fd]);
  int closed = (int)syscall(SYS_close, fd);
  uint64_t number = closed == 0 && BY_LIBRARY() ? layer_strike(SET, "close", fd) : 0;
  /* It is closed all the same. */
  if (number) return errno = PICK(number, EINTR, EIO), -1;
  return closed;
}

static int wait_really(int set, struct epoll_event *events, int most, int ms) {
  return (int)syscall(SYS_epoll_pwait, set, events, most, ms, NULL, 0);
}

int epoll_wait(int set, struct epoll_event *events, int most, int ms) {
  if (!BY_LIBRARY()) return wait_really(set, events, most, ms);
  uint64_t number = layer_strike(WAIT, "epoll_wait", set);
  if (number) {
    int error = PICK(number, EINTR, 0, 0);
    if (error) return errno = error, -1;
    most = 1 + (int)(number >> 8 & 1);
  }
  int ready = wait_really(set, events, most, 0);
  if (ready != 0 || ms == 0) return ready;
  int passes = ms < 0 ? 1000 : ms;
  if (layer_threads() > 0) {
    /* What comes from another thread comes when it comes. */
    ready = wait_really(set, events, most, 1);
    if (ready != 0) return ready;
    passes = passes < 20 ? passes : 20;
  }
  layer_pass_ms(passes);
  return 0;
}

int poll(struct pollfd *fds, nfds_t count, int ms) {
  struct timespec limit = {ms / 1000, ms % 1000 * 1000000L};
  uint64_t number = BY_LIBRARY() && ms != 0 ? layer_strike(WAIT, "poll", fds[0].fd) : 0;
  if (number) return errno = PICK(number, EINTR), -1;
  return (int)syscall(SYS_ppoll, fds, count, ms < 0 ? NULL : &limit, NULL, 0);
}

void layer_pass_ms(int ms) { __atomic_add_fetch(&ahead_ms, ms, __ATOMIC_SEQ_CST); }

int clock_gettime(clockid_t clock, struct timespec *time) {
  int told = (int)syscall(SYS_clock_gettime, clock, time);
  if (told == 0 && clock == CLOCK_MONOTONIC && BY_LIBRARY()) {
    int64_t ahead = __atomic_load_n(&ahead_ms, __ATOMIC_SEQ_CST);
    time->tv_sec += ahead / 1000;
    time->tv_nsec += ahead % 1000 * 1000000;
    if (time->tv_nsec >= 1000000000) time->tv_sec++, time->tv_nsec -= 1000000000;
  }
  return told;
}

int64_t layer_now_ms(void) {
  struct timespec time;
  syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000 + time.tv_nsec / 1000000 + __atomic_load_n(&ahead_ms, __ATOMIC_SEQ_CST);
}
