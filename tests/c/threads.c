/* What any thread may do, done by eight of them at once, and what only the loop's thread may do. */
#include "raw.h"

#include <pthread.h>

#define SENDERS 8
#define EACH (check_is_slow() ? 100 : 2000)
#define LINKS 4

#define WAIT_UNTIL(condition)                                      \
  do {                                                             \
    int64_t end_ = now_ms() + patience_ms();                       \
    while (!(condition) && now_ms() < end_) sleep_ms(1);           \
    CHECKF(condition, "waited in vain");                           \
  } while (0)

static void *run_thread(void *loop) {
  CHECK_STATUS(run_loop(loop), WSOCK_OK);
  return NULL;
}

/* Servers of one loop, clients of another; the senders belong to neither. */
static wsock_loop *server_loop, *client_loop;
static wsock_conn *client_of[LINKS], *server_of[LINKS];
static int opened_clients, opened_servers, closed, received, tasks_run, tasks_released, out_of_order;
/* next number expected from each sender, by connection and direction */
static int next_number[2][LINKS][SENDERS];

struct link { int index; };
static struct link links[LINKS];

static void client_open(wsock_conn *conn, void *user_data) {
  client_of[((struct link *)user_data)->index] = conn;
  __sync_add_and_fetch(&opened_clients, 1);
}
static void server_open(wsock_conn *conn, void *user_data) {
  static int count;
  (void)user_data;
  links[count].index = count;
  server_of[count] = conn;
  CHECK_STATUS(wsock_conn_set_user_data(conn, &links[count], NULL), WSOCK_OK);
  count++;
  __sync_add_and_fetch(&opened_servers, 1);
}
static void any_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user_data) {
  int sender, number;
  char text[32];
  int from_client = wsock_conn_server(conn) != NULL;
  snprintf(text, sizeof text, "%.*s", (int)len, (const char *)data);
  if (type == WSOCK_TEXT && sscanf(text, "%d %d", &sender, &number) == 2 && sender >= 0 && sender < SENDERS) {
    int *next = &next_number[from_client][((struct link *)user_data)->index][sender];
    if (number != *next) __sync_add_and_fetch(&out_of_order, 1);
    *next = number + 1;
  }
  __sync_add_and_fetch(&received, 1);
}
static void any_close(wsock_conn *conn, const wsock_close_info *info, void *user_data) {
  (void)conn, (void)user_data;
  CHECKF(info->was_clean == 1, "close code %d, status %d", (int)info->code, (int)info->status);
  __sync_add_and_fetch(&closed, 1);
}
static void task(wsock_loop *loop, void *arg) {
  CHECK(loop == *(wsock_loop **)arg);
  __sync_add_and_fetch(&tasks_run, 1);
}
static void task_release(void *arg) {
  (void)arg;
  __sync_add_and_fetch(&tasks_released, 1);
}

static void *sender(void *arg) {
  int self = *(int *)arg;
  char text[32];
  for (int i = 0; i < EACH; i++) {
    for (int link = 0; link < LINKS; link++) {
      int n = snprintf(text, sizeof text, "%d %d", self, i);
      wsock_conn *to[] = {client_of[link], server_of[link]};
      for (int side = 0; side < 2; side++) {
        wsock_status sent;
        while ((sent = wsock_conn_send_text(to[side], text, (size_t)n)) == WSOCK_ERR_LIMIT) sleep_ms(1);
        CHECKF(sent == WSOCK_OK || sent == WSOCK_BUFFERED, "send gave %d: %s", (int)sent, last_text());
      }
    }
    wsock_conn *conn = i % 2 ? client_of[i % LINKS] : server_of[i % LINKS];
    CHECK_INT(wsock_conn_state(conn), WSOCK_OPEN);
    CHECK(wsock_conn_buffered_amount(conn) < (64u << 20));
    CHECK_STATUS(wsock_loop_wakeup(i % 2 ? client_loop : server_loop), WSOCK_OK);
    if (i % 10 == 0) CHECK_STATUS(wsock_conn_ping(conn, "p", 1), WSOCK_OK);
    if (i % 4 == 0) CHECK_STATUS(wsock_loop_post(i % 8 ? client_loop : server_loop, task, i % 8 ? &client_loop : &server_loop, task_release), WSOCK_OK);
  }
  return NULL;
}

static void many_senders(void) {
  pthread_t owner[2], threads[SENDERS];
  int numbers[SENDERS];
  struct link client_links[LINKS];
  wsock_handlers h;
  wsock_server *server = NULL;
  section("eight threads send on eight connections of two loops");
  memset(&h, 0, sizeof h);
  h.struct_size = sizeof h;
  h.on_message = any_message;
  h.on_close = any_close;
  server_loop = new_loop(), client_loop = new_loop();
  h.on_open = server_open;
  REQUIRE(wsock_listen(server_loop, "127.0.0.1", 0, NULL, &h, NULL, &server) == WSOCK_OK);
  uint16_t port = wsock_server_port(server);
  h.on_open = client_open;
  for (int i = 0; i < LINKS; i++) {
    client_links[i].index = i;
    REQUIRE(wsock_connect(client_loop, url_of(port, "/"), NULL, &h, &client_links[i], &client_of[i]) == WSOCK_OK);
  }
  pthread_create(&owner[0], NULL, run_thread, server_loop);
  pthread_create(&owner[1], NULL, run_thread, client_loop);
  WAIT_UNTIL(load(&opened_clients) == LINKS && load(&opened_servers) == LINKS);
  REQUIRE(load(&opened_clients) == LINKS && load(&opened_servers) == LINKS);
  for (int i = 0; i < SENDERS; i++) {
    numbers[i] = i;
    pthread_create(&threads[i], NULL, sender, &numbers[i]);
  }
  for (int i = 0; i < SENDERS; i++) pthread_join(threads[i], NULL);
  int total = SENDERS * EACH * LINKS * 2;
  WAIT_UNTIL(load(&received) == total);
  CHECK_INT(load(&received), total);
  CHECK_INT(load(&out_of_order), 0);
  int tasks = SENDERS * ((EACH + 3) / 4);
  WAIT_UNTIL(load(&tasks_run) == tasks && load(&tasks_released) == tasks);

  section("close and stop from another thread");
  for (int i = 0; i < LINKS; i++) {
    CHECK_STATUS(wsock_conn_close(i % 2 ? client_of[i] : server_of[i], 1000, "done"), WSOCK_OK);
    CHECK_INT(wsock_conn_close(i % 2 ? client_of[i] : server_of[i], 1000, "done") == WSOCK_OK || last_error().code == WSOCK_ERR_INVALID_HANDLE, 1);
  }
  WAIT_UNTIL(load(&closed) == 2 * LINKS);
  for (int i = 0; i < LINKS; i++) {
    WAIT_UNTIL(wsock_conn_state(client_of[i]) == WSOCK_CLOSED);
    CHECK_REFUSED(wsock_conn_send_text(client_of[i], "x", 1), WSOCK_ERR_INVALID_HANDLE);
  }
  CHECK_STATUS(wsock_loop_stop(server_loop), WSOCK_OK);
  /* the client loop has nothing left to wait for and returns by itself */
  pthread_join(owner[0], NULL);
  pthread_join(owner[1], NULL);
  CHECK_INT(load(&closed), 2 * LINKS);
  free_loop(server_loop); /* by the thread that made it, after another one ran it */
  free_loop(client_loop);
}

/* Sends and aborts that race with the end of the connection. */
static void *hammer(void *arg) {
  wsock_conn *conn = arg;
  for (int i = 0; i < 100000; i++) {
    wsock_status sent = wsock_conn_send_text(conn, "x", 1);
    if (sent == WSOCK_ERR_INVALID_HANDLE) return NULL;
    CHECKF(sent == WSOCK_OK || sent == WSOCK_BUFFERED || sent == WSOCK_ERR_STATE || sent == WSOCK_ERR_LIMIT, "send gave %d", (int)sent);
    if (i == 200) CHECK_INT(wsock_conn_abort(conn) == WSOCK_OK || last_error().code == WSOCK_ERR_INVALID_HANDLE, 1);
    if (i > 200) sleep_ms(1);
  }
  CHECKF(0, "the aborted connection never ended");
  return NULL;
}
static void *own_pair(void *arg) {
  struct pair pair;
  pthread_t threads[3];
  (void)arg;
  for (int round = 0; round < 5; round++) {
    pair_open(&pair, NULL, NULL);
    for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, hammer, i == 2 ? pair_peer(&pair)->conn : pair.client.conn);
    PUMP_UNTIL(pair.loop, pair.client.releases && pair_peer(&pair)->releases);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    pair_free(&pair);
  }
  return NULL;
}

/* Calls for the loop's thread only. */
static wsock_loop *busy_loop;
static wsock_conn *busy_conn;
static int in_callback, may_go_on;
static void wait_inside(wsock_loop *loop, void *arg) {
  (void)loop, (void)arg;
  __sync_add_and_fetch(&in_callback, 1);
  WAIT_UNTIL(load(&may_go_on));
}
static void refused_from_here(void) {
  wsock_handlers h = rec_handlers();
  wsock_conn *conn = (void *)0x51;
  wsock_server *server = (void *)0x51;
  h.release = NULL;
  CHECK_REFUSED(wsock_loop_poll(busy_loop, 0), WSOCK_ERR_WRONG_THREAD);
  CHECK_REFUSED(wsock_loop_run(busy_loop), WSOCK_ERR_WRONG_THREAD);
  CHECK_REFUSED(wsock_loop_free(busy_loop), WSOCK_ERR_WRONG_THREAD);
  CHECK_REFUSED(wsock_connect(busy_loop, "ws://127.0.0.1:1/", NULL, &h, NULL, &conn), WSOCK_ERR_WRONG_THREAD);
  CHECK_REFUSED(wsock_listen(busy_loop, "127.0.0.1", 0, NULL, &h, NULL, &server), WSOCK_ERR_WRONG_THREAD);
  CHECK(conn == (void *)0x51 && server == (void *)0x51);
  CHECK_REFUSED(wsock_conn_pause(busy_conn), WSOCK_ERR_WRONG_THREAD);
  CHECK_REFUSED(wsock_conn_resume(busy_conn), WSOCK_ERR_WRONG_THREAD);
  /* and these work */
  CHECK_INT(wsock_conn_state(busy_conn), WSOCK_OPEN);
  CHECK(wsock_conn_buffered_amount(busy_conn) < 1000);
  CHECK_STATUS(wsock_loop_wakeup(busy_loop), WSOCK_OK);
  CHECK_STATUS(wsock_conn_send_text(busy_conn, "x", 1), WSOCK_OK);
}
static void wrong_thread(void) {
  struct pair pair;
  pthread_t owner;
  section("calls for the loop's thread from another one, its owner inside a callback");
  pair_open(&pair, NULL, NULL);
  busy_loop = pair.loop;
  busy_conn = pair.client.conn;
  pthread_create(&owner, NULL, run_thread, pair.loop);
  CHECK_STATUS(wsock_loop_post(pair.loop, wait_inside, NULL, NULL), WSOCK_OK);
  WAIT_UNTIL(load(&in_callback) == 1);
  refused_from_here();
  __sync_add_and_fetch(&may_go_on, 1);
  section("the same, its owner waiting inside run");
  sleep_ms(50); /* now it most likely waits in the kernel; either way it is inside run */
  refused_from_here();
  CHECK_STATUS(wsock_loop_stop(pair.loop), WSOCK_OK);
  pthread_join(owner, NULL);
  section("back in the first thread");
  PUMP_UNTIL(pair.loop, pair.client.messages == 2);
  pair_echo(&pair);
  pair_free(&pair);
}

/* Waking a poll that would wait for ever, and a stop that comes before run. */
static void *wake_soon(void *loop) {
  sleep_ms(30);
  CHECK_STATUS(wsock_loop_wakeup(loop), WSOCK_OK);
  return NULL;
}
static void *stop_soon(void *loop) {
  sleep_ms(30);
  CHECK_STATUS(wsock_loop_stop(loop), WSOCK_OK);
  return NULL;
}
static int late_rescue, run_ended;
static void *rescue(void *loop) {
  int64_t end = now_ms() + patience_ms();
  while (!load(&run_ended) && now_ms() < end) sleep_ms(5);
  if (!load(&run_ended)) {
    __sync_add_and_fetch(&late_rescue, 1);
    wsock_loop_stop(loop);
  }
  return NULL;
}
static void waking(void) {
  struct srv srv = {0};
  wsock_loop *loop = new_loop();
  pthread_t thread;
  srv_listen(&srv, loop, NULL);
  section("wakeup ends a poll without a limit");
  pthread_create(&thread, NULL, wake_soon, loop);
  CHECK_INT(poll_loop(loop, -1), 0);
  pthread_join(thread, NULL);
  section("stop ends a poll without a limit");
  pthread_create(&thread, NULL, stop_soon, loop);
  CHECK_INT(poll_loop(loop, -1), 0);
  pthread_join(thread, NULL);
  section("stop ends run");
  pthread_create(&thread, NULL, stop_soon, loop);
  CHECK_STATUS(run_loop(loop), WSOCK_OK);
  pthread_join(thread, NULL);
  section("a stop right before run is not lost");
  CHECK_STATUS(wsock_loop_stop(loop), WSOCK_OK);
  pthread_create(&thread, NULL, rescue, loop);
  CHECK_STATUS(run_loop(loop), WSOCK_OK);
  __sync_add_and_fetch(&run_ended, 1);
  pthread_join(thread, NULL);
  CHECK_INT(late_rescue, 0);
  section("a wakeup right before poll is not lost");
  CHECK_STATUS(wsock_loop_wakeup(loop), WSOCK_OK);
  run_ended = 0;
  pthread_create(&thread, NULL, rescue, loop);
  CHECK_INT(poll_loop(loop, -1), 0);
  __sync_add_and_fetch(&run_ended, 1);
  pthread_join(thread, NULL);
  CHECK_INT(late_rescue, 0);
  free_loop(loop);
  section("tasks that never ran are released by loop_free");
  static wsock_loop *unused;
  int run_before = tasks_run, released_before = tasks_released;
  unused = new_loop();
  CHECK_STATUS(wsock_loop_post(unused, task, &unused, task_release), WSOCK_OK);
  CHECK(tasks_run == run_before && tasks_released == released_before);
  free_loop(unused);
  CHECK_INT(tasks_released, released_before + 1);
}

/* The last error belongs to its thread. */
static void *other_error(void *arg) {
  (void)arg;
  CHECK_STATUS(wsock_options_set_int(NULL, 1, 1), WSOCK_ERR_INVALID_HANDLE);
  CHECK_LAST(WSOCK_ERR_INVALID_HANDLE);
  return NULL;
}
static void errors(void) {
  pthread_t thread;
  section("the last error is the thread's own");
  CHECK_STATUS(wsock_option_bounds(0, NULL, NULL, NULL), WSOCK_ERR_UNSUPPORTED);
  pthread_create(&thread, NULL, other_error, NULL);
  pthread_join(thread, NULL);
  CHECK_LAST(WSOCK_ERR_UNSUPPORTED);
}

int main(void) {
  pthread_t threads[2];
  many_senders();
  section("sends that race with an abort, on two loops");
  for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, own_pair, NULL);
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  wrong_thread();
  waking();
  errors();
  return check_end();
}
