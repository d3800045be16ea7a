/* The least work that a WebSocket client can do with messages: it reads their headers and leaves the rest. Its own are
   masked with a new mask each. The arguments are in meter.h. */
#define _GNU_SOURCE
#include "frame.h"
#include "meter.h"
#include "unmask.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static uint8_t buffer[512 * 1024], *payload, *message;
static void must(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

/* Shakes hands; returns how much came behind the answer, at the front of the buffer. */
static size_t shake_hands(int fd)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    const uint8_t *end = NULL;
    size_t len = 0;
    must(send(fd, request, sizeof request - 1, MSG_NOSIGNAL) > 0, "send");
    while (!end) {
        ssize_t n = recv(fd, buffer + len, sizeof buffer - len, 0);
        must(n > 0, "handshake");
        len += (size_t)n;
        end = memmem(buffer, len, "\r\n\r\n", 4);
    }
    len -= (size_t)(end + 4 - buffer);
    memmove(buffer, end + 4, len);
    return len;
}

/* Counts the messages in the buffer, keeps a piece of a header at its front, and returns how long that is. `skip` is
   what is still to come of a payload, which is never empty. */
static size_t count_frames(size_t len, uint64_t *skip, unsigned *messages)
{
    size_t at = 0;
    for (;;) {
        if (*skip > len - at) {
            *skip -= len - at;
            return 0;
        }
        *messages += *skip > 0;
        at += (size_t)*skip;
        *skip = 0;
        if (len - at < 2 || len - at < header_len(buffer + at))
            break;
        *skip = payload_len(buffer + at);
        at += header_len(buffer + at);
    }
    memmove(buffer, buffer + at, len - at);
    return len - at;
}

static void send_message(int fd)
{
    static uint32_t mask = 0x12345678;
    size_t len = put_header(message, 0x82, 0x80, meter.size);
    mask = mask * 1664525 + 1013904223;
    memcpy(message + len, &mask, 4);
    unmask(message + len + 4, payload, meter.size, mask);
    len += 4 + meter.size;
    for (size_t at = 0; at < len;) {
        ssize_t n = send(fd, message + at, len - at, MSG_NOSIGNAL);
        must(n > 0, "send");
        at += (size_t)n;
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct epoll_event event = { .events = EPOLLIN };
    uint64_t skip = 0;
    unsigned messages = 0;
    int on = 1, epoll = epoll_create1(EPOLL_CLOEXEC), fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    meter_begin(argc, argv);
    payload = calloc(1, meter.size);
    message = malloc(meter.size + MOST_HEADER);
    must(payload && message, "memory");
    address.sin_port = htons((uint16_t)meter.port);
    must(connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll");
    size_t len = count_frames(shake_hands(fd), &skip, &messages);
    if (meter.pingpong)
        send_message(fd);
    while (!meter_count(messages)) {
        if (meter.pingpong && messages)
            send_message(fd);
        messages = 0;
        epoll_wait(epoll, &event, 1, -1);
        ssize_t n = recv(fd, buffer + len, sizeof buffer - len, MSG_DONTWAIT);
        must(n > 0, "the server ended the connection");
        len = count_frames(len + (size_t)n, &skip, &messages);
    }
    meter_report();
    return 0;
}
