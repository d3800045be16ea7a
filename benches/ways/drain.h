/* A process with many WebSocket clients that read everything and say nothing. */
#ifndef DRAIN_H
#define DRAIN_H
#include <sys/types.h>

struct drain {
    pid_t pid;
    volatile struct drained *drained;
};

/* Starts it on the second core; it connects and shakes hands with this extension accepted, NULL for none. */
struct drain drain_start(int port, int count, const char *extension);

/* Whether all connections are there: nothing may be sent before. */
int drain_ready(struct drain drain);

/* Sleeps until so many bytes have been read behind the handshakes. */
void drain_wait(struct drain drain, unsigned long long bytes);

void drain_stop(struct drain drain);
#endif
