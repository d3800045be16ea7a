/* The trace of frames: there when it is asked for, still there at the end, and in the log when that was bad. */
#include "raw.h"

static const char *trace_of(wsock_conn *conn) {
  const char *text = NULL;
  size_t len = 0;
  CHECK_STATUS(wsock_conn_trace(conn, &text, &len), WSOCK_OK);
  REQUIRE(text != NULL && strlen(text) == len);
  return text;
}
/* The lines without their times. */
static const char *frames_of(wsock_conn *conn) {
  static char out[4000];
  char *to = out;
  double last = 0;
  for (const char *at = trace_of(conn); *at; at = strchr(at, '\n') + 1) {
    double seconds;
    int used = 0;
    CHECKF(sscanf(at, "+%lf %n", &seconds, &used) == 1 && used == 10, "no time in %.20s", at);
    CHECKF(seconds >= last && seconds < 60, "%f after %f", seconds, last);
    last = seconds;
    to += sprintf(to, "%.*s", (int)(strchr(at, '\n') + 1 - at - used), at + used);
  }
  *to = 0;
  return out;
}

static char at_error[2000], at_close[2000];
static void look(struct rec *rec, char event) {
  if (event == 'E') snprintf(at_error, sizeof at_error, "%s", frames_of(rec->conn));
  if (event == 'C') snprintf(at_close, sizeof at_close, "%s", frames_of(rec->conn));
}
static void both_ends(void) {
  struct pair pair;
  wsock_options *o = option(new_options(), WSOCK_OPT_TRACE_FRAMES, 10);
  section("both ends saw the same");
  pair_open(&pair, o, o);
  pair.client.hook = look;
  CHECK_STR(trace_of(pair.client.conn), "");
  CHECK_STATUS(wsock_conn_send_text(pair.client.conn, "hello", 5), WSOCK_OK);
  PUMP_UNTIL(pair.loop, pair.client.messages == 1);
  CHECK_STR(frames_of(pair.client.conn), "> TEXT fin masked len=5\n< TEXT fin len=5\n");
  CHECK_STR(frames_of(pair_peer(&pair)->conn), "< TEXT fin masked len=5\n> TEXT fin len=5\n");
  CHECK(strstr(trace_of(pair.client.conn), "hello") == NULL);

  section("in on_close it is complete");
  CHECK_STATUS(wsock_conn_close(pair.client.conn, 1000, "secret"), WSOCK_OK);
  PUMP_UNTIL(pair.loop, pair.client.releases);
  CHECK_STR(at_close, "> TEXT fin masked len=5\n< TEXT fin len=5\n> CLOSE fin masked len=8 code=1000\n< CLOSE fin len=2 code=1000\n");
  CHECK_STR(at_error, "");
  pair_free(&pair);

  section("only the newest are kept");
  option(o, WSOCK_OPT_TRACE_FRAMES, 2);
  pair_open(&pair, NULL, o);
  for (int i = 0; i < 5; i++) pair_echo(&pair);
  const char *text = trace_of(pair.client.conn);
  CHECKF(strncmp(text, "8 earlier frames are not shown\n+", 32) == 0, "%s", text);

  section("refused");
  text = "unchanged";
  CHECK_REFUSED(wsock_conn_trace(pair_peer(&pair)->conn, &text, NULL), WSOCK_ERR_STATE);
  CHECK_STR(text, "unchanged");
  CHECK_REFUSED(wsock_conn_trace(pair.client.conn, NULL, NULL), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(wsock_conn_trace(pair.client.conn, &text, NULL), WSOCK_OK);
  pair_free(&pair);
  wsock_options_free(o);
}

static char logged[2000];
static void log_frames(wsock_loop *loop, int32_t level, const char *target, const char *message, void *user_data) {
  (void)loop, (void)user_data;
  if (strcmp(target, "frames") != 0) return;
  CHECK_INT(level, WSOCK_LOG_WARN);
  CHECK(strncmp(message, "connection 0x", 13) == 0);
  size_t n = strlen(logged);
  snprintf(logged + n, sizeof logged - n, "%s\n", strchr(strstr(message, ": +"), ' ') + 11);
}
static void on_error(void) {
  struct srv srv = {0};
  struct raw raw;
  wsock_loop *loop = new_loop();
  wsock_options *o = option(new_options(), WSOCK_OPT_TRACE_FRAMES, 100);
  section("a connection that fails tells its frames");
  CHECK_STATUS(wsock_loop_set_log(loop, WSOCK_LOG_WARN, log_frames, NULL, NULL), WSOCK_OK);
  srv.hook = look;
  srv_listen(&srv, loop, o);
  raw_upgrade(&raw, loop, srv.port, "");
  raw_frame(&raw, 0x89, 1, "?", 1);
  raw_frame(&raw, 0x80, 1, "of nothing", 10);
  RAW_UNTIL(&raw, raw.eof || raw.reset);
  raw_close(&raw);
  PUMP_UNTIL(loop, srv.conn[0]->releases);
  static const char expected[] = "< PING fin masked len=1\n> PONG fin len=1\n< CONTINUATION fin masked len=10\n> CLOSE fin len=";
  CHECKF(strncmp(at_error, expected, sizeof expected - 1) == 0, "%s", at_error);
  CHECK(strstr(at_error, " code=1002\n") != NULL);
  CHECK_STR(at_close, at_error);
  CHECK_STR(logged, at_error);
  free_loop(loop);
  wsock_options_free(o);
  srv_free(&srv);
}

static int seen_open;
static void retrying(struct rec *rec, char event) {
  if (event == 'O' && rec->opens == 2) {
    CHECK_STR(trace_of(rec->conn), "");
    seen_open = 1;
  }
  if (event == 'T') CHECK(strstr(trace_of(rec->conn), "< CLOSE fin len=2 code=1001\n") != NULL);
}
static void comes_back(void) {
  struct srv srv = {0};
  struct rec client = {0};
  wsock_loop *loop = new_loop();
  wsock_options *o = option(option(new_options(), WSOCK_OPT_RECONNECT, 3), WSOCK_OPT_RECONNECT_FIRST_MS, 1);
  section("a client that comes back has the frames of its last connection until the next");
  option(o, WSOCK_OPT_TRACE_FRAMES, 8);
  srv_listen(&srv, loop, NULL);
  client.reconnects = 1;
  client.hook = retrying;
  connect_to(&client, loop, url_of(srv.port, "/"), o);
  CHECK_STR(trace_of(client.conn), "");
  PUMP_UNTIL(loop, client.opens && srv.count == 1);
  CHECK_STATUS(wsock_conn_close(srv.conn[0]->conn, 1001, ""), WSOCK_OK);
  PUMP_UNTIL(loop, seen_open && client.retries == 1);
  free_loop(loop);
  wsock_options_free(o);
  srv_free(&srv);
}

int main(void) {
  both_ends();
  on_error();
  comes_back();
  return check_end();
}
