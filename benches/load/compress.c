#include "compress.h"
#include "options.h"

#include <stdlib.h>
#include <zlib.h>

/* RFC 7692 section 7.2.1: a block ends with these, and they are not sent. */
static const uint8_t end[4] = { 0x00, 0x00, 0xff, 0xff };

struct inflater {
    z_stream stream;
};

size_t compress_message(uint8_t *to, size_t room, const uint8_t *message, size_t len)
{
    z_stream stream = { .next_in = (Bytef *)message, .avail_in = (uInt)len, .next_out = to, .avail_out = (uInt)room };
    if (deflateInit2(&stream, 6, Z_DEFLATED, -12, 8, Z_DEFAULT_STRATEGY) != Z_OK
        || deflate(&stream, Z_SYNC_FLUSH) != Z_OK || stream.avail_in || !stream.avail_out)
        die("cannot compress a message");
    deflateEnd(&stream);
    return (size_t)(stream.next_out - to) - sizeof end;
}

struct inflater *inflater_new(void)
{
    struct inflater *inflater = calloc(1, sizeof *inflater);
    if (!inflater || inflateInit2(&inflater->stream, -15) != Z_OK)
        die("no memory to inflate with");
    return inflater;
}

int inflate_piece(struct inflater *inflater, const uint8_t *piece, size_t piece_len, uint8_t *to, size_t room,
    size_t *len)
{
    z_stream *stream = &inflater->stream;
    stream->next_in = (Bytef *)(piece ? piece : end);
    stream->avail_in = (uInt)(piece ? piece_len : sizeof end);
    stream->next_out = to + *len;
    stream->avail_out = (uInt)(room - *len);
    int result = inflate(stream, Z_SYNC_FLUSH);
    *len = room - stream->avail_out;
    return (result == Z_OK || result == Z_BUF_ERROR) && stream->avail_in == 0 ? 0 : -1;
}
