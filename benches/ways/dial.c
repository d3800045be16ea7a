#define _GNU_SOURCE
#include "dial.h"
#include "measure.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

int dial(int port, const char *headers)
{
    static const char request[] =
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n";
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((unsigned short)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct timeval patience = { .tv_sec = PATIENCE };
    char text[512];
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        die("cannot connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    int length = snprintf(text, sizeof text, request, headers);
    if (send(fd, text, (size_t)length, MSG_NOSIGNAL) != length)
        die("cannot send a request");
    return fd;
}

void shake_hands(int fd, const char *expected)
{
    char head[2048];
    size_t length = 0;
    while (length < 4 || memcmp(head + length - 4, "\r\n\r\n", 4) != 0) {
        ssize_t n = recv(fd, head + length, sizeof head - 1 - length, 0);
        if (n <= 0)
            die("a handshake was not answered");
        length += (size_t)n;
    }
    head[length] = '\0';
    if (memcmp(head, "HTTP/1.1 101 ", 13) != 0 || !strstr(head, expected))
        die("a handshake was refused");
}
