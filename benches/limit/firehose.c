/* A WebSocket server that sends binary messages as fast as a client takes them. They lie ready in memory and leave
   with sendfile, so that the client is what is measured.

     firehose [--port NUMBER] [--size BYTES] [--count FILE]

   In FILE, of eight bytes at least, stands the number of messages sent so far, as others who map it see it. */
#define _GNU_SOURCE
#include "frame.h"
#include "serve.h"
#include "upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

/* About so many bytes lie ready. */
#define READY (4 << 20)

static int frames;
static size_t frame_len, frames_len;
static uint64_t bytes, own;
static volatile uint64_t *counted = &own;

static void *map(int fd, size_t len)
{
    void *memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd < 0 || memory == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    return memory;
}

static void prepare(size_t size)
{
    uint8_t header[MOST_HEADER];
    size_t header_len = put_header(header, 0x82, 0, size), count = READY / (header_len + size) + 1;
    uint64_t random = 88172645463325252u;
    frame_len = header_len + size;
    frames_len = count * frame_len;
    frames = memfd_create("frames", MFD_CLOEXEC);
    if (ftruncate(frames, (off_t)frames_len) != 0)
        exit(1);
    uint8_t *to = map(frames, frames_len);
    while (count--) {
        memcpy(to, header, header_len);
        for (size_t i = header_len; i < frame_len; i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            to[i] = (uint8_t)random;
        }
        to += frame_len;
    }
}

static int pour(struct conn *conn)
{
    for (;;) {
        off_t at = (off_t)conn->sent;
        ssize_t sent = sendfile(conn->fd, frames, &at, frames_len - conn->sent);
        if (sent < 0) {
            want_room(conn, 1);
            return errno == EAGAIN ? 0 : -1;
        }
        conn->sent = (conn->sent + (size_t)sent) % frames_len;
        bytes += (uint64_t)sent;
        *counted = bytes / frame_len;
    }
}

/* Nothing is expected of a client but its request; what else it sends is dropped. */
static int on_input(struct conn *conn)
{
    ssize_t n = recv(conn->fd, input, INPUT, 0);
    if (n <= 0)
        return n < 0 && errno == EAGAIN ? 0 : -1;
    if (conn->open)
        return 0;
    return upgrade(conn, input, (size_t)n) > 0 ? pour(conn) : -1;
}

int main(int argc, char **argv)
{
    static const struct option switches[] = { { "port", required_argument, NULL, 'p' },
        { "size", required_argument, NULL, 's' }, { "count", required_argument, NULL, 'c' }, { 0 } };
    static const struct kind kind = { .input = on_input, .writable = pour };
    int found, port = 0;
    size_t size = 125;
    while ((found = getopt_long(argc, argv, "", switches, NULL)) != -1) {
        switch (found) {
        case 'p': port = atoi(optarg); break;
        case 's': size = strtoull(optarg, NULL, 10); break;
        case 'c': counted = map(open(optarg, O_RDWR | O_CLOEXEC), sizeof *counted); break;
        default: fprintf(stderr, "usage: firehose [--port NUMBER] [--size BYTES] [--count FILE]\n"); return 2;
        }
    }
    /* A client that leaves in the middle ends its connection, not this program. */
    signal(SIGPIPE, SIG_IGN);
    prepare(size);
    serve("ws", port, &kind);
}
