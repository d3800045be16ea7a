/* All that is ever sent, prepared before anything is measured: frames with their masks, back to back. */
#ifndef FRAMES_H
#define FRAMES_H
#include <stddef.h>
#include <stdint.h>

extern struct frames {
    unsigned variants; /* different messages */
    unsigned count;    /* frames: all variants, and the first ones again, so that a run of them is one piece */
    uint8_t *bytes;
    size_t *at;      /* where each begins, and the end */
    int fd;          /* the same bytes as a file, for sendfile */
    uint8_t **plain; /* what each variant says */
    int opcode;
} frames;

/* From this size on, payloads are neither copied out nor in: sendfile, and dropped in the kernel. */
#define NO_COPY 16384

void prepare_frames(void);

/* A frame as a client sends it, or bare bytes with --raw; returns its length. */
size_t put_frame(uint8_t *to, int first, const uint8_t *payload, size_t len);
#endif
