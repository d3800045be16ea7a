#define _POSIX_C_SOURCE 200809L
#include "meter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WARM_UP 0.5
/* Messages between two looks at the clock, which would cost more than they do. */
#define STRIDE 32

struct meter meter;
static double seconds, began, cpu_before;
static unsigned long long messages, before;
static int warm;

static double read_clock(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void meter_begin(int argc, char **argv)
{
    if (argc != 5 || (strcmp(argv[2], "firehose") != 0 && strcmp(argv[2], "pingpong") != 0)) {
        fprintf(stderr, "usage: %s PORT firehose|pingpong SIZE SECONDS\n", argv[0]);
        exit(2);
    }
    meter.port = atoi(argv[1]);
    meter.pingpong = strcmp(argv[2], "pingpong") == 0;
    meter.size = strtoull(argv[3], NULL, 10);
    seconds = atof(argv[4]);
    began = read_clock(CLOCK_MONOTONIC);
}

int meter_count(unsigned count)
{
    unsigned long long stride = messages / STRIDE;
    messages += count;
    if (messages / STRIDE == stride)
        return 0;
    double now = read_clock(CLOCK_MONOTONIC);
    if (warm)
        return now - began > seconds;
    if (now - began > WARM_UP) {
        warm = 1;
        began = now;
        before = messages;
        cpu_before = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    }
    return 0;
}

void meter_report(void)
{
    double count = (double)(messages - before), cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID) - cpu_before;
    printf("{\"msgs_per_s\":%.1f,\"cpu_ns_per_msg\":%.1f,\"msgs\":%llu}\n",
        count / (read_clock(CLOCK_MONOTONIC) - began), cpu * 1e9 / count, messages);
}
