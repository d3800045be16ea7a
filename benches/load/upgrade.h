/* The client's handshake. */
#ifndef CLIENT_UPGRADE_H
#define CLIENT_UPGRADE_H
#include "conn.h"

void send_upgrade(struct conn *conn);

/* Reads what has come of the answer; opens the connection when it is whole. */
void receive_upgrade(struct conn *conn);
#endif
