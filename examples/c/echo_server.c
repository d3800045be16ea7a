/* Send every message back as it came.

   The first line printed is "listening on URL"; port 0 lets the system choose. SIGTERM or Ctrl-C closes every
   connection with 1001 ("going away") and then ends with status 0. SIGHUP reads the certificate anew, for
   connections to come: for when it was renewed. */
#define _POSIX_C_SOURCE 200809L
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wsock.h>

static const char usage[] =
    "usage: echo_server [options]\n"
    "  --host ADDRESS         listen on this address (127.0.0.1)\n"
    "  --port NUMBER          and this port (0: a free one)\n"
    "  --unix PATH            listen on a Unix domain socket instead; @NAME for an abstract one\n"
    "  --cert FILE            wss: the certificate, with its chain, in PEM\n"
    "  --key FILE             wss: its private key, in PEM\n"
    "  --client-ca FILE       wss: let in only who has a certificate of this authority\n"
    "  --proxy-protocol FROM  expect the PROXY protocol of balancers there: 10.0.0.0/8, or unix (again and again)\n"
    "  --deflate              accept compression (permessage-deflate)\n"
    "  --max-message BYTES    larger messages are refused with 1009\n"
    "  --idle-timeout SECONDS close connections without messages\n"
    "  --metrics              answer GET /metrics with figures for Prometheus\n"
    "  --log LEVEL            write the library's log to standard error: 1 errors, 2 warnings ... 5 everything\n"
    "  --verbose              tell on standard error who comes and goes\n"
    "  --help                 this\n";

static wsock_loop *loop;
static volatile sig_atomic_t ending, renewing;

static struct {
    const char *host, *unix_path;
    uint16_t port;
    const char *cert, *key, *client_ca;
    int metrics, verbose;
} args = { .host = "127.0.0.1" };

static void on_open(wsock_conn *conn, void *user)
{
    (void)user;
    if (!args.verbose)
        return;
    fprintf(stderr, "open %s", wsock_conn_get_str(conn, WSOCK_CONN_PEER_ADDRESS, NULL));
    if (args.cert)
        fprintf(stderr, " %s %s", wsock_conn_get_str(conn, WSOCK_CONN_TLS_VERSION, NULL),
            wsock_conn_get_str(conn, WSOCK_CONN_TLS_CIPHER, NULL));
    if (args.client_ca)
        fprintf(stderr, " %s", wsock_conn_get_str(conn, WSOCK_CONN_PEER_SUBJECT, NULL));
    putc('\n', stderr);
}

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

static void on_close(wsock_conn *conn, const wsock_close_info *info, void *user)
{
    (void)user;
    if (args.verbose)
        fprintf(stderr, "close %s %d\n", wsock_conn_get_str(conn, WSOCK_CONN_PEER_ADDRESS, NULL), (int)info->code);
}

/* Whoever wants a WebSocket gets one; who asks for /metrics gets all figures of the loop. */
static int32_t on_request(wsock_server *server, wsock_request *request, void *user)
{
    const char *path = wsock_request_get_str(request, WSOCK_REQUEST_PATH, NULL), *text;
    size_t len;
    (void)server, (void)user;
    if (!args.metrics || wsock_request_is_upgrade(request) || strcmp(path, "/metrics") != 0)
        return 0;
    if (wsock_loop_metrics(loop, &text, &len) != WSOCK_OK)
        return 500;
    wsock_request_set_body(request, "text/plain; version=0.0.4", text, len);
    return 200;
}

static void on_log(wsock_loop *from, int32_t level, const char *target, const char *message, void *user)
{
    static const char *const names[] = { "", "ERROR", "WARN", "INFO", "DEBUG", "TRACE" };
    (void)from, (void)user;
    fprintf(stderr, "%-5s %s: %s\n", names[level], target, message);
}

static void on_signal(int number)
{
    if (number == SIGHUP)
        renewing = 1;
    else
        ending = 1;
    wsock_loop_stop(loop); /* safe in a signal handler; ends wsock_loop_run in main */
}

static void run(void)
{
    while (wsock_loop_run(loop) == WSOCK_ERR_INTERRUPTED)
        continue;
}

/* Why the last call was refused, and about what. */
static void complain(const char *what)
{
    wsock_error_info error = { .struct_size = sizeof error };
    wsock_last_error(&error);
    fprintf(stderr, "echo_server: %s%s%s\n", what ? what : "", what ? ": " : "", error.message);
}

static void check(wsock_status status, const char *what)
{
    if (status >= 0)
        return;
    complain(what);
    exit(1);
}

/* Our certificate, and whether we ask for theirs. */
static wsock_status set_tls(wsock_options *options)
{
    wsock_status status = wsock_options_add_cert_files(options, args.cert, args.key);
    if (status == WSOCK_OK && args.client_ca)
        status = wsock_options_set_str(options, WSOCK_OPT_TLS_CA_FILE, args.client_ca);
    if (status == WSOCK_OK && args.client_ca)
        status = wsock_options_set_int(options, WSOCK_OPT_TLS_CLIENT_CERT, WSOCK_CLIENT_CERT_REQUIRED);
    return status;
}

/* Connections that are open keep what they have. When the new files are no good, so do those to come. */
static void renew(wsock_server *server)
{
    wsock_options *options;
    check(wsock_options_new(&options), NULL);
    if (set_tls(options) != WSOCK_OK || wsock_server_set_tls(server, options) != WSOCK_OK)
        complain("the certificate stays as it was");
    else if (args.verbose)
        fputs("certificate renewed\n", stderr);
    wsock_options_free(options);
}

static void wrong_usage(const char *name, const char *what)
{
    fprintf(stderr, "echo_server: --%s %s\n%s", name, what, usage);
    exit(2);
}

static long long number(const char *name, const char *text, long long max)
{
    char *end;
    long long value = strtoll(text, &end, 10);
    if (value < 0 || value > max || end == text || *end) {
        char what[64];
        snprintf(what, sizeof what, "wants a whole number from 0 to %lld", max);
        wrong_usage(name, what);
    }
    return value;
}

static void parse(int argc, char **argv, wsock_options *options)
{
    static const struct option switches[] = {
        { "host", required_argument, NULL, 'h' }, { "port", required_argument, NULL, 'p' },
        { "unix", required_argument, NULL, 'u' }, { "cert", required_argument, NULL, 'c' },
        { "key", required_argument, NULL, 'k' }, { "client-ca", required_argument, NULL, 'a' },
        { "proxy-protocol", required_argument, NULL, 'P' }, { "deflate", no_argument, NULL, 'd' },
        { "max-message", required_argument, NULL, 'm' }, { "idle-timeout", required_argument, NULL, 'i' },
        { "metrics", no_argument, NULL, 'M' }, { "log", required_argument, NULL, 'l' },
        { "verbose", no_argument, NULL, 'v' }, { "help", no_argument, NULL, 'H' }, { 0 }
    };
    int found, index;
    while ((found = getopt_long(argc, argv, "", switches, &index)) != -1) {
        const char *name = found == '?' ? "" : switches[index].name;
        switch (found) {
        case 'h': args.host = optarg; break;
        case 'p': args.port = (uint16_t)number(name, optarg, 65535); break;
        case 'u': args.unix_path = optarg; break;
        case 'c': args.cert = optarg; break;
        case 'k': args.key = optarg; break;
        case 'a': args.client_ca = optarg; break;
        case 'P': check(wsock_options_add_trusted_proxy(options, optarg), "--proxy-protocol"); break;
        case 'd': check(wsock_options_set_int(options, WSOCK_OPT_DEFLATE, 1), "--deflate"); break;
        case 'm':
            check(wsock_options_set_int(options, WSOCK_OPT_MAX_MESSAGE_SIZE, number(name, optarg, INT64_MAX)),
                "--max-message");
            break;
        case 'i':
            check(wsock_options_set_int(options, WSOCK_OPT_IDLE_TIMEOUT_MS, number(name, optarg, 1000000) * 1000),
                "--idle-timeout");
            break;
        case 'M': args.metrics = 1; break;
        case 'l':
            check(wsock_loop_set_log(loop, (int32_t)number(name, optarg, WSOCK_LOG_TRACE), on_log, NULL, NULL), "--log");
            break;
        case 'v': args.verbose = 1; break;
        case 'H': fputs(usage, stdout); exit(0);
        default: fputs(usage, stderr); exit(2); /* getopt_long has named the switch */
        }
    }
    if (optind < argc) {
        fprintf(stderr, "echo_server: what is \"%s\"?\n%s", argv[optind], usage);
        exit(2);
    }
    if (!args.cert != !args.key)
        wrong_usage(args.cert ? "cert" : "key", args.cert ? "wants --key, too" : "wants --cert, too");
    if (args.client_ca && !args.cert)
        wrong_usage("client-ca", "wants --cert and --key, too");
}

static wsock_server *start(const wsock_options *options)
{
    wsock_handlers handlers = { .struct_size = sizeof handlers, .on_open = on_open, .on_message = on_message,
        .on_drain = on_drain, .on_close = on_close, .on_request = on_request };
    wsock_server *server;
    char address[256];
    const char *scheme = args.cert ? "wss" : "ws";
    snprintf(address, sizeof address, "unix:%s", args.unix_path ? args.unix_path : "");
    check(wsock_listen(loop, args.unix_path ? address : args.host, args.port, options, &handlers, NULL, &server), NULL);
    if (args.unix_path)
        printf("listening on %s+%s:/\n", scheme, address);
    else
        printf(strchr(args.host, ':') ? "listening on %s://[%s]:%u/\n" : "listening on %s://%s:%u/\n", scheme,
            args.host, (unsigned)wsock_server_port(server));
    fflush(stdout);
    return server;
}

int main(int argc, char **argv)
{
    wsock_options *options;
    check(wsock_loop_new(&loop), NULL);
    check(wsock_options_new(&options), NULL);
    parse(argc, argv, options);
    if (args.cert)
        check(set_tls(options), NULL);

    struct sigaction action = { .sa_handler = on_signal };
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    if (args.cert)
        sigaction(SIGHUP, &action, NULL);
    wsock_server *server = start(options);
    wsock_options_free(options); /* listen made its own copy */

    for (run(); !ending; run()) {
        if (renewing) {
            renewing = 0;
            renew(server);
        }
    }
    wsock_server_close(server, 0, 1001, "going away");
    run(); /* until the last peer has said goodbye, or the close timeout is over */
    wsock_loop_free(loop);
    return 0;
}
