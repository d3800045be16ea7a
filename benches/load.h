/* Many clients of an echo server in one thread. Every client sends the same message over and over and
   keeps `depth` of them on the way; every byte that comes back is compared. */
#ifndef LOAD_H
#define LOAD_H
#include "measure.h"

struct load {
    struct client *clients;
    int count, epoll;
    int depth;
    unsigned char *request, *reply; /* what is sent and must come back, depth + 1 times in a row */
    size_t request_len, reply_len;  /* of one message */
    unsigned long messages;         /* echoed since the start */
    long awaited;                   /* messages on the way */
    int refill;                     /* an echoed message is followed by the next one */
};

struct rate {
    double per_second;     /* messages, by the clock on the wall */
    double cpu_ns;         /* CPU time of the server per message */
    double client_cpu_ns;  /* CPU time of this process per message */
};

/* Connects `count` clients, and shakes hands when they speak WebSocket. Exits when that fails. */
struct load *load_open(int port, int websocket, int count, size_t size, int depth);

/* One message there and back on every connection, 64 of them at a time. */
void load_echo_once(struct load *load);

/* As many messages as go in that time, after a tenth of a second that does not count. */
struct rate load_echo(struct load *load, pid_t server, double seconds);

/* Resets every connection. */
void load_close(struct load *load);
#endif
