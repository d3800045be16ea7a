/* The opening handshake as a client: what it asks for, and what it makes of the answers of servers good and bad. */
#include "raw.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"

/* What our client makes of a server's answer; %s is the right accept value. */
#define HEAD101 "HTTP/1.1 101 Switching Protocols\r\n"
#define ACCEPT "Sec-WebSocket-Accept: %s\r\n"
static const struct { const char *name, *response; int32_t status; int http_status; } responses[] = {
    {"proper", HEAD101 UPGRADE ACCEPT "\r\n", WSOCK_OK, 0},
    {"no reason phrase, other case", "HTTP/1.1 101 \r\nUPGRADE: WebSocket\r\nCONNECTION: uPGRADE\r\nsec-websocket-accept:%s\r\n\r\n", WSOCK_OK, 0},
    {"the subprotocol that was asked for", HEAD101 UPGRADE ACCEPT "Sec-WebSocket-Protocol: asked\r\n\r\n", WSOCK_OK, 0},
    {"no accept", HEAD101 UPGRADE "\r\n", WSOCK_ERR_HANDSHAKE, 0},
    {"a wrong accept", HEAD101 UPGRADE "Sec-WebSocket-Accept: " RAW_ACCEPT "\r\n\r\n", WSOCK_ERR_HANDSHAKE, 0},
    {"two accepts", HEAD101 UPGRADE ACCEPT "Sec-WebSocket-Accept: " RAW_ACCEPT "\r\n\r\n", WSOCK_ERR_HANDSHAKE, 0},
    {"no Upgrade", HEAD101 "Connection: Upgrade\r\n" ACCEPT "\r\n", WSOCK_ERR_HANDSHAKE, 0},
    {"no Connection", HEAD101 "Upgrade: websocket\r\n" ACCEPT "\r\n", WSOCK_ERR_HANDSHAKE, 0},
    {"another upgrade", HEAD101 "Upgrade: h2c\r\nConnection: Upgrade\r\n" ACCEPT "\r\n", WSOCK_ERR_HANDSHAKE, 0},
    {"a subprotocol that was not asked for", HEAD101 UPGRADE ACCEPT "Sec-WebSocket-Protocol: other\r\n\r\n", WSOCK_ERR_HANDSHAKE, 0},
    {"two subprotocols", HEAD101 UPGRADE ACCEPT "Sec-WebSocket-Protocol: asked\r\nSec-WebSocket-Protocol: asked\r\n\r\n", WSOCK_ERR_HANDSHAKE, 0},
    {"an extension that was not asked for", HEAD101 UPGRADE ACCEPT "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", WSOCK_ERR_HANDSHAKE, 0},
    {"HTTP/1.0", "HTTP/1.0 101 Switching Protocols\r\n" UPGRADE ACCEPT "\r\n", WSOCK_ERR_HANDSHAKE, 0},
    {"not HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n", WSOCK_ERR_HANDSHAKE, 0},
    {"a TLS alert", "\x15\x03\x01\x02\x02\x46\r\n\r\n", WSOCK_ERR_HANDSHAKE, 0},
    {"a frame", "\x81\x05hello", WSOCK_ERR_HANDSHAKE, 0},
    {"a bad header", HEAD101 UPGRADE ACCEPT "no colon\r\n\r\n", WSOCK_ERR_HANDSHAKE, 0},
    {"nothing", "", WSOCK_ERR_HANDSHAKE, 0},
    {"half a head", "HTTP/1.1 101 Swi", WSOCK_ERR_HANDSHAKE, 0},
    {"404 with a body", "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\nX-Why: path\r\n\r\nnot here!", WSOCK_ERR_HTTP_STATUS, 404},
    {"200 to the end of the stream", "HTTP/1.1 200 OK\r\n\r\n<html>hello</html>", WSOCK_ERR_HTTP_STATUS, 200},
    {"chunked 500", "HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nworse\r\n4\r\nmore\r\n0\r\n\r\n", WSOCK_ERR_HTTP_STATUS, 500},
    {"redirect", "HTTP/1.1 302 Found\r\nLocation: ws://elsewhere.example/\r\nContent-Length: 0\r\n\r\n", WSOCK_ERR_HTTP_STATUS, 302},
    {"401", "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 4\r\n\r\nauth", WSOCK_ERR_HTTP_STATUS, 401},
};
static const char *refused_header;
static char refused_value[100];
static void read_refusal(struct rec *rec, char event) {
  if (event != 'E' && event != 'C') return;
  const char *value = wsock_conn_header(rec->conn, refused_header, 0, NULL);
  snprintf(refused_value, sizeof refused_value, "%s", value ? value : "(none)");
}
static void responses_of_servers(void) {
  wsock_loop *loop = new_loop();
  uint16_t port;
  int listener = raw_listen(&port, 8);
  wsock_options *o = new_options();
  char response[1000], accept_value[29];
  CHECK_STATUS(wsock_options_add_protocol(o, "asked"), WSOCK_OK);
  section("responses");
  for (size_t i = 0; i < COUNT(responses); i++) {
    struct rec client = {0};
    struct raw raw;
    const char *name = responses[i].name;
    client.hook = read_refusal;
    refused_header = responses[i].http_status == 302 ? "Location" : "X-Why";
    /* who asked for a subprotocol and gets none fails, whatever else is right */
    int asks = responses[i].status != WSOCK_OK || strstr(responses[i].response, "Protocol: asked") != NULL;
    connect_to(&client, loop, url_of(port, "/"), asks ? o : NULL);
    raw_accept_value(head_value(raw_accept(&raw, loop, listener), "Sec-WebSocket-Key"), accept_value);
    const char *pattern = strstr(responses[i].response, "%s");
    int n = pattern ? snprintf(response, sizeof response, "%.*s%s%s", (int)(pattern - responses[i].response), responses[i].response, accept_value, pattern + 2)
                    : snprintf(response, sizeof response, "%s", responses[i].response);
    raw_send(&raw, response, (size_t)n);
    if (responses[i].status == WSOCK_OK) {
      PUMP_UNTIL(loop, client.opens || client.closes);
      CHECKF(client.opens == 1, "%s: %s", name, client.error.message);
    } else {
      shutdown(raw.fd, SHUT_WR);
      PUMP_UNTIL(loop, client.releases);
      CHECKF(client.error.code == responses[i].status && client.close.status == responses[i].status, "%s: %d %s", name, (int)client.error.code, client.error.message);
      CHECKF(client.error.http_status == responses[i].http_status, "%s: status %d", name, (int)client.error.http_status);
      CHECK(client.close.code == 1006 && client.close.was_clean == 0 && client.opens == 0);
      if (responses[i].http_status == 404) {
        CHECK_STR(client.body, "not here!");
        CHECK_STR(refused_value, "path");
      }
      if (responses[i].http_status == 302) CHECK_STR(refused_value, "ws://elsewhere.example/");
      if (responses[i].http_status == 200) CHECK_STR(client.body, "<html>hello</html>");
      if (responses[i].http_status == 500) CHECK_STR(client.body, "worsemore");
    }
    raw_close(&raw);
    PUMP_UNTIL(loop, client.releases);
    CHECK_ENDED(&client);
  }

  section("a large body of a refusal: its first 4 KiB");
  struct rec client = {0};
  struct raw raw;
  static char body[20000];
  memset(body, 'b', sizeof body);
  connect_to(&client, loop, url_of(port, "/"), o);
  raw_accept(&raw, loop, listener);
  raw_text(&raw, "HTTP/1.1 503 Busy\r\nContent-Length: 20000\r\n\r\n");
  raw_send(&raw, body, sizeof body);
  PUMP_UNTIL(loop, client.releases);
  CHECK(client.error.http_status == 503 && strlen(client.body) == 4096);
  raw_close(&raw);

  section("a head without an end");
  memset(&client, 0, sizeof client);
  connect_to(&client, loop, url_of(port, "/"), o);
  raw_accept(&raw, loop, listener);
  raw_text(&raw, HEAD101 "X: ");
  for (int i = 0; i < 10 && !client.closes; i++) raw_send(&raw, body, sizeof body);
  PUMP_UNTIL(loop, client.releases);
  CHECK_INT(client.error.code, WSOCK_ERR_HANDSHAKE);
  raw_close(&raw);

  section("frames right behind the head, close frame included");
  memset(&client, 0, sizeof client);
  connect_to(&client, loop, url_of(port, "/"), NULL);
  raw_accept_value(head_value(raw_accept(&raw, loop, listener), "Sec-WebSocket-Key"), accept_value);
  int n = snprintf(response, sizeof response, HEAD101 UPGRADE ACCEPT "\r\n", accept_value);
  memcpy(response + n, "\x81\x05hello\x82\x01x\x88\x02\x03\xe8", 14);
  raw_send(&raw, response, (size_t)n + 14);
  CHECK_INT(raw_close_code(&raw), 1000);
  raw_close(&raw);
  PUMP_UNTIL(loop, client.releases);
  CHECK_STR(client.log, "OMCR");
  CHECK(client.messages == 2 && client.close.code == 1000 && client.close.was_clean == 1);

  section("byte by byte");
  rec_free(&client);
  memset(&client, 0, sizeof client);
  connect_to(&client, loop, url_of(port, "/"), NULL);
  raw_accept_value(head_value(raw_accept(&raw, loop, listener), "Sec-WebSocket-Key"), accept_value);
  n = snprintf(response, sizeof response, HEAD101 UPGRADE ACCEPT "\r\n", accept_value);
  for (int i = 0; i < n; i++) {
    raw_send(&raw, response + i, 1);
    poll_loop(loop, 0);
  }
  PUMP_UNTIL(loop, client.opens);
  raw_close(&raw);
  PUMP_UNTIL(loop, client.releases);
  close(listener);
  wsock_options_free(o);
  free_loop(loop);
}

static void request_of_client(void) {
  wsock_loop *loop = new_loop();
  uint16_t port;
  int listener = raw_listen(&port, 8);
  char url[100], host[40], keys[2][64], line[200];
  struct rec client[2] = {{0}};
  struct raw raw;
  section("the client's request");
  snprintf(url, sizeof url, "ws://us%%65r:p%%20w@127.0.0.1:%u/a/b?c=d%%20e", (unsigned)port);
  snprintf(host, sizeof host, "127.0.0.1:%u", (unsigned)port);
  for (int i = 0; i < 2; i++) {
    connect_to(&client[i], loop, url, NULL);
    const char *head = raw_accept(&raw, loop, listener);
    snprintf(line, sizeof line, "%.*s", (int)strcspn(head, "\r"), head);
    CHECK_STR(line, "GET /a/b?c=d%20e HTTP/1.1");
    CHECK_STR(head_value(head, "Host"), host);
    CHECK_STR(head_value(head, "Authorization"), "Basic dXNlcjpwIHc="); /* user:p w */
    CHECK_STR(head_value(head, "Sec-WebSocket-Version"), "13");
    CHECK(strcasecmp(head_value(head, "Upgrade"), "websocket") == 0 && strcasecmp(head_value(head, "Connection"), "upgrade") == 0);
    CHECK(*head_value(head, "Origin") == 0 && *head_value(head, "Sec-WebSocket-Protocol") == 0 && *head_value(head, "Sec-WebSocket-Extensions") == 0);
    snprintf(keys[i], sizeof keys[i], "%.60s", head_value(head, "Sec-WebSocket-Key"));
    CHECK(strlen(keys[i]) == 24);
    raw_close(&raw);
  }
  CHECK(strcmp(keys[0], keys[1]) != 0);
  section("the offer of compression");
  wsock_options *o = new_options();
  if (wsock_options_set_int(o, WSOCK_OPT_DEFLATE, 1) == WSOCK_OK) {
    struct rec compressed = {0};
    connect_to(&compressed, loop, url, o);
    CHECK(strncmp(head_value(raw_accept(&raw, loop, listener), "Sec-WebSocket-Extensions"), "permessage-deflate", 18) == 0);
    raw_close(&raw);
    PUMP_UNTIL(loop, compressed.releases);
  } else {
    CHECK((wsock_features() & WSOCK_FEATURE_DEFLATE) == 0);
  }
  wsock_options_free(o);
  close(listener);
  free_loop(loop);
  CHECK(client[0].releases == 1 && client[1].releases == 1);
}

/* An Origin that is set in two ways is found out when connecting, not sooner and by nothing else. */
static void origin_twice(void) {
  struct rec client = {0};
  static struct srv srv[2]; /* until the loop is freed */
  wsock_loop *loop = new_loop();
  wsock_handlers h = rec_handlers();
  wsock_conn *conn = (void *)0x51;
  uint16_t port;
  int listener = raw_listen(&port, 4);
  struct raw raw;
  section("Origin as an option and as a header");
  for (int header_first = 0; header_first < 2; header_first++) {
    wsock_options *o = new_options();
    if (header_first) CHECK_STATUS(wsock_options_add_header(o, "origin", "https://a.example"), WSOCK_OK);
    CHECK_STATUS(wsock_options_set_str(o, WSOCK_OPT_ORIGIN, "https://b.example"), WSOCK_OK);
    if (!header_first) CHECK_STATUS(wsock_options_add_header(o, "Origin", "https://a.example"), WSOCK_OK);
    CHECK_REFUSED(wsock_connect(loop, url_of(port, "/"), o, &h, &client, &conn), WSOCK_ERR_INVALID_ARGUMENT);
    CHECK(conn == (void *)0x51);
    CHECK_INT(poll_loop(loop, 0), 0);
    CHECK_STR(client.log, "");
    srv_listen(&srv[header_first], loop, o); /* means nothing to a server */
    CHECK_STATUS(wsock_options_set_str(o, WSOCK_OPT_ORIGIN, ""), WSOCK_OK);
    memset(&client, 0, sizeof client);
    connect_to(&client, loop, url_of(port, "/"), o);
    CHECK_STR(head_value(raw_accept(&raw, loop, listener), "Origin"), "https://a.example");
    raw_close(&raw);
    PUMP_UNTIL(loop, client.releases);
    memset(&client, 0, sizeof client);
    wsock_options_free(o);
  }
  close(listener);
  free_loop(loop);
}

/* A server that has read enough of a long request: it answers and hangs up, which resets the connection
   while the rest of the request is on its way. With `inside`, between the loop's look at its sockets and
   its next write. */
#define TOO_LARGE "HTTP/1.1 413 Content Too Large\r\nContent-Length: 7\r\n\r\nenough!"
static void hang_up(wsock_loop *loop, void *raw) {
  (void)loop;
  raw_text(raw, TOO_LARGE);
  raw_reset(raw);
}
static void early_refusal(int inside) {
  static char value[12 << 20], some[1 << 20];
  struct rec client = {0};
  struct raw raw;
  struct sockaddr_in a = loopback(0);
  socklen_t n = sizeof a;
  int small = 65536, fd = -1;
  wsock_loop *loop = new_loop();
  wsock_options *o = new_options();
  section(inside ? "a refusal and a reset found out by writing" : "a refusal and a reset while the request is going out");
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small) == 0);
  REQUIRE(bind(listener, (struct sockaddr *)&a, n) == 0 && listen(listener, 1) == 0 && getsockname(listener, (struct sockaddr *)&a, &n) == 0);
  REQUIRE(fcntl(listener, F_SETFL, O_NONBLOCK) == 0);
  memset(value, 'v', sizeof value - 1);
  CHECK_STATUS(wsock_options_add_header(o, "X-Long", value), WSOCK_OK);
  connect_to(&client, loop, url_of(ntohs(a.sin_port), "/"), o);
  PUMP_UNTIL(loop, (fd = accept(listener, NULL, NULL)) >= 0);
  REQUIRE(fd >= 0);
  raw_start(&raw, loop, fd);
  pump_for(loop, 30); /* now its socket is full */
  if (inside) {
    /* room again, which the loop learns of in the turn that runs the task */
    for (size_t got = 0; got < 6 << 20;) {
      ssize_t count = recv(fd, some, sizeof some, MSG_DONTWAIT);
      if (count <= 0) break;
      got += (size_t)count;
    }
    CHECK_STATUS(wsock_loop_post(loop, hang_up, &raw, NULL), WSOCK_OK);
  } else {
    hang_up(loop, &raw);
  }
  PUMP_UNTIL(loop, client.releases);
  CHECK_ENDED(&client);
  CHECKF(client.error.code == WSOCK_ERR_HTTP_STATUS && client.error.http_status == 413, "%d: %s", (int)client.error.code, client.error.message);
  CHECK_STR(client.body, "enough!");
  close(listener);
  wsock_options_free(o);
  free_loop(loop);
}

int main(void) {
  responses_of_servers();
  request_of_client();
  origin_twice();
  early_refusal(0);
  early_refusal(1);
  return check_end();
}
