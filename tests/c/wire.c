/* What RFC 6455 forbids on the wire, from raw peers of both roles: the right close code comes back,
   the application is told, and nobody else is disturbed. */
#include "raw.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Up to four frames; the mask is put in for the role, unless the row is about it. */
struct step {
  int first;            /* first byte */
  const char *data;     /* NULL ends the list */
  int len;
  int form;             /* 0: shortest length; 126, 127: that form; -1: announce 2^63; -2: announce 2^62 */
  int wrong_mask;       /* masked where it must not be, or not masked where it must */
};
struct row {
  const char *name;
  struct step steps[4];
  int code;             /* of the close frame that must come back */
  int32_t status;
  int messages;         /* delivered before */
};
static const char zeros[200];
static const struct row rows[] = {
    {"wrong masking", {{0x81, "hello", 5, 0, 1}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"wrong masking of a control frame", {{0x89, "", 0, 0, 1}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"RSV1 without an extension", {{0xc1, "x", 1, 0, 0}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"RSV2", {{0xa1, "x", 1, 0, 0}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"RSV3", {{0x92, "x", 1, 0, 0}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"RSV1 on a ping", {{0xc9, "", 0, 0, 0}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"opcode 3", {{0x83, "", 0, 0, 0}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"opcode 7", {{0x87, "x", 1, 0, 0}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"opcode 11", {{0x8b, "", 0, 0, 0}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"opcode 15", {{0x8f, "", 0, 0, 0}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"125 bytes with a length of 16 bits", {{0x82, zeros, 125, 126, 0}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"no bytes with a length of 16 bits", {{0x81, "", 0, 126, 0}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"5 bytes with a length of 64 bits", {{0x81, "hello", 5, 127, 0}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"a length with bit 63", {{0x82, "", 0, -1, 0}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"a length of 2^62", {{0x82, "", 0, -2, 0}}, 1009, WSOCK_ERR_TOO_BIG, 0},
    {"a ping of 126 bytes", {{0x89, zeros, 126, 0, 0}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"a close frame of 126 bytes", {{0x88, zeros, 126, 0, 0}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"a ping in fragments", {{0x09, "x", 1, 0, 0}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"a close frame in fragments", {{0x08, "", 0, 0, 0}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"continuation of nothing", {{0x80, "x", 1, 0, 0}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"continuation after a whole message", {{0x81, "x", 1, 0, 0}, {0x80, "y", 1, 0, 0}}, 1002, WSOCK_ERR_PROTOCOL, 1},
    {"a new message inside a message", {{0x01, "x", 1, 0, 0}, {0x81, "y", 1, 0, 0}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"a close frame of one byte", {{0x88, "\x03", 1, 0, 0}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"close code 0", {{0x88, "\0\0", 2, 0, 0}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"close code 999", {{0x88, "\x03\xe7", 2, 0, 0}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"close code 1004", {{0x88, "\x03\xec", 2, 0, 0}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"close code 1005", {{0x88, "\x03\xed", 2, 0, 0}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"close code 1006", {{0x88, "\x03\xee", 2, 0, 0}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"close code 1015", {{0x88, "\x03\xf7", 2, 0, 0}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"close code 1016", {{0x88, "\x03\xf8", 2, 0, 0}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"close code 2999", {{0x88, "\x0b\xb7", 2, 0, 0}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"close code 5000", {{0x88, "\x13\x88", 2, 0, 0}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"close code 65535", {{0x88, "\xff\xff", 2, 0, 0}}, 1002, WSOCK_ERR_PROTOCOL, 0},
    {"a close reason that is not UTF-8", {{0x88, "\x03\xe8\xff", 3, 0, 0}}, 1007, WSOCK_ERR_INVALID_DATA, 0},
    {"a close reason cut in a character", {{0x88, "\x03\xe8\xe2\x82", 4, 0, 0}}, 1007, WSOCK_ERR_INVALID_DATA, 0},
    {"text that is not UTF-8", {{0x81, "ab\xff" "cd", 5, 0, 0}}, 1007, WSOCK_ERR_INVALID_DATA, 0},
    {"text: a surrogate", {{0x81, "\xed\xa0\x80", 3, 0, 0}}, 1007, WSOCK_ERR_INVALID_DATA, 0},
    {"text: an overlong form", {{0x81, "\xc0\xaf", 2, 0, 0}}, 1007, WSOCK_ERR_INVALID_DATA, 0},
    {"text: above U+10FFFF", {{0x81, "\xf4\x90\x80\x80", 4, 0, 0}}, 1007, WSOCK_ERR_INVALID_DATA, 0},
    {"text that ends within a character", {{0x81, "ab\xe2\x82", 4, 0, 0}}, 1007, WSOCK_ERR_INVALID_DATA, 0},
    {"a character cut by fragments, never whole", {{0x01, "\xe2\x82", 2, 0, 0}, {0x80, "x", 1, 0, 0}}, 1007, WSOCK_ERR_INVALID_DATA, 0},
    {"first fragment impossible, the rest never sent", {{0x01, "ok\xc0", 3, 0, 0}}, 1007, WSOCK_ERR_INVALID_DATA, 0},
    {"later fragment impossible, the rest never sent", {{0x01, "\xf0\x9f", 2, 0, 0}, {0x00, "\x41", 1, 0, 0}}, 1007, WSOCK_ERR_INVALID_DATA, 0},
    {"a surrogate known from its second byte", {{0x01, "\xed", 1, 0, 0}, {0x00, "\xa0", 1, 0, 0}}, 1007, WSOCK_ERR_INVALID_DATA, 0},
    {"one byte more than a message may have", {{0x82, zeros, 101, 0, 0}}, 1009, WSOCK_ERR_TOO_BIG, 0},
    {"fragments that together are too much", {{0x02, zeros, 60, 0, 0}, {0x00, zeros, 41, 0, 0}}, 1009, WSOCK_ERR_TOO_BIG, 0},
    {"a frame above the frame limit", {{0x02, zeros, 81, 0, 0}}, 1009, WSOCK_ERR_TOO_BIG, 0},
    {"more fragments than allowed", {{0x02, "1", 1, 0, 0}, {0x00, "2", 1, 0, 0}, {0x00, "3", 1, 0, 0}, {0x00, "4", 1, 0, 0}}, 1008, WSOCK_ERR_POLICY, 0},
};
/* What is allowed and looks unusual: all of it arrives. */
static const struct row allowed[] = {
    {"an empty text", {{0x81, "", 0, 0, 0}}, 0, 0, 1},
    {"empty fragments", {{0x01, "", 0, 0, 0}, {0x00, "", 0, 0, 0}, {0x80, "", 0, 0, 0}}, 0, 0, 1},
    {"a ping inside a message", {{0x01, "a", 1, 0, 0}, {0x89, "ping", 4, 0, 0}, {0x80, "b", 1, 0, 0}}, 0, 0, 1},
    {"an unsolicited pong", {{0x8a, "what", 4, 0, 0}, {0x81, "x", 1, 0, 0}}, 0, 0, 1},
    {"a character cut by fragments", {{0x01, "\xe2\x82", 2, 0, 0}, {0x80, "\xac", 1, 0, 0}}, 0, 0, 1},
    {"binary that is no text", {{0x82, "\xff\xfe\x00", 3, 0, 0}}, 0, 0, 1},
    {"NUL and U+10FFFF in a text", {{0x81, "\0\xf4\x8f\xbf\xbf", 5, 0, 0}}, 0, 0, 1},
    {"a message of exactly the limit", {{0x02, zeros, 80, 0, 0}, {0x80, zeros, 20, 0, 0}}, 0, 0, 1},
    {"three fragments", {{0x02, "1", 1, 0, 0}, {0x00, "2", 1, 0, 0}, {0x80, "3", 1, 0, 0}}, 0, 0, 1},
    {"a ping of 125 bytes", {{0x89, zeros, 125, 0, 0}, {0x82, "x", 1, 0, 0}}, 0, 0, 1},
};

static size_t encode(unsigned char *out, const struct step *step, int masked) {
  size_t n = 0;
  uint64_t len = (uint64_t)step->len;
  int form = step->form;
  if (form == -1) len = (uint64_t)1 << 63;
  if (form == -2) len = (uint64_t)1 << 62;
  if (form < 0) form = 127;
  if (form == 0 && step->len > 125) form = 126;
  if (step->wrong_mask) masked = !masked;
  out[n++] = (unsigned char)step->first;
  out[n++] = (unsigned char)((form ? (uint64_t)form : len) | (masked ? 0x80 : 0));
  for (int shift = form == 127 ? 56 : 8; form && shift >= 0; shift -= 8) out[n++] = (unsigned char)(len >> shift);
  const unsigned char key[4] = {0xa5, 0x5a, 0x0f, 0xf1};
  if (masked) {
    memcpy(out + n, key, 4);
    n += 4;
  }
  for (int i = 0; i < step->len; i++) out[n++] = (unsigned char)step->data[i] ^ (masked ? key[i & 3] : 0);
  return n;
}
static wsock_options *strict(void) {
  return option(option(option(new_options(), WSOCK_OPT_MAX_MESSAGE_SIZE, 100), WSOCK_OPT_MAX_FRAME_SIZE, 80), WSOCK_OPT_MAX_FRAGMENTS, 3);
}

/* Plays a row to our server (server == 1) or to our client, whole or byte by byte. */
static void play(const struct row *row, int server, int drop_by_drop, struct srv *srv, wsock_loop *loop, const wsock_options *o) {
  struct rec client = {0}, *rec = &client;
  struct raw raw;
  unsigned char bytes[1000];
  size_t n = 0;
  for (int i = 0; i < 4 && row->steps[i].data; i++) n += encode(bytes + n, &row->steps[i], server);
  if (server) {
    int before = srv->count;
    raw_upgrade(&raw, loop, srv->port, "");
    PUMP_UNTIL(loop, srv->count == before + 1);
    rec = srv->conn[before];
  } else {
    raw_serve(&raw, &client, loop, o);
  }
  for (size_t i = 0; drop_by_drop && i < n; i++) {
    raw_send(&raw, bytes + i, 1);
    poll_loop(loop, 0);
  }
  if (!drop_by_drop) raw_send(&raw, bytes, n);
  if (row->code) {
    int code = raw_close_code(&raw);
    CHECKF(code == row->code, "%s: close code %d, expected %d", row->name, code, row->code);
    raw_close_frame(&raw, server, 1000, "a late answer"); /* ignored: the connection has failed */
    RAW_UNTIL(&raw, raw.eof || raw.reset || !server);
    raw_close(&raw);
    PUMP_UNTIL(loop, rec->releases);
    CHECKF(rec->close.status == row->status, "%s: status %d (%s), expected %d", row->name, (int)rec->close.status, rec->error.message, (int)row->status);
    CHECKF(rec->close.code == 1006 && rec->close.was_clean == 0 && rec->close.sent_code == row->code, "%s: code %d, clean %d, sent %d", row->name,
           (int)rec->close.code, (int)rec->close.was_clean, (int)rec->close.sent_code);
    CHECKF(rec->error.close_code == row->code && strcmp(rec->reason, rec->error.message) == 0, "%s: \"%s\" and \"%s\"", row->name, rec->reason, rec->error.message);
    CHECK_ENDED(rec);
  } else {
    PUMP_UNTIL(loop, rec->messages == row->messages || rec->errors);
    CHECKF(rec->errors == 0, "%s: %s", row->name, rec->error.message);
    raw_close_frame(&raw, server, 1000, "");
    int code = raw_close_code(&raw);
    CHECKF(code == 1000, "%s: close code %d", row->name, code);
    raw_close(&raw);
    PUMP_UNTIL(loop, rec->releases);
    CHECK_INT(rec->close.was_clean, 1);
  }
  CHECKF(rec->messages == row->messages, "%s: %d messages", row->name, rec->messages);
  if (!server) rec_free(&client);
}

static void tables(void) {
  struct pair bystander;
  struct srv srv = {0};
  wsock_options *o = strict();
  pair_open(&bystander, NULL, NULL);
  srv_listen(&srv, bystander.loop, o);
  for (int server = 0; server < 2; server++)
    for (int drops = 0; drops < 2; drops++) {
      section(server ? "garbage from a client" : "garbage from a server");
      for (size_t i = 0; i < COUNT(rows); i++) {
        check_section = rows[i].name;
        play(&rows[i], server, drops, &srv, bystander.loop, o);
        pair_echo(&bystander);
      }
      section("unusual, but allowed");
      for (size_t i = 0; i < COUNT(allowed); i++) {
        check_section = allowed[i].name;
        play(&allowed[i], server, drops, &srv, bystander.loop, o);
      }
    }
  CHECK(bystander.client.closes == 0 && pair_peer(&bystander)->closes == 0);
  pair_free(&bystander);
  CHECK_INT(srv.releases, 1);
  srv_free(&srv);
  wsock_options_free(o);
}

static void early_failures(void) {
  struct srv srv = {0};
  struct raw raw;
  wsock_loop *loop = new_loop();
  static struct frame frame;
  srv_listen(&srv, loop, NULL);
  section("text fails at its first impossible byte, inside a frame of which the rest is missing");
  raw_upgrade(&raw, loop, srv.port, "");
  raw_send(&raw, "\x81\xfe\x10\x00\0\0\0\0good so far \xff", 21); /* announces 4096 */
  CHECK_INT(raw_close_code(&raw), 1007);
  raw_close(&raw);
  section("a frame that is too large fails by its head");
  raw_upgrade(&raw, loop, srv.port, "");
  raw_send(&raw, "\x82\xff\0\0\0\0\x01\0\0\x01\0\0\0\0", 14); /* 16 MiB and a byte */
  CHECK_INT(raw_close_code(&raw), 1009);
  raw_close(&raw);
  section("what is announced and never comes costs nothing");
  for (int i = 0; i < 50; i++) {
    struct raw one;
    raw_upgrade(&one, loop, srv.port, "");
    raw_send(&one, "\x82\xff\0\0\0\0\x01\0\0\0\0\0\0\0", 14); /* 16 MiB: allowed */
    pump(loop);
    raw_close(&one);
  }
  PUMP_UNTIL(loop, server_stats(srv.server).connections == 0);

  section("pings are answered with what they carried, in between data");
  raw_upgrade(&raw, loop, srv.port, "");
  raw_frame(&raw, 0x89, 1, "12345", 5);
  CHECK(raw_next(&raw, &frame) && frame.first == 0x8a && !frame.masked && frame.len == 5 && memcmp(frame.data, "12345", 5) == 0);
  raw_frame(&raw, 0x89, 1, "", 0);
  CHECK(raw_next(&raw, &frame) && frame.first == 0x8a && frame.len == 0);
  CHECK_INT(srv.conn[srv.count - 1]->pings, 2);
  CHECK_INT(conn_stats(srv.conn[srv.count - 1]->conn).pings_received, 2);
  section("an own ping comes back");
  CHECK_STATUS(wsock_conn_ping(srv.conn[srv.count - 1]->conn, "own", 3), WSOCK_OK);
  CHECK(raw_next(&raw, &frame) && frame.first == 0x89 && frame.len == 3);
  raw_close(&raw);
  free_loop(loop);
  srv_free(&srv);
}

static void control_rate(void) {
  struct srv srv = {0};
  struct raw raw;
  wsock_loop *loop = new_loop();
  wsock_options *o = option(new_options(), WSOCK_OPT_MAX_CONTROL_RATE, 50);
  section("more control frames a second than allowed");
  srv_listen(&srv, loop, o);
  raw_upgrade(&raw, loop, srv.port, "");
  for (int i = 0; i < 2000 && !raw.reset && !raw.eof; i++) raw_frame(&raw, 0x8a, 1, "", 0);
  CHECK_INT(raw_close_code(&raw), 1008);
  raw_close(&raw);
  PUMP_UNTIL(loop, srv.conn[0]->releases);
  CHECK_INT(srv.conn[0]->close.status, WSOCK_ERR_POLICY);
  free_loop(loop);
  srv_free(&srv);
  wsock_options_free(o);
}

/* What our side puts on the wire: minimal lengths, masks of clients that differ, no masks of servers. */
static void own_frames(int server) {
  static const size_t lens[] = {0, 1, 125, 126, 65535, 65536};
  static char data[65536];
  static struct frame frame;
  struct rec client = {0}, *rec = &client;
  struct srv srv = {0};
  struct raw raw;
  wsock_loop *loop = new_loop();
  unsigned char keys[40][4];
  int seen = 0, same = 0;
  section(server ? "frames of a server" : "frames of a client");
  memset(data, 'd', sizeof data);
  if (server) {
    srv_listen(&srv, loop, NULL);
    raw_upgrade(&raw, loop, srv.port, "");
    PUMP_UNTIL(loop, srv.count == 1);
    rec = srv.conn[0];
  } else {
    raw_serve(&raw, &client, loop, NULL);
  }
  for (size_t i = 0; i < COUNT(lens); i++) {
    size_t head = lens[i] < 126 ? 2 : lens[i] < 65536 ? 4 : 10, wire = 0;
    CHECK_STATUS(wsock_conn_send(rec->conn, i % 2 ? WSOCK_TEXT : WSOCK_BINARY, data, lens[i], 0), WSOCK_OK);
    RAW_UNTIL(&raw, (wire = raw_peek(&raw, &frame)) != 0);
    CHECK_INT(wire, head + (server ? 0 : 4) + lens[i]);
    CHECK_INT(frame.first, i % 2 ? 0x81 : 0x82);
    CHECK(frame.masked == !server && frame.len == lens[i] && memcmp(frame.data, data, lens[i]) == 0);
    raw_take(&raw, wire);
  }
  for (int i = 0; i < 40 && !server; i++) {
    size_t wire = 0;
    CHECK_STATUS(wsock_conn_send_text(rec->conn, "x", 1), WSOCK_OK);
    RAW_UNTIL(&raw, (wire = raw_peek(&raw, &frame)) != 0);
    memcpy(keys[seen], raw.in + 2, 4);
    for (int j = 0; j < seen; j++) same += memcmp(keys[j], keys[seen], 4) == 0;
    seen++;
    raw_take(&raw, wire);
  }
  CHECKF(same <= 1, "%d of 40 masks came twice", same);
  raw_close(&raw);
  free_loop(loop);
  CHECK_INT(rec->closes, 1);
  srv_free(&srv);
}

int main(void) {
  tables();
  early_failures();
  control_rate();
  own_frames(0);
  own_frames(1);
  return check_end();
}
