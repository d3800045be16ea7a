/* What the load generator was asked for. */
#ifndef OPTIONS_H
#define OPTIONS_H
#include <stddef.h>

enum mode { ECHO_MODE, HANDSHAKE_MODE, IDLE_MODE, BROADCAST_MODE, STEADY_MODE, STORM_MODE, MODES };
enum content { BINARY, TEXT, MIXED, JSON };

extern struct options {
    enum mode mode;
    enum content content;
    const char *host;
    int port, conns, depth;
    int beside; /* connections that say nothing meanwhile */
    size_t size;
    int tls, deflate, raw;
    double seconds, warmup;
    double every; /* steady: seconds from one message of a connection to its next */
    int wait;     /* steady: says when all are open, and begins when its input is closed */
    int stop;     /* storm: the server stands still meanwhile */
    int sample; /* one message in so many is compared, byte by byte */
    int touch;  /* idle: messages echoed on each connection */
    int cpu;    /* core of the generator, -1 for any */
    int server; /* process whose CPU time and memory count, 0 for none */
} options;

/* Reads the command line; ends the program when it is wrong. */
void parse_options(int argc, char **argv);

/* Prints what went wrong, as a message and as the JSON object that is expected of us, and ends the program. */
void die(const char *what);
#endif
