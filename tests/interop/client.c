/* A client that tells everything it can know about a connection, a fact a line, for the interop tests.

     client URL [OPTION=VALUE | cert=CHAIN_FILE,KEY_FILE | pin=PIN | cookie=NAME,VALUE | ask=COOKIE | times=N]...

   OPTION is a WSOCK_OPT_ name without that prefix, in lower case, of the list below. It connects, sends "who?",
   prints the answer, closes; times=2 does all of it twice with the same options, as for resuming TLS. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wsock.h>

#define NUMBER(name, key) { name, key, 1 }
#define TEXT(name, key) { name, key, 0 }

static const struct {
    const char *name;
    int32_t key;
    int number;
} known[] = {
    NUMBER("tls_min_version", WSOCK_OPT_TLS_MIN_VERSION),
    NUMBER("tls_resumption", WSOCK_OPT_TLS_RESUMPTION),
    NUMBER("tls_system_trust", WSOCK_OPT_TLS_SYSTEM_TRUST),
    NUMBER("danger_accept_any_certificate", WSOCK_OPT_DANGER_ACCEPT_ANY_CERTIFICATE),
    NUMBER("max_redirects", WSOCK_OPT_MAX_REDIRECTS),
    NUMBER("handshake_timeout_ms", WSOCK_OPT_HANDSHAKE_TIMEOUT_MS),
    NUMBER("proxy_from_env", WSOCK_OPT_PROXY_FROM_ENV),
    TEXT("tls_ca_file", WSOCK_OPT_TLS_CA_FILE),
    TEXT("tls_server_name", WSOCK_OPT_TLS_SERVER_NAME),
    TEXT("proxy", WSOCK_OPT_PROXY),
    TEXT("no_proxy", WSOCK_OPT_NO_PROXY),
    TEXT("user", WSOCK_OPT_USER),
    TEXT("password", WSOCK_OPT_PASSWORD),
};

static const char *asked[8]; /* cookies to print */
static int asked_count;

static void fail(const char *what)
{
    wsock_error_info error = { .struct_size = sizeof error };
    wsock_last_error(&error);
    fprintf(stderr, "client: %s: %s\n", what, error.message);
    exit(2);
}

static void set(wsock_options *options, char *name)
{
    char *value = strchr(name, '=');
    if (!value)
        fail(name);
    *value++ = '\0';
    char *second = strchr(value, ',');
    wsock_status status = WSOCK_ERR_UNSUPPORTED;
    if (strcmp(name, "pin") == 0) {
        status = wsock_options_add_pin(options, value);
    } else if (strcmp(name, "ask") == 0 && asked_count < 8) {
        asked[asked_count++] = value;
        status = WSOCK_OK;
    } else if ((strcmp(name, "cert") == 0 || strcmp(name, "cookie") == 0) && second) {
        *second++ = '\0';
        status = name[1] == 'e' ? wsock_options_add_cert_files(options, value, second)
                                : wsock_options_add_cookie(options, value, second);
    } else {
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            if (strcmp(name, known[i].name) == 0)
                status = known[i].number ? wsock_options_set_int(options, known[i].key, atoi(value))
                                         : wsock_options_set_str(options, known[i].key, value);
    }
    if (status != WSOCK_OK)
        fail(name);
}

static void on_open(wsock_conn *conn, void *user)
{
    (void)user;
    wsock_conn_stats stats = { .struct_size = sizeof stats };
    wsock_conn_get_stats(conn, &stats);
    printf("open: %s\n", wsock_conn_get_str(conn, WSOCK_CONN_URL, NULL));
    printf("peer: %s\n", wsock_conn_get_str(conn, WSOCK_CONN_PEER_ADDRESS, NULL));
    printf("version: %s\n", wsock_conn_get_str(conn, WSOCK_CONN_TLS_VERSION, NULL));
    printf("cipher: %s\n", wsock_conn_get_str(conn, WSOCK_CONN_TLS_CIPHER, NULL));
    printf("subject: %s\n", wsock_conn_get_str(conn, WSOCK_CONN_PEER_SUBJECT, NULL));
    printf("resumed: %d\n", (int)stats.tls_resumed);
    for (int i = 0; i < asked_count; i++) {
        const char *value = wsock_conn_cookie(conn, asked[i], NULL);
        printf("cookie %s: %s\n", asked[i], value ? value : "(none)");
    }
    wsock_conn_send_text(conn, "who?", 4);
}

static void on_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user)
{
    (void)type, (void)user;
    printf("message: %.*s\n", (int)len, (const char *)data);
    wsock_conn_close(conn, 1000, "thank you");
}

static void on_error(wsock_conn *conn, const wsock_error_info *error, void *user)
{
    (void)conn, (void)user;
    printf("error: %s\n", wsock_error_name(error->code));
    printf("sentence: %s\n", error->message);
}

static void on_close(wsock_conn *conn, const wsock_close_info *info, void *user)
{
    (void)conn, (void)user;
    printf("code: %d\nlayer: %d\nalert: %d\nhttp: %d\nclean: %d\n", (int)info->code, (int)info->layer,
        (int)info->tls_alert, (int)info->http_status, (int)info->was_clean);
}

int main(int argc, char **argv)
{
    wsock_loop *loop;
    wsock_options *options;
    wsock_conn *conn;
    wsock_handlers handlers = { .struct_size = sizeof handlers, .on_open = on_open, .on_message = on_message,
        .on_error = on_error, .on_close = on_close };
    int times = 1;
    if (argc < 2 || wsock_loop_new(&loop) != WSOCK_OK || wsock_options_new(&options) != WSOCK_OK)
        return 2;
    for (int i = 2; i < argc; i++) {
        if (strncmp(argv[i], "times=", 6) == 0)
            times = atoi(argv[i] + 6);
        else
            set(options, argv[i]);
    }
    while (times-- > 0) {
        if (wsock_connect(loop, argv[1], options, &handlers, NULL, &conn) != WSOCK_OK)
            fail("connect");
        wsock_loop_run(loop);
    }
    puts("end: 1");
    wsock_options_free(options);
    wsock_loop_free(loop);
    return 0;
}
