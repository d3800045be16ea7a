/* What the benchmarks share: time, cores, processes that they start, and figures over many rounds. */
#ifndef MEASURE_H
#define MEASURE_H
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

/* Sides that can take turns. */
#define MOST_SIDES 8
/* Odd, so that a median is a figure of one round. */
#define ROUNDS 7

/* One figure of two sides that take turns, and of the first side once more: its ratio to itself is the noise. */
struct series {
    double base[ROUNDS], other[ROUNDS], ratio[ROUNDS], noise[ROUNDS];
};

void die(const char *what);
double now(void);
double seconds_of(clockid_t clock);

/* Keeps this process, and those that it starts, on one core where there are two. */
void pin(int core);

/* As many descriptors as the system allows, also for processes to be started; returns how many. */
int most_descriptors(void);

/* A child that ends with this process; what remains to be done is its own, returns 0 in it. */
pid_t spawn(void);

/* Figures of `count` named sides that take turns, in one order and then in the other; side `count` is the first once
   more. Prints a line for each side but the first. */
void take_turns(const char *what, const char *const *names, int count, double (*figure)(int side, void *arg), void *arg);

void record(struct series *series, int round, double base, double other, double again);
void print_heading(const char *base, const char *other);
void print_row(const char *what, struct series *series);
/* What goes on now, on standard error when that is a terminal; NULL wipes it away. */
void progress(const char *what, int round);
#endif
