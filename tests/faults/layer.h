/* The fault layer: this program's own recv, send, epoll_wait, malloc and so on, which the run-time linker
   puts before the C library's. What the library calls goes wrong as a plan says; what anybody else calls,
   this program included, goes straight through. */
#ifndef LAYER_H
#define LAYER_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <stddef.h>
#include <stdint.h>

/* What can go wrong, each as often as the plan says. */
enum fault {
  READ_LATER,  /* short, EINTR, EAGAIN */
  READ_LOST,   /* ECONNRESET, ETIMEDOUT, ENOMEM */
  WRITE_LATER, /* short, EINTR, EAGAIN */
  WRITE_LOST,  /* EPIPE, ECONNRESET, ENOBUFS, ENOMEM */
  ACCEPT,      /* EAGAIN, EINTR, ECONNABORTED, EMFILE, ENOBUFS, ENOMEM */
  DIAL,        /* what connect answers, at once or later */
  MAKE,        /* EMFILE, ENOMEM, EAGAIN where something is made: descriptors, files, threads */
  SET,         /* setsockopt, getsockopt, getsockname, shutdown, close */
  WATCH,       /* epoll_ctl: ENOMEM, ENOSPC */
  WAIT,        /* EINTR, few events at once */
  LOOK_UP,     /* getaddrinfo */
  MEMORY,      /* malloc and mmap of much at once */
  FAULTS
};

/* Nothing goes wrong until `layer_begin`, and nothing any more after `layer_calm`. Of 1024 calls so many go
   wrong. */
void layer_begin(uint64_t seed, const uint16_t rates[FAULTS]);
void layer_calm(void);

/* Between two steps of a plan: from now on there is much memory at once, or there is not, until the next. */
void layer_step(void);
int layer_is_short(void);

/* How often memory was refused, in all plans. */
int layer_refusals(void);

/* How many faults there were since `layer_begin`; each is shown as it happens if `layer_shows`. */
extern int layer_shows;
int layer_count(void);
/* Prints the last of them. */
void layer_print(void);

/* Blocks of memory that are in use, whoever has them. */
long layer_blocks(void);
/* Threads of the library's that have not ended. */
int layer_threads(void);

/* The library's clock. It jumps when the library would wait, so that a second costs nothing. */
void layer_pass_ms(int ms);
int64_t layer_now_ms(void);

/* A number that depends on nothing but these two. */
static inline uint64_t layer_mix(uint64_t a, uint64_t b) {
  uint64_t x = a + b * 0x9e3779b97f4a7c15u + 0x632be59bd9b4e019u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

/* For the parts of the layer. */

/* Whether whoever has called the function in which this stands is the library. */
#define BY_LIBRARY() layer_is_library(__builtin_return_address(0))
int layer_is_library(const void *address);

/* For the library's random bytes: the same plan has the same. */
uint64_t layer_random(void);

/* 0, or a number that says how this call goes wrong. */
uint64_t layer_strike(enum fault fault, const char *call, int fd);
/* One of these, by such a number; it becomes errno and is noted. */
#define PICK(number, ...) layer_pick(number, (const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))
int layer_pick(uint64_t number, const int *errors, size_t count);
/* Notes a fault that was decided elsewhere. */
void layer_note(const char *call, int fd, int error);
#endif
