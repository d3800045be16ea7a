#define _GNU_SOURCE
#include "frames.h"
#include "../limit/frame.h"
#include "compress.h"
#include "options.h"
#include "payload.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define SEVERAL 32

struct frames frames;

size_t put_frame(uint8_t *to, int first, const uint8_t *payload, size_t len)
{
    uint64_t random = next_random();
    if (options.raw) {
        memcpy(to, payload, len);
        return len;
    }
    size_t at = put_header(to, first, 0x80, len);
    memcpy(to + at, &random, 4);
    for (size_t i = 0; i < len; i++)
        to[at + 4 + i] = payload[i] ^ to[at + (i & 3)];
    return at + 4 + len;
}

static void make_room(void)
{
    size_t most = frames.count * (options.size + options.size / 100 + 64);
    frames.fd = memfd_create("frames", MFD_CLOEXEC);
    if (frames.fd < 0 || ftruncate(frames.fd, (off_t)most) != 0)
        die("no memory for the frames");
    frames.bytes = mmap(NULL, most, PROT_READ | PROT_WRITE, MAP_SHARED, frames.fd, 0);
    frames.at = calloc(frames.count + 1, sizeof *frames.at);
    frames.plain = calloc(frames.variants, sizeof *frames.plain);
    if (frames.bytes == MAP_FAILED || !frames.at || !frames.plain)
        die("no memory for the frames");
}

void prepare_frames(void)
{
    int ahead = options.size >= NO_COPY && options.depth > 7 ? 7 : options.depth;
    size_t room = options.size + options.size / 100 + 64;
    uint8_t *squeezed = malloc(room);
    frames.opcode = options.content == BINARY ? 2 : 1;
    frames.variants = options.content == JSON && options.size <= 65536 ? SEVERAL : 1;
    frames.count = frames.variants + (unsigned)ahead;
    make_room();
    for (unsigned i = 0; i < frames.count; i++) {
        uint8_t *to = frames.bytes + frames.at[i];
        size_t len;
        if (i >= frames.variants) {
            unsigned same = i % frames.variants;
            len = frames.at[same + 1] - frames.at[same];
            memcpy(to, frames.bytes + frames.at[same], len);
        } else {
            frames.plain[i] = malloc(options.size);
            if (!frames.plain[i] || !squeezed)
                die("no memory for the messages");
            write_payload(frames.plain[i], options.size, options.content, i);
            if (options.deflate) {
                len = compress_message(squeezed, room, frames.plain[i], options.size);
                len = put_frame(to, 0xc0 | frames.opcode, squeezed, len);
            } else {
                len = put_frame(to, 0x80 | frames.opcode, frames.plain[i], options.size);
            }
        }
        frames.at[i + 1] = frames.at[i] + len;
    }
    free(squeezed);
}
