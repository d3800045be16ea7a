/* A message of 4 GiB from one process to another, neither of which may have more than 64 MiB. */
#include "peer.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define CAP_MIB 64

struct drain {
  int messages, parts, closes;
  uint64_t len;
};
static void on_part(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, uint32_t flags, void *user_data) {
  struct drain *drain = user_data;
  (void)conn, (void)type, (void)data;
  drain->parts++;
  drain->len += len;
  drain->messages += (flags & WSOCK_PART_LAST) != 0;
}
static void on_close(wsock_conn *conn, const wsock_close_info *info, void *user_data) {
  (void)conn, (void)info;
  ((struct drain *)user_data)->closes++;
}

static long own_kib(const char *what) {
  char line[256];
  long kib = -1;
  FILE *status = fopen("/proc/self/status", "r");
  REQUIRE(status != NULL);
  while (fgets(line, sizeof line, status))
    if (strncmp(line, what, strlen(what)) == 0) kib = strtol(line + strlen(what) + 1, NULL, 10);
  fclose(status);
  return kib;
}

struct well {
  uint64_t left;
  int released;
};
static int64_t draw(wsock_conn *conn, void *buffer, size_t capacity, void *user_data) {
  struct well *well = user_data;
  (void)conn;
  if (capacity > well->left) capacity = (size_t)well->left;
  memset(buffer, (int)(well->left >> 20), capacity);
  well->left -= capacity;
  return (int64_t)capacity;
}
static void well_release(void *user_data) { ((struct well *)user_data)->released++; }

/* A limit of all mappings, RLIMIT_AS, would not do: those of the libraries, and the arenas that malloc only
   reserves, are beyond 64 MiB before anything happens. RLIMIT_DATA is for what can be written to, and
   VmHWM tells the most that has ever been in memory, pages of the libraries among it. */
static void cap(void) {
  struct rlimit most = {CAP_MIB << 20, CAP_MIB << 20};
  if (!check_is_slow()) REQUIRE(setrlimit(RLIMIT_DATA, &most) == 0);
}
static void check_cap(const char *who) {
  long peak = own_kib("VmHWM:");
  fprintf(stderr, "%s had at most %ld KiB in memory\n", who, peak);
  if (!check_is_slow()) CHECK(peak > 0 && peak <= CAP_MIB << 10);
}

static void more_than_memory(void) {
  uint64_t size = check_is_slow() ? 4 << 20 : 4ull << 30;
  int port_pipe[2];
  section("a message that is longer than memory");
  REQUIRE(pipe(port_pipe) == 0);
  pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    struct drain drain = {0, 0, 0, 0};
    cap();
    wsock_loop *loop = new_loop();
    wsock_server *server = NULL;
    wsock_options *o = option(new_options(), WSOCK_OPT_MAX_MESSAGE_SIZE, 0);
    wsock_handlers h = {.struct_size = sizeof h, .on_part = on_part, .on_close = on_close};
    REQUIRE(wsock_listen(loop, "127.0.0.1", 0, o, &h, &drain, &server) == WSOCK_OK);
    uint16_t port = wsock_server_port(server);
    REQUIRE(write(port_pipe[1], &port, sizeof port) == sizeof port);
    while (!drain.closes) pump(loop);
    CHECK_INT(drain.messages, 1);
    CHECK_INT(drain.len, size);
    free_loop(loop);
    wsock_options_free(o);
    fprintf(stderr, "%llu MiB in %d parts\n", (unsigned long long)(size >> 20), drain.parts);
    check_cap("the receiver");
    exit(check_end());
  }
  cap();
  struct rec client = {0};
  struct well well = {size, 0};
  uint16_t port;
  wsock_loop *loop = new_loop();
  REQUIRE(read(port_pipe[0], &port, sizeof port) == sizeof port);
  connect_to(&client, loop, url_of(port, "/"), NULL);
  PUMP_UNTIL(loop, client.opens);
  CHECK_STATUS(wsock_conn_send_from(client.conn, WSOCK_BINARY, draw, &well, well_release, 0), WSOCK_OK);
  CHECK_STATUS(wsock_conn_close(client.conn, 1000, NULL), WSOCK_OK);
  while (!client.closes) pump(loop);
  CHECK(well.left == 0 && well.released == 1 && client.close.was_clean);
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  free_loop(loop);
  CHECK_ENDED(&client);
  check_cap("the sender");
}

int main(void) {
  more_than_memory();
  return check_end();
}

