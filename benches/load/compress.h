/* permessage-deflate, with zlib where its header is. */
#ifndef COMPRESS_H
#define COMPRESS_H
#include <stddef.h>
#include <stdint.h>

struct inflater;

/* A message as permessage-deflate has it, in reference to no other; returns its length. */
size_t compress_message(uint8_t *to, size_t room, const uint8_t *message, size_t len);

struct inflater *inflater_new(void);

/* What comes of a piece of a message, or of its end for a `piece` that is NULL, goes behind what came before, which was
   `*len`; never more than `room` in all. Returns 0, or -1 when it is damaged. */
int inflate_piece(struct inflater *inflater, const uint8_t *piece, size_t piece_len, uint8_t *to, size_t room,
    size_t *len);
#endif
