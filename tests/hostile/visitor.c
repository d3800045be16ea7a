/* Visits a server that means no good, again and again: says hello, and closes when that has come back. One line for each
   visit, on how it ended; in the end it tells how many descriptors it has, and had when it began.

     visitor URL VISITS HANDSHAKE_TIMEOUT_MS CLOSE_TIMEOUT_MS MAX_MESSAGE */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <wsock.h>

static wsock_loop *loop;
static int opened, messages, ends;

static void check(wsock_status status)
{
    if (status >= 0)
        return;
    wsock_error_info error = { .struct_size = sizeof error };
    wsock_last_error(&error);
    fprintf(stderr, "visitor: %s\n", error.message);
    exit(1);
}

static void on_open(wsock_conn *conn, void *user)
{
    (void)user;
    opened++;
    check(wsock_conn_send_text(conn, "hello", 5));
}

static void on_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user)
{
    (void)type, (void)data, (void)len, (void)user;
    messages++;
    wsock_conn_close(conn, 1000, "");
}

static void on_close(wsock_conn *conn, const wsock_close_info *info, void *user)
{
    (void)conn, (void)user;
    ends++;
    printf("%d %d %s %d %d %d\n", opened, messages, wsock_error_name(info->status), (int)info->code,
        (int)info->sent_code, (int)info->was_clean);
    fflush(stdout);
}

static int descriptors(void)
{
    int count = 0;
    DIR *all = opendir("/proc/self/fd");
    if (!all)
        return -1;
    while (readdir(all))
        count++;
    closedir(all);
    return count;
}

int main(int argc, char **argv)
{
    static const int32_t keys[] = { WSOCK_OPT_HANDSHAKE_TIMEOUT_MS, WSOCK_OPT_CLOSE_TIMEOUT_MS,
        WSOCK_OPT_MAX_MESSAGE_SIZE };
    wsock_handlers handlers = { .struct_size = sizeof handlers, .on_open = on_open, .on_message = on_message,
        .on_close = on_close };
    wsock_options *options;
    wsock_conn *conn;
    if (argc != 6)
        return 2;
    check(wsock_loop_new(&loop));
    check(wsock_options_new(&options));
    check(wsock_options_set_int(options, WSOCK_OPT_DEFLATE, 1));
    for (int i = 0; i < 3; i++)
        check(wsock_options_set_int(options, keys[i], atoll(argv[3 + i])));
    int before = descriptors(), visits = atoi(argv[2]);
    for (int i = 0; i < visits; i++) {
        opened = messages = ends = 0;
        check(wsock_connect(loop, argv[1], options, &handlers, NULL, &conn));
        check(wsock_loop_run(loop));
        if (ends != 1) {
            fprintf(stderr, "visitor: %d ends of one connection\n", ends);
            return 1;
        }
    }
    printf("descriptors %d %d\n", before, descriptors());
    wsock_options_free(options);
    wsock_loop_free(loop);
    return 0;
}
