/* One hub, several loops, publishers on threads of their own: order, and kept messages in a race. */
#include "hub.h"

#include <pthread.h>

#define WAIT_UNTIL(condition)                                      \
  do {                                                             \
    int64_t end_ = now_ms() + patience_ms();                       \
    while (!(condition) && now_ms() < end_) sleep_ms(1);           \
    CHECKF(condition, "waited in vain");                           \
  } while (0)

/* Two loops on two threads, and publishers that belong to neither. */
#define LISTENERS 4
#define PUBLISHERS 3
#define EACH (check_is_slow() ? 100 : 3000)
struct listener {
  wsock_conn *conn; /* the server's side */
  int heard, next[PUBLISHERS], out_of_order;
  uint64_t order;   /* of all messages */
};
static struct listener listeners[2][LISTENERS];
static int subscribed;
static struct side { wsock_loop *loop; wsock_server *server; int index, count; } sides[2];
static wsock_hub *shared_hub;

static void side_open(wsock_conn *conn, void *user_data) {
  struct side *side = user_data;
  struct listener *listener = &listeners[side->index][side->count];
  listener->conn = conn;
  side->count++;
  CHECK_STATUS(wsock_hub_subscribe(shared_hub, conn, side->count % 2 ? "many" : "man*"), WSOCK_OK);
  __sync_add_and_fetch(&subscribed, 1);
}
static void ear_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user_data) {
  struct listener *listener = user_data;
  char text[64];
  int who, number;
  (void)conn, (void)type;
  snprintf(text, sizeof text, "%.*s", (int)len, (const char *)data);
  if (sscanf(text, "%d %d", &who, &number) != 2) return;
  if (number != listener->next[who]) listener->out_of_order++;
  listener->next[who] = number + 1;
  listener->order = listener->order * 1099511628211u + (uint64_t)(who * 1000000 + number);
  __sync_add_and_fetch(&listener->heard, 1);
}
static int heard_by(int side) {
  int heard = 0;
  for (int i = 0; i < LISTENERS; i++) heard += load(&listeners[side][i].heard);
  return heard;
}
static void *run_thread(void *loop) {
  CHECK_STATUS(run_loop(loop), WSOCK_OK);
  return NULL;
}
static void *publisher(void *arg) {
  int who = *(int *)arg;
  char text[32];
  for (int i = 0; i < EACH; i++) {
    int n = snprintf(text, sizeof text, "%d %d", who, i);
    CHECK_STATUS(wsock_hub_publish(shared_hub, "many", WSOCK_TEXT, text, (size_t)n, NULL), WSOCK_OK);
    CHECK_STATUS(wsock_hub_publish(shared_hub, "few", WSOCK_TEXT, "nobody", 6, NULL), WSOCK_OK);
  }
  return NULL;
}
/* The first publisher works inside a callback of the first loop. */
static void publish_at_home(wsock_loop *loop, void *arg) {
  (void)loop;
  publisher(arg);
}
static void two_loops(void) {
  pthread_t owners[2], threads[PUBLISHERS];
  int numbers[PUBLISHERS];
  wsock_loop *clients = new_loop();
  wsock_handlers h;
  section("publishers on several threads, subscribers in two loops: all hear all, in one order");
  shared_hub = new_hub();
  for (int s = 0; s < 2; s++) {
    memset(&h, 0, sizeof h);
    h.struct_size = sizeof h;
    h.on_open = side_open;
    sides[s].index = s;
    sides[s].loop = new_loop();
    REQUIRE(wsock_listen(sides[s].loop, "127.0.0.1", 0, NULL, &h, &sides[s], &sides[s].server) == WSOCK_OK);
    memset(&h, 0, sizeof h);
    h.struct_size = sizeof h;
    h.on_message = ear_message;
    for (int i = 0; i < LISTENERS; i++) {
      wsock_conn *client;
      REQUIRE(wsock_connect(clients, url_of(wsock_server_port(sides[s].server), "/"), NULL, &h, &listeners[s][i], &client) == WSOCK_OK);
    }
    pthread_create(&owners[s], NULL, run_thread, sides[s].loop);
  }
  PUMP_UNTIL(clients, load(&subscribed) == 2 * LISTENERS);
  for (int i = 0; i < PUBLISHERS; i++) {
    numbers[i] = i;
    if (i == 0) CHECK_STATUS(wsock_loop_post(sides[0].loop, publish_at_home, &numbers[i], NULL), WSOCK_OK);
    else pthread_create(&threads[i], NULL, publisher, &numbers[i]);
  }
  PUMP_UNTIL(clients, heard_by(0) == LISTENERS * PUBLISHERS * EACH && heard_by(1) == LISTENERS * PUBLISHERS * EACH);
  for (int i = 1; i < PUBLISHERS; i++) pthread_join(threads[i], NULL);
  pump_for(clients, 20);
  for (int s = 0; s < 2; s++)
    for (int i = 0; i < LISTENERS; i++) {
      struct listener *listener = &listeners[s][i];
      CHECK_INT(listener->heard, PUBLISHERS * EACH);
      CHECK_INT(listener->out_of_order, 0);
      CHECK(listener->order == listeners[0][0].order);
    }
  wsock_hub_stats stats = hub_stats(shared_hub);
  CHECK_INT(stats.published, 2 * PUBLISHERS * EACH);
  CHECK_INT(stats.deliveries, 2 * LISTENERS * PUBLISHERS * EACH);
  CHECK_INT(stats.subscriptions, 2 * LISTENERS);

  section("a broadcast from another thread");
  wsock_message *message;
  REQUIRE(wsock_message_new(WSOCK_TEXT, "0 0", 3, &message) == WSOCK_OK);
  CHECK_STATUS(wsock_server_broadcast(sides[0].server, message, listeners[0][1].conn), WSOCK_OK);
  CHECK_STATUS(wsock_server_broadcast(sides[0].server, message, NULL), WSOCK_OK);
  wsock_message_free(message);
  PUMP_UNTIL(clients, heard_by(0) == LISTENERS * PUBLISHERS * EACH + 2 * LISTENERS - 1);
  pump_for(clients, 20);
  CHECK_INT(heard_by(0), LISTENERS * PUBLISHERS * EACH + 2 * LISTENERS - 1);
  CHECK_INT(heard_by(1), LISTENERS * PUBLISHERS * EACH);
  for (int s = 0; s < 2; s++) {
    CHECK_STATUS(wsock_loop_stop(sides[s].loop), WSOCK_OK);
    pthread_join(owners[s], NULL);
    free_loop(sides[s].loop);
  }
  CHECK_INT(hub_stats(shared_hub).subscriptions, 0);
  free_loop(clients);
  wsock_hub_free(shared_hub);
}

/* Subscribing while another thread publishes numbers that are kept. */
static int stop_counting, counted, gaps, tails;
static wsock_conn *tail_conn;
static void *count_up(void *arg) {
  char text[16];
  (void)arg;
  for (int i = 1; !load(&stop_counting); i++) {
    int n = snprintf(text, sizeof text, "%d", i);
    wsock_status status = publish(shared_hub, "number", text, WSOCK_PUBLISH_KEEP, NULL);
    CHECKF(status == WSOCK_OK && n > 0, "publishing gave %d", (int)status);
    __sync_lock_test_and_set(&counted, i);
    if (i % 50 == 0) sleep_ms(1);
  }
  return NULL;
}
static void tail_open(wsock_conn *conn, void *user_data) {
  (void)user_data;
  tail_conn = conn;
}
static int last_number, first_number, at_subscription;
static void tail_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user_data) {
  char text[32];
  (void)conn, (void)type, (void)user_data;
  snprintf(text, sizeof text, "%.*s", (int)len, (const char *)data);
  int number = atoi(text);
  if (last_number == 0) first_number = number;
  else if (number != last_number + 1) gaps++;
  last_number = number;
}
static void *subscribe_thread(void *arg) {
  (void)arg;
  CHECK_STATUS(wsock_hub_subscribe(shared_hub, tail_conn, "num*"), WSOCK_OK);
  return NULL;
}
static void racing(void) {
  pthread_t counter, subscriber;
  wsock_loop *loop = new_loop();
  wsock_server *server;
  wsock_conn *client;
  wsock_handlers h;
  section("a kept message and those after it: none is missing, none comes twice");
  shared_hub = new_hub();
  memset(&h, 0, sizeof h);
  h.struct_size = sizeof h;
  h.on_open = tail_open;
  REQUIRE(wsock_listen(loop, "127.0.0.1", 0, NULL, &h, NULL, &server) == WSOCK_OK);
  memset(&h, 0, sizeof h);
  h.struct_size = sizeof h;
  h.on_message = tail_message;
  pthread_create(&counter, NULL, count_up, NULL);
  WAIT_UNTIL(load(&counted) > 10);
  for (int round = 0; round < (check_is_slow() ? 10 : 60); round++) {
    tail_conn = NULL;
    REQUIRE(wsock_connect(loop, url_of(wsock_server_port(server), "/"), NULL, &h, NULL, &client) == WSOCK_OK);
    PUMP_UNTIL(loop, tail_conn != NULL);
    last_number = first_number = 0;
    at_subscription = load(&counted);
    if (round % 2) {
      CHECK_STATUS(wsock_hub_subscribe(shared_hub, tail_conn, "number"), WSOCK_OK);
    } else {
      pthread_create(&subscriber, NULL, subscribe_thread, NULL);
      pthread_join(subscriber, NULL);
    }
    int after = load(&counted);
    PUMP_UNTIL(loop, last_number > after + 20);
    CHECKF(first_number >= at_subscription && first_number <= after + 1, "%d came first, at %d to %d", first_number, at_subscription, after);
    tails++;
    CHECK_STATUS(wsock_conn_abort(tail_conn), WSOCK_OK);
    CHECK_STATUS(wsock_conn_abort(client), WSOCK_OK);
  }
  __sync_lock_test_and_set(&stop_counting, 1);
  pthread_join(counter, NULL);
  CHECK_INT(gaps, 0);
  CHECK(tails > 0);
  free_loop(loop);
  CHECK_INT(hub_stats(shared_hub).subscriptions, 0);
  CHECK_INT(hub_stats(shared_hub).kept, 1);
  wsock_hub_free(shared_hub);
}

int main(void) {
  two_loops();
  racing();
  return check_end();
}
