/* Messages made once for many: hubs with their topics and kept messages, and broadcasts of a server. */
#include "hub.h"

#include <pthread.h>

/* What one client has heard, with a blank after each message. */
struct ear {
  struct rec rec;
  char heard[4096];
};
static void listen_to(struct rec *rec, char event) {
  struct ear *ear = rec->arg;
  size_t n = strlen(ear->heard);
  if (event == 'M') snprintf(ear->heard + n, sizeof ear->heard - n, "%.*s ", (int)rec->len, (const char *)rec->data);
}

/* Some clients of one server. conn(room, i) is the server's side of the i-th. */
#define EARS 4
struct room {
  wsock_loop *loop;
  struct srv srv;
  struct ear ears[EARS];
  wsock_hub *hub;
};
static wsock_conn *conn(struct room *room, int i) { return room->srv.conn[i]->conn; }
static void room_open(struct room *room, const wsock_options *server, const wsock_options *client) {
  memset(room, 0, sizeof *room);
  room->loop = new_loop();
  room->hub = new_hub();
  srv_listen(&room->srv, room->loop, server);
  for (int i = 0; i < EARS; i++) {
    room->ears[i].rec.hook = listen_to;
    room->ears[i].rec.arg = &room->ears[i];
    connect_to(&room->ears[i].rec, room->loop, url_of(room->srv.port, "/"), client);
    PUMP_UNTIL(room->loop, room->ears[i].rec.opens && room->srv.count == i + 1);
  }
}
static void room_free(struct room *room) {
  free_loop(room->loop);
  wsock_hub_free(room->hub);
  for (int i = 0; i < EARS; i++) {
    CHECK_ENDED(&room->ears[i].rec);
    rec_free(&room->ears[i].rec);
  }
  srv_free(&room->srv);
}
/* What all have heard since the last time. Whoever hears the mark has heard all before it. */
static void room_hears(struct room *room, int line, const char *const expected[EARS]) {
  for (int i = 0; i < EARS; i++)
    if (wsock_conn_state(conn(room, i)) == WSOCK_OPEN) CHECK_STATUS(wsock_conn_send_text(conn(room, i), ".", 1), WSOCK_OK);
  for (int i = 0; i < EARS; i++) {
    struct ear *ear = &room->ears[i];
    size_t n;
    if (ear->rec.closes) continue;
    PUMP_UNTIL(room->loop, (n = strlen(ear->heard)) >= 2 && strcmp(ear->heard + n - 2, ". ") == 0);
    ear->heard[strlen(ear->heard) - 2] = 0;
    CHECKF(strcmp(ear->heard, expected[i]) == 0, "line %d: %d heard \"%s\", expected \"%s\"", line, i, ear->heard, expected[i]);
    ear->heard[0] = 0;
  }
}
#define HEARS(room, ...)                                           \
  do {                                                             \
    const char *const expected_[EARS] = {__VA_ARGS__};             \
    room_hears(room, __LINE__, expected_);                         \
  } while (0)

static wsock_status say(wsock_hub *hub, const char *topic, const char *text) {
  return wsock_hub_publish(hub, topic, WSOCK_TEXT, text, strlen(text), NULL);
}
static wsock_status keep(wsock_hub *hub, const char *topic, const char *text) {
  return publish(hub, topic, text, WSOCK_PUBLISH_KEEP, NULL);
}
/* As another thread does it. */
struct errand {
  wsock_hub *hub;
  wsock_conn *conn;
  const char *topic, *text; /* text: publish, else subscribe */
};
static void *errand_thread(void *arg) {
  struct errand *e = arg;
  if (e->text) CHECK_STATUS(say(e->hub, e->topic, e->text), WSOCK_OK);
  else CHECK_STATUS(wsock_hub_subscribe(e->hub, e->conn, e->topic), WSOCK_OK);
  return NULL;
}
static void elsewhere(wsock_hub *hub, wsock_conn *conn, const char *topic, const char *text) {
  struct errand errand = {hub, conn, topic, text};
  pthread_t thread;
  pthread_create(&thread, NULL, errand_thread, &errand);
  pthread_join(thread, NULL);
}

static void topics(void) {
  struct room room;
  room_open(&room, NULL, NULL);
  wsock_hub *hub = room.hub;
  section("exact topics and beginnings");
  CHECK_STATUS(wsock_hub_subscribe(hub, conn(&room, 0), "prices.eur"), WSOCK_OK);
  CHECK_STATUS(wsock_hub_subscribe(hub, conn(&room, 1), "prices.*"), WSOCK_OK);
  CHECK_STATUS(wsock_hub_subscribe(hub, conn(&room, 2), "*"), WSOCK_OK);
  CHECK_STATUS(say(hub, "prices.eur", "a"), WSOCK_OK);
  CHECK_STATUS(say(hub, "prices.", "b"), WSOCK_OK);
  CHECK_STATUS(say(hub, "prices", "c"), WSOCK_OK);
  CHECK_STATUS(say(hub, "prices.eur.chf", "d"), WSOCK_OK);
  HEARS(&room, "a ", "a b d ", "a b c d ", "");
  section("the sender is left out");
  CHECK_STATUS(publish(hub, "prices.eur", "a", 0, conn(&room, 1)), WSOCK_OK);
  CHECK_STATUS(publish(hub, "prices.eur", "b", 0, conn(&room, 3)), WSOCK_OK);
  HEARS(&room, "a b ", "b ", "a b ", "");
  section("each message once, however many subscriptions mean it");
  CHECK_STATUS(wsock_hub_subscribe(hub, conn(&room, 0), "prices.eur"), WSOCK_OK);
  CHECK_STATUS(wsock_hub_subscribe(hub, conn(&room, 0), "prices.*"), WSOCK_OK);
  CHECK_STATUS(wsock_hub_subscribe(hub, conn(&room, 0), "*"), WSOCK_OK);
  CHECK_INT(hub_stats(hub).subscriptions, 5);
  CHECK_INT(hub_stats(hub).topics, 3);
  CHECK_STATUS(say(hub, "prices.eur", "a"), WSOCK_OK);
  HEARS(&room, "a ", "a ", "a ", "");
  section("unsubscribing");
  CHECK_STATUS(wsock_hub_unsubscribe(hub, conn(&room, 0), "prices.eur"), WSOCK_OK);
  CHECK_STATUS(wsock_hub_unsubscribe(hub, conn(&room, 0), "prices.eur"), WSOCK_OK);
  CHECK_STATUS(wsock_hub_unsubscribe(hub, conn(&room, 0), "*"), WSOCK_OK);
  CHECK_STATUS(wsock_hub_unsubscribe(hub, conn(&room, 3), "never.subscribed"), WSOCK_OK);
  CHECK_STATUS(say(hub, "prices.eur", "a"), WSOCK_OK);
  CHECK_STATUS(say(hub, "news", "b"), WSOCK_OK);
  HEARS(&room, "a ", "a ", "a b ", "");
  CHECK_STATUS(wsock_hub_unsubscribe(hub, conn(&room, 0), NULL), WSOCK_OK);
  CHECK_STATUS(say(hub, "prices.eur", "a"), WSOCK_OK);
  HEARS(&room, "", "a ", "a ", "");
  section("what another thread asks for is done in its order, and what is asked at home waits behind it");
  elsewhere(hub, conn(&room, 3), "x", NULL);
  elsewhere(hub, NULL, "x", "a");
  CHECK_STATUS(say(hub, "x", "b"), WSOCK_OK);
  CHECK_STATUS(wsock_hub_unsubscribe(hub, conn(&room, 3), "x"), WSOCK_OK);
  CHECK_STATUS(say(hub, "x", "c"), WSOCK_OK);
  pump(room.loop);
  HEARS(&room, "", "", "a b c ", "a b ");
  section("figures");
  wsock_hub_stats stats = hub_stats(hub);
  CHECK_INT(stats.topics, 2);
  CHECK_INT(stats.subscriptions, 2);
  CHECK_INT(stats.published, 13);
  CHECK_INT(stats.deliveries, 8 + 5 + 3 + 4 + 2 + 5);
  CHECK(stats.refused == 0 && stats.missed == 0 && stats.kept == 0);
  section("a connection in several hubs, a client's own side too");
  wsock_hub *other = new_hub();
  CHECK_STATUS(wsock_hub_subscribe(other, conn(&room, 3), "x"), WSOCK_OK);
  CHECK_STATUS(wsock_hub_subscribe(other, room.ears[0].rec.conn, "x"), WSOCK_OK);
  CHECK_STATUS(say(other, "x", "masked"), WSOCK_OK);
  PUMP_UNTIL(room.loop, room.srv.conn[0]->messages == 1);
  CHECK(room.srv.conn[0]->len == 6 && memcmp(room.srv.conn[0]->data, "masked", 6) == 0);
  HEARS(&room, "", "", "", "masked ");
  section("a hub that ends");
  wsock_hub_free(other);
  CHECK_REFUSED(say(other, "x", "a"), WSOCK_ERR_INVALID_HANDLE);
  CHECK_REFUSED(wsock_hub_subscribe(other, conn(&room, 3), "x"), WSOCK_ERR_INVALID_HANDLE);
  pump(room.loop);
  HEARS(&room, "", "", "", "");
  section("what was published before the end of a hub arrives");
  other = new_hub();
  CHECK_STATUS(wsock_hub_subscribe(other, conn(&room, 3), "x"), WSOCK_OK);
  elsewhere(other, NULL, "x", "last");
  wsock_hub_free(other);
  pump(room.loop);
  HEARS(&room, "", "", "", "last ");
  section("a connection that ends");
  CHECK_STATUS(wsock_conn_close(conn(&room, 2), 1000, NULL), WSOCK_OK);
  CHECK_REFUSED(wsock_hub_subscribe(hub, conn(&room, 2), "y"), WSOCK_ERR_STATE);
  CHECK_STATUS(say(hub, "prices.eur", "a"), WSOCK_OK);
  PUMP_UNTIL(room.loop, room.srv.conn[2]->releases && room.ears[2].rec.closes);
  CHECK_INT(hub_stats(hub).subscriptions, 1);
  CHECK_REFUSED(wsock_hub_subscribe(hub, conn(&room, 2), "y"), WSOCK_ERR_INVALID_HANDLE);
  CHECK_STATUS(publish(hub, "prices.eur", "b", 0, conn(&room, 2)), WSOCK_OK);
  HEARS(&room, "", "a b ", "", "");
  CHECK_INT(hub_stats(hub).refused, 0);
  section("a loop that ends");
  free_loop(room.loop);
  stats = hub_stats(hub);
  CHECK(stats.subscriptions == 0 && stats.topics == 0);
  CHECK_STATUS(say(hub, "prices.eur", "nobody"), WSOCK_OK);
  room.loop = new_loop();
  room_free(&room);
}

static void refusals(void) {
  struct room room;
  char longest[1026];
  room_open(&room, NULL, NULL);
  wsock_hub *hub = room.hub;
  section("what is no topic");
  memset(longest, 'x', sizeof longest);
  longest[1025] = 0;
  const char *no_pattern[] = {"", "a*b", "**", "*a", longest, "\xff"}, *no_topic[] = {"", "*", "a*", longest, "\xff"};
  for (size_t i = 0; i < sizeof no_pattern / sizeof no_pattern[0]; i++) {
    CHECK_REFUSED(wsock_hub_subscribe(hub, conn(&room, 0), no_pattern[i]), WSOCK_ERR_INVALID_ARGUMENT);
    CHECK_REFUSED(wsock_hub_unsubscribe(hub, conn(&room, 0), no_pattern[i]), WSOCK_ERR_INVALID_ARGUMENT);
    CHECK_REFUSED(wsock_hub_forget(hub, no_pattern[i]), WSOCK_ERR_INVALID_ARGUMENT);
  }
  for (size_t i = 0; i < sizeof no_topic / sizeof no_topic[0]; i++) CHECK_REFUSED(say(hub, no_topic[i], "a"), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_hub_subscribe(hub, conn(&room, 0), NULL), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(say(hub, NULL, "a"), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_hub_forget(hub, NULL), WSOCK_ERR_INVALID_ARGUMENT);
  longest[1024] = 0;
  CHECK_STATUS(say(hub, longest, "a"), WSOCK_OK);
  section("what is no message");
  wsock_message *message = (void *)0x51;
  CHECK_REFUSED(wsock_hub_publish(hub, "a", WSOCK_TEXT, "\xff", 1, NULL), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_hub_publish(hub, "a", 3, "a", 1, NULL), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_hub_publish(hub, "a", WSOCK_TEXT, NULL, 1, NULL), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_message_new(WSOCK_TEXT, "\xff", 1, &message), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_message_new(0, "a", 1, &message), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_message_new(WSOCK_BINARY, NULL, 1, &message), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK(message == (void *)0x51);
  section("what are no options");
  wsock_publish_options options;
  memset(&options, 0, sizeof options);
  CHECK_REFUSED(wsock_hub_publish(hub, "a", WSOCK_TEXT, "a", 1, &options), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(publish(hub, "a", "a", 1u << 31, NULL), WSOCK_ERR_UNSUPPORTED);
  options.struct_size = sizeof options;
  options.overflow = 5;
  CHECK_REFUSED(wsock_hub_publish(hub, "a", WSOCK_TEXT, "a", 1, &options), WSOCK_ERR_UNSUPPORTED);
  CHECK_REFUSED(publish(hub, "a", "a", 0, (void *)hub), WSOCK_ERR_WRONG_KIND);
  CHECK_INT(hub_stats(hub).published, 1);
  room_free(&room);
}

static void kept(void) {
  struct room room;
  room_open(&room, NULL, NULL);
  wsock_hub *hub = room.hub;
  section("a new subscriber gets the newest of each topic that was to be kept");
  CHECK_STATUS(keep(hub, "t.1", "old"), WSOCK_OK);
  CHECK_STATUS(keep(hub, "t.1", "one"), WSOCK_OK);
  CHECK_STATUS(keep(hub, "t.2", "two"), WSOCK_OK);
  CHECK_STATUS(say(hub, "t.2", "passing"), WSOCK_OK);
  CHECK_STATUS(keep(hub, "u", ""), WSOCK_OK);
  CHECK_INT(hub_stats(hub).kept, 3);
  CHECK_STATUS(wsock_hub_subscribe(hub, conn(&room, 0), "t.1"), WSOCK_OK);
  CHECK_STATUS(wsock_hub_subscribe(hub, conn(&room, 1), "t.*"), WSOCK_OK);
  CHECK_STATUS(wsock_hub_subscribe(hub, conn(&room, 2), "*"), WSOCK_OK);
  CHECK_STATUS(wsock_hub_subscribe(hub, conn(&room, 3), "t.3"), WSOCK_OK);
  HEARS(&room, "one ", "one two ", "one two  ", "");
  section("not again what it has heard, nor for a subscription it has");
  CHECK_STATUS(wsock_hub_subscribe(hub, conn(&room, 0), "t.1"), WSOCK_OK);
  CHECK_STATUS(wsock_hub_subscribe(hub, conn(&room, 0), "t.*"), WSOCK_OK);
  CHECK_STATUS(wsock_hub_subscribe(hub, conn(&room, 1), "t.1"), WSOCK_OK);
  HEARS(&room, "two ", "", "", "");
  section("the sender, left out before, gets what it has kept when it subscribes anew");
  CHECK_STATUS(publish(hub, "t.3", "three", WSOCK_PUBLISH_KEEP, conn(&room, 3)), WSOCK_OK);
  CHECK_STATUS(wsock_hub_unsubscribe(hub, conn(&room, 3), NULL), WSOCK_OK);
  HEARS(&room, "three ", "three ", "three ", "");
  CHECK_STATUS(wsock_hub_subscribe(hub, conn(&room, 3), "t.3"), WSOCK_OK);
  HEARS(&room, "", "", "", "three ");
  section("forgetting");
  CHECK_STATUS(wsock_hub_forget(hub, "t.1"), WSOCK_OK);
  CHECK_STATUS(wsock_hub_forget(hub, "t.1"), WSOCK_OK);
  CHECK_STATUS(wsock_hub_subscribe(hub, conn(&room, 3), "t.*"), WSOCK_OK);
  HEARS(&room, "", "", "", "two ");
  CHECK_STATUS(wsock_hub_forget(hub, "t.*"), WSOCK_OK);
  CHECK_INT(hub_stats(hub).kept, 1);
  room_free(&room);
}

static void never_release(const void *data, size_t len, void *user) {
  (void)data, (void)len, (void)user;
  CHECKF(0, "a message was released");
}
static void messages(void) {
  struct room room;
  wsock_message *message = NULL;
  int32_t type = 0;
  size_t len = 0;
  char text[] = "hello";
  room_open(&room, NULL, NULL);
  section("a message is a copy, and outlives its handle in what was sent");
  REQUIRE(wsock_message_new(WSOCK_TEXT, text, 5, &message) == WSOCK_OK);
  memset(text, 'x', 5);
  const void *data = wsock_message_data(message, &type, &len);
  CHECK(data != NULL && len == 5 && memcmp(data, "hello", 5) == 0);
  CHECK_INT(type, WSOCK_TEXT);
  CHECK(wsock_message_data(message, NULL, NULL) == data);
  CHECK_STATUS(wsock_hub_subscribe(room.hub, conn(&room, 0), "a"), WSOCK_OK);
  CHECK_STATUS(wsock_hub_publish_message(room.hub, "a", message, NULL), WSOCK_OK);
  section("a broadcast reaches every open connection of a server but one");
  CHECK_STATUS(wsock_server_broadcast(room.srv.server, message, conn(&room, 1)), WSOCK_OK);
  CHECK_STATUS(wsock_conn_close(conn(&room, 2), 1000, NULL), WSOCK_OK);
  CHECK_STATUS(wsock_server_broadcast(room.srv.server, message, NULL), WSOCK_OK);
  wsock_message_free(message);
  CHECK_REFUSED(wsock_server_broadcast(room.srv.server, message, NULL), WSOCK_ERR_INVALID_HANDLE);
  CHECK_REFUSED(wsock_hub_publish_message(room.hub, "a", message, NULL), WSOCK_ERR_INVALID_HANDLE);
  CHECK(wsock_message_data(message, &type, &len) == NULL);
  PUMP_UNTIL(room.loop, room.ears[2].rec.closes && room.srv.conn[2]->closes);
  CHECK_STR(room.ears[2].heard, "hello ");
  HEARS(&room, "hello hello hello ", "hello ", "", "hello hello ");
  section("a message on one connection, in its order");
  wsock_send_options lending;
  memset(&lending, 0, sizeof lending);
  lending.struct_size = sizeof lending;
  REQUIRE(wsock_message_new(WSOCK_TEXT, "one", 3, &message) == WSOCK_OK);
  CHECK_STATUS(wsock_conn_send_text(conn(&room, 0), "a", 1), WSOCK_OK);
  CHECK_STATUS(wsock_conn_send_message(conn(&room, 0), message, NULL), WSOCK_OK);
  CHECK_STATUS(wsock_conn_send_message(conn(&room, 0), message, &lending), WSOCK_OK);
  CHECK_STATUS(wsock_conn_send_text(conn(&room, 0), "b", 1), WSOCK_OK);
  lending.release = never_release;
  CHECK_REFUSED(wsock_conn_send_message(conn(&room, 0), message, &lending), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(wsock_conn_send_message(room.ears[0].rec.conn, message, NULL), WSOCK_OK);
  wsock_message_free(message);
  HEARS(&room, "a one one b ", "", "", "");
  PUMP_UNTIL(room.loop, room.srv.conn[0]->messages == 1 && room.srv.conn[0]->len == 3);
  section("messages of no bytes");
  REQUIRE(wsock_message_new(WSOCK_BINARY, NULL, 0, &message) == WSOCK_OK);
  CHECK(wsock_message_data(message, &type, &len) != NULL && len == 0 && type == WSOCK_BINARY);
  CHECK_STATUS(wsock_server_broadcast(room.srv.server, message, conn(&room, 0)), WSOCK_OK);
  wsock_message_free(message);
  HEARS(&room, "", " ", "", " ");
  room_free(&room);
}

/* A price of the same key, again and again, for a peer that does not read meanwhile. */
static void newest(void) {
  struct room room;
  struct raw raw;
  struct frame frame;
  static char text[2000];
  uint32_t number = 0, last = 0, frames = 0, enough = check_is_slow() ? 5000 : 20000;
  wsock_publish_options options;
  section("who is slow gets the newest of messages with a key");
  room_open(&room, NULL, NULL);
  raw_upgrade(&raw, room.loop, room.srv.port, "");
  PUMP_UNTIL(room.loop, room.srv.count == EARS + 1);
  CHECK_STATUS(wsock_hub_subscribe(room.hub, conn(&room, EARS), "a"), WSOCK_OK);
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.key = 7;
  for (number = 1; number <= enough; number++) {
    memcpy(text, &number, 4);
    CHECK_STATUS(wsock_hub_publish(room.hub, "a", WSOCK_BINARY, text, sizeof text, &options), WSOCK_OK);
  }
  CHECK(wsock_conn_buffered_amount(conn(&room, EARS)) < 200000);
  wsock_hub_stats stats = hub_stats(room.hub);
  CHECK(stats.dropped > 1000 && stats.refused == 0);
  CHECK_INT(stats.deliveries, enough);
  while (last < enough && raw_next(&raw, &frame)) {
    if (frame.first != 0x82) continue; /* a ping */
    memcpy(&number, frame.data, 4);
    CHECKF(number > last, "%u after %u", (unsigned)number, (unsigned)last);
    last = number;
    frames++;
  }
  CHECK_INT(last, enough);
  CHECK_INT(frames, enough - stats.dropped);
  raw_close(&raw);
  room_free(&room);
}

/* Connections that compress in two ways, and one that does not. */
static void compression(void) {
  struct room room;
  char text[3000];
  wsock_message *message;
  wsock_options *plain = option(new_options(), WSOCK_OPT_DEFLATE, 0);
  wsock_options *small = option(option(new_options(), WSOCK_OPT_DEFLATE, 1), WSOCK_OPT_DEFLATE_SERVER_WINDOW_BITS, 10);
  wsock_options *large = option(new_options(), WSOCK_OPT_DEFLATE, 1), *client[EARS] = {plain, small, large, small};
  section("a message is compressed once for each way that subscribers have agreed on");
  memset(&room, 0, sizeof room);
  room.loop = new_loop();
  room.hub = new_hub();
  srv_listen(&room.srv, room.loop, large);
  for (int i = 0; i < EARS; i++) {
    room.ears[i].rec.hook = listen_to;
    room.ears[i].rec.arg = &room.ears[i];
    connect_to(&room.ears[i].rec, room.loop, url_of(room.srv.port, "/"), client[i]);
    PUMP_UNTIL(room.loop, room.ears[i].rec.opens && room.srv.count == i + 1);
    CHECK_STATUS(wsock_hub_subscribe(room.hub, conn(&room, i), "a"), WSOCK_OK);
  }
  for (int i = 0; i < 3000; i++) text[i] = (char)('a' + i % 7);
  REQUIRE(wsock_message_new(WSOCK_TEXT, text, sizeof text, &message) == WSOCK_OK);
  CHECK_INT(wsock_message_compressions(message), 0);
  for (int round = 1; round <= 3; round++) {
    CHECK_STATUS(wsock_hub_publish_message(room.hub, "a", message, NULL), WSOCK_OK);
    PUMP_UNTIL(room.loop, room.ears[0].rec.messages == round && room.ears[1].rec.messages == round &&
                              room.ears[2].rec.messages == round && room.ears[3].rec.messages == round);
    for (int i = 0; i < EARS; i++) CHECK(room.ears[i].rec.len == sizeof text && memcmp(room.ears[i].rec.data, text, sizeof text) == 0);
    CHECK_INT(wsock_message_compressions(message), wsock_features() & WSOCK_FEATURE_DEFLATE ? 2 : 0);
  }
  if (wsock_features() & WSOCK_FEATURE_DEFLATE) {
    CHECK(conn_stats(conn(&room, 0)).bytes_sent > 9000);
    for (int i = 1; i < EARS; i++) CHECK(conn_stats(conn(&room, i)).bytes_sent < 600);
  }
  wsock_message_free(message);
  for (int i = 0; i < EARS; i++) room.ears[i].heard[0] = 0;
  room_free(&room);
  wsock_options_free(plain);
  wsock_options_free(small);
  wsock_options_free(large);
}

/* What becomes of a peer that never reads. */
static void policies(void) {
  static unsigned char piece[20000];
  for (int32_t policy = WSOCK_OVERFLOW_DROP_NEWEST; policy <= WSOCK_OVERFLOW_CLOSE; policy++) {
    struct room room;
    struct raw raw;
    wsock_publish_options options;
    wsock_options *o = option(new_options(), WSOCK_OPT_MAX_BUFFERED, 1000000);
    int sent = 0, enough = 600;
    section(policy == WSOCK_OVERFLOW_CLOSE ? "a subscriber that does not read is closed" : "a subscriber that does not read loses messages");
    /* once by the options of the connection, once by those of the message */
    if (policy == WSOCK_OVERFLOW_CLOSE) option(o, WSOCK_OPT_OVERFLOW, policy);
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.overflow = policy == WSOCK_OVERFLOW_CLOSE ? WSOCK_OVERFLOW_DEFAULT : policy;
    room_open(&room, o, NULL);
    raw_upgrade(&raw, room.loop, room.srv.port, "");
    PUMP_UNTIL(room.loop, room.srv.count == EARS + 1);
    for (int i = 0; i <= EARS; i++) CHECK_STATUS(wsock_hub_subscribe(room.hub, conn(&room, i), "a"), WSOCK_OK);
    for (; sent < enough; sent++) {
      CHECK_STATUS(wsock_hub_publish(room.hub, "a", WSOCK_BINARY, piece, sizeof piece, &options), WSOCK_OK);
      if (sent % 10 == 9) PUMP_UNTIL(room.loop, room.ears[0].rec.messages == sent + 1 && room.ears[EARS - 1].rec.messages == sent + 1);
    }
    for (int i = 0; i < EARS; i++) CHECK_INT(room.ears[i].rec.messages, enough);
    wsock_hub_stats stats = hub_stats(room.hub);
    if (policy == WSOCK_OVERFLOW_CLOSE) {
      CHECK(stats.refused == 1 && stats.dropped == 0);
      CHECK(wsock_conn_state(conn(&room, EARS)) != WSOCK_OPEN);
      CHECK(stats.deliveries < (uint64_t)(EARS + 1) * enough - 100);
    } else {
      CHECK(stats.refused == 0 && stats.dropped > 100);
      CHECK_INT(stats.deliveries, (EARS + 1) * enough);
      CHECK_INT(conn_stats(conn(&room, EARS)).messages_dropped, stats.dropped);
      CHECK(wsock_conn_buffered_amount(conn(&room, EARS)) <= 1000000);
    }
    raw_close(&raw);
    room_free(&room);
    wsock_options_free(o);
  }
}

/* A peer that never reads, beside others. */
static void slow(void) {
  struct room room;
  struct raw raw;
  static unsigned char piece[20000];
  wsock_options *o = option(new_options(), WSOCK_OPT_MAX_BUFFERED, 1000000);
  int sent = 0, enough = 1000;
  section("a subscriber that does not read is refused what its queue cannot take, and delays nobody");
  room_open(&room, o, NULL);
  raw_upgrade(&raw, room.loop, room.srv.port, "");
  PUMP_UNTIL(room.loop, room.srv.count == EARS + 1);
  for (int i = 0; i <= EARS; i++) CHECK_STATUS(wsock_hub_subscribe(room.hub, conn(&room, i), "a"), WSOCK_OK);
  for (; sent < enough; sent++) {
    CHECK_STATUS(wsock_hub_publish(room.hub, "a", WSOCK_BINARY, piece, sizeof piece, NULL), WSOCK_OK);
    if (sent % 10 == 9) PUMP_UNTIL(room.loop, room.ears[0].rec.messages == sent + 1 && room.ears[EARS - 1].rec.messages == sent + 1);
  }
  for (int i = 0; i < EARS; i++) CHECK_INT(room.ears[i].rec.messages, enough);
  wsock_hub_stats stats = hub_stats(room.hub);
  CHECK(stats.refused > 100);
  CHECK_INT(stats.deliveries + stats.refused, (EARS + 1) * enough);
  CHECK_INT(conn_stats(conn(&room, EARS)).messages_sent + stats.refused, enough);
  CHECK(wsock_conn_buffered_amount(conn(&room, EARS)) <= 1000000);
  raw_close(&raw);
  room_free(&room);
  wsock_options_free(o);
}

int main(void) {
  topics();
  refusals();
  kept();
  messages();
  newest();
  compression();
  slow();
  policies();
  return check_end();
}
