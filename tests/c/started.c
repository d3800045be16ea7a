/* A loop with a thread of its own: it does the work, and the application hears of it on the thread that
   polls, and there only. */
#include "events.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

static int load(int *value) { return __sync_add_and_fetch(value, 0); }

static wsock_loop *started_loop(void) {
  wsock_loop *loop = new_loop();
  REQUIRE(wsock_loop_start(loop) == WSOCK_OK);
  return loop;
}
static int threads_now(void) {
  int count = 0;
  DIR *dir = opendir("/proc/self/task");
  REQUIRE(dir != NULL);
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) count += entry->d_name[0] != '.';
  closedir(dir);
  return count;
}
/* A thread that has been joined may be seen for a moment. */
static void threads_are(int count) {
  for (int64_t end = now_ms() + patience_ms(); threads_now() != count && now_ms() < end;) sleep_ms(1);
  CHECK_INT(threads_now(), count);
}

/* For every record: that callbacks, release included, come on the one thread that polls. */
static pthread_t poller;
static void on_poller(struct rec *rec, char event) {
  (void)rec;
  CHECKF(pthread_equal(pthread_self(), poller), "%c on another thread", event);
}

/* Frees a loop with a server and what clients there are, all open. */
static void end_all(wsock_loop *loop, struct srv *srv, struct rec *clients, int count) {
  free_loop(loop);
  for (int i = 0; i < count; i++) {
    CHECK_ENDED(&clients[i]);
    rec_free(&clients[i]);
  }
  for (int i = 0; i < srv->count; i++) CHECK_ENDED(srv->conn[i]);
  if (srv->server) CHECK_INT(srv->releases, 1);
  srv_free(srv);
}

static void states(void) {
  int before = threads_now();
  section("started once, joined once");
  CHECK_REFUSED(wsock_loop_start(NULL), WSOCK_ERR_INVALID_HANDLE);
  CHECK_REFUSED(wsock_loop_join(NULL), WSOCK_ERR_INVALID_HANDLE);
  wsock_loop *loop = new_loop();
  CHECK_REFUSED(wsock_loop_join(loop), WSOCK_ERR_STATE);
  CHECK_STATUS(wsock_loop_start(loop), WSOCK_OK);
  threads_are(before + 1);
  CHECK_REFUSED(wsock_loop_start(loop), WSOCK_ERR_STATE);
  CHECK_REFUSED(wsock_loop_events(loop, -1), WSOCK_ERR_STATE);
  CHECK_REFUSED(wsock_loop_poll(loop, -2), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_INT(wsock_loop_timeout_ms(loop), -1);
  CHECK_STATUS(wsock_loop_join(loop), WSOCK_OK);
  threads_are(before);
  CHECK_REFUSED(wsock_loop_join(loop), WSOCK_ERR_STATE);
  CHECK_STATUS(wsock_loop_start(loop), WSOCK_OK);
  CHECK_INT(poll_loop(loop, 10), 0);
  CHECK_STATUS(run_loop(loop), WSOCK_OK); /* nothing is left */
  CHECK_STATUS(wsock_loop_free(loop), WSOCK_OK);
  threads_are(before);
  CHECK_REFUSED(wsock_loop_start(loop), WSOCK_ERR_INVALID_HANDLE);
  CHECK_REFUSED(wsock_loop_join(loop), WSOCK_ERR_INVALID_HANDLE);
}

static wsock_loop *outer;
static int joined_inside;
static void forbidden(struct rec *rec, char event) {
  wsock_loop *loop = outer;
  on_poller(rec, event);
  if (event != 'M' || rec->messages > 1) return;
  CHECK_REFUSED(wsock_loop_poll(loop, 0), WSOCK_ERR_REENTRANT);
  CHECK_REFUSED(wsock_loop_poll(loop, -1), WSOCK_ERR_REENTRANT);
  CHECK_REFUSED(wsock_loop_run(loop), WSOCK_ERR_REENTRANT);
  CHECK_REFUSED(wsock_loop_events(loop, 0), WSOCK_ERR_REENTRANT);
  CHECK_REFUSED(wsock_loop_free(loop), WSOCK_ERR_REENTRANT);
  CHECK_REFUSED(wsock_loop_start(loop), WSOCK_ERR_STATE);
  CHECK_STATUS(wsock_loop_join(loop), WSOCK_OK);
  CHECK_REFUSED(wsock_loop_join(loop), WSOCK_ERR_STATE);
  CHECK_REFUSED(wsock_loop_start(loop), WSOCK_ERR_REENTRANT);
  CHECK_REFUSED(wsock_loop_poll(loop, 0), WSOCK_ERR_REENTRANT);
  CHECK_REFUSED(wsock_loop_events(loop, 0), WSOCK_ERR_REENTRANT);
  CHECK_REFUSED(wsock_loop_free(loop), WSOCK_ERR_REENTRANT);
  joined_inside++;
}
static void inside_callbacks(void) {
  struct srv srv = {0};
  struct rec client = {0};
  section("inside a callback: nothing that waits or frees; joining works, and all goes on without the thread");
  outer = started_loop();
  poller = pthread_self();
  use_events(outer, 3);
  client.hook = forbidden;
  srv.echo = 1;
  srv.hook = on_poller;
  srv_listen(&srv, outer, NULL);
  connect_to(&client, outer, url_of(srv.port, "/"), NULL);
  PUMP_UNTIL(outer, client.opens && srv.count);
  for (int i = 0; i < 5; i++) CHECK_STATUS(wsock_conn_send_text(client.conn, "x", 1), WSOCK_OK);
  PUMP_UNTIL(outer, client.messages == 5);
  CHECK_INT(joined_inside, 1);
  CHECK_REFUSED(wsock_loop_join(outer), WSOCK_ERR_STATE);
  CHECK_STATUS(wsock_loop_start(outer), WSOCK_OK);
  CHECK_STATUS(wsock_conn_send_text(client.conn, "x", 1), WSOCK_OK);
  PUMP_UNTIL(outer, client.messages == 6);
  end_all(outer, &srv, &client, 1);
}

/* One poll after another on a thread of its own, until told. */
struct polling {
  pthread_t thread;
  wsock_loop *loop;
  int done;
};
static void *poll_until_done(void *arg) {
  struct polling *p = arg;
  while (!load(&p->done)) {
    int32_t n = poll_loop(p->loop, 20);
    CHECKF(n >= 0, "poll gave %d: %s", (int)n, last_text());
  }
  return NULL;
}
static void start_polling(struct polling *p, wsock_loop *loop) {
  memset(p, 0, sizeof *p);
  p->loop = loop;
  REQUIRE(pthread_create(&p->thread, NULL, poll_until_done, p) == 0);
}
static void end_polling(struct polling *p) {
  __sync_add_and_fetch(&p->done, 1);
  pthread_join(p->thread, NULL);
}

static void while_busy(void) {
  struct srv srv = {0}, lazy = {0};
  struct rec client = {0}, idler = {0};
  struct raw raw;
  wsock_options *o = new_options(), *plain = new_options(), *eager = new_options();
  section("the application works on something else: pings are answered, and who is silent is given up");
  int unit = check_is_slow() ? 600 : 150;
  wsock_loop *loop = started_loop(), *other = new_loop();
  poller = pthread_self();
  srv.hook = lazy.hook = on_poller;
  option(option(o, WSOCK_OPT_PING_INTERVAL_MS, unit), WSOCK_OPT_PONG_TIMEOUT_MS, unit);
  srv_listen(&srv, loop, o);
  option(option(plain, WSOCK_OPT_IDLE_TIMEOUT_MS, unit), WSOCK_OPT_PING_INTERVAL_MS, 0);
  srv_listen(&lazy, loop, plain);
  option(option(eager, WSOCK_OPT_PING_INTERVAL_MS, unit / 2), WSOCK_OPT_PONG_TIMEOUT_MS, unit);
  connect_to(&client, other, url_of(srv.port, "/"), eager);
  connect_to(&idler, other, url_of(lazy.port, "/"), NULL);
  raw_connect(&raw, other, srv.port);
  raw_text(&raw, "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " RAW_KEY "\r\n\r\n");
  for (int64_t end = now_ms() + patience_ms(); (srv.count < 2 || lazy.count < 1 || !client.opens || !idler.opens) && now_ms() < end;) {
    pump(loop);
    pump(other);
  }
  REQUIRE(srv.count == 2 && lazy.count == 1 && client.opens && idler.opens);
  /* this thread never polls `loop` now */
  int64_t start = now_ms();
  pump_for(other, 10 * unit);
  CHECKF(client.closes == 0, "ended with %d: %s", (int)client.close.code, client.error.message);
  CHECKF(client.pongs >= 3, "%d pongs", client.pongs);
  CHECK(idler.closes == 1 && idler.close.code == 1001);
  RAW_UNTIL(&raw, raw.eof || raw.reset);
  CHECKF(now_ms() - start < 30 * unit, "given up after %d ms", (int)(now_ms() - start));
  CHECK_INT(lazy.conn[0]->closes, 0);
  PUMP_UNTIL(loop, lazy.conn[0]->releases && srv.conn[0]->releases + srv.conn[1]->releases == 1);
  struct rec *silent = srv.conn[srv.conn[0]->releases ? 0 : 1];
  CHECK_INT(silent->error.code, WSOCK_ERR_PING_TIMEOUT);
  CHECK_INT(client.closes, 0);
  raw_close(&raw);
  wsock_options_free(o);
  wsock_options_free(plain);
  wsock_options_free(eager);
  free_loop(other);
  end_all(loop, &srv, NULL, 0);
  CHECK(client.releases == 1 && lazy.releases == 1);
  srv_free(&lazy);
}

/* Floods with numbered messages until the other side takes no more; how many whole ones went. */
#define FLOODERS 20
#define FLOOD_SIZE 10000
struct flood {
  int fd, sent, total;
};
static int next_flooded[FLOODERS];
static int flood_ended;
static void *flood(void *arg) {
  struct flood *f = arg;
  static const unsigned char head[8] = {0x82, 0xfe, FLOOD_SIZE >> 8, FLOOD_SIZE & 0xff, 0, 0, 0, 0};
  unsigned char message[8 + FLOOD_SIZE] = {0};
  memcpy(message, head, 8);
  for (int i = 0; i < f->total; i++) {
    memcpy(message + 8, &i, sizeof i);
    for (size_t at = 0; at < sizeof message;) {
      ssize_t n = send(f->fd, message + at, sizeof message - at, MSG_NOSIGNAL);
      if (n <= 0 && errno != EINTR) return NULL;
      if (n > 0) at += (size_t)n;
    }
    __sync_add_and_fetch(&f->sent, 1);
  }
  __sync_add_and_fetch(&flood_ended, 1);
  return NULL;
}
static void count_flood(struct rec *rec, char event) {
  int number, index = 0;
  on_poller(rec, event);
  if (event != 'M') return;
  struct srv *srv = rec->arg;
  while (srv->conn[index] != rec) index++;
  memcpy(&number, rec->data, sizeof number);
  CHECK_INT(number, next_flooded[index]);
  CHECK_INT(rec->len, FLOOD_SIZE);
  next_flooded[index] = number + 1;
}
static void flooded(int connections) {
  struct srv srv = {0};
  static struct flood f[FLOODERS];
  static struct raw raw[FLOODERS];
  pthread_t thread[FLOODERS];
  section("a flood is held back while the application is busy; then all of it comes, in order");
  wsock_loop *loop = started_loop();
  poller = pthread_self();
  srv.hook = count_flood;
  srv_listen(&srv, loop, NULL);
  memset(next_flooded, 0, sizeof next_flooded);
  flood_ended = 0;
  int total = (connections == 1 ? 40000000 : 4000000) / FLOOD_SIZE / (check_is_slow() ? 2 : 1);
  for (int i = 0; i < connections; i++) {
    int size = 65536;
    raw_upgrade(&raw[i], loop, srv.port, "");
    setsockopt(raw[i].fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    REQUIRE(fcntl(raw[i].fd, F_SETFL, 0) == 0);
    f[i] = (struct flood){raw[i].fd, 0, total};
  }
  PUMP_UNTIL(loop, srv.count == connections);
  for (int i = 0; i < connections; i++) REQUIRE(pthread_create(&thread[i], NULL, flood, &f[i]) == 0);
  /* until nothing moves any more */
  uint64_t received = 0, before;
  do {
    before = received;
    sleep_ms(check_is_slow() ? 2000 : 300);
    received = 0;
    for (int i = 0; i < connections; i++) {
      wsock_conn_stats stats = conn_stats(srv.conn[i]->conn);
      CHECKF(stats.bytes_received <= (2u << 20), "%u bytes were read of one connection", (unsigned)stats.bytes_received);
      received += stats.bytes_received;
    }
  } while (received != before);
  CHECKF(received >= (uint64_t)connections << 20, "only %u bytes were read", (unsigned)received);
  if (connections == 1) CHECK_INT(load(&flood_ended), 0);
  int64_t end = now_ms() + 4 * patience_ms();
  int all = 0;
  while (all < connections * total && now_ms() < end) {
    pump(loop);
    all = 0;
    for (int i = 0; i < connections; i++) all += next_flooded[i];
  }
  CHECK_INT(all, connections * total);
  for (int i = 0; i < connections; i++) {
    if (all < connections * total) shutdown(raw[i].fd, SHUT_RDWR);
    pthread_join(thread[i], NULL);
    raw_close(&raw[i]);
  }
  end_all(loop, &srv, NULL, 0);
}

#define SENDERS 4
static struct rec shared_client;
static int sends;
static int next_of[SENDERS], in_order = 1;
static void check_order(struct rec *rec, char event) {
  int sender, number;
  on_poller(rec, event);
  if (event != 'M') return;
  if (sscanf((const char *)rec->data, "%d %d", &sender, &number) != 2 || number != next_of[sender]) in_order = 0;
  else next_of[sender]++;
}
static void *send_all(void *arg) {
  int self = *(int *)arg;
  char text[32];
  for (int i = 0; i < sends; i++) {
    int len = snprintf(text, sizeof text, "%d %d", self, i);
    wsock_status sent;
    while ((sent = wsock_conn_send_text(shared_client.conn, text, (size_t)len)) == WSOCK_ERR_LIMIT) sleep_ms(1);
    CHECKF(sent == WSOCK_OK || sent == WSOCK_BUFFERED, "send gave %d: %s", (int)sent, last_text());
  }
  return NULL;
}
/* Everything that says "Thread: loop", again and again. */
static int using_done;
static struct srv *used_server;
static wsock_loop *used_loop;
static void *use_everything(void *arg) {
  (void)arg;
  for (int i = 0; !load(&using_done); i++) {
    wsock_conn *conn = shared_client.conn, *made = NULL;
    wsock_server *server = NULL;
    char name[64];
    CHECK_STATUS(wsock_conn_pause(conn), WSOCK_OK);
    CHECK_STATUS(wsock_conn_resume(conn), WSOCK_OK);
    CHECK(conn_stats(conn).messages_sent < 1u << 30);
    CHECK(server_stats(used_server->server).connections >= 1);
    CHECK_INT(wsock_server_port(used_server->server), used_server->port);
    CHECK(wsock_loop_timeout_ms(used_loop) >= -1);
    CHECK(wsock_loop_fd(used_loop) >= 0);
    CHECK(wsock_conn_user_data(conn) == &shared_client);
    CHECK_STATUS(wsock_loop_wakeup(used_loop), WSOCK_OK);
    CHECK_STATUS(wsock_loop_flush(used_loop), WSOCK_OK);
    CHECK_REFUSED(wsock_loop_start(used_loop), WSOCK_ERR_STATE);
    snprintf(name, sizeof name, "unix:@wsock-started-%d-%p-%d", (int)getpid(), (void *)&made, i);
    CHECK_STATUS(wsock_listen(used_loop, name, 0, NULL, NULL, NULL, &server), WSOCK_OK);
    CHECK_STATUS(wsock_server_close(server, 0, 0, NULL), WSOCK_OK);
    CHECK_STATUS(wsock_connect(used_loop, url_of(used_server->port, "/"), NULL, NULL, NULL, &made), WSOCK_OK);
    if (i % 2) CHECK_STATUS(wsock_conn_abort(made), WSOCK_OK);
    else CHECK(wsock_conn_close(made, 1000, NULL) == WSOCK_OK || last_error().code == WSOCK_ERR_INVALID_HANDLE);
  }
  return NULL;
}
static void many_threads(void) {
  struct srv srv = {0};
  pthread_t thread[SENDERS], user[2];
  int number[SENDERS];
  section("four threads send, two call everything else, one polls");
  wsock_loop *loop = started_loop();
  poller = pthread_self();
  memset(&shared_client, 0, sizeof shared_client);
  memset(next_of, 0, sizeof next_of);
  sends = check_is_slow() ? 300 : 5000;
  using_done = 0;
  srv.hook = check_order;
  srv_listen(&srv, loop, NULL);
  struct srv many = {0}; /* for the connections that come and go */
  wsock_handlers none;
  memset(&none, 0, sizeof none);
  none.struct_size = sizeof none;
  REQUIRE(wsock_listen(loop, "127.0.0.1", 0, NULL, &none, NULL, &many.server) == WSOCK_OK);
  many.port = wsock_server_port(many.server);
  connect_to(&shared_client, loop, url_of(srv.port, "/"), NULL);
  PUMP_UNTIL(loop, shared_client.opens && srv.count == 1);
  used_server = &many;
  used_loop = loop;
  struct rec holder = {0}; /* so that there is a connection all the time */
  connect_to(&holder, loop, url_of(many.port, "/"), NULL);
  PUMP_UNTIL(loop, holder.opens);
  for (int i = 0; i < SENDERS; i++) {
    number[i] = i;
    REQUIRE(pthread_create(&thread[i], NULL, send_all, &number[i]) == 0);
  }
  for (int i = 0; i < 2; i++) REQUIRE(pthread_create(&user[i], NULL, use_everything, NULL) == 0);
  int64_t end = now_ms() + 6 * patience_ms();
  while (srv.conn[0]->messages < SENDERS * sends && now_ms() < end) pump(loop);
  CHECK_INT(srv.conn[0]->messages, SENDERS * sends);
  CHECK(in_order);
  __sync_add_and_fetch(&using_done, 1);
  for (int i = 0; i < SENDERS; i++) pthread_join(thread[i], NULL);
  for (int i = 0; i < 2; i++) {
    while (pthread_tryjoin_np(user[i], NULL) != 0) pump(loop);
  }
  free_loop(loop);
  CHECK_ENDED(&shared_client);
  CHECK_ENDED(&holder);
  CHECK_ENDED(srv.conn[0]);
  rec_free(&shared_client);
  srv_free(&srv);
}

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
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  REQUIRE(sigaction(SIGUSR1, &action, NULL) == 0);
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

static int in_callback, may_leave, is_open;
static void note_open(struct rec *rec, char event) {
  (void)rec;
  if (event == 'O') __sync_add_and_fetch(&is_open, 1);
}
static void stay(struct rec *rec, char event) {
  (void)rec;
  if (event != 'M') return;
  __sync_add_and_fetch(&in_callback, 1);
  for (int64_t end = now_ms() + patience_ms(); !load(&may_leave) && now_ms() < end;) sleep_ms(1);
}
static void beside_a_callback(void) {
  struct srv srv = {0};
  struct rec client = {0}, second = {0};
  struct polling p;
  section("while a callback takes its time, others get in and traffic goes on");
  wsock_loop *loop = started_loop();
  in_callback = may_leave = 0;
  srv_listen(&srv, loop, NULL);
  client.hook = NULL;
  connect_to(&client, loop, url_of(srv.port, "/"), NULL);
  PUMP_UNTIL(loop, client.opens && srv.count == 1);
  srv.conn[0]->hook = stay;
  start_polling(&p, loop);
  CHECK_STATUS(wsock_conn_send_text(client.conn, "stay", 4), WSOCK_OK);
  for (int64_t end = now_ms() + patience_ms(); !load(&in_callback) && now_ms() < end;) sleep_ms(1);
  CHECK_INT(load(&in_callback), 1);
  int64_t start = now_ms();
  CHECK_INT(conn_stats(client.conn).messages_sent, 1);
  CHECK_STATUS(wsock_conn_pause(client.conn), WSOCK_OK);
  CHECK_STATUS(wsock_conn_resume(client.conn), WSOCK_OK);
  CHECK(wsock_conn_send_text(client.conn, "more", 4) >= 0);
  CHECK_REFUSED(wsock_loop_poll(loop, 0), WSOCK_ERR_WRONG_THREAD);
  CHECK_REFUSED(wsock_loop_join(loop), WSOCK_ERR_WRONG_THREAD);
  wsock_conn *conn = NULL;
  wsock_handlers h = rec_handlers();
  second.hook = note_open;
  CHECK_STATUS(wsock_connect(loop, url_of(srv.port, "/"), NULL, &h, &second, &conn), WSOCK_OK);
  /* the bytes get there although nobody is told */
  while (conn_stats(srv.conn[0]->conn).messages_received < 2 && now_ms() - start < patience_ms()) sleep_ms(1);
  CHECK_INT(conn_stats(srv.conn[0]->conn).messages_received, 2);
  CHECK(now_ms() - start < patience_ms() / 2);
  __sync_add_and_fetch(&may_leave, 1);
  for (int64_t end = now_ms() + patience_ms(); !load(&is_open) && now_ms() < end;) sleep_ms(1);
  end_polling(&p);
  CHECK_INT(second.opens, 1);
  CHECK_INT(srv.conn[0]->messages, 2);
  free_loop(loop);
  CHECK_ENDED(&client);
  CHECK_ENDED(&second);
  for (int i = 0; i < srv.count; i++) CHECK_ENDED(srv.conn[i]);
  rec_free(&client);
  rec_free(&second);
  srv_free(&srv);
}

static void pause_inside(struct rec *rec, char event) {
  if (event == 'M') CHECK_STATUS(wsock_conn_pause(rec->conn), WSOCK_OK);
}
static void paused(void) {
  struct srv srv = {0};
  struct raw raw;
  section("paused inside on_message: the next comes when it is resumed, although it was read already");
  wsock_loop *loop = started_loop();
  srv.hook = pause_inside;
  srv_listen(&srv, loop, NULL);
  raw_upgrade(&raw, loop, srv.port, "");
  raw_send(&raw, "\x81\x81\0\0\0\0a\x81\x81\0\0\0\0b\x81\x81\0\0\0\0c", 21);
  for (int i = 1; i <= 3; i++) {
    PUMP_UNTIL(loop, srv.count == 1 && srv.conn[0]->messages == i);
    pump_for(loop, 20);
    CHECK_INT(srv.conn[0]->messages, i);
    CHECK(srv.conn[0]->data[0] == "abc"[i - 1]);
    if (i == 2) raw_close_frame(&raw, 1, 1000, "");
    if (i < 3) CHECK_STATUS(wsock_conn_resume(srv.conn[0]->conn), WSOCK_OK);
  }
  PUMP_UNTIL(loop, srv.conn[0]->releases || (wsock_conn_resume(srv.conn[0]->conn), 0));
  CHECK_INT(srv.conn[0]->close.code, 1000);
  raw_close(&raw);
  end_all(loop, &srv, NULL, 0);
}

/* What was sent before the connection waits for on_open to return; what the same thread sends while nobody
   polls does not go before it, and what on_open sends does. */
static char told[64];
static void note_told(struct rec *rec, char event) {
  if (event == 'M') snprintf(told + strlen(told), sizeof told - strlen(told), "%.*s ", (int)rec->len, (const char *)rec->data);
}
static void greet(struct rec *rec, char event) {
  if (event == 'O') CHECK_STATUS(wsock_conn_send_text(rec->conn, "greeting", 8), WSOCK_OK);
}
static void queued_before(void) {
  wsock_loop *loop = started_loop(), *far = new_loop();
  wsock_options *options = option(option(new_options(), WSOCK_OPT_RECONNECT, 3), WSOCK_OPT_RECONNECT_QUEUE, 1000);
  struct srv srv = {0};
  struct rec client = {0};
  section("what waits for the connection keeps its place before what is sent while nobody polls");
  srv.hook = note_told;
  srv_listen(&srv, far, NULL);
  client.hook = greet;
  client.reconnects = 1;
  wsock_handlers handlers = rec_handlers();
  REQUIRE(wsock_connect(loop, url_of(srv.port, "/"), options, &handlers, &client, &client.conn) == WSOCK_OK);
  CHECK_STATUS(wsock_conn_send_text(client.conn, "first", 5), WSOCK_OK);
  PUMP_UNTIL(far, wsock_conn_state(client.conn) == WSOCK_OPEN);
  CHECK_STATUS(wsock_conn_send_text(client.conn, "second", 6), WSOCK_OK);
  CHECK_STATUS(wsock_conn_send(client.conn, WSOCK_TEXT, "third", 5, 0), WSOCK_OK);
  pump_for(far, 20);
  CHECK_INT(client.opens, 0);
  PUMP_UNTIL(loop, client.opens);
  CHECK_STATUS(wsock_conn_send_text(client.conn, "fourth", 6), WSOCK_OK);
  PUMP_UNTIL(far, strstr(told, "fourth") != NULL);
  CHECK_STR(told, "greeting first second third fourth ");
  CHECK_STATUS(wsock_conn_close(client.conn, 1000, NULL), WSOCK_OK);
  for (int64_t end = now_ms() + patience_ms(); !client.closes && now_ms() < end;) {
    pump(far);
    pump(loop);
  }
  CHECK_INT(client.closes, 1);
  free_loop(loop);
  rec_free(&client);
  end_all(far, &srv, NULL, 0);
  wsock_options_free(options);
}

/* Without an on_request nobody has to be asked, so clients get in while the application is busy. */
static void let_in(void) {
  wsock_loop *loop = started_loop(), *far = new_loop();
  struct srv srv = {0};
  struct rec client = {0};
  wsock_handlers handlers = srv_handlers();
  section("clients get in while nobody polls, unless there is an on_request");
  for (int asked = 0; asked < 2; asked++) {
    memset(&srv, 0, sizeof srv), memset(&client, 0, sizeof client);
    if (!asked) handlers.on_request = NULL;
    else handlers = srv_handlers();
    REQUIRE(wsock_listen(loop, "127.0.0.1", 0, NULL, &handlers, &srv, &srv.server) == WSOCK_OK);
    connect_to(&client, far, url_of(wsock_server_port(srv.server), "/"), NULL);
    if (asked) pump_for(far, 100);
    else PUMP_UNTIL(far, client.opens);
    CHECK_INT(client.opens, !asked);
    CHECK_INT(srv.count, 0);
    if (!asked) CHECK_STATUS(wsock_conn_send_text(client.conn, "early", 5), WSOCK_OK);
    if (!asked) pump_for(far, 20);
    PUMP_UNTIL(loop, srv.count == 1 && (asked || srv.conn[0]->messages == 1));
    PUMP_UNTIL(far, client.opens);
    CHECK_STR(srv.conn[0]->log, asked ? "O" : "OM");
    CHECK_STATUS(wsock_server_close(srv.server, 0, 0, NULL), WSOCK_OK);
    for (int64_t end = now_ms() + patience_ms(); !(client.closes && srv.releases) && now_ms() < end;) {
      pump(far);
      pump(loop);
    }
    CHECK(client.closes == 1 && srv.releases == 1);
    rec_free(&client), srv_free(&srv);
  }
  free_loop(loop), free_loop(far);
}

static void *nothing(void *arg) { return arg; }
int main(void) {
  pthread_t first;
  /* with the first, a sanitizer may begin one of its own */
  REQUIRE(pthread_create(&first, NULL, nothing, NULL) == 0 && pthread_join(first, NULL) == 0);
  peer_behind = 1;
  states();
  inside_callbacks();
  while_busy();
  flooded(1);
  flooded(FLOODERS);
  many_threads();
  waiting();
  join_in_traffic();
  join_races();
  freed_and_posted();
  release_at_home();
  with_events();
  comes_back();
  queued_before();
  let_in();
  beside_a_callback();
  paused();
  return check_end();
}
