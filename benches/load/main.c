/* Many WebSocket clients on one thread, on a core of their own: no WebSocket library, frames prepared beforehand, so
   that the server is what is busy. One run, one JSON object. */
#define _GNU_SOURCE
#include "conn.h"
#include "frames.h"
#include "measure.h"
#include "modes.h"
#include "options.h"
#include "receive.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

struct reading {
    uint64_t time, server, own, bytes;
    unsigned long long count;
};

static struct reading take_reading(const unsigned long long *count)
{
    return (struct reading) { .time = now_ns(), .server = server_cpu_ns(), .own = own_cpu_ns(),
        .bytes = totals.bytes, .count = *count };
}

static void print(const char *mode, struct reading from, struct reading to)
{
    double seconds = (double)(to.time - from.time) / 1e9, count = (double)(to.count - from.count);
    double server = (double)(to.server - from.server), own = (double)(to.own - from.own);
    printf("{\"mode\":\"%s\",\"conns\":%d,\"beside\":%d,\"size\":%zu,\"depth\":%d,\"seconds\":%.3f,\"msgs\":%.0f,"
           "\"msgs_per_s\":%.1f,\"server_ns_per_msg\":%.1f,\"server_cpu_pct\":%.1f,\"gen_cpu_pct\":%.1f,"
           "\"wire_in_per_msg\":%.1f,\"compared\":%llu,\"inflated\":%llu,\"verify_errors\":%llu,\"errors\":%llu,"
           "\"first_error\":\"%s\",\"extension\":\"%s\",\"tls\":\"%s\"}\n",
        mode, options.conns, options.beside, options.size, options.depth, seconds, count, count / seconds,
        count > 0 ? server / count : -1.0, server / seconds / 1e7, own / seconds / 1e7,
        count > 0 ? (double)(to.bytes - from.bytes) / count : 0.0, totals.compared,
        totals.inflated, totals.wrong, totals.errors,
        totals.first_error, totals.extension, totals.tls);
}

void run_measured(const char *mode, const unsigned long long *count, void (*step)(void))
{
    uint64_t start = now_ns() + (uint64_t)(options.warmup * SECOND), end = start + (uint64_t)(options.seconds * SECOND);
    struct reading from = { 0 };
    for (uint64_t now = 0; now < end; now = now_ns()) {
        if (!from.time && now >= start)
            from = take_reading(count);
        if (step)
            step();
        conns_turn(50);
        if (totals.errors)
            die(totals.first_error);
    }
    print(mode, from, take_reading(count));
}

static void set_up_process(void)
{
    struct rlimit limit;
    cpu_set_t set;
    signal(SIGPIPE, SIG_IGN);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    CPU_ZERO(&set);
    CPU_SET((size_t)(options.cpu < 0 ? 0 : options.cpu), &set);
    if (options.cpu >= 0 && sched_setaffinity(0, sizeof set, &set) != 0)
        die("--cpu: there is no such core for us");
}

int main(int argc, char **argv)
{
    static void (*const modes[MODES])(void) = { run_echo, run_handshake, run_idle, run_broadcast, run_steady, run_storm };
    parse_options(argc, argv);
    set_up_process();
    prepare_frames();
    receive_begin();
    conns_begin();
    modes[options.mode]();
    return totals.wrong > 0;
}
