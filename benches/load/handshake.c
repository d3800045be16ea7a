/* Connect, shake hands, reset, and again, on --conns connections at a time. */
#include "conn.h"
#include "modes.h"
#include "options.h"

static void opened(struct conn *conn)
{
    conn_drop(conn, NULL);
    conn_start(conn);
}

static void arrived(struct conn *conn, unsigned messages)
{
    (void)conn, (void)messages;
}

void run_handshake(void)
{
    struct conn *conns = conns_new(options.conns);
    hooks = (struct hooks) { opened, arrived };
    for (int i = 0; i < options.conns; i++)
        conn_start(&conns[i]);
    run_measured("handshake", &totals.opened, NULL);
    conns_drop(conns, options.conns);
}
