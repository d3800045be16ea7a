/* What messages say. */
#ifndef PAYLOAD_H
#define PAYLOAD_H
#include "options.h"
#include <stdint.h>

/* Writes exactly `size` bytes, different ones for each `number`, the same in every run. */
void write_payload(uint8_t *to, size_t size, enum content content, unsigned number);

/* Random numbers, the same in every run. */
uint64_t next_random(void);
#endif
