#define _GNU_SOURCE
#include "drain.h"
#include "dial.h"
#include "measure.h"

#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Written by the process that reads, in memory of both. */
struct drained {
    unsigned long long bytes;
    int ready;
};

static void read_all(int epoll, volatile struct drained *drained)
{
    static unsigned char buffer[256 * 1024];
    struct epoll_event events[256];
    for (;;) {
        int count = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            ssize_t n = recv(events[i].data.fd, buffer, sizeof buffer, 0);
            if (n <= 0)
                die("the server ended a connection");
            drained->bytes += (unsigned long long)n;
        }
    }
}

struct drain drain_start(int port, int count, const char *extension)
{
    char headers[128] = "";
    struct drain drain;
    drain.drained = mmap(NULL, sizeof *drain.drained, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (drain.drained == MAP_FAILED)
        die("no shared memory");
    if ((drain.pid = spawn()) > 0)
        return drain;
    pin(1);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (extension)
        snprintf(headers, sizeof headers, "Sec-WebSocket-Extensions: %s\r\n", extension);
    for (int i = 0; i < count; i++) {
        struct epoll_event event = { .events = EPOLLIN, .data.fd = dial(port, headers) };
        shake_hands(event.data.fd, extension ? extension : "");
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event) != 0)
            die("cannot watch a connection");
    }
    drain.drained->ready = 1;
    read_all(epoll, drain.drained);
    return drain;
}

int drain_ready(struct drain drain)
{
    return drain.drained->ready;
}

void drain_wait(struct drain drain, unsigned long long bytes)
{
    for (double end = now() + PATIENCE; drain.drained->bytes < bytes; usleep(200)) {
        if (now() > end)
            die("the clients did not get everything");
    }
}

void drain_stop(struct drain drain)
{
    kill(drain.pid, SIGKILL);
    waitpid(drain.pid, NULL, 0);
    munmap((void *)drain.drained, sizeof *drain.drained);
}
