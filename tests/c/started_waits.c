/* A loop with a thread of its own: waiting for it and its end, with signals, in traffic, and with other loops. */
#include "started.h"

#include <poll.h>

static volatile sig_atomic_t caught, handler_stops;
static wsock_loop *volatile handler_loop;
static void on_signal(int number) {
  (void)number;
  int saved = errno;
  caught++;
  if (handler_stops) wsock_loop_stop(handler_loop);
  errno = saved;
}
static pthread_t main_thread;
static int signals_done;
static void *send_signals(void *arg) {
  (void)arg;
  while (!load(&signals_done)) {
    sleep_ms(20);
    if (!load(&signals_done)) pthread_kill(main_thread, SIGUSR1);
  }
  return NULL;
}
static void *stop_later(void *loop) {
  sleep_ms(60);
  CHECK_STATUS(wsock_loop_stop(loop), WSOCK_OK);
  return NULL;
}
static void *wake_later(void *loop) {
  sleep_ms(60);
  CHECK_STATUS(wsock_loop_wakeup(loop), WSOCK_OK);
  return NULL;
}
static void *poll_meanwhile(void *loop) {
  sleep_ms(60);
  CHECK_REFUSED(wsock_loop_poll(loop, 0), WSOCK_ERR_WRONG_THREAD);
  CHECK_REFUSED(wsock_loop_run(loop), WSOCK_ERR_WRONG_THREAD);
  CHECK_REFUSED(wsock_loop_events(loop, 0), WSOCK_ERR_WRONG_THREAD);
  CHECK_REFUSED(wsock_loop_join(loop), WSOCK_ERR_WRONG_THREAD);
  CHECK_REFUSED(wsock_loop_free(loop), WSOCK_ERR_WRONG_THREAD);
  CHECK_STATUS(wsock_loop_wakeup(loop), WSOCK_OK);
  return NULL;
}
static void waiting(void) {
  struct srv srv = {0};
  struct rec client = {0};
  pthread_t thread;
  wsock_loop *loop = started_loop();
  poller = pthread_self();
  use_events(loop, 3);
  srv_listen(&srv, loop, NULL);
  while (poll_loop(loop, 5) > 0) {}
  section("poll waits as long as it was asked to");
  int64_t start = now_ms();
  CHECK_INT(poll_loop(loop, 0), 0);
  CHECK_INT(poll_loop(loop, 50), 0);
  CHECKF(now_ms() - start >= 45 && now_ms() - start < 5000, "%d ms", (int)(now_ms() - start));
  section("wakeup ends a poll without a limit; one that came before counts, once");
  REQUIRE(pthread_create(&thread, NULL, wake_later, loop) == 0);
  start = now_ms();
  CHECK_INT(poll_loop(loop, -1), 0);
  CHECK(now_ms() - start >= 50);
  pthread_join(thread, NULL);
  CHECK_STATUS(wsock_loop_wakeup(loop), WSOCK_OK);
  CHECK_STATUS(wsock_loop_wakeup(loop), WSOCK_OK);
  CHECK_INT(poll_loop(loop, -1), 0);
  start = now_ms();
  CHECK_INT(poll_loop(loop, 50), 0);
  CHECK(now_ms() - start >= 45);
  section("another thread polls while this one waits");
  REQUIRE(pthread_create(&thread, NULL, poll_meanwhile, loop) == 0);
  CHECK_INT(poll_loop(loop, -1), 0);
  pthread_join(thread, NULL);
  section("run ends when another thread says so, also when it has said so before");
  REQUIRE(pthread_create(&thread, NULL, stop_later, loop) == 0);
  CHECK_STATUS(run_loop(loop), WSOCK_OK);
  pthread_join(thread, NULL);
  CHECK_STATUS(wsock_loop_stop(loop), WSOCK_OK);
  CHECK_STATUS(run_loop(loop), WSOCK_OK);
  section("signals: poll, run and events are interrupted");
  handle_usr1(on_signal, SA_RESTART);
  main_thread = pthread_self();
  handler_loop = loop;
  REQUIRE(pthread_create(&thread, NULL, send_signals, NULL) == 0);
  int32_t n;
  while ((n = poll_loop(loop, -1)) == 0) {}
  CHECK_REFUSED(n, WSOCK_ERR_INTERRUPTED);
  CHECK_REFUSED(run_loop(loop), WSOCK_ERR_INTERRUPTED);
  while ((n = wsock_loop_events(loop, 60000)) == 0) {}
  CHECK_REFUSED(n, WSOCK_ERR_INTERRUPTED);
  section("stop inside a signal handler ends run in order");
  handler_stops = 1;
  CHECK_STATUS(run_loop(loop), WSOCK_OK);
  handler_stops = 0;
  __sync_add_and_fetch(&signals_done, 1);
  pthread_join(thread, NULL);
  CHECK(caught >= 4);
  section("run ends by itself when nothing is left");
  connect_to(&client, loop, url_of(srv.port, "/"), NULL);
  PUMP_UNTIL(loop, client.opens && srv.count == 1);
  CHECK_STATUS(wsock_conn_close(client.conn, 1000, NULL), WSOCK_OK);
  CHECK_STATUS(wsock_server_close(srv.server, 0, 0, NULL), WSOCK_OK);
  CHECK_STATUS(run_loop(loop), WSOCK_OK);
  end_all(loop, &srv, &client, 1);
}

static void join_in_traffic(void) {
  static struct rec client[4];
  struct srv srv = {0};
  int before = threads_now();
  section("joined and started again in the middle of traffic");
  wsock_loop *loop = new_loop();
  poller = pthread_self();
  srv.echo = 1;
  srv.hook = on_poller;
  memset(client, 0, sizeof client);
  srv_listen(&srv, loop, NULL);
  int fd = wsock_loop_fd(loop), sent = 0;
  for (int i = 0; i < 4; i++) {
    client[i].hook = on_poller;
    connect_to(&client[i], loop, url_of(srv.port, "/"), NULL);
  }
  PUMP_UNTIL(loop, client[0].opens && client[1].opens && client[2].opens && client[3].opens && srv.count == 4);
  for (int round = 0; round < 20; round++) {
    if (round % 2) CHECK_STATUS(wsock_loop_join(loop), WSOCK_OK);
    else CHECK_STATUS(wsock_loop_start(loop), WSOCK_OK);
    CHECK_INT(wsock_loop_fd(loop), fd);
    for (int i = 0; i < 200; i++, sent++) {
      for (int k = 0; k < 4; k++) CHECK(wsock_conn_send_text(client[k].conn, "back and forth", 14) >= 0);
      if (i % 50 == 0) pump(loop);
    }
  }
  PUMP_UNTIL(loop, client[0].messages == sent && client[1].messages == sent && client[2].messages == sent && client[3].messages == sent);
  threads_are(before);
  section("what was queued when the thread ended is told, and the next thread is heard again");
  for (int round = 0; round < 10; round++) {
    int messages = client[0].messages;
    CHECK_STATUS(wsock_loop_start(loop), WSOCK_OK);
    CHECK_STATUS(wsock_conn_send_text(client[0].conn, "one", 3), WSOCK_OK);
    sleep_ms(10);
    CHECK_STATUS(wsock_loop_join(loop), WSOCK_OK);
    PUMP_UNTIL(loop, client[0].messages == messages + 1);
    CHECK_STATUS(wsock_loop_start(loop), WSOCK_OK);
    CHECK_STATUS(wsock_conn_send_text(client[0].conn, "two", 3), WSOCK_OK);
    int64_t start = now_ms();
    while (client[0].messages < messages + 2 && now_ms() - start < patience_ms()) REQUIRE(poll_loop(loop, (int)patience_ms()) >= 0);
    CHECKF(now_ms() - start < patience_ms() / 2, "nobody rang for %d ms", (int)(now_ms() - start));
    CHECK_STATUS(wsock_loop_join(loop), WSOCK_OK);
  }
  end_all(loop, &srv, client, 4);
}

static int join_race_done;
static void *use_while_joined(void *loop) {
  while (!load(&join_race_done)) {
    int32_t status = wsock_loop_timeout_ms(loop);
    CHECKF(status >= -1 || status == WSOCK_ERR_WRONG_THREAD, "gave %d: %s", (int)status, last_text());
  }
  return NULL;
}
static void join_races(void) {
  pthread_t thread[2];
  section("joined while other threads are at the door");
  wsock_loop *loop = new_loop();
  for (int i = 0; i < 2; i++) REQUIRE(pthread_create(&thread[i], NULL, use_while_joined, loop) == 0);
  for (int i = 0; i < (check_is_slow() ? 20 : 300); i++) {
    CHECK_STATUS(wsock_loop_start(loop), WSOCK_OK);
    CHECK_INT(poll_loop(loop, 0), 0);
    CHECK_STATUS(wsock_loop_join(loop), WSOCK_OK);
    CHECK_INT(poll_loop(loop, 0), 0);
  }
  __sync_add_and_fetch(&join_race_done, 1);
  for (int i = 0; i < 2; i++) pthread_join(thread[i], NULL);
  CHECK_STATUS(wsock_loop_free(loop), WSOCK_OK);
}

static int tasks_run, tasks_released;
static void task(wsock_loop *loop, void *arg) {
  (void)arg;
  CHECK(pthread_equal(pthread_self(), poller));
  CHECK_REFUSED(wsock_loop_poll(loop, 0), WSOCK_ERR_REENTRANT);
  tasks_run++;
}
static void task_release(void *arg) {
  (void)arg;
  CHECK(pthread_equal(pthread_self(), poller));
  tasks_released++;
}
static void freed_and_posted(void) {
  static struct rec client[5];
  struct srv srv = {0};
  int before = threads_now();
  poller = pthread_self();
  section("posted tasks run on the thread that polls");
  wsock_loop *loop = started_loop();
  for (int i = 0; i < 100; i++) CHECK_STATUS(wsock_loop_post(loop, task, NULL, task_release), WSOCK_OK);
  sleep_ms(20);
  CHECK_INT(tasks_run, 0);
  PUMP_UNTIL(loop, tasks_run == 100);
  CHECK_INT(tasks_released, 100);
  section("freed with open connections and the thread at work: every end once, no thread left");
  memset(client, 0, sizeof client);
  srv.echo = 1;
  srv.hook = on_poller;
  srv_listen(&srv, loop, NULL);
  for (int i = 0; i < 4; i++) {
    client[i].hook = on_poller;
    connect_to(&client[i], loop, url_of(srv.port, "/"), NULL);
  }
  PUMP_UNTIL(loop, client[0].opens && client[1].opens && client[2].opens && client[3].opens && srv.count == 4);
  /* one of which nobody has heard yet, and one that never gets there */
  connect_to(&client[4], loop, url_of(srv.port, "/"), NULL);
  for (int i = 0; i < 300; i++)
    for (int k = 0; k < 4; k++) CHECK(wsock_conn_send_text(client[k].conn, "to and fro", 10) >= 0);
  CHECK_STATUS(wsock_loop_post(loop, task, NULL, task_release), WSOCK_OK);
  sleep_ms(20);
  free_loop(loop);
  threads_are(before);
  for (int i = 0; i < 5; i++) CHECK_ENDED(&client[i]);
  CHECK_INT(srv.count, 4);
  for (int i = 0; i < 4; i++) CHECK_ENDED(srv.conn[i]);
  CHECK(srv.releases == 1 && tasks_run == 100 && tasks_released == 101);
  for (int i = 0; i < 5; i++) rec_free(&client[i]);
  srv_free(&srv);
}

/* Asks for things that end something, from a thread that hears of nothing. */
static void *look_in(void *arg) {
  struct polling *p = arg;
  while (!load(&p->done)) CHECK(wsock_loop_timeout_ms(p->loop) >= -1);
  return NULL;
}
static void release_at_home(void) {
  struct polling p = {0};
  poller = pthread_self();
  section("release comes on the thread that polls, whoever else goes in and out");
  wsock_loop *loop = started_loop();
  p.loop = loop;
  REQUIRE(pthread_create(&p.thread, NULL, look_in, &p) == 0);
  for (int i = 0; i < (check_is_slow() ? 5 : 50); i++) {
    struct srv srv = {0};
    struct rec client = {0};
    srv.hook = client.hook = on_poller;
    srv_listen(&srv, loop, NULL);
    connect_to(&client, loop, url_of(srv.port, "/"), NULL);
    PUMP_UNTIL(loop, client.opens && srv.count == 1);
    CHECK_STATUS(wsock_conn_abort(client.conn), WSOCK_OK);
    CHECK_STATUS(wsock_server_close(srv.server, 0, 0, NULL), WSOCK_OK);
    PUMP_UNTIL(loop, client.releases && srv.releases);
    CHECK_ENDED(&client);
    CHECK_ENDED(srv.conn[0]);
    rec_free(&client);
    srv_free(&srv);
  }
  __sync_add_and_fetch(&p.done, 1);
  pthread_join(p.thread, NULL);
  free_loop(loop);
}

static void with_events(void) {
  struct srv srv = {0};
  struct raw raw;
  struct rec client = {0};
  static char by_callbacks[sizeof transcript];
  wsock_loop *loop = new_loop();
  section("a scripted session: the same, told in any way");
  scripted_session(loop);
  memcpy(by_callbacks, transcript, sizeof transcript);
  CHECK_STATUS(wsock_loop_start(loop), WSOCK_OK);
  scripted_session(loop);
  CHECK_STR(transcript, by_callbacks);
  uint32_t capacities[] = {1, 3, 4096};
  peer_poll = fetch;
  for (int i = 0; i < 3; i++) {
    use_events(loop, capacities[i]);
    scripted_session(loop);
    CHECK_STR(transcript, by_callbacks);
  }
  section("what is sent within a batch leaves with a flush, or with the next batch");
  use_events(loop, 10);
  srv_listen(&srv, loop, NULL);
  raw_upgrade(&raw, loop, srv.port, "");
  PUMP_UNTIL(loop, srv.count == 1);
  while (fetch(loop, 20) > 0) {}
  for (int by_flush = 0; by_flush < 2; by_flush++) {
    raw_frame(&raw, 0x81, 1, "00", 2);
    CHECK_INT(next_batch(loop), 1);
    for (int i = 0; i < 50; i++) CHECK_STATUS(wsock_conn_send_text(srv.conn[0]->conn, "corked", 6), WSOCK_OK);
    CHECK_INT(wsock_conn_buffered_amount(srv.conn[0]->conn), 300);
    sleep_ms(20);
    raw_fill(&raw);
    CHECK_INT(raw.len, 0);
    if (by_flush) CHECK_STATUS(wsock_loop_flush(loop), WSOCK_OK);
    else CHECK_INT(wsock_loop_events(loop, 0), 0);
    CHECK_INT(wsock_conn_buffered_amount(srv.conn[0]->conn), 0);
    unsigned char piece[1000];
    sleep_ms(check_is_slow() ? 50 : 10);
    CHECK_INT(recv(raw.fd, piece, sizeof piece, MSG_DONTWAIT), 400);
    CHECK_INT(wsock_loop_events(loop, 0), 0);
  }
  raw_close(&raw);
  PUMP_UNTIL(loop, srv.conn[0]->releases);

  section("the descriptor alone: it tells of events, and of a batch that nobody has ended");
  int fd = wsock_loop_fd(loop);
  srv.echo = 1;
  peer_poll = wsock_loop_poll;
  connect_to(&client, loop, url_of(srv.port, "/"), NULL);
  use_events(loop, 3);
  int turns = 0;
  int64_t start = now_ms();
  for (int messages = 0; messages < 100 && now_ms() - start < patience_ms();) {
    struct pollfd p = {fd, POLLIN, 0};
    if (poll(&p, 1, (int)patience_ms()) != 1) break;
    peer_dispatching++;
    CHECK(fetch(loop, 0) >= 0);
    peer_dispatching--;
    turns++;
    if (client.opens && client.messages == messages) CHECK(wsock_conn_send_text(client.conn, "again", 5) >= 0);
    if (client.messages > messages) messages = client.messages, wsock_conn_send_text(client.conn, "again", 5);
  }
  CHECK(client.messages >= 100);
  CHECKF(now_ms() - start < patience_ms() && turns < 3000, "%d turns in %d ms", turns, (int)(now_ms() - start));
  peer_poll = fetch;
  while (fetch(loop, 20) > 0) {}
  struct pollfd p = {fd, POLLIN, 0};
  CHECK_INT(poll(&p, 1, 20), 0);
  section("a wakeup shows in the descriptor");
  CHECK_STATUS(wsock_loop_wakeup(loop), WSOCK_OK);
  CHECK_INT(poll(&p, 1, 1000), 1);
  CHECK_INT(fetch(loop, 0), 0);
  CHECK_INT(poll(&p, 1, 20), 0);
  peer_poll = wsock_loop_poll;
  end_all(loop, &srv, &client, 1);
}

static void comes_back(void) {
  struct srv srv = {0};
  struct rec client = {0};
  wsock_options *o = new_options();
  uint16_t port;
  int holder = raw_hold(&port);
  section("a client that comes back is told of each attempt before it is made");
  wsock_loop *loop = started_loop(), *other = new_loop();
  poller = pthread_self();
  client.reconnects = 1;
  client.hook = on_poller;
  option(option(option(o, WSOCK_OPT_RECONNECT, -1), WSOCK_OPT_RECONNECT_FIRST_MS, 20), WSOCK_OPT_RECONNECT_MAX_MS, 40);
  option(o, WSOCK_OPT_RECONNECT_QUEUE, 1000);
  connect_to(&client, loop, url_of(port, "/"), o);
  PUMP_UNTIL(loop, client.retries >= 2);
  CHECK_INT(wsock_conn_send_text(client.conn, "waited", 6), WSOCK_OK);
  srv_listen_at(&srv, other, port, NULL);
  for (int round = 1; round <= 3; round++) {
    for (int64_t end = now_ms() + patience_ms(); (client.opens < round || srv.count < round || client.down) && now_ms() < end;) {
      pump(loop);
      pump(other);
    }
    CHECK_INT(client.opens, round);
    CHECK_INT(srv.count, round);
    if (round == 1) PUMP_UNTIL(other, srv.conn[0]->messages == 1);
    if (round < 3) {
      int retries = client.retries;
      CHECK_STATUS(wsock_conn_abort(srv.conn[round - 1]->conn), WSOCK_OK);
      PUMP_UNTIL(other, srv.conn[round - 1]->releases);
      /* long enough for an attempt, but nobody knows of it yet */
      sleep_ms(100);
      pump(other);
      CHECK_INT(srv.count, round);
      PUMP_UNTIL(loop, client.retries > retries);
    }
  }
  section("and gives up when it is told to");
  CHECK_STATUS(wsock_conn_abort(client.conn), WSOCK_OK);
  PUMP_UNTIL(loop, client.releases);
  CHECK_ENDED(&client);
  wsock_options_free(o);
  CHECK_STATUS(wsock_loop_free(loop), WSOCK_OK);
  free_loop(other);
  close(holder);
  rec_free(&client);
  srv_free(&srv);
}

int main(void) {
  begin_started();
  waiting();
  join_in_traffic();
  join_races();
  freed_and_posted();
  release_at_home();
  with_events();
  comes_back();
  return check_end();
}
