/* Messages whose bytes are fetched when there is room for them: from files, pipes and functions; in order
   with other messages; and everything that can go wrong on the way. */
#include "raw.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define SIZE ((size_t)3000001)
#define ALL UINT64_MAX

static unsigned char *noise(size_t len) {
  unsigned char *data = malloc(len);
  uint32_t state = 1;
  REQUIRE(data != NULL);
  for (size_t i = 0; i < len; i++) data[i] = (unsigned char)((state = state * 1664525u + 1013904223u) >> 24);
  return data;
}

/* A file with that content and no name, standing at its beginning. */
static int file_of(const void *data, size_t len) {
  char name[] = "/tmp/wsock-source-XXXXXX";
  int fd = mkstemp(name);
  REQUIRE(fd >= 0 && unlink(name) == 0);
  REQUIRE(write(fd, data, len) == (ssize_t)len && lseek(fd, 0, SEEK_SET) == 0);
  return fd;
}

/* Whether that number still names that file. */
static int is_open(int fd, const struct stat *file) {
  struct stat now;
  return fstat(fd, &now) == 0 && now.st_dev == file->st_dev && now.st_ino == file->st_ino;
}

static int got(const struct rec *rec, const void *data, size_t len) {
  return rec->len == len && (len == 0 || memcmp(rec->data, data, len) == 0);
}

/* Messages that come in one go, checked one by one. */
static const struct expected {
  const void *data;
  size_t len;
} *expected_next;
static void check_next(struct rec *rec, char event) {
  if (event != 'M') return;
  CHECKF(got(rec, expected_next->data, expected_next->len), "message %d has %zu bytes", rec->messages, rec->len);
  expected_next++;
}

static void open_pair(struct pair *pair, int deflate) {
  wsock_options *o = new_options(), *c = new_options();
  if (deflate) {
    option(o, WSOCK_OPT_DEFLATE, 1);
    option(c, WSOCK_OPT_DEFLATE, 1);
  }
  pair_open(pair, o, c);
  pair_peer(pair)->echo = 0;
  wsock_options_free(o);
  wsock_options_free(c);
}

static void files(int deflate) {
  struct pair pair;
  struct stat file;
  unsigned char *data = noise(SIZE);
  if (deflate) memset(data + 100000, 'z', SIZE / 2);
  section(deflate ? "files, compressed" : "files");
  open_pair(&pair, deflate);
  struct rec *peer = pair_peer(&pair);

  int fd = file_of(data, SIZE);
  REQUIRE(fstat(fd, &file) == 0);
  CHECK_STATUS(wsock_conn_send_fd(pair.client.conn, WSOCK_BINARY, fd, ALL, 0), WSOCK_OK);
  PUMP_UNTIL(pair.loop, peer->messages == 1);
  CHECK(got(peer, data, SIZE) && peer->type == WSOCK_BINARY);
  CHECK(!is_open(fd, &file));

  /* from where it stands, so many bytes; the other way */
  fd = file_of(data, SIZE);
  REQUIRE(lseek(fd, 1000, SEEK_SET) == 1000);
  CHECK_STATUS(wsock_conn_send_fd(peer->conn, WSOCK_BINARY, fd, 200000, WSOCK_SEND_NO_COMPRESS), WSOCK_OK);
  PUMP_UNTIL(pair.loop, pair.client.messages == 1);
  CHECK(got(&pair.client, data + 1000, 200000));

  /* nothing at all, in three ways */
  CHECK_STATUS(wsock_conn_send_fd(pair.client.conn, WSOCK_TEXT, file_of("", 0), ALL, 0), WSOCK_OK);
  CHECK_STATUS(wsock_conn_send_fd(pair.client.conn, WSOCK_TEXT, file_of("", 0), 0, 0), WSOCK_OK);
  CHECK_STATUS(wsock_conn_send_fd(pair.client.conn, WSOCK_TEXT, file_of("x", 1), 0, 0), WSOCK_OK);
  PUMP_UNTIL(pair.loop, peer->messages == 4);
  CHECK(peer->len == 0 && peer->type == WSOCK_TEXT);

  /* what the system has made of nothing but zeros cannot be watched, and need not be */
  fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
  CHECK_STATUS(wsock_conn_send_fd(pair.client.conn, WSOCK_BINARY, fd, 100000, 0), WSOCK_OK);
  PUMP_UNTIL(pair.loop, peer->messages == 5);
  CHECK(peer->len == 100000 && peer->data[0] == 0 && peer->data[99999] == 0);
  CHECK_INT(conn_stats(pair.client.conn).messages_sent, 5);
  CHECK_INT(conn_stats(pair.client.conn).payload_sent, SIZE + 100000);
  pair_free(&pair);
  free(data);
}

static void refusals(void) {
  struct pair pair;
  struct stat file;
  int ends[2];
  section("what is refused stays as it is");
  open_pair(&pair, 0);
  int fd = file_of("abc", 3);
  REQUIRE(fstat(fd, &file) == 0 && pipe(ends) == 0);
  wsock_conn *conn = pair.client.conn;
  CHECK_STATUS(wsock_conn_send_fd(conn, 0, fd, ALL, 0), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(wsock_conn_send_fd(conn, WSOCK_TEXT, fd, ALL, 1u << 31), WSOCK_ERR_UNSUPPORTED);
  CHECK_STATUS(wsock_conn_send_fd(conn, WSOCK_TEXT, ends[1], ALL, 0), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(wsock_conn_send_fd(conn, WSOCK_TEXT, -1, ALL, 0), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(wsock_conn_send_from(conn, WSOCK_TEXT, NULL, NULL, NULL, 0), WSOCK_ERR_INVALID_ARGUMENT);
  int directory = open("/", O_RDONLY | O_CLOEXEC);
  CHECK_STATUS(wsock_conn_send_fd(conn, WSOCK_TEXT, directory, ALL, 0), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(wsock_conn_close(conn, 1000, NULL), WSOCK_OK);
  CHECK_STATUS(wsock_conn_send_fd(conn, WSOCK_TEXT, fd, ALL, 0), WSOCK_ERR_STATE);
  CHECK(is_open(fd, &file) && lseek(fd, 0, SEEK_CUR) == 0);
  CHECK(fcntl(ends[1], F_GETFD) >= 0 && fcntl(directory, F_GETFD) >= 0);
  PUMP_UNTIL(pair.loop, pair.client.closes);
  CHECK(pair.client.errors == 0);
  close(fd);
  close(directory);
  close(ends[0]);
  close(ends[1]);
  pair_free(&pair);
}

/* A pipe that is filled slowly keeps nobody waiting but the messages behind it. */
static void pipes(void) {
  struct pair pair;
  struct rec other = {0};
  int ends[2];
  char expected[64] = "";
  section("a pipe");
  open_pair(&pair, 0);
  struct rec *peer = pair_peer(&pair);
  connect_to(&other, pair.loop, url_of(pair.srv.port, "/"), NULL);
  PUMP_UNTIL(pair.loop, other.opens && pair.srv.count == 2);

  REQUIRE(pipe(ends) == 0); /* blocking, as a shell makes it */
  CHECK_STATUS(wsock_conn_send_text(pair.client.conn, "before", 6), WSOCK_OK);
  CHECK_STATUS(wsock_conn_send_fd(pair.client.conn, WSOCK_TEXT, ends[0], ALL, 0), WSOCK_OK);
  CHECK_STATUS(wsock_conn_send_text(pair.client.conn, "behind", 6), WSOCK_OK);
  PUMP_UNTIL(pair.loop, peer->messages == 1);
  CHECK(got(peer, "before", 6));
  for (int i = 0; i < 5; i++) {
    char word[16];
    int n = snprintf(word, sizeof word, "word %d;", i);
    strcat(expected, word);
    REQUIRE(write(ends[1], word, (size_t)n) == n);
    /* meanwhile messages flow elsewhere, and to here */
    CHECK_STATUS(wsock_conn_send_text(other.conn, word, (size_t)n), WSOCK_OK);
    CHECK_STATUS(wsock_conn_send_text(peer->conn, word, (size_t)n), WSOCK_OK);
    PUMP_UNTIL(pair.loop, other.messages == i + 1 && pair.client.messages == i + 1);
    CHECK_INT(peer->messages, 1);
  }
  int64_t begin = now_ms();
  pump_for(pair.loop, 100);
  CHECK(now_ms() - begin < 1000);
  const struct expected rest[] = {{expected, strlen(expected)}, {"behind", 6}};
  expected_next = rest;
  peer->hook = check_next;
  close(ends[1]);
  PUMP_UNTIL(pair.loop, peer->messages == 3);
  peer->hook = NULL;
  CHECK_STATUS(wsock_conn_close(other.conn, 1000, NULL), WSOCK_OK);
  PUMP_UNTIL(pair.loop, other.closes);

  section("a pipe whose writer wants more than it gives");
  REQUIRE(pipe(ends) == 0);
  CHECK_STATUS(wsock_conn_send_fd(pair.client.conn, WSOCK_BINARY, ends[0], 300000, 0), WSOCK_OK);
  pid_t child = fork();
  if (child == 0) {
    char block[1000] = "";
    close(ends[0]);
    signal(SIGPIPE, SIG_IGN);
    while (write(ends[1], block, sizeof block) > 0) {}
    _exit(0);
  }
  close(ends[1]);
  PUMP_UNTIL(pair.loop, peer->messages == 4);
  CHECK_INT(peer->len, 300000);
  int status;
  REQUIRE(waitpid(child, &status, 0) == child); /* ended since its pipe has no reader any more */
  rec_free(&other);
  pair_free(&pair);
}

/* A function as the source. */
struct well {
  const unsigned char *data;
  size_t len, at, most;   /* at most so many bytes at a time; 0: as many as fit */
  int calls, released, laters, later_after; /* LATER once when so many calls were answered */
  int64_t answer;         /* when the data is at its end */
  wsock_conn *conn;
  wsock_conn *nested;     /* a connection to which it sends while it is called */
};
static int64_t draw(wsock_conn *conn, void *buffer, size_t capacity, void *user_data) {
  struct well *well = user_data;
  size_t n = well->len - well->at;
  CHECK(peer_dispatching > 0 && peer_depth == 0 && well->released == 0 && capacity >= 1024);
  CHECK(well->conn == NULL || well->conn == conn);
  well->calls++;
  if (well->nested) {
    CHECK_STATUS(wsock_conn_send_text(well->nested, "nested", 6), WSOCK_OK);
    well->nested = NULL;
  }
  if (well->later_after && well->calls > well->later_after) {
    well->later_after = 0;
    well->laters++;
    return WSOCK_PULL_LATER;
  }
  if (n == 0) return well->answer;
  if (n > capacity) n = capacity;
  if (well->most && n > well->most) n = well->most;
  memcpy(buffer, well->data + well->at, n);
  well->at += n;
  return (int64_t)n;
}
static void well_release(void *user_data) { ((struct well *)user_data)->released++; }

static void *again_elsewhere(void *conn) {
  sleep_ms(30);
  CHECK_STATUS(wsock_conn_pull_again(conn), WSOCK_OK);
  return NULL;
}

static void functions(int deflate) {
  struct pair pair;
  pthread_t thread;
  unsigned char *data = noise(SIZE);
  section(deflate ? "a function, compressed" : "a function");
  open_pair(&pair, deflate);
  struct rec *peer = pair_peer(&pair);
  wsock_conn *conn = pair.client.conn;

  struct well one = {.data = data, .len = SIZE, .conn = conn, .nested = peer->conn};
  CHECK_STATUS(wsock_conn_send_from(conn, WSOCK_BINARY, draw, &one, well_release, 0), WSOCK_OK);
  CHECK_INT(one.calls, 0);
  PUMP_UNTIL(pair.loop, peer->messages == 1 && pair.client.messages == 1);
  CHECK(got(peer, data, SIZE) && got(&pair.client, "nested", 6));
  CHECK_INT(one.released, 1);

  section("in order, piece by piece");
  struct well two = {.data = data, .len = 5000, .most = 7}, three = {.data = data + 1, .len = 5000};
  int fd = file_of(data + 2, 5000);
  const struct expected order[] = {{data, 5000}, {"between", 7}, {data + 1, 5000}, {data + 2, 5000}};
  expected_next = order;
  peer->hook = check_next;
  CHECK_STATUS(wsock_conn_send_from(conn, WSOCK_BINARY, draw, &two, well_release, 0), WSOCK_OK);
  CHECK_STATUS(wsock_conn_send_text(conn, "between", 7), WSOCK_OK);
  CHECK_STATUS(wsock_conn_send_from(conn, WSOCK_BINARY, draw, &three, well_release, 0), WSOCK_OK);
  CHECK_STATUS(wsock_conn_send_fd(conn, WSOCK_BINARY, fd, ALL, 0), WSOCK_OK);
  CHECK_STATUS(wsock_conn_ping(conn, "?", 1), WSOCK_OK);
  PUMP_UNTIL(pair.loop, pair.client.pongs == 1 && peer->messages == 5);
  peer->hook = NULL;
  CHECK(two.released == 1 && three.released == 1 && three.calls == 2 && two.calls == 5000 / 7 + 2);

  section("later");
  struct well four = {.data = data, .len = 1000, .most = 500, .later_after = 1, .conn = conn};
  CHECK_STATUS(wsock_conn_send_from(conn, WSOCK_BINARY, draw, &four, well_release, 0), WSOCK_OK);
  pump_for(pair.loop, 50);
  CHECK(four.calls == 2 && four.laters == 1 && peer->messages == 5);
  CHECK_STATUS(wsock_conn_pull_again(conn), WSOCK_OK);
  PUMP_UNTIL(pair.loop, peer->messages == 6);
  CHECK(got(peer, data, 1000) && four.released == 1);

  struct well five = {.data = data, .len = 1000, .later_after = 1, .conn = conn};
  CHECK_STATUS(wsock_conn_send_from(conn, WSOCK_BINARY, draw, &five, well_release, 0), WSOCK_OK);
  REQUIRE(pthread_create(&thread, NULL, again_elsewhere, conn) == 0);
  while (peer->messages < 7) REQUIRE(poll_loop(pair.loop, (int32_t)patience_ms()) >= 0);
  REQUIRE(pthread_join(thread, NULL) == 0);
  CHECK(got(peer, data, 1000) && five.released == 1 && five.calls == 3);

  section("closed while it goes on: it arrives, then the close frame");
  struct well six = {.data = data, .len = SIZE, .later_after = 20};
  CHECK_STATUS(wsock_conn_send_from(conn, WSOCK_BINARY, draw, &six, well_release, 0), WSOCK_OK);
  CHECK_STATUS(wsock_conn_send_text(conn, "behind", 6), WSOCK_OK);
  CHECK_STATUS(wsock_conn_close(conn, 1000, "done"), WSOCK_OK);
  PUMP_UNTIL(pair.loop, six.laters == 1);
  pump_for(pair.loop, 50);
  CHECK(wsock_conn_state(conn) == WSOCK_CLOSING && peer->closes == 0);
  CHECK_STATUS(wsock_conn_pull_again(conn), WSOCK_OK);
  PUMP_UNTIL(pair.loop, peer->closes && pair.client.closes);
  CHECK_INT(peer->payload, SIZE + 15007 + 2000 + SIZE + 6);
  CHECK(peer->messages == 9 && got(peer, "behind", 6) && six.released == 1);
  CHECK(pair.client.close.was_clean && pair.client.errors == 0 && pair.client.close.unsent_bytes == 0);
  pair_free(&pair);
  free(data);
}

/* One that cannot go on ends the connection: 1011 for the peer, the reason for us. */
static void fails_with(struct pair *pair, struct well *well, int32_t status, const char *says) {
  struct rec *peer = pair_peer(pair);
  PUMP_UNTIL(pair->loop, pair->client.closes && peer->closes);
  CHECK_INT(peer->close.code, 1011);
  CHECK_INT(pair->client.close.sent_code, 1011);
  CHECK_INT(pair->client.error.code, status);
  CHECKF(strstr(pair->client.error.message, says) != NULL, "says %s", pair->client.error.message);
  CHECK_INT(peer->messages, 0);
  if (well) CHECK_INT(well->released, 1);
  pair_free(pair);
}

static void failures(void) {
  struct pair pair;
  struct well well = {.data = (const unsigned char *)"abc", .len = 3};
  section("a file that is too short");
  open_pair(&pair, 0);
  CHECK_STATUS(wsock_conn_send_fd(pair.client.conn, WSOCK_BINARY, file_of("abc", 3), 4, 0), WSOCK_OK);
  fails_with(&pair, NULL, WSOCK_ERR_SYSTEM, "1 bytes before");

  section("a descriptor that cannot be read");
  open_pair(&pair, 0);
  int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  REQUIRE(fd >= 0);
  CHECK_STATUS(wsock_conn_send_fd(pair.client.conn, WSOCK_BINARY, fd, ALL, 0), WSOCK_OK);
  PUMP_UNTIL(pair.loop, pair.client.closes);
  CHECK_INT(pair.client.close.os_error, EIO);
  fails_with(&pair, NULL, WSOCK_ERR_SYSTEM, "cannot read");

  section("a function that gives up");
  open_pair(&pair, 0);
  well.answer = WSOCK_PULL_FAILED;
  CHECK_STATUS(wsock_conn_send_from(pair.client.conn, WSOCK_BINARY, draw, &well, well_release, 0), WSOCK_OK);
  fails_with(&pair, &well, WSOCK_ERR_ABORTED, "could not go on");

  section("a function that answers nonsense");
  for (int i = 0; i < 2; i++) {
    struct well mad = {.data = (const unsigned char *)"abc", .len = 3, .answer = i ? -3 : INT64_MAX};
    open_pair(&pair, 0);
    CHECK_STATUS(wsock_conn_send_from(pair.client.conn, WSOCK_BINARY, draw, &mad, well_release, 0), WSOCK_OK);
    fails_with(&pair, &mad, WSOCK_ERR_ABORTED, "must not");
  }

  section("text that is none");
  struct well bad = {.data = (const unsigned char *)"ab\xff", .len = 3, .most = 2};
  open_pair(&pair, 0);
  CHECK_STATUS(wsock_conn_send_from(pair.client.conn, WSOCK_TEXT, draw, &bad, well_release, 0), WSOCK_OK);
  fails_with(&pair, &bad, WSOCK_ERR_INVALID_ARGUMENT, "UTF-8");
}

/* What is left of the sources when the connection ends on the way. */
static void lost(void) {
  section("the connection is lost in the middle");
  for (int how = 0; how < 4; how++) {
    struct pair pair;
    struct stat first, second;
    struct well well = {.data = (const unsigned char *)"abc", .len = 3, .answer = WSOCK_PULL_LATER};
    int ends[2];
    open_pair(&pair, 0);
    REQUIRE(pipe(ends) == 0 && fstat(ends[0], &first) == 0);
    int fd = file_of("abc", 3);
    REQUIRE(fstat(fd, &second) == 0);
    CHECK_STATUS(wsock_conn_send_fd(pair.client.conn, WSOCK_BINARY, ends[0], ALL, 0), WSOCK_OK);
    CHECK_STATUS(wsock_conn_send_from(pair.client.conn, WSOCK_BINARY, draw, &well, well_release, 0), WSOCK_OK);
    CHECK_STATUS(wsock_conn_send_fd(pair.client.conn, WSOCK_BINARY, fd, ALL, 0), WSOCK_OK);
    REQUIRE(write(ends[1], "abc", 3) == 3);
    pump_for(pair.loop, 20);
    if (how == 0) CHECK_STATUS(wsock_conn_abort(pair.client.conn), WSOCK_OK);
    if (how == 1) CHECK_STATUS(wsock_conn_abort(pair_peer(&pair)->conn), WSOCK_OK);
    if (how == 2) CHECK_STATUS(wsock_conn_close(pair_peer(&pair)->conn, 1000, NULL), WSOCK_OK);
    if (how < 3) PUMP_UNTIL(pair.loop, pair.client.closes && pair_peer(&pair)->closes);
    if (how == 2) CHECK(pair.client.close.was_clean && pair.client.errors == 0);
    pair_free(&pair); /* 3: the loop is freed under it */
    CHECK(!is_open(ends[0], &first) && !is_open(fd, &second));
    CHECK_INT(well.released, 1);
    close(ends[1]);
  }

  section("nothing more comes after a close");
  struct pair pair;
  struct well well = {.data = (const unsigned char *)"abc", .len = 3, .answer = WSOCK_PULL_LATER};
  wsock_options *o = option(new_options(), WSOCK_OPT_CLOSE_TIMEOUT_MS, 100);
  pair_open(&pair, NULL, o);
  CHECK_STATUS(wsock_conn_send_from(pair.client.conn, WSOCK_BINARY, draw, &well, well_release, 0), WSOCK_OK);
  CHECK_STATUS(wsock_conn_close(pair.client.conn, 1000, NULL), WSOCK_OK);
  PUMP_UNTIL(pair.loop, pair.client.closes);
  CHECK_INT(pair.client.close.status, WSOCK_ERR_CLOSE_TIMEOUT);
  CHECK_INT(well.released, 1);
  CHECK_STATUS(wsock_conn_pull_again(pair.client.conn), WSOCK_ERR_INVALID_HANDLE);
  wsock_options_free(o);
  pair_free(&pair);
}

/* A peer that does not read stops the source, and only it. */
static void slow_peer(void) {
  struct pair pair;
  unsigned char *data = noise(SIZE);
  struct well well = {.data = data, .len = SIZE};
  section("a peer that does not read");
  open_pair(&pair, 0);
  struct rec *peer = pair_peer(&pair);
  CHECK_STATUS(wsock_conn_pause(peer->conn), WSOCK_OK);
  for (int i = 0; i < 40; i++) {
    well.at = 0;
    if (i) CHECK_STATUS(wsock_conn_send_text(pair.client.conn, "x", 1), WSOCK_OK);
    struct well *copy = malloc(sizeof *copy);
    *copy = well;
    CHECK_STATUS(wsock_conn_send_from(pair.client.conn, WSOCK_BINARY, draw, copy, free, 0), WSOCK_OK);
  }
  pump_for(pair.loop, 100);
  CHECK(wsock_conn_buffered_amount(pair.client.conn) < 200 * 1024);
  CHECK_STATUS(wsock_conn_resume(peer->conn), WSOCK_OK);
  PUMP_UNTIL(pair.loop, peer->messages == 79);
  CHECK_INT(peer->payload, 40 * SIZE + 39);
  pair_free(&pair);
  free(data);
}

/* On a loop with a thread of the library's own that thread reads descriptors, and functions are called where
   callbacks are. */
static void with_a_thread(void) {
  struct pair pair;
  int ends[2];
  unsigned char *data = noise(SIZE);
  section("on a loop with a thread of its own");
  open_pair(&pair, 0);
  struct rec *peer = pair_peer(&pair);
  CHECK_STATUS(wsock_loop_start(pair.loop), WSOCK_OK);
  struct well well = {.data = data, .len = SIZE, .later_after = 3, .conn = pair.client.conn};
  const struct expected order[] = {{data, SIZE}, {data, SIZE}, {"piped", 5}};
  expected_next = order;
  peer->hook = check_next;
  REQUIRE(pipe(ends) == 0);
  CHECK_STATUS(wsock_conn_send_from(pair.client.conn, WSOCK_BINARY, draw, &well, well_release, 0), WSOCK_OK);
  CHECK_STATUS(wsock_conn_send_fd(pair.client.conn, WSOCK_BINARY, file_of(data, SIZE), ALL, 0), WSOCK_OK);
  CHECK_STATUS(wsock_conn_send_fd(pair.client.conn, WSOCK_TEXT, ends[0], ALL, 0), WSOCK_OK);
  PUMP_UNTIL(pair.loop, well.laters == 1);
  CHECK_STATUS(wsock_conn_pull_again(pair.client.conn), WSOCK_OK);
  PUMP_UNTIL(pair.loop, peer->messages == 2);
  REQUIRE(write(ends[1], "piped", 5) == 5);
  close(ends[1]);
  PUMP_UNTIL(pair.loop, peer->messages == 3);
  CHECK_INT(well.released, 1);
  CHECK_STATUS(wsock_loop_join(pair.loop), WSOCK_OK);
  pair_free(&pair);
  free(data);
}

static void no_part(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, uint32_t flags, void *user_data) {
  (void)conn, (void)type, (void)data, (void)len, (void)flags, (void)user_data;
  CHECK(!"a callback, although events are fetched");
}

/* In batches the parts are events, and the function is called while they are fetched. */
static void in_batches(void) {
  section("in batches");
  unsigned char *data = noise(SIZE);
  wsock_loop *loop = new_loop();
  wsock_event events[32];
  wsock_server *server = NULL;
  wsock_conn *client = NULL;
  wsock_handlers h = {.struct_size = sizeof h, .on_part = no_part};
  struct well well = {.data = data, .len = SIZE};
  size_t at = 0;
  int messages = 0, parts = 0, opens = 0;
  CHECK_STATUS(wsock_loop_use_events(loop, events, sizeof events[0], 32), WSOCK_OK);
  REQUIRE(wsock_listen(loop, "127.0.0.1", 0, NULL, &h, NULL, &server) == WSOCK_OK);
  REQUIRE(wsock_connect(loop, url_of(wsock_server_port(server), "/"), NULL, NULL, NULL, &client) == WSOCK_OK);
  for (int64_t end = now_ms() + patience_ms(); messages < 1 && now_ms() < end;) {
    peer_dispatching++;
    int32_t n = wsock_loop_events(loop, 100);
    peer_dispatching--;
    REQUIRE(n >= 0);
    for (int32_t i = 0; i < n; i++) {
      wsock_conn *conn = (wsock_conn *)(uintptr_t)events[i].object;
      if (events[i].type == WSOCK_EVENT_OPEN && ++opens && conn == client)
        CHECK_STATUS(wsock_conn_send_from(client, WSOCK_BINARY, draw, &well, well_release, 0), WSOCK_OK);
      if (events[i].type != WSOCK_EVENT_BINARY) continue;
      CHECK(events[i].len <= SIZE - at && memcmp((const void *)(uintptr_t)events[i].data, data + at, events[i].len) == 0);
      CHECK_INT((events[i].code & WSOCK_PART_FIRST) != 0, at == 0);
      at += events[i].len;
      parts++;
      messages += (events[i].code & WSOCK_PART_LAST) != 0;
    }
  }
  CHECK(opens == 2 && messages == 1 && at == SIZE && parts > 5);
  CHECK_INT(well.released, 1);
  free_loop(loop);
  free(data);
}

int main(void) {
  files(0);
  if (wsock_features() & WSOCK_FEATURE_DEFLATE) files(1);
  refusals();
  pipes();
  functions(0);
  if (wsock_features() & WSOCK_FEATURE_DEFLATE) functions(1);
  failures();
  lost();
  slow_peer();
  with_a_thread();
  in_batches();
  return check_end();
}
