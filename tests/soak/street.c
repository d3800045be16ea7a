/* Clients that come and go: each calls a server, says something in some way, compares what comes back byte by byte, ends
   in some way, rests, and calls again. */
#include "soak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH 4 /* messages on the way */
/* Nothing takes this long, unless it hangs. */
#define PATIENCE 120000000u

enum ending { CLOSE, ABORT, LINGER, ENDINGS };

struct actor {
    wsock_conn *conn; /* NULL while it rests */
    enum manner manner;
    enum ending ending;
    uint32_t left; /* messages still to be said */
    int comes_back, in_parts;
    int shouted_at; /* what comes is said to everybody */
    struct flooded flooded;
    struct piece awaited[DEPTH];
    int count;      /* of these */
    size_t at;      /* of the first of them has come so much */
    uint64_t due;   /* resting: until when; lingering: when it closes; else when it is taken for hanging */
    int lingering;
};

static wsock_loop *loop;
static wsock_options *plain, *squeezed, *trusting;

static void rest(struct actor *actor)
{
    uint32_t pause = (uint32_t)arguments.pause_ms * 1000;
    actor->conn = NULL;
    actor->lingering = 0;
    actor->due = now_us() + pick(2 * pause + 1);
}

static void say_one(struct actor *actor)
{
    struct piece piece = payload_choose(actor->manner == SUBSCRIBED ? WSOCK_TEXT : 0);
    wsock_status status = send_somehow(actor->conn, &piece);
    may_be_late(status, "say");
    actor->left--;
    if (status >= 0)
        actor->awaited[actor->count++] = piece;
}

static void end(struct actor *actor)
{
    switch (actor->ending) {
    case CLOSE: may_be_late(wsock_conn_close(actor->conn, pick(2) ? 1000 : 3000 + (int32_t)pick(2000), "done"), "close"); break;
    case ABORT: may_be_late(wsock_conn_abort(actor->conn), "abort"); break;
    default:
        actor->lingering = 1;
        actor->due = now_us() + pick(2000000);
    }
}

static void go_on(struct actor *actor)
{
    while (actor->left && actor->count < DEPTH && (actor->count == 0 || pick(2)))
        say_one(actor);
    if (!actor->left && !actor->count)
        end(actor);
}

static void on_open(wsock_conn *conn, void *user)
{
    struct actor *actor = user;
    ADD(opens, 1);
    actor->conn = conn;
    actor->count = 0;
    actor->at = 0;
    go_on(actor);
}

/* What was awaited has come up to here. */
static void came(struct actor *actor, int32_t type, const uint8_t *data, size_t len, int first, int last)
{
    if (first)
        actor->shouted_at = type == WSOCK_TEXT && len && *data == SHOUT;
    if (actor->shouted_at) {
        ADD(overheard, last);
        return;
    }
    if (actor->manner == FLOODED) {
        flood_came(&actor->flooded, data, len);
        return;
    }
    if (actor->manner == SUBSCRIBED && type == WSOCK_BINARY) {
        ADD(heard, last);
        return;
    }
    if (!actor->count)
        broken("%zu bytes came that nobody has sent", len);
    struct piece *piece = &actor->awaited[0];
    if (first != (actor->at == 0) && piece->len)
        broken("a message begins anew in its middle");
    if (type != piece->type || !payload_is(piece, actor->at, data, len))
        broken("message of %zu bytes, type %d: %zu bytes at %zu, type %d, are not what was sent", piece->len, (int)piece->type,
            len, actor->at, (int)type);
    actor->at += len;
    if (!last)
        return;
    if (actor->at != piece->len)
        broken("%zu bytes came back of %zu", actor->at, piece->len);
    ADD(messages, 1);
    ADD(bytes, piece->len);
    actor->at = 0;
    memmove(actor->awaited, actor->awaited + 1, (size_t)--actor->count * sizeof *actor->awaited);
    go_on(actor);
}

static void on_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user)
{
    (void)conn;
    came(user, type, data, len, 1, 1);
}

static void on_part(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, uint32_t flags, void *user)
{
    (void)conn;
    came(user, type, data, len, (flags & WSOCK_PART_FIRST) != 0, (flags & WSOCK_PART_LAST) != 0);
}

/* Most failures belong to the churn: servers that go, connections that are aborted. These do not. */
static void judge(const wsock_close_info *info)
{
    static const int32_t never[] = { WSOCK_ERR_PANIC, WSOCK_ERR_POISONED, WSOCK_ERR_PROTOCOL, WSOCK_ERR_INVALID_DATA,
        WSOCK_ERR_TOO_BIG, WSOCK_ERR_POLICY, WSOCK_ERR_CERTIFICATE, WSOCK_ERR_RESOLVE };
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        if (info->status == never[i])
            broken("a connection ended with %s: %s", wsock_error_name(info->status), info->reason);
    }
}

static void on_retry(wsock_conn *conn, const wsock_retry_info *info, void *user)
{
    struct actor *actor = user;
    (void)conn;
    judge(info->close);
    ADD(retries, 1);
    actor->lingering = actor->count = 0;
    actor->at = 0;
    actor->left = 1 + pick(3);
    actor->due = now_us() + PATIENCE;
}

static void on_close(wsock_conn *conn, const wsock_close_info *info, void *user)
{
    struct actor *actor = user;
    (void)conn;
    if (actor->manner == FLOODED)
        flood_is_over(&actor->flooded, info);
    judge(info);
    ADD(closes, 1);
    rest(actor);
}

/* The actor itself stays; its release only counts. */
static void released(void *actor)
{
    (void)actor;
    ADD(released, 1);
}

static wsock_options *options_for(enum kind kind)
{
    return kind == DEFLATE ? squeezed : kind == SECURE ? trusting : plain;
}

static void call(struct actor *actor)
{
    wsock_handlers handlers = { .struct_size = sizeof handlers, .on_open = on_open, .on_close = on_close,
        .on_retry = on_retry, .release = released };
    enum kind kind = (enum kind)pick(KINDS);
    char url[160];
    *actor = (struct actor) { .manner = (enum manner)pick(kind == LODGER ? CLOSED : FLOODED), .ending = (enum ending)pick(ENDINGS),
        .left = pick(8), .comes_back = pick(6) == 0, .in_parts = pick(4) == 0 };
    if (kind == NARROW) {
        actor->manner = FLOODED;
        actor->left = 1;
        actor->comes_back = actor->in_parts = 0;
    }
    if (!place_find(kind, actor->manner, url, sizeof url)) {
        rest(actor);
        return;
    }
    if (actor->in_parts)
        handlers.on_part = on_part;
    else
        handlers.on_message = on_message;
    wsock_options *options = options_for(kind);
    must(wsock_options_set_int(options, WSOCK_OPT_RECONNECT, actor->comes_back ? 5 : 0), "option");
    actor->due = now_us() + PATIENCE;
    ADD(connects, 1);
    ADD(handed, 1);
    must(wsock_connect(loop, url, options, &handlers, actor, &actor->conn), "connect");
}

static void look_after(struct actor *actor)
{
    if (now_us() < actor->due && !(over && actor->lingering))
        return;
    if (actor->lingering) {
        actor->lingering = 0;
        actor->due = now_us() + PATIENCE;
        may_be_late(wsock_conn_close(actor->conn, 1000, "enough"), "close");
    } else if (actor->conn) {
        broken("a client hangs: state %d, %d awaited, %u left, %s", (int)wsock_conn_state(actor->conn), actor->count,
            (unsigned)actor->left, manners[actor->manner]);
    } else if (!over) {
        call(actor);
    }
}

static wsock_options *client_options(void)
{
    wsock_options *options;
    must(wsock_options_new(&options), "options");
    must(wsock_options_set_int(options, WSOCK_OPT_RECONNECT_FIRST_MS, 20), "option");
    must(wsock_options_set_int(options, WSOCK_OPT_RECONNECT_MAX_MS, 200), "option");
    must(wsock_options_set_int(options, WSOCK_OPT_PING_INTERVAL_MS, 300), "option");
    return options;
}

static void make_options(void)
{
    char trusted[512];
    plain = client_options();
    squeezed = client_options();
    trusting = client_options();
    must(wsock_options_set_int(squeezed, WSOCK_OPT_DEFLATE, 1), "option");
    snprintf(trusted, sizeof trusted, "%s/both.pem", arguments.certs);
    must(wsock_options_set_str(trusting, WSOCK_OPT_TLS_CA_FILE, trusted), "trust");
}

static int anybody(const struct actor *actors)
{
    for (int i = 0; i < arguments.actors; i++) {
        if (actors[i].conn)
            return 1;
    }
    return 0;
}

void *street(void *unused)
{
    struct actor *actors = calloc((size_t)arguments.actors, sizeof *actors);
    (void)unused;
    if (!actors)
        broken("no memory");
    must(wsock_loop_new(&loop), "loop");
    make_options();
    probe_begin(loop);
    while (!over || anybody(actors)) {
        must(wsock_loop_poll(loop, 5), "poll");
        probe_turn();
        for (int i = 0; i < arguments.actors; i++)
            look_after(&actors[i]);
    }
    probe_end();
    must(wsock_loop_free(loop), "free the loop");
    wsock_options_free(plain);
    wsock_options_free(squeezed);
    wsock_options_free(trusting);
    free(actors);
    return NULL;
}
