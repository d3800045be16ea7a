/* For the programs that speak TLS: the certificates in WSOCK_TEST_CERTS, a directory that tests/c_suite.rs
   fills. */
#ifndef CERTS_H
#define CERTS_H
#include "raw.h"

static inline const char *path(const char *file) {
  static char paths[4][1024];
  static int next;
  char *text = paths[next = (next + 1) % 4];
  const char *dir = getenv("WSOCK_TEST_CERTS");
  REQUIRE(dir != NULL);
  snprintf(text, sizeof paths[0], "%s/%s", dir, file);
  return text;
}
static inline wsock_options *text_option(wsock_options *options, int32_t key, const char *value) {
  CHECK_STATUS(wsock_options_set_str(options, key, value), WSOCK_OK);
  return options;
}
/* Shows the certificate of that name. */
static inline wsock_options *shows(wsock_options *options, const char *name) {
  char chain[64], key[64];
  snprintf(chain, sizeof chain, "%s.pem", name);
  snprintf(key, sizeof key, "%s.key", name);
  CHECK_STATUS(wsock_options_add_cert_files(options, path(chain), path(key)), WSOCK_OK);
  return options;
}
static inline wsock_options *trusts(const char *ca) {
  return text_option(new_options(), WSOCK_OPT_TLS_CA_FILE, path(ca));
}
static inline const char *wss(const char *host, uint16_t port) {
  static char url[256];
  snprintf(url, sizeof url, "wss://%s:%u/", host, (unsigned)port);
  return url;
}
#endif
