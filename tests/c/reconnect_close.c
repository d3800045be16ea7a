/* A client that would come back is closed, aborted or freed: while it waits, tries or is open, inside
   on_retry and from other threads. It stays away, and its end is told once. */
#include "reconnect.h"

/* It has ended because the application wanted so, and nobody came to the server since. */
static void expect_given_up(struct world *w, int retries) {
  PUMP_UNTIL(w->loop, w->client.releases);
  CHECK_ENDED(&w->client);
  CHECK_INT(w->client.errors, 1);
  CHECKF(w->client.error.code == WSOCK_ERR_ABORTED, "%s", w->client.error.message);
  CHECK_INT(w->client.close.layer, WSOCK_LAYER_LOCAL);
  CHECK_INT(w->client.retries, retries);
  pump_for(w->loop, 3 * CAP);
  CHECK(raw_nobody(w->listener));
}

static void close_inside(struct world *w, char event) {
  if (event == 'T') CHECK_STATUS(wsock_conn_close(w->client.conn, 1000, "enough"), WSOCK_OK);
}
static void abort_inside(struct world *w, char event) {
  if (event == 'T') CHECK_STATUS(wsock_conn_abort(w->client.conn), WSOCK_OK);
}
static void *close_elsewhere(void *conn) {
  CHECK_STATUS(wsock_conn_close(conn, 1000, NULL), WSOCK_OK);
  return NULL;
}
static void *abort_elsewhere(void *conn) {
  CHECK_STATUS(wsock_conn_abort(conn), WSOCK_OK);
  return NULL;
}
static struct rec twins[2];
static void close_twin(struct rec *rec, char event) {
  if (event == 'T') CHECK_STATUS(wsock_conn_close(twins[rec == twins].conn, 1000, NULL), WSOCK_OK);
}

static void giving_up(void) {
  struct world w;
  struct raw raw, raws[2];
  section("wsock_conn_close while it waits");
  world_new(&w, -1);
  world_waiting(&w);
  CHECK_STATUS(wsock_conn_close(w.client.conn, 1000, "never mind"), WSOCK_OK);
  CHECK_INT(wsock_conn_state(w.client.conn), WSOCK_CLOSING);
  CHECK_STATUS(run_loop(w.loop), WSOCK_OK);
  expect_given_up(&w, 1);
  section("wsock_conn_abort while it waits");
  world_waiting(&w);
  CHECK_STATUS(wsock_conn_abort(w.client.conn), WSOCK_OK);
  expect_given_up(&w, 1);
  section("from another thread");
  world_waiting(&w);
  in_thread(close_elsewhere, w.client.conn);
  expect_given_up(&w, 1);
  world_waiting(&w);
  in_thread(abort_elsewhere, w.client.conn);
  expect_given_up(&w, 1);
  section("while an attempt is under way");
  world_connect(&w);
  raw_accept(&raw, w.loop, w.listener);
  CHECK_STATUS(wsock_conn_close(w.client.conn, 0, NULL), WSOCK_OK);
  expect_given_up(&w, 0);
  raw_close(&raw);
  section("while open: abort, here and from another thread");
  world_connect(&w);
  world_serve(&w, &raw);
  CHECK_STATUS(wsock_conn_abort(w.client.conn), WSOCK_OK);
  expect_given_up(&w, 0);
  raw_close(&raw);
  world_connect(&w);
  world_serve(&w, &raw);
  in_thread(abort_elsewhere, w.client.conn);
  expect_given_up(&w, 0);
  raw_close(&raw);
  section("closing, when the connection is lost instead");
  world_connect(&w);
  world_serve(&w, &raw);
  CHECK_STATUS(wsock_conn_close(w.client.conn, 1000, "bye"), WSOCK_OK);
  raw_reset(&raw);
  PUMP_UNTIL(w.loop, w.client.releases);
  CHECK_ENDED(&w.client);
  CHECK(w.client.retries == 0 && w.client.errors == 1);

  section("inside on_retry");
  w.each = close_inside;
  world_connect(&w);
  refuse_for(&w, 0);
  expect_given_up(&w, 1);
  w.each = abort_inside;
  world_connect(&w);
  refuse_for(&w, 0);
  expect_given_up(&w, 1);

  section("inside on_retry of another one that was lost in the same turn: it hears of its end only");
  w.each = NULL;
  for (int i = 0; i < 2; i++) {
    memset(&twins[i], 0, sizeof twins[i]);
    twins[i].reconnects = 1;
    twins[i].hook = close_twin;
    connect_to(&twins[i], w.loop, url_of(w.port, "/"), w.options);
    raw_welcome(&raws[i], raw_accept(&raws[i], w.loop, w.listener), "");
    PUMP_UNTIL(w.loop, twins[i].opens);
  }
  raw_reset(&raws[0]);
  raw_reset(&raws[1]);
  sleep_ms(20);
  PUMP_UNTIL(w.loop, twins[0].releases || twins[1].releases);
  CHECK_INT(twins[0].retries + twins[1].retries, 1);
  CHECK_STATUS(wsock_conn_abort(twins[twins[0].releases].conn), WSOCK_OK);
  PUMP_UNTIL(w.loop, twins[0].releases && twins[1].releases);
  CHECK_ENDED(&twins[0]);
  CHECK_ENDED(&twins[1]);

  section("wsock_loop_free while it waits: one on_close");
  world_waiting(&w);
  CHECK_INT(w.client.closes, 0);
  world_free(&w);
  CHECK(w.client.closes == 1 && w.client.errors == 1 && w.client.error.code == WSOCK_ERR_ABORTED && w.client.retries == 1);
}

int main(void) {
  giving_up();
  return check_end();
}
