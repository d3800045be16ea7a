/* What a server may answer before it lets a client in: go elsewhere, log in, take a cookie. */
#include "raw.h"

/* Two servers of other origins, whose answers are written here, and a client of ours. */
static wsock_loop *loop;
static int here, there;
static uint16_t here_port, there_port;
static struct rec client;
static struct raw raw;

static void begin(const char *url, const wsock_options *options) {
  rec_free(&client);
  memset(&client, 0, sizeof client);
  connect_to(&client, loop, url, options);
}
static void answer(const char *text) {
  raw_text(&raw, text);
  RAW_UNTIL(&raw, raw.eof || raw.reset); /* each way has a connection of its own */
  raw_close(&raw);
}
/* One redirect of the request that comes next; location NULL for none. */
static void redirect(int listener, int status, const char *location) {
  char text[1000];
  raw_accept(&raw, loop, listener);
  snprintf(text, sizeof text, "HTTP/1.1 %d Elsewhere\r\n%s%s%sContent-Length: 0\r\n\r\n", status, location ? "Location: " : "",
           location ? location : "", location ? "\r\n" : "");
  answer(text);
}
/* Lets the request that comes next in; gives its head. */
static const char *welcome(int listener, const char *headers) {
  const char *head = raw_accept(&raw, loop, listener);
  raw_welcome(&raw, head, headers);
  PUMP_UNTIL(loop, client.opens || client.closes);
  CHECKF(client.opens == 1 && client.errors == 0, "%s", client.error.message);
  return head;
}
static void leave(void) {
  CHECK_STATUS(wsock_conn_abort(client.conn), WSOCK_OK);
  PUMP_UNTIL(loop, client.releases);
  CHECK_ENDED(&client);
  raw_close(&raw);
}
static void expect_failure(int32_t code, int status) {
  PUMP_UNTIL(loop, client.releases);
  CHECK_ENDED(&client);
  CHECKF(client.opens == 0 && client.errors == 1 && client.error.code == code, "%d (%s), expected %d", (int)client.error.code,
         client.error.message, (int)code);
  CHECK_INT(client.error.http_status, status);
  CHECK(client.close.layer == WSOCK_LAYER_HTTP && client.close.code == 1006);
  CHECK(raw_nobody(here) && raw_nobody(there));
}
static int starts(const char *head, const char *with) { return strncmp(head, with, strlen(with)) == 0; }

static const char *url_there(const char *resource) {
  static char url[512];
  snprintf(url, sizeof url, "%s", url_of(there_port, resource));
  return url;
}
static wsock_options *following(int64_t redirects) { return option(new_options(), WSOCK_OPT_MAX_REDIRECTS, redirects); }

static void read_location(struct rec *rec, char event) {
  if (event == 'E') CHECK_STR(wsock_conn_header(rec->conn, "Location", 0, NULL), "/x");
}
static void followed(void) {
  static const int statuses[] = {301, 302, 303, 307, 308};
  char host[64];
  wsock_options *one = following(1), *three = following(3);
  section("redirects are followed to another server");
  for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
    begin(url_of(here_port, "/start?x=1"), one);
    redirect(here, statuses[i], url_there("/end?y=2"));
    const char *head = welcome(there, "");
    CHECK(starts(head, "GET /end?y=2 HTTP/1.1\r\n"));
    snprintf(host, sizeof host, "127.0.0.1:%u", (unsigned)there_port);
    CHECK_STR(head_value(head, "Host"), host);
    CHECK_STR(wsock_conn_get_str(client.conn, WSOCK_CONN_URL, NULL), url_there("/end?y=2"));
    raw_frame(&raw, 0x81, 0, "hello", 5);
    PUMP_UNTIL(loop, client.messages == 1);
    leave();
  }
  section("other answers are not redirects");
  for (int status = 300; status <= 306; status++) {
    if (status >= 301 && status <= 303) continue;
    begin(url_of(here_port, "/"), one);
    redirect(here, status, "/x");
    expect_failure(WSOCK_ERR_HTTP_STATUS, status);
  }
  section("by default none is");
  begin(url_of(here_port, "/"), NULL);
  client.hook = read_location;
  redirect(here, 302, "/x");
  expect_failure(WSOCK_ERR_HTTP_STATUS, 302);

  section("as many as the limit, and not one more");
  begin(url_of(here_port, "/0"), three);
  redirect(here, 302, "/1");
  redirect(here, 302, "/2");
  redirect(here, 302, "/3");
  CHECK(starts(welcome(here, ""), "GET /3 HTTP/1.1\r\n"));
  leave();
  begin(url_of(here_port, "/0"), three);
  for (int i = 0; i < 4; i++) redirect(here, 307, "/0"); /* a loop */
  expect_failure(WSOCK_ERR_REDIRECT, 307);
  CHECKF(strstr(client.error.message, "WSOCK_OPT_MAX_REDIRECTS") != NULL, "%s", client.error.message);
  wsock_options_free(one);
  wsock_options_free(three);
}

static void locations(void) {
  static const struct { const char *location, *request; int there; } good[] = {
      {"/x/y?z", "GET /x/y?z HTTP/1.1\r\n", 0},   {"b", "GET /dir/b HTTP/1.1\r\n", 0},  {"../b?c", "GET /b?c HTTP/1.1\r\n", 0},
      {"?q=2", "GET /dir/a?q=2 HTTP/1.1\r\n", 0}, {"/x#part", "GET /x HTTP/1.1\r\n", 0}, {"//127.0.0.1:%u/s", "GET /s HTTP/1.1\r\n", 1},
      {"http://127.0.0.1:%u", "GET / HTTP/1.1\r\n", 1}, {"ws://127.0.0.1:%u/t", "GET /t HTTP/1.1\r\n", 1},
  };
  static const char *const bad[] = {NULL, "", "ftp://127.0.0.1/", "ws://", "//:x/", "/a b", "ws+unix:/run/some.sock", "mailto:a@b"};
  wsock_options *o = following(1);
  char location[200];
  section("Location: absolute, relative, without scheme");
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    const char *port = strstr(good[i].location, "%u");
    snprintf(location, sizeof location, "%s", good[i].location);
    if (port) snprintf(location + (port - good[i].location), 100, "%u%s", (unsigned)there_port, port + 2);
    begin(url_of(here_port, "/dir/a?q=1"), o);
    redirect(here, 301, location);
    const char *head = welcome(good[i].there ? there : here, "");
    CHECKF(starts(head, good[i].request), "%s led to %.30s", location, head);
    leave();
  }
  section("Location: missing or bad");
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    begin(url_of(here_port, "/"), o);
    redirect(here, 302, bad[i]);
    expect_failure(WSOCK_ERR_REDIRECT, 302);
  }
  section("a redirect to where nobody listens");
  snprintf(location, sizeof location, "ws://127.0.0.1:%u/", (unsigned)raw_dead_port());
  begin(url_of(here_port, "/"), o);
  redirect(here, 302, location);
  PUMP_UNTIL(loop, client.releases);
  CHECK(client.error.code == WSOCK_ERR_CONNECT && client.error.http_status == 0);
  CHECK(wsock_conn_state(client.conn) == WSOCK_CLOSED);
  wsock_options_free(o);
}

/* What one origin may know and another may not. */
static void secrets(void) {
  char url[200];
  wsock_options *o = following(2);
  const char *head;
  CHECK_STATUS(wsock_options_add_header(o, "Authorization", "Bearer t0ken"), WSOCK_OK);
  CHECK_STATUS(wsock_options_add_header(o, "X-Other", "kept"), WSOCK_OK);
  CHECK_STATUS(wsock_options_add_cookie(o, "sid", "secret"), WSOCK_OK);
  section("Authorization and cookies go along within the origin");
  begin(url_of(here_port, "/"), o);
  redirect(here, 302, "/inside");
  head = welcome(here, "");
  CHECK_STR(head_value(head, "Authorization"), "Bearer t0ken");
  CHECK_STR(head_value(head, "Cookie"), "sid=secret");
  CHECK_STR(head_value(head, "X-Other"), "kept");
  leave();
  section("and not to another port");
  begin(url_of(here_port, "/"), o);
  redirect(here, 302, url_there("/"));
  head = welcome(there, "");
  CHECK(!strcasestr(head, "Authorization") && !strcasestr(head, "Cookie") && !strstr(head, "t0ken"));
  CHECK_STR(head_value(head, "X-Other"), "kept");
  leave();
  section("nor from there on");
  begin(url_of(here_port, "/"), o);
  redirect(here, 302, url_there("/"));
  redirect(there, 302, "/further");
  head = welcome(there, "");
  CHECK(starts(head, "GET /further ") && !strcasestr(head, "Authorization") && !strcasestr(head, "Cookie"));
  leave();
  section("a Cookie header of the application's is a cookie as well");
  wsock_options_free(o);
  o = following(2);
  CHECK_STATUS(wsock_options_add_header(o, "cookie", "raw=1"), WSOCK_OK);
  begin(url_of(here_port, "/"), o);
  redirect(here, 302, url_there("/"));
  CHECK(!strcasestr(welcome(there, ""), "cookie"));
  leave();
  section("another host of the same address and port is another origin");
  snprintf(url, sizeof url, "ws://localhost:%u/", (unsigned)here_port);
  begin(url_of(here_port, "/"), o);
  redirect(here, 302, url);
  CHECK(!strcasestr(welcome(here, ""), "cookie"));
  leave();
  wsock_options_free(o);

  o = following(1);
  section("user:password@ of the URL: within the origin");
  snprintf(url, sizeof url, "ws://user:secret@127.0.0.1:%u/", (unsigned)here_port);
  begin(url, o);
  redirect(here, 302, "/inside");
  CHECK_STR(head_value(welcome(here, ""), "Authorization"), "Basic dXNlcjpzZWNyZXQ=");
  CHECK(strstr(wsock_conn_get_str(client.conn, WSOCK_CONN_URL, NULL), "secret") == NULL);
  leave();
  section("user:password@ of the URL: not elsewhere");
  begin(url, o);
  redirect(here, 302, url_there("/"));
  CHECK(!strcasestr(welcome(there, ""), "Authorization"));
  leave();
  section("the Location's own are for there");
  snprintf(url, sizeof url, "ws://guest:x@127.0.0.1:%u/", (unsigned)there_port);
  begin(url_of(here_port, "/"), o);
  redirect(here, 302, url);
  CHECK_STR(head_value(welcome(there, ""), "Authorization"), "Basic Z3Vlc3Q6eA==");
  leave();
  section("WSOCK_OPT_USER does not answer to another origin");
  CHECK_STATUS(wsock_options_set_str(o, WSOCK_OPT_USER, "user"), WSOCK_OK);
  CHECK_STATUS(wsock_options_set_str(o, WSOCK_OPT_PASSWORD, "secret"), WSOCK_OK);
  begin(url_of(here_port, "/"), o);
  redirect(here, 302, url_there("/"));
  raw_accept(&raw, loop, there);
  answer("HTTP/1.1 401 Who?\r\nWWW-Authenticate: Basic realm=\"there\"\r\nContent-Length: 0\r\n\r\n");
  expect_failure(WSOCK_ERR_HTTP_STATUS, 401);
  wsock_options_free(o);
}

#define CHALLENGE(text) "HTTP/1.1 401 Unauthorized\r\n" text "Content-Length: 0\r\n\r\n"
#define BASIC "WWW-Authenticate: Basic realm=\"place\"\r\n"
#define DIGEST(algorithm, more) \
  "WWW-Authenticate: Digest realm=\"place\", qop=\"auth\", algorithm=" algorithm ", nonce=\"n0nce\", opaque=\"0pak\"" more "\r\n"

/* The value of a parameter of Digest authorization, without its quotes; "" when there is none. */
static const char *param(const char *value, const char *name) {
  static char text[200];
  size_t n = strlen(name);
  text[0] = 0;
  for (const char *at = value; (at = strstr(at, name)) != NULL; at++) {
    if (at == value || !strchr(" ,", at[-1]) || at[n] != '=') continue;
    at += n + 1;
    if (*at == '"') snprintf(text, sizeof text, "%.*s", (int)strcspn(at + 1, "\""), at + 1);
    else snprintf(text, sizeof text, "%.*s", (int)strcspn(at, ", "), at);
    break;
  }
  return text;
}
static void check_digest(const char *head, const char *algorithm, const char *nonce, size_t length) {
  static char value[8192];
  char cnonce[200];
  snprintf(value, sizeof value, "%s", head_value(head, "Authorization"));
  CHECKF(starts(value, "Digest "), "%s", value);
  CHECK_STR(param(value, "username"), "user");
  CHECK_STR(param(value, "realm"), "place");
  CHECK_STR(param(value, "nonce"), nonce);
  CHECK_STR(param(value, "uri"), "/room?x=1");
  CHECK_STR(param(value, "qop"), "auth");
  CHECK_STR(param(value, "nc"), "00000001");
  CHECK_STR(param(value, "opaque"), "0pak");
  CHECK_STR(param(value, "algorithm"), algorithm);
  snprintf(cnonce, sizeof cnonce, "%s", param(value, "cnonce"));
  CHECKF(strlen(cnonce) >= 16, "cnonce %s", cnonce);
  const char *response = param(value, "response");
  CHECKF(strlen(response) == length && strspn(response, "0123456789abcdef") == length, "response %s", response);
  CHECK(strstr(value, "secret") == NULL);
}
static void begin_log_in(const wsock_options *o, const char *challenge) {
  begin(url_of(here_port, "/room?x=1"), o);
  CHECK(!strcasestr(raw_accept(&raw, loop, here), "Authorization")); /* not before it is asked for */
  answer(challenge);
}

static void log_in(void) {
  static const struct { const char *challenge, *algorithm; size_t length; } digests[] = {
      {CHALLENGE(DIGEST("MD5", "")), "MD5", 32},
      {CHALLENGE(DIGEST("SHA-256", "")), "SHA-256", 64},
      {CHALLENGE(DIGEST("MD5", "") DIGEST("SHA-256", "")), "SHA-256", 64},
      {CHALLENGE(BASIC DIGEST("MD5", "")), "MD5", 32},
  };
  wsock_options *o = new_options();
  char seen[200];
  section("user and password: what they may not be");
  CHECK_REFUSED(wsock_options_set_str(o, WSOCK_OPT_USER, "a:b"), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_options_set_str(o, WSOCK_OPT_USER, "a\r\nb"), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_options_set_str(o, WSOCK_OPT_PASSWORD, "a\nb"), WSOCK_ERR_INVALID_ARGUMENT);
  section("401 without a user is a failure");
  begin_log_in(o, CHALLENGE(BASIC));
  expect_failure(WSOCK_ERR_HTTP_STATUS, 401);

  CHECK_STATUS(wsock_options_set_str(o, WSOCK_OPT_USER, "user"), WSOCK_OK);
  CHECK_STATUS(wsock_options_set_str(o, WSOCK_OPT_PASSWORD, "secret"), WSOCK_OK);
  section("Basic");
  begin_log_in(o, CHALLENGE(BASIC));
  CHECK_STR(head_value(welcome(here, ""), "Authorization"), "Basic dXNlcjpzZWNyZXQ=");
  leave();
  section("Digest, the strongest");
  for (size_t i = 0; i < sizeof digests / sizeof digests[0]; i++) {
    begin_log_in(o, digests[i].challenge);
    const char *head = welcome(here, "");
    CHECK(starts(head, "GET /room?x=1 HTTP/1.1\r\n"));
    check_digest(head, digests[i].algorithm, "n0nce", digests[i].length);
    snprintf(seen, sizeof seen, "%s", param(head_value(head, "Authorization"), "cnonce"));
    leave();
  }
  section("another time with another cnonce");
  begin_log_in(o, CHALLENGE(DIGEST("MD5", "")));
  CHECK(strcmp(param(head_value(welcome(here, ""), "Authorization"), "cnonce"), seen) != 0);
  leave();
  section("a wrong password is told, after one try");
  begin_log_in(o, CHALLENGE(DIGEST("MD5", "")));
  raw_accept(&raw, loop, here);
  answer(CHALLENGE(DIGEST("MD5", "")));
  expect_failure(WSOCK_ERR_HTTP_STATUS, 401);
  begin_log_in(o, CHALLENGE(BASIC));
  raw_accept(&raw, loop, here);
  answer(CHALLENGE(BASIC));
  expect_failure(WSOCK_ERR_HTTP_STATUS, 401);
  section("an old nonce is answered again, with the new one");
  begin_log_in(o, CHALLENGE(DIGEST("SHA-256", "")));
  raw_accept(&raw, loop, here);
  answer(CHALLENGE("WWW-Authenticate: Digest realm=\"place\", qop=\"auth\", algorithm=SHA-256, nonce=\"n3w\", opaque=\"0pak\", stale=true\r\n"));
  check_digest(welcome(here, ""), "SHA-256", "n3w", 64);
  leave();
  section("a server whose nonces are always old is given up");
  begin_log_in(o, CHALLENGE(DIGEST("MD5", ", stale=true")));
  int tries = 0;
  for (int64_t end = now_ms() + patience_ms(); !client.closes && tries < 50 && now_ms() < end; pump(loop)) {
    int fd = accept(here, NULL, NULL);
    if (fd < 0) continue;
    raw_start(&raw, loop, fd);
    raw_head(&raw);
    answer(CHALLENGE(DIGEST("MD5", ", stale=true")));
    tries++;
  }
  CHECKF(tries >= 1 && tries < 50, "%d tries", tries);
  expect_failure(WSOCK_ERR_HTTP_STATUS, 401);
  section("an authorization that is not known here");
  begin_log_in(o, CHALLENGE("WWW-Authenticate: Negotiate\r\n"));
  expect_failure(WSOCK_ERR_HTTP_STATUS, 401);
  CHECKF(strstr(client.error.message, "Negotiate") != NULL, "%s", client.error.message);
  begin_log_in(o, CHALLENGE(""));
  expect_failure(WSOCK_ERR_HTTP_STATUS, 401);
  section("another refusal is not a question");
  begin_log_in(o, "HTTP/1.1 403 Forbidden\r\n" BASIC "Content-Length: 0\r\n\r\n");
  expect_failure(WSOCK_ERR_HTTP_STATUS, 403);
  section("a log-in after a redirect within the origin, and one before");
  option(o, WSOCK_OPT_MAX_REDIRECTS, 1);
  begin(url_of(here_port, "/a"), o);
  redirect(here, 302, "/room?x=1");
  raw_accept(&raw, loop, here);
  answer(CHALLENGE(DIGEST("MD5", "")));
  check_digest(welcome(here, ""), "MD5", "n0nce", 32);
  leave();
  section("what one origin has asked for is not told to another");
  begin_log_in(o, CHALLENGE(BASIC));
  CHECK_STR(head_value(raw_accept(&raw, loop, here), "Authorization"), "Basic dXNlcjpzZWNyZXQ=");
  char elsewhere[700];
  snprintf(elsewhere, sizeof elsewhere, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", url_there("/"));
  answer(elsewhere);
  CHECK(!strcasestr(welcome(there, ""), "Authorization"));
  leave();
  section("user and password of the URL answer to Digest, too");
  char url[200];
  snprintf(url, sizeof url, "ws://user:secret@127.0.0.1:%u/room?x=1", (unsigned)here_port);
  begin(url, NULL);
  CHECK_STR(head_value(raw_accept(&raw, loop, here), "Authorization"), "Basic dXNlcjpzZWNyZXQ=");
  answer(CHALLENGE(DIGEST("MD5", "")));
  check_digest(welcome(here, ""), "MD5", "n0nce", 32);
  leave();
  wsock_options_free(o);
}

static void read_set_cookies(struct rec *rec, char event) {
  size_t len = 77;
  if (event == 'O') {
    CHECK_STR(wsock_conn_cookie(rec->conn, "sid", &len), "abc=1");
    CHECK_INT(len, 5);
    CHECK_STR(wsock_conn_cookie(rec->conn, "twice", NULL), "second");
    CHECK(wsock_conn_cookie(rec->conn, "gone", NULL) == NULL && wsock_conn_cookie(rec->conn, "SID", NULL) == NULL);
    CHECK(wsock_conn_cookie(rec->conn, "Path", NULL) == NULL && wsock_conn_cookie(rec->conn, "", NULL) == NULL);
  }
  if (event == 'E' || event == 'C') CHECK_STR(wsock_conn_cookie(rec->conn, "why", NULL), "full");
}
static int asked;
static int32_t read_sent_cookies(struct srv *srv, wsock_request *request) {
  size_t len = 77;
  CHECK_STR(wsock_request_cookie(request, "a", &len), "1");
  CHECK_INT(len, 1);
  CHECK_STR(wsock_request_cookie(request, "b", NULL), "x=y");
  CHECK_STR(wsock_request_cookie(request, "c", NULL), "");
  len = 77;
  CHECK(wsock_request_cookie(request, "d", &len) == NULL && wsock_request_cookie(request, "A", NULL) == NULL && len == 77);
  CHECK(wsock_request_cookie(request, NULL, NULL) == NULL);
  (void)srv;
  if (++asked == 2) {
    CHECK_STATUS(wsock_request_add_header(request, "Set-Cookie", "why=full"), WSOCK_OK);
    return 503;
  }
  CHECK_STATUS(wsock_request_add_header(request, "Set-Cookie", "sid=abc=1; Path=/; HttpOnly"), WSOCK_OK);
  CHECK_STATUS(wsock_request_add_header(request, "Set-Cookie", "twice=first"), WSOCK_OK);
  CHECK_STATUS(wsock_request_add_header(request, "Set-Cookie", "twice=second"), WSOCK_OK);
  CHECK_STATUS(wsock_request_add_header(request, "Set-Cookie", "gone=x; Max-Age=0"), WSOCK_OK);
  return 0;
}
static void read_of_accepted(struct rec *rec, char event) {
  if (event == 'O') {
    CHECK_STR(wsock_conn_cookie(rec->conn, "a", NULL), "1");
    CHECK_STR(wsock_conn_cookie(rec->conn, "b", NULL), "x=y");
    CHECK(wsock_conn_cookie(rec->conn, "sid", NULL) == NULL);
  }
  if (event == 'M') CHECK(wsock_conn_cookie(rec->conn, "a", NULL) == NULL);
}
static void cookies(void) {
  static const char *const bad[][2] = {{"", "x"},    {"a b", "x"}, {"a=", "x"},  {"a;", "x"},       {"\xc3\xa4", "x"}, {"a", "b c"},
                                       {"a", "b;c"}, {"a", "b,c"}, {"a", "b\\"}, {"a", "b\r\nX: y"}, {"a", "\"b"},      {"a", "\xc3\xa4"}};
  wsock_options *o = new_options(), *other = new_options();
  struct srv srv = {0};
  section("cookies that cannot be sent");
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    CHECK_REFUSED(wsock_options_add_cookie(o, bad[i][0], bad[i][1]), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_options_add_cookie(o, NULL, "x"), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_REFUSED(wsock_options_add_cookie(o, "a", NULL), WSOCK_ERR_INVALID_ARGUMENT);
  begin(url_of(here_port, "/"), o);
  CHECK(!strcasestr(welcome(here, ""), "cookie"));
  leave();
  section("cookies are sent in one header");
  CHECK_STATUS(wsock_options_add_cookie(o, "a", "1"), WSOCK_OK);
  CHECK_STATUS(wsock_options_add_cookie(o, "b", "x=y"), WSOCK_OK);
  CHECK_STATUS(wsock_options_add_cookie(o, "c", ""), WSOCK_OK);
  begin(url_of(here_port, "/"), o);
  CHECK_STR(head_value(welcome(here, ""), "Cookie"), "a=1; b=x=y; c=");
  leave();
  section("a Cookie header and cookies do not go together");
  CHECK_REFUSED(wsock_options_add_header(o, "cookie", "d=4"), WSOCK_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(wsock_options_add_header(other, "Cookie", "d=4"), WSOCK_OK);
  CHECK_REFUSED(wsock_options_add_cookie(other, "a", "1"), WSOCK_ERR_INVALID_ARGUMENT);
  begin(url_of(here_port, "/"), other);
  CHECK_STR(head_value(welcome(here, ""), "Cookie"), "d=4");
  leave();

  section("a server of ours reads them and sets others, which the client reads");
  srv.request = read_sent_cookies;
  srv.hook = read_of_accepted;
  srv_listen(&srv, loop, NULL);
  rec_free(&client);
  memset(&client, 0, sizeof client);
  client.hook = read_set_cookies;
  connect_to(&client, loop, url_of(srv.port, "/"), o);
  PUMP_UNTIL(loop, client.opens == 1 && srv.count == 1);
  CHECK(wsock_conn_cookie(client.conn, "sid", NULL) == NULL); /* as the headers, gone after on_open */
  CHECK_STATUS(wsock_conn_send_text(client.conn, "x", 1), WSOCK_OK);
  PUMP_UNTIL(loop, srv.conn[0]->messages == 1);
  client.hook = NULL;
  leave();
  section("cookies of a refusal");
  memset(&client, 0, sizeof client);
  client.hook = read_set_cookies;
  connect_to(&client, loop, url_of(srv.port, "/"), o);
  PUMP_UNTIL(loop, client.releases);
  CHECK(client.error.http_status == 503 && asked == 2);
  wsock_options_free(o);
  wsock_options_free(other);
  wsock_server_close(srv.server, 0, 0, NULL);
  PUMP_UNTIL(loop, srv.releases);
  srv_free(&srv);
}

int main(void) {
  loop = new_loop();
  here = raw_listen(&here_port, 8);
  there = raw_listen(&there_port, 8);
  followed();
  locations();
  secrets();
  log_in();
  cookies();
  free_loop(loop);
  rec_free(&client);
  close(here);
  close(there);
  return check_end();
}
