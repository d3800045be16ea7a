#include "soak.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Messages kept beyond their callback take turns here, so that some of them live for seconds. */
#define KEPT 32
static wsock_message *kept[KEPT];
static pthread_mutex_t keeping = PTHREAD_MUTEX_INITIALIZER;

static void give_back(const void *data, size_t len, void *user)
{
    (void)len, (void)user;
    ADD(given_back, 1);
    free((void *)(uintptr_t)data);
}

static wsock_status lend(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len)
{
    wsock_send_options options = { .struct_size = sizeof options, .release = give_back };
    uint8_t *copy = malloc(len + 1);
    if (!copy)
        broken("no memory");
    if (len)
        memcpy(copy, data, len);
    ADD(lent, 1);
    return wsock_conn_send_with(conn, type, copy, len, &options);
}

static wsock_status in_parts(wsock_conn *conn, const struct piece *piece)
{
    const uint8_t *data = payload_bytes(piece);
    wsock_status status = WSOCK_OK;
    for (size_t at = 0, more; at < piece->len && status >= 0; at += more) {
        more = 1 + pick((uint32_t)(piece->len - at));
        status = wsock_conn_send_part(conn, piece->type, data + at, more, 0);
    }
    return status < 0 ? status : wsock_conn_send_part(conn, piece->type, NULL, 0, WSOCK_SEND_LAST);
}

struct source {
    struct piece piece;
    size_t at;
    int asked;
};

/* Once in a while it has nothing at first, and is asked again. */
static int64_t pull(wsock_conn *conn, void *buffer, size_t capacity, void *user)
{
    struct source *source = user;
    size_t left = source->piece.len - source->at, now = left < capacity ? left : capacity;
    if (source->asked++ == 0 && pick(4) == 0) {
        must(wsock_conn_pull_again(conn), "pull again");
        return WSOCK_PULL_LATER;
    }
    memcpy(buffer, payload_bytes(&source->piece) + source->at, now);
    source->at += now;
    return (int64_t)now;
}

static void drained(void *source)
{
    ADD(drained, 1);
    free(source);
}

static wsock_status from_source(wsock_conn *conn, const struct piece *piece)
{
    struct source *source = calloc(1, sizeof *source);
    if (!source)
        broken("no memory");
    source->piece = *piece;
    wsock_status status = wsock_conn_send_from(conn, piece->type, pull, source, drained, 0);
    if (status < 0)
        free(source);
    else
        ADD(pulled, 1);
    return status;
}

static wsock_status from_file(wsock_conn *conn, const struct piece *piece)
{
    int file = memfd_create("message", MFD_CLOEXEC);
    if (file < 0 || write(file, payload_bytes(piece), piece->len) != (ssize_t)piece->len || lseek(file, 0, SEEK_SET) != 0)
        broken("a file for a message cannot be made");
    wsock_status status = wsock_conn_send_fd(conn, piece->type, file, piece->len, 0);
    if (status < 0)
        close(file);
    return status;
}

static wsock_status prepared(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len)
{
    wsock_message *message;
    must(wsock_message_new(type, data, len, &message), "message");
    wsock_status status = wsock_conn_send_message(conn, message, NULL);
    wsock_message_free(message);
    return status;
}

wsock_status send_somehow(wsock_conn *conn, const struct piece *piece)
{
    const uint8_t *data = payload_bytes(piece);
    switch (pick(8)) {
    case 0: return lend(conn, piece->type, data, piece->len);
    case 1: return prepared(conn, piece->type, data, piece->len);
    case 2: return in_parts(conn, piece);
    case 3: return from_source(conn, piece);
    case 4: return from_file(conn, piece);
    case 5: return wsock_conn_send(conn, piece->type, data, piece->len, WSOCK_SEND_NO_COMPRESS);
    default: return wsock_conn_send(conn, piece->type, data, piece->len, 0);
    }
}

static void keep(wsock_message *message)
{
    pthread_mutex_lock(&keeping);
    wsock_message **place = &kept[pick(KEPT)], *older = *place;
    *place = message;
    pthread_mutex_unlock(&keeping);
    if (older)
        ADD(freed, 1);
    wsock_message_free(older);
}

wsock_status send_back(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len)
{
    wsock_message *message;
    wsock_status status;
    switch (pick(8)) {
    case 0: return lend(conn, type, data, len);
    case 1: return prepared(conn, type, data, len);
    case 2:
        must(wsock_conn_retain(conn, data, &message), "retain");
        ADD(retained, 1);
        status = wsock_conn_send_message(conn, message, NULL);
        keep(message);
        return status;
    default: return wsock_conn_send(conn, type, data, len, 0);
    }
}

void sending_end(void)
{
    for (int i = 0; i < KEPT; i++) {
        if (!kept[i])
            continue;
        ADD(freed, 1);
        wsock_message_free(kept[i]);
        kept[i] = NULL;
    }
}
