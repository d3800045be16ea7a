/* A loop with a thread of its own: its states, callbacks on the thread that polls, and calls from many threads. */
#include "started.h"

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

int main(void) {
  begin_started();
  states();
  inside_callbacks();
  while_busy();
  flooded(1);
  flooded(FLOODERS);
  many_threads();
  return check_end();
}
