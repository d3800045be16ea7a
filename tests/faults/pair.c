/* From making the loop to freeing it, and what has to be true afterwards. */
#include "pair.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Making something may be refused again and again, but not for ever. */
#define TRIES 40

static void set(struct world *world, wsock_options *options, int32_t key, int64_t value) {
  HOLDS(world, wsock_options_set_int(options, key, value) == WSOCK_OK, "option %d", (int)key);
}

static wsock_options *options_of(struct world *world, int server) {
  wsock_options *options = NULL;
  HOLDS(world, wsock_options_new(&options) == WSOCK_OK, "options");
  set(world, options, WSOCK_OPT_DEFLATE, world->deflate);
  set(world, options, WSOCK_OPT_CLOSE_TIMEOUT_MS, 2000);
  set(world, options, WSOCK_OPT_HANDSHAKE_TIMEOUT_MS, 5000);
  if (world->deflate && roll(world, 2)) set(world, options, WSOCK_OPT_DEFLATE_LEVEL, 1 + roll(world, 9));
  if (world->pings) {
    set(world, options, WSOCK_OPT_PING_INTERVAL_MS, 200);
    set(world, options, WSOCK_OPT_PONG_TIMEOUT_MS, 500);
  }
  if (world->tight) {
    set(world, options, WSOCK_OPT_HIGH_WATER, 2000);
    set(world, options, WSOCK_OPT_LOW_WATER, 100);
    set(world, options, WSOCK_OPT_MAX_BUFFERED, 20000);
  }
  if (!server && world->comes_back) {
    set(world, options, WSOCK_OPT_RECONNECT, 5);
    set(world, options, WSOCK_OPT_RECONNECT_FIRST_MS, 10);
    /* Elsewhere what is sent before on_open has been told may go first. */
    int queues = roll(world, 2) && (world->drive == POLLED || world->drive == FOREIGN);
    set(world, options, WSOCK_OPT_RECONNECT_QUEUE, queues ? 10000 : 0);
  }
  return options;
}

/* The files may not be read, as any; then they are read again. */
static void add_certificate(struct world *world) {
  const char *directory = getenv("WSOCK_TEST_CERTS");
  char chain[512], key[512], ca[512];
  wsock_status status;
  HOLDS(world, directory, "WSOCK_TEST_CERTS is not set");
  snprintf(chain, sizeof chain, "%s/server.pem", directory);
  snprintf(key, sizeof key, "%s/server.key", directory);
  snprintf(ca, sizeof ca, "%s/ca.pem", directory);
  for (int i = 0; i < TRIES; i++) {
    status = wsock_options_add_cert_files(world->for_server, chain, key);
    if (status == WSOCK_OK) break;
    HOLDS(world, status == WSOCK_ERR_INVALID_ARGUMENT, "add_cert_files gave %d", (int)status);
    if (i > TRIES / 2) layer_calm();
  }
  HOLDS(world, status == WSOCK_OK, "add_cert_files");
  for (int i = 0; i < TRIES; i++) {
    status = wsock_options_set_str(world->for_clients, WSOCK_OPT_TLS_CA_FILE, ca);
    if (status == WSOCK_OK) break;
    HOLDS(world, status == WSOCK_ERR_INVALID_ARGUMENT, "CA_FILE gave %d", (int)status);
    if (i > TRIES / 2) layer_calm();
  }
  HOLDS(world, status == WSOCK_OK, "CA_FILE");
}

/* False when that cannot be done this time. */
static int make(struct world *world) {
  wsock_handlers h = server_handlers(world);
  wsock_status status = WSOCK_ERR_SYSTEM;
  char host[80];
  pthread_mutexattr_t again;
  pthread_mutexattr_init(&again);
  pthread_mutexattr_settype(&again, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_init(&world->door, &again);
  world->for_server = options_of(world, 1);
  world->for_clients = options_of(world, 0);
  if (world->tls) add_certificate(world);
  for (int i = 0; i < TRIES && status != WSOCK_OK; i++) {
    status = wsock_loop_new(&world->loop);
    refused(world, status, "loop_new");
  }
  if (status != WSOCK_OK) return 0;
  if (world->drive == BATCHES)
    HOLDS(world, wsock_loop_use_events(world->loop, world->batch, sizeof *world->batch, 1 + roll(world, 64)) == WSOCK_OK, "");
  if (world->drive == STARTED && refused(world, wsock_loop_start(world->loop), "start")) world->drive = POLLED;
  if (world->drive == FOREIGN && wsock_loop_fd(world->loop) < 0) world->drive = POLLED;
  if (world->hubs) HOLDS(world, wsock_hub_new(&world->hub) == WSOCK_OK, "hub");
  snprintf(host, sizeof host, world->unix_socket ? "unix:@wsock-faults-%d" : "127.0.0.1", (int)getpid());
  status = WSOCK_ERR_SYSTEM;
  for (int i = 0; i < TRIES && status != WSOCK_OK; i++) {
    status = wsock_listen(world->loop, host, 0, world->for_server, &h, world, &world->server);
    refused(world, status, "listen");
  }
  if (status != WSOCK_OK) return 0;
  if (world->unix_socket) snprintf(world->place, sizeof world->place, "ws+unix:@wsock-faults-%d:", (int)getpid());
  else
    snprintf(world->place, sizeof world->place, "%s://%s:%u", world->tls ? "wss" : "ws", world->named ? "localhost" : "127.0.0.1",
             (unsigned)wsock_server_port(world->server));
  return 1;
}

/* Over a pair of sockets of the program's own. */
static wsock_status adopt(struct world *world, const char *url, const wsock_handlers *h, struct end *end) {
  int fd[2];
  HOLDS(world, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == 0, "errno %d", errno);
  wsock_status status = wsock_server_adopt(world->server, fd[1], NULL, 0);
  if (refused(world, status, "adopt")) HOLDS(world, close(fd[1]) == 0, "a descriptor that was refused is gone");
  status = wsock_connect_fd(world->loop, fd[0], url, world->for_clients, h, end, NULL, 0, &end->conn);
  if (status < 0) HOLDS(world, close(fd[0]) == 0, "a descriptor that was refused is gone");
  return status;
}

static void dial(struct world *world, int link) {
  struct end *end = &world->client[link];
  wsock_handlers h = client_handlers(world);
  char url[160];
  wsock_status status = WSOCK_ERR_SYSTEM;
  end->world = world;
  end->link = link;
  if (world->adopted) snprintf(url, sizeof url, "ws://adopted/%d", link);
  else snprintf(url, sizeof url, "%s/%d", world->place, link);
  for (int i = 0; i < TRIES && status != WSOCK_OK; i++) {
    status = world->adopted ? adopt(world, url, &h, end) : wsock_connect(world->loop, url, world->for_clients, &h, end, &end->conn);
    refused(world, status, "connect");
  }
}

static const char *last_text(void) {
  static wsock_error_info info;
  info.struct_size = sizeof info;
  wsock_last_error(&info);
  return info.message;
}

int pump(struct world *world, int ms) {
  wsock_loop *loop = world->loop;
  int32_t told;
  if (world->drive == FOREIGN) {
    struct pollfd beacon = {.fd = wsock_loop_fd(loop), .events = POLLIN};
    int32_t left = wsock_loop_timeout_ms(loop);
    HOLDS(world, left >= -1, "timeout_ms gave %d", (int)left);
    if (poll(&beacon, 1, layer_threads() ? 1 : 0) == 0) layer_pass_ms(left < 0 || left > ms ? ms : left);
    ms = 0;
  }
  if (world->drive == STARTED) ms = ms < 2 ? ms : 2;
  if (world->drive == BATCHES) {
    told = wsock_loop_events(loop, ms);
    if (told > 0) hear_batch(world, told);
  } else {
    told = wsock_loop_poll(loop, ms);
  }
  if (told == WSOCK_ERR_INTERRUPTED) return 0;
  if (told < 0) {
    refused(world, told, "poll");
    broken(world, __FILE__, __LINE__, "poll", " %s: %s", wsock_error_name(told), last_text());
  }
  return told;
}

static int all_over(const struct world *world) {
  for (int i = 0; i < world->clients; i++)
    if (world->client[i].conn) return 0;
  for (int i = 0; i < world->lives; i++)
    if (world->life[i].conn) return 0;
  return world->server_releases == 1;
}

/* Who is paused hears of nothing, not even of the end. */
static void hear_again(struct world *world) {
  for (int i = 0; i < world->clients + world->lives; i++) {
    struct end *end = i < world->clients ? &world->client[i] : &world->life[i - world->clients];
    if (end->conn && end->paused) refused(world, wsock_conn_resume(end->conn), "resume");
    end->paused = 0;
  }
}

/* Without faults everything comes to its end in time. */
static void come_to_an_end(struct world *world) {
  for (int i = 0; i < 5; i++) pump(world, 100);
  for (int i = 0; i < world->clients; i++) {
    struct end *end = &world->client[i];
    if (!end->conn || roll(world, 3) == 0) continue;
    end->said_close = 1;
    refused(world, wsock_conn_close(end->conn, 1000, "done"), "close");
  }
  for (int i = 0; i < world->lives; i++) world->life[i].said_close = 1;
  refused(world, wsock_server_close(world->server, (int32_t)roll(world, 2) * 500, 1001, "closing time"), "server_close");
  int64_t end = layer_now_ms() + 60000;
  while (!all_over(world) && layer_now_ms() < end) pump(world, 50);
  HOLDS(world, all_over(world), "a minute later something is still open");
}

static void check_end(struct world *world, struct end *end) {
  HOLDS(world, end->closes == 1 && end->releases == 1, "the %s of link %d: on_close %d times, release %d times",
        end->server ? "server" : "client", end->link, end->closes, end->releases);
  HOLDS(world, end->errors == (end->status != WSOCK_OK), "link %d", end->link);
  /* Of what has left in part the headers of all its frames may count, and what TLS has made of them. */
  uint64_t messages = end->sent[MINE] + end->sent[OTHERS] + world->sent_to_all + world->published + 1;
  uint64_t most = end->bytes_sent + world->bytes_to_all + messages * 100 + (world->tls ? 1000 : 0);
  HOLDS(world, end->unsent <= most, "%llu unsent of %llu", (unsigned long long)end->unsent, (unsigned long long)most);
  free(end->part);
}

/* What was accepted has come, or its end was told that it may not have. */
static void check_way(struct world *world, const struct end *from, const struct end *to) {
  int told = from->status != WSOCK_OK || !from->clean || from->unsent > 0 || from->initiator != WSOCK_BY_LOCAL || to->said_close;
  told |= from->code == 1011; /* the other end had to close, too, at the same time */
  told |= world->stormy_end && (world->drive == BATCHES || world->drive == STARTED); /* or never fetched what had come */
  /* One that could not be read to its end may be missing in the middle; then the connection ends for that. */
  HOLDS(world, !to->gaps || from->status == WSOCK_ERR_SYSTEM || from->status == WSOCK_ERR_NO_MEMORY, "link %d: a message is missing", from->link);
  for (int line = 0; line < BROADCAST; line++) {
    HOLDS(world, to->due[line] <= from->sent[line], "link %d: %u came, %u sent", from->link, (unsigned)to->due[line], (unsigned)from->sent[line]);
    HOLDS(world, told || to->due[line] == from->sent[line], "link %d, from the %s: %u of %u came, and nobody was told", from->link,
          from->server ? "server" : "client", (unsigned)to->due[line], (unsigned)from->sent[line]);
  }
}

static void check_books(struct world *world) {
  for (int i = 0; i < world->clients; i++)
    if (world->client[i].closes || world->client[i].conn) check_end(world, &world->client[i]);
  for (int i = 0; i < world->lives; i++) {
    struct end *end = &world->life[i];
    check_end(world, end);
    if (world->comes_back) continue;
    check_way(world, end, &world->client[end->link]);
    check_way(world, &world->client[end->link], end);
  }
  HOLDS(world, world->lent == 0, "%d messages were not given back", world->lent);
  HOLDS(world, world->ran <= world->posted && (world->stormy_end || world->ran == world->posted), "%d of %d tasks ran", world->ran, world->posted);
  for (int i = 0; i < KEPT; i++) {
    size_t len = 0;
    if (!world->kept[i]) continue;
    const void *data = wsock_message_data(world->kept[i], NULL, &len);
    HOLDS(world, len == world->copy[i].len && memcmp(data, world->copy[i].data, len) == 0, "what was kept has changed");
    wsock_message_free(world->kept[i]);
    free(world->copy[i].data);
  }
}

void pair_run(struct world *world) {
  layer_begin(world->seed, world->rates);
  int made = make(world);
  for (int i = 0; made && i < world->clients; i++) dial(world, i);
  if (made && world->crowd) crowd_begin(world);
  for (int i = 0; made && i < world->steps; i++) {
    static const int waits[] = {0, 0, 0, 1, 10, 300};
    if (i > world->steps / 4) layer_step();
    act(world);
    if (roll(world, 2)) pump(world, waits[roll(world, 6)]);
  }
  crowd_end(world);
  if (!world->stormy_end || !made) layer_calm();
  if (made) hear_again(world);
  if (made && !world->stormy_end) come_to_an_end(world);
  if (world->loop) HOLDS(world, wsock_loop_free(world->loop) == WSOCK_OK, "loop_free");
  layer_calm();
  if (world->hub) wsock_hub_free(world->hub);
  wsock_options_free(world->for_server);
  wsock_options_free(world->for_clients);
  pthread_mutex_destroy(&world->door);
  if (made) HOLDS(world, world->server_releases == 1, "%d", world->server_releases);
  check_books(world);
  /* Threads for names end by themselves. */
  for (int i = 0; layer_threads() > 0 && i < 5000; i++) usleep(1000);
  HOLDS(world, layer_threads() == 0, "%d threads are left", layer_threads());
}
