/* Loaded at run time, used on a thread, closed again, a hundred times; then twice at once. This program is
   not linked with the library, so that nothing but the library itself keeps it in memory. */
#define _GNU_SOURCE 1
#include "wsock.h"

#include <dirent.h>
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MUST(condition)                                                        \
  do {                                                                         \
    if (!(condition)) {                                                        \
      fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition, error_text()); \
      exit(1);                                                                 \
    }                                                                          \
  } while (0)

static const char *error_text(void) {
  const char *text = dlerror();
  return text ? text : "no loader error";
}

/* One copy of the library. */
#define FUNCTIONS(F)                                                           \
  F(wsock_status, loop_new, (wsock_loop **))                                   \
  F(wsock_status, loop_run, (wsock_loop *))                                    \
  F(int32_t, loop_poll, (wsock_loop *, int32_t))                               \
  F(wsock_status, loop_stop, (wsock_loop *))                                   \
  F(wsock_status, loop_after_fork, (wsock_loop *))                             \
  F(wsock_status, loop_free, (wsock_loop *))                                   \
  F(wsock_status, options_new, (wsock_options **))                             \
  F(wsock_status, options_set_int, (wsock_options *, int32_t, int64_t))        \
  F(void, options_free, (wsock_options *))                                     \
  F(wsock_status, listen, (wsock_loop *, const char *, uint16_t, const wsock_options *, const wsock_handlers *, void *, wsock_server **)) \
  F(wsock_status, connect, (wsock_loop *, const char *, const wsock_options *, const wsock_handlers *, void *, wsock_conn **)) \
  F(uint16_t, server_port, (const wsock_server *))                             \
  F(wsock_status, conn_send, (wsock_conn *, int32_t, const void *, size_t, uint32_t)) \
  F(wsock_status, conn_close, (wsock_conn *, int32_t, const char *))           \
  F(wsock_status, conn_abort, (wsock_conn *))                                  \
  F(int32_t, conn_state, (const wsock_conn *))                                 \
  F(wsock_status, server_close, (wsock_server *, int32_t, int32_t, const char *)) \
  F(wsock_status, last_error, (wsock_error_info *))
struct api {
#define FIELD(type, name, parameters) type(*name) parameters;
  FUNCTIONS(FIELD)
};
static struct api load(void *library) {
  struct api api;
  /* ISO C has no cast from an object pointer to a function pointer; POSIX promises this one works. */
#define LOAD(type, name, parameters)                                           \
  *(void **)(&api.name) = dlsym(library, "wsock_" #name);                      \
  MUST(api.name != NULL);
  FUNCTIONS(LOAD)
  MUST(dlsym(library, "rust_eh_personality") == NULL);
  dlerror();
  return api;
}

struct state {
  const struct api *api;
  wsock_server *server;
  wsock_conn *accepted;
  int messages, closes, releases;
};
static void client_open(wsock_conn *conn, void *user_data) {
  MUST(((struct state *)user_data)->api->conn_send(conn, WSOCK_TEXT, "hello", 5, 0) == WSOCK_OK);
}
static void server_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user_data) {
  struct state *state = user_data;
  state->accepted = conn;
  MUST(state->api->conn_send(conn, type, data, len, 0) == WSOCK_OK);
}
static void client_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user_data) {
  struct state *state = user_data;
  (void)conn;
  MUST(type == WSOCK_TEXT && len == 5 && memcmp(data, "hello", 5) == 0);
  state->messages++;
}
static void client_message_and_end(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user_data) {
  struct state *state = user_data;
  client_message(conn, type, data, len, user_data);
  MUST(state->api->conn_close(conn, 1000, NULL) == WSOCK_OK);
  MUST(state->api->server_close(state->server, 0, 1001, NULL) == WSOCK_OK);
}
static void on_close(wsock_conn *conn, const wsock_close_info *info, void *user_data) {
  (void)conn;
  MUST(info->was_clean == 1);
  ((struct state *)user_data)->closes++;
}
static void on_release(void *user_data) { ((struct state *)user_data)->releases++; }
static wsock_handlers handlers(void) {
  wsock_handlers h;
  memset(&h, 0, sizeof h);
  h.struct_size = sizeof h;
  h.on_close = on_close;
  h.release = on_release;
  return h;
}

static void *library;
static void *use(void *by_name) {
  struct api api = load(library);
  struct state state = {&api, NULL, NULL, 0, 0, 0};
  wsock_handlers h = handlers();
  wsock_error_info info;
  wsock_loop *loop = NULL;
  wsock_conn *conn = NULL;
  char url[64];
  MUST(api.loop_new(&loop) == WSOCK_OK);
  h.on_message = server_message;
  MUST(api.listen(loop, "127.0.0.1", 0, NULL, &h, &state, &state.server) == WSOCK_OK);
  h.on_open = client_open;
  h.on_message = client_message_and_end;
  snprintf(url, sizeof url, "ws://%s:%u/", by_name ? "localhost" : "127.0.0.1", (unsigned)api.server_port(state.server));
  MUST(api.connect(loop, url, NULL, &h, &state, &conn) == WSOCK_OK);
  MUST(api.loop_run(loop) == WSOCK_OK);
  MUST(state.messages == 1 && state.closes == 2 && state.releases == 2);
  /* leave a last error behind in this thread, which ends after the library was closed */
  memset(&info, 0, sizeof info);
  info.struct_size = sizeof info;
  MUST(api.loop_free(loop) == WSOCK_OK && api.loop_free(loop) == WSOCK_ERR_INVALID_HANDLE);
  MUST(api.last_error(&info) == WSOCK_OK && info.code == WSOCK_ERR_INVALID_HANDLE);
  return NULL;
}

/* A thread that outlives the library it used. The main thread never uses it: whatever a thread still has to
   tidy up at its end would keep the library from being unloaded, and there would be nothing to see. */
static pthread_barrier_t used, unloaded;
static void *use_and_outlive(void *by_name) {
  use(by_name);
  pthread_barrier_wait(&used);
  pthread_barrier_wait(&unloaded);
  return NULL;
}

/* What could grow. */
struct figures {
  int threads, descriptors, mappings;
  long resident;
};
static int entries(const char *name) {
  int n = 0;
  DIR *directory = opendir(name);
  MUST(directory != NULL);
  while (readdir(directory)) n++;
  closedir(directory);
  return n - 2;
}
static struct figures look(void) {
  struct figures now = {0, 0, 0, 0};
  char line[512];
  struct timespec moment = {0, 1000000};
  /* threads that look up names end by themselves, but not at once */
  for (int i = 0; i < 10000 && (now.threads = entries("/proc/self/task")) > 1; i++) nanosleep(&moment, NULL);
  now.descriptors = entries("/proc/self/fd") - 1;
  FILE *file = fopen("/proc/self/maps", "r");
  MUST(file != NULL);
  while (fgets(line, sizeof line, file)) now.mappings++;
  fclose(file);
  file = fopen("/proc/self/statm", "r");
  MUST(file != NULL && fscanf(file, "%*d %ld", &now.resident) == 1);
  fclose(file);
  now.resident *= sysconf(_SC_PAGESIZE) / 1024;
  return now;
}

static void again_and_again(int slow) {
  int rounds = slow ? 12 : 100, settled = 10;
  struct figures before = {0, 0, 0, 0};
  pthread_t thread;
  MUST(dlopen("libwsock.so.0", RTLD_NOW | RTLD_NOLOAD) == NULL); /* not linked in */
  dlerror();
  pthread_barrier_init(&used, NULL, 2);
  pthread_barrier_init(&unloaded, NULL, 2);
  for (int round = 0; round < rounds; round++) {
    if (round == settled) before = look();
    library = dlopen("libwsock.so.0", (round % 2 ? RTLD_LAZY : RTLD_NOW) | RTLD_LOCAL);
    MUST(library != NULL);
    void *by_name = round % 4 >= 2 ? &used : NULL; /* a look-up leaves a thread of the library behind */
    int outlives = round % 3 == 2;
    MUST(pthread_create(&thread, NULL, outlives ? use_and_outlive : use, by_name) == 0);
    if (outlives) pthread_barrier_wait(&used);
    else MUST(pthread_join(thread, NULL) == 0);
    MUST(dlclose(library) == 0);
    if (outlives) {
      pthread_barrier_wait(&unloaded);
      MUST(pthread_join(thread, NULL) == 0);
    }
    /* closing does not take it away: nobody can be left in code that is gone */
    void *still = dlopen("libwsock.so.0", RTLD_NOW | RTLD_NOLOAD);
    MUST(still != NULL && dlclose(still) == 0);
  }
  struct figures after = look();
  fprintf(stderr, "%d rounds; then %d threads, %d descriptors, %d (+%d) mappings, %ld (+%ld) KiB\n", rounds, after.threads, after.descriptors,
          after.mappings, after.mappings - before.mappings, after.resident, after.resident - before.resident);
  MUST(after.threads == 1 && after.descriptors == before.descriptors);
  /* valgrind and AddressSanitizer have memory and mappings of their own */
  MUST(slow || after.mappings <= before.mappings + 2);
  MUST(slow || after.resident <= before.resident + 512);
}

/* The path of a second library: a file of its own, or the loader would know it. */
static const char *copy_of(void *original) {
  static char path[] = "/tmp/wsock-second-XXXXXX";
  static char buffer[1 << 16];
  Dl_info info;
  size_t n;
  MUST(dladdr(dlsym(original, "wsock_version"), &info) != 0);
  int fd = mkstemp(path);
  MUST(fd >= 0);
  FILE *from = fopen(info.dli_fname, "rb"), *to = fdopen(fd, "wb");
  MUST(from != NULL && to != NULL);
  while ((n = fread(buffer, 1, sizeof buffer, from)) > 0) MUST(fwrite(buffer, 1, n, to) == n);
  MUST(fclose(from) == 0 && fclose(to) == 0);
  return path;
}

/* Two in one process, each with a server for the other's client, driven by one thread in turns. */
static void side_by_side(void) {
  struct api api[2];
  struct state server[2], client[2];
  wsock_loop *loop[2];
  wsock_conn *conn[2];
  wsock_options *options[2];
  char url[64];
  void *first = dlopen("libwsock.so.0", RTLD_NOW | RTLD_LOCAL);
  MUST(first != NULL);
  const char *path = copy_of(first);
  void *second = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  MUST(second != NULL && second != first && unlink(path) == 0);
  api[0] = load(first), api[1] = load(second);
  MUST(api[0].loop_new != api[1].loop_new);
  memset(server, 0, sizeof server);
  memset(client, 0, sizeof client);
  wsock_handlers h = handlers();
  for (int i = 0; i < 2; i++) {
    server[i].api = client[i].api = &api[i];
    h.on_message = server_message;
    MUST(api[i].loop_new(&loop[i]) == WSOCK_OK && api[i].options_new(&options[i]) == WSOCK_OK);
    MUST(api[i].listen(loop[i], "127.0.0.1", 0, options[i], &h, &server[i], &server[i].server) == WSOCK_OK);
  }
  h.on_open = client_open;
  h.on_message = client_message;
  for (int i = 0; i < 2; i++) {
    snprintf(url, sizeof url, "ws://localhost:%u/", (unsigned)api[!i].server_port(server[!i].server));
    MUST(api[i].connect(loop[i], url, options[i], &h, &client[i], &conn[i]) == WSOCK_OK);
  }
  for (int turn = 0; turn < 10000 && (!client[0].messages || !client[1].messages); turn++) MUST(api[turn % 2].loop_poll(loop[turn % 2], 2) >= 0);
  MUST(client[0].messages == 1 && client[1].messages == 1);

  /* what one has made the other does not know, and leaves alone */
  for (int i = 0; i < 2; i++) {
    const struct api *other = &api[!i];
    MUST(other->loop_poll(loop[i], 0) == WSOCK_ERR_INVALID_HANDLE && other->loop_stop(loop[i]) == WSOCK_ERR_INVALID_HANDLE);
    MUST(other->loop_after_fork(loop[i]) == WSOCK_ERR_INVALID_HANDLE && other->loop_free(loop[i]) == WSOCK_ERR_INVALID_HANDLE);
    MUST(other->connect(loop[i], url, NULL, &h, &client[i], &conn[i]) == WSOCK_ERR_INVALID_HANDLE);
    for (int side = 0; side < 2; side++) {
      wsock_conn *foreign = side ? server[i].accepted : conn[i];
      MUST(other->conn_send(foreign, WSOCK_TEXT, "x", 1, 0) == WSOCK_ERR_INVALID_HANDLE);
      MUST(other->conn_close(foreign, 1000, NULL) == WSOCK_ERR_INVALID_HANDLE);
      MUST(other->conn_abort(foreign) == WSOCK_ERR_INVALID_HANDLE && other->conn_state(foreign) == WSOCK_CLOSED);
    }
    MUST(other->server_close(server[i].server, 0, 1001, NULL) == WSOCK_ERR_INVALID_HANDLE && other->server_port(server[i].server) == 0);
    MUST(other->options_set_int(options[i], WSOCK_OPT_MAX_MESSAGE_SIZE, 1) == WSOCK_ERR_INVALID_HANDLE);
    other->options_free(options[i]);
    MUST(api[i].options_set_int(options[i], WSOCK_OPT_MAX_MESSAGE_SIZE, 1000) == WSOCK_OK);
  }
  for (int i = 0; i < 2; i++) MUST(api[i].conn_send(conn[i], WSOCK_TEXT, "hello", 5, 0) == WSOCK_OK);
  for (int turn = 0; turn < 10000 && (client[0].messages < 2 || client[1].messages < 2); turn++) MUST(api[turn % 2].loop_poll(loop[turn % 2], 2) >= 0);
  MUST(client[0].messages == 2 && client[1].messages == 2);
  for (int i = 0; i < 2; i++) MUST(api[i].conn_close(conn[i], 1000, NULL) == WSOCK_OK && api[i].server_close(server[i].server, 0, 1001, NULL) == WSOCK_OK);
  for (int turn = 0; turn < 10000 && (!client[0].releases || !client[1].releases || !server[0].releases || !server[1].releases); turn++)
    MUST(api[turn % 2].loop_poll(loop[turn % 2], 2) >= 0);
  for (int i = 0; i < 2; i++) {
    MUST(client[i].closes == 1 && client[i].releases == 1 && server[i].closes == 1 && server[i].releases == 1);
    MUST(api[i].loop_free(loop[i]) == WSOCK_OK);
    api[i].options_free(options[i]);
  }
  MUST(dlclose(second) == 0 && dlclose(first) == 0);
}

int main(void) {
#ifdef __SANITIZE_ADDRESS__
  const char *slow = "1";
#else
  const char *slow = getenv("WSOCK_VALGRIND");
#endif
  mallopt(M_ARENA_MAX, 1); /* or each thread may have memory of its own, kept for the next */
  again_and_again(slow && strcmp(slow, "1") == 0);
  side_by_side();
  return 0;
}
