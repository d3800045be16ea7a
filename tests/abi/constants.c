/* What the header says in numbers, against what the library answers. defaults.h is made by
   tests/artefact.rs from the header's comments: {key, name, default}, ... */
#include <stdio.h>
#include <string.h>

#include "wsock.h"

static const struct {
  int32_t key;
  const char *name;
  int64_t value;
} defaults[] = {
#include "defaults.h"
};

static int failures;

static void same(const char *what, long long library, long long header) {
  if (library == header) return;
  printf("%s: %lld in the library, %lld in the header\n", what, library, header);
  failures++;
}

int main(void) {
  char version[32];
  struct {
    wsock_error_info info;
    char more[64];
  } large;

  for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
    int64_t value = -1, min = 0, max = 0;
    wsock_status status = wsock_option_bounds(defaults[i].key, &min, &max, &value);
    if (status == WSOCK_ERR_UNSUPPORTED && (strncmp(defaults[i].name, "TLS_", 4) == 0 || strncmp(defaults[i].name, "DANGER_", 7) == 0)) {
      same("wsock_features without TLS", (long long)(wsock_features() & WSOCK_FEATURE_TLS), 0);
      continue;
    }
    if (status == WSOCK_ERR_UNSUPPORTED && strncmp(defaults[i].name, "DEFLATE", 7) == 0) {
      same("wsock_features without deflate", (long long)(wsock_features() & WSOCK_FEATURE_DEFLATE), 0);
      continue;
    }
    same(defaults[i].name, status, WSOCK_OK);
    same(defaults[i].name, value, defaults[i].value);
    if (!(min <= value && value <= max)) same(defaults[i].name, value, min);
  }

  snprintf(version, sizeof version, "%d.%d.%d", WSOCK_VERSION_MAJOR, WSOCK_VERSION_MINOR, WSOCK_VERSION_PATCH);
  if (strcmp(version, wsock_version_string()) != 0) same(wsock_version_string(), 1, 0);
  same("wsock_version", wsock_version(), WSOCK_VERSION_MAJOR << 16 | WSOCK_VERSION_MINOR << 8 | WSOCK_VERSION_PATCH);
  same("the N of libwsock.so.N", wsock_abi_version(), 0);

  /* the library tells how much of a struct it knows */
  memset(&large, 0, sizeof large);
  large.info.struct_size = sizeof large;
  same("wsock_last_error", wsock_last_error(&large.info), WSOCK_OK);
  same("sizeof(wsock_error_info)", (long long)large.info.struct_size, sizeof(wsock_error_info));
  return failures != 0;
}
