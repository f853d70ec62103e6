/* sweep.h: the run of one seed over and over, and another call that can fail does each time:
 * alone or with all after it (faults.h).
 */
#ifndef SIM_SWEEP_H
#define SIM_SWEEP_H

#include <stdint.h>

#include "campaign.h"
#include "faults.h"

/* Set by main. */
struct sim_sweep {
  sim_fault_plan *plan;   /* NULL: no sweep */
  const char *name;       /* of the plan */
  uint64_t seed;
  uint64_t at;            /* the call that fails; 0: none, they are counted */
  int lasting;            /* and all after it, until it is healed */
  uint32_t cut_rate;      /* as in sim_run_seed */
};
extern struct sim_sweep sim_sweep;

/* The run in which call number `at` fails. */
void sim_run_swept(uint64_t at);
/* Each call fails in turn: a run for each. Returns main's status. */
int sim_sweep_all(sim_campaign *c);

#endif
