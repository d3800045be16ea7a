/* What a connection and a message cost, as ratios to a plain TCP echo measured in the same run.

     bench TCP_ECHO WEBSOCKET_ECHO

   Both are servers that print their address in the first line. They take turns: TCP, WebSocket, TCP again, and
   each ratio is formed within such a round. The second TCP against the first tells how far the machine
   can be trusted. Server and clients have a core each where there are two. */
#define _GNU_SOURCE
#include "load.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 7
#define SECONDS 0.5
#define CLIENTS 64
#define IDLE 10000
/* Connections that an idle measurement opens and ends first, so that what is there once does not count. */
#define FIRST 64

struct server {
    pid_t pid;
    int port, websocket;
};

static int cores;

static void pin(int core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    if (cores > 1)
        sched_setaffinity(0, sizeof set, &set);
}

static struct server start(const char *program, int websocket)
{
    int out[2];
    char line[256] = "", *port;
    struct server server = { .websocket = websocket };
    if (pipe(out) != 0 || (server.pid = fork()) < 0)
        die("cannot start a process");
    if (server.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pin(0);
        dup2(out[1], 1);
        close(out[0]), close(out[1]);
        execl(program, program, (char *)NULL);
        die(program);
    }
    close(out[1]);
    FILE *first = fdopen(out[0], "r");
    if (!fgets(line, sizeof line, first) || !(port = strrchr(line, ':')))
        die("a server did not print its address");
    fclose(first);
    server.port = atoi(port + 1);
    return server;
}

static void stop(struct server server)
{
    kill(server.pid, SIGKILL);
    waitpid(server.pid, NULL, 0);
}

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
    struct server server = start(program, websocket);
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

/* One figure over all rounds. */
struct series {
    double tcp[ROUNDS], ours[ROUNDS], ratio[ROUNDS], noise[ROUNDS];
};

static void record(struct series *series, int round, double tcp, double ours, double again)
{
    series->tcp[round] = tcp;
    series->ours[round] = ours;
    series->ratio[round] = ours / tcp;
    series->noise[round] = again / tcp;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof *values, ascending);
    return values[ROUNDS / 2];
}

static void print_row(const char *what, struct series *series)
{
    double tcp = median(series->tcp), ours = median(series->ours);
    double ratio = median(series->ratio), noise = median(series->noise);
    printf("%-38s %10.0f %10.0f   %6.2f (%.2f-%.2f)   %5.2f (%.2f-%.2f)\n", what, tcp, ours, ratio,
        series->ratio[0], series->ratio[ROUNDS - 1], noise, series->noise[0], series->noise[ROUNDS - 1]);
    fflush(stdout);
}

static void bench_memory(const char *tcp, const char *ours, int count)
{
    static struct series open, touched;
    for (int round = 0; round < ROUNDS; round++) {
        struct memory a = measure_memory(tcp, 0, count);
        struct memory b = measure_memory(ours, 1, count);
        struct memory c = measure_memory(tcp, 0, count);
        record(&open, round, a.open, b.open, c.open);
        record(&touched, round, a.touched, b.touched, c.touched);
    }
    print_row("bytes per idle connection", &open);
    print_row("  the same after an echo of 1 KiB", &touched);
}

static void bench_echo(struct server tcp, struct server ours, size_t size, int depth)
{
    static struct series rate, cpu;
    struct load *plain = load_open(tcp.port, 0, CLIENTS, size, depth);
    struct load *websocket = load_open(ours.port, 1, CLIENTS, size, depth);
    double client = 0;
    char what[64];
    for (int round = 0; round < ROUNDS; round++) {
        struct rate a = load_echo(plain, tcp.pid, SECONDS);
        struct rate b = load_echo(websocket, ours.pid, SECONDS);
        struct rate c = load_echo(plain, tcp.pid, SECONDS);
        record(&rate, round, a.per_second, b.per_second, c.per_second);
        record(&cpu, round, a.cpu_ns, b.cpu_ns, c.cpu_ns);
        client += b.client_cpu_ns / ROUNDS;
    }
    load_close(plain);
    load_close(websocket);
    snprintf(what, sizeof what, "messages/s, %zu B, %d on the way", size, depth);
    print_row(what, &rate);
    print_row("  server CPU, ns per message", &cpu);
    printf("  (the clients need %.0f ns per message)\n", client);
}

/* As many idle connections as the descriptors allow. */
static int idle_count(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit); /* the servers inherit it */
    if (limit.rlim_max >= IDLE + 100)
        return IDLE;
    printf("only %d idle connections: this process may have no more than %lu descriptors\n",
        (int)limit.rlim_max - 100, (unsigned long)limit.rlim_max);
    return (int)limit.rlim_max - 100;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: bench TCP_ECHO WEBSOCKET_ECHO\n");
        return 2;
    }
    cores = (int)sysconf(_SC_NPROCESSORS_ONLN);
    pin(1);
    int idle = idle_count();
    printf("%d cores; %d idle connections; %d connections echo; median (lowest-highest) of %d rounds\n\n",
        cores, idle, CLIENTS, ROUNDS);
    printf("%-38s %10s %10s   %-18s   %s\n", "", "TCP", "WebSocket", "WebSocket/TCP", "TCP/TCP (noise)");
    bench_memory(argv[1], argv[2], idle);
    struct server tcp = start(argv[1], 0), ours = start(argv[2], 1);
    bench_echo(tcp, ours, 125, 1);
    bench_echo(tcp, ours, 16384, 1);
    bench_echo(tcp, ours, 125, 16);
    stop(tcp);
    stop(ours);
    return 0;
}
