/* Messages in parts: on_part in place of on_message, whatever the peer does to them on the way. */
#include "raw.h"

/* What on_part told of the connections of one server. */
struct taken {
  int messages, parts, alone, wrong, closes, open; /* open: a message has begun and not ended */
  int32_t type, status;
  uint64_t len, total; /* of the present message, of all */
  size_t largest;
  unsigned char *data, *at; /* what is expected, and how far it has come; NULL: not compared */
  wsock_conn *conn;
  void (*hook)(struct taken *taken);
};

static void taken_on_open(wsock_conn *conn, void *user_data) {
  struct taken *taken = user_data;
  taken->conn = conn;
}
static void taken_on_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user_data) {
  (void)conn, (void)type, (void)data, (void)len;
  ((struct taken *)user_data)->wrong++;
}
static void taken_on_part(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, uint32_t flags, void *user_data) {
  struct taken *taken = user_data;
  int first = (flags & WSOCK_PART_FIRST) != 0, last = (flags & WSOCK_PART_LAST) != 0;
  if (conn != taken->conn || first == taken->open || (flags & ~3u) || (len == 0 && !last)) taken->wrong++;
  if (first) {
    taken->type = type;
    taken->len = 0;
    taken->at = taken->data;
  }
  if (type != taken->type) taken->wrong++;
  if (taken->at && len > 0) {
    if (memcmp(taken->at, data, len) != 0) taken->wrong++;
    taken->at += len;
  }
  taken->open = !last;
  taken->parts++;
  taken->alone += first && last;
  taken->messages += last;
  taken->len += len;
  taken->total += len;
  if (len > taken->largest) taken->largest = len;
  if (taken->hook) taken->hook(taken);
}
static void taken_on_close(wsock_conn *conn, const wsock_close_info *info, void *user_data) {
  struct taken *taken = user_data;
  (void)conn;
  taken->closes++;
  taken->status = info->status;
}
static uint16_t taken_listen(struct taken *taken, wsock_loop *loop, const wsock_options *options) {
  wsock_server *server = NULL;
  wsock_handlers h;
  memset(&h, 0, sizeof h);
  h.struct_size = sizeof h;
  h.on_open = taken_on_open;
  h.on_message = taken_on_message;
  h.on_part = taken_on_part;
  h.on_close = taken_on_close;
  REQUIRE(wsock_listen(loop, "127.0.0.1", 0, options, &h, taken, &server) == WSOCK_OK);
  return wsock_server_port(server);
}

static unsigned char *noise(size_t len) {
  unsigned char *data = malloc(len);
  uint32_t state = 1;
  REQUIRE(data != NULL);
  for (size_t i = 0; i < len; i++) data[i] = (unsigned char)((state = state * 1664525u + 1013904223u) >> 24);
  return data;
}

#define SIZE ((size_t)3000000)

static void between_ours(int deflate) {
  struct taken taken = {0};
  struct rec client = {0};
  wsock_loop *loop = new_loop();
  wsock_options *o = option(new_options(), WSOCK_OPT_MAX_MESSAGE_SIZE, (int64_t)SIZE);
  wsock_options *c = new_options();
  if (deflate) {
    option(o, WSOCK_OPT_DEFLATE, 1);
    option(c, WSOCK_OPT_DEFLATE, 1);
  }
  unsigned char *data = noise(SIZE);
  if (deflate) memset(data, 'z', SIZE - 1000);
  connect_to(&client, loop, url_of(taken_listen(&taken, loop, o), "/"), c);
  PUMP_UNTIL(loop, client.opens && taken.conn);

  section(deflate ? "compressed" : "plain");
  taken.data = data;
  CHECK_STATUS(wsock_conn_send_binary(client.conn, data, 10), WSOCK_OK);
  PUMP_UNTIL(loop, taken.messages == 1);
  CHECK(taken.parts == 1 && taken.alone == 1 && taken.len == 10 && taken.type == WSOCK_BINARY);
  wsock_status sent = wsock_conn_send_binary(client.conn, data, SIZE);
  CHECK(sent == WSOCK_OK || sent == WSOCK_BUFFERED);
  PUMP_UNTIL(loop, taken.messages == 2);
  CHECK_INT(taken.len, SIZE);
  CHECK(taken.parts > 5 && taken.alone == 1);
  if (deflate) CHECK_INT(taken.largest > 64 * 1024, 0);
  CHECK_INT(conn_stats(taken.conn).messages_received, 2);
  CHECK_INT(conn_stats(taken.conn).payload_received, SIZE + 10);

  section("text and nothing");
  taken.data = NULL;
  CHECK_STATUS(wsock_conn_send_text(client.conn, "h\xc3\xa9", 3), WSOCK_OK);
  PUMP_UNTIL(loop, taken.messages == 3);
  CHECK(taken.len == 3 && taken.type == WSOCK_TEXT);
  CHECK_STATUS(wsock_conn_send_text(client.conn, "", 0), WSOCK_OK);
  PUMP_UNTIL(loop, taken.messages == 4);
  CHECK(taken.len == 0 && taken.alone == 3);

  section("one byte more than is allowed");
  unsigned char *large = calloc(SIZE + 1, 1);
  sent = wsock_conn_send(client.conn, WSOCK_BINARY, large, SIZE + 1, 0);
  CHECK(sent == WSOCK_OK || sent == WSOCK_BUFFERED);
  PUMP_UNTIL(loop, client.closes && taken.closes);
  CHECK_INT(taken.status, WSOCK_ERR_TOO_BIG);
  CHECK_INT(client.close.code, 1009);
  CHECK_INT(taken.messages, 4);
  CHECK_INT(taken.wrong, 0);
  free_loop(loop);
  wsock_options_free(o);
  wsock_options_free(c);
  rec_free(&client);
  free(large);
  free(data);
}

static void pause_it(struct taken *taken) {
  CHECK_STATUS(wsock_conn_pause(taken->conn), WSOCK_OK);
}

static void fragments(void) {
  struct taken taken = {0};
  struct raw raw;
  wsock_loop *loop = new_loop();
  uint16_t port = taken_listen(&taken, loop, NULL);

  section("fragments, a character cut in two, a ping between");
  raw_upgrade(&raw, loop, port, "");
  taken.data = (unsigned char *)"\xe2\x82\xac and more";
  raw_frame(&raw, 0x01, 1, "\xe2\x82", 2);
  PUMP_UNTIL(loop, taken.parts == 1);
  raw_frame(&raw, 0x89, 1, "", 0);
  raw_frame(&raw, 0x00, 1, "", 0);
  raw_frame(&raw, 0x00, 1, "\xac and", 5);
  raw_frame(&raw, 0x80, 1, " more", 5);
  PUMP_UNTIL(loop, taken.messages == 1);
  CHECK(taken.len == 12 && taken.parts == 3 && taken.type == WSOCK_TEXT);

  section("paused within a message");
  taken.data = NULL;
  taken.hook = pause_it;
  raw_frame(&raw, 0x02, 1, "one", 3);
  raw_frame(&raw, 0x00, 1, "two", 3);
  raw_frame(&raw, 0x80, 1, "three", 5);
  for (int n = 4; n <= 6; n++) {
    PUMP_UNTIL(loop, taken.parts == n);
    pump_for(loop, 20);
    CHECK_INT(taken.parts, n);
    CHECK_STATUS(wsock_conn_resume(taken.conn), WSOCK_OK);
  }
  CHECK_INT(taken.messages, 2);
  taken.hook = NULL;

  section("text that goes wrong in its second part");
  raw_frame(&raw, 0x01, 1, "good", 4);
  PUMP_UNTIL(loop, taken.parts == 7);
  raw_frame(&raw, 0x80, 1, "\xff", 1);
  RAW_UNTIL(&raw, raw.eof);
  raw_close(&raw);
  PUMP_UNTIL(loop, taken.closes == 1);
  CHECK_INT(taken.status, WSOCK_ERR_INVALID_DATA);
  CHECK(taken.parts == 7 && taken.messages == 2);

  section("a peer that goes away in the middle");
  taken.open = 0;
  raw_upgrade(&raw, loop, port, "");
  raw_frame(&raw, 0x02, 1, "half", 4);
  PUMP_UNTIL(loop, taken.parts == 8);
  raw_close(&raw);
  PUMP_UNTIL(loop, taken.closes == 2);
  CHECK_INT(taken.status, WSOCK_ERR_CONNECTION_LOST);
  CHECK(taken.open && taken.parts == 8 && taken.messages == 2);
  CHECK_INT(taken.wrong, 0);
  free_loop(loop);
}

int main(void) {
  between_ours(0);
  if (wsock_features() & WSOCK_FEATURE_DEFLATE) between_ours(1);
  fragments();
  return check_end();
}
