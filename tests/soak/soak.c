/* Everything at once, for as long as wanted: servers and clients of ours in one process, on three threads and those of
   the library, while connections, sizes, features, servers, loops and certificates change all the time. Prints a line of
   JSON each second, and a last one when all has been taken down. run.py starts it and judges what it tells. */
#include "soak.h"

#include <dirent.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct arguments arguments;
struct counts counts;
int over;

uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

void sleep_ms(int ms)
{
    struct timespec t = { ms / 1000, (ms % 1000) * 1000000L };
    nanosleep(&t, NULL);
}

uint32_t pick(uint32_t below)
{
    static uint64_t threads;
    static __thread uint64_t state;
    if (!state)
        state = 0x9e3779b97f4a7c15u * __atomic_add_fetch(&threads, 1, __ATOMIC_RELAXED);
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 32) * below >> 32);
}

void broken(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("soak: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    _exit(1);
}

void must(wsock_status status, const char *what)
{
    wsock_error_info error = { .struct_size = sizeof error };
    if (status >= 0 || status == WSOCK_ERR_INTERRUPTED)
        return;
    wsock_last_error(&error);
    broken("%s: %s: %s", what, wsock_error_name(status), error.message);
}

void may_be_late(wsock_status status, const char *what)
{
    if (status != WSOCK_ERR_STATE && status != WSOCK_ERR_INVALID_HANDLE)
        must(status, what);
}

static int descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = -3; /* itself, "." and ".." */
    if (!dir)
        broken("/proc is needed");
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static long resident_kib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*d %ld", &pages) != 1)
        broken("/proc is needed");
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* What is allocated and not freed, whatever the allocator keeps besides. */
static unsigned long heap_kib(void)
{
    struct mallinfo2 info = mallinfo2();
    return (unsigned long)((info.uordblks + info.hblkhd) / 1024);
}

static void report(double at, const char *end)
{
    struct latency latency = probe_latency();
    printf("{\"at\":%.2f,\"end\":%s,\"rss_kib\":%ld,\"heap_kib\":%lu,\"descriptors\":%d,"
           "\"asked\":%u,\"p50_us\":%u,\"p99_us\":%u,\"max_us\":%u",
        at, end, resident_kib(), heap_kib(), descriptors(), (unsigned)latency.count, (unsigned)latency.p50,
        (unsigned)latency.p99, (unsigned)latency.max);
#define TELL(name) printf(",\"" #name "\":%llu", (unsigned long long)READ(name))
    TELL(connects), TELL(opens), TELL(closes), TELL(retries), TELL(messages), TELL(bytes), TELL(handed), TELL(released);
    TELL(lent), TELL(given_back), TELL(retained), TELL(freed), TELL(pulled), TELL(drained), TELL(published), TELL(heard);
    TELL(servers), TELL(loops), TELL(renewals), TELL(shouts), TELL(overheard), TELL(dropped), TELL(given_up);
    printf("}\n");
    fflush(stdout);
}

/* What the library sets up once, when it is needed first, is there when we begin to count: the system's randomness and
   trust, and the descriptor that the place of a started loop keeps for the next loop there. */
static void warm_up(void)
{
    wsock_handlers handlers = { .struct_size = sizeof handlers };
    wsock_options *options;
    wsock_conn *conn;
    wsock_loop *loops[3];
    char trusted[512];
    must(wsock_options_new(&options), "options");
    snprintf(trusted, sizeof trusted, "%s/both.pem", arguments.certs);
    must(wsock_options_set_str(options, WSOCK_OPT_TLS_CA_FILE, trusted), "trust");
    for (int i = 0; i < 3; i++) {
        must(wsock_loop_new(&loops[i]), "loop");
        must(wsock_loop_start(loops[i]), "start");
        must(wsock_connect(loops[i], "wss://127.0.0.1:1/", options, &handlers, NULL, &conn), "connect");
        must(wsock_loop_run(loops[i]), "run");
    }
    for (int i = 0; i < 3; i++)
        must(wsock_loop_free(loops[i]), "free the loop");
    wsock_options_free(options);
}

static void on_signal(int number)
{
    (void)number;
    over = 1;
}

int main(int argc, char **argv)
{
    static void *(*const parts[])(void *) = { house, lodger, street };
    pthread_t threads[3];
    if (argc != 5) {
        fprintf(stderr, "usage: soak SECONDS ACTORS PAUSE_MS CERTIFICATES (run.py knows how)\n");
        return 2;
    }
    arguments = (struct arguments) { atof(argv[1]), atoi(argv[2]), atoi(argv[3]), argv[4] };
    payload_begin();
    warm_up();
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    report(0, "false");
    uint64_t begin = now_us(), length = (uint64_t)(arguments.seconds * 1e6);
    for (int i = 0; i < 3; i++) {
        if (pthread_create(&threads[i], NULL, parts[i], NULL) != 0)
            broken("a thread cannot be made");
    }
    for (int second = 1; !over; second++) {
        while (!over && now_us() < begin + (uint64_t)second * 1000000u)
            sleep_ms(20);
        report((double)(now_us() - begin) / 1e6, "false");
        over |= now_us() >= begin + length;
    }
    /* Clients first, since they wait for servers. */
    pthread_join(threads[2], NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    sending_end();
    malloc_trim(0);
    report((double)(now_us() - begin) / 1e6, "true");
    return 0;
}
