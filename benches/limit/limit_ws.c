/* The least work that a WebSocket echo server on epoll can do; how cheap others are is measured against it.

     limit_ws [--port NUMBER] [--broadcast]

   One read per event, payloads unmasked on their way into one output buffer, one send for all replies of a read; a
   large message is read straight into the memory that it is sent from. No library: no fragments, no UTF-8, no limits,
   a close is echoed. With --broadcast everybody gets what anybody sends. */
#define _GNU_SOURCE
#include "frame.h"
#include "serve.h"
#include "unmask.h"
#include "upgrade.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* From here on a message that is not whole gets memory of its own. */
#define LARGE 4096
#define MOST_MESSAGE (1ull << 31)

static uint8_t *output;
static int broadcast;
static struct conn **everybody;
static size_t count;

static void join(struct conn *conn)
{
    if (count % 1024 == 0)
        everybody = must_have(realloc(everybody, (count + 1024) * sizeof *everybody));
    everybody[count++] = conn;
}

static void leave(struct conn *conn)
{
    for (size_t i = 0; i < count; i++) {
        if (everybody[i] == conn)
            everybody[i--] = everybody[--count];
    }
}

static int answer(struct conn *conn, size_t len)
{
    if (!broadcast)
        return put(conn, output, len);
    for (size_t i = 0; i < count; i++) {
        if (everybody[i]->open)
            put(everybody[i], output, len);
    }
    return 0;
}

static int answer_large(struct conn *conn)
{
    uint8_t header[MOST_HEADER];
    size_t len = put_header(header, conn->first, 0, conn->large_len), from = MOST_HEADER - len;
    memcpy(conn->large + from, header, len);
    int taken = put_block(conn, conn->large, from, len + conn->large_len);
    if (taken == 1)
        conn->large = NULL;
    conn->large_len = conn->got = 0;
    return taken < 0 ? -1 : 0;
}

static uint32_t mask_from(uint32_t mask, size_t at)
{
    unsigned by = (unsigned)(at & 3) * 8;
    return by ? mask >> by | mask << (32 - by) : mask;
}

static void begin_large(struct conn *conn, const uint8_t *frame, size_t header, size_t len, size_t there, uint32_t mask)
{
    conn->large = must_have(realloc(conn->large, MOST_HEADER + len));
    conn->first = frame[0];
    conn->mask = mask;
    conn->large_len = len;
    conn->got = there;
    unmask(conn->large + MOST_HEADER, frame + header, there, mask);
}

/* Answers the frames in `data`, in one send. */
static int frames(struct conn *conn, const uint8_t *data, size_t len)
{
    size_t at = 0, out = 0;
    int over = 0;
    while (len - at >= 6 && !over) {
        const uint8_t *frame = data + at;
        size_t header = header_len(frame) + 4;
        uint32_t mask;
        if (len - at < header)
            break;
        uint64_t payload = payload_len(frame);
        size_t there = len - at - header;
        if (payload > MOST_MESSAGE)
            return -1;
        memcpy(&mask, frame + header - 4, 4);
        if (there < payload) {
            if (payload < LARGE)
                break;
            begin_large(conn, frame, header, (size_t)payload, there, mask);
            at = len;
            break;
        }
        over = (frame[0] & 15) == 8;
        if ((frame[0] & 15) != 10) {
            out += put_header(output + out, frame[0], 0, payload);
            unmask(output + out, frame + header, (size_t)payload, mask);
            out += (size_t)payload;
        }
        at += header + (size_t)payload;
    }
    if (at < len) {
        keep(conn, data + at, len - at);
    } else if (conn->kept) {
        free(conn->kept);
        conn->kept = NULL;
    }
    if (out && answer(conn, out) != 0)
        return -1;
    return over ? -1 : 0;
}

/* Reads on in a large message, and behind it what follows; how much that is, 0 when there is nothing to do yet. */
static long read_large(struct conn *conn)
{
    size_t need = conn->large_len - conn->got;
    uint8_t *to = conn->large + MOST_HEADER + conn->got;
    struct iovec into[2] = { { to, need }, { input, INPUT } };
    ssize_t n = readv(conn->fd, into, 2);
    if (n <= 0)
        return n < 0 && errno == EAGAIN ? 0 : -1;
    size_t piece = (size_t)n < need ? (size_t)n : need;
    unmask(to, to, piece, mask_from(conn->mask, conn->got));
    conn->got += piece;
    if (conn->got < conn->large_len)
        return 0;
    return answer_large(conn) == 0 ? (long)((size_t)n - piece) : -1;
}

static long read_behind(struct conn *conn)
{
    size_t before = conn->kept_len;
    if (before)
        memcpy(input, conn->kept, before);
    ssize_t n = recv(conn->fd, input + before, INPUT - before, 0);
    if (n <= 0)
        return n < 0 && errno == EAGAIN ? 0 : -1;
    conn->kept_len = 0;
    return (long)before + n;
}

static int on_input(struct conn *conn)
{
    for (;;) {
        long len = conn->got < conn->large_len ? read_large(conn) : read_behind(conn), from = 0;
        if (len <= 0)
            return (int)len;
        if (!conn->open) {
            from = upgrade(conn, input, (size_t)len);
            if (from == 0)
                keep(conn, input, (size_t)len);
            if (from <= 0)
                return (int)from;
        }
        if (frames(conn, input + from, (size_t)(len - from)) != 0)
            return -1;
        if (len < INPUT)
            return 0;
    }
}

int main(int argc, char **argv)
{
    static const struct option switches[] = { { "port", required_argument, NULL, 'p' },
        { "broadcast", no_argument, NULL, 'b' }, { 0 } };
    struct kind kind = { .input = on_input, .writable = put_rest };
    int found, port = 0;
    while ((found = getopt_long(argc, argv, "", switches, NULL)) != -1) {
        switch (found) {
        case 'p': port = atoi(optarg); break;
        case 'b':
            broadcast = 1;
            kind.came = join;
            kind.gone = leave;
            break;
        default: fprintf(stderr, "usage: limit_ws [--port NUMBER] [--broadcast]\n"); return 2;
        }
    }
    output = must_have(malloc(2 * INPUT));
    serve("ws", port, &kind);
}
