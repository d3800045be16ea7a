/* An echo server as a guest in a poll() loop.   poll [PORT [TICK_MS]]

   The host has work of its own beside it: a timer, with which it tells how many connections there are.
   Ctrl-C says goodbye to all of them, waits for their answers, and ends. */
#define _POSIX_C_SOURCE 200809L
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
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

/* ---- the host: poll() ---- */

static int ended, failed;
static volatile sig_atomic_t interrupted;

/* The last that is heard of the server: all its connections have ended. */
static void on_ended(void *user)
{
    (void)user;
    ended = 1;
}

/* A signal may arrive just before poll() begins to wait. wsock_loop_wakeup makes the descriptor readable, so that
   it does not wait then. */
static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
    wsock_loop_wakeup(loop);
}

static long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
    int tick_ms = argc > 2 ? atoi(argv[2]) : 1000;
    struct sigaction action = { .sa_handler = on_signal };
    start(argc > 1 ? atoi(argv[1]) : 9001);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);

    struct pollfd watched = { .fd = wsock_loop_fd(loop), .events = POLLIN };
    long long next_tick = now_ms() + tick_ms;
    while (!ended && !failed) {
        long long wait = next_tick - now_ms();
        if (poll(&watched, 1, wait > 0 ? (int)wait : 0) > 0)
            failed = wsock_loop_poll(loop, 0) < 0;
        if (now_ms() >= next_tick) {
            report();
            next_tick += tick_ms;
        }
        if (interrupted) {
            interrupted = 0;
            wsock_server_close(server, 0, 1001, "the server is going down");
        }
    }
    wsock_loop_free(loop);
    return failed;
}
