/* A peer that speaks bytes: a plain non-blocking TCP socket in the same process, driven step by step
   together with the loop, so that wire garbage and bad manners can be scripted. */
#ifndef RAW_H
#define RAW_H
#include "peer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

struct raw {
  wsock_loop *loop;
  int fd;
  unsigned char *in;    /* received and not yet taken */
  size_t len, cap;
  int eof, reset;
};
struct frame {
  int first;            /* FIN, RSV and opcode */
  int masked;
  size_t len;
  unsigned char data[70000];
};

static inline struct sockaddr_in loopback(uint16_t port) {
  struct sockaddr_in a;
  memset(&a, 0, sizeof a);
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return a;
}
static inline int raw_listen(uint16_t *port, int backlog) {
  struct sockaddr_in a = loopback(0);
  socklen_t n = sizeof a;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(fd >= 0 && bind(fd, (struct sockaddr *)&a, n) == 0 && listen(fd, backlog) == 0);
  REQUIRE(getsockname(fd, (struct sockaddr *)&a, &n) == 0);
  REQUIRE(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
  *port = ntohs(a.sin_port);
  return fd;
}
/* A port of our own, where nobody listens but who is asked to with raw_listen_at or srv_listen_at. Bound
   as long as the descriptor is open, so that nobody else is given it meanwhile. */
static inline int raw_hold(uint16_t *port) {
  struct sockaddr_in a = loopback(0);
  socklen_t n = sizeof a;
  int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
  REQUIRE(bind(fd, (struct sockaddr *)&a, n) == 0 && getsockname(fd, (struct sockaddr *)&a, &n) == 0);
  *port = ntohs(a.sin_port);
  return fd;
}
static inline int raw_listen_at(uint16_t port) {
  struct sockaddr_in a = loopback(port);
  int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  REQUIRE(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
  REQUIRE(bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 16) == 0);
  return fd;
}
/* A port that was free a moment ago. */
static inline uint16_t raw_free_port(void) {
  uint16_t port;
  close(raw_listen(&port, 1));
  return port;
}
/* A port that refuses. It stays taken while the program runs: bound, but nobody listens. */
static inline uint16_t raw_dead_port(void) {
  static uint16_t port;
  if (port == 0) {
    struct sockaddr_in a = loopback(0);
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(fd >= 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0);
    REQUIRE(bind(fd, (struct sockaddr *)&a, sizeof a) == 0);
    REQUIRE(getsockname(fd, (struct sockaddr *)&a, &len) == 0);
    port = ntohs(a.sin_port);
  }
  return port;
}
static inline void raw_start(struct raw *raw, wsock_loop *loop, int fd) {
  int on = 1;
  memset(raw, 0, sizeof *raw);
  raw->loop = loop;
  raw->fd = fd;
  REQUIRE(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}
static inline void raw_connect(struct raw *raw, wsock_loop *loop, uint16_t port) {
  struct sockaddr_in a = loopback(port);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
  raw_start(raw, loop, fd);
}
static inline void raw_close(struct raw *raw) {
  if (raw->fd >= 0) close(raw->fd);
  raw->fd = -1;
  free(raw->in);
  raw->in = NULL;
  raw->len = raw->cap = 0;
}
/* Close so that the other side gets a TCP reset. */
static inline void raw_reset(struct raw *raw) {
  struct linger hard = {1, 0};
  setsockopt(raw->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  raw_close(raw);
}
/* Takes in what is there now. */
static inline void raw_fill(struct raw *raw) {
  while (!raw->eof && !raw->reset) {
    if (raw->cap - raw->len < 65536) raw->in = realloc(raw->in, raw->cap += 262144);
    ssize_t n = recv(raw->fd, raw->in + raw->len, raw->cap - raw->len, MSG_DONTWAIT);
    if (n > 0) raw->len += (size_t)n;
    else if (n == 0) raw->eof = 1;
    else if (errno == EAGAIN) return;
    else if (errno != EINTR) raw->reset = 1;
  }
}
static inline void raw_take(struct raw *raw, size_t n) {
  raw->len -= n;
  memmove(raw->in, raw->in + n, raw->len);
}
#define RAW_UNTIL(raw, condition)                                  \
  do {                                                             \
    int64_t end_ = now_ms() + patience_ms();                       \
    int held_;                                                     \
    for (raw_fill(raw); !(held_ = (condition)) && now_ms() < end_; raw_fill(raw)) pump((raw)->loop); \
    CHECKF(held_, "waited in vain for " #condition);               \
  } while (0)

/* Sends all, driving the loop while the socket is full. A peer that is gone is not a failure here. */
static inline void raw_send(struct raw *raw, const void *data, size_t len) {
  const unsigned char *at = data;
  int64_t end = now_ms() + patience_ms();
  while (len && now_ms() < end) {
    ssize_t n = send(raw->fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) at += n, len -= (size_t)n;
    else if (errno == EAGAIN) pump(raw->loop);
    else if (errno != EINTR) return;
  }
}
static inline void raw_text(struct raw *raw, const char *text) { raw_send(raw, text, strlen(text)); }

/* A frame with its length in the shortest form. Masked with a fixed key when asked. */
static inline void raw_frame(struct raw *raw, int first, int masked, const void *data, size_t len) {
  static const unsigned char key[4] = {0x37, 0xfa, 0x21, 0x3d};
  unsigned char *out = malloc(len + 14);
  size_t n = 0;
  out[n++] = (unsigned char)first;
  if (len < 126) {
    out[n++] = (unsigned char)len;
  } else if (len < 65536) {
    out[n++] = 126;
    out[n++] = (unsigned char)(len >> 8);
    out[n++] = (unsigned char)len;
  } else {
    out[n++] = 127;
    for (int shift = 56; shift >= 0; shift -= 8) out[n++] = (unsigned char)((uint64_t)len >> shift);
  }
  if (masked) {
    out[1] |= 0x80;
    memcpy(out + n, key, 4);
    n += 4;
  }
  for (size_t i = 0; i < len; i++) out[n + i] = ((const unsigned char *)data)[i] ^ (masked ? key[i & 3] : 0);
  raw_send(raw, out, n + len);
  free(out);
}
static inline void raw_close_frame(struct raw *raw, int masked, int code, const char *reason) {
  unsigned char body[125];
  size_t n = strlen(reason);
  body[0] = (unsigned char)(code >> 8);
  body[1] = (unsigned char)code;
  memcpy(body + 2, reason, n);
  raw_frame(raw, 0x88, masked, body, code ? n + 2 : 0);
}
/* Decodes the first frame of the input without taking it: its size on the wire, 0 when it is not all there. */
static inline size_t raw_peek(struct raw *raw, struct frame *frame) {
  size_t at = 2;
  uint64_t len;
  if (raw->len < 2) return 0;
  len = raw->in[1] & 127;
  if (len >= 126) {
    size_t n = len == 126 ? 2 : 8;
    if (raw->len < 2 + n) return 0;
    for (len = 0; n; n--) len = len << 8 | raw->in[at++];
  }
  frame->first = raw->in[0];
  frame->masked = raw->in[1] >> 7;
  if (frame->masked) at += 4;
  if (raw->len < at + len) return 0;
  frame->len = (size_t)len;
  for (size_t i = 0; i < len && i < sizeof frame->data; i++)
    frame->data[i] = raw->in[at + i] ^ (frame->masked ? raw->in[at - 4 + (i & 3)] : 0);
  if (len < sizeof frame->data) frame->data[len] = 0;
  return at + (size_t)len;
}
/* Waits for the next frame; 0 when the stream ended first. */
static inline int raw_next(struct raw *raw, struct frame *frame) {
  size_t n = 0;
  RAW_UNTIL(raw, (n = raw_peek(raw, frame)) != 0 || raw->eof || raw->reset);
  if (!n) return 0;
  raw_take(raw, n);
  return 1;
}
/* Reads on to the close frame and gives its code: 1005 without one, 0 when the stream ended before. */
static inline int raw_close_code(struct raw *raw) {
  static struct frame frame;
  while (raw_next(raw, &frame))
    if (frame.first == 0x88) return frame.len < 2 ? 1005 : frame.data[0] << 8 | frame.data[1];
  return 0;
}
/* Reads to the empty line that ends an HTTP head; the text, with what came behind it left in place. */
static inline const char *raw_head(struct raw *raw) {
  static char head[65536];
  char *end = NULL;
  RAW_UNTIL(raw, (end = raw->len ? memmem(raw->in, raw->len, "\r\n\r\n", 4) : NULL) || raw->eof || raw->reset);
  size_t n = end ? (size_t)((unsigned char *)end - raw->in) + 4 : 0;
  REQUIRE(n < sizeof head);
  if (n) memcpy(head, raw->in, n);
  head[n] = 0;
  if (n) raw_take(raw, n);
  return head;
}

#define RAW_KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define RAW_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

/* Becomes a client of our server, open, with header lines of its own (each with its line end). */
static inline const char *raw_upgrade(struct raw *raw, wsock_loop *loop, uint16_t port, const char *headers) {
  char request[4096];
  snprintf(request, sizeof request,
           "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " RAW_KEY "\r\n%s\r\n", headers);
  raw_connect(raw, loop, port);
  raw_text(raw, request);
  const char *head = raw_head(raw);
  CHECK(strncmp(head, "HTTP/1.1 101 ", 13) == 0);
  return head;
}

/* The value of a header line of a head, without the blanks around it; "" when there is none. */
static inline const char *head_value(const char *head, const char *name) {
  static char value[8192];
  size_t n = strlen(name);
  value[0] = 0;
  for (const char *line = strstr(head, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
    if (strncasecmp(line + 2, name, n) != 0 || line[2 + n] != ':') continue;
    const char *from = line + 3 + n, *to = strstr(from, "\r\n");
    while (*from == ' ' || *from == '\t') from++;
    while (to > from && (to[-1] == ' ' || to[-1] == '\t')) to--;
    snprintf(value, sizeof value, "%.*s", (int)(to - from), from);
    break;
  }
  return value;
}

/* SHA-1 of a short text (FIPS 180-4) and base64 of the digest: the accept value of a key, computed without the library. */
static inline void raw_accept_value(const char *key, char out[29]) {
  static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  unsigned char block[128] = {0}, digest[21] = {0};
  uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}, w[80];
  char text[100];
  size_t len = (size_t)snprintf(text, sizeof text, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
  size_t blocks = (len + 8) / 64 + 1;
  REQUIRE(len < sizeof text && blocks <= 2);
  memcpy(block, text, len);
  block[len] = 0x80;
  block[blocks * 64 - 2] = (unsigned char)(len * 8 >> 8);
  block[blocks * 64 - 1] = (unsigned char)(len * 8);
#define ROTATE(x, n) ((x) << (n) | (x) >> (32 - (n)))
  for (size_t b = 0; b < blocks; b++) {
    uint32_t v[5], k, f;
    for (int i = 0; i < 80; i++) {
      const unsigned char *p = block + b * 64 + i * 4;
      if (i < 16) w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
      else w[i] = ROTATE(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    }
    memcpy(v, h, sizeof v);
    for (int i = 0; i < 80; i++) {
      if (i < 20) f = (v[1] & v[2]) | (~v[1] & v[3]), k = 0x5a827999;
      else if (i < 40) f = v[1] ^ v[2] ^ v[3], k = 0x6ed9eba1;
      else if (i < 60) f = (v[1] & v[2]) | (v[1] & v[3]) | (v[2] & v[3]), k = 0x8f1bbcdc;
      else f = v[1] ^ v[2] ^ v[3], k = 0xca62c1d6;
      uint32_t t = ROTATE(v[0], 5) + f + v[4] + k + w[i];
      v[4] = v[3], v[3] = v[2], v[2] = ROTATE(v[1], 30), v[1] = v[0], v[0] = t;
    }
    for (int i = 0; i < 5; i++) h[i] += v[i];
  }
#undef ROTATE
  for (int i = 0; i < 20; i++) digest[i] = (unsigned char)(h[i / 4] >> (24 - 8 * (i % 4)));
  for (int i = 0; i < 7; i++) {
    uint32_t three = (uint32_t)digest[3 * i] << 16 | (uint32_t)digest[3 * i + 1] << 8 | digest[3 * i + 2];
    for (int j = 0; j < 4; j++) out[4 * i + j] = alphabet[three >> (18 - 6 * j) & 63];
  }
  out[27] = '=';
  out[28] = 0;
}

/* Waits for a connection of our client, of which nothing is read yet. */
static inline void raw_accept_silent(struct raw *raw, wsock_loop *loop, int listener) {
  int fd = -1;
  PUMP_UNTIL(loop, (fd = accept(listener, NULL, NULL)) >= 0);
  REQUIRE(fd >= 0);
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  raw_start(raw, loop, fd);
}
/* Waits for a connection of our client; its request head, not yet answered. */
static inline const char *raw_accept(struct raw *raw, wsock_loop *loop, int listener) {
  raw_accept_silent(raw, loop, listener);
  return raw_head(raw);
}
/* Whether nobody is waiting to be accepted. */
static inline int raw_nobody(int listener) {
  int fd = accept(listener, NULL, NULL);
  if (fd >= 0) close(fd);
  return fd < 0;
}
/* Answers the request head of our client with a proper 101 and header lines of its own. */
static inline void raw_welcome(struct raw *raw, const char *head, const char *headers) {
  char accept[29], response[4096];
  raw_accept_value(head_value(head, "Sec-WebSocket-Key"), accept);
  snprintf(response, sizeof response,
           "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Accept: %s\r\n%s\r\n", accept, headers);
  raw_text(raw, response);
}
/* Our client, open, with a raw server at the other end. */
static inline void raw_serve(struct raw *raw, struct rec *client, wsock_loop *loop, const wsock_options *options) {
  uint16_t port;
  int listener = raw_listen(&port, 8);
  connect_to(client, loop, url_of(port, "/"), options);
  raw_welcome(raw, raw_accept(raw, loop, listener), "");
  close(listener);
  PUMP_UNTIL(loop, client->opens);
}

/* Three messages in one chunk, to a server that pauses inside on_message: each comes when it is resumed. */
static inline void pause_each(struct rec *rec, char event) {
  if (event == 'M') CHECK_STATUS(wsock_conn_pause(rec->conn), WSOCK_OK);
}
static inline void send_to_paused(struct raw *raw, struct srv *srv, wsock_loop *loop) {
  srv->hook = pause_each;
  srv_listen(srv, loop, NULL);
  raw_upgrade(raw, loop, srv->port, "");
  raw_send(raw, "\x81\x81\0\0\0\0a\x81\x81\0\0\0\0b\x81\x81\0\0\0\0c", 21);
}
static inline void only_one_came(struct srv *srv, wsock_loop *loop, int number) {
  PUMP_UNTIL(loop, srv->count == 1 && srv->conn[0]->messages == number);
  pump_for(loop, 20);
  CHECK_INT(srv->conn[0]->messages, number);
  CHECK(srv->conn[0]->data && srv->conn[0]->data[0] == "abc"[number - 1]);
}

static inline void handle_usr1(void (*handler)(int), int flags) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  action.sa_flags = flags;
  REQUIRE(sigaction(SIGUSR1, &action, NULL) == 0);
}

#endif
