/* faults.c: see faults.h. */
#include "faults.h"

#include <stddef.h>
#include <string.h>

#include "world.h"

sim_fault_plan sim_io_faults, sim_parent_faults, sim_memory_faults;
static sim_fault_plan *const all[] = {&sim_io_faults, &sim_parent_faults, &sim_memory_faults};

int sim_fails(sim_fault_plan *p, const char *what, const char *name) {
  int fails = p->failing;
  if (sim_frozen > 0) return 0;
  p->calls++;
  if (p->rate > 0) fails |= sim_chance(&sim_fate, p->rate);
  if (p->at > 0 && --p->at == 0) {
    fails = 1;
    p->failing = p->lasting;
  }
  if (!fails) return 0;
  p->failed++;
  sim_note("FAULT  %s %s", what, name == NULL ? "" : name);
  return 1;
}

int sim_may_fail(const sim_fault_plan *p) { return p->rate > 0 || p->at > 0 || p->failing; }

void sim_heal(void) {
  size_t i;
  for (i = 0; i < sizeof all / sizeof *all; i++) {
    if (all[i]->failing) sim_note("HEALED");
    all[i]->failing = 0;
  }
}

void sim_end_faults(void) {
  size_t i;
  sim_heal();
  for (i = 0; i < sizeof all / sizeof *all; i++) {
    all[i]->rate = 0;
    all[i]->at = 0;
  }
}

uint64_t sim_faults(void) {
  return sim_io_faults.failed + sim_parent_faults.failed + sim_memory_faults.failed;
}

sim_fault_plan *sim_fault_plan_named(const char *name) {
  if (strcmp(name, "memory") == 0) return &sim_memory_faults;
  if (strcmp(name, "io") == 0) return &sim_io_faults;
  return strcmp(name, "parent") == 0 ? &sim_parent_faults : NULL;
}
