/* Writing to a peer that is gone, with SIGPIPE at its default: the process lives. */
#include "raw.h"

#include <signal.h>

static char large[4 << 20];

/* A peer that is gone while our side is writing small or large messages, or a close frame. When it went
   politely, the first write is answered by a reset, and the next ones meet a broken pipe. */
static void gone(int server, int large_message, int close_too, int politely) {
  struct rec client = {0}, *rec = &client;
  struct srv srv = {0};
  struct raw raw;
  wsock_loop *loop = new_loop();
  if (server) {
    srv_listen(&srv, loop, NULL);
    raw_upgrade(&raw, loop, srv.port, "");
    PUMP_UNTIL(loop, srv.count == 1);
    rec = srv.conn[0];
  } else {
    raw_serve(&raw, &client, loop, NULL);
  }
  if (large_message) CHECK(wsock_conn_send_binary(rec->conn, large, sizeof large) >= 0);
  if (politely) raw_close(&raw);
  else raw_reset(&raw);
  /* the loop has not been polled since, so that it does not know */
  for (int i = 0; i < 5; i++) {
    wsock_status status = wsock_conn_send_binary(rec->conn, large, large_message ? 300000 : 10);
    CHECKF(status >= 0 || status == WSOCK_ERR_STATE, "send gave %d", (int)status);
  }
  CHECK(wsock_conn_ping(rec->conn, "x", 1) == WSOCK_OK || last_error().code == WSOCK_ERR_STATE);
  if (close_too) CHECK_STATUS(wsock_conn_close(rec->conn, 1000, NULL), WSOCK_OK);
  CHECK_INT(rec->closes, 0);
  PUMP_UNTIL(loop, rec->releases);
  CHECK_ENDED(rec);
  CHECK(rec->close.code == 1006 && rec->close.was_clean == 0 && rec->close.status == WSOCK_ERR_CONNECTION_LOST);
  CHECKF(rec->error.os_error == ECONNRESET || rec->error.os_error == EPIPE, "errno %d", (int)rec->error.os_error);
  free_loop(loop);
  srv_free(&srv);
}

/* A reset while a large message is on its way and the loop writes. */
static void gone_in_the_middle(void) {
  struct rec client = {0};
  struct raw raw;
  wsock_loop *loop = new_loop();
  raw_serve(&raw, &client, loop, NULL);
  for (int i = 0; i < 5; i++) CHECK(wsock_conn_send_binary(client.conn, large, sizeof large) >= 0);
  for (size_t got = 0; got < 1000000; got += raw.len, raw.len = 0) {
    pump(loop);
    raw_fill(&raw);
  }
  raw_reset(&raw);
  PUMP_UNTIL(loop, client.releases);
  CHECK_ENDED(&client);
  CHECK(client.close.status == WSOCK_ERR_CONNECTION_LOST && client.close.unsent_bytes > 0);
  free_loop(loop);
}

/* Plain HTTP answers meet the same fate. */
static int32_t page(struct srv *srv, wsock_request *request) {
  (void)srv;
  CHECK_STATUS(wsock_request_set_body(request, "text/plain", large, sizeof large), WSOCK_OK);
  return 200;
}
static void gone_before_the_answer(void) {
  struct srv srv = {0};
  struct raw raw;
  wsock_loop *loop = new_loop();
  srv.request = page;
  srv_listen(&srv, loop, NULL);
  for (int i = 0; i < 3; i++) {
    raw_connect(&raw, loop, srv.port);
    raw_text(&raw, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    if (i == 1) {
      RAW_UNTIL(&raw, raw.len > 1000);
    }
    raw_reset(&raw);
    pump_for(loop, 20);
  }
  raw_connect(&raw, loop, srv.port);
  raw_text(&raw, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  RAW_UNTIL(&raw, raw.len > sizeof large && raw.eof);
  raw_close(&raw);
  free_loop(loop);
  srv_free(&srv);
}

int main(void) {
  struct sigaction action;
  signal(SIGPIPE, SIG_DFL);
  for (int i = 0; i < 16; i++) {
    section(i & 1 ? "a server whose peer is gone" : "a client whose peer is gone");
    gone(i & 1, i & 2, i & 4, i & 8);
  }
  section("gone while a large message is being written");
  gone_in_the_middle();
  section("gone before its HTTP answer");
  gone_before_the_answer();
  section("the library left the signal alone");
  REQUIRE(sigaction(SIGPIPE, NULL, &action) == 0);
  CHECK(action.sa_handler == SIG_DFL);
  return check_end();
}
