/* An echo server that hears of messages in one of the ways that wsock.h has, to compare these.

     echo [--port NUMBER] [--events] [--thread] [--loops NUMBER]

   --events fetches them in batches; with --thread the loop has a thread of its own, and the messages are answered from
   another; --loops runs so many of them side by side, each on a thread and with a listener of its own on the same port.
   Ends with SIGTERM. */
#define _GNU_SOURCE
#include "serve.h"

#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define BATCH 1024
#define MOST_LOOPS 64

static int in_batches, with_thread;
static pthread_barrier_t ready;

static void on_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user)
{
    (void)user;
    wsock_conn_send(conn, type, data, len, 0);
}

static void answer(const wsock_event *event)
{
    wsock_conn *conn = (wsock_conn *)(uintptr_t)event->object;
    if (event->type == WSOCK_EVENT_TEXT || event->type == WSOCK_EVENT_BINARY)
        wsock_conn_send(conn, (int32_t)event->type, (const void *)(uintptr_t)event->data, (size_t)event->len, 0);
}

static wsock_server *listen_at(int port, wsock_loop **out_loop)
{
    wsock_handlers handlers = { .struct_size = sizeof handlers, .on_message = on_message };
    wsock_options *options;
    wsock_server *server;
    check(wsock_options_new(&options), "options");
    check(wsock_options_set_int(options, WSOCK_OPT_REUSE_PORT, 1), "reuse port");
    *out_loop = serve(port, options, &handlers, &server);
    wsock_options_free(options);
    return server;
}

static void run(wsock_loop *loop)
{
    wsock_event *events = calloc(BATCH, sizeof *events);
    if (!events)
        exit(1);
    if (in_batches)
        check(wsock_loop_use_events(loop, events, sizeof *events, BATCH), "events");
    if (with_thread)
        check(wsock_loop_start(loop), "thread");
    for (;;) {
        int32_t count = in_batches ? wsock_loop_events(loop, -1) : wsock_loop_poll(loop, -1);
        check(count, "the loop");
        for (int32_t i = 0; in_batches && i < count; i++)
            answer(&events[i]);
    }
}

static void *run_another(void *port)
{
    wsock_loop *loop;
    listen_at(*(int *)port, &loop);
    pthread_barrier_wait(&ready);
    run(loop);
    return NULL;
}

int main(int argc, char **argv)
{
    static const struct option switches[] = { { "port", 1, NULL, 'p' }, { "events", 0, NULL, 'e' },
        { "thread", 0, NULL, 't' }, { "loops", 1, NULL, 'l' }, { 0 } };
    int found, port = 0, loops = 1;
    wsock_loop *loop;
    pthread_t thread;
    while ((found = getopt_long(argc, argv, "", switches, NULL)) != -1) {
        switch (found) {
        case 'p': port = atoi(optarg); break;
        case 'e': in_batches = 1; break;
        case 't': with_thread = 1; break;
        case 'l': loops = atoi(optarg); break;
        default: fprintf(stderr, "usage: echo [--port NUMBER] [--events] [--thread] [--loops NUMBER]\n"); return 2;
        }
    }
    if (loops < 1 || loops > MOST_LOOPS) {
        fprintf(stderr, "echo: --loops wants a number from 1 to %d\n", MOST_LOOPS);
        return 2;
    }
    wsock_server *server = listen_at(port, &loop);
    port = wsock_server_port(server);
    pthread_barrier_init(&ready, NULL, (unsigned)loops);
    for (int i = 1; i < loops; i++) {
        if (pthread_create(&thread, NULL, run_another, &port) != 0)
            return 1;
    }
    pthread_barrier_wait(&ready);
    print_address(server);
    run(loop);
}
