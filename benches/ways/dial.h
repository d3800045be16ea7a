/* Clients on the loopback interface, at first blocking. Exits when something fails. */
#ifndef DIAL_H
#define DIAL_H

/* Nothing takes this long, in seconds, unless something is broken. */
#define PATIENCE 20

/* Connects, and sends a WebSocket's request with these headers added. */
int dial(int port, const char *headers);

/* Reads the answer, which has to accept the request and to contain that text. */
void shake_hands(int fd, const char *expected);
#endif
