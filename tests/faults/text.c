/* What every message says, so that who receives it knows whether it is that one, whole. */
#include "pair.h"

#define LONGEST (3 << 19)

size_t text_len(const struct world *world, const struct end *from, enum line line, uint32_t number) {
  uint64_t who = from ? (uint64_t)from->link * 2 + (uint64_t)from->server : 99;
  uint64_t bits = layer_mix(world->seed, who << 40 | (uint64_t)line << 32 | number);
  unsigned kind = bits & 127;
  size_t most = kind < 96 ? 200 : kind < 120 ? 5000 : kind < 126 ? 70000 : world->rates[MEMORY] ? LONGEST : 300000;
  return 10 + (size_t)(bits >> 8) % most;
}

static __thread char *text;

void text_forget(void) {
  free(text);
  text = NULL;
}

const uint8_t *text_of(const struct world *world, const struct end *from, enum line line, uint32_t number) {
  static char letters[4096];
  if (!letters[0])
    for (int i = (int)sizeof letters; i-- > 0;) letters[i] = (char)('a' + layer_mix(1, (uint64_t)i) % 20);
  if (!text) text = malloc(LONGEST + 16);
  size_t len = text_len(world, from, line, number);
  int head = snprintf(text, 16, "%c%08x", "mobp"[line], (unsigned)number);
  size_t skip = number * 37u & 1023;
  for (size_t at = (size_t)head; at < len; skip = 0) {
    size_t piece = sizeof letters - skip < len - at ? sizeof letters - skip : len - at;
    memcpy(text + at, letters + skip, piece);
    at += piece;
  }
  return (const uint8_t *)text;
}
