/* The least work that a WebSocket client can do with messages: it reads their headers and leaves the rest.

     limit_client --port NUMBER

   Ends with SIGTERM, and says then how many messages it got. */
#define _GNU_SOURCE
#include "frame.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static uint8_t buffer[512 * 1024];
static volatile sig_atomic_t over;

static void on_signal(int number)
{
    (void)number;
    over = 1;
}

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
   what is still to come of a payload. */
static size_t count_frames(size_t len, uint64_t *skip, uint64_t *messages)
{
    size_t at = 0;
    for (;;) {
        if (*skip > len - at) {
            *skip -= len - at;
            return 0;
        }
        at += (size_t)*skip;
        *skip = 0;
        if (len - at < 2 || len - at < header_len(buffer + at))
            break;
        *skip = payload_len(buffer + at);
        at += header_len(buffer + at);
        ++*messages;
    }
    memmove(buffer, buffer + at, len - at);
    return len - at;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sigaction action = { .sa_handler = on_signal };
    struct epoll_event event = { .events = EPOLLIN };
    uint64_t skip = 0, messages = 0;
    int epoll = epoll_create1(EPOLL_CLOEXEC), fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (argc != 3 || strcmp(argv[1], "--port") != 0) {
        fprintf(stderr, "usage: limit_client --port NUMBER\n");
        return 2;
    }
    sigaction(SIGTERM, &action, NULL);
    address.sin_port = htons((uint16_t)atoi(argv[2]));
    must(connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll");
    size_t len = count_frames(shake_hands(fd), &skip, &messages);
    while (!over) {
        if (epoll_wait(epoll, &event, 1, -1) < 1)
            continue;
        ssize_t n = recv(fd, buffer + len, sizeof buffer - len, MSG_DONTWAIT);
        if (n <= 0)
            break;
        len = count_frames(len + (size_t)n, &skip, &messages);
    }
    printf("%llu\n", (unsigned long long)messages);
    return 0;
}
