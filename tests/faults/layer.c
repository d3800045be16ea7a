/* Decisions of the fault layer, and the record of what it did. */
#include "layer.h"

#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define SHOWN 48

static struct {
  uint64_t seed, calls, random;
  uint16_t rates[FAULTS];
  int on, count, is_short;
} plan;

struct note {
  uint64_t call;
  const char *what;
  int fd, error;
};
static struct note notes[SHOWN];
static __thread struct note *last;
int layer_shows;

static uintptr_t begins, ends; /* the library */

static int find_library(struct dl_phdr_info *info, size_t size, void *unused) {
  (void)size, (void)unused;
  if (!strstr(info->dlpi_name, "libwsock.so")) return 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *part = &info->dlpi_phdr[i];
    if (part->p_type != PT_LOAD || !(part->p_flags & PF_X)) continue;
    begins = info->dlpi_addr + part->p_vaddr;
    ends = begins + part->p_memsz;
  }
  return 1;
}

int layer_is_library(const void *address) {
  return (uintptr_t)address >= begins && (uintptr_t)address < ends;
}

void layer_begin(uint64_t seed, const uint16_t rates[FAULTS]) {
  if (!ends) dl_iterate_phdr(find_library, NULL);
  layer_calm();
  memcpy(plan.rates, rates, sizeof plan.rates);
  plan.seed = seed;
  plan.calls = plan.random = 0;
  plan.count = 0;
  __atomic_store_n(&plan.on, 1, __ATOMIC_SEQ_CST);
}

void layer_calm(void) {
  __atomic_store_n(&plan.on, 0, __ATOMIC_SEQ_CST);
  __atomic_store_n(&plan.is_short, 0, __ATOMIC_SEQ_CST);
}

void layer_step(void) {
  uint64_t number = __atomic_add_fetch(&plan.calls, 1, __ATOMIC_SEQ_CST);
  int is_short = __atomic_load_n(&plan.on, __ATOMIC_SEQ_CST) && (layer_mix(plan.seed, number) & 1023) < plan.rates[MEMORY];
  __atomic_store_n(&plan.is_short, is_short, __ATOMIC_SEQ_CST);
}

int layer_is_short(void) { return __atomic_load_n(&plan.is_short, __ATOMIC_SEQ_CST); }

int layer_count(void) { return __atomic_load_n(&plan.count, __ATOMIC_SEQ_CST); }

static void begin_note(uint64_t number, const char *call, int fd) {
  last = &notes[(unsigned)__atomic_fetch_add(&plan.count, 1, __ATOMIC_SEQ_CST) % SHOWN];
  *last = (struct note){number, call, fd, 0};
}

uint64_t layer_strike(enum fault fault, const char *call, int fd) {
  if (!__atomic_load_n(&plan.on, __ATOMIC_SEQ_CST)) return 0;
  uint64_t number = __atomic_add_fetch(&plan.calls, 1, __ATOMIC_SEQ_CST);
  uint64_t chance = layer_mix(plan.seed, number);
  if ((chance & 1023) >= plan.rates[fault]) return 0;
  begin_note(number, call, fd);
  return (chance >> 10) | 1;
}

static void print(const struct note *note) {
  const char *error = note->error ? strerrorname_np(note->error) : "a part";
  fprintf(stderr, "  call %llu: %s of %d: %s\n", (unsigned long long)note->call, note->what, note->fd, error);
}

static void end_note(int error) {
  last->error = error;
  if (layer_shows) print(last);
}

uint64_t layer_random(void) {
  return layer_mix(~plan.seed, __atomic_add_fetch(&plan.random, 1, __ATOMIC_SEQ_CST));
}

int layer_pick(uint64_t number, const int *errors, size_t count) {
  end_note(errors[(number >> 1) % count]);
  return last->error;
}

void layer_note(const char *call, int fd, int error) {
  begin_note(__atomic_load_n(&plan.calls, __ATOMIC_SEQ_CST), call, fd);
  end_note(error);
}

void layer_print(void) {
  int count = layer_count();
  for (int i = count > SHOWN ? count - SHOWN : 0; i < count; i++) print(&notes[i % SHOWN]);
}
