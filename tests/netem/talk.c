#include "talk.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t talk_most = 4096;

static uint32_t mix(uint32_t x)
{
    x = (x ^ (x >> 16)) * 0x7feb352du;
    x = (x ^ (x >> 15)) * 0x846ca68bu;
    return x ^ (x >> 16);
}

/* Letters, so that text and binary can be the same. */
struct said talk_message(uint32_t number)
{
    static uint8_t *room;
    size_t len = mix(number) % (talk_most + 1);
    if (!room && !(room = malloc(talk_most + 1)))
        broken("no memory");
    for (size_t i = 0; i < len; i++)
        room[i] = (uint8_t)('a' + mix(number * 2654435761u + (uint32_t)i) % 26);
    return (struct said) { .type = number % 2 ? WSOCK_TEXT : WSOCK_BINARY, .len = len, .data = room };
}

int talk_is(uint32_t number, int32_t type, const uint8_t *data, size_t len)
{
    struct said said = talk_message(number);
    return type == said.type && len == said.len && (!len || memcmp(data, said.data, len) == 0);
}

void tell(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

void tell_end(const char *event, const wsock_close_info *info, const char *more)
{
    tell("{\"event\":\"%s\",\"status\":\"%s\",\"code\":%d,\"clean\":%d,\"layer\":%d,\"unsent\":%llu%s}", event,
        wsock_error_name(info->status), (int)info->code, (int)info->was_clean, (int)info->layer,
        (unsigned long long)info->unsent_bytes, more);
}

void broken(const char *what)
{
    tell("{\"event\":\"broken\",\"what\":\"%s\"}", what);
    exit(1);
}

void must(wsock_status status, const char *what)
{
    wsock_error_info error = { .struct_size = sizeof error };
    if (status >= 0)
        return;
    wsock_last_error(&error);
    fprintf(stderr, "%s: %s\n", what, error.message);
    broken(what);
}

const char *text_of(int argc, char **argv, const char *name)
{
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], name) == 0)
            return argv[i + 1];
    }
    return NULL;
}

long number_of(int argc, char **argv, const char *name, long fallback)
{
    const char *text = text_of(argc, argv, name);
    return text ? atol(text) : fallback;
}

wsock_options *options_from(int argc, char **argv)
{
    static const struct {
        const char *name;
        int32_t key;
        long fallback;
    } table[] = { { "--connect", WSOCK_OPT_CONNECT_TIMEOUT_MS, 60000 }, { "--handshake", WSOCK_OPT_HANDSHAKE_TIMEOUT_MS, 60000 },
        { "--close", WSOCK_OPT_CLOSE_TIMEOUT_MS, 60000 }, { "--ping", WSOCK_OPT_PING_INTERVAL_MS, 25000 },
        { "--pong", WSOCK_OPT_PONG_TIMEOUT_MS, 60000 }, { "--reconnect", WSOCK_OPT_RECONNECT, 0 },
        { "--deflate", WSOCK_OPT_DEFLATE, 0 } };
    const char *certificate = text_of(argc, argv, "--cert"), *trusted = text_of(argc, argv, "--trust");
    wsock_options *options;
    must(wsock_options_new(&options), "options");
    if (certificate)
        must(wsock_options_add_cert_files(options, certificate, text_of(argc, argv, "--key")), "certificate");
    if (trusted)
        must(wsock_options_set_str(options, WSOCK_OPT_TLS_CA_FILE, trusted), "trust");
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        must(wsock_options_set_int(options, table[i].key, number_of(argc, argv, table[i].name, table[i].fallback)), table[i].name);
    must(wsock_options_set_int(options, WSOCK_OPT_RECONNECT_FIRST_MS, 200), "options");
    must(wsock_options_set_int(options, WSOCK_OPT_RECONNECT_MAX_MS, 1000), "options");
    talk_most = (size_t)number_of(argc, argv, "--size", (long)talk_most);
    return options;
}
