/* The header alone, before anything else, twice; its constants where the preprocessor can see them.
   Compiled as C and as C++, together with second.c. */
#include "wsock.h"
#include "wsock.h"

#ifndef WSOCK_H
#error "the include guard has another name"
#endif
#if WSOCK_OK != 0 || WSOCK_BUFFERED <= 0 || WSOCK_ERR_INVALID_ARGUMENT >= 0 || WSOCK_ERR_POISONED != -101
#error "status codes are of no use to the preprocessor"
#endif
#if WSOCK_VERSION_MAJOR < 0 || (WSOCK_VERSION_MAJOR == 0 && WSOCK_VERSION_MINOR < 1)
#error "the version is of no use to the preprocessor"
#endif
#if !(WSOCK_FEATURE_TLS & 1) || (WSOCK_FEATURE_TLS & WSOCK_FEATURE_DEFLATE)
#error "features are not bits of their own"
#endif
#if WSOCK_CONNECTING != 0 || WSOCK_OPEN != 1 || WSOCK_CLOSING != 2 || WSOCK_CLOSED != 3
#error "the states are not the browser's"
#endif

const char *name_of(wsock_status status);
const wsock_handlers *handlers(void);

/* Each constant in a place that asks for a constant expression. */
const char *name_of(wsock_status status) {
  switch (status) {
    case WSOCK_OK: return "done";
    case WSOCK_BUFFERED: return "done, wait";
    case WSOCK_ERR_LIMIT: return "not now";
    default: return status < 0 ? "no" : "done, somehow";
  }
}

static void on_open(wsock_conn *conn, void *user_data) { (void)conn, (void)user_data; }
static void on_message(wsock_conn *conn, int32_t type, const uint8_t *data, size_t len, void *user_data) {
  (void)conn, (void)type, (void)data, (void)len, (void)user_data;
}
static int32_t on_request(wsock_server *server, wsock_request *request, void *user_data) {
  (void)server, (void)request, (void)user_data;
  return 404;
}

/* As the description of wsock_handlers says, without a warning. */
const wsock_handlers *handlers(void) {
#ifdef __cplusplus
  static wsock_handlers h = {};
#else
  static wsock_handlers h = {0};
#endif
  h.struct_size = sizeof h;
  h.on_open = on_open;
  h.on_message = on_message;
  h.on_request = on_request;
  return &h;
}

extern size_t sizes(void);

int main(void) { return handlers()->struct_size == sizes() ? 0 : 1; }
