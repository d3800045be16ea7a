/* An echo server as a guest in libuv's loop.   libuv [PORT [TICK_MS]]

   The host has work of its own beside it: a timer, with which it tells how many connections there are.
   Ctrl-C says goodbye to all of them, waits for their answers, and ends. */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>
#include <wsock.h>

static wsock_loop *loop;
static wsock_server *server;

static void on_ended(void *user);

/* ---- the guest: the same in each of these programs ---- */

static void on_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user)
{
    (void)user;
    if (wsock_conn_send(conn, type, data, len, 0) < 0)
        wsock_conn_close(conn, 1013, "too much is waiting to be read");
}

static void start(int port)
{
    wsock_handlers handlers = { .struct_size = sizeof handlers, .on_message = on_message, .release = on_ended };
    wsock_error_info error = { .struct_size = sizeof error };
    if (wsock_loop_new(&loop) != WSOCK_OK
        || wsock_listen(loop, "127.0.0.1", (uint16_t)port, NULL, &handlers, NULL, &server) != WSOCK_OK
        || wsock_loop_fd(loop) < 0) {
        wsock_last_error(&error);
        fprintf(stderr, "cannot start: %s\n", error.message);
        exit(1);
    }
    printf("listening on ws://127.0.0.1:%u/\n", (unsigned)wsock_server_port(server));
    fflush(stdout);
}

static void report(void)
{
    wsock_server_stats stats = { .struct_size = sizeof stats };
    if (wsock_server_get_stats(server, &stats) != WSOCK_OK)
        return; /* it has ended */
    printf("%llu here, %llu messages\n", (unsigned long long)stats.connections,
        (unsigned long long)stats.messages_received);
    fflush(stdout);
}

/* ---- the host: libuv ---- */

static uv_loop_t host;
static uv_poll_t readable;
static uv_timer_t timer;
static uv_signal_t interrupt, terminate;
static int failed;

/* The last that is heard of the server: all its connections have ended. */
static void on_ended(void *user)
{
    (void)user;
    uv_stop(&host);
}

static void on_readable(uv_poll_t *handle, int status, int events)
{
    (void)handle, (void)status, (void)events;
    if (wsock_loop_poll(loop, 0) < 0) {
        failed = 1;
        uv_stop(&host);
    }
}

static void on_tick(uv_timer_t *handle)
{
    (void)handle;
    report();
}

static void on_signal(uv_signal_t *handle, int number)
{
    (void)handle, (void)number;
    wsock_server_close(server, 0, 1001, "the server is going down");
}

int main(int argc, char **argv)
{
    uint64_t tick_ms = argc > 2 ? (uint64_t)atoi(argv[2]) : 1000;
    start(argc > 1 ? atoi(argv[1]) : 9001);
    uv_loop_init(&host);
    uv_timer_init(&host, &timer);
    uv_timer_start(&timer, on_tick, tick_ms, tick_ms);
    uv_signal_init(&host, &interrupt);
    uv_signal_start(&interrupt, on_signal, SIGINT);
    uv_signal_init(&host, &terminate);
    uv_signal_start(&terminate, on_signal, SIGTERM);

    uv_poll_init(&host, &readable, wsock_loop_fd(loop));
    uv_poll_start(&readable, UV_READABLE, on_readable);
    uv_run(&host, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&readable, NULL); /* before its descriptor is closed */
    uv_close((uv_handle_t *)&timer, NULL);
    uv_close((uv_handle_t *)&interrupt, NULL);
    uv_close((uv_handle_t *)&terminate, NULL);
    uv_run(&host, UV_RUN_DEFAULT);
    wsock_loop_free(loop);
    uv_loop_close(&host);
    return failed;
}
