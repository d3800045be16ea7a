/* Connections that stay, each of which says something every --every seconds, spread evenly over that time. How long an
   answer takes counts from when its question was due, not from when we came to ask it. */
#include "conn.h"
#include "measure.h"
#include "modes.h"
#include "options.h"
#include "spread.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

/* How long the last answers may take. */
#define PATIENCE 60

static struct conn *conns;
static struct spread answers, late;
static uint64_t begin, period;

/* When a connection's message of that number is due. */
static uint64_t due(const struct conn *conn, uint64_t number)
{
    return begin + period * (uint64_t)(conn - conns) / (uint64_t)options.conns + period * number;
}

static void opened(struct conn *conn)
{
    (void)conn;
}

static void arrived(struct conn *conn, unsigned messages)
{
    uint64_t now = now_ns();
    for (uint64_t number = conn->messages - messages; number < conn->messages; number++)
        spread_add(&answers, (int64_t)(now - due(conn, number)));
}

static void turn(int patience)
{
    conns_turn(patience);
    if (totals.errors || totals.wrong)
        die(totals.first_error);
}

/* Whoever started us closes our input when all are there. */
static void wait_for_others(void)
{
    struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
    fprintf(stderr, "open\n");
    while (poll(&input, 1, 0) == 0)
        turn(50);
}

static void ask_all(uint64_t count)
{
    uint64_t asked = 0;
    for (uint64_t now = now_ns(); asked < count; now = now_ns()) {
        struct conn *conn;
        while (asked < count && due(conn = &conns[asked % (uint64_t)options.conns], asked / (uint64_t)options.conns) <= now) {
            spread_add(&late, (int64_t)(now_ns() - due(conn, asked / (uint64_t)options.conns)));
            conn_say(conn, 1);
            asked++;
        }
        turn(1);
    }
}

void run_steady(void)
{
    uint64_t rounds = (uint64_t)(options.seconds / options.every + 0.5), count = rounds * (uint64_t)options.conns;
    conns = conns_new(options.conns);
    answers = spread_new(count);
    late = spread_new(count);
    hooks = (struct hooks) { opened, arrived };
    uint64_t start = now_ns();
    conns_open(conns, options.conns, 256);
    double opening = (double)(now_ns() - start) / 1e9;
    if (options.wait)
        wait_for_others();
    uint64_t cpu = server_cpu_ns(), own = own_cpu_ns();
    period = (uint64_t)(options.every * SECOND);
    begin = now_ns();
    ask_all(count);
    for (uint64_t end = now_ns() + PATIENCE * SECOND; answers.count < count;) {
        turn(20);
        if (now_ns() > end)
            die("not all messages were answered");
    }
    double seconds = (double)(now_ns() - begin) / 1e9;
    printf("{\"mode\":\"steady\",\"conns\":%d,\"size\":%zu,\"seconds\":%.3f,\"opening_seconds\":%.3f,\"asked\":%llu,\"answered\":%zu,"
           "\"compared\":%llu,\"server_kib\":%ld,\"server_cpu_pct\":%.1f,\"gen_cpu_pct\":%.1f",
        options.conns, options.size, seconds, opening, (unsigned long long)count, answers.count, totals.compared,
        server_memory_kib(), (double)(server_cpu_ns() - cpu) / seconds / 1e7, (double)(own_cpu_ns() - own) / seconds / 1e7);
    spread_print(&answers, "answer");
    spread_print(&late, "late");
    printf("}\n");
    fflush(stdout);
    /* Connections that end, all at once, would be in the way of those of others. */
    while (options.wait)
        turn(50);
    conns_drop(conns, options.conns);
}
