/* The client that the Autobahn test suite's fuzzing server examines.

     autobahn_client [--cacert FILE] [URL [AGENT]]

   It asks how many cases there are, connects once for each and echoes whatever comes, then tells the
   suite to write its report and end. permessage-deflate is on. For a wss:// URL, FILE has the authority
   to trust. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wsock.h>

static wsock_loop *loop;
static wsock_options *options;
static int opened;
static char reply[32];
static wsock_error_info error = { .struct_size = sizeof error };

static void on_open(wsock_conn *conn, void *user)
{
    (void)conn, (void)user;
    opened = 1;
}

static void echo(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user)
{
    (void)user;
    wsock_conn_send(conn, type, data, len, 0); /* the suite waits for each answer: no queue to bound */
}

static void keep(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user)
{
    (void)conn, (void)type, (void)user;
    snprintf(reply, sizeof reply, "%.*s", (int)len, (const char *)data);
}

static void on_error(wsock_conn *conn, const wsock_error_info *info, void *user)
{
    (void)conn, (void)user;
    error = *info;
}

/* One connection from beginning to end: did it open? How it ends is for the suite to judge. */
static int visit(const char *url, void (*on_message)(wsock_conn *, int32_t, const uint8_t *, size_t, void *))
{
    wsock_handlers handlers = { .struct_size = sizeof handlers, .on_open = on_open, .on_message = on_message,
        .on_error = on_error };
    wsock_conn *conn;
    opened = 0;
    error.message[0] = '\0';
    if (wsock_connect(loop, url, options, &handlers, NULL, &conn) == WSOCK_OK)
        wsock_loop_run(loop);
    else
        wsock_last_error(&error);
    return opened;
}

static int fail(const char *url)
{
    fprintf(stderr, "autobahn_client: cannot open %s: %s\n", url, error.message);
    return 1;
}

int main(int argc, char **argv)
{
    const char *authority = NULL;
    if (argc > 2 && strcmp(argv[1], "--cacert") == 0) {
        authority = argv[2];
        argc -= 2;
        argv += 2;
    }
    const char *base = argc > 1 ? argv[1] : "ws://127.0.0.1:9001";
    const char *agent = argc > 2 ? argv[2] : "libwsock";
    char url[1024];
    if (wsock_loop_new(&loop) != WSOCK_OK || wsock_options_new(&options) != WSOCK_OK
        || wsock_options_set_int(options, WSOCK_OPT_DEFLATE, 1) != WSOCK_OK) {
        fprintf(stderr, "autobahn_client: cannot start: is the library built with permessage-deflate?\n");
        return 1;
    }
    if (authority && wsock_options_set_str(options, WSOCK_OPT_TLS_CA_FILE, authority) != WSOCK_OK) {
        wsock_last_error(&error);
        fprintf(stderr, "autobahn_client: --cacert: %s\n", error.message);
        return 1;
    }

    snprintf(url, sizeof url, "%s/getCaseCount", base);
    if (!visit(url, keep))
        return fail(url);
    int cases = atoi(reply);
    for (int i = 1; i <= cases; i++) {
        snprintf(url, sizeof url, "%s/runCase?case=%d&agent=%s", base, i, agent);
        if (!visit(url, echo))
            return fail(url);
    }
    snprintf(url, sizeof url, "%s/updateReports?agent=%s&shutdownOnComplete=true", base, agent);
    visit(url, NULL); /* this one may never open: the suite writes its report and is gone */

    wsock_options_free(options);
    wsock_loop_free(loop);
    printf("%d cases\n", cases);
    return cases > 0 ? 0 : 1;
}
