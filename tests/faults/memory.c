/* Memory: counts who has how much, and refuses the library much at once. */
#include "layer.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *block);

/* What the library takes for itself, whatever is sent, is at most 128 KiB at a time, but for the loop's receive
   buffer and compressors, which are refused, too. */
#define MUCH (132 * 1024)
static long blocks;
static int refusals;

long layer_blocks(void) { return __atomic_load_n(&blocks, __ATOMIC_SEQ_CST); }
int layer_refusals(void) { return __atomic_load_n(&refusals, __ATOMIC_SEQ_CST); }

static int refuses(int by_library, const char *call, size_t size) {
  if (!by_library || size < MUCH || !layer_is_short()) return 0;
  __atomic_add_fetch(&refusals, 1, __ATOMIC_SEQ_CST);
  layer_note(call, -1, ENOMEM);
  errno = ENOMEM;
  return 1;
}

static void *counted(void *block) {
  if (block) __atomic_add_fetch(&blocks, 1, __ATOMIC_RELAXED);
  return block;
}

void *malloc(size_t size) {
  if (refuses(BY_LIBRARY(), "malloc", size)) return NULL;
  return counted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size) {
  if (refuses(BY_LIBRARY(), "calloc", count * size)) return NULL;
  return counted(__libc_calloc(count, size));
}

void *realloc(void *block, size_t size) {
  if (refuses(BY_LIBRARY(), "realloc", size)) return NULL;
  void *other = __libc_realloc(block, size);
  if (!block) counted(other);
  return other;
}

int posix_memalign(void **block, size_t alignment, size_t size) {
  if (refuses(BY_LIBRARY(), "posix_memalign", size)) return ENOMEM;
  *block = counted(__libc_memalign(alignment, size));
  return *block ? 0 : ENOMEM;
}

void *memalign(size_t alignment, size_t size) { return counted(__libc_memalign(alignment, size)); }
void *aligned_alloc(size_t alignment, size_t size) { return counted(__libc_memalign(alignment, size)); }

void free(void *block) {
  if (block) __atomic_sub_fetch(&blocks, 1, __ATOMIC_RELAXED);
  __libc_free(block);
}

/* The library's own mappings count as blocks, and so are missed when they stay. */
static void *map(int by_library, void *place, size_t size, int access, int flags, int fd, off_t offset) {
  if (refuses(by_library, "mmap", size)) return MAP_FAILED;
  void *start = (void *)syscall(SYS_mmap, place, size, access, flags, fd, offset);
  if (start != MAP_FAILED && by_library) counted(start);
  return start;
}
void *mmap(void *place, size_t size, int access, int flags, int fd, off_t offset) {
  return map(BY_LIBRARY(), place, size, access, flags, fd, offset);
}
void *mmap64(void *place, size_t size, int access, int flags, int fd, off64_t offset) {
  return map(BY_LIBRARY(), place, size, access, flags, fd, offset);
}

int munmap(void *start, size_t size) {
  if (BY_LIBRARY()) __atomic_sub_fetch(&blocks, 1, __ATOMIC_RELAXED);
  return (int)syscall(SYS_munmap, start, size);
}

void *mremap(void *start, size_t size, size_t wanted, int flags, ...) {
  if (refuses(BY_LIBRARY(), "mremap", wanted)) return MAP_FAILED;
  return (void *)syscall(SYS_mremap, start, size, wanted, flags);
}
