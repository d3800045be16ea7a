#define _GNU_SOURCE
#include "measure.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

void die(const char *what)
{
    fprintf(stderr, "bench: %s (%s)\n", what, strerror(errno));
    exit(1);
}

double seconds_of(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) != 0)
        die("a process is gone");
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double now(void)
{
    return seconds_of(CLOCK_MONOTONIC);
}

void pin(int core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
        sched_setaffinity(0, sizeof set, &set);
}

int most_descriptors(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_max < 1000000 ? (int)limit.rlim_max : 1000000;
}

pid_t spawn(void)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        die("cannot start a process");
    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

void record(struct series *series, int round, double base, double other, double again)
{
    series->base[round] = base;
    series->other[round] = other;
    series->ratio[round] = other / base;
    series->noise[round] = again / base;
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

void print_heading(const char *base, const char *other)
{
    char ratio[64], noise[64];
    snprintf(ratio, sizeof ratio, "%s/%s", other, base);
    snprintf(noise, sizeof noise, "%s/%s (noise)", base, base);
    printf("%-38s %10s %10s   %-18s   %s\n", "", base, other, ratio, noise);
    fflush(stdout);
}

void print_row(const char *what, struct series *series)
{
    double base = median(series->base), other = median(series->other);
    double ratio = median(series->ratio), noise = median(series->noise);
    printf("%-38s %10.0f %10.0f   %6.2f (%.2f-%.2f)   %5.2f (%.2f-%.2f)\n", what, base, other, ratio,
        series->ratio[0], series->ratio[ROUNDS - 1], noise, series->noise[0], series->noise[ROUNDS - 1]);
    fflush(stdout);
}

void progress(const char *what, int round)
{
    if (!isatty(2))
        return;
    if (what)
        fprintf(stderr, "\r\033[K%s, round %d of %d", what, round + 1, ROUNDS);
    else
        fprintf(stderr, "\r\033[K");
}

void take_turns(const char *what, const char *const *names, int count, double (*figure)(int side, void *arg), void *arg)
{
    struct series series[MOST_SIDES];
    double figures[MOST_SIDES + 1];
    char row[128];
    for (int round = 0; round < ROUNDS; round++) {
        progress(what, round);
        for (int i = 0; i <= count; i++) {
            int side = round % 2 ? count - i : i;
            figures[side] = figure(side, arg);
        }
        for (int side = 1; side < count; side++)
            record(&series[side], round, figures[0], figures[side], figures[count]);
    }
    progress(NULL, 0);
    printf("%s\n", what);
    for (int side = 1; side < count; side++) {
        snprintf(row, sizeof row, "  %s", names[side]);
        print_row(row, &series[side]);
    }
}
