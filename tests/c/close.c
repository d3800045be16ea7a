/* Every way a connection can end: who said what, whether it was clean, once and last. */
#include "raw.h"

static void expect_end(struct rec *rec, int code, const char *reason, int sent, int clean, int initiator, int32_t status) {
  CHECK_ENDED(rec);
  CHECK_INT(rec->close.code, code);
  if (reason) CHECK_STR(rec->reason, reason);
  CHECK_INT(rec->close.sent_code, sent);
  CHECK_INT(rec->close.was_clean, clean);
  CHECK_INT(rec->close.initiator, initiator);
  CHECKF(rec->close.status == status, "status %d, expected %d: %s", (int)rec->close.status, (int)status, rec->error.message);
}

/* What a scripted side does in its callbacks. */
static struct {
  char event;
  int32_t code;
  const char *reason;
  int abort;
} script;
static void act(struct rec *rec, char event) {
  if (event != script.event) return;
  CHECK_STATUS(script.abort ? wsock_conn_abort(rec->conn) : wsock_conn_close(rec->conn, script.code, script.reason), WSOCK_OK);
  CHECK_INT(rec->closes, 0);
  CHECK(wsock_conn_state(rec->conn) == WSOCK_CLOSING || (script.abort && wsock_conn_state(rec->conn) == WSOCK_CLOSED));
}

static void both_sides(void) {
  struct pair pair;
  section("the client closes");
  pair_open(&pair, NULL, NULL);
  CHECK_STATUS(wsock_conn_close(pair.client.conn, 3333, "client's reason"), WSOCK_OK);
  PUMP_UNTIL(pair.loop, pair.client.releases && pair_peer(&pair)->releases);
  expect_end(&pair.client, 3333, NULL, 3333, 1, WSOCK_BY_LOCAL, WSOCK_OK);
  expect_end(pair_peer(&pair), 3333, "client's reason", 3333, 1, WSOCK_BY_PEER, WSOCK_OK);
  pair_free(&pair);

  section("the server closes");
  pair_open(&pair, NULL, NULL);
  CHECK_STATUS(wsock_conn_close(pair_peer(&pair)->conn, 1011, "server's reason"), WSOCK_OK);
  PUMP_UNTIL(pair.loop, pair.client.releases && pair_peer(&pair)->releases);
  expect_end(&pair.client, 1011, "server's reason", 1011, 1, WSOCK_BY_PEER, WSOCK_OK);
  expect_end(pair_peer(&pair), 1011, NULL, 1011, 1, WSOCK_BY_LOCAL, WSOCK_OK);
  pair_free(&pair);

  section("both at once: each gets the other's code");
  pair_open(&pair, NULL, NULL);
  CHECK_STATUS(wsock_conn_close(pair.client.conn, 3001, "from client"), WSOCK_OK);
  CHECK_STATUS(wsock_conn_close(pair_peer(&pair)->conn, 3002, "from server"), WSOCK_OK);
  PUMP_UNTIL(pair.loop, pair.client.releases && pair_peer(&pair)->releases);
  expect_end(&pair.client, 3002, "from server", 3001, 1, WSOCK_BY_LOCAL, WSOCK_OK);
  expect_end(pair_peer(&pair), 3001, "from client", 3002, 1, WSOCK_BY_LOCAL, WSOCK_OK);
  pair_free(&pair);

  section("everything sent before close arrives before on_close");
  pair_open(&pair, NULL, NULL);
  static char data[100000];
  for (int i = 0; i < 50; i++) CHECK(wsock_conn_send_binary(pair.client.conn, data, sizeof data) >= 0);
  CHECK_STATUS(wsock_conn_close(pair.client.conn, 1000, NULL), WSOCK_OK);
  PUMP_UNTIL(pair.loop, pair.client.releases && pair_peer(&pair)->releases);
  CHECK_INT(pair_peer(&pair)->messages, 50);
  CHECK_INT(pair.client.close.unsent_bytes, 0);
  CHECK(pair.client.close.was_clean && pair_peer(&pair)->close.was_clean);
  pair_free(&pair);
}

static void in_callbacks(void) {
  struct pair pair;
  for (int server = 0; server < 2; server++)
    for (int message = 0; message < 2; message++)
      for (script.abort = 0; script.abort < 2; script.abort++) {
        section(message ? "close and abort in on_message" : "close and abort in on_open");
        memset(&pair, 0, sizeof pair);
        script.event = message ? 'M' : 'O';
        script.code = 3456;
        script.reason = "inside";
        pair.loop = new_loop();
        pair.srv.echo = !message || !server; /* what is closed cannot be echoed to */
        if (server) pair.srv.hook = act;
        else pair.client.hook = act;
        srv_listen(&pair.srv, pair.loop, NULL);
        connect_to(&pair.client, pair.loop, url_of(pair.srv.port, "/"), NULL);
        if (message) {
          PUMP_UNTIL(pair.loop, pair.client.opens);
          CHECK_STATUS(wsock_conn_send_text(pair.client.conn, "now", 3), WSOCK_OK);
        }
        PUMP_UNTIL(pair.loop, pair.client.releases && pair.srv.count == 1 && pair_peer(&pair)->releases);
        struct rec *actor = server ? pair_peer(&pair) : &pair.client, *other = server ? &pair.client : pair_peer(&pair);
        if (script.abort) {
          expect_end(actor, 1006, NULL, 0, 0, WSOCK_BY_LOCAL, WSOCK_ERR_ABORTED);
          CHECK(other->close.code == 1006 && other->close.was_clean == 0);
        } else {
          expect_end(actor, 3456, NULL, 3456, 1, WSOCK_BY_LOCAL, WSOCK_OK);
          expect_end(other, 3456, "inside", 3456, 1, WSOCK_BY_PEER, WSOCK_OK);
        }
        pair_free(&pair);
      }
}

static void aborts(void) {
  struct pair pair;
  section("abort");
  pair_open(&pair, NULL, NULL);
  CHECK_STATUS(wsock_conn_abort(pair.client.conn), WSOCK_OK);
  CHECK_INT(pair.client.closes, 0);
  CHECK(wsock_conn_state(pair.client.conn) >= WSOCK_CLOSING);
  CHECK_REFUSED(wsock_conn_send_text(pair.client.conn, "late", 4), WSOCK_ERR_STATE);
  CHECK_STATUS(wsock_conn_abort(pair.client.conn), WSOCK_OK); /* again: nothing more happens */
  PUMP_UNTIL(pair.loop, pair.client.releases && pair_peer(&pair)->releases);
  expect_end(&pair.client, 1006, NULL, 0, 0, WSOCK_BY_LOCAL, WSOCK_ERR_ABORTED);
  expect_end(pair_peer(&pair), 1006, NULL, 0, 0, WSOCK_BY_NOBODY, WSOCK_ERR_CONNECTION_LOST);
  pair_free(&pair);

  section("abort while closing");
  struct raw raw;
  struct rec client = {0};
  wsock_loop *loop = new_loop();
  raw_serve(&raw, &client, loop, NULL);
  CHECK_STATUS(wsock_conn_close(client.conn, 1000, "x"), WSOCK_OK);
  CHECK_INT(raw_close_code(&raw), 1000);
  CHECK_STATUS(wsock_conn_abort(client.conn), WSOCK_OK);
  PUMP_UNTIL(loop, client.releases);
  expect_end(&client, 1006, NULL, 1000, 0, WSOCK_BY_LOCAL, WSOCK_ERR_ABORTED);
  raw_close(&raw);

  section("loop_free ends what is open, connecting and closing");
  struct raw other;
  struct rec more[2] = {{0}};
  uint16_t port;
  int listener = raw_listen(&port, 4);
  memset(&client, 0, sizeof client);
  raw_serve(&raw, &client, loop, NULL);
  connect_to(&more[0], loop, url_of(port, "/"), NULL);
  raw_serve(&other, &more[1], loop, NULL);
  CHECK_STATUS(wsock_conn_close(more[1].conn, 1000, NULL), WSOCK_OK);
  CHECK(client.closes + more[0].closes + more[1].closes == 0);
  free_loop(loop);
  CHECK_ENDED(&client);
  CHECK_ENDED(&more[0]);
  CHECK_ENDED(&more[1]);
  CHECK(client.close.status == WSOCK_ERR_ABORTED && more[0].close.status == WSOCK_ERR_ABORTED);
  CHECK(client.close.code == 1006 && more[0].opens == 0 && more[0].close.code == 1006);
  raw_close(&raw);
  raw_close(&other);
  close(listener);
}

/* A raw peer at the other end of a client (server == 0) or of a server's connection. */
struct end {
  wsock_loop *loop;
  struct srv srv;
  struct rec client, *rec;
  struct raw raw;
  int masked;
};
static void end_open(struct end *end, int server, const wsock_options *options) {
  memset(end, 0, sizeof *end);
  end->loop = new_loop();
  end->masked = server;
  if (server) {
    srv_listen(&end->srv, end->loop, options);
    raw_upgrade(&end->raw, end->loop, end->srv.port, "");
    PUMP_UNTIL(end->loop, end->srv.count == 1);
    REQUIRE(end->srv.count == 1);
    end->rec = end->srv.conn[0];
  } else {
    end->rec = &end->client;
    raw_serve(&end->raw, end->rec, end->loop, options);
  }
}
static void end_free(struct end *end) {
  raw_close(&end->raw);
  PUMP_UNTIL(end->loop, end->rec->releases);
  free_loop(end->loop);
  CHECK_ENDED(end->rec);
  rec_free(end->rec);
  if (end->rec != &end->client) end->client = *end->rec; /* to be looked at after the end */
  end->rec = &end->client;
  srv_free(&end->srv);
}

static void raw_peers(int server) {
  struct end end;
  wsock_options *quick = option(new_options(), WSOCK_OPT_CLOSE_TIMEOUT_MS, 150);

  section("the peer closes; the answer repeats its code");
  end_open(&end, server, NULL);
  raw_close_frame(&end.raw, end.masked, 4321, "peer's reason");
  CHECK_INT(raw_close_code(&end.raw), 4321);
  if (server) RAW_UNTIL(&end.raw, end.raw.eof); /* the server closes TCP first */
  end_free(&end);
  expect_end(end.rec, 4321, "peer's reason", 4321, 1, WSOCK_BY_PEER, WSOCK_OK);

  section("the peer closes without a code; so does the answer");
  end_open(&end, server, NULL);
  raw_close_frame(&end.raw, end.masked, 0, "");
  CHECK_INT(raw_close_code(&end.raw), 1005);
  end_free(&end);
  expect_end(end.rec, 1005, "", 1005, 1, WSOCK_BY_PEER, WSOCK_OK);

  section("the peer answers with another code");
  end_open(&end, server, NULL);
  CHECK_STATUS(wsock_conn_close(end.rec->conn, 1000, "ours"), WSOCK_OK);
  CHECK_INT(raw_close_code(&end.raw), 1000);
  raw_close_frame(&end.raw, end.masked, 4999, "theirs");
  end_free(&end);
  expect_end(end.rec, 4999, "theirs", 1000, 1, WSOCK_BY_LOCAL, WSOCK_OK);

  section("after our close nothing is delivered, as in browsers, but the handshake goes on");
  end_open(&end, server, NULL);
  CHECK_STATUS(wsock_conn_close(end.rec->conn, 1000, "ours"), WSOCK_OK);
  raw_frame(&end.raw, 0x81, end.masked, "on its way", 10);
  raw_close_frame(&end.raw, end.masked, 1000, "");
  raw_frame(&end.raw, 0x81, end.masked, "too late", 8);
  raw_frame(&end.raw, 0x83, end.masked, "garbage", 7);
  pump_for(end.loop, 20);
  end_free(&end);
  CHECK_INT(end.rec->messages, 0);
  CHECK_INT(end.rec->close.code, 1000);
  CHECK_INT(end.rec->close.was_clean, 1);

  section("the peer never answers our close frame");
  end_open(&end, server, quick);
  CHECK_STATUS(wsock_conn_close(end.rec->conn, 3210, "anyone?"), WSOCK_OK);
  CHECK_INT(raw_close_code(&end.raw), 3210);
  PUMP_UNTIL(end.loop, end.rec->releases);
  expect_end(end.rec, 1006, NULL, 3210, 0, WSOCK_BY_LOCAL, WSOCK_ERR_CLOSE_TIMEOUT);
  RAW_UNTIL(&end.raw, end.raw.eof || end.raw.reset);
  end_free(&end);

  section("the peer does not even read");
  end_open(&end, server, quick);
  static char data[1 << 20];
  for (int i = 0; i < 20; i++) CHECK(wsock_conn_send_binary(end.rec->conn, data, sizeof data) >= 0);
  CHECK_STATUS(wsock_conn_close(end.rec->conn, 1000, ""), WSOCK_OK);
  size_t waiting = wsock_conn_buffered_amount(end.rec->conn);
  CHECK(waiting > 0);
  PUMP_UNTIL(end.loop, end.rec->releases);
  CHECK(end.rec->close.code == 1006 && end.rec->close.was_clean == 0);
  CHECKF(end.rec->close.unsent_bytes > 0, "waiting before it: %zu", waiting);
  CHECK_INT(end.rec->close.status, WSOCK_ERR_CLOSE_TIMEOUT);
  CHECK_INT(end.rec->close.sent_code, 0); /* it never left */
  end_free(&end);

  section("the peer resets");
  end_open(&end, server, NULL);
  raw_reset(&end.raw);
  PUMP_UNTIL(end.loop, end.rec->releases);
  expect_end(end.rec, 1006, NULL, 0, 0, WSOCK_BY_NOBODY, WSOCK_ERR_CONNECTION_LOST);
  CHECK_INT(end.rec->error.os_error, ECONNRESET);
  end_free(&end);

  section("the peer ends the stream without a close frame");
  end_open(&end, server, NULL);
  raw_frame(&end.raw, 0x81, end.masked, "last words", 10);
  REQUIRE(shutdown(end.raw.fd, SHUT_WR) == 0);
  PUMP_UNTIL(end.loop, end.rec->releases);
  CHECK_INT(end.rec->messages, 1);
  CHECK(end.rec->close.code == 1006 && end.rec->close.was_clean == 0 && end.rec->close.initiator == WSOCK_BY_NOBODY);
  CHECK_INT(end.rec->close.status, WSOCK_ERR_CONNECTION_LOST);
  end_free(&end);

  section("the stream ends inside a frame");
  end_open(&end, server, NULL);
  raw_send(&end.raw, server ? "\x81\x8a\1\2\3\4half" : "\x81\x0ahalf", server ? 10 : 6);
  REQUIRE(shutdown(end.raw.fd, SHUT_WR) == 0);
  PUMP_UNTIL(end.loop, end.rec->releases);
  CHECK(end.rec->messages == 0 && end.rec->close.code == 1006 && end.rec->close.status == WSOCK_ERR_CONNECTION_LOST);
  end_free(&end);

  section("the stream ends after our close frame, unanswered: not clean");
  end_open(&end, server, NULL);
  CHECK_STATUS(wsock_conn_close(end.rec->conn, 1000, ""), WSOCK_OK);
  CHECK_INT(raw_close_code(&end.raw), 1000);
  end_free(&end);
  CHECK(end.rec->close.code == 1006 && end.rec->close.was_clean == 0 && end.rec->close.sent_code == 1000);

  wsock_options_free(quick);
}

static void client_waits_for_tcp(void) {
  struct end end;
  wsock_options *quick = option(new_options(), WSOCK_OPT_CLOSE_TIMEOUT_MS, 150);
  section("a server that never closes TCP: still clean, ended by the close timeout");
  end_open(&end, 0, quick);
  raw_close_frame(&end.raw, 0, 1000, "done");
  CHECK_INT(raw_close_code(&end.raw), 1000);
  PUMP_UNTIL(end.loop, end.rec->releases);
  CHECK(end.rec->close.code == 1000 && end.rec->close.was_clean == 1);
  end_free(&end);
  wsock_options_free(quick);
}

static void servers(void) {
  struct srv srv = {0};
  struct rec client[5];
  wsock_loop *loop = new_loop();
  section("server_close: no new connections, the old get the code, release last");
  memset(client, 0, sizeof client);
  srv_listen(&srv, loop, NULL);
  for (int i = 0; i < 5; i++) connect_to(&client[i], loop, url_of(srv.port, "/"), NULL);
  PUMP_UNTIL(loop, srv.count == 5 && client[4].opens);
  PUMP_UNTIL(loop, server_stats(srv.server).connections == 5);
  CHECK_STATUS(wsock_server_close(srv.server, 0, 1012, "back soon"), WSOCK_OK);
  CHECK_INT(srv.releases, 0);
  CHECK_STATUS(wsock_server_close(srv.server, 0, 1001, "again"), WSOCK_OK);
  struct rec late = {0};
  connect_to(&late, loop, url_of(srv.port, "/"), NULL);
  PUMP_UNTIL(loop, srv.releases && late.closes);
  CHECK(late.opens == 0 && late.close.code == 1006);
  for (int i = 0; i < 5; i++) {
    PUMP_UNTIL(loop, client[i].releases);
    expect_end(&client[i], 1012, "back soon", 1012, 1, WSOCK_BY_PEER, WSOCK_OK);
    CHECK_ENDED(srv.conn[i]);
  }
  CHECK_INT(srv.count, 5);
  section("a server without connections ends as well, but not inside the call");
  struct srv lonely = {0};
  srv_listen(&lonely, loop, NULL);
  CHECK_STATUS(wsock_server_close(lonely.server, 0, 0, NULL), WSOCK_OK);
  CHECK_INT(lonely.releases, 0);
  PUMP_UNTIL(loop, lonely.releases == 1);
  section("run returns when nothing is left to wait for");
  CHECK_STATUS(run_loop(loop), WSOCK_OK);
  free_loop(loop);
  CHECK(srv.releases == 1 && lonely.releases == 1);
  srv_free(&srv);
}

int main(void) {
  both_sides();
  in_callbacks();
  aborts();
  fprintf(stderr, "- a client of ours, a raw server\n");
  raw_peers(0);
  fprintf(stderr, "- a server of ours, a raw client\n");
  raw_peers(1);
  client_waits_for_tcp();
  servers();
  return check_end();
}
