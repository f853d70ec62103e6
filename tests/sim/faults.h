/* faults.h: which calls of the simulated machine fail.
 *
 *   now and then, by chance (rate); or, for a sweep over all of them, the n-th call
 *   (at), alone or with all that come after it (lasting), until sim_heal().
 */
#ifndef SIM_FAULTS_H
#define SIM_FAULTS_H

#include <stdint.h>

typedef struct sim_fault_plan {
  uint32_t rate;         /* per million calls */
  uint64_t at;           /* counts down; 0: none */
  int lasting;
  int failing;           /* until healed */
  uint64_t calls;        /* that could have failed */
  uint64_t failed;
} sim_fault_plan;

extern sim_fault_plan sim_io_faults;       /* of the seam */
extern sim_fault_plan sim_parent_faults;   /* of the parent's named files, stock SQLite's too */
extern sim_fault_plan sim_memory_faults;   /* of the library's heap */

/* Decides for one call. `name` is of its file, or NULL. */
int sim_fails(sim_fault_plan *p, const char *what, const char *name);
/* 1: some call is still to fail. */
int sim_may_fail(const sim_fault_plan *p);
/* Ends a fault that lasts. */
void sim_heal(void);
/* "memory", "io", "parent"; NULL for any other name. */
sim_fault_plan *sim_fault_plan_named(const char *name);
/* How many there were, of all. */
uint64_t sim_faults(void);
/* From here on nothing fails. */
void sim_end_faults(void);

#endif
