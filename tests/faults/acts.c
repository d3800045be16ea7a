/* What the application does: it sends in every way, pings, pauses, closes, at random. */
#include "pair.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

/* A message was accepted, or not. */
static void booked(struct end *end, wsock_status status, size_t len, const char *call) {
  struct world *world = end->world;
  if (refused(world, status, call)) return;
  HOLDS(world, status == WSOCK_OK || status == WSOCK_BUFFERED, "%s gave %d", call, (int)status);
  end->sent[MINE]++;
  end->bytes_sent += len;
}

static int32_t kind(uint32_t number) { return number & 1 ? WSOCK_TEXT : WSOCK_BINARY; }

static void send_copy(struct end *end, const uint8_t *text, size_t len, uint32_t number) {
  uint32_t flags = roll(end->world, 8) ? 0 : WSOCK_SEND_NO_COMPRESS;
  booked(end, wsock_conn_send(end->conn, kind(number), text, len, flags), len, "send");
}

static void give_back(const void *data, size_t len, void *user) {
  (void)len;
  __atomic_sub_fetch((int *)user, 1, __ATOMIC_SEQ_CST);
  free((void *)(uintptr_t)data);
}
static void send_lent(struct end *end, const uint8_t *text, size_t len, uint32_t number) {
  wsock_send_options options;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.release = give_back;
  options.release_user = &end->world->lent;
  __atomic_add_fetch(&end->world->lent, 1, __ATOMIC_SEQ_CST);
  booked(end, wsock_conn_send_with(end->conn, kind(number), memcpy(malloc(len), text, len), len, &options), len, "send_with");
}

static void send_made(struct end *end, const uint8_t *text, size_t len, uint32_t number) {
  wsock_message *message = NULL;
  if (refused(end->world, wsock_message_new(kind(number), text, len, &message), "message_new")) return;
  booked(end, wsock_conn_send_message(end->conn, message, NULL), len, "send_message");
  wsock_message_free(message);
}

/* In parts. When there is no room for one, or no memory, the message cannot be ended, and so nothing can
   follow it. */
static void send_parts(struct end *end, const uint8_t *text, size_t len, uint32_t number) {
  struct world *world = end->world;
  size_t piece = 1 + len / (1 + roll(world, 4)), at = 0;
  while (at < len) {
    size_t here = len - at < piece ? len - at : piece;
    uint32_t flags = at + here == len ? WSOCK_SEND_LAST : 0;
    if (refused(world, wsock_conn_send_part(end->conn, kind(number), text + at, here, flags), "send_part")) break;
    end->bytes_sent += here;
    at += here;
  }
  end->sent[MINE] += at == len;
  if (at == 0 || at == len) return;
  end->in_parts = end->said_close = 1;
  refused(world, wsock_conn_abort(end->conn), "abort");
}

/* A message that is made when there is room for it. */
struct spring {
  struct world *world;
  size_t len, at;
  uint8_t text[];
};
static int64_t pull(wsock_conn *conn, void *buffer, size_t capacity, void *user) {
  struct spring *spring = user;
  size_t left = spring->len - spring->at, piece = left < capacity ? left : capacity;
  (void)conn;
  if (piece > 1 && roll(spring->world, 2)) piece = 1 + roll(spring->world, (unsigned)piece);
  memcpy(buffer, spring->text + spring->at, piece);
  spring->at += piece;
  return (int64_t)piece;
}
static void dried_up(void *user) {
  struct spring *spring = user;
  spring->world->lent--;
  free(spring);
}
static void send_pulled(struct end *end, const uint8_t *text, size_t len, uint32_t number) {
  struct spring *spring = malloc(sizeof *spring + len);
  spring->world = end->world;
  spring->len = len;
  spring->at = 0;
  memcpy(spring->text, text, len);
  end->world->lent++;
  wsock_status status = wsock_conn_send_from(end->conn, kind(number), pull, spring, dried_up, 0);
  booked(end, status, len, "send_from");
  if (status < 0) dried_up(spring);
}

/* From a file or a pipe. */
static void send_file(struct end *end, const uint8_t *text, size_t len, uint32_t number) {
  int fd[2] = {-1, -1};
  if (len > 4000) fd[0] = memfd_create("message", MFD_CLOEXEC);
  else HOLDS(end->world, pipe(fd) == 0, "errno %d", errno);
  HOLDS(end->world, write(fd[1] < 0 ? fd[0] : fd[1], text, len) == (ssize_t)len, "errno %d", errno);
  if (fd[1] < 0) lseek(fd[0], 0, SEEK_SET);
  else close(fd[1]);
  wsock_status status = wsock_conn_send_fd(end->conn, kind(number), fd[0], UINT64_MAX, 0);
  booked(end, status, len, "send_fd");
  if (status < 0) HOLDS(end->world, close(fd[0]) == 0, "a descriptor that was refused is gone");
}

static void send_somehow(struct end *end) {
  static void (*const ways[])(struct end *, const uint8_t *, size_t, uint32_t) = {
      send_copy, send_copy, send_copy, send_copy, send_lent, send_made, send_parts, send_pulled, send_file};
  struct world *world = end->world;
  uint32_t number = end->sent[MINE];
  if (!end->conn || end->in_parts) return;
  size_t len = text_len(world, end, MINE, number);
  ways[roll(world, sizeof ways / sizeof *ways)](end, text_of(world, end, MINE, number), len, number);
}

/* From within a callback. */
void answer(struct end *end) {
  uint32_t number = end->sent[MINE];
  if (!end->conn || end->in_parts || roll(end->world, 2)) return;
  send_copy(end, text_of(end->world, end, MINE, number), text_len(end->world, end, MINE, number), number);
}

static void task(wsock_loop *loop, void *argument) {
  (void)loop;
  ((struct world *)argument)->ran++;
}

static void to_all(struct world *world) {
  wsock_message *message = NULL;
  uint32_t number = world->sent_to_all;
  const uint8_t *text = text_of(world, NULL, BROADCAST, number);
  wsock_status status = wsock_message_new(kind(number), text, text_len(world, NULL, BROADCAST, number), &message);
  if (refused(world, status, "message_new")) return;
  if (!refused(world, wsock_server_broadcast(world->server, message, NULL), "broadcast")) {
    world->sent_to_all++;
    world->bytes_to_all += text_len(world, NULL, BROADCAST, number);
  }
  wsock_message_free(message);
}

static void publish(struct world *world) {
  uint32_t number = world->published;
  const uint8_t *text = text_of(world, NULL, PUBLISHED, number);
  size_t len = text_len(world, NULL, PUBLISHED, number);
  if (!world->hub) return;
  if (!refused(world, wsock_hub_publish(world->hub, "news", kind(number), text, len, NULL), "publish")) {
    world->published++;
    world->bytes_to_all += len;
  }
}

/* Options of every length are taken, or refused when there is no memory for them. */
static void fill_in(struct world *world) {
  wsock_options *options = NULL;
  size_t len = 1 + roll(world, 300000);
  char *value = malloc(len + 1);
  memset(value, 'v', len);
  value[len] = 0;
  HOLDS(world, wsock_options_new(&options) == WSOCK_OK, "options");
  refused(world, wsock_options_add_header(options, "X-Long", value), "add_header");
  refused(world, wsock_options_set_str(options, WSOCK_OPT_USER, value), "set_str");
  wsock_options_free(options);
  free(value);
}

static struct end *someone(struct world *world) {
  unsigned which = roll(world, (unsigned)(world->clients + world->lives));
  return which < (unsigned)world->clients ? &world->client[which] : &world->life[which - (unsigned)world->clients];
}

void act(struct world *world) {
  struct end *end = someone(world);
  unsigned what = roll(world, 100);
  if (what >= 91) {
    if (what >= 96) to_all(world);
    else if (what >= 92) publish(world);
    else fill_in(world);
    return;
  }
  if (!end->conn) return;
  if (what < 60) {
    pthread_mutex_lock(&world->door);
    send_somehow(end);
    pthread_mutex_unlock(&world->door);
  } else if (what < 70) {
    refused(world, wsock_conn_ping(end->conn, "ping", 4), "ping");
  } else if (what < 78) {
    end->paused = !end->paused;
    refused(world, end->paused ? wsock_conn_pause(end->conn) : wsock_conn_resume(end->conn), "pause");
  } else if (what < 82) {
    if (!refused(world, wsock_loop_post(world->loop, task, world, NULL), "post")) world->posted++;
  } else if (what < 86) {
    wsock_conn_stats stats;
    stats.struct_size = sizeof stats;
    refused(world, wsock_conn_get_stats(end->conn, &stats), "get_stats");
  } else if (what < 87) {
    end->said_close = 1;
    refused(world, wsock_conn_close(end->conn, 1000, "enough"), "close");
  } else if (what < 88) {
    end->said_close = 1;
    refused(world, wsock_conn_abort(end->conn), "abort");
  }
}

/* The other thread sends to the clients' ends, in a line of its own, until it is told to stop. */
static void *others(void *argument) {
  struct world *world = argument;
  for (unsigned turn = 0; turn < 200 && !__atomic_load_n(&world->thread_ends, __ATOMIC_SEQ_CST); turn++) {
    struct end *end = &world->client[turn % (unsigned)world->clients];
    pthread_mutex_lock(&world->door);
    uint32_t number = end->sent[OTHERS];
    wsock_conn *conn = end->conn;
    size_t len = text_len(world, end, OTHERS, number);
    if (conn && !refused(world, wsock_conn_send(conn, kind(number), text_of(world, end, OTHERS, number), len, 0), "send")) {
      end->sent[OTHERS]++;
      end->bytes_sent += len;
    }
    pthread_mutex_unlock(&world->door);
  }
  text_forget();
  return NULL;
}
void crowd_begin(struct world *world) {
  world->has_thread = pthread_create(&world->thread, NULL, others, world) == 0;
}
void crowd_end(struct world *world) {
  __atomic_store_n(&world->thread_ends, 1, __ATOMIC_SEQ_CST);
  if (world->has_thread) pthread_join(world->thread, NULL);
  world->has_thread = 0;
}
