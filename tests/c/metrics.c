/* Figures of a loop: they add up, ended connections stay in them, and Prometheus can read all of them. */
#include "prometheus.h"
#include "raw.h"

#include <pthread.h>

#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " RAW_KEY "\r\n"

static wsock_loop_stats loop_stats(wsock_loop *loop) {
  wsock_loop_stats stats;
  memset(&stats, 0x5a, sizeof stats);
  stats.struct_size = sizeof stats;
  CHECK_STATUS(wsock_loop_get_stats(loop, &stats), WSOCK_OK);
  CHECK(stats.struct_size == sizeof stats);
  return stats;
}
static uint64_t total(const uint64_t buckets[WSOCK_HISTOGRAM_BUCKETS]) {
  uint64_t sum = 0;
  for (int i = 0; i < WSOCK_HISTOGRAM_BUCKETS; i++) sum += buckets[i];
  return sum;
}
static void get_metrics(wsock_loop *loop, struct metrics *m) {
  const char *text = NULL;
  size_t len = 0;
  CHECK_STATUS(wsock_loop_metrics(loop, &text, &len), WSOCK_OK);
  REQUIRE(text != NULL);
  read_metrics(m, text, len);
}
/* The loop's number, as its labels have it. */
static int loop_number(const struct metrics *m) {
  int number = -1;
  CHECK(sscanf(m->samples[0].key, "wsock_connections{loop=\"%d\"}", &number) == 1);
  return number;
}
static struct metrics metrics;

static void traffic(void) {
  struct pair pair;
  char text[2000];
  section("what went over all connections, and stays when they have ended");
  wsock_options *deflate = option(new_options(), WSOCK_OPT_DEFLATE, 1);
  pair_open(&pair, deflate, deflate);
  memset(text, 'x', sizeof text);
  int compressed = *wsock_conn_get_str(pair.client.conn, WSOCK_CONN_EXTENSIONS, NULL) != 0;
  for (int i = 0; i < 3; i++) {
    CHECK_STATUS(wsock_conn_send_text(pair.client.conn, text, sizeof text), WSOCK_OK);
    PUMP_UNTIL(pair.loop, pair.client.messages == i + 1);
  }
  CHECK_STATUS(wsock_conn_ping(pair.client.conn, "?", 1), WSOCK_OK);
  PUMP_UNTIL(pair.loop, pair.client.pongs == 1);
  wsock_loop_stats now = loop_stats(pair.loop), ended;
  CHECK_INT(now.connections, 2);
  CHECK_INT(now.opened, 2);
  CHECK_INT(now.servers, 1);
  CHECK_INT(now.connecting, 0);
  CHECK_INT(now.messages_received, 6);
  CHECK_INT(now.messages_sent, 6);
  CHECK_INT(now.payload_received, 6 * sizeof text);
  CHECK_INT(now.payload_sent, 6 * sizeof text);
  CHECK_INT(now.bytes_received, now.bytes_sent);
  CHECK(compressed ? now.bytes_sent < 2 * sizeof text : now.bytes_sent > 6 * sizeof text);
  CHECK_INT(now.pings_received, 1);
  CHECK_INT(now.pongs_received, 1);
  CHECK_INT(now.rtt_count, 1);
  CHECK_INT(now.rtt_max_us, conn_stats(pair.client.conn).rtt_us);
  CHECK_INT(total(now.rtt_buckets), 1);

  wsock_server_stats server = server_stats(pair.srv.server);
  CHECK_INT(server.payload_received, 3 * sizeof text);
  CHECK_INT(server.payload_sent, 3 * sizeof text);

  CHECK_STATUS(wsock_conn_close(pair.client.conn, 1000, "bye"), WSOCK_OK);
  PUMP_UNTIL(pair.loop, pair.client.releases && pair_peer(&pair)->releases);
  ended = loop_stats(pair.loop);
  CHECK_INT(ended.connections, 0);
  CHECK_INT(ended.closed, 2);
  CHECK_INT(ended.messages_received, 6);
  CHECK_INT(ended.payload_sent, 6 * sizeof text);
  CHECK(ended.bytes_sent > now.bytes_sent);
  CHECK(ended.turns > now.turns || ended.turns > 5);
  CHECK(ended.events > 0 && ended.callbacks >= 10 && ended.lag_count == ended.turns && total(ended.lag_buckets) == ended.turns);
  CHECK(ended.lag_sum_us >= ended.lag_max_us && ended.callback_count == 0);
  pair_free(&pair);
  wsock_options_free(deflate);
}

static void nap(struct rec *rec, char event) {
  (void)rec;
  if (event == 'M') sleep_ms(30);
}
static void callbacks(void) {
  struct pair pair;
  section("a callback that takes long shows, measured or not");
  pair_open(&pair, NULL, NULL);
  pair.client.hook = nap;
  wsock_loop_stats before = loop_stats(pair.loop);
  pair_echo(&pair);
  wsock_loop_stats after = loop_stats(pair.loop);
  CHECK(after.lag_max_us >= 30000 && after.lag_sum_us - before.lag_sum_us >= 30000);
  CHECK_INT(after.callback_count, 0);
  CHECK_STATUS(wsock_loop_measure(pair.loop, 1), WSOCK_OK);
  before = after;
  pair_echo(&pair);
  after = loop_stats(pair.loop);
  CHECK(after.callback_max_us >= 30000);
  CHECK_INT(after.callback_count, after.callbacks - before.callbacks);
  CHECK_INT(total(after.callback_buckets), after.callback_count);
  uint64_t slow = 0; /* 2^14 us is the bucket's lower bound for 30 ms */
  for (int i = 15; i < WSOCK_HISTOGRAM_BUCKETS; i++) slow += after.callback_buckets[i];
  CHECK(slow >= 1);
  CHECK_STATUS(wsock_loop_measure(pair.loop, 0), WSOCK_OK);
  pair_echo(&pair);
  CHECK_INT(loop_stats(pair.loop).callback_count, after.callback_count);
  pair_free(&pair);
}

static void *send_elsewhere(void *arg) {
  struct pair *pair = arg;
  CHECK_STATUS(wsock_conn_send_text(pair->client.conn, "from a thread", 13), WSOCK_OK);
  return NULL;
}
static void threads(void) {
  struct pair pair;
  pthread_t thread;
  section("what other threads asked for");
  pair_open(&pair, NULL, NULL);
  wsock_loop_stats before = loop_stats(pair.loop);
  REQUIRE(pthread_create(&thread, NULL, send_elsewhere, &pair) == 0 && pthread_join(thread, NULL) == 0);
  PUMP_UNTIL(pair.loop, pair.client.messages == 1);
  wsock_loop_stats after = loop_stats(pair.loop);
  CHECK_INT(after.requests, before.requests + 1);
  CHECK(after.wakeups > before.wakeups);
  pair_free(&pair);
}

static void run_task(wsock_loop *loop, void *arg) {
  (void)loop;
  ++*(int *)arg;
}
static void queued(void) {
  struct pair pair;
  wsock_event events[4];
  int tasks = 0;
  section("callbacks are counted and measured when they are told later, too");
  pair_open(&pair, NULL, NULL);
  pair.client.hook = nap;
  CHECK_STATUS(wsock_loop_start(pair.loop), WSOCK_OK);
  CHECK_STATUS(wsock_loop_measure(pair.loop, 1), WSOCK_OK);
  wsock_loop_stats before = loop_stats(pair.loop);
  pair_echo(&pair);
  wsock_loop_stats after = loop_stats(pair.loop);
  CHECK(after.callbacks >= before.callbacks + 2 && after.callback_max_us >= 30000);
  CHECK_INT(after.callback_count, after.callbacks - before.callbacks);
  CHECK(after.turns > before.turns && after.lag_count == after.turns);

  section("events of batches are counted, and their tasks measured");
  CHECK_STATUS(wsock_loop_use_events(pair.loop, events, sizeof events[0], 4), WSOCK_OK);
  before = loop_stats(pair.loop);
  CHECK_STATUS(wsock_loop_post(pair.loop, run_task, &tasks, NULL), WSOCK_OK);
  CHECK_STATUS(wsock_conn_send_text(pair_peer(&pair)->conn, "a", 1), WSOCK_OK);
  int fetched = 0;
  for (int64_t end = now_ms() + 10000; (fetched == 0 || tasks == 0) && now_ms() < end;) {
    int32_t n = wsock_loop_events(pair.loop, 10);
    REQUIRE(n >= 0);
    fetched += n;
  }
  after = loop_stats(pair.loop);
  CHECK(fetched == 1 && tasks == 1);
  CHECK_INT(after.callbacks, before.callbacks + 2);
  CHECK_INT(after.callback_count, before.callback_count + 1);
  pair_free(&pair);
}

static int32_t refuse(struct srv *srv, wsock_request *request) {
  (void)srv;
  return strcmp(wsock_request_get_str(request, WSOCK_REQUEST_PATH, NULL), "/no") == 0 ? 403 : 0;
}
static void ask(struct srv *srv, wsock_loop *loop, const char *request) {
  struct raw raw;
  raw_connect(&raw, loop, srv->port);
  raw_text(&raw, request);
  RAW_UNTIL(&raw, raw.eof || raw.reset);
  raw_close(&raw);
}
static void refusals(void) {
  struct srv srv = {0};
  struct rec client = {0}, lost = {0};
  char key[200];
  wsock_loop *loop = new_loop();
  wsock_options *o = new_options();
  section("every refusal has its reason");
  CHECK_STATUS(wsock_options_add_origin(o, "https://good.example"), WSOCK_OK);
  srv.request = refuse;
  srv_listen(&srv, loop, o);
  ask(&srv, loop, "GET / HTTP/1.1\r\nHost: a\r\nOrigin: https://bad.example\r\n" UPGRADE "\r\n");
  ask(&srv, loop, "GET / HTTP/1.1\r\nHost: a\r\nOrigin: https://good.example\r\nUpgrade: websocket\r\n"
                  "Connection: Upgrade\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: " RAW_KEY "\r\n\r\n");
  for (int i = 0; i < 2; i++) ask(&srv, loop, "GET /no HTTP/1.1\r\nHost: a\r\nOrigin: https://good.example\r\n" UPGRADE "\r\n");
  ask(&srv, loop, "nonsense\r\n\r\n");
  wsock_server_stats stats = server_stats(srv.server);
  CHECK_INT(stats.refused, 5);
  CHECK_INT(stats.refused_origin, 1);
  CHECK_INT(stats.refused_version, 1);
  CHECK_INT(stats.refused_application, 2);
  CHECK_INT(stats.refused_draining, 0);
  CHECK_INT(stats.tls_errors, 0);

  section("a client that does not get through");
  connect_to(&client, loop, url_of(srv.port, "/no"), NULL);
  connect_to(&lost, loop, url_of(raw_dead_port(), "/"), NULL);
  PUMP_UNTIL(loop, client.releases && lost.releases);
  wsock_loop_stats loops = loop_stats(loop);
  CHECK_INT(loops.connect_failures, 2);
  CHECK_INT(loops.opened, 0);

  section("Prometheus reads it all");
  get_metrics(loop, &metrics);
  int number = loop_number(&metrics), slot = -1;
  for (int i = 0; i < metrics.count && slot < 0; i++) sscanf(metrics.samples[i].key, "wsock_server_connections{loop=\"%*d\",server=\"%d\"", &slot);
  CHECK(metrics.families > 30 && slot >= 0);
#define SERVER(family, more) \
  (snprintf(key, sizeof key, "%s{loop=\"%d\",server=\"%d\",port=\"%u\"%s}", family, number, slot, (unsigned)srv.port, more), metric(&metrics, key))
#define LOOP(family, more) (snprintf(key, sizeof key, "%s{loop=\"%d\"%s}", family, number, more), metric(&metrics, key))
  stats = server_stats(srv.server);
  CHECK_INT(SERVER("wsock_server_handshakes_refused_total", ",reason=\"origin\""), 2); /* the client had none */
  CHECK_INT(stats.refused_origin, 2);
  CHECK_INT(SERVER("wsock_server_handshakes_refused_total", ",reason=\"version\""), 1);
  CHECK_INT(SERVER("wsock_server_handshakes_refused_total", ",reason=\"application\""), 2);
  CHECK_INT(SERVER("wsock_server_handshakes_refused_total", ",reason=\"invalid\""), 1);
  CHECK_INT(SERVER("wsock_server_accepted_total", ""), 6);
  CHECK_INT(LOOP("wsock_connect_failures_total", ""), 2);
  CHECK_INT(LOOP("wsock_errors_total", ",error=\"WSOCK_ERR_HTTP_STATUS\""), 1);
  CHECK_INT(LOOP("wsock_errors_total", ",error=\"WSOCK_ERR_CONNECT\""), 1);
  CHECK(LOOP("wsock_loop_lag_seconds_count", "") >= 5);

  section("refused because the server is being closed");
  struct raw raw;
  wsock_options *plain = new_options();
  struct srv other = {0};
  srv_listen(&other, loop, plain);
  raw_upgrade(&raw, loop, other.port, "");
  CHECK_STATUS(wsock_server_close(other.server, 20000, 1001, ""), WSOCK_OK);
  ask(&other, loop, "GET / HTTP/1.1\r\nHost: a\r\n" UPGRADE "\r\n");
  CHECK_INT(server_stats(other.server).refused_draining, 1);
  get_metrics(loop, &metrics); /* two servers in one text */
  CHECK_INT(LOOP("wsock_servers", ""), 2);
  raw_close(&raw);

  section("wrong arguments");
  const char *text = NULL;
  CHECK_STATUS(wsock_loop_metrics(loop, &text, NULL), WSOCK_OK);
  CHECK(text != NULL);
  CHECK_REFUSED(wsock_loop_metrics(loop, NULL, NULL), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_loop_get_stats(loop, NULL), WSOCK_ERR_INVALID_ARGUMENT);
  wsock_loop_stats older;
  memset(&older, 0x5a, sizeof older);
  older.struct_size = offsetof(wsock_loop_stats, connecting);
  CHECK_STATUS(wsock_loop_get_stats(loop, &older), WSOCK_OK);
  CHECK(older.connecting == 0x5a5a5a5a5a5a5a5a);
  free_loop(loop);
  wsock_options_free(o);
  wsock_options_free(plain);
  srv_free(&srv);
  srv_free(&other);
}

/* The scrape endpoint of docs/monitoring.md. */
static int32_t scrape(struct srv *srv, wsock_request *request) {
  const char *text;
  size_t len;
  if (wsock_request_is_upgrade(request) || strcmp(wsock_request_get_str(request, WSOCK_REQUEST_PATH, NULL), "/metrics") != 0) return 0;
  if (wsock_loop_metrics(srv->arg, &text, &len) != WSOCK_OK) return 500;
  CHECK_STATUS(wsock_request_set_body(request, "text/plain; version=0.0.4", text, len), WSOCK_OK);
  return 200;
}
static void endpoint(void) {
  struct srv srv = {0};
  struct raw raw;
  wsock_loop *loop = new_loop();
  section("a page with all figures, made inside on_request");
  srv.request = scrape;
  srv.arg = loop;
  srv_listen(&srv, loop, NULL);
  raw_connect(&raw, loop, srv.port);
  raw_text(&raw, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
  const char *head = raw_head(&raw);
  CHECK(strstr(head, "Content-Type: text/plain; version=0.0.4\r\n") != NULL);
  RAW_UNTIL(&raw, raw.eof || raw.reset);
  char *body = calloc(1, raw.len + 1);
  memcpy(body, raw.in, raw.len);
  read_metrics(&metrics, body, raw.len);
  if (getenv("WSOCK_METRICS_TO")) { /* for another parser to look at */
    FILE *file = fopen(getenv("WSOCK_METRICS_TO"), "w");
    REQUIRE(file != NULL && fwrite(body, 1, raw.len, file) == raw.len && fclose(file) == 0);
  }
  free(body);
  raw_close(&raw);
  free_loop(loop);
}

int main(void) {
  traffic();
  callbacks();
  threads();
  queued();
  refusals();
  endpoint();
  return check_end();
}
