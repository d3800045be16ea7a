/* All connect in the same moment. With --stop the server is stopped until the last has begun, as if it were busy, so that
   the system has to keep all of them. */
#define _GNU_SOURCE
#include "conn.h"
#include "measure.h"
#include "modes.h"
#include "options.h"
#include "spread.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* The system tries again after 1, 3, 7, 15, 31 seconds when there is no room for a connection. */
#define PATIENCE 90

static struct conn *conns;
static struct spread times;
static uint64_t *begun;
static uint64_t answered;

static void opened(struct conn *conn)
{
    spread_add(&times, (int64_t)(now_ns() - begun[conn - conns]));
    conn_say(conn, 1);
}

static void arrived(struct conn *conn, unsigned messages)
{
    (void)conn;
    answered += messages;
}

static void signal_server(int number)
{
    if (options.stop && (!options.server || kill(options.server, number) != 0))
        die("--stop wants the --server-pid of a server of ours");
}

void run_storm(void)
{
    uint64_t count = (uint64_t)options.conns;
    conns = conns_new(options.conns);
    times = spread_new(count);
    begun = calloc(count, sizeof *begun);
    if (!begun)
        die("no memory for the times");
    hooks = (struct hooks) { opened, arrived };
    signal_server(SIGSTOP);
    uint64_t start = now_ns(), end = start + PATIENCE * SECOND;
    for (uint64_t i = 0; i < count; i++) {
        begun[i] = now_ns();
        conn_start(&conns[i]);
    }
    double calling = (double)(now_ns() - start) / 1e9;
    signal_server(SIGCONT);
    while (answered + totals.errors < count && now_ns() < end)
        conns_turn(50);
    printf("{\"mode\":\"storm\",\"conns\":%d,\"calling_seconds\":%.3f,\"seconds\":%.3f,\"opened\":%llu,\"answered\":%llu,"
           "\"compared\":%llu,\"errors\":%llu,\"first_error\":\"%s\"",
        options.conns, calling, (double)(now_ns() - start) / 1e9, totals.opened, (unsigned long long)answered,
        totals.compared, totals.errors, totals.first_error);
    spread_print(&times, "open");
    printf("}\n");
    conns_drop(conns, options.conns);
    free(begun);
}
