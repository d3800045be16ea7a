/* A client that takes messages as fast as they come, or sends one when the last has come back; the counterpart of
   limit_client. The arguments are in ../limit/meter.h. */
#include "../limit/meter.h"
#include "serve.h"

#include <stdio.h>
#include <stdlib.h>

static wsock_loop *loop;
static uint8_t *payload;
static int over;

static void send_message(wsock_conn *conn)
{
    check(wsock_conn_send(conn, WSOCK_BINARY, payload, meter.size, 0), "send");
}

static void on_open(wsock_conn *conn, void *user)
{
    (void)user;
    if (meter.pingpong)
        send_message(conn);
}

static void on_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user)
{
    (void)type, (void)data, (void)len, (void)user;
    if (over)
        return;
    over = meter_count(1);
    if (over)
        wsock_loop_stop(loop);
    else if (meter.pingpong)
        send_message(conn);
}

static void on_close(wsock_conn *conn, const wsock_close_info *info, void *user)
{
    (void)conn, (void)user;
    fprintf(stderr, "client: the connection ended with %d\n", (int)info->code);
    exit(1);
}

int main(int argc, char **argv)
{
    wsock_handlers handlers = { .struct_size = sizeof handlers, .on_open = on_open, .on_message = on_message,
        .on_close = on_close };
    wsock_conn *conn;
    char url[64];
    meter_begin(argc, argv);
    payload = calloc(1, meter.size);
    if (!payload)
        return 1;
    check(wsock_loop_new(&loop), "loop");
    snprintf(url, sizeof url, "ws://127.0.0.1:%d/", meter.port);
    check(wsock_connect(loop, url, NULL, &handlers, NULL, &conn), "connect");
    check(wsock_loop_run(loop), "run");
    meter_report();
    return 0;
}
