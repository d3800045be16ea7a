#define _GNU_SOURCE
#include "serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

uint8_t *input;
static int epoll;

static void must(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

void *must_have(void *memory)
{
    must(memory != NULL, "memory");
    return memory;
}

void want_room(struct conn *conn, int wanted)
{
    struct epoll_event event = { .events = EPOLLIN | (wanted ? EPOLLOUT : 0), .data.ptr = conn };
    if (conn->writing == wanted)
        return;
    epoll_ctl(epoll, EPOLL_CTL_MOD, conn->fd, &event);
    conn->writing = (uint8_t)wanted;
}

/* How much the socket took; -1 when the connection is over. */
static ssize_t try_send(struct conn *conn, const uint8_t *data, size_t len)
{
    ssize_t sent = send(conn->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 && errno == EAGAIN ? 0 : sent;
}

int put(struct conn *conn, const uint8_t *data, size_t len)
{
    if (!conn->rest) {
        ssize_t sent = try_send(conn, data, len);
        if (sent < 0)
            return -1;
        if ((size_t)sent == len)
            return 0;
        data += sent;
        len -= (size_t)sent;
    }
    conn->rest = must_have(realloc(conn->rest, conn->rest_len + len));
    memcpy(conn->rest + conn->rest_len, data, len);
    conn->rest_len += len;
    want_room(conn, 1);
    return 0;
}

int put_block(struct conn *conn, uint8_t *block, size_t from, size_t len)
{
    if (conn->rest)
        return put(conn, block + from, len);
    ssize_t sent = try_send(conn, block + from, len);
    if (sent < 0)
        return -1;
    if ((size_t)sent == len)
        return 0;
    conn->rest = block;
    conn->rest_at = from + (size_t)sent;
    conn->rest_len = from + len;
    want_room(conn, 1);
    return 1;
}

int put_rest(struct conn *conn)
{
    while (conn->rest_at < conn->rest_len) {
        ssize_t sent = try_send(conn, conn->rest + conn->rest_at, conn->rest_len - conn->rest_at);
        if (sent <= 0)
            return (int)sent;
        conn->rest_at += (size_t)sent;
    }
    free(conn->rest);
    conn->rest = NULL;
    conn->rest_at = conn->rest_len = 0;
    want_room(conn, 0);
    return 0;
}

void keep(struct conn *conn, const uint8_t *data, size_t len)
{
    conn->kept = must_have(realloc(conn->kept, len));
    memcpy(conn->kept, data, len);
    conn->kept_len = len;
}

static void drop(struct conn *conn, const struct kind *kind)
{
    if (kind->gone)
        kind->gone(conn);
    close(conn->fd);
    free(conn->large);
    free(conn->kept);
    free(conn->rest);
    free(conn);
}

static void take_new(int listener, const struct kind *kind)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct conn *conn = must_have(calloc(1, sizeof *conn));
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = conn };
        conn->fd = fd;
        must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll");
        if (kind->came)
            kind->came(conn);
    }
}

static int listen_on(const char *scheme, int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* accepted sockets inherit it */
    must(bind(fd, (struct sockaddr *)&address, size) == 0 && listen(fd, 4096) == 0, "listen");
    getsockname(fd, (struct sockaddr *)&address, &size);
    printf("listening on %s://127.0.0.1:%u/\n", scheme, ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

void serve(const char *scheme, int port, const struct kind *kind)
{
    struct rlimit limit;
    struct epoll_event events[1024], event = { .events = EPOLLIN };
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    input = must_have(malloc(INPUT));
    int listener = listen_on(scheme, port);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    must(epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) == 0, "epoll");
    for (;;) {
        int count = epoll_wait(epoll, events, 1024, -1);
        for (int i = 0; i < count; i++) {
            struct conn *conn = events[i].data.ptr;
            int over = 0;
            if (!conn) {
                take_new(listener, kind);
                continue;
            }
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                over = kind->input(conn);
            if (!over && events[i].events & EPOLLOUT)
                over = kind->writable(conn);
            if (over)
                drop(conn, kind);
        }
    }
}
