/* Where the library makes something of the system's: descriptors, files, threads, addresses of names. */
#include "layer.h"

#include <errno.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define MAYBE(fault, name, fd, ...)                                  \
  do {                                                               \
    uint64_t number_ = BY_LIBRARY() ? layer_strike(fault, name, fd) : 0; \
    if (number_) return errno = PICK(number_, __VA_ARGS__), -1;      \
  } while (0)

int socket(int family, int type, int protocol) {
  MAYBE(MAKE, "socket", -1, EMFILE, ENFILE, ENOBUFS, ENOMEM);
  return (int)syscall(SYS_socket, family, type, protocol);
}

int bind(int fd, __CONST_SOCKADDR_ARG address, socklen_t len) {
  MAYBE(MAKE, "bind", fd, EADDRINUSE, ENOMEM);
  return (int)syscall(SYS_bind, fd, address.__sockaddr__, len);
}

int listen(int fd, int backlog) {
  MAYBE(MAKE, "listen", fd, EADDRINUSE);
  return (int)syscall(SYS_listen, fd, backlog);
}

int epoll_create1(int flags) {
  MAYBE(MAKE, "epoll_create1", -1, EMFILE, ENFILE, ENOMEM);
  return (int)syscall(SYS_epoll_create1, flags);
}

int eventfd(unsigned count, int flags) {
  MAYBE(MAKE, "eventfd", -1, EMFILE, ENFILE, ENODEV, ENOMEM);
  return (int)syscall(SYS_eventfd2, count, flags);
}

int timerfd_create(clockid_t clock, int flags) {
  MAYBE(MAKE, "timerfd_create", -1, EMFILE, ENFILE, ENODEV, ENOMEM);
  return (int)syscall(SYS_timerfd_create, clock, flags);
}

int chmod(const char *path, mode_t mode) {
  MAYBE(MAKE, "chmod", -1, EPERM, EIO);
  return (int)syscall(SYS_fchmodat, AT_FDCWD, path, mode);
}

int fcntl(int fd, int what, ...) {
  va_list rest;
  va_start(rest, what);
  void *argument = va_arg(rest, void *);
  va_end(rest);
  /* What only looks at a descriptor or changes its flags does not fail. */
  if (what == F_DUPFD || what == F_DUPFD_CLOEXEC) MAYBE(MAKE, "fcntl", fd, EMFILE);
  return (int)syscall(SYS_fcntl, fd, what, argument);
}

static int open_really(const char *path, int flags, mode_t mode) {
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  MAYBE(MAKE, "open", -1, EMFILE, ENFILE, EINTR, ENOMEM);
  return open_really(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  MAYBE(MAKE, "open64", -1, EMFILE, ENFILE, EINTR, ENOMEM);
  return open_really(path, flags, mode);
}

ssize_t getrandom(void *buffer, size_t len, unsigned flags) {
  MAYBE(WAIT, "getrandom", -1, EINTR);
  if (!BY_LIBRARY()) return syscall(SYS_getrandom, buffer, len, flags);
  /* The same for the same plan. */
  for (size_t i = 0; i < len; i++) ((uint8_t *)buffer)[i] = (uint8_t)layer_random();
  return (ssize_t)len;
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
  static int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
  if (!next) *(void **)&next = dlsym(RTLD_NEXT, "getaddrinfo");
  uint64_t number = BY_LIBRARY() ? layer_strike(LOOK_UP, "getaddrinfo", -1) : 0;
  if (number) {
    errno = PICK(number, EAGAIN, ENOMEM, EMFILE);
    return errno == EAGAIN ? EAI_AGAIN : errno == ENOMEM ? EAI_MEMORY : EAI_SYSTEM;
  }
  return next(host, service, hints, found);
}

static int threads;
int layer_threads(void) { return __atomic_load_n(&threads, __ATOMIC_SEQ_CST); }

struct start {
  void *(*work)(void *);
  void *argument;
};
/* By pthread_exit and by returning alike. */
static void has_ended(void *unused) {
  (void)unused;
  __atomic_sub_fetch(&threads, 1, __ATOMIC_SEQ_CST);
}
static void *run(void *argument) {
  struct start start = *(struct start *)argument;
  void *result;
  free(argument);
  pthread_cleanup_push(has_ended, NULL);
  result = start.work(start.argument);
  pthread_cleanup_pop(1);
  return result;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*work)(void *), void *argument) {
  static int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  if (!next) *(void **)&next = dlsym(RTLD_NEXT, "pthread_create");
  if (!BY_LIBRARY()) return next(thread, how, work, argument);
  uint64_t number = layer_strike(MAKE, "pthread_create", -1);
  if (number) return PICK(number, EAGAIN);
  struct start *start = malloc(sizeof *start);
  *start = (struct start){work, argument};
  __atomic_add_fetch(&threads, 1, __ATOMIC_SEQ_CST);
  int error = next(thread, how, run, start);
  if (error) {
    has_ended(NULL);
    free(start);
  }
  return error;
}
