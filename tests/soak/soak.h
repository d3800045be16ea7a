/* What the parts of the soak share: where servers are, what messages consist of, what is counted. */
#ifndef SOAK_H
#define SOAK_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <stddef.h>
#include <stdint.h>
#include <wsock.h>

/* Servers, by what is special about them: the narrow one's queues are short, and it is only asked for floods; the lodger's
   loop has a thread of its own and does not last. */
enum kind { PLAIN, DEFLATE, SECURE, UNIX, NARROW, LODGER, KINDS };

/* What a guest asks a server for, by the path of the URL. */
enum manner { ECHO, CLOSED, ABORTED, SUBSCRIBED, FLOODED, MANNERS };
extern const char *const manners[MANNERS];

extern struct arguments {
    double seconds;
    int actors, pause_ms;
    const char *certs; /* directory with a.pem, a.key, b.pem, b.key and both.pem */
} arguments;

/* What has happened so far, from all threads. */
extern struct counts {
    uint64_t connects, opens, closes, retries, messages, bytes;
    uint64_t handed, released; /* user data given to the library, and its releases */
    uint64_t lent, given_back; /* buffers that were sent without a copy */
    uint64_t retained, freed;  /* messages kept beyond their callback */
    uint64_t pulled, drained;  /* sources of messages, and their releases */
    uint64_t published, heard, servers, loops, renewals;
    uint64_t shouts, overheard;   /* what a server says to everybody, and who hears it */
    uint64_t dropped, given_up;   /* messages for which there was no room, and connections */
} counts;
#define ADD(what, more) __atomic_add_fetch(&counts.what, (uint64_t)(more), __ATOMIC_RELAXED)
#define READ(what) __atomic_load_n(&counts.what, __ATOMIC_RELAXED)

/* The time is over: nobody begins anything new. */
extern int over;

uint64_t now_us(void);
void sleep_ms(int ms);
/* From 0 to below `below`, another row of numbers in each thread. */
uint32_t pick(uint32_t below);

/* Ends the soak: something is wrong that must never be. */
void broken(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* Takes the status of a call that has to work. */
void must(wsock_status status, const char *what);
/* Of a call about a connection that may have ended meanwhile. */
void may_be_late(wsock_status status, const char *what);

/* places.c: the URL of a server, "" while there is none. */
void place_open(enum kind kind, const char *url);
void place_close(enum kind kind);
int place_find(enum kind kind, enum manner manner, char *url, size_t size);

/* payload.c: a message is a piece of a stock that both ends know. */
#define LARGEST (1 << 20)
struct piece {
    int32_t type;
    size_t offset, len;
};
void payload_begin(void);
struct piece payload_choose(int32_t type);
const uint8_t *payload_bytes(const struct piece *piece);
/* Whether `len` bytes at `at` of the message are these. */
int payload_is(const struct piece *piece, size_t at, const uint8_t *data, size_t len);

/* sending.c: a message in one of the ways that wsock.h has. */
wsock_status send_somehow(wsock_conn *conn, const struct piece *piece);
/* The same for bytes that were just received: back to where they came from. */
wsock_status send_back(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len);
void sending_end(void);

/* What is said to everybody begins with this, and nothing else does. */
#define SHOUT '#'

/* flood.c: what a server does that is asked for a flood, and what whoever has asked for it knows of it. */
struct flooded {
    uint32_t last, count;
};
void flood(wsock_conn *conn);
void flood_came(struct flooded *flooded, const uint8_t *data, size_t len);
void flood_is_over(const struct flooded *flooded, const wsock_close_info *info);

/* guests.c: what each server does with its connections. */
wsock_handlers guest_handlers(void);
void guests_hub(wsock_hub *hub);

/* Threads: house.c has servers, lodger.c loops that come and go, street.c clients. */
void *house(void *unused);
void *lodger(void *unused);
void *street(void *unused);

/* probe.c: one connection that does nothing but ask how long an answer takes. */
void probe_begin(wsock_loop *loop);
void probe_turn(void);
void probe_end(void);
struct latency {
    uint32_t count, p50, p99, max; /* microseconds */
};
struct latency probe_latency(void); /* since the last call; any thread */
#endif
