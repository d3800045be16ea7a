/* What connections cost that do nothing: the server's resident set over their number, before and after an echo on each,
   and its CPU time while all are silent. */
#define _GNU_SOURCE
#include "conn.h"
#include "measure.h"
#include "modes.h"
#include "options.h"

#include <stdio.h>
#include <unistd.h>

/* Connections that come and go before memory is looked at, so that what a server sets up once does not count. */
#define FIRST 64
/* How long memory may take to settle, in microseconds. */
#define SETTLE 300000

static void opened(struct conn *conn)
{
    (void)conn;
}

static void arrived(struct conn *conn, unsigned messages)
{
    (void)conn, (void)messages;
}

static int all_back(const struct conn *conns, int count)
{
    for (int i = 0; i < count; i++) {
        if (conns[i].state == OPEN && conns[i].awaited)
            return 0;
    }
    return 1;
}

/* A message there and back on each, 64 at a time. */
static void touch(struct conn *conns, int count)
{
    for (int at = 0; at < count; at += 64) {
        int some = count - at < 64 ? count - at : 64;
        uint64_t deadline = now_ns() + 20 * SECOND;
        for (int i = at; i < at + some; i++)
            conn_say(&conns[i], 1);
        while (!all_back(conns + at, some)) {
            conns_turn(20);
            if (totals.errors || totals.wrong)
                die(totals.first_error);
            if (now_ns() > deadline)
                die("a message did not come back");
        }
    }
}

static long settled_memory(void)
{
    usleep(SETTLE);
    conns_turn(0);
    return server_memory_kib();
}

void run_idle(void)
{
    int count = options.conns;
    struct conn *conns = conns_new(count);
    hooks = (struct hooks) { opened, arrived };
    int first = count < FIRST ? count : FIRST;
    conns_open(conns, first, FIRST);
    touch(conns, first);
    conns_drop(conns, first);
    long before = settled_memory();

    uint64_t cpu = server_cpu_ns();
    conns_open(conns, count, 64);
    double opening = (double)(server_cpu_ns() - cpu) / 1e3 / count;
    long open = settled_memory();
    for (int i = 0; i < options.touch; i++)
        touch(conns, count);
    long touched = settled_memory();

    uint64_t start = now_ns(), end = start + (uint64_t)(options.seconds * SECOND);
    cpu = server_cpu_ns();
    while (now_ns() < end)
        conns_turn(50);
    double busy = 100.0 * (double)(server_cpu_ns() - cpu) / (double)(now_ns() - start);
    if (totals.errors)
        die(totals.first_error);
    printf("{\"mode\":\"idle\",\"conns\":%d,\"size\":%zu,\"rss_before_kib\":%ld,\"rss_open_kib\":%ld,"
           "\"rss_touched_kib\":%ld,\"bytes_per_conn_open\":%.0f,\"bytes_per_conn_touched\":%.0f,"
           "\"server_us_per_open\":%.2f,\"idle_cpu_pct\":%.3f,\"compared\":%llu,\"errors\":0,\"first_error\":\"\"}\n",
        count, options.size, before, open, touched, 1024.0 * (double)(open - before) / count,
        1024.0 * (double)(touched - before) / count, opening, busy, totals.compared);
    conns_drop(conns, count);
}
