/* What it costs to send 1 KiB of text to 1,000 clients: by sending it to each, by publishing it to a topic, and by
   a message for all connections of a server; plain and compressed. CPU time of the sender, per delivery. */
#define _GNU_SOURCE
#include "drain.h"
#include "measure.h"
#include "../ours/serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUBSCRIBERS 1000
#define SIZE 1024
/* Messages to all in a figure; at most so many of them are on the way. */
#define MESSAGES 40
#define AHEAD 8

enum { EACH, HUB, SERVER, SIDES };

static wsock_loop *loop;
static wsock_server *server;
static wsock_hub *hub;
static wsock_conn *conns[SUBSCRIBERS];
static int opened, side_now;
static struct drain drain;
static wsock_loop_stats stats = { .struct_size = sizeof stats };

static void on_open(wsock_conn *conn, void *user)
{
    (void)user;
    conns[opened++] = conn;
    check(wsock_hub_subscribe(hub, conn, "news"), "subscribe");
}

static void look(void)
{
    check(wsock_loop_get_stats(loop, &stats), "stats");
}

/* Text as programs send it, a different one each time. */
static void write_text(char *text)
{
    static unsigned number;
    unsigned length = (unsigned)snprintf(text, SIZE + 1, "{\"seq\":%u,\"quotes\":[", number++);
    for (unsigned state = number; length < SIZE; state = state * 1103515245 + 12345)
        length += (unsigned)snprintf(text + length, SIZE + 1 - length,
            "{\"symbol\":\"S%03u\",\"bid\":%u.%02u,\"size\":%u},", state >> 16 & 511, state >> 8 & 1023, state >> 20 & 63,
            (state >> 12 & 15) * 100);
}

static void send_to_all(wsock_loop *from, void *arg)
{
    char text[SIZE + 1];
    wsock_message *message;
    (void)from, (void)arg;
    write_text(text);
    switch (side_now) {
    case EACH:
        for (int i = 0; i < SUBSCRIBERS; i++)
            check(wsock_conn_send(conns[i], WSOCK_TEXT, text, SIZE, 0), "send");
        break;
    case HUB:
        check(wsock_hub_publish(hub, "news", WSOCK_TEXT, text, SIZE, NULL), "publish");
        break;
    case SERVER:
        check(wsock_message_new(WSOCK_TEXT, text, SIZE, &message), "message");
        check(wsock_server_broadcast(server, message, NULL), "broadcast");
        wsock_message_free(message);
        break;
    }
}

static double cpu_of(int side, void *arg)
{
    unsigned long long sent[MESSAGES];
    double cpu = 0;
    (void)arg;
    side_now = side % SIDES;
    look();
    unsigned long long before = stats.messages_sent;
    for (int i = 0; i < MESSAGES; i++) {
        if (i >= AHEAD)
            drain_wait(drain, sent[i - AHEAD]);
        double start = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
        check(wsock_loop_post(loop, send_to_all, NULL, NULL), "post");
        turn(loop);
        cpu += seconds_of(CLOCK_PROCESS_CPUTIME_ID) - start;
        look();
        sent[i] = stats.bytes_sent;
    }
    drain_wait(drain, sent[MESSAGES - 1]);
    if (stats.messages_sent - before != (unsigned long long)MESSAGES * SUBSCRIBERS) {
        fprintf(stderr, "bench: not everybody got everything\n");
        exit(1);
    }
    return cpu * 1e9 / MESSAGES / SUBSCRIBERS;
}

static void bench(const char *what, const char *extension)
{
    static const char *const names[SIDES] = { "to each", "wsock_hub_publish", "wsock_server_broadcast" };
    wsock_handlers handlers = { .struct_size = sizeof handlers, .on_open = on_open };
    wsock_options *options;
    check(wsock_options_new(&options), "options");
    check(wsock_options_set_int(options, WSOCK_OPT_DEFLATE, extension != NULL), "deflate");
    check(wsock_hub_new(&hub), "hub");
    loop = serve(0, options, &handlers, &server);
    opened = 0;
    drain = drain_start(wsock_server_port(server), SUBSCRIBERS, extension);
    while (opened < SUBSCRIBERS || !drain_ready(drain))
        check(wsock_loop_poll(loop, 10), "poll");
    take_turns(what, names, SIDES, cpu_of, NULL);
    drain_stop(drain);
    wsock_hub_free(hub);
    wsock_options_free(options);
    check(wsock_loop_free(loop), "free");
}

int main(void)
{
    pin(0);
    most_descriptors();
    printf("1 KiB to %d clients; sender's CPU, ns per delivery; median (lowest-highest) of %d rounds\n\n", SUBSCRIBERS,
        ROUNDS);
    print_heading("to each", "to all");
    bench("plain", NULL);
    bench("compressed", "permessage-deflate");
    return 0;
}
