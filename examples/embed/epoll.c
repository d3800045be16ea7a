/* An echo server as a guest in an epoll loop.   epoll [PORT [TICK_MS]]

   The host has work of its own beside it: a timer, with which it tells how many connections there are.
   Ctrl-C says goodbye to all of them, waits for their answers, and ends. */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>
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

/* ---- the host: epoll, with a timer and the signals as descriptors ---- */

static int ended, failed;

/* The last that is heard of the server: all its connections have ended. */
static void on_ended(void *user)
{
    (void)user;
    ended = 1;
}

static int open_timer(int ms)
{
    struct timespec every = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
    struct itimerspec times = { .it_interval = every, .it_value = every };
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    timerfd_settime(fd, 0, &times, NULL);
    return fd;
}

static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static void watch(int epoll, int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        perror("cannot watch a descriptor");
        exit(1);
    }
}

int main(int argc, char **argv)
{
    start(argc > 1 ? atoi(argv[1]) : 9001);
    int timer = open_timer(argc > 2 ? atoi(argv[2]) : 1000);
    int signals = open_signals();
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int library = wsock_loop_fd(loop);
    watch(epoll, library);
    watch(epoll, timer);
    watch(epoll, signals);

    while (!ended && !failed) {
        struct epoll_event event;
        struct signalfd_siginfo info;
        uint64_t ticks;
        if (epoll_wait(epoll, &event, 1, -1) < 1)
            continue;
        if (event.data.fd == library)
            failed = wsock_loop_poll(loop, 0) < 0;
        if (event.data.fd == timer && read(timer, &ticks, sizeof ticks) > 0)
            report();
        if (event.data.fd == signals && read(signals, &info, sizeof info) > 0)
            wsock_server_close(server, 0, 1001, "the server is going down");
    }
    close(epoll);
    close(signals);
    close(timer);
    wsock_loop_free(loop);
    return failed;
}
