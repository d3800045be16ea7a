/* What it costs to send from another thread than the loop's: 125 B to 64 clients, in bursts of 1 and of 64 to one
   client after the other. CPU time of the whole process, so of both threads, per message.

     own       a task on the loop's thread sends a burst and posts itself again
     posted    the other thread posts a task that sends a burst, and waits until that is done
     other     the other thread sends a burst, posts a task that does nothing, and waits until that is done
     streaming the other thread sends bursts without waiting

   "other" against "posted" is the sending alone; "posted" against "own" is waking and being woken. */
#define _GNU_SOURCE
#include "drain.h"
#include "measure.h"
#include "../ours/serve.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>

#define CLIENTS 64
#define SIZE 125
#define SECONDS 0.2
/* Bytes that may be on the way. */
#define AHEAD (512 * 1024)

enum { OWN, POSTED, OTHER, STREAMING, SIDES };

static wsock_loop *loop;
static wsock_conn *conns[CLIENTS];
static int opened, burst;
static volatile int over;
static unsigned long long messages, bytes;
static struct drain drain;
static sem_t done;
static double wakeups[SIDES]; /* per message, of the last round */

static void on_open(wsock_conn *conn, void *user)
{
    (void)user;
    conns[opened++] = conn;
}

static void send_burst(void)
{
    static const unsigned char data[SIZE];
    static int turn_of;
    wsock_conn *conn = conns[turn_of++ % CLIENTS];
    for (int i = 0; i < burst; i++)
        check(wsock_conn_send(conn, WSOCK_BINARY, data, SIZE, 0), "send");
    messages += (unsigned long long)burst;
    bytes += (unsigned long long)burst * (SIZE + 2);
    if (bytes > AHEAD)
        drain_wait(drain, bytes - AHEAD);
}

static void post(void (*task)(wsock_loop *, void *))
{
    check(wsock_loop_post(loop, task, NULL, NULL), "post");
}

static void own(wsock_loop *from, void *arg)
{
    (void)from, (void)arg;
    send_burst();
    if (!over)
        post(own);
}

static void posted(wsock_loop *from, void *arg)
{
    (void)from, (void)arg;
    send_burst();
    sem_post(&done);
}

static void nothing(wsock_loop *from, void *arg)
{
    (void)from, (void)arg;
    sem_post(&done);
}

/* The other thread. */
static void *work(void *arg)
{
    int side = *(int *)arg;
    pin(1);
    for (double end = now() + SECONDS; now() < end;) {
        if (side == POSTED) {
            post(posted);
        } else {
            send_burst();
            if (side == OTHER)
                post(nothing);
        }
        while (side != STREAMING && sem_wait(&done) != 0)
            continue;
    }
    over = 1;
    check(wsock_loop_wakeup(loop), "wakeup");
    return NULL;
}

static wsock_loop_stats look(void)
{
    wsock_loop_stats stats = { .struct_size = sizeof stats };
    check(wsock_loop_get_stats(loop, &stats), "stats");
    return stats;
}

static double cpu_of(int which, void *arg)
{
    int side = which % SIDES;
    pthread_t thread;
    (void)arg;
    unsigned long long before = messages, woken = look().wakeups;
    double cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    over = 0;
    if (side == OWN) {
        post(own);
        for (double end = now() + SECONDS; now() < end;)
            turn(loop);
        over = 1;
        turn(loop);
    } else {
        if (pthread_create(&thread, NULL, work, &side) != 0)
            die("cannot start a thread");
        while (!over)
            turn(loop);
        pthread_join(thread, NULL);
    }
    while (look().bytes_sent < bytes)
        turn(loop);
    cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    drain_wait(drain, bytes);
    double count = (double)(messages - before);
    wakeups[side] = (double)(look().wakeups - woken) / count;
    return cpu * 1e9 / count;
}

static void bench(int size)
{
    static const char *const names[SIDES] = { "own", "posted", "other", "streaming" };
    char what[64];
    burst = size;
    snprintf(what, sizeof what, "CPU, ns per message in bursts of %d", burst);
    take_turns(what, names, SIDES, cpu_of, NULL);
    printf("  (wake-ups per message:");
    for (int side = 0; side < SIDES; side++)
        printf(" %s %.3f%s", names[side], wakeups[side], side < SIDES - 1 ? "," : ")\n");
}

int main(void)
{
    wsock_handlers handlers = { .struct_size = sizeof handlers, .on_open = on_open };
    wsock_server *server;
    pin(0);
    sem_init(&done, 0, 0);
    loop = serve(0, NULL, &handlers, &server);
    drain = drain_start(wsock_server_port(server), CLIENTS, NULL);
    while (opened < CLIENTS || !drain_ready(drain))
        check(wsock_loop_poll(loop, 10), "poll");
    printf("%d B to %d clients; median (lowest-highest) of %d rounds\n\n", SIZE, CLIENTS, ROUNDS);
    print_heading("own", "other");
    bench(1);
    bench(64);
    drain_stop(drain);
    check(wsock_loop_free(loop), "free");
    return 0;
}
