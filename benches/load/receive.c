#define _GNU_SOURCE
#include "receive.h"
#include "../limit/frame.h"
#include "check.h"
#include "frames.h"
#include "options.h"

#include <stdlib.h>
#include <sys/socket.h>

#define INPUT (512 * 1024)
/* So many reads of a large message before others have their turn. */
#define READS 64

static uint8_t *input;

void receive_begin(void)
{
    input = malloc(INPUT);
    if (!input)
        die("no memory to read into");
}

static int is_control(const struct conn *conn)
{
    return conn->header[0] & 8;
}

/* A header is whole. */
static int begin_frame(struct conn *conn)
{
    int first = conn->header[0];
    conn->left = conn->frame_len = payload_len(conn->header);
    if (conn->header[1] & 0x80) {
        conn_drop(conn, "the server masks");
        return -1;
    }
    if (is_control(conn)) {
        if (conn->frame_len <= sizeof conn->control)
            return 0;
        conn_drop(conn, "a control frame is too long");
        return -1;
    }
    if (first & 15)
        begin_message(conn, first & 15, first & 0x40);
    return 0;
}

/* With --raw, each message is as long as those that were sent. */
static void begin_raw(struct conn *conn)
{
    conn->left = conn->frame_len = options.size;
    conn->header[0] = 0x82;
    begin_message(conn, frames.opcode, 0);
}

/* A frame is whole; 1 when its message is, -1 when the connection is over. */
static int end_frame(struct conn *conn)
{
    uint8_t pong[160];
    switch (conn->header[0] & 15) {
    case 8: conn_drop(conn, "the server closes"); return -1;
    case 9:
        if (conn->sent == 0) /* not in the middle of a frame */
            conn_send(conn, pong, put_frame(pong, 0x8a, conn->control, (size_t)conn->frame_len));
        return 0;
    case 10: return 0;
    }
    totals.bytes += conn->frame_len;
    if (!(conn->header[0] & 0x80))
        return 0;
    end_message(conn);
    return 1;
}

/* Takes what it can of a header; how much that was. */
static size_t take_header(struct conn *conn, const uint8_t *data, size_t len)
{
    size_t taken = 0;
    while (taken < len && (conn->header_len < 2 || conn->header_len < header_len(conn->header)))
        conn->header[conn->header_len++] = data[taken++];
    return taken;
}

static int header_whole(const struct conn *conn)
{
    return conn->header_len >= 2 && conn->header_len == header_len(conn->header);
}

int receive_bytes(struct conn *conn, const uint8_t *data, size_t len)
{
    int complete = 0;
    while (len) {
        if (conn->left == 0) {
            if (options.raw) {
                begin_raw(conn);
            } else {
                size_t taken = take_header(conn, data, len);
                data += taken;
                len -= taken;
                if (!header_whole(conn))
                    return complete;
                conn->header_len = 0;
                if (begin_frame(conn) < 0)
                    return -1;
            }
        }
        size_t piece = len < conn->left ? len : (size_t)conn->left;
        if (is_control(conn))
            memcpy(conn->control + (conn->frame_len - conn->left), data, piece);
        else
            check_piece(conn, data, piece);
        conn->left -= piece;
        data += piece;
        len -= piece;
        if (conn->left == 0) {
            int ended = end_frame(conn);
            if (ended < 0)
                return -1;
            complete += ended;
        }
    }
    return complete;
}

/* One read, and not more than belongs to the frame: what need not be compared is dropped inside the kernel. Returns as
   `receive_bytes`; `*more` says whether there may be more. */
static int receive_frame(struct conn *conn, int *more)
{
    size_t wanted = options.size >= 65536 ? 10 : 4;
    int dropped;
    if (options.raw && conn->left == 0)
        begin_raw(conn);
    if (conn->left)
        wanted = (size_t)conn->left;
    dropped = conn->left && !conn->compared && !is_control(conn);
    if (!dropped && wanted > INPUT)
        wanted = INPUT;
    ssize_t n = conn_recv(conn, input, wanted, dropped ? MSG_TRUNC : 0);
    *more = n > 0 && (size_t)n == wanted;
    if (n < 0) {
        conn_drop(conn, "the server ended a connection");
        return -1;
    }
    if (!dropped)
        return receive_bytes(conn, input, (size_t)n);
    conn->message_len += (size_t)n;
    conn->left -= (size_t)n;
    return n > 0 && conn->left == 0 ? end_frame(conn) : 0;
}

static int receive_all(struct conn *conn, int *more)
{
    ssize_t n = conn_recv(conn, input, INPUT, 0);
    /* With TLS one read gives one record. */
    *more = n > 0 && (conn->tls || n == INPUT);
    if (n < 0) {
        conn_drop(conn, "the server ended a connection");
        return -1;
    }
    return receive_bytes(conn, input, (size_t)n);
}

void receive(struct conn *conn)
{
    int large = options.size >= NO_COPY && !options.tls && !options.deflate, complete = 0, more = 1;
    for (int i = 0; more && (!large || i < READS); i++) {
        int n = large ? receive_frame(conn, &more) : receive_all(conn, &more);
        if (n < 0)
            return;
        complete += n;
    }
    if (complete)
        hooks.arrived(conn, (unsigned)complete);
}
