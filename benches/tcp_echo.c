/* The least that an echo server on one thread can do: plain TCP, one recv and one send per event. What
   WebSocket costs is measured against it. Ends with SIGTERM. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* All that is kept of a connection. */
struct conn {
    int fd;
    char *rest; /* what the socket did not take, while it is full */
    size_t at, len;
};

static char buffer[256 * 1024];

static void must(int ok, const char *what)
{
    if (!ok)
        perror(what), exit(1);
}

static void drop(struct conn *conn)
{
    close(conn->fd);
    free(conn->rest);
    free(conn);
}

/* Sends what is left from before; false while there still is some. */
static int flush(struct conn *conn)
{
    while (conn->rest) {
        ssize_t n = send(conn->fd, conn->rest + conn->at, conn->len - conn->at, MSG_NOSIGNAL);
        if (n <= 0)
            return 0; /* full; if the peer is gone, recv will say so */
        conn->at += (size_t)n;
        if (conn->at == conn->len)
            free(conn->rest), conn->rest = NULL;
    }
    return 1;
}

static void echo(struct conn *conn)
{
    while (flush(conn)) {
        ssize_t n = recv(conn->fd, buffer, sizeof buffer, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            drop(conn);
            return;
        }
        if (n < 0)
            return;
        ssize_t sent = send(conn->fd, buffer, (size_t)n, MSG_NOSIGNAL);
        if (sent < n) {
            sent = sent < 0 ? 0 : sent;
            conn->at = 0;
            conn->len = (size_t)(n - sent);
            must((conn->rest = malloc(conn->len)) != NULL, "malloc");
            memcpy(conn->rest, buffer + sent, conn->len);
        } else if ((size_t)n < sizeof buffer) {
            return; /* a short read: the socket is empty, the next bytes bring a new event */
        }
    }
}

int main(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int on = 1, epoll = epoll_create1(EPOLL_CLOEXEC);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct epoll_event events[1024], event = { .events = EPOLLIN };
    must(bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 4096) == 0, "listen");
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* accepted sockets inherit it */
    getsockname(listener, (struct sockaddr *)&address, &size);
    must(epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) == 0, "epoll");
    printf("listening on tcp://127.0.0.1:%u/\n", ntohs(address.sin_port));
    fflush(stdout);

    for (;;) {
        int n = epoll_wait(epoll, events, 1024, -1);
        for (int i = 0; i < n; i++) {
            struct conn *conn = events[i].data.ptr;
            if (conn) {
                echo(conn);
                continue;
            }
            int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0)
                continue;
            must((conn = calloc(1, sizeof *conn)) != NULL, "calloc");
            conn->fd = fd;
            event = (struct epoll_event) { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = conn };
            must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll");
        }
    }
}
