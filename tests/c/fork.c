/* A program that forks: a child cannot disturb its parent by mistake, and brings a loop over by
   wsock_loop_after_fork. Children that share a server are in prefork.c. */
#include "certs.h"
#include "child.h"

#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>

/* What the parent has: a pair whose client has something to send still, a pair over TLS, a server with a
   file, and somebody who would see every byte that a child sends. */
static struct pair pair, secure;
static struct rec watched_client, waiting;
static struct srv with_file;
static struct raw watched;
static int listener;
static wsock_loop *loop;

static void set_up(void) {
  uint16_t port;
  wsock_options *shown = shows(new_options(), "server"), *trusted = trusts("ca.pem");
  pair_open(&pair, NULL, NULL);
  loop = pair.loop;
  memset(&secure, 0, sizeof secure);
  secure.loop = new_loop();
  secure.srv.echo = 1;
  srv_listen(&secure.srv, secure.loop, shown);
  connect_to(&secure.client, secure.loop, wss("127.0.0.1", secure.srv.port), trusted);
  PUMP_UNTIL(secure.loop, secure.client.opens && secure.srv.count == 1);
  raw_serve(&watched, &watched_client, loop, NULL);
  listener = raw_listen(&port, 4);
  connect_to(&waiting, loop, url_of(port, "/"), NULL);
  REQUIRE(try_listen(&with_file, loop, in_directory("unix:", "socket"), NULL) == WSOCK_OK);
  REQUIRE(wsock_loop_fd(loop) >= 0);
  wsock_options_free(shown);
  wsock_options_free(trusted);
}
/* The parent's connections are as they were. */
static void check_undisturbed(void) {
  struct raw raw;
  struct stat file;
  for (int i = 0; i < 5; i++) pair_echo(&pair), pair_echo(&secure);
  raw_fill(&watched);
  CHECK(watched.len == 0 && !watched.eof && !watched.reset);
  CHECK(waiting.closes == 0 && watched_client.closes == 0 && watched_client.errors == 0);
  CHECK(stat(in_directory("", "socket"), &file) == 0);
  unix_connect(&raw, loop, in_directory("", "socket"));
  raw_close(&raw);
}
static void tear_down(void) {
  raw_close(&watched);
  close(listener);
  pair_free(&pair);
  pair_free(&secure);
  CHECK_ENDED(&waiting);
  CHECK_ENDED(&watched_client);
  CHECK_INT(with_file.releases, 1);
  rec_free(&watched_client);
  srv_free(&with_file);
}

static void no_task(wsock_loop *of, void *arg) { (void)of, (void)arg; }
static void refused_everywhere(void) {
  wsock_handlers h = rec_handlers();
  wsock_conn *conn = pair.client.conn, *none = NULL;
  wsock_server *server = NULL;
  wsock_server_stats stats;
  stats.struct_size = sizeof stats;
  h.release = NULL;
  CHECK_REFUSED(wsock_loop_run(loop), WSOCK_ERR_STATE);
  CHECKF(strstr(last_text(), "wsock_loop_after_fork") != NULL, "%s", last_text());
  CHECK_REFUSED(wsock_loop_poll(loop, -1), WSOCK_ERR_STATE);
  CHECK_REFUSED(wsock_loop_stop(loop), WSOCK_ERR_STATE);
  CHECK_REFUSED(wsock_loop_wakeup(loop), WSOCK_ERR_STATE);
  CHECK_REFUSED(wsock_loop_post(loop, no_task, NULL, NULL), WSOCK_ERR_STATE);
  CHECK_REFUSED(wsock_loop_fd(loop), WSOCK_ERR_STATE);
  CHECK_REFUSED(wsock_loop_timeout_ms(loop), WSOCK_ERR_STATE);
  CHECK_REFUSED(wsock_connect(loop, url_of(pair.srv.port, "/"), NULL, &h, NULL, &none), WSOCK_ERR_STATE);
  CHECK_REFUSED(wsock_listen(loop, "127.0.0.1", 0, NULL, &h, NULL, &server), WSOCK_ERR_STATE);
  CHECK(none == NULL && server == NULL);
  CHECK_REFUSED(wsock_conn_send_text(conn, "x", 1), WSOCK_ERR_STATE);
  CHECK_REFUSED(wsock_conn_ping(conn, "x", 1), WSOCK_ERR_STATE);
  CHECK_REFUSED(wsock_conn_close(conn, 1000, NULL), WSOCK_ERR_STATE);
  CHECK_REFUSED(wsock_conn_abort(conn), WSOCK_ERR_STATE);
  CHECK_REFUSED(wsock_conn_pause(conn), WSOCK_ERR_STATE);
  CHECK_INT(wsock_conn_state(conn), WSOCK_CLOSED);
  CHECK_LAST(WSOCK_ERR_STATE);
  CHECK_REFUSED(wsock_server_close(pair.srv.server, 0, 0, NULL), WSOCK_ERR_STATE);
  CHECK_REFUSED(wsock_server_get_stats(pair.srv.server, &stats), WSOCK_ERR_STATE);
  CHECK_INT(wsock_server_port(pair.srv.server), 0);
}
/* A loop of the child's own, and names looked up although the parent's threads are not here. */
static void works_anew(void) {
  struct pair own;
  struct rec named = {0};
  char url[64];
  pair_open(&own, NULL, NULL);
  pair_echo(&own);
  snprintf(url, sizeof url, "ws://localhost:%u/", (unsigned)own.srv.port);
  connect_to(&named, own.loop, url, NULL);
  PUMP_UNTIL(own.loop, named.opens || named.closes);
  pair_free(&own);
  CHECK_ENDED(&named);
  CHECK(named.opens == 1);
}

/* Functions that somebody else has given to pthread_atfork, before the library gave its own: these run in the middle
   of a fork, for us. uvloop's run Python there. */
static int in_the_middle;
static void use_a_loop(void) {
  wsock_loop *own = new_loop();
  CHECK_INT(wsock_loop_poll(own, 0), 0);
  CHECK_STATUS(wsock_loop_free(own), WSOCK_OK);
}
static void parents_side(void) {
  if (!in_the_middle) return;
  CHECK_INT(wsock_conn_state(pair.client.conn), WSOCK_OPEN);
  CHECK_STATUS(wsock_loop_wakeup(loop), WSOCK_OK);
  use_a_loop();
}
static void childs_side(void) {
  if (!in_the_middle) return;
  check_failures = 0;
  CHECK_REFUSED(wsock_loop_wakeup(loop), WSOCK_ERR_STATE);
  CHECK_INT(wsock_conn_state(pair.client.conn), WSOCK_CLOSED);
  CHECK_STATUS(wsock_loop_free(secure.loop), WSOCK_OK);
  use_a_loop();
  in_the_middle = 1 + check_failures;
}
static void called_in_the_middle(void) {
  section("in the middle of a fork the library can be called, and knows on which side it is");
  in_the_middle = 1;
  pid_t pid = fork_child();
  if (pid == 0) {
    CHECK_INT(in_the_middle, 1);
    CHECK_REFUSED(wsock_loop_wakeup(loop), WSOCK_ERR_STATE);
    CHECK_REFUSED(wsock_loop_wakeup(secure.loop), WSOCK_ERR_INVALID_HANDLE);
    works_anew();
    child_end();
  }
  in_the_middle = 0;
  check_undisturbed();
  check_child(pid);
  check_undisturbed();
}

static void left_alone(void) {
  pid_t pid;
  section("a forked child comes and goes while the parent goes on");
  pid = fork_child();
  if (pid == 0) child_end();
  check_undisturbed();
  check_child(pid);
  check_undisturbed();

  section("a loop of the parent's is refused in the child; one of its own works");
  pid = fork_child();
  if (pid == 0) {
    refused_everywhere();
    works_anew();
    child_end();
  }
  while (!has_ended(pid)) check_undisturbed();
  check_child(pid);
  check_undisturbed();

  section("freed in the child: descriptors close, release is called, and that is all");
  pid = fork_child();
  if (pid == 0) {
    wsock_loop *freed[] = {loop, secure.loop};
    for (int i = 0; i < 2; i++) {
      CHECK_STATUS(wsock_loop_free(freed[i]), WSOCK_OK);
      CHECK_REFUSED(wsock_loop_run(freed[i]), WSOCK_ERR_INVALID_HANDLE);
    }
    struct rec *all[] = {&pair.client, pair_peer(&pair), &secure.client, pair_peer(&secure), &watched_client, &waiting};
    for (size_t i = 0; i < COUNT(all); i++) CHECK(all[i]->closes == 0 && all[i]->errors == 0 && all[i]->releases == 1);
    CHECK(pair.srv.releases == 1 && secure.srv.releases == 1 && with_file.releases == 1);
    works_anew();
    child_end();
  }
  while (!has_ended(pid)) check_undisturbed();
  check_child(pid);
  check_undisturbed();
}

/* An end in the child, told by its poll. */
static void check_left(struct rec *rec, wsock_loop *of) {
  PUMP_UNTIL(of, rec->releases);
  CHECK_ENDED(rec);
  CHECK_INT(rec->error.code, WSOCK_ERR_ABORTED);
  CHECKF(strstr(rec->error.message, "parent") != NULL, "%s", rec->error.message);
}
static int readable(int fd) {
  struct pollfd watch = {fd, POLLIN, 0};
  return poll(&watch, 1, 0) == 1;
}
static void brought_over(void) {
  struct rec client = {0};
  int go[2];
  section("in the process it belongs to, wsock_loop_after_fork does nothing");
  CHECK_STATUS(wsock_loop_after_fork(loop), WSOCK_OK);
  check_undisturbed();

  section("brought over: connections end, servers serve, the descriptor stays");
  REQUIRE(pipe(go) == 0);
  CHECK_STATUS(wsock_loop_post(loop, no_task, NULL, NULL), WSOCK_OK); /* work left over, told by the descriptor */
  int fd = wsock_loop_fd(loop);
  pid_t pid = fork_child();
  if (pid == 0) {
    int before = pair.srv.count;
    CHECK(readable(fd));
    CHECK_STATUS(wsock_loop_after_fork(loop), WSOCK_OK);
    CHECK_STATUS(wsock_loop_after_fork(secure.loop), WSOCK_OK);
    CHECK(pair.client.closes == 0 && pair.client.errors == 0);
    CHECK_INT(wsock_conn_state(pair.client.conn), WSOCK_CLOSING);
    CHECK_REFUSED(wsock_conn_send_text(pair.client.conn, "x", 1), WSOCK_ERR_STATE);
    CHECK_INT(wsock_loop_fd(loop), fd);
    CHECK(readable(fd) && wsock_loop_timeout_ms(loop) == 0);
    struct rec *all[] = {&pair.client, pair_peer(&pair), &watched_client, &waiting};
    for (size_t i = 0; i < COUNT(all); i++) check_left(all[i], loop);
    check_left(&secure.client, secure.loop);
    check_left(pair_peer(&secure), secure.loop);
    pump(loop);
    CHECK(!readable(fd));

    connect_to(&client, loop, url_of(pair.srv.port, "/"), NULL);
    /* the parent does not poll now, so it is this process that accepts */
    PUMP_UNTIL(loop, client.opens && pair.srv.count == before + 1);
    CHECK(write(go[1], "x", 1) == 1);
    CHECK_STATUS(wsock_conn_send_text(client.conn, "in the child", 12), WSOCK_OK);
    PUMP_UNTIL(loop, client.messages == 1);

    section("a child of the child has to ask again");
    pid_t grandchild = fork_child();
    if (grandchild == 0) {
      CHECK_REFUSED(wsock_loop_poll(loop, 0), WSOCK_ERR_STATE);
      CHECK_STATUS(wsock_loop_after_fork(loop), WSOCK_OK);
      check_left(&client, loop);
      child_end();
    }
    check_child(grandchild);
    CHECK_STATUS(wsock_conn_send_text(client.conn, "still", 5), WSOCK_OK);
    PUMP_UNTIL(loop, client.messages == 2);
    free_loop(loop);
    free_loop(secure.loop);
    CHECK_ENDED(&client);
    child_end();
  }
  char byte;
  CHECK(read(go[0], &byte, 1) == 1);
  /* from here on both accept, each what it is first to see */
  pair_echo(&pair);
  pair_echo(&secure);
  check_child(pid);
  check_undisturbed();
  close(go[0]);
  close(go[1]);
}

/* What was asked for and not done is the parent's alone. */
static int tasks, task_releases;
static void count_task(wsock_loop *of, void *arg) { (void)of, (void)arg, tasks++; }
static void count_release(void *arg) { (void)arg, task_releases++; }
static void queued(void) {
  section("posted before the fork: done by the parent, released in the child");
  CHECK_STATUS(wsock_loop_post(loop, count_task, NULL, count_release), WSOCK_OK);
  CHECK_STATUS(wsock_loop_stop(loop), WSOCK_OK);
  pid_t pid = fork_child();
  if (pid == 0) {
    CHECK_STATUS(wsock_loop_after_fork(loop), WSOCK_OK);
    CHECK(tasks == 0 && task_releases == 1);
    CHECK_STATUS(wsock_loop_post(loop, count_task, NULL, count_release), WSOCK_OK);
    PUMP_UNTIL(loop, tasks == 1 && task_releases == 2);
    child_end();
  }
  check_child(pid);
  CHECK(tasks == 0 && task_releases == 0);
  PUMP_UNTIL(loop, tasks == 1 && task_releases == 1);
  CHECK_STATUS(run_loop(loop), WSOCK_OK); /* the stop */
}

/* Forks inside a callback. */
static pid_t forked;
static void fork_inside(struct rec *rec, char event) {
  if (event != 'M' || forked) return;
  forked = fork_child();
  if (forked != 0) return;
  CHECK_REFUSED(wsock_conn_send_text(rec->conn, "x", 1), WSOCK_ERR_STATE);
  CHECK_REFUSED(wsock_loop_after_fork(loop), WSOCK_ERR_REENTRANT);
  CHECK_REFUSED(wsock_loop_free(loop), WSOCK_ERR_REENTRANT);
  rec->hook = NULL;
}
static void from_a_callback(void) {
  section("a callback forks: in the child run ends there");
  pair.client.hook = fork_inside;
  CHECK_STATUS(wsock_conn_send_text(pair.client.conn, "fork", 4), WSOCK_OK);
  int messages = pair.client.messages;
  int32_t ran = 0;
  while (ran >= 0 && pair.client.messages == messages) ran = poll_loop(loop, 100);
  if (forked == 0) {
    CHECK_INT(ran, WSOCK_ERR_STATE);
    CHECK_LAST(WSOCK_ERR_STATE);
    CHECK_STATUS(wsock_loop_after_fork(loop), WSOCK_OK);
    check_left(&pair.client, loop);
    check_left(&watched_client, loop);
    free_loop(loop);
    child_end();
  }
  CHECK(ran > 0);
  check_child(forked);
  pair.client.hook = NULL;
  check_undisturbed();
}

/* A fork while another thread is inside a loop. */
static void *run_it(void *of) {
  CHECK_STATUS(run_loop(of), WSOCK_OK);
  return NULL;
}
static void other_threads(void) {
  pthread_t thread;
  section("another thread is inside the loop: it is told, and other loops work");
  pthread_create(&thread, NULL, run_it, loop);
  while (wsock_loop_timeout_ms(loop) != WSOCK_ERR_WRONG_THREAD) sleep_ms(1);
  sleep_ms(20);
  for (int i = 0; i < 5; i++) {
    pid_t pid = fork_child();
    if (pid == 0) {
      CHECK_REFUSED(wsock_loop_after_fork(loop), WSOCK_ERR_STATE);
      CHECKF(strstr(last_text(), "another thread") != NULL, "%s", last_text());
      CHECK_REFUSED(wsock_loop_free(loop), WSOCK_ERR_WRONG_THREAD);
      works_anew();
      child_end();
    }
    check_child(pid);
  }
  CHECK_STATUS(wsock_loop_stop(loop), WSOCK_OK);
  pthread_join(thread, NULL);
  check_undisturbed();
}

int main(void) {
  REQUIRE(mkdtemp(directory) != NULL);
  REQUIRE(pthread_atfork(parents_side, parents_side, childs_side) == 0);
  set_up();
  left_alone();
  brought_over();
  queued();
  from_a_callback();
  other_threads();
  called_in_the_middle();
  section("the parent's poll is not woken by copies that a child holds");
  pid_t pid = fork_child();
  if (pid == 0) {
    sleep_ms(200);
    child_end();
  }
  CHECK_STATUS(wsock_conn_close(pair.client.conn, 1000, "with a child about"), WSOCK_OK);
  PUMP_UNTIL(loop, pair.client.releases);
  CHECK(pair.client.close.was_clean == 1 && pair.client.close.code == 1000);
  check_child(pid);
  tear_down();
  CHECK(rmdir(directory) == 0);
  return check_end();
}
