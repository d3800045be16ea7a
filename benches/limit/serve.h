/* What the limit servers share: an epoll loop on one thread, and connections that cost next to nothing. */
#ifndef LIMIT_SERVE_H
#define LIMIT_SERVE_H
#include <stddef.h>
#include <stdint.h>

/* Read into at once, by whoever has input. */
#define INPUT (512 * 1024)

/* All that is kept of a connection. */
struct conn {
    int fd;
    uint8_t open;    /* the handshake is done */
    uint8_t writing; /* epoll tells when there is room again */
    uint8_t first;   /* of a large message: the first byte of its header, */
    uint32_t mask;   /* its mask, */
    uint8_t *large;  /* and its payload behind room for a header */
    size_t large_len, got;
    uint8_t *kept; /* a piece of a frame */
    size_t kept_len;
    uint8_t *rest; /* what the socket did not take */
    size_t rest_at, rest_len;
    size_t sent; /* the firehose: how far it is in its frames */
};

/* Both return -1 when the connection is over. `gone` may be NULL. */
struct kind {
    int (*input)(struct conn *conn);
    int (*writable)(struct conn *conn);
    void (*came)(struct conn *conn);
    void (*gone)(struct conn *conn);
};

extern uint8_t *input;

/* Listens on 127.0.0.1, prints where, and never returns. */
void serve(const char *scheme, int port, const struct kind *kind);

/* Sends, or keeps what the socket does not take; -1 when the connection is over. */
int put(struct conn *conn, const uint8_t *data, size_t len);

/* The same for `len` bytes at `from` in a block from malloc, which is taken over when the socket is full: 1 says so. */
int put_block(struct conn *conn, uint8_t *block, size_t from, size_t len);

/* Sends what was kept. */
int put_rest(struct conn *conn);

/* Asks epoll to tell when the socket has room, or no longer. */
void want_room(struct conn *conn, int wanted);

/* Keeps a piece of a frame until more has come. */
void keep(struct conn *conn, const uint8_t *data, size_t len);

void *must_have(void *memory);
#endif
