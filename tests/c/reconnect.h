/* A client that comes back, for the programs about that: where it goes, and servers that go and come on a
   port that is ours all the time. */
#ifndef RECONNECT_H
#define RECONNECT_H
#include "raw.h"

#include <pthread.h>

#define FIRST 4
#define CAP 32

/* One client that comes back, and where it goes. `each` runs inside its callbacks. */
struct world {
  wsock_loop *loop;
  wsock_options *options;
  int hold;                         /* keeps the port */
  int listener;                     /* -1 when it is closed */
  uint16_t port;
  struct rec client;
  int64_t longest;                  /* delay_ms so far */
  int greatest;                     /* attempt so far */
  void (*each)(struct world *world, char event);
};

static inline void on_each(struct rec *rec, char event) {
  struct world *w = rec->arg;
  if (event == 'T') {
    if ((int64_t)rec->retry.delay_ms > w->longest) w->longest = (int64_t)rec->retry.delay_ms;
    if (rec->retry.attempt > w->greatest) w->greatest = rec->retry.attempt;
  }
  if (w->each) w->each(w, event);
}
static inline void set(struct world *w, int32_t key, int64_t value) { option(w->options, key, value); }

static inline void world_new(struct world *w, int64_t attempts) {
  memset(w, 0, sizeof *w);
  w->loop = new_loop();
  w->options = new_options();
  set(w, WSOCK_OPT_RECONNECT, attempts);
  set(w, WSOCK_OPT_RECONNECT_FIRST_MS, FIRST);
  set(w, WSOCK_OPT_RECONNECT_MAX_MS, CAP);
  w->hold = raw_hold(&w->port);
  w->listener = -1;
}
static inline void world_listen(struct world *w) { w->listener = raw_listen_at(w->port); }
static inline void world_unlisten(struct world *w) {
  close(w->listener);
  w->listener = -1;
}
static inline void world_connect(struct world *w) {
  rec_free(&w->client);
  memset(&w->client, 0, sizeof w->client);
  w->client.reconnects = 1;
  w->client.hook = on_each;
  w->client.arg = w;
  w->longest = w->greatest = 0;
  connect_to(&w->client, w->loop, url_of(w->port, "/"), w->options);
}
/* Frees all; whatever is not over yet ends now, and the client's end has been told once. */
static inline void world_free(struct world *w) {
  free_loop(w->loop);
  CHECK_ENDED(&w->client);
  wsock_options_free(w->options);
  rec_free(&w->client);
  if (w->listener >= 0) close(w->listener);
  close(w->hold);
}
/* Connects, or waits until it has come back, with a raw server at the other end. */
static inline void world_serve(struct world *w, struct raw *raw) {
  int opens = w->client.opens;
  raw_welcome(raw, raw_accept(raw, w->loop, w->listener), "");
  PUMP_UNTIL(w->loop, w->client.opens == opens + 1);
}
/* The server is overloaded and says for how long: the client waits exactly so long, if its cap allows. */
static inline void refuse_for(struct world *w, int seconds) {
  struct raw raw;
  char answer[200];
  int retries = w->client.retries;
  snprintf(answer, sizeof answer,
           "HTTP/1.1 503 Busy\r\nRetry-After: %d\r\nX-Why: too many\r\nSet-Cookie: seen=1\r\nContent-Length: 5\r\n\r\nlater", seconds);
  raw_accept(&raw, w->loop, w->listener);
  raw_text(&raw, answer);
  PUMP_UNTIL(w->loop, w->client.retries == retries + 1);
  raw_close(&raw);
}
/* A client that waits for so long that nothing happens meanwhile. */
static inline void world_waiting(struct world *w) {
  set(w, WSOCK_OPT_RECONNECT_MAX_MS, 3600000);
  if (w->listener >= 0) world_unlisten(w); /* and whoever still waits in its queue */
  world_listen(w);
  world_connect(w);
  refuse_for(w, 3600);
  CHECK_INT(w->client.retry.delay_ms, 3600000);
  CHECK_INT(wsock_conn_state(w->client.conn), WSOCK_CONNECTING);
}
static inline void in_thread(void *(*function)(void *), void *arg) {
  pthread_t thread;
  REQUIRE(pthread_create(&thread, NULL, function, arg) == 0);
  REQUIRE(pthread_join(thread, NULL) == 0);
}
#endif
