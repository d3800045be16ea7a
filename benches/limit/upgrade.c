#define _GNU_SOURCE
#include "upgrade.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

static uint32_t rotated(uint32_t value, int by)
{
    return value << by | value >> (32 - by);
}

/* SHA-1 of one or two blocks: the key and the text behind it are 60 bytes. */
static void sha1(const uint8_t *data, size_t len, uint8_t out[20])
{
    uint32_t state[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 }, w[80];
    uint8_t padded[128] = { 0 };
    size_t size = len + 9 > 64 ? 128 : 64;
    memcpy(padded, data, len);
    padded[len] = 0x80;
    for (int i = 0; i < 8; i++)
        padded[size - 1 - (size_t)i] = (uint8_t)((uint64_t)len * 8 >> 8 * i);
    for (const uint8_t *block = padded; block < padded + size; block += 64) {
        for (int i = 0; i < 16; i++)
            w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8
                | block[4 * i + 3];
        for (int i = 16; i < 80; i++)
            w[i] = rotated(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
        for (int i = 0; i < 80; i++) {
            uint32_t mixed = i < 20 ? ((b & c) | (~b & d)) + 0x5a827999
                : i < 40            ? (b ^ c ^ d) + 0x6ed9eba1
                : i < 60            ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
                                    : (b ^ c ^ d) + 0xca62c1d6;
            uint32_t next = rotated(a, 5) + mixed + e + w[i];
            e = d, d = c, c = rotated(b, 30), b = a, a = next;
        }
        state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
    }
    for (int i = 0; i < 20; i++)
        out[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i & 3)));
}

/* The hash in base64: 28 characters, the last of which is padding. */
static void base64(const uint8_t hash[20], char out[29])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int i = 0; i < 7; i++) {
        const uint8_t *from = hash + 3 * i;
        uint32_t value = (uint32_t)from[0] << 16 | (uint32_t)from[1] << 8 | (i < 6 ? from[2] : 0);
        for (int k = 0; k < 4; k++)
            out[4 * i + k] = digits[value >> (18 - 6 * k) & 63];
    }
    out[27] = '=';
    out[28] = '\0';
}

long upgrade(struct conn *conn, const uint8_t *data, size_t len)
{
    static const char name[] = "\nsec-websocket-key:";
    const uint8_t *end = memmem(data, len, "\r\n\r\n", 4), *key = data;
    char text[61] = "", accept[29], answer[192];
    uint8_t hash[20];
    if (!end)
        return 0;
    while (key < end && strncasecmp((const char *)key, name, sizeof name - 1) != 0)
        key = memchr(key + 1, '\n', (size_t)(end + 3 - key));
    if (key >= end)
        return -1;
    key += sizeof name - 1;
    while (*key == ' ')
        key++;
    if (end - key < 24)
        return -1;
    memcpy(text, key, 24);
    strcpy(text + 24, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    sha1((const uint8_t *)text, 60, hash);
    base64(hash, accept);
    int answer_len = snprintf(answer, sizeof answer,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
        accept);
    if (send(conn->fd, answer, (size_t)answer_len, MSG_NOSIGNAL) != answer_len)
        return -1;
    conn->open = 1;
    return end + 4 - data;
}
