/* The library through wsock.h, for count.py: a server and its clients in one thread, which take turns, so that every run
   makes the same system calls. Where messages go both ways it is over a Unix domain socket: what is sent there has
   arrived, while loopback may deliver a part of it later, which would be another turn of the loop. Valgrind counts
   what runs in `counted` and writes down the sum whenever `row_done` returns; the names of the rows go to standard
   output, in the same order.

     api CERTIFICATE KEY */
#define _GNU_SOURCE
#include "raw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wsock.h>

#define MANY 1000
#define LARGEST (64 * 1024)

struct echo {
    const char *name;
    int connections, depth, size;
    /* Binary when it is 0. */
    int32_t type;
    int tls, deflate, events;
    int of_client;
};

static const struct echo echoes[] = {
    { .name = "echo binary 125 B", .depth = 1, .size = 125 },
    { .name = "echo text 125 B", .depth = 1, .size = 125, .type = WSOCK_TEXT },
    { .name = "echo binary 1 KiB", .depth = 1, .size = 1024 },
    { .name = "echo binary 16 KiB", .depth = 1, .size = 16 * 1024 },
    { .name = "echo binary 64 KiB", .depth = 1, .size = LARGEST },
    { .name = "echo binary 125 B, 64 connections", .connections = 64, .depth = 1, .size = 125 },
    { .name = "echo binary 125 B, 16 on the way", .depth = 16, .size = 125 },
    { .name = "echo text 125 B, 16 on the way", .depth = 16, .size = 125, .type = WSOCK_TEXT },
    { .name = "echo binary 1 KiB, 16 on the way", .depth = 16, .size = 1024 },
    { .name = "echo binary 125 B, 16 on the way, batches", .depth = 16, .size = 125, .events = 1 },
    { .name = "echo binary 125 B, 64 connections, batches", .connections = 64, .depth = 1, .size = 125, .events = 1 },
    { .name = "echo binary 125 B over TLS", .depth = 1, .size = 125, .tls = 1 },
    { .name = "echo binary 1 KiB over TLS", .depth = 1, .size = 1024, .tls = 1 },
    { .name = "echo binary 125 B over TLS, 16 on the way", .depth = 16, .size = 125, .tls = 1 },
    { .name = "echo text 1 KiB compressed", .depth = 1, .size = 1024, .type = WSOCK_TEXT, .deflate = 1 },
    { .name = "client, echo binary 125 B", .depth = 1, .size = 125, .of_client = 1 },
    { .name = "client, echo text 125 B, 16 on the way", .depth = 16, .size = 125, .type = WSOCK_TEXT, .of_client = 1 },
};

static wsock_loop *server_loop, *client_loop;
static wsock_server *server;
static wsock_hub *hub;
static wsock_conn *conns[MANY];
static wsock_event events[64];
static char text[LARGEST + 1], address[64];
/* What the server and the clients have seen. */
static int accepted, ended, connected, asked, answered;
/* The clients may go. */
static int is_over;

/* The two marks for Valgrind. They must stay functions, with these names. */
__attribute__((noinline)) void counted(void (*work)(void *), void *arg)
{
    work(arg);
    __asm__ volatile("" ::: "memory");
}

__attribute__((noinline)) void row_done(void)
{
    __asm__ volatile("" ::: "memory");
}

static void check(wsock_status status, const char *what)
{
    wsock_error_info error = { .struct_size = sizeof error };
    if (status >= 0)
        return;
    wsock_last_error(&error);
    fprintf(stderr, "counts: %s: %s\n", what, error.message);
    exit(1);
}

static void turn(wsock_loop *loop)
{
    check(wsock_loop_poll(loop, 20000), "poll");
}

static void listen_at(const char *host, const wsock_options *options, const wsock_handlers *handlers)
{
    check(wsock_loop_new(&server_loop), "loop");
    check(wsock_listen(server_loop, host, 0, options, handlers, NULL, &server), "listen");
}

static void end_row(const char *name, int times)
{
    printf("%d\t%s\n", times, name);
    fflush(stdout);
    row_done();
}

static void on_accepted(wsock_conn *conn, void *user)
{
    (void)user;
    /* As most programs ask for one thing or another: the library keeps the text. */
    wsock_conn_get_str(conn, WSOCK_CONN_URL, NULL);
    conns[accepted++ % MANY] = conn;
}

static void on_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user)
{
    (void)user;
    asked++;
    wsock_conn_send(conn, type, data, len, 0);
}

static void on_end(wsock_conn *conn, const wsock_close_info *info, void *user)
{
    (void)conn, (void)info, (void)user;
    ended++;
}

static void on_connected(wsock_conn *conn, void *user)
{
    (void)conn, (void)user;
    connected++;
}

static void on_answer(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user)
{
    (void)conn, (void)type, (void)data, (void)len, (void)user;
    answered++;
}

static void on_lost(wsock_conn *conn, const wsock_close_info *info, void *user)
{
    (void)conn, (void)user;
    if (is_over)
        return;
    fprintf(stderr, "counts: a client ended with %d\n", (int)info->code);
    exit(1);
}

static void serve_turn(void *arg)
{
    (void)arg;
    turn(server_loop);
}

static void serve_batch(void *arg)
{
    (void)arg;
    int count = wsock_loop_events(server_loop, 20000);
    check(count, "events");
    for (int i = 0; i < count; i++) {
        if (events[i].type != WSOCK_EVENT_TEXT && events[i].type != WSOCK_EVENT_BINARY)
            continue;
        asked++;
        wsock_conn_send((wsock_conn *)(uintptr_t)events[i].object, (int32_t)events[i].type,
            (const void *)(uintptr_t)events[i].data, (size_t)events[i].len, 0);
    }
    check(wsock_loop_flush(server_loop), "flush");
}

struct clients {
    const struct echo *echo;
    wsock_conn *conns[64];
    int count;
};

static void ask(void *arg)
{
    const struct clients *clients = arg;
    int32_t type = clients->echo->type ? clients->echo->type : WSOCK_BINARY;
    for (int i = 0; i < clients->count; i++)
        for (int j = 0; j < clients->echo->depth; j++)
            check(wsock_conn_send(clients->conns[i], type, text, (size_t)clients->echo->size, 0), "send");
}

static void client_turn(void *arg)
{
    (void)arg;
    turn(client_loop);
}

static void step(int is_counted, void (*work)(void *), void *arg)
{
    if (is_counted)
        counted(work, arg);
    else
        work(arg);
}

/* All clients ask, then the server answers, then the clients hear it. */
static void round_trip(struct clients *clients, int is_counted)
{
    int on_the_way = clients->count * clients->echo->depth, of_client = clients->echo->of_client;
    asked = answered = 0;
    step(is_counted && of_client, ask, clients);
    while (asked < on_the_way)
        step(is_counted && !of_client, clients->echo->events ? serve_batch : serve_turn, NULL);
    while (answered < on_the_way)
        step(is_counted && of_client, client_turn, NULL);
}

static void open_clients(struct clients *clients, const wsock_options *options)
{
    char url[80];
    wsock_handlers handlers = { .struct_size = sizeof handlers, .on_open = on_connected, .on_message = on_answer,
        .on_close = on_lost };
    snprintf(url, sizeof url, "%s+%s:/", clients->echo->tls ? "wss" : "ws", address);
    accepted = connected = 0;
    for (int i = 0; i < clients->count; i++)
        check(wsock_connect(client_loop, url, options, &handlers, NULL, &clients->conns[i]), "connect");
    while (accepted < clients->count || connected < clients->count) {
        check(wsock_loop_poll(client_loop, 1), "poll");
        check(wsock_loop_poll(server_loop, 1), "poll");
    }
}

static wsock_options *options_for(const struct echo *echo)
{
    wsock_options *options;
    check(wsock_options_new(&options), "options");
    if (echo->deflate)
        check(wsock_options_set_int(options, WSOCK_OPT_DEFLATE, 1), "deflate");
    return options;
}

static void count_echo(const struct echo *echo, const char *certificate, const char *key)
{
    enum { WARM_UP = 4, TIMES = 10 };
    struct clients clients = { .echo = echo, .count = echo->connections ? echo->connections : 1 };
    wsock_handlers handlers = { .struct_size = sizeof handlers, .on_open = on_accepted, .on_message = on_message };
    wsock_options *options = options_for(echo);
    if (echo->tls)
        check(wsock_options_add_cert_files(options, certificate, key), "certificate");
    listen_at(address, options, &handlers);
    wsock_options_free(options);

    options = options_for(echo);
    if (echo->tls)
        check(wsock_options_set_int(options, WSOCK_OPT_DANGER_ACCEPT_ANY_CERTIFICATE, 1), "trust");
    check(wsock_loop_new(&client_loop), "loop");
    open_clients(&clients, options);
    wsock_options_free(options);
    if (echo->events)
        check(wsock_loop_use_events(server_loop, events, sizeof *events, sizeof events / sizeof *events), "use events");

    for (int i = 0; i < WARM_UP + TIMES; i++)
        round_trip(&clients, i >= WARM_UP);
    end_row(echo->name, TIMES * clients.count * echo->depth);
    is_over = 1;
    wsock_loop_free(client_loop);
    wsock_loop_free(server_loop);
    is_over = 0;
}

/* From accepting a connection to the last byte of the response; the request is there already. */
static void count_handshakes(void)
{
    enum { WARM_UP = 4, TIMES = 10 };
    wsock_handlers handlers = { .struct_size = sizeof handlers, .on_open = on_accepted, .on_close = on_end };
    listen_at("127.0.0.1", NULL, &handlers);
    accepted = ended = 0;
    for (int i = 0; i < WARM_UP + TIMES; i++) {
        int fd = dial(wsock_server_port(server), "");
        while (accepted == i)
            step(i >= WARM_UP, serve_turn, NULL);
        shake_hands(fd);
        close(fd);
        while (ended == i)
            turn(server_loop);
    }
    end_row("handshake of a server, with accept", TIMES);
    wsock_loop_free(server_loop);
}

static void send_to_each(wsock_loop *loop, void *arg)
{
    (void)loop, (void)arg;
    for (int i = 0; i < MANY; i++)
        check(wsock_conn_send(conns[i], WSOCK_TEXT, text, 1024, 0), "send");
}

static void publish(wsock_loop *loop, void *arg)
{
    (void)loop, (void)arg;
    check(wsock_hub_publish(hub, "news", WSOCK_TEXT, text, 1024, NULL), "publish");
}

struct many {
    const char *name;
    void (*task)(wsock_loop *loop, void *arg);
    const char *headers;
};

static void post_and_turn(void *arg)
{
    const struct many *many = arg;
    check(wsock_loop_post(server_loop, many->task, NULL, NULL), "post");
    turn(server_loop);
}

static void count_many(const struct many *many)
{
    enum { WARM_UP = 1, TIMES = 2 };
    static int fds[MANY];
    static char buffer[4096];
    wsock_handlers handlers = { .struct_size = sizeof handlers, .on_open = on_accepted };
    wsock_options *options;
    check(wsock_options_new(&options), "options");
    check(wsock_options_set_int(options, WSOCK_OPT_DEFLATE, *many->headers != 0), "deflate");
    listen_at("127.0.0.1", options, &handlers);
    wsock_options_free(options);
    check(wsock_hub_new(&hub), "hub");
    accepted = 0;
    for (int i = 0; i < MANY; i++) {
        fds[i] = dial(wsock_server_port(server), many->headers);
        while (accepted == i)
            turn(server_loop);
        check(wsock_hub_subscribe(hub, conns[i], "news"), "subscribe");
        shake_hands(fds[i]);
    }
    for (int i = 0; i < WARM_UP + TIMES; i++) {
        step(i >= WARM_UP, post_and_turn, (void *)(uintptr_t)many);
        for (int j = 0; j < MANY; j++)
            if (recv(fds[j], buffer, sizeof buffer, 0) <= 0)
                die("a message is missing");
    }
    end_row(many->name, TIMES * MANY);
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
    wsock_hub_free(hub);
    wsock_loop_free(server_loop);
}

int main(int argc, char **argv)
{
    static const char extension[] = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    static const struct many manys[] = {
        { "send text 1 KiB to each of 1000", send_to_each, "" },
        { "publish text 1 KiB to 1000", publish, "" },
        { "publish text 1 KiB to 1000, compressed", publish, extension },
    };
    if (argc != 3) {
        fprintf(stderr, "usage: api CERTIFICATE KEY\n");
        return 2;
    }
    snprintf(address, sizeof address, "unix:@wsock-counts-%d", (int)getpid());
    for (size_t at = 0; at < LARGEST;)
        at += (size_t)snprintf(text + at, sizeof text - at, "{\"symbol\":\"S%03zu\",\"bid\":%zu,\"size\":%zu},", at * 7 % 512,
            at * 31 % 1024, at * 13 % 16 * 100);
    for (size_t i = 0; i < sizeof echoes / sizeof *echoes; i++)
        count_echo(&echoes[i], argv[1], argv[2]);
    count_handshakes();
    for (size_t i = 0; i < sizeof manys / sizeof *manys; i++)
        count_many(&manys[i]);
    return 0;
}
