/* A player as a guest in the frame loop of a game.   frame [URL [SECONDS]]

   60 times a second: take what has arrived, move, draw, wait for the next frame. Ten times a second the server is told
   where we are (o); what it sends is where others are (x). The library never waits, so that no frame is late, and there
   is no descriptor to watch. After SECONDS (10) it says goodbye and goes on drawing until that is answered. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wsock.h>

enum { FRAMES_A_SECOND = 60, FRAMES_A_MESSAGE = 6, WIDTH = 60 };

static wsock_loop *loop;
static wsock_conn *conn; /* NULL when it has ended */
static int failed, ours, theirs;

/* ---- the guest ---- */

static void on_message(wsock_conn *from, int32_t type, const uint8_t *data, size_t len, void *user)
{
    char text[16] = "";
    (void)from, (void)type, (void)user;
    if (len < sizeof text)
        memcpy(text, data, len); /* what arrives has no NUL at its end */
    sscanf(text, "at %d", &theirs);
}

static void on_error(wsock_conn *from, const wsock_error_info *error, void *user)
{
    (void)from, (void)user;
    fprintf(stderr, "%s\n", error->message);
    failed = 1;
}

/* The last that is heard of the connection, also when it never came about. */
static void on_close(wsock_conn *from, const wsock_close_info *info, void *user)
{
    (void)from, (void)user;
    printf("\nclosed with %d\n", (int)info->code);
    conn = NULL;
}

static void start(const char *url)
{
    wsock_handlers handlers = { .struct_size = sizeof handlers, .on_message = on_message, .on_error = on_error,
        .on_close = on_close };
    wsock_error_info error = { .struct_size = sizeof error };
    if (wsock_loop_new(&loop) != WSOCK_OK
        || wsock_connect(loop, url, NULL, &handlers, NULL, &conn) != WSOCK_OK) {
        wsock_last_error(&error);
        fprintf(stderr, "cannot start: %s\n", error.message);
        exit(1);
    }
}

static void tell_place(void)
{
    char text[16];
    int len = snprintf(text, sizeof text, "at %d", ours);
    wsock_conn_send_text(conn, text, (size_t)len); /* refused before it is open, which does not matter here */
}

/* ---- the host: a frame loop ---- */

/* To and fro, two seconds each way. */
static void move(int frame)
{
    int way = frame % (4 * FRAMES_A_SECOND) * WIDTH / (2 * FRAMES_A_SECOND);
    ours = way < WIDTH ? way : 2 * WIDTH - 1 - way;
}

static void draw(void)
{
    char line[WIDTH + 1];
    memset(line, '.', WIDTH);
    line[WIDTH] = 0;
    if (theirs >= 0 && theirs < WIDTH)
        line[theirs] = 'x';
    line[ours] = 'o';
    printf("\r%s", line);
    fflush(stdout);
}

static void wait_for_frame(struct timespec *next)
{
    next->tv_nsec += 1000000000 / FRAMES_A_SECOND;
    if (next->tv_nsec >= 1000000000) {
        next->tv_nsec -= 1000000000;
        next->tv_sec++;
    }
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, NULL);
}

int main(int argc, char **argv)
{
    int last = (argc > 2 ? atoi(argv[2]) : 10) * FRAMES_A_SECOND;
    int frame;
    struct timespec next;
    start(argc > 1 ? argv[1] : "ws://127.0.0.1:9001/");

    clock_gettime(CLOCK_MONOTONIC, &next);
    for (frame = 1; wsock_loop_poll(loop, 0) >= 0 && conn; frame++) {
        move(frame);
        draw();
        if (frame % FRAMES_A_MESSAGE == 0)
            tell_place();
        if (frame == last)
            wsock_conn_close(conn, 1000, NULL);
        wait_for_frame(&next);
    }
    wsock_loop_free(loop);
    return failed || conn;
}
