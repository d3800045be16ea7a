/* Servers of five kinds on one loop. One of them after the other is drained and followed by a new one, certificates are
   renewed, topics are published, and all are shouted at. */
#include "soak.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HERE 5 /* kinds that live in the house */

static wsock_loop *loop;
static wsock_hub *hub;
static wsock_server *servers[HERE];
static uint32_t certificate;

static void set_certificate(wsock_options *options)
{
    char chain[512], key[512], name = "ab"[certificate++ % 2];
    snprintf(chain, sizeof chain, "%s/%c.pem", arguments.certs, name);
    snprintf(key, sizeof key, "%s/%c.key", arguments.certs, name);
    must(wsock_options_add_cert_files(options, chain, key), "certificate");
}

static void open_server(enum kind kind)
{
    static unsigned number;
    wsock_handlers handlers = guest_handlers();
    wsock_options *options;
    char host[64] = "127.0.0.1", url[128];
    must(wsock_options_new(&options), "options");
    must(wsock_options_set_int(options, WSOCK_OPT_CLOSE_TIMEOUT_MS, 1000), "option");
    if (kind == DEFLATE) {
        must(wsock_options_set_int(options, WSOCK_OPT_DEFLATE, 1), "option");
        must(wsock_options_set_int(options, WSOCK_OPT_DEFLATE_SERVER_TAKEOVER, pick(2)), "option");
        must(wsock_options_set_int(options, WSOCK_OPT_DEFLATE_CLIENT_TAKEOVER, pick(2)), "option");
        must(wsock_options_set_int(options, WSOCK_OPT_DEFLATE_IDLE_MS, 200), "option");
    }
    if (kind == SECURE)
        set_certificate(options);
    if (kind == NARROW)
        must(wsock_options_set_int(options, WSOCK_OPT_MAX_BUFFERED, 256 << 10), "option");
    if (kind == UNIX)
        snprintf(host, sizeof host, "unix:@wsock-soak-%d-%u", (int)getpid(), number++);
    must(wsock_listen(loop, host, 0, options, &handlers, NULL, &servers[kind]), "listen");
    wsock_options_free(options);
    if (kind == UNIX)
        snprintf(url, sizeof url, "ws+%s:/", host);
    else
        snprintf(url, sizeof url, "%s://%s:%u/", kind == SECURE ? "wss" : "ws", host,
            (unsigned)wsock_server_port(servers[kind]));
    place_open(kind, url);
}

/* The one before ends at once or by and by; those who are there notice, and new ones go to the next. */
static void replace_server(enum kind kind)
{
    wsock_server *before = servers[kind];
    open_server(kind);
    must(wsock_server_close(before, pick(2) ? 0 : (int32_t)pick(1500), 0, pick(2) ? "moved" : NULL), "close a server");
}

static void renew(void)
{
    wsock_options *options;
    must(wsock_options_new(&options), "options");
    set_certificate(options);
    must(wsock_server_set_tls(servers[SECURE], options), "renew");
    wsock_options_free(options);
    ADD(renewals, 1);
}

/* Binary, so that who subscribes and says text knows what is an answer. */
static void publish(void)
{
    wsock_publish_options options = { .struct_size = sizeof options, .flags = pick(2) ? WSOCK_PUBLISH_KEEP : 0,
        .key = pick(3) };
    uint8_t news[600];
    char topic[32];
    memset(news, (int)pick(256), sizeof news);
    snprintf(topic, sizeof topic, "prices.%u", (unsigned)pick(8));
    must(wsock_hub_publish(hub, pick(4) ? topic : "news", WSOCK_BINARY, news, pick(sizeof news), &options), "publish");
    if (pick(16) == 0)
        must(wsock_hub_forget(hub, "prices.*"), "forget");
    ADD(published, 1);
}

static void shout(void)
{
    wsock_message *message;
    char words[600];
    memset(words, SHOUT, sizeof words);
    must(wsock_message_new(WSOCK_TEXT, words, 1 + pick(sizeof words), &message), "message");
    must(wsock_server_broadcast(servers[pick(HERE)], message, NULL), "broadcast");
    wsock_message_free(message);
    ADD(shouts, 1);
}

static void look_at_figures(void)
{
    const char *text;
    wsock_server_stats stats = { .struct_size = sizeof stats };
    must(wsock_loop_metrics(loop, &text, NULL), "metrics");
    must(wsock_server_get_stats(servers[pick(HERE)], &stats), "figures");
}

static uint64_t left(void)
{
    wsock_loop_stats stats = { .struct_size = sizeof stats };
    must(wsock_loop_get_stats(loop, &stats), "figures");
    return stats.connections + stats.servers;
}

void *house(void *unused)
{
    (void)unused;
    must(wsock_hub_new(&hub), "hub");
    guests_hub(hub);
    must(wsock_loop_new(&loop), "loop");
    for (int i = 0; i < HERE; i++)
        open_server((enum kind)i);
    for (uint64_t next = 0; !over;) {
        must(wsock_loop_poll(loop, 50), "poll");
        if (now_us() < next)
            continue;
        next = now_us() + 50000;
        publish();
        shout();
        look_at_figures();
        if (pick(20) == 0)
            renew();
        if (pick(60) == 0)
            replace_server((enum kind)pick(HERE));
    }
    for (int i = 0; i < HERE; i++) {
        place_close((enum kind)i);
        must(wsock_server_close(servers[i], 0, 0, NULL), "close a server");
    }
    while (left() > 0)
        must(wsock_loop_poll(loop, 50), "poll");
    must(wsock_loop_free(loop), "free the loop");
    wsock_hub_free(hub);
    return NULL;
}
