/* call --url URL [--messages NUMBER] [--window NUMBER] [--stay 1] [--trust FILE] [--ping MS ...]: says numbered messages to an echo server,
   so many on the way at a time, and compares what comes back. A connection that comes back begins with the first message.
   SIGTERM closes it. */
#include "talk.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static struct {
    uint32_t messages, window;
    int stay; /* when all has come back */
} wanted;
static struct {
    uint32_t sent, came;
    uint64_t bytes; /* accepted from us */
    int full;
} now;
static wsock_loop *loop;
static wsock_conn *conn;
static volatile sig_atomic_t ending;

static void say_more(void)
{
    while (!now.full && now.sent < wanted.messages && now.sent - now.came < wanted.window) {
        struct said said = talk_message(now.sent);
        wsock_status status = wsock_conn_send(conn, said.type, said.data, said.len, 0);
        if (status == WSOCK_ERR_STATE)
            return;
        must(status, "send");
        now.full = status == WSOCK_BUFFERED;
        now.sent++;
        now.bytes += said.len;
    }
}

static void on_open(wsock_conn *opened, void *user)
{
    (void)user;
    conn = opened;
    memset(&now, 0, sizeof now);
    tell("{\"event\":\"open\"}");
    say_more();
}

static void on_message(wsock_conn *from, int32_t type, const uint8_t *data, size_t len, void *user)
{
    (void)user;
    if (!talk_is(now.came, type, data, len))
        broken(now.came && talk_is(now.came - 1, type, data, len) ? "an answer came twice" : "an answer is not the one that must come next");
    if (++now.came < wanted.messages) {
        say_more();
        return;
    }
    tell("{\"event\":\"done\",\"messages\":%u}", (unsigned)now.came);
    if (!wanted.stay)
        must(wsock_conn_close(from, 1000, "done"), "close");
}

static void on_drain(wsock_conn *from, void *user)
{
    (void)from, (void)user;
    now.full = 0;
    say_more();
}

static void tell_of(const char *event, const wsock_close_info *info)
{
    char more[128];
    snprintf(more, sizeof more, ",\"sent\":%u,\"came\":%u,\"bytes\":%llu", (unsigned)now.sent, (unsigned)now.came,
        (unsigned long long)now.bytes);
    tell_end(event, info, more);
}

static void on_retry(wsock_conn *from, const wsock_retry_info *info, void *user)
{
    (void)from, (void)user;
    tell_of("retry", info->close);
    memset(&now, 0, sizeof now);
}

static void on_close(wsock_conn *from, const wsock_close_info *info, void *user)
{
    (void)from, (void)user;
    tell_of("close", info);
}

static void on_signal(int number)
{
    (void)number;
    ending = 1;
    wsock_loop_stop(loop);
}

int main(int argc, char **argv)
{
    wsock_handlers handlers = { .struct_size = sizeof handlers, .on_open = on_open, .on_message = on_message,
        .on_drain = on_drain, .on_retry = on_retry, .on_close = on_close };
    wsock_options *options = options_from(argc, argv);
    wanted.messages = (uint32_t)number_of(argc, argv, "--messages", 200);
    wanted.window = (uint32_t)number_of(argc, argv, "--window", 8);
    wanted.stay = (int)number_of(argc, argv, "--stay", 0);
    must(wsock_loop_new(&loop), "loop");
    signal(SIGTERM, on_signal);
    must(wsock_connect(loop, text_of(argc, argv, "--url"), options, &handlers, NULL, &conn), "connect");
    wsock_options_free(options);
    for (;;) {
        wsock_status status = wsock_loop_run(loop);
        if (ending)
            wsock_conn_close(conn, 1000, "enough");
        else if (status != WSOCK_ERR_INTERRUPTED)
            break;
        ending = 0;
    }
    must(wsock_loop_free(loop), "free");
    tell("{\"event\":\"ended\"}");
    return 0;
}
