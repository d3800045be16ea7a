/* Masking keys and handshake keys: bytes of the system's, each used once, in every process of a family; and when the
   system has none nothing is sent under a key that could be known. */
#include "child.h"

#include <sys/syscall.h>

/* Between the library and the system: what it was given last, and whether it is given anything. */
static unsigned char given[64 * 1024];
static size_t given_len;
static int out_of_order;
ssize_t getrandom(void *buffer, size_t len, unsigned int flags) {
  if (out_of_order) {
    errno = EIO;
    return -1;
  }
  ssize_t n = syscall(SYS_getrandom, buffer, len, flags);
  if (n > 0 && buffer && given_len + (size_t)n <= sizeof given) memcpy(given + given_len, buffer, (size_t)n), given_len += (size_t)n;
  return n;
}

#define FRAMES 300
#define SIZE (2 + 4 + 8) /* of a frame with eight bytes in it */
struct keys {
  char handshake[2][32];
  unsigned char mask[2][FRAMES][4];
};
static const unsigned char zeroes[8];

/* What a client of that loop shows to a server, over two connections. */
static void draw(struct keys *keys, wsock_loop *loop) {
  for (int i = 0; i < 2; i++) {
    struct rec client = {0};
    struct raw raw;
    uint16_t port;
    int listener = raw_listen(&port, 4);
    connect_to(&client, loop, url_of(port, "/"), NULL);
    const char *head = raw_accept(&raw, loop, listener);
    snprintf(keys->handshake[i], sizeof keys->handshake[i], "%.31s", head_value(head, "Sec-WebSocket-Key"));
    CHECK_INT(strlen(keys->handshake[i]), 24);
    raw_welcome(&raw, head, "");
    PUMP_UNTIL(loop, client.opens);
    for (int k = 0; k < FRAMES; k++) CHECK_STATUS(wsock_conn_send_binary(client.conn, zeroes, sizeof zeroes), WSOCK_OK);
    RAW_UNTIL(&raw, raw.len >= FRAMES * SIZE);
    for (int k = 0; k < FRAMES; k++) {
      const unsigned char *frame = raw.in + k * SIZE;
      REQUIRE(frame[0] == 0x82 && frame[1] == (0x80 | sizeof zeroes));
      memcpy(keys->mask[i][k], frame + 2, 4);
      CHECK(memcmp(frame + 6, frame + 2, 4) == 0 && memcmp(frame + 10, frame + 2, 4) == 0); /* zeroes under the key */
    }
    CHECK_STATUS(wsock_conn_abort(client.conn), WSOCK_OK);
    PUMP_UNTIL(loop, client.releases);
    raw_close(&raw);
    close(listener);
  }
}

/* 32 bits may come twice by chance; four in a row may not. */
#define ROW 4
static unsigned char rows[8 * 2 * FRAMES][4 * ROW];
static char handshakes[16][32];
static int row_count, handshake_count;
static void remember(const struct keys *keys) {
  for (int i = 0; i < 2; i++) {
    memcpy(handshakes[handshake_count++], keys->handshake[i], 32);
    for (int k = 0; k + ROW <= FRAMES; k++) memcpy(rows[row_count++], keys->mask[i][k], sizeof rows[0]);
  }
}
static int by_bytes(const void *a, const void *b) { return memcmp(a, b, sizeof rows[0]); }

static void child_draws(wsock_loop *loop, int to) {
  struct keys keys;
  CHECK_STATUS(wsock_loop_after_fork(loop), WSOCK_OK);
  draw(&keys, loop);
  CHECK(write(to, &keys, sizeof keys) == (ssize_t)sizeof keys);
}
static void a_family(void) {
  struct keys keys;
  int results[2];
  wsock_loop *loop = new_loop();
  section("no key of a process is one of its parent's, its child's or its brother's");
  REQUIRE(pipe(results) == 0);
  draw(&keys, loop);
  remember(&keys);
  for (int i = 0; i < 3; i++) { /* all with the same bytes in store */
    pid_t pid = fork_child();
    if (pid == 0) {
      if (i == 0) {
        child_draws(loop, results[1]);
        pid_t grandchild = fork_child();
        if (grandchild == 0) {
          child_draws(loop, results[1]);
          child_end();
        }
        check_child(grandchild);
      }
      child_draws(loop, results[1]);
      child_end();
    }
    for (int left = i == 0 ? 3 : 1; left > 0; left--) {
      unsigned char *at = (unsigned char *)&keys;
      for (size_t got = 0; got < sizeof keys;) {
        ssize_t n = read(results[0], at + got, sizeof keys - got);
        REQUIRE(n > 0);
        got += (size_t)n;
      }
      remember(&keys);
    }
    check_child(pid);
  }
  draw(&keys, loop);
  remember(&keys);
  qsort(rows, (size_t)row_count, sizeof rows[0], by_bytes);
  for (int i = 1; i < row_count; i++) CHECKF(by_bytes(rows[i - 1], rows[i]) != 0, "a row of keys came twice");
  CHECK_INT(handshake_count, 14);
  for (int i = 0; i < handshake_count; i++)
    for (int k = 0; k < i; k++) CHECKF(strcmp(handshakes[i], handshakes[k]) != 0, "%s came twice", handshakes[i]);
  close(results[0]);
  close(results[1]);
  free_loop(loop);
}

static void from_the_system(void) {
  struct keys keys;
  wsock_loop *loop = new_loop();
  section("keys are bytes of the system's, in their order, and none is used twice");
  given_len = 0;
  draw(&keys, loop);
  const unsigned char *at = given;
  for (int i = 0; i < 2; i++)
    for (int k = 0; k < FRAMES; k++) {
      const unsigned char *found = memmem(at, (size_t)(given + given_len - at), keys.mask[i][k], 4);
      CHECKF(found != NULL, "connection %d, key %d is not of the system's", i, k);
      if (found) at = found + 4;
    }
  free_loop(loop);
}

static void without(void) {
  struct rec client = {0};
  struct raw raw;
  wsock_loop *loop = new_loop();
  section("the system has no random bytes: the connection ends rather than send under a known key");
  raw_serve(&raw, &client, loop, NULL);
  out_of_order = 1;
  given_len = 0;
  int sent = 0;
  wsock_status status = WSOCK_OK;
  for (; sent < 1000 && status == WSOCK_OK; sent++) status = wsock_conn_send_binary(client.conn, zeroes, sizeof zeroes);
  CHECKF(status == WSOCK_ERR_PANIC, "%d after %d messages", (int)status, sent);
  CHECK(sent < 512 / 4 + 2);
  raw_fill(&raw);
  CHECKF(raw.len <= (size_t)(sent - 1) * SIZE, "%zu bytes for %d messages", raw.len, sent - 1);
  for (size_t at = 0; at + SIZE <= raw.len; at += SIZE) CHECK(memcmp(raw.in + at + 2, zeroes, 4) != 0);
  out_of_order = 0;
  free_loop(loop);
  raw_close(&raw);
  CHECK_INT(client.releases, 1);
}

int main(void) {
  from_the_system();
  a_family();
  without();
  return check_end();
}
