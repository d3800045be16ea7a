#define _GNU_SOURCE
#include "conn.h"
#include "frames.h"
#include "options.h"
#include "receive.h"
#include "upgrade.h"
#include "measure.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

/* Nothing takes this long, in seconds, unless something is broken. */
#define PATIENCE 120

/* Source addresses 127.0.1.1 and following take turns: one has not ports enough for all handshakes. */
#define SOURCES 200

struct hooks hooks;
struct totals totals = { .first_error = "" };
static struct sockaddr_in server = { .sin_family = AF_INET };
static int epoll;

void conns_begin(void)
{
    server.sin_port = htons((uint16_t)options.port);
    if (inet_pton(AF_INET, options.host, &server.sin_addr) != 1)
        die("--host wants an IPv4 address");
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (options.tls)
        tls_begin();
}

struct conn *conns_new(int count)
{
    struct conn *conns = calloc((size_t)count, sizeof *conns);
    if (!conns)
        die("no memory for connections");
    return conns;
}

void complain(const char *why)
{
    totals.errors++;
    if (!*totals.first_error)
        totals.first_error = why;
}

void conn_drop(struct conn *conn, const char *why)
{
    struct linger at_once = { .l_onoff = 1 };
    if (conn->state == CLOSED)
        return;
    if (why)
        complain(why);
    if (conn->tls)
        tls_free(conn->tls);
    free(conn->answer);
    setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(conn->fd);
    *conn = (struct conn) { .inflater = conn->inflater, .inflated = conn->inflated };
}

static void want_room(struct conn *conn, int wanted)
{
    struct epoll_event event = { .events = EPOLLIN | (wanted ? EPOLLOUT : 0), .data.ptr = conn };
    if (conn->writing == wanted)
        return;
    epoll_ctl(epoll, EPOLL_CTL_MOD, conn->fd, &event);
    conn->writing = wanted;
}

ssize_t conn_recv(struct conn *conn, uint8_t *to, size_t len, int flags)
{
    if (conn->tls)
        return tls_recv(conn->tls, to, len);
    ssize_t n = recv(conn->fd, to, len, MSG_DONTWAIT | flags);
    return n > 0 ? n : n < 0 && errno == EAGAIN ? 0 : -1;
}

ssize_t conn_send(struct conn *conn, const uint8_t *from, size_t len)
{
    ssize_t n;
    if (conn->tls)
        return tls_send(conn->tls, from, len);
    if (len >= NO_COPY) {
        off_t at = from - frames.bytes;
        n = sendfile(conn->fd, frames.fd, &at, len);
    } else {
        n = send(conn->fd, from, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    return n > 0 ? n : n < 0 && errno == EAGAIN ? 0 : -1;
}

/* Sends what is pending, as many frames at once as lie in a row. */
static void flush(struct conn *conn)
{
    while (conn->pending) {
        unsigned in_a_row = frames.count - conn->next;
        size_t from = frames.at[conn->next] + conn->sent;
        size_t to = frames.at[conn->next + (conn->pending < in_a_row ? conn->pending : in_a_row)];
        ssize_t n = conn_send(conn, frames.bytes + from, to - from);
        if (n < 0) {
            conn_drop(conn, "send failed");
            return;
        }
        if (n == 0) {
            want_room(conn, 1);
            return;
        }
        conn->sent += (size_t)n;
        for (size_t len; conn->pending && conn->sent >= (len = frames.at[conn->next + 1] - frames.at[conn->next]);) {
            conn->sent -= len;
            conn->pending--;
            conn->next = (conn->next + 1) % frames.variants;
        }
    }
    want_room(conn, 0);
}

void conn_say(struct conn *conn, unsigned messages)
{
    conn->pending += messages;
    conn->awaited += messages;
    flush(conn);
}

static void secure(struct conn *conn)
{
    switch (tls_shake_hands(conn->tls)) {
    case TLS_READY: send_upgrade(conn); break;
    case TLS_WANTS_INPUT: break;
    case TLS_WANTS_ROOM: want_room(conn, 1); return;
    case TLS_BROKEN: conn_drop(conn, "TLS handshake failed"); return;
    }
    want_room(conn, 0);
}

static void connected(struct conn *conn)
{
    int failure = 0;
    socklen_t size = sizeof failure;
    getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &failure, &size);
    errno = failure;
    if (failure) {
        conn_drop(conn, "cannot connect");
        return;
    }
    if (options.tls) {
        conn->tls = tls_new(conn->fd);
        conn->state = SECURING;
        secure(conn);
        return;
    }
    want_room(conn, 0);
    if (!options.raw) {
        send_upgrade(conn);
        return;
    }
    conn->state = OPEN;
    totals.opened++;
    hooks.opened(conn);
}

void conn_start(struct conn *conn)
{
    static unsigned source;
    struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000101 + source++ % SOURCES) };
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT, .data.ptr = conn };
    int on = 1;
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0)
        die("no socket: more descriptors are needed (ulimit -n)");
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(conn->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (server.sin_addr.s_addr == htonl(INADDR_LOOPBACK))
        bind(conn->fd, (struct sockaddr *)&from, sizeof from);
    conn->state = CONNECTING;
    conn->writing = 1;
    if (connect(conn->fd, (struct sockaddr *)&server, sizeof server) != 0 && errno != EINPROGRESS)
        conn_drop(conn, "cannot connect");
    else if (epoll_ctl(epoll, EPOLL_CTL_ADD, conn->fd, &event) != 0)
        die("cannot watch a connection");
}

void conns_open(struct conn *conns, int count, int at_a_time)
{
    uint64_t before = totals.opened, deadline = now_ns() + PATIENCE * SECOND;
    for (int begun = 0; totals.opened - before < (uint64_t)count; conns_turn(100)) {
        while (begun < count && begun - (int)(totals.opened - before) < at_a_time)
            conn_start(&conns[begun++]);
        if (totals.errors)
            die(totals.first_error);
        if (now_ns() > deadline)
            die("not all connections opened in time");
    }
}

void conns_drop(struct conn *conns, int count)
{
    for (int i = 0; i < count; i++)
        conn_drop(&conns[i], NULL);
}

static void on_event(struct conn *conn, uint32_t events)
{
    switch (conn->state) {
    case CLOSED: break;
    case CONNECTING: connected(conn); break;
    case SECURING: secure(conn); break;
    case UPGRADING: receive_upgrade(conn); break;
    case OPEN:
        if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            receive(conn);
        if (events & EPOLLOUT && conn->state == OPEN)
            flush(conn);
        break;
    }
}

void conns_turn(int patience)
{
    struct epoll_event events[1024];
    int count = epoll_wait(epoll, events, 1024, patience);
    for (int i = 0; i < count; i++)
        on_event(events[i].data.ptr, events[i].events);
}
