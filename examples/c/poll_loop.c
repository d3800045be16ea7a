/* The library as a guest in a poll() loop that belongs to the program.

     poll_loop [URL [TICKS]]

   The program has its own work, here a tick a second. It watches one descriptor for the library and
   calls wsock_loop_poll(loop, 0), which never blocks, whenever poll() comes back. Each tick is sent as
   a message, what comes back is printed, and after TICKS answers (3) the connection is closed. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <wsock.h>

enum { TICK_MS = 1000 };

static int answers, ticks = 3, running = 1;

static void on_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user)
{
    (void)type, (void)user;
    printf("%.*s\n", (int)len, (const char *)data);
    if (++answers == ticks)
        wsock_conn_close(conn, 1000, NULL);
}

static void on_error(wsock_conn *conn, const wsock_error_info *error, void *user)
{
    (void)conn, (void)user;
    fprintf(stderr, "poll_loop: %s\n", error->message);
}

static void on_close(wsock_conn *conn, const wsock_close_info *info, void *user)
{
    (void)conn, (void)user;
    printf("closed with %d\n", (int)info->code);
    running = 0;
}

static long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* The program's own work. */
static void tick(wsock_conn *conn)
{
    static int count;
    char text[32];
    int len = snprintf(text, sizeof text, "tick %d", ++count);
    if (wsock_conn_state(conn) == WSOCK_OPEN)
        wsock_conn_send_text(conn, text, (size_t)len);
}

int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "ws://127.0.0.1:9001/";
    wsock_handlers handlers = { .struct_size = sizeof handlers,
        .on_message = on_message, .on_error = on_error, .on_close = on_close };
    wsock_error_info error = { .struct_size = sizeof error };
    wsock_loop *loop = NULL;
    wsock_conn *conn;
    if (argc > 2)
        ticks = atoi(argv[2]);
    if (wsock_loop_new(&loop) != WSOCK_OK
        || wsock_connect(loop, url, NULL, &handlers, NULL, &conn) != WSOCK_OK) {
        wsock_last_error(&error);
        fprintf(stderr, "poll_loop: %s\n", error.message);
        return 1;
    }

    struct pollfd watched = { .fd = wsock_loop_fd(loop), .events = POLLIN };
    long long next_tick = now_ms() + TICK_MS;
    while (running) {
        /* Sleep until the tick or, when that is sooner, the library's next deadline. (The descriptor becomes
           readable then too; asking for the time is for hosts that cannot watch a descriptor.) */
        long long wait = next_tick - now_ms();
        int library = wsock_loop_timeout_ms(loop);
        if (library >= 0 && library < wait)
            wait = library;
        if (poll(&watched, 1, wait > 0 ? (int)wait : 0) < 0 && errno != EINTR) {
            perror("poll_loop: poll");
            break;
        }
        wsock_loop_poll(loop, 0);
        if (now_ms() >= next_tick) {
            tick(conn);
            next_tick += TICK_MS;
        }
    }
    wsock_loop_free(loop);
    return answers == ticks ? 0 : 1;
}
