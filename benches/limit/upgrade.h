/* The least of a WebSocket handshake: the key, hashed. */
#ifndef UPGRADE_H
#define UPGRADE_H
#include "serve.h"

/* Answers the request that lies whole in `data` and returns how long it is; 0 when it is not whole, -1 when the
   connection is over. */
long upgrade(struct conn *conn, const uint8_t *data, size_t len);
#endif
