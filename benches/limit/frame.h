/* Frames as the limit servers and the load generator write them: header and mask. */
#ifndef FRAME_H
#define FRAME_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The longest header, with a mask. */
#define MOST_HEADER 14

static inline uint64_t big_endian(const uint8_t *from, int count)
{
    uint64_t value = 0;
    for (int i = 0; i < count; i++)
        value = value << 8 | from[i];
    return value;
}

/* Writes first byte and length; `masked` is 0x80 for a client's frame. Returns how much it wrote. */
static inline size_t put_header(uint8_t *to, int first, int masked, uint64_t len)
{
    int bytes = len < 126 ? 0 : len < 65536 ? 2 : 8;
    to[0] = (uint8_t)first;
    to[1] = (uint8_t)(masked | (bytes == 0 ? (int)len : bytes == 2 ? 126 : 127));
    for (int i = 0; i < bytes; i++)
        to[2 + i] = (uint8_t)(len >> 8 * (bytes - 1 - i));
    return 2 + (size_t)bytes;
}

/* How long a header is that begins with these two bytes, without its mask. */
static inline size_t header_len(const uint8_t *header)
{
    int len = header[1] & 0x7f;
    return len == 126 ? 4 : len == 127 ? 10 : 2;
}

/* What a whole header says the payload's length is. */
static inline uint64_t payload_len(const uint8_t *header)
{
    size_t len = header_len(header);
    return len == 2 ? header[1] & 0x7f : big_endian(header + 2, (int)len - 2);
}
#endif
