/* What every program of this suite shares: checks that count and go on, sections that give a failure
   its name, and patience. A program ends with `return check_end();`. */
#ifndef CHECK_H
#define CHECK_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "wsock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *check_section = "start";
static int check_count, check_failures;

/* 1 when the program runs far slower than usual and needs more memory: below valgrind or AddressSanitizer. */
static inline int check_is_slow(void) {
#ifdef __SANITIZE_ADDRESS__
  return 1;
#else
  const char *valgrind = getenv("WSOCK_VALGRIND");
  return valgrind && strcmp(valgrind, "1") == 0;
#endif
}

static inline int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline void sleep_ms(int ms) {
  struct timespec t = {ms / 1000, (ms % 1000) * 1000000L};
  while (nanosleep(&t, &t) != 0 && errno == EINTR) {}
}

/* How long to wait for something that comes at once when all is well. */
static inline int64_t patience_ms(void) { return check_is_slow() ? 60000 : 10000; }

/* Names what follows; the last name printed is where a program that had to be killed stood. */
static inline void section(const char *name) {
  check_section = name;
  fprintf(stderr, "-- %s\n", name);
}

static inline int check_failed(const char *file, int line) {
  int n = __sync_add_and_fetch(&check_failures, 1);
  if (n == 60) fprintf(stderr, "(further failures are only counted)\n");
  if (n < 60) fprintf(stderr, "%s:%d: in \"%s\": ", file, line, check_section);
  return n < 60;
}

#define CHECK(condition) CHECKF(condition, "expected")

/* A check with a printf text that says more about the case at hand. */
#define CHECKF(condition, ...)                                     \
  do {                                                             \
    __sync_add_and_fetch(&check_count, 1);                         \
    if (!(condition) && check_failed(__FILE__, __LINE__)) {        \
      fprintf(stderr, __VA_ARGS__);                                \
      fprintf(stderr, ": %s\n", #condition);                       \
    }                                                              \
  } while (0)

/* A check without which going on makes no sense. */
#define REQUIRE(condition)                                         \
  do {                                                             \
    __sync_add_and_fetch(&check_count, 1);                         \
    if (!(condition)) {                                            \
      check_failed(__FILE__, __LINE__);                            \
      fprintf(stderr, "required: %s (errno %s, library: %s)\n", #condition, strerror(errno), last_text()); \
      exit(1);                                                     \
    }                                                              \
  } while (0)

#define CHECK_INT(actual, expected)                                \
  do {                                                             \
    long long got_ = (long long)(actual), want_ = (long long)(expected); \
    __sync_add_and_fetch(&check_count, 1);                         \
    if (got_ != want_ && check_failed(__FILE__, __LINE__))         \
      fprintf(stderr, "%s is %lld, expected %s = %lld\n", #actual, got_, #expected, want_); \
  } while (0)

#define CHECK_STR(actual, expected)                                \
  do {                                                             \
    const char *got_ = (actual), *want_ = (expected);              \
    __sync_add_and_fetch(&check_count, 1);                         \
    if ((!got_ || strcmp(got_, want_) != 0) && check_failed(__FILE__, __LINE__)) \
      fprintf(stderr, "%s is \"%s\", expected \"%s\"\n", #actual, got_ ? got_ : "(NULL)", want_); \
  } while (0)

/* `actual` is a call; the text of the refusal is shown when it was another than expected. */
#define CHECK_STATUS(actual, expected)                             \
  do {                                                             \
    int32_t got_ = (actual), want_ = (expected);                   \
    __sync_add_and_fetch(&check_count, 1);                         \
    if (got_ != want_ && check_failed(__FILE__, __LINE__))         \
      fprintf(stderr, "%s gave %d %s (%s), expected %d %s\n", #actual, (int)got_, wsock_error_name(got_), \
              got_ < 0 ? last_text() : "", (int)want_, wsock_error_name(want_)); \
  } while (0)

/* What another thread may write. */
static inline int load(int *value) { return __atomic_load_n(value, __ATOMIC_SEQ_CST); }

static inline wsock_error_info last_error(void) {
  wsock_error_info info;
  memset(&info, 0, sizeof info);
  info.struct_size = sizeof info;
  if (wsock_last_error(&info) != WSOCK_OK) snprintf(info.message, sizeof info.message, "no last error");
  return info;
}

static inline const char *last_text(void) {
  static __thread char text[232];
  wsock_error_info info = last_error();
  memcpy(text, info.message, sizeof text);
  text[sizeof text - 1] = 0;
  return text;
}

/* One line: not empty, ends within its array, nothing that would break a log. */
static inline int is_one_line(const char *text, size_t size) {
  const char *end = memchr(text, 0, size);
  if (!end || end == text) return 0;
  for (; text < end; text++)
    if ((unsigned char)*text < ' ' || *text == 127) return 0;
  return 1;
}

/* The last refusal of this thread has this code and a readable text. */
#define CHECK_LAST(expected)                                       \
  do {                                                             \
    wsock_error_info info_ = last_error();                         \
    CHECK_INT(info_.code, expected);                               \
    CHECK(is_one_line(info_.message, sizeof info_.message));       \
  } while (0)

/* A refusal: the status, and the same in the thread's last error with one line of text. */
#define CHECK_REFUSED(call, expected)                              \
  do {                                                             \
    CHECK_STATUS(call, expected);                                  \
    CHECK_LAST(expected);                                          \
  } while (0)

static inline int check_end(void) {
  if (check_count == 0) {
    fprintf(stderr, "nothing was checked\n");
    return 1;
  }
  fprintf(stderr, "%d checks, %d failed\n", check_count, check_failures);
  return check_failures != 0;
}

#endif
