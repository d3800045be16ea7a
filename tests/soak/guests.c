/* A server's side of a connection. */
#include "soak.h"

#include <stdlib.h>
#include <string.h>

struct guest {
    enum manner manner;
    uint32_t left; /* messages until it is closed or aborted */
};

static wsock_hub *hub;

void guests_hub(wsock_hub *made)
{
    hub = made;
}

static enum manner manner_of(wsock_conn *conn)
{
    const char *url = wsock_conn_get_str(conn, WSOCK_CONN_URL, NULL), *path = url ? strrchr(url, '/') : NULL;
    for (int i = 0; path && i < MANNERS; i++) {
        if (strcmp(path + 1, manners[i]) == 0)
            return (enum manner)i;
    }
    broken("somebody asks for %s", url ? url : "nothing");
}

static void released(void *guest)
{
    ADD(released, 1);
    free(guest);
}

static void on_open(wsock_conn *conn, void *user)
{
    struct guest *guest = calloc(1, sizeof *guest);
    (void)user;
    if (!guest)
        broken("no memory");
    guest->manner = manner_of(conn);
    guest->left = 1 + pick(3);
    ADD(handed, 1);
    must(wsock_conn_set_user_data(conn, guest, released), "user data");
    if (guest->manner == SUBSCRIBED) {
        may_be_late(wsock_hub_subscribe(hub, conn, pick(2) ? "prices.*" : "prices.3"), "subscribe");
        if (pick(2))
            may_be_late(wsock_hub_subscribe(hub, conn, "news"), "subscribe");
    }
}

/* What comes back is sent in whatever way; who reads too slowly is not read from. */
static void on_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user)
{
    struct guest *guest = user;
    if (guest->manner == FLOODED) {
        flood(conn);
        return;
    }
    wsock_status status = send_back(conn, type, data, len);
    may_be_late(status, "echo");
    if (status == WSOCK_BUFFERED)
        must(wsock_conn_pause(conn), "pause");
    if (guest->manner == SUBSCRIBED && pick(4) == 0)
        may_be_late(wsock_hub_unsubscribe(hub, conn, pick(2) ? NULL : "news"), "unsubscribe");
    if (guest->manner == ECHO || guest->manner == SUBSCRIBED || --guest->left)
        return;
    if (guest->manner == CLOSED)
        may_be_late(wsock_conn_close(conn, pick(2) ? 1000 : 4000, "enough"), "close");
    else
        may_be_late(wsock_conn_abort(conn), "abort");
}

static void on_drain(wsock_conn *conn, void *user)
{
    (void)user;
    may_be_late(wsock_conn_resume(conn), "resume");
}

wsock_handlers guest_handlers(void)
{
    return (wsock_handlers) { .struct_size = sizeof(wsock_handlers), .on_open = on_open, .on_message = on_message,
        .on_drain = on_drain };
}
