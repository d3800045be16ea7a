/* A client that takes messages as fast as they come; the counterpart of limit_client.

     client --port NUMBER

   Ends with SIGTERM, and says then how many messages it got. */
#define _POSIX_C_SOURCE 200809L
#include "serve.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static wsock_loop *loop;
static unsigned long long messages;
static int failed;

static void on_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user)
{
    (void)conn, (void)type, (void)data, (void)len, (void)user;
    messages++;
}

static void on_close(wsock_conn *conn, const wsock_close_info *info, void *user)
{
    (void)conn, (void)user;
    fprintf(stderr, "client: the connection ended with %d\n", (int)info->code);
    failed = 1;
    wsock_loop_stop(loop);
}

static void on_signal(int number)
{
    (void)number;
    wsock_loop_stop(loop);
}

int main(int argc, char **argv)
{
    wsock_handlers handlers = { .struct_size = sizeof handlers, .on_message = on_message, .on_close = on_close };
    struct sigaction action = { .sa_handler = on_signal };
    wsock_conn *conn;
    char url[64];
    if (argc != 3 || strcmp(argv[1], "--port") != 0) {
        fprintf(stderr, "usage: client --port NUMBER\n");
        return 2;
    }
    check(wsock_loop_new(&loop), "loop");
    sigaction(SIGTERM, &action, NULL);
    snprintf(url, sizeof url, "ws://127.0.0.1:%d/", atoi(argv[2]));
    check(wsock_connect(loop, url, NULL, &handlers, NULL, &conn), "connect");
    while (wsock_loop_run(loop) == WSOCK_ERR_INTERRUPTED)
        continue;
    printf("%llu\n", messages);
    return failed;
}
