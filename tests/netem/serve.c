/* serve [--cert FILE --key FILE] [--ping MS ...]: an echo server that compares every message with the one that must come next on its connection. */
#include "talk.h"

#include <stdio.h>
#include <stdlib.h>

struct guest {
    uint32_t next;
    size_t bytes;
};

static void on_open(wsock_conn *conn, void *user)
{
    struct guest *guest = calloc(1, sizeof *guest);
    (void)user;
    if (!guest)
        broken("no memory");
    must(wsock_conn_set_user_data(conn, guest, free), "user data");
    tell("{\"event\":\"open\"}");
}

static void on_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user)
{
    struct guest *guest = user;
    if (!talk_is(guest->next, type, data, len))
        broken(guest->next && talk_is(guest->next - 1, type, data, len) ? "a message came twice"
                                                                        : "a message is not the one that must come next");
    guest->next++;
    guest->bytes += len;
    wsock_status status = wsock_conn_send(conn, type, data, len, 0);
    if (status == WSOCK_BUFFERED)
        must(wsock_conn_pause(conn), "pause");
    else if (status != WSOCK_ERR_STATE)
        must(status, "echo");
}

static void on_drain(wsock_conn *conn, void *user)
{
    (void)user;
    must(wsock_conn_resume(conn), "resume");
}

static void on_close(wsock_conn *conn, const wsock_close_info *info, void *user)
{
    const struct guest *guest = user;
    char more[96];
    (void)conn;
    snprintf(more, sizeof more, ",\"messages\":%u,\"bytes\":%zu", (unsigned)guest->next, guest->bytes);
    tell_end("close", info, more);
}

int main(int argc, char **argv)
{
    wsock_handlers handlers = { .struct_size = sizeof handlers, .on_open = on_open, .on_message = on_message,
        .on_drain = on_drain, .on_close = on_close };
    wsock_options *options = options_from(argc, argv);
    wsock_loop *loop;
    wsock_server *server;
    must(wsock_loop_new(&loop), "loop");
    must(wsock_listen(loop, "*", (uint16_t)number_of(argc, argv, "--port", 9001), options, &handlers, NULL, &server), "listen");
    wsock_options_free(options);
    tell("{\"event\":\"listening\"}");
    must(wsock_loop_run(loop), "run");
    return 0;
}
