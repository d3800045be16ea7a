/* A server that sends what anybody says to everybody.

     broadcast [--port NUMBER] [--hub]

   By wsock_server_broadcast, or with --hub by publishing it to a topic. Ends with SIGTERM. */
#include "serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static wsock_hub *hub;

static void on_open(wsock_conn *conn, void *user)
{
    (void)user;
    if (hub)
        check(wsock_hub_subscribe(hub, conn, "all"), "subscribe");
}

static void on_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user)
{
    wsock_message *message;
    (void)user;
    if (hub) {
        check(wsock_hub_publish(hub, "all", type, data, len, NULL), "publish");
        return;
    }
    check(wsock_message_new(type, data, len, &message), "message");
    check(wsock_server_broadcast(wsock_conn_server(conn), message, NULL), "broadcast");
    wsock_message_free(message);
}

int main(int argc, char **argv)
{
    wsock_handlers handlers = { .struct_size = sizeof handlers, .on_open = on_open, .on_message = on_message };
    wsock_server *server;
    int port = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--hub") == 0) {
            check(wsock_hub_new(&hub), "hub");
        } else if (strcmp(argv[i], "--port") == 0 && i + 1 < argc) {
            port = atoi(argv[++i]);
        } else {
            fprintf(stderr, "usage: broadcast [--port NUMBER] [--hub]\n");
            return 2;
        }
    }
    wsock_loop *loop = serve(port, NULL, &handlers, &server);
    print_address(server);
    for (;;)
        check(wsock_loop_poll(loop, -1), "poll");
}
