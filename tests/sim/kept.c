/* kept.c: see kept.h. */
#include "kept.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"
#include "seam.h"

#define ROOM_BYTES ((size_t)160 << 20)
enum { ALIGNED = 16 };

static struct shared {
  sim_statistics statistics;
  uint64_t calls[3];             /* that could have failed */
  sim_history commits[SIM_DATABASES];
  uint32_t groups[SIM_GROUPS][SIM_DATABASES];
  int databases;
  uint32_t count;
  sim_kept kept[SIM_KEPT];
  size_t used;
  unsigned char room[ROOM_BYTES];
} *shared;

static sim_fault_plan *const plans[3] = {&sim_io_faults, &sim_parent_faults, &sim_memory_faults};

void sim_kept_start(void) {
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (shared == MAP_FAILED) sim_fail("no memory for what is kept");
}

/* States of the run that are the same in this process, if it is an heir. */
static uint32_t of_run[SIM_DATABASES] = {UINT32_MAX, UINT32_MAX, UINT32_MAX};

static int is_run(void) { return of_run[0] == UINT32_MAX; }

/* ---- processes ------------------------------------------------------------------------ */

static void hand_over(void) {
  int i;
  shared->statistics = sim_stats;
  for (i = 0; is_run() && i < 3; i++) shared->calls[i] = plans[i]->calls;
}

static void take_over(void) {
  int i;
  sim_stats = shared->statistics;
  for (i = 0; i < 3; i++) plans[i]->calls = shared->calls[i];
}

void sim_in_process(void (*run)(void *arg), void *arg) {
  unsigned left_s = alarm(0);
  int status = 0;
  pid_t pid;
  fflush(stdout);
  pid = fork();
  if (pid < 0) sim_fail("no process can be started");
  if (pid == 0) {
    alarm(left_s);
    run(arg);
    hand_over();
    fflush(stdout);
    _Exit(0);
  }
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  if (WIFSIGNALED(status)) {
    signal(WTERMSIG(status), SIG_DFL);
    raise(WTERMSIG(status));
  }
  if (status != 0) _Exit(1);
  take_over();
  alarm(left_s);
}

/* ---- images ----------------------------------------------------------------------------- */

static void *have(size_t bytes) {
  void *p = shared->room + shared->used;
  shared->used += (bytes + ALIGNED - 1) / ALIGNED * ALIGNED;
  if (shared->used > ROOM_BYTES) sim_fail("the shared memory is too small");
  return p;
}

static size_t bytes_of(const sim_disk *d) {
  size_t n = d->name_count * sizeof *d->names + 1000;
  uint32_t i, k;
  for (i = 0; i < d->file_count; i++) {
    const sim_file *f = d->files[i];
    n += sizeof *f + f->live.size + f->durable.size + f->pending_count * (sizeof *f->pending + ALIGNED) + 100;
    for (k = 0; k < f->pending_count; k++) n += f->pending[k].data == NULL ? 0 : f->pending[k].bytes;
  }
  return n;
}

void sim_kept_shortened(int d) {
  if (of_run[d] > sim_commits[d].count) of_run[d] = sim_commits[d].count;
}

static void keep_history(int d, int killed, sim_kept_history *to) {
  const sim_history *h = &sim_commits[d];
  uint32_t i;
  to->count = h->count;
  to->acked = sim_promised(h);
  to->kept = killed && h->kept > to->acked ? h->kept : to->acked;
  to->trying = h->trying;
  to->trying_state = h->trying_state;
  to->of_run = of_run[d] < h->count ? of_run[d] : h->count;
  if (is_run()) memcpy(shared->commits[d].state, h->state, h->count * sizeof h->state[0]);
  for (i = to->of_run; i < h->count; i++) {
    if (i - to->of_run == SIM_KEPT_STATES) sim_fail("an heir makes too many commits");
    to->added[i - to->of_run] = h->state[i];
  }
}

void sim_keep(const sim_disk *d, int killed, int depth, uint64_t hash) {
  sim_kept *k;
  int i;
  if (shared == NULL) return;   /* a recording, which has no heirs */
  k = &shared->kept[shared->count];
  if (shared->count == SIM_KEPT || shared->used + bytes_of(d) > ROOM_BYTES) return;
  shared->count++;
  sim_disk_clone(d, &k->disk, have);
  k->killed = killed;
  k->depth = depth;
  k->boot = sim_boot + !killed;
  k->hash = hash;
  k->step = sim_stats.steps;
  for (i = 0; i < sim_databases; i++) keep_history(i, killed, &k->of[i]);
  k->groups = sim_group_count;
  if (is_run()) memcpy(shared->groups, sim_groups, sim_group_count * sizeof sim_groups[0]);
  if (k->groups > 0) memcpy(k->last_group, sim_groups[k->groups - 1], sizeof k->last_group);
  shared->databases = sim_databases;
}

uint32_t sim_kept_count(void) { return shared->count; }

static void take_history(int d, const sim_kept_history *from) {
  sim_history *h = &sim_commits[d];
  uint32_t i;
  memset(h, 0, sizeof *h);
  memcpy(h->state, shared->commits[d].state, from->of_run * sizeof h->state[0]);
  for (i = from->of_run; i < from->count; i++) h->state[i] = from->added[i - from->of_run];
  h->count = from->count;
  h->acked = from->acked;
  h->kept = from->kept;
  h->trying = from->trying;
  h->trying_state = from->trying_state;
  of_run[d] = from->of_run;
}

const sim_kept *sim_kept_take(uint32_t i, sim_disk *disk_out) {
  const sim_kept *k = &shared->kept[i];
  int d;
  sim_disk_clone(&k->disk, disk_out, malloc);
  sim_databases = shared->databases;
  for (d = 0; d < sim_databases; d++) take_history(d, &k->of[d]);
  sim_group_count = k->groups;
  memcpy(sim_groups, shared->groups, sim_group_count * sizeof sim_groups[0]);
  if (k->groups > 0) memcpy(sim_groups[k->groups - 1], k->last_group, sizeof k->last_group);
  sim_boot = k->boot;
  return k;
}
