/* Plain TCP, one read and one send per event: what is left when there is no WebSocket at all.

     limit_tcp [--port NUMBER] */
#define _GNU_SOURCE
#include "serve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int on_input(struct conn *conn)
{
    ssize_t n;
    do {
        n = recv(conn->fd, input, INPUT, 0);
        if (n <= 0)
            return n < 0 && errno == EAGAIN ? 0 : -1;
        if (put(conn, input, (size_t)n) != 0)
            return -1;
    } while (n == INPUT);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct kind kind = { .input = on_input, .writable = put_rest };
    if (argc != 1 && (argc != 3 || strcmp(argv[1], "--port") != 0)) {
        fprintf(stderr, "usage: limit_tcp [--port NUMBER]\n");
        return 2;
    }
    serve("tcp", argc == 3 ? atoi(argv[2]) : 0, &kind);
}
