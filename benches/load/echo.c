/* Messages there and back, --depth of them on the way on each connection. */
#include "conn.h"
#include "check.h"
#include "modes.h"
#include "options.h"

#include <stdlib.h>

static int started;

static void opened(struct conn *conn)
{
    (void)conn;
}

static void arrived(struct conn *conn, unsigned messages)
{
    if (started)
        conn_say(conn, messages);
}

/* Those whose compressed replies are compared. */
static void inflate_some(struct conn *conns)
{
    for (int i = 0; options.deflate && i < options.conns && i < 4; i++) {
        conns[i].inflater = inflater_new();
        conns[i].inflated = malloc(options.size + 1);
        if (!conns[i].inflated)
            die("no memory to inflate into");
    }
}

void run_echo(void)
{
    struct conn *beside = conns_new(options.beside + 1), *conns = conns_new(options.conns);
    hooks = (struct hooks) { opened, arrived };
    inflate_some(conns);
    conns_open(beside, options.beside, 64);
    conns_open(conns, options.conns, 64);
    started = 1;
    for (int i = 0; i < options.conns; i++) {
        conn_say(&conns[i], (unsigned)options.depth);
        if (i % 16 == 15)
            conns_turn(0);
    }
    run_measured("echo", &totals.messages, NULL);
    conns_drop(conns, options.conns);
    conns_drop(beside, options.beside);
}
