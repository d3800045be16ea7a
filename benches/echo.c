/* An echo server that hears of messages in one of the ways that wsock.h has, to compare these.

     echo callbacks|events [thread]

   "events" fetches them in batches; with "thread" the loop has a thread of its own, and the messages are
   answered from another. Ends with SIGTERM. */
#include "serve.h"

#include <stdio.h>
#include <string.h>

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

int main(int argc, char **argv)
{
    static wsock_event events[1024];
    wsock_handlers handlers = { .struct_size = sizeof handlers, .on_message = on_message };
    wsock_server *server;
    int in_batches = argc > 1 && strcmp(argv[1], "events") == 0;
    if (argc < 2 || argc > 3 || (!in_batches && strcmp(argv[1], "callbacks") != 0)
        || (argc == 3 && strcmp(argv[2], "thread") != 0)) {
        fprintf(stderr, "usage: echo callbacks|events [thread]\n");
        return 2;
    }
    wsock_loop *loop = serve(NULL, &handlers, &server);
    if (in_batches)
        check(wsock_loop_use_events(loop, events, sizeof *events, sizeof events / sizeof *events), "events");
    if (argc == 3)
        check(wsock_loop_start(loop), "thread");
    printf("listening on ws://127.0.0.1:%u/\n", (unsigned)wsock_server_port(server));
    fflush(stdout);

    for (;;) {
        int32_t count = in_batches ? wsock_loop_events(loop, -1) : wsock_loop_poll(loop, -1);
        check(count, "the loop");
        for (int32_t i = 0; in_batches && i < count; i++)
            answer(&events[i]);
    }
}
