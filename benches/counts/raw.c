#define _GNU_SOURCE
#include "raw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void die(const char *what)
{
    fprintf(stderr, "counts: %s (%s)\n", what, strerror(errno));
    exit(1);
}

int dial(int port, const char *headers)
{
    static const char request[] =
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n";
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((unsigned short)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    char text[512];
    int length = snprintf(text, sizeof text, request, headers);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        die("cannot connect");
    if (send(fd, text, (size_t)length, MSG_NOSIGNAL) != length)
        die("cannot send a request");
    return fd;
}

void shake_hands(int fd)
{
    char head[2048];
    size_t length = 0;
    while (length < 4 || memcmp(head + length - 4, "\r\n\r\n", 4) != 0) {
        ssize_t n = recv(fd, head + length, sizeof head - length, 0);
        if (n <= 0)
            die("a handshake was not answered");
        length += (size_t)n;
    }
    if (memcmp(head, "HTTP/1.1 101 ", 13) != 0)
        die("a handshake was refused");
}
