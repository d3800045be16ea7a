/* What the benchmarks that are servers themselves share. */
#ifndef SERVE_H
#define SERVE_H
#include <wsock.h>

/* Ends the program with the library's own words when a call was refused. */
void check(wsock_status status, const char *what);

/* A loop with a server on a free port; options may be NULL. */
wsock_loop *serve(const wsock_options *options, const wsock_handlers *handlers, wsock_server **out_server);

/* Waits at most 20 seconds for the next events and handles them. */
void turn(wsock_loop *loop);
#endif
