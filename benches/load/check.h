/* Whether a message is the one that is expected. */
#ifndef CHECK_H
#define CHECK_H
#include "conn.h"

/* Compressed replies to compare on a connection: these, from the first on, since each may refer to those before. */
#define INFLATED 200

void begin_message(struct conn *conn, int opcode, int compressed);
void check_piece(struct conn *conn, const uint8_t *piece, size_t len);
void end_message(struct conn *conn);
#endif
