/* A second translation unit with the header in it, after the system's own. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wsock.h"

size_t sizes(void);

/* The type of wsock_connect, written down once more. */
static wsock_status (*const connecting)(wsock_loop *, const char *, const wsock_options *, const wsock_handlers *, void *,
                                        wsock_conn **) = NULL;

size_t sizes(void) { return connecting == NULL ? sizeof(wsock_handlers) : 0; }
