/* What a message costs some WebSocket echo servers, as ratios to the first of them in the same run.

     compare BASE OTHER [OTHER...]

   Each is a command, with arguments behind spaces, that prints its address in its first line. BASE runs twice: its
   second process, in ratio to the first, is the noise. `compare OLD/echo_server NEW/echo_server` tells what a
   change of the library does. */
#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <string.h>

#define SECONDS 0.2
#define CLIENTS 64

struct contest {
    const char *names[MOST_SIDES];
    struct server servers[MOST_SIDES + 1];
    struct load *loads[MOST_SIDES + 1];
};

static double cpu_of(int side, void *arg)
{
    struct contest *contest = arg;
    return load_echo(contest->loads[side], contest->servers[side].pid, SECONDS).cpu_ns;
}

static void compare(struct contest *contest, int count, size_t size, int depth)
{
    char what[64];
    snprintf(what, sizeof what, "server CPU, ns per %zu B, %d on the way", size, depth);
    for (int i = 0; i <= count; i++)
        contest->loads[i] = load_open(contest->servers[i].port, 1, CLIENTS, size, depth);
    take_turns(what, contest->names, count, cpu_of, contest);
    for (int i = 0; i <= count; i++)
        load_close(contest->loads[i]);
}

int main(int argc, char **argv)
{
    struct contest contest;
    int count = argc - 1;
    if (count < 2 || count > MOST_SIDES) {
        fprintf(stderr, "usage: compare BASE OTHER [OTHER...]\n");
        return 2;
    }
    pin(1);
    for (int i = 0; i <= count; i++)
        contest.servers[i] = start(argv[i < count ? i + 1 : 1]);
    for (int i = 0; i < count; i++) {
        const char *space = strchr(argv[i + 1], ' ');
        contest.names[i] = space ? space + 1 : argv[i + 1];
    }
    printf("base: %s; %d connections; median (lowest-highest) of %d rounds\n\n", contest.names[0], CLIENTS, ROUNDS);
    print_heading("base", "other");
    compare(&contest, count, 125, 1);
    compare(&contest, count, 125, 16);
    compare(&contest, count, 16384, 1);
    for (int i = 0; i <= count; i++)
        stop(contest.servers[i]);
    return 0;
}
