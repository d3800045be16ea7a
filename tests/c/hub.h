/* What the programs about hubs share. */
#ifndef HUB_H
#define HUB_H
#include "raw.h"

static inline wsock_hub *new_hub(void) {
  wsock_hub *hub = NULL;
  REQUIRE(wsock_hub_new(&hub) == WSOCK_OK && hub != NULL);
  return hub;
}
static inline wsock_status publish(wsock_hub *hub, const char *topic, const char *text, uint32_t flags, const wsock_conn *except) {
  wsock_publish_options options;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.flags = flags;
  options.except = except;
  return wsock_hub_publish(hub, topic, WSOCK_TEXT, text, strlen(text), &options);
}
static inline wsock_hub_stats hub_stats(const wsock_hub *hub) {
  wsock_hub_stats stats;
  memset(&stats, 0x5a, sizeof stats);
  stats.struct_size = sizeof stats;
  CHECK_STATUS(wsock_hub_get_stats(hub, &stats), WSOCK_OK);
  return stats;
}
#endif
