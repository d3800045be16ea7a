/* An echo server as a guest in libevent's loop.   libevent [PORT [TICK_MS]]

   The host has work of its own beside it: a timer, with which it tells how many connections there are.
   Ctrl-C says goodbye to all of them, waits for their answers, and ends. */
#define _POSIX_C_SOURCE 200809L
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
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

/* ---- the host: libevent ---- */

static struct event_base *host;
static int failed;

/* The last that is heard of the server: all its connections have ended. */
static void on_ended(void *user)
{
    (void)user;
    event_base_loopbreak(host);
}

static void on_readable(evutil_socket_t fd, short what, void *user)
{
    (void)fd, (void)what, (void)user;
    if (wsock_loop_poll(loop, 0) < 0) {
        failed = 1;
        event_base_loopbreak(host);
    }
}

static void on_tick(evutil_socket_t fd, short what, void *user)
{
    (void)fd, (void)what, (void)user;
    report();
}

static void on_signal(evutil_socket_t number, short what, void *user)
{
    (void)number, (void)what, (void)user;
    wsock_server_close(server, 0, 1001, "the server is going down");
}

int main(int argc, char **argv)
{
    int tick_ms = argc > 2 ? atoi(argv[2]) : 1000;
    struct timeval every = { .tv_sec = tick_ms / 1000, .tv_usec = tick_ms % 1000 * 1000 };
    start(argc > 1 ? atoi(argv[1]) : 9001);
    host = event_base_new();
    struct event *timer = event_new(host, -1, EV_PERSIST, on_tick, NULL);
    struct event *interrupt = evsignal_new(host, SIGINT, on_signal, NULL);
    struct event *terminate = evsignal_new(host, SIGTERM, on_signal, NULL);
    event_add(timer, &every);
    event_add(interrupt, NULL);
    event_add(terminate, NULL);

    struct event *readable = event_new(host, wsock_loop_fd(loop), EV_READ | EV_PERSIST, on_readable, NULL);
    event_add(readable, NULL);
    event_base_dispatch(host);
    event_free(readable); /* before its descriptor is closed */
    wsock_loop_free(loop);
    event_free(terminate);
    event_free(interrupt);
    event_free(timer);
    event_base_free(host);
    return failed;
}
