/* Connections of the load generator, and what all of them share. */
#ifndef CONN_H
#define CONN_H
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "compress.h"
#include "tls.h"

enum state { CLOSED, CONNECTING, SECURING, UPGRADING, OPEN };

struct conn {
    int fd;
    enum state state;
    int writing; /* epoll tells when there is room */
    struct tls *tls;
    /* On the way out. */
    unsigned pending; /* frames to be sent, the first maybe in part */
    unsigned next;    /* which frame that is, and how much of it has left */
    size_t sent;
    unsigned awaited; /* messages that have not come back */
    /* On the way in. */
    uint8_t header[10];
    size_t header_len;
    uint64_t left, frame_len; /* of the frame's payload */
    uint8_t control[125];
    size_t message_len; /* bytes of the message so far */
    uint64_t messages;  /* complete ones */
    int compressed, compared;
    struct inflater *inflater; /* of the connections whose compressed replies are compared */
    uint8_t *inflated;
    size_t inflated_len;
    char *answer; /* to the handshake, while it is not whole */
    size_t answer_len;
};

/* What a mode has to do with connections. */
extern struct hooks {
    void (*opened)(struct conn *conn);
    void (*arrived)(struct conn *conn, unsigned messages);
} hooks;

extern struct totals {
    unsigned long long opened, messages, bytes, compared, inflated, wrong, errors;
    const char *first_error;
    char extension[128], tls[96];
} totals;

/* Both before anything else. */
void conns_begin(void);
struct conn *conns_new(int count);

/* Begins to connect, anew for one that is closed. */
void conn_start(struct conn *conn);

/* Resets it. `why` is NULL when that is how it should be. */
void conn_drop(struct conn *conn, const char *why);

/* Opens all of them, so many at a time. */
void conns_open(struct conn *conns, int count, int at_a_time);
void conns_drop(struct conn *conns, int count);

/* Sends so many messages more. */
void conn_say(struct conn *conn, unsigned messages);

/* As recv and send that never wait: 0 when there is nothing to do now, -1 when it is over. */
ssize_t conn_recv(struct conn *conn, uint8_t *to, size_t len, int flags);
ssize_t conn_send(struct conn *conn, const uint8_t *from, size_t len);

/* Sees to what has happened, or waits for that so long, in milliseconds. */
void conns_turn(int patience);

/* Counts an error of a peer that goes on. */
void complain(const char *why);
#endif
