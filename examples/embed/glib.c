/* An echo server as a guest in GLib's main loop.   glib [PORT [TICK_MS]]

   The host has work of its own beside it: a timer, with which it tells how many connections there are.
   Ctrl-C says goodbye to all of them, waits for their answers, and ends. */
#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>
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

/* ---- the host: GLib ---- */

static GMainLoop *host;
static int failed;

/* The last that is heard of the server: all its connections have ended. */
static void on_ended(void *user)
{
    (void)user;
    g_main_loop_quit(host);
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer user)
{
    (void)fd, (void)condition, (void)user;
    if (wsock_loop_poll(loop, 0) < 0) {
        failed = 1;
        g_main_loop_quit(host);
    }
    return G_SOURCE_CONTINUE;
}

static gboolean on_tick(gpointer user)
{
    (void)user;
    report();
    return G_SOURCE_CONTINUE;
}

static gboolean on_signal(gpointer user)
{
    (void)user;
    wsock_server_close(server, 0, 1001, "the server is going down");
    return G_SOURCE_CONTINUE;
}

int main(int argc, char **argv)
{
    start(argc > 1 ? atoi(argv[1]) : 9001);
    host = g_main_loop_new(NULL, FALSE);
    g_timeout_add(argc > 2 ? (guint)atoi(argv[2]) : 1000, on_tick, NULL);
    g_unix_signal_add(SIGINT, on_signal, NULL);
    g_unix_signal_add(SIGTERM, on_signal, NULL);

    guint watch = g_unix_fd_add(wsock_loop_fd(loop), G_IO_IN, on_readable, NULL);
    g_main_loop_run(host);
    g_source_remove(watch); /* before its descriptor is closed */
    wsock_loop_free(loop);
    g_main_loop_unref(host);
    return failed;
}
