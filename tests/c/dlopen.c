/* Loaded at run time, used on a thread, closed again, a hundred times. This program is not linked with
   the library, so that nothing but the library itself keeps it in memory. */
#define _GNU_SOURCE 1
#include "wsock.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void *library;
/* ISO C has no cast from an object pointer to a function pointer; POSIX promises this one works. */
#define LOAD(type, name, parameters)                                           \
  type(*name) parameters;                                                      \
  do {                                                                         \
    *(void **)(&name) = dlsym(library, "wsock_" #name);                        \
    MUST(name != NULL);                                                        \
  } while (0)

struct state {
  wsock_status (*conn_send)(wsock_conn *, int32_t, const void *, size_t, uint32_t);
  wsock_status (*conn_close)(wsock_conn *, int32_t, const char *);
  wsock_status (*server_close)(wsock_server *, int32_t, int32_t, const char *);
  wsock_server *server;
  int messages, closes, releases;
};
static void client_open(wsock_conn *conn, void *user_data) {
  MUST(((struct state *)user_data)->conn_send(conn, WSOCK_TEXT, "hello", 5, 0) == WSOCK_OK);
}
static void server_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user_data) {
  MUST(((struct state *)user_data)->conn_send(conn, type, data, len, 0) == WSOCK_OK);
}
static void client_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user_data) {
  struct state *state = user_data;
  MUST(type == WSOCK_TEXT && len == 5 && memcmp(data, "hello", 5) == 0);
  state->messages++;
  MUST(state->conn_close(conn, 1000, NULL) == WSOCK_OK);
  MUST(state->server_close(state->server, 0, 1001, NULL) == WSOCK_OK);
}
static void on_close(wsock_conn *conn, const wsock_close_info *info, void *user_data) {
  (void)conn;
  MUST(info->was_clean == 1);
  ((struct state *)user_data)->closes++;
}
static void on_release(void *user_data) { ((struct state *)user_data)->releases++; }

static void *use(void *by_name) {
  LOAD(wsock_status, loop_new, (wsock_loop **));
  LOAD(wsock_status, loop_run, (wsock_loop *));
  LOAD(wsock_status, loop_free, (wsock_loop *));
  LOAD(wsock_status, listen, (wsock_loop *, const char *, uint16_t, const wsock_options *, const wsock_handlers *, void *, wsock_server **));
  LOAD(wsock_status, connect, (wsock_loop *, const char *, const wsock_options *, const wsock_handlers *, void *, wsock_conn **));
  LOAD(uint16_t, server_port, (const wsock_server *));
  LOAD(wsock_status, conn_send, (wsock_conn *, int32_t, const void *, size_t, uint32_t));
  LOAD(wsock_status, conn_close, (wsock_conn *, int32_t, const char *));
  LOAD(wsock_status, server_close, (wsock_server *, int32_t, int32_t, const char *));
  LOAD(wsock_status, last_error, (wsock_error_info *));
  struct state state = {conn_send, conn_close, server_close, NULL, 0, 0, 0};
  wsock_handlers h;
  wsock_error_info info;
  wsock_loop *loop = NULL;
  wsock_conn *conn = NULL;
  char url[64];
  memset(&h, 0, sizeof h);
  h.struct_size = sizeof h;
  h.on_close = on_close;
  h.release = on_release;
  MUST(loop_new(&loop) == WSOCK_OK);
  h.on_message = server_message;
  MUST(listen(loop, "127.0.0.1", 0, NULL, &h, &state, &state.server) == WSOCK_OK);
  h.on_open = client_open;
  h.on_message = client_message;
  snprintf(url, sizeof url, "ws://%s:%u/", by_name ? "localhost" : "127.0.0.1", (unsigned)server_port(state.server));
  MUST(connect(loop, url, NULL, &h, &state, &conn) == WSOCK_OK);
  MUST(loop_run(loop) == WSOCK_OK);
  MUST(state.messages == 1 && state.closes == 2 && state.releases == 2);
  /* leave a last error behind in this thread, which ends after the library was closed */
  memset(&info, 0, sizeof info);
  info.struct_size = sizeof info;
  MUST(loop_free(loop) == WSOCK_OK && loop_free(loop) == WSOCK_ERR_INVALID_HANDLE);
  MUST(last_error(&info) == WSOCK_OK && info.code == WSOCK_ERR_INVALID_HANDLE);
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

int main(void) {
  const char *slow = getenv("WSOCK_VALGRIND");
  int rounds = slow && strcmp(slow, "1") == 0 ? 10 : 100;
  pthread_t thread;
  MUST(dlopen("libwsock.so.0", RTLD_NOW | RTLD_NOLOAD) == NULL); /* not linked in */
  dlerror();
  pthread_barrier_init(&used, NULL, 2);
  pthread_barrier_init(&unloaded, NULL, 2);
  for (int round = 0; round < rounds; round++) {
    library = dlopen("libwsock.so.0", (round % 2 ? RTLD_LAZY : RTLD_NOW) | RTLD_LOCAL);
    MUST(library != NULL);
    MUST(dlsym(library, "wsock_version") != NULL && dlsym(library, "rust_eh_personality") == NULL);
    dlerror();
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
  fprintf(stderr, "%d rounds\n", rounds);
  return 0;
}
