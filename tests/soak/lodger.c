/* Loops with a thread of their own that come and go, each with a server that hears of messages in batches. */
#include "soak.h"

#include <stdio.h>

#define BATCH 64

static void answer(const wsock_event *event)
{
    wsock_conn *conn = (wsock_conn *)(uintptr_t)event->object;
    if (event->type == WSOCK_EVENT_TEXT || event->type == WSOCK_EVENT_BINARY)
        may_be_late(send_back(conn, (int32_t)event->type, (const void *)(uintptr_t)event->data, (size_t)event->len), "answer");
    if ((event->type == WSOCK_EVENT_TEXT || event->type == WSOCK_EVENT_BINARY) && pick(16) == 0)
        may_be_late(wsock_conn_close(conn, 1000, "enough"), "close");
}

static void serve_batch(wsock_loop *loop, const wsock_event *events)
{
    int32_t count = wsock_loop_events(loop, 20);
    must(count, "events");
    for (int32_t i = 0; i < count; i++)
        answer(&events[i]);
}

static uint64_t left(wsock_loop *loop)
{
    wsock_loop_stats stats = { .struct_size = sizeof stats };
    must(wsock_loop_get_stats(loop, &stats), "figures");
    return stats.connections + stats.servers;
}

static void live(void)
{
    static wsock_event events[BATCH];
    wsock_handlers handlers = { .struct_size = sizeof handlers };
    wsock_loop *loop;
    wsock_server *server;
    char url[64];
    must(wsock_loop_new(&loop), "loop");
    must(wsock_loop_use_events(loop, events, sizeof *events, BATCH), "batches");
    must(wsock_listen(loop, "127.0.0.1", 0, NULL, &handlers, NULL, &server), "listen");
    if (pick(4))
        must(wsock_loop_start(loop), "start");
    ADD(loops, 1);
    snprintf(url, sizeof url, "ws://127.0.0.1:%u/", (unsigned)wsock_server_port(server));
    place_open(LODGER, url);
    for (uint64_t end = now_us() + 500000 + pick(3000000); !over && now_us() < end;)
        serve_batch(loop, events);
    place_close(LODGER);
    /* Some end politely; the others leave everything open to wsock_loop_free. */
    if (over || pick(2)) {
        must(wsock_server_close(server, (int32_t)pick(500), 0, NULL), "close a server");
        while (left(loop) > 0)
            serve_batch(loop, events);
    }
    must(wsock_loop_free(loop), "free the loop");
}

void *lodger(void *unused)
{
    (void)unused;
    while (!over)
        live();
    return NULL;
}
