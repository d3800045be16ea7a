#include "serve.h"

#include <stdio.h>
#include <stdlib.h>

void check(wsock_status status, const char *what)
{
    wsock_error_info error = { .struct_size = sizeof error };
    if (status >= 0)
        return;
    wsock_last_error(&error);
    fprintf(stderr, "bench: %s: %s\n", what, error.message);
    exit(1);
}

wsock_loop *serve(int port, const wsock_options *options, const wsock_handlers *handlers, wsock_server **out_server)
{
    wsock_loop *loop;
    check(wsock_loop_new(&loop), "loop");
    check(wsock_listen(loop, "127.0.0.1", (uint16_t)port, options, handlers, NULL, out_server), "listen");
    return loop;
}

void print_address(const wsock_server *server)
{
    printf("listening on ws://127.0.0.1:%u/\n", (unsigned)wsock_server_port(server));
    fflush(stdout);
}

void turn(wsock_loop *loop)
{
    check(wsock_loop_poll(loop, 20000), "poll");
}
