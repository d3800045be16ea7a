/* Clients that are nothing but a socket, for what a server does before and beside the messages of others. */
#ifndef RAW_H
#define RAW_H

void die(const char *what);

/* Connects to 127.0.0.1 and asks for WebSocket, with header lines beside the usual ones, or "". */
int dial(int port, const char *headers);

/* Reads the response, which must accept. Nothing may follow it yet. */
void shake_hands(int fd);
#endif
