/* Connections that the library did not make: a server and a client go on with the program's own descriptors,
   of which something may have been read already. */
#include "sockets.h"

/* Both ends of a connection. */
static void unix_pair(int fd[2]) { REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0); }

static void server_adopts(void) {
  static struct frame frame;
  struct srv srv = {0};
  struct raw raw;
  int pair[2];
  wsock_loop *loop = new_loop();
  wsock_options *options = option(option(new_options(), WSOCK_OPT_TCP_KEEPALIVE_S, 61), WSOCK_OPT_TCP_KEEPALIVE_COUNT, 5);
  srv.echo = 1;
  srv_listen(&srv, loop, options);
  size_t whole = strlen(UPGRADE), cuts[] = {0, 1, 20, strlen(UPGRADE) - 1, strlen(UPGRADE)};

  for (int tcp = 0; tcp < 2; tcp++) {
    section(tcp ? "a server takes a TCP connection of which so much has been read" : "a server takes a Unix connection of which so much has been read");
    for (size_t i = 0; i < COUNT(cuts); i++) {
      tcp ? tcp_pair(pair) : unix_pair(pair);
      int copy = dup(pair[0]);
      raw_start(&raw, loop, pair[1]);
      CHECK_STATUS(wsock_server_adopt(srv.server, pair[0], cuts[i] ? UPGRADE : NULL, cuts[i]), WSOCK_OK);
      CHECK_INT(wsock_loop_timeout_ms(loop), 0);
      CHECK((fcntl(copy, F_GETFL) & O_NONBLOCK) && fcntl(pair[0], F_GETFD) == FD_CLOEXEC);
      if (tcp) {
        int on = 0, idle = 0, interval = 0, count = 0, nodelay = 0;
        socklen_t n = sizeof(int);
        REQUIRE(getsockopt(copy, SOL_SOCKET, SO_KEEPALIVE, &on, &n) == 0 && getsockopt(copy, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &n) == 0);
        REQUIRE(getsockopt(copy, IPPROTO_TCP, TCP_KEEPINTVL, &interval, &n) == 0 && getsockopt(copy, IPPROTO_TCP, TCP_KEEPCNT, &count, &n) == 0);
        REQUIRE(getsockopt(copy, IPPROTO_TCP, TCP_NODELAY, &nodelay, &n) == 0);
        CHECK(on && idle == 61 && interval == 15 && count == 5 && nodelay);
      }
      close(copy);
      raw_send(&raw, UPGRADE + cuts[i], whole - cuts[i]);
      echo_on(&raw);
      CHECK(strncmp(conn_text(&srv, WSOCK_CONN_PEER_ADDRESS), tcp ? "127.0.0.1:" : "unix:", tcp ? 10 : 5) == 0);
      CHECK_STR(conn_text(&srv, WSOCK_CONN_URL), "ws://a.example/");
      raw_close_frame(&raw, 1, 1000, "");
      RAW_UNTIL(&raw, raw.eof || raw.reset);
      PUMP_UNTIL(loop, srv.conn[srv.count - 1]->closes);
      CHECK(!is_open(pair[0]));
      raw_close(&raw);
    }
  }
  wsock_server_stats stats = server_stats(srv.server);
  CHECK(stats.accepted == 2 * COUNT(cuts) && stats.opened == stats.accepted && stats.connections == 0);

  section("a message that came with the handshake");
  unsigned char both[1000];
  static const unsigned char text[] = {0x81, 0x82, 0, 0, 0, 0, 'h', 'i'};
  memcpy(both, UPGRADE, whole);
  memcpy(both + whole, text, sizeof text);
  unix_pair(pair);
  raw_start(&raw, loop, pair[1]);
  CHECK_STATUS(wsock_server_adopt(srv.server, pair[0], both, whole + sizeof text), WSOCK_OK);
  CHECK(strncmp(raw_head(&raw), "HTTP/1.1 101 ", 13) == 0);
  CHECK(raw_next(&raw, &frame) && frame.len == 2 && memcmp(frame.data, "hi", 2) == 0);
  raw_close(&raw);

  section("adopted and silent: the handshake still has its time");
  struct srv hasty = {0};
  wsock_options *quick = option(new_options(), WSOCK_OPT_HANDSHAKE_TIMEOUT_MS, 50);
  srv_listen(&hasty, loop, quick);
  unix_pair(pair);
  raw_start(&raw, loop, pair[1]);
  CHECK_STATUS(wsock_server_adopt(hasty.server, pair[0], "GET", 3), WSOCK_OK);
  RAW_UNTIL(&raw, raw.eof || raw.reset);
  CHECK_INT(server_stats(hasty.server).handshake_timeouts, 1);
  raw_close(&raw);

  section("descriptors that are no connections");
  uint16_t port;
  int refused[] = {raw_listen(&port, 1), socket(AF_INET, SOCK_STREAM, 0), socket(AF_INET, SOCK_DGRAM, 0), STDIN_FILENO};
  for (size_t i = 0; i < COUNT(refused); i++) {
    int flags = fcntl(refused[i], F_GETFL), descriptor_flags = fcntl(refused[i], F_GETFD);
    CHECK_REFUSED(wsock_server_adopt(srv.server, refused[i], NULL, 0), WSOCK_ERR_INVALID_ARGUMENT);
    check_untouched(refused[i], flags, descriptor_flags);
    if (refused[i] != STDIN_FILENO) close(refused[i]);
  }
  CHECK_REFUSED(wsock_server_adopt(srv.server, -1, NULL, 0), WSOCK_ERR_INVALID_ARGUMENT);
  unix_pair(pair);
  CHECK_REFUSED(wsock_server_adopt(srv.server, pair[0], NULL, 3), WSOCK_ERR_INVALID_ARGUMENT);

  section("a server that is closing takes none");
  raw_start(&raw, loop, dup(pair[1]));
  CHECK_STATUS(wsock_server_adopt(srv.server, dup(pair[0]), UPGRADE, whole), WSOCK_OK);
  RAW_UNTIL(&raw, raw.len > 0);
  CHECK_STATUS(wsock_server_close(srv.server, 0, 1001, NULL), WSOCK_OK);
  CHECK_REFUSED(wsock_server_adopt(srv.server, pair[0], NULL, 0), WSOCK_ERR_STATE);
  CHECK(is_open(pair[0]));
  close(pair[0]);
  close(pair[1]);
  raw_close(&raw);
  wsock_options_free(options);
  wsock_options_free(quick);
  free_loop(loop);
  srv_free(&srv);
}

static wsock_status try_connect_fd(struct rec *rec, wsock_loop *loop, int fd, const char *url, const char *read) {
  wsock_handlers h = rec_handlers();
  return wsock_connect_fd(loop, fd, url, NULL, &h, rec, read, strlen(read), &rec->conn);
}

static void client_adopts(void) {
  static struct frame frame;
  static const char begun[] = "HTTP/1.1 101 Swit";
  struct raw raw;
  int pair[2];
  wsock_loop *loop = new_loop();
  for (int i = 0; i < 4; i++) {
    struct rec client = {0};
    char accept[29], response[500];
    int read = i & 1, tcp = i & 2;
    section(read ? "a client on a connection of which something has been read" : "a client on a connection of the program's own");
    tcp ? tcp_pair(pair) : unix_pair(pair);
    raw_start(&raw, loop, pair[1]);
    CHECK_STATUS(try_connect_fd(&client, loop, pair[0], "ws://a.example:81/chat?x", read ? begun : ""), WSOCK_OK);
    CHECK_STR(wsock_conn_get_str(client.conn, WSOCK_CONN_URL, NULL), "ws://a.example:81/chat?x");
    CHECK(fcntl(pair[0], F_GETFD) == FD_CLOEXEC && (fcntl(pair[0], F_GETFL) & O_NONBLOCK));
    CHECK(client.opens == 0 && client.errors == 0);
    const char *head = raw_head(&raw);
    CHECKF(strncmp(head, "GET /chat?x HTTP/1.1\r\n", 22) == 0, "%.60s", head);
    CHECK_STR(head_value(head, "Host"), "a.example:81");
    raw_accept_value(head_value(head, "Sec-WebSocket-Key"), accept);
    snprintf(response, sizeof response, "%sching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", begun, accept);
    raw_text(&raw, read ? response + strlen(begun) : response);
    PUMP_UNTIL(loop, client.opens);
    CHECK_STATUS(wsock_conn_send_text(client.conn, "up", 2), WSOCK_OK);
    CHECK(raw_next(&raw, &frame) && frame.masked && frame.len == 2);
    raw_frame(&raw, 0x81, 0, "down", 4);
    PUMP_UNTIL(loop, client.messages == 1);
    raw_close_frame(&raw, 0, 1000, "");
    CHECK_INT(raw_close_code(&raw), 1000);
    raw_close(&raw);
    PUMP_UNTIL(loop, client.releases);
    CHECK(!is_open(pair[0]) && client.close.was_clean);
    CHECK_ENDED(&client);
    rec_free(&client);
  }

  section("an answer that was there before the question");
  struct rec early = {0};
  unix_pair(pair);
  CHECK_STATUS(try_connect_fd(&early, loop, pair[0], "ws://a.example/", "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"), WSOCK_OK);
  CHECK_INT(wsock_loop_timeout_ms(loop), 0);
  PUMP_UNTIL(loop, early.releases);
  CHECK(early.error.code == WSOCK_ERR_HTTP_STATUS && early.error.http_status == 403);
  close(pair[1]);

  section("what a client is refused leaves the descriptor alone");
  struct rec none = {0};
  uint16_t port;
  unix_pair(pair);
  int flags = fcntl(pair[0], F_GETFL), descriptor_flags = fcntl(pair[0], F_GETFD), listener = raw_listen(&port, 1);
  CHECK_REFUSED(try_connect_fd(&none, loop, pair[0], "no url", ""), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(try_connect_fd(&none, loop, listener, "ws://a.example/", ""), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(try_connect_fd(&none, loop, STDIN_FILENO, "ws://a.example/", ""), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(try_connect_fd(&none, loop, -1, "ws://a.example/", ""), WSOCK_ERR_INVALID_ARGUMENT);
  check_untouched(pair[0], flags, descriptor_flags);
  CHECK(none.conn == NULL && none.releases == 0 && is_open(listener));
  close(pair[0]);
  close(pair[1]);
  close(listener);
  free_loop(loop);
}

int main(void) {
  server_adopts();
  client_adopts();
  return check_end();
}
