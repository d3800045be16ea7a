/* A loop with a thread of its own, for the programs about that: it does the work, and the application hears of
   it on the thread that polls, and there only. */
#ifndef STARTED_H
#define STARTED_H
#include "events.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>

static inline wsock_loop *started_loop(void) {
  wsock_loop *loop = new_loop();
  REQUIRE(wsock_loop_start(loop) == WSOCK_OK);
  return loop;
}
static inline int threads_now(void) {
  int count = 0;
  DIR *dir = opendir("/proc/self/task");
  REQUIRE(dir != NULL);
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) count += entry->d_name[0] != '.';
  closedir(dir);
  return count;
}
/* A thread that has been joined may be seen for a moment. */
static inline void threads_are(int count) {
  for (int64_t end = now_ms() + patience_ms(); threads_now() != count && now_ms() < end;) sleep_ms(1);
  CHECK_INT(threads_now(), count);
}

/* For every record: that callbacks, release included, come on the one thread that polls. */
static pthread_t poller;
static inline void on_poller(struct rec *rec, char event) {
  (void)rec;
  CHECKF(pthread_equal(pthread_self(), poller), "%c on another thread", event);
}

/* Frees a loop with a server and what clients there are, all open. */
static inline void end_all(wsock_loop *loop, struct srv *srv, struct rec *clients, int count) {
  free_loop(loop);
  for (int i = 0; i < count; i++) {
    CHECK_ENDED(&clients[i]);
    rec_free(&clients[i]);
  }
  for (int i = 0; i < srv->count; i++) CHECK_ENDED(srv->conn[i]);
  if (srv->server) CHECK_INT(srv->releases, 1);
  srv_free(srv);
}

/* One poll after another on a thread of its own, until told. */
struct polling {
  pthread_t thread;
  wsock_loop *loop;
  int done;
};
static inline void *poll_until_done(void *arg) {
  struct polling *p = arg;
  while (!load(&p->done)) {
    int32_t n = poll_loop(p->loop, 20);
    CHECKF(n >= 0, "poll gave %d: %s", (int)n, last_text());
  }
  return NULL;
}
static inline void start_polling(struct polling *p, wsock_loop *loop) {
  memset(p, 0, sizeof *p);
  p->loop = loop;
  REQUIRE(pthread_create(&p->thread, NULL, poll_until_done, p) == 0);
}
static inline void end_polling(struct polling *p) {
  __sync_add_and_fetch(&p->done, 1);
  pthread_join(p->thread, NULL);
}

static inline void *nothing(void *arg) { return arg; }
static inline void begin_started(void) {
  pthread_t first;
  /* with the first, a sanitizer may begin one of its own */
  REQUIRE(pthread_create(&first, NULL, nothing, NULL) == 0 && pthread_join(first, NULL) == 0);
  peer_behind = 1;
}

#endif
