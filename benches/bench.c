/* What a connection and a message cost, as ratios to a plain TCP echo measured in the same run.

     bench TCP_ECHO WEBSOCKET_ECHO

   Both are servers that print their address in the first line. They take turns: TCP, WebSocket, TCP again, and
   each ratio is formed within such a round. The second TCP against the first tells how far the machine
   can be trusted. Server and clients have a core each where there are two. */
#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <unistd.h>

#define SECONDS 0.5
#define CLIENTS 64
#define IDLE 10000
/* Connections that an idle measurement opens and ends first, so that what is there once does not count. */
#define FIRST 64

/* Resident memory of a process in bytes, counted page by page: the figure in "status" is an estimate. */
static double resident(pid_t pid)
{
    char path[64], line[256];
    long kib = -1;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file) && sscanf(line, "Rss: %ld", &kib) != 1)
        continue;
    if (kib < 0)
        die(path);
    fclose(file);
    return (double)kib * 1024;
}

struct memory {
    double open, touched; /* bytes per connection */
};

static struct memory measure_memory(const char *program, int websocket, int count)
{
    struct server server = start(program);
    struct load *load = load_open(server.port, websocket, FIRST, 1024, 1);
    load_echo_once(load);
    load_close(load);
    usleep(50000);
    double before = resident(server.pid);
    load = load_open(server.port, websocket, count, 1024, 1);
    usleep(50000);
    double open = resident(server.pid);
    load_echo_once(load);
    usleep(50000);
    struct memory memory = { (open - before) / count, (resident(server.pid) - before) / count };
    stop(server);
    load_close(load);
    return memory;
}

static void bench_memory(const char *tcp, const char *ours, int count)
{
    struct series open, touched;
    for (int round = 0; round < ROUNDS; round++) {
        progress("memory of idle connections", round);
        struct memory a = measure_memory(tcp, 0, count);
        struct memory b = measure_memory(ours, 1, count);
        struct memory c = measure_memory(tcp, 0, count);
        record(&open, round, a.open, b.open, c.open);
        record(&touched, round, a.touched, b.touched, c.touched);
    }
    progress(NULL, 0);
    print_row("bytes per idle connection", &open);
    print_row("  the same after an echo of 1 KiB", &touched);
}

static void bench_echo(struct server tcp, struct server ours, size_t size, int depth)
{
    struct series rate, cpu;
    struct load *plain = load_open(tcp.port, 0, CLIENTS, size, depth);
    struct load *websocket = load_open(ours.port, 1, CLIENTS, size, depth);
    double client = 0;
    char what[64];
    snprintf(what, sizeof what, "messages/s, %zu B, %d on the way", size, depth);
    for (int round = 0; round < ROUNDS; round++) {
        progress(what, round);
        struct rate a = load_echo(plain, tcp.pid, SECONDS);
        struct rate b = load_echo(websocket, ours.pid, SECONDS);
        struct rate c = load_echo(plain, tcp.pid, SECONDS);
        record(&rate, round, a.per_second, b.per_second, c.per_second);
        record(&cpu, round, a.cpu_ns, b.cpu_ns, c.cpu_ns);
        client += b.client_cpu_ns / ROUNDS;
    }
    load_close(plain);
    load_close(websocket);
    progress(NULL, 0);
    print_row(what, &rate);
    print_row("  server CPU, ns per message", &cpu);
    printf("  (the clients need %.0f ns per message)\n", client);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: bench TCP_ECHO WEBSOCKET_ECHO\n");
        return 2;
    }
    pin(1);
    int most = most_descriptors() - 100, idle = most < IDLE ? most : IDLE;
    if (idle < IDLE)
        printf("only %d idle connections: the system allows no more descriptors\n", idle);
    printf("%d cores; %d idle connections; %d connections echo; median (lowest-highest) of %d rounds\n\n",
        core_count(), idle, CLIENTS, ROUNDS);
    print_heading("TCP", "WebSocket");
    bench_memory(argv[1], argv[2], idle);
    struct server tcp = start(argv[1]), ours = start(argv[2]);
    bench_echo(tcp, ours, 125, 1);
    bench_echo(tcp, ours, 16384, 1);
    bench_echo(tcp, ours, 125, 16);
    stop(tcp);
    stop(ours);
    return 0;
}
