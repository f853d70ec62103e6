/* sim.c: the simulation's main: its options, and which runs they ask for (programs/run.h).
 *
 * usage: sim [--seed N] [--seconds S] [--images N] [--jobs N] [--for-ever] [--thorough]
 *            [--verbose] [--keep-going] [--stock FILE]... [--sweep memory|io|parent [--lasting]]
 *            [--minimise] [--leave-out LIST] [--cut-at STEP]
 *   --seed alone replays that one run; with --seconds, --images or --for-ever it is the
 *   first of many (campaign.h). --thorough: every step of the disk is cut. --stock: a
 *   shared object with a further SQLite (stock.h). --sweep: the seed's run once for each
 *   call that can fail (faults.h), which does, alone or with all after it; --at N replays
 *   one of them. --minimise: tells a seed's failure without the steps that it does not need;
 *   --leave-out and --cut-at replay what it found.
 */
#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "campaign.h"
#include "crash.h"
#include "minimise.h"
#include "parent_vfs.h"
#include "programs/run.h"
#include "programs/sweep.h"

static uint32_t cut_rate;   /* 0: by the seed */
static char replay[2000] = "build/sim/sim";   /* and what a run depends on */

static void replay_needs(const char *option, const char *value) {
  size_t n = strlen(replay);
  snprintf(replay + n, sizeof replay - n, " %s%s%s", option, value[0] != 0 ? " " : "", value);
}

static void run_once(uint64_t seed) { sim_run_seed(seed, cut_rate); }

/* A further stock SQLite, to judge images with. */
static void load_stock(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  sim_stock_starter starter = library == NULL ? NULL : (sim_stock_starter)dlsym(library, SIM_STOCK_STARTER);
  const sim_stock *stock = starter == NULL ? NULL : starter(sim_parent_vfs, sim_hash);
  if (stock == NULL || sim_stock_count == SIM_STOCKS) {
    fprintf(stderr, "sim: cannot use %s: %s\n", path, library == NULL ? dlerror() : "not a stock SQLite");
    exit(2);
  }
  sim_stocks[sim_stock_count++] = stock;
}

static int usage(void) {
  fprintf(stderr, "usage: sim [--seed N] [--seconds S] [--images N] [--jobs N] [--for-ever] [--thorough]\n"
                  "           [--verbose] [--keep-going] [--stock FILE]... [--sweep memory|io|parent [--lasting] [--at N]]\n"
                  "           [--minimise] [--leave-out LIST] [--cut-at STEP]\n");
  return 2;
}

/* Each call fails in turn. */
static int sweep_all(sim_campaign *c) {
  char seed[24];
  snprintf(seed, sizeof seed, "%llu", (unsigned long long)sim_sweep.seed);
  replay_needs("--sweep", sim_sweep.name);
  if (sim_sweep.lasting) replay_needs("--lasting", "");
  replay_needs("--seed", seed);
  replay_needs("--at", "%llu");
  return sim_sweep_all(c);
}

/* The first failure is told once more, without what it does not need. */
static int run_campaign(sim_campaign *c) {
  uint64_t failed = 0;
  c->failed_out = &failed;
  if (sim_campaign_run(c) == 0) return 0;
  if (!c->keep_going) (void)sim_minimise(failed, c->run, c->replay);
  return 1;
}

int main(int argc, char **argv) {
  sim_campaign campaign = {.seed = 1, .replay = replay, .run = run_once};
  int i, many = 0, shortened = 0;
  /* Images come and go by the thousand: no page of them goes back to the system. */
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 16 << 20);
  for (i = 1; i < argc; i++) {
    const char *value = i + 1 < argc ? argv[i + 1] : "";
    if (strcmp(argv[i], "--seed") == 0) campaign.seed = strtoull(value, NULL, 10), i++;
    else if (strcmp(argv[i], "--images") == 0) campaign.images = strtoull(value, NULL, 10), i++, many = 1;
    else if (strcmp(argv[i], "--seconds") == 0) campaign.seconds = strtod(value, NULL), i++, many = 1;
    else if (strcmp(argv[i], "--jobs") == 0) campaign.jobs = (uint32_t)strtoul(value, NULL, 10), i++;
    else if (strcmp(argv[i], "--for-ever") == 0) many = 1;
    else if (strcmp(argv[i], "--stock") == 0) load_stock(value), replay_needs("--stock", value), i++;
    else if (strcmp(argv[i], "--thorough") == 0) cut_rate = sim_sweep.cut_rate = 1000000, replay_needs("--thorough", "");
    else if (strcmp(argv[i], "--sweep") == 0 && (sim_sweep.plan = sim_fault_plan_named(value)) != NULL) {
      sim_sweep.name = value, i++;
    }
    else if (strcmp(argv[i], "--at") == 0) sim_sweep.at = strtoull(value, NULL, 10), i++;
    else if (strcmp(argv[i], "--minimise") == 0) shortened = 1;
    else if (strcmp(argv[i], "--leave-out") == 0) sim_leave_out(value), i++;
    else if (strcmp(argv[i], "--cut-at") == 0) sim_cut_only = strtoull(value, NULL, 10), i++;
    else if (strcmp(argv[i], "--lasting") == 0) sim_sweep.lasting = 1;
    else if (strcmp(argv[i], "--verbose") == 0) sim_verbose = 1;
    else if (strcmp(argv[i], "--keep-going") == 0) campaign.keep_going = 1;
    else return usage();
  }
  sim_sweep.seed = campaign.seed;
  if (sim_sweep.plan != NULL && sim_sweep.at == 0) return sweep_all(&campaign);
  replay_needs("--seed", "%llu");
  if (sim_sweep.plan != NULL) campaign.run = sim_run_swept, campaign.seed = sim_sweep.at;
  else if (many) return run_campaign(&campaign);
  else if (shortened) return sim_minimise(campaign.seed, campaign.run, campaign.replay);
  campaign.run(campaign.seed);
  printf("seed %llu: ok: %llu commits, %llu images\n", (unsigned long long)campaign.seed,
         (unsigned long long)sim_stats.commits, (unsigned long long)sim_stats.images);
  return 0;
}
