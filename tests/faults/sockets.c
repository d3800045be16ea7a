/* Reading, writing, accepting and connecting. Sockets are watched with edge-triggered epoll: who is told
   "not now" waits for the next edge. So whenever the layer says that of bytes or room that are there, or
   gives only a part, it behaves as if the rest came right after: it makes the edge, by EPOLL_CTL_MOD with
   what the library asked for. That a short read means that there is nothing more is what epoll(7) promises
   for streams, and the library may build on it. */
#include "layer.h"
#include "watch.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* The library never reads or writes more places at once. */
#define PLACES 64
/* Of what is cut most is cut off. */
#define FEW 64

/* What becomes of reading or writing `len` bytes: so many are to be tried, or errno and -1. */
static ssize_t share(enum fault later, enum fault lost, const char *call, int fd, size_t len) {
  int reads = later == READ_LATER;
  if (layer_is_dead(fd)) {
    errno = EPIPE;
    return reads ? 0 : -1;
  }
  uint64_t number = layer_strike(lost, call, fd);
  if (number) {
    errno = reads ? PICK(number, ECONNRESET, ETIMEDOUT, ENOMEM) : PICK(number, EPIPE, ECONNRESET, ENOBUFS, ENOMEM);
    layer_kill(fd);
    return -1;
  }
  number = layer_strike(later, call, fd);
  if (!number) return (ssize_t)len;
  int error = len > 1 ? PICK(number, 0, EINTR, EAGAIN, 0) : PICK(number, EINTR, EAGAIN);
  errno = error;
  if (error == EINTR) return -1;
  layer_raise(fd);
  if (error) return -1;
  size_t few = number % 3 ? FEW : len;
  return 1 + (ssize_t)((number >> 8) % (few < len ? few : len - 1));
}

/* The same for an array of places, of which a copy is cut. */
static int cut(struct iovec *copy, const struct iovec *places, int count, size_t len) {
  int used = 0;
  for (; used < count && used < PLACES && len; used++) {
    copy[used] = places[used];
    if (copy[used].iov_len > len) copy[used].iov_len = len;
    len -= copy[used].iov_len;
  }
  return used;
}
static size_t length(const struct iovec *places, int count) {
  size_t len = 0;
  for (int i = 0; i < count && i < PLACES; i++) len += places[i].iov_len;
  return len;
}

ssize_t recv(int fd, void *buffer, size_t len, int flags) {
  if (BY_LIBRARY() && len) {
    ssize_t part = share(READ_LATER, READ_LOST, "recv", fd, len);
    if (part <= 0) return part;
    len = (size_t)part;
  }
  return syscall(SYS_recvfrom, fd, buffer, len, flags, NULL, NULL);
}

ssize_t read(int fd, void *buffer, size_t len) {
  if (BY_LIBRARY() && len && layer_is_watched(fd)) {
    ssize_t part = share(READ_LATER, READ_LOST, "read", fd, len);
    if (part <= 0) return part;
    len = (size_t)part;
  } else if (BY_LIBRARY() && len && layer_is_file(fd)) {
    uint64_t number = layer_strike(MAKE, "read of a file", fd);
    if (number) return errno = PICK(number, EINTR, EIO, EINTR), -1;
  }
  return syscall(SYS_read, fd, buffer, len);
}

ssize_t readv(int fd, const struct iovec *places, int count) {
  struct iovec copy[PLACES];
  if (BY_LIBRARY()) {
    ssize_t part = share(READ_LATER, READ_LOST, "readv", fd, length(places, count));
    if (part <= 0) return part;
    count = cut(copy, places, count, (size_t)part);
    places = copy;
  }
  return syscall(SYS_readv, fd, places, count);
}

ssize_t send(int fd, const void *data, size_t len, int flags) {
  if (BY_LIBRARY() && len) {
    ssize_t part = share(WRITE_LATER, WRITE_LOST, "send", fd, len);
    if (part < 0) return -1;
    len = (size_t)part;
  }
  return syscall(SYS_sendto, fd, data, len, flags, NULL, 0);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  struct msghdr less = *message;
  struct iovec copy[PLACES];
  size_t len = length(message->msg_iov, (int)message->msg_iovlen);
  if (BY_LIBRARY() && len) {
    ssize_t part = share(WRITE_LATER, WRITE_LOST, "sendmsg", fd, len);
    if (part < 0) return -1;
    less.msg_iov = copy;
    less.msg_iovlen = (size_t)cut(copy, message->msg_iov, (int)message->msg_iovlen, (size_t)part);
  }
  return syscall(SYS_sendmsg, fd, &less, flags);
}

int accept4(int fd, __SOCKADDR_ARG address, socklen_t *len, int flags) {
  uint64_t number = BY_LIBRARY() ? layer_strike(ACCEPT, "accept4", fd) : 0;
  if (number) {
    errno = PICK(number, EAGAIN, EINTR, ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM);
    if (errno == EAGAIN) layer_raise(fd);
    return -1;
  }
  return (int)syscall(SYS_accept4, fd, address.__sockaddr__, len, flags);
}

int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t len) {
  uint64_t number = BY_LIBRARY() ? layer_strike(DIAL, "connect", fd) : 0;
  if (number) return errno = PICK(number, ECONNREFUSED, ENETUNREACH, EADDRNOTAVAIL, ENOBUFS, EAGAIN), -1;
  return (int)syscall(SYS_connect, fd, address.__sockaddr__, len);
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *len) {
  int later = level == SOL_SOCKET && name == SO_ERROR;
  uint64_t number = BY_LIBRARY() ? layer_strike(later ? DIAL : SET, "getsockopt", fd) : 0;
  if (number && later) {
    /* Connecting has failed after all. */
    memcpy(value, &(int){PICK(number, ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH)}, sizeof(int));
    layer_kill(fd);
    return 0;
  }
  if (number) return errno = PICK(number, ENOBUFS, ENOMEM), -1;
  return (int)syscall(SYS_getsockopt, fd, level, name, value, len);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len) {
  uint64_t number = BY_LIBRARY() ? layer_strike(SET, "setsockopt", fd) : 0;
  if (number) return errno = PICK(number, ENOBUFS, ENOMEM, EINVAL), -1;
  return (int)syscall(SYS_setsockopt, fd, level, name, value, len);
}

int getsockname(int fd, __SOCKADDR_ARG address, socklen_t *len) {
  uint64_t number = BY_LIBRARY() ? layer_strike(SET, "getsockname", fd) : 0;
  if (number) return errno = PICK(number, ENOBUFS, ENOMEM), -1;
  return (int)syscall(SYS_getsockname, fd, address.__sockaddr__, len);
}

int getpeername(int fd, __SOCKADDR_ARG address, socklen_t *len) {
  uint64_t number = BY_LIBRARY() ? layer_strike(SET, "getpeername", fd) : 0;
  if (number) return errno = PICK(number, ENOBUFS, ENOMEM), -1;
  return (int)syscall(SYS_getpeername, fd, address.__sockaddr__, len);
}

int shutdown(int fd, int how) {
  uint64_t number = BY_LIBRARY() ? layer_strike(SET, "shutdown", fd) : 0;
  if (number) {
    /* It fails when the peer is gone. */
    errno = PICK(number, ENOTCONN);
    layer_kill(fd);
    return -1;
  }
  return (int)syscall(SYS_shutdown, fd, how);
}
