#include "payload.h"

#include <stdio.h>
#include <string.h>

uint64_t next_random(void)
{
    static uint64_t state = 0x9e3779b97f4a7c15u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Characters of one to four bytes, mostly short ones, as many languages have them. */
static void write_mixed(uint8_t *to, size_t size)
{
    static const char *const characters[] = { "a", "e", "n", " ", "\xc3\xa9", "\xd0\xb6", "\xe4\xb8\xad",
        "\xf0\x9f\x99\x82" };
    while (size) {
        const char *character = characters[next_random() & 7];
        size_t len = strlen(character);
        if (len > size)
            continue;
        memcpy(to, character, len);
        to += len;
        size -= len;
    }
}

static void write_json(uint8_t *to, size_t size, unsigned number)
{
    static const char *const names[] = { "alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel" };
    char text[192];
    int len = snprintf(text, sizeof text, "{\"type\":\"trade\",\"seq\":%u,\"items\":[", number);
    while (size) {
        size_t taken = (size_t)len < size ? (size_t)len : size;
        memcpy(to, text, taken);
        to += taken;
        size -= taken;
        len = snprintf(text, sizeof text,
            "{\"id\":%u,\"symbol\":\"%s\",\"price\":%u.%02u,\"qty\":%u,\"side\":\"%s\",\"ts\":17%010llu},",
            (unsigned)(next_random() % 1000000), names[next_random() & 7], (unsigned)(next_random() % 50000),
            (unsigned)(next_random() % 100), (unsigned)(next_random() % 5000), next_random() & 1 ? "buy" : "sell",
            (unsigned long long)(next_random() % 10000000000u));
    }
}

void write_payload(uint8_t *to, size_t size, enum content content, unsigned number)
{
    if (content == MIXED) {
        write_mixed(to, size);
    } else if (content == JSON) {
        write_json(to, size, number);
    } else {
        for (size_t i = 0; i < size; i++)
            to[i] = (uint8_t)(content == TEXT ? 'a' + next_random() % 26 : next_random());
    }
}
