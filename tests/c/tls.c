/* TLS through the header: whom clients and servers trust, what they say when they do not, sessions,
   newer certificates, and how TLS ends. */
#include "certs.h"

#define SHORT 150

/* The text of a file, in one of four buffers. */
static const char *content(const char *file) {
  static char texts[4][8192];
  static int next;
  char *text = texts[next = (next + 1) % 4];
  FILE *f = fopen(path(file), "r");
  REQUIRE(f != NULL);
  size_t n = fread(text, 1, sizeof texts[0] - 1, f);
  fclose(f);
  REQUIRE(n > 0);
  text[n] = 0;
  return text;
}

/* A TLS server that echoes, on a loop of its own. It notes what its last request told. */
struct world {
  wsock_loop *loop;
  struct srv srv;
  char subject[256], sni[256];
};
static int32_t look(struct srv *srv, wsock_request *request) {
  struct world *world = srv->arg;
  snprintf(world->subject, sizeof world->subject, "%s", wsock_request_get_str(request, WSOCK_REQUEST_PEER_SUBJECT, NULL));
  snprintf(world->sni, sizeof world->sni, "%s", wsock_request_get_str(request, WSOCK_REQUEST_TLS_SERVER_NAME, NULL));
  return 0;
}
static void world_open(struct world *world, wsock_options *server) {
  memset(world, 0, sizeof *world);
  world->loop = new_loop();
  world->srv.echo = 1;
  world->srv.arg = world;
  world->srv.request = look;
  srv_listen(&world->srv, world->loop, server);
  wsock_options_free(server);
}
static void world_free(struct world *world) {
  free_loop(world->loop);
  CHECK_INT(world->srv.releases, 1);
  srv_free(&world->srv);
}
static void call(struct world *world, struct rec *client, const char *host, const wsock_options *options) {
  memset(client, 0, sizeof *client);
  connect_to(client, world->loop, wss(host, world->srv.port), options);
  PUMP_UNTIL(world->loop, client->opens || client->releases);
}
static void echoes(struct world *world, struct rec *client, size_t len) {
  char *data = malloc(len);
  int before = client->messages;
  for (size_t i = 0; i < len; i++) data[i] = (char)(i * i % 251);
  wsock_status sent = wsock_conn_send_binary(client->conn, data, len);
  CHECKF(sent == WSOCK_OK || sent == WSOCK_BUFFERED, "sending gave %d", (int)sent);
  PUMP_UNTIL(world->loop, client->messages > before || client->releases);
  CHECK(client->len == len && memcmp(client->data, data, len) == 0);
  free(data);
}
static void hang_up(struct world *world, struct rec *client) {
  CHECK_STATUS(wsock_conn_close(client->conn, 1000, ""), WSOCK_OK);
  PUMP_UNTIL(world->loop, client->releases);
  CHECK_ENDED(client);
  CHECKF(client->close.was_clean && client->close.code == 1000, "%s", client->error.message);
  rec_free(client);
}
/* It works, there and back. The options are freed. */
static void works(struct world *world, const char *host, wsock_options *options) {
  struct rec client;
  call(world, &client, host, options);
  CHECKF(client.opens == 1, "%s", client.error.message);
  if (client.opens) {
    echoes(world, &client, 1000);
    hang_up(world, &client);
  }
  wsock_options_free(options);
}
/* It does not, with that status and these words. The options are freed. */
static void fails(struct world *world, const char *host, wsock_options *options, int32_t status, const char *words) {
  struct rec client;
  call(world, &client, host, options);
  /* With TLS 1.3 a client is done before the server has seen its certificate. */
  PUMP_UNTIL(world->loop, client.releases);
  CHECK_ENDED(&client);
  CHECK_INT(client.opens, 0);
  CHECK_INT(client.error.code, status);
  CHECKF(strstr(client.error.message, words) != NULL, "\"%s\" has no \"%s\"", client.error.message, words);
  CHECK(client.error.reserved == 0);
  rec_free(&client);
  wsock_options_free(options);
}

static void trust(void) {
  struct world world;
  struct rec client;
  section("echo over wss: CA from a file and from memory");
  world_open(&world, shows(new_options(), "server"));
  works(&world, "127.0.0.1", trusts("ca.pem"));
  works(&world, "localhost", trusts("ca.pem"));
  works(&world, "127.0.0.1", text_option(new_options(), WSOCK_OPT_TLS_CA_PEM, content("ca.pem")));
  works(&world, "127.0.0.1", option(trusts("ca.pem"), WSOCK_OPT_TLS_SYSTEM_TRUST, 1));

  section("what the handshake came to can be read");
  wsock_options *o = text_option(trusts("ca.pem"), WSOCK_OPT_TLS_SERVER_NAME, "a.example");
  call(&world, &client, "127.0.0.1", o);
  CHECK_STR(wsock_conn_get_str(client.conn, WSOCK_CONN_TLS_VERSION, NULL), "TLSv1.3");
  CHECK(strncmp(wsock_conn_get_str(client.conn, WSOCK_CONN_TLS_CIPHER, NULL), "TLS_", 4) == 0);
  CHECK_STR(wsock_conn_get_str(client.conn, WSOCK_CONN_TLS_SERVER_NAME, NULL), "a.example");
  CHECK_STR(wsock_conn_get_str(client.conn, WSOCK_CONN_PEER_SUBJECT, NULL), "CN=first");
  CHECK_STR(world.sni, "a.example");
  CHECK_STR(world.subject, "");
  struct rec *peer = world.srv.conn[world.srv.count - 1];
  CHECK(strncmp(wsock_conn_get_str(peer->conn, WSOCK_CONN_URL, NULL), "wss://", 6) == 0);
  CHECK_STR(wsock_conn_get_str(peer->conn, WSOCK_CONN_TLS_VERSION, NULL), "TLSv1.3");

  section("large messages both ways");
  echoes(&world, &client, 5000000);
  echoes(&world, &client, 16384);
  hang_up(&world, &client);
  wsock_options_free(o);

  section("the system does not know our CA");
  fails(&world, "127.0.0.1", new_options(), WSOCK_ERR_CERTIFICATE, "");
  section("unknown issuer");
  fails(&world, "127.0.0.1", trusts("other-ca.pem"), WSOCK_ERR_CERTIFICATE, "unknown issuer CN=Test CA: to trust it, give it in WSOCK_OPT_TLS_CA_FILE");
  section("a CA that was taken back");
  fails(&world, "127.0.0.1", text_option(option(trusts("ca.pem"), WSOCK_OPT_TLS_MIN_VERSION, 12), WSOCK_OPT_TLS_CA_FILE, ""), WSOCK_ERR_CERTIFICATE, "");
  section("wrong host");
  fails(&world, "127.0.0.1", text_option(trusts("ca.pem"), WSOCK_OPT_TLS_SERVER_NAME, "other.example"), WSOCK_ERR_CERTIFICATE, "not for other.example");
  fails(&world, "127.0.0.2", trusts("ca.pem"), WSOCK_ERR_CONNECT, "127.0.0.2");

  section("pins");
  o = trusts("ca.pem");
  CHECK_STATUS(wsock_options_add_pin(o, content("b.pin")), WSOCK_OK);
  call(&world, &client, "127.0.0.1", o);
  CHECK_INT(client.error.code, WSOCK_ERR_CERTIFICATE);
  CHECKF(strstr(client.error.message, content("server.pin")) != NULL, "%s", client.error.message);
  rec_free(&client);
  CHECK_STATUS(wsock_options_add_pin(o, content("server.pin")), WSOCK_OK);
  works(&world, "127.0.0.1", o);

  section("DANGER: any certificate, but pins still count");
  works(&world, "127.0.0.1", option(trusts("other-ca.pem"), WSOCK_OPT_DANGER_ACCEPT_ANY_CERTIFICATE, 1));
  o = option(new_options(), WSOCK_OPT_DANGER_ACCEPT_ANY_CERTIFICATE, 1);
  CHECK_STATUS(wsock_options_add_pin(o, content("b.pin")), WSOCK_OK);
  fails(&world, "127.0.0.1", o, WSOCK_ERR_CERTIFICATE, "pin");
  world_free(&world);

  section("certificates of the server that are not good");
  world_open(&world, shows(new_options(), "expired"));
  fails(&world, "127.0.0.1", trusts("ca.pem"), WSOCK_ERR_CERTIFICATE, "the certificate of 127.0.0.1 expired on 2025-01-31");
  world_free(&world);
  world_open(&world, shows(new_options(), "elsewhere"));
  fails(&world, "127.0.0.1", trusts("ca.pem"), WSOCK_ERR_CERTIFICATE, "the certificate of 127.0.0.1 is for x.example, *.y.example, not for 127.0.0.1");
  world_free(&world);
}

static void names(void) {
  struct world world;
  struct rec client;
  static const char *const asked[][2] = {{"a.example", "CN=first"}, {"b.example", "CN=b"}, {"x.c.example", "CN=b"}};
  section("the certificate for the name asked for");
  world_open(&world, shows(shows(new_options(), "server"), "b"));
  for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
    wsock_options *o = text_option(trusts("ca.pem"), WSOCK_OPT_TLS_SERVER_NAME, asked[i][0]);
    call(&world, &client, "127.0.0.1", o);
    CHECK_STR(wsock_conn_get_str(client.conn, WSOCK_CONN_PEER_SUBJECT, NULL), asked[i][1]);
    CHECK_STR(world.sni, asked[i][0]);
    hang_up(&world, &client);
    wsock_options_free(o);
  }
  world_free(&world);
}

static void client_certificates(void) {
  struct world world;
  wsock_options *o;
  section("client certificates: ignored");
  world_open(&world, shows(new_options(), "server"));
  works(&world, "127.0.0.1", shows(trusts("ca.pem"), "client"));
  CHECK_STR(world.subject, "");
  world_free(&world);
  for (int required = 0; required < 2; required++) {
    section(required ? "client certificates: required" : "client certificates: optional");
    o = shows(trusts("ca.pem"), "server");
    world_open(&world, option(o, WSOCK_OPT_TLS_CLIENT_CERT, required ? WSOCK_CLIENT_CERT_REQUIRED : WSOCK_CLIENT_CERT_OPTIONAL));
    works(&world, "127.0.0.1", shows(trusts("ca.pem"), "client"));
    CHECKF(strstr(world.subject, "CN=client") && strstr(world.subject, "O=Example"), "%s", world.subject);
    fails(&world, "127.0.0.1", shows(trusts("ca.pem"), "strange"), WSOCK_ERR_TLS, "unknown_ca");
    world.subject[0] = 0;
    if (required) fails(&world, "127.0.0.1", trusts("ca.pem"), WSOCK_ERR_TLS, "wsock_options_add_cert_files");
    else works(&world, "127.0.0.1", trusts("ca.pem"));
    CHECK_STR(world.subject, "");
    world_free(&world);
  }
  section("asking clients needs a certificate and a CA");
  wsock_loop *loop = new_loop();
  wsock_handlers h = rec_handlers();
  wsock_server *server = NULL;
  o = option(new_options(), WSOCK_OPT_TLS_CLIENT_CERT, WSOCK_CLIENT_CERT_REQUIRED);
  h.release = NULL;
  CHECK_REFUSED(wsock_listen(loop, "127.0.0.1", 0, o, &h, NULL, &server), WSOCK_ERR_INVALID_ARGUMENT);
  shows(o, "server");
  CHECK_REFUSED(wsock_listen(loop, "127.0.0.1", 0, o, &h, NULL, &server), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK(server == NULL);
  wsock_options_free(o);
  free_loop(loop);
}

static void versions(void) {
  struct world world;
  struct rec client;
  section("the oldest version");
  world_open(&world, option(shows(new_options(), "server"), WSOCK_OPT_TLS_MIN_VERSION, 13));
  wsock_options *o = option(trusts("ca.pem"), WSOCK_OPT_TLS_MIN_VERSION, 13);
  call(&world, &client, "127.0.0.1", o);
  CHECK_STR(wsock_conn_get_str(client.conn, WSOCK_CONN_TLS_VERSION, NULL), "TLSv1.3");
  hang_up(&world, &client);
  wsock_options_free(o);
  world_free(&world);
}

static uint64_t resumed(struct world *world, const wsock_options *options) {
  struct rec client;
  call(world, &client, "127.0.0.1", options);
  echoes(world, &client, 10);
  uint64_t resumed = conn_stats(client.conn).tls_resumed;
  struct rec *peer = world->srv.conn[world->srv.count - 1];
  CHECK_INT(conn_stats(peer->conn).tls_resumed, resumed);
  hang_up(world, &client);
  return resumed;
}
static void sessions(void) {
  struct world world;
  struct rec client;
  section("sessions are resumed from one connection to the next");
  world_open(&world, shows(new_options(), "server"));
  wsock_options *o = trusts("ca.pem");
  CHECK_INT(resumed(&world, o), 0);
  CHECK_INT(resumed(&world, o), 1);
  option(o, WSOCK_OPT_TLS_RESUMPTION, 0);
  CHECK_INT(resumed(&world, o), 0);
  CHECK_INT(resumed(&world, o), 0);
  option(o, WSOCK_OPT_TLS_RESUMPTION, 1);
  CHECK_INT(resumed(&world, o), 0);

  section("a newer certificate for who comes from now on");
  wsock_options *newer = shows(new_options(), "renewed");
  call(&world, &client, "127.0.0.1", o);
  CHECK_STATUS(wsock_server_set_tls(world.srv.server, newer), WSOCK_OK);
  echoes(&world, &client, 100);
  hang_up(&world, &client);
  CHECK_INT(resumed(&world, o), 1);
  wsock_options *fresh = trusts("ca.pem");
  call(&world, &client, "127.0.0.1", fresh);
  CHECK_STR(wsock_conn_get_str(client.conn, WSOCK_CONN_PEER_SUBJECT, NULL), "CN=second");
  hang_up(&world, &client);
  CHECK_REFUSED(wsock_server_set_tls(world.srv.server, NULL), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_server_set_tls(world.srv.server, fresh), WSOCK_ERR_INVALID_ARGUMENT);
  wsock_options_free(fresh);
  world_free(&world);

  section("a server without TLS gets none");
  struct srv plain = {0};
  wsock_loop *loop = new_loop();
  srv_listen(&plain, loop, NULL);
  CHECK_REFUSED(wsock_server_set_tls(plain.server, newer), WSOCK_ERR_STATE);
  free_loop(loop);
  wsock_options_free(newer);
  wsock_options_free(o);
}

static void plain(void) {
  struct world world;
  struct raw raw;
  struct pair pair;
  struct rec client = {0};
  section("plain HTTP to a TLS port");
  world_open(&world, shows(new_options(), "server"));
  raw_connect(&raw, world.loop, world.srv.port);
  raw_text(&raw, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const char *head = raw_head(&raw);
  CHECKF(strncmp(head, "HTTP/1.1 400 ", 13) == 0, "%s", head);
  RAW_UNTIL(&raw, raw.eof || raw.reset);
  raw_close(&raw);
  connect_to(&client, world.loop, url_of(world.srv.port, "/"), NULL);
  PUMP_UNTIL(world.loop, client.releases);
  CHECK_INT(client.error.http_status, 400);
  CHECKF(strstr(client.body, "wss://") != NULL, "%s", client.body);
  rec_free(&client);
  CHECK_INT(server_stats(world.srv.server).handshake_errors, 2);
  CHECK_INT(server_stats(world.srv.server).tls_errors, 2);
  world_free(&world);

  section("TLS to a plain port");
  pair_open(&pair, NULL, NULL);
  memset(&client, 0, sizeof client);
  connect_to(&client, pair.loop, wss("127.0.0.1", pair.srv.port), NULL);
  PUMP_UNTIL(pair.loop, client.releases);
  CHECK_INT(client.error.code, WSOCK_ERR_TLS);
  CHECKF(strstr(client.error.message, "use ws://") != NULL, "%s", client.error.message);
  rec_free(&client);
  pair_echo(&pair);
  pair_free(&pair);

  section("a plain connection has no texts about TLS");
  pair_open(&pair, NULL, NULL);
  CHECK_STR(wsock_conn_get_str(pair.client.conn, WSOCK_CONN_TLS_VERSION, NULL), "");
  CHECK_STR(wsock_conn_get_str(pair.client.conn, WSOCK_CONN_PEER_SUBJECT, NULL), "");
  CHECK_INT(conn_stats(pair.client.conn).tls_resumed, 0);
  pair_free(&pair);
}

static void timeouts(void) {
  struct world world;
  struct raw raw;
  struct rec client = {0};
  uint16_t port;
  section("the handshake takes too long: a server that says nothing");
  wsock_loop *loop = new_loop();
  wsock_options *o = option(new_options(), WSOCK_OPT_HANDSHAKE_TIMEOUT_MS, SHORT);
  int listener = raw_listen(&port, 4);
  connect_to(&client, loop, wss("127.0.0.1", port), o);
  PUMP_UNTIL(loop, client.releases);
  CHECK_INT(client.error.code, WSOCK_ERR_HANDSHAKE_TIMEOUT);
  CHECKF(strstr(client.error.message, "TLS handshake") != NULL, "%s", client.error.message);
  rec_free(&client);
  close(listener);

  section("the server hangs up in the handshake");
  memset(&client, 0, sizeof client);
  listener = raw_listen(&port, 4);
  connect_to(&client, loop, wss("127.0.0.1", port), NULL);
  int fd = -1;
  PUMP_UNTIL(loop, (fd = accept(listener, NULL, NULL)) >= 0);
  raw_start(&raw, loop, fd);
  RAW_UNTIL(&raw, raw.len > 0);
  CHECK_INT(raw.in[0], 22);
  raw_close(&raw);
  PUMP_UNTIL(loop, client.releases);
  CHECK_INT(client.error.code, WSOCK_ERR_CONNECTION_LOST);
  rec_free(&client);
  close(listener);
  free_loop(loop);

  section("the handshake takes too long: a client that says nothing");
  world_open(&world, shows(o, "server"));
  raw_connect(&raw, world.loop, world.srv.port);
  RAW_UNTIL(&raw, raw.eof || raw.reset);
  raw_close(&raw);
  CHECK_INT(server_stats(world.srv.server).handshake_timeouts, 1);
  world_free(&world);
}

/* Between a client and the server: carries bytes, and can let go of both. */
struct relay {
  int listener;
  uint16_t port;
  struct raw near, far;
};
static void carry(struct raw *from, struct raw *to, size_t most) {
  raw_fill(from);
  while (from->len) {
    size_t n = from->len < most ? from->len : most;
    raw_send(to, from->in, n);
    raw_take(from, n);
  }
}
static void relay_open(struct relay *relay, struct world *world, struct rec *client, const wsock_options *options, size_t most) {
  memset(client, 0, sizeof *client);
  relay->listener = raw_listen(&relay->port, 4);
  connect_to(client, world->loop, wss("127.0.0.1", relay->port), options);
  int fd = -1;
  PUMP_UNTIL(world->loop, (fd = accept(relay->listener, NULL, NULL)) >= 0);
  raw_start(&relay->near, world->loop, fd);
  raw_connect(&relay->far, world->loop, world->srv.port);
  PUMP_UNTIL(world->loop, (carry(&relay->near, &relay->far, most), carry(&relay->far, &relay->near, most), client->opens || client->releases));
}
static void relay_close(struct relay *relay) {
  raw_close(&relay->near);
  raw_close(&relay->far);
  close(relay->listener);
}
static void ends(void) {
  struct world world;
  struct relay relay;
  struct rec client;
  wsock_options *o = trusts("ca.pem");
  section("records in small pieces");
  world_open(&world, shows(new_options(), "server"));
  relay_open(&relay, &world, &client, o, 7);
  CHECK_INT(client.opens, 1);

  section("TCP that is cut off is not the end of TLS");
  struct rec *peer = world.srv.conn[world.srv.count - 1];
  relay_close(&relay);
  PUMP_UNTIL(world.loop, client.releases && peer->releases);
  CHECK_INT(client.error.code, WSOCK_ERR_TLS_TRUNCATED);
  CHECK_INT(peer->error.code, WSOCK_ERR_TLS_TRUNCATED);
  CHECK_ENDED(&client);
  CHECK_INT(client.close.code, 1006);
  rec_free(&client);

  section("a byte changed on the way");
  relay_open(&relay, &world, &client, o, 1 << 20);
  CHECK_STATUS(wsock_conn_send_text(client.conn, "hello", 5), WSOCK_OK);
  RAW_UNTIL(&relay.near, relay.near.len > 20);
  relay.near.in[relay.near.len - 1] ^= 1;
  PUMP_UNTIL(world.loop, (carry(&relay.near, &relay.far, 1 << 20), carry(&relay.far, &relay.near, 1 << 20), client.releases));
  CHECK_INT(client.error.code, WSOCK_ERR_TLS);
  CHECK_INT(client.error.tls_alert, 20);
  peer = world.srv.conn[world.srv.count - 1];
  CHECK_INT(peer->messages, 0);
  CHECK_INT(peer->error.code, WSOCK_ERR_TLS);
  relay_close(&relay);
  rec_free(&client);

  section("TLS is ended before TCP: the last record is an alert");
  relay_open(&relay, &world, &client, o, 1 << 20);
  CHECK_STATUS(wsock_conn_close(client.conn, 1000, ""), WSOCK_OK);
  PUMP_UNTIL(world.loop, (carry(&relay.near, &relay.far, 1 << 20), raw_fill(&relay.far), relay.far.eof || relay.far.reset));
  CHECK(relay.far.eof && !relay.far.reset);
  size_t at = 0, last = 0, records = 0;
  while (at + 5 <= relay.far.len) {
    last = at;
    at += 5 + ((size_t)relay.far.in[at + 3] << 8 | relay.far.in[at + 4]);
    records++;
  }
  CHECK(at == relay.far.len && records >= 2);
  /* an alert of two bytes, its kind and the tag around it */
  CHECK_INT(relay.far.len - last, 5 + 2 + 1 + 16);
  carry(&relay.far, &relay.near, 1 << 20);
  raw_close(&relay.far);
  PUMP_UNTIL(world.loop, client.releases || (raw_fill(&relay.near), relay.near.eof));
  raw_close(&relay.near);
  PUMP_UNTIL(world.loop, client.releases);
  CHECK(client.close.was_clean == 1 && client.errors == 0);
  close(relay.listener);
  rec_free(&client);

  section("aborting is a reset, with TLS too");
  relay_open(&relay, &world, &client, o, 1 << 20);
  CHECK_STATUS(wsock_conn_abort(client.conn), WSOCK_OK);
  RAW_UNTIL(&relay.near, relay.near.eof || relay.near.reset);
  CHECK(relay.near.reset && relay.near.len == 0);
  PUMP_UNTIL(world.loop, client.releases);
  CHECK_INT(client.error.code, WSOCK_ERR_ABORTED);
  relay_close(&relay);
  rec_free(&client);

  section("a message that is too big is answered with 1009, through TLS");
  struct world strict;
  world_open(&strict, shows(option(new_options(), WSOCK_OPT_MAX_MESSAGE_SIZE, 1000), "server"));
  call(&strict, &client, "127.0.0.1", o);
  CHECK_STATUS(wsock_conn_send_binary(client.conn, content("ca.pem"), 300), WSOCK_OK);
  static const char big[100000];
  CHECK_STATUS(wsock_conn_send_binary(client.conn, big, sizeof big), WSOCK_OK);
  PUMP_UNTIL(strict.loop, client.releases && strict.srv.conn[0]->releases);
  CHECK_INT(client.close.code, 1009);
  CHECK_INT(client.errors, 0);
  CHECK_INT(strict.srv.conn[0]->error.code, WSOCK_ERR_TOO_BIG);
  rec_free(&client);
  world_free(&strict);

  section("a peer that does not read");
  option(o, WSOCK_OPT_CLOSE_TIMEOUT_MS, SHORT);
  relay_open(&relay, &world, &client, o, 1 << 20);
  static char much[8000000];
  CHECK_STATUS(wsock_conn_send_binary(client.conn, much, sizeof much), WSOCK_BUFFERED);
  CHECK_STATUS(wsock_conn_close(client.conn, 1000, ""), WSOCK_OK);
  PUMP_UNTIL(world.loop, client.releases);
  CHECK_INT(client.error.code, WSOCK_ERR_CLOSE_TIMEOUT);
  CHECK(client.close.unsent_bytes > 0 && client.close.unsent_bytes < sizeof much);
  relay_close(&relay);
  rec_free(&client);

  section("what is encrypted and has not left is not sent");
  relay_open(&relay, &world, &client, o, 1 << 20);
  size_t given = 0, came = 0, place = 0;
  while (wsock_conn_buffered_amount(client.conn) == 0 && given < 100000000) {
    wsock_status sent = wsock_conn_send_binary(client.conn, much, 10000);
    CHECKF(sent == WSOCK_OK || sent == WSOCK_BUFFERED, "sending gave %d", (int)sent);
    given += 10000;
    pump(world.loop);
  }
  CHECK_STATUS(wsock_conn_close(client.conn, 1000, ""), WSOCK_OK);
  PUMP_UNTIL(world.loop, client.releases);
  CHECK_INT(client.error.code, WSOCK_ERR_CLOSE_TIMEOUT);
  RAW_UNTIL(&relay.near, relay.near.eof || relay.near.reset);
  for (;;) {
    /* the kind and the tag are around what a record holds */
    size_t len = place + 5 > relay.near.len ? 0 : (size_t)relay.near.in[place + 3] << 8 | relay.near.in[place + 4];
    if (len == 0 || place + 5 + len > relay.near.len) break;
    came += len - 17;
    place += 5 + len;
  }
  /* a record that was cut: what has left of it is not unsent */
  came += relay.near.len - place;
  CHECKF(came + client.close.unsent_bytes >= given, "%zu came of %zu, %zu unsent", came, given, (size_t)client.close.unsent_bytes);
  relay_close(&relay);
  rec_free(&client);
  wsock_options_free(o);
  world_free(&world);
}

static void bad_input(void) {
  wsock_options *o = new_options();
  section("bad input is refused when it is set, with nothing changed");
  CHECK_REFUSED(wsock_options_set_str(o, WSOCK_OPT_TLS_CA_FILE, "/no/such/file"), WSOCK_ERR_INVALID_ARGUMENT);
  CHECKF(strstr(last_text(), "\"/no/such/file\": No such file") != NULL, "%s", last_text());
  CHECK_INT(last_error().os_error, ENOENT);
  CHECK_REFUSED(wsock_options_set_str(o, WSOCK_OPT_TLS_CA_FILE, path("server.key")), WSOCK_ERR_INVALID_ARGUMENT);
  CHECKF(strstr(last_text(), "holds no certificate") != NULL, "%s", last_text());
  CHECK_REFUSED(wsock_options_set_str(o, WSOCK_OPT_TLS_CA_PEM, "hello"), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_options_set_str(o, WSOCK_OPT_TLS_SERVER_NAME, "not a name"), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_options_set_int(o, WSOCK_OPT_TLS_MIN_VERSION, 11), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_options_set_int(o, WSOCK_OPT_TLS_CLIENT_CERT, 3), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_options_add_cert_files(o, path("server.pem"), path("b.key")), WSOCK_ERR_INVALID_ARGUMENT);
  CHECKF(strstr(last_text(), "the private key does not belong to the certificate of CN=first") != NULL, "%s", last_text());
  CHECK_REFUSED(wsock_options_add_cert_files(o, path("server.pem"), path("encrypted.key")), WSOCK_ERR_INVALID_ARGUMENT);
  CHECKF(strstr(last_text(), "openssl pkey") != NULL, "%s", last_text());
  CHECK_REFUSED(wsock_options_add_cert_files(o, path("server.key"), path("server.pem")), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_options_add_cert_pem(o, "", ""), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_options_add_cert_pem(o, NULL, ""), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_options_add_cert_files(o, "", NULL), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_options_add_pin(o, NULL), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_options_add_pin(o, ""), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_options_add_pin(o, "sha256/2tHZ9Vm1VDLMWlLDkaHSHPRCcVyUYYZxPYIb4CrFBMo="), WSOCK_ERR_INVALID_ARGUMENT);
  CHECKF(strstr(last_text(), "sha256//") != NULL, "%s", last_text());
  /* None of it has stayed: it still is a server without TLS. */
  struct pair pair;
  pair_open(&pair, o, o);
  pair_echo(&pair);
  pair_free(&pair);

  section("certificates from memory");
  struct world world;
  CHECK_STATUS(wsock_options_add_cert_pem(o, content("server.pem"), content("server.key")), WSOCK_OK);
  world_open(&world, o);
  works(&world, "127.0.0.1", trusts("ca.pem"));
  world_free(&world);
}

int main(void) {
  CHECK((wsock_features() & WSOCK_FEATURE_TLS) != 0);
  trust();
  names();
  client_certificates();
  versions();
  sessions();
  plain();
  timeouts();
  ends();
  bad_input();
  return check_end();
}
