/* For the programs about sockets of every kind: servers on any address, sockets of the program's own, the
   directory of their files, and what a descriptor still is after a refusal. */
#ifndef SOCKETS_H
#define SOCKETS_H
#include "raw.h"

#include <stddef.h>
#include <sys/un.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define UPGRADE "GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " RAW_KEY "\r\n\r\n"

static inline wsock_status try_listen(struct srv *srv, wsock_loop *loop, const char *host, const wsock_options *options) {
  wsock_handlers h = srv_handlers();
  return wsock_listen(loop, host, 0, options, &h, srv, &srv->server);
}
/* Closes the server; what it listened on is gone when this returns. */
static inline void close_server(struct srv *srv, wsock_loop *loop) {
  CHECK_STATUS(wsock_server_close(srv->server, 0, 1001, NULL), WSOCK_OK);
  PUMP_UNTIL(loop, srv->releases == 1);
  srv_free(srv);
  memset(srv, 0, sizeof *srv);
}

/* "@name" is one without a file. */
static inline socklen_t unix_address(struct sockaddr_un *a, const char *name) {
  size_t n = strlen(name);
  memset(a, 0, sizeof *a);
  a->sun_family = AF_UNIX;
  REQUIRE(n < sizeof a->sun_path);
  memcpy(a->sun_path, name, n);
  if (name[0] != '@') return sizeof *a;
  a->sun_path[0] = 0;
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}
static inline int unix_listen(const char *name) {
  struct sockaddr_un a;
  socklen_t len = unix_address(&a, name);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  REQUIRE(fd >= 0 && bind(fd, (struct sockaddr *)&a, len) == 0 && listen(fd, 8) == 0);
  return fd;
}
static inline void unix_connect(struct raw *raw, wsock_loop *loop, const char *name) {
  struct sockaddr_un a;
  socklen_t len = unix_address(&a, name);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(fd >= 0 && connect(fd, (struct sockaddr *)&a, len) == 0);
  raw_start(raw, loop, fd);
}
/* Both ends of a TCP connection. */
static inline void tcp_pair(int fd[2]) {
  uint16_t port;
  int listener = raw_listen(&port, 1);
  struct sockaddr_in a = loopback(port);
  REQUIRE((fd[1] = socket(AF_INET, SOCK_STREAM, 0)) >= 0 && connect(fd[1], (struct sockaddr *)&a, sizeof a) == 0);
  REQUIRE((fd[0] = accept(listener, NULL, NULL)) >= 0);
  close(listener);
}

/* From the answer to the handshake on, one message there and back. */
static inline void echo_on(struct raw *raw) {
  static struct frame frame;
  const char *head = raw_head(raw);
  CHECKF(strncmp(head, "HTTP/1.1 101 ", 13) == 0, "%.60s", head);
  raw_frame(raw, 0x81, 1, "around", 6);
  CHECK(raw_next(raw, &frame) && frame.first == 0x81 && frame.len == 6 && memcmp(frame.data, "around", 6) == 0);
}
static inline const char *conn_text(const struct srv *srv, int32_t what) {
  REQUIRE(srv->count > 0);
  return wsock_conn_get_str(srv->conn[srv->count - 1]->conn, what, NULL);
}

/* Where files of sockets are; the programs make it and remove it. */
static char directory[] = "/tmp/wsock-sockets-XXXXXX";
static inline const char *in_directory(const char *prefix, const char *name) {
  static char path[4][200];
  static int next;
  char *text = path[next++ % 4];
  snprintf(text, sizeof path[0], "%s%s/%s", prefix, directory, name);
  return text;
}

/* What a descriptor must still be after a refusal. */
static inline void check_untouched(int fd, int flags, int descriptor_flags) {
  CHECKF(fcntl(fd, F_GETFL) == flags, "descriptor %d", fd);
  CHECKF(fcntl(fd, F_GETFD) == descriptor_flags, "descriptor %d", fd);
}
static inline int is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }
#endif
