/* Time, and what processes and cores have done. */
#ifndef LOAD_MEASURE_H
#define LOAD_MEASURE_H
#include <stdint.h>

#define SECOND 1000000000ull

uint64_t now_ns(void);

/* CPU time of the measured server, all its threads, those that have ended too; 0 without one. */
uint64_t server_cpu_ns(void);

/* Its resident set in KiB, 0 without a server. */
long server_memory_kib(void);

uint64_t own_cpu_ns(void);
#endif
