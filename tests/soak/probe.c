#include "soak.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MOST 4096 /* answers between two looks */
#define EVERY 20000

static wsock_loop *home;
static wsock_conn *conn;
static int open, waiting;
static uint64_t next;
static uint32_t times[MOST], taken;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void on_open(wsock_conn *opened, void *user)
{
    (void)user;
    conn = opened;
    open = 1;
}

static void on_message(wsock_conn *from, int32_t type, const uint8_t *data, size_t len, void *user)
{
    uint64_t sent;
    (void)from, (void)user;
    if (type == WSOCK_TEXT && len && *data == SHOUT)
        return;
    if (len != sizeof sent)
        broken("an answer of %zu bytes to the probe", len);
    memcpy(&sent, data, sizeof sent);
    waiting = 0;
    pthread_mutex_lock(&lock);
    if (taken < MOST)
        times[taken++] = (uint32_t)(now_us() - sent);
    pthread_mutex_unlock(&lock);
}

/* The server was replaced by another, say. */
static void on_close(wsock_conn *from, const wsock_close_info *info, void *user)
{
    (void)from, (void)info, (void)user;
    conn = NULL;
    open = waiting = 0;
}

static void released(void *user)
{
    (void)user;
    ADD(released, 1);
}

static void call(void)
{
    wsock_handlers handlers = { .struct_size = sizeof handlers, .on_open = on_open, .on_message = on_message,
        .on_close = on_close, .release = released };
    char url[160];
    if (!place_find(PLAIN, ECHO, url, sizeof url))
        return;
    ADD(handed, 1);
    must(wsock_connect(home, url, NULL, &handlers, NULL, &conn), "connect");
}

void probe_begin(wsock_loop *loop)
{
    home = loop;
}

void probe_turn(void)
{
    uint64_t now = now_us();
    if (now < next)
        return;
    next = now + EVERY;
    if (!conn && !over)
        call();
    if (!open || waiting)
        return;
    wsock_status status = wsock_conn_send(conn, WSOCK_BINARY, &now, sizeof now, 0);
    may_be_late(status, "ask");
    waiting = status >= 0;
}

void probe_end(void)
{
    if (conn)
        may_be_late(wsock_conn_abort(conn), "abort");
}

static int by_value(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

struct latency probe_latency(void)
{
    static uint32_t sorted[MOST];
    pthread_mutex_lock(&lock);
    uint32_t count = taken;
    memcpy(sorted, times, count * sizeof *sorted);
    taken = 0;
    pthread_mutex_unlock(&lock);
    if (!count)
        return (struct latency) { 0 };
    qsort(sorted, count, sizeof *sorted, by_value);
    return (struct latency) { count, sorted[count / 2], sorted[count - 1 - count / 100], sorted[count - 1] };
}
