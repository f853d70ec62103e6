/* sweep.c: see sweep.h. */
#include "programs/sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "programs/run.h"

struct sim_sweep sim_sweep = {.cut_rate = 20000};

void sim_run_swept(uint64_t at) {
  sim_sweep.at = at;
  sim_run_seed(sim_sweep.seed, sim_sweep.cut_rate);
}

/* How many calls there are that can fail. */
static uint64_t count_calls(void) {
  uint64_t *calls = mmap(NULL, sizeof *calls, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t pid = calls == MAP_FAILED ? -1 : fork();
  if (pid == 0) {
    sim_run_swept(0);
    *calls = sim_sweep.plan->calls;
    _Exit(0);
  }
  if (pid < 0 || waitpid(pid, NULL, 0) != pid || *calls == 0) {
    fprintf(stderr, "sim: the run without a fault failed: sim --seed %llu\n", (unsigned long long)sim_sweep.seed);
    exit(2);
  }
  return *calls;
}

int sim_sweep_all(sim_campaign *c) {
  c->last = count_calls();
  c->seed = 1;
  c->run = sim_run_swept;
  printf("sweep: seed %llu has %llu calls (%s) that can fail: each does, %s\n",
         (unsigned long long)sim_sweep.seed, (unsigned long long)c->last, sim_sweep.name,
         sim_sweep.lasting ? "and all after it" : "once");
  return sim_campaign_run(c) > 0;
}
