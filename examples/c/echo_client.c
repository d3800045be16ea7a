/* Connect, send one message, print what comes back, close.   echo_client [URL [TEXT]] */
#include <stdio.h>
#include <string.h>
#include <wsock.h>

static int result = 1;

static void on_open(wsock_conn *conn, void *text)
{
    wsock_conn_send_text(conn, text, strlen(text));
}

static void on_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *text)
{
    (void)type, (void)text;
    printf("%.*s\n", (int)len, (const char *)data); /* data is valid until we return */
    wsock_conn_close(conn, 1000, "thank you");
    result = 0;
}

static void on_error(wsock_conn *conn, const wsock_error_info *error, void *text)
{
    (void)conn, (void)text;
    fprintf(stderr, "echo_client: %s\n", error->message);
}

int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "ws://127.0.0.1:9001/";
    char *text = argc > 2 ? argv[2] : "hello";
    wsock_handlers handlers = { .struct_size = sizeof handlers,
        .on_open = on_open, .on_message = on_message, .on_error = on_error };
    wsock_loop *loop = NULL;
    wsock_conn *conn;
    wsock_status status = wsock_loop_new(&loop);
    if (status == WSOCK_OK)
        status = wsock_connect(loop, url, NULL, &handlers, text, &conn);
    if (status == WSOCK_OK)
        status = wsock_loop_run(loop); /* returns when nothing is left to wait for */
    if (status != WSOCK_OK)
        fprintf(stderr, "echo_client: %s\n", wsock_strerror(status));
    wsock_loop_free(loop);
    return status == WSOCK_OK ? result : 1;
}
