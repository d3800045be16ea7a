/* Many connections that mean no good, from one thread. Each sends --open, then --flood again and again, and begins anew
   when it is thrown out. What the bytes say is not known here: an attack is data. Prints what it came to as JSON. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SHARE (64 * 1024) /* bytes of one connection before the others have their turn */

struct bytes {
    char *at;
    size_t len;
};

struct conn {
    int fd;
    int connected, answered;
    size_t sent; /* of the opening, then of all floods together */
    double due;  /* when it may connect again */
};

static struct {
    int port, conns, wait, deaf, again;
    double seconds, pace; /* bytes per second and connection; 0: as fast as they go */
    struct bytes open, flood;
} args = { .conns = 1, .seconds = 1 };

static struct {
    unsigned long long connected, refused, answered, ended, sent, received;
} totals;

static int epoll, open_now, most_open;
static struct conn *conns;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static struct bytes read_file(const char *path)
{
    struct bytes bytes = { NULL, 0 };
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        die(path);
    bytes.len = (size_t)ftell(file);
    rewind(file);
    bytes.at = malloc(bytes.len + 1);
    if (!bytes.at || fread(bytes.at, 1, bytes.len, file) != bytes.len)
        die(path);
    fclose(file);
    return bytes;
}

static void watch(struct conn *conn, int operation, int writing)
{
    struct epoll_event event = { .data.ptr = conn };
    event.events = (args.deaf && conn->answered ? 0 : EPOLLIN) | (writing ? EPOLLOUT : 0);
    epoll_ctl(epoll, operation, conn->fd, &event);
}

static void start(struct conn *conn)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)args.port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct linger reset = { .l_onoff = 1 };
    *conn = (struct conn) { .fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) };
    if (conn->fd < 0)
        die("socket");
    /* Every end of ours is a reset, so that no port is kept from us for a minute. */
    setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    if (connect(conn->fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS) {
        totals.refused++;
        close(conn->fd);
        conn->fd = -1;
        conn->due = now() + 0.01;
        return;
    }
    open_now++;
    most_open = open_now > most_open ? open_now : most_open;
    watch(conn, EPOLL_CTL_ADD, 1);
}

static void drop(struct conn *conn)
{
    close(conn->fd);
    open_now--;
    start(conn);
}

/* How many bytes it may send until `time`, of which the first is sent at once. */
static size_t allowance(double since, double time)
{
    return args.pace > 0 ? 1 + (size_t)((time - since) * args.pace) : (size_t)-1;
}

static int sends_more(const struct conn *conn)
{
    return conn->sent < args.open.len || (args.flood.len && (conn->answered || !args.wait));
}

/* 0 when the connection has ended. */
static int send_some(struct conn *conn, size_t most)
{
    size_t share = 0;
    while (sends_more(conn) && share < SHARE && share < most) {
        int opening = conn->sent < args.open.len;
        struct bytes from = opening ? args.open : args.flood;
        size_t at = opening ? conn->sent : (conn->sent - args.open.len) % from.len;
        size_t len = from.len - at < most - share ? from.len - at : most - share;
        ssize_t sent = send(conn->fd, from.at + at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0)
            return errno == EAGAIN;
        conn->sent += (size_t)sent;
        share += (size_t)sent;
        totals.sent += (unsigned long long)sent;
        if ((size_t)sent < len)
            return 1;
    }
    return 1;
}

static int receive_some(struct conn *conn)
{
    static char buffer[256 * 1024];
    ssize_t got = recv(conn->fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (got < 0)
        return errno == EAGAIN;
    totals.received += (unsigned long long)got;
    if (got > 0 && !conn->answered) {
        conn->answered = 1;
        totals.answered++;
        watch(conn, EPOLL_CTL_MOD, !args.pace && sends_more(conn));
        return !args.again;
    }
    return got > 0;
}

static void handle(struct conn *conn, uint32_t events)
{
    int alive = 1;
    if ((events & EPOLLOUT) && !conn->connected) {
        conn->connected = 1;
        totals.connected++;
        if (args.again && !args.open.len) {
            drop(conn);
            return;
        }
    }
    if (events & (EPOLLERR | EPOLLHUP))
        alive = 0;
    if (alive && (events & EPOLLIN))
        alive = receive_some(conn);
    if (alive && (events & EPOLLOUT)) {
        if (!args.pace)
            alive = send_some(conn, (size_t)-1);
        if (args.pace || !sends_more(conn))
            watch(conn, EPOLL_CTL_MOD, 0);
    }
    if (!alive) {
        totals.ended++;
        drop(conn);
    }
}

/* Those that send slowly get what they may send by now; those that were refused come again. */
static void tick(double last, double time, double began)
{
    size_t may = allowance(began, time) - allowance(began, last);
    for (struct conn *conn = conns; conn < conns + args.conns; conn++) {
        if (conn->fd < 0 && conn->due <= time)
            start(conn);
        else if (args.pace && may && conn->fd >= 0 && conn->connected && !send_some(conn, may)) {
            totals.ended++;
            drop(conn);
        }
    }
}

static void parse(int argc, char **argv)
{
    static const struct option switches[] = { { "port", 1, NULL, 'p' }, { "conns", 1, NULL, 'c' },
        { "seconds", 1, NULL, 's' }, { "open", 1, NULL, 'o' }, { "flood", 1, NULL, 'f' }, { "pace", 1, NULL, 'P' },
        { "wait", 0, NULL, 'w' }, { "deaf", 0, NULL, 'd' }, { "again", 0, NULL, 'a' }, { 0 } };
    for (int found; (found = getopt_long(argc, argv, "", switches, NULL)) != -1;) {
        switch (found) {
        case 'p': args.port = atoi(optarg); break;
        case 'c': args.conns = atoi(optarg); break;
        case 's': args.seconds = atof(optarg); break;
        case 'o': args.open = read_file(optarg); break;
        case 'f': args.flood = read_file(optarg); break;
        case 'P': args.pace = atof(optarg); break;
        case 'w': args.wait = 1; break;  /* the flood begins when the server has answered */
        case 'd': args.deaf = 1; break;  /* nothing is read after that */
        case 'a': args.again = 1; break; /* or it is reset then, and begins anew */
        default: exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    struct rlimit files;
    struct epoll_event events[256];
    parse(argc, argv);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    conns = calloc((size_t)args.conns, sizeof *conns);
    if (epoll < 0 || !conns)
        die("siege");
    for (int i = 0; i < args.conns; i++)
        start(&conns[i]);
    double began = now(), ticked = began, time = began;
    while (time < began + args.seconds) {
        int count = epoll_wait(epoll, events, 256, 1);
        for (int i = 0; i < count; i++)
            handle(events[i].data.ptr, events[i].events);
        time = now();
        if (time > ticked + 0.001) {
            tick(ticked, time, began);
            ticked = time;
        }
    }
    printf("{\"seconds\":%.2f,\"connected\":%llu,\"most_open\":%d,\"refused\":%llu,\"answered\":%llu,\"ended\":%llu,"
           "\"sent\":%llu,\"received\":%llu}\n",
        time - began, totals.connected, most_open, totals.refused, totals.answered, totals.ended, totals.sent,
        totals.received);
    return 0;
}
