/* The first connection sends, and everybody gets it from the server, the sender too. */
#include "conn.h"
#include "modes.h"
#include "options.h"

static struct conn *conns;
static unsigned long long published;

static void opened(struct conn *conn)
{
    (void)conn;
}

static void arrived(struct conn *conn, unsigned messages)
{
    (void)conn, (void)messages;
}

/* --depth messages more than have come to all of them. */
static void publish(void)
{
    unsigned long long wanted = totals.messages / (unsigned)options.conns + (unsigned)options.depth;
    if (published < wanted) {
        conn_say(&conns[0], (unsigned)(wanted - published));
        published = wanted;
    }
}

void run_broadcast(void)
{
    conns = conns_new(options.conns);
    hooks = (struct hooks) { opened, arrived };
    conns_open(conns, options.conns, 64);
    run_measured("broadcast", &totals.messages, publish);
    conns_drop(conns, options.conns);
}
