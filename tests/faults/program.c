/* faults SEED PLANS: runs the plans SEED to SEED + PLANS - 1, one after the other. faults --show SEED: that one
   alone, with every fault as it happens. */
#include "pair.h"

#include <dirent.h>
#include <signal.h>
#include <unistd.h>

static char replay[700];
const char *program_replay = replay;

static struct world world;

/* Also of what kills it, and of what never ends, it has to be known which plan it was. */
static void died(int number) {
  signal(number, SIG_DFL);
  broken(&world, __FILE__, __LINE__, "the process lives", " %s", strsignal(number));
}

static void run(uint64_t seed) {
  alarm(300);
  plan_choose(&world, seed);
  if (layer_shows) plan_print(&world);
  pair_run(&world);
}

static int descriptors(void) {
  int count = 0;
  DIR *dir = opendir("/proc/self/fd");
  while (readdir(dir)) count++;
  closedir(dir);
  return count;
}

/* What the library keeps for good is not lost, such as a place in one of a few dozen tables: only what every
   repetition leaves behind is. */
#define REPETITIONS 100
static void look_for_leaks(uint64_t seed) {
  static long blocks;
  static int files;
  int more_blocks = 0, more_files = 0;
  if (layer_blocks() <= blocks && descriptors() <= files) return;
  for (int i = 0; i <= REPETITIONS && (i <= 4 || more_blocks > i / 2 || more_files > i / 2); i++) {
    if (i) run(seed);
    if (layer_blocks() > blocks) more_blocks++, blocks = layer_blocks();
    if (descriptors() > files) more_files++, files = descriptors();
  }
  HOLDS(&world, more_blocks < REPETITIONS * 3 / 4, "%ld blocks of memory, and more each time", blocks);
  HOLDS(&world, more_files < REPETITIONS * 3 / 4, "%d descriptors, and more each time", files);
}

int main(int count, char **arguments) {
  layer_shows = count == 3 && strcmp(arguments[1], "--show") == 0;
  if (count != 3) {
    fprintf(stderr, "usage: %s SEED PLANS, or --show SEED\n", arguments[0]);
    return 2;
  }
  uint64_t seed = strtoull(arguments[layer_shows ? 2 : 1], NULL, 10);
  uint64_t plans = layer_shows ? 1 : strtoull(arguments[2], NULL, 10);
  signal(SIGABRT, died);
  signal(SIGSEGV, died);
  signal(SIGALRM, died);
  snprintf(replay, sizeof replay, "WSOCK_TEST_CERTS=%s %s --show", getenv("WSOCK_TEST_CERTS"), arguments[0]);
  uint64_t faults = 0, opened = 0, lost = 0, messages = 0, came = 0;
  for (uint64_t i = 0; i < plans; i++) {
    run(seed + i);
    faults += (uint64_t)layer_count();
    for (int end = 0; end < world.lives; end++) {
      opened++;
      lost += world.life[end].status != WSOCK_OK;
      messages += world.life[end].sent[MINE] + world.client[world.life[end].link].sent[MINE];
      came += world.life[end].due[MINE] + world.client[world.life[end].link].due[MINE];
    }
    look_for_leaks(seed + i);
  }
  printf("%llu plans: %llu faults, %llu connections open, %llu of them lost, %llu messages accepted, %llu came, %d times no memory\n",
         (unsigned long long)plans, (unsigned long long)faults, (unsigned long long)opened, (unsigned long long)lost,
         (unsigned long long)messages, (unsigned long long)came, layer_refusals());
  return 0;
}
