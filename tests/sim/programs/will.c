/* will.c: see will.h. */
#include "programs/will.h"

#include "disk.h"

sim_random sim_will;

void sim_will_begin(uint64_t step) { sim_will.state = sim_hash(sim_seed, &step, sizeof step); }
