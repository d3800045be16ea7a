/* What client and server say to each other: numbered messages whose size and bytes follow from the number, so that each
   knows whether one is missing, changed, or there twice. */
#ifndef TALK_H
#define TALK_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <stddef.h>
#include <stdint.h>
#include <wsock.h>

/* Messages are from 0 bytes to as many as this, the same at both ends. */
extern size_t talk_most;

struct said {
    int32_t type;
    size_t len;
    const uint8_t *data; /* until the next one is made */
};
struct said talk_message(uint32_t number);
int talk_is(uint32_t number, int32_t type, const uint8_t *data, size_t len);

/* A line of JSON for run.py. */
void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same for the end of a connection. */
void tell_end(const char *event, const wsock_close_info *info, const char *more);

/* Ends the program when a status says no. */
void must(wsock_status status, const char *what);
void broken(const char *what) __attribute__((noreturn));

/* What stands behind a name on the command line; NULL, or `fallback`, when it is not there. */
const char *text_of(int argc, char **argv, const char *name);
long number_of(int argc, char **argv, const char *name, long fallback);
wsock_options *options_from(int argc, char **argv);
#endif
