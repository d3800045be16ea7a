/* Times, all of them, for their percentiles. */
#ifndef SPREAD_H
#define SPREAD_H
#include <stddef.h>
#include <stdint.h>

struct spread {
    uint32_t *us; /* microseconds */
    size_t count, room;
};

struct spread spread_new(size_t room);

/* Takes one in, given in nanoseconds; negative ones are 0. */
void spread_add(struct spread *spread, int64_t ns);

/* Prints `,"NAME_p50_us":...` and so on, for a JSON object. Sorts what it has. */
void spread_print(struct spread *spread, const char *name);
#endif
