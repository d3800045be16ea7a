/* Masking, as fast as this processor can: the limit is built for the machine that it runs on. */
#ifndef UNMASK_H
#define UNMASK_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __AVX512BW__
#include <immintrin.h>
#endif

/* The same place for both is fine. The mask is as it lies in the frame. */
static inline void unmask(uint8_t *to, const uint8_t *from, size_t len, uint32_t mask)
{
    size_t i = 0;
#ifdef __AVX512BW__
    __m512i wide = _mm512_set1_epi32((int)mask);
    for (; i + 64 <= len; i += 64)
        _mm512_storeu_si512(to + i, _mm512_xor_si512(_mm512_loadu_si512(from + i), wide));
    if (i < len) {
        __mmask64 rest = ~0ull >> (64 - (len - i));
        _mm512_mask_storeu_epi8(to + i, rest, _mm512_xor_si512(_mm512_maskz_loadu_epi8(rest, from + i), wide));
    }
#else
    uint64_t wide = (uint64_t)mask << 32 | mask, word;
    for (; i + 8 <= len; i += 8) {
        memcpy(&word, from + i, 8);
        word ^= wide;
        memcpy(to + i, &word, 8);
    }
    for (; i < len; i++)
        to[i] = from[i] ^ ((const uint8_t *)&mask)[i & 3];
#endif
}
#endif
