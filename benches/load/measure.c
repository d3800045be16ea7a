#define _GNU_SOURCE
#include "measure.h"
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t read_clock(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) != 0)
        die("the server is gone");
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

uint64_t now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t own_cpu_ns(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t server_cpu_ns(void)
{
    clockid_t clock;
    if (!options.server)
        return 0;
    errno = clock_getcpuclockid(options.server, &clock);
    if (errno)
        die("the server is gone");
    return read_clock(clock);
}

long server_memory_kib(void)
{
    char path[64], line[128];
    long found = 0;
    if (!options.server)
        return 0;
    snprintf(path, sizeof path, "/proc/%d/status", options.server);
    FILE *status = fopen(path, "r");
    if (!status)
        die("the server is gone");
    while (fgets(line, sizeof line, status)) {
        if (strncmp(line, "VmRSS:", 6) == 0)
            found = atol(line + 6);
    }
    fclose(status);
    return found;
}
