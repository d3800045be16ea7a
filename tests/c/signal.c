/* Signals: a waiting poll or run comes back at once and says so; stop and wakeup work from a handler. */
#include "raw.h"

#include <pthread.h>
#include <signal.h>

static volatile sig_atomic_t caught;
static wsock_loop *volatile handler_loop;
static volatile sig_atomic_t handler_stops, handler_wakes;
static volatile sig_atomic_t handler_status;

static void on_signal(int number) {
  (void)number;
  int saved = errno;
  caught++;
  if (handler_stops) handler_status = wsock_loop_stop(handler_loop);
  if (handler_wakes) handler_status = wsock_loop_wakeup(handler_loop);
  errno = saved;
}

/* Signals the main thread again and again, since the first may come before it waits. */
static pthread_t main_thread;
static int done;
static void *send_signals(void *arg) {
  (void)arg;
  int64_t end = now_ms() + patience_ms();
  while (!__sync_add_and_fetch(&done, 0) && now_ms() < end) {
    sleep_ms(20);
    if (!__sync_add_and_fetch(&done, 0)) pthread_kill(main_thread, SIGUSR1);
  }
  return NULL;
}
static pthread_t start_signals(void) {
  pthread_t thread;
  done = 0;
  caught = 0;
  REQUIRE(pthread_create(&thread, NULL, send_signals, NULL) == 0);
  return thread;
}
static void end_signals(pthread_t thread) {
  __sync_add_and_fetch(&done, 1);
  pthread_join(thread, NULL);
  CHECK(caught > 0);
}

int main(void) {
  struct pair pair;
  pthread_t thread;
  main_thread = pthread_self();
  pair_open(&pair, NULL, NULL);
  pair_echo(&pair);
  for (int restart = 0; restart < 2; restart++) {
    handle_usr1(on_signal, restart ? SA_RESTART : 0);

    section("a signal ends a poll without a limit");
    thread = start_signals();
    int32_t n;
    while ((n = poll_loop(pair.loop, -1)) >= 0 && caught == 0) {}
    CHECK_REFUSED(n, WSOCK_ERR_INTERRUPTED);
    end_signals(thread);

    section("a signal ends a poll with a limit");
    thread = start_signals();
    int64_t start = now_ms();
    while ((n = poll_loop(pair.loop, 60000)) >= 0 && caught == 0) {}
    CHECK_STATUS(n, WSOCK_ERR_INTERRUPTED);
    CHECK(now_ms() - start < 50000);
    end_signals(thread);

    section("a signal ends run");
    thread = start_signals();
    CHECK_REFUSED(run_loop(pair.loop), WSOCK_ERR_INTERRUPTED);
    end_signals(thread);
    section("nothing was lost by that");
    pair_echo(&pair);

    section("stop inside the handler ends run in order");
    handler_loop = pair.loop;
    handler_stops = 1;
    thread = start_signals();
    CHECK_STATUS(run_loop(pair.loop), WSOCK_OK);
    end_signals(thread);
    CHECK_INT(handler_status, WSOCK_OK);
    handler_stops = 0;
    pair_echo(&pair);

    section("wakeup inside the handler");
    handler_wakes = 1;
    thread = start_signals();
    n = poll_loop(pair.loop, -1);
    CHECKF(n == 0 || n == WSOCK_ERR_INTERRUPTED, "poll gave %d", (int)n);
    end_signals(thread);
    CHECK_INT(handler_status, WSOCK_OK);
    handler_wakes = 0;
    pair_echo(&pair);
  }
  section("messages under a rain of signals");
  thread = start_signals();
  int64_t end = now_ms() + 300;
  while (now_ms() < end) pair_echo(&pair);
  end_signals(thread);
  pair_free(&pair);
  return check_end();
}
