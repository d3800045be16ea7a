/* One plan: which features a server and its clients use, what is done with them, and the books that are kept
   of every message, so that in the end nothing can be missing unsaid. */
#ifndef PAIR_H
#define PAIR_H
#include "layer.h"
#include "wsock.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENTS 4
#define LIVES 64 /* connections that the server gets, those of clients that come back among them */
#define KEPT 8

/* How the loop is driven. */
enum drive { POLLED, BATCHES, FOREIGN, STARTED, DRIVES };

/* Who counts by itself: what is sent on the loop's thread and on another come in order each; what goes to many
   may be left out where there is no room. */
enum line { MINE, OTHERS, BROADCAST, PUBLISHED, LINES };

/* One end of a connection. */
struct end {
  struct world *world;
  wsock_conn *conn;
  int link, server;                /* the number in the URL; which side */
  int opens, errors, closes, releases, retries;
  int said_close, paused;
  uint32_t sent[LINES];            /* accepted, */
  uint32_t due[LINES];             /* and what is to come next from the other end */
  int gaps;                        /* messages that came behind one that did not */
  int fresh;                       /* nothing has come yet since it was opened */
  int in_parts;                    /* a message in parts was begun and could not be ended */
  int32_t status, clean, initiator, code;
  uint64_t unsent, bytes_sent;
  uint8_t *part;                   /* what has come of a message, with on_part */
  size_t part_len;
};

struct world {
  uint64_t seed, rolled;
  /* what the plan has chosen */
  int tls, deflate, unix_socket, named, adopted, comes_back, pings, in_parts, hubs, crowd, stormy_end, tight;
  enum drive drive;
  int clients, steps;
  uint16_t rates[FAULTS];

  wsock_loop *loop;
  wsock_server *server;
  wsock_hub *hub;
  wsock_options *for_server, *for_clients;
  char place[128];                 /* the beginning of every URL */
  struct end client[CLIENTS], life[LIVES];
  int lives, server_releases, posted, ran, lent;
  uint32_t sent_to_all, published;
  uint64_t bytes_to_all;           /* of both */
  wsock_message *kept[KEPT];
  struct { uint8_t *data; size_t len; } copy[KEPT];
  wsock_event batch[64];
  /* the other thread */
  pthread_t thread;
  pthread_mutex_t door;            /* of what both threads use */
  int has_thread, thread_ends;
};

/* plan.c */
void plan_choose(struct world *world, uint64_t seed);
void plan_print(const struct world *world);
/* Below `of`, and the next of the plan's numbers. */
unsigned roll(struct world *world, unsigned of);
/* Says what is wrong, and how to see it again, and ends the program. */
void broken(struct world *world, const char *file, int line, const char *condition, const char *format, ...)
    __attribute__((format(printf, 5, 6), noreturn));
#define HOLDS(world, condition, ...) \
  do { if (!(condition)) broken(world, __FILE__, __LINE__, #condition, " " __VA_ARGS__); } while (0)
/* Whether a call was refused as it may be, with a sentence. */
int refused(struct world *world, wsock_status status, const char *call);

/* text.c */
size_t text_len(const struct world *world, const struct end *from, enum line line, uint32_t number);
/* Valid until the next call on the same thread. */
const uint8_t *text_of(const struct world *world, const struct end *from, enum line line, uint32_t number);

/* Before a thread ends that has had some. */
void text_forget(void);

/* hear.c */
wsock_handlers client_handlers(const struct world *world);
wsock_handlers server_handlers(const struct world *world);
void hear_batch(struct world *world, int32_t count);

/* acts.c */
void act(struct world *world);
void answer(struct end *end);
void crowd_begin(struct world *world);
void crowd_end(struct world *world);

/* pair.c */
void pair_run(struct world *world);
int pump(struct world *world, int ms);
#endif
