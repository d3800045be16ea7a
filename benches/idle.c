/* What a message costs a server that also has 10,000 connections on which nothing happens, as a ratio to the
   same server without them.

     idle WEBSOCKET_ECHO

   The command runs three times: without idle connections, with them, and without again for the noise. */
#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>

#define SECONDS 0.3
#define CLIENTS 64
#define IDLE 10000

struct contest {
    struct server servers[3];
    struct load *loads[3];
};

static double cpu_of(int side, void *arg)
{
    struct contest *contest = arg;
    return load_echo(contest->loads[side], contest->servers[side].pid, SECONDS).cpu_ns;
}

static void bench(const char *command, int count, int depth)
{
    struct contest contest;
    char what[64], beside[64];
    const char *names[] = { "alone", beside };
    snprintf(what, sizeof what, "server CPU, ns per 125 B, %d on the way", depth);
    snprintf(beside, sizeof beside, "beside %d idle connections", count);
    for (int i = 0; i < 3; i++) {
        contest.servers[i] = start(command);
        contest.loads[i] = load_open(contest.servers[i].port, 1, CLIENTS, 125, depth);
    }
    /* Anew for each row, so that no ping asks yet whether they live. */
    struct load *idle = load_open(contest.servers[1].port, 1, count, 125, 1);
    take_turns(what, names, 2, cpu_of, &contest);
    load_echo_once(idle); /* all of them are still there */
    for (int i = 0; i < 3; i++) {
        load_close(contest.loads[i]);
        stop(contest.servers[i]);
    }
    load_close(idle);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: idle WEBSOCKET_ECHO\n");
        return 2;
    }
    pin(1);
    int most = most_descriptors() - 500, count = most < IDLE ? most : IDLE;
    if (count < IDLE)
        printf("only %d idle connections: the system allows no more descriptors\n", count);
    printf("%d connections echo; median (lowest-highest) of %d rounds\n\n", CLIENTS, ROUNDS);
    print_heading("alone", "beside");
    bench(argv[1], count, 1);
    bench(argv[1], count, 16);
    return 0;
}
