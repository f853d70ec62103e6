/* will.h: what the programs want: a stream of chance of their own.
 *
 * Each step has its own, so that a run without some of its steps is otherwise the same, as far
 * as it can be (minimise.h). All draws of programs/ are made here, in an order that the seed
 * alone decides: a draw more, or in another place, and a seed is another run.
 */
#ifndef SIM_WILL_H
#define SIM_WILL_H

#include "world.h"

extern sim_random sim_will;

/* Step 0: the set-up of the run. */
void sim_will_begin(uint64_t step);

static inline uint32_t below(uint32_t n) { return sim_below(&sim_will, n); }
static inline int chance(uint32_t percent) { return sim_chance(&sim_will, percent * 10000); }

#endif
