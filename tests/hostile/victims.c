/* Clients that behave, and how long they wait. Each of --conns says something --rate times a second and measures until
   it is back, from when it was due: who is still waiting for the last answer then does not measure less. Beside them,
   one newcomer after the other connects, has one message echoed and leaves. Prints the waits in microseconds as JSON. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <wsock.h>

#define TICK_US 250
#define TEXT_LEN 125

/* Figures that are sorted in the end. */
struct waits {
    uint32_t *us;
    size_t count, room;
};

struct client {
    wsock_conn *conn;
    double due;
    int open, waiting;
};

static struct {
    const char *url, *ca;
    int conns;
    double rate, seconds, newcomer_ms;
} args = { .conns = 50, .rate = 40, .seconds = 2, .newcomer_ms = 20 };

static wsock_loop *loop;
static wsock_options *options;
static struct client *clients;
static struct client newcomer;
static struct waits echoes, openings;
static unsigned long long lost, wrong, turned_away;
static uint8_t text[TEXT_LEN];
static int measuring;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void check(wsock_status status, const char *what)
{
    if (status >= 0)
        return;
    wsock_error_info error = { .struct_size = sizeof error };
    wsock_last_error(&error);
    fprintf(stderr, "victims: %s: %s\n", what, error.message);
    exit(1);
}

static void note(struct waits *waits, double seconds)
{
    if (!measuring)
        return;
    if (waits->count == waits->room) {
        waits->room = waits->room ? waits->room * 2 : 4096;
        waits->us = realloc(waits->us, waits->room * sizeof *waits->us);
        if (!waits->us)
            exit(1);
    }
    waits->us[waits->count++] = (uint32_t)(seconds * 1e6);
}

static void say(struct client *client)
{
    client->waiting = 1;
    check(wsock_conn_send(client->conn, WSOCK_BINARY, text, sizeof text, 0), "send");
}

static void on_open(wsock_conn *conn, void *user)
{
    struct client *client = user;
    (void)conn;
    client->open = 1;
    if (client == &newcomer)
        say(client);
}

static void on_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user)
{
    struct client *client = user;
    if (type != WSOCK_BINARY || len != sizeof text || memcmp(data, text, len) != 0)
        wrong++;
    client->waiting = 0;
    if (client == &newcomer) {
        note(&openings, now() - client->due);
        wsock_conn_abort(conn);
        return;
    }
    note(&echoes, now() - client->due);
    client->due += 1 / args.rate;
}

static void on_close(wsock_conn *conn, const wsock_close_info *info, void *user)
{
    struct client *client = user;
    (void)conn, (void)info;
    if (client == &newcomer)
        turned_away += client->waiting || !client->open;
    else
        lost++;
    client->conn = NULL;
    client->open = 0;
}

static void connect_one(struct client *client, double due)
{
    wsock_handlers handlers = { .struct_size = sizeof handlers, .on_open = on_open, .on_message = on_message,
        .on_close = on_close };
    *client = (struct client) { .due = due };
    check(wsock_connect(loop, args.url, options, &handlers, client, &client->conn), "connect");
}

static void tick(double time)
{
    for (struct client *client = clients; client < clients + args.conns; client++)
        if (client->open && !client->waiting && client->due <= time)
            say(client);
    if (!newcomer.conn && newcomer.due + args.newcomer_ms / 1e3 <= time)
        connect_one(&newcomer, time);
}

static void turn(int timer)
{
    struct pollfd ready[2] = { { .fd = (int)wsock_loop_fd(loop), .events = POLLIN }, { .fd = timer, .events = POLLIN } };
    uint64_t expired;
    if (poll(ready, 2, 100) < 0 && errno != EINTR)
        exit(1);
    check(wsock_loop_poll(loop, 0), "poll");
    if ((ready[1].revents & POLLIN) && read(timer, &expired, sizeof expired) > 0)
        tick(now());
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void print_waits(const char *name, struct waits waits)
{
    if (!waits.count) {
        printf("\"%s\":{\"count\":0}", name);
        return;
    }
    qsort(waits.us, waits.count, sizeof *waits.us, by_size);
    printf("\"%s\":{\"count\":%zu,\"p50\":%u,\"p99\":%u,\"max\":%u}", name, waits.count, waits.us[waits.count / 2],
        waits.us[waits.count * 99 / 100], waits.us[waits.count - 1]);
}

static void parse(int argc, char **argv)
{
    static const struct option switches[] = { { "url", 1, NULL, 'u' }, { "ca", 1, NULL, 'a' }, { "conns", 1, NULL, 'c' },
        { "rate", 1, NULL, 'r' }, { "seconds", 1, NULL, 's' }, { "newcomer-ms", 1, NULL, 'n' }, { 0 } };
    for (int found; (found = getopt_long(argc, argv, "", switches, NULL)) != -1;) {
        switch (found) {
        case 'u': args.url = optarg; break;
        case 'a': args.ca = optarg; break;
        case 'c': args.conns = atoi(optarg); break;
        case 'r': args.rate = atof(optarg); break;
        case 's': args.seconds = atof(optarg); break;
        case 'n': args.newcomer_ms = atof(optarg); break;
        default: exit(2);
        }
    }
}

/* A line on standard input begins the measurement, so that an attack can begin before it. */
int main(int argc, char **argv)
{
    parse(argc, argv);
    struct itimerspec every = { { 0, TICK_US * 1000 }, { 0, TICK_US * 1000 } };
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), open = 0;
    clients = calloc((size_t)args.conns, sizeof *clients);
    if (timer < 0 || !clients || timerfd_settime(timer, 0, &every, NULL) != 0)
        return 1;
    check(wsock_loop_new(&loop), "loop");
    check(wsock_options_new(&options), "options");
    if (args.ca)
        check(wsock_options_set_str(options, WSOCK_OPT_TLS_CA_FILE, args.ca), "--ca");
    newcomer.due = now() + 1e9;
    for (int i = 0; i < args.conns; i++)
        connect_one(&clients[i], now() + 1e9);
    for (double end = now() + 20; open < args.conns && now() < end;) {
        turn(timer);
        open = 0;
        for (int i = 0; i < args.conns; i++)
            open += clients[i].open;
    }
    if (open < args.conns)
        fprintf(stderr, "victims: only %d of %d could connect\n", open, args.conns);
    puts("ready");
    fflush(stdout);
    if (getchar() == EOF)
        return 1;
    double began = now();
    for (int i = 0; i < args.conns; i++)
        clients[i].due = began + (double)i / args.conns / args.rate;
    newcomer.due = began;
    for (measuring = 1; now() < began + args.seconds;)
        turn(timer);
    printf("{\"lost\":%llu,\"wrong\":%llu,\"turned_away\":%llu,", lost, wrong, turned_away);
    print_waits("echo", echoes);
    printf(",");
    print_waits("opening", openings);
    printf("}\n");
    return 0;
}
