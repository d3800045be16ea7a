/* In place of compress.c where zlib's header is missing. */
#include "compress.h"
#include "options.h"

#include <errno.h>

size_t compress_message(uint8_t *to, size_t room, const uint8_t *message, size_t len)
{
    (void)to, (void)room, (void)message, (void)len;
    errno = 0;
    die("--deflate needs zlib: apt-get install zlib1g-dev, then make -B target/bench/loadgen");
    return 0;
}

struct inflater *inflater_new(void)
{
    return NULL;
}

int inflate_piece(struct inflater *inflater, const uint8_t *piece, size_t piece_len, uint8_t *to, size_t room,
    size_t *len)
{
    (void)inflater, (void)piece, (void)piece_len, (void)to, (void)room, (void)len;
    return -1;
}
