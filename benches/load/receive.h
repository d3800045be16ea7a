/* What comes back: frames told apart, and compared with what was sent. */
#ifndef RECEIVE_H
#define RECEIVE_H
#include "conn.h"

/* Once, before the first `receive`. */
void receive_begin(void);

/* Reads what has come, and tells the mode of complete messages. */
void receive(struct conn *conn);

/* The same for bytes that have been read; returns how many messages are complete with them, -1 when the connection is
   over. */
int receive_bytes(struct conn *conn, const uint8_t *data, size_t len);
#endif
