#include "soak.h"

#include <stdio.h>
#include <string.h>

/* A message begins anywhere in this. */
#define BEGINNINGS 65536
#define STOCK (BEGINNINGS + LARGEST)

static uint8_t bytes[STOCK], text[STOCK];

void payload_begin(void)
{
    char words[64];
    for (size_t i = 0; i < STOCK; i++)
        bytes[i] = (uint8_t)pick(256);
    for (size_t i = 0; i < STOCK;) {
        int len = snprintf(words, sizeof words, "{\"symbol\":\"%c%c\",\"price\":%u},", 'a' + (char)pick(26),
            'a' + (char)pick(26), (unsigned)pick(50000));
        size_t room = STOCK - i, taken = (size_t)len < room ? (size_t)len : room;
        memcpy(text + i, words, taken);
        i += taken;
    }
}

/* Most messages are small and a few large: each power of two is as likely as another. */
static size_t choose_len(void)
{
    uint32_t bits = pick(21);
    size_t least = bits ? (size_t)1 << (bits - 1) : 0;
    return least + pick((uint32_t)(least ? least : 1) + 1);
}

struct piece payload_choose(int32_t type)
{
    return (struct piece) { .type = type ? type : pick(2) ? WSOCK_TEXT : WSOCK_BINARY, .offset = pick(BEGINNINGS),
        .len = choose_len() };
}

const uint8_t *payload_bytes(const struct piece *piece)
{
    return (piece->type == WSOCK_TEXT ? text : bytes) + piece->offset;
}

int payload_is(const struct piece *piece, size_t at, const uint8_t *data, size_t len)
{
    return at <= piece->len && len <= piece->len - at && (!len || memcmp(payload_bytes(piece) + at, data, len) == 0);
}
