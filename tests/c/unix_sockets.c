/* Servers on Unix domain sockets, with a path and without: who may use them, and what becomes of the file. */
#include "sockets.h"

#include <sys/stat.h>

static void unix_paths(void) {
  const char *path = in_directory("", "socket"), *host = in_directory("unix:", "socket");
  struct srv srv = {0}, second = {0};
  struct raw raw;
  struct stat file;
  char text[300];
  wsock_loop *loop = new_loop();
  wsock_options *options = option(new_options(), WSOCK_OPT_UNIX_MODE, 0600);

  section("a Unix socket with a path");
  REQUIRE(try_listen(&srv, loop, host, options) == WSOCK_OK);
  srv.echo = 1;
  CHECK_INT(wsock_server_port(srv.server), 0);
  CHECK(stat(path, &file) == 0 && S_ISSOCK(file.st_mode) && (file.st_mode & 0777) == 0600);
  unix_connect(&raw, loop, path);
  raw_text(&raw, UPGRADE);
  echo_on(&raw);
  CHECK_STR(conn_text(&srv, WSOCK_CONN_PEER_ADDRESS), "unix:");
  CHECK_STR(conn_text(&srv, WSOCK_CONN_LOCAL_ADDRESS), host);

  section("without a mode: what the umask leaves");
  const char *open_path = in_directory("", "open"), *open_host = in_directory("unix:", "open");
  static const mode_t masks[] = {077, 022, 0117};
  struct srv open = {0};
  for (size_t i = 0; i < COUNT(masks); i++) {
    mode_t before = umask(masks[i]);
    CHECK_STATUS(try_listen(&open, loop, open_host, NULL), WSOCK_OK);
    umask(before);
    CHECKF(stat(open_path, &file) == 0 && (file.st_mode & 0777) == (0777 & ~masks[i]), "%o", (unsigned)file.st_mode);
    close_server(&open, loop);
  }

  section("the path of somebody who listens");
  CHECK_REFUSED(try_listen(&second, loop, host, NULL), WSOCK_ERR_SYSTEM);
  CHECK_INT(last_error().os_error, EADDRINUSE);
  raw_frame(&raw, 0x89, 1, "", 0);
  raw_close(&raw);

  section("the file goes with the server");
  close_server(&srv, loop);
  CHECK(stat(path, &file) < 0 && errno == ENOENT);

  section("the file of a server that has ended is replaced");
  close(unix_listen(path));
  CHECK(stat(path, &file) == 0);
  CHECK_STATUS(try_listen(&srv, loop, host, NULL), WSOCK_OK);
  unix_connect(&raw, loop, path);
  raw_close(&raw);

  section("a file that is another's by now stays");
  REQUIRE(unlink(path) == 0);
  int other = unix_listen(path);
  close_server(&srv, loop);
  CHECK(stat(path, &file) == 0);
  close(other);
  REQUIRE(unlink(path) == 0);

  section("a file that is no socket stays");
  FILE *precious = fopen(path, "w");
  REQUIRE(precious && fputs("precious", precious) >= 0 && fclose(precious) == 0);
  CHECK_REFUSED(try_listen(&srv, loop, host, NULL), WSOCK_ERR_SYSTEM);
  CHECK(stat(path, &file) == 0 && file.st_size == 8);
  REQUIRE(unlink(path) == 0);

  section("freeing the loop removes the file, too");
  CHECK_STATUS(try_listen(&srv, loop, host, NULL), WSOCK_OK);
  free_loop(loop);
  CHECK_INT(srv.releases, 1);
  CHECK(stat(path, &file) < 0 && errno == ENOENT);

  section("paths that cannot be");
  loop = new_loop();
  snprintf(text, sizeof text, "unix:/%0107d", 0);
  static const char *const bad[] = {"unix:", "unix:@"};
  for (size_t i = 0; i < COUNT(bad); i++) CHECK_REFUSED(try_listen(&srv, loop, bad[i], NULL), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(try_listen(&srv, loop, text, NULL), WSOCK_ERR_INVALID_ARGUMENT);
  CHECKF(strstr(last_text(), "107"), "%s", last_text());
  CHECK_REFUSED(try_listen(&srv, loop, in_directory("unix:", "no/such/directory"), NULL), WSOCK_ERR_SYSTEM);
  CHECK_REFUSED(wsock_listen(loop, host, 80, NULL, NULL, NULL, &srv.server), WSOCK_ERR_INVALID_ARGUMENT);

  section("a Unix socket without a path");
  memset(&srv, 0, sizeof srv);
  srv.echo = 1;
  snprintf(text, sizeof text, "unix:@wsock-sockets-%d", (int)getpid());
  CHECK_STATUS(try_listen(&srv, loop, text, NULL), WSOCK_OK);
  CHECK_REFUSED(try_listen(&second, loop, text, NULL), WSOCK_ERR_SYSTEM);
  unix_connect(&raw, loop, text + 5);
  raw_text(&raw, UPGRADE);
  echo_on(&raw);
  CHECK_STR(conn_text(&srv, WSOCK_CONN_LOCAL_ADDRESS), text);
  raw_close(&raw);
  wsock_options_free(options);
  free_loop(loop);
  srv_free(&srv);
}

int main(void) {
  REQUIRE(mkdtemp(directory) != NULL);
  unix_paths();
  CHECK(rmdir(directory) == 0);
  return check_end();
}
