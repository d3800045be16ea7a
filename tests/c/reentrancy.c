/* Callbacks that call back in: every action in every callback, and every pair of actions in
   on_message. Whatever happens, every connection ends once and every release comes once. */
#include "raw.h"

struct scene {
  wsock_loop *loop;
  struct srv srv;
  struct rec client;    /* echoes with the server, pings, fills its queue */
  struct rec refused;   /* connects to nobody, for on_error */
  struct rec extra[4];  /* made by actions */
  int extras;
  struct srv second[4]; /* made by actions */
  int seconds;
  int posts_run, posts_released;
  uint16_t dead_port;
  /* what to do, and where */
  const char *where;
  int first, then;
  int done;
};
static struct scene *scene;

static void posted(wsock_loop *loop, void *arg);
static void post_released(void *arg) { ((struct scene *)arg)->posts_released++; }

/* Another record takes over from the connection's current one. */
static void inherit(wsock_conn *conn) {
  struct rec *rec = wsock_conn_user_data(conn), *heir = calloc(1, sizeof *heir);
  *heir = *rec;
  heir->data = NULL;
  wsock_status status = wsock_conn_set_user_data(conn, heir, rec_release);
  CHECK_STATUS(status, WSOCK_OK);
  CHECK(wsock_conn_user_data(conn) == heir);
  rec->heir = heir;
}
/* All ends of a record and its heirs: on_close once, each released once. */
static struct rec *last_of(struct rec *rec) {
  while (rec->heir) rec = rec->heir;
  return rec;
}
static void check_ended(struct rec *rec) {
  int closes = 0;
  if (!rec->heir) CHECK_ENDED(rec);
  for (struct rec *one = rec; one; one = one->heir) {
    CHECK_INT(one->releases, 1);
    closes += one->closes;
  }
  CHECK_INT(closes, 1);
  for (struct rec *one = rec->heir, *next; one; one = next) {
    next = one->heir;
    rec_free(one);
    free(one);
  }
  rec->heir = NULL;
}

enum {
  CLOSE, ABORT, SEND, SEND_LARGE, PING, PAUSE, RESUME, CONNECT, LISTEN, SERVER_CLOSE, STOP, WAKEUP, POST, POLL, RUN,
  LOOP_FREE, SET_USER_DATA, OPTIONS, READ_ALL, ABORT_ALL, ACTIONS
};
static const char *const action_names[ACTIONS] = {
    "close", "abort", "send", "send large", "ping", "pause and resume", "resume", "connect", "listen", "server_close", "stop",
    "wakeup", "post", "poll", "run", "loop_free", "set_user_data", "options", "getters", "abort everything"};

static void read_all(wsock_conn *conn) {
  for (int32_t what = 0; what < 9; what++) wsock_conn_get_str(conn, what, NULL);
  const char *name, *value;
  wsock_conn_header(conn, "Upgrade", 0, NULL);
  wsock_conn_header_at(conn, 0, &name, &value);
  wsock_conn_stats stats = {.struct_size = sizeof stats};
  CHECK_STATUS(wsock_conn_get_stats(conn, &stats), WSOCK_OK);
  CHECK(wsock_conn_state(conn) <= WSOCK_CLOSED);
  wsock_conn_buffered_amount(conn);
  wsock_conn_user_data(conn);
  wsock_conn_server(conn);
  wsock_loop_fd(scene->loop);
  wsock_loop_timeout_ms(scene->loop);
  if (scene->srv.releases == 0 && scene->srv.server) server_stats(scene->srv.server);
}

/* A call on a connection that may be open, closing or at its end: it works, or the state forbids it. */
#define WORKS(call)                                                                  \
  do {                                                                               \
    int32_t got_ = (call);                                                           \
    CHECKF(got_ >= 0 || got_ == WSOCK_ERR_STATE, "%s in %s gave %d", #call, scene->where, (int)got_); \
  } while (0)

static void perform(int action, wsock_conn *conn) {
  static char large[3 << 20];
  wsock_options *o;
  /* in tasks, requests and releases the connection at hand is the client's while it lives */
  if (!conn && scene->client.conn && !last_of(&scene->client)->closes && !last_of(&scene->client)->releases) conn = scene->client.conn;
  switch (action) {
  case CLOSE: if (conn) WORKS(wsock_conn_close(conn, 1000, "inside")); break;
  case ABORT: if (conn) WORKS(wsock_conn_abort(conn)); break;
  case SEND: if (conn) WORKS(wsock_conn_send_text(conn, "inside", 6)); break;
  case SEND_LARGE: if (conn) WORKS(wsock_conn_send_binary(conn, large, sizeof large)); break;
  case PING: if (conn) WORKS(wsock_conn_ping(conn, "x", 1)); break;
  case PAUSE: if (conn) { WORKS(wsock_conn_pause(conn)); WORKS(wsock_conn_resume(conn)); } break;
  case RESUME: if (conn) WORKS(wsock_conn_resume(conn)); break;
  case CONNECT: if (scene->extras < 4) connect_to(&scene->extra[scene->extras++], scene->loop, url_of(scene->dead_port, "/"), NULL); break;
  case LISTEN: if (scene->seconds < 4) srv_listen(&scene->second[scene->seconds++], scene->loop, NULL); break;
  case SERVER_CLOSE: if (!scene->srv.releases) WORKS(wsock_server_close(scene->srv.server, 0, 1001, "inside")); break;
  case STOP: CHECK_STATUS(wsock_loop_stop(scene->loop), WSOCK_OK); break;
  case WAKEUP: CHECK_STATUS(wsock_loop_wakeup(scene->loop), WSOCK_OK); break;
  case POST: CHECK_STATUS(wsock_loop_post(scene->loop, posted, scene, post_released), WSOCK_OK); break;
  case POLL: CHECK_REFUSED(wsock_loop_poll(scene->loop, 0), WSOCK_ERR_REENTRANT); break;
  case RUN: CHECK_REFUSED(wsock_loop_run(scene->loop), WSOCK_ERR_REENTRANT); break;
  case LOOP_FREE: CHECK_REFUSED(wsock_loop_free(scene->loop), WSOCK_ERR_REENTRANT); break;
  case SET_USER_DATA:
    if (conn && wsock_conn_user_data(conn) != &scene->srv) inherit(conn);
    break;
  case OPTIONS:
    o = new_options();
    CHECK_STATUS(wsock_options_add_protocol(o, "a"), WSOCK_OK);
    wsock_options_free(o);
    break;
  case READ_ALL: if (conn) read_all(conn); break;
  case ABORT_ALL:
    if (scene->client.conn && !last_of(&scene->client)->closes && !last_of(&scene->client)->releases) WORKS(wsock_conn_abort(scene->client.conn));
    for (int i = 0; i < scene->srv.count; i++)
      if (!last_of(scene->srv.conn[i])->closes && !last_of(scene->srv.conn[i])->releases && scene->srv.conn[i]->conn) WORKS(wsock_conn_abort(scene->srv.conn[i]->conn));
    if (!scene->srv.releases) WORKS(wsock_server_close(scene->srv.server, 0, 0, NULL));
    break;
  }
}

static void act(const char *where, wsock_conn *conn) {
  if (scene->done || strcmp(where, scene->where) != 0) return;
  scene->done = 1;
  perform(scene->first, conn);
  if (scene->then >= 0) perform(scene->then, conn);
}

static void posted(wsock_loop *loop, void *arg) {
  CHECK(loop == scene->loop && arg == scene && peer_dispatching > 0 && peer_depth == 0);
  peer_depth++;
  scene->posts_run++;
  act("task", NULL);
  peer_depth--;
}

static const char *name_of(char event, int server) {
  switch (event) {
  case 'O': return server ? "server on_open" : "client on_open";
  case 'M': return server ? "server on_message" : "client on_message";
  case 'P': return "on_ping";
  case 'Q': return "on_pong";
  case 'D': return "on_drain";
  case 'C': return server ? "server on_close" : "client on_close";
  default: return server ? "server release" : "client release";
  }
}
static void server_hook(struct rec *rec, char event) { act(name_of(event, 1), event == 'R' ? NULL : rec->conn); }
static void client_hook(struct rec *rec, char event) {
  static char data[6 << 20]; /* more than the kernel takes at once: on_drain */
  if (event == 'O' && wsock_conn_state(rec->conn) == WSOCK_OPEN) {
    WORKS(wsock_conn_send_text(rec->conn, "first", 5));
    WORKS(wsock_conn_ping(rec->conn, "p", 1));
    WORKS(wsock_conn_send_binary(rec->conn, data, strcmp(scene->where, "on_drain") == 0 ? sizeof data : 10));
  }
  act(name_of(event, 0), event == 'R' ? NULL : rec->conn);
  if (event == 'M' && rec->messages == 2 && wsock_conn_state(rec->conn) == WSOCK_OPEN) WORKS(wsock_conn_close(rec->conn, 1000, NULL));
}
static void refused_hook(struct rec *rec, char event) {
  if (event == 'E') act("on_error", rec->conn);
  if (event == 'C') act("refused on_close", rec->conn);
  if (event == 'R') act("refused release", NULL);
}
static int32_t on_request(struct srv *srv, wsock_request *request) {
  (void)srv, (void)request;
  act("on_request", NULL);
  return 0;
}

static const char *const places[] = {
    "client on_open", "server on_open", "client on_message", "server on_message", "on_ping", "on_pong", "on_drain", "on_error",
    "client on_close", "server on_close", "client release", "server release",
    "refused on_close", "refused release", "on_request", "task"};
#define PLACES (sizeof places / sizeof places[0])

/* Everything that can happen, once, with the actions at their place; how often the place was reached. */
static int play(const char *where, int first, int then, wsock_options *low_mark) {
  static struct scene now;
  static char name[100];
  memset(&now, 0, sizeof now);
  scene = &now;
  now.where = where;
  now.first = first;
  now.then = then;
  snprintf(name, sizeof name, "%s%s%s in %s", action_names[first], then < 0 ? "" : ", then ", then < 0 ? "" : action_names[then], where);
  check_section = name;
  now.loop = new_loop();
  now.dead_port = raw_dead_port();
  now.srv.echo = 1;
  now.srv.request = on_request;
  now.srv.hook = server_hook;
  now.client.hook = client_hook;
  now.refused.hook = refused_hook;
  srv_listen(&now.srv, now.loop, NULL);
  connect_to(&now.client, now.loop, url_of(now.srv.port, "/"), low_mark);
  connect_to(&now.refused, now.loop, url_of(now.dead_port, "/"), NULL);
  CHECK_STATUS(wsock_loop_post(now.loop, posted, &now, post_released), WSOCK_OK);
  int64_t end = now_ms() + patience_ms();
  while (!(last_of(&now.client)->releases && last_of(&now.refused)->releases && now.done) && now_ms() < end) {
    pump(now.loop);
    /* actions may have left the client open with nothing more to come */
    if (now.done && now.client.opens && !last_of(&now.client)->releases && poll_loop(now.loop, 0) == 0) wsock_conn_close(now.client.conn, 1000, NULL);
  }
  CHECKF(last_of(&now.client)->releases && last_of(&now.refused)->releases, "after %s the client is at %s, the refused one at %s", name, last_of(&now.client)->log, last_of(&now.refused)->log);
  for (int i = 0; i < now.extras; i++) PUMP_UNTIL(now.loop, now.extra[i].releases);
  if (!now.srv.releases) wsock_server_close(now.srv.server, 0, 1001, NULL);
  PUMP_UNTIL(now.loop, now.srv.releases);
  int tasks = 1 + (now.done && first == POST) + (now.done && then == POST);
  PUMP_UNTIL(now.loop, now.posts_run == tasks);
  free_loop(now.loop);
  check_ended(&now.client);
  check_ended(&now.refused);
  for (int i = 0; i < now.extras; i++) check_ended(&now.extra[i]);
  for (int i = 0; i < now.srv.count; i++) check_ended(now.srv.conn[i]);
  for (int i = 0; i < now.seconds; i++) CHECK_INT(now.second[i].releases, 1);
  CHECK_INT(now.srv.releases, 1);
  CHECK_INT(now.posts_run, tasks);
  CHECK_INT(now.posts_released, now.posts_run);
  rec_free(&now.client);
  srv_free(&now.srv);
  return now.done;
}

/* Nothing new begins in a loop that is being freed; what is there ends as it should. */
static struct { wsock_loop *loop; uint16_t port; int tried; } leaving;
static void never_release(void *user_data) { (void)user_data, check_failed(__FILE__, __LINE__); }
static void begin_anew(struct rec *rec, char event) {
  wsock_handlers h = rec_handlers();
  wsock_conn *conn = (void *)0x51;
  wsock_server *server = (void *)0x51;
  (void)rec;
  if (event != 'C') return;
  h.release = never_release;
  CHECK_REFUSED(wsock_connect(leaving.loop, url_of(leaving.port, "/"), NULL, &h, NULL, &conn), WSOCK_ERR_STATE);
  CHECK_REFUSED(wsock_listen(leaving.loop, "127.0.0.1", 0, NULL, &h, NULL, &server), WSOCK_ERR_STATE);
  CHECK(conn == (void *)0x51 && server == (void *)0x51);
  leaving.tried++;
}
static void loop_free_begins_nothing(void) {
  struct srv srv = {0};
  struct rec client[3];
  section("connect and listen in on_close of loop_free");
  memset(client, 0, sizeof client);
  leaving.loop = new_loop();
  srv.hook = begin_anew;
  srv_listen(&srv, leaving.loop, NULL);
  leaving.port = srv.port;
  for (int i = 0; i < 3; i++) {
    client[i].hook = begin_anew;
    connect_to(&client[i], leaving.loop, url_of(srv.port, "/"), NULL);
  }
  PUMP_UNTIL(leaving.loop, srv.count == 3 && client[0].opens && client[1].opens && client[2].opens);
  CHECK_STATUS(wsock_conn_pause(srv.conn[1]->conn), WSOCK_OK);
  free_loop(leaving.loop);
  CHECK_INT(leaving.tried, 6);
  CHECK(srv.count == 3 && srv.releases == 1);
  for (int i = 0; i < 3; i++) {
    CHECK_ENDED(&client[i]);
    CHECK_ENDED(srv.conn[i]);
    CHECK_INT(srv.conn[i]->close.status, WSOCK_ERR_ABORTED);
  }
  srv_free(&srv);
}

int main(void) {
  loop_free_begins_nothing();
  wsock_options *low_mark = option(option(new_options(), WSOCK_OPT_LOW_WATER, 1000), WSOCK_OPT_HIGH_WATER, 100000);
  section("every action in every callback");
  for (size_t place = 0; place < PLACES; place++)
    for (int action = 0; action < ACTIONS; action++) {
      int reached = play(places[place], action, -1, low_mark);
      CHECKF(reached == 1, "never came to %s", places[place]);
    }
  section("every pair of actions in on_message");
  for (int first = 0; first < ACTIONS; first++)
    for (int then = 0; then < ACTIONS; then++) {
      if (check_is_slow() && (first * ACTIONS + then) % 13) continue;
      CHECK_INT(play("server on_message", first, then, low_mark), 1);
      CHECK_INT(play("client on_message", first, then, low_mark), 1);
    }
  wsock_options_free(low_mark);
  return check_end();
}
