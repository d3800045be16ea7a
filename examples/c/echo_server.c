/* Send every message back as it came.

     echo_server [--host 127.0.0.1] [--port 0] [--deflate] [--max-message BYTES] [--idle-timeout SECONDS]

   The first line printed is "listening on ws://HOST:PORT/"; port 0 lets the system choose. SIGTERM or
   Ctrl-C closes every connection with 1001 ("going away") and then ends with status 0. */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wsock.h>

static wsock_loop *loop;

static void on_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user)
{
    (void)user;
    wsock_status status = wsock_conn_send(conn, type, data, len, 0);
    if (status == WSOCK_BUFFERED)
        wsock_conn_pause(conn); /* it does not read as fast as it sends: wait until it has caught up */
    else if (status == WSOCK_ERR_LIMIT)
        wsock_conn_close(conn, 1013, "too much is waiting to be read");
}

static void on_drain(wsock_conn *conn, void *user)
{
    (void)user;
    wsock_conn_resume(conn);
}

static void on_signal(int number)
{
    (void)number;
    wsock_loop_stop(loop); /* safe in a signal handler; ends wsock_loop_run in main */
}

static void run(void)
{
    while (wsock_loop_run(loop) == WSOCK_ERR_INTERRUPTED)
        continue;
}

static int fail(void)
{
    wsock_error_info error = { .struct_size = sizeof error };
    wsock_last_error(&error);
    fprintf(stderr, "echo_server: %s\n", error.message);
    return 1;
}

static int usage(void)
{
    fprintf(stderr, "usage: echo_server [--host 127.0.0.1] [--port 0] [--deflate]"
                    " [--max-message BYTES] [--idle-timeout SECONDS]\n");
    return 2;
}

/* A whole number from 0 to max, or -1. */
static long long number(const char *text, long long max)
{
    char *end;
    long long value = text ? strtoll(text, &end, 10) : -1;
    return value < 0 || value > max || end == text || *end ? -1 : value;
}

int main(int argc, char **argv)
{
    const char *host = "127.0.0.1";
    long long port = 0, max_message = -1, idle_seconds = 0;
    int deflate = 0;
    for (int i = 1; i < argc; i++) {
        const char *value = argv[i + 1]; /* NULL after the last */
        if (strcmp(argv[i], "--deflate") == 0)
            deflate = 1;
        else if (strcmp(argv[i], "--host") == 0 && value)
            host = value, i++;
        else if (strcmp(argv[i], "--port") == 0 && (port = number(value, 65535)) >= 0)
            i++;
        else if (strcmp(argv[i], "--max-message") == 0 && (max_message = number(value, INT64_MAX)) >= 0)
            i++;
        else if (strcmp(argv[i], "--idle-timeout") == 0 && (idle_seconds = number(value, 1000000)) >= 0)
            i++;
        else
            return usage();
    }

    wsock_options *options;
    wsock_handlers handlers = { .struct_size = sizeof handlers,
        .on_message = on_message, .on_drain = on_drain };
    wsock_server *server;
    if (wsock_loop_new(&loop) != WSOCK_OK || wsock_options_new(&options) != WSOCK_OK
        || wsock_options_set_int(options, WSOCK_OPT_IDLE_TIMEOUT_MS, idle_seconds * 1000) != WSOCK_OK
        || (deflate && wsock_options_set_int(options, WSOCK_OPT_DEFLATE, 1) != WSOCK_OK)
        || (max_message >= 0
            && wsock_options_set_int(options, WSOCK_OPT_MAX_MESSAGE_SIZE, max_message) != WSOCK_OK)
        || wsock_listen(loop, host, (uint16_t)port, options, &handlers, NULL, &server) != WSOCK_OK)
        return fail();
    wsock_options_free(options); /* listen made its own copy */

    struct sigaction action = { .sa_handler = on_signal };
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    printf(strchr(host, ':') ? "listening on ws://[%s]:%u/\n" : "listening on ws://%s:%u/\n",
        host, (unsigned)wsock_server_port(server));
    fflush(stdout);

    run(); /* until a signal */
    wsock_server_close(server, 0, 1001, "going away");
    run(); /* until the last peer has said goodbye, or the close timeout is over */
    wsock_loop_free(loop);
    return 0;
}
