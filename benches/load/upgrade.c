#define _GNU_SOURCE
#include "upgrade.h"
#include "options.h"
#include "receive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM 4096

void send_upgrade(struct conn *conn)
{
    static char request[512];
    static int len;
    if (!len)
        len = snprintf(request, sizeof request,
            "GET / HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
            options.host, options.port,
            options.deflate ? "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" : "");
    conn->state = UPGRADING;
    if (conn_send(conn, (uint8_t *)request, (size_t)len) != len)
        conn_drop(conn, "a request could not be sent");
}

/* What the server makes of our offer to compress, up to the line's end. */
static void note_extension(const char *head)
{
    static const char name[] = "\r\nsec-websocket-extensions:";
    const char *found = strcasestr(head, name);
    if (!found)
        die("the server does not compress");
    found += sizeof name - 1;
    found += strspn(found, " ");
    snprintf(totals.extension, sizeof totals.extension, "%.*s", (int)strcspn(found, "\r\n\""), found);
}

void receive_upgrade(struct conn *conn)
{
    if (!conn->answer && !(conn->answer = malloc(ROOM)))
        die("no memory for an answer");
    ssize_t n = conn_recv(conn, (uint8_t *)conn->answer + conn->answer_len, ROOM - 1 - conn->answer_len, 0);
    if (n < 0) {
        conn_drop(conn, "a handshake was not answered");
        return;
    }
    conn->answer_len += (size_t)n;
    conn->answer[conn->answer_len] = '\0';
    char *end = strstr(conn->answer, "\r\n\r\n");
    if (!end) {
        if (conn->answer_len == ROOM - 1)
            conn_drop(conn, "the answer to a handshake does not end");
        return;
    }
    end[2] = '\0';
    if (strncmp(conn->answer, "HTTP/1.1 101", 12) != 0 || !strstr(conn->answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")) {
        conn_drop(conn, "a handshake was refused");
        return;
    }
    if (options.deflate && !*totals.extension)
        note_extension(conn->answer);
    if (conn->tls && !*totals.tls)
        snprintf(totals.tls, sizeof totals.tls, "%s %s", tls_version(conn->tls), tls_cipher(conn->tls));
    conn->state = OPEN;
    totals.opened++;
    char *answer = conn->answer;
    size_t behind = conn->answer_len - (size_t)(end + 4 - answer);
    conn->answer = NULL;
    if (receive_bytes(conn, (uint8_t *)end + 4, behind) >= 0)
        hooks.opened(conn);
    free(answer);
}
