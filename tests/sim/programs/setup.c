/* setup.c: what the seed makes of a run: how many programs and databases, of which settings, and
 * what goes wrong. Some things exclude each other.
 */
#include "crash.h"
#include "faults.h"
#include "programs/run.h"
#include "programs/shadow.h"
#include "programs/sweep.h"
#include "programs/will.h"
#include "seam.h"

enum { TURNS_MS = 20 };

struct sim_run sim_run;

static void draw_sizes(void) {
  static const uint32_t switch_rates[] = {0, 5000, 50000, 300000};
  static const int page_sizes[] = {512, 512, 1024, 1024, 2048, 4096, 4096, 8192, 65536};
  sim_run.steps = 20 + below(140);
  sim_databases = chance(65) ? 1 : 2 + (int)below(2);
  sim_run.count = 1 + (int)below(3);
  sim_run.page_size = page_sizes[below(9)];
  sim_run.auto_vacuum = (int)below(3);
  sim_run.lag_ms = below(3) == 0 ? below(20) : 100;
  sim_run.queue_bytes = chance(30) ? (uint64_t)sim_run.page_size * (4 + below(30)) : 0;
  sim_switch_rate = switch_rates[below(4)];
  sim_flush_ms = below(4) == 0 ? 0 : (int)below(15);
}

/* Of the sweep's run nothing else disturbs. */
static void disturb_by_sweep(void) {
  sim_stall_rate = sim_leap_rate = 0;
  sim_io_faults.rate = sim_parent_faults.rate = 0;
  sim_run.no_memory = sim_sweep.plan == &sim_memory_faults;
  sim_run.faults = !sim_run.no_memory;
  sim_sweep.plan->at = sim_sweep.at;
  sim_sweep.plan->lasting = sim_sweep.lasting;
}

static void draw_disturbances(void) {
  static const uint32_t fault_rates[] = {2000, 10000, 50000};
  sim_run.faults = chance(25);
  if (sim_run.faults) sim_io_faults.rate = fault_rates[below(3)];
  if (sim_run.faults && chance(40)) sim_parent_faults.rate = fault_rates[below(2)];
  sim_run.no_memory = !sim_run.faults && !sim_run.killed && chance(20);
  sim_run.disk.forces_little = chance(50);
  sim_run.shared_cache = sim_databases == 1 && chance(12);
  sim_run.shared_mode = (int)below(5);
  if (chance(15)) sim_stall_rate = 1 + below(300);
  /* A leap over close_timeout_ms while the disk fails loses commits, rightly. */
  if (!sim_run.killed && !sim_run.faults && chance(12)) sim_leap_rate = 1 + below(500);
  if (sim_sweep.plan != NULL) disturb_by_sweep();
}

/* Kinds of runs that take a disk, memory and calls that do not fail. */
static void draw_kind(void) {
  int calm = !sim_run.faults && !sim_run.no_memory && sim_sweep.plan == NULL;
  int plain = calm && sim_databases == 1 && !sim_run.shared_cache;
  sim_run.committers = chance(12) && calm;
  sim_run.second_name = chance(15) && plain && !sim_run.committers;
  sim_run.wal = chance(50) && plain && !sim_run.second_name;
  if (!sim_run.committers) return;
  sim_databases = 1;
  if (sim_switch_rate == 0) sim_switch_rate = 50000;
}

/* A batch that is under way when the commit returns, and then its own; with four flushes
 * each. A thread's turn costs time too, here more than anywhere. */
static uint64_t lag_bound_ns(void) {
  return (sim_run.lag_ms + 2 * 4 * (uint64_t)sim_flush_ms + TURNS_MS) * 1000000;
}

static void promise_lag(void) {
  if (sim_run.faults || sim_run.no_memory || sim_run.killed || sim_stall_rate != 0 || sim_leap_rate != 0) return;
  sim_lag_bound_ns = lag_bound_ns();
}

static void draw_programs(void) {
  static const char *const names[] = {"A", "B", "C", "stock"};
  int n;
  sim_alone = chance(60) ? 0 : -1;
  sim_run.writer = -1;
  for (n = 0; n < sim_run.count; n++) sim_run.programs[n].name = names[n];
  if (chance(50)) {
    sim_run.programs[sim_run.count].stock = 1;
    sim_run.programs[sim_run.count++].name = names[3];
    sim_run.only_delete = sim_run.wal;
  }
  if (sim_run.committers) sim_run.count = 0, sim_run.steps = 0;
}

void sim_setup(void) {
  draw_sizes();
  draw_disturbances();
  draw_kind();
  promise_lag();
  draw_programs();
  sim_shadow_open();
  sim_note("%d databases, pages of %d, auto_vacuum %d, lag %u ms, queue %llu, %d programs, faults %u and %u, "
           "stalls %u, leaps %u%s",
           sim_databases, sim_run.page_size, sim_run.auto_vacuum, sim_run.lag_ms,
           (unsigned long long)sim_run.queue_bytes, sim_run.count, sim_io_faults.rate, sim_parent_faults.rate,
           sim_stall_rate, sim_leap_rate, sim_run.shared_cache ? ", shared cache" : "");
}
