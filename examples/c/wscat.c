/* A terminal client: lines typed go out as messages, messages that come in are printed.

   The program waits in its own poll() on two descriptors, standard input and the library's. Messages go to
   standard output, everything about the connection to standard error, so that wscat also serves in pipelines. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wsock.h>

static const char usage[] =
    "usage: wscat [options] URL   ws://HOST/..., wss://HOST/..., ws+unix:/PATH/OF/SOCKET:/...\n"
    "  -x, --execute MESSAGE      send MESSAGE, print one answer, close\n"
    "  -b, --binary               send binary messages rather than text\n"
    "  -s, --subprotocol NAME     offer a subprotocol (again and again, best first)\n"
    "  -z, --deflate              offer compression (permessage-deflate)\n"
    "  -P, --ping SECONDS         ping this often and show the round-trip time\n"
    "  -c, --close CODE[:REASON]  close with this at the end of input (1000)\n"
    "  -r, --reconnect            come back for ever, when the connection is lost or cannot be made\n"
    "  -q, --quiet                nothing about the connection on standard error\n"
    "  -v, --verbose              more about it: TLS, and whose certificate\n"
    "  -h, --help                 this\n"
    "the request\n"
    "  -H, --header 'NAME: VALUE' add a header (again and again)\n"
    "      --cookie NAME=VALUE    send a cookie (again and again)\n"
    "  -o, --origin ORIGIN        send an Origin header\n"
    "  -u, --user NAME:PASSWORD   for a server that asks who we are (Basic or Digest)\n"
    "  -L, --location             follow redirects, up to ten\n"
    "the way\n"
    "      --unix PATH            to this Unix domain socket (@NAME: abstract) in place of the URL's host\n"
    "      --proxy URL            through http://, https://, socks5:// or socks5h://[USER:PASSWORD@]HOST:PORT\n"
    "      --noproxy LIST         but not to these hosts: example.org,10.0.0.0/8\n"
    "      --proxy-env            as https_proxy, http_proxy, all_proxy and no_proxy say\n"
    "TLS (files in PEM)\n"
    "      --cacert FILE          trust these authorities, not the system's\n"
    "      --cert FILE            our certificate with its chain\n"
    "      --key FILE             its private key, unless --cert has it\n"
    "      --pin sha256//BASE64   only a server with this public key (again and again)\n"
    "  -k, --insecure             accept any certificate: whoever sits between may read and write\n";

static struct {
    wsock_loop *loop;
    wsock_conn *conn;
    const char *once;       /* -x */
    int32_t type;           /* what we send: WSOCK_TEXT or WSOCK_BINARY */
    int32_t close_code;     /* -c */
    const char *close_reason;
    const char *cert, *key, *unix_path;
    long long ping_ms, next_ping;
    int quiet, verbose;
    int waiting;            /* the send queue is full: read no more input until on_drain */
    int leaving;            /* end of input: close when the answers are here */
    int heard;              /* a message came since the last ping of finish_input */
    int ended;              /* on_close was here */
    int result;             /* exit status */
    char *line;             /* input that has no line end yet */
    size_t line_len, line_size;
} cat = { .type = WSOCK_TEXT, .close_code = 1000, .result = 1 };

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
    wsock_loop_wakeup(cat.loop); /* so that poll() returns even when we came just before it */
}

static long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void fail(const char *what)
{
    fprintf(stderr, "wscat: %s\n", what);
    exit(1);
}

/* For calls that must succeed while we start; what is the switch, or "". */
static void check(wsock_status status, const char *what)
{
    wsock_error_info error = { .struct_size = sizeof error };
    if (status >= 0)
        return;
    wsock_last_error(&error);
    fprintf(stderr, "wscat: %s%s%s\n", what, *what ? ": " : "", error.message);
    exit(1);
}

static void finish(void)
{
    wsock_status status = wsock_conn_close(cat.conn, cat.close_code, cat.close_reason);
    if (status < 0) {
        fprintf(stderr, "wscat: cannot close with %d: %s\n", (int)cat.close_code, wsock_strerror(status));
        wsock_conn_abort(cat.conn);
    }
}

/* After close() no message is delivered any more, so first the answers to our last lines must come: we ping
   until a pong returns and no message came before it. */
static void finish_input(void)
{
    cat.leaving = 1;
    cat.heard = 0;
    if (wsock_conn_ping(cat.conn, "bye", 3) < 0)
        finish();
}

static void send_message(const char *data, size_t len)
{
    wsock_status status = wsock_conn_send(cat.conn, cat.type, data, len, 0);
    if (status == WSOCK_BUFFERED)
        cat.waiting = 1;
    else if (status < 0)
        fprintf(stderr, "wscat: not sent: %s\n", wsock_strerror(status));
}

/* What a stranger sends must not steer the terminal: control characters are shown, not obeyed. */
static void print_text(FILE *out, const char *text, size_t len)
{
    const unsigned char *data = (const unsigned char *)text;
    int tty = isatty(fileno(out));
    for (size_t i = 0; i < len; i++) {
        int c1 = data[i] == 0xc2 && i + 1 < len && data[i + 1] < 0xa0; /* U+0080 to U+009F */
        if (!tty || (data[i] >= ' ' && data[i] != 0x7f && !c1) || data[i] == '\n' || data[i] == '\t')
            putc(data[i], out);
        else
            fprintf(out, "\\x%02x", c1 ? data[++i] : data[i]);
    }
}

static void show_tls(wsock_conn *conn)
{
    const char *version = wsock_conn_get_str(conn, WSOCK_CONN_TLS_VERSION, NULL);
    if (!*version)
        return;
    size_t len;
    const char *subject = wsock_conn_get_str(conn, WSOCK_CONN_PEER_SUBJECT, &len);
    fprintf(stderr, "%s %s, certificate of ", version, wsock_conn_get_str(conn, WSOCK_CONN_TLS_CIPHER, NULL));
    print_text(stderr, subject, len);
    putc('\n', stderr);
}

static void on_open(wsock_conn *conn, void *user)
{
    (void)user;
    const char *protocol = wsock_conn_get_str(conn, WSOCK_CONN_PROTOCOL, NULL);
    const char *extensions = wsock_conn_get_str(conn, WSOCK_CONN_EXTENSIONS, NULL);
    if (!cat.quiet)
        fprintf(stderr, "connected to %s%s%s%s%s%s\n", wsock_conn_get_str(conn, WSOCK_CONN_URL, NULL),
            *protocol ? ", subprotocol " : "", protocol, *extensions ? ", " : "", extensions,
            !cat.once && isatty(STDIN_FILENO) ? " (Ctrl-D closes)" : "");
    if (cat.verbose)
        show_tls(conn);
    cat.next_ping = now_ms() + cat.ping_ms;
    cat.waiting = 0; /* with --reconnect the queue of the last connection went with it */
    if (cat.once)
        send_message(cat.once, strlen(cat.once));
    else if (cat.leaving)
        finish_input();
}

static void on_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user)
{
    (void)conn, (void)user;
    if (type == WSOCK_BINARY && isatty(STDOUT_FILENO)) {
        printf("(%zu bytes)", len);
        for (size_t i = 0; i < len; i++)
            printf(" %02x", data[i]);
    } else {
        print_text(stdout, (const char *)data, len);
    }
    putchar('\n');
    fflush(stdout);
    cat.heard = 1;
    if (cat.once)
        finish();
}

static void on_pong(wsock_conn *conn, const uint8_t *data, size_t len, void *user)
{
    (void)user;
    wsock_conn_stats stats = { .struct_size = sizeof stats };
    if (cat.ping_ms > 0 && wsock_conn_get_stats(conn, &stats) == WSOCK_OK)
        fprintf(stderr, "pong after %.3f ms\n", (double)stats.rtt_us / 1000);
    if (cat.leaving && len == 3 && memcmp(data, "bye", 3) == 0) {
        if (cat.heard)
            finish_input();
        else
            finish();
    }
}

static void on_drain(wsock_conn *conn, void *user)
{
    (void)conn, (void)user;
    cat.waiting = 0;
}

static void on_error(wsock_conn *conn, const wsock_error_info *error, void *user)
{
    (void)user;
    fprintf(stderr, "wscat: %s\n", error->message);
    if (error->code == WSOCK_ERR_HTTP_STATUS) {
        size_t len;
        const char *body = wsock_conn_get_str(conn, WSOCK_CONN_RESPONSE_BODY, &len);
        print_text(stderr, body, len);
        putc('\n', stderr);
    }
}

static void on_retry(wsock_conn *conn, const wsock_retry_info *info, void *user)
{
    (void)conn, (void)user;
    if (cat.quiet)
        return;
    fprintf(stderr, "wscat: %s; attempt %d in %.1f s\n",
        info->error ? info->error->message : "the server has closed", (int)info->attempt, (double)info->delay_ms / 1000);
}

static void on_close(wsock_conn *conn, const wsock_close_info *info, void *user)
{
    (void)conn, (void)user;
    if (!cat.quiet && info->status == WSOCK_OK) {
        fprintf(stderr, "closed with %d%s", (int)info->code,
            info->initiator == WSOCK_BY_PEER ? " by the server" : "");
        fputs(*info->reason ? ": " : "", stderr);
        print_text(stderr, info->reason, info->reason_len);
        putc('\n', stderr);
    }
    cat.ended = 1;
    cat.result = info->was_clean ? 0 : 1;
}

/* Take what standard input has; 0 at its end. */
static int read_input(void)
{
    char chunk[4096];
    ssize_t count = read(STDIN_FILENO, chunk, sizeof chunk);
    if (count < 0)
        return errno == EINTR || errno == EAGAIN;
    if (count == 0 && cat.line_len > 0)
        send_message(cat.line, cat.line_len); /* a last line without its end */
    for (ssize_t i = 0; i < count; i++) {
        if (chunk[i] == '\n') {
            send_message(cat.line ? cat.line : "", cat.line_len);
            cat.line_len = 0;
            continue;
        }
        if (cat.line_len == cat.line_size) {
            cat.line_size = cat.line_size ? cat.line_size * 2 : 4096;
            cat.line = realloc(cat.line, cat.line_size);
            if (!cat.line)
                fail("out of memory");
        }
        cat.line[cat.line_len++] = chunk[i];
    }
    return count > 0;
}

static void ping_when_due(void)
{
    if (cat.ping_ms > 0 && wsock_conn_state(cat.conn) == WSOCK_OPEN && now_ms() >= cat.next_ping) {
        wsock_conn_ping(cat.conn, "wscat", 5);
        cat.next_ping = now_ms() + cat.ping_ms;
    }
}

/* Cut "NAME: VALUE" and the like at its separator; the value. */
static char *split(char *text, char separator, const char *complaint)
{
    char *found = strchr(text, separator);
    if (!found)
        fail(complaint);
    *found = '\0';
    return found + 1;
}

static void add_header(wsock_options *options, char *text)
{
    const char *value = split(text, ':', "--header wants 'NAME: VALUE'");
    check(wsock_options_add_header(options, text, value + strspn(value, " \t")), "--header");
}

static void add_cookie(wsock_options *options, char *text)
{
    const char *value = split(text, '=', "--cookie wants NAME=VALUE");
    check(wsock_options_add_cookie(options, text, value), "--cookie");
}

static void set_user(wsock_options *options, char *text)
{
    const char *password = split(text, ':', "--user wants NAME:PASSWORD");
    check(wsock_options_set_str(options, WSOCK_OPT_USER, text), "--user");
    check(wsock_options_set_str(options, WSOCK_OPT_PASSWORD, password), "--user");
}

static void set_close(char *text)
{
    char *end;
    long code = strtol(text, &end, 10);
    if (end == text || (*end && *end != ':') || (code != 1000 && (code < 3000 || code > 4999)))
        fail("--close wants CODE or CODE:REASON, the code 1000 or from 3000 to 4999");
    cat.close_code = (int32_t)code;
    cat.close_reason = *end ? end + 1 : NULL;
}

static void set_ping(const char *text)
{
    char *end;
    double seconds = strtod(text, &end);
    if (*end || !(seconds >= 0.001 && seconds <= 1e6))
        fail("--ping wants SECONDS");
    cat.ping_ms = (long long)(seconds * 1000);
}

/* Through the socket /run/s, ws://host/chat is ws+unix:/run/s:/chat. */
static const char *unix_url(const char *url, const char *path)
{
    static char made[4096];
    const char *host = strstr(url, "://");
    const char *resource = host ? strpbrk(host + 3, "/?") : NULL;
    if (!host)
        fail("--unix wants a URL with a host, such as ws://localhost/chat");
    int len = snprintf(made, sizeof made, "%.*s+unix:%s:%s", (int)(host - url), url, path, resource ? resource : "/");
    if (len < 0 || (size_t)len >= sizeof made)
        fail("--unix: the URL is too long");
    return made;
}

static const struct option switches[] = {
    { "execute", required_argument, NULL, 'x' }, { "binary", no_argument, NULL, 'b' },
    { "subprotocol", required_argument, NULL, 's' }, { "deflate", no_argument, NULL, 'z' },
    { "ping", required_argument, NULL, 'P' }, { "close", required_argument, NULL, 'c' },
    { "reconnect", no_argument, NULL, 'r' }, { "quiet", no_argument, NULL, 'q' },
    { "verbose", no_argument, NULL, 'v' }, { "help", no_argument, NULL, 'h' },
    { "header", required_argument, NULL, 'H' }, { "cookie", required_argument, NULL, 'C' },
    { "origin", required_argument, NULL, 'o' }, { "user", required_argument, NULL, 'u' },
    { "location", no_argument, NULL, 'L' }, { "unix", required_argument, NULL, 'U' },
    { "proxy", required_argument, NULL, 'p' }, { "noproxy", required_argument, NULL, 'n' },
    { "proxy-env", no_argument, NULL, 'e' }, { "cacert", required_argument, NULL, 'A' },
    { "cert", required_argument, NULL, 'E' }, { "key", required_argument, NULL, 'K' },
    { "pin", required_argument, NULL, 'i' }, { "insecure", no_argument, NULL, 'k' }, { 0 }
};

static const char *parse(int argc, char **argv, wsock_options *o)
{
    int found;
    while ((found = getopt_long(argc, argv, "x:bs:zP:c:rqvhH:o:u:Lk", switches, NULL)) != -1) {
        switch (found) {
        case 'x': cat.once = optarg; break;
        case 'b': cat.type = WSOCK_BINARY; break;
        case 's': check(wsock_options_add_protocol(o, optarg), "--subprotocol"); break;
        case 'z': check(wsock_options_set_int(o, WSOCK_OPT_DEFLATE, 1), "--deflate"); break;
        case 'P': set_ping(optarg); break;
        case 'c': set_close(optarg); break;
        case 'r': check(wsock_options_set_int(o, WSOCK_OPT_RECONNECT, -1), "--reconnect"); break;
        case 'q': cat.quiet = 1; break;
        case 'v': cat.verbose = 1; break;
        case 'H': add_header(o, optarg); break;
        case 'C': add_cookie(o, optarg); break;
        case 'o': check(wsock_options_set_str(o, WSOCK_OPT_ORIGIN, optarg), "--origin"); break;
        case 'u': set_user(o, optarg); break;
        case 'L': check(wsock_options_set_int(o, WSOCK_OPT_MAX_REDIRECTS, 10), "--location"); break;
        case 'U': cat.unix_path = optarg; break;
        case 'p': check(wsock_options_set_str(o, WSOCK_OPT_PROXY, optarg), "--proxy"); break;
        case 'n': check(wsock_options_set_str(o, WSOCK_OPT_NO_PROXY, optarg), "--noproxy"); break;
        case 'e': check(wsock_options_set_int(o, WSOCK_OPT_PROXY_FROM_ENV, 1), "--proxy-env"); break;
        case 'A': check(wsock_options_set_str(o, WSOCK_OPT_TLS_CA_FILE, optarg), "--cacert"); break;
        case 'E': cat.cert = optarg; break;
        case 'K': cat.key = optarg; break;
        case 'i': check(wsock_options_add_pin(o, optarg), "--pin"); break;
        case 'k': check(wsock_options_set_int(o, WSOCK_OPT_DANGER_ACCEPT_ANY_CERTIFICATE, 1), "--insecure"); break;
        case 'h': fputs(usage, stdout); exit(0);
        default: fputs(usage, stderr); exit(2); /* getopt_long has named the switch */
        }
    }
    if (optind + 1 != argc) {
        fputs(usage, stderr);
        exit(2);
    }
    if (cat.key && !cat.cert)
        fail("--key wants --cert, too");
    if (cat.cert)
        check(wsock_options_add_cert_files(o, cat.cert, cat.key ? cat.key : cat.cert), "--cert");
    return cat.unix_path ? unix_url(argv[optind], cat.unix_path) : argv[optind];
}

int main(int argc, char **argv)
{
    wsock_options *options = NULL;
    wsock_handlers handlers = { .struct_size = sizeof handlers, .on_open = on_open, .on_message = on_message,
        .on_error = on_error, .on_close = on_close, .on_pong = on_pong, .on_drain = on_drain, .on_retry = on_retry };
    struct sigaction action = { .sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND }; /* the second ends us at once */

    check(wsock_loop_new(&cat.loop), "");
    check(wsock_options_new(&options), "");
    const char *url = parse(argc, argv, options);
    check(wsock_connect(cat.loop, url, options, &handlers, NULL, &cat.conn), "");
    wsock_options_free(options);
    sigaction(SIGINT, &action, NULL);

    int input = !cat.once; /* standard input has more */
    while (!cat.ended) {
        int open = wsock_conn_state(cat.conn) == WSOCK_OPEN;
        struct pollfd watched[2] = {
            { .fd = wsock_loop_fd(cat.loop), .events = POLLIN },
            { .fd = input && open && !cat.waiting ? STDIN_FILENO : -1, .events = POLLIN }, /* -1: not now */
        };
        long long wait = wsock_loop_timeout_ms(cat.loop);
        if (cat.ping_ms > 0 && open) {
            long long ping = cat.next_ping - now_ms();
            ping = ping > 0 ? ping : 0;
            wait = wait < 0 || ping < wait ? ping : wait;
        }
        if (poll(watched, 2, (int)wait) < 0 && errno != EINTR)
            fail(strerror(errno));
        if (interrupted) {
            interrupted = 0;
            finish();
        } else if (watched[1].revents && !read_input()) {
            input = 0;
            finish_input();
        }
        ping_when_due();
        wsock_loop_poll(cat.loop, 0);
    }
    wsock_loop_free(cat.loop);
    free(cat.line);
    return cat.result;
}
