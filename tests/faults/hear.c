/* What the application hears, entered into the books. */
#include "pair.h"

/* What has come to `end` whole: the next of its line, and nothing else. */
static void came(struct end *end, int32_t type, const uint8_t *data, size_t len) {
  struct world *world = end->world;
  unsigned number = 0;
  char head[10] = "";
  if (len > 9) memcpy(head, data, 9);
  HOLDS(world, sscanf(head, "%*[mobp]%8x", &number) == 1, "%zu bytes, \"%s\"", len, head);
  enum line line = head[0] == 'm' ? MINE : head[0] == 'o' ? OTHERS : head[0] == 'b' ? BROADCAST : PUBLISHED;
  /* The other end sends by the number of the link alone, whichever life it is in. */
  struct end other = {.link = end->link, .server = !end->server};
  const struct end *from = line < BROADCAST ? &other : NULL;
  HOLDS(world, len == text_len(world, from, line, number), "%s: %zu bytes", head, len);
  HOLDS(world, type == (number & 1 ? WSOCK_TEXT : WSOCK_BINARY), "%s", head);
  HOLDS(world, memcmp(data, text_of(world, from, line, number), len) == 0, "%s", head);
  /* Who comes back may have lost some in between, and what goes to many is left out where there is no room. */
  int gaps = line >= BROADCAST || (world->comes_back && end->fresh & 1 << line);
  if (!gaps && number > end->due[line]) end->gaps++;
  HOLDS(world, gaps || end->gaps ? number >= end->due[line] : number == end->due[line], "%s came to the %s of link %d, due is %x", head,
        end->server ? "server" : "client", end->link, (unsigned)end->due[line]);
  end->due[line] = number + 1;
  end->fresh &= ~(1 << line);
}

static void in_order(struct end *end) {
  HOLDS(end->world, end->opens >= 1 && end->closes == 0, "of the %s of link %d", end->server ? "server" : "client", end->link);
}

static void on_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user) {
  struct end *end = user;
  struct world *world = end->world;
  in_order(end);
  came(end, type, data, len);
  if (roll(world, 16) == 0) {
    int at = (int)roll(world, KEPT);
    wsock_message *kept = NULL;
    if (!world->kept[at] && wsock_conn_retain(conn, data, &kept) == WSOCK_OK) {
      world->kept[at] = kept;
      world->copy[at].data = memcpy(malloc(len), data, len);
      world->copy[at].len = len;
    }
  }
  if (roll(world, 8) == 0) answer(end);
}

static void on_part(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, uint32_t flags, void *user) {
  struct end *end = user;
  (void)conn;
  in_order(end);
  HOLDS(end->world, !(flags & WSOCK_PART_FIRST) == (end->part != NULL), "flags %u", (unsigned)flags);
  end->part = realloc(end->part, end->part_len + len + 1);
  if (len) memcpy(end->part + end->part_len, data, len);
  end->part_len += len;
  if (!(flags & WSOCK_PART_LAST)) return;
  came(end, type, end->part, end->part_len);
  free(end->part);
  end->part = NULL;
  end->part_len = 0;
}

static void opened(struct end *end, wsock_conn *conn) {
  end->conn = conn;
  end->opens++;
  HOLDS(end->world, end->opens == end->retries + 1 || end->world->comes_back, "on_open came %d times", end->opens);
  end->fresh = -1;
  free(end->part);
  end->part = NULL;
  end->part_len = 0;
  if (!end->server) memset(end->due, 0, sizeof end->due); /* it is another end that sends now */
  /* What has waited for the connection comes behind what is sent here. */
  if (end->server || !end->world->comes_back) answer(end);
}

static void on_open(wsock_conn *conn, void *user) { opened(user, conn); }

static void released(void *user) {
  struct end *end = user;
  end->releases++;
  HOLDS(end->world, end->releases == 1, "link %d", end->link);
}

static void server_open(wsock_conn *conn, void *user) {
  struct world *world = user;
  const char *path = wsock_conn_get_str(conn, WSOCK_CONN_URL, NULL);
  HOLDS(world, world->lives < LIVES && path, "life %d", world->lives);
  struct end *end = &world->life[world->lives++];
  end->world = world;
  end->server = 1;
  end->link = atoi(strrchr(path, '/') + 1);
  HOLDS(world, wsock_conn_set_user_data(conn, end, released) == WSOCK_OK, "%s", path);
  if (world->hub) {
    wsock_status status = wsock_hub_subscribe(world->hub, conn, roll(world, 2) ? "news" : "n*");
    refused(world, status, "subscribe");
  }
  opened(end, conn);
}

static void on_error(wsock_conn *conn, const wsock_error_info *error, void *user) {
  struct end *end = user;
  (void)conn;
  end->errors++;
  HOLDS(end->world, end->errors == 1 && end->closes == 0, "link %d", end->link);
  HOLDS(end->world, error->code < 0 && error->message[0], "%d", (int)error->code);
  HOLDS(end->world, error->code != WSOCK_ERR_PANIC && error->code != WSOCK_ERR_POISONED, "%s", error->message);
  end->status = error->code;
}

static void on_close(wsock_conn *conn, const wsock_close_info *info, void *user) {
  struct end *end = user;
  struct world *world = end->world;
  (void)conn;
  HOLDS(world, end->closes == 0 && end->releases == 0, "link %d", end->link);
  HOLDS(world, info->status == (end->errors ? end->status : WSOCK_OK), "%d", (int)info->status);
  if (layer_shows)
    fprintf(stderr, "  %s of link %d: closed with %d, %s, %llu unsent: %s\n", end->server ? "server" : "client", end->link,
            (int)info->code, wsock_error_name(info->status), (unsigned long long)info->unsent_bytes, info->reason);
  end->closes = 1;
  end->conn = NULL;
  end->status = info->status;
  end->clean = info->was_clean;
  end->code = info->code;
  end->initiator = info->initiator;
  end->unsent = info->unsent_bytes;
}

static void on_retry(wsock_conn *conn, const wsock_retry_info *info, void *user) {
  struct end *end = user;
  (void)conn;
  HOLDS(end->world, end->world->comes_back && !end->server && end->closes == 0, "link %d", end->link);
  HOLDS(end->world, info->attempt >= 1, "%d", (int)info->attempt);
  end->retries++;
  end->in_parts = 0;
}

static void on_pong(wsock_conn *conn, const uint8_t *data, size_t len, void *user) {
  (void)conn, (void)data;
  in_order(user);
  HOLDS(((struct end *)user)->world, len <= 125, "%zu", len);
}

static int32_t on_request(wsock_server *server, wsock_request *request, void *user) {
  (void)server, (void)user;
  return wsock_request_is_upgrade(request) == 1 ? 0 : 404;
}

static void server_released(void *user) {
  struct world *world = user;
  world->server_releases++;
  HOLDS(world, world->server_releases == 1, "of the server");
}

static wsock_handlers handlers(const struct world *world) {
  wsock_handlers h;
  memset(&h, 0, sizeof h);
  h.struct_size = sizeof h;
  h.on_message = on_message;
  if (world->in_parts) h.on_part = on_part;
  h.on_error = on_error;
  h.on_close = on_close;
  h.on_ping = on_pong;
  h.on_pong = on_pong;
  return h;
}
wsock_handlers client_handlers(const struct world *world) {
  wsock_handlers h = handlers(world);
  h.on_open = on_open;
  h.on_retry = on_retry;
  h.release = released;
  return h;
}
wsock_handlers server_handlers(const struct world *world) {
  wsock_handlers h = handlers(world);
  h.on_open = server_open;
  h.on_request = on_request;
  h.release = server_released;
  return h;
}

void hear_batch(struct world *world, int32_t count) {
  for (int32_t i = 0; i < count; i++) {
    const wsock_event *event = &world->batch[i];
    wsock_conn *conn = (wsock_conn *)(uintptr_t)event->object;
    const void *data = (const void *)(uintptr_t)event->data;
    size_t len = (size_t)event->len;
    /* A server's connection has its own only since on_open, which may be in the same batch. */
    void *user = event->type == WSOCK_EVENT_REQUEST ? world : wsock_conn_user_data(conn);
    int32_t type = event->type == WSOCK_EVENT_TEXT ? WSOCK_TEXT : WSOCK_BINARY;
    switch (event->type) {
      case WSOCK_EVENT_TEXT:
      case WSOCK_EVENT_BINARY:
        if (world->in_parts) on_part(conn, type, data, len, event->code, user);
        else on_message(conn, type, data, len, user);
        break;
      case WSOCK_EVENT_OPEN:
        if (user == world) server_open(conn, user);
        else on_open(conn, user);
        break;
      case WSOCK_EVENT_ERROR: on_error(conn, data, user); break;
      case WSOCK_EVENT_CLOSE: on_close(conn, data, user); break;
      case WSOCK_EVENT_RETRY: on_retry(conn, data, user); break;
      case WSOCK_EVENT_PING:
      case WSOCK_EVENT_PONG: on_pong(conn, data, len, user); break;
      case WSOCK_EVENT_REQUEST: {
        wsock_request *request = (wsock_request *)(uintptr_t)event->object;
        wsock_status status = wsock_request_answer(request, on_request(NULL, request, user));
        HOLDS(world, status == WSOCK_OK || status == WSOCK_ERR_INVALID_HANDLE, "answer gave %d", (int)status);
        break;
      }
      default: break;
    }
  }
}
