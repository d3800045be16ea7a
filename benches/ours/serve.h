/* What the benchmarks that are servers themselves share. */
#ifndef SERVE_H
#define SERVE_H
#include <wsock.h>

/* Ends the program with the library's own words when a call was refused. */
void check(wsock_status status, const char *what);

/* A loop with a server on that port, a free one for 0; options may be NULL. */
wsock_loop *serve(int port, const wsock_options *options, const wsock_handlers *handlers, wsock_server **out_server);

/* The line that whoever has started this program waits for. */
void print_address(const wsock_server *server);

/* Waits at most 20 seconds for the next events and handles them. */
void turn(wsock_loop *loop);
#endif
