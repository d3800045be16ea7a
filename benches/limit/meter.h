/* What a client that is measured shares with others: its arguments, and the line that it prints in the end.

     PROGRAM PORT firehose|pingpong SIZE SECONDS

   firehose takes messages as they come; pingpong sends one of SIZE bytes, awaits it back, and sends the next. */
#ifndef METER_H
#define METER_H
#include <stddef.h>

extern struct meter {
    int port, pingpong;
    size_t size;
} meter;

/* Reads the arguments; ends the program when they are wrong. */
void meter_begin(int argc, char **argv);

/* So many messages more; 1 when the time is over. What comes in the first half of a second does not count. */
int meter_count(unsigned messages);

/* Prints {"msgs_per_s", "cpu_ns_per_msg", "msgs"}, this process's own CPU time; `msgs` are all, the first ones too. */
void meter_report(void);
#endif
