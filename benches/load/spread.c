#include "spread.h"
#include "options.h"

#include <stdio.h>
#include <stdlib.h>

struct spread spread_new(size_t room)
{
    struct spread spread = { .us = calloc(room ? room : 1, sizeof *spread.us), .room = room };
    if (!spread.us)
        die("no memory for the times");
    return spread;
}

void spread_add(struct spread *spread, int64_t ns)
{
    if (spread->count < spread->room)
        spread->us[spread->count++] = ns > 0 ? (uint32_t)(ns / 1000) : 0;
}

static int by_value(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static unsigned at(const struct spread *spread, double part)
{
    size_t index = (size_t)((double)spread->count * part);
    return spread->count ? spread->us[index < spread->count ? index : spread->count - 1] : 0;
}

void spread_print(struct spread *spread, const char *name)
{
    qsort(spread->us, spread->count, sizeof *spread->us, by_value);
    printf(",\"%s_p50_us\":%u,\"%s_p99_us\":%u,\"%s_p999_us\":%u,\"%s_max_us\":%u", name, at(spread, 0.5), name,
        at(spread, 0.99), name, at(spread, 0.999), name, at(spread, 1));
}
