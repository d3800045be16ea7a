/* A strict reader of Prometheus' text exposition format 0.0.4, as far as wsock_loop_metrics uses it: each
   family once, HELP and TYPE before its samples, no sample twice, buckets that add up. */
#ifndef PROMETHEUS_H
#define PROMETHEUS_H
#include "check.h"

#include <ctype.h>
#include <math.h>

#define SAMPLES_MAX 2000
#define FAMILIES_MAX 200

struct sample {
  char key[300];                    /* name and labels */
  double value;
};
struct metrics {
  int count, families;
  struct sample samples[SAMPLES_MAX];
  char family[FAMILIES_MAX][100];
};

static inline size_t name_length(const char *text) {
  size_t n = 0;
  while (isalnum((unsigned char)text[n]) || text[n] == '_') n++;
  return isdigit((unsigned char)text[0]) ? 0 : n;
}
/* The length of `{a="b",c="d"}`; 0 when it is no such thing. */
static inline size_t labels_length(const char *text) {
  size_t at = 1;
  if (text[0] != '{') return 0;
  for (;;) {
    size_t n = name_length(text + at);
    if (n == 0 || strncmp(text + at + n, "=\"", 2) != 0) return 0;
    for (at += n + 2; text[at] != '"'; at++)
      if (text[at] == 0 || text[at] == '\\' || text[at] == '\n') return 0;
    at++;
    if (text[at] == '}') return at + 1;
    if (text[at++] != ',') return 0;
  }
}
static inline double metric(const struct metrics *m, const char *key) {
  for (int i = 0; i < m->count; i++)
    if (strcmp(m->samples[i].key, key) == 0) return m->samples[i].value;
  CHECKF(0, "there is no %s", key);
  return -1;
}

/* Within a histogram: the last bucket, its bound and labels, to compare the next with. */
struct histogram {
  double bound, seen;
};
static inline void read_sample(struct metrics *m, const char *line, const char *family, const char *type, struct histogram *h) {
  size_t name = name_length(line), labels = labels_length(line + name);
  const char *rest = line + name + labels;
  char *end;
  double value = strtod(rest, &end);
  CHECKF(name > 0 && labels > 0 && *rest == ' ' && end > rest && *end == 0, "no sample: %s", line);
  CHECKF(value >= 0 && isfinite(value), "no count: %s", line);
  const char *suffix = line + strlen(family);
  CHECKF(strncmp(line, family, strlen(family)) == 0, "%s is not of the family %s", line, family);
  if (strcmp(type, "histogram") != 0) {
    CHECKF(*suffix == '{', "%s is not of the family %s", line, family);
  } else if (strncmp(suffix, "_bucket{", 8) == 0) {
    const char *le = strstr(suffix, ",le=\"");
    REQUIRE(le != NULL);
    double bound = strncmp(le + 5, "+Inf\"", 5) == 0 ? INFINITY : strtod(le + 5, NULL);
    CHECKF(bound > h->bound && value >= h->seen, "buckets are not cumulative: %s", line);
    *h = (struct histogram){bound, value};
  } else if (strncmp(suffix, "_count{", 7) == 0) {
    CHECKF(isinf(h->bound) && value == h->seen, "not the count of the last bucket: %s", line);
    *h = (struct histogram){-1, 0};
  } else {
    CHECKF(strncmp(suffix, "_sum{", 5) == 0, "no part of a histogram: %s", line);
  }
  REQUIRE(m->count < SAMPLES_MAX && name + labels < sizeof m->samples[0].key);
  struct sample *sample = &m->samples[m->count];
  memcpy(sample->key, line, name + labels);
  sample->key[name + labels] = 0;
  sample->value = value;
  for (int i = 0; i < m->count; i++) CHECKF(strcmp(m->samples[i].key, sample->key) != 0, "twice: %s", sample->key);
  m->count++;
}

/* Reads a whole text; everything that is wrong with it is a failed check. */
static inline void read_metrics(struct metrics *m, const char *text, size_t len) {
  char *copy = malloc(len + 1), *line, *next;
  char family[100] = "", type[20] = "";
  struct histogram h = {-1, 0};
  memset(m, 0, sizeof *m);
  REQUIRE(strlen(text) == len && len > 0 && text[len - 1] == '\n');
  memcpy(copy, text, len + 1);
  for (line = copy; *line; line = next) {
    next = strchr(line, '\n');
    *next++ = 0;
    if (strncmp(line, "# HELP ", 7) == 0) {
      size_t n = name_length(line + 7);
      REQUIRE(n > 0 && n < sizeof family && line[7 + n] == ' ' && line[8 + n] != 0);
      CHECKF(h.bound < 0, "%s is cut short", family);
      memcpy(family, line + 7, n);
      family[n] = 0;
      CHECKF(strncmp(family, "wsock_", 6) == 0, "%s", family);
      type[0] = 0;
      REQUIRE(m->families < FAMILIES_MAX);
      for (int i = 0; i < m->families; i++) CHECKF(strcmp(m->family[i], family) != 0, "%s twice", family);
      strcpy(m->family[m->families++], family);
    } else if (strncmp(line, "# TYPE ", 7) == 0) {
      size_t n = strlen(family);
      CHECKF(type[0] == 0 && strncmp(line + 7, family, n) == 0 && line[7 + n] == ' ', "%s after the HELP of %s", line, family);
      snprintf(type, sizeof type, "%s", line + 8 + n);
      int total = n > 6 && strcmp(family + n - 6, "_total") == 0;
      CHECKF(strcmp(type, total ? "counter" : strstr(family, "_seconds") && strcmp(type, "gauge") ? "histogram" : "gauge") == 0 ||
                 strcmp(type, "histogram") == 0, "%s", line);
    } else {
      CHECKF(type[0] != 0, "before its TYPE: %s", line);
      read_sample(m, line, family, type, &h);
    }
  }
  CHECKF(h.bound < 0, "%s is cut short", family);
  free(copy);
}
#endif
