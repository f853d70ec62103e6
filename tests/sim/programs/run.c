/* run.c: a run from its beginning to its end: its own, or that of its process. */
#include "programs/run.h"

#include "kept.h"
#include "programs/commits.h"
#include "programs/committers.h"
#include "faults.h"
#include "minimise.h"
#include "programs/final.h"
#include "programs/heirs.h"
#include "programs/served.h"
#include "programs/steps.h"
#include "programs/sweep.h"
#include "programs/will.h"
#include "seam.h"
#include "store/exit.h"
#include "vfs/vfs.h"

static void run_steps(void) {
  uint32_t i;
  for (i = 0; i < sim_run.steps; i++) {
    int n;
    if (sim_step_is_left_out(i)) continue;
    sim_will_begin(i + 1);
    /* Mostly the one whose transaction writes goes on. */
    n = sim_run.writer >= 0 && chance(60) ? sim_run.writer : (int)below((uint32_t)sim_run.count);
    sim_step(&sim_run.programs[n]);
  }
}

static void run_programs(void *arg) {
  (void)arg;
  sim_setup();
  if (sim_run.committers) sim_committers_run(sim_run.lag_ms, sim_run.page_size);
  run_steps();
  sim_final_checks();
  sim_stats.faults += sim_faults();
  sim_stats.leaps += sim_leaps;
  sim_stats.runs++;
}

/* ---- the end of the process ------------------------------------------------------------- */

static struct {
  int over;               /* the programs have come to their own end */
  uint64_t at_order;      /* how many changes of the disk the process lives through */
} life;

static int is_over(void *arg) {
  (void)arg;
  return life.over || sim_run.disk.order >= life.at_order;
}

static void run_until_killed(void *arg) {
  run_programs(arg);
  life.over = 1;
}

/* Write-through apart, all is in the files now. */
static void all_is_durable(void) {
  int d;
  for (d = 0; d < sim_databases; d++) sim_acknowledged(d);
}

static void exit_process(uint32_t ms) {
  uint32_t locks = (uint32_t)sim_world_end_others();
  sim_note("EXIT   with %u locks lost, %u ms", locks, ms);
  if (!sim_run.faults && chance(70)) sim_end_faults();
  sim_exiting = 1;
  sim_seam_process_ends();
  avfs_process_exit(&sim_io, ms);
  sim_note("EXITED");
  if (locks == 0 && ms == 2000 && !sim_run.faults && !sim_late_hangs) all_is_durable();
  sim_crash_now(&sim_run.disk);
  sim_stats.exits++;
  sim_stats.runs++;
}

/* The programs are a thread of their own, which ends with all the others in the middle of
 * whatever it does; then this thread is the process's last. */
static void run_killed(void *arg) {
  uint32_t ms = chance(70) ? 2000 : below(30);
  (void)arg;
  life.at_order = 1 + below(chance(70) ? 150 : 600);
  sim_hurry = is_over;
  sim_thread("the program", run_until_killed, NULL);
  (void)sim_wait(is_over, NULL, SIM_NEVER, "the end of the process");
  if (!life.over) exit_process(ms);
}

/* ---- the beginning ---------------------------------------------------------------------- */

static uint32_t rate_of(uint64_t seed) {
  static const uint32_t rates[] = {50000, 150000, 400000, 1000000};
  sim_random r = {seed};
  return rates[sim_below(&r, 4)];
}

static void run_all(void *arg) {
  uint32_t rate = *(uint32_t *)arg;
  sim_crash_watch(&sim_run.disk, rate == 0 ? rate_of(sim_seed) : rate);
  sim_run.killed = chance(20) && sim_sweep.plan == NULL;
  sim_world_run(sim_run.killed ? run_killed : run_programs, NULL);
}

void sim_run_seed(uint64_t seed, uint32_t rate) {
  uint32_t i;
  sim_seed = seed;
  sim_fate.state = seed * 0x2545f4914f6cdd1du;
  sim_draw(&sim_fate);
  sim_will_begin(0);
  sim_kept_start();
  sim_current_disk = &sim_run.disk;
  sim_bind_sqlite();
  sim_seam_start();
  if (avfs_vfs_register(&sim_io, sqlite3_vfs_find("win32"), 0, NULL) != SQLITE_OK) {
    sim_fail("asyncvfs cannot be registered");
  }
  sim_in_process(run_all, &rate);
  for (i = 0; i < sim_kept_count(); i++) sim_in_process(sim_heir_run, &i);
}
