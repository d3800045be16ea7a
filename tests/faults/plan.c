/* What a plan's number chooses. */
#include "pair.h"

#include <stdarg.h>

extern const char *program_replay;

unsigned roll(struct world *world, unsigned of) {
  return (unsigned)((layer_mix(world->seed ^ 0x5eed, world->rolled++) >> 16) % of);
}

static int one_in(struct world *world, unsigned of) { return roll(world, of) == 0; }

void plan_choose(struct world *world, uint64_t seed) {
  /* Of 1024 calls. What only puts off may be frequent; what ends a connection must leave some alive. */
  static const uint16_t soft[] = {0, 0, 16, 64, 256, 400}, hard[] = {0, 0, 0, 2, 8, 40};
  memset(world, 0, sizeof *world);
  world->seed = seed;
  world->tls = one_in(world, 4);
  world->deflate = one_in(world, 3);
  world->unix_socket = one_in(world, 4) && !world->tls;
  world->named = one_in(world, 16);
  world->adopted = one_in(world, 6) && !world->tls;
  world->comes_back = one_in(world, 5) && !world->adopted;
  world->pings = one_in(world, 3);
  world->in_parts = one_in(world, 4);
  world->hubs = one_in(world, 4);
  world->crowd = one_in(world, 20);
  world->stormy_end = one_in(world, 3);
  world->tight = one_in(world, 4);
  world->drive = one_in(world, 24) ? STARTED : (enum drive)roll(world, STARTED);
  world->clients = 1 + (int)roll(world, CLIENTS);
  world->steps = 10 + (int)roll(world, 60);
  for (int i = 0; i < FAULTS; i++) {
    int puts_off = i == READ_LATER || i == WRITE_LATER || i == ACCEPT || i == WAIT;
    world->rates[i] = puts_off ? soft[roll(world, 6)] : hard[roll(world, 6)];
  }
  /* Of 1024 steps. */
  if (world->rates[MEMORY]) world->rates[MEMORY] = roll(world, 2) ? 1024 : 300;
}

void plan_print(const struct world *world) {
  static const char *const drives[] = {"polled", "batches", "foreign", "started"};
  fprintf(stderr, "plan %llu: %s, %d clients, %d steps%s%s%s%s%s%s%s%s%s%s%s%s; rates", (unsigned long long)world->seed,
          drives[world->drive], world->clients, world->steps, world->tls ? ", TLS" : "", world->deflate ? ", deflate" : "",
          world->unix_socket ? ", Unix" : "", world->named ? ", by name" : "", world->adopted ? ", adopted" : "",
          world->comes_back ? ", comes back" : "", world->pings ? ", pings" : "", world->in_parts ? ", on_part" : "",
          world->hubs ? ", hub" : "", world->crowd ? ", two threads" : "", world->stormy_end ? ", stormy end" : "",
          world->tight ? ", tight" : "");
  for (int i = 0; i < FAULTS; i++) fprintf(stderr, " %u", world->rates[i]);
  fprintf(stderr, "\n");
}

void broken(struct world *world, const char *file, int line, const char *condition, const char *format, ...) {
  va_list rest;
  layer_calm();
  fprintf(stderr, "the last of %d faults:\n", layer_count());
  layer_print();
  plan_print(world);
  fprintf(stderr, "%s:%d: not so: %s;", file, line, condition);
  va_start(rest, format);
  vfprintf(stderr, format, rest);
  va_end(rest);
  fprintf(stderr, "\nto see it again: %s %llu\n", program_replay, (unsigned long long)world->seed);
  exit(1);
}

int refused(struct world *world, wsock_status status, const char *call) {
  wsock_error_info info;
  if (status >= 0) return 0;
  memset(&info, 0, sizeof info);
  info.struct_size = sizeof info;
  wsock_last_error(&info);
  HOLDS(world, info.code == status && info.message[0], "%s gave %d, and %d: \"%s\"", call, (int)status, (int)info.code, info.message);
  int expected = status == WSOCK_ERR_STATE || status == WSOCK_ERR_LIMIT || status == WSOCK_ERR_INVALID_HANDLE ||
                 status == WSOCK_ERR_SYSTEM || status == WSOCK_ERR_NO_MEMORY;
  HOLDS(world, expected, "%s gave %s: %s", call, wsock_error_name(status), info.message);
  if (status == WSOCK_ERR_SYSTEM) HOLDS(world, info.os_error != 0, "%s: %s", call, info.message);
  return 1;
}
