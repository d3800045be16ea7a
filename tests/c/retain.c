/* What was received is kept beyond its callback or batch without a copy, read and sent on from anywhere,
   and given up by any thread. */
#include "raw.h"

#include <pthread.h>

#define KEPT 64

struct kept {
  wsock_message *message;
  const void *data;
  size_t len;
  unsigned char first, last;
};
static struct kept kept[KEPT];
static int kept_count, refused_elsewhere;
static wsock_conn *other;

static void keep(wsock_conn *conn, int32_t type, const void *data, size_t len) {
  struct kept *k = &kept[kept_count];
  int32_t told = 0;
  size_t told_len = 0;
  REQUIRE(kept_count < KEPT);
  CHECK_STATUS(wsock_conn_retain(conn, data, &k->message), WSOCK_OK);
  k->data = wsock_message_data(k->message, &told, &told_len);
  CHECKF(k->data == data, "it was copied");
  CHECK(told == type && told_len == len);
  k->len = len;
  k->first = ((const unsigned char *)data)[0];
  k->last = ((const unsigned char *)data)[len - 1];
  if (len > 1 && wsock_conn_retain(conn, (const char *)data + 1, &(wsock_message *){NULL}) == WSOCK_ERR_INVALID_ARGUMENT)
    refused_elsewhere++;
  kept_count++;
}
static void check_kept(void) {
  for (int i = 0; i < kept_count; i++) {
    const unsigned char *data = wsock_message_data(kept[i].message, NULL, NULL);
    CHECKF(data == kept[i].data && data[0] == kept[i].first && data[kept[i].len - 1] == kept[i].last, "message %d has changed", i);
    for (size_t n = 1; n + 1 < kept[i].len; n++)
      if (data[n] != (unsigned char)(kept[i].first + n)) {
        CHECKF(0, "message %d has changed at %zu", i, n);
        break;
      }
  }
}
static void *free_kept(void *unused) {
  (void)unused;
  for (int i = 0; i < kept_count; i++) wsock_message_free(kept[i].message);
  return NULL;
}
static void give_up_elsewhere(void) {
  pthread_t thread;
  REQUIRE(pthread_create(&thread, NULL, free_kept, NULL) == 0 && pthread_join(thread, NULL) == 0);
  CHECK(wsock_message_data(kept[0].message, NULL, NULL) == NULL);
  kept_count = 0;
}

static void on_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user_data) {
  (void)user_data;
  keep(conn, type, data, len);
  /* sent on from inside the callback that has just received it */
  if (other) CHECK(wsock_conn_send_message(other, kept[kept_count - 1].message, NULL) >= 0);
}

static void send_pattern(wsock_conn *conn, size_t len, unsigned char first) {
  unsigned char *data = malloc(len);
  for (size_t i = 0; i < len; i++) data[i] = (unsigned char)(first + i);
  CHECK(wsock_conn_send_binary(conn, data, len) >= 0);
  free(data);
}

/* Small, larger than the buffer that sockets are read into, and whatever lies between. */
static const size_t sizes[] = {1, 10, 125, 126, 1000, 65535, 65536, 262144, 300000, 1500000};
#define SIZES (sizeof sizes / sizeof sizes[0])

int main(void) {
  wsock_loop *loop = new_loop();
  wsock_handlers handlers = {0};
  wsock_options *compressing = option(new_options(), WSOCK_OPT_DEFLATE, 1);
  handlers.struct_size = sizeof handlers;
  handlers.on_message = on_message;

  for (int with_deflate = 0; with_deflate < 2; with_deflate++) {
    wsock_options *options = with_deflate ? compressing : NULL;
    wsock_server *server = NULL;
    struct rec client, echo;
    struct srv second;
    if (with_deflate && !(wsock_features() & WSOCK_FEATURE_DEFLATE)) continue;
    section(with_deflate ? "callbacks, compressed" : "callbacks");
    memset(&client, 0, sizeof client), memset(&echo, 0, sizeof echo), memset(&second, 0, sizeof second);
    srv_listen(&second, loop, options);
    REQUIRE(wsock_listen(loop, "127.0.0.1", 0, options, &handlers, NULL, &server) == WSOCK_OK);
    connect_to(&client, loop, url_of(wsock_server_port(server), "/"), options);
    connect_to(&echo, loop, url_of(second.port, "/"), options);
    PUMP_UNTIL(loop, client.opens && echo.opens && second.count == 1);
    other = echo.conn;
    for (size_t i = 0; i < SIZES; i++) send_pattern(client.conn, sizes[i], (unsigned char)i);
    PUMP_UNTIL(loop, kept_count == (int)SIZES && second.conn[0]->messages == (int)SIZES);
    CHECK_INT(refused_elsewhere, SIZES - 1);
    /* what comes later does not touch it */
    other = NULL;
    for (size_t i = 0; i < 20; i++) send_pattern(client.conn, 50000, (unsigned char)(100 + i));
    PUMP_UNTIL(loop, kept_count == (int)SIZES + 20);
    check_kept();
    CHECK_INT(second.conn[0]->len, sizes[SIZES - 1]);
    refused_elsewhere = 0;

    section("only what the callback was given");
    wsock_message *none = NULL;
    CHECK_REFUSED(wsock_conn_retain(client.conn, kept[0].data, &none), WSOCK_ERR_INVALID_ARGUMENT);
    CHECK_REFUSED(wsock_conn_retain(client.conn, NULL, &none), WSOCK_ERR_INVALID_ARGUMENT);
    CHECK(none == NULL);
    CHECK_STATUS(wsock_server_close(server, 0, 0, NULL), WSOCK_OK);
    CHECK_STATUS(wsock_server_close(second.server, 0, 0, NULL), WSOCK_OK);
    PUMP_UNTIL(loop, client.closes && echo.closes && second.releases);
    /* also not the end of the connection */
    check_kept();
    give_up_elsewhere();
    rec_free(&client), rec_free(&echo), srv_free(&second);
  }

  section("batches");
  wsock_event events[8];
  wsock_server *alone = NULL;
  wsock_conn *conn = NULL;
  REQUIRE(wsock_listen(loop, "127.0.0.1", 0, NULL, NULL, NULL, &alone) == WSOCK_OK);
  CHECK_STATUS(wsock_loop_use_events(loop, events, sizeof events[0], 8), WSOCK_OK);
  REQUIRE(wsock_connect(loop, url_of(wsock_server_port(alone), "/"), NULL, NULL, NULL, &conn) == WSOCK_OK);
  int64_t end = now_ms() + patience_ms();
  int sent = 0;
  while (kept_count < (int)SIZES && now_ms() < end) {
    int32_t n = wsock_loop_events(loop, 10);
    REQUIRE(n >= 0);
    for (int32_t i = 0; i < n; i++) {
      wsock_conn *whose = (wsock_conn *)(uintptr_t)events[i].object;
      if (events[i].type == WSOCK_EVENT_OPEN && whose == conn)
        for (; sent < (int)SIZES; sent++) send_pattern(conn, sizes[sent], (unsigned char)sent);
      if (events[i].type == WSOCK_EVENT_BINARY) keep(whose, WSOCK_BINARY, (const void *)(uintptr_t)events[i].data, events[i].len);
    }
  }
  CHECK_INT(kept_count, SIZES);
  check_kept();
  CHECK_STATUS(wsock_loop_events(loop, 0), 0);
  CHECK_REFUSED(wsock_conn_retain(conn, kept[0].data, &(wsock_message *){NULL}), WSOCK_ERR_INVALID_ARGUMENT);
  free_loop(loop);
  check_kept();
  give_up_elsewhere();
  wsock_options_free(compressing);
  return check_end();
}
