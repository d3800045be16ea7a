/* More than there is room for: a server whose queues are short drops some of it, and in the end says how much is left. */
#include "soak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAVES 200
#define LONGEST 65536

void flood(wsock_conn *conn)
{
    static const int32_t policies[] = { WSOCK_OVERFLOW_DROP_NEWEST, WSOCK_OVERFLOW_DROP_OLDEST, WSOCK_OVERFLOW_CLOSE };
    static uint8_t wave[LONGEST]; /* only the house floods */
    wsock_send_options options = { .struct_size = sizeof options, .overflow = policies[pick(3)] };
    wsock_conn_stats stats = { .struct_size = sizeof stats };
    char left[16];
    for (uint32_t number = 1; number <= WAVES; number++) {
        memcpy(wave, &number, sizeof number);
        wsock_status status = wsock_conn_send_with(conn, WSOCK_BINARY, wave, sizeof number + pick(LONGEST - sizeof number), &options);
        if (status == WSOCK_ERR_LIMIT && options.overflow == WSOCK_OVERFLOW_CLOSE) {
            ADD(given_up, 1);
            return;
        }
        may_be_late(status, "flood");
        if (status < 0)
            return;
    }
    must(wsock_conn_get_stats(conn, &stats), "figures");
    ADD(dropped, stats.messages_dropped);
    snprintf(left, sizeof left, "%u", (unsigned)(WAVES - stats.messages_dropped));
    may_be_late(wsock_conn_close(conn, 1000, left), "close");
}

void flood_came(struct flooded *flooded, const uint8_t *data, size_t len)
{
    uint32_t number;
    if (len < sizeof number)
        broken("a wave of %zu bytes", len);
    memcpy(&number, data, sizeof number);
    if (number <= flooded->last)
        broken("wave %u came behind %u", (unsigned)number, (unsigned)flooded->last);
    flooded->last = number;
    flooded->count++;
}

void flood_is_over(const struct flooded *flooded, const wsock_close_info *info)
{
    if (info->code == 1000 && info->was_clean && (uint32_t)atoi(info->reason) != flooded->count)
        broken("%u waves came of the %s that were not dropped", (unsigned)flooded->count, info->reason);
}
