#include "check.h"
#include "frames.h"
#include "options.h"

#include <string.h>

static void wrong(const char *why)
{
    totals.wrong++;
    if (!*totals.first_error)
        totals.first_error = why;
}

static const uint8_t *expected(const struct conn *conn)
{
    return frames.plain[conn->messages % frames.variants];
}

static int inflates(const struct conn *conn)
{
    return conn->compressed && conn->inflater && conn->messages < INFLATED;
}

void begin_message(struct conn *conn, int opcode, int compressed)
{
    conn->message_len = conn->inflated_len = 0;
    conn->compressed = compressed != 0;
    conn->compared = !compressed && conn->messages % (unsigned)options.sample == 0;
    if (opcode != frames.opcode)
        wrong("a text came back as binary, or the other way round");
    if (compressed && !options.deflate)
        wrong("a message is compressed though nobody asked for that");
}

void check_piece(struct conn *conn, const uint8_t *piece, size_t len)
{
    if (inflates(conn)) {
        if (inflate_piece(conn->inflater, piece, len, conn->inflated, options.size + 1, &conn->inflated_len) != 0)
            wrong("a compressed message is damaged");
    } else if (conn->compared) {
        if (conn->message_len + len > options.size || memcmp(expected(conn) + conn->message_len, piece, len) != 0)
            wrong("a message is not what was sent");
    }
    conn->message_len += len;
}

void end_message(struct conn *conn)
{
    if (inflates(conn)) {
        inflate_piece(conn->inflater, NULL, 0, conn->inflated, options.size + 1, &conn->inflated_len);
        if (conn->inflated_len != options.size || memcmp(conn->inflated, expected(conn), options.size) != 0)
            wrong("a compressed message is not what was sent");
        totals.inflated++;
    } else if (!conn->compressed && conn->message_len != options.size) {
        wrong("a message is not as long as what was sent");
    }
    totals.compared += conn->compared != 0;
    totals.messages++;
    conn->messages++;
    if (conn->awaited)
        conn->awaited--;
}
