/* The classic server of several processes: one listens, its children share what it listens on, over TCP and
   with a file, and each of them serves whom it accepts. */
#include "child.h"

#include <poll.h>

#define CHILDREN 3

/* A child answers each message with the number it was given; "end" is the end. */
static int number, is_over;
static void answer(struct rec *rec, char event) {
  char text[16];
  struct srv *srv = rec->arg;
  if (event != 'M') return;
  if (rec->len == 3 && memcmp(rec->data, "end", 3) == 0) {
    is_over = 1;
    return;
  }
  int n = snprintf(text, sizeof text, "%d", number);
  CHECK_STATUS(wsock_conn_send_text(rec->conn, text, (size_t)n), WSOCK_OK);
  CHECK(srv->count > 0);
  sleep_ms(5); /* so that the others have their chance */
}
/* One of them is a guest in a loop of its own. */
static void serve(wsock_loop *loop, int as_guest) {
  int64_t end = now_ms() + patience_ms();
  struct pollfd watch = {wsock_loop_fd(loop), POLLIN, 0};
  while (!is_over && now_ms() < end) {
    if (as_guest) CHECK(poll(&watch, 1, 1000) >= 0);
    CHECK(poll_loop(loop, as_guest ? 0 : 1000) >= 0);
  }
  CHECK(is_over);
}

static void share(const char *host, const char *url) {
  struct srv srv = {0};
  pid_t child[CHILDREN];
  int served[CHILDREN] = {0};
  wsock_conn *at[CHILDREN] = {NULL};
  static struct rec client[300];
  int count = 0, all = 0;
  wsock_loop *loop = new_loop(), *clients = new_loop();
  srv.hook = answer;
  memset(client, 0, sizeof client);
  REQUIRE(try_listen(&srv, loop, host, NULL) == WSOCK_OK);
  CHECK(wsock_loop_fd(loop) >= 0);
  for (number = 0; number < CHILDREN; number++)
    if ((child[number] = fork_child()) == 0) {
      CHECK_STATUS(wsock_loop_free(clients), WSOCK_OK);
      CHECK_STATUS(wsock_loop_after_fork(loop), WSOCK_OK);
      serve(loop, number == 0);
      CHECK(srv.count > 0 && srv.count < 300);
      CHECK_STATUS(wsock_server_close(srv.server, 0, 1001, "over"), WSOCK_OK);
      CHECK_STATUS(run_loop(loop), WSOCK_OK);
      CHECK_INT(srv.releases, 1);
      free_loop(loop);
      srv_free(&srv);
      child_end();
    }
  /* the parent has nothing to do with it any more, but that the file is its own */
  if (!url) url = url_of(wsock_server_port(srv.server), "/");
  for (int64_t end = now_ms() + patience_ms(); all < CHILDREN && count < 300 && now_ms() < end; count += 6) {
    for (int i = count; i < count + 6; i++) connect_to(&client[i], clients, url, NULL);
    for (int i = count; i < count + 6; i++) {
      PUMP_UNTIL(clients, client[i].opens);
      REQUIRE(wsock_conn_send_text(client[i].conn, "who", 3) == WSOCK_OK);
    }
    for (int i = count; i < count + 6; i++) {
      PUMP_UNTIL(clients, client[i].messages == 1);
      int by = atoi((const char *)client[i].data);
      REQUIRE(by >= 0 && by < CHILDREN);
      all += served[by]++ == 0;
      at[by] = client[i].conn;
    }
  }
  fprintf(stderr, "%d clients: %d, %d and %d\n", count, served[0], served[1], served[2]);
  CHECK_INT(all, CHILDREN);
  for (int i = 0; i < CHILDREN; i++) {
    if (!at[i]) kill(child[i], SIGTERM);
    else CHECK_STATUS(wsock_conn_send_text(at[i], "end", 3), WSOCK_OK);
  }
  for (int i = 0; i < count; i++) {
    PUMP_UNTIL(clients, client[i].releases);
    CHECKF(client[i].close.was_clean == 1 && client[i].close.code == 1001, "close code %d", (int)client[i].close.code);
    rec_free(&client[i]);
  }
  for (int i = 0; i < CHILDREN; i++) check_child(child[i]);

  section("when the children have ended the parent serves again");
  srv.echo = 1;
  srv.hook = NULL;
  memset(client, 0, sizeof client[0]);
  connect_to(&client[0], loop, url, NULL);
  PUMP_UNTIL(loop, client[0].opens && srv.count == 1);
  free_loop(loop);
  free_loop(clients);
  CHECK_ENDED(&client[0]);
  CHECK_INT(srv.releases, 1);
  srv_free(&srv);
}

int main(void) {
  REQUIRE(mkdtemp(directory) != NULL);
  section("three children share a TCP server");
  share("127.0.0.1", NULL);
  section("three children share a Unix socket");
  char url[100];
  snprintf(url, sizeof url, "ws+unix:%s/socket:/", directory);
  share(in_directory("unix:", "socket"), url);
  CHECK(rmdir(directory) == 0);
  return check_end();
}
