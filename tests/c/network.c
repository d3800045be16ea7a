/* Clients that come back again and again, while threads that do not care send through them and close
   them: nothing hangs, nothing is told twice, and no byte is counted twice. */
#include "peer.h"

#include <pthread.h>
#include <sched.h>

#define CLIENTS 4
#define THREADS 3
#define LENGTH 50
#define QUEUE 1000

struct client {
  wsock_conn *conn;
  int opens, retries, closes, errors, releases;
  uint64_t lost;     /* unsent_bytes of on_retry and on_close */
  uint64_t accepted; /* bytes that sending took, from all threads */
  uint64_t received; /* by the server */
};
static struct client clients[CLIENTS];
static int over;

static void give_way(void) {
  if (check_is_slow()) sleep_ms(1);
  else sched_yield();
}

static void client_open(wsock_conn *conn, void *user_data) {
  struct client *client = user_data;
  client->opens++;
  CHECK(conn == client->conn && client->closes == 0);
  if (wsock_conn_send_text(conn, "hello", 5) >= 0) __sync_add_and_fetch(&client->accepted, 5);
}
static void client_retry(wsock_conn *conn, const wsock_retry_info *info, void *user_data) {
  struct client *client = user_data;
  client->retries++;
  client->lost += info->close->unsent_bytes;
  CHECK(conn == client->conn && client->closes == 0);
}
static void client_error(wsock_conn *conn, const wsock_error_info *info, void *user_data) {
  struct client *client = user_data;
  (void)conn;
  client->errors++;
  /* Given up while there was no connection, or lost while it was closing. */
  CHECKF(info->code == WSOCK_ERR_ABORTED || info->code == WSOCK_ERR_CONNECTION_LOST, "%s", info->message);
}
static void client_close(wsock_conn *conn, const wsock_close_info *info, void *user_data) {
  struct client *client = user_data;
  client->lost += info->unsent_bytes;
  CHECK_INT(++client->closes, 1);
  CHECK_INT(wsock_conn_state(conn), WSOCK_CLOSED);
}
static void client_release(void *user_data) { ((struct client *)user_data)->releases++; }

/* The path says whose connection it is; every few messages the server drops it, one way or another. */
static int served;
static void server_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user_data) {
  const char *url = wsock_conn_get_str(conn, WSOCK_CONN_URL, NULL);
  const char *number = url ? strrchr(url, '/') : NULL;
  (void)type, (void)data, (void)user_data;
  REQUIRE(number != NULL);
  clients[atoi(number + 1)].received += len;
  if (++served % 7 == 0) CHECK_STATUS(wsock_conn_abort(conn), WSOCK_OK);
  else if (served % 11 == 0) CHECK_STATUS(wsock_conn_close(conn, 1001, "go"), WSOCK_OK);
}

static void *sender(void *arg) {
  char text[LENGTH];
  memset(text, 'x', sizeof text);
  for (unsigned n = (unsigned)(size_t)arg; !load(&over); n++, give_way()) {
    struct client *client = &clients[n % CLIENTS];
    wsock_status sent = wsock_conn_send_text(client->conn, text, sizeof text);
    if (sent >= 0) __sync_add_and_fetch(&client->accepted, sizeof text);
    CHECKF(sent >= 0 || sent == WSOCK_ERR_STATE || sent == WSOCK_ERR_LIMIT || sent == WSOCK_ERR_INVALID_HANDLE,
           "send gave %d: %s", (int)sent, last_text());
    wsock_conn_buffered_amount(client->conn);
  }
  return NULL;
}
static void *closer(void *arg) {
  for (int i = (int)(size_t)arg; i < CLIENTS; i += 2) {
    wsock_status status = i < 2 ? wsock_conn_close(clients[i].conn, 1000, NULL) : wsock_conn_abort(clients[i].conn);
    CHECK_STATUS(status, WSOCK_OK);
  }
  return NULL;
}

static int retries(void) {
  int all = 0;
  for (int i = 0; i < CLIENTS; i++) all += clients[i].retries;
  return all;
}
static int closes(void) {
  int all = 0;
  for (int i = 0; i < CLIENTS; i++) all += clients[i].closes;
  return all;
}

/* `freed`: the loop is freed below them; otherwise other threads give them up. */
static void storm(int queue, int freed) {
  wsock_loop *loop = new_loop();
  wsock_server *server = NULL;
  wsock_options *options = NULL;
  wsock_handlers client = {.struct_size = sizeof client, .on_open = client_open, .on_error = client_error,
                           .on_close = client_close, .on_retry = client_retry, .release = client_release};
  wsock_handlers serving = {.struct_size = sizeof serving, .on_message = server_message};
  pthread_t threads[THREADS], closers[2];
  char url[64];
  int wanted = check_is_slow() ? 60 : 400;

  memset(clients, 0, sizeof clients);
  over = 0;
  REQUIRE(wsock_listen(loop, "127.0.0.1", 0, NULL, &serving, NULL, &server) == WSOCK_OK);
  REQUIRE(wsock_options_new(&options) == WSOCK_OK);
  CHECK_STATUS(wsock_options_set_int(options, WSOCK_OPT_RECONNECT, -1), WSOCK_OK);
  CHECK_STATUS(wsock_options_set_int(options, WSOCK_OPT_RECONNECT_FIRST_MS, 1), WSOCK_OK);
  CHECK_STATUS(wsock_options_set_int(options, WSOCK_OPT_RECONNECT_MAX_MS, 2), WSOCK_OK);
  CHECK_STATUS(wsock_options_set_int(options, WSOCK_OPT_RECONNECT_QUEUE, queue), WSOCK_OK);
  for (int i = 0; i < CLIENTS; i++) {
    snprintf(url, sizeof url, "ws://127.0.0.1:%d/%d", wsock_server_port(server), i);
    REQUIRE(wsock_connect(loop, url, options, &client, &clients[i], &clients[i].conn) == WSOCK_OK);
  }
  for (int i = 0; i < THREADS; i++) REQUIRE(pthread_create(&threads[i], NULL, sender, (void *)(size_t)i) == 0);
  PUMP_UNTIL(loop, retries() >= wanted);
  if (freed) {
    free_loop(loop);
  } else {
    for (int i = 0; i < 2; i++) REQUIRE(pthread_create(&closers[i], NULL, closer, (void *)(size_t)i) == 0);
    PUMP_UNTIL(loop, closes() == CLIENTS);
    for (int i = 0; i < 2; i++) pthread_join(closers[i], NULL);
    CHECK_STATUS(wsock_server_close(server, 0, 0, NULL), WSOCK_OK);
    CHECK_STATUS(run_loop(loop), WSOCK_OK);
  }
  __sync_add_and_fetch(&over, 1);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  if (!freed) free_loop(loop);
  for (int i = 0; i < CLIENTS; i++) {
    struct client *c = &clients[i];
    CHECK(c->opens > 0 && c->closes == 1 && c->errors <= 1 && c->releases == 1);
    CHECKF(c->received + c->lost <= c->accepted, "client %d: %llu received, %llu lost, %llu accepted", i,
           (unsigned long long)c->received, (unsigned long long)c->lost, (unsigned long long)c->accepted);
    CHECK(c->received > 0);
  }
  wsock_options_free(options);
}

int main(void) {
  section("threads send through clients that come back, others give them up");
  storm(0, 0);
  section("the same with a queue for the time without a connection");
  storm(QUEUE, 0);
  section("the same, and the loop is freed below them");
  storm(QUEUE, 1);
  return check_end();
}
